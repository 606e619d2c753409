//! The time, and ids made from it: owned by whoever runs things, so that tests and simulations can.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tells the time and makes ids.
pub trait Clock: Send + Sync {
    /// Now, as RFC 3339 in UTC with milliseconds.
    fn now(&self) -> String;
    /// Seconds since 1970.
    fn seconds(&self) -> i64;
    /// An id for a run that sorts behind `newest`, whatever the clock of the machine did since.
    fn run_id(&self, newest: Option<&str>) -> String;
}

/// When something that may take so long must have ended, on the clock of the runtime: one that is paused, in a
/// simulation, runs ahead of the machine's.
pub fn deadline(limit: Duration) -> Instant {
    let now = tokio::time::Instant::now();
    now.checked_add(limit).unwrap_or(now).into_std()
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    fn seconds(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn run_id(&self, newest: Option<&str>) -> String {
        let id = uuid::Uuid::now_v7();
        let newest = newest.and_then(|newest| newest.parse::<uuid::Uuid>().ok()).filter(|newest| *newest >= id);
        let Some(newest) = newest else { return id.to_string() };
        // The clock went back: the next millisecond after the newest run.
        let (high, low, _, _) = newest.as_fields();
        let millis = (u64::from(high) << 16) | u64::from(low);
        let random = uuid::Uuid::new_v4().into_bytes();
        let mut tail = [0; 10];
        tail.iter_mut().zip(random).for_each(|(tail, random)| *tail = random);
        uuid::Builder::from_unix_timestamp_millis(millis + 1, &tail).into_uuid().to_string()
    }
}

/// A clock that moves a second at each look, and counts its ids.
#[derive(Debug, Default)]
pub struct CountingClock(AtomicU64);

impl CountingClock {
    /// One that starts at 2026-01-01.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(CountingClock::default())
    }
}

impl Clock for CountingClock {
    fn now(&self) -> String {
        let seconds = i64::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        jiff::Timestamp::from_second(1_767_225_600 + seconds)
            .unwrap_or_default()
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string()
    }

    fn seconds(&self) -> i64 {
        1_767_225_600 + i64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn run_id(&self, _newest: Option<&str>) -> String {
        format!("00000000-0000-7000-8000-{:012}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_sorts_behind_the_newest_even_when_the_clock_went_back() {
        let ahead = uuid::Builder::from_unix_timestamp_millis(4_000_000_000_000, &[255; 10]).into_uuid().to_string();
        let next = SystemClock.run_id(Some(&ahead));
        assert!(next > ahead, "{next}");
        assert!(SystemClock.run_id(Some(&next)) > next);
        assert!(SystemClock.run_id(None) < ahead);
    }
}

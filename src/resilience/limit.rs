//! How much is asked for at once. The number of calls that run together grows with success, one by one, and is
//! halved where the other side says that it is too much (additive increase, multiplicative decrease: Chiu and
//! Jain, 1989).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::policy::{Limits, Rate};

/// So many at once are as good as any number.
const HIGHEST: f64 = 1024.0;

/// Calls that may run at once.
#[derive(Debug)]
pub(super) struct Concurrency {
    most: f64,
    state: Mutex<Running>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    /// How many may run; at least 1.
    allowed: f64,
    running: u32,
    /// When it was last made less: what began before that says nothing new.
    lessened: Option<Instant>,
    /// No more than this, whatever succeeds, until somebody raises it.
    ceiling: f64,
    /// How often it began again: who raises the ceiling of an earlier time comes too late.
    time: u64,
}

/// One call that runs.
#[derive(Debug)]
pub(super) struct Slot {
    of: Arc<Concurrency>,
    began: Instant,
}

impl Concurrency {
    /// As many as a limit says, or as somebody asks for.
    pub(super) fn new(limits: &Limits) -> Arc<Concurrency> {
        let most = limits.concurrency.map_or(f64::from(u16::MAX), |most| f64::from(most.get()));
        let state = Running { allowed: most, running: 0, lessened: None, ceiling: f64::INFINITY, time: 0 };
        Arc::new(Concurrency { most, state: Mutex::new(state), changed: Notify::new() })
    }

    /// Waits until one more may run.
    pub(super) async fn enter(self: &Arc<Self>) -> Slot {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if f64::from(state.running) + 1.0 <= state.allowed.max(1.0) {
                    state.running += 1;
                    return Slot { of: Arc::clone(self), began: Instant::now() };
                }
            }
            changed.await;
        }
    }

    /// Begins again with one at a time.
    pub(super) fn begin_again(&self) {
        let mut state = self.lock();
        (state.allowed, state.ceiling) = (1.0, f64::INFINITY);
        state.time += 1;
    }

    /// The same, and it stays at one until somebody raises that, naming the time that is returned.
    pub(super) fn begin_below(&self) -> u64 {
        let mut state = self.lock();
        (state.allowed, state.ceiling) = (1.0, 1.0);
        state.time += 1;
        state.time
    }

    /// Lets twice as many run, should they succeed. Returns whether there is more to be raised.
    pub(super) fn raise(&self, time: u64) -> bool {
        let mut state = self.lock();
        if state.time != time {
            return false;
        }
        state.ceiling *= 2.0;
        if state.ceiling < self.most.min(HIGHEST) {
            return true;
        }
        state.ceiling = f64::INFINITY;
        false
    }

    /// Whether nobody began again since.
    pub(super) fn is_time(&self, time: u64) -> bool {
        self.lock().time == time
    }

    /// How many may run.
    #[cfg(test)]
    pub(super) fn allowed(&self) -> f64 {
        self.lock().allowed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// It succeeded: a little more may run.
    pub(super) fn succeeded(&self) {
        let mut state = self.of.lock();
        state.allowed = (state.allowed + 1.0 / state.allowed.max(1.0)).min(self.of.most).min(state.ceiling);
    }

    /// It was too much: half as much may run.
    pub(super) fn was_too_much(&self) {
        let mut state = self.of.lock();
        if state.lessened.is_none_or(|lessened| self.began >= lessened) {
            state.allowed = (state.allowed.min(f64::from(state.running)) / 2.0).max(1.0);
            state.lessened = Some(Instant::now());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.lock().running -= 1;
        // All look: with more room than one there is no telling who fits.
        self.of.changed.notify_waiters();
    }
}

/// The clock of the runtime: in a simulation, it is paused.
#[derive(Clone, Debug)]
pub(super) struct RuntimeClock {
    began: Instant,
}

impl Clock for RuntimeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.began.elapsed())
    }
}

/// Calls that may begin in a time.
#[derive(Debug)]
pub(super) struct Pace {
    limiter: RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Nanos>>,
    clock: RuntimeClock,
}

impl Pace {
    /// At most so many.
    pub(super) fn new(rate: Rate) -> Option<Pace> {
        let clock = RuntimeClock { began: Instant::now() };
        let each = rate.per.checked_div(rate.count.get()).unwrap_or(Duration::from_secs(1));
        let quota = Quota::with_period(each)?.allow_burst(rate.count);
        Some(Pace { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock })
    }

    /// Waits until one more may begin.
    pub(super) async fn enter(&self) {
        while let Err(early) = self.limiter.check() {
            let wait = early.earliest_possible().duration_since(self.clock.now());
            tokio::time::sleep(Duration::from(wait).max(Duration::from_millis(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn at_most(count: u32) -> Arc<Concurrency> {
        Concurrency::new(&Limits { concurrency: NonZeroU32::new(count), rate: None })
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_run_at_once_than_may() {
        let limit = at_most(3);
        let most = Arc::new(Mutex::new((0, 0)));
        let calls = (0..50).map(|_| {
            let (limit, most) = (Arc::clone(&limit), Arc::clone(&most));
            async move {
                let slot = limit.enter().await;
                {
                    let mut most = most.lock().unwrap();
                    most.0 += 1;
                    most.1 = most.1.max(most.0);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                most.lock().unwrap().0 -= 1;
                drop(slot);
            }
        });
        futures::future::join_all(calls).await;
        assert_eq!(*most.lock().unwrap(), (0, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_halved_once_for_what_ran_together_and_grows_one_by_one() {
        let limit = at_most(16);
        let mut slots = Vec::new();
        for _ in 0..8 {
            slots.push(limit.enter().await);
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        // Eight ran, and all were too many: that is one message, not eight.
        slots.iter().for_each(Slot::was_too_much);
        assert!((limit.allowed() - 4.0).abs() < 0.01);
        drop(slots);
        for _ in 0..4 {
            limit.enter().await.succeeded();
        }
        assert!(limit.allowed() > 4.5 && limit.allowed() <= 5.0, "{}", limit.allowed());
        for _ in 0..1000 {
            limit.enter().await.succeeded();
        }
        assert!((limit.allowed() - 16.0).abs() < 0.01);
        limit.begin_again();
        assert!((limit.allowed() - 1.0).abs() < 0.01);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_calls_against_twenty_in_a_second_take_their_time() {
        let pace = Pace::new(Rate::parse("20/s").unwrap()).unwrap();
        let began = Instant::now();
        let mut at = Vec::new();
        for _ in 0..1000 {
            pace.enter().await;
            at.push(began.elapsed());
        }
        let took = began.elapsed().as_secs_f64();
        assert!((48.9..50.5).contains(&took), "{took}");
        // In no second more than the burst and what it allows.
        for (index, start) in at.iter().enumerate() {
            let within = at[index..].iter().take_while(|other| **other < *start + Duration::from_secs(1)).count();
            assert!(within <= 40, "{within} from {start:?}");
        }
    }
}

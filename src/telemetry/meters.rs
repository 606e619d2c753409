//! The numbers of this process.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Telemetry;
use super::metric::{self, Kind, Metric, TABLE};

type Labels = Vec<(&'static str, String)>;

/// Makes histograms with these bounds.
#[derive(Clone)]
struct Bounds(&'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

enum Instrument {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Gauge<f64, AtomicU64>>),
    Histogram(Family<Labels, Histogram, Bounds>),
}

/// How many wait now, and the most that did.
type Waiting = (usize, usize);

/// Everything that was counted and measured.
pub(super) struct Meters {
    registry: Registry,
    instruments: BTreeMap<&'static str, Instrument>,
    /// The runs that go on: what they are for, and since when.
    runs: Mutex<BTreeMap<String, (&'static str, Instant)>>,
    /// By provider and by what is waited for.
    queues: Mutex<BTreeMap<(String, &'static str), Waiting>>,
}

impl Default for Meters {
    fn default() -> Self {
        let mut registry = Registry::default();
        let mut instruments = BTreeMap::new();
        for Metric { name, help, kind } in TABLE {
            let instrument = match kind {
                Kind::Counter => {
                    let family = Family::default();
                    registry.register(*name, *help, family.clone());
                    Instrument::Counter(family)
                }
                Kind::Gauge | Kind::OfLastRun => {
                    let family = Family::default();
                    registry.register(*name, *help, family.clone());
                    Instrument::Gauge(family)
                }
                Kind::Histogram(bounds) => {
                    let family = Family::new_with_constructor(Bounds(bounds));
                    registry.register(*name, *help, family.clone());
                    Instrument::Histogram(family)
                }
            };
            instruments.insert(*name, instrument);
        }
        Meters { registry, instruments, runs: Mutex::default(), queues: Mutex::default() }
    }
}

impl Meters {
    pub(super) fn add(&self, metric: &Metric, labels: &[(&'static str, &str)], number: u64) {
        if let Some(Instrument::Counter(family)) = self.instruments.get(metric.name) {
            // Also none: a series that is there from the beginning shows its first step upwards.
            family.get_or_create(&owned(labels)).inc_by(number);
        }
    }

    pub(super) fn set(&self, metric: &Metric, labels: &[(&'static str, &str)], value: f64) {
        if let Some(Instrument::Gauge(family)) = self.instruments.get(metric.name) {
            family.get_or_create(&owned(labels)).set(value);
        }
    }

    pub(super) fn observe(&self, metric: &Metric, labels: &[(&'static str, &str)], seconds: f64) {
        if let Some(Instrument::Histogram(family)) = self.instruments.get(metric.name) {
            family.get_or_create(&owned(labels)).observe(seconds);
        }
    }

    pub(super) fn run_began(&self, run: &str, kind: &'static str) {
        locked(&self.runs).insert(run.to_owned(), (kind, Instant::now()));
    }

    /// What a run was for, and how long it took.
    pub(super) fn run_ended(&self, run: &str) -> (&'static str, Duration) {
        match locked(&self.runs).remove(run) {
            Some((kind, began)) => (kind, began.elapsed()),
            None => ("unknown", Duration::ZERO),
        }
    }

    pub(super) fn queued(&self, telemetry: &'static Telemetry, provider: &str, queue: &'static str) -> Queued {
        let queued = Queued { telemetry, provider: provider.to_owned(), queue };
        self.waits(&queued, |now| now + 1);
        queued
    }

    fn waits(&self, queued: &Queued, change: impl Fn(usize) -> usize) {
        let (now, most) = {
            let mut queues = locked(&self.queues);
            let entry = queues.entry((queued.provider.clone(), queued.queue)).or_default();
            entry.0 = change(entry.0);
            entry.1 = entry.1.max(entry.0);
            *entry
        };
        let labels = [("provider", queued.provider.as_str()), ("queue", queued.queue)];
        queued.telemetry.set(&metric::QUEUE_LENGTH, &labels, float(now));
        queued.telemetry.set(&metric::QUEUE_PEAK, &labels, float(most));
    }

    /// All of it as text, and begins anew.
    pub(super) fn take(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        for instrument in self.instruments.values() {
            match instrument {
                Instrument::Counter(family) => family.clear(),
                Instrument::Gauge(family) => family.clear(),
                Instrument::Histogram(family) => family.clear(),
            }
        }
        locked(&self.queues).values_mut().for_each(|(now, most)| *most = *now);
        text
    }
}

/// A call that waits for its turn.
pub struct Queued {
    telemetry: &'static Telemetry,
    provider: String,
    queue: &'static str,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.telemetry.meters.waits(self, |now| now.saturating_sub(1));
    }
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Now, as Prometheus has it.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "nobody has more of anything than a float can count")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

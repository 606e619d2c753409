//! The table of all that is counted and measured.

/// One of them.
#[derive(Debug)]
pub struct Metric {
    /// Its name for Prometheus; that of a counter gets `_total` behind it.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// How its values go on from what a file has of it.
    pub kind: Kind,
}

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows: what is new is added to what the file has.
    Counter,
    /// Times in seconds, by how many were below each bound: added, too.
    Histogram(&'static [f64]),
    /// As it is now; what nothing new is known of stays as it was.
    Gauge,
    /// As it was in the last run: what that knew nothing of is gone.
    OfLastRun,
}

impl Metric {
    /// Its name for OpenTelemetry: words with dots, and without the unit.
    pub fn dotted(&self) -> String {
        self.name.trim_end_matches("_seconds").replace('_', ".")
    }

    /// Its name in the text of Prometheus.
    pub fn family(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            _ => self.name.to_owned(),
        }
    }

    /// The unit of its values, as OpenTelemetry writes it.
    pub fn unit(&self) -> &'static str {
        if self.name.ends_with("_seconds") { "s" } else { "1" }
    }
}

/// From a local file to a cluster that takes an hour.
const CALLS_TAKE: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
const RUNS_TAKE: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, $help:literal;)*) => {
        $(pub(super) const $constant: Metric = Metric { name: $name, help: $help, kind: $kind };)*
        /// All of them, in the order of the file.
        pub static TABLE: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    RUNS = "retrue_runs", Kind::Counter, "Runs that ended, by what they were for and how they ended";
    RUN_DURATION = "retrue_run_duration_seconds", Kind::Histogram(RUNS_TAKE), "How long runs took";
    RUN_ENDED = "retrue_run_ended_timestamp_seconds", Kind::Gauge, "When the last run of a kind ended in a state";
    STEPS = "retrue_steps", Kind::Counter, "Steps and undos, by what they do and what came of them";
    STEP_DURATION = "retrue_step_duration_seconds", Kind::Histogram(CALLS_TAKE), "How long the last try of steps took";
    DOUBTS = "retrue_doubts_settled", Kind::Counter, "Steps that were in doubt, by what was found to have come of them";
    RETRIES = "retrue_retries", Kind::Counter, "Tries beyond the first, by provider and by what had failed";
    CALLS = "retrue_provider_calls", Kind::Counter, "Calls of providers, by what came of them";
    FAILURES = "retrue_provider_failures", Kind::Counter, "Calls of providers that failed, by category";
    CALL_DURATION = "retrue_provider_call_duration_seconds", Kind::Histogram(CALLS_TAKE), "How long calls of providers took";
    BREAKER_STATE = "retrue_breaker_state", Kind::OfLastRun, "How breakers stood: 0 closed, 1 half-open, 2 open";
    BREAKER_OPENINGS = "retrue_breaker_openings", Kind::Counter, "How often breakers opened";
    MOVES = "retrue_provider_fallbacks", Kind::Counter, "How often providers went over to an entry of their fallback";
    QUEUE_LENGTH = "retrue_queue_length", Kind::OfLastRun, "Calls that wait for their turn";
    QUEUE_PEAK = "retrue_queue_length_peak", Kind::OfLastRun, "The most calls that waited at once in the last run";
    DRIFT = "retrue_drift", Kind::Gauge, "Recorded resources, by how reconcile last found them";
    DRIFT_LOOKED = "retrue_drift_looked_timestamp_seconds", Kind::Gauge, "When reconcile last looked";
    DEAD_LETTERS = "retrue_dead_letters", Kind::Gauge, "Steps that failed for good, and nothing made up for";
}

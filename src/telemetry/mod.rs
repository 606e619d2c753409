//! What runs do, as numbers and as spans: a file for Prometheus, and the protocol of OpenTelemetry.
//!
//! The rooms tell what happens; whether anybody listens is decided here. Where nobody does, telling costs a look at a
//! flag.

mod export;
mod facts;
mod meters;
mod metric;
#[cfg(feature = "otlp")]
mod otlp;
mod textfile;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub use self::export::{Export, OpenCall, Setting, exporter};
pub use self::facts::{BreakerState, CallFacts, CallOutcome, StepEnd, StepFacts};
pub use self::meters::Queued;
pub use self::metric::{Kind, Metric, TABLE};
pub use self::textfile::{FileError, Labels};

use self::meters::Meters;

/// Whether anything listens.
static ON: AtomicBool = AtomicBool::new(false);
static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();

/// What listens, of a process.
pub struct Telemetry {
    meters: Meters,
    export: Option<Box<dyn Export>>,
    about: Mutex<About>,
}

/// What the numbers are about, and where they go.
#[derive(Default)]
struct About {
    /// The file for node-exporter.
    textfile: Option<PathBuf>,
    /// Whether whoever started the process said so: nothing else counts then.
    chosen: bool,
    stack: String,
    environment: String,
    /// Whether there was a run, or a look at all that is recorded.
    worth: bool,
}

/// Begins to listen, where there is somebody to tell. `textfile` is where the numbers go; a stack may name a place later.
pub fn start(textfile: Option<PathBuf>, export: Option<Box<dyn Export>>) {
    let on = textfile.is_some() || export.is_some();
    let about = Mutex::new(About { chosen: textfile.is_some(), textfile, ..About::default() });
    // A second start in one process (tests) keeps the first.
    let telemetry = Telemetry { meters: Meters::default(), export, about };
    if TELEMETRY.set(telemetry).is_ok() && on {
        ON.store(true, Ordering::Relaxed);
    }
}

/// What listens; `None` where nothing does.
#[inline]
pub fn get() -> Option<&'static Telemetry> {
    if ON.load(Ordering::Relaxed) { TELEMETRY.get() } else { None }
}

/// A stack was read: what its numbers are called, and where it wants them.
pub fn describe(stack: &str, environment: &str, textfile: Option<PathBuf>) {
    let Some(telemetry) = TELEMETRY.get() else { return };
    let mut about = telemetry.about();
    if !about.chosen && textfile.is_some() {
        about.textfile = textfile;
        ON.store(true, Ordering::Relaxed);
    }
    about.stack = stack.to_owned();
    about.environment = environment.to_owned();
    drop(about);
    if let Some(export) = &telemetry.export {
        export.describe(stack, environment);
    }
}

/// Where the trace is now, for programs that are started: `TRACEPARENT`.
pub fn trace_parent() -> Option<String> {
    get()?.export.as_ref()?.trace_parent()
}

impl Telemetry {
    fn about(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, metric: &'static Metric, labels: &[(&'static str, &str)], number: u64) {
        self.meters.add(metric, labels, number);
        if let Some(export) = &self.export {
            export.add(metric, labels, number);
        }
    }

    fn observe(&self, metric: &'static Metric, labels: &[(&'static str, &str)], seconds: f64) {
        self.meters.observe(metric, labels, seconds);
        if let Some(export) = &self.export {
            export.observe(metric, labels, seconds);
        }
    }

    fn set(&self, metric: &'static Metric, labels: &[(&'static str, &str)], value: f64) {
        self.meters.set(metric, labels, value);
        if let Some(export) = &self.export {
            export.set(metric, labels, value);
        }
    }

    /// A run began, which may end in these states: each has a series from now on, so that the first that ends so shows
    /// as a step upwards.
    pub fn run_began(&self, run: &str, kind: &'static str, ends: impl Iterator<Item = &'static str>) {
        self.about().worth = true;
        ends.for_each(|state| self.add(&metric::RUNS, &[("kind", kind), ("state", state)], 0));
        self.meters.run_began(run, kind);
        if let Some(export) = &self.export {
            export.run_began(run, kind);
        }
    }

    /// A run ended in a state; so many of its steps were never started.
    pub fn run_ended(&self, run: &str, state: &'static str, skipped: usize) {
        let (kind, took) = self.meters.run_ended(run);
        self.add(&metric::RUNS, &[("kind", kind), ("state", state)], 1);
        self.observe(&metric::RUN_DURATION, &[("kind", kind)], took.as_secs_f64());
        self.set(&metric::RUN_ENDED, &[("kind", kind), ("state", state)], meters::now());
        let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
        self.add(&metric::STEPS, &[("action", "any"), ("outcome", "skipped")], skipped);
        if let Some(export) = &self.export {
            export.run_ended(run, state);
        }
    }

    /// A step, or its undo, begins.
    pub fn step_began(&self, step: &StepFacts<'_>) {
        if let Some(export) = &self.export {
            export.step_began(step);
        }
    }

    /// Something happened to a step that did not end it.
    pub fn step_event(&self, step: &StepFacts<'_>, what: &'static str, category: Option<&str>, wait: Duration) {
        if let Some(export) = &self.export {
            export.step_event(step, what, category, wait);
        }
    }

    /// A step, or its undo, ended.
    pub fn step_ended(&self, step: &StepFacts<'_>, end: &StepEnd<'_>) {
        self.add(&metric::STEPS, &[("action", step.action), ("outcome", end.outcome)], 1);
        if let Some(took) = end.took {
            self.observe(&metric::STEP_DURATION, &[("action", step.action)], took.as_secs_f64());
        }
        if let Some(export) = &self.export {
            export.step_ended(step, end);
        }
    }

    /// Doubt about a step of an earlier run was settled.
    pub fn doubt_settled(&self, outcome: &'static str) {
        self.about().worth = true;
        self.add(&metric::DOUBTS, &[("outcome", outcome)], 1);
    }

    /// A call of a provider begins. Its span, where there is one, is given back when it ends.
    pub fn call_began(&self, call: &CallFacts<'_>) -> Option<Box<dyn OpenCall>> {
        self.export.as_ref()?.call_began(call)
    }

    /// A call of a provider ended.
    pub fn call_ended(&self, call: &CallFacts<'_>, span: Option<Box<dyn OpenCall>>, end: &CallOutcome<'_>) {
        let (provider, operation) = (call.provider, call.operation);
        let labels = [("provider", provider), ("operation", operation)];
        self.observe(&metric::CALL_DURATION, &labels, end.took.as_secs_f64());
        let [provider, operation] = labels;
        self.add(&metric::CALLS, &[provider, operation, ("outcome", end.outcome)], 1);
        if let Some(category) = end.category {
            self.add(&metric::FAILURES, &[provider, operation, ("category", category)], 1);
        }
        if let Some(span) = span {
            span.ended(end);
        }
    }

    /// Something is tried again.
    pub fn retried(&self, provider: &str, category: &str) {
        self.add(&metric::RETRIES, &[("provider", provider), ("category", category)], 1);
    }

    /// How a breaker stands now: of the provider as a whole, or of a service.
    pub fn breaker(&self, provider: &str, service: Option<(&str, &'static str)>, state: BreakerState, opened: bool) {
        let (service, kind) = service.unwrap_or(("", ""));
        let labels = [("provider", provider), ("service", service), ("kind", kind)];
        self.set(&metric::BREAKER_STATE, &labels, state.number());
        self.add(&metric::BREAKER_OPENINGS, &labels, u64::from(opened));
    }

    /// A provider goes another way from now on.
    pub fn moved_over(&self, provider: &str) {
        self.about().worth = true;
        self.add(&metric::MOVES, &[("provider", provider)], 1);
    }

    /// A call waits for its turn, until what is returned is dropped.
    pub fn queued(&'static self, provider: &str, queue: &'static str) -> Queued {
        self.meters.queued(self, provider, queue)
    }

    /// How much was found to be how, of all that is recorded.
    pub fn drift(&self, counts: &[(&'static str, usize)]) {
        self.about().worth = true;
        for (status, count) in counts {
            self.set(&metric::DRIFT, &[("status", status)], meters::float(*count));
        }
        self.set(&metric::DRIFT_LOOKED, &[], meters::now());
    }

    /// How many steps failed for good, and nothing made up for them.
    pub fn dead_letters(&self, count: usize) {
        self.set(&metric::DEAD_LETTERS, &[], meters::float(count));
    }

    /// Whether there is a file to write, and something to write into it.
    pub fn has_news(&self) -> bool {
        let about = self.about();
        about.worth && about.textfile.is_some()
    }

    /// Adds what happened since the last time to the file, where there is one and anything happened.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> Result<(), FileError> {
        let (path, labels) = {
            let mut about = self.about();
            let Some(path) = about.textfile.clone().filter(|_| about.worth) else { return Ok(()) };
            about.worth = false;
            (path, Labels { environment: about.environment.clone(), stack: about.stack.clone() })
        };
        textfile::update(&path, &labels, &self.meters.take())
    }

    /// One of several rounds of work ended: what comes next is a trace of its own.
    pub fn round(&self) {
        if let Some(export) = &self.export {
            export.round();
        }
    }

    /// Sends what is still to be sent, and waits for it, but not long. Returns what could not be delivered.
    pub fn finish(&self, failed: bool) -> Vec<String> {
        self.export.as_ref().map(|export| export.finish(failed)).unwrap_or_default()
    }
}

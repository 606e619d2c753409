//! What sends spans and numbers elsewhere, whatever its protocol.

use std::time::Duration;

use super::facts::{CallFacts, CallOutcome, StepEnd, StepFacts};
use super::metric::Metric;

/// Somebody elsewhere who is told. Nothing here waits, but `finish`.
pub trait Export: Send + Sync {
    /// What the trace is about.
    fn describe(&self, stack: &str, environment: &str);
    /// Where the trace is now, as `traceparent` of W3C's Trace Context.
    fn trace_parent(&self) -> Option<String>;
    /// A run began.
    fn run_began(&self, run: &str, kind: &'static str);
    /// A run ended.
    fn run_ended(&self, run: &str, state: &'static str);
    /// A step began.
    fn step_began(&self, step: &StepFacts<'_>);
    /// Something happened to a step.
    fn step_event(&self, step: &StepFacts<'_>, what: &'static str, category: Option<&str>, wait: Duration);
    /// A step ended.
    fn step_ended(&self, step: &StepFacts<'_>, end: &StepEnd<'_>);
    /// A call began.
    fn call_began(&self, call: &CallFacts<'_>) -> Option<Box<dyn OpenCall>>;
    /// Adds to a counter.
    fn add(&self, metric: &'static Metric, labels: &[(&'static str, &str)], number: u64);
    /// Notes one more time.
    fn observe(&self, metric: &'static Metric, labels: &[(&'static str, &str)], seconds: f64);
    /// Says how something is now.
    fn set(&self, metric: &'static Metric, labels: &[(&'static str, &str)], value: f64);
    /// What comes next is a trace of its own.
    fn round(&self);
    /// Sends the rest, within a short time. Returns what could not be delivered, and why.
    fn finish(&self, failed: bool) -> Vec<String>;
}

/// The span of a call. Dropped, it ends as it is.
pub trait OpenCall: Send + Sync {
    /// For what the call starts: `traceparent`.
    fn trace_parent(&self) -> String;
    /// The call ended.
    fn ended(self: Box<Self>, end: &CallOutcome<'_>);
}

/// Reads a variable of the process.
pub type Setting<'s> = &'s dyn Fn(&str) -> Option<String>;

/// What the variables `OTEL_…` ask for, and what of it cannot be done.
#[cfg(feature = "otlp")]
pub fn exporter(verb: &str, variable: Setting<'_>) -> (Option<Box<dyn Export>>, Vec<String>) {
    super::otlp::start(verb, variable)
}

/// What the variables `OTEL_…` ask for, and what of it cannot be done.
#[cfg(not(feature = "otlp"))]
pub fn exporter(_verb: &str, variable: Setting<'_>) -> (Option<Box<dyn Export>>, Vec<String>) {
    let asked = variable("OTEL_EXPORTER_OTLP_ENDPOINT").is_some_and(|endpoint| !endpoint.is_empty());
    let trouble = asked.then(|| "this program was built without it (the feature `otlp`)".to_owned());
    (None, trouble.into_iter().collect())
}

//! The spans of a process: what was asked for, the steps of its run, and the calls of each. A further run, such as the
//! unwinding of the first, is a span below it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};

use crate::telemetry::export::{OpenCall, Setting};
use crate::telemetry::facts::{CallFacts, CallOutcome, StepEnd, StepFacts};

use super::delivery::Delivery;

const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
/// What the step of a call begins with that belongs to an undo.
const UNDO: &str = "undo/";

pub(super) struct Tree {
    tracer: SdkTracer,
    verb: String,
    delivery: Delivery,
    /// Who started us, as `TRACEPARENT` says.
    above: Context,
    began: SystemTime,
    open: Mutex<Open>,
}

/// What goes on.
#[derive(Default)]
struct Open {
    root: Option<Span>,
    about: Vec<KeyValue>,
    /// The run that the root itself is.
    first: Option<String>,
    /// Further runs.
    runs: BTreeMap<String, Span>,
    /// By run and name. Those that ended stay, for calls that come after.
    steps: BTreeMap<String, BTreeMap<String, Step>>,
}

struct Step {
    context: SpanContext,
    span: Option<Span>,
}

/// The variables that carry a trace from one process to the next.
struct Variables(HashMap<String, String>);

impl Extractor for Variables {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl Injector for Variables {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

/// `TRACEPARENT` for what is below a span.
fn trace_parent(context: &SpanContext) -> String {
    let mut variables = Variables(HashMap::new());
    TraceContextPropagator::new()
        .inject_context(&Context::new().with_remote_span_context(context.clone()), &mut variables);
    variables.0.remove(TRACE_PARENT).unwrap_or_default()
}

impl Tree {
    pub(super) fn new(tracer: SdkTracer, verb: &str, variable: Setting<'_>, delivery: Delivery) -> Self {
        let names = [(TRACE_PARENT, "TRACEPARENT"), (TRACE_STATE, "TRACESTATE")];
        let given = names.into_iter().filter_map(|(key, name)| Some((key.to_owned(), variable(name)?)));
        let above = TraceContextPropagator::new().extract_with_context(&Context::new(), &Variables(given.collect()));
        let began = SystemTime::now();
        Tree { tracer, verb: verb.to_owned(), delivery, above, began, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, builder: SpanBuilder, parent: &Context) -> Span {
        let span = self.tracer.build_with_context(builder, parent);
        if span.is_recording() {
            self.delivery.span();
        }
        span
    }

    /// What everything else is below.
    fn root<'o>(&self, open: &'o mut Open) -> &'o mut Span {
        let about = &open.about;
        open.root.get_or_insert_with(|| {
            let attributes = [KeyValue::new("verb", self.verb.clone())].into_iter().chain(about.iter().cloned());
            let builder = SpanBuilder::from_name(format!("retrue {}", self.verb)).with_kind(SpanKind::Internal);
            self.begin(builder.with_start_time(self.began).with_attributes(attributes), &self.above)
        })
    }

    fn below_root(&self, open: &mut Open) -> Context {
        below(self.root(open).span_context())
    }

    fn below_run(&self, open: &mut Open, run: &str) -> Context {
        match open.runs.get(run) {
            Some(span) => below(span.span_context()),
            None => self.below_root(open),
        }
    }

    pub(super) fn describe(&self, stack: &str, environment: &str) {
        let about =
            vec![KeyValue::new("stack", stack.to_owned()), KeyValue::new("environment", environment.to_owned())];
        let mut open = self.open();
        open.about.clone_from(&about);
        if let Some(root) = &mut open.root {
            root.set_attributes(about);
        }
    }

    pub(super) fn trace_parent(&self) -> String {
        let mut open = self.open();
        trace_parent(self.root(&mut open).span_context())
    }

    pub(super) fn run_began(&self, run: &str, kind: &'static str) {
        let mut open = self.open();
        let attributes = [KeyValue::new("run_id", run.to_owned()), KeyValue::new("kind", kind)];
        if open.first.is_none() {
            self.root(&mut open).set_attributes(attributes);
            open.first = Some(run.to_owned());
            return;
        }
        let parent = self.below_root(&mut open);
        let builder = SpanBuilder::from_name(format!("run {kind}")).with_kind(SpanKind::Internal);
        let span = self.begin(builder.with_attributes(attributes), &parent);
        open.runs.insert(run.to_owned(), span);
    }

    pub(super) fn run_ended(&self, run: &str, state: &'static str) {
        let mut open = self.open();
        // What never ended, because the run stopped, ends as it is.
        open.steps.remove(run);
        let outcome = KeyValue::new("outcome", state);
        let status = match state {
            "succeeded" | "compensated" => Status::Unset,
            _ => Status::error(state),
        };
        match open.runs.remove(run) {
            Some(mut span) => {
                span.set_attribute(outcome);
                span.set_status(status);
            }
            None if open.first.as_deref() == Some(run) => {
                let root = self.root(&mut open);
                root.set_attribute(outcome);
                root.set_status(status);
            }
            None => {}
        }
    }

    /// The span of a step, which begins with whatever is heard of it first.
    fn step<'o>(&self, open: &'o mut Open, step: &StepFacts<'_>, since: SystemTime) -> &'o mut Step {
        let parent = self.below_run(open, step.run);
        open.steps.entry(step.run.to_owned()).or_default().entry(step.step.to_owned()).or_insert_with(|| {
            let attributes = [("run_id", step.run), ("step", step.step), ("address", step.address)];
            let attributes = attributes.into_iter().map(|(name, value)| KeyValue::new(name, value.to_owned()));
            let builder = SpanBuilder::from_name("step").with_kind(SpanKind::Internal).with_start_time(since);
            let span = self.begin(builder.with_attributes(attributes), &parent);
            Step { context: span.span_context().clone(), span: Some(span) }
        })
    }

    pub(super) fn step_began(&self, facts: &StepFacts<'_>) {
        let mut open = self.open();
        if let Some(span) = &mut self.step(&mut open, facts, SystemTime::now()).span {
            name(span, facts);
        }
    }

    pub(super) fn step_event(&self, facts: &StepFacts<'_>, what: &'static str, category: Option<&str>, wait: Duration) {
        let mut open = self.open();
        if let Some(span) = &mut self.step(&mut open, facts, SystemTime::now()).span {
            let category = category.map(|category| KeyValue::new("category", category.to_owned()));
            let attributes = [KeyValue::new("attempt", i64::from(facts.attempt)), milliseconds("wait_ms", wait)];
            span.add_event(what, attributes.into_iter().chain(category).collect());
        }
    }

    pub(super) fn step_ended(&self, facts: &StepFacts<'_>, end: &StepEnd<'_>) {
        let mut open = self.open();
        let now = SystemTime::now();
        let since = end.took.and_then(|took| now.checked_sub(took)).unwrap_or(now);
        let Some(mut span) = self.step(&mut open, facts, since).span.take() else { return };
        name(&mut span, facts);
        // At the end, for each only once: there are receivers that take the first of two.
        span.set_attributes([
            KeyValue::new("action", facts.action),
            KeyValue::new("attempt", i64::from(facts.attempt)),
        ]);
        if !facts.idempotency_key.is_empty() {
            span.set_attribute(KeyValue::new("idempotency_key", facts.idempotency_key.to_owned()));
        }
        ended(&mut span, end.outcome, end.category, end.took);
    }

    pub(super) fn call_began(&self, call: &CallFacts<'_>) -> Box<dyn OpenCall> {
        let mut open = self.open();
        let parent = if call.run.is_empty() || call.step.is_empty() {
            self.below_root(&mut open)
        } else {
            let CallFacts { run, step, address, attempt, idempotency_key, .. } = *call;
            // Calls of an undo say so in the name of their step.
            let (undo, step) = step.strip_prefix(UNDO).map_or((false, step), |step| (true, step));
            let facts = StepFacts { run, step, address, action: "", undo, attempt, idempotency_key };
            below(&self.step(&mut open, &facts, SystemTime::now()).context)
        };
        drop(open);
        let texts = [
            ("provider", call.provider),
            ("operation", call.operation),
            ("type", call.type_name),
            ("run_id", call.run),
            ("step", call.step),
            ("address", call.address),
            ("idempotency_key", call.idempotency_key),
        ];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let mut attributes: Vec<KeyValue> = texts.map(|(name, text)| KeyValue::new(name, text.to_owned())).collect();
        if call.attempt > 0 {
            attributes.push(KeyValue::new("attempt", i64::from(call.attempt)));
        }
        let builder = SpanBuilder::from_name(format!("{} {}", call.provider, call.operation));
        let span = self.begin(builder.with_kind(SpanKind::Client).with_attributes(attributes), &parent);
        Box::new(Call { span: Mutex::new(span) })
    }

    /// The trace ends; the next one begins when something happens.
    pub(super) fn round(&self) {
        let mut open = self.open();
        let about = std::mem::take(&mut open.about);
        *open = Open { about, ..Open::default() };
    }

    pub(super) fn finish(&self, failed: bool) {
        let mut open = self.open();
        let unsaid = open.first.is_none();
        if let Some(root) = &mut open.root
            && failed
            && unsaid
        {
            root.set_status(Status::error("failed"));
        }
        *open = Open::default();
    }
}

fn below(context: &SpanContext) -> Context {
    Context::new().with_remote_span_context(context.clone())
}

fn milliseconds(name: &'static str, time: Duration) -> KeyValue {
    KeyValue::new(name, i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// What a step is called, once it really begins.
fn name(span: &mut Span, facts: &StepFacts<'_>) {
    let word = if facts.undo { "undo" } else { "step" };
    span.update_name(format!("{word} {}", facts.action));
}

fn ended(span: &mut Span, outcome: &'static str, category: Option<&str>, took: Option<Duration>) {
    span.set_attribute(KeyValue::new("outcome", outcome));
    span.set_attributes(took.map(|took| milliseconds("duration_ms", took)));
    if let Some(category) = category {
        span.set_attribute(KeyValue::new("category", category.to_owned()));
    }
    if !matches!(outcome, "ok" | "applied" | "undone") {
        span.set_status(Status::error(category.unwrap_or(outcome).to_owned()));
    }
    span.end();
}

struct Call {
    span: Mutex<Span>,
}

impl OpenCall for Call {
    fn trace_parent(&self) -> String {
        trace_parent(self.span.lock().unwrap_or_else(PoisonError::into_inner).span_context())
    }

    fn ended(self: Box<Self>, end: &CallOutcome<'_>) {
        let mut span = self.span.into_inner().unwrap_or_else(PoisonError::into_inner);
        ended(&mut span, end.outcome, end.category, Some(end.took));
    }
}

//! Spans and numbers by OpenTelemetry's protocol, as its variables say. Nothing is sent unless an endpoint is named.

mod delivery;
mod grpc;
mod instruments;
mod settings;
mod tree;

use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;

use super::export::{Export, OpenCall, Setting};
use super::facts::{CallFacts, StepEnd, StepFacts};
use super::metric::Metric;

use self::delivery::{Delivery, Limit, Watched};
use self::grpc::Carrier;
use self::instruments::Instruments;
use self::settings::{Protocol, Wanted, wanted};
use self::tree::Tree;

/// How long the end of a process may wait for what is still to be sent.
const AT_THE_END: Duration = Duration::from_secs(5);
/// Told where the thread for it was not given.
const NO_CARRIER: &str = "there is no thread for it";
const SERVICE: &str = "service.name";

/// Begins to collect what the variables ask for. Also returns what of it cannot be done.
pub(super) fn start(verb: &str, variable: Setting<'_>) -> (Option<Box<dyn Export>>, Vec<String>) {
    let Wanted { traces, metrics, mut trouble } = wanted(variable);
    if traces.is_none() && metrics.is_none() {
        return (None, trouble);
    }
    let by_grpc = |protocol: &Option<Protocol>| matches!(protocol, Some(Protocol::Grpc(_)));
    let carrier = if by_grpc(&traces) || by_grpc(&metrics) { Carrier::start().map(Some) } else { Ok(None) };
    let carrier = carrier.unwrap_or_else(|error| {
        trouble.push(format!("nothing goes by gRPC: {error}"));
        None
    });
    let resource = resource();
    let delivery = Delivery::default();
    let mut otlp = Otlp { delivery: delivery.clone(), traces: None, metrics: None, _carrier: carrier };
    let handle = otlp._carrier.as_ref().and_then(Carrier::handle).cloned();
    if let Some(protocol) = traces {
        match spans(&protocol, handle.as_ref()) {
            Ok(exporter) => {
                let watched = Watched::new(exporter, delivery.clone(), limit(&protocol, handle.as_ref()));
                let processor = BatchSpanProcessor::builder(watched).build();
                let provider =
                    SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource.clone()).build();
                let tree = Tree::new(provider.tracer("retrue"), verb, variable, delivery.clone());
                otlp.traces = Some((provider, tree));
            }
            Err(error) => trouble.push(format!("no traces: {error}")),
        }
    }
    if let Some(protocol) = metrics {
        match numbers(&protocol, handle.as_ref()) {
            Ok(exporter) => {
                let watched = Watched::new(exporter, delivery, limit(&protocol, handle.as_ref()));
                let reader = PeriodicReader::builder(watched).build();
                let provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
                let instruments = Instruments::new(&provider);
                otlp.metrics = Some((provider, instruments));
            }
            Err(error) => trouble.push(format!("no metrics: {error}")),
        }
    }
    let on = otlp.traces.is_some() || otlp.metrics.is_some();
    (on.then(|| Box::new(otlp) as Box<dyn Export>), trouble)
}

/// What sends spans.
fn spans(protocol: &Protocol, handle: Option<&Handle>) -> Result<SpanExporter, String> {
    let exporter = match protocol {
        Protocol::Http => SpanExporter::builder().with_http().build(),
        Protocol::Grpc(target) => {
            let channel = grpc::channel(target, handle.ok_or(NO_CARRIER)?)?;
            SpanExporter::builder().with_tonic().with_channel(channel).build()
        }
    };
    exporter.map_err(|error| error.to_string())
}

/// What sends numbers.
fn numbers(protocol: &Protocol, handle: Option<&Handle>) -> Result<MetricExporter, String> {
    let exporter = match protocol {
        Protocol::Http => MetricExporter::builder().with_http().build(),
        Protocol::Grpc(target) => {
            let channel = grpc::channel(target, handle.ok_or(NO_CARRIER)?)?;
            MetricExporter::builder().with_tonic().with_channel(channel).build()
        }
    };
    exporter.map_err(|error| error.to_string())
}

/// How long one delivery may take. The library for HTTP limits it by itself; that for gRPC neither a connection that
/// does not come nor an answer.
fn limit(protocol: &Protocol, handle: Option<&Handle>) -> Option<Limit> {
    let Protocol::Grpc(target) = protocol else { return None };
    handle.map(|handle| Limit { handle: handle.clone(), time: target.timeout })
}

/// Who sends, as the variables say, or by our own name.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = || Resource::builder().with_attribute(version.clone());
    let resource = builder().build();
    let named = resource.get(&SERVICE.into()).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named { resource } else { builder().with_service_name("retrue").build() }
}

struct Otlp {
    delivery: Delivery,
    traces: Option<(SdkTracerProvider, Tree)>,
    metrics: Option<(SdkMeterProvider, Instruments)>,
    /// Held for as long as something may be sent.
    _carrier: Option<Carrier>,
}

impl Otlp {
    fn tree(&self) -> Option<&Tree> {
        self.traces.as_ref().map(|(_, tree)| tree)
    }

    fn instruments(&self) -> Option<&Instruments> {
        self.metrics.as_ref().map(|(_, instruments)| instruments)
    }
}

impl Export for Otlp {
    fn describe(&self, stack: &str, environment: &str) {
        if let Some(tree) = self.tree() {
            tree.describe(stack, environment);
        }
        if let Some(instruments) = self.instruments() {
            instruments.describe(stack, environment);
        }
    }

    fn trace_parent(&self) -> Option<String> {
        Some(self.tree()?.trace_parent())
    }

    fn run_began(&self, run: &str, kind: &'static str) {
        if let Some(tree) = self.tree() {
            tree.run_began(run, kind);
        }
    }

    fn run_ended(&self, run: &str, state: &'static str) {
        if let Some(tree) = self.tree() {
            tree.run_ended(run, state);
        }
    }

    fn step_began(&self, step: &StepFacts<'_>) {
        if let Some(tree) = self.tree() {
            tree.step_began(step);
        }
    }

    fn step_event(&self, step: &StepFacts<'_>, what: &'static str, category: Option<&str>, wait: Duration) {
        if let Some(tree) = self.tree() {
            tree.step_event(step, what, category, wait);
        }
    }

    fn step_ended(&self, step: &StepFacts<'_>, end: &StepEnd<'_>) {
        if let Some(tree) = self.tree() {
            tree.step_ended(step, end);
        }
    }

    fn call_began(&self, call: &CallFacts<'_>) -> Option<Box<dyn OpenCall>> {
        Some(self.tree()?.call_began(call))
    }

    fn add(&self, metric: &'static Metric, labels: &[(&'static str, &str)], number: u64) {
        if let Some(instruments) = self.instruments() {
            instruments.add(metric, labels, number);
        }
    }

    fn observe(&self, metric: &'static Metric, labels: &[(&'static str, &str)], seconds: f64) {
        if let Some(instruments) = self.instruments() {
            instruments.observe(metric, labels, seconds);
        }
    }

    fn set(&self, metric: &'static Metric, labels: &[(&'static str, &str)], value: f64) {
        if let Some(instruments) = self.instruments() {
            instruments.set(metric, labels, value);
        }
    }

    fn round(&self) {
        if let Some(tree) = self.tree() {
            tree.round();
        }
    }

    /// Both at once, each on a thread that nobody waits for longer: what hangs there ends with the process.
    fn finish(&self, failed: bool) -> Vec<String> {
        if let Some(tree) = self.tree() {
            tree.finish(failed);
        }
        let (done, finished) = std::sync::mpsc::channel();
        let mut threads = Vec::new();
        if let Some((provider, _)) = &self.traces {
            let (provider, done) = (provider.clone(), done.clone());
            // Where nobody waits any more there is nobody to tell.
            let ends = move || {
                let _ = provider.shutdown_with_timeout(AT_THE_END);
                let _ = done.send(());
            };
            threads.extend(std::thread::Builder::new().name("traces".into()).spawn(ends));
        }
        if let Some((provider, _)) = &self.metrics {
            let (provider, done) = (provider.clone(), done.clone());
            // Where nobody waits any more there is nobody to tell.
            let ends = move || {
                let _ = provider.shutdown_with_timeout(AT_THE_END);
                let _ = done.send(());
            };
            threads.extend(std::thread::Builder::new().name("metrics".into()).spawn(ends));
        }
        drop(done);
        let began = Instant::now();
        let answers = (0..threads.len()).map(|_| finished.recv_timeout(AT_THE_END.saturating_sub(began.elapsed())));
        if answers.fold(true, |all, answer| all & answer.is_ok()) {
            // They end with their answers; what hangs is left to itself.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        self.delivery.lost(AT_THE_END)
    }
}

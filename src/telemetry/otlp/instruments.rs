//! The numbers, as instruments of OpenTelemetry.

use std::collections::BTreeMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::telemetry::metric::{Kind, Metric, TABLE};

enum Instrument {
    Counter(Counter<u64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram<f64>),
}

pub(super) struct Instruments {
    by_name: BTreeMap<&'static str, Instrument>,
    about: RwLock<Vec<KeyValue>>,
    described: OnceLock<()>,
}

impl Instruments {
    pub(super) fn new(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter("retrue");
        let instrument = |metric: &Metric| {
            let name = metric.dotted();
            let (unit, help) = (metric.unit(), metric.help);
            match metric.kind {
                Kind::Counter => {
                    Instrument::Counter(meter.u64_counter(name).with_unit(unit).with_description(help).build())
                }
                Kind::Gauge | Kind::OfLastRun => {
                    Instrument::Gauge(meter.f64_gauge(name).with_unit(unit).with_description(help).build())
                }
                Kind::Histogram(bounds) => {
                    let histogram = meter.f64_histogram(name).with_unit(unit).with_description(help);
                    Instrument::Histogram(histogram.with_boundaries(bounds.to_vec()).build())
                }
            }
        };
        let by_name = TABLE.iter().map(|metric| (metric.name, instrument(metric))).collect();
        Instruments { by_name, about: RwLock::default(), described: OnceLock::new() }
    }

    /// Which stack it is, from now on. The first word counts: series shall not be split.
    pub(super) fn describe(&self, stack: &str, environment: &str) {
        if self.described.set(()).is_ok() {
            let about =
                vec![KeyValue::new("stack", stack.to_owned()), KeyValue::new("environment", environment.to_owned())];
            *self.about.write().unwrap_or_else(PoisonError::into_inner) = about;
        }
    }

    fn attributes(&self, labels: &[(&'static str, &str)]) -> Vec<KeyValue> {
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| KeyValue::new(*name, (*value).to_owned()));
        labels.chain(self.about.read().unwrap_or_else(PoisonError::into_inner).iter().cloned()).collect()
    }

    pub(super) fn add(&self, metric: &Metric, labels: &[(&'static str, &str)], number: u64) {
        if let Some(Instrument::Counter(counter)) = self.by_name.get(metric.name) {
            counter.add(number, &self.attributes(labels));
        }
    }

    pub(super) fn set(&self, metric: &Metric, labels: &[(&'static str, &str)], value: f64) {
        if let Some(Instrument::Gauge(gauge)) = self.by_name.get(metric.name) {
            gauge.record(value, &self.attributes(labels));
        }
    }

    pub(super) fn observe(&self, metric: &Metric, labels: &[(&'static str, &str)], seconds: f64) {
        if let Some(Instrument::Histogram(histogram)) = self.by_name.get(metric.name) {
            histogram.record(seconds, &self.attributes(labels));
        }
    }
}

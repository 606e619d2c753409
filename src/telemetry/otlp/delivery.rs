//! Whether what was sent arrived.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

/// Counts what is to be delivered, and what was.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    spans: usize,
    delivered: usize,
    why: Option<String>,
    /// Whether metrics were asked for but have not been received as they were at the end.
    metrics: Option<String>,
}

impl Delivery {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more span is to be delivered.
    pub(super) fn span(&self) {
        self.counts().spans += 1;
    }

    /// What did not arrive, in the time that there was.
    pub(super) fn lost(&self, within: Duration) -> Vec<String> {
        let counts = self.counts();
        let lost = counts.spans.saturating_sub(counts.delivered);
        let why = counts.why.clone().unwrap_or_else(|| format!("no answer within {} s", within.as_secs()));
        let spans = (lost > 0).then(|| format!("{lost} of {} spans: {why}", counts.spans));
        let metrics = counts.metrics.as_ref().map(|why| match why.as_str() {
            "" => format!("metrics: no answer within {} s", within.as_secs()),
            why => format!("metrics: {why}"),
        });
        spans.into_iter().chain(metrics).collect()
    }
}

/// How long one delivery may take, and whose clock says so.
pub(super) struct Limit {
    pub(super) handle: Handle,
    pub(super) time: Duration,
}

/// An exporter that is watched.
pub(super) struct Watched<E> {
    inner: E,
    delivery: Delivery,
    limit: Option<Limit>,
}

impl<E> Watched<E> {
    pub(super) fn new(inner: E, delivery: Delivery, limit: Option<Limit>) -> Self {
        Watched { inner, delivery, limit }
    }

    /// What a delivery came to, or that it took too long.
    async fn within(&self, sent: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
        let Some(limit) = &self.limit else { return sent.await };
        let timed = {
            // Whoever waits here is a thread without a clock.
            let _inside = limit.handle.enter();
            tokio::time::timeout(limit.time, sent)
        };
        timed.await.unwrap_or_else(|_| Err(OTelSdkError::InternalFailure(format!("no answer within {:?}", limit.time))))
    }
}

impl<E> fmt::Debug for Watched<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let number = batch.len();
        let result = self.within(self.inner.export(batch)).await;
        let mut counts = self.delivery.counts();
        match &result {
            Ok(()) => counts.delivered += number,
            Err(error) => counts.why = Some(error.to_string()),
        }
        drop(counts);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Watched<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        // Until there is an answer, there was none.
        self.delivery.counts().metrics = Some(String::new());
        let result = self.within(self.inner.export(metrics)).await;
        self.delivery.counts().metrics = result.as_ref().err().map(ToString::to_string);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

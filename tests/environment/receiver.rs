//! A receiver of OpenTelemetry's protocol, as a collector is: it decodes what it gets, and keeps it. This one is over HTTP.

pub(crate) mod grpc;

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// What it does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes it.
    Takes,
    /// It answers with an error that another try does not mend.
    Refuses,
    /// It does not answer.
    Hangs,
}

#[derive(Default)]
struct Kept {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    headers: Vec<HeaderMap>,
    raw: Vec<u8>,
}

/// One that listens. It ends with the value.
pub(crate) struct Receiver {
    /// `http://127.0.0.1:PORT`
    pub(crate) endpoint: String,
    kept: Arc<Mutex<Kept>>,
    _runtime: tokio::runtime::Runtime,
}

type Shared = (Manner, Arc<Mutex<Kept>>);

impl Receiver {
    pub(crate) fn start(manner: Manner) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state((manner, Arc::clone(&kept)));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Receiver { endpoint, kept, _runtime: runtime }
    }

    /// All spans, in the order in which they began.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let kept = self.kept.lock().unwrap();
        let of = |request: &ExportTraceServiceRequest| request.resource_spans.clone();
        let scopes = kept.traces.iter().flat_map(of).flat_map(|resource| resource.scope_spans);
        let mut spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    /// The attributes of whoever sent the first spans.
    pub(crate) fn resource(&self) -> Vec<(String, String)> {
        let kept = self.kept.lock().unwrap();
        let resource = kept.traces[0].resource_spans[0].resource.clone().unwrap();
        attributes(&resource.attributes)
    }

    /// The metrics, as they were last told.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let kept = self.kept.lock().unwrap();
        let last = kept.metrics.last().expect("no metrics came");
        let scopes = last.resource_metrics.iter().flat_map(|resource| resource.scope_metrics.clone());
        scopes.flat_map(|scope| scope.metrics).collect()
    }

    /// A header of each request.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let text = |headers: &HeaderMap| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        kept.headers.iter().map(|headers| text(headers).unwrap_or_default()).collect()
    }

    /// Whether bytes stand anywhere in what came.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.kept.lock().unwrap().raw.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.kept.lock().unwrap().headers.len()
    }
}

async fn receive(
    (manner, kept): &Shared,
    headers: HeaderMap,
    body: &Bytes,
    keep: impl FnOnce(&mut Kept, &[u8]) -> Result<(), prost::DecodeError>,
) -> StatusCode {
    {
        let mut kept = kept.lock().unwrap();
        if headers[header::CONTENT_TYPE] != "application/x-protobuf" {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE;
        }
        let mut plain = Vec::new();
        if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip") {
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
        } else {
            plain.extend_from_slice(body);
        }
        kept.headers.push(headers);
        kept.raw.extend_from_slice(&plain);
        if keep(&mut kept, &plain).is_err() {
            return StatusCode::BAD_REQUEST;
        }
    }
    match manner {
        Manner::Takes => StatusCode::OK,
        Manner::Refuses => StatusCode::FORBIDDEN,
        Manner::Hangs => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK
        }
    }
}

async fn traces(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let keep =
        |kept: &mut Kept, plain: &[u8]| ExportTraceServiceRequest::decode(plain).map(|got| kept.traces.push(got));
    let status = receive(&shared, headers, &body, keep).await;
    (status, ExportTraceServiceResponse::default().encode_to_vec())
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let keep =
        |kept: &mut Kept, plain: &[u8]| ExportMetricsServiceRequest::decode(plain).map(|got| kept.metrics.push(got));
    let status = receive(&shared, headers, &body, keep).await;
    (status, ExportMetricsServiceResponse::default().encode_to_vec())
}

/// Attributes as text, in their order.
pub(crate) fn attributes(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let mut found: Vec<(String, String)> =
        attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect();
    found.sort();
    found
}

/// The points of a counter, by their attributes.
pub(crate) fn points(metric: &Metric) -> Vec<(Vec<(String, String)>, i64)> {
    let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("no sum: {metric:?}") };
    let number = |value: &Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsInt(number)) => *number,
        other => panic!("{other:?}"),
    };
    sum.data_points.iter().map(|point| (attributes(&point.attributes), number(&point.value))).collect()
}

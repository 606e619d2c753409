//! How calls get to the cloud and answers back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value as Json;
use thiserror::Error;

use crate::cloud::{Answer, Call, Cloud, Exchange, Method, exchange};

/// Carries calls to a cloud.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a call once and waits for its answer.
    async fn send(&self, call: &Call) -> Result<Answer, SendError>;
}

/// Why there is no answer. The difference is what a caller may conclude about effects.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The call never left: it certainly had no effect.
    #[error("the cloud cannot be reached: {0}")]
    NotSent(String),
    /// The call left, and then the connection broke.
    #[error("the connection broke before the answer came: {0}")]
    Lost(String),
}

/// Calls over HTTP.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    url: reqwest::Url,
    client: reqwest::Client,
}

impl HttpTransport {
    /// Calls to a server at a URL, which has no path.
    pub fn new(url: &str) -> Result<Self, String> {
        let url = reqwest::Url::parse(url).map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        if url.scheme() != "http" || url.cannot_be_a_base() {
            return Err(format!("`{url}` is not a URL that begins with http://"));
        }
        // No redirects and no retries: whoever calls must know exactly what was sent.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(HttpTransport { url, client })
    }

    /// An error with the address that was asked: without it, nobody knows what is down. The address is without a
    /// name and a password, which a URL may hold.
    fn told(&self, error: &dyn std::error::Error) -> String {
        format!("{}: {}", self.url.origin().ascii_serialization(), innermost(error))
    }

    fn lost(&self, error: &dyn std::error::Error) -> SendError {
        SendError::Lost(self.told(error))
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(call.segments());
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.client.request(method, url);
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = &call.token {
            request = request.bearer_auth(token);
        }
        if !call.body.is_null() {
            request = request.json(&call.body);
        }
        let response = request.send().await.map_err(|error| {
            let lost = !error.is_connect() && !error.is_builder();
            if lost { self.lost(&error) } else { SendError::NotSent(self.told(&error)) }
        })?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await.map_err(|error| self.lost(&error))?;
        let body = if bytes.is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|error| self.lost(&error))?
        };
        Ok(Answer { status, body, retry_after })
    }
}

/// The last error of a chain, which says what really happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What this process reaches by name, without any network.
static NEAR: Mutex<BTreeMap<String, Arc<dyn Transport>>> = Mutex::new(BTreeMap::new());

/// Makes the provider of this process reach something as `direct:NAME`, for as long as this is held: a
/// simulation owns what is between a provider and its cloud.
#[derive(Debug)]
pub struct Near(String);

impl Near {
    /// Gives a transport a name, which must be nobody else's.
    pub fn new(name: &str, transport: Arc<dyn Transport>) -> Self {
        NEAR.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), transport);
        Near(name.to_owned())
    }

    /// The URL by which a configuration names it.
    pub fn url(&self) -> String {
        format!("{DIRECT}{}", self.0)
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        NEAR.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

const DIRECT: &str = "direct:";

/// What carries calls to a URL: HTTP, or what this process itself gave that name.
pub(crate) fn transport_to(url: &str) -> Result<Arc<dyn Transport>, String> {
    let Some(name) = url.strip_prefix(DIRECT) else { return Ok(Arc::new(HttpTransport::new(url)?)) };
    let near = NEAR.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    near.ok_or_else(|| format!("nothing in this process has the name `{name}`"))
}

/// Calls to a cloud in the same process, without any network.
#[derive(Clone, Debug, Default)]
pub struct DirectTransport(pub Arc<Mutex<Cloud>>);

#[async_trait]
impl Transport for DirectTransport {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        let (cloud, call) = (Arc::clone(&self.0), call.clone());
        // A task of its own: a caller who stops waiting does not stop the cloud.
        match tokio::spawn(async move { exchange(&cloud, &call).await }).await {
            Ok(Exchange::Answer(answer)) => Ok(answer),
            Ok(Exchange::Closed) => Err(SendError::Lost("connection closed".into())),
            Ok(Exchange::Reset) => Err(SendError::Lost("connection reset".into())),
            Err(error) => Err(SendError::Lost(error.to_string())),
        }
    }
}

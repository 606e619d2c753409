//! Whether a server answers as it should.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use retrue_provider_api::Value;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::definition::Http;
use super::{holds, is_secret, people, text, words};

/// So many bytes of an answer are looked at.
const MOST_BYTES: usize = 1 << 20;

/// Redirections are answers like others: whoever wants to know what is behind one names that.
pub(super) async fn probe(wanted: &Http, values: &Value) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // Each try is one of a new client's.
        .pool_max_idle_per_host(0)
        .tls_info(true)
        .user_agent(concat!("retrue/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| words(&error))?;
    let request = request(&client, wanted, values)?;
    let began = Instant::now();
    let secret = is_secret(values, "url");
    let unreached = |error: reqwest::Error| match secret {
        true => "it cannot be reached (where it is is sensitive, and not shown)".to_owned(),
        false => format!("{} cannot be reached: {}", text(values, "url").unwrap_or("it"), words(&error.without_url())),
    };
    let mut answer = client.execute(request).await.map_err(unreached)?;
    let latency = began.elapsed();
    let status = answer.status().as_u16();
    if !wanted.expects(status) {
        return Err(format!("it answered with {status}, and {} is expected", wanted.expected()));
    }
    if let Some(limit) = wanted.latency.filter(|limit| latency > *limit) {
        let rounded = Duration::from_millis(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
        return Err(format!("it answered after {}, and {} is the limit", people(rounded), people(limit)));
    }
    if let Some(days) = wanted.certificate_days {
        certificate(&answer, days)?;
    }
    if text(values, "matches").is_none() && text(values, "contains").is_none() {
        return Ok(());
    }
    let mut body = Vec::new();
    while body.len() < MOST_BYTES {
        match answer.chunk().await.map_err(|error| format!("its answer broke off: {}", words(&error.without_url())))? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    body.truncate(MOST_BYTES);
    holds("its body", &String::from_utf8_lossy(&body), values, ("matches", "contains"))
}

fn request(client: &reqwest::Client, wanted: &Http, values: &Value) -> Result<reqwest::Request, String> {
    let url = text(values, "url").ok_or("it has no `url`")?;
    let url = reqwest::Url::parse(url).map_err(|error| format!("its `url` is none: {error}"))?;
    let method = reqwest::Method::from_bytes(wanted.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut request = client.request(method, url);
    if let Some(body) = text(values, "send") {
        request = request.body(body.to_owned());
    }
    let headers = values.get("headers").and_then(Value::as_entries);
    for (name, value) in headers.into_iter().flatten() {
        let Some(value) = value.as_str() else { continue };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("the header `{name}`: {error}"))?;
        let value = HeaderValue::from_str(value).map_err(|error| format!("the header `{name}`: {error}"))?;
        request = request.header(key, value);
    }
    request.build().map_err(|error| words(&error.without_url()))
}

/// Whether the certificate of the server is good for so many days.
fn certificate(answer: &reqwest::Response, days: u32) -> Result<(), String> {
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>();
    let der = info.and_then(|info| info.peer_certificate()).ok_or("it shows no certificate")?;
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let ends = certificate.validity().not_after.timestamp();
    let left = ends.saturating_sub(jiff::Timestamp::now().as_second()) / 86_400;
    if left < i64::from(days) {
        return Err(format!("its certificate ends in {left} days, and {days} are asked for"));
    }
    Ok(())
}

//! The way to a receiver by gRPC: a channel, through a proxy where the variables name one.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::codegen::http::Uri;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tower::Service as _;

use super::settings::{Certificates, Target};

/// What carries connections, beside everything else: one thread, for all that is sent by gRPC.
pub(super) struct Carrier(Option<Runtime>);

impl Carrier {
    /// Begins.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start() -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("telemetry").enable_all().build();
        runtime.map(|runtime| Carrier(Some(runtime))).map_err(|error| error.to_string())
    }

    pub(super) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Carrier {
    /// What is still under way is left, and waited for by nobody.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The channel to a receiver. Nothing is connected before something is to be sent.
///
/// # Errors
/// It is said in a way that cannot be done.
pub(super) fn channel(target: &Target, handle: &Handle) -> Result<Channel, String> {
    let shown = without_user(&target.endpoint);
    let secure = match target.endpoint.split_once("://") {
        Some(("http", _)) => false,
        Some(("https", _)) => true,
        _ => return Err(format!("the endpoint `{shown}`: only `http://` and `https://` are spoken")),
    };
    let uri: Uri = target.endpoint.parse().map_err(|error| format!("the endpoint `{shown}`: {error}"))?;
    let proxy = proxy(&uri, &shown)?;
    let mut endpoint = Endpoint::from(uri).connect_timeout(target.timeout);
    if secure {
        let tls = tls(&target.certificates)?;
        endpoint = endpoint.tls_config(tls).map_err(|error| format!("TLS to `{shown}`: {}", chain(&error)))?;
    } else if let Some((name, _)) =
        [&target.certificates.trusted, &target.certificates.client].into_iter().flatten().next()
    {
        return Err(format!("{name}, and the endpoint `{shown}` is not `https://`"));
    }
    // The channel starts its tasks where it is made.
    let _inside = handle.enter();
    let connector = connector(target.timeout);
    Ok(match proxy {
        None => endpoint.connect_with_connector_lazy(connector),
        Some(proxy) => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
            if let Some(authentication) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authentication.clone());
            }
            endpoint.connect_with_connector_lazy(tower::service_fn(move |uri| tunnel.call(uri)))
        }
    })
}

/// An address without what may be a password.
fn without_user(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let authority = rest.find('/').unwrap_or(rest.len());
    let host = rest.get(..authority).and_then(|authority| authority.rfind('@')).map_or(0, |at| at + 1);
    format!("{scheme}://{}", rest.get(host..).unwrap_or_default())
}

fn connector(timeout: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    // TLS is the channel's.
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timeout));
    connector
}

/// The proxy that `HTTPS_PROXY` and its like name for an address. Its name may hold a password, and is not told.
fn proxy(uri: &Uri, shown: &str) -> Result<Option<Intercept>, String> {
    let Some(proxy) = Matcher::from_system().intercept(uri) else { return Ok(None) };
    match proxy.uri().scheme_str() {
        Some("http") => Ok(Some(proxy)),
        scheme => Err(format!(
            "the proxy for `{shown}` is one of `{}://`, and gRPC goes through those of `http://` only (`NO_PROXY` leaves one out)",
            scheme.unwrap_or_default()
        )),
    }
}

fn tls(certificates: &Certificates) -> Result<ClientTlsConfig, String> {
    let read = |(name, path): &(String, String)| fs_err::read(path).map_err(|error| format!("{name}: {error}"));
    let tls = ClientTlsConfig::new();
    let tls = match &certificates.trusted {
        Some(trusted) => tls.ca_certificate(Certificate::from_pem(read(trusted)?)),
        None => tls.with_native_roots(),
    };
    match (&certificates.client, &certificates.key) {
        (Some(client), Some(key)) => Ok(tls.identity(Identity::from_pem(read(client)?, read(key)?))),
        (None, None) => Ok(tls),
        (Some((name, _)), None) | (None, Some((name, _))) => {
            Err(format!("{name}: a certificate of the client and its key belong together, and the other is missing"))
        }
    }
}

/// An error, with what it came of.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

//! A channel to a plugin that listens somewhere.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::config::Address;

/// How long it may take to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A stream of bytes, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Connects, and says why when it does not succeed.
pub(super) async fn dial(address: Address, tls: Option<ClientConfig>) -> Result<Channel, String> {
    let tls = tls.map(Arc::new);
    let connector = tower::service_fn(move |_: Uri| {
        let (address, tls) = (address.clone(), tls.clone());
        async move { connect(address, tls).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://plugin")
        .connect_timeout(CONNECT_WITHIN)
        // Whole schemas and states go through: large windows save round trips.
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024);
    match tokio::time::timeout(CONNECT_WITHIN, endpoint.connect_with_connector(connector)).await {
        Ok(connected) => connected.map_err(|error| chain(&error)),
        Err(_) => Err(format!("no answer within {} s", CONNECT_WITHIN.as_secs())),
    }
}

async fn connect(address: Address, tls: Option<Arc<ClientConfig>>) -> io::Result<Pin<Box<dyn Stream>>> {
    let plain: Pin<Box<dyn Stream>> = match address {
        Address::Unix(path) => Box::pin(UnixStream::connect(absolute(path)?).await?),
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Box::pin(stream)
        }
    };
    let Some(config) = tls else { return Ok(plain) };
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    Ok(Box::pin(TlsConnector::from(config).connect(name, plain).await?))
}

fn absolute(path: PathBuf) -> io::Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of its socket is not absolute"))
}

/// An error with all that is beneath it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        beneath = error.source();
    }
    text
}

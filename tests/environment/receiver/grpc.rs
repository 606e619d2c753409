//! A receiver of OpenTelemetry's protocol over gRPC: its services, as the protocol describes them, on tonic's server. Also
//! a proxy that leads to one.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, async_trait};

use super::{Kept, Manner, Receiver};

/// Whom a receiver over TLS is, and whom it takes for a client: texts in PEM form.
pub(crate) struct Papers {
    /// Its own certificate, for `localhost` and 127.0.0.1, which signs itself.
    pub(crate) certificate: String,
    key: String,
    /// Of the client.
    pub(crate) client: String,
    pub(crate) client_key: String,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let signed = |names: &[&str]| {
            let key = KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let ((certificate, key), (client, client_key)) = (signed(&["localhost", "127.0.0.1"]), signed(&["client"]));
        Papers { certificate, key, client, client_key }
    }
}

#[derive(Clone)]
struct Services {
    manner: Manner,
    kept: Arc<Mutex<Kept>>,
}

impl Receiver {
    /// One that speaks gRPC; over TLS, where it has papers.
    pub(crate) fn by_grpc(manner: Manner, papers: Option<&Papers>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let services = Services { manner, kept: Arc::clone(&kept) };
        let mut server = Server::builder();
        if let Some(papers) = papers {
            let tls = ServerTlsConfig::new()
                .identity(Identity::from_pem(&papers.certificate, &papers.key))
                .client_auth_optional(true)
                .client_ca_root(Certificate::from_pem(&papers.client));
            server = server.tls_config(tls).unwrap();
        }
        let traces = TraceServiceServer::new(services.clone()).accept_compressed(CompressionEncoding::Gzip);
        let metrics = MetricsServiceServer::new(services).accept_compressed(CompressionEncoding::Gzip);
        let router = server.add_service(traces).add_service(metrics);
        let listener = {
            let _inside = runtime.enter();
            tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap()
        };
        let address = listener.local_addr().unwrap();
        let scheme = if papers.is_some() { "https" } else { "http" };
        runtime.spawn(router.serve_with_incoming(listener));
        Receiver { endpoint: format!("{scheme}://{address}"), kept, _runtime: runtime }
    }
}

impl Services {
    async fn receive<M: Message, A: Default>(
        &self,
        request: Request<M>,
        keep: impl FnOnce(&mut Kept, M),
    ) -> Result<Response<A>, Status> {
        {
            let mut kept = self.kept.lock().unwrap();
            let (headers, _, message) = request.into_parts();
            kept.headers.push(headers.into_headers());
            kept.raw.extend_from_slice(&message.encode_to_vec());
            keep(&mut kept, message);
        }
        match self.manner {
            Manner::Takes => Ok(Response::new(A::default())),
            Manner::Refuses => Err(Status::permission_denied("planted-reason")),
            Manner::Hangs => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Err(Status::unavailable("never"))
            }
        }
    }
}

#[async_trait]
impl TraceService for Services {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.receive(request, |kept, got| kept.traces.push(got)).await
    }
}

#[async_trait]
impl MetricsService for Services {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.receive(request, |kept, got| kept.metrics.push(got)).await
    }
}

/// Somebody who takes connections and never says a word.
pub(crate) fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A proxy that makes tunnels, and keeps the heads of what it was asked.
pub(crate) struct Tunnels {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Tunnels {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move { tunnel(client, &kept).await });
            }
        });
        Tunnels { address, heads, _runtime: runtime }
    }

    /// What it was asked, a head each.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn tunnel(client: tokio::net::TcpStream, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let mut server = tokio::net::TcpStream::connect(target).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

//! The cloud as an HTTP server.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cloud::{Answer, Call, Cloud, Exchange, exchange, lock};
use crate::wire::{Cut, CutListener};

/// A cloud that answers on a free port of 127.0.0.1 until it is dropped.
///
/// It runs on a thread of its own, so that it serves tests with and without a runtime.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    cloud: Arc<Mutex<Cloud>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it on a free port.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts it on a port; 0 for a free one.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let cloud = Arc::new(Mutex::new(Cloud::default()));
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (served, stopped) = (Arc::clone(&cloud), stop.clone());
        let thread = std::thread::Builder::new().name("testcloud".into()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = serve(listener, served) => {}
                    () = stopped.cancelled() => {}
                }
            });
            // Calls that hang must not keep the thread.
            runtime.shutdown_background();
        })?;
        Ok(Server { address, cloud, stop, thread: Some(thread) })
    }

    /// Where it answers: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The truth itself, for tests in the same process. While it is held, every call waits.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        lock(&self.cloud)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// Serves until the listener fails.
async fn serve(listener: TcpListener, cloud: Arc<Mutex<Cloud>>) {
    let router = Router::new().route("/{*path}", any(handle)).with_state(cloud);
    let service = router.into_make_service_with_connect_info::<Cut>();
    // An error here ends the server, and every caller sees that.
    let _ = axum::serve(CutListener(listener), service).await;
}

async fn handle(
    State(cloud): State<Arc<Mutex<Cloud>>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(path): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(method) = method.as_str().parse() else { return StatusCode::METHOD_NOT_ALLOWED.into_response() };
    let body = if body.is_empty() { Ok(Json::Null) } else { serde_json::from_slice(&body) };
    let Ok(body) = body else { return respond(Answer::error(400, "no_json", "the body is not JSON")) };
    let header = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let call = Call {
        method,
        path: format!("/{path}"),
        query,
        idempotency_key: header(header::HeaderName::from_static("idempotency-key")).map(str::to_owned),
        token: header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned),
        body,
    };
    // A task of its own: what has arrived is carried out, even when the caller dies meanwhile.
    match tokio::spawn(async move { exchange(&cloud, &call).await }).await {
        Ok(Exchange::Answer(answer)) => respond(answer),
        Ok(Exchange::Closed) => {
            cut.close();
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(Exchange::Reset) => {
            cut.reset();
            StatusCode::NO_CONTENT.into_response()
        }
        Err(_) => respond(Answer::error(500, "bug", "the fake cloud has a bug")),
    }
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match answer.body {
        Json::Null => status.into_response(),
        body => (status, axum::Json(body)).into_response(),
    };
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

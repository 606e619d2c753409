//! A service over HTTPS that stands for Workato's: folders in folders, and a key to them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What opens it.
pub(crate) const KEY: &str = "planted-key-to-folders";

/// The folder that is always there.
pub(crate) const HOME: u64 = 1;

type Shared = Arc<Mutex<Held>>;
type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

#[derive(Default)]
struct Held {
    folders: BTreeMap<u64, Folder>,
    /// How many folders there ever were.
    made: u64,
    /// How often something was changed. It is the time, too.
    writes: usize,
}

#[derive(Clone)]
struct Folder {
    name: String,
    parent: u64,
    created: usize,
    updated: usize,
}

/// The service. It ends with the value.
pub(crate) struct Folders {
    address: String,
    held: Shared,
    directory: tempfile::TempDir,
    _ends: DropGuard,
}

impl Folders {
    /// Starts one with a certificate of its own.
    pub(crate) fn start() -> Folders {
        let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let directory = tempfile::TempDir::with_prefix("retrue-folders-").unwrap();
        fs_err::write(directory.path().join("certificate.pem"), signed.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let settings =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![signed.cert.der().clone()], key)
                .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let (held, end) = (Shared::default(), CancellationToken::new());
        let (routes, ended) = (routes(Arc::clone(&held)), end.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let listener = Encrypted { listener, acceptor: TlsAcceptor::from(Arc::new(settings)) };
                let served = axum::serve(listener, routes).into_future();
                tokio::select! { served = served => served.unwrap(), () = ended.cancelled() => {} }
            });
        });
        Folders { address, held, directory, _ends: end.drop_guard() }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The file with the certificate that is to be trusted.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// All folders, as it tells of them.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.held().folders.iter().map(|(id, folder)| shown(*id, folder)).collect()
    }

    /// How often something was changed since it was new.
    #[allow(dead_code)]
    pub(crate) fn writes(&self) -> usize {
        self.held().writes
    }

    /// Makes it as new.
    #[allow(dead_code)]
    pub(crate) fn reset(&self) {
        *self.held() = Held::default();
    }
}

/// Connections that are encrypted; those on which nobody can agree are closed.
struct Encrypted {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.listener.accept().await else { continue };
            let agreed = tokio::time::timeout(Duration::from_secs(5), self.acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = agreed {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn routes(held: Shared) -> Router {
    Router::new()
        .route("/api/folders", get(list).post(create))
        .route("/api/folders/{id}", put(change).delete(remove))
        .layer(from_fn(with_key))
        .with_state(held)
}

async fn with_key(request: Request, next: Next) -> Response {
    let expected = format!("Bearer {KEY}");
    match request.headers().get(header::AUTHORIZATION) {
        Some(shown) if shown.as_bytes() == expected.as_bytes() => next.run(request).await,
        _ => refused(StatusCode::UNAUTHORIZED, "Unauthorized").into_response(),
    }
}

fn refused(status: StatusCode, message: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({"message": message})))
}

fn shown(id: u64, folder: &Folder) -> Value {
    let time = |at: usize| format!("2026-01-01T{:02}:{:02}:{:02}.000Z", at / 3600, at / 60 % 60, at % 60);
    json!({
        "id": id, "name": folder.name, "parent_id": folder.parent, "is_project": false, "project_id": null,
        "created_at": time(folder.created), "updated_at": time(folder.updated),
    })
}

async fn list(State(held): State<Shared>, Query(asked): Query<BTreeMap<String, String>>) -> Answer {
    let number = |name: &str| asked.get(name).and_then(|text| text.parse::<u64>().ok());
    let parent = number("parent_id");
    let (page, size) = (number("page").unwrap_or(1).max(1) as usize, number("per_page").unwrap_or(100) as usize);
    let held = held.lock().unwrap();
    let found = held.folders.iter().filter(|(_, folder)| parent.is_none_or(|parent| folder.parent == parent));
    Ok(Json(found.skip((page - 1) * size).take(size).map(|(id, folder)| shown(*id, folder)).collect()))
}

/// What a body says of a folder: its name, and the folder that it is in.
type Said = (Option<String>, Option<u64>);

impl Held {
    /// What a body says of name and parent, where it says something.
    fn said(&self, body: &Value) -> Result<Said, (StatusCode, Json<Value>)> {
        let name = body["name"].as_str().map(str::to_owned);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let parent = Some(&body["parent_id"]).filter(|parent| !parent.is_null());
        let parent = parent.map(|parent| text(parent).parse().unwrap_or_default());
        match parent.filter(|id| *id != HOME && !self.folders.contains_key(id)) {
            Some(_) => Err(refused(StatusCode::NOT_FOUND, "the parent is not there")),
            None => Ok((name, parent)),
        }
    }
}

async fn create(State(held): State<Shared>, Json(body): Json<Value>) -> Answer {
    let mut held = held.lock().unwrap();
    let (Some(name), parent) = held.said(&body)? else {
        return Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "name is missing"));
    };
    held.writes += 1;
    held.made += 1;
    let (id, time) = (1000 + held.made, held.writes);
    let folder = Folder { name, parent: parent.unwrap_or(HOME), created: time, updated: time };
    let answer = shown(id, &folder);
    held.folders.insert(id, folder);
    Ok(Json(answer))
}

async fn change(State(held): State<Shared>, Path(id): Path<u64>, Json(body): Json<Value>) -> Answer {
    let mut held = held.lock().unwrap();
    let (name, parent) = held.said(&body)?;
    let time = held.writes + 1;
    let folder = held.folders.get_mut(&id).ok_or_else(|| refused(StatusCode::NOT_FOUND, "Not found"))?;
    folder.name = name.unwrap_or_else(|| folder.name.clone());
    folder.parent = parent.unwrap_or(folder.parent);
    folder.updated = time;
    let answer = shown(id, folder);
    held.writes = time;
    Ok(Json(answer))
}

async fn remove(
    State(held): State<Shared>,
    Path(id): Path<u64>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Answer {
    let mut held = held.lock().unwrap();
    let mut gone = vec![id];
    let mut next = 0;
    while let Some(parent) = gone.get(next) {
        let inside: Vec<u64> =
            held.folders.iter().filter(|(_, folder)| folder.parent == *parent).map(|(id, _)| *id).collect();
        gone.extend(inside);
        next += 1;
    }
    if gone.len() > 1 && asked.get("force").is_none_or(|force| force != "true") {
        return Err(refused(StatusCode::BAD_REQUEST, "the folder is not empty"));
    }
    held.folders.remove(&id).ok_or_else(|| refused(StatusCode::NOT_FOUND, "Not found"))?;
    held.folders.retain(|id, _| !gone.contains(id));
    held.writes += 1;
    Ok(Json(json!({"success": true})))
}

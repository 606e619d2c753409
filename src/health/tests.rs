//! Checks against a server that answers as it is asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as Part, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{any, get};
use retrue_provider_api::{Type, Value};
use tokio_util::sync::CancellationToken;

use super::*;

/// Counts what it was asked.
type Asked = Arc<AtomicUsize>;

/// A server on a port of its own, and how often it was asked.
async fn server() -> (String, Asked) {
    let asked = Asked::default();
    let router = Router::new()
        .route("/status/{code}", any(|Part(code): Part<u16>| async move { StatusCode::from_u16(code).unwrap() }))
        .route("/text", get(async || "all is well: 42 things"))
        .route("/far", get(async || (StatusCode::FOUND, [("location", "/text")])))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_millis(150)).await))
        .route("/never", get(async || std::future::pending::<()>().await))
        .route("/header", get(async |headers: HeaderMap| headers["x-key"].to_str().unwrap().to_owned()))
        .route("/echo", any(async |request: Request| Response::new(request.into_body())))
        .route("/third", get(third))
        .route("/odd", get(odd))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), asked)
}

/// Works from the third time on.
async fn third(State(asked): State<Asked>) -> StatusCode {
    if asked.fetch_add(1, Ordering::SeqCst) < 2 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// Works every other time.
async fn odd(State(asked): State<Asked>) -> StatusCode {
    if asked.fetch_add(1, Ordering::SeqCst) % 2 == 0 { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
}

fn http() -> Http {
    Http { method: "GET".to_owned(), statuses: Vec::new(), latency: None, certificate_days: None }
}

fn definition(probe: Probe) -> Definition {
    let rules = Rules {
        retries: 0,
        unhealthy: 1,
        interval: Duration::from_millis(1),
        timeout: Duration::from_secs(5),
        ..Rules::default()
    };
    Definition { name: "it".into(), severity: Severity::Error, rules, probe }
}

async fn checked(definition: &Definition, values: Value) -> Finding {
    let cancellation = CancellationToken::new();
    run(definition, &values, &Around { directory: Path::new("/"), cancellation: &cancellation }).await
}

async fn problem(probe: Probe, values: Value) -> Option<String> {
    checked(&definition(probe), values).await.problem
}

fn url(url: String) -> Value {
    Value::object([("url", Value::from(url))])
}

#[tokio::test]
async fn a_status_is_what_is_expected_or_it_is_told() {
    let (server, _) = server().await;
    let asked = |wanted: &[u16], status: u16| {
        let http = Http { statuses: wanted.to_vec(), ..http() };
        problem(Probe::Http(http), url(format!("{server}/status/{status}")))
    };
    assert_eq!(asked(&[], 204).await, None);
    assert_eq!(asked(&[], 503).await.unwrap(), "it answered with 503, and 200 to 299 is expected");
    assert_eq!(asked(&[301, 404], 404).await, None);
    assert_eq!(asked(&[301, 404], 200).await.unwrap(), "it answered with 200, and 301 or 404 is expected");
    // A redirection is an answer: nobody goes where it leads.
    let far = problem(Probe::Http(http()), url(format!("{server}/far"))).await;
    assert_eq!(far.unwrap(), "it answered with 302, and 200 to 299 is expected");
}

#[tokio::test]
async fn a_body_matches_and_contains() {
    let (server, _) = server().await;
    let asked = |matches: Option<&str>, contains: Option<&str>| {
        let text = |text: Option<&str>| text.map_or(Value::null(Type::String), Value::from);
        let at = Value::from(format!("{server}/text"));
        let values = [("url", at), ("matches", text(matches)), ("contains", text(contains))];
        problem(Probe::Http(http()), Value::object(values))
    };
    assert_eq!(asked(Some("^all .* \\d+ things$"), Some("42")).await, None);
    assert_eq!(asked(Some("^well"), None).await.unwrap(), "its body does not match `^well`");
    assert_eq!(asked(None, Some("43")).await.unwrap(), "its body does not contain `43`");
}

#[tokio::test]
async fn headers_method_and_body_are_sent() {
    let (server, _) = server().await;
    let headers = Value::map(Type::String, [("x-key", Value::from("one"))]);
    let at = Value::from(format!("{server}/header"));
    let values = Value::object([("url", at), ("headers", headers), ("contains", Value::from("one"))]);
    assert_eq!(problem(Probe::Http(http()), values).await, None);
    let post = Http { method: "POST".to_owned(), ..http() };
    let at = Value::from(format!("{server}/echo"));
    let values = [("url", at), ("send", Value::from("ping")), ("matches", Value::from("^ping$"))];
    assert_eq!(problem(Probe::Http(post), Value::object(values)).await, None);
}

#[tokio::test]
async fn what_is_slow_or_silent_is_unhealthy() {
    let (server, _) = server().await;
    let quick = Http { latency: Some(Duration::from_millis(50)), ..http() };
    let told = problem(Probe::Http(quick), url(format!("{server}/slow"))).await.unwrap();
    assert!(told.starts_with("it answered after ") && told.ends_with(", and 50 ms is the limit"), "{told}");
    let mut silent = definition(Probe::Http(http()));
    silent.rules.timeout = Duration::from_millis(100);
    let told = checked(&silent, url(format!("{server}/never"))).await;
    assert_eq!(told.problem.unwrap(), "no answer within 100 ms");
}

#[tokio::test]
async fn it_is_tried_until_it_is_known() {
    let (server, asked) = server().await;
    let mut patient = definition(Probe::Http(http()));
    (patient.rules.retries, patient.rules.unhealthy) = (2, 3);
    let finding = checked(&patient, url(format!("{server}/third"))).await;
    assert_eq!((finding.problem, finding.tries, asked.load(Ordering::SeqCst)), (None, 3, 3));
    // Two in a row, and it never works twice: the failures run out.
    asked.store(0, Ordering::SeqCst);
    (patient.rules.healthy, patient.rules.unhealthy) = (2, 9);
    let finding = checked(&patient, url(format!("{server}/odd"))).await;
    assert_eq!(finding.tries, 6);
    assert_eq!(finding.problem.unwrap(), "it answered with 502, and 200 to 299 is expected");
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let (server, _) = server().await;
    let hidden = |url: String| Value::object([("url", Value::from(url).sensitive())]);
    let told = problem(Probe::Http(http()), hidden(format!("{server}/status/500?key=hunter22"))).await.unwrap();
    assert!(!told.contains("hunter22"), "{told}");
    // Nobody listens there.
    let told = problem(Probe::Http(http()), hidden("http://127.0.0.1:9/?key=hunter22".to_owned())).await.unwrap();
    assert!(!told.contains("hunter22") && !told.contains("127.0.0.1"), "{told}");
    let told = problem(Probe::Tcp, Value::object([("address", Value::from("127.0.0.1:9").sensitive())])).await.unwrap();
    assert_eq!(told, "nobody could be reached there");
    let condition = [("condition", Value::from(false)), ("message", Value::from("it is hunter22").sensitive())];
    let told = problem(Probe::Condition, Value::object(condition)).await.unwrap();
    assert!(!told.contains("hunter22"), "{told}");
}

#[tokio::test]
async fn somebody_listens_or_not() {
    let (server, _) = server().await;
    let at = |address: &str| Value::object([("address", Value::from(address))]);
    assert_eq!(problem(Probe::Tcp, at(server.trim_start_matches("http://"))).await, None);
    let told = problem(Probe::Tcp, at("127.0.0.1:9")).await.unwrap();
    assert!(told.starts_with("127.0.0.1:9 cannot be reached: "), "{told}");
}

#[tokio::test]
async fn whoever_gives_up_gets_an_answer_at_once() {
    let (server, _) = server().await;
    let cancellation = CancellationToken::new();
    let values = url(format!("{server}/never"));
    let patient = definition(Probe::Http(http()));
    let around = Around { directory: Path::new("/"), cancellation: &cancellation };
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        cancellation.cancel();
    };
    let (finding, ()) = tokio::join!(run(&patient, &values, &around), stopping);
    assert!(finding.cancelled && !finding.is_healthy(), "{finding:?}");
    assert!(finding.took < Duration::from_secs(4), "{finding:?}");
}

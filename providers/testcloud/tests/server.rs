//! The server over HTTP: faults as they look on the wire, and the process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::*;
use retrue_provider_testcloud::cloud::{Action, Attributes, Call, Fault, KillAtEffect, Method, Settings, TruthObject};
use retrue_provider_testcloud::{Admin, HttpTransport, SendError, Server, Transport};
use serde_json::json;

fn post(collection: &str, body: serde_json::Value) -> Call {
    Call::new(Method::Post, format!("/v1/{collection}")).with_body(body)
}

fn get(path: &str) -> Call {
    Call::new(Method::Get, path)
}

#[tokio::test]
async fn objects_come_and_go() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    let cases = [
        (post("buckets", json!({"name": "b", "tags": {"a": "1"}})), 201),
        (post("buckets", json!({"name": "b"})), 409),
        (post("buckets", json!({"nam": "c"})), 422),
        (post("buckets", json!({})), 422),
        (post("nothing", json!({})), 404),
        (post("instances", json!({"image": "i", "size": "s", "network_id": "net-9"})), 422),
        (get("/v1/buckets/b"), 200),
        (get("/v1/buckets/c"), 404),
        (get("/v2"), 404),
        (Call::new(Method::Patch, "/v1/buckets/b").with_body(json!({"versioning": true})), 200),
        (Call::new(Method::Patch, "/v1/buckets/b").with_body(json!({"name": "c"})), 422),
        (Call::new(Method::Delete, "/v1/buckets/b"), 204),
        (Call::new(Method::Delete, "/v1/buckets/b"), 404),
    ];
    for (call, status) in cases {
        assert_eq!(http.send(&call).await.unwrap().status, status, "{call:?}");
    }
    assert_eq!(server.cloud().audit().len(), 3);
}

#[tokio::test]
async fn answers_get_lost_after_the_effect_and_resets_come_before_it() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    for (action, objects) in [(Action::LoseAnswer, 1), (Action::Reset, 1), (Action::LoseAnswer, 2)] {
        server.cloud().add_fault(Fault::at(Method::Post, "tokens", action));
        let answer = http.send(&post("tokens", json!({"scope": "s"}))).await;
        assert!(matches!(answer, Err(SendError::Lost(_))), "{answer:?}");
        server.cloud().clear_faults();
        assert_eq!(server.cloud().truth().len(), objects);
    }
}

#[tokio::test]
async fn nobody_there_means_not_sent() {
    let url = Server::start().unwrap().url();
    let answer = HttpTransport::new(&url).unwrap().send(&get("/v1/buckets")).await;
    let Err(error @ SendError::NotSent(_)) = answer else { panic!("{answer:?}") };
    let said = error.to_string();
    assert!(said.contains(url.trim_end_matches('/')) && said.contains("refused"), "{said}");
    // What a URL holds of a secret is not told.
    let secret = url.replace("http://", "http://somebody:secret@");
    let answer = HttpTransport::new(&secret).unwrap().send(&get("/v1/buckets")).await;
    let said = answer.unwrap_err().to_string();
    assert!(said.contains(url.trim_end_matches('/')) && !said.contains("secret"), "{said}");
}

#[tokio::test]
async fn faults_happen_at_the_nth_match_only() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    let fail = Action::ErrorBefore { status: 503, retry_after: Some(2) };
    server.cloud().add_fault(Fault { times: 2, ..Fault::at(Method::Get, "buckets", fail).nth(2) });
    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = http.send(&get("/v1/buckets")).await.unwrap();
        seen.push((answer.status, answer.retry_after));
    }
    assert_eq!(seen, [(200, None), (503, Some(2)), (503, Some(2)), (200, None), (200, None)]);
}

#[tokio::test]
async fn late_reads_still_see_the_world_before() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    server.cloud().settings().lag_reads = 2;
    http.send(&post("buckets", json!({"name": "b"}))).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(http.send(&get("/v1/buckets/b")).await.unwrap().status);
    }
    http.send(&Call::new(Method::Delete, "/v1/buckets/b")).await.unwrap();
    for _ in 0..3 {
        seen.push(http.send(&get("/v1/buckets/b")).await.unwrap().status);
    }
    assert_eq!(seen, [404, 404, 200, 200, 200, 404]);
}

#[tokio::test]
async fn a_key_that_is_honoured_makes_one_object() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    server.cloud().settings().honour_idempotency_key = true;
    let call = Call { idempotency_key: Some("k".into()), ..post("tokens", json!({"scope": "s"})) };
    let first = http.send(&call).await.unwrap();
    assert_eq!(http.send(&call).await.unwrap(), first);
    assert_eq!(server.cloud().truth().len(), 1);
}

#[tokio::test]
async fn tokens_and_quotas_are_checked() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    let settings = Settings { token: Some("t".into()), quota: [("tokens".into(), 1)].into(), ..Settings::default() };
    *server.cloud().settings() = settings;
    let call = post("tokens", json!({"scope": "s"}));
    assert_eq!(http.send(&call).await.unwrap().status, 401);
    let call = Call { token: Some("t".into()), ..call };
    assert_eq!(http.send(&call).await.unwrap().status, 201);
    assert_eq!(http.send(&call).await.unwrap().status, 409);
}

#[tokio::test]
async fn the_provider_works_over_http() {
    let server = Server::start().unwrap();
    let provider = over_http(&server).await;
    let wanted = config(provider.as_ref(), "testcloud_bucket", json!({"name": "b"})).await;
    let state = applied(change(provider.as_ref(), "testcloud_bucket", nothing(), wanted).await);
    assert_eq!(text(&state, "locator"), "testcloud:bucket:b");
}

#[tokio::test]
async fn a_process_of_its_own_is_administered_over_http() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_retrue-testcloud"))
        .arg("--die-with-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let admin = Admin::new(url.trim()).unwrap();
    let http = HttpTransport::new(url.trim()).unwrap();

    let tags: Attributes = [("tags".to_owned(), json!({"by": "somebody else"}))].into();
    admin.put_object("buckets", "b", &tags).await.unwrap();
    let truth: Vec<TruthObject> = admin.truth().await.unwrap();
    assert_eq!(truth[0].attributes["name"], "b");
    assert!(admin.audit().await.unwrap()[0].by_other);
    admin.remove_object("buckets", "b").await.unwrap();

    let settings = Settings { lag_reads: 1, ..admin.settings().await.unwrap() };
    admin.set_settings(&settings).await.unwrap();
    assert_eq!(admin.settings().await.unwrap(), settings);

    admin.add_fault(&Fault::next(Action::LoseAnswer)).await.unwrap();
    assert!(http.send(&post("tokens", json!({"scope": "s"}))).await.is_err());
    admin.clear_faults().await.unwrap();
    assert_eq!(admin.truth().await.unwrap().len(), 1);

    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
}

#[tokio::test]
async fn a_process_is_killed_at_its_nth_effect() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    for (carried_out, objects) in [(true, 2), (false, 1)] {
        let mut victim = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(victim.id()).unwrap();
        server.cloud().kill_at_effect(KillAtEffect { effect: 2, pid, carried_out });
        let before = server.cloud().truth().len();
        http.send(&post("tokens", json!({"scope": "one"}))).await.unwrap();
        assert!(victim.try_wait().unwrap().is_none());
        http.send(&post("tokens", json!({"scope": "two"}))).await.unwrap();
        assert!(!victim.wait().unwrap().success());
        assert_eq!(server.cloud().truth().len() - before, objects);
    }
}

#[tokio::test]
async fn somebody_else_comes_in_between() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    http.send(&post("networks", json!({"name": "n", "cidr": "10.0.0.0/8"}))).await.unwrap();
    let change = Call::new(Method::Patch, "/v1/networks/net-1").with_body(json!({"description": "ours"}));
    let meddle = |set| Action::Meddle { collection: "networks".into(), id: "net-1".into(), set };
    server.cloud().add_fault(Fault::at(Method::Patch, "networks", meddle(json!({"tags": {"by": "hand"}}))));
    let answer = http.send(&change).await.unwrap();
    assert_eq!((answer.status, &answer.body["tags"]["by"]), (200, &json!("hand")));
    server.cloud().add_fault(Fault::at(Method::Patch, "networks", meddle(json!(null))));
    assert_eq!(http.send(&change).await.unwrap().status, 404);
    let by_other: Vec<bool> = server.cloud().audit().iter().map(|entry| entry.by_other).collect();
    assert_eq!(by_other, [false, true, false, true]);
}

#[tokio::test]
async fn what_has_arrived_is_carried_out_even_when_the_caller_is_gone() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::Delay { milliseconds: 500 }));
    let call = post("tokens", json!({"scope": "late"}));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let poll = async |done: &dyn Fn() -> bool| {
        while !done() && std::time::Instant::now() < until {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let arrived = || server.cloud().arrived() == 1;
    tokio::select! {
        answer = http.send(&call) => panic!("{answer:?}"),
        () = poll(&arrived) => {}
    }
    poll(&|| !server.cloud().truth().is_empty()).await;
    assert_eq!(server.cloud().truth().len(), 1);
}

#[tokio::test]
async fn rows_are_data_that_no_attribute_holds() {
    let server = Server::start().unwrap();
    let http = HttpTransport::new(&server.url()).unwrap();
    http.send(&post("databases", json!({"name": "d", "engine": "mysql", "password": "p"}))).await.unwrap();
    let rows = Call::new(Method::Post, "/v1/databases/d/rows").with_body(json!([{"a": 1}, {"a": 2}]));
    assert_eq!(http.send(&rows).await.unwrap().status, 200);
    let shown = http.send(&get("/v1/databases/d")).await.unwrap().body;
    assert_eq!((&shown["rows"], shown.get("password")), (&json!(2), None));
    assert_eq!(server.cloud().truth()[0].rows.len(), 2);
}

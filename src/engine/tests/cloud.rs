//! The engine against a cloud that gives ids, loses answers and refuses: doubt, settled.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action as Trouble, Fault, Method, TruthObject};

use super::*;

const STACK: &str = r#"
[resource.testcloud_network.main]
name = "main"
cidr = "10.0.0.0/16"

[resource.testcloud_instance.web]
for_each = ["a", "b"]
image = "img-1"
size = "small"
network_id = "${testcloud_network.main.id}"

[[resource.testcloud_instance.web.rule]]
port = 443

[resource.testcloud_bucket.logs]
name = "logs-${testcloud_network.main.id}"
versioning = true
tags = { instance = '${testcloud_instance.web["a"].id}' }

[resource.retrue_data.addresses]
input = "${[for key, instance in testcloud_instance.web : instance.address]}"
"#;

pub(super) fn stage(server: &Server, toml: &str) -> Stage {
    Stage::new(&with_provider(server, toml))
}

pub(super) fn with_provider(server: &Server, toml: &str) -> String {
    format!("[provider.testcloud]\nurl = \"{}\"\n{toml}", server.url())
}

pub(super) fn truth(server: &Server) -> Vec<TruthObject> {
    server.cloud().truth()
}

/// What a person would compare: everything but the ids that the cloud gives.
pub(super) fn shape(server: &Server) -> Vec<String> {
    let mut shape: Vec<String> = truth(server).iter().map(|object| object.collection.clone()).collect();
    shape.sort();
    shape
}

pub(super) async fn try_apply(stage: &Stage) -> (RunState, Vec<String>) {
    let options = stage.options();
    let workspace = workspace(&options).unwrap();
    let events = Events::default();
    let cancellation = Cancellation::default();
    let session = Session::open(&options, "apply", Some(&workspace.stack)).await.unwrap();
    let left = session.settle(&events, &cancellation).await.unwrap();
    let planned = session
        .plan(&workspace, &PlanOptions::default(), left, &cancellation)
        .await
        .unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
    let applied = session.apply(&planned, None, OnFailure::Halt, &events, &cancellation).await.unwrap();
    session.close().await.unwrap();
    (applied.report.state, events.0.into_inner().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_in_the_cloud_is_made_and_unwound() {
    let server = Server::start().unwrap();
    let stage = stage(&server, STACK);
    let (summary, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert_eq!(summary.create, 5);
    assert_eq!(shape(&server), ["buckets", "instances", "instances", "networks"]);
    let (again, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 5, ..Summary::default() });
    let Compensated::Unwound(report) = stage.compensate().await else { panic!("nothing was unwound") };
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(truth(&server), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_doubt_is_resolved_never_guessed_whichever_answer_is_lost() {
    for continuation in ["apply", "compensate"] {
        for nth in 1.. {
            let server = Server::start().unwrap();
            let stage = stage(&server, STACK);
            let fault = Fault { nth, ..Fault::next(Trouble::LoseAnswer) };
            for method in [Method::Post, Method::Put] {
                server.cloud().add_fault(Fault { method: Some(method), ..fault.clone() });
            }
            let (state, events) = try_apply(&stage).await;
            // The run looks by itself; what is known only later is left to the next one.
            let looked = events.iter().any(|event| event.contains("StepResolved"));
            if state == RunState::Succeeded && !looked {
                assert!(nth > 4, "{events:#?}");
                break;
            }
            server.cloud().clear_faults();
            if continuation == "apply" {
                let (state, events) = try_apply(&stage).await;
                assert_eq!(state, RunState::Succeeded, "{nth}: {events:#?}");
                assert_eq!(shape(&server), ["buckets", "instances", "instances", "networks"], "{nth}");
                let (again, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
                assert_eq!(again, Summary { no_op: 5, ..Summary::default() }, "{nth}");
                while let Compensated::Unwound(report) = stage.compensate().await {
                    assert_eq!(report.state, RunState::Compensated, "{nth}: {report:#?}");
                }
            } else if let Compensated::Unwound(report) = stage.compensate().await {
                assert_eq!(report.state, RunState::Compensated, "{nth}: {report:#?}");
            }
            assert_eq!(truth(&server), [], "{nth} {continuation}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_put_before_a_person_and_blocks_just_what_depends_on_it() {
    let server = Server::start().unwrap();
    let toml = r#"
[resource.testcloud_token.deploy]
scope = "deploy"

[resource.retrue_data.uses]
input = "${testcloud_token.deploy.id}"

[resource.testcloud_bucket.free]
name = "free"
"#;
    let stage = stage(&server, toml);
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Trouble::LoseAnswer));
    let (state, _) = try_apply(&stage).await;
    assert_eq!(state, RunState::NeedsReview);
    server.cloud().clear_faults();
    // A second apply makes the rest, and does not make the token a second time.
    let (_, events) = try_apply(&stage).await;
    assert_eq!(shape(&server), ["buckets", "tokens"], "{events:#?}");
    let options = stage.options();
    let looked = look(&options, None).unwrap().unwrap();
    let doubts: Vec<String> = looked.in_doubt().unwrap().iter().map(|doubt| doubt.address.to_string()).collect();
    assert_eq!(doubts, ["testcloud_token.deploy"]);
    // A person looks, and says what it is.
    let id = truth(&server).into_iter().find(|object| object.collection == "tokens").unwrap().id;
    let session = Session::open(&options, "resolve", None).await.unwrap();
    let cancellation = Cancellation::default();
    let address = "testcloud_token.deploy".parse().unwrap();
    session.resolve(&address, &Answer::Exists(id), &Silent, &cancellation).await.unwrap_or_else(|failure| {
        panic!("{:#?}", failure.diagnostics);
    });
    session.close().await.unwrap();
    let (state, events) = try_apply(&stage).await;
    assert_eq!(state, RunState::Succeeded, "{events:#?}");
    assert_eq!(shape(&server), ["buckets", "tokens"]);
    let (again, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 3, ..Summary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_referred_to_an_object_that_is_made_again_follows_it() {
    let server = Server::start().unwrap();
    let stage = stage(&server, STACK);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let before = truth(&server);
    // Another zone replaces the instances, and with them the tag that names one.
    let moved = STACK.replace("size = \"small\"", "size = \"small\"\nzone = \"b\"");
    stage.toml(&with_provider(&server, &moved));
    let (summary, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{summary:?} {events:#?}");
    assert_eq!((summary.replace, summary.update), (2, 2));
    // New ids were announced as lossy: a person gives leave.
    let options = stage.options();
    let session = Session::open(&options, "compensate", None).await.unwrap();
    let leave = CompensateOptions {
        past: vec!["testcloud_instance.web[\"a\"]".into(), "testcloud_instance.web[\"b\"]".into()],
        ..CompensateOptions::default()
    };
    let done = session.compensate(&leave, &Silent, &Cancellation::default()).await.unwrap();
    session.close().await.unwrap();
    let Compensated::Unwound(report) = done else { panic!("nothing was unwound") };
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert!(report.lost.iter().any(|(_, lost)| lost.contains("`id`")), "{report:#?}");
    let after = truth(&server);
    assert_eq!(after.len(), before.len());
    let first =
        after.iter().find(|object| object.marker().is_some_and(|marker| marker.contains("web[\"a\"]"))).unwrap();
    assert_eq!(first.attributes.get("zone").and_then(|zone| zone.as_str()), Some("a"));
    let bucket = after.iter().find(|object| object.collection == "buckets").unwrap();
    assert_eq!(bucket.attributes["tags"]["instance"].as_str(), Some(first.id.as_str()));
    stage.toml(&with_provider(&server, STACK));
    let (again, _, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!((again.replace, again.create, again.delete), (0, 0, 0), "{again:?} {events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pivot_unwinding_halts_and_goes_on_only_with_leave() {
    let server = Server::start().unwrap();
    let toml = r#"
[resource.testcloud_database.main]
name = "main"
engine = "postgres"
password = "secret"

[resource.testcloud_bucket.uses]
name = "uses"
tags = { engine = "${testcloud_database.main.engine}" }
"#;
    let stage = stage(&server, toml);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&with_provider(&server, &toml.replace("postgres", "mysql")));
    server.cloud().add_fault(Fault {
        times: 0,
        ..Fault::at(Method::Patch, "buckets", Trouble::ErrorBefore { status: 400, retry_after: None })
    });
    server.cloud().add_fault(Fault {
        times: 0,
        ..Fault::at(Method::Put, "buckets", Trouble::ErrorBefore { status: 400, retry_after: None })
    });
    let (_, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Compensate).await;
    assert_ne!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert!(applied.held.is_some(), "{events:#?}");
    server.cloud().clear_faults();
    assert_eq!(shape(&server), ["buckets", "databases"]);
    let Compensated::Unwound(report) = stage.compensate().await else { panic!("nothing was unwound") };
    assert_eq!(report.state, RunState::NeedsReview);
    assert!(!report.behind_pivot.is_empty());
}

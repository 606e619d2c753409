//! What is in doubt, and what waits for it.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action as Trouble, Fault, Method};

use super::*;

const TOKENS: &str = r#"
[resource.retrue_data.ground]
input = "deploy"

[resource.testcloud_token.t]
for_each = ["a", "b", "c"]
scope = "${retrue_data.ground.output}-${each.key}"

[resource.retrue_data.uses]
input = '${testcloud_token.t["a"].id}'
"#;

/// A stack of which the token `b` is in doubt, and what was told while it was made.
async fn doubtful(server: &Server) -> Stage {
    let stage = Stage::new(&format!("[provider.testcloud]\nurl = \"{}\"\n{TOKENS}", server.url()));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Trouble::LoseAnswer).nth(2));
    let (state, events) = apply_around(&stage, &PlanOptions::default(), 1).await;
    assert_eq!(state, RunState::NeedsReview, "{events:#?}");
    server.cloud().clear_faults();
    stage
}

async fn apply_around(stage: &Stage, planning: &PlanOptions, parallelism: usize) -> (RunState, Vec<String>) {
    let options = Options { parallelism, ..stage.options() };
    let workspace = workspace(&options).unwrap();
    let cancellation = Cancellation::default();
    let session = Session::open(&options, "apply", Some(&workspace.stack)).await.unwrap();
    let left = session.settle(&Silent, &cancellation).await.unwrap();
    let planned = session
        .plan(&workspace, planning, left, &cancellation)
        .await
        .unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
    let told = planned.warnings.iter().map(|warning| warning.message.clone()).collect();
    let applied = session.apply(&planned, None, OnFailure::Halt, &Silent, &cancellation).await.unwrap();
    session.close().await.unwrap();
    (applied.report.state, told)
}

fn recorded(stage: &Stage) -> Vec<String> {
    let looked = look(&stage.options(), None).unwrap().unwrap();
    looked.state.current().map(|(address, _)| address.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_of_what_is_in_doubt_go_on_and_what_comes_after_waits() {
    let server = Server::start().unwrap();
    let stage = doubtful(&server).await;
    assert_eq!(recorded(&stage), ["retrue_data.ground", "testcloud_token.t[\"a\"]"]);
    let (_, told) = apply_around(&stage, &PlanOptions::default(), 4).await;
    assert_eq!(recorded(&stage), ["retrue_data.ground", "testcloud_token.t[\"a\"]", "testcloud_token.t[\"c\"]"]);
    assert_eq!(told, ["`retrue_data.uses` waits for something that is in doubt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_something_in_doubt_may_need_is_not_deleted() {
    let server = Server::start().unwrap();
    let stage = doubtful(&server).await;
    let destroy = PlanOptions { destroy: true, ..PlanOptions::default() };
    let (_, told) = apply_around(&stage, &destroy, 4).await;
    assert_eq!(recorded(&stage), ["retrue_data.ground"]);
    assert_eq!(told, ["`retrue_data.ground` waits for something that is in doubt"]);
}

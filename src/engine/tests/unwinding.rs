//! Unwinding, where it is hard: doubt, new ids, moves, pivots, leave to skip.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action as Trouble, Fault, Method};

use super::cloud::{shape, stage, truth, try_apply, with_provider};
use super::*;

const NETWORK: &str = r#"
[resource.testcloud_network.main]
name = "main"
cidr = "10.0.0.0/16"

[resource.testcloud_instance.web]
image = "img-1"
size = "small"
network_id = "${testcloud_network.main.id}"
"#;

const TOKEN: &str = r#"
[resource.testcloud_bucket.base]
name = "base"

[resource.testcloud_token.deploy]
scope = "deploy"
depends_on = ["testcloud_bucket.base"]
"#;

async fn with_session<T>(stage: &Stage, work: impl AsyncFnOnce(&Session) -> T) -> T {
    let session = Session::open(&stage.options(), "test", None).await.unwrap();
    let done = work(&session).await;
    session.close().await.unwrap();
    done
}

async fn unwind_with(stage: &Stage, options: CompensateOptions) -> Result<Compensated, Failure> {
    with_session(stage, async |session| {
        let cancellation = Cancellation::default();
        session.settle(&Silent, &cancellation).await.unwrap();
        session.compensate(&options, &Silent, &cancellation).await
    })
    .await
}

async fn unwind(stage: &Stage, options: CompensateOptions) -> crate::apply::unwind::UnwindReport {
    match unwind_with(stage, options).await {
        Ok(Compensated::Unwound(report)) => *report,
        Ok(Compensated::Nothing) => panic!("nothing was unwound"),
        Err(failure) => panic!("{:#?}", failure.diagnostics),
    }
}

async fn resolve(stage: &Stage, address: &str, answer: Answer) -> Result<String, Failure> {
    with_session(stage, async |session| {
        session.resolve(&address.parse().unwrap(), &answer, &Silent, &Cancellation::default()).await
    })
    .await
}

fn runs(stage: &Stage) -> Vec<(String, RunState)> {
    let looked = look(&stage.options(), None).unwrap().unwrap();
    looked.state.runs.values().map(|record| (record.run.clone(), record.state)).collect()
}

fn recorded(stage: &Stage, address: &str) -> retrue_provider_api::Value {
    let looked = look(&stage.options(), None).unwrap().unwrap();
    let (_, object) = looked.state.current().find(|(of, _)| of.to_string() == address).unwrap();
    object.attributes().wake(looked.seal()).unwrap()
}

fn names(stage: &Stage) -> Vec<String> {
    stage.tree().into_keys().collect()
}

fn lost_answer(method: Method, collection: &str) -> Fault {
    Fault::at(method, collection, Trouble::LoseAnswer)
}

async fn destroy(stage: &Stage) -> RunState {
    let planning = PlanOptions { destroy: true, ..PlanOptions::default() };
    stage.apply(&planning, OnFailure::Halt).await.1.report.state
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_stays_and_so_does_what_it_rests_on_until_a_person_answers() {
    let server = Server::start().unwrap();
    let stage = stage(&server, TOKEN);
    server.cloud().add_fault(lost_answer(Method::Post, "tokens"));
    assert_eq!(try_apply(&stage).await.0, RunState::NeedsReview);
    server.cloud().clear_faults();
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!(report.state, RunState::NeedsReview, "{report:#?}");
    let doubtful: Vec<String> = report.in_doubt.iter().map(|(address, _)| address.to_string()).collect();
    assert_eq!(doubtful, ["testcloud_token.deploy", "testcloud_bucket.base"]);
    assert_eq!(shape(&server), ["buckets", "tokens"]);
    let id = truth(&server).into_iter().find(|object| object.collection == "tokens").unwrap().id;
    resolve(&stage, "testcloud_token.deploy", Answer::Exists(id)).await.unwrap();
    assert_eq!(runs(&stage)[0].1, RunState::FailedPermanent, "nothing of it is in doubt any more");
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(shape(&server), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_whose_answer_is_lost_makes_nothing_a_second_time() {
    let server = Server::start().unwrap();
    let stage = stage(&server, NETWORK);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(destroy(&stage).await, RunState::Succeeded);
    let past = CompensateOptions {
        past: vec!["testcloud_network.main".into(), "testcloud_instance.web".into()],
        ..CompensateOptions::default()
    };
    server.cloud().add_fault(lost_answer(Method::Post, "instances"));
    // A look finds it by its marker, within the run.
    let report = unwind(&stage, past).await;
    assert_eq!((report.state, report.in_doubt.len()), (RunState::Compensated, 0), "{report:#?}");
    assert_eq!(shape(&server), ["instances", "networks"]);
    let network = recorded(&stage, "testcloud_network.main");
    let web = recorded(&stage, "testcloud_instance.web");
    assert_eq!(web.get("network_id"), network.get("id"), "the record follows the new id");
    let (again, _, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 2, ..Summary::default() }, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_nobody_can_look_for_is_put_before_a_person_and_not_done_again() {
    let server = Server::start().unwrap();
    let stage = stage(&server, "[resource.testcloud_token.deploy]\nscope = \"deploy\"\n");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(destroy(&stage).await, RunState::Succeeded);
    server.cloud().add_fault(lost_answer(Method::Post, "tokens"));
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!((report.state, report.in_doubt.len()), (RunState::NeedsReview, 1), "{report:#?}");
    server.cloud().clear_faults();
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!((report.state, report.in_doubt.len()), (RunState::NeedsReview, 1), "{report:#?}");
    assert_eq!(shape(&server), ["tokens"], "it was not made a second time");
    let id = truth(&server).into_iter().next().unwrap().id;
    resolve(&stage, "testcloud_token.deploy", Answer::Exists(id)).await.unwrap_or_else(|failure| {
        panic!("{:#?}", failure.diagnostics);
    });
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(shape(&server), ["tokens"]);
    let (again, _, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 1, ..Summary::default() }, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_made_the_new_one_first_comes_back_under_its_new_id() {
    let server = Server::start().unwrap();
    let toml = r#"
[resource.testcloud_network.main]
name = "one"
cidr = "10.0.0.0/16"

[resource.testcloud_network.main.lifecycle]
create_before_destroy = true
"#;
    let stage = stage(&server, toml);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&with_provider(&server, &toml.replace("\"one\"", "\"two\"").replace("10.0", "10.1")));
    let (summary, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!((applied.report.state, summary.replace), (RunState::Succeeded, 1), "{events:#?}");
    let past = CompensateOptions { past: vec!["testcloud_network.main".into()], ..CompensateOptions::default() };
    let report = unwind(&stage, past).await;
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    let [network] = truth(&server).try_into().unwrap();
    assert_eq!(network.attributes["name"].as_str(), Some("one"));
    assert_eq!(recorded(&stage, "testcloud_network.main").get("id").unwrap().as_str(), Some(network.id.as_str()));
    stage.toml(&with_provider(&server, toml));
    let (again, _, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 1, ..Summary::default() }, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unwinding_back_to_a_run_keeps_new_ids_in_what_older_steps_restore() {
    let server = Server::start().unwrap();
    let stage = stage(&server, NETWORK);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&with_provider(&server, &NETWORK.replace("small", "large")));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let second = runs(&stage)[1].0.clone();
    assert_eq!(destroy(&stage).await, RunState::Succeeded);
    let back = CompensateOptions {
        through: Some(second),
        past: vec!["testcloud_network.main".into(), "testcloud_instance.web".into()],
        ..CompensateOptions::default()
    };
    let report = unwind(&stage, back).await;
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    let web = truth(&server).into_iter().find(|object| object.collection == "instances").unwrap();
    assert_eq!(web.attributes["size"].as_str(), Some("small"));
    assert_eq!(recorded(&stage, "testcloud_instance.web").get("id").unwrap().as_str(), Some(web.id.as_str()));
    stage.toml(&with_provider(&server, NETWORK));
    let (again, _, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 2, ..Summary::default() }, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_followed_back() {
    let stage = Stage::new("[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let first = runs(&stage)[0].0.clone();
    stage.toml("[[moved]]\nfrom = \"local_file.a\"\nto = \"local_file.b\"\n[resource.local_file.b]\npath = \"a\"\ncontent = \"x\"\n");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let refused = unwind_with(&stage, CompensateOptions { run: Some(first.clone()), ..Default::default() }).await;
    assert!(refused.is_err(), "the move builds on it");
    let report = unwind(&stage, CompensateOptions { through: Some(first), ..Default::default() }).await;
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(names(&stage), [""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_or_dropped_by_hand_is_not_taken_for_undone() {
    let stage = Stage::new("[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    with_session(&stage, async |session| session.state_rm(&["local_file.a".parse().unwrap()]).await.map(drop))
        .await
        .unwrap();
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!((report.state, report.stuck.len()), (RunState::NeedsReview, 1), "{report:#?}");
    assert_eq!(names(&stage), ["", "a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_that_an_unwound_fix_brought_back_goes_with_what_made_the_object() {
    let stage = Stage::new("[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let first = runs(&stage)[0].0.clone();
    stage.write("a", "by hand");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let report = unwind(&stage, CompensateOptions { through: Some(first), ..Default::default() }).await;
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(names(&stage), [""]);
    // What nobody has an image of is kept.
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.write("a", "by hand");
    let report = unwind(&stage, CompensateOptions::default()).await;
    assert_eq!((report.state, report.stuck.len()), (RunState::NeedsReview, 1), "{report:#?}");
    assert_eq!(stage.tree()["a"].1, b"by hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_on_request_keeps_what_it_rests_on() {
    let stage = Stage::new(FILES);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    for wrong in ["local_file.nowhere", "local_file.page[\"z\"]"] {
        let options = CompensateOptions { skip: vec![wrong.into()], ..Default::default() };
        let Err(refused) = unwind_with(&stage, options).await else { panic!("{wrong} was accepted") };
        assert_eq!(refused.kind, FailureKind::Usage);
    }
    let options = CompensateOptions { skip: vec!["local_file.page[\"b\"]".into()], ..Default::default() };
    let report = unwind(&stage, options).await;
    assert_eq!(report.state, RunState::CompensatedPartly, "{report:#?}");
    assert_eq!(names(&stage), ["", "site", "site/b.txt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_something_follows_when_that_is_renamed_by_hand() {
    let toml = "[resource.local_directory.a]\npath = \"d\"\n[resource.local_file.in]\npath = \"${local_directory.a.path}/f\"\ncontent = \"x\"\n";
    let stage = Stage::new(toml);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let (from, to) = ("local_directory.a".parse().unwrap(), "local_directory.z".parse().unwrap());
    with_session(&stage, async |session| session.state_mv(&from, &to).await.map(drop)).await.unwrap();
    // The directory still goes after what is in it.
    stage.toml("");
    let (_, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert_eq!(names(&stage), [""]);
}

//! How things stand to the record, whatever is wrong with some of them.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action as Trouble, Fault, Method};

use super::*;
use crate::plan::DriftStatus;
use crate::reconcile::Report;

async fn standing(stage: &Stage) -> (Report, Vec<String>) {
    let options = stage.options();
    let workspace = workspace(&options).unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
    let (report, planned) = reconcile(&options, &workspace, None, None, &Cancellation::default())
        .await
        .unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
    (report, planned.warnings.into_iter().map(|warning| warning.message).collect())
}

fn found(report: &Report) -> Vec<String> {
    report.drift.iter().map(|drift| format!("{} {:?}", drift.address, drift.status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_read_hides_no_other() {
    let server = Server::start().unwrap();
    let toml = format!(
        "[provider.testcloud]\nurl = \"{}\"\n[resource.testcloud_bucket.b]\nname = \"b\"\n[resource.local_file.f]\npath \
         = \"f.txt\"\ncontent = \"${{testcloud_bucket.b.name}}\"\n",
        server.url()
    );
    let stage = Stage::new(&toml);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.write("f.txt", "tampered");
    let trouble = Trouble::ErrorBefore { status: 403, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Get, "buckets", trouble).always());
    let (report, warnings) = standing(&stage).await;
    assert_eq!(found(&report), ["local_file.f Drifted", "testcloud_bucket.b Unreadable"], "{warnings:?}");
    assert!(report.drift[1].error.is_some());
    assert_eq!((report.in_true, report.count(DriftStatus::Unreadable)), (0, 1));
    assert_eq!(report.to_mend().len(), 1);
}

const STANDS: &str = r#"
[resource.local_file.kept]
path = "kept.txt"
content = "kept"

[resource.local_file.kept.lifecycle]
prevent_destroy = true

[resource.local_file.other]
path = "other.txt"
content = "other"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_is_told_beside_the_standing_of_all() {
    let other = "\n[resource.local_file.other]\npath = \"other.txt\"\ncontent = \"other\"\n";
    let cases: &[(&str, String, &[&str])] = &[
        ("a block that must not go is gone", other.to_owned(), &[]),
        (
            "a precondition fails",
            format!(
                "{STANDS}[resource.local_file.other.lifecycle]\nprecondition = [{{ condition = '${{1 == 2}}', message = \
                 \"no\" }}]\n"
            ),
            &["no"],
        ),
        (
            "something new is wrong",
            format!("{STANDS}[resource.local_file.new]\npath = \"${{1 / 0}}\"\ncontent = \"x\"\n"),
            &[],
        ),
        (
            "data cannot be read",
            format!(
                "{}content = \"${{data.local_file.x.content}}\"\n",
                STANDS.trim_end().trim_end_matches("content = \"other\"\n").replace("content = \"other\"", "")
            ) + "[data.local_file.x]\npath = \"nowhere.txt\"\n",
            &["nowhere.txt"],
        ),
        (
            "what decides about instances is gone",
            format!(
                "{STANDS}[resource.retrue_data.new]\ninput = [\"a\"]\n[resource.local_file.many]\nfor_each = \
                 \"${{toset(retrue_data.new.output)}}\"\npath = \"many-${{each.key}}\"\ncontent = \"x\"\n"
            ),
            &[],
        ),
    ];
    for (what, toml, told) in cases {
        let stage = Stage::new(STANDS);
        stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
        let stays = stage.tree();
        stage.toml(toml);
        let (report, warnings) = standing(&stage).await;
        assert_eq!((found(&report), report.in_true), (Vec::new(), 2), "{what}");
        assert_eq!(warnings.len(), told.len(), "{what}: {warnings:?}");
        told.iter().for_each(|told| assert!(warnings[0].contains(told), "{what}: {warnings:?}"));
        stage.write("other.txt", "tampered");
        fs_err::remove_file(stage.path().join("kept.txt")).unwrap();
        let (report, _) = standing(&stage).await;
        assert_eq!(found(&report), ["local_file.kept Missing", "local_file.other Drifted"], "{what}");
        assert_ne!(stage.tree(), stays);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_no_longer_declared_are_not_ended_by_mending() {
    let many = |keys: &str| {
        format!("[resource.local_file.f]\nfor_each = {keys}\npath = \"${{each.key}}.txt\"\ncontent = \"f\"\n")
    };
    let stage = Stage::new(&many("[\"a\", \"b\"]"));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let before = stage.tree();
    stage.toml(&many("[\"a\"]"));
    stage.write("a.txt", "tampered");
    stage.write("b.txt", "tampered");
    let (report, _) = standing(&stage).await;
    assert_eq!(found(&report), ["local_file.f[\"a\"] Drifted", "local_file.f[\"b\"] Drifted"]);
    let options = stage.options();
    let workspace = workspace(&options).unwrap();
    let session = Session::open(&options, "reconcile", Some(&workspace.stack)).await.unwrap();
    let cancellation = Cancellation::default();
    let planned = session.plan_fix(&workspace, &report.to_mend(), Vec::new(), &cancellation).await.unwrap();
    session.fix(&planned, &Silent, &cancellation).await.unwrap();
    session.close().await.unwrap();
    let after = stage.tree();
    assert_eq!(after["a.txt"], before["a.txt"]);
    assert_eq!(after["b.txt"].1, b"tampered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ignored_has_not_drifted() {
    let file = |ignored: &str| {
        format!(
            "[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"f\"\nmode = \"0600\"\n[resource.local_file.f.lifecycle]\
             \nignore_changes = {ignored}\n[output.sum]\nvalue = \"${{local_file.f.sha256}}\"\n"
        )
    };
    for (ignored, status) in [
        ("[\"content\"]", DriftStatus::ChangedOutside),
        ("\"all\"", DriftStatus::ChangedOutside),
        ("[\"mode\"]", DriftStatus::Drifted),
    ] {
        let stage = Stage::new(&file(ignored));
        stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
        stage.write("f.txt", "tampered");
        let (report, _) = standing(&stage).await;
        assert_eq!(report.drift[0].status, status, "{ignored}");
        assert_eq!(report.is_true(), status == DriftStatus::ChangedOutside, "{ignored}");
    }
}

//! The engine from TOML to a changed machine and back, without the command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::plan::{Action, Summary};
use crate::saga::RunState;

mod advice;
mod closed;
mod cloud;
mod deciding;
mod doubt;
mod kept;
mod standing;
mod unwinding;

struct Stage {
    directory: tempfile::TempDir,
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn event(&self, event: &RunEvent) {
        self.0.lock().unwrap().push(format!("{:?}", event.kind));
    }
}

impl Stage {
    fn new(toml: &str) -> Self {
        let stage = Stage { directory: tempfile::tempdir().unwrap() };
        stage.write("retrue.toml", &format!("[stack]\nschema = 1\nname = \"t\"\n{toml}"));
        stage
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, content: &str) {
        fs_err::write(self.path().join(name), content).unwrap();
    }

    fn toml(&self, toml: &str) {
        self.write("retrue.toml", &format!("[stack]\nschema = 1\nname = \"t\"\n{toml}"));
    }

    fn options(&self) -> Options {
        let key: OsString = "11".repeat(32).into();
        Options {
            directory: self.path().to_owned(),
            environment: "default".into(),
            recorded: BTreeMap::new(),
            vars: Vec::new(),
            var_files: Vec::new(),
            parallelism: 4,
            process_environment: BTreeMap::from([("RETRUE_KEY".into(), key)]),
            actor: "test@host".into(),
            taps: Default::default(),
        }
    }

    async fn apply(&self, planning: &PlanOptions, on_failure: OnFailure) -> (Summary, Applied, Vec<String>) {
        let options = self.options();
        let workspace = workspace(&options).unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
        let events = Events::default();
        let cancellation = Cancellation::default();
        let session = Session::open(&options, "apply", Some(&workspace.stack)).await.unwrap();
        let left = session.settle(&events, &cancellation).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        let planned = session
            .plan(&workspace, planning, left, &cancellation)
            .await
            .unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
        let summary = planned.plan.summary();
        let applied = session
            .apply(&planned, None, on_failure, &events, &cancellation)
            .await
            .unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
        session.close().await.unwrap();
        (summary, applied, events.0.into_inner().unwrap())
    }

    async fn compensate(&self) -> Compensated {
        let options = self.options();
        let session = Session::open(&options, "compensate", None).await.unwrap();
        let cancellation = Cancellation::default();
        session.settle(&Silent, &cancellation).await.unwrap();
        let done = session.compensate(&CompensateOptions::default(), &Silent, &cancellation).await.unwrap();
        session.close().await.unwrap();
        done
    }

    fn tree(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        for entry in walkdir::WalkDir::new(self.path()).sort_by_file_name() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(self.path()).unwrap().display().to_string();
            if name.starts_with(".retrue") || name == "retrue.toml" {
                continue;
            }
            let metadata = entry.path().symlink_metadata().unwrap();
            let content = if metadata.is_file() {
                fs_err::read(entry.path()).unwrap()
            } else if metadata.is_symlink() {
                fs_err::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
            } else {
                Vec::new()
            };
            found.insert(name, (metadata.permissions().mode(), content));
        }
        found
    }
}

const FILES: &str = r#"
[resource.local_directory.site]
path = "site"

[resource.local_file.page]
for_each = ["a", "b", "c"]
path = "${local_directory.site.path}/${each.key}.txt"
content = "page ${each.key}\n"

[resource.local_symlink.current]
path = "current"
target = '${local_file.page["a"].path}'

[resource.retrue_data.note]
input = '${local_file.page["b"].sha256}'

[output.sum]
value = "${retrue_data.note.output}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn applying_twice_does_nothing_the_second_time_and_compensating_restores_the_world() {
    let stage = Stage::new(FILES);
    let before = stage.tree();
    let (summary, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert_eq!(summary.create, 6);
    assert_eq!(fs_err::read_to_string(stage.path().join("site/b.txt")).unwrap(), "page b\n");
    assert!(applied.report.outputs["sum"].as_str().is_some_and(|text| text.len() == 64));

    let (again, applied, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 6, ..Summary::default() });
    assert_eq!(applied.report.counts.applied, 0);

    let Compensated::Unwound(report) = stage.compensate().await else { panic!("nothing was unwound") };
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(stage.tree(), before);
    assert!(matches!(stage.compensate().await, Compensated::Nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_apply_is_compensated_byte_for_byte() {
    let stage = Stage::new(FILES);
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs_err::write(stage.path().join("old.bin"), &binary).unwrap();
    fs_err::set_permissions(stage.path().join("old.bin"), std::fs::Permissions::from_mode(0o604)).unwrap();
    let before = stage.tree();
    stage.toml(&format!(
        "{FILES}
[resource.local_file.adopted]
path = \"old.bin\"
content = \"new\"
mode = \"0600\"

[resource.local_file.broken]
path = \"missing/directory/file\"
content = \"${{local_file.adopted.content}}\"
depends_on = [\"local_file.page\"]
"
    ));
    let (summary, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Compensate).await;
    assert_eq!(summary.adopt, 1);
    assert_eq!(applied.report.counts.not_applied, 1, "{events:#?}");
    let Some(Compensated::Unwound(report)) = applied.compensated else { panic!("{:?}", applied.held) };
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(stage.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_replacements_and_deletions_are_unwound() {
    let stage = Stage::new(FILES);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let before = stage.tree();
    stage.toml(
        &FILES
            .replace("page ${each.key}\\n", "changed ${each.key}\\n")
            .replace("[\"a\", \"b\", \"c\"]", "[\"a\", \"b\", \"d\"]")
            .replace("path = \"current\"", "path = \"latest\""),
    );
    let (summary, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert_eq!(summary, Summary { create: 1, update: 3, replace: 1, delete: 1, no_op: 1, ..Summary::default() });
    let Compensated::Unwound(report) = stage.compensate().await else { panic!("nothing was unwound") };
    assert_eq!(report.state, RunState::Compensated, "{report:#?}");
    assert_eq!(stage.tree(), before);
    // The record is as before, too: nothing but the declared changes is planned.
    let (again, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn destroying_ends_everything_and_what_was_adopted_returns_to_what_it_was() {
    let stage = Stage::new(FILES);
    stage.write("mine.txt", "mine");
    let before = stage.tree();
    stage.toml(&format!("{FILES}\n[resource.local_file.mine]\npath = \"mine.txt\"\ncontent = \"theirs\"\n"));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let destroy = PlanOptions { destroy: true, ..PlanOptions::default() };
    let (summary, applied, events) = stage.apply(&destroy, OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert_eq!((summary.delete, summary.forget), (6, 1));
    assert_eq!(stage.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_reported_and_mended() {
    let stage = Stage::new(FILES);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let before = stage.tree();
    stage.write("site/a.txt", "tampered");
    fs_err::remove_file(stage.path().join("current")).unwrap();
    let options = stage.options();
    let workspace = workspace(&options).unwrap();
    let (report, _) = reconcile(&options, &workspace, None, None, &Cancellation::default()).await.unwrap();
    let found: Vec<String> = report.drift.iter().map(|drift| format!("{} {:?}", drift.address, drift.status)).collect();
    assert_eq!(found, ["local_file.page[\"a\"] Drifted", "local_symlink.current Missing"]);
    let session = Session::open(&options, "reconcile", Some(&workspace.stack)).await.unwrap();
    let cancellation = Cancellation::default();
    let planned = session.plan_fix(&workspace, &report.to_mend(), Vec::new(), &cancellation).await.unwrap();
    assert!(planned.plan.changes.iter().all(|change| change.action != Action::Delete));
    session.fix(&planned, &Silent, &cancellation).await.unwrap();
    session.close().await.unwrap();
    assert_eq!(stage.tree(), before);
    let (report, _) = reconcile(&options, &workspace, None, None, &Cancellation::default()).await.unwrap();
    assert!(report.is_true());
    assert_eq!(report.in_true, 6);
}

//! What planning decides, seen from outside.

use super::*;
use crate::plan::StepEffect;

impl Stage {
    pub(super) async fn planned(&self, planning: &PlanOptions) -> Result<Planned, Vec<String>> {
        let options = self.options();
        match plan(&options, planning, true, &Cancellation::default()).await {
            Ok((planned, _)) => Ok(planned),
            Err(failure) => Err(failure.diagnostics.into_iter().map(|told| told.message).collect()),
        }
    }

    pub(super) async fn mistakes(&self, planning: &PlanOptions) -> Vec<String> {
        self.planned(planning).await.err().unwrap_or_default()
    }
}

fn target(address: &str) -> PlanOptions {
    PlanOptions { targets: vec![address.into()], ..PlanOptions::default() }
}

const DESTROY: fn() -> PlanOptions = || PlanOptions { destroy: true, ..PlanOptions::default() };

#[tokio::test(flavor = "multi_thread")]
async fn a_target_comes_before_what_it_decides_about() {
    let toml = r#"
[resource.retrue_data.keys]
input = ["a", "b"]

[resource.local_file.many]
for_each = "${toset(retrue_data.keys.output)}"
path = "${each.key}.txt"
content = "${retrue_data.other.output}"

[resource.retrue_data.other]
count = "${length(retrue_data.keys.id) > 0 ? 1 : 0}"
input = "x"

[output.many]
value = "${keys(local_file.many)}"
"#;
    let toml = toml.replace("${retrue_data.other.output}", "x");
    let stage = Stage::new(&toml);
    assert!(!stage.mistakes(&PlanOptions::default()).await.is_empty());
    let (summary, _, _) = stage.apply(&target("retrue_data.keys"), OnFailure::Halt).await;
    assert_eq!(summary, Summary { create: 1, ..Summary::default() });
    let (summary, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(summary.create, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_cannot_be_is_refused() {
    let stage = Stage::new(FILES);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let replace = |address: &str| PlanOptions { replace: vec![address.into()], ..PlanOptions::default() };
    assert_eq!(stage.planned(&replace("retrue_data.note")).await.ok().unwrap().plan.summary().replace, 1);
    for (planning, told) in [
        (PlanOptions { destroy: true, ..replace("retrue_data.note") }, "destroyed"),
        (PlanOptions { targets: vec!["local_file.page".into()], ..replace("retrue_data.note") }, "--target"),
        (replace("retrue_data.none"), "nothing is recorded"),
    ] {
        let mistakes = stage.mistakes(&planning).await;
        assert!(mistakes.len() == 1 && mistakes[0].contains(told), "{told}: {mistakes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_renames_do_not_depend_on_their_order() {
    let stage = Stage::new("[resource.local_file.a]\npath = \"f.txt\"\ncontent = \"f\"\n");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(
        "[resource.local_file.c]\npath = \"f.txt\"\ncontent = \"f\"\n[[moved]]\nfrom = \"local_file.b\"\nto = \
         \"local_file.c\"\n[[moved]]\nfrom = \"local_file.a\"\nto = \"local_file.b\"\n",
    );
    let (summary, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(summary, Summary { no_op: 1, ..Summary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_directory_still_goes_after_what_is_in_it() {
    let toml = |name: &str| {
        format!(
            "[resource.local_directory.{name}]\npath = \"d\"\n[resource.local_file.f]\npath = \
             \"${{local_directory.{name}.path}}/f.txt\"\ncontent = \"f\"\n"
        )
    };
    let stage = Stage::new(&toml("a"));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&format!("{}[[moved]]\nfrom = \"local_directory.a\"\nto = \"local_directory.z\"\n", toml("z")));
    let planned = stage.planned(&DESTROY()).await.ok().unwrap();
    let order: Vec<String> = planned.plan.steps.iter().map(|step| step.id.address.to_string()).collect();
    assert_eq!(order, ["local_file.f", "local_directory.z"]);
    assert!(!planned.plan.steps[1].depends_on.is_empty());
    let (_, applied, events) = stage.apply(&DESTROY(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert!(!stage.tree().contains_key("d"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_of_its_end_counts_before_it_is_applied() {
    let file = "[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"f\"\n";
    let stage = Stage::new(file);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&format!("{file}[resource.local_file.f.lifecycle]\nprevent_destroy = true\n"));
    let mistakes = stage.mistakes(&DESTROY()).await;
    assert!(mistakes.iter().any(|told| told.contains("prevent_destroy")), "{mistakes:?}");
    stage.toml(&format!("{file}[resource.local_file.f.lifecycle]\non_destroy = \"forget\"\n"));
    let (summary, _, _) = stage.apply(&DESTROY(), OnFailure::Halt).await;
    assert_eq!((summary.forget, summary.delete), (1, 0));
    assert!(stage.tree().contains_key("f.txt"));
}

const SECRET: &str = "[variable.secret]\ntype = \"string\"\ndefault = \"swordfish\"\nsensitive = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_will_be_secret_is_secret_when_it_is_adopted() {
    let stage =
        Stage::new(&format!("{SECRET}[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"${{var.secret}}\"\n"));
    stage.write("f.txt", "hunter2-found");
    let bytes = stage.keep(&stage.options()).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("hunter2-found"));
    let planned = stage.planned(&PlanOptions::default()).await.ok().unwrap();
    let before = planned.plan.changes[0].before.get("content").unwrap();
    assert!(before.marks().sensitive);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_nowhere(&stage, "hunter2-found");
}

fn assert_nowhere(stage: &Stage, secret: &str) {
    for entry in walkdir::WalkDir::new(stage.path().join(".retrue")).into_iter().flatten() {
        if entry.file_type().is_file() {
            let content = fs_err::read(entry.path()).unwrap();
            assert!(!String::from_utf8_lossy(&content).contains(secret), "{}", entry.path().display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_secret_is_recorded_anew_and_changes_nothing() {
    let toml = |sensitive: bool| {
        format!(
            "[variable.v]\ntype = \"string\"\ndefault = \"opensesame\"\nsensitive = {sensitive}\n[resource.retrue_data.d]\n\
             input = \"${{var.v}}\"\n[output.o]\nvalue = \"${{retrue_data.d.output}}\"\nsensitive = {sensitive}\n"
        )
    };
    let stage = Stage::new(&toml(false));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&toml(true));
    let planned = stage.planned(&PlanOptions::default()).await.ok().unwrap();
    assert_eq!(planned.plan.summary(), Summary { no_op: 1, ..Summary::default() });
    assert!(planned.plan.steps.iter().all(|step| step.is_upkeep()) && planned.plan.has_upkeep());
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let state = look(&stage.options(), None).unwrap().unwrap().state;
    let (_, object) = state.current().next().unwrap();
    assert!(!serde_json::to_string(object).unwrap().contains("opensesame"));
    assert!(!serde_json::to_string(&state.outputs).unwrap().contains("opensesame"));
    let planned = stage.planned(&PlanOptions::default()).await.ok().unwrap();
    assert!(planned.plan.steps.is_empty() && planned.plan.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_out_of_date_is_no_change() {
    let file = |extra: &str| format!("[resource.retrue_data.d]\ninput = \"x\"\n{extra}");
    let stage = Stage::new(&file(""));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    stage.toml(&file("[resource.retrue_data.d.lifecycle]\nprevent_destroy = true\n"));
    let planned = stage.planned(&PlanOptions::default()).await.ok().unwrap();
    assert!(planned.plan.is_empty() && planned.plan.has_upkeep());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mistake_is_not_told_again_by_what_depends_on_it() {
    let stage = Stage::new(
        r#"
[resource.local_file.broken]
path = "f.txt"
content = "x"
mode = "nonsense"

[resource.local_file.uses]
path = "g.txt"
content = "${local_file.broken.sha256} ${upper(local_file.broken.path)}"

[resource.retrue_data.uses]
input = "${retrue_data.none_here.output}"

[resource.retrue_data.none_here]
input = "${local_file.broken.sha256}"
"#,
    );
    let mistakes = stage.mistakes(&PlanOptions::default()).await;
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_are_not_known_yet_are_checked_while_applying() {
    let toml = |input: &str, wanted: &str| {
        format!(
            r#"
[resource.retrue_data.changes]
input = "{input}"

[resource.retrue_data.stays]
input = "stays"

[resource.retrue_data.stays.lifecycle]
postcondition = [{{ condition = '${{retrue_data.changes.id != "{wanted}"}}', message = "not this" }}]

[resource.retrue_data.made]
triggers_replace = "{input}"

[data.local_file.given]
path = "given.txt"

[data.local_file.given.lifecycle]
postcondition = [{{ condition = '${{retrue_data.made.id != self.content}}', message = "not that" }}]
"#
        )
    };
    let stage = Stage::new(&toml("1", "x"));
    stage.write("given.txt", "given");
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let planned = stage.planned(&PlanOptions::default()).await.ok().unwrap();
    assert!(planned.plan.steps.is_empty());
    stage.toml(&toml("2", "x").replace("retrue_data.changes.id", "retrue_data.made.id"));
    let planned = stage.planned(&PlanOptions::default()).await.ok().unwrap();
    let steps: Vec<String> =
        planned.plan.steps.iter().map(|step| format!("{} {}", step.id.effect.word(), step.id.address)).collect();
    for wanted in ["record retrue_data.stays", "read data.local_file.given"] {
        assert!(steps.iter().any(|step| step == wanted), "{wanted}: {steps:?}");
    }
    let check = planned.plan.steps.iter().find(|step| step.id.effect == StepEffect::Record).unwrap();
    assert_eq!(check.postconditions.len(), 1);
    let (_, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    // One that does not hold.
    stage.toml(&toml("3", "x").replace("retrue_data.changes.id != \"x\"", "length(retrue_data.made.id) == 0"));
    let (_, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_ne!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert!(applied.report.failures.iter().any(|(_, failure)| failure.message.contains("not this")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_and_cannot_be_read_is_not_forgotten() {
    use retrue_provider_testcloud::Server;
    use retrue_provider_testcloud::cloud::{Action as Trouble, Fault, Method};
    let server = Server::start().unwrap();
    let toml = |zone: &str| {
        format!(
            "[provider.testcloud]\nurl = \"{}\"\n[resource.testcloud_instance.i]\nimage = \"img-1\"\nsize = \"small\"\nzone \
             = \"{zone}\"\n[resource.testcloud_instance.i.lifecycle]\ncreate_before_destroy = true\n",
            server.url()
        )
    };
    let stage = Stage::new(&toml("a"));
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let old = server.cloud().truth()[0].id.clone();
    stage.toml(&toml("b"));
    let refuse = || Trouble::ErrorBefore { status: 403, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Delete, "instances", refuse()).always());
    let (_, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_ne!(applied.report.state, RunState::Succeeded, "{events:#?}");
    server.cloud().clear_faults();
    server.cloud().add_fault(Fault::at(Method::Get, "instances", refuse()).path_end(&old).always());
    let mistakes = stage.mistakes(&PlanOptions::default()).await;
    assert!(mistakes.len() == 1 && mistakes[0].contains("could not be read"), "{mistakes:?}");
    server.cloud().clear_faults();
    let (_, applied, events) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(applied.report.state, RunState::Succeeded, "{events:#?}");
    assert_eq!(server.cloud().truth().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_conditions_look_at_is_used() {
    let toml = |lifecycle: &str| {
        format!(
            "[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"f\"\n[resource.retrue_data.d]\ninput = \"x\"\n\
             [resource.retrue_data.d.lifecycle]\n{lifecycle}\n"
        )
    };
    for (lifecycle, used) in [
        ("prevent_destroy = false", false),
        ("precondition = [{ condition = '${local_file.f.size > 0}', message = \"empty\" }]", true),
        ("postcondition = [{ condition = '${local_file.f.size > 0}', message = \"empty\" }]", true),
        ("enabled = '${local_file.f.size > 0}'", true),
        ("replace_triggered_by = [\"local_file.f.size\"]", true),
    ] {
        let stage = Stage::new(&toml("prevent_destroy = false"));
        stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
        stage.toml(&toml(lifecycle));
        // A kept plan that changes both rests on what is used of the file.
        stage.toml(&toml(lifecycle).replace("content = \"f\"", "content = \"g\"").replace("\"x\"", "\"y\""));
        let planned = match stage.planned(&PlanOptions::default()).await {
            Ok(planned) => planned,
            // What decides whether it is there has to be known.
            Err(mistakes) => {
                assert!(lifecycle.starts_with("enabled"), "{mistakes:?}");
                continue;
            }
        };
        let entry = &planned.plan.base.resources[&"local_file.f".parse().unwrap()];
        assert_eq!(entry.observed_of.iter().any(|name| name.as_ref() == "size"), used, "{lifecycle}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_means_the_instance_that_it_names() {
    let toml = |named: &str, input: &str| {
        format!(
            "[resource.retrue_data.of]\nfor_each = {{ a = \"1\", b = \"{input}\" }}\ninput = \"${{each.value}}\"\n\
             [resource.retrue_data.to]\nfor_each = [\"a\", \"b\"]\n\
             [resource.retrue_data.to.lifecycle]\nreplace_triggered_by = ['{named}']\n"
        )
    };
    let b = "retrue_data.to[\"b\"]";
    let both = vec!["retrue_data.to[\"a\"]", b];
    for (named, replaced) in [
        ("retrue_data.of[each.key]", vec![b]),
        ("retrue_data.of[each.value].input", vec![b]),
        ("retrue_data.of[each.key].triggers_replace", vec![]),
        ("retrue_data.of[each.key == \"a\" ? \"b\" : \"a\"]", vec![both[0]]),
        ("retrue_data.of", both.clone()),
    ] {
        let stage = Stage::new(&toml(named, "2"));
        stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
        stage.toml(&toml(named, "3"));
        let planned = stage.planned(&PlanOptions::default()).await.unwrap();
        let changes = planned.plan.changes.iter().filter(|change| change.action == crate::plan::Action::Replace);
        let found: Vec<String> = changes.map(|change| change.address.to_string()).collect();
        assert_eq!(found, replaced, "{named}");
    }
    let stage = Stage::new(
        "[resource.retrue_data.of]\n[resource.retrue_data.to]\n[resource.retrue_data.to.lifecycle]\nreplace_triggered_by = ['retrue_data.of[each.key]']\n",
    );
    let mistakes = stage.mistakes(&PlanOptions::default()).await;
    assert!(mistakes.iter().any(|mistake| mistake.contains("`each`")), "{mistakes:?}");
}

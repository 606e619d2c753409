//! `reconcile`: what it finds, how it mends it, and how it takes it for what it is.

use insta::assert_snapshot;
use serde_json::json;

use crate::environment::{Environment, stack, wait_for};

const STACK: &str = r#"
[resource.local_file.f]
for_each = ["drifted", "gone", "true"]
path = "${each.key}"
content = "one\ntwo\nthree\n"
mode = "0644"

[resource.local_file.loose]
path = "loose"
content = "x"

[resource.local_command.c]
create = "echo ok > answer"
read = "cat answer || exit 44"
delete = "rm answer"
"#;

/// Drifted, gone, and changed in what nobody set.
fn disturbed() -> Environment {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    place.write("drifted", "one\n2\nthree\n");
    fs_err::remove_file(place.path("gone")).unwrap();
    fs_err::set_permissions(place.path("loose"), std::fs::Permissions::from_mode(0o600)).unwrap();
    place
}

#[test]
fn reconcile_reports_each_kind_of_drift() {
    let place = disturbed();
    let before = place.tree();
    assert_snapshot!(place.run(&["reconcile"]).ends(2).screen());
    place.tree().is(&before, "it only looked");
    let report = place.run(&["reconcile", "--json"]).ends(2).json_lines();
    let last = &report[report.len() - 1];
    assert_eq!(last["event"], "run_finished");
    let counts = ["in_true", "drifted", "missing", "unreadable"].map(|name| last[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1, 0], "{last}");
    let drift: Vec<_> = report.iter().filter(|event| event["event"] == "drift").collect();
    assert!(drift.iter().any(|event| event["address"] == "local_file.f[\"gone\"]"), "{drift:?}");
    for event in &report {
        assert!(event["ts"].is_string(), "{event}");
    }
    assert_eq!(place.runs().len(), 1, "looking is no run");
}

#[test]
fn reconcile_in_true() {
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    assert_snapshot!(place.run(&["reconcile"]).ends(0).screen());
    let report = place.run(&["reconcile", "--json"]).ends(0).json_lines();
    assert_eq!((report.len(), &report[0]["in_true"]), (1, &json!(5)));
}

#[test]
fn fix_brings_back_what_drifted_and_what_is_gone() {
    let place = disturbed();
    assert_snapshot!(place.run(&["reconcile", "--fix", "--yes", "--parallelism", "1"]).ends(0).screen());
    for name in ["drifted", "gone", "true"] {
        assert_eq!(place.read(name), "one\ntwo\nthree\n", "{name}");
    }
    place.run(&["reconcile"]).ends(0);
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
    // What nobody set is not mended.
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(place.path("loose").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["kind"]), (2, &json!("fix")));
}

#[test]
fn a_fix_that_fails_ends_with_1() {
    let block = "[resource.local_command.c]\ncreate = \"test ! -e broken && touch there\"\nread = \"test -e there || exit 44\"\ndelete = \"rm there\"\n";
    let place = Environment::with(block);
    place.run(&["apply", "--yes"]).ends(0);
    fs_err::remove_file(place.path("there")).unwrap();
    place.write("broken", "");
    place.run(&["reconcile", "--fix", "--yes"]).ends(1).tells("RT0501", &["local_command.c"]);
    fs_err::remove_file(place.path("broken")).unwrap();
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
}

#[test]
fn a_fix_mends_and_does_not_apply_what_was_edited_since() {
    let place = disturbed();
    place.write(
        "retrue.toml",
        stack(&(STACK.to_owned() + "\n[resource.local_file.new]\npath = \"new\"\ncontent = \"x\"\n")),
    );
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
    assert!(!place.path("new").exists(), "what is not recorded yet is for apply");
}

#[test]
fn outputs_follow_what_a_fix_makes_again() {
    let file = stack(
        "[local]\nsaid = \"it is ${trimspace(local_command.u.stdout)}\"\n\n[resource.local_command.u]\n\
         create = \"cat /proc/sys/kernel/random/uuid > u\"\nread = \"cat u || exit 44\"\ndelete = \"rm u\"\n\n\
         [output.told]\nvalue = \"${local.said}\"\n\n[output.edited]\nvalue = \"${local.said}!\"\n",
    );
    let place = Environment::with_stack(&file);
    place.run(&["apply", "--yes"]).ends(0);
    let output = |name: &str| place.run(&["output", name, "--json"]).ends(0).json();
    let (told, edited) = (output("told"), output("edited"));
    assert_eq!(told, format!("it is {}", place.read("u").trim()));
    fs_err::remove_file(place.path("u")).unwrap();
    place.write("retrue.toml", file.replace("said}!", "said}?"));
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
    assert_ne!(output("told"), told);
    assert_eq!(output("told"), format!("it is {}", place.read("u").trim()));
    // What was edited since is for an apply.
    assert_eq!(output("edited"), edited);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(output("told"), told);
}

#[test]
fn what_has_no_key_any_more_is_not_said_to_be_in_the_way() {
    let place = disturbed();
    let file = place.read("retrue.toml");
    place.write("retrue.toml", file.replace("\"drifted\", ", ""));
    let shown = place.run(&["reconcile"]).ends(2);
    assert!(shown.stdout.contains("it is not declared any more"), "{}", shown.screen());
    assert!(!shown.stdout.contains("in the way"), "{}", shown.screen());
    place.write("retrue.toml", file + "\n[provider.local]\nzz = 1\n");
    let shown = place.run(&["reconcile"]).ends(1);
    assert!(shown.stdout.contains("`local` is not declared any more, or could not be"), "{}", shown.screen());
}

#[test]
fn accept_takes_what_was_found() {
    let place = disturbed();
    let before = place.tree();
    let shown = place.run(&["reconcile", "--accept", "local_file.f[\"drifted\"]"]);
    assert_snapshot!(shown.screen());
    place.tree().is(&before, "only the record is changed");
    let found = place.run(&["eval", "local_file.f[\"drifted\"].content", "--json"]).ends(0).json();
    assert_eq!(found, "one\n2\nthree\n");
    place
        .run(&["reconcile", "--accept", "local_file.f[\"true\"]"])
        .ends(1)
        .tells("RT0814", &["local_file.f[\"true\"]"]);
    // The stack still says otherwise: that is for the next plan.
    assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["summary"]["update"], 1);
}

#[test]
fn accept_all_takes_everything() {
    let place = disturbed();
    let before = place.tree();
    place.run(&["reconcile", "--accept-all"]).ends(0);
    place.tree().is(&before, "only the record is changed");
    assert!(!place.recorded().contains(&"local_file.f[\"gone\"]".to_owned()));
}

#[test]
fn every_looks_again_and_again_until_it_is_told_to_stop() {
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    let out = place.root().join("out");
    let file = fs_err::File::create(&out).unwrap().into_parts().0;
    let mut command = place.command(&["reconcile", "--every", "1s", "--json"]);
    let mut child = command.stdout(file).spawn().unwrap();
    let last = |wanted: &str| {
        wait_for(wanted, || {
            let text = fs_err::read_to_string(&out).unwrap();
            text.lines().last().is_some_and(|line| line.contains(wanted)).then_some(())
        });
    };
    last("\"in_true\":5");
    place.write("drifted", "by hand");
    last("\"drifted\":1");
    // An error is told, and the next look tries again.
    let text = place.read("retrue.toml");
    place.write("retrue.toml", "no TOML [");
    place.write("drifted", "one\ntwo\nthree\n");
    place.write("retrue.toml", text);
    last("\"in_true\":5");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    place.run(&["reconcile", "--every", "1s", "--fix"]).ends(1).tells("RT0803", &["--yes"]);
}

#[test]
fn reconcile_reports_what_cannot_be_read_beside_the_rest() {
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n\n[resource.local_command.c]\ncreate = \"touch t\"\nread = \"test ! -e broken || exit 1; test -e t || exit 44\"\ndelete = \"rm t\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    place.write("broken", "");
    let report = place.run(&["reconcile", "--json"]).json_lines();
    let last = &report[report.len() - 1];
    assert_eq!((&last["in_true"], &last["unreadable"]), (&json!(1), &json!(1)), "{last}");
}

#[test]
fn accept_tells_nothing_to_write_that_cannot_be_written() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("f", "by hand");
    let shown = place.run(&["reconcile", "--accept", "local_file.f"]);
    assert!(
        shown.stdout.contains("content = \"by hand\"") && !shown.stdout.contains("sha256 = "),
        "{}",
        shown.screen()
    );
}

#[test]
fn drift_is_accepted_before_a_rename_is_applied() {
    let block = |name: &str| format!("[resource.local_file.{name}]\npath = \"f\"\ncontent = \"x\"\n");
    let place = Environment::with(&block("f"));
    place.run(&["apply", "--yes"]).ends(0);
    let moved = "\n[[moved]]\nfrom = \"local_file.f\"\nto = \"local_file.g\"\n";
    place.write("retrue.toml", stack(&(block("g") + moved)));
    place.write("f", "by hand");
    place.run(&["reconcile", "--accept", "local_file.g"]).ends(0);
    assert_eq!(place.recorded(), ["local_file.f"], "the rename itself is for an apply");
    place.run(&["reconcile"]).ends(0);
}

#[test]
fn what_cannot_be_mended_is_told_with_the_way_out() {
    let stack_of = |version: &str| {
        stack(&format!(
            "[resource.local_command.c]\ncreate = \"echo {version} > answer\"\nread = \"cat answer || exit 44\"\ndelete = \"rm answer\"\n"
        ))
    };
    let drifted = || {
        let place = Environment::with_stack(&stack_of("ok"));
        place.run(&["apply", "--yes"]).ends(0);
        place.write("answer", "other\n");
        // Without an output of it nothing else uses it: make something use it.
        place.write("retrue.toml", format!("{}[output.o]\nvalue = \"${{local_command.c.output}}\"\n", stack_of("ok")));
        place
    };
    let place = drifted();
    let shown = place.run(&["reconcile"]).ends(2);
    assert_snapshot!("cannot_be_mended", shown.screen());
    let fixed = place.run(&["reconcile", "--fix", "--yes"]).ends(2);
    assert_eq!(fixed.stdout, shown.stdout, "it is the same, and no more is said");
    let event = place.run(&["reconcile", "--json"]).ends(2).json_lines()[0].clone();
    assert_eq!((&event["event"], &event["fixable"]), (&json!("drift"), &json!(false)));
    assert_eq!(place.runs().len(), 1, "there was nothing to do");
    // Both ways out are ways out.
    place.run(&["reconcile", "--accept", "local_command.c"]).ends(0);
    place.run(&["reconcile"]).ends(0);
    let place = drifted();
    place.run(&["apply", "--yes", "--replace", "local_command.c"]).ends(0);
    assert_eq!(place.read("answer"), "ok\n");
    place.run(&["reconcile"]).ends(0);
}

#[test]
fn what_is_not_declared_any_more_is_ended_by_an_apply_and_not_mended() {
    let place = disturbed();
    place.write("retrue.toml", stack("[resource.local_file.other]\npath = \"o\"\ncontent = \"o\"\n"));
    let shown = place.run(&["reconcile", "--fix", "--yes"]).ends(2);
    assert!(shown.stdout.contains("it is not declared any more") && !place.path("gone").exists(), "{}", shown.screen());
}

#[test]
fn of_what_is_ignored_or_not_declared_there_is_no_third_side() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\nlifecycle = { ignore_changes = [\"content\"] }\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    place.write("f", "y");
    fs_err::set_permissions(place.path("f"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let shown = place.run(&["reconcile"]).ends(0);
    assert!(shown.stdout.contains("content: \"x\" -> \"y\"") && shown.stdout.contains("mode"), "{}", shown.screen());
    assert!(!shown.stdout.contains("declared"), "{}", shown.screen());
    // What is declared has one.
    let declared = |content: &str| stack(&format!("[resource.local_file.f]\npath = \"f\"\ncontent = \"{content}\"\n"));
    place.write("retrue.toml", declared("y"));
    let shown = place.run(&["reconcile"]).ends(2);
    assert!(shown.stdout.contains("and this is what is declared now"), "{}", shown.screen());
    assert!(shown.stdout.contains("it is as it is declared"), "{}", shown.screen());
    place.write("retrue.toml", declared("z"));
    assert!(place.run(&["reconcile"]).ends(2).stdout.contains("declared: \"z\""));
}

#[test]
fn while_an_apply_is_at_work_and_after_it_was_killed_reconcile_says_so() {
    let place = Environment::with(
        "[resource.local_command.c]\ncreate = \"touch started; exec sleep 1000\"\ndelete = \"true\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n",
    );
    let mut child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the command", || place.path("started").exists().then_some(()));
    wait_for("the file", || place.recorded().contains(&"local_file.f".to_owned()).then_some(()));
    assert_snapshot!("at_work", place.run(&["reconcile"]).ends(0).screen());
    let last = place.run(&["reconcile", "--json"]).ends(0).json_lines().pop().unwrap();
    assert_eq!(last["at_work"]["in_flight"], json!(["local_command.c"]));
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody can tell but a person: that is said, with the address, whoever asks.
    assert_snapshot!("in_doubt", place.run(&["reconcile", "--fix", "--yes"]).ends(4).screen());
    let last = place.run(&["reconcile", "--fix", "--yes", "--json"]).ends(4).json_lines().pop().unwrap();
    assert_eq!((&last["in_doubt"][0]["address"], last.get("at_work")), (&json!("local_command.c"), None));
}

//! The verbs that plan and change: plan, apply, destroy, with all their options.

use insta::assert_snapshot;
use serde_json::json;

use crate::environment::{Environment, stack};

const THREE: &str = r#"
[variable.v]
type = "string"
default = "one"

[resource.local_directory.d]
path = "d"

[resource.local_file.f]
path = "${local_directory.d.path}/f"
content = "${var.v}"

[resource.local_file.g]
path = "g"
content = "${var.v}"

[output.v]
value = "${var.v}"
"#;

fn content(place: &Environment) -> (String, String) {
    (place.read("d/f"), place.read("g"))
}

fn both(text: &str) -> (String, String) {
    (text.to_owned(), text.to_owned())
}

#[test]
fn plan_shows_what_would_change_and_changes_nothing() {
    let place = Environment::with(THREE);
    let before = place.tree();
    assert_snapshot!("plan_of_creates", place.run(&["plan"]).ends(0).screen());
    place.tree().is(&before, "planned");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("g", "by hand");
    let text = place.read("retrue.toml").replace("local_file.f]", "local_file.h]").replace("/f\"", "/h\"");
    place.write("retrue.toml", text);
    let shown = place.run(&["plan", "--var", "v=two\nlines\n"]).ends(0);
    assert_snapshot!("plan_of_everything", shown.screen());
}

#[test]
fn plan_in_json() {
    let place = Environment::with(THREE);
    place.run(&["apply", "--yes"]).ends(0);
    place.write("g", "by hand");
    let plan = place.run(&["plan", "--json", "--var", "v=two"]).ends(0).json();
    assert_eq!(plan["format"], "retrue.plan/1");
    assert_eq!(plan["stack"], "try");
    let counts =
        json!({"create":0,"adopt":0,"import":0,"update":2,"replace":0,"delete":0,"forget":0,"read":0,"no_op":1});
    assert_eq!(plan["summary"], counts);
    let change = &plan["changes"][0];
    assert_eq!(
        (&change["address"], &change["action"], &change["reversible"]),
        (&json!("local_file.f"), &json!("update"), &json!("full"))
    );
    assert_eq!((&change["before"]["content"], &change["after"]["content"]), (&json!("one"), &json!("two")));
    assert_eq!(change["replace_because"], json!([]));
    assert!(change["reasons"][0].is_string() && change["unknown"].is_array() && change["sensitive"].is_array());
    assert_eq!(
        (&plan["drift"][0]["address"], &plan["drift"][0]["status"]),
        (&json!("local_file.g"), &json!("drifted"))
    );
    assert!(plan["drift"][0]["attributes"].as_array().unwrap().contains(&json!("content")));
    assert_eq!(plan["in_doubt"], json!([]));
    for (name, resource) in plan["base"]["resources"].as_object().unwrap() {
        assert!(resource["generation"].is_u64() && resource["observed"].is_string(), "{name}");
    }
    assert!(plan["base"]["lineage"].is_string() && plan["base"]["config"].is_string() && plan["digest"].is_string());
}

#[test]
fn plan_with_detailed_exitcode() {
    let place = Environment::with(THREE);
    place.run(&["plan", "--detailed-exitcode"]).ends(2);
    place.run(&["plan"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["plan", "--detailed-exitcode", "--var", "no=1"]).ends(1);
}

#[test]
fn plan_into_a_file() {
    let place = Environment::with(THREE);
    let shown = place.run(&["plan", "-o", "kept", "--var", "v=kept"]).ends(0);
    assert!(shown.stderr.contains("retrue apply kept"), "{}", shown.screen());
    place.run(&["plan", "--out", "again"]).ends(0);
    place.run(&["apply", "kept", "--var", "v=other", "--yes"]).ends(64);
    assert_snapshot!(place.run(&["apply", "kept", "--yes", "--parallelism", "1"]).ends(0).screen());
    assert_eq!(content(&place), both("kept"));
    place.run(&["plan", "-o", "no/such/place"]).ends(1).tells("RT0902", &["no/such/place"]);
}

#[test]
fn plan_for_nothing_desired() {
    let place = Environment::with(THREE);
    place.run(&["apply", "--yes"]).ends(0);
    assert_snapshot!(place.run(&["plan", "--destroy"]).ends(0).screen());
    place.run(&["apply", "--destroy", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}

#[test]
fn targets_are_taken_with_what_they_rest_on() {
    for verb in [&["plan", "-o", "p"][..], &["apply", "--yes"]] {
        let place = Environment::with(THREE);
        place.run(&[verb, &["--target", "local_file.f"]].concat()).ends(0);
        if verb[0] == "plan" {
            place.run(&["apply", "p", "--yes"]).ends(0);
        }
        assert_eq!(place.recorded(), ["local_directory.d", "local_file.f"]);
        place.run(&["plan", "--target", "local_file.no"]).ends(1).tells("RT0418", &["local_file.no"]);
        place.run(&["apply", "--yes"]).ends(0);
        // What rests on a target goes with it when it is destroyed.
        place.run(&["destroy", "--yes", "--target", "local_directory.d"]).ends(0);
        assert_eq!(place.recorded(), ["local_file.g"]);
    }
}

#[test]
fn a_target_that_is_no_instance_is_refused() {
    let place = Environment::with(
        "[resource.retrue_data.d]\nfor_each = [\"a\", \"b\"]\ninput = \"${each.key}\"\n\n[resource.retrue_data.one]\ninput = 1\n",
    );
    let refused = |verb: &[&str]| {
        place.run(verb).ends(1).tells("RT0418", &["retrue_data.d[\"typo\"]"]);
    };
    refused(&["plan", "--target", "retrue_data.d[\"typo\"]"]);
    let near = place.run(&["plan", "--target", "retrue_data.d[\"aa\"]"]).ends(1);
    near.tells("RT0418", &["did you mean `retrue_data.d[\"a\"]`?"]);
    place.run(&["plan", "--target", "retrue_data.one[0]"]).ends(1).tells("RT0418", &["its only instance is"]);
    place.run(&["apply", "--yes", "--target", "retrue_data.d[\"a\"]"]).ends(0);
    assert_eq!(place.recorded(), ["retrue_data.d[\"a\"]"]);
    refused(&["destroy", "--yes", "--target", "retrue_data.d[\"typo\"]"]);
    // What is recorded is meant, declared or not.
    place.write("retrue.toml", stack("[resource.retrue_data.one]\ninput = 1\n"));
    refused(&["plan", "--target", "retrue_data.d[\"typo\"]"]);
    place.run(&["apply", "--yes", "--target", "retrue_data.d[\"a\"]"]).ends(0);
    assert_eq!(place.recorded(), Vec::<String>::new());
}

#[test]
fn without_a_key_all_instances_are_meant() {
    let place = Environment::with("[resource.retrue_data.d]\nfor_each = [\"a\", \"b\"]\ninput = \"${each.key}\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.run(&["plan", "--replace", "retrue_data.d", "--json"]).ends(0).json()["summary"]["replace"], 2);
    let one = place.run(&["plan", "--replace", "retrue_data.d[\"a\"]", "--json"]).ends(0).json();
    assert_eq!(one["summary"]["replace"], 1);
    let partly = &["plan", "--replace", "retrue_data.d", "--target", "retrue_data.d[\"a\"]"];
    place.run(partly).ends(1).tells("RT0418", &["retrue_data.d[\"b\"]", "--target"]);
    let shown = place.run(&["show", "retrue_data.d"]).ends(0).stdout;
    assert!(shown.contains("retrue_data.d[\"a\"]") && shown.contains("retrue_data.d[\"b\"]"), "{shown}");
    assert_eq!(place.run(&["show", "retrue_data.d", "--json"]).ends(0).json().as_array().unwrap().len(), 2);
}

#[test]
fn a_kept_plan_was_agreed_to_when_it_is_named() {
    let place = Environment::with(THREE);
    place.run(&["plan", "-o", "p"]).ends(0);
    place.run(&["apply", "p"]).ends(0);
    assert_eq!(place.recorded().len(), 3);
}

#[test]
fn replace_makes_anew() {
    let place = Environment::with(
        "[resource.retrue_data.d]\ninput = \"x\"\n\n[resource.retrue_data.e]\ninput = \"${retrue_data.d.id}\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    let id = || place.run(&["eval", "retrue_data.d.id"]).ends(0).stdout;
    let first = id();
    assert_snapshot!(place.run(&["plan", "--replace", "retrue_data.d"]).ends(0).screen());
    assert_eq!(id(), first);
    place.run(&["apply", "--yes", "--replace", "retrue_data.d"]).ends(0);
    assert_ne!(id(), first);
    assert_eq!(place.run(&["eval", "retrue_data.e.output"]).ends(0).stdout, id());
    place.run(&["plan", "--replace", "retrue_data.no"]).ends(1).tells("RT0418", &["retrue_data.no"]);
    place.run(&["destroy", "--replace", "retrue_data.no", "--yes"]).ends(1).tells("RT0418", &["retrue_data.no"]);
}

#[test]
fn without_refresh_the_record_is_believed() {
    let place = Environment::with(THREE);
    place.run(&["apply", "--yes"]).ends(0);
    place.write("g", "by hand");
    place.run(&["plan", "--refresh=false", "--detailed-exitcode"]).ends(0);
    place.run(&["plan", "--refresh=true", "--detailed-exitcode"]).ends(2);
    place.run(&["plan", "--refresh", "--detailed-exitcode"]).ends(2);
    place.run(&["apply", "--refresh=false", "--yes"]).ends(0);
    assert_eq!(place.read("g"), "by hand");
    // What is changed is looked at all the same, right before.
    place.run(&["apply", "--refresh=false", "--yes", "--var", "v=two"]).ends(1).tells("RT0502", &["local_file.g"]);
    assert_eq!(place.read("g"), "by hand");
    place.run(&["destroy", "--refresh=false", "--yes"]).ends(1).tells("RT0502", &["local_file.g"]);
    assert_eq!(place.read("g"), "by hand");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let place = Environment::with(THREE);
    assert_snapshot!(place.run(&["apply"]).ends(1).screen());
    place.run(&["apply", "--yes"]).ends(0);
    let before = place.tree();
    for verb in [&["destroy"][..], &["compensate"], &["apply", "--var", "v=two"]] {
        place.run(verb).ends(1).tells("RT0803", &["--yes"]);
    }
    place.write("g", "by hand");
    place.run(&["reconcile", "--fix"]).ends(1).tells("RT0803", &["--yes"]);
    place.write("g", "one");
    place.tree().timeless().is(&before.timeless(), "nobody agreed");
    assert_eq!(place.runs().len(), 1);
}

/// One that fails, what rests on it, and one beside.
const FAILS: &str = r#"
[resource.local_command.bad]
create = "exit 3"
delete = "true"

[resource.local_file.after]
path = "after"
content = "x"
depends_on = ["local_command.bad"]

[resource.local_file.zbeside]
path = "zbeside"
content = "x"
depends_on = ["local_command.slow"]

[resource.local_command.slow]
create = "true"
delete = "true"
"#;

#[test]
fn on_failure_continue_goes_on_with_the_rest() {
    let place = Environment::with(FAILS);
    let shown = place.run(&["apply", "--yes", "--on-failure", "continue", "--parallelism", "1"]).ends(1);
    assert_snapshot!(shown.screen());
    assert_eq!(place.tree().names(), ["retrue.toml", "zbeside"]);
}

#[test]
fn on_failure_halt_starts_nothing_new() {
    for extra in [&[][..], &["--on-failure", "halt"]] {
        let place = Environment::with(FAILS);
        place.run(&[&["apply", "--yes", "--parallelism", "1"], extra].concat()).ends(1).tells("RT0501", &[]);
        assert_eq!(place.tree().names(), ["retrue.toml"]);
    }
}

#[test]
fn destroy_ends_all_of_it() {
    let place = Environment::with(THREE);
    place.run(&["apply", "--yes"]).ends(0);
    assert_snapshot!(place.run(&["destroy", "--yes", "--parallelism", "1"]).ends(0).screen());
    assert_eq!(place.tree().names(), ["retrue.toml"]);
    assert!(place.recorded().is_empty());
    place.run(&["destroy", "--yes"]).ends(0);
    // And back.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(content(&place), both("one"));
}

#[test]
fn a_failed_destroy_is_taken_back() {
    let fails = "[resource.local_command.c]\ncreate = \"true\"\ndelete = \"exit 8\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\ndepends_on = [\"local_command.c\"]\n";
    let place = Environment::with(fails);
    place.run(&["apply", "--yes"]).ends(0);
    let before = place.tree();
    place.run(&["destroy", "--yes", "--on-failure", "compensate"]).ends(3).tells("RT0501", &["local_command.c"]);
    place.tree().is(&before, "taken back");
    assert_eq!(place.recorded(), ["local_command.c", "local_file.f"]);
}

#[test]
fn apply_in_json() {
    let place = Environment::with(THREE);
    let events = place.run(&["apply", "--yes", "--json"]).ends(0).json_lines();
    let words: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((words[0], words[words.len() - 1]), ("run_started", "run_finished"));
    for event in &events {
        assert!(event["ts"].as_str().unwrap().ends_with('Z') && event["run_id"].is_string(), "{event}");
        if ["step_started", "step_finished"].contains(&event["event"].as_str().unwrap()) {
            for field in ["address", "action", "step", "attempt", "idempotency_key"] {
                assert!(event.get(field).is_some(), "{field}: {event}");
            }
        }
        if event["event"] == "step_finished" {
            assert!(event["duration_ms"].is_u64() && event["outcome"] == "applied", "{event}");
        }
    }
    let last = &events[events.len() - 1];
    assert_eq!((&last["state"], &last["counts"]), (&json!("succeeded"), &json!({"create": {"applied": 3}})));

    place.write("retrue.toml", stack(FAILS));
    let events = place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(1).json_lines();
    let failed = events.iter().find(|event| event["event"] == "step_failed").unwrap();
    for field in ["code", "category", "message", "retryable"] {
        assert!(failed["error"].get(field).is_some(), "{field}: {failed}");
    }
    assert_eq!(events[events.len() - 1]["state"], "failed_permanent");
}

#[test]
fn what_a_destroy_restores_is_shown() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"ours\"\n");
    place.write("f", "as it was found");
    place.run(&["apply", "--yes"]).ends(0);
    let shown = place.run(&["plan", "--destroy"]).ends(0);
    assert!(shown.stdout.contains("\"ours\" -> \"as it was found\""), "{}", shown.screen());
}

#[test]
fn a_count_that_comes_or_goes_keeps_the_first() {
    let block = "[resource.retrue_data.x]\ninput = \"a\"\n";
    let place = Environment::with(block);
    place.run(&["apply", "--yes"]).ends(0);
    let id = || place.run(&["state", "list", "--json"]).ends(0).json()[0]["id"].clone();
    let first = id();
    place.write("retrue.toml", stack(&format!("{block}count = 2\n")));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((&plan["summary"]["create"], &plan["summary"]["delete"]), (&1.into(), &0.into()), "{plan:#}");
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.recorded(), id()), (vec!["retrue_data.x[0]".into(), "retrue_data.x[1]".into()], first.clone()));
    place.write("retrue.toml", stack(block));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.recorded(), id()), (vec!["retrue_data.x".into()], first.clone()));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // Together with a rename that is written.
    let renamed = "[resource.retrue_data.y]\ninput = \"a\"\ncount = 1\n[[moved]]\nfrom = \"retrue_data.x\"\nto = \"retrue_data.y\"\n";
    place.write("retrue.toml", stack(renamed));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.recorded(), id()), (vec!["retrue_data.y[0]".into()], first));
}

/// What a file takes from another one changes without a word of the configuration.
#[test]
fn a_changed_source_is_a_reason() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\nsource = \"from\"\n");
    place.write("from", "one");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("from", "two");
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let reasons = plan["changes"][0]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason.as_str().unwrap().ends_with("changed")), "{plan:#}");
    let missing = "[resource.local_command.c]\ncreate = [\"./no-such-program\"]\ndelete = \"true\"\n";
    let place = Environment::with(missing);
    let shown = place.run(&["apply", "--yes"]).ends(1).all();
    assert_eq!(
        shown.matches("no-such-program` cannot be run").count(),
        2,
        "in the line of the step, and in the error: {shown}"
    );
}

#[test]
fn why_something_ends_is_said_as_it_is() {
    let file = |name: &str, more: &str| {
        let key = if more.contains("for_each") { "${each.key}" } else { "${count.index}" };
        let key = if more.contains("for_each") || more.contains("count") { key } else { "" };
        format!("[resource.local_file.{name}]\npath = \"{name}{key}\"\ncontent = \"x\"\n{more}\n")
    };
    let before = [
        file("off", ""),
        file("each", "for_each = [\"a\", \"b\"]"),
        file("counted", "count = 2"),
        file("single", "for_each = [\"a\"]"),
        file("spread", ""),
        file("gone", ""),
    ];
    let place = Environment::with(&before.concat());
    place.run(&["apply", "--yes"]).ends(0);
    let after = [
        file("off", "lifecycle.enabled = false"),
        file("each", "for_each = [\"a\"]"),
        file("counted", "count = 1"),
        file("single", ""),
        file("spread", "for_each = [\"a\"]"),
    ];
    place.write("retrue.toml", stack(&after.concat()));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let why: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["action"] == "delete")
        .map(|change| format!("{}: {}", change["address"].as_str().unwrap(), change["reasons"][0].as_str().unwrap()))
        .collect();
    assert_eq!(
        why,
        [
            "local_file.counted[1]: its number is not below `count` any more",
            "local_file.each[\"b\"]: its key is not in `for_each` any more",
            "local_file.gone: it is no longer declared",
            "local_file.off: `enabled` is false",
            "local_file.single[\"a\"]: its block stands for a single one now",
            "local_file.spread: its block has `for_each` now",
        ]
    );
    // Where it must not end, that is told at the block.
    place.write(
        "retrue.toml",
        stack(&after.concat().replace("enabled = false", "enabled = false\nlifecycle.prevent_destroy = true")),
    );
    let shown = place.run(&["plan"]).ends(1).tells("RT0406", &["local_file.off"]);
    assert!(shown.stderr.contains("--> retrue.toml:"), "{}", shown.screen());
}

/// `validate` refuses them; whoever never calls it shall not find out by what is overwritten.
#[test]
fn a_plan_refuses_what_leads_nowhere_though_nothing_shows_it() {
    let file = "[resource.local_file.f]\npath = \"a\"\ncontent = \"x\"\n";
    for (more, words) in [
        ("lifecycle.ignore_changes = [\"contnt\"]", &["contnt", "did you mean `content`"][..]),
        ("lifecycle.ignore_changes = [\"content.x\"]", &["content.x"]),
        ("\n[resource.retrue_data.t]\nlifecycle.replace_triggered_by = [\"local_file.f.contnt\"]", &["contnt"]),
        ("\n[resource.local_file.none]\ncount = 0\npath = \"b\"\ncontnt = \"x\"", &["contnt"]),
        ("\n[resource.local_file.none]\npath = \"${nosuch(1)}\"\nlifecycle.enabled = false", &["nosuch"]),
    ] {
        let place = Environment::with(&format!("{file}{more}\n"));
        for verb in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            let shown = place.run(verb).ends(1);
            assert!(words.iter().all(|word| shown.stderr.contains(word)), "{verb:?}: {}", shown.screen());
        }
        assert!(!place.path("a").exists(), "{more}");
    }
}

/// What is missing may be why there are no instances.
#[test]
fn what_a_block_without_instances_rests_on_may_be_missing() {
    let place = Environment::with(
        "[variable.db]\ntype = \"object({name=string})\"\ndefault = \"${null}\"\n\n\
         [local]\nname = \"${var.db == null ? null : var.db.name}\"\n\n\
         [resource.local_file.f]\ncount = \"${var.db == null ? 0 : 1}\"\npath = \"${var.db.name}\"\ncontent = \"x\"\n\n\
         [resource.local_file.g]\npath = \"${upper(local.name)}\"\ncontent = \"y\"\nlifecycle.enabled = \"${var.db != null}\"\n",
    );
    for verb in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
        place.run(verb).ends(0);
    }
    place.run(&["plan", "--var", "db={name = \"there\"}"]).ends(0);
}

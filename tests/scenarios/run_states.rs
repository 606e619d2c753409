//! The states that a run goes through, by the table in docs/lifecycle.md: each is come to, and each is left.

use std::process::Child;

use crate::environment::{Environment, wait_for};

/// A command that hangs where a file says so, and is looked at; and files beside it.
const STACK: &str = r#"
[resource.local_command.slow]
create = "touch thing; echo created >> ../ledger; if test -e hang-create; then exec sleep 1000; fi"
delete = "touch deleting; if test -e hang-delete; then exec sleep 1000; fi; rm thing deleting"
read = "test -e thing || exit 44"

[resource.local_file.after]
path = "after"
content = "${local_command.slow.id}"

[resource.local_file.beside]
path = "beside"
content = "beside"
"#;

/// Starts it, waits until something is there, and kills it as a power cut would.
fn killed(place: &Environment, arguments: &[&str], sign: &str) {
    let mut child: Child = place.command(arguments).spawn().unwrap();
    wait_for(sign, || place.path(sign).exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The kinds and states of all runs, the oldest first.
#[track_caller]
fn states(place: &Environment) -> Vec<String> {
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    let word =
        |run: &serde_json::Value| format!("{} {}", run["kind"].as_str().unwrap(), run["state"].as_str().unwrap());
    runs.as_array().unwrap().iter().rev().map(word).collect()
}

fn applied() -> Environment {
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    place
}

/// An apply whose unwinding was killed while it deleted.
fn half_unwound() -> Environment {
    let place = applied();
    place.write("hang-delete", "");
    killed(&place, &["compensate", "--yes"], "deleting");
    assert_eq!(states(&place), ["apply compensating", "compensate interrupted"]);
    fs_err::remove_file(place.path("hang-delete")).unwrap();
    place
}

#[test]
fn a_killed_apply_is_interrupted_until_the_next_run_has_settled_it() {
    let place = Environment::with(STACK);
    place.write("hang-create", "");
    killed(&place, &["apply", "--yes"], "thing");
    assert_eq!(states(&place), ["apply interrupted"]);
    fs_err::remove_file(place.path("hang-create")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(states(&place), ["apply failed_transient", "apply succeeded"]);
    let first = place.runs()[1].clone();
    assert!(place.run(&["runs", "show", &first]).ends(0).stdout.contains("it was interrupted"));
    // They are one all the same.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(states(&place)[..2], ["apply compensated", "apply compensated"]);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}

#[test]
fn a_killed_unwinding_goes_on_with_the_next_one() {
    let place = half_unwound();
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(states(&place), ["apply compensated", "compensate failed_transient", "compensate succeeded"]);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}

#[test]
fn an_apply_goes_on_from_what_a_killed_unwinding_left_and_both_are_taken_back() {
    let place = half_unwound();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(states(&place), ["apply succeeded", "compensate failed_transient", "apply succeeded"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // What the second made again, and what was left of the first.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(states(&place)[..3], ["apply compensated", "compensate failed_transient", "apply compensated"]);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
    assert!(place.run(&["compensate", "--yes"]).ends(0).stdout.contains("nothing to compensate"));
}

#[test]
fn a_stuck_unwinding_needs_a_person_until_it_is_done_or_an_apply_goes_on() {
    let stuck = || {
        let place = applied();
        place.write("beside", "by hand");
        place.run(&["compensate", "--yes"]).ends(4).tells("RT0612", &["local_file.beside"]);
        assert_eq!(states(&place), ["apply needs_review", "compensate needs_review"]);
        place
    };
    let place = stuck();
    place.write("beside", "beside");
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(states(&place), ["apply compensated", "compensate failed_permanent", "compensate succeeded"]);
    let place = stuck();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(states(&place), ["apply succeeded", "compensate failed_permanent", "apply succeeded"]);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(states(&place)[..3], ["apply compensated", "compensate failed_permanent", "apply compensated"]);
    // The second run had found what somebody had written, so that is what comes back, and it is told.
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}

#[test]
fn what_is_in_doubt_needs_a_person_until_there_is_an_answer() {
    let place = Environment::with(&STACK.replace("read = \"test -e thing || exit 44\"\n", ""));
    place.write("hang-create", "");
    killed(&place, &["apply", "--yes"], "thing");
    fs_err::remove_file(place.path("hang-create")).unwrap();
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(states(&place)[0], "apply needs_review");
    place
        .run(&["resolve", "local_command.slow", "--id", "x"])
        .ends(1)
        .tells("RT0413", &["no local_command is known as x"]);
    place.run(&["resolve", "local_command.slow", "--not-applied"]).ends(0);
    assert_eq!(states(&place)[0], "apply failed_transient");
}

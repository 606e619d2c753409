//! The promises about runs: written ahead, doubt resolved and never guessed, compensation, one run
//! at a time, nothing unbounded.

use std::process::Child;

use insta::assert_snapshot;

use crate::environment::{Environment, stack, wait_for};

/// A file, and two that rest on it one after the other.
const CHAIN: &str = r#"
[resource.local_directory.one]
path = "one"

[resource.local_file.two]
path = "${local_directory.one.path}/two.txt"
content = "two"

[resource.local_command.three]
create = "true"
delete = "true"
inputs = "${local_file.two.sha256}"
"#;

#[test]
fn promise_2_write_ahead() {
    let place = Environment::with(CHAIN);
    place.run(&["apply", "--yes"]).ends(0);
    let journal = place.journal();
    assert_eq!(journal[0].0, "run_started");
    assert_eq!(journal[journal.len() - 1].0, "run_finished");
    // Image before begin, begin before end, end before the begin of what rests on it.
    let mut expected = Vec::new();
    for address in ["local_directory.one", "local_file.two", "local_command.three"] {
        expected.extend(["image", "step_begin", "step_applied"].map(|word| (word.to_owned(), address.to_owned())));
    }
    let steps: Vec<_> = journal
        .into_iter()
        .filter(|(word, _)| ["image", "step_begin", "step_applied", "step_partial"].contains(&word.as_str()))
        .collect();
    assert_eq!(steps, expected);
}

#[test]
fn promise_2_a_step_stops_when_the_world_is_not_what_the_plan_saw() {
    let block = |content: &str| {
        format!(
            "[resource.local_command.first]\ncreate = \"true\"\nupdate = \"echo by somebody > f.txt\"\ndelete = \"true\"\ninputs = \"{content}\"\n\n[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"{content}\"\ndepends_on = [\"local_command.first\"]\n"
        )
    };
    let place = Environment::with(&block("one"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&block("two")));
    place.run(&["apply", "--yes"]).ends(1).tells("RT0502", &["local_file.f"]);
    assert_eq!(place.read("f.txt"), "by somebody\n");
    assert!(!place.journal().contains(&("step_begin".to_owned(), "local_file.f".to_owned())));
}

/// A command that writes down that it ran, makes its thing, and then takes a thousand seconds, but
/// only when a file says so. What has it at hand can look at it, where `read` is given.
fn slow(read: bool) -> String {
    let read = if read { "read = \"test -e thing || exit 44\"\n" } else { "" };
    format!(
        "[resource.local_command.slow]\ncreate = \"echo ran >> ledger; touch thing; if test -e wait; then exec sleep 1000; fi\"\ndelete = \"rm thing\"\n{read}\n[resource.local_file.after]\npath = \"after.txt\"\ncontent = \"after\"\ndepends_on = [\"local_command.slow\"]\n\n[resource.local_file.beside]\npath = \"beside.txt\"\ncontent = \"beside\"\n"
    )
}

/// Starts an apply, and waits until its command is where it waits.
fn hanging(place: &Environment) -> Child {
    place.write("wait", "");
    let child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the command", || place.path("thing").exists().then_some(()));
    wait_for("the file beside", || place.recorded().contains(&"local_file.beside".to_owned()).then_some(()));
    child
}

/// Kills it as a power cut would.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn promise_3_in_doubt_is_resolved_by_looking() {
    let place = Environment::with(&slow(true));
    kill(hanging(&place));
    fs_err::remove_file(place.path("wait")).unwrap();
    // Looking reports it, and settles nothing.
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["in_doubt"][0]["address"], "local_command.slow", "{plan}");
    place.run(&["plan", "--detailed-exitcode"]).ends(4);
    place.run(&["reconcile"]).ends(4);
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "interrupted");
    // The next run looks, finds it done, and does not do it again.
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(shown.all().contains("local_command.slow"), "{}", shown.screen());
    assert_eq!(place.read("ledger"), "ran\n");
    assert_eq!(place.read("after.txt"), "after");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // Both runs are one: what the first did, and what the second did, goes back together.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["ledger", "retrue.toml"]);
}

#[test]
fn promise_3_what_is_absent_is_made_once_more() {
    let place = Environment::with(&slow(true));
    kill(hanging(&place));
    fs_err::remove_file(place.path("wait")).unwrap();
    // Whatever it was, it is gone: looking says absent.
    fs_err::remove_file(place.path("thing")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("ledger"), "ran\nran\n");
    assert!(place.path("thing").exists());
}

#[test]
fn promise_3_what_cannot_be_told_is_put_before_a_person() {
    let answers: [(&[&str], &str); 2] = [(&["--not-applied"], "ran\nran\n"), (&["--absent"], "ran\nran\n")];
    for (answer, ledger) in answers {
        let place = Environment::with(&slow(false));
        kill(hanging(&place));
        fs_err::remove_file(place.path("wait")).unwrap();
        fs_err::remove_file(place.path("beside.txt")).unwrap();
        // Only what rests on it is blocked.
        let shown = place.run(&["apply", "--yes", "--parallelism", "1"]).ends(4);
        assert_eq!(place.read("ledger"), "ran\n", "never a second time while in doubt");
        assert!(!place.path("after.txt").exists());
        assert_eq!(place.read("beside.txt"), "beside", "{}", shown.screen());
        if answer == ["--absent"] {
            assert_snapshot!("what_cannot_be_told", shown.screen());
        }
        place.run(&[&["resolve", "local_command.slow"], answer].concat()).ends(0);
        place.run(&["resolve", "local_command.slow", "--applied"]).ends(1).tells("RT0613", &["local_command.slow"]);
        place.run(&["apply", "--yes"]).ends(0);
        assert_eq!(place.read("ledger"), ledger, "{answer:?}");
        assert_eq!(place.read("after.txt"), "after");
    }
}

#[test]
fn promise_9_one_run_at_a_time_and_readers_are_never_locked_out() {
    let place = Environment::with(&slow(true));
    let first = hanging(&place);
    for arguments in [
        &["apply", "--yes"][..],
        &["destroy", "--yes"],
        &["compensate", "--yes"],
        &["reconcile", "--fix", "--yes"],
        &["resolve", "local_command.slow", "--applied"],
        &["state", "rm", "local_file.beside"],
    ] {
        let shown = place.run(arguments).ends(5).tells("RT0701", &["apply", "process", "since"]);
        assert!(shown.all().contains(&first.id().to_string()), "{}", shown.screen());
    }
    // A step in the hands of a live owner is in flight, not in doubt.
    assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["in_doubt"], serde_json::json!([]));
    assert!(place.run(&["show"]).ends(0).stdout.contains("local_file.beside"));
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "processing");
    place.run(&["runs", "show", &place.runs()[0]]).ends(0);
    place.run(&["state", "export"]).ends(0);
    place.run(&["output"]).ends(0);
    place.run(&["eval", "1 + 1"]).ends(0);
    // A dead owner blocks nobody.
    kill(first);
    fs_err::remove_file(place.path("wait")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("ledger"), "ran\n");
}

#[test]
fn promise_9_environments_have_locks_and_states_of_their_own() {
    let place = Environment::with(
        "[variable.name]\ntype = \"string\"\ndefault = \"green\"\n\n[resource.local_file.f]\npath = \"${var.name}.txt\"\ncontent = \"x\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["apply", "--yes", "--env", "blue", "--var", "name=blue"]).ends(0);
    assert_eq!(place.tree().names(), ["blue.txt", "green.txt", "retrue.toml"]);
    place.run(&["destroy", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["blue.txt", "retrue.toml"]);
}

#[test]
fn promise_10_every_wait_has_an_end() {
    let place = Environment::with(
        "[resource.local_command.c]\ncreate = \"exec sleep 1000\"\ndelete = \"true\"\nread = \"exit 44\"\ntimeout = \"1s\"\n",
    );
    let shown = place.run(&["apply", "--yes"]);
    assert!([1, 4].contains(&shown.code), "{}", shown.screen());
    assert!(shown.all().contains("local_command.c"), "{}", shown.screen());
}

#[test]
fn promise_3_a_person_can_say_that_a_command_was_carried_out() {
    let place = Environment::with(
        "[resource.local_command.slow]\ncreate = \"echo ran >> ledger; test ! -e wait || exec sleep 1000\"\ndelete = \"rm ledger\"\n",
    );
    place.write("wait", "");
    let mut child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the command", || place.path("ledger").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    place.run(&["resolve", "local_command.slow", "--applied"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml", "wait"]);
}

#[test]
fn promise_3_a_person_can_say_that_an_update_by_a_command_was_carried_out() {
    let block = |inputs: &str| {
        stack(&format!(
            "[resource.local_command.c]\ninputs = \"{inputs}\"\ncreate = \"echo $RETRUE_INPUTS > f\"\nupdate = \"echo $RETRUE_INPUTS > f; test ! -e wait || exec sleep 1000\"\nread = \"cat f || exit 44\"\ndelete = \"rm f\"\n"
        ))
    };
    let place = Environment::with_stack(&block("old"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", block("new"));
    place.write("wait", "");
    let mut child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the update", || place.read("f").contains("new").then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    fs_err::remove_file(place.path("wait")).unwrap();
    // What `read` shows is no longer what it showed before: at the least a person can say so.
    if place.run(&["apply", "--yes"]).code == 4 {
        place.run(&["resolve", "local_command.c", "--applied"]).ends(0);
        place.run(&["apply", "--yes"]).ends(0);
    }
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.read("f"), "\"old\"\n");
}

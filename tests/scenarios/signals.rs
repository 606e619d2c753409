//! Signals, and what outlives whom.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::environment::tally::Tally;
use crate::environment::{Environment, wait_for};

/// A command that says that it runs and who it is, and goes on when it is told to; one that rests on
/// it, and one that does not begin until a place is free.
const SLOW: &str = r#"
[resource.local_command.slow]
create = "echo $$ > pid; sleep 1000 & echo $! > child; touch running; until test -e go; do sleep 0.01; done; touch thing; kill $(cat child)"
read = "test -e thing || exit 44"
delete = "rm thing"

[resource.local_file.after]
path = "after"
content = "x"
depends_on = ["local_command.slow"]
"#;

fn running(arguments: &[&str]) -> (Environment, Child) {
    let place = Environment::with(SLOW);
    let child = place.command(arguments).spawn().unwrap();
    wait_for("the command", || place.path("running").exists().then_some(()));
    (place, child)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Reads what a process says until it says this.
fn says(child: &mut Child, words: &str) -> String {
    use std::io::Read as _;
    let mut said = Vec::new();
    let stderr = child.stderr.as_mut().unwrap();
    let mut byte = [0];
    while !String::from_utf8_lossy(&said).contains(words) {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{words:?} never came: {}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Whether the process in this file still lives; a zombie does not.
fn lives(place: &Environment, file: &str) -> bool {
    let pid: i32 = place.read(file).trim().parse().unwrap();
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !stat.contains(") Z ")
}

#[test]
fn a_signal_lets_what_runs_finish_and_starts_nothing_new() {
    for kind in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (place, mut child) = running(&["apply", "--yes"]);
        signal(&child, kind);
        says(&mut child, "what runs is finished and recorded");
        assert!(child.try_wait().unwrap().is_none(), "it waits for what runs");
        place.write("go", "");
        assert_eq!(child.wait().unwrap().code(), Some(130), "{kind:?}");
        // What ran is recorded, what did not is not begun.
        assert_eq!(place.recorded(), ["local_command.slow"]);
        assert!(!place.path("after").exists());
        assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "cancelled");
        assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["in_doubt"], serde_json::json!([]));
        place.run(&["apply", "--yes"]).ends(0);
        assert!(place.path("after").exists());
    }
}

#[test]
fn a_second_signal_cancels_what_runs() {
    let (place, mut child) = running(&["apply", "--yes"]);
    signal(&child, Signal::INT);
    says(&mut child, "once more cancels it");
    signal(&child, Signal::INT);
    let code = child.wait().unwrap().code();
    assert!([Some(130), Some(4)].contains(&code), "{code:?}");
    assert!(!lives(&place, "pid") && !lives(&place, "child"), "what it started is gone");
    assert!(place.recorded().is_empty());
    let state = place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"].clone();
    // Whoever was cut short is in doubt; the next run looks.
    assert_eq!(
        (state.as_str().unwrap(), code),
        if code == Some(4) { ("needs_review", Some(4)) } else { ("cancelled", Some(130)) }
    );
    place.write("go", "");
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.recorded(), ["local_command.slow", "local_file.after"]);
}

#[test]
fn children_never_outlive_us() {
    let (place, mut child) = running(&["apply", "--yes"]);
    assert!(lives(&place, "pid") && lives(&place, "child"));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the end of the command", || (!lives(&place, "pid")).then_some(()));
    // What the command itself left is ended by the next run, before it looks at anything.
    place.write("go", "");
    place.run(&["apply", "--yes"]).ends(0);
    assert!(!lives(&place, "child"), "a grandchild is alive");
    assert_eq!(place.recorded(), ["local_command.slow", "local_file.after"]);
}

#[test]
fn readers_answer_during_an_apply() {
    let (place, mut child) = running(&["apply", "--yes"]);
    for verb in [
        &["show"][..],
        &["output"],
        &["state", "list"],
        &["state", "export"],
        &["runs", "list"],
        &["runs", "show", &place.runs()[0]],
        &["runs", "events", &place.runs()[0]],
        &["plan"],
        &["plan", "-o", "p"],
        &["reconcile"],
        &["validate"],
        &["graph"],
        &["eval", "1"],
        &["config"],
    ] {
        let shown = place.run(verb);
        assert!([0, 2].contains(&shown.code), "{verb:?}: {}", shown.screen());
    }
    assert!(child.try_wait().unwrap().is_none());
    place.write("go", "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_compensation_is_stopped_and_goes_on() {
    let place = Environment::with(
        "[resource.local_file.first]\npath = \"first\"\ncontent = \"x\"\n\n[resource.local_command.slow]\ncreate = \"touch thing\"\nread = \"test -e thing || exit 44\"\ndelete = \"touch running; until test -e go; do sleep 0.01; done; rm thing\"\ndepends_on = [\"local_file.first\"]\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    let mut child = place.command(&["compensate", "--yes"]).spawn().unwrap();
    wait_for("the undo", || place.path("running").exists().then_some(()));
    signal(&child, Signal::INT);
    says(&mut child, "what runs is finished and recorded");
    place.write("go", "");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!place.path("thing").exists() && place.path("first").exists());
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(!place.path("first").exists());
    assert_eq!(place.run(&["compensate", "--yes"]).ends(0).stdout, "nothing to compensate\n");
}

#[test]
fn two_applies_at_once() {
    let tally = Tally::of("two at the same instant", "two applies of four steps");
    for _ in 0..8 {
        tally.one();
        let place = Environment::with(
            "[resource.local_command.c]\ncount = 4\ncreate = \"echo ${count.index} >> ledger\"\nread = \"grep -qx ${count.index} ledger || exit 44\"\ndelete = \"true\"\n",
        );
        let both = [(); 2].map(|()| place.command(&["apply", "--yes"]).spawn().unwrap());
        let codes = both.map(|child| {
            let shown = place.shown(child.wait_with_output().unwrap());
            assert!(shown.code != 5 || shown.stderr.contains("error[RT0701]"), "{}", shown.screen());
            shown.code
        });
        // One works; the other is told so, or came so late that nothing was left to do.
        assert!(codes.contains(&0) && codes.iter().all(|code| [0, 5].contains(code)), "{codes:?}");
        let mut lines: Vec<String> = place.read("ledger").lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["0", "1", "2", "3"], "each ran once");
        place.run(&["plan", "--detailed-exitcode"]).ends(0);
    }
}

#[test]
fn a_rename_with_moved_keeps_the_thing_and_without_is_refused() {
    let text = |name: &str| {
        format!(
            "[resource.local_command.{name}]\ncreate = \"echo made >> ledger; touch thing\"\nread = \"test -e thing || exit 44\"\ndelete = \"echo ended >> ledger; rm thing\"\n\n[resource.local_directory.{name}]\npath = \"d\"\n"
        )
    };
    let place = Environment::with(&text("old"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", crate::environment::stack(&text("new")));
    // A directory has an identity, so this is seen; nothing of it is done.
    place.run(&["apply", "--yes"]).ends(1).tells("RT0409", &["local_directory.old", "moved"]);
    assert_eq!(place.read("ledger"), "made\n");
    let moved = "\n[[moved]]\nfrom = \"local_command.old\"\nto = \"local_command.new\"\n\n[[moved]]\nfrom = \"local_directory.old\"\nto = \"local_directory.new\"\n";
    place.write("retrue.toml", crate::environment::stack(&(text("new") + moved)));
    place.run(&["plan", "--detailed-exitcode"]).ends(2);
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("ledger"), "made\n", "a rename runs nothing");
    assert_eq!(place.recorded(), ["local_command.new", "local_directory.new"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

/// Interrupts a verb twice while a command that only reads runs, and returns how it ended.
fn interrupted_while_it_reads(place: &Environment, arguments: &[&str]) -> Option<i32> {
    let mut child = place.command(arguments).spawn().unwrap();
    wait_for("the command", || place.path("running").exists().then_some(()));
    // Twice, but each is seen: the second is sent when the first had its answer.
    for words in ["once more cancels it", "cancelling"] {
        signal(&child, Signal::INT);
        says(&mut child, words);
    }
    let ended = wait_for("the end", || child.try_wait().unwrap());
    fs_err::remove_file(place.path("running")).unwrap();
    ended.code()
}

#[test]
fn a_signal_while_planning_is_a_cancellation() {
    let place = Environment::with(
        "[data.local_command.slow]\ncommand = \"touch running; exec sleep 1000\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"${data.local_command.slow.stdout}\"\n",
    );
    assert_eq!(interrupted_while_it_reads(&place, &["apply", "--yes"]), Some(130));
}

#[test]
fn reconcile_can_be_cancelled_while_it_reads() {
    let place = Environment::with(
        "[resource.local_command.c]\ncreate = \"touch thing\"\nread = \"test ! -e wait || { touch running; exec sleep 1000; }; test -e thing || exit 44\"\ndelete = \"rm thing\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    place.write("wait", "");
    assert_eq!(interrupted_while_it_reads(&place, &["reconcile"]), Some(130));
    assert_eq!(interrupted_while_it_reads(&place, &["reconcile", "--fix", "--yes"]), Some(130));
}

#[test]
fn a_reader_that_leaves_stops_nothing() {
    let place = Environment::with(SLOW);
    let mut child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the command", || place.path("running").exists().then_some(()));
    // Whoever read what it says is gone: a broken pipe on both.
    drop((child.stdout.take(), child.stderr.take()));
    place.write("go", "");
    child.wait().unwrap();
    assert_eq!(place.recorded(), ["local_command.slow", "local_file.after"]);
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "succeeded");
}

#[test]
fn the_end_of_the_parent_stops_nothing() {
    let place = Environment::with(SLOW);
    let program = place.command(&["apply", "--yes"]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "\"$@\" >/dev/null 2>&1 & echo $!", "sh"]).arg(program.get_program()).args(program.get_args());
    shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.current_dir(place.work()).output().unwrap();
    place.write("program", output.stdout);
    wait_for("the command", || place.path("running").exists().then_some(()));
    place.write("go", "");
    wait_for("the end", || (!lives(&place, "program")).then_some(()));
    assert_eq!(place.recorded(), ["local_command.slow", "local_file.after"]);
}

#[test]
fn promise_9_of_two_at_the_same_instant_one_runs_a_hundred_times() {
    let place = Environment::with(
        "[resource.local_command.c]\ncreate = \"echo create >> ledger; touch thing\"\n\
         read = \"test -e thing || exit 44\"\ndelete = \"echo delete >> ledger; rm thing\"\n",
    );
    let tally = Tally::of("two at the same instant", "two applies, or two destroys, in turn");
    for round in 1..=100 {
        tally.one();
        let verb: &[&str] = if round % 2 == 1 { &["apply", "--yes"] } else { &["destroy", "--yes"] };
        let both = [(); 2].map(|()| place.command(verb).spawn().unwrap());
        let codes = both.map(|child| child.wait_with_output().unwrap().status.code().unwrap());
        // The other waited for nothing: it was told who runs, or came after the end.
        assert!(codes.contains(&0) && codes.iter().all(|code| [0, 5].contains(code)), "round {round}: {codes:?}");
        assert_eq!(place.read("ledger").lines().count(), round, "round {round}: once, and not twice");
    }
}

#[test]
fn a_signal_takes_nothing_back_unasked() {
    let (place, mut child) = running(&["apply", "--yes", "--on-failure", "compensate"]);
    signal(&child, Signal::INT);
    says(&mut child, "what runs is finished and recorded");
    place.write("go", "");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(place.recorded(), ["local_command.slow"]);
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "cancelled");
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
}

/// A command whose state cannot be read while something stands in its way, which comes with what it depends on.
fn looked_at(place: &Environment, version: u8) {
    let second = format!(
        "[resource.local_command.second]\ncreate = \"echo 0 > thing\"\nupdate = \"echo {version} > thing\"\n\
         read = \"if test -e block; then touch reading; sleep 1000; fi; cat thing || exit 44\"\ndelete = \"rm thing\"\n\
         inputs = {{ v = {version} }}\n"
    );
    let first = "depends_on = [\"local_command.first\"]\n\n[resource.local_command.first]\ncreate = \"test ! -e armed || touch block\"\n\
                 delete = \"rm -f block\"\n";
    place.write("retrue.toml", crate::environment::stack(&(second + if version > 1 { first } else { "" })));
}

/// What was merely being looked at is not in doubt, and has not failed.
#[test]
fn a_second_signal_while_a_step_looks_leaves_no_failure() {
    let twice = |place: &Environment, arguments: &[&str]| {
        let mut child = place.command(arguments).spawn().unwrap();
        wait_for("the look", || place.path("reading").exists().then_some(()));
        signal(&child, Signal::INT);
        says(&mut child, "once more cancels it");
        signal(&child, Signal::INT);
        let code = child.wait().unwrap().code();
        fs_err::remove_file(place.path("reading")).unwrap();
        fs_err::remove_file(place.path("block")).unwrap();
        assert_eq!(code, Some(130), "{arguments:?}");
    };
    let place = Environment::new();
    looked_at(&place, 1);
    place.run(&["apply", "--yes"]).ends(0);
    looked_at(&place, 2);
    place.write("armed", "");
    for more in [&[][..], &["--on-failure", "compensate"]] {
        twice(&place, &[&["apply", "--yes"], more].concat());
        assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "cancelled");
        assert_eq!(place.read("thing"), "0\n");
        place.run(&["compensate", "--yes"]).ends(0);
    }
    fs_err::remove_file(place.path("armed")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    place.write("block", "");
    twice(&place, &["compensate", "--yes"]);
    assert_eq!(place.read("thing"), "2\n");
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.read("thing"), "1\n", "what takes a change back is the command that was declared before");
}

//! On a terminal: questions, answers, colours and progress.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitOptions, WaitStatus, set_child_subreaper, waitpid};

use crate::environment::{Environment, Shown, wait_for};

const STACK: &str = "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n\n[resource.local_command.c]\ncreate = \"touch running; until test -e go; do sleep 0.01; done\"\ndelete = \"true\"\n";

/// What waits for the command: without it, nothing would be left to be stopped.
const AFTER: &str =
    "\n[resource.local_file.after]\npath = \"after\"\ncontent = \"x\"\ndepends_on = [\"local_command.c\"]\n";

/// The program with a terminal of its own, which `script` (part of every Debian) lends it.
pub(super) fn on_a_terminal(place: &Environment, arguments: &[&str]) -> Child {
    let ours = place.command(arguments);
    let program = ours.get_program().to_str().unwrap();
    let line = [&["exec", program], arguments].concat().join(" ");
    let mut command = Command::new("script");
    command.args(["-qfec", &line, "/dev/null"]).current_dir(place.work()).env_clear();
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env_remove("NO_COLOR").env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("`script` of the package bsdutils is needed")
}

/// Closes the terminal that the program works on. Returns the program: it is ours now to ask how it ends.
pub(super) fn close(place: &Environment, mut terminal: Child) -> Pid {
    adopt();
    let is_ours = |id: &i32| {
        let line = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.starts_with(env!("CARGO_BIN_EXE_retrue").as_bytes()) && line.ends_with(b"apply\0--yes\0")
    };
    let program = place.family().into_iter().map(|(id, _)| id).find(is_ours).expect("the program runs");
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    Pid::from_raw(program).unwrap()
}

/// From now on whoever has lost its parent is ours to ask how it ended.
pub(super) fn adopt() {
    set_child_subreaper(Pid::from_raw(1)).unwrap();
}

/// How an adopted program ends.
pub(super) fn ending(program: Pid) -> WaitStatus {
    waitpid(Some(program), WaitOptions::empty()).unwrap().unwrap().1
}

/// Reads what is shown until these words.
fn until(child: &mut Child, words: &str) -> String {
    let mut shown = Vec::new();
    let stdout = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while !String::from_utf8_lossy(&shown).contains(words) {
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{words:?} never came: {}", String::from_utf8_lossy(&shown));
        shown.push(byte[0]);
    }
    String::from_utf8_lossy(&shown).into_owned()
}

fn types(child: &mut Child, text: &str) {
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

fn end(place: &Environment, mut child: Child) -> Shown {
    // Kept open until the end, so that nobody takes its end for an answer.
    let input = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(input);
    place.shown(output)
}

#[test]
fn yes_is_an_answer_and_nothing_else_is() {
    for answer in ["no\n", "y\n", "\n", "YES\n", "\u{4}"] {
        let place = Environment::with(STACK);
        let mut child = on_a_terminal(&place, &["apply"]);
        let shown = until(&mut child, "for an answer: ");
        assert!(shown.contains("Apply this?") && shown.contains("2 to create"), "{shown}");
        types(&mut child, answer);
        end(&place, child).ends(1).tells_plainly("RT0804");
        assert_eq!(place.tree().names(), ["retrue.toml"]);
    }
    let place = Environment::with(STACK);
    place.write("go", "");
    let mut child = on_a_terminal(&place, &["apply"]);
    until(&mut child, "for an answer: ");
    types(&mut child, "yes\n");
    end(&place, child).ends(0);
    assert_eq!(place.read("f"), "x");
}

#[test]
fn an_interrupt_at_the_question_changes_nothing() {
    let place = Environment::with(STACK);
    let mut child = on_a_terminal(&place, &["apply"]);
    until(&mut child, "for an answer: ");
    types(&mut child, "\u{3}");
    end(&place, child).ends(130);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
    // Nobody holds anything any more.
    place.write("go", "");
    place.run(&["apply", "--yes"]).ends(0);
}

#[test]
fn an_interrupt_while_it_works_lets_what_runs_finish() {
    let place = Environment::with(&format!("{STACK}{AFTER}"));
    let mut child = on_a_terminal(&place, &["apply", "--yes"]);
    until(&mut child, "local_file.f");
    // The bar of what runs, with what it does.
    until(&mut child, "local_command.c");
    // The plan names it, too: only from here on it runs.
    wait_for("the command", || place.path("running").exists().then_some(()));
    types(&mut child, "\u{3}");
    until(&mut child, "once more cancels it");
    place.write("go", "");
    let shown = end(&place, child).ends(130);
    assert!(!shown.all().contains("panicked"), "{}", shown.screen());
    assert_eq!(place.recorded(), ["local_command.c", "local_file.f"]);
}

#[test]
fn a_closed_terminal_is_a_signal_and_ends_nothing_at_once() {
    let place = Environment::with(&format!("{STACK}{AFTER}"));
    let child = on_a_terminal(&place, &["apply", "--yes"]);
    wait_for("the command", || place.path("running").exists().then_some(()));
    let program = close(&place, child);
    place.write("go", "");
    let status = ending(program);
    assert_eq!(status.exit_status(), Some(130), "{status:?}");
    assert_eq!(place.recorded(), ["local_command.c", "local_file.f"]);
    wait_for("the end of all that was started", || place.family().is_empty().then_some(()));
}

#[test]
fn colours_and_no_colours() {
    let place = Environment::with(STACK);
    place.write("go", "");
    let colours = |arguments: &[&str]| {
        let child = on_a_terminal(&place, arguments);
        end(&place, child).all().contains("\u{1b}[")
    };
    assert!(colours(&["plan"]));
    assert!(!colours(&["plan", "--no-color"]));
    assert!(!colours(&["plan", "--json"]));
}

//! Updates by commands that are cut off: what `read` writes settles that, where it can, and is told where it cannot.

use crate::environment::{Environment, stack, wait_for};

/// Hangs after it wrote, or before, where a file says so.
fn place(read: &str, v: &str) -> String {
    stack(&format!(
        "[resource.local_command.c]\ninputs = \"{v}\"\ncreate = \"printf %s $RETRUE_INPUTS > thing\"\n\
         update = \"if test -e early; then touch hanging; exec sleep 1000; fi; echo \\\"$RETRUE_OLD_INPUTS\\\" >> ../ledger; \
         printf %s $RETRUE_INPUTS > thing; if test -e late; then touch hanging; exec sleep 1000; fi\"\n\
         {read}\ndelete = \"rm -f thing\"\n\
         [resource.local_file.after]\npath = \"after\"\ncontent = \"${{jsonencode(local_command.c.output)}}\"\n"
    ))
}

const TELLS: &str = "read = \"cat thing 2>/dev/null || exit 44\"";

/// Made with one, and killed while a verb brings it to something else.
fn killed(place: &Environment, when: &str, arguments: &[&str]) {
    place.write(when, "");
    let mut child = place.command(arguments).spawn().unwrap();
    wait_for("hanging", || place.path("hanging").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    fs_err::remove_file(place.path(when)).unwrap();
    fs_err::remove_file(place.path("hanging")).unwrap();
}

fn cut_off(read: &str, when: &str) -> Environment {
    let made = Environment::with_stack(&place(read, "one"));
    made.run(&["apply", "--yes"]).ends(0);
    made.write("retrue.toml", place(read, "two"));
    killed(&made, when, &["apply", "--yes"]);
    made
}

fn ledger(place: &Environment) -> Vec<String> {
    place.read("../ledger").lines().map(str::to_owned).collect()
}

#[test]
fn an_update_that_shows_is_settled_by_a_look_and_carried_to_its_end() {
    let place = cut_off(TELLS, "late");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(shown.all().contains("whether all of it was done does not show"), "{}", shown.screen());
    assert_eq!((place.read("thing").as_str(), place.read("after").as_str()), ("\"two\"", "\"two\""));
    assert_eq!(ledger(&place), ["\"one\"", "null"], "what they were is not known the second time");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // Both runs are one, and go back to what was before the first.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("thing").as_str(), place.read("after").as_str()), ("\"one\"", "\"one\""));
}

#[test]
fn an_update_that_was_cut_off_is_unwound_by_another_one() {
    let place = cut_off(TELLS, "late");
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("thing").as_str(), place.read("after").as_str()), ("\"one\"", "\"one\""));
    assert_eq!(ledger(&place), ["\"one\"", "null"]);
}

#[test]
fn a_half_is_not_taken_for_what_it_was_before() {
    let place = cut_off(TELLS, "late");
    place.write("retrue.toml", self::place(TELLS, "one"));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.read("thing").as_str(), place.read("after").as_str()), ("\"one\"", "\"one\""));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn an_update_that_does_not_show_waits_for_a_person() {
    for (read, when) in
        [(TELLS, "early"), ("read = \"test -e thing || exit 44\"", "late"), ("creates = \"thing\"", "late")]
    {
        let place = cut_off(read, when);
        for _ in 0..2 {
            let shown = place.run(&["apply", "--yes"]).ends(4);
            assert!(shown.all().contains("`retrue resolve`"), "{}", shown.screen());
        }
        let answer = if when == "early" { "--not-applied" } else { "--applied" };
        place.run(&["resolve", "local_command.c", answer]).ends(0);
        place.run(&["apply", "--yes"]).ends(0);
        assert_eq!(place.read("thing"), "\"two\"");
        assert_eq!(ledger(&place), ["\"one\""], "it ran once");
    }
}

#[test]
fn the_plan_says_what_a_look_will_not_tell() {
    for (read, told) in [
        (TELLS, None),
        ("read = \"test -e thing || exit 44\"", Some("`read` writes nothing")),
        ("creates = \"thing\"", Some("without `read`, it cannot be seen what came of an update")),
        ("", Some("without `read`, drift cannot be seen, and doubt not be settled")),
    ] {
        let made = Environment::with_stack(&place(read, "one"));
        made.run(&["apply", "--yes"]).ends(0);
        made.write("retrue.toml", place(read, "two"));
        let shown = made.run(&["plan"]).ends(0);
        assert!(told.is_none_or(|told| shown.all().contains(told)), "{}", shown.screen());
        assert_eq!(told.is_none(), !shown.all().contains("`read`"), "{}", shown.screen());
    }
}

#[test]
fn an_undo_that_was_cut_off_and_shows_is_done_again() {
    let place = Environment::with_stack(&self::place(TELLS, "one"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", self::place(TELLS, "two"));
    place.run(&["apply", "--yes"]).ends(0);
    killed(&place, "late", &["compensate", "--yes"]);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("thing").as_str(), place.read("after").as_str()), ("\"one\"", "\"one\""));
    assert_eq!(ledger(&place), ["\"one\"", "\"two\"", "\"two\""]);
}

#[test]
fn an_undo_runs_the_update_that_came_with_the_change() {
    let block = |rest: &str| {
        stack(&format!(
            "[resource.local_command.c]\ncreate = \"printf %s $RETRUE_INPUTS > thing\"\nread = \"cat thing 2>/dev/null || exit 44\"\n\
             delete = \"rm -f thing\"\n{rest}\n"
        ))
    };
    let place = Environment::with_stack(&block("inputs = { v = 1 }"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", block("update = \"printf %s $RETRUE_INPUTS > thing\"\ninputs = { v = 2 }"));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((&plan["changes"][0]["action"], &plan["changes"][0]["reversible"]), (&"update".into(), &"full".into()));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.read("thing"), "{\"v\":1}");
    place.write("retrue.toml", block("inputs = { v = 1 }"));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_destroy_that_leaves_what_is_in_doubt_says_so_and_keeps_the_outputs() {
    let place = Environment::with(
        "[variable.n]\ndefault = 1\n[resource.local_directory.d]\npath = \"d\"\n\
         [resource.local_file.a]\npath = \"${local_directory.d.path}/a\"\ncontent = \"a\"\n\
         [resource.local_command.c]\ninputs = \"${var.n}\"\ndepends_on = [\"local_file.a\"]\n\
         create = \"printf %s $RETRUE_INPUTS > thing\"\nread = \"cat thing 2>/dev/null || exit 44\"\n\
         update = \"if test -e early; then touch hanging; exec sleep 1000; fi; printf %s $RETRUE_INPUTS > thing\"\n\
         delete = \"rm -f thing\"\n[resource.local_file.z]\npath = \"z\"\ncontent = \"z\"\n\
         [output.where]\nvalue = \"${local_file.a.path}\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    killed(&place, "early", &["apply", "--yes", "--var", "n=2"]);
    let shown = place.run(&["destroy", "--yes"]).ends(4);
    assert!(shown.stdout.contains("\nDestroyed in part: 1 deleted.\n"), "{}", shown.screen());
    let last = shown.stdout.lines().next_back().unwrap();
    assert!(last.starts_with("Needs a person: it is in doubt what came of local_command.c;"), "{}", shown.screen());
    let hint = "`retrue resolve local_command.c` takes your answer; then `retrue destroy` goes on";
    assert!(shown.stderr.contains(hint), "{}", shown.screen());
    assert_eq!(place.recorded(), ["local_command.c", "local_directory.d", "local_file.a"]);
    assert_eq!(place.run(&["output", "where", "--json"]).ends(0).json(), "d/a");
    place.run(&["resolve", "local_command.c", "--not-applied"]).ends(0);
    let shown = place.run(&["destroy", "--yes"]).ends(0);
    assert!(shown.stdout.contains("\nDestroyed: 3 deleted.\n"), "{}", shown.screen());
    assert!(place.recorded().is_empty());
    assert_eq!(place.run(&["output", "--json"]).ends(0).json(), serde_json::json!({}));
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.run(&["output", "where", "--json"]).ends(0).json(), "d/a");
}

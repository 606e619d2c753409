//! What becomes of the old one when something is made anew.

use serde_json::Value;

use crate::environment::tree::Tree;
use crate::environment::{Environment, stack};

/// A file at a path that is a variable, with more said in its `lifecycle`.
fn file(lifecycle: &str) -> String {
    stack(&format!(
        "[variable.p]\ntype = \"string\"\ndefault = \"a\"\n\n[resource.local_file.f]\npath = \"${{var.p}}\"\n\
         content = \"ours\"\nlifecycle = {{ {lifecycle} }}\n"
    ))
}

/// A file that somebody else made, and that was adopted.
fn adopted(lifecycle: &str) -> Environment {
    let place = Environment::with_stack(&file(lifecycle));
    place.write("a", "precious");
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("a"), "ours");
    place
}

/// What happens where the file is to be elsewhere.
fn moves(place: &Environment) -> Value {
    place.run(&["plan", "--json", "--var", "p=b"]).ends(0).json()
}

fn apply_moved(place: &Environment) {
    place.run(&["apply", "--yes", "--var", "p=b"]).ends(0);
    assert_eq!(place.read("b"), "ours");
    place.run(&["plan", "--detailed-exitcode", "--var", "p=b"]).ends(0);
}

/// Takes the newest run back: all that was there then is there again.
fn taken_back(place: &Environment, before: &Tree) {
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(before, "taken back");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

fn both_orders(more: &str) -> [String; 2] {
    [more.to_owned(), format!("create_before_destroy = true{}{more}", if more.is_empty() { "" } else { ", " })]
}

#[test]
fn what_was_adopted_is_given_back_when_it_is_replaced() {
    for lifecycle in both_orders("") {
        let place = adopted(&lifecycle);
        let before = place.tree();
        let plan = moves(&place);
        assert_eq!((&plan["changes"][0]["old"], &plan["summary"]["replace"]), (&"restore".into(), &1.into()), "{plan}");
        let shown = place.run(&["plan", "--var", "p=b"]).ends(0).stdout;
        assert!(
            shown.contains("stays outside without an owner") && shown.contains("returns to what it was"),
            "{shown}"
        );
        assert!(!shown.contains("Goes, and can"), "{shown}");
        apply_moved(&place);
        assert_eq!(place.read("a"), "precious");
        taken_back(&place, &before);
        // What was made in its place is ours.
        apply_moved(&place);
        place.run(&["destroy", "--yes", "--var", "p=b"]).ends(0);
        assert_eq!((place.read("a"), place.path("b").exists()), ("precious".to_owned(), false));
    }
}

#[test]
fn what_is_written_of_the_end_holds_for_a_replacement() {
    for lifecycle in both_orders("on_destroy = \"forget\"") {
        let place = adopted(&lifecycle);
        let before = place.tree();
        assert_eq!(moves(&place)["changes"][0]["old"], "forget");
        apply_moved(&place);
        assert_eq!((place.read("a"), place.recorded()), ("ours".to_owned(), vec!["local_file.f".to_owned()]));
        taken_back(&place, &before);
        // What we made ourselves stays, too, where that is written.
        let place = Environment::with_stack(&file(&lifecycle));
        place.run(&["apply", "--yes"]).ends(0);
        apply_moved(&place);
        assert_eq!(place.read("a"), "ours");
    }
    for lifecycle in both_orders("on_destroy = \"delete\"") {
        let place = adopted(&lifecycle);
        let before = place.tree();
        assert!(moves(&place)["changes"][0].get("old").is_none());
        apply_moved(&place);
        assert!(!place.path("a").exists());
        taken_back(&place, &before);
    }
}

#[test]
fn what_was_set_aside_is_given_back_by_whichever_run_ends_it() {
    let last = "[resource.local_command.last]\ninputs = \"${local_file.f.path}\"\ncreate = \"test ! -e fail\"\n\
                update = \"test ! -e fail\"\ndelete = \"true\"\n";
    let place = Environment::with_stack(&(file("create_before_destroy = true") + last));
    place.write("a", "precious");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("fail", "");
    place.run(&["apply", "--yes", "--var", "p=b"]).ends(1);
    assert_eq!((place.read("a"), place.read("b")), ("ours".to_owned(), "ours".to_owned()), "it is set aside");
    fs_err::remove_file(place.path("fail")).unwrap();
    let before = place.tree();
    apply_moved(&place);
    assert_eq!(place.read("a"), "precious");
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(&before, "taken back");
    apply_moved(&place);
    assert_eq!(place.read("a"), "precious");
}

/// A directory that somebody has files in, adopted.
fn directory(path: &str, lifecycle: &str) -> String {
    stack(&format!(
        "[resource.local_directory.d]\npath = \"{path}\"\nrecursive = true\nlifecycle = {{ {lifecycle} }}\n"
    ))
}

#[test]
fn what_is_in_an_adopted_directory_is_never_lost_by_a_replacement() {
    let place = Environment::with_stack(&directory("d", ""));
    place.write("d/of/somebody", "precious");
    place.run(&["apply", "--yes"]).ends(0);
    // In its place nothing can be made without deleting it.
    let refused = place.run(&["apply", "--yes", "--replace", "local_directory.d"]).ends(1);
    refused.tells("RT0429", &["was adopted, and would be deleted", "on_destroy = \"delete\""]);
    let triggered = "replace_triggered_by = [\"retrue_data.t\"]";
    let trigger = |value: &str| format!("[resource.retrue_data.t]\ninput = \"{value}\"\n");
    place.write("retrue.toml", directory("d", triggered) + &trigger("1"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", directory("d", triggered) + &trigger("2"));
    place.run(&["apply", "--yes"]).ends(1).tells("RT0429", &["would be deleted"]);
    assert_eq!(place.read("d/of/somebody"), "precious");
    // Elsewhere it can.
    place.write("retrue.toml", directory("e", ""));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.read("d/of/somebody"), place.path("e").is_dir()), ("precious".to_owned(), true));
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("d/of/somebody"), place.path("e").exists()), ("precious".to_owned(), false));
    // And where that is written.
    place.write("retrue.toml", directory("d", "on_destroy = \"delete\""));
    let before = place.tree();
    place.run(&["apply", "--yes", "--replace", "local_directory.d"]).ends(0);
    assert!(place.path("d").is_dir() && !place.path("d/of").exists());
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(&before, "taken back");
}

#[test]
fn a_command_that_found_its_work_done_does_not_undo_it_to_do_it_anew() {
    let command = |inputs: &str, looks: &str, lifecycle: &str| {
        stack(&format!(
            "[resource.local_command.c]\ninputs = \"{inputs}\"\n{looks}\ncreate = \"echo {inputs} >> made\"\n\
             delete = \"rm made\"\nlifecycle = {{ {lifecycle} }}\n"
        ))
    };
    let looks = "unless = \"test -e made\"";
    let place = Environment::with_stack(&command("1", looks, ""));
    place.write("made", "by somebody\n");
    place.run(&["apply", "--yes"]).ends(0);
    // As long as it is found, it cannot be made.
    place.write("retrue.toml", command("2", looks, ""));
    place.run(&["apply", "--yes"]).ends(1).tells("RT0429", &["was adopted, and would be deleted"]);
    assert_eq!(place.read("made"), "by somebody\n");
    // What is found by something else is in nobody's way.
    place.write("retrue.toml", command("2", "unless = \"grep -q 2 made\"", ""));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("made"), "by somebody\n2\n");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // And it goes where that is written.
    let place = Environment::with_stack(&command("1", looks, ""));
    place.write("made", "by somebody\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", command("2", looks, "on_destroy = \"delete\""));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("made"), "2\n");
}

#[test]
fn data_that_holds_nothing_outside_is_replaced_whatever_is_written() {
    let data = |input: &str| {
        let of = "[resource.retrue_data.d]\ntriggers_replace = ";
        stack(&format!("{of}\"{input}\"\nlifecycle = {{ on_destroy = \"forget\" }}\n"))
    };
    let place = Environment::with_stack(&data("1"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", data("2"));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["apply", "--yes", "--replace", "retrue_data.d"]).ends(0);
}

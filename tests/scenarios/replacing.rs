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

/// Three files, of which only the last is current: the first two were replaced by runs that failed later.
fn with_two_set_aside() -> Environment {
    let place = Environment::with(
        "[variable.v]\ntype = \"string\"\n\n[resource.local_file.a]\npath = \"a${var.v}\"\ncontent = \"a${var.v}\"\n\
         lifecycle = { create_before_destroy = true }\n\n[resource.local_command.last]\n\
         inputs = \"${local_file.a.path}\"\ncreate = \"test ! -e fail\"\nupdate = \"test ! -e fail\"\n\
         delete = \"true\"\n",
    );
    place.run(&["apply", "--yes", "--var", "v=1"]).ends(0);
    place.write("fail", "");
    for v in ["v=2", "v=3"] {
        place.run(&["apply", "--yes", "--var", v]).ends(1);
    }
    fs_err::remove_file(place.path("fail")).unwrap();
    assert_eq!((place.read("a1"), place.read("a2"), place.read("a3")), ("a1".into(), "a2".into(), "a3".into()));
    place
}

/// The changes of a plan of the file: what each is of, what happens to it, the path before, and how far it comes back.
fn of_the_file(plan: &Value) -> Vec<(String, String, String, String)> {
    let changes = plan["changes"].as_array().unwrap().iter().filter(|change| change["address"] == "local_file.a");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = changes.map(|change| {
        let before = text(&change["before"]["path"]);
        (text(&change["object"]), text(&change["action"]), before, text(&change["reversible"]))
    });
    told.collect()
}

fn told(all: &[(&str, &str, &str, &str)]) -> Vec<(String, String, String, String)> {
    all.iter().map(|(a, b, c, d)| ((*a).into(), (*b).into(), (*c).into(), (*d).into())).collect()
}

#[test]
fn what_was_set_aside_goes_by_its_own_name() {
    let place = with_two_set_aside();
    fs_err::hard_link(place.path("a1"), place.path("other")).unwrap();
    // Where nothing else happens to its address.
    let plan = place.run(&["plan", "--json", "--var", "v=3"]).ends(0).json();
    let set_aside = [("deposed-1", "delete", "a1", "lossy"), ("deposed-2", "delete", "a2", "full")];
    assert_eq!(of_the_file(&plan), told(&set_aside), "{plan}");
    assert_eq!((&plan["summary"]["delete"], &plan["summary"]["no_op"]), (&2.into(), &1.into()));
    let shown = place.run(&["plan", "--var", "v=3"]).ends(0).stdout;
    for words in
        ["2 to delete", "! delete local_file.a (set aside, 1): in part", "- delete local_file.a (set aside, 2)"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.contains("\"a2\"") && !shown.contains("point of no return"), "{shown}");
    // Where something else does.
    let plan = place.run(&["plan", "--json", "--var", "v=4"]).ends(0).json();
    let all = [&[("", "replace", "a3", "full")], &set_aside[..]].concat();
    assert_eq!(of_the_file(&plan), told(&all), "{plan}");
    // A plan that rests is the same.
    place.run(&["plan", "-o", "p", "--var", "v=4"]).ends(0);
    assert_eq!(of_the_file(&place.run(&["show", "p", "--json"]).ends(0).json()), told(&all));
    // As much is said to go as goes.
    let shown = place.run(&["destroy", "--yes", "--var", "v=3"]).ends(0).stdout;
    assert!(shown.contains("4 to delete") && shown.contains("Destroyed: 4 deleted"), "{shown}");
    assert!(["a1", "a2", "a3"].iter().all(|name| !place.path(name).exists()) && place.recorded().is_empty());
    assert_eq!(place.read("other"), "a1");
}

#[test]
fn what_was_set_aside_ends_though_what_replaced_it_may_not_be_destroyed() {
    let place = with_two_set_aside();
    let stack = place.read("retrue.toml");
    let kept = stack.replace("create_before_destroy = true", "create_before_destroy = true, prevent_destroy = true");
    place.write("retrue.toml", kept);
    let plan = place.run(&["plan", "--json", "--var", "v=3"]).ends(0).json();
    assert_eq!(of_the_file(&plan).len(), 2, "{plan}");
    place.run(&["plan", "--var", "v=4"]).ends(1).tells("RT0406", &["local_file.a"]);
    place.run(&["apply", "--yes", "--var", "v=3"]).ends(0);
    assert!(!place.path("a1").exists() && !place.path("a2").exists());
    place.run(&["plan", "--detailed-exitcode", "--var", "v=3"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("a1"), place.read("a2"), place.read("a3")), ("a1".into(), "a2".into(), "a3".into()));
    place.write("retrue.toml", stack);
    assert_eq!(of_the_file(&place.run(&["plan", "--json", "--var", "v=3"]).ends(0).json()).len(), 2);
}

#[test]
fn what_was_set_aside_and_changed_is_told() {
    let place = with_two_set_aside();
    place.write("a1", "tampered");
    fs_err::remove_file(place.path("a2")).unwrap();
    let v3 = ["--var", "v=3"];
    let run = |arguments: &[&str]| place.run(&[arguments, &v3].concat());
    let drifted = |found: &[Value]| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.iter().map(|drift| (text(&drift["object"]), text(&drift["status"]))).collect()
    };
    let both = vec![("deposed-1".to_owned(), "drifted".to_owned()), ("deposed-2".to_owned(), "missing".to_owned())];
    let plan = run(&["plan", "--json"]).ends(0).json();
    assert_eq!(drifted(plan["drift"].as_array().unwrap()), both, "{plan}");
    let changes = [("deposed-1", "delete", "a1", "full"), ("deposed-2", "forget", "", "full")];
    assert_eq!(of_the_file(&plan), told(&changes));
    let lines = run(&["reconcile", "--json"]).ends(2).json_lines();
    assert_eq!(drifted(&lines[..2]), both, "{lines:?}");
    assert!(lines[..2].iter().all(|line| line["fixable"] == false), "{lines:?}");
    let shown = run(&["reconcile"]).ends(2).stdout;
    assert!(
        shown.contains("local_file.a (set aside, 1)") && shown.contains("the next `retrue apply` ends it"),
        "{shown}"
    );
    // Nothing of it can be mended, and it can be taken as it is.
    run(&["reconcile", "--fix", "--yes"]).ends(2);
    assert_eq!((place.read("a1"), place.path("a2").exists()), ("tampered".to_owned(), false));
    run(&["reconcile", "--accept", "local_file.a"]).ends(0);
    run(&["reconcile"]).ends(0);
    assert_eq!(of_the_file(&run(&["plan", "--json"]).ends(0).json()), told(&changes[..1]));
    // Also where nothing else is recorded under its address.
    place.write("retrue.toml", stack("[variable.v]\ntype = \"string\"\n"));
    place.write("fail", "");
    place.write("a1", "tampered again");
    run(&["reconcile", "--json"]).ends(2);
    run(&["apply", "--yes"]).ends(0);
    assert!(!place.path("a1").exists() && place.recorded().is_empty());
}

#[test]
fn what_is_moved_takes_with_it_what_was_set_aside() {
    let place = with_two_set_aside();
    let v3 = ["--var", "v=3"];
    let old = place.read("retrue.toml");
    let new =
        old.replace("local_file.a", "local_file.z") + "[[moved]]\nfrom = \"local_file.a\"\nto = \"local_file.z\"\n";
    place.write("retrue.toml", &new);
    place.run(&[&["apply", "--yes"][..], &v3].concat()).ends(0);
    assert_eq!(place.recorded(), ["local_command.last", "local_file.z"]);
    let listed = place.run(&["state", "list"]).ends(0).stdout;
    assert!(!listed.contains("set aside"), "{listed}");
    assert!(!place.path("a1").exists() && !place.path("a2").exists());
    place.run(&[&["plan", "--detailed-exitcode"][..], &v3].concat()).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("a1"), place.read("a2"), place.read("a3")), ("a1".into(), "a2".into(), "a3".into()));
    let listed = place.run(&["state", "list"]).ends(0).stdout;
    assert!(listed.contains("local_file.a (set aside, 1)") && !listed.contains("local_file.z"), "{listed}");
    // And is replaced at its new address as well.
    let plan = place.run(&["plan", "--json", "--var", "v=4"]).ends(0).json();
    let of: Vec<&str> = plan["changes"].as_array().unwrap().iter().filter_map(|one| one["object"].as_str()).collect();
    assert_eq!(of, ["deposed-1", "deposed-2"], "{plan}");
    place.run(&["apply", "--yes", "--var", "v=4"]).ends(0);
    assert_eq!((place.recorded().len(), place.read("a4")), (2, "a4".to_owned()));
    assert!(["a1", "a2", "a3"].iter().all(|name| !place.path(name).exists()));
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("a1"), place.read("a3"), place.path("a4").exists()), ("a1".into(), "a3".into(), false));
}

/// What changes, what may fail after that, and what is replaced for it.
fn followed() -> Environment {
    let place = Environment::with_stack(&stack(
        "[variable.v]\ntype = \"string\"\n\n[resource.retrue_data.leads]\ninput = \"${var.v}\"\n\n\
         [resource.local_command.between]\ncreate = \"true\"\nread = \"true\"\nupdate = \"test -e open\"\ndelete = \"true\"\n\
         inputs = { v = \"${retrue_data.leads.output}\" }\n\n\
         [resource.retrue_data.follows]\ninput = \"x\"\ndepends_on = [\"local_command.between\"]\n\
         lifecycle.replace_triggered_by = [\"retrue_data.leads.output\"]\n",
    ));
    place.run(&["apply", "--yes", "--var", "v=1"]).ends(0);
    place
}

fn id_of_follower(place: &Environment) -> Value {
    place.run(&["show", "--json"]).ends(0).json()["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|resource| resource["address"] == "retrue_data.follows")
        .unwrap()["attributes"]["id"]
        .clone()
}

fn follower(place: &Environment, v: &str) -> (Value, String) {
    let plan = place.run(&["plan", "--json", "--var", v]).ends(0).json();
    let changes = plan["changes"].as_array().unwrap();
    let of = changes.iter().find(|change| change["address"] == "retrue_data.follows");
    of.map_or((Value::Null, String::new()), |change| (change["action"].clone(), change["reasons"].to_string()))
}

#[test]
fn what_follows_a_change_is_replaced_though_the_apply_was_cut_off_between() {
    let place = followed();
    let first = id_of_follower(&place);
    assert!(follower(&place, "v=2").1.contains("retrue_data.leads.output changes"));
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(1);
    let (action, why) = follower(&place, "v=2");
    assert_eq!(action, "replace");
    assert!(why.contains("leads.output has changed, and the apply that changed it did not come to this"), "{why}");
    // However often it is cut off, and whatever else is applied in between.
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(1);
    place.run(&["apply", "--yes", "--var", "v=2", "--target", "retrue_data.leads"]).ends(0);
    assert_eq!(follower(&place, "v=2").0, "replace");
    // A plan file knows it, too.
    place.run(&["plan", "-o", "kept", "--var", "v=2"]).ends(0);
    place.write("open", "");
    place.run(&["apply", "kept"]).ends(0);
    assert_ne!(id_of_follower(&place), first);
    place.run(&["plan", "--detailed-exitcode", "--var", "v=2"]).ends(0);
}

#[test]
fn what_would_follow_a_change_stays_where_the_change_is_taken_back() {
    let place = followed();
    let (before, first) = (place.tree(), id_of_follower(&place));
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(1);
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(&before, "taken back");
    place.run(&["plan", "--detailed-exitcode", "--var", "v=1"]).ends(0);
    // Nor does it, once it follows nothing any more.
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(1);
    let whole = place.read("retrue.toml");
    let lifecycle = "lifecycle.replace_triggered_by = [\"retrue_data.leads.output\"]\n";
    place.write("retrue.toml", whole.replace(lifecycle, ""));
    place.write("open", "");
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(0);
    place.write("retrue.toml", whole);
    place.run(&["plan", "--detailed-exitcode", "--var", "v=2"]).ends(0);
    assert_eq!(id_of_follower(&place), first);
}

#[test]
fn what_follows_a_change_is_replaced_after_a_kill() {
    let place = followed();
    let first = id_of_follower(&place);
    let whole = place.read("retrue.toml");
    place.write("retrue.toml", whole.replace("test -e open", "kill -9 $PPID; sleep 100"));
    assert_ne!(place.run(&["apply", "--yes", "--var", "v=2"]).code, 1);
    place.write("retrue.toml", whole);
    place.write("open", "");
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(0);
    place.run(&["plan", "--detailed-exitcode", "--var", "v=2"]).ends(0);
    assert_ne!(id_of_follower(&place), first);
}

//! Doubt goes away by looking, or by a person's answer, and by nothing else. Against a cloud that
//! loses the answer to a call.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::json;

use crate::environment::{Environment, stack};

/// A thing that nobody can find again, and one beside it.
const TOKEN: &str =
    "[resource.testcloud_token.t]\nscope = \"deploy\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n";

fn place(server: &Server, blocks: &str) -> Environment {
    Environment::with(&format!("[provider.testcloud]\nurl = \"{}\"\n\n{blocks}", server.url()))
}

/// One whose create was answered, and the answer got lost.
fn doubtful(arguments: &[&str]) -> (Server, Environment) {
    let server = Server::start().unwrap();
    let place = place(&server, TOKEN);
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(arguments).ends(4);
    server.cloud().clear_faults();
    (server, place)
}

#[track_caller]
fn still_in_doubt(server: &Server, place: &Environment) {
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["in_doubt"][0]["address"], "testcloud_token.t", "{plan}");
    place.run(&["plan", "--detailed-exitcode"]).ends(4);
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
}

#[test]
fn promise_3_doubt_outlasts_everything_but_an_answer() {
    let (server, place) = doubtful(&["apply", "--yes"]);
    still_in_doubt(&server, &place);
    let run = place.runs()[place.runs().len() - 1].clone();
    place.run(&["runs", "accept", &run]).ends(1).tells("RT0606", &[]);
    still_in_doubt(&server, &place);
    place.run(&["state", "rm", "testcloud_token.t"]).ends(1).tells("RT0611", &[]);
    place.run(&["state", "recover"]).ends(0);
    still_in_doubt(&server, &place);
    place.run(&["destroy", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1);
    // Not even when it is declared no more.
    let text = place.read("retrue.toml");
    place.write("retrue.toml", stack("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n"));
    still_in_doubt(&server, &place);
    place.write("retrue.toml", text);
    let id = server.cloud().truth()[0].id.clone();
    place.run(&["resolve", "testcloud_token.t", "--id", &id, "--json"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn promise_3_on_failure_compensate_does_not_make_doubt_go_away() {
    let (server, place) = doubtful(&["apply", "--yes", "--on-failure", "compensate"]);
    still_in_doubt(&server, &place);
}

#[test]
fn promise_3_what_carries_a_marker_is_found_again() {
    // The answer got lost after the effect, or the call before it: looking tells which.
    for (action, count) in [(Action::LoseAnswer, 1), (Action::Reset, 0)] {
        let server = Server::start().unwrap();
        let place = place(&server, "[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\n");
        server.cloud().add_fault(Fault::at(Method::Post, "instances", action));
        let shown = place.run(&["apply", "--yes"]);
        assert!([0, 1, 4].contains(&shown.code), "{}", shown.screen());
        if shown.code != 0 {
            assert_eq!(server.cloud().truth().len(), count, "{}", shown.screen());
        }
        server.cloud().clear_faults();
        place.run(&["apply", "--yes"]).ends(0);
        assert_eq!(server.cloud().truth().len(), 1);
        place.run(&["plan", "--detailed-exitcode"]).ends(0);
        place.run(&["destroy", "--yes"]).ends(0);
        assert!(server.cloud().truth().is_empty());
    }
}

#[test]
fn promise_3_what_is_half_made_is_tainted_and_made_anew() {
    let server = Server::start().unwrap();
    let place = place(&server, "[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\n");
    server.cloud().add_fault(Fault::at(Method::Post, "instances", Action::FailProvisioning));
    place.run(&["apply", "--yes"]).ends(1);
    server.cloud().clear_faults();
    assert_eq!(place.run(&["show", "testcloud_instance.i", "--json"]).ends(0).json()["status"], "tainted");
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let change = &plan["changes"][0];
    assert_eq!((&change["action"], &change["reversible"]), (&json!("replace"), &json!("lossy")), "{change}");
    let not_again = "its creation was not finished, and an undo does not make it again";
    assert!(change["lost"].as_str().unwrap().contains(not_again), "{change}");
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(server.cloud().truth().len(), 1, "the half one is gone");
    // The new one is taken back, and the half one does not return: that is told.
    let undone = place.run(&["compensate", "--yes"]).ends(0);
    assert!(undone.stderr.contains(&format!("did not come back: {not_again}")), "{}", undone.screen());
    assert!(undone.all().contains("undone: not made again") && !undone.all().contains("undone: made again"));
    assert!(server.cloud().truth().is_empty() && place.recorded().is_empty());
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn step_in_doubt_and_undo_in_json() {
    let server = Server::start().unwrap();
    let place = place(&server, TOKEN);
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    let events = place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(4).json_lines();
    server.cloud().clear_faults();
    let doubt = events.iter().find(|event| event["event"] == "step_in_doubt").unwrap();
    assert_eq!((&doubt["address"], &doubt["outcome"]), (&json!("testcloud_token.t"), &json!("unknown")));
    assert_eq!(doubt["error"]["category"], "network");
    assert_eq!(events[events.len() - 1]["state"], "needs_review");

    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("f", "by hand");
    let stuck = place.run(&["compensate", "--yes", "--json"]).ends(4).json_lines();
    assert!(
        stuck.iter().any(|event| event["event"] == "undo_stuck" && event["error"]["code"] == "RT0612"),
        "{stuck:?}"
    );
    place.write("f", "x");
    let events = place.run(&["compensate", "--yes", "--json"]).ends(0).json_lines();
    let words: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["run_started", "undo_started", "undo_finished", "run_finished"]);
    assert_eq!(events[0]["kind"], "compensate");
    let nothing = place.run(&["compensate", "--yes", "--json"]).ends(0).json_lines();
    assert_eq!((nothing.len(), &nothing[0]["event"]), (1, &json!("run_finished")));
}

#[test]
fn promise_3_a_compensation_does_not_make_doubt_go_away() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"deploy\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    place.run(&["compensate", "--yes"]).ends(4);
    // Nobody answered yet.
    assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["in_doubt"][0]["address"], "testcloud_token.t");
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
    let id = server.cloud().truth()[0].id.clone();
    place.run(&["resolve", "testcloud_token.t", "--id", &id]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn promise_3_a_move_takes_doubt_along() {
    let server = Server::start().unwrap();
    let blocks = |name: &str, moved: &str| {
        stack(&format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.{name}]\nscope = \"deploy\"\n{moved}",
            server.url()
        ))
    };
    let place = Environment::with_stack(&blocks("t", ""));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    let moved = "\n[[moved]]\nfrom = \"testcloud_token.t\"\nto = \"testcloud_token.u\"\n";
    place.write("retrue.toml", blocks("u", moved));
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
}

#[test]
fn promise_3_an_export_takes_doubt_along() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"deploy\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    place.write("../export.json", &place.run(&["state", "export"]).ends(0).stdout);
    fs_err::remove_dir_all(place.path(".retrue")).unwrap();
    place.run(&["state", "restore", "../export.json"]).ends(0);
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
}

#[test]
fn promise_3_a_restored_doubt_is_settled_by_the_marks_of_where_it_began() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\n\n\
         [resource.retrue_data.uses]\ninput = \"${{testcloud_instance.i.id}}\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "instances", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    place.write("../export.json", &place.run(&["state", "export"]).ends(0).stdout);
    fs_err::remove_dir_all(place.path(".retrue")).unwrap();
    let shown = place.run(&["state", "restore", "../export.json"]).ends(0);
    assert!(shown.stderr.contains("in doubt what became of testcloud_instance.i"), "{}", shown.screen());
    // It is found by the mark that it was made with, and recorded.
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(
        (server.cloud().truth().len(), place.recorded()),
        (1, vec!["retrue_data.uses".to_owned(), "testcloud_instance.i".to_owned()])
    );
    // Restored once more, what was settled since stays settled.
    place.run(&["state", "restore", "../export.json", "--yes"]).ends(0);
    assert!(place.recorded().contains(&"testcloud_instance.i".to_owned()));
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn promise_3_what_is_in_doubt_is_told_and_not_moved_away() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"deploy\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    let shown = place.run(&["plan"]).ends(0);
    assert!(shown.stdout.contains("nothing else to do, but something is in doubt"), "{}", shown.screen());
    // What it is recorded as, if it is, stays where the answer will go.
    place
        .run(&["state", "mv", "testcloud_token.t", "testcloud_token.u"])
        .ends(1)
        .tells("RT0611", &["testcloud_token.t"]);
}

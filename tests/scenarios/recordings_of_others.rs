//! What else can be recorded: unwinding, comparing with the world, mending it, a run once more, a plan of a file.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::{Value as Json, json};

use super::recordings::{SECRET, blocks, refuse};
use crate::environment::peers::there;
use crate::environment::{Environment, stack};

/// A place with all that [`blocks`] has, and its cloud.
fn place(content: &str) -> (Environment, Server) {
    let server = Server::start().unwrap();
    let mut place = Environment::with(&blocks(&server.url(), content));
    place.set("RETRUE_VAR_secret", SECRET);
    place.run(&["apply", "--yes"]).ends(0);
    (place, server)
}

/// Replays a trace where nothing else is, with `text` for a stack: it must be the same, and touch nothing.
fn same(place: &Environment, trace: &str, text: &str) -> Json {
    let trace = place.read(trace);
    assert!(!trace.contains("planted"), "no secret is in it");
    let elsewhere = Environment::with_stack(text);
    elsewhere.write("trace", &trace);
    let told = elsewhere.run(&["replay", "trace", "--json"]).ends(0).json();
    assert_eq!((&told["same"], &told["complete"], &told["differences"]), (&json!(true), &json!(true), &json!([])));
    assert!(told["calls"]["recorded"].as_u64().unwrap() > 0 && told["calls"]["same"] == told["calls"]["recorded"]);
    for made in [".retrue", "page", "noted"] {
        assert!(!elsewhere.path(made).exists(), "{made}");
    }
    told
}

/// The trace, without the first call for which that holds.
fn without(place: &Environment, trace: &str, chosen: impl Fn(&Json) -> bool) -> String {
    let text = place.read(trace);
    let left_out = text.lines().position(|line| chosen(&serde_json::from_str::<Json>(line).unwrap()["call"]));
    let left_out = left_out.expect("there is such a call");
    let lines: Vec<&str> = text.lines().collect();
    [&lines[..left_out], &lines[left_out + 1..]].concat().join("\n") + "\n"
}

fn call(line: &Json, verb: &str, address: &str) -> bool {
    line["verb"] == verb && line["address"] == address
}

/// A stack that has nothing to do with it.
const OTHER: &str = "[stack]\nname = \"other\"\n";

#[test]
fn a_recorded_unwinding_is_replayed() {
    let (place, server) = place("before");
    let text = blocks(&server.url(), "after").replace("versioning = true", "versioning = false");
    let text = text.replace("${var.name}-c", "${var.name}-other");
    place.write("retrue.toml", stack(&text));
    place.run(&["apply", "--yes"]).ends(0);
    // One undo is tried again, and one is stuck.
    let action = |status| Action::ErrorBefore { status, retry_after: None };
    server.cloud().add_fault(Fault { nth: 1, times: 1, ..Fault::at(Method::Patch, "buckets", action(429)) });
    server.cloud().add_fault(Fault { nth: 1, times: 1, ..Fault::at(Method::Delete, "buckets", action(403)) });
    let newest = place.runs()[0].clone();
    place.run(&["compensate", &newest, "--yes", "--record", "stuck"]).ends(4);
    // What is looked at before a second try belongs to it.
    let text = place.read("stuck");
    let mut lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    assert!(lines.any(|line| line["call"]["verb"] == "read" && line["call"]["attempt"] == 2));
    let told = same(&place, "stuck", OTHER);
    assert_eq!((&told["kind"], &told["ended"]["now"]), (&json!("compensate"), &json!("needs_review")));
    // The rest, and the run before, which only now is unwound.
    place.run(&["compensate", &newest, "--yes", "--record", "rest"]).ends(0);
    assert_eq!(same(&place, "rest", OTHER)["ended"]["now"], "compensated");
    place.run(&["compensate", "--yes", "--record", "first"]).ends(0);
    assert!(server.cloud().truth().is_empty() && !place.path("page").exists());
    drop(server);
    same(&place, "first", OTHER);
    // What is not as it was is told by name.
    place.write("less", without(&place, "first", |line| call(line, "apply", "testcloud_bucket.b")));
    let told = place.run(&["replay", "less", "--json"]).ends(2).json();
    let new = |one: &Json| one["kind"] == "new" && one["address"] == "testcloud_bucket.b";
    assert!(told["differences"].as_array().unwrap().iter().any(new), "{told:#}");
    let step = |one: &Json| one["address"] == "testcloud_bucket.b" && one["action"] == "undo of create";
    assert!(told["steps"].as_array().unwrap().iter().any(step), "{told:#}");
    // Nothing is left, and that can be replayed, too.
    place.run(&["compensate", "--yes", "--record", "nothing"]).ends(0);
    let told = place.run(&["replay", "nothing", "--json"]).ends(0).json();
    assert_eq!(told["ended"]["now"], "nothing was done");
}

#[test]
fn several_runs_that_were_unwound_are_replayed_together() {
    let (place, server) = place("before");
    let first = place.runs()[0].clone();
    place.write("retrue.toml", stack(&blocks(&server.url(), "after")));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&blocks(&server.url(), "last")));
    place.run(&["apply", "--yes"]).ends(0);
    // On the first one others build: it is refused alone.
    place.run(&["compensate", &first, "--yes", "--record", "refused"]).ends(1).tells("RT0605", &[]);
    let told = place.run(&["replay", "refused", "--json"]).ends(0).json();
    assert_eq!(told["ended"]["now"], "refused (RT0605)");
    place.run(&["compensate", "--through", &first, "--yes", "--record", "all"]).ends(0);
    drop(server);
    same(&place, "all", OTHER);
}

#[test]
fn what_providers_are_configured_with_is_not_asked_for_again() {
    let server = Server::start().unwrap();
    let text = blocks(&server.url(), "x").replace("\"bearer-of-nothing\"", "\"${var.token}\"");
    let token = "[variable.token]\ntype = \"string\"\nsensitive = true\nfrom = \"env:TOKEN\"\n";
    let mut place = Environment::with(&format!("{token}{text}"));
    place.set("RETRUE_VAR_secret", SECRET);
    place.set("TOKEN", "planted-token-77");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes", "--record", "trace"]).ends(0);
    drop(server);
    assert!(place.read("trace").contains("env:TOKEN"), "it is kept as where it came from");
    // Nothing of that name is in the environment there.
    same(&place, "trace", OTHER);
    place.write("less", {
        let text = place.read("trace");
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("{\"source\"")).collect();
        assert_eq!(kept.len() + 1, text.lines().count());
        kept.join("\n") + "\n"
    });
    let told = place.run(&["replay", "less", "--json"]).ends(2).json();
    assert_eq!(told["ended"]["now"], "refused (RT0954)");
}

#[test]
fn a_recorded_comparison_is_replayed() {
    let (place, server) = place("x");
    let text = place.read("retrue.toml");
    place.run(&["reconcile", "--record", "true"]).ends(0);
    // What is made from secrets is in the record already, and nothing is to be done.
    place.run(&["apply", "--yes", "--record", "again"]).ends(0);
    place.write("page", "somebody");
    let id = server.cloud().truth()[2].id.clone();
    server.cloud().remove_object("buckets", &id);
    place.run(&["reconcile", "--record", "drifted"]).ends(2);
    // With what brings it back, and looks again.
    place.run(&["reconcile", "--fix", "--yes", "--record", "fixed"]).ends(0);
    place.write("page", "somebody else");
    place.run(&["reconcile", "--fix", "--record", "declined"]).ends(1);
    refuse(&server, 403, 1, 1);
    let id = server.cloud().truth()[2].id.clone();
    server.cloud().remove_object("buckets", &id);
    place.run(&["reconcile", "--fix", "--yes", "--record", "failed"]).ends(1);
    drop(server);
    assert_eq!(same(&place, "true", &text)["ended"]["now"], "all in true");
    assert_eq!(same(&place, "again", &text)["ended"]["now"], "nothing was done");
    let told = same(&place, "drifted", &text);
    assert_eq!(told["ended"]["now"], "local_file.page drifted, testcloud_bucket.c missing");
    assert_eq!(same(&place, "fixed", &text)["ended"]["now"], "succeeded, then all in true");
    assert_eq!(same(&place, "declined", &text)["ended"]["now"], "local_file.page drifted");
    let told = same(&place, "failed", &text);
    assert_eq!(told["ended"]["now"], "failed_permanent, then testcloud_bucket.c missing");
    // What the stack says now is what it is compared with.
    place.write("retrue.toml", text.replace("versioning = true", "versioning = false"));
    let told = place.run(&["replay", "true", "--json"]).ends(2).json();
    let changed = |one: &Json| one["kind"] == "changed" && one["address"] == "testcloud_bucket.a";
    assert!(told["differences"].as_array().unwrap().iter().any(changed), "{told:#}");
    for also in [&["--every", "1s"][..], &["--accept-all"], &["--accept", "local_file.page"]] {
        place.run(&[&["reconcile", "--record", "no"][..], also].concat()).ends(64);
    }
}

#[test]
fn a_run_that_was_done_once_more_is_replayed() {
    let server = Server::start().unwrap();
    let mut place = Environment::with(&blocks(&server.url(), "x"));
    place.set("RETRUE_VAR_secret", SECRET);
    refuse(&server, 403, 2, 1);
    place.run(&["apply", "--yes", "--var", "name=given"]).ends(1);
    let run = place.runs()[0].clone();
    place.write("page", "somebody");
    place.run(&["runs", "replay", &run, "--yes", "--record", "refused"]).ends(1).tells("RT0618", &[]);
    // What was planned is replayed; nothing was carried out.
    let text = place.read("retrue.toml");
    assert_eq!(same(&place, "refused", &text)["ended"]["now"], "nothing was done");
    place.run(&["runs", "replay", &run, "--yes", "--replan", "--record", "trace"]).ends(0);
    // A fix once more: it is known what it was to bring back.
    place.write("page", "somebody");
    let id = server.cloud().truth()[2].id.clone();
    server.cloud().remove_object("buckets", &id);
    refuse(&server, 403, 1, 1);
    place.run(&["reconcile", "--fix", "--yes", "--var", "name=given"]).ends(1);
    let fix = place.runs()[0].clone();
    place.run(&["runs", "replay", &fix, "--yes", "--record", "fix"]).ends(0);
    drop(server);
    let told = same(&place, "trace", &text);
    assert_eq!((&told["kind"], &told["ended"]["now"]), (&json!("apply"), &json!("succeeded")));
    let told = same(&place, "fix", &text);
    assert_eq!((&told["kind"], &told["ended"]["now"]), (&json!("fix"), &json!("succeeded")));
    // The variables are those of the run, and the stack is the one of today.
    place.write("retrue.toml", text.replace("${var.name}-c", "${var.name}-d"));
    let told = place.run(&["replay", "fix", "--json"]).ends(2).json();
    assert!(told["differences"].as_array().unwrap().iter().all(|one| one["address"] == "testcloud_bucket.c"));
}

#[test]
fn a_recorded_plan_file_is_replayed() {
    let (place, server) = place("before");
    let text = blocks(&server.url(), "after").replace("versioning = true", "versioning = false");
    let text = text.replace("${var.name}-c", "${testcloud_bucket.a.name}-other");
    place.write("retrue.toml", stack(&text));
    place.run(&["plan", "-o", "stale"]).ends(0);
    place.write("page", "somebody");
    // Refused for what was read, and for what was recorded since; done already.
    place.run(&["apply", "stale", "--yes", "--record", "moved"]).ends(1).tells("RT0417", &["local_file.page"]);
    place.run(&["plan", "-o", "kept"]).ends(0);
    refuse(&server, 503, 1, 2);
    place.run(&["apply", "kept", "--yes", "--record", "applied"]).ends(0);
    place.run(&["apply", "kept", "--yes", "--record", "again"]).ends(0);
    place.run(&["apply", "stale", "--yes", "--record", "late"]).ends(1).tells("RT0417", &[]);
    drop(server);
    assert_eq!(same(&place, "moved", OTHER)["ended"]["now"], "refused (RT0417)");
    let told = same(&place, "applied", OTHER);
    assert_eq!((&told["kind"], &told["ended"]["now"]), (&json!("apply"), &json!("succeeded")));
    for (trace, ended) in [("again", "nothing was done"), ("late", "refused (RT0417)")] {
        let told = place.run(&["replay", trace, "--json"]).ends(0).json();
        assert_eq!(told["ended"]["now"], ended, "{trace}");
    }
    // A plan is the whole program: the stack of today has no say, and a trace that tells otherwise has.
    place.write("less", without(&place, "applied", |line| call(line, "apply", "testcloud_bucket.c")));
    let told = place.run(&["replay", "less", "--json"]).ends(2).json();
    assert!(told["steps"].as_array().unwrap().iter().any(|one| one["address"] == "testcloud_bucket.c"), "{told:#}");
}

#[test]
fn what_is_ephemeral_is_in_no_trace_of_a_plan_file() {
    let test = "what_is_ephemeral_is_in_no_trace_of_a_plan_file";
    let Some(program) = there(test, "pyvider/terraform-provider-pyvider") else { return };
    let mut place = Environment::new();
    place.set("PYVIDER_TESTMODE", "true");
    place.set("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests");
    let index = place.root().join("notes.json");
    place.set("PYVIDER_SECRET_NOTE_INDEX", index.to_str().unwrap());
    let text = stack(&format!(
        "[provider.pyvider]\npath = \"{}\"\npyvider_testmode = true\n[variable.secret]\ntype = \"string\"\n\
         ephemeral = true\n[resource.pyvider_secret_note.n]\nname = \"n\"\nsecret_value = \"${{var.secret}}\"\n\
         secret_version = \"1\"\n",
        program.display()
    ));
    place.write("retrue.toml", &text);
    let given = "secret=planted-hunter2";
    place.run(&["plan", "-o", "kept", "--var", given]).ends(0);
    place.run(&["apply", "kept", "--yes", "--var", given, "--record", "made"]).ends(0);
    place.run(&["compensate", "--yes", "--var", given, "--record", "back"]).ends(0);
    same(&place, "made", OTHER);
    same(&place, "back", OTHER);
}

//! When the other side fails: what a person and a script see of it.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::{Value as Json, json};

use crate::environment::{Environment, stack};

/// So quick that nobody waits for a test.
const QUICK: &str = "resilience = { retry = { first_wait = \"10ms\", jitter = \"none\" }, breaker = { failures = 3, open_for = \"200ms\" } }\n";

fn buckets(server: &Server, settings: &str, count: usize) -> String {
    let mut toml = format!("[provider.testcloud]\nurl = \"{}\"\n{settings}", server.url());
    for number in 0..count {
        toml.push_str(&format!("\n[resource.testcloud_bucket.b{number}]\nname = \"b{number}\"\n"));
    }
    toml
}

fn trouble(status: u16, retry_after: Option<u64>) -> Action {
    Action::ErrorBefore { status, retry_after }
}

/// The events of a run without what is of the moment.
fn events(shown: &str) -> Vec<Json> {
    let events = shown.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    events
        .map(|mut event| {
            let entries = event.as_object_mut().unwrap();
            for name in ["ts", "run_id", "duration_ms", "step", "idempotency_key", "retry_after_ms"] {
                entries.remove(name);
            }
            event
        })
        .collect()
}

fn of<'e>(events: &'e [Json], name: &str) -> Vec<&'e Json> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn a_plan_and_a_reconcile_outlast_a_failure_that_passes() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, QUICK, 1));
    place.run(&["apply", "--yes"]).ends(0);
    for verb in [["plan", "--detailed-exitcode"], ["reconcile", "--json"]] {
        server.cloud().add_fault(Fault { times: 2, ..Fault::at(Method::Get, "buckets", trouble(503, None)) });
        place.run(&verb).ends(0);
    }
    // What does not pass is told, after as many tries as there are.
    server.cloud().add_fault(Fault { times: 0, ..Fault::at(Method::Get, "buckets", trouble(403, None)) });
    place.run(&["plan"]).ends(1).tells("RT0401", &["testcloud_bucket.b0"]);
}

#[test]
fn an_outage_holds_steps_back_and_fails_none_of_them() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, QUICK, 8));
    // All works for a while, and then nothing for some time.
    server.cloud().add_fault(Fault { nth: 4, times: 9, ..Fault::at(Method::Post, "buckets", trouble(503, None)) });
    let shown = place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    let events = events(&shown.stdout);
    assert!(!of(&events, "step_held").is_empty(), "{events:#?}");
    let held = of(&events, "step_held")[0];
    assert_eq!(
        held["message"],
        "nothing is sent to `testcloud_bucket` of the provider `testcloud` for now: it did not work the last times"
    );
    assert!(of(&events, "step_failed").is_empty(), "{events:#?}");
    assert_eq!(of(&events, "run_finished")[0]["state"], "succeeded");
    assert_eq!(server.cloud().truth().len(), 8);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn an_outage_that_reads_fail_by_too_is_told_as_well() {
    let server = Server::start().unwrap();
    let settings = QUICK.replace("open_for", "hold = \"20s\", open_for");
    let place = Environment::with(&buckets(&server, &settings, 6));
    // Planned, and two of them made; then nothing works for a while, not even a look.
    server.cloud().add_fault(Fault { nth: 11, times: 8, ..Fault::next(trouble(503, None)) });
    let shown = place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    let events = events(&shown.stdout);
    assert!(!of(&events, "step_held").is_empty(), "{events:#?}");
    let run = place.runs()[0].clone();
    let journal = place.run(&["runs", "events", &run, "--json"]).ends(0).stdout;
    assert!(journal.contains("all that is under way waits for what is outside to work again"), "{journal}");
    assert!(journal.contains("it goes on"), "{journal}");
}

#[test]
fn each_try_has_its_number() {
    let server = Server::start().unwrap();
    let settings = QUICK.replace("first_wait", "attempts = 1, first_wait");
    let place = Environment::with(&buckets(&server, &settings.replace("failures = 3", "failures = 1"), 2));
    server.cloud().add_fault(Fault { nth: 2, times: 4, ..Fault::at(Method::Post, "buckets", trouble(503, None)) });
    let shown = place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    let events = events(&shown.stdout);
    let begun = of(&events, "step_started").into_iter().filter(|event| event["address"] == "testcloud_bucket.b1");
    let numbers: Vec<u64> = begun.map(|event| event["attempt"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(of(&events, "step_finished").last().unwrap()["attempt"], 5);
}

#[test]
fn what_asks_for_more_time_than_there_is_fails_at_once_and_says_why() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, "", 1));
    server.cloud().add_fault(Fault { times: 0, ..Fault::at(Method::Post, "buckets", trouble(429, Some(3600))) });
    let shown = place.run(&["apply", "--yes"]).ends(1);
    assert!(shown.screen().contains("it asked to wait for 3600 s"), "{}", shown.screen());
    // A look says so, too; and what it waits for is told.
    server.cloud().clear_faults();
    place.run(&["apply", "--yes"]).ends(0);
    server.cloud().add_fault(Fault { times: 0, ..Fault::at(Method::Get, "buckets", trouble(429, Some(3600))) });
    let shown = place.run(&["plan"]).ends(1);
    assert!(shown.screen().contains("it asked to wait for 3600 s"), "{}", shown.screen());
    server.cloud().clear_faults();
    server.cloud().add_fault(Fault { times: 1, ..Fault::at(Method::Get, "buckets", trouble(429, Some(5))) });
    let shown = place.run(&["plan"]).ends(0);
    assert!(shown.stderr.contains("it is asked again in 5 s"), "{}", shown.screen());
}

#[test]
fn what_is_too_much_is_sent_again_when_the_other_side_asks_for_it() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, QUICK, 4));
    server.cloud().add_fault(Fault { times: 3, ..Fault::at(Method::Post, "buckets", trouble(429, Some(1))) });
    let shown = place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    let events: Vec<Json> = shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let again = of(&events, "step_retrying");
    assert_eq!(again.len(), 3, "{events:#?}");
    assert!(again.iter().all(|event| event["error"]["category"] == "rate-limited"), "{again:#?}");
    assert!(again.iter().all(|event| event["retry_after_ms"] == 1000), "{again:#?}");
    assert_eq!(server.cloud().truth().len(), 4);
}

#[test]
fn a_step_that_is_held_back_too_long_fails_and_what_was_done_can_be_taken_back() {
    let server = Server::start().unwrap();
    let settings = QUICK.replace("open_for = \"200ms\"", "open_for = \"200ms\", hold = \"1s\"");
    let place = Environment::with(&buckets(&server, &settings, 4));
    server.cloud().add_fault(Fault { nth: 3, times: 0, ..Fault::at(Method::Post, "buckets", trouble(503, None)) });
    let shown = place.run(&["apply", "--yes", "--parallelism", "1"]).ends(1);
    assert!(shown.screen().contains("nothing is sent to `testcloud_bucket`"), "{}", shown.screen());
    assert_eq!(server.cloud().truth().len(), 2);
    // What is journaled holds for the undo, too.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(server.cloud().truth().len(), 0);
}

#[test]
fn a_provider_that_never_worked_is_told_at_once() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, "", 3));
    server.cloud().add_fault(Fault { times: 0, ..Fault::next(trouble(503, None)) });
    let shown = place.run(&["apply", "--yes"]);
    assert_eq!(shown.code, 1, "{}", shown.screen());
    assert!(!shown.screen().contains("waits:"), "{}", shown.screen());
}

#[test]
fn a_wrong_address_is_told_at_once_with_what_is_wrong_with_it() {
    // Nobody listens there. What has no name of its own is not looked for while planning.
    let mut toml = "[provider.testcloud]\nurl = \"http://127.0.0.1:9\"\n".to_owned();
    for number in 0..8 {
        toml.push_str(&format!("\n[resource.testcloud_instance.i{number}]\nimage = \"x\"\nsize = \"small\"\n"));
    }
    let place = Environment::with(&toml);
    let shown = place.run(&["apply", "--yes", "--json"]).ends(1);
    assert!(of(&events(&shown.stdout), "step_held").is_empty(), "{}", shown.screen());
    assert!(shown.screen().contains("127.0.0.1:9"), "{}", shown.screen());
}

#[test]
fn what_is_in_force_can_be_printed() {
    let place = Environment::with(
        "resilience = { retry = { attempts = 6 } }\n\n[provider.testcloud]\nurl = \"http://x\"\n\n[provider.testcloud.resilience]\n\
         rate = \"20/s\"\nbreaker = { hold = \"15m\" }\ntime_outs = { read = \"10s\" }\ntypes.\"testcloud_b*\" = { rate = \"5/s\", concurrency = 2 }\n",
    );
    let shown = place.run(&["config", "--json"]).ends(0).json();
    let resilience = &shown["providers"]["testcloud"]["resilience"];
    assert_eq!(resilience["retry"]["attempts"], 6, "{resilience:#}");
    assert_eq!(resilience["breaker"]["hold"], "15m");
    assert_eq!(resilience["rate"], "20/s");
    assert_eq!(resilience["types"], json!({"testcloud_b*": {"concurrency": 2, "rate": "5/s"}}));
    let text = place.run(&["config"]).ends(0).stdout;
    let start = text.find("Providers:").unwrap();
    insta::assert_snapshot!("resilience_in_force", &text[start..]);
}

#[test]
fn a_plan_carries_what_holds_for_its_providers() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, QUICK, 2));
    place.run(&["plan", "-o", "kept"]).ends(0);
    // The TOML is not read again, and the plan says how often a call is made.
    place.write("retrue.toml", stack(&buckets(&server, "resilience = { retry = { attempts = 1 } }\n", 2)));
    place.write("retrue.toml", stack(&buckets(&server, QUICK, 2)));
    server.cloud().add_fault(Fault { times: 2, ..Fault::at(Method::Post, "buckets", trouble(503, None)) });
    place.run(&["apply", "--yes", "kept"]).ends(0);
    assert_eq!(server.cloud().truth().len(), 2);
}

#[test]
fn a_run_of_which_all_waits_is_waiting_external_for_whoever_looks() {
    let server = Server::start().unwrap();
    let place = Environment::with(&buckets(&server, QUICK, 6));
    // One is made, and then there is an outage without an end.
    server.cloud().add_fault(Fault { nth: 2, times: 0, ..Fault::at(Method::Post, "buckets", trouble(503, None)) });
    let mut child = place.command(&["apply", "--yes", "--parallelism", "2"]).spawn().unwrap();
    let state = || {
        let runs = place.run(&["runs", "list", "--json"]).json();
        runs.as_array().and_then(|runs| runs.first().map(|run| run["state"].clone())).unwrap_or_default()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while state() != json!("waiting_external") {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        assert!(std::time::Instant::now() < deadline, "it is {}", state());
    }
    server.cloud().clear_faults();
    assert!(child.wait().unwrap().success());
    assert_eq!(state(), json!("succeeded"));
    assert_eq!(server.cloud().truth().len(), 6);
    // Both changes are in the journal, one after the other.
    let lines = place.run(&["runs", "events", &place.runs()[0].clone(), "--json"]).ends(0).json_lines();
    let said: Vec<&str> = lines.iter().filter_map(|line| line["event"]["recorded"]["what"].as_str()).collect();
    assert!(said.len() >= 2 && said[0].contains("waits for what is outside") && said[1] == "it goes on", "{said:?}");
}

#[test]
fn what_is_throttled_half_way_is_carried_to_its_end() {
    let server = Server::start().unwrap();
    let instance = |ports: &str| {
        let head = format!("[provider.testcloud]\nurl = \"{}\"\n{QUICK}", server.url());
        let rules: String = ports
            .split_whitespace()
            .map(|port| format!("[[resource.testcloud_instance.i.rule]]\nport = {port}\n"))
            .collect();
        stack(&format!("{head}\n[resource.testcloud_instance.i]\nimage = \"x\"\nsize = \"small\"\n{rules}"))
    };
    let place = Environment::with("");
    place.write("retrue.toml", instance("80"));
    // The rules are a call of their own, after the one that makes it.
    let too_much = |method, times| {
        server.cloud().add_fault(Fault { times, ..Fault::at(method, "instances", trouble(429, None)) });
    };
    too_much(Method::Put, 3);
    let shown = place.run(&["apply", "--yes", "--json"]).ends(0);
    let seen = events(&shown.stdout);
    assert_eq!(of(&seen, "step_retrying").len(), 3, "{seen:#?}");
    assert_eq!(server.cloud().truth().len(), 1);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert!(!place.run(&["show", "--json"]).ends(0).all().contains("tainted"));

    // More often than it is tried again: it is as it was before.
    place.run(&["destroy", "--yes"]).ends(0);
    too_much(Method::Put, 0);
    let shown = place.run(&["apply", "--yes", "--json"]).ends(1);
    assert!(of(&events(&shown.stdout), "step_failed")[0]["outcome"] == "partial", "{}", shown.screen());
    assert_eq!(server.cloud().truth().len(), 1, "nothing is made twice");
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(server.cloud().truth().len(), 0);
}

#[test]
fn errors_of_what_is_built_in_are_what_the_user_says() {
    let block = "[resource.local_command.c]\ncreate = \"test -e tried || { touch tried; echo 'it is Not Yet there' >&2; exit 1; }\"\n\
                 delete = \"rm tried\"\n\n[stack.resilience.retry]\nfirst_wait = \"10ms\"\n";
    let place = Environment::with(block);
    place.run(&["apply", "--yes"]).ends(1).tells("RT0501", &["Not Yet"]);
    fs_err::remove_file(place.path("tried")).unwrap();
    let known = "\n[provider.local.errors]\ntransient = [\"not yet\"]\nconflict = [\"never\", \"no more\"]\n";
    place.write("retrue.toml", stack(&(block.to_owned() + known)));
    let events = place.run(&["apply", "--yes", "--json"]).ends(0).json_lines();
    let retried = events.iter().find(|event| event["event"] == "step_retrying").unwrap();
    assert_eq!(retried["error"]["category"], "transient", "{retried}");
    let shown = place.run(&["config"]).ends(0).stdout;
    assert!(shown.contains("errors: conflict never | no more, transient not yet"), "{shown}");
    for (wrong, code) in [("slow = [\"x\"]", "RT0110"), ("network = \"x\"", "RT0112"), ("network = [\" \"]", "RT0112")]
    {
        place.write("retrue.toml", stack(&(block.to_owned() + "\n[provider.local.errors]\n" + wrong + "\n")));
        place.run(&["validate"]).ends(1).tells(code, &["errors"]);
    }
}

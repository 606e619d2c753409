//! What the history of a stack says: what failed for good, how things went, and what of it is kept.

use insta::assert_snapshot;
use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::{Value as Json, json};

use crate::environment::{Environment, stack};

fn cloud(server: &Server) -> String {
    format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[provider.testcloud.resilience.retry]\nfirst_wait = \"1ms\"\njitter = \"none\"\n\n\
         [resource.testcloud_bucket.a]\nname = \"a\"\n\n[resource.testcloud_bucket.b]\nname = \"b\"\ndepends_on = [\"testcloud_bucket.a\"]\n",
        server.url()
    )
}

/// Nothing can be made, for so many calls.
fn refuse(server: &Server, status: u16, nth: u64, times: u64) {
    let action = Action::ErrorBefore { status, retry_after: None };
    server.cloud().add_fault(Fault { nth, times, ..Fault::at(Method::Post, "buckets", action) });
}

fn letters(place: &Environment) -> Vec<(String, String)> {
    let letters = place.run(&["runs", "dead-letters", "--json"]).ends(0).json();
    let text = |letter: &Json, name: &str| letter[name].as_str().unwrap().to_owned();
    letters.as_array().unwrap().iter().map(|letter| (text(letter, "run_id"), text(letter, "address"))).collect()
}

#[test]
fn what_failed_for_good_is_listed_until_somebody_deals_with_it() {
    let server = Server::start().unwrap();
    let place = Environment::with(&cloud(&server));
    assert!(place.run(&["runs", "dead-letters"]).ends(0).screen().contains("nothing failed for good"));
    refuse(&server, 403, 2, 1);
    place.run(&["apply", "--yes"]).ends(1);
    let run = place.runs()[0].clone();
    assert_eq!(letters(&place), [(run.clone(), "testcloud_bucket.b".to_owned())]);
    assert_snapshot!("dead_letters", place.run(&["runs", "dead-letters"]).ends(0).screen());
    // A person says what is to become of it.
    place.run(&["runs", "review", &run]).ends(64);
    place.run(&["runs", "review", &run, "--continue", "--give-up"]).ends(64);
    let done = place.run(&["runs", "review", &run, "--continue", "--note", "the quota is raised", "--json"]).ends(0);
    assert_eq!(done.json(), json!({"run_id": run, "done": "to be gone on with"}));
    let letter = place.run(&["runs", "dead-letters", "--json"]).ends(0).json();
    assert_eq!(
        (&letter[0]["reviewed"], &letter[0]["error"]["category"]),
        (&json!("continue"), &json!("authentication"))
    );
    assert!(place.run(&["runs", "show", &run]).ends(0).stdout.contains("the quota is raised"));
    place.run(&["runs", "review", &run, "--give-up"]).ends(0);
    assert_eq!(letters(&place), []);
    // It fails once more, and then it does not.
    refuse(&server, 403, 1, 1);
    place.run(&["apply", "--yes"]).ends(1);
    assert_eq!(letters(&place), [(place.runs()[0].clone(), "testcloud_bucket.b".to_owned())]);
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(letters(&place), []);
    place.run(&["runs", "review", &place.runs()[0].clone(), "--give-up"]).ends(1).tells("RT0616", &[]);
}

#[test]
fn what_is_unwound_or_closed_is_dealt_with() {
    let server = Server::start().unwrap();
    let place = Environment::with(&cloud(&server));
    refuse(&server, 403, 2, 1);
    place.run(&["apply", "--yes"]).ends(1);
    assert_eq!(letters(&place).len(), 1);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(letters(&place), []);
}

/// One bucket, which is made anew for another name.
fn replaced(server: &Server, name: &str, before: bool) -> String {
    stack(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_bucket.a]\nname = \"{name}\"\n\
         lifecycle = {{ create_before_destroy = {before} }}\n",
        server.url()
    ))
}

#[test]
fn a_replacement_that_failed_half_way_is_a_dead_letter() {
    // The old one is gone, and there is no new one; or the new one is there, and the old one, too.
    for (before, method) in [(false, Method::Post), (true, Method::Delete)] {
        let server = Server::start().unwrap();
        let place = Environment::with_stack(&replaced(&server, "one", before));
        place.run(&["apply", "--yes"]).ends(0);
        place.write("retrue.toml", replaced(&server, "two", before));
        let refused = Action::ErrorBefore { status: 403, retry_after: None };
        server.cloud().add_fault(Fault::at(method, "buckets", refused));
        place.run(&["apply", "--yes"]).ends(1);
        assert_eq!(letters(&place), [(place.runs()[0].clone(), "testcloud_bucket.a".to_owned())], "{before}");
        place.run(&["apply", "--yes"]).ends(0);
        assert_eq!(letters(&place), [], "{before}");
    }
}

#[test]
fn what_was_done_in_part_and_cannot_be_undone_stays_a_dead_letter() {
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_instance.a]\nimage = \"debian-13\"\nsize = \"small\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "instances", Action::FailProvisioning));
    let refused = Action::ErrorBefore { status: 403, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Delete, "instances", refused).always());
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(4);
    assert_eq!(letters(&place).len(), 1);
    // Once it is undone, it is none.
    server.cloud().clear_faults();
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(letters(&place), []);
}

#[test]
fn how_runs_went_is_told() {
    let server = Server::start().unwrap();
    let place = Environment::with(&cloud(&server));
    refuse(&server, 503, 1, 2);
    place.run(&["apply", "--yes"]).ends(0);
    let told = place.run(&["runs", "stats", "--window", "1h", "--json"]).ends(0).json();
    let window = &told["window"];
    assert_eq!((&window["runs"], &window["steps"], &window["done"]), (&json!(1), &json!(2), &json!(2)), "{told:#}");
    assert_eq!((&window["retries"], &window["failures"]), (&json!(2), &json!({"transient": 2})), "{told:#}");
    let durations = &window["durations"][0];
    assert_eq!((&durations["provider"], &durations["action"]), (&json!("testcloud"), &json!("create")));
    assert_eq!(durations["count"], 4, "each try has its own");
    assert_eq!(told["before"]["runs"], 0);
    let shown = place.run(&["runs", "stats"]).ends(0).stdout;
    assert!(shown.contains("transient") && shown.contains("P95"), "{shown}");
    place.run(&["runs", "stats", "--window", "soon"]).ends(64);
}

#[test]
fn runs_are_pruned_by_age_and_number() {
    let place = Environment::new();
    let apply = |content: &str| {
        let file = format!("[resource.local_file.f]\npath = \"f\"\ncontent = \"{content}\"\n");
        place.write("retrue.toml", crate::environment::stack(&file));
        place.run(&["apply", "--yes"]).ends(0);
    };
    ["1", "2", "3", "4", "5"].iter().for_each(|content| apply(content));
    place.run(&["runs", "prune"]).ends(64);
    // Nothing is so old.
    assert_eq!(place.run(&["runs", "prune", "--older-than", "1 day", "--json"]).ends(0).json(), json!({"pruned": []}));
    let pruned = place.run(&["runs", "prune", "--keep", "2", "--json"]).ends(0).json();
    assert_eq!(pruned["pruned"].as_array().unwrap().len(), 3);
    // The newest can be unwound still, and no other number would have taken that away.
    assert_snapshot!("pruned_once_more", place.run(&["runs", "prune", "--keep", "0"]).ends(0).screen());
    apply("6");
    assert_eq!(place.runs().len(), 2, "what was pruned is forgotten by the next run");
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.read("f"), "5");
}

#[test]
fn a_code_and_a_failed_step_are_explained() {
    let place = Environment::new();
    assert!(place.run(&["explain", "rt0501"]).ends(0).stdout.starts_with("# RT0501: "));
    assert_eq!(place.run(&["explain", "RT0501", "--json"]).ends(0).json()["code"], "RT0501");
    place.run(&["explain", "RT0999"]).ends(1).tells("RT0815", &["RT0999"]);
    let server = Server::start().unwrap();
    let place = Environment::with(&cloud(&server));
    refuse(&server, 503, 2, 0);
    place.run(&["apply", "--yes"]).ends(1);
    let run = place.runs()[0].clone();
    assert_snapshot!("explained", place.run(&["explain", &run]).ends(0).screen());
    let one = place.run(&["explain", &run, "testcloud_bucket.b", "--json"]).ends(0).json();
    assert_eq!((&one[0]["attempts"], &one[0]["error"]["category"]), (&json!(4), &json!("transient")));
    assert!(place.run(&["explain", &run, "testcloud_bucket.a"]).ends(0).screen().contains("nothing failed there"));
    place.run(&["explain", "no"]).ends(1).tells("RT0604", &[]);
}

#[test]
fn what_failed_is_explained_also_where_no_step_failed() {
    // A health check.
    let place = Environment::with(
        "[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n\n[check.site]\n\
         command = { run = [\"sh\", \"-c\", \"echo not yet >&2; exit 3\"] }\ninterval = \"10ms\"\nretries = 0\n",
    );
    place.run(&["apply", "--yes"]).ends(1);
    let run = place.runs()[0].clone();
    let told = place.run(&["explain", &run]).ends(0).stdout;
    assert!(told.contains("check.site") && told.contains("not yet") && told.contains("RT0511"), "{told}");
    let shown = place.run(&["runs", "show", &run]).ends(0).stdout;
    assert!(shown.contains("check.site") && shown.contains("not yet"), "{shown}");
    assert_eq!(place.run(&["runs", "show", &run, "--json"]).ends(0).json()["checks"][0]["name"], "site");
    // An undo that is stuck.
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("f", "by hand");
    place.run(&["compensate", "--yes"]).ends(4);
    let run = place.runs()[0].clone();
    let told = place.run(&["explain", &run]).ends(0).stdout;
    assert!(told.contains("local_file.f (undo of create)") && told.contains("RT0612"), "{told}");
    assert!(place.run(&["runs", "show", &run]).ends(0).stdout.contains("RT0612"));
    // A step in doubt is not said to be tried again.
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"x\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    let told = place.run(&["explain", &place.runs()[0].clone()]).ends(0).stdout;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("is not sent again before somebody has looked"), "{told}");
    assert!(!told.contains("it is tried again"), "{told}");
    // Once it is answered, the run is what it would have been: all of it was done.
    let id = server.cloud().truth()[0].id.clone();
    place.run(&["resolve", "testcloud_token.t", "--id", &id]).ends(0);
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "succeeded");
}

#[test]
fn a_run_whose_journal_is_pruned_is_known_to_be() {
    let place = Environment::new();
    for content in ["1", "2", "3"] {
        place.write("retrue.toml", stack(&format!("[resource.local_file.f]\npath = \"f\"\ncontent = \"{content}\"\n")));
        place.run(&["apply", "--yes"]).ends(0);
    }
    let oldest = place.runs()[2].clone();
    place.run(&["runs", "prune", "--keep", "1"]).ends(0);
    let verbs: [&[&str]; 5] = [
        &["explain", &oldest],
        &["runs", "show", &oldest],
        &["runs", "note", &oldest, "x"],
        &["runs", "accept", &oldest],
        &["runs", "review", &oldest, "--give-up"],
    ];
    for arguments in verbs {
        place.run(arguments).ends(1).tells("RT0604", &["the journal of", "is gone"]);
    }
}

#[test]
fn there_and_back_and_there_again_are_three_units_of_work() {
    let server = Server::start().unwrap();
    // A cloud that answers what it has done already with the answer that it gave then.
    server.cloud().settings().honour_idempotency_key = true;
    let blocks = |kept: bool| {
        format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_bucket.a]\nname = \"a\"\nversioning = {kept}\n",
            server.url()
        )
    };
    let versioning = || server.cloud().truth()[0].attributes["versioning"].clone();
    let place = Environment::with(&blocks(false));
    place.run(&["apply", "--yes"]).ends(0);
    for kept in [true, false, true] {
        place.write("retrue.toml", stack(&blocks(kept)));
        place.run(&["apply", "--yes"]).ends(0);
        assert_eq!(versioning(), json!(kept));
    }
    // What was unwound is done again, too.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(versioning(), json!(false));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(versioning(), json!(true));
    let audit = server.cloud().audit().to_vec();
    let keys: Vec<_> = audit.iter().filter_map(|entry| entry.idempotency_key.clone()).collect();
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (6, 6), "{keys:?}");
}

#[test]
fn a_plan_that_was_applied_already_ends_at_once_and_is_no_error() {
    let place = Environment::with("[resource.local_file.a]\npath = \"a\"\ncontent = \"one\"\n");
    place.run(&["plan", "-o", "p"]).ends(0);
    place.run(&["apply", "p", "--yes"]).ends(0);
    let run = place.runs()[0].clone();
    let shown = place.run(&["apply", "p", "--yes"]).ends(0);
    assert!(shown.stdout.contains(&run) && shown.stdout.contains("applied already"), "{}", shown.screen());
    let told = place.run(&["apply", "p", "--yes", "--json"]).ends(0).json();
    assert_eq!((&told["event"], &told["state"]), (&json!("run_finished"), &json!("succeeded")));
    assert_eq!(place.runs().len(), 1, "nothing was begun");
    // Another plan that is out of date is refused as ever.
    place.write("retrue.toml", stack("[resource.local_file.a]\npath = \"a\"\ncontent = \"two\"\n"));
    place.run(&["plan", "-o", "q"]).ends(0);
    place.write("a", "somebody");
    place.run(&["apply", "q", "--yes"]).ends(1).tells("RT0417", &["local_file.a"]);
    // One that was unwound was not: its run did not succeed after all.
    place.write("a", "one");
    place.run(&["apply", "q", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    place.run(&["apply", "q", "--yes"]).ends(0);
    assert_eq!(place.read("a"), "two");
}

/// Two buckets, of which the second fails at first; the name of both is a variable, and so is a secret.
fn varied(server: &Server) -> String {
    format!(
        "[variable.name]\ntype = \"string\"\n[variable.secret]\ntype = \"string\"\nsensitive = true\n\n\
         [provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_bucket.a]\nname = \"${{var.name}}-a\"\n\n\
         [resource.testcloud_bucket.b]\nname = \"${{var.name}}-b\"\ntags = {{ secret = \"${{var.secret}}\" }}\n\
         depends_on = [\"testcloud_bucket.a\"]\n\n[resource.local_file.beside]\npath = \"beside\"\ncontent = \"x\"\n",
        server.url()
    )
}

#[test]
fn a_failed_run_is_replayed_with_the_same_input() {
    let server = Server::start().unwrap();
    let place = Environment::with(&varied(&server));
    refuse(&server, 403, 2, 1);
    place.run(&["apply", "--yes", "--var", "name=first", "--var", "secret=planted-Kq81"]).ends(1);
    let run = place.runs()[0].clone();
    // The variables of today are others, or none.
    let shown = place.run(&["runs", "replay", &run, "--yes"]).ends(0);
    assert_snapshot!("replayed", shown.screen());
    let names: Vec<Json> = server.cloud().truth().iter().map(|object| object.attributes["name"].clone()).collect();
    assert_eq!(names, [json!("first-a"), json!("first-b")]);
    assert_eq!(server.cloud().truth()[1].attributes["tags"]["secret"], json!("planted-Kq81"));
    // What it replays is written down; a secret is not, or only sealed.
    let events = place.run(&["runs", "events", &place.runs()[0].clone(), "--json"]).ends(0).stdout;
    let first: Json = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"]["run_started"]["replays"], json!(run));
    assert!(!events.contains("planted-Kq81"));
    // What succeeded is known to have, and that is no error.
    let again = place.runs()[0].clone();
    assert!(place.run(&["runs", "replay", &again, "--yes"]).ends(0).stdout.contains("all of it was done"));
    place.run(&["runs", "replay", "--var", "name=x", &run]).ends(64);
    place.run(&["runs", "replay", "ffff"]).ends(1).tells("RT0604", &[]);
    place.run(&["compensate", "--yes"]).ends(0);
    let back = place.runs()[0].clone();
    place.run(&["runs", "replay", &back]).ends(1).tells("RT0617", &["unwinds"]);
}

#[test]
fn a_replay_is_refused_when_the_world_has_moved() {
    let server = Server::start().unwrap();
    let place = Environment::with(&varied(&server));
    refuse(&server, 403, 2, 1);
    place.run(&["apply", "--yes", "--var", "name=first", "--var", "secret=s"]).ends(1);
    let run = place.runs()[0].clone();
    // What was done has changed.
    place.write("beside", "somebody");
    let shown = place.run(&["runs", "replay", &run, "--yes"]).ends(1).tells("RT0618", &["local_file.beside"]);
    assert!(shown.stderr.contains("--replan"), "{}", shown.screen());
    // So has the stack.
    let stack = place.read("retrue.toml").replace("content = \"x\"", "content = \"y\"");
    place.write("retrue.toml", stack);
    place.run(&["runs", "replay", &run, "--yes"]).ends(1).tells("RT0618", &["the configuration"]);
    assert_eq!(server.cloud().truth().len(), 1, "nothing was done");
    place.run(&["runs", "replay", &run, "--yes", "--replan", "--on-failure", "compensate"]).ends(0);
    assert_eq!(place.read("beside"), "y");
    assert_eq!(server.cloud().truth()[1].attributes["name"], json!("first-b"));
}

/// Promise 2 and requirement of every audit: the log alone tells what happened, in order.
#[test]
fn the_events_of_a_run_are_enough_to_rebuild_it() {
    let server = Server::start().unwrap();
    let place = Environment::with(&cloud(&server));
    // The first is tried three times, the second fails for good, and the first is taken back.
    refuse(&server, 503, 1, 2);
    refuse(&server, 403, 4, 1);
    place.run(&["apply", "--yes", "--parallelism", "1", "--on-failure", "compensate"]).ends(3);
    let runs = place.runs();
    let mut effects = Vec::new();
    for run in runs.iter().rev() {
        let lines = place.run(&["runs", "events", run, "--json"]).ends(0).json_lines();
        let mut bodies = Vec::new();
        for (seq, mut line) in (1u64..).zip(lines) {
            let fields = line.as_object_mut().unwrap();
            assert_eq!((fields.remove("seq"), fields.remove("run_id")), (Some(json!(seq)), Some(json!(run))));
            bodies.push(line);
        }
        let history = retrue::saga::history::read(&bodies).unwrap().unwrap();
        // Each step stands as it is shown, after as many tries.
        let shown = place.run(&["runs", "show", run, "--json"]).ends(0).json();
        for (step, shown) in history.steps.iter().zip(shown["steps"].as_array().unwrap()) {
            assert_eq!(json!(step.id.to_string()), shown["step"]);
            let begun = |event: &&retrue::saga::Journaled| {
                event.step.as_ref() == Some(&step.id) && event.event.word() == "step_begin"
            };
            let tries = history.events.iter().filter(begun).count() as u64;
            assert_eq!(tries, shown["attempts"].as_u64().unwrap_or(0));
            assert_eq!(step.failure.is_some(), shown["error"].is_object());
        }
        let listed = place.run(&["runs", "list", "--json"]).ends(0).json();
        let listed = listed.as_array().unwrap().iter().find(|listed| listed["run_id"] == json!(run)).unwrap().clone();
        assert_eq!(json!(history.machine.counts()), listed["counts"]);
        effects.extend(history.events.iter().filter_map(|event| {
            let step = event.step.as_ref()?;
            match event.event.word() {
                "step_applied" => Some(format!("{} {}", step.effect.word(), step.address.block.name)),
                "undone" => Some(format!("undo {} {}", step.effect.word(), step.address.block.name)),
                _ => None,
            }
        }));
    }
    // What the cloud saw is what is written, in the same order.
    let audit = server.cloud().audit().to_vec();
    assert_eq!(effects, ["create a", "undo create a"]);
    assert_eq!(audit.len(), 2, "{audit:?}");
}

//! Surgery on the state, and what a person says about a run: each leaves a record.

use insta::assert_snapshot;
use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::json;

use crate::environment::{Environment, stack};

const STACK: &str = r#"
[resource.local_file.f]
for_each = ["a", "b"]
path = "${each.key}"
content = "${each.key}"

[resource.retrue_data.d]
input = "x"
"#;

fn applied() -> Environment {
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    place
}

/// The kinds of the runs, the newest first.
fn kinds(place: &Environment) -> Vec<String> {
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    runs.as_array().unwrap().iter().map(|run| run["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_list_of_what_is_recorded() {
    let place = Environment::with(STACK);
    assert_eq!(place.run(&["state", "list", "--json"]).ends(0).stdout, "[]\n");
    place.run(&["state", "list"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    assert_snapshot!(place.run(&["state", "list"]).ends(0).screen());
    for entry in place.run(&["state", "list", "--json"]).ends(0).json().as_array().unwrap() {
        for field in ["address", "type", "provider", "id", "run_id"] {
            assert!(entry.get(field).is_some(), "{field}: {entry}");
        }
    }
}

#[test]
fn mv_gives_another_address() {
    let place = applied();
    let before = place.tree();
    assert_snapshot!(place.run(&["state", "mv", "retrue_data.d", "retrue_data.e"]).ends(0).screen());
    assert_eq!(place.recorded(), ["local_file.f[\"a\"]", "local_file.f[\"b\"]", "retrue_data.e"]);
    place.write("retrue.toml", stack(&STACK.replace("retrue_data.d", "retrue_data.e")));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // All instances of a block go together.
    let moved = place.run(&["state", "mv", "local_file.f", "local_file.g", "--json"]).ends(0).json();
    assert_eq!(moved.as_array().unwrap().len(), 2);
    assert_eq!(place.recorded(), ["local_file.g[\"a\"]", "local_file.g[\"b\"]", "retrue_data.e"]);
    assert_eq!(kinds(&place), ["surgery", "surgery", "apply"]);
    let unchanged = |name: &str| name != "retrue.toml";
    place.tree().keep(unchanged).is(&before.keep(unchanged), "only the record was changed");
    place.run(&["state", "mv", "local_file.no", "local_file.x"]).ends(1).tells("RT0611", &["local_file.no"]);
    let taken = ["state", "mv", "local_file.g[\"a\"]", "local_file.g[\"b\"]"];
    place.run(&taken).ends(1).tells("RT0615", &["local_file.g[\"b\"]"]);
    place.run(&["state", "mv", "not an address", "local_file.x"]).ends(64);
}

#[test]
fn rm_forgets_and_touches_nothing() {
    let place = applied();
    let before = place.tree();
    assert_snapshot!(place.run(&["state", "rm", "local_file.f[\"a\"]", "retrue_data.d"]).ends(0).screen());
    place.tree().is(&before, "forgotten");
    assert_eq!(place.recorded(), ["local_file.f[\"b\"]"]);
    place.run(&["state", "rm", "retrue_data.d"]).ends(1).tells("RT0611", &["retrue_data.d"]);
    assert!(kinds(&place).starts_with(&["surgery".to_owned()]), "{:?}", kinds(&place));
    // The next apply finds it, and takes it in.
    assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["summary"]["adopt"], 1);
}

#[test]
fn the_export_of_another_stack_is_restored_when_somebody_agrees() {
    let (here, there) = (applied(), Environment::with("[resource.retrue_data.d]\ninput = \"y\"\n"));
    there.run(&["apply", "--yes"]).ends(0);
    here.write("../export.json", &there.run(&["state", "export"]).ends(0).stdout);
    let before = here.run(&["show", "--json"]).ends(0).stdout;
    let refused = here.run(&["state", "restore", "../export.json"]).ends(1);
    refused.tells(
        "RT0803",
        &["another stack", "--yes", "No longer recorded: local_file.f[\"a\"]", "otherwise: retrue_data.d"],
    );
    assert_eq!(here.run(&["show", "--json"]).ends(0).stdout, before);
    here.run(&["state", "restore", "../export.json", "--yes"]).ends(0);
    assert_eq!(here.recorded(), ["retrue_data.d"]);
    // The same once more loses nothing, and asks nothing.
    here.run(&["state", "restore", "../export.json"]).ends(0);
}

#[test]
fn an_export_is_restored_where_nothing_is() {
    let place = applied();
    let export = place.run(&["state", "export"]).ends(0);
    let list = place.run(&["state", "list", "--json"]).ends(0).stdout;
    place.write("../export.json", &export.stdout);
    fs_err::remove_dir_all(place.path(".retrue")).unwrap();
    assert_eq!(place.run(&["state", "list", "--json"]).ends(0).stdout, "[]\n");
    assert_snapshot!(place.run(&["state", "restore", "../export.json"]).ends(0).screen());
    let restored = place.run(&["state", "list", "--json"]).ends(0).json();
    let original: serde_json::Value = serde_json::from_str(&list).unwrap();
    let addresses = |list: &serde_json::Value| {
        list.as_array().unwrap().iter().map(|entry| (entry["address"].clone(), entry["id"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(addresses(&restored), addresses(&original));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    for (text, code) in [("{}", "RT0614"), ("no JSON", "RT0721"), ("", "RT0721"), ("[1]", "RT0614")] {
        place.write("../bad.json", text);
        let shown = place.run(&["state", "restore", "../bad.json"]).ends(1);
        assert!(["RT0614", "RT0721"].iter().any(|code| shown.stderr.contains(code)), "{code}: {}", shown.screen());
    }
    place.run(&["state", "restore", "nowhere"]).ends(1).tells("RT0811", &["nowhere"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let empty = Environment::with(STACK);
    empty.run(&["state", "export"]).ends(1).tells("RT0718", &[]);
    empty.run(&["state", "rm", "local_file.f"]).ends(1).tells("RT0718", &[]);
}

#[test]
fn recover_mends_what_can_be_mended() {
    let place = applied();
    assert_snapshot!("nothing_to_mend", place.run(&["state", "recover"]).ends(0).screen());
    assert_eq!(place.run(&["state", "recover", "--json"]).ends(0).json(), json!([]));
    let recorded = place.recorded();
    fs_err::remove_dir_all(place.path(".retrue/env/default/db")).unwrap();
    fs_err::write(place.path(".retrue/env/default/snapshot.json"), "garbage").unwrap();
    assert_snapshot!("mended", place.run(&["state", "recover"]).ends(0).screen());
    assert_eq!(place.recorded(), recorded);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

/// Every verb that opens the store mends the mirror of a run, and says so.
#[test]
fn a_mirror_that_was_cut_is_mended_by_whichever_verb_comes_next() {
    let applied = applied();
    let run = applied.runs()[0].clone();
    let mirror = format!(".retrue/env/default/runs/{run}.ndjson");
    for verb in [
        &["compensate", "--yes"][..],
        &["runs", "note", &run, "looked at it"],
        &["runs", "accept", &run],
        &["runs", "prune", "--older-than", "7d"],
        &["state", "rm", "local_file.f[\"b\"]"],
        &["state", "mv", "local_file.f[\"b\"]", "local_file.c"],
    ] {
        for left in [0, 500] {
            let place = applied.copy();
            let whole = fs_err::read(place.path(&mirror)).unwrap();
            fs_err::write(place.path(&mirror), &whole[..left.min(whole.len())]).unwrap();
            let shown = place.run(verb).ends(0).all();
            assert!(shown.contains("mirror"), "{verb:?}: {shown}");
            place.run(&["show"]).ends(0);
        }
    }
}

#[test]
fn notes_and_closed_runs() {
    let place = applied();
    let run = place.runs()[0].clone();
    assert_snapshot!("noted", place.run(&["runs", "note", &run, "looked at\nit"]).ends(0).screen());
    assert!(place.run(&["runs", "show", &run]).ends(0).stdout.contains("looked at"));
    let done = place.run(&["runs", "note", &run, "again", "--json"]).ends(0).json();
    assert_eq!(done, json!({"run_id": run, "done": "noted"}));
    // A closed run is never unwound.
    assert_snapshot!("closed", place.run(&["runs", "accept", &run]).ends(0).screen());
    assert_eq!(place.run(&["compensate", "--yes"]).ends(0).stdout, "nothing to compensate\n");
    place.run(&["compensate", &run, "--yes"]).ends(1).tells("RT0606", &[]);
    place.run(&["runs", "accept", "no"]).ends(1).tells("RT0604", &["no"]);
    assert_eq!(place.tree().names(), ["a", "b", "retrue.toml"]);
}

#[test]
fn skip_leaves_one_as_it_is() {
    let place = applied();
    place.write("a", "by hand");
    place.run(&["compensate", "--yes"]).ends(4).tells("RT0612", &["--skip"]);
    let shown = place.run(&["compensate", "--yes", "--skip", "local_file.f[\"a\"]"]);
    assert_snapshot!(shown.screen());
    assert_eq!(place.read("a"), "by hand");
    assert_eq!(place.tree().names(), ["a", "retrue.toml"]);
    assert_eq!(place.run(&["compensate", "--yes"]).ends(0).stdout, "nothing to compensate\n");
}

/// A cloud in which the answer to one call got lost, and a stack that stands in doubt over it.
fn doubtful(method: Method, collection: &str, blocks: [&str; 2]) -> (Server, Environment) {
    let server = Server::start().unwrap();
    let with = |blocks: &str| stack(&format!("[provider.testcloud]\nurl = \"{}\"\n\n{blocks}", server.url()));
    let place = Environment::with_stack(&with(blocks[0]));
    if !blocks[0].is_empty() {
        place.run(&["apply", "--yes"]).ends(0);
    }
    place.write("retrue.toml", with(blocks[1]));
    server.cloud().add_fault(Fault::at(method, collection, Action::LoseAnswer));
    // Nor can it be read any more, after it was for the plan and before the step.
    let action = Action::ErrorBefore { status: 403, retry_after: None };
    server.cloud().add_fault(Fault { nth: 4, times: 0, ..Fault::at(Method::Get, collection, action) });
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    (server, place)
}

#[test]
fn answers_about_what_is_in_doubt() {
    let token = "[resource.testcloud_token.t]\nscope = \"deploy\"\n";
    // It exists, and the person found out its id.
    let (server, place) = doubtful(Method::Post, "tokens", ["", token]);
    let id = server.cloud().truth()[0].id.clone();
    assert_snapshot!("it_exists", place.run(&["resolve", "testcloud_token.t", "--id", &id]).ends(0).screen());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());

    // A delete that nobody saw the end of.
    let (server, place) = doubtful(Method::Delete, "tokens", [token, ""]);
    if place.run(&["plan", "--json"]).ends(0).json()["in_doubt"] != json!([]) {
        place.run(&["resolve", "testcloud_token.t", "--applied"]).ends(0);
    }
    assert!(server.cloud().truth().is_empty());
    place.run(&["apply", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());

    // What is not in doubt is not answered.
    place.run(&["resolve", "testcloud_token.t", "--applied"]).ends(1).tells("RT0613", &["testcloud_token.t"]);
    place.run(&["resolve", "testcloud_token.no", "--absent"]).ends(1).tells("RT0613", &["testcloud_token.no"]);
}

#[test]
fn mv_refuses_another_type() {
    let place = Environment::with("[resource.retrue_data.d]\ninput = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["state", "mv", "retrue_data.d", "local_file.d"]).ends(1);
    assert_eq!(place.recorded(), ["retrue_data.d"]);
}

#[test]
fn rm_of_several_is_all_or_nothing() {
    let place = Environment::with("[resource.retrue_data.d]\ninput = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["state", "rm", "retrue_data.d", "retrue_data.no"]).ends(1).tells("RT0611", &["retrue_data.no"]);
    assert_eq!(place.recorded(), ["retrue_data.d"]);
}

#[test]
fn what_is_listed_has_the_identity_of_its_type() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    let id = place.run(&["state", "list", "--json"]).ends(0).json()[0]["id"].clone();
    assert!(id.as_str().is_some_and(|id| id.ends_with('f')), "{id}");
}

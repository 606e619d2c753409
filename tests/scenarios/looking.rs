//! The verbs that only look: validate, show, output, eval, config, providers, runs.

use insta::assert_snapshot;
use serde_json::json;

use crate::environment::{Environment, stack};

const STACK: &str = r#"
[variable.v]
type = "string"
default = "one"

[variable.secret]
type = "string"
sensitive = true
default = "hidden-from-screens"

[local]
double = "${var.v}${var.v}"

[resource.local_file.f]
path = "f"
content = "${var.v}"

[resource.retrue_data.d]
input = { list = [1, "two", true], secret = "${var.secret}" }

[output.text]
value = "${local_file.f.content}"

[output.object]
value = "${{ a = 1.50, b = [var.v] }}"

[output.secret]
value = "${var.secret}"
sensitive = true
"#;

fn applied() -> Environment {
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    place
}

#[test]
fn a_valid_stack() {
    let place = Environment::with(STACK);
    assert_snapshot!(place.run(&["validate"]).ends(0).screen());
    assert_eq!(place.run(&["validate", "--json"]).ends(0).json(), json!([]));
    // Nothing of the world or the environment counts: a variable without a value is an error of plans.
    place.write("retrue.toml", stack("[variable.v]\n\n[data.local_file.gone]\npath = \"${var.v}\"\n"));
    place.run(&["validate"]).ends(0);
    place.run(&["plan"]).ends(1).tells("RT0160", &[]);
    assert!(!place.path(".retrue").exists());
}

#[test]
fn show_everything_one_thing_and_a_plan() {
    let place = Environment::with(STACK);
    assert_snapshot!("show_nothing", place.run(&["show"]).ends(0).screen());
    place.run(&["apply", "--yes"]).ends(0);
    assert_snapshot!("show_everything", place.run(&["show"]).ends(0).screen());
    assert_snapshot!("show_one", place.run(&["show", "retrue_data.d"]).ends(0).screen());
    let one = place.run(&["show", "local_file.f", "--json"]).ends(0).json();
    assert_eq!((&one["address"], &one["attributes"]["content"]), (&json!("local_file.f"), &json!("one")));
    let all = place.run(&["show", "--json"]).ends(0).json();
    assert_eq!(all["resources"].as_array().unwrap().len(), 2);
    place.run(&["show", "local_file.no"]).ends(1).tells("RT0808", &["local_file.no"]);
    place.run(&["plan", "-o", "p", "--var", "v=two"]).ends(0);
    assert!(place.run(&["show", "p"]).ends(0).stdout.contains("try: 1 to update."));
    assert_eq!(place.run(&["show", "p", "--json"]).ends(0).json()["summary"]["update"], 1);
    // It works with a stack that does not.
    place.write("retrue.toml", "no TOML [");
    place.run(&["show"]).ends(0);
}

#[test]
fn outputs() {
    let place = Environment::with(STACK);
    assert_snapshot!("no_outputs", place.run(&["output"]).ends(0).screen());
    place.run(&["apply", "--yes"]).ends(0);
    assert_snapshot!("all_outputs", place.run(&["output"]).ends(0).screen());
    // A text is bare, for scripts.
    assert_eq!(place.run(&["output", "text"]).ends(0).stdout, "one\n");
    assert_eq!(place.run(&["output", "text", "--json"]).ends(0).stdout, "\"one\"\n");
    assert_eq!(place.run(&["output", "object", "--json"]).ends(0).stdout, "{\"a\":1.5,\"b\":[\"one\"]}\n");
    let secret = place.run(&["output", "secret"]).ends(0);
    assert!(!secret.all().contains("hidden-from-screens"), "{}", secret.screen());
    assert_eq!(place.run(&["output", "secret", "--json"]).ends(0).stdout, "\"hidden-from-screens\"\n");
    let all = place.run(&["output", "--json"]).ends(0);
    assert!(!all.stdout.contains("hidden-from-screens"), "{}", all.screen());
    assert_eq!(all.json()["text"], json!({"value": "one", "sensitive": false}));
    place.run(&["output", "texd"]).ends(1).tells("RT0807", &["did you mean `text`"]);
}

#[test]
fn expressions() {
    let place = applied();
    for (expression, shown) in [
        ("1 + 1", "2"),
        ("  upper(local.double) ", "\"ONEONE\""),
        ("-1", "-1"),
        ("local_file.f.size", "3"),
        ("[for x in retrue_data.d.input.list : x]", "[1, \"two\", true]"),
        ("var.secret", "(sensitive value)"),
        ("timestamp()", "(known after apply)"),
        ("null", "null"),
    ] {
        assert_eq!(place.run(&["eval", expression]).ends(0).stdout.trim_end(), shown, "{expression}");
    }
    assert_eq!(place.run(&["eval", "{ b = 1, a = [var.v] }", "--json"]).ends(0).stdout, "{\"a\":[\"one\"],\"b\":1}\n");
    place.run(&["eval", "var.secret", "--json"]).ends(1).tells("RT0813", &[]);
    place.run(&["eval", "timestamp()", "--json"]).ends(1).tells("RT0812", &[]);
    place.run(&["eval", "nonsensitive(var.secret)", "--json"]).ends(0);
    // What was asked for is whole, so that a script or a person can take it from there.
    let expression = format!("{{ a = join(\"\", [for i in range(200) : \"0123456789 \"]), b = \"{}\" }}", "\\u001b[1m");
    let shown = place.run(&["eval", &expression]).ends(0).stdout;
    assert_eq!(shown, format!("{{\n  a = \"{}\"\n  b = \"\\u{{1b}}[1m\"\n}}\n", "0123456789 ".repeat(200)));
    let lines = place.run(&["eval", "join(\"\\n\", range(100))"]).ends(0).stdout;
    assert_eq!(lines.lines().count(), 102, "{lines}");
    let mut screens = String::new();
    for wrong in ["var.no", "1 +", "nothing(1)", "", "\"${\"", "local_file.f.no"] {
        screens += &place.run(&["eval", wrong]).ends(1).screen();
    }
    assert_snapshot!(screens);
}

#[test]
fn what_is_in_force() {
    let mut place = Environment::with(STACK);
    place.set("RETRUE_VAR_v", "two");
    assert_snapshot!(place.run(&["config", "--parallelism", "3", "--env", "blue"]).ends(0).screen());
    let config = place.run(&["config", "--json"]).ends(0).json();
    assert_eq!(
        (&config["stack"], &config["environment"], &config["parallelism"]),
        (&json!("try"), &json!("default"), &json!(10))
    );
    assert_eq!(config["variables"]["v"]["value"], "two");
    assert_eq!(config["variables"]["secret"]["sensitive"], true);
    assert!(config["variables"]["secret"].get("value").is_none());
    assert!(!place.path(".retrue").exists(), "it only looks");
}

#[test]
fn types_and_their_documentation() {
    let place = Environment::new();
    assert_snapshot!("types", place.run(&["providers", "list"]).ends(0).screen());
    assert_snapshot!("documentation", place.run(&["providers", "schema", "local_symlink"]).ends(0).screen());
    let list = place.run(&["providers", "list", "--json"]).ends(0).json();
    assert_eq!(list[0]["name"], "local");
    let schema = place.run(&["providers", "schema", "local_symlink", "--json"]).ends(0).json();
    assert!(schema.to_string().contains("target"));
    place.run(&["providers", "schema", "local_symlnk"]).ends(1).tells("RT0809", &["local_symlink"]);
}

#[test]
fn the_history_of_a_stack() {
    let place = Environment::with(STACK);
    assert_snapshot!("no_history", place.run(&["runs", "list"]).ends(0).screen());
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).stdout, "[]\n");
    place.run(&["runs", "show", "x"]).ends(1).tells("RT0718", &[]);
    place.run(&["apply", "--yes", "--parallelism", "1"]).ends(0);
    let fails = "[resource.local_command.bad]\ncreate = \"echo no >&2; exit 3\"\ndelete = \"true\"\n";
    place.write("retrue.toml", stack(fails));
    place.run(&["apply", "--yes", "--parallelism", "1"]).ends(1);
    place.run(&["compensate", "--yes", "--parallelism", "1"]);
    assert_snapshot!("list_of_runs", place.run(&["runs", "list"]).ends(0).screen());
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    let runs = runs.as_array().unwrap();
    for run in runs {
        for field in ["run_id", "kind", "state", "started", "finished", "actor", "counts"] {
            assert!(run.get(field).is_some(), "{field}: {run}");
        }
    }
    // The newest comes first.
    let (newest, oldest) = (&runs[0], &runs[runs.len() - 1]);
    assert!(newest["started"].as_str() > oldest["started"].as_str());
    let failed = runs[runs.len() - 2]["run_id"].as_str().unwrap();
    assert_snapshot!("a_failed_run", place.run(&["runs", "show", failed]).ends(0).screen());
    let oldest = oldest["run_id"].as_str().unwrap();
    assert_snapshot!("events_of_a_run", place.run(&["runs", "events", oldest]).ends(0).screen());
    let shown = place.run(&["runs", "show", oldest, "--json"]).ends(0).json();
    assert_eq!((&shown["run_id"], shown["steps"].as_array().unwrap().len()), (&json!(oldest), 2));
    let events = place.run(&["runs", "events", oldest, "--json"]).ends(0).json_lines();
    assert!(events.iter().all(|event| event["v"] == 1 && event["time"].is_string()));
    // The beginning of a name is enough, where it is one alone.
    place.run(&["runs", "show", &oldest[..oldest.len() - 1]]).ends(0);
    place.run(&["runs", "show", "0"]).ends(1).tells("RT0604", &[]);
    place.run(&["runs", "events", "nothing"]).ends(1).tells("RT0604", &["nothing"]);
}

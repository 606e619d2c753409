//! A rename that gives something another type, where the provider of that type offers it.

use serde_json::json;

use crate::environment::terraform::Beside;

const MAIN: &str = r#"
terraform {
  required_providers {
    null = {
      source  = "hashicorp/null"
      version = "~> 2.1"
    }
  }
}

resource "null_resource" "one" {
  triggers = { a = "1" }
}

resource "null_resource" "many" {
  for_each = toset(["x", "y"])
  triggers = { key = each.key }
}

resource "terraform_data" "after" {
  input = [null_resource.one.id, null_resource.many["x"].id]
}
"#;

const TURNED: &str = r#"
[resource.retrue_data.first]
triggers_replace = { a = "1" }

[resource.retrue_data.all]
for_each = ["x", "y"]
triggers_replace = { key = "${each.key}" }

[resource.retrue_data.after]
input = ["${retrue_data.first.id}", '${retrue_data.all["x"].id}']

[[moved]]
from = "null_resource.one"
to = "retrue_data.first"

[[moved]]
from = "null_resource.many"
to = "retrue_data.all"
"#;

#[test]
fn what_another_provider_made_is_taken_over_by_a_rename() {
    let Some(beside) = Beside::new("what_another_provider_made_is_taken_over_by_a_rename") else { return };
    beside.make(&[("main.tf", MAIN)]);
    beside.migrate();
    let place = &beside.place;
    let before = place.run(&["state", "list", "--json"]).ends(0).json();
    let stack = place.read("retrue.toml");
    place.write("retrue.toml", format!("[stack]\nschema = 1\nname = \"turned\"\n{TURNED}"));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((&plan["summary"]["create"], &plan["summary"]["delete"]), (&json!(0), &json!(0)), "{plan:#}");
    assert_eq!((&plan["summary"]["update"], &plan["summary"]["replace"]), (&json!(0), &json!(0)), "{plan:#}");
    insta::assert_snapshot!(place.run(&["plan"]).ends(0).screen());
    // By a kept plan.
    place.run(&["plan", "-o", "kept"]).ends(0);
    place.run(&["apply", "kept"]).ends(0);
    assert_eq!(
        place.recorded(),
        ["retrue_data.after", "retrue_data.all[\"x\"]", "retrue_data.all[\"y\"]", "retrue_data.first"]
    );
    beside.nothing_to_do();
    let ids = |listed: &serde_json::Value| {
        let mut ids: Vec<String> = listed.as_array().unwrap().iter().map(|one| one["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&place.run(&["state", "list", "--json"]).ends(0).json()), ids(&before));
    // Undone, it stays what it has become, and is where it was but for that.
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.recorded().len(), 4);
    beside.nothing_to_do();
    place.run(&["destroy", "--yes"]).ends(0);

    // With a change of its own, and killed at its effect's end: the next one goes on.
    place.write("retrue.toml", stack);
    place.run(&["apply", "--yes"]).ends(0);
    let changed = TURNED.replace("{ a = \"1\" }", "{ a = \"1\" }\ninput = \"more\"");
    place.write("retrue.toml", format!("[stack]\nschema = 1\nname = \"turned\"\n{changed}"));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((&plan["summary"]["update"], &plan["summary"]["replace"]), (&json!(1), &json!(0)), "{plan:#}");
    place.run(&["apply", "--yes"]).ends(0);
    beside.nothing_to_do();
    place.run(&["compensate", "--yes"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());

    // What nobody offers is refused, at its place.
    place.write("retrue.toml", "[stack]\nschema = 1\nname = \"turned\"\n[resource.retrue_data.a]\n");
    place.run(&["apply", "--yes"]).ends(0);
    let file = "[resource.local_file.b]\npath = \"b\"\n[[moved]]\nfrom = \"retrue_data.a\"\nto = \"local_file.b\"\n";
    place.write("retrue.toml", format!("[stack]\nschema = 1\nname = \"turned\"\n{file}"));
    place.run(&["plan"]).ends(1).tells("RT0140", &["retrue.toml:8:6", "makes no `local_file` of a `retrue_data`"]);
    assert!(!place.path("b").exists());
}

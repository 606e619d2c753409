//! What becomes of what a small provider of Terraform's made: in moves, imports, exports, and with other versions of it.

use serde_json::json;

use crate::environment::small::{Small, asked, world};
use crate::environment::{Environment, stack};

/// A stack with the provider, by these settings, and these blocks.
fn small(place: &Environment, settings: &str, blocks: &str) {
    let world = world(place).display().to_string();
    place.write("retrue.toml", stack(&format!("[provider.small]\n{settings}\nworld = \"{world}\"\n\n{blocks}")));
}

const SOURCE: &str = "source = \"acme/small\"";

const THINGS: &str = r#"
[resource.small_thing.a]
name = "a"
label = "one"
timeouts = { update = "9m" }

[resource.small_thing.c]
name = "c"
"#;

const KITS: &str = r#"
[resource.small_kit.b]
name = "a"
label = "two"
timeouts = { update = "9m" }

[resource.small_kit.d]
name = "c"

[[moved]]
from = "small_thing.a"
to = "small_kit.b"

[[moved]]
from = "small_thing.c"
to = "small_kit.d"
"#;

#[test]
fn what_moves_to_another_type_keeps_what_belongs_to_it() {
    let Some(program) = Small::new("what_moves_to_another_type_keeps_what_belongs_to_it") else { return };
    let mut place = Environment::new();
    program.mirror(&mut place, "mirror", &["1.0.0"]);
    small(&place, SOURCE, THINGS);
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    small(&place, SOURCE, KITS);
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let said = asked(&place);
    assert!(said.contains("read small_kit own+moved"), "{said}");
    assert!(said.contains("update small_kit own+moved {\"update\": \"9m\"}"), "{said}");

    // Its configuration is known to the undo. What stays another type is told.
    let undone = place.run(&["compensate", "--yes"]).ends(0);
    let said = asked(&place);
    assert_eq!(said.matches("update small_kit own+moved {\"update\": \"9m\"}").count(), 2, "{said}");
    for (from, to) in [("small_thing.a", "small_kit.b"), ("small_thing.c", "small_kit.d")] {
        let told = format!(
            "{to}: did not come back: its type: it was `{from}`, a `small_thing`, and stays the `small_kit` that it has \
             become"
        );
        assert!(undone.stderr.contains(&told), "{}", undone.screen());
    }
    assert_eq!(place.recorded(), ["small_kit.b", "small_kit.d"]);
    let stuck = place.run(&["compensate", "--yes"]).ends(4);
    let stuck = stuck.tells("RT0612", &["`small_thing.a` has become `small_kit.b` since", "`small_kit.d`"]);
    assert!(!stuck.all().contains("by hand"), "{}", stuck.screen());
    small(&place, SOURCE, "");
    place.run(&["apply", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
}

#[test]
fn an_import_by_hand_tells_what_else_its_id_stands_for() {
    let Some(program) = Small::new("an_import_by_hand_tells_what_else_its_id_stands_for") else { return };
    let mut place = Environment::new();
    program.mirror(&mut place, "mirror", &["1.0.0"]);
    fs_err::create_dir_all(world(&place)).unwrap();
    for id in ["x", "y"] {
        fs_err::write(world(&place).join(format!("{id}.json")), json!({"id": id, "name": id}).to_string()).unwrap();
    }
    small(&place, SOURCE, "[resource.small_thing.a]\nname = \"x\"\n");
    place.run(&["providers", "install"]).ends(0);
    let id = "small_thing:x+small_kit:y";
    let shown = place.run(&["import", "small_thing.a", id]).ends(0);
    let told = "its id stands for more, which stays without an owner until it is imported, too: small_kit `y`";
    assert!(shown.stderr.contains(&format!("warning: {told}")), "{}", shown.screen());
    place.run(&["state", "rm", "small_thing.a"]).ends(0);
    let document = place.run(&["import", "small_thing.a", id, "--json"]).ends(0).json();
    assert_eq!(document["warnings"], json!([told]));
    place.run(&["state", "rm", "small_thing.a"]).ends(0);
    let document = place.run(&["import", "small_thing.a", "small_thing:x", "--json"]).ends(0).json();
    assert!(document.get("warnings").is_none(), "{document}");
}

#[test]
fn an_export_has_the_marks_and_the_source_that_terraform_knows() {
    let Some(program) = Small::new("an_export_has_the_marks_and_the_source_that_terraform_knows") else { return };
    let mut place = Environment::new();
    let mirror = program.mirror(&mut place, "mirror", &["1.0.0"]);
    place.set("SECRET", "planted-secret");
    let secret = "[variable.s]\ntype = \"string\"\nsensitive = true\nfrom = \"env:SECRET\"\n\n\
                  [resource.small_thing.a]\nname = \"a\"\nsecret = \"${var.s}\"\n";
    small(&place, SOURCE, secret);
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    // `copy` repeats the secret: Terraform does not know that.
    let export = ["state", "export", "--format", "tfstate"];
    let document = place.run(&export).ends(0).json();
    let instance = &document["resources"][0]["instances"][0];
    assert_eq!(instance["attributes"]["copy"], "planted-secret");
    assert_eq!(instance["sensitive_attributes"], json!([[{"type": "get_attr", "value": "secret"}]]));

    // A provider at a path has no name that Terraform knows, unless it is said.
    let path = mirror.join("registry.opentofu.org/acme/small/1.0.0/linux_amd64/terraform-provider-small_v1.0.0");
    let path = format!("path = \"{}\"", path.display());
    small(&place, &path, secret);
    place.run(&export).ends(1).tells("RT1009", &["small_thing.a", "`path` alone", "source = \"NAMESPACE/small\""]);
    small(&place, &format!("{path}\n{SOURCE}"), secret);
    let document = place.run(&export).ends(0).json();
    assert_eq!(document["resources"][0]["provider"], "provider[\"registry.terraform.io/acme/small\"]");
}

#[test]
fn versions_of_a_source_are_resolved_for_all_that_name_it() {
    let Some(program) = Small::new("versions_of_a_source_are_resolved_for_all_that_name_it") else { return };
    let mut place = Environment::new();
    program.mirror(&mut place, "mirror", &["1.0.0", "1.1.0", "2.0.0"]);
    let two = |first: &str, second: &str| {
        let world = world(&place).display().to_string();
        let other = format!("[provider.alt]\ntype = \"small\"\n{SOURCE}\n{second}\nworld = \"{world}\"\n\n");
        small(&place, &format!("{SOURCE}\n{first}"), &format!("{other}[resource.small_thing.a]\nname = \"a\"\n"));
    };
    two("", "version = \"~> 1.0.0\"");
    let shown = place.run(&["providers", "install"]).ends(0);
    assert_eq!(shown.stdout, "registry.opentofu.org/acme/small 1.0.0\n");
    place.run(&["plan"]).ends(0);
    two("version = \">= 1.0\"", "version = \"< 2\"");
    place.run(&["plan"]).ends(0);
    let shown = place.run(&["providers", "install", "--upgrade"]).ends(0);
    assert_eq!(shown.stdout, "registry.opentofu.org/acme/small 1.1.0\n");
    // What contradicts itself is told at all places, and nothing is written.
    let lock = place.read(".retrue.lock.toml");
    two("version = \"~> 2.0\"", "version = \"~> 1.0\"");
    place.run(&["providers", "install"]).ends(1).tells(
        "RT0425",
        &["fits `~> 1.0, ~> 2.0`", "asks for ~> 2.0", "asks for ~> 1.0", "all configurations of one source"],
    );
    assert_eq!(place.read(".retrue.lock.toml"), lock);
}

#[test]
fn a_lock_without_hashes_lets_nothing_run() {
    let Some(program) = Small::new("a_lock_without_hashes_lets_nothing_run") else { return };
    let mut place = Environment::new();
    program.mirror(&mut place, "mirror", &["1.0.0", "1.1.0"]);
    let thing = "[resource.small_thing.a]\nname = \"a\"\n";
    small(&place, &format!("{SOURCE}\nversion = \"1.0.0\""), thing);
    place.run(&["providers", "install"]).ends(0);
    small(&place, SOURCE, thing);
    let lock: toml::Table = place.read(".retrue.lock.toml").parse().unwrap();
    let mut bare = lock.clone();
    bare["provider"]["registry.opentofu.org/acme/small"]["hashes"] = toml::Value::Array(Vec::new());
    place.write(".retrue.lock.toml", bare.to_string());
    place.run(&["plan"]).ends(1).tells("RT0425", &["names no hash", "1.0.0", "providers install"]);
    place.run(&["providers", "install"]).ends(0);
    let again: toml::Table = place.read(".retrue.lock.toml").parse().unwrap();
    let of = |lock: &toml::Table| lock["provider"]["registry.opentofu.org/acme/small"].clone();
    assert_eq!((&of(&again)["version"], &of(&again)["hashes"]), (&of(&lock)["version"], &of(&lock)["hashes"]));
    place.run(&["plan"]).ends(0);
}

#[test]
fn what_an_older_version_made_is_undone_with_that_version() {
    let Some(program) = Small::new("what_an_older_version_made_is_undone_with_that_version") else { return };
    let mut place = Environment::new();
    let mirror = program.mirror(&mut place, "mirror", &["1.0.0", "1.1.0"]);
    let thing = "[resource.small_thing.a]\nname = \"a\"\n";
    small(&place, &format!("{SOURCE}\nversion = \"1.0.0\""), thing);
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    small(&place, &format!("{SOURCE}\nversion = \"1.1.0\""), thing);
    place.run(&["providers", "install"]).ends(0);
    fs_err::remove_dir_all(mirror.join("registry.opentofu.org/acme/small/1.0.0")).unwrap();
    let told = ["is not there", "this very version", "`registry.opentofu.org/acme/small` 1.0.0", "h1:"];
    place.run(&["compensate", "--yes"]).ends(1).tells("RT0425", &told);
    assert_eq!(place.recorded(), ["small_thing.a"]);
    // Wherever it is found, it is taken: the hash tells that it is the one.
    program.mirror(&mut place, "another", &["1.0.0"]);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
    assert!(asked(&place).contains("delete small_thing"));
}

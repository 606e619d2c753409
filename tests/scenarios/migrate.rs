//! What Terraform manages is taken over, and handed back: what needs no program of a provider.

use insta::assert_snapshot;
use serde_json::{Value as Json, json};

use crate::environment::Environment;

const SECRET: &str = "planted-migrated-7Qx3";

/// One instance of a `terraform_data`.
fn instance(id: &str, input: &str, more: Json) -> Json {
    let typed = |text: &str| json!({"value": text, "type": "string"});
    let mut instance = json!({
        "schema_version": 0,
        "attributes": {"id": id, "input": typed(input), "output": typed(input), "triggers_replace": null},
        "sensitive_attributes": [],
    });
    for (name, value) in more.as_object().unwrap() {
        instance[name] = value.clone();
    }
    instance
}

fn resource(name: &str, instances: &[Json]) -> Json {
    let provider = "provider[\"terraform.io/builtin/terraform\"]";
    json!({"mode": "managed", "type": "terraform_data", "name": name, "provider": provider, "instances": instances})
}

fn state(resources: &[Json], outputs: Json) -> String {
    let document = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "9d1f4a60-0000-0000-0000-000000000000",
        "outputs": outputs, "resources": resources, "check_results": null,
    });
    document.to_string()
}

const MAIN: &str = r#"
# What is sold.
variable "password" {
  type      = string
  sensitive = true
}

resource "terraform_data" "one" {
  input = "first" # for now
}

resource "terraform_data" "many" {
  for_each   = toset(["a", "b"])
  input      = "${terraform_data.one.output}-${each.key}"
  depends_on = [terraform_data.secret]
}

resource "terraform_data" "secret" {
  input = var.password
  lifecycle {
    create_before_destroy = true
  }
}

output "many" {
  value = { for key, one in terraform_data.many : key => one.output }
}
"#;

/// A directory of Terraform's, all of whose objects are built in.
fn place() -> Environment {
    let place = Environment::new();
    place.write("infra/main.tf", MAIN);
    place.write("infra/terraform.tfvars", format!("password = \"{SECRET}\"\n"));
    let sensitive = json!([[{"type": "get_attr", "value": "input"}], [{"type": "get_attr", "value": "output"}]]);
    let one = resource("one", &[instance("id-one", "first", json!({"private": "YWJj"}))]);
    let dependencies = json!(["terraform_data.one", "terraform_data.secret"]);
    let named = |key: &str| {
        let more = json!({"index_key": key, "dependencies": dependencies});
        instance(&format!("id-{key}"), &format!("first-{key}"), more)
    };
    let secret = json!({"sensitive_attributes": sensitive, "create_before_destroy": true});
    let deposed = json!({"deposed": "0badcafe", "sensitive_attributes": sensitive});
    let secret = resource("secret", &[instance("id-secret", SECRET, secret), instance("id-old", SECRET, deposed)]);
    let outputs = json!({"many": {"value": {"a": "first-a", "b": "first-b"}, "type": ["object", {"a": "string", "b": "string"}]}});
    let state = state(&[resource("many", &[named("a"), named("b")]), one, secret], outputs);
    place.write("infra/terraform.tfstate", state);
    place
}

const VALUES: [&str; 2] = ["--var-file", "terraform.vars.toml"];

fn run(place: &Environment, arguments: &[&str]) -> crate::environment::Shown {
    place.run(&[arguments, &VALUES].concat())
}

/// All that the store holds, as one text.
fn store(place: &Environment) -> String {
    let files = walkdir::WalkDir::new(place.path(".retrue")).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|entry| String::from_utf8_lossy(&fs_err::read(entry.path()).unwrap()).into_owned()).collect()
}

#[test]
fn a_directory_of_terraform_becomes_a_stack() {
    let place = place();
    let shown = place.run(&["migrate", "infra"]).ends(0);
    assert_snapshot!(format!(
        "{}\n=== retrue.toml\n{}=== terraform.vars.toml\n{}",
        shown.screen(),
        place.read("retrue.toml"),
        place.read("terraform.vars.toml")
    ));
    assert_eq!(place.recorded().len(), 5);
    // What was replaced is still to be deleted; nothing else is to be done.
    let plan = run(&place, &["plan", "--json"]).ends(0).json();
    assert_eq!(plan["summary"]["delete"], 1, "{plan}");
    assert_eq!(plan["summary"]["no_op"], 4, "{plan}");
    assert_eq!(place.journal().len(), 3, "{:?}", place.journal());
    // What is secret rests sealed, and so does what is the provider's own.
    let store = store(&place);
    assert!(!store.contains(SECRET) && !store.contains("YWJj"));
    assert!(!run(&place, &["show"]).ends(0).all().contains(SECRET));

    run(&place, &["apply", "--yes"]).ends(0);
    run(&place, &["plan", "--detailed-exitcode"]).ends(0);
    let stack = place.read("retrue.toml");
    place.write("retrue.toml", stack.replace("\"first\"", "\"second\""));
    run(&place, &["apply", "--yes"]).ends(0);
    assert_eq!(place.run(&["output", "many", "--json"]).json(), json!({"a": "second-a", "b": "second-b"}));
    run(&place, &["compensate", "--yes"]).ends(0);
    place.write("retrue.toml", stack);
    run(&place, &["plan", "--detailed-exitcode"]).ends(0);
    run(&place, &["destroy", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
}

#[test]
fn a_tainted_object_is_replaced() {
    let place = Environment::new();
    place.write("main.tf", "resource \"terraform_data\" \"x\" {\n  input = \"a\"\n}\n");
    let tainted = instance("id-x", "a", json!({"status": "tainted"}));
    place.write("terraform.tfstate", state(&[resource("x", &[tainted])], json!({})));
    // In the directory itself.
    let migrated = place.run(&["migrate", ".", "--json"]).ends(0).json();
    assert_eq!(migrated["files"], json!(["retrue.toml"]));
    assert_eq!(migrated["objects"], json!(["retrue_data.x"]));
    let reasons = ["its creation was not finished"];
    let change = json!({"address": "retrue_data.x", "action": "replace", "reasons": reasons});
    assert_eq!(migrated["changes"], json!([change]));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["changes"][0]["action"], "replace");
}

const REFUSED: &str = r#"resource "terraform_data" "x" {
  input = "a"

  provisioner "local-exec" {
    command = "true"
  }
}
"#;

#[test]
fn what_cannot_be_converted_ends_it_unless_it_may_be_left_out() {
    let place = Environment::new();
    place.write("infra/main.tf", REFUSED);
    let before = state(&[resource("x", &[instance("id-x", "a", json!({}))])], json!({}));
    place.write("infra/terraform.tfstate", before);
    let refused = place.run(&["migrate", "infra"]).ends(1).tells("RT1005", &["infra/main.tf:4:3", "--partial"]);
    assert!(refused.all().contains("nothing was written"), "{}", refused.screen());
    assert!(!place.path("retrue.toml").exists() && !place.path(".retrue").exists());
    let migrated = place.run(&["migrate", "infra", "--partial", "--json"]).ends(0).json();
    let finding = &migrated["findings"][0];
    assert_eq!((&finding["code"], &finding["line"], &finding["column"]), (&json!("RT1005"), &json!(4), &json!(3)));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
}

#[test]
fn what_is_left_out_is_for_a_person_to_mend() {
    let place = Environment::new();
    let main = "module \"m\" {\n  source = \"./m\"\n}\nresource \"terraform_data\" \"x\" {\n  input = module.m.id\n}\n";
    place.write("infra/main.tf", main);
    let in_module = json!({
        "module": "module.m", "mode": "managed", "type": "terraform_data", "name": "y",
        "provider": "provider[\"terraform.io/builtin/terraform\"]", "instances": [instance("id-y", "b", json!({}))],
    });
    let recorded = [resource("x", &[instance("id-x", "a", json!({}))]), in_module];
    place.write("infra/terraform.tfstate", state(&recorded, json!({})));
    let refused = place.run(&["migrate", "infra"]).ends(1).tells("RT1005", &["main.tf:1:1", "main.tf:5:11"]);
    refused.tells("RT1008", &["module.m.terraform_data.y"]);
    // The stack is written as far as it goes, and says itself what is wrong with it.
    let shown = place.run(&["migrate", "infra", "--partial"]).ends(0);
    assert!(shown.stderr.contains("retrue.toml:6:"), "{}", shown.screen());
    assert_eq!(place.recorded(), ["retrue_data.x"]);
    place.run(&["plan"]).ends(1).tells("RT0205", &["retrue.toml:6:"]);
    place.write("retrue.toml", place.read("retrue.toml").replace("${module.m.id}", "a"));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
}

#[test]
fn nothing_is_written_over() {
    let place = place();
    place.write("more.retrue.toml", "");
    place.run(&["migrate", "infra"]).ends(1).tells("RT1007", &["more.retrue.toml"]);
    fs_err::remove_file(place.path("more.retrue.toml")).unwrap();
    place.run(&["migrate", "infra"]).ends(0);
    place.run(&["migrate", "infra"]).ends(1).tells("RT1007", &["retrue.toml, terraform.vars.toml"]);
    let stack = place.read("retrue.toml");
    for name in ["retrue.toml", "terraform.vars.toml"] {
        fs_err::remove_file(place.path(name)).unwrap();
    }
    // The record is there.
    place.run(&["migrate", "infra"]).ends(1).tells("RT1007", &["records something already"]);
    assert!(!place.path("retrue.toml").exists());
    // Another environment has another record.
    place.run(&["migrate", "infra", "--env", "other"]).ends(0);
    assert_eq!(stack, place.read("retrue.toml"));
    run(&place, &["plan", "--env", "other"]).ends(0);
}

#[test]
fn bad_input_is_told_by_place() {
    let place = Environment::new();
    place.run(&["migrate", "nowhere"]).ends(1).tells("RT1001", &["nowhere"]);
    place.write("infra/main.tf", "resource \"terraform_data\" {\n  x = \n}\n");
    place.write("infra/terraform.tfstate", "{\"version\": 3, \"modules\": []}");
    let shown = place.run(&["migrate", "infra"]).ends(1).tells("RT1003", &["version 3"]);
    shown.tells("RT1004", &["infra/main.tf:2:7"]);
    place.write("infra/main.tf", "");
    let whole = state(&[resource("x", &[instance("i", SECRET, json!({}))])], json!({}));
    place.write("infra/terraform.tfstate", &whole[..whole.len() / 2]);
    let shown = place.run(&["migrate", "infra"]).ends(1).tells("RT1002", &["ends too early"]);
    assert!(!shown.all().contains(SECRET), "{}", shown.screen());
    // An object whose provider is nobody's.
    let unknown = whole.replace("terraform.io/builtin/terraform", "registry.terraform.io/acme/nothing");
    place.write("infra/terraform.tfstate", unknown);
    place.write(".terraformrc", "");
    let mut offline = Environment::new();
    offline.set("TF_CLI_CONFIG_FILE", place.path("none.tfrc").to_str().unwrap());
    place.write(
        "none.tfrc",
        format!(
            "provider_installation {{\n filesystem_mirror {{\n path = \"{}\"\n }}\n}}\n",
            place.path("empty").display()
        ),
    );
    offline.write("infra/main.tf", "");
    offline.write("infra/terraform.tfstate", fs_err::read(place.path("infra/terraform.tfstate")).unwrap());
    offline.run(&["migrate", "infra"]).ends(1).tells("RT0425", &["acme/nothing"]);
    assert!(!offline.path("retrue.toml").exists() && !offline.path(".retrue").exists());
    // A variable without a value: the plan that checks the work cannot be made.
    place.write("infra/main.tf", "variable \"v\" {}\nresource \"terraform_data\" \"x\" {\n  input = var.v\n}\n");
    place.write("infra/terraform.tfstate", &whole);
    place.run(&["migrate", "infra"]).ends(1).tells("RT0160", &["`v`"]);
    place.run(&["migrate", "infra", "--var", "v=x"]).ends(0);
}

#[test]
fn a_state_is_handed_to_terraform() {
    let place = place();
    place.run(&["migrate", "infra"]).ends(0);
    let shown = place.run(&["state", "export", "--format", "tfstate"]).ends(0).tells_plainly("warning[RT1012]");
    let mut document = shown.json();
    assert!(document["serial"].as_i64().unwrap() > 1_700_000_000);
    document["serial"] = json!(1);
    document["lineage"] = json!("[LINEAGE]");
    assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    // What was handed over can be taken over.
    let other = Environment::new();
    other.write("infra/main.tf", MAIN);
    other.write("infra/terraform.tfvars", format!("password = \"{SECRET}\"\n"));
    other.write("infra/terraform.tfstate", shown.stdout);
    other.run(&["migrate", "infra"]).ends(0);
    assert_eq!(other.recorded(), place.recorded());
}

#[test]
fn what_terraform_cannot_have_is_listed() {
    let place = Environment::with("[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n[resource.retrue_data.b]\n");
    place.run(&["state", "export", "--format", "tfstate"]).ends(1).tells("RT0718", &[]);
    place.run(&["apply", "--yes"]).ends(0);
    let refused = place.run(&["state", "export", "--format", "tfstate"]).ends(1).tells("RT1009", &["local_file.a"]);
    assert_eq!(refused.stdout, "");
    let part = place.run(&["state", "export", "--format", "tfstate", "--partial"]).ends(0);
    assert!(part.stderr.contains("warning[RT1009]"), "{}", part.screen());
    assert_eq!(part.json()["resources"].as_array().unwrap().len(), 1);
    place.run(&["state", "export", "--partial"]).ends(64);
}

/// Files that functions read are where they were, wherever the stack is made.
#[test]
fn what_functions_read_beside_a_module_is_found_from_elsewhere() {
    let place = Environment::new();
    let call = "module \"app\" {\n  source = \"./modules/app\"\n}\n";
    let main = "resource \"terraform_data\" \"x\" {\n  input = file(\"${path.module}/x.txt\")\n}\n";
    let inside = "resource \"terraform_data\" \"y\" {\n  input = templatefile(\"${path.module}/y.tpl\", { n = file(\"${path.root}/x.txt\") })\n}\n";
    place.write("infra/main.tf", format!("{main}{call}"));
    place.write("infra/modules/app/main.tf", inside);
    place.write("infra/x.txt", "one");
    place.write("infra/modules/app/y.tpl", "${n} two");
    let mut in_module = resource("y", &[instance("id-y", "one two", json!({}))]);
    in_module["module"] = json!("module.app");
    let recorded = [resource("x", &[instance("id-x", "one", json!({}))]), in_module];
    place.write("infra/terraform.tfstate", state(&recorded, json!({})));
    place.run(&["migrate", "infra"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
}

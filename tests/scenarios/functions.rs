//! `provider::NAME::FUNCTION()`: functions of providers in expressions, with the results that Terraform gets.

use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Map, Value, json};

use crate::environment::peers::there;
use crate::environment::{Environment, stack};

const PYVIDER: &str = "pyvider/terraform-provider-pyvider";

fn provider(program: &Path) -> String {
    format!("[provider.pyvider]\npath = \"{}\"\n", program.display())
}

/// Expressions of all kinds: text, numbers of any precision, lists, maps, null, variadic and dynamic arguments,
/// results inside of other expressions.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("upper", r#"provider::pyvider::upper("straße")"#),
    ("lower", r#"provider::pyvider::lower("ÀB")"#),
    ("null_through", r#"provider::pyvider::upper(null) == null"#),
    ("format", r#"provider::pyvider::format("%s-%03d", ["a", 7])"#),
    ("join", r#"provider::pyvider::join("-", ["a", 1, true])"#),
    ("split", r#"provider::pyvider::split(",", "a,b,,c")"#),
    ("splat", r#"[for part in provider::pyvider::split(",", "a,b") : upper(part)]"#),
    ("index", r#"provider::pyvider::split(",", "a,b")[1]"#),
    ("replace", r#"provider::pyvider::replace("hello world", "/w.*d/", "x")"#),
    ("snake", r#"provider::pyvider::to_snake_case("someName")"#),
    ("kebab", r#"provider::pyvider::to_kebab_case("someName")"#),
    ("camel", r#"provider::pyvider::to_camel_case("some_name")"#),
    ("add", "provider::pyvider::add(0.1, 0.2)"),
    ("add_text", r#"provider::pyvider::add("1", 2)"#),
    ("large", "provider::pyvider::add(12345678901234567890, 1)"),
    ("subtract", "provider::pyvider::subtract(1, 3)"),
    ("multiply", "provider::pyvider::multiply(3, 7)"),
    ("divide", "provider::pyvider::divide(7, 2)"),
    ("min", "provider::pyvider::min([3, 1, 2])"),
    ("max", "provider::pyvider::max([3, 1, 2])"),
    ("sum", "provider::pyvider::sum([1, 2, 3.5])"),
    ("length_list", "provider::pyvider::length([1, 2, 3])"),
    ("length_text", r#"provider::pyvider::length("abc")"#),
    ("length_map", "provider::pyvider::length({ a = 1 })"),
    ("contains", r#"provider::pyvider::contains(["a", "b"], "b")"#),
    ("lookup", r#"provider::pyvider::lookup({ a = "x" }, "a")"#),
    ("lookup_default", r#"provider::pyvider::lookup({ a = "x" }, "b", "y")"#),
    ("tostring", "provider::pyvider::tostring(12.50)"),
    ("expanded", r#"provider::pyvider::lookup([{ a = "x" }, "b", "z"]...)"#),
    ("nested", r#"provider::pyvider::upper(provider::pyvider::join("", ["a", "b"]))"#),
    ("try", r#"try(provider::pyvider::lookup({}, "none"), "caught")"#),
    ("can", r#"can(provider::pyvider::lookup({}, "none"))"#),
];

#[test]
fn functions_of_a_real_provider_have_the_results_that_terraform_gets() {
    let test = "functions_of_a_real_provider_have_the_results_that_terraform_gets";
    let Some(program) = there(test, PYVIDER) else { return };
    let place = Environment::new();
    let outputs: String =
        EXPRESSIONS.iter().map(|(name, text)| format!("[output.{name}]\nvalue = '${{{text}}}'\n")).collect();
    place.write("retrue.toml", stack(&format!("{}{outputs}", provider(&program))));
    place.run(&["validate"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    let ours = place.run(&["output", "--json"]).ends(0).json();
    // The same call has the same result: the plan is empty.
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let Some(theirs) = terraform(test, &place, &program) else { return };
    for (name, text) in EXPRESSIONS {
        assert_eq!(ours[name]["value"], theirs[name], "{text}");
    }
}

/// The same expressions through Terraform, where there is one.
fn terraform(test: &str, place: &Environment, program: &Path) -> Option<Value> {
    let directory = place.root().join("terraform");
    fs_err::create_dir_all(&directory).unwrap();
    let outputs: Map<String, Value> = EXPRESSIONS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), json!({ "value": format!("${{{text}}}") })))
        .collect();
    let provider = "local/providers/pyvider";
    let document = json!({
        "terraform": { "required_providers": { "pyvider": { "source": provider } } },
        "output": outputs,
    });
    fs_err::write(directory.join("main.tf.json"), document.to_string()).unwrap();
    let settings = directory.join("settings.tfrc");
    let folder = program.parent().unwrap().display();
    let text =
        format!("provider_installation {{\n dev_overrides {{ \"{provider}\" = \"{folder}\" }}\n direct {{}}\n}}\n");
    fs_err::write(&settings, text).unwrap();
    let run = |arguments: &[&str]| {
        Command::new("terraform")
            .args(arguments)
            .current_dir(&directory)
            .env("TF_CLI_CONFIG_FILE", &settings)
            .env("CHECKPOINT_DISABLE", "1")
            .output()
    };
    let Ok(applied) = run(&["apply", "-auto-approve", "-no-color"]) else {
        println!("SKIPPED: {test}: there is no terraform to compare with");
        return None;
    };
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let shown = run(&["output", "-json"]).unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let values = shown.as_object().unwrap().iter().map(|(name, output)| (name.clone(), output["value"].clone()));
    Some(Value::Object(values.collect()))
}

#[test]
fn what_a_function_refuses_is_told_at_the_argument() {
    let test = "what_a_function_refuses_is_told_at_the_argument";
    let Some(program) = there(test, PYVIDER) else { return };
    let blocks = r#"
[variable.secret]
type = "string"
sensitive = true
default = "hunter2"

[output.unknown_function]
value = '${provider::pyvider::uper("x")}'

[output.unknown_provider]
value = '${provider::pyvidr::upper("x")}'

[output.too_few]
value = '${provider::pyvider::split(",")}'

[output.too_many]
value = '${provider::pyvider::upper("a", "b")}'

[output.wrong_type]
value = '${provider::pyvider::add(1, [])}'

[output.no_name]
value = '${provider::upper("x")}'
"#;
    let place = Environment::with(&format!("{}{blocks}", provider(&program)));
    let shown = |verb: &str, code: i32| {
        place.run(&[verb]).ends(code).screen().replace(&program.display().to_string(), "[PROGRAM]")
    };
    assert_snapshot!("validate", shown("validate", 1));
    let blocks = r#"
[variable.secret]
type = "string"
sensitive = true
default = "hunter2"

[output.divided]
value = '${provider::pyvider::divide(1, 0)}'

[output.secret]
value = '${provider::pyvider::lookup({}, var.secret)}'
sensitive = true
"#;
    place.write("retrue.toml", stack(&format!("{}{blocks}", provider(&program))));
    let told = shown("plan", 1);
    assert!(!told.contains("hunter2"), "{told}");
    assert_snapshot!("plan", told);
}

#[test]
fn functions_take_part_in_plans_with_what_is_not_known_and_what_is_secret() {
    let test = "functions_take_part_in_plans_with_what_is_not_known_and_what_is_secret";
    let Some(program) = there(test, PYVIDER) else { return };
    let blocks = r#"
[variable.secret]
type = "string"
sensitive = true
default = "hunter2"

[local]
names = '${provider::pyvider::split(",", "a,b")}'

[resource.retrue_data.first]
input = "x"

[resource.retrue_data.each]
for_each = '${toset(local.names)}'
input = '${provider::pyvider::upper("${each.key}-${retrue_data.first.id}")}'

[resource.retrue_data.kept]
input = '${provider::pyvider::upper(var.secret)}'
"#;
    let place = Environment::with(&format!("{}{blocks}", provider(&program)));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let change = |address: &str| {
        let changes = plan["changes"].as_array().unwrap();
        changes.iter().find(|change| change["address"] == address).unwrap_or_else(|| panic!("{plan:#}")).clone()
    };
    assert!(change("retrue_data.each[\"a\"]")["unknown"].to_string().contains("input"), "{plan:#}");
    assert!(change("retrue_data.kept")["sensitive"].to_string().contains("input"), "{plan:#}");
    // What was called is part of what the plan was made from; a plan file calls it again while applying.
    place.run(&["plan", "-o", "kept.plan"]).ends(0);
    place.holds_nowhere("HUNTER2");
    place.run(&["apply", "kept.plan", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let id = place.run(&["eval", "retrue_data.first.id", "--json"]).ends(0).json();
    let made = place.run(&["eval", "retrue_data.each[\"a\"].output", "--json"]).ends(0).json();
    assert_eq!(made.as_str().unwrap(), format!("A-{}", id.as_str().unwrap().to_uppercase()));
    assert_eq!(place.run(&["eval", "provider::pyvider::upper(\"x\")", "--json"]).ends(0).json(), "X");
    place.holds_nowhere("HUNTER2");
}

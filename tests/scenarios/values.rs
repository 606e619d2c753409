//! Values that are known only while applying, and values that are hard to carry.

use std::fmt::Write as _;

use crate::environment::Environment;

fn stack(rest: &str) -> Environment {
    Environment::with_stack(&format!("[stack]\nschema = 1\nname = \"values\"\n{rest}"))
}

#[test]
fn a_local_has_one_value_in_a_run() {
    let environment = stack(
        r#"
[local]
id = "${uuid()}"
twice = "${local.id} ${local.id}"
[resource.retrue_data.a]
input = "${local.id} ${local.id}"
[resource.retrue_data.b]
input = "${local.twice}"
[output.same]
value = "${retrue_data.a.output == retrue_data.b.output}"
"#,
    );
    environment.run(&["apply", "--yes"]).ends(0);
    assert_eq!(environment.run(&["output", "same", "--json"]).ends(0).stdout.trim(), "true");
}

#[test]
fn long_chains_of_locals_are_no_trouble() {
    let mut chain = String::from("[resource.retrue_data.a]\ninput = 1\n[local]\nl0 = \"${retrue_data.a.id}\"\n");
    let mut known = String::from("k0 = \"x\"\n");
    for index in 1..20_000 {
        let _ = writeln!(chain, "l{index} = \"${{local.l{}}}\"", index - 1);
        let _ = writeln!(known, "k{index} = \"${{local.k{}}}\"", index - 1);
    }
    let ends = "[output.l]\nvalue = '${local.l19999 == retrue_data.a.id}'\n[output.k]\nvalue = '${local.k19999}'\n";
    let environment = stack(&format!("{chain}{known}{ends}"));
    environment.run(&["validate"]).ends(0);
    environment.run(&["apply", "--yes"]).ends(0);
    assert_eq!(environment.run(&["output", "l", "--json"]).ends(0).stdout.trim(), "true");
    assert_eq!(environment.run(&["output", "k", "--json"]).ends(0).stdout.trim(), "\"x\"");
    assert_eq!(environment.run(&["eval", "--json", "local.k19999"]).ends(0).stdout.trim(), "\"x\"");
}

#[test]
fn doubling_chains_of_locals_are_no_trouble() {
    let mut chain = String::from("[resource.retrue_data.a]\ninput = 1\n[local]\nl0 = [\"${retrue_data.a.id}\"]\n");
    for index in 1..40 {
        let before = index - 1;
        let _ = writeln!(chain, "l{index} = '${{[local.l{before}[0] == local.l{before}[0] ? \"y\" : \"n\"]}}'");
    }
    let environment = stack(&format!("{chain}[output.l]\nvalue = '${{local.l39[0]}}'\n"));
    environment.run(&["apply", "--yes"]).ends(0);
    assert_eq!(environment.run(&["output", "l", "--json"]).ends(0).stdout.trim(), "\"y\"");
}

#[test]
fn no_instances_are_no_instances_while_applying() {
    let environment = stack(
        r#"
[resource.retrue_data.a]
input = 1
[resource.retrue_data.none]
for_each = []
input = 1
[resource.retrue_data.zero]
count = 0
input = 1
[output.all]
value = "${concat([retrue_data.a.id], [for n in retrue_data.none : n.id], retrue_data.zero[*].id)}"
[output.keys]
value = "${[retrue_data.a.id, keys(retrue_data.none), length(retrue_data.zero)]}"
"#,
    );
    environment.run(&["apply", "--yes"]).ends(0);
    let keys = environment.run(&["output", "keys", "--json"]).ends(0).json();
    assert_eq!((&keys[1], &keys[2]), (&serde_json::json!([]), &serde_json::json!(0)));
}

fn nested(levels: usize, open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn what_is_nested_as_deeply_as_may_be_is_read_again() {
    let kind = format!("{}number{}", "list(".repeat(32), ")".repeat(32));
    let environment = stack(&format!(
        "[variable.typed]\ntype = \"{kind}\"\ndefault = {}\n[resource.retrue_data.a]\ninput = {}\n\
         [resource.retrue_data.b]\ninput = \"${{var.typed}}\"\n\
         [resource.retrue_data.c]\ninput = \"${{sensitive({})}}\"\n[output.b]\nvalue = \"${{retrue_data.b.output}}\"\n",
        nested(32, "[", "]"),
        nested(32, "{ k = ", " }"),
        nested(32, "[", "]"),
    ));
    environment.run(&["plan", "-o", "p"]).ends(0);
    environment.run(&["show", "p"]).ends(0);
    environment.run(&["apply", "p", "--yes"]).ends(0);
    for verb in [
        &["show"][..],
        &["show", "retrue_data.b"],
        &["state", "list"],
        &["state", "export"],
        &["state", "recover"],
        &["output", "b"],
        &["runs", "events", "0"],
        &["plan", "--detailed-exitcode"],
        &["reconcile"],
    ] {
        let code = environment.run(verb);
        assert!(code.code == 0 || verb == ["runs", "events", "0"], "{verb:?} {}", code.screen());
    }
    environment.run(&["compensate", "--yes"]).ends(0);
}

#[test]
fn what_is_nested_deeper_is_refused() {
    let json = nested(33, "[", "]");
    for input in
        [nested(33, "[", "]"), format!("'${{jsondecode(\"{json}\")}}'"), format!("'${{yamldecode(\"{json}\")}}'")]
    {
        let environment = stack(&format!("[resource.retrue_data.a]\ninput = {input}\n"));
        for verb in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            let shown = environment.run(verb).ends(1);
            assert!(shown.stderr.contains("error[RT0223]"), "{}", shown.screen());
        }
    }
}

#[test]
fn numbers_of_instances_keep_their_places() {
    let environment = stack("[resource.retrue_data.n]\ncount = 3\ninput = \"${count.index}\"\n");
    environment.run(&["apply", "--yes"]).ends(0);
    environment.run(&["state", "rm", "retrue_data.n[1]"]).ends(0);
    let third = environment.run(&["eval", "--json", "retrue_data.n[2].output"]).ends(0);
    assert_eq!(third.stdout.trim(), "2");
}

#[test]
fn each_value_may_be_known_only_while_applying() {
    let place = Environment::with(
        r#"
[resource.retrue_data.first]
for_each = ["a", "b"]
input = "${each.key}"

[local]
all = "${{ for key, first in retrue_data.first : key => first.id }}"

[resource.retrue_data.direct]
for_each = "${retrue_data.first}"
input = "${each.key} ${each.value.id}"

[resource.retrue_data.local]
for_each = "${local.all}"
input = "${each.value}"

[output.right]
value = '${[for key in ["a", "b"] : retrue_data.direct[key].input == "${key} ${retrue_data.first[key].id}" && retrue_data.local[key].input == retrue_data.first[key].id]}'
"#,
    );
    // From a file, where all that is needed must have gone along, and at once.
    place.run(&["plan", "-o", "plan"]).ends(0);
    place.run(&["apply", "plan", "--yes"]).ends(0);
    assert_eq!(place.run(&["output", "right", "--json"]).ends(0).json(), serde_json::json!([true, true]));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

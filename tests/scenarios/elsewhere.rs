//! A stack in another directory than the one that the program runs in: `-C`, files and environments.

use crate::environment::Environment;

const STACK: &str = r#"
[stack]
schema = 1
name = "site"
[resource.local_file.text]
path = "${path.stack}/out.txt"
content = '${file("in.txt")}${templatefile("in.tmpl", { x = "t" })}'
[output.absolute]
value = '${abspath("x")}'
"#;

fn elsewhere() -> Environment {
    let environment = Environment::new();
    environment.write("site/retrue.toml", STACK);
    environment.write("site/in.txt", "read ");
    environment.write("site/in.tmpl", "${x}\n");
    environment
}

#[test]
fn files_are_found_beside_the_stack() {
    let environment = elsewhere();
    environment.run(&["-C", "site", "validate"]).ends(0);
    environment.run(&["-C", "site", "apply", "--yes"]).ends(0);
    assert_eq!(environment.read("site/out.txt"), "read t\n");
    let output = environment.run(&["-C", "site", "output", "absolute", "--json"]).ends(0);
    let path = environment.path("site/x");
    assert_eq!(output.json().as_str(), path.to_str());
    // From inside it is the same stack with the same plan.
    let mut inside = environment.command(&["plan", "--detailed-exitcode"]);
    let inside = inside.current_dir(environment.path("site")).output().unwrap();
    environment.shown(inside).ends(0);
    environment.run(&["-C", "site/../site/.", "plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_plan_file_is_where_it_was_put() {
    let environment = elsewhere();
    let planned = environment.run(&["-C", "site", "plan", "-o", "p"]).ends(0);
    assert!(planned.stderr.contains("`retrue -C site apply p`"), "{}", planned.screen());
    assert!(environment.path("p").is_file() && !environment.path("site/p").exists());
    environment.run(&["-C", "site", "show", "p"]).ends(0);
    environment.write("site/in.txt", "changed ");
    let refused = environment.run(&["-C", "site", "apply", "p", "--yes"]).ends(1);
    assert!(refused.stderr.contains("the file `in.txt` was changed since"), "{}", refused.screen());
    environment.write("site/in.txt", "read ");
    environment.run(&["-C", "site", "apply", "p", "--yes"]).ends(0);
    assert_eq!(environment.read("site/out.txt"), "read t\n");
}

#[test]
fn a_plan_file_takes_no_other_variables() {
    let mut environment = elsewhere();
    environment.run(&["-C", "site", "plan", "-o", "p"]).ends(0);
    environment.run(&["-C", "site", "apply", "p", "--yes", "--var", "x=1"]).ends(64);
    environment.set("RETRUE_VAR_x", "1");
    let applied = environment.run(&["-C", "site", "apply", "p", "--yes"]).ends(0);
    assert!(applied.stderr.contains("note: RETRUE_VAR_x is not read"), "{}", applied.screen());
}

#[test]
fn an_environment_stays_inside_the_state() {
    let environment = elsewhere();
    environment.write("site/retrue.toml", "broken");
    environment.write("export", r#"{"format":"retrue.state/1"}"#);
    for verb in [
        &["resolve", "local_file.a", "--absent"][..],
        &["state", "restore", "export"],
        &["state", "list"],
        &["apply", "p", "--yes"],
        &["state", "recover"],
        &["plan"],
    ] {
        let mut arguments = vec!["-C", "site", "--env", "../../x"];
        arguments.extend(verb);
        let shown = environment.run(&arguments).ends(64);
        assert!(shown.stderr.contains("RT0901"), "{}", shown.screen());
    }
    assert!(!environment.path("site/x").exists() && !environment.path("site/.retrue").exists());
}

#[test]
fn a_resolve_makes_no_state() {
    let environment = elsewhere();
    let shown = environment.run(&["-C", "site", "resolve", "local_file.a", "--absent"]).ends(1);
    assert!(shown.stderr.contains("RT0718"), "{}", shown.screen());
    assert!(!environment.path("site/.retrue").exists());
}

#[test]
fn a_target_that_is_no_address_is_wrong_usage() {
    let environment = elsewhere();
    environment.run(&["-C", "site", "plan", "--target", "local_file."]).ends(64);
    environment.run(&["-C", "site", "apply", "--replace", "[", "--yes"]).ends(64);
}

fn one(name: &str) -> String {
    format!(
        "[stack]\nschema = 1\nname = \"{name}\"\nstore.path = \"../state\"\n\
         [resource.retrue_data.{name}]\ninput = 1\n[resource.local_file.{name}]\npath = \"o\"\ncontent = \"x\"\n"
    )
}

#[test]
fn a_state_belongs_to_one_stack() {
    let environment = Environment::new();
    environment.write("a/retrue.toml", one("a"));
    environment.write("b/retrue.toml", one("b"));
    environment.run(&["-C", "a", "apply", "--yes"]).ends(0);
    for verb in [&["plan"][..], &["apply", "--yes"], &["reconcile"], &["show"], &["destroy", "--yes"]] {
        let shown = environment.run(&[&["-C", "b"], verb].concat()).ends(1);
        assert!(shown.stderr.contains("is that of the stack `a`, not of `b`"), "{}", shown.screen());
        assert!(shown.stderr.contains("error[RT0722]") && shown.stderr.contains("hint: "), "{}", shown.screen());
    }
    assert!(environment.path("a/o").is_file());
    environment.run(&["-C", "a", "plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_state_from_before_names_gets_one() {
    let environment = Environment::new();
    environment.write("a/retrue.toml", one("a"));
    environment.write("b/retrue.toml", one("b"));
    environment.run(&["-C", "a", "apply", "--yes"]).ends(0);
    let format = environment.read("state/env/default/format.json");
    assert!(format.contains(r#","stack":"a""#), "{format}");
    environment.write("state/env/default/format.json", format.replace(r#","stack":"a""#, ""));
    environment.run(&["-C", "a", "apply", "--yes"]).ends(0);
    assert_eq!(environment.read("state/env/default/format.json"), format);
    environment.run(&["-C", "b", "plan"]).ends(1);
}

#[test]
fn a_stack_may_get_a_new_name_where_nobody_else_is() {
    let environment = Environment::new();
    environment.write("a/retrue.toml", one("a").replace("store.path = \"../state\"\n", ""));
    environment.run(&["-C", "a", "apply", "--yes"]).ends(0);
    environment.write("a/retrue.toml", one("a").replace("store.path = \"../state\"\n", "").replace("\"a\"", "\"z\""));
    environment.run(&["-C", "a", "plan", "--detailed-exitcode"]).ends(0);
    environment.run(&["-C", "a", "apply", "--yes"]).ends(0);
}

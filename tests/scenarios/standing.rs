//! What exit codes and screens say of how things stand.

use crate::environment::Environment;

fn stack(rest: &str) -> String {
    format!("[stack]\nschema = 1\nname = \"s\"\n{rest}")
}

const FILE: &str = "[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"f\"\n";

#[test]
fn a_record_that_is_out_of_date_is_brought_up_to_date_without_a_word() {
    let environment = Environment::with_stack(&stack(FILE));
    environment.run(&["apply", "--yes"]).ends(0);
    environment.run(&["plan", "--detailed-exitcode"]).ends(0);
    environment
        .write("retrue.toml", stack(&format!("{FILE}[resource.local_file.f.lifecycle]\nprevent_destroy = true\n")));
    environment.run(&["plan", "--detailed-exitcode"]).ends(0);
    // Nobody is asked, so that it needs no `--yes`.
    let shown = environment.run(&["apply"]).ends(0);
    assert_eq!(shown.stdout, "s: nothing to do, the world is as declared.\n", "{}", shown.screen());
    assert_eq!(shown.stderr, "", "{}", shown.screen());
    // It was recorded: what holds for it holds when its block is gone.
    environment.write("retrue.toml", stack(""));
    let shown = environment.run(&["plan"]).ends(1);
    assert!(shown.stderr.contains("RT0406"), "{}", shown.screen());
}

#[test]
fn reconcile_tells_drift_by_its_exit_code_whatever_else_is_wrong() {
    let environment = Environment::with_stack(&stack(FILE));
    environment.run(&["apply", "--yes"]).ends(0);
    let wrong = "[resource.local_file.new]\npath = \"new.txt\"\ncontent = \"${1 / 0}\"\n";
    environment.write("retrue.toml", stack(&format!("{FILE}{wrong}")));
    environment.run(&["reconcile"]).ends(0);
    environment.write("f.txt", "tampered");
    let shown = environment.run(&["reconcile", "--json"]).ends(2);
    let last = shown.json_lines().pop().unwrap();
    assert_eq!((&last["drifted"], &last["unreadable"]), (&1.into(), &0.into()), "{last}");
    environment.run(&["reconcile", "--fix", "--yes"]).ends(0);
    assert_eq!(environment.read("f.txt"), "f");
}

#[test]
fn a_secret_that_is_found_is_shown_nowhere() {
    let environment = Environment::with_stack(&stack(
        "[variable.secret]\ntype = \"string\"\ndefault = \"swordfish\"\nsensitive = true\n[resource.local_file.f]\npath = \
         \"f.txt\"\ncontent = \"${var.secret}\"\n",
    ));
    environment.write("f.txt", "hunter2");
    let shown = environment.run(&["plan", "-o", "p"]).ends(0);
    assert!(!shown.screen().contains("hunter2"), "{}", shown.screen());
    assert!(!environment.read("p").contains("hunter2"));
    let shown = environment.run(&["plan", "--json"]).ends(0);
    let change = &shown.json()["changes"][0];
    assert!(change["before"].get("content").is_none() && change["after"].get("content").is_none(), "{change}");
    assert!(change["sensitive"].as_array().unwrap().contains(&"content".into()), "{change}");
    assert!(shown.json()["base"].get("files").is_none());
}

#[test]
fn a_kept_plan_does_not_depend_on_where_it_is_called() {
    let environment = Environment::new();
    environment.write("sub/read.txt", "read");
    environment.write(
        "sub/retrue.toml",
        stack("[resource.local_file.f]\npath = \"f.txt\"\ncontent = '${file(\"read.txt\")}'\n"),
    );
    environment.run(&["-C", "sub", "plan", "-o", "p"]).ends(0);
    let path = environment.path("p").display().to_string();
    environment.run(&["-C", "sub", "apply", &path, "--yes"]).ends(0);
    assert_eq!(environment.read("sub/f.txt"), "read");
}

#[test]
fn a_kept_plan_is_refused_when_the_environment_has_moved() {
    let mut environment = Environment::with_stack(&stack("[resource.retrue_data.d]\ninput = \"${env.GIVEN}\"\n"));
    environment.set("GIVEN", "before");
    environment.run(&["plan", "-o", "p"]).ends(0);
    environment.set("GIVEN", "after");
    let shown = environment.run(&["apply", "p", "--yes"]).ends(1);
    assert!(shown.stderr.contains("RT0417") && shown.stderr.contains("`GIVEN`"), "{}", shown.screen());
}

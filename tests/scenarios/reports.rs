//! What runs and looks say when they end: on the screen, as documents, and by the exit status.

use crate::environment::Environment;

const STACK: &str = r#"
[stack]
schema = 1
name = "site"
[resource.local_file.a]
path = "a.txt"
content = "a"
[resource.local_file.b]
path = "b.txt"
content = "b"
"#;

fn drifted() -> Environment {
    let environment = Environment::with_stack(STACK);
    environment.run(&["apply", "--yes"]).ends(0);
    environment.write("a.txt", "by hand");
    fs_err::remove_file(environment.path("b.txt")).unwrap();
    environment
}

fn counts(line: &serde_json::Value) -> [u64; 4] {
    assert_eq!(line["event"], "run_finished");
    ["in_true", "drifted", "missing", "unreadable"].map(|name| line[name].as_u64().unwrap())
}

#[test]
fn every_reconcile_ends_with_a_line_that_counts() {
    let environment = drifted();
    let looked = environment.run(&["reconcile", "--json"]).ends(2).json_lines();
    assert_eq!(counts(looked.last().unwrap()), [0, 1, 1, 0]);
    let refused = environment.run(&["reconcile", "--fix", "--json"]).ends(1).json_lines();
    assert_eq!(counts(refused.last().unwrap()), [0, 1, 1, 0]);
    let fixed = environment.run(&["reconcile", "--fix", "--yes", "--json"]).ends(0).json_lines();
    assert_eq!(counts(fixed.last().unwrap()), [2, 0, 0, 0]);
    assert!(fixed.last().unwrap()["run_id"].is_string());
    let again = environment.run(&["reconcile", "--fix", "--yes", "--json"]).ends(0).json_lines();
    assert_eq!(counts(again.last().unwrap()), [2, 0, 0, 0]);
}

#[test]
fn what_is_accepted_is_a_run() {
    let environment = drifted();
    let lines = environment.run(&["reconcile", "--accept", "local_file.a", "--json"]).ends(2).json_lines();
    let last = lines.last().unwrap();
    assert_eq!(counts(last), [1, 0, 1, 0]);
    let accepted = lines.iter().find(|line| line["event"] == "accepted").unwrap();
    assert!(accepted["run_id"].is_string());
    assert_eq!(accepted["run_id"], last["run_id"]);
    let lines = environment.run(&["reconcile", "--accept-all", "--json"]).ends(0).json_lines();
    assert_eq!(counts(lines.last().unwrap()), [1, 0, 0, 0]);
}

#[test]
fn an_output_that_fails_says_so() {
    let stack = format!(
        "{STACK}[resource.retrue_data.c]\ninput = 1\n[output.bad]\nvalue = '${{tonumber(retrue_data.c.id)}}'\n"
    );
    let environment = Environment::with_stack(&stack);
    let shown = environment.run(&["apply", "--yes"]).ends(1);
    assert!(shown.stderr.contains("error[RT0503]: output.bad: "), "{}", shown.screen());
    assert!(shown.stderr.contains("hint: "), "{}", shown.screen());
}

#[test]
fn a_move_gives_a_name_and_no_other_type() {
    let environment = Environment::with_stack(STACK);
    environment.run(&["apply", "--yes"]).ends(0);
    for (to, why) in [
        ("local_link.a", "it is a `local_file`, not a `local_link`"),
        ("data.local_file.a", "is no resource but a data source"),
    ] {
        let shown = environment.run(&["state", "mv", "local_file.a", to]).ends(1);
        assert!(shown.stderr.contains("error[RT0140]") && shown.stderr.contains(why), "{}", shown.screen());
    }
    environment.run(&["state", "mv", "local_file.a", "local_file.c"]).ends(0);
}

#[test]
fn validate_asks_providers() {
    let environment = Environment::with_stack(
        "[stack]\nschema = 1\n[resource.local_file.a]\npath = 'a'\ncontent = 'x'\nsource = 'y'\n\
         [resource.local_file.b]\npath = 'b'\ncontent = 'x'\nmode = '9999'\n",
    );
    let shown = environment.run(&["validate"]).ends(1);
    assert_eq!(shown.stderr.matches("error[RT0413]").count(), 2, "{}", shown.screen());
    let wire = environment.run(&["validate", "--json"]).ends(1).json();
    assert!(wire.as_array().unwrap().iter().all(|told| told["line"].is_number() && told["hint"].is_string()));
}

#[test]
fn enabled_is_about_the_whole_block() {
    let environment = Environment::with_stack(
        "[stack]\nschema = 1\n[resource.retrue_data.a]\nfor_each = ['x']\ninput = 1\n\
         lifecycle.enabled = '${each.key != null}'\n[resource.retrue_data.b]\ncount = 1\ninput = 1\n\
         lifecycle.enabled = '${count.index == 0}'\n",
    );
    let shown = environment.run(&["validate"]).ends(1);
    assert_eq!(shown.stderr.matches("error[RT0134]").count(), 2, "{}", shown.screen());
    assert!(shown.stderr.contains("`enabled` is about the block"), "{}", shown.screen());
}

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

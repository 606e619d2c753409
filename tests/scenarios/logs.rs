//! Logs: lines on standard error, for people and for programs.

use retrue_provider_testcloud::Server;
use serde_json::Value;

use crate::environment::Environment;

/// The lines of the log that are JSON.
fn lines(stderr: &str) -> Vec<Value> {
    stderr.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with_message<'l>(lines: &'l [Value], message: &str) -> Vec<&'l Value> {
    lines.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == message).collect()
}

const FILE: &str = "[variable.s]\ntype = \"string\"\nsensitive = true\n\n[resource.local_file.f]\npath = \"f\"\nsensitive_content = \"${var.s}\"\n";

#[test]
fn runs_and_steps_are_told_to_programs_with_what_names_them() {
    let place = Environment::with(FILE);
    let shown = place.run(&["apply", "--yes", "-v", "--log-format", "json", "--var", "s=planted-secret"]).ends(0);
    let lines = lines(&shown.stderr);
    let run = place.runs()[0].clone();
    for message in ["run started", "step started", "step finished", "run finished"] {
        let found = with_message(&lines, message);
        assert_eq!(found.len(), 1, "{message}: {}", shown.screen());
        assert_eq!(found[0]["run_id"], run, "{message}");
    }
    let finished = with_message(&lines, "step finished")[0];
    assert_eq!((&finished["address"], &finished["outcome"]), (&"local_file.f".into(), &"applied".into()));
    assert!(finished["duration_ms"].is_u64() && finished["step"].is_string(), "{finished}");
    assert!(finished["idempotency_key"].as_str().is_some_and(|key| !key.is_empty()), "{finished}");
    assert!(with_message(&lines, "provider call").is_empty(), "that is for -vv: {}", shown.screen());
    assert_eq!(with_message(&lines, "store opened").len(), 1);
    assert!(!shown.all().contains("planted-secret"));
}

#[test]
fn calls_of_providers_are_told_in_detail_and_without_secrets() {
    let place = Environment::with(FILE);
    let shown = place.run(&["apply", "--yes", "-vv", "--log-format", "json", "--var", "s=planted-secret"]).ends(0);
    let lines = lines(&shown.stderr);
    let calls = with_message(&lines, "provider call");
    let applied = calls.iter().find(|call| call["operation"] == "apply").unwrap();
    assert_eq!((&applied["outcome"], &applied["address"]), (&"applied".into(), &"local_file.f".into()));
    assert!(applied["duration_ms"].is_u64() && applied["run_id"] == place.runs()[0], "{applied}");
    assert!(!shown.all().contains("planted-secret"));
}

#[test]
fn logs_are_lines_for_people_too_and_silent_unless_asked_for() {
    let place = Environment::with("[resource.local_command.c]\ncreate = \"exit 3\"\ndelete = \"true\"\n");
    let shown = place.run(&["apply", "--yes", "-v", "--no-color"]).ends(1);
    let failed = shown.stderr.lines().find(|line| line.contains("step failed")).unwrap();
    for part in
        ["INFO", "run_id=", "address=local_command.c", "action=create", "outcome=\"not_applied\"", "duration_ms="]
    {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    let quiet = place.run(&["apply", "--yes"]).ends(1);
    assert!(!quiet.stderr.contains("INFO"), "{}", quiet.screen());
}

#[test]
fn retries_and_verdicts_are_in_the_log() {
    use retrue_provider_testcloud::cloud::{Action, Fault, Method};
    let server = Server::start().unwrap();
    let stack = format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\n",
        server.url()
    );
    let place = Environment::with(&stack);
    server.cloud().add_fault(Fault::at(Method::Post, "instances", Action::LoseAnswer));
    let shown = place.run(&["apply", "--yes", "-v", "--log-format", "json"]).ends(0);
    let settled = lines(&shown.stderr);
    let settled = with_message(&settled, "doubt settled");
    assert_eq!((settled.len(), &settled[0]["outcome"]), (1, &"applied".into()), "{}", shown.screen());
    // What cannot be found again stays in doubt.
    place.write(
        "retrue.toml",
        crate::environment::stack(&format!("{stack}\n[resource.testcloud_token.t]\nscope = \"x\"\n")),
    );
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    let shown = place.run(&["apply", "--yes", "-v", "--log-format", "json"]).ends(4);
    assert_eq!(with_message(&lines(&shown.stderr), "step in doubt").len(), 1, "{}", shown.screen());
    // What was not done is tried again.
    place.write("retrue.toml", crate::environment::stack(&stack.replace("small", "large")));
    server.cloud().clear_faults();
    let refused = Action::ErrorBefore { status: 429, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Patch, "instances", refused));
    let shown = place.run(&["apply", "--yes", "-v", "--log-format", "json"]);
    assert_eq!(with_message(&lines(&shown.stderr), "step is tried again").len(), 1, "{}", shown.screen());
}

//! Logs: lines on standard error, for people and for programs.

use retrue_provider_testcloud::Server;
use serde_json::Value;

use crate::environment::Environment;

/// The lines of the log: every line is an object, whoever wrote it.
#[track_caller]
fn lines(stderr: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = stderr.lines().map(read).collect();
    for line in &lines {
        let of = |name: &str| line[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(["timestamp", "level", "target", "message"].into_iter().all(of), "{line}");
    }
    lines
}

fn with_message<'l>(lines: &'l [Value], message: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
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

const SECRET: &str = "planted-secret-7Q";

/// How a secret could show itself: as it is, in base64 at each of its three places, and in hex.
fn disguises() -> Vec<String> {
    use base64::Engine as _;
    let encoded = (0..3).map(|shift| {
        let text = format!("{}{SECRET}", "x".repeat(shift));
        let whole = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&text);
        // What depends on what stands before and after is left out.
        whole[(shift * 4).div_ceil(3)..whole.len() - 2].to_owned()
    });
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    [SECRET.to_owned(), hex.to_uppercase(), hex].into_iter().chain(encoded).collect()
}

#[test]
fn each_line_says_what_it_is_about_and_none_holds_a_secret() {
    use retrue_provider_testcloud::cloud::{Action, Fault, Method};
    let server = Server::start().unwrap();
    let retry = "[provider.testcloud.resilience.retry]\nfirst_wait = \"1ms\"\nlongest_wait = \"2ms\"\n";
    let network = "[resource.testcloud_network.n]\nname = \"n\"\ncidr = \"10.0.0.0/16\"\n";
    let bucket = "[resource.testcloud_bucket.b]\nname = \"b\"\ntags = { t = \"${var.s}\" }\n";
    // What fails with the secret in all its disguises in its words.
    let command = "[resource.local_command.c]\ncreate = \"echo ${var.s} ${base64encode(var.s)} >&2; exit 3\"\ndelete = \"true\"\n\
                   inputs = { s = \"${var.s}\", e = \"${base64encode(var.s)}\" }\n";
    let place = Environment::with(&format!(
        "[variable.s]\ntype = \"string\"\nsensitive = true\n[provider.testcloud]\nurl = \"{}\"\n{retry}{network}{bucket}{command}\
         [resource.testcloud_token.t]\nscope = \"${{var.s}}\"\n",
        server.url()
    ));
    let limited = Action::ErrorBefore { status: 429, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Post, "networks", limited));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    let refused = Action::ErrorBefore { status: 400, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Post, "buckets", refused));
    let given = format!("s={SECRET}");
    let arguments = ["apply", "--yes", "-vv", "--on-failure", "continue", "--log-format", "json", "--var", &given];
    let shown = place.run(&arguments).ends(4);
    let all = lines(&shown.stderr);
    let run = place.runs()[0].clone();

    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let of = |message: &str, address: &str| -> Vec<&Value> {
        with_message(&all, message).into_iter().filter(|line| line["address"] == address).collect()
    };
    // A step that failed at first: both tries, by the same key.
    let (tries, again) = (of("step started", "testcloud_network.n"), of("step is tried again", "testcloud_network.n"));
    assert_eq!(tries.iter().map(|line| line["attempt"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((again.len(), text(again[0], "category")), (1, "rate-limited".into()));
    assert!(again[0]["wait_ms"].is_u64() && again[0]["attempt"] == 1, "{}", again[0]);
    let done = of("step finished", "testcloud_network.n")[0];
    assert_eq!((text(done, "outcome"), done["attempt"].as_u64()), ("applied".into(), Some(2)));
    let keys = |line: &Value| (text(line, "step"), text(line, "idempotency_key"));
    assert!(tries.iter().chain(&again).all(|line| keys(line) == keys(done)), "{tries:?}");
    // One that failed for good, and one that cannot be told.
    let failed = of("step failed", "testcloud_bucket.b")[0];
    assert_eq!((text(failed, "outcome"), text(failed, "category")), ("not_applied".into(), "validation".into()));
    let doubt = of("step in doubt", "testcloud_token.t")[0];
    assert_eq!((text(doubt, "outcome"), text(doubt, "category")), ("unknown".into(), "network".into()));
    for line in [done, failed, doubt] {
        let (step, key) = keys(line);
        assert!(step.starts_with(&text(line, "address")) && key.len() == 64, "{line}");
        assert!(line["duration_ms"].is_u64() && line["run_id"] == run.as_str(), "{line}");
    }
    // Each change that was sent is a call that is tied to its step.
    let calls: Vec<&Value> = with_message(&all, "provider call");
    let sent: Vec<&&Value> = calls.iter().filter(|call| call["operation"] == "apply").collect();
    assert_eq!(sent.len(), 5, "{sent:?}");
    for call in sent {
        assert!(call["run_id"] == run.as_str() && call["duration_ms"].is_u64() && call["attempt"].is_u64(), "{call}");
        assert!(text(call, "idempotency_key").len() == 64 && !text(call, "step").is_empty(), "{call}");
        let category = if call["outcome"] == "applied" { Value::Null } else { call["category"].clone() };
        assert_eq!(call["outcome"] == "applied", category.is_null(), "{call}");
    }
    // What would be told to a person is told to the program.
    assert!(all.iter().any(|line| line["target"] == "retrue::cli" && line["level"] == "ERROR"), "{}", shown.screen());
    for disguise in disguises() {
        assert!(!shown.all().contains(&disguise), "{disguise}: {}", shown.screen());
    }
}

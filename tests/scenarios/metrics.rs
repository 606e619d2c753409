//! Numbers about runs, in a file for node-exporter.

use std::io::Write as _;
use std::process::{Command, Stdio};

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};

use crate::environment::{Environment, stack, wait_for};

fn cloud(server: &Server, blocks: &str) -> String {
    format!(
        "[stack.metrics]\ntextfile = \"metrics/retrue.prom\"\n\n[provider.testcloud]\nurl = \"{}\"\n\n\
         [provider.testcloud.resilience.retry]\nfirst_wait = \"1ms\"\nlongest_wait = \"2ms\"\n\n{blocks}",
        server.url()
    )
}

fn network(name: &str) -> String {
    format!("[resource.testcloud_network.{name}]\nname = \"{name}\"\ncidr = \"10.0.0.0/16\"\n\n")
}

/// The value of the one series of this family that has all these labels.
#[track_caller]
fn value(text: &str, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let fits = |line: &&str| labels.iter().all(|label| line.contains(label.as_str()));
    let found: Vec<&str> = text.lines().filter(|line| line.starts_with(&format!("{family}{{"))).filter(fits).collect();
    assert!(found.len() < 2, "{family} {labels:?}: {found:?}");
    found.first().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// What Prometheus' own tool says of a text; `None`, and loudly, where it is not installed.
fn promtool(test: &str, text: &str) -> Option<()> {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = started else {
        println!("SKIPPED: {test}: there is no promtool; Debian's package prometheus has it");
        return None;
    };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.trim().is_empty(), "{told}\n{text}");
    Some(())
}

#[test]
fn counters_go_on_from_run_to_run_and_promtool_takes_the_file() {
    let server = Server::start().unwrap();
    let place = Environment::with(&cloud(&server, &network("a")));
    fs_err::create_dir(place.path("metrics")).unwrap();
    // A rate limit: tried again, and then it works.
    let limited = Action::ErrorBefore { status: 429, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Post, "networks", limited));
    place.run(&["apply", "--yes"]).ends(0);
    let text = place.read("metrics/retrue.prom");
    let ours = ("stack", "try");
    let succeeded = |text: &str| {
        value(text, "retrue_runs_total", &[ours, ("environment", "default"), ("kind", "apply"), ("state", "succeeded")])
    };
    assert_eq!(succeeded(&text), Some(1.0), "{text}");
    // None has failed yet, and that is said: the first one that does is a step upwards.
    for state in ["failed_permanent", "failed_transient", "needs_review", "compensated_partly"] {
        assert_eq!(value(&text, "retrue_runs_total", &[("kind", "apply"), ("state", state)]), Some(0.0), "{text}");
    }
    assert_eq!(value(&text, "retrue_retries_total", &[ours, ("category", "rate-limited")]), Some(1.0), "{text}");
    assert_eq!(
        value(&text, "retrue_steps_total", &[("action", "create"), ("outcome", "applied")]),
        Some(1.0),
        "{text}"
    );
    let applies = [("provider", "testcloud"), ("operation", "apply"), ("outcome", "not_applied")];
    assert_eq!(value(&text, "retrue_provider_calls_total", &applies), Some(1.0), "{text}");
    assert_eq!(value(&text, "retrue_dead_letters", &[ours]), Some(0.0), "{text}");
    let all = [("provider", "testcloud"), ("operation", "apply")];
    assert_eq!(value(&text, "retrue_provider_call_duration_seconds_count", &all), Some(2.0), "{text}");
    assert_eq!(value(&text, "retrue_breaker_state", &[("service", "network"), ("kind", "write")]), Some(0.0), "{text}");
    promtool("counters_go_on_from_run_to_run", &text);

    // One that fails for good: it is counted, and is a dead letter.
    place.write("retrue.toml", stack(&cloud(&server, &(network("a") + &network("b") + &network("c")))));
    let refused = Action::ErrorBefore { status: 400, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Post, "networks", refused).always());
    place.run(&["apply", "--yes", "--parallelism", "1"]).ends(1);
    server.cloud().clear_faults();
    let text = place.read("metrics/retrue.prom");
    assert_eq!(succeeded(&text), Some(1.0), "it was there before: {text}");
    assert_eq!(value(&text, "retrue_runs_total", &[("state", "failed_permanent")]), Some(1.0), "{text}");
    assert_eq!(value(&text, "retrue_steps_total", &[("outcome", "skipped")]), Some(1.0), "{text}");
    assert_eq!(value(&text, "retrue_provider_failures_total", &[("category", "validation")]), Some(1.0), "{text}");
    assert_eq!(value(&text, "retrue_dead_letters", &[ours]), Some(1.0), "{text}");

    // A third, which makes up for it, and another environment beside it.
    place.run(&["apply", "--yes"]).ends(0);
    let text = place.read("metrics/retrue.prom");
    assert_eq!((succeeded(&text), value(&text, "retrue_dead_letters", &[ours])), (Some(2.0), Some(0.0)), "{text}");
    let was = text.lines().filter(|line| line.contains("environment=\"default\"")).count();
    place.run(&["apply", "--yes", "--env", "other"]).ends(1);
    let text = place.read("metrics/retrue.prom");
    assert_eq!(text.lines().filter(|line| line.contains("environment=\"default\"")).count(), was);
    promtool("counters_go_on_from_run_to_run", &text);
}

#[test]
fn reconcile_tells_what_has_drifted_also_round_after_round() {
    let place = Environment::with(
        "[stack.metrics]\ntextfile = \"retrue.prom\"\n\n[resource.local_file.a]\npath = \"a\"\ncontent = \"a\"\n\n\
         [resource.local_file.b]\npath = \"b\"\ncontent = \"b\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(value(&place.read("retrue.prom"), "retrue_drift", &[]), None, "nobody looked");
    fs_err::write(place.path("a"), "another").unwrap();
    place.run(&["reconcile"]).ends(2);
    let text = place.read("retrue.prom");
    let drift = |text: &str, status| value(text, "retrue_drift", &[("status", status)]);
    assert_eq!((drift(&text, "drifted"), drift(&text, "missing")), (Some(1.0), Some(0.0)), "{text}");
    assert_eq!(
        value(&text, "retrue_runs_total", &[("kind", "apply"), ("state", "succeeded")]),
        Some(1.0),
        "a look is no run: {text}"
    );
    // What goes on for ever writes after each round.
    let mut command = place.command(&["reconcile", "--every", "1s"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    fs_err::remove_file(place.path("b")).unwrap();
    wait_for("the second round", || {
        let text = fs_err::read_to_string(place.path("retrue.prom")).unwrap_or_default();
        (drift(&text, "missing") == Some(1.0)).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
    let text = place.read("retrue.prom");
    assert_eq!((drift(&text, "drifted"), drift(&text, "in_true")), (Some(0.0), Some(2.0)), "{text}");
    assert_eq!(value(&text, "retrue_runs_total", &[("kind", "fix"), ("state", "succeeded")]), Some(1.0), "{text}");
    promtool("reconcile_tells_what_has_drifted", &text);
}

#[test]
fn an_unwound_and_a_cancelled_run_are_counted_too() {
    let file =
        "[stack.metrics]\ntextfile = \"retrue.prom\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n\n";
    let fails = "[resource.local_command.c]\ncreate = \"exit 3\"\ndelete = \"true\"\ndepends_on = [\"local_file.f\"]\n";
    let place = Environment::with(&format!("{file}{fails}"));
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3);
    let text = place.read("retrue.prom");
    assert_eq!(
        value(&text, "retrue_runs_total", &[("kind", "compensate"), ("state", "succeeded")]),
        Some(1.0),
        "{text}"
    );
    assert_eq!(value(&text, "retrue_steps_total", &[("outcome", "undone")]), Some(1.0), "{text}");
    // Ctrl-C once while a command runs: it ends, and nothing more begins.
    let waits = "[resource.local_command.c]\ncreate = \"touch began; sleep 2\"\ndelete = \"true\"\n\n";
    let next = "[resource.local_command.d]\ncreate = \"true\"\ndelete = \"true\"\ndepends_on = [\"local_command.c\"]\n";
    place.write("retrue.toml", stack(&format!("{file}{waits}{next}")));
    let child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the command", || place.path("began").exists().then_some(()));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    place.shown(child.wait_with_output().unwrap()).ends(130);
    let text = place.read("retrue.prom");
    assert_eq!(value(&text, "retrue_runs_total", &[("kind", "apply"), ("state", "cancelled")]), Some(1.0), "{text}");
    promtool("an_unwound_and_a_cancelled_run", &text);
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_harms_nothing() {
    let mut place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    let config = place.run(&["config", "--json"]).ends(0).json();
    assert!(config["metrics"].is_null(), "{config}");
    place.set("RETRUE_METRICS_FILE", "nowhere/retrue.prom");
    let config = place.run(&["config", "--json"]).ends(0).json();
    assert_eq!(config["metrics"], "nowhere/retrue.prom");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(shown.stderr.contains("warning[RT0816]"), "{}", shown.screen());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // Somebody else's file is left as it is.
    place.set("RETRUE_METRICS_FILE", "node.prom");
    place.write("node.prom", "up 1\n");
    let shown = place.run(&["destroy", "--yes"]).ends(0);
    assert!(shown.stderr.contains("RT0816") && shown.stderr.contains("line 1"), "{}", shown.screen());
    assert_eq!(place.read("node.prom"), "up 1\n");
}

#[test]
fn breakers_and_queues_are_seen() {
    let server = Server::start().unwrap();
    let rules =
        "concurrency = 1\nbreaker = { failures = 3, open_for = \"1m\", hold = \"1ms\" }\nretry = { attempts = 1 }\n";
    let blocks = |names: &[&str]| {
        let networks: String = names.iter().map(|name| network(name)).collect();
        format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[provider.testcloud.resilience]\n{rules}\n{networks}",
            server.url()
        )
    };
    let mut place = Environment::with(&blocks(&["a", "b", "c", "d"]));
    place.set("RETRUE_METRICS_FILE", "retrue.prom");
    let slow = Action::Delay { milliseconds: 50 };
    server.cloud().add_fault(Fault::at(Method::Post, "networks", slow).always());
    place.run(&["apply", "--yes"]).ends(0);
    let text = place.read("retrue.prom");
    let limits = [("provider", "testcloud"), ("queue", "limits")];
    assert!(
        value(&text, "retrue_queue_length_peak", &limits).is_some_and(|most| (1.0..=3.0).contains(&most)),
        "{text}"
    );
    assert_eq!(value(&text, "retrue_queue_length", &limits), Some(0.0), "{text}");
    let writes = [("service", "network"), ("kind", "write")];
    assert_eq!(value(&text, "retrue_breaker_openings_total", &writes), Some(0.0), "{text}");
    // An outage: after three failures nothing more is sent.
    server.cloud().clear_faults();
    place.write("retrue.toml", stack(&blocks(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])));
    let down = Action::ErrorBefore { status: 503, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Post, "networks", down).always());
    place.run(&["apply", "--yes", "--on-failure", "continue", "--parallelism", "1"]).ends(1);
    let text = place.read("retrue.prom");
    assert_eq!(value(&text, "retrue_breaker_openings_total", &writes), Some(1.0), "{text}");
    assert_eq!(value(&text, "retrue_breaker_state", &writes), Some(2.0), "{text}");
    assert!(
        value(&text, "retrue_queue_length_peak", &[("queue", "breakers")]).is_some_and(|most| most > 0.0),
        "{text}"
    );
    promtool("breakers_and_queues_are_seen", &text);
}

#[test]
fn the_guide_names_every_metric() {
    let guide = include_str!("../../docs/guides/observability.md");
    for metric in retrue::telemetry::TABLE {
        assert!(guide.contains(&format!("`{}`", metric.family())), "{}", metric.family());
    }
}

//! Spans and numbers by OpenTelemetry's protocol.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};

use crate::environment::Environment;
use crate::environment::peers::mirror;
use crate::environment::receiver::{Manner, Receiver, attributes, points};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const COMMAND: &str =
    "[resource.local_command.c]\ncreate = \"printf %s \\\"$TRACEPARENT\\\" > seen\"\ndelete = \"true\"\n";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The spans as a tree, with what differs from run to run replaced by words.
fn tree(spans: &[Span]) -> String {
    let mut below: BTreeMap<&[u8], Vec<&Span>> = BTreeMap::new();
    for span in spans {
        below.entry(&span.parent_span_id).or_default().push(span);
    }
    let known: Vec<&[u8]> = spans.iter().map(|span| span.span_id.as_slice()).collect();
    let mut text = String::new();
    let roots = spans.iter().filter(|span| !known.contains(&span.parent_span_id.as_slice()));
    for root in roots {
        draw(root, &below, 0, &mut text);
    }
    text
}

fn draw(span: &Span, below: &BTreeMap<&[u8], Vec<&Span>>, depth: usize, text: &mut String) {
    let shown = |(name, value): &(String, String)| match name.as_str() {
        "run_id" => "run_id=[RUN]".to_owned(),
        "idempotency_key" => "idempotency_key=[KEY]".to_owned(),
        "duration_ms" | "wait_ms" => format!("{name}=[MS]"),
        "step" => format!("step={}/[PLAN]", value.rsplit_once('/').map_or("", |(step, _)| step)),
        _ => format!("{name}={value}"),
    };
    let attributes: Vec<String> = attributes(&span.attributes).iter().map(shown).collect();
    let failed = span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
    let failed = if failed { " FAILED" } else { "" };
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}{}{failed}: {}", span.name, attributes.join(" "));
    for event in &span.events {
        let attributes: Vec<String> =
            crate::environment::receiver::attributes(&event.attributes).iter().map(shown).collect();
        let _ = writeln!(text, "{indent}  * {}: {}", event.name, attributes.join(" "));
    }
    for span in below.get(span.span_id.as_slice()).into_iter().flatten() {
        draw(span, below, depth + 1, text);
    }
}

fn tracing(blocks: &str, endpoint: &str) -> Environment {
    let mut place = Environment::with(blocks);
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    place
}

#[test]
fn a_run_is_a_trace_of_steps_and_calls() {
    let (receiver, server) = (Receiver::start(Manner::Takes), Server::start().unwrap());
    let network = "[resource.testcloud_network.n]\nname = \"n\"\ncidr = \"10.0.0.0/16\"\n\n";
    let token = "[resource.testcloud_token.t]\nscope = \"x\"\ndepends_on = [\"testcloud_network.n\"]\n\n";
    let retry = "[provider.testcloud.resilience.retry]\nfirst_wait = \"1ms\"\nlongest_wait = \"2ms\"\n\n";
    let blocks = format!("[provider.testcloud]\nurl = \"{}\"\n\n{retry}{network}{token}", server.url());
    let place = tracing(&blocks, &receiver.endpoint);
    let limited = Action::ErrorBefore { status: 429, retry_after: None };
    server.cloud().add_fault(Fault::at(Method::Post, "networks", limited));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    let shown = place.run(&["apply", "--yes"]).ends(4);
    assert!(!shown.stderr.contains("RT0817"), "{}", shown.screen());
    let spans = receiver.spans();
    insta::assert_snapshot!(tree(&spans));
    // One trace, and every span within its parent's time.
    assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id && span.trace_id.len() == 16));
    let run = place.runs()[0].clone();
    assert!(attributes(&spans[0].attributes).contains(&("run_id".to_owned(), run)), "{:?}", spans[0]);
    let root = spans[0].clone();
    assert!(spans.iter().all(|span| span.end_time_unix_nano <= root.end_time_unix_nano), "{root:?}");
    let metrics = receiver.metrics();
    let steps = metrics.iter().find(|metric| metric.name == "retrue.steps").unwrap();
    let unknown = points(steps).into_iter().find(|(labels, _)| labels.contains(&("outcome".into(), "unknown".into())));
    assert_eq!(unknown.unwrap().1, 1);
    assert!(metrics.iter().any(|metric| metric.name == "retrue.provider.call.duration" && metric.unit == "s"));
    let service = receiver.resource();
    assert!(service.contains(&("service.name".into(), "retrue".into())), "{service:?}");
}

#[test]
fn an_unwinding_is_a_run_below_the_one_that_it_unwinds() {
    let receiver = Receiver::start(Manner::Takes);
    let file = "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n\n";
    let fails = "[resource.local_command.c]\ncreate = \"exit 3\"\ndelete = \"true\"\ndepends_on = [\"local_file.f\"]\n";
    let place = tracing(&format!("{file}{fails}"), &receiver.endpoint);
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3);
    insta::assert_snapshot!(tree(&receiver.spans()));
}

#[test]
fn what_started_us_is_the_parent_and_what_we_start_is_below() {
    let receiver = Receiver::start(Manner::Takes);
    let mut place = tracing(COMMAND, &receiver.endpoint);
    place.set("TRACEPARENT", PARENT);
    place.set("TRACESTATE", "vendor=1");
    place.set("OTEL_SERVICE_NAME", "infrastructure");
    place.set("OTEL_RESOURCE_ATTRIBUTES", "team=blue,deployment.environment=x");
    place.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer planted-header,x-a=b");
    let shown = place.run(&["apply", "--yes", "-vv"]).ends(0);
    assert!(!shown.all().contains("planted-header"), "{}", shown.screen());
    let spans = receiver.spans();
    let root = spans.iter().find(|span| span.name == "retrue apply").unwrap();
    assert_eq!((hex(&root.trace_id), hex(&root.parent_span_id)), (PARENT[3..35].to_owned(), PARENT[36..52].to_owned()));
    assert_eq!(root.trace_state, "vendor=1");
    let call = spans.iter().find(|span| span.name == "local apply").unwrap();
    assert_eq!(place.read("seen"), format!("00-{}-{}-01", hex(&call.trace_id), hex(&call.span_id)));
    let service = receiver.resource();
    for (name, value) in [("service.name", "infrastructure"), ("team", "blue"), ("deployment.environment", "x")] {
        assert!(service.contains(&(name.into(), value.into())), "{service:?}");
    }
    assert!(receiver.header("authorization").iter().all(|header| header == "Bearer planted-header"));
}

#[test]
fn without_an_endpoint_nothing_is_sent_and_a_parent_is_passed_on() {
    let mut place = Environment::with(COMMAND);
    place.set("TRACEPARENT", PARENT);
    place.set("OTEL_TRACES_EXPORTER", "otlp");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("seen"), PARENT);
    assert!(!shown.stderr.contains("RT0817"), "{}", shown.screen());
    let receiver = Receiver::start(Manner::Takes);
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
    place.set("OTEL_SDK_DISABLED", "true");
    place.run(&["destroy", "--yes"]).ends(0);
    assert_eq!(receiver.requests(), 0);
    place.set("OTEL_SDK_DISABLED", "false");
    place.set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(shown.stderr.contains("RT0817") && shown.stderr.contains("http/protobuf"), "{}", shown.screen());
    assert_eq!(receiver.requests(), 0);
    // What calls nobody has nothing to tell.
    place.set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    place.run(&["show"]).ends(0);
    assert_eq!(receiver.requests(), 0);
    place.run(&["plan"]).ends(0);
    assert!(receiver.requests() > 0);
}

#[test]
fn a_receiver_that_is_down_refuses_or_hangs_stops_nothing() {
    let down = "http://127.0.0.1:1".to_owned();
    let receivers = [Receiver::start(Manner::Refuses), Receiver::start(Manner::Hangs)];
    let endpoints = [down, receivers[0].endpoint.clone(), receivers[1].endpoint.clone()];
    for (endpoint, why) in endpoints.iter().zip(["network error", "403", "no answer within 5 s"]) {
        let place = tracing("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n", endpoint);
        let began = Instant::now();
        let shown = place.run(&["apply", "--yes"]).ends(0);
        assert!(began.elapsed() < Duration::from_secs(20), "{why}: {:?}", began.elapsed());
        let warned = shown.stderr.contains("warning[RT0817]") && shown.stderr.contains(why);
        assert!(warned, "{why}: {}", shown.screen());
        assert_eq!(place.read("f"), "x");
        // Neither does a failure become another one.
        place.write("retrue.toml", crate::environment::stack("[resource.local_command.c]\ncreate = \"exit 3\"\n"));
        place.run(&["apply", "--yes"]).ends(1);
    }
}

#[test]
fn more_steps_than_the_queue_holds_wait_for_nobody() {
    let receiver = Receiver::start(Manner::Hangs);
    let mut place = tracing(
        "[resource.local_file.f]\nfor_each = \"${toset([for i in range(60) : tostring(i)])}\"\npath = \"f${each.key}\"\ncontent = \"x\"\n",
        &receiver.endpoint,
    );
    place.set("OTEL_BSP_MAX_QUEUE_SIZE", "16");
    place.set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8");
    let began = Instant::now();
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(shown.stderr.contains("spans: no answer"), "{}", shown.screen());
}

#[test]
fn no_secret_is_sent() {
    let receiver = Receiver::start(Manner::Takes);
    let place = tracing(
        "[variable.s]\ntype = \"string\"\nsensitive = true\n\n[resource.local_file.f]\npath = \"f\"\nsensitive_content = \"${var.s}\"\n\n\
         [resource.local_command.c]\ncreate = \"echo ${var.s} >&2; exit 3\"\n",
        &receiver.endpoint,
    );
    place.run(&["apply", "--yes", "--var", "s=planted-secret"]).ends(1);
    assert!(receiver.requests() > 0 && receiver.holds("local_command.c"));
    for text in ["planted-secret", "cGxhbnRlZC1zZWNyZXQ", "706c616e7465642d736563726574"] {
        assert!(!receiver.holds(text), "{text}");
    }
}

#[test]
fn programs_of_terraform_are_started_within_the_trace() {
    let receiver = Receiver::start(Manner::Takes);
    let look = "for p in /proc/[0-9]*; do case $(cat $p/comm) in terraform-provi*) cat $p/environ | tr '\\\\0' '\\\\n';; esac; done";
    let blocks = format!(
        "[provider.null]\nsource = \"hashicorp/null\"\nversion = \"2.1.2\"\n\n[resource.null_resource.n]\n\n\
         [resource.local_command.w]\ncreate = \"{{ {look}; }} 2>/dev/null | grep ^TRACEPARENT= > seen\"\n\
         depends_on = [\"null_resource.n\"]\n"
    );
    let mut place = tracing(&blocks, &receiver.endpoint);
    if mirror("programs_of_terraform_are_started_within_the_trace", &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    let spans = receiver.spans();
    let root = spans.iter().find(|span| span.name == "retrue apply").unwrap();
    let parent = format!("TRACEPARENT=00-{}-{}-01", hex(&root.trace_id), hex(&root.span_id));
    assert!(place.read("seen").contains(&parent), "{}\n{parent}", place.read("seen"));
}

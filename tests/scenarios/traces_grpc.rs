//! Spans and numbers by OpenTelemetry's protocol, over gRPC.

use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::environment::receiver::grpc::{Papers, Tunnels, silent};
use crate::environment::receiver::{Manner, Receiver};

const FILE: &str = "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n";

fn tracing(blocks: &str, endpoint: &str) -> Environment {
    let mut place = Environment::with(blocks);
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    place.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    place
}

/// An endpoint, further variables, and what is told of it.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// Both signals came, whole.
#[track_caller]
fn came(receiver: &Receiver) {
    let spans = receiver.spans();
    let root = spans.iter().find(|span| span.name == "retrue apply").expect("no root came");
    let within = |name: &str| spans.iter().any(|span| span.name == name && span.trace_id == root.trace_id);
    assert!(within("step create") && within("local apply"), "{spans:?}");
    assert!(receiver.metrics().iter().any(|metric| metric.name == "retrue.steps"));
    let service = receiver.resource();
    assert!(service.contains(&("service.name".into(), "retrue".into())), "{service:?}");
}

#[test]
fn a_run_is_told_by_grpc_with_headers() {
    let receiver = Receiver::by_grpc(Manner::Takes, None);
    let mut place = tracing(FILE, &receiver.endpoint);
    place.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer planted-header,x-a=b%20c");
    place.set("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-a=metrics");
    let shown = place.run(&["apply", "--yes", "-vv"]).ends(0);
    assert!(!shown.all().contains("RT0817") && !shown.all().contains("planted-header"), "{}", shown.screen());
    came(&receiver);
    let seen = |name: &str| {
        let mut seen = receiver.header(name);
        seen.sort();
        seen.dedup();
        seen
    };
    assert_eq!(seen("x-a"), ["b c", "metrics"]);
    assert_eq!(seen("authorization"), ["", "Bearer planted-header"]);
    assert_eq!(seen("grpc-encoding"), [""]);
}

#[test]
fn each_signal_goes_its_own_way_and_compressed() {
    let (traces, metrics) = (Receiver::by_grpc(Manner::Takes, None), Receiver::start(Manner::Takes));
    let mut place = Environment::with(FILE);
    place.set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces.endpoint.trim_start_matches("http://"));
    place.set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
    place.set("OTEL_EXPORTER_OTLP_INSECURE", "true");
    place.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &format!("{}/v1/metrics", metrics.endpoint));
    place.set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(!shown.all().contains("RT0817"), "{}", shown.screen());
    assert!(traces.spans().iter().any(|span| span.name == "step create"));
    assert!(metrics.metrics().iter().any(|metric| metric.name == "retrue.steps"));
    assert!(traces.header("grpc-encoding").iter().all(|encoding| encoding == "gzip"));
    // Over HTTP, too.
    place.set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let before = metrics.requests();
    place.run(&["destroy", "--yes"]).ends(0);
    let encodings = metrics.header("content-encoding");
    assert!(encodings.len() > before && encodings[before..].iter().all(|encoding| encoding == "gzip"), "{encodings:?}");
}

#[test]
fn over_tls_whom_it_trusts_and_who_it_is() {
    let papers = Papers::new();
    let receiver = Receiver::by_grpc(Manner::Takes, Some(&papers));
    let mut place = tracing(FILE, &receiver.endpoint);
    for (name, text) in [("ca", &papers.certificate), ("client", &papers.client), ("key", &papers.client_key)] {
        place.write(&format!("{name}.pem"), text);
    }
    place.set("SSL_CERT_FILE", "client.pem");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(shown.stderr.contains("warning[RT0817]") && shown.stderr.contains("certificate"), "{}", shown.screen());
    assert_eq!(receiver.requests(), 0);
    place.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem");
    place.set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client.pem");
    let shown = place.run(&["plan"]).ends(0);
    let why = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: a certificate of the client and its key belong together";
    assert!(shown.stderr.contains(why), "{}", shown.screen());
    place.set("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem");
    place.run(&["destroy", "--yes"]).ends(0);
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(!shown.all().contains("RT0817"), "{}", shown.screen());
    came(&receiver);
    // As the system trusts.
    place.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "");
    place.set("SSL_CERT_FILE", "ca.pem");
    let before = receiver.requests();
    let shown = place.run(&["plan"]).ends(0);
    assert!(!shown.all().contains("RT0817") && receiver.requests() > before, "{}", shown.screen());
}

#[test]
fn what_cannot_be_done_is_told_and_stops_nothing() {
    let cases: &[Case] = &[
        ("unix:///run/collector", &[], "only `http://` and `https://` are spoken"),
        ("http://a b", &[], "the endpoint `http://a b`"),
        ("ftp://user:planted@a/b@c", &[], "the endpoint `ftp://a/b@c`: only `http://` and `https://` are spoken"),
        ("https://localhost:1", &[("OTEL_EXPORTER_OTLP_CERTIFICATE", "no.pem")], "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ("http://localhost:1", &[("OTEL_EXPORTER_OTLP_CERTIFICATE", "no.pem")], "is not `https://`"),
        ("http://localhost:1", &[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")], "COMPRESSION=zstd"),
        ("http://a.example:1", &[("HTTP_PROXY", "socks5://u:planted@127.0.0.1:1")], "through those of `http://` only"),
        ("https://a.example:1", &[("HTTPS_PROXY", "https://u:planted@127.0.0.1:1")], "through those of `http://` only"),
    ];
    for (endpoint, variables, why) in cases {
        let mut place = tracing(FILE, endpoint);
        for (name, text) in *variables {
            place.set(name, text);
        }
        let shown = place.run(&["apply", "--yes"]).ends(0);
        assert!(shown.stderr.contains("warning[RT0817]"), "{why}: {}", shown.screen());
        let joined = shown.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(why) && !joined.contains("planted"), "{why}: {}", shown.screen());
        assert_eq!(place.read("f"), "x");
    }
}

#[test]
fn a_proxy_is_gone_through_and_left_out_as_the_variables_say() {
    let papers = Papers::new();
    let (plain, secure) = (Receiver::by_grpc(Manner::Takes, None), Receiver::by_grpc(Manner::Takes, Some(&papers)));
    for (receiver, variable) in [(&plain, "HTTP_PROXY"), (&secure, "HTTPS_PROXY")] {
        let tunnels = Tunnels::start();
        let mut place = tracing(FILE, &receiver.endpoint);
        place.write("ca.pem", &papers.certificate);
        if variable == "HTTPS_PROXY" {
            place.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem");
        }
        place.set(variable, &format!("http://user:planted-word@{}", tunnels.address));
        let shown = place.run(&["apply", "--yes"]).ends(0);
        assert!(!shown.all().contains("RT0817"), "{}", shown.screen());
        came(receiver);
        let heads = tunnels.heads();
        let authority = receiver.endpoint.split_once("://").unwrap().1;
        assert!(heads.iter().all(|head| head.starts_with(&format!("CONNECT {authority} "))), "{heads:?}");
        let given = |head: &String| head.to_lowercase().contains("proxy-authorization: basic dxnlcjpwbgfudgvklxdvcmq=");
        assert!(!heads.is_empty() && heads.iter().all(given), "{heads:?}");
        place.set("NO_PROXY", "127.0.0.1");
        place.run(&["destroy", "--yes"]).ends(0);
        assert_eq!(tunnels.heads().len(), heads.len());
    }
}

#[test]
fn a_receiver_by_grpc_that_is_away_refuses_or_hangs_stops_nothing() {
    let receivers = [Receiver::by_grpc(Manner::Refuses, None), Receiver::by_grpc(Manner::Hangs, None)];
    let (_listener, silent) = silent();
    let (tls, plain) = (format!("https://{silent}"), format!("http://{silent}"));
    let cases = [
        ("http://127.0.0.1:1", "", "refused"),
        (&receivers[0].endpoint, "", "PermissionDenied"),
        (&receivers[1].endpoint, "", "no answer within 5 s"),
        (&receivers[1].endpoint, "700", "no answer within 700ms"),
        // A connection that is taken and comes to nothing.
        (&plain, "", "no answer within 5 s"),
        (&tls, "", "no answer within 5 s"),
        (&tls, "700", "within 700ms"),
    ];
    for (endpoint, timeout, why) in cases {
        let mut place = tracing(FILE, endpoint);
        place.write("ca.pem", Papers::new().certificate);
        if endpoint.starts_with("https") {
            place.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem");
        }
        place.set("OTEL_EXPORTER_OTLP_TIMEOUT", timeout);
        let began = Instant::now();
        let shown = place.run(&["apply", "--yes"]).ends(0);
        assert!(began.elapsed() < Duration::from_secs(20), "{endpoint}: {:?}", began.elapsed());
        let joined = shown.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains("warning[RT0817]") && joined.contains(why), "{endpoint} {why}: {}", shown.screen());
        // What a receiver says may repeat what it was sent.
        assert!(!joined.contains("planted-reason"), "{}", shown.screen());
        assert_eq!(place.read("f"), "x");
    }
}

#[test]
fn more_spans_than_the_queue_holds_wait_for_nobody_by_grpc() {
    let receiver = Receiver::by_grpc(Manner::Hangs, None);
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
fn no_secret_is_sent_by_grpc() {
    let receiver = Receiver::by_grpc(Manner::Takes, None);
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

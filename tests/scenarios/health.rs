//! Health checks: after an apply, by `reconcile`, alone, and against servers that really answer.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use rcgen::{CertificateParams, KeyPair};
use retrue_provider_testcloud::Server as Cloud;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::environment::Environment;

/// A server that answers with the status that it is told to.
struct Site {
    port: u16,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn start() -> Site {
        Site::with(|listener, router| async move { axum::serve(listener, router).await.unwrap() })
    }

    /// One with a certificate for `localhost` that is good for so many days.
    fn start_tls(config: Arc<ServerConfig>) -> Site {
        Site::with(|listener, router| async move {
            let listener = Tls { listener, acceptor: TlsAcceptor::from(config) };
            axum::serve(listener, router).await.unwrap();
        })
    }

    fn with<F: Future<Output = ()> + Send + 'static>(
        serve: impl FnOnce(tokio::net::TcpListener, Router) -> F + Send + 'static,
    ) -> Site {
        let (status, asked) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (now, count) = (Arc::clone(&status), Arc::clone(&asked));
        let answer = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let status = StatusCode::from_u16(now.load(Ordering::SeqCst)).unwrap();
            async move { (status, "all is well") }
        };
        runtime.spawn(serve(listener, Router::new().fallback(any(answer))));
        Site { port, status, asked, _runtime: runtime }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Connections behind TLS; those that fail are let go.
struct Tls {
    listener: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A certificate for `localhost` that ends in so many days, as the server needs it and as a file of roots.
fn certificate(days: i64) -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(days * 24 + 1);
    let (ends, begins) =
        (ends.to_zoned(jiff::tz::TimeZone::UTC), jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC));
    let date = |at: &jiff::Zoned| {
        rcgen::date_time_ymd(i32::from(at.year()), u8::try_from(at.month()).unwrap(), u8::try_from(at.day()).unwrap())
    };
    // A day more: only whole days can be said.
    (params.not_before, params.not_after) = (date(&begins), date(&ends.tomorrow().unwrap()));
    let certificate = params.self_signed(&key).unwrap();
    let der = CertificateDer::from(certificate.der().to_vec());
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![der], secret).unwrap();
    (Arc::new(config), certificate.pem())
}

/// A file, and what is written below it.
fn file(rest: &str) -> String {
    format!("[resource.local_file.a]\npath = \"a.txt\"\ncontent = \"a\"\n\n{rest}")
}

fn of<'e>(events: &'e [Json], name: &str) -> Vec<&'e Json> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// A database whose engine is a lossy change, what rests on it, what stands beside it, and a check.
fn with_a_pivot(cloud: &Cloud, site: &Site, engine: &str) -> String {
    format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_database.main]\nname = \"main\"\n\
         engine = \"{engine}\"\n\n[resource.local_file.on_it]\npath = \"on_it\"\n\
         content = \"${{testcloud_database.main.engine}}\"\n\n[resource.testcloud_bucket.beside]\n\
         name = \"{engine}\"\n\n[check.site]\nhttp = {{ url = \"http://127.0.0.1:{}/\" }}\n{QUICK}",
        cloud.url(),
        site.port
    )
}

#[test]
fn promise_5_an_unhealthy_one_behind_a_pivot_halts_and_unwinds_nothing() {
    let (cloud, site) = (Cloud::start().unwrap(), Site::start());
    let place = Environment::with(&with_a_pivot(&cloud, &site, "mysql"));
    place.run(&["apply", "--yes"]).ends(0);
    let truth = || -> Vec<String> {
        let objects = cloud.cloud().truth();
        let mut told: Vec<String> = objects
            .iter()
            .map(|object| {
                let of = |name: &str| object.attributes.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
                format!("{} {} {}", object.collection, of("name"), of("engine"))
            })
            .collect();
        told.sort();
        told
    };
    let before = truth();
    site.answers(503);
    place.write("retrue.toml", crate::environment::stack(&with_a_pivot(&cloud, &site, "postgres")));
    let apply = ["apply", "--yes", "--on-failure", "compensate", "--parallelism", "1"];
    let shown =
        place.run(&apply).ends(4).tells("RT0511", &["check.site"]).tells("RT0608", &["testcloud_database.main"]);
    insta::assert_snapshot!("unhealthy_behind_a_pivot", shown.screen().replace(&site.port.to_string(), "[PORT]"));
    // All of it was done, and none of it is taken back: that would leave neither old nor new.
    let after = truth();
    assert!(after.iter().all(|object| object.contains("postgres")) && place.read("on_it") == "postgres", "{after:?}");
    assert_eq!(place.run(&["runs", "list", "--json"]).json()[0]["state"], "failed_permanent");
    let words: Vec<String> = place.journal().into_iter().map(|(event, _)| event).collect();
    assert!(words.iter().all(|word| !word.starts_with("undo") && !word.starts_with("undone")), "{words:?}");
    // By hand, what does not rest on it goes back; the rest only with leave.
    let shown = place.run(&["compensate", "--yes"]).ends(4);
    assert!(shown.stderr.contains("--past testcloud_database.main"), "{}", shown.screen());
    assert_eq!(place.read("on_it"), "postgres");
    place.run(&["compensate", "--yes", "--past", "testcloud_database.main"]).ends(0);
    assert_eq!((truth(), place.read("on_it").as_str()), (before.clone(), "mysql"));
    // For programs the same: the last line says how the run ended, and nothing was undone.
    let events = place.run(&[&apply[..], &["--json"]].concat()).ends(4).json_lines();
    assert_eq!(of(&events, "check_finished").len(), 1);
    assert!(events.iter().all(|event| !event["event"].as_str().unwrap().starts_with("undo")), "{events:#?}");
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["state"]), (&json!("run_finished"), &json!("failed_permanent")));
    place.run(&["compensate", "--yes", "--past", "testcloud_database.main"]).ends(0);
    // Where nothing of the kind was passed, it is unwound at once.
    let harmless = with_a_pivot(&cloud, &site, "mysql").replace("name = \"mysql\"", "name = \"other\"");
    place.write("retrue.toml", crate::environment::stack(&harmless));
    place.run(&apply).ends(3).tells("RT0511", &["check.site"]);
    assert_eq!(truth(), before);
}

const QUICK: &str = "interval = \"10ms\"\n";

#[test]
fn the_line_break_at_the_end_is_none_of_what_a_command_says() {
    let place = Environment::with(&file(
        "\n[check.whole]\ncommand = { run = [\"echo\", \"one\"], stdout = \"^one$\" }\n\n\
         [check.break]\ncommand = { run = [\"echo\", \"one\"], stdout = \"one\\\\n\" }\n",
    ));
    place.run(&["apply", "--yes"]).ends(0);
}

#[test]
fn all_kinds_are_looked_at_after_an_apply() {
    let site = Site::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Environment::with(&file(&format!(
        r#"
[output.path]
value = "${{local_file.a.path}}"

[check.site]
http = {{ url = "http://127.0.0.1:{}/${{local_file.a.content}}", contains = "well", matches = "^all" }}

[check.port]
tcp = "127.0.0.1:{port}"

[check.content]
command = {{ run = ["cat", "${{local_file.a.path}}"], stdout = "^a$" }}

[check.named]
condition = "${{output.path == local_file.a.path && length(local_file.a.content) == 1}}"
message = "the file is another"
"#,
        site.port
    )));
    insta::assert_snapshot!(place.run(&["plan"]).ends(0).screen().replace(&site.port.to_string(), "[PORT]"));
    let shown = place.run(&["apply", "--yes"]).ends(0);
    insta::assert_snapshot!(shown.screen());
    assert_eq!(site.asked(), 1);
    // With nothing to do they are looked at again: to apply is to end with all that is declared.
    let again = place.run(&["apply", "--yes"]).ends(0);
    assert!(again.stdout.contains("check.site  healthy"), "{}", again.screen());
    assert_eq!(site.asked(), 2);
    // What happened is in the journal.
    let run = &place.run(&["runs", "list", "--json"]).json()[0]["run_id"];
    let events = place.run(&["runs", "events", run.as_str().unwrap()]).ends(0);
    assert!(events.stdout.contains("checked") && events.stdout.contains("site: healthy"), "{}", events.screen());
}

#[test]
fn an_unhealthy_one_fails_the_run_and_a_warning_does_not() {
    let site = Site::start();
    site.answers(503);
    let check = format!("http = {{ url = \"http://127.0.0.1:{}/\" }}\nretries = 2\n{QUICK}", site.port);
    let place = Environment::with(&file(&format!("[check.site]\n{check}severity = \"warning\"\n")));
    let warned = place.run(&["apply", "--yes"]).ends(0);
    insta::assert_snapshot!("only_a_warning", warned.screen());
    assert_eq!(site.asked(), 3);
    // The same, as an error: nothing is left to do, and it fails all the same.
    place.write("retrue.toml", crate::environment::stack(&file(&format!("[check.site]\n{check}"))));
    let failed = place.run(&["apply", "--yes"]).ends(1).tells("RT0511", &["check.site"]);
    insta::assert_snapshot!("unhealthy_with_nothing_to_do", failed.screen());
    let place = Environment::with(&file(&format!("[check.site]\n{check}")));
    let failed = place.run(&["apply", "--yes"]).ends(1).tells("RT0511", &["check.site", "503"]);
    insta::assert_snapshot!("unhealthy", failed.screen());
    // What was done stays, and can be unwound.
    assert_eq!(place.read("a.txt"), "a");
    assert_eq!(place.run(&["runs", "list", "--json"]).json()[0]["state"], "failed_permanent");
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(!place.path("a.txt").exists());
}

#[test]
fn an_unhealthy_one_unwinds_the_run_where_that_is_asked_for() {
    let check = "[check.never]\ncommand = [\"sh\", \"-c\", \"echo no >&2; exit 3\"]\nretries = 0\n";
    let place = Environment::with(&file(check));
    let shown = place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3);
    shown.tells("RT0511", &["it ended with 3, and 0 is expected: no"]);
    assert!(!place.path("a.txt").exists());
    assert!(place.recorded().is_empty());
}

#[test]
fn events_tell_of_each() {
    let place = Environment::with(&file(
        "[check.good]\ncommand = [\"true\"]\n\n[check.bad]\ncondition = \"${local_file.a.content == \\\"b\\\"}\"\n\
         message = \"it is ${local_file.a.content}\"\n",
    ));
    let shown = place.run(&["apply", "--yes", "--json"]).ends(1);
    let events = shown.json_lines();
    let checks: Vec<Json> = of(&events, "check_finished")
        .into_iter()
        .map(|event| {
            assert!(event["run_id"].is_string() && event["duration_ms"].is_number(), "{event}");
            let mut event = event.clone();
            event.as_object_mut().unwrap().retain(|name, _| !["ts", "run_id", "duration_ms"].contains(&name.as_str()));
            event
        })
        .collect();
    let expected = json!([
        {"event": "check_finished", "check": "bad", "probe": "condition", "severity": "error", "outcome": "unhealthy",
         "tries": 1, "message": "it is a"},
        {"event": "check_finished", "check": "good", "probe": "command", "severity": "error", "outcome": "healthy",
         "tries": 1},
    ]);
    assert_eq!(json!(checks), expected);
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    assert_eq!(events.last().unwrap()["state"], "failed_permanent");
    // With nothing to do, the last line is the same.
    let events = place.run(&["apply", "--yes", "--json"]).ends(1).json_lines();
    assert_eq!(of(&events, "check_finished").len(), 2);
    assert_eq!(events.last().unwrap()["event"], "run_finished");
}

#[test]
fn they_run_alone_over_what_is_recorded() {
    let site = Site::start();
    let stack = |content: &str| {
        crate::environment::stack(&format!(
            "[resource.local_file.a]\npath = \"a.txt\"\ncontent = \"{content}\"\n\n[output.word]\n\
             value = \"${{local_file.a.content}}\"\n\n[check.site]\n\
             http = {{ url = \"http://127.0.0.1:{}/${{local_file.a.content}}\" }}\nretries = 0\n\n[check.word]\n\
             condition = \"${{output.word == \\\"one\\\"}}\"\nmessage = \"the word is ${{output.word}}\"\n",
            site.port
        ))
    };
    let place = Environment::with_stack(&stack("one"));
    // Nothing is recorded, so there is nothing to be looked at.
    let early = place.run(&["check"]).ends(1);
    insta::assert_snapshot!("alone_before_an_apply", early.screen());
    place.run(&["apply", "--yes"]).ends(0);
    insta::assert_snapshot!("alone_healthy", place.run(&["check"]).ends(0).screen());
    // What is declared since is no matter: it is not there.
    place.write("retrue.toml", stack("two"));
    place.run(&["check"]).ends(0);
    site.answers(500);
    let shown = place.run(&["check", "--json"]).ends(1);
    let lines = shown.json_lines();
    let last = lines.last().unwrap();
    assert_eq!((&last["healthy"], &last["unhealthy"], &last["warnings"]), (&json!(1), &json!(1), &json!(0)));
    insta::assert_snapshot!("alone_one", place.run(&["check", "word"]).ends(0).screen());
    place.run(&["check", "wrod"]).ends(1).tells("RT0119", &["`word`"]);
}

#[test]
fn reconcile_looks_at_them_and_drift_wins() {
    let site = Site::start();
    let check = format!("[check.site]\nhttp = {{ url = \"http://127.0.0.1:{}/\" }}\nretries = 0\n", site.port);
    let place = Environment::with(&file(&check));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["reconcile"]).ends(0);
    site.answers(500);
    insta::assert_snapshot!("reconcile_unhealthy", place.run(&["reconcile"]).ends(1).screen());
    let lines = place.run(&["reconcile", "--json"]).ends(1).json_lines();
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["drifted"]), (&json!("run_finished"), &json!(0)));
    assert_eq!(last["checks"], json!({"healthy": 0, "unhealthy": 1, "warnings": 0}));
    place.write("a.txt", "other");
    place.run(&["reconcile"]).ends(2);
    // Mended, and still it does not work.
    place.run(&["reconcile", "--fix", "--yes"]).ends(1);
    assert_eq!(place.read("a.txt"), "a");
    site.answers(200);
    place.run(&["reconcile"]).ends(0);
}

#[test]
fn a_plan_file_carries_them() {
    let site = Site::start();
    let stack = |port: u16| {
        format!(
            "[provider.local]\n\n[resource.retrue_data.a]\ninput = \"x\"\n\n[check.site]\n\
             http = {{ url = \"http://127.0.0.1:{port}/?id=${{retrue_data.a.id}}\" }}\nretries = 0\n"
        )
    };
    let place = Environment::with(&stack(site.port));
    let plan = place.run(&["plan", "--json", "-o", "plan"]).ends(0).json();
    assert_eq!(plan["checks"][0]["check"], "site");
    assert_eq!(plan["checks"][0]["unknown"], json!(["url"]), "{plan}");
    let applied = place.run(&["apply", "plan", "--yes"]).ends(0);
    assert!(applied.screen().contains("check.site  healthy"), "{}", applied.screen());
    assert_eq!(site.asked(), 1);
}

#[test]
fn a_certificate_that_ends_soon_is_told() {
    let (config, pem) = certificate(20);
    let site = Site::start_tls(config);
    let check = |days: u32| {
        crate::environment::stack(&format!(
            "[check.site]\nretries = 0\n\
             http = {{ url = \"https://localhost:{}/\", contains = \"well\", certificate_days = {days} }}\n",
            site.port
        ))
    };
    let mut place = Environment::with_stack(&check(14));
    // Nobody vouches for it.
    let shown = place.run(&["check"]).ends(1);
    assert!(shown.stdout.contains("cannot be reached") && shown.stdout.contains("certificate"), "{}", shown.screen());
    assert_eq!(site.asked(), 0);
    place.write("roots.pem", &pem);
    let roots = place.path("roots.pem").display().to_string();
    place.set("SSL_CERT_FILE", &roots);
    place.run(&["check"]).ends(0);
    place.write("retrue.toml", check(30));
    let shown = place.run(&["check"]).ends(1);
    assert!(shown.stdout.contains("its certificate ends in 2"), "{}", shown.screen());
    assert!(shown.stdout.contains("days, and 30 are asked for"), "{}", shown.screen());
}

#[test]
fn nothing_secret_shows() {
    let site = Site::start();
    site.answers(403);
    let mut place = Environment::with(&file(&format!(
        "[variable.token]\ntype = \"string\"\nsensitive = true\nfrom = \"env:TOKEN\"\n\n[check.site]\nretries = 0\n\
         http = {{ url = \"http://127.0.0.1:{}/?token=${{var.token}}\", headers = {{ x = \"${{var.token}}\" }} }}\n\n\
         [check.gone]\nretries = 0\nhttp = {{ url = \"http://127.0.0.1:9/?token=${{var.token}}\" }}\n\n\
         [check.command]\nretries = 0\ncommand = [\"sh\", \"-c\", \"echo ${{var.token}} >&2; exit 1\"]\n",
        site.port
    )));
    place.set("TOKEN", "hunter22hunter");
    let mut shown = String::new();
    for verb in [&["plan", "-o", "plan", "--json"][..], &["apply", "--yes"], &["check", "-vv"], &["check", "--json"]] {
        shown.push_str(&place.run(verb).all());
    }
    assert!(shown.contains("403"), "{shown}");
    assert!(!shown.contains("hunter22"), "{shown}");
    place.holds_nowhere("hunter22hunter");
}

#[test]
fn what_is_wrong_with_one_is_told_at_its_place() {
    let place = Environment::with(
        r#"
[variable.secret]
type = "string"
ephemeral = true
default = "x"

[check.a]
http = { url = "ftp://x", matches = "(", statsu = 200 }

[check.b]
tcp = "nowhere"
command = ["true"]

[check.c]
condition = "${output.nothing}"
retries = 3

[check.d]
interval = "soon"

[check.e]
command = ["echo", "${var.secret}"]

[check.f]
http = { url = "http://x", certificate_days = 3, status = 999 }
severity = "fatal"

[provider.local.resilience]
breaker = { recovery_check = "bb" }
"#,
    );
    insta::assert_snapshot!(place.run(&["validate"]).ends(1).screen());
}

#[test]
fn a_recovery_check_is_one_that_needs_nothing_that_is_made() {
    let place = Environment::with(&file(
        "[provider.local.resilience]\nbreaker = { recovery_check = \"a\" }\n\n[stack.resilience]\n\
         breaker = { recovery_check = \"b\" }\n\n[check.a]\ntcp = \"${local_file.a.content}:1\"\n\n[check.b]\n\
         condition = true\nmessage = \"\"\n",
    ));
    place.run(&["validate"]).ends(1).tells("RT0119", &["`local_file.a`", "is a condition"]);
}

#[test]
fn recovery_waits_for_a_check() {
    let cloud = Cloud::start().unwrap();
    let site = Site::start();
    site.answers(503);
    let mut toml = format!(
        "[check.cloud]\nhttp = {{ url = \"http://127.0.0.1:{}/\" }}\nretries = 0\n{QUICK}severity = \"warning\"\n\n\
         [provider.testcloud]\nurl = \"{}\"\n\
         resilience = {{ retry = {{ first_wait = \"10ms\", jitter = \"none\" }}, \
         breaker = {{ failures = 3, open_for = \"100ms\", recovery_check = \"cloud\" }} }}\n",
        site.port,
        cloud.url()
    );
    for number in 0..10 {
        toml.push_str(&format!("\n[resource.testcloud_bucket.b{number}]\nname = \"b{number}\"\n"));
    }
    let place = Environment::with(&toml);
    let trouble = Action::ErrorBefore { status: 503, retry_after: None };
    cloud.cloud().add_fault(Fault { nth: 3, times: 8, ..Fault::at(Method::Post, "buckets", trouble) });
    let shown = place.run(&["apply", "--yes", "-v", "--parallelism", "4"]).ends(0);
    assert!(shown.stderr.contains("check=cloud healthy=false"), "{}", shown.screen());
    // It never became healthy, and the run went on, one call at a time.
    assert!(!shown.stderr.contains("check=cloud healthy=true"), "{}", shown.screen());
    assert_eq!(cloud.cloud().truth().len(), 10);
    // What is in force is told, and what is in a plan is used by an undo.
    let config = place.run(&["config"]).ends(0);
    assert!(config.stdout.contains("recovery check cloud"), "{}", config.screen());
    place.run(&["destroy", "--yes"]).ends(0);
}

//! Runs that are recorded, and recordings that are replayed with nothing outside.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use insta::assert_snapshot;
use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::{Value as Json, json};

use crate::environment::peers::{Aws, mirror, there};
use crate::environment::{Environment, stack, wait_for};

pub(super) const SECRET: &str = "planted-Kq81/x?z";

/// Three buckets, a file and a command; the second bucket rests on the first, the last on the second.
pub(super) fn blocks(url: &str, content: &str) -> String {
    format!(
        "[variable.secret]\ntype = \"string\"\nsensitive = true\n\n[variable.name]\ntype = \"string\"\n\
         default = \"first\"\n\n[provider.testcloud]\nurl = \"{url}\"\ntoken = \"bearer-of-nothing\"\n\n\
         [provider.testcloud.resilience.retry]\nfirst_wait = \"1ms\"\njitter = \"none\"\n\n\
         [resource.testcloud_bucket.a]\nname = \"${{var.name}}-a\"\nversioning = true\n\n\
         [resource.testcloud_bucket.b]\nname = \"${{var.name}}-b\"\n\
         tags = {{ secret = \"${{var.secret}}\", coded = \"${{base64encode(var.secret)}}\" }}\n\
         depends_on = [\"testcloud_bucket.a\"]\n\n\
         [resource.testcloud_bucket.c]\nname = \"${{var.name}}-c\"\ndepends_on = [\"testcloud_bucket.b\"]\ntags = {{ own = \"${{sha256(var.secret)}}\" }}\n\n\
         [resource.local_file.page]\npath = \"page\"\ncontent = \"{content} ${{var.secret}}\"\n\n\
         [resource.local_command.note]\ncreate = \"echo ran >> noted\"\nread = \"cat noted || exit 44\"\ndelete = \"rm -f noted\"\n"
    )
}

pub(super) fn refuse(server: &Server, status: u16, nth: u64, times: u64) {
    let action = Action::ErrorBefore { status, retry_after: None };
    server.cloud().add_fault(Fault { nth, times, ..Fault::at(Method::Post, "buckets", action) });
}

/// A place in which a run was recorded that makes, changes, tries again and fails; its server is gone.
fn recorded() -> Environment {
    let server = Server::start().unwrap();
    let mut place = Environment::with(&blocks(&server.url(), "before"));
    place.set("RETRUE_VAR_secret", SECRET);
    // Something is there already, and is changed.
    place.run(&["apply", "--yes", "--target", "testcloud_bucket.a", "--target", "local_file.page"]).ends(0);
    let text = blocks(&server.url(), "after").replace("versioning = true", "versioning = false");
    place.write("retrue.toml", stack(&text));
    refuse(&server, 503, 1, 2);
    refuse(&server, 403, 4, 1);
    place.run(&["apply", "--yes", "--record", "trace"]).ends(1);
    drop(server);
    place
}

fn lines(place: &Environment) -> Vec<Json> {
    place.read("trace").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_recorded_run_is_replayed_with_nothing_outside() {
    let place = recorded();
    let lines = lines(&place);
    let of = |kind: &str| lines.iter().filter(|line| line.get(kind).is_some()).count();
    assert_eq!((of("trace"), of("provider"), of("end")), (1, 2, 1));
    let tried = lines.iter().filter(|line| line["call"]["verb"] == "apply").count();
    assert_eq!(tried, 7, "two in vain, then b; c in vain; a, the file and the command");
    // Each look belongs to the try that it comes before.
    let of_b = lines.iter().filter(|line| line["call"]["address"] == "testcloud_bucket.b").map(|line| &line["call"]);
    let tries: Vec<String> = of_b
        .filter(|call| ["find", "apply"].contains(&call["verb"].as_str().unwrap()))
        .map(|call| format!("{} {}", call["verb"].as_str().unwrap(), call["attempt"]))
        .collect();
    // Planned, and then three tries; what came of one that failed is looked at before the next one begins.
    let tried = ["find 1", "apply 1", "find 1", "find 2", "apply 2", "find 2", "find 3", "apply 3"];
    assert_eq!(tries, [&["find 1"][..], &tried].concat());
    let (before, runs, noted) = (place.tree(), place.runs(), place.read("noted"));
    let shown = place.run(&["replay", "trace"]).ends(0);
    assert_snapshot!("replayed_trace", shown.screen());
    let told = place.run(&["replay", "trace", "--json"]).ends(0).json();
    assert_eq!((&told["same"], &told["complete"], &told["differences"]), (&json!(true), &json!(true), &json!([])));
    // Neither the world nor the store was touched, and no command ran.
    assert_eq!(place.tree(), before);
    assert_eq!(place.runs(), runs);
    assert_eq!(place.read("noted"), noted);
    // Nor is either needed.
    let elsewhere = Environment::with_stack(&place.read("retrue.toml"));
    elsewhere.write("trace", place.read("trace"));
    elsewhere.run(&["replay", "trace"]).ends(0);
    assert!(!elsewhere.path(".retrue").exists() && !elsewhere.path("page").exists());
    place.run(&["replay", "trace", "--var", "name=x"]).ends(64);
}

#[test]
fn what_differs_from_a_recording_is_told_by_name() {
    let place = recorded();
    let text = place.read("retrue.toml");
    // Another name of what is made.
    place.write("retrue.toml", text.replace("${var.name}-c", "${var.name}-other"));
    let shown = place.run(&["replay", "trace"]).ends(2);
    assert_snapshot!("replayed_another_name", shown.screen());
    let told = place.run(&["replay", "trace", "--json"]).ends(2).json();
    let changed = told["differences"].as_array().unwrap().iter().find(|one| one["kind"] == "changed").unwrap();
    assert_eq!(changed["address"], "testcloud_bucket.c");
    let parts = changed["parts"].as_array().unwrap();
    assert!(
        parts.contains(&json!({"path": "config.name", "recorded": "\"first-c\"", "now": "\"first-other\""})),
        "{parts:?}"
    );
    // One more, and one less.
    place.write("retrue.toml", format!("{text}\n[resource.testcloud_bucket.d]\nname = \"d\"\n"));
    let told = place.run(&["replay", "trace", "--json"]).ends(2).json();
    let new = |one: &&Json| one["kind"] == "new" && one["address"] == "testcloud_bucket.d";
    assert!(told["differences"].as_array().unwrap().iter().any(|one| new(&one)), "{told:#}");
    let less = text.split("[resource.testcloud_bucket.c]").next().unwrap().to_owned();
    let rest = text.split("[resource.local_file.page]").nth(1).unwrap();
    place.write("retrue.toml", format!("{less}[resource.local_file.page]{rest}"));
    let told = place.run(&["replay", "trace", "--json"]).ends(2).json();
    let gone = told["differences"].as_array().unwrap();
    assert!(
        gone.iter().all(|one| one["kind"] == "gone" && one["address"] == "testcloud_bucket.c") && !gone.is_empty(),
        "{told:#}"
    );
    assert_eq!(told["ended"]["now"], "succeeded");
    assert_eq!(told["steps"][0]["address"], "testcloud_bucket.c");
    assert_snapshot!("replayed_without_one", place.run(&["replay", "trace"]).ends(2).screen());
}

#[test]
fn no_secret_is_in_a_trace() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = recorded();
    let trace = place.read("trace");
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    // What is made from one is one, too.
    let made = "305a44d1661f3fb132164fcacb340f17a3746c53856814aeb888e10dfc584e70".to_owned();
    for form in
        [SECRET.to_owned(), STANDARD.encode(SECRET), URL_SAFE_NO_PAD.encode(SECRET), hex, made, "planted".to_owned()]
    {
        assert!(!trace.contains(&form), "{form}");
    }
    assert!(
        !trace.contains("bearer"),
        "what a provider is configured with is secret, unless it is known to be harmless"
    );
    assert!(trace.contains("(secret "), "something stands in its place");
    assert_eq!(fs_err::metadata(place.path("trace")).unwrap().permissions().mode() & 0o777, 0o600);
    // Nor does a difference show one.
    place.write("retrue.toml", place.read("retrue.toml").replace("first", "second"));
    let shown = place.run(&["replay", "trace"]);
    assert!(!shown.all().contains("planted"), "{}", shown.screen());
}

#[test]
fn a_recorded_destroy_is_replayed() {
    let server = Server::start().unwrap();
    let mut place = Environment::with(&blocks(&server.url(), "x"));
    place.set("RETRUE_VAR_secret", SECRET);
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["destroy", "--yes", "--record", "trace"]).ends(0);
    place.run(&["replay", "trace"]).ends(0);
    // One that fails is unwound, and that is recorded with it.
    let action = Action::ErrorBefore { status: 403, retry_after: None };
    server.cloud().add_fault(Fault { nth: 1, times: 0, ..Fault::at(Method::Post, "buckets", action) });
    place.run(&["apply", "--yes", "--on-failure", "compensate", "--record", "other"]).ends(3);
    drop(server);
    let told = place.run(&["replay", "other", "--json"]).ends(0).json();
    assert_eq!(told["ended"]["now"], "failed_permanent, then compensated");
}

#[test]
fn traces_that_cannot_be_used_are_told_of() {
    let place = recorded();
    let trace = place.read("trace");
    place.write("none", "no trace\n");
    place.run(&["replay", "none"]).ends(1).tells("RT0952", &[]);
    place.run(&["replay", "missing"]).ends(1).tells("RT0952", &["missing"]);
    place.write("newer", trace.replacen("retrue.trace/1", "retrue.trace/2", 1));
    place.run(&["replay", "newer"]).ends(1).tells("RT0953", &["retrue.trace/2"]);
    let mut damaged: Vec<&str> = trace.lines().collect();
    let middle = &damaged[5][..damaged[5].len() / 2];
    damaged[5] = middle;
    place.write("damaged", damaged.join("\n") + "\n");
    place.run(&["replay", "damaged"]).ends(1).tells("RT0952", &["line 6"]);
    // What was cut off is readable up to there.
    place.write("short", &trace[..trace.len() * 2 / 3]);
    let told = place.run(&["replay", "short", "--json"]).ends(0).json();
    assert_eq!((&told["complete"], &told["same"]), (&json!(false), &json!(true)), "{told:#}");
    assert!(told["calls"]["beyond"].as_u64().unwrap() > 0);
    // Where no trace can be written, nothing is done.
    place.run(&["apply", "--yes", "--record", "no/such/directory"]).ends(1).tells("RT0951", &["no/such"]);
    assert_eq!(place.runs().len(), 2);
}

#[test]
fn only_a_trace_is_written_over_and_only_by_a_run_that_begins() {
    let file = |content: &str| stack(&format!("[resource.local_file.f]\npath = \"f\"\ncontent = \"{content}\"\n"));
    let place = Environment::with_stack(&file("one"));
    place.run(&["plan", "-o", "kept"]).ends(0);
    place.write("notes", "mine");
    assert!(std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    let before = place.tree();
    for name in ["retrue.toml", "kept", "notes", "pipe", "."] {
        for arguments in [&["apply", "--yes"][..], &["apply", "kept", "--yes"], &["reconcile"]] {
            place.run(&[arguments, &["--record", name]].concat()).ends(1).tells("RT0951", &[name]);
        }
    }
    assert_eq!(place.tree(), before);
    place.run(&["apply", "--yes", "--record", "trace"]).ends(0);
    let trace = place.read("trace");
    assert!(trace.starts_with("{\"trace\":"), "{trace}");
    // What does not begin leaves what was there.
    place.write("retrue.toml", "[resource");
    place.run(&["apply", "--yes", "--record", "trace"]).ends(1);
    place.run(&["apply", "--yes", "--record", "another"]).ends(1);
    assert_eq!(place.read("trace"), trace);
    assert!(!place.path("another").exists());
    let names = fs_err::read_dir(place.work()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".retrue-trace")));
    // What does takes its place, also where that is a link.
    place.write("retrue.toml", file("two"));
    std::os::unix::fs::symlink("trace", place.path("link")).unwrap();
    place.run(&["apply", "--yes", "--record", "link"]).ends(0);
    assert_ne!(place.read("trace"), trace);
    assert!(fs_err::symlink_metadata(place.path("link")).unwrap().is_symlink());
}

#[test]
fn a_kill_leaves_a_trace_that_can_be_read() {
    let server = Server::start().unwrap();
    let mut place = Environment::with(&blocks(&server.url(), "x"));
    place.set("RETRUE_VAR_secret", SECRET);
    let action = Action::Hang;
    server.cloud().add_fault(Fault { nth: 2, times: 1, ..Fault::at(Method::Post, "buckets", action) });
    let mut child = place.command(&["apply", "--yes", "--record", "trace"]).spawn().unwrap();
    wait_for("the first bucket in the trace", || {
        let text = fs_err::read_to_string(place.path("trace")).ok()?;
        let made = |line: &str| line.contains("\"verb\":\"apply\"") && line.contains("testcloud_bucket.a");
        text.lines().any(made).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    drop(server);
    let told = place.run(&["replay", "trace", "--json"]).ends(0).json();
    assert_eq!((&told["complete"], &told["same"]), (&json!(false), &json!(true)), "{told:#}");
    assert!(!place.read("trace").contains("planted"));
}

#[test]
fn a_replay_starts_no_program_of_a_provider() {
    let test = "a_replay_starts_no_program_of_a_provider";
    let Some(program) = there(test, "bin/terraform-provider-null_v2.1.2_x4") else { return };
    let blocks = |path: &str| {
        format!(
            "[provider.null]\npath = \"{path}\"\n[resource.null_resource.one]\ntriggers = {{ a = \"1\" }}\n\
             [resource.retrue_data.uses]\ninput = \"${{null_resource.one.id}}\"\n"
        )
    };
    let place = Environment::with(&blocks(&program.display().to_string()));
    place.run(&["apply", "--yes", "--record", "trace"]).ends(0);
    // Where the program would be, there is none.
    place.write("retrue.toml", stack(&blocks("nowhere")));
    place.run(&["plan"]).ends(1);
    place.run(&["replay", "trace"]).ends(0);
    place.write("retrue.toml", stack(&blocks("nowhere").replace("a = \"1\"", "a = \"2\"")));
    let told = place.run(&["replay", "trace", "--json"]).ends(2).json();
    let named = told["differences"].as_array().unwrap().iter().all(|one| one["address"] == "null_resource.one");
    assert!(named, "{told:#}");
}

#[test]
fn a_run_on_a_real_cloud_is_replayed_without_it() {
    let test = "a_run_on_a_real_cloud_is_replayed_without_it";
    let Some(aws) = Aws::start(test) else { return };
    let blocks = |tag: &str| {
        format!(
            "{}[resource.aws_iam_user.u]\nname = \"robot\"\ntags = {{ Name = \"{tag}\" }}\n\
             [resource.aws_iam_access_key.k]\nuser = \"${{aws_iam_user.u.name}}\"\n\
             [resource.aws_sqs_queue.jobs]\nname = \"jobs\"\ntags = {{ Key = \"${{aws_iam_access_key.k.id}}\" }}\n\
             [output.secret]\nvalue = \"${{aws_iam_access_key.k.secret}}\"\nsensitive = true\n",
            aws.provider()
        )
    };
    let mut place = Environment::with(&blocks("one"));
    if mirror(test, &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes", "--record", "made"]).ends(0);
    let secret = place.run(&["output", "secret", "--json"]).ends(0).json().as_str().unwrap().to_owned();
    assert!(secret.len() >= 20, "{secret}");
    let first = place.read("retrue.toml");
    place.write("retrue.toml", stack(&blocks("two")));
    place.run(&["apply", "--yes", "--record", "changed"]).ends(0);
    drop(aws);
    // Neither the cloud nor the provider is there.
    let elsewhere = Environment::with_stack(&first);
    for trace in ["made", "changed"] {
        let text = place.read(trace);
        assert!(!text.contains(&secret) && !text.contains("planted-secret-key"), "{trace}");
        elsewhere.write(trace, text);
    }
    elsewhere.run(&["replay", "made"]).ends(0);
    elsewhere.run(&["replay", "changed"]).ends(2);
    elsewhere.write("retrue.toml", place.read("retrue.toml"));
    elsewhere.run(&["replay", "changed"]).ends(0);
}

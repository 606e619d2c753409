//! The promise that no secret shows, and none rests in the clear, where it is a part of something longer: of what a
//! command says, of a path that an error names, of a line of a log.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

use crate::environment::peers::{Aws, mirror};
use crate::environment::receiver::{Manner, Receiver};
use crate::environment::{Environment, Shown};

/// Secrets that look otherwise in most of the forms that texts are written in.
const PLAIN: &str = "planted-Plain-7Kq9";
const ODD: &str = "planted \"odd\" 'one' <7> & \\ %2 \u{e9}/+";
const LINES: &str = "planted-line-one-4Wz\nplanted line \"two\" 5Xy\nplanted-line-three-6Vu";
/// What a program is given that writes them into JSON, addresses and encodings.
const PROGRAM: &str = r#"import base64, json, os, sys, urllib.parse
said = []
for name in ("PLAIN", "ODD", "LINES"):
    secret = os.environ[name]
    said += [secret, repr(secret), json.dumps(secret), json.dumps({"of": json.dumps([secret])}), json.dumps(secret, ensure_ascii=False)]
    said += [urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), secret.encode().hex(), secret.encode().hex().upper()]
    said += [base64.b64encode((before + secret + "!").encode()).decode() for before in ("", "a", "ab", "abc")]
    said += [base64.urlsafe_b64encode((secret + " and more").encode()).decode(), "no/" + secret + "/f"]
print("\n".join(said), file=sys.stderr)
print("x" * 290 + os.environ["PLAIN"], file=sys.stderr)
sys.exit(3)
"#;

/// What must stand nowhere: parts of the secrets, as they are and encoded.
fn parts() -> Vec<String> {
    let mut parts: Vec<String> =
        ["planted", "Plain-7Kq9", "7Kq", "odd\\", "line-one", "line \"two", "5Xy", "three-6Vu", "6Vu", "%3C7%3E"]
            .map(str::to_owned)
            .into();
    for secret in [PLAIN, ODD, LINES] {
        parts.push(secret.bytes().map(|byte| format!("{byte:02x}")).collect());
        parts.push(secret.bytes().map(|byte| format!("{byte:02X}")).collect());
        for before in ["", "a", "ab"] {
            for engine in [BASE64_STANDARD, BASE64_URL_SAFE] {
                let digits = engine.encode(format!("{before}{secret}"));
                parts.push(digits[4..digits.len() - 4].to_owned());
            }
        }
    }
    parts
}

/// A stack, and what it is given: all its secrets come from the environment.
fn place(blocks: &str) -> Environment {
    let variables: String = ["plain", "odd", "lines"]
        .map(|name| {
            let source = name.to_uppercase();
            format!("[variable.{name}]\ntype = \"string\"\nsensitive = true\nfrom = \"env:SECRET_{source}\"\n\n")
        })
        .concat();
    let mut place = Environment::with(&format!("{variables}{blocks}"));
    place.write("program.py", PROGRAM);
    for (name, secret) in [("SECRET_PLAIN", PLAIN), ("SECRET_ODD", ODD), ("SECRET_LINES", LINES)] {
        place.set(name, secret);
    }
    place.set("RETRUE_METRICS_FILE", &place.path("metrics").display().to_string());
    place
}

/// Shorter parts stand by chance in a few million sealed bytes.
fn long_parts() -> Vec<String> {
    parts().into_iter().filter(|part| part.len() >= 6).collect()
}

/// What is shown, without what is sealed in it: short parts stand there by chance, too.
fn without_sealed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let sealed = |character: char| character.is_ascii_alphanumeric() || "+/=".contains(character);
    let mut parts = text.split("sealed:1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.trim_start_matches(sealed))
}

#[track_caller]
fn clean(bytes: &[u8], what: &str) {
    clean_of(&parts(), without_sealed(bytes).as_bytes(), what);
}

#[track_caller]
fn clean_of(parts: &[String], bytes: &[u8], what: &str) {
    for part in parts {
        let holds = bytes.windows(part.len()).any(|window| window == part.as_bytes());
        assert!(!holds, "`{part}` is in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

/// Runs a verb, which shows nothing secret.
#[track_caller]
fn run(place: &Environment, arguments: &[&str], code: i32) -> Shown {
    let shown = place.run(arguments).ends(code);
    clean(shown.all().as_bytes(), &format!("what {arguments:?} shows"));
    shown
}

/// Looks at everything that tells of runs, and at everything that was left on the disk.
#[track_caller]
fn look(place: &Environment, when: &str) {
    let mut verbs: Vec<Vec<&str>> = vec![
        vec!["runs", "list"],
        vec!["runs", "dead-letters"],
        vec!["runs", "stats"],
        vec!["show"],
        vec!["state", "export"],
        vec!["graph"],
        vec!["config"],
    ];
    let runs = place.runs();
    for id in &runs {
        verbs.extend([vec!["runs", "show", id], vec!["runs", "events", id], vec!["explain", id]]);
    }
    for verb in verbs {
        for extra in [&[][..], &["--json"]] {
            let shown = place.run(&[&verb, extra].concat());
            assert!(shown.code == 0 || extra == ["--json"], "{verb:?}: {}", shown.screen());
            clean(shown.all().as_bytes(), &format!("what {verb:?} {extra:?} shows {when}"));
        }
    }
    let mut scanned = 0;
    let long = long_parts();
    // What the user wrote, what was asked for, and programs of providers.
    let others = ["kept", "retrue.toml", "mirror", ".cache"];
    let ours = |entry: &walkdir::DirEntry| !others.iter().any(|name| entry.file_name() == *name);
    for entry in walkdir::WalkDir::new(place.root()).into_iter().filter_entry(ours) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            clean_of(&long, &fs_err::read(entry.path()).unwrap(), &format!("{} {when}", entry.path().display()));
            scanned += 1;
        }
    }
    assert!(scanned > 8, "nothing was scanned {when}");
}

const SAYING: &str = r#"environment = { PLAIN = "${var.plain}", ODD = "${var.odd}", LINES = "${var.lines}" }"#;

/// Without masking, each of its lines would be found.
#[test]
fn promise_8_the_search_for_words_finds_them() {
    let place = place("");
    let said = std::process::Command::new("python3")
        .arg(place.path("program.py"))
        .envs([("PLAIN", PLAIN), ("ODD", ODD), ("LINES", LINES)])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.lines().count() > 45, "{said}");
    for line in said.lines() {
        assert!(parts().iter().any(|part| line.contains(part)), "nothing is found in {line}");
    }
}

/// One failure after the other, each with the secrets within what is said about it.
#[test]
fn promise_8_no_secret_shows_or_rests_within_what_a_failure_says() {
    let said = "python3 program.py";
    let cases = [
        // The texts of commands, which are made of secrets, and what commands say.
        format!("[resource.local_command.c]\ncreate = \"{said}\"\ndelete = \"true\"\n{SAYING}\n"),
        format!("[resource.local_command.c]\ncreate = [\"python3\", \"program.py\"]\ndelete = \"true\"\n{SAYING}\n"),
        "[resource.local_command.c]\ncreate = \"echo x-${var.plain}-y >&2; echo ${var.plain} | base64 >&2; exit 3\"\ndelete = \"true\"\n".to_owned(),
        "[resource.local_command.c]\ncreate = [\"sh\", \"-c\", \"echo $0$0 $1; exit 3\", \"${var.plain}\", \"${var.odd}\"]\ndelete = \"true\"\n".to_owned(),
        format!("[resource.local_command.c]\ncreate = \"true\"\nread = \"test -e kept || {{ echo > kept; exit 44; }}; {said}\"\ndelete = \"rm -f kept\"\n{SAYING}\n"),
        // Paths.
        "[resource.local_file.f]\npath = \"no/${var.plain}/f\"\ncontent = \"x\"\n".to_owned(),
        "[resource.local_file.f]\npath = \"no/${var.odd}/f\"\ncontent = \"x\"\n".to_owned(),
        "[resource.local_directory.f]\npath = \"no/${var.plain}/f\"\n".to_owned(),
        "[resource.local_symlink.f]\npath = \"no/${var.plain}/f\"\ntarget = \"x\"\n".to_owned(),
    ];
    for (number, blocks) in cases.iter().enumerate() {
        let place = place(blocks);
        run(&place, &["validate"], 0);
        for extra in [&["-vv"][..], &["--json"], &["-vv", "--log-format", "json"]] {
            place.run(&["plan"]);
            let shown = place.run(&[&["apply", "--yes"], extra].concat());
            assert_eq!(shown.code, 1, "{blocks}: {}", shown.screen());
            clean(shown.all().as_bytes(), &format!("what an apply {extra:?} shows of {blocks}"));
            assert!(shown.all().contains("(sensitive value)"), "{}", shown.screen());
        }
        run(&place, &["apply", "--yes", "--record", "trace"], 1);
        run(&place, &["compensate", "--yes", "-vv"], 0);
        look(&place, &format!("after case {number}"));
    }
}

#[test]
fn promise_8_no_secret_shows_within_what_is_said_while_planning() {
    let cases = [
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\nmode = \"${var.plain}\"\n".to_owned(),
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\nmode = \"0${var.odd}\"\n".to_owned(),
        format!("[data.local_command.c]\ncommand = \"python3 program.py\"\n{SAYING}\n\n[output.o]\nvalue = \"${{nonsensitive(data.local_command.c.stdout)}}\"\n"),
        "[data.local_file.f]\npath = \"no/${var.plain}/f\"\n\n[output.o]\nvalue = \"${nonsensitive(data.local_file.f.content)}\"\n".to_owned(),
        "[local]\nl = '${templatefile(\"no/${var.plain}\", {})}'\n\n[output.o]\nvalue = \"${nonsensitive(local.l)}\"\n".to_owned(),
        "[local]\nl = \"${file(var.odd)}\"\n\n[output.o]\nvalue = \"${nonsensitive(local.l)}\"\n".to_owned(),
        // A secret that somebody takes for none is known all the same.
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\nmode = \"${nonsensitive(var.plain)}\"\n".to_owned(),
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\nmode = '${sensitive(\"pla\")}${sensitive(\"nted-Plain-7Kq9\")}'\n"
            .to_owned(),
    ];
    for blocks in cases {
        let place = place(&blocks);
        for verb in [
            &["plan"][..],
            &["plan", "-vv"],
            &["plan", "--json"],
            &["plan", "-o", "p"],
            &["apply", "--yes", "--json", "-vv", "--log-format", "json"],
            &["apply", "--yes", "--record", "trace"],
        ] {
            let shown = place.run(verb);
            assert_eq!(shown.code, 1, "{blocks}: {}", shown.screen());
            clean(shown.all().as_bytes(), &format!("what {verb:?} shows of {blocks}"));
        }
        let (file, long) = (place.read("retrue.toml"), long_parts());
        place.write("retrue.toml", file.replace("nted-Plain-7Kq9", ""));
        for entry in walkdir::WalkDir::new(place.root()).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                clean_of(
                    &long,
                    &fs_err::read(entry.path()).unwrap(),
                    &format!("{} of {blocks}", entry.path().display()),
                );
            }
        }
    }
}

/// What is recorded is secret still when the variable has another value, or is gone.
#[test]
fn promise_8_a_secret_of_an_earlier_run_shows_in_no_later_error() {
    let blocks = "[resource.local_command.c]\ncreate = \"printf %s \\\"$S\\\" > kept\"\nread = \"test -e kept || exit 44; cat kept\"\n\
        update = \"test -e deny && cat kept >&2 && exit 4; printf %s \\\"$S\\\" > kept\"\n\
        delete = \"test -e deny && cat kept >&2 && exit 4; rm -f kept\"\ninputs = { s = \"${var.plain}\" }\n\
        environment = { S = \"${var.plain}\" }\n";
    let mut place = place(blocks);
    run(&place, &["apply", "--yes"], 0);
    assert_eq!(place.read("kept"), PLAIN);
    place.set("SECRET_PLAIN", "another-secret-8Rt1");
    place.write("deny", "");
    for extra in [&["-vv"][..], &["--json"], &["-vv", "--log-format", "json"]] {
        let shown = run(&place, &[&["apply", "--yes"], extra].concat(), 1);
        assert!(shown.all().contains("(sensitive value)"), "{}", shown.screen());
        run(&place, &[&["destroy", "--yes"], extra].concat(), 1);
    }
    run(&place, &["compensate", "--yes", "-vv"], 4);
    // What people write is about secrets, too.
    let id = place.runs()[0].clone();
    place.run(&["runs", "note", &id, &format!("it was {PLAIN} all the time")]).ends(0);
    assert!(run(&place, &["runs", "show", &id], 0).stdout.contains("it was (sensitive value) all the time"));
    look(&place, "after failures over an earlier secret");
}

/// Spans and metrics, too, are words for others.
#[test]
fn promise_8_no_secret_is_sent_within_what_a_failure_says() {
    if cfg!(not(feature = "otlp")) {
        return;
    }
    let receiver = Receiver::start(Manner::Takes);
    let mut place =
        place(&format!("[resource.local_command.c]\ncreate = \"python3 program.py\"\ndelete = \"true\"\n{SAYING}\n"));
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
    run(&place, &["apply", "--yes"], 1);
    assert!(receiver.requests() > 0);
    for part in parts() {
        assert!(!receiver.holds(&part), "`{part}` was sent");
    }
    assert!(receiver.holds("local_command.c"), "the search finds what is there");
}

/// Also where it is written into the stack for an attribute that the type calls secret.
#[test]
fn promise_8_the_line_of_a_secret_attribute_is_veiled() {
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"no/such/f\"\nsensitive_content = \"planted-literal-3Gh\"\nmode = \"planted-literal-3Gh\"\n",
    );
    let shown = place.run(&["plan"]).ends(1);
    assert!(!shown.all().contains("planted-literal"), "{}", shown.screen());
    assert!(shown.stderr.contains("(sensitive)"), "{}", shown.screen());
}

/// Short ones would be found everywhere: they are hidden in what is said of their object.
#[test]
fn promise_8_short_secrets_make_no_text_unreadable() {
    let place = Environment::with(
        "[variable.pin]\ntype = \"string\"\nsensitive = true\ndefault = \"1234\"\n\n[variable.a]\ntype = \"string\"\nsensitive = true\ndefault = \"a\"\n\n\
         [resource.local_command.c]\ncreate = \"echo the pin is ${var.pin}, ${var.a}; exit 3\"\ndelete = \"true\"\ninputs = { a = \"${var.a}\", pin = \"${var.pin}\" }\n",
    );
    let shown = place.run(&["apply", "--yes"]).ends(1);
    assert!(shown.stderr.contains("the pin is (sensitive value), a"), "{}", shown.screen());
}

/// What a provider of Terraform's says of a value, in an error or in its log, is no other matter.
#[test]
fn promise_8_no_secret_shows_within_what_a_provider_of_terraforms_says() {
    let test = "promise_8_no_secret_shows_within_what_a_provider_of_terraforms_says";
    let Some(aws) = Aws::start(test) else { return };
    let failing = "[resource.aws_vpc.v]\ncidr_block = \"10.0.0.0/16\"\ninstance_tenancy = \"${var.plain}\"\n";
    let mut place = place(&format!("{}{failing}", aws.provider()));
    if mirror(test, &mut place).is_none() {
        return;
    }
    place.set("RETRUE_LOG", "trace");
    place.run(&["providers", "install"]).ends(0);
    for extra in [&[][..], &["--json"], &["-vv", "--log-format", "json"]] {
        let shown = run(&place, &[&["plan"], extra].concat(), 1);
        assert!(shown.all().contains("to be one of"), "{}", shown.screen());
    }
    // Its log shows what is sent, as the form of a web page is; and `tags_all` repeats what `tags` says.
    let made = "[resource.aws_sqs_queue.q]\nname = \"jobs\"\ntags = { one = \"${var.plain}\", two = \"${var.odd}\", three = \"${var.lines}\" }\n";
    place.write("retrue.toml", place.read("retrue.toml").replace(failing, made));
    for verb in [&["apply", "--yes"][..], &["apply", "--yes", "--json"], &["destroy", "--yes"]] {
        run(&place, verb, 0);
    }
    look(&place, "after a provider said all that it does");
}

//! The promises about what must never happen: a secret that rests in the clear, a panic.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use retrue_provider_testcloud::Server;

use crate::environment::tally::Tally;
use crate::environment::{Environment, Shown, stack};

/// Secrets, each of which comes in by another door.
const SECRETS: [(&str, &str); 7] = [
    ("by flag", "planted-by-flag-8Qz1"),
    ("from a file", "planted-from-file-7Xw2"),
    ("from the environment", "planted-from-env-6Rk3"),
    ("from a command", "planted-from-command-5Tm4"),
    ("of a provider", "planted-of-provider-4Yb5"),
    ("in the world before", "planted-in-the-world-3Gc6"),
    ("changed later", "planted-changed-later-2Hd7"),
];

/// All the ways in which bytes may stand in a text.
fn disguises(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut disguises = vec![secret.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for padding in 0..3 {
        let padded = [&b"\0\0\0"[..padding], secret.as_bytes()].concat();
        for engine in [BASE64_STANDARD, BASE64_URL_SAFE] {
            // What stands at the edges depends on what is beside the secret.
            let encoded = engine.encode(&padded).into_bytes();
            disguises.push(encoded[4..encoded.len() - 4].to_vec());
        }
    }
    disguises
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Fails the test if a secret stands in `bytes`.
#[track_caller]
fn clean(bytes: &[u8], what: &str) {
    for (door, secret) in SECRETS {
        for disguise in disguises(secret) {
            assert!(!holds(bytes, &disguise), "the secret {door} is in {what}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

/// Scans all that retrue keeps.
#[track_caller]
fn scan(place: &Environment, when: &str) {
    let mut scanned = 0;
    let kept = [place.path(".retrue"), place.path("p"), place.root().join("home")];
    for entry in kept.iter().filter(|kept| kept.exists()).flat_map(walkdir::WalkDir::new) {
        let entry = entry.unwrap();
        clean(entry.path().display().to_string().as_bytes(), "a name");
        if entry.file_type().is_file() {
            clean(&fs_err::read(entry.path()).unwrap(), &format!("{} {when}", entry.path().display()));
            scanned += 1;
        }
    }
    assert!(scanned > 5, "nothing was scanned {when}");
}

#[test]
fn promise_8_the_scan_finds_what_it_looks_for() {
    let secret = SECRETS[0].1;
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    for text in [format!("x{secret}"), hex, BASE64_STANDARD.encode(format!("{{\"a\":\"{secret}\"}}"))] {
        assert!(disguises(secret).iter().any(|disguise| holds(text.as_bytes(), disguise)), "{text}");
    }
}

#[test]
fn promise_8_no_secret_rests_in_the_clear() {
    let server = Server::start().unwrap();
    server.cloud().settings().token = Some(SECRETS[4].1.to_owned());
    let mut place = Environment::with_stack(&stack(&format!(
        r#"
[variable.flag]
type = "string"
sensitive = true

[variable.file]
type = "string"
sensitive = true
from = "file:secret.txt"

[variable.env]
type = "string"
sensitive = true
from = "env:PLANTED"

[variable.command]
type = "string"
sensitive = true
from = "command:cat secret-of-command.txt"

[variable.token]
type = "string"
sensitive = true
from = "file:token.txt"

[provider.testcloud]
url = "{}"
token = "${{var.token}}"

[resource.testcloud_database.main]
name = "main"
engine = "mysql"
password = "${{var.flag}}"

[resource.local_file.secret]
path = "secret-file"
sensitive_content = "${{var.file}}\n"

[resource.retrue_data.nested]
input = {{ plain = "plain", list = ["${{var.env}}", "${{var.command}}"], joined = "a ${{var.flag}} b", code = "${{base64encode(var.env)}}" }}

[resource.local_command.user]
create = ["sh", "-c", "test \"$SECRET\" = \"$0\" && touch user", "${{var.flag}}"]
read = "test -e user && echo there || exit 44"
update = ["sh", "-c", "true", "${{var.flag}}"]
delete = "rm user"
inputs = {{ secret = "${{var.flag}}" }}
environment = {{ SECRET = "${{var.flag}}" }}

[output.secret]
value = "${{var.flag}}-${{var.file}}"
sensitive = true
"#,
        server.url()
    )));
    place.write("secret.txt", SECRETS[1].1);
    place.write("secret-of-command.txt", SECRETS[3].1);
    place.write("token.txt", SECRETS[4].1);
    place.write("secret-file", SECRETS[5].1);
    place.set("PLANTED", SECRETS[2].1);
    let flag = format!("flag={}", SECRETS[0].1);
    let changed = format!("flag={}", SECRETS[6].1);
    let (flag, changed) = (["--var", flag.as_str()], ["--var", changed.as_str()]);
    let run = |arguments: &[&str], code: i32| -> Shown {
        let shown = place.run(arguments).ends(code);
        clean(shown.all().as_bytes(), &format!("what {arguments:?} shows"));
        shown
    };
    let reading = |when: &str| {
        for verb in [
            &["show"][..],
            &["show", "-v"],
            &["show", "--json"],
            &["output"],
            &["output", "--json"],
            &["state", "export"],
        ] {
            run(verb, 0);
        }
        for id in place.runs() {
            for verb in [&["runs", "show", id.as_str()][..], &["runs", "events", id.as_str()]] {
                run(verb, 0);
                run(&[verb, &["--json"]].concat(), 0);
                run(&[verb, &["-v"]].concat(), 0);
            }
        }
        scan(&place, when);
    };
    for extra in [&[][..], &["--json"], &["-v"], &["-vv", "--log-format", "json"]] {
        run(&[&["plan"], &flag[..], extra].concat(), 0);
        run(&[&["config"], &flag[..], extra].concat(), 0);
    }
    run(&[&["plan", "-o", "p"], &flag[..]].concat(), 0);
    for show in [&["show", "p"][..], &["show", "p", "--json"]] {
        run(show, 0);
    }
    scan(&place, "after a plan was kept");
    run(&["apply", "p", "--yes", "-vv"], 0);
    assert_eq!(place.read("secret-file"), format!("{}\n", SECRETS[1].1));
    run(&["output", "secret"], 0);
    reading("after the apply");
    run(&[&["plan", "--json"], &changed[..]].concat(), 0);
    run(&[&["apply", "--yes", "--json", "-vv"], &changed[..]].concat(), 0);
    reading("after the change");
    run(&[&["reconcile"], &changed[..]].concat(), 0);
    place.write("secret-file", "drifted");
    run(&[&["reconcile", "-v"], &changed[..]].concat(), 2);
    run(&[&["reconcile", "--json"], &changed[..]].concat(), 2);
    run(&[&["reconcile", "--fix", "--yes"], &changed[..]].concat(), 0);
    run(&["compensate", "--yes", "-vv"], 0);
    place.write("secret-file", format!("{}\n", SECRETS[1].1));
    run(&["compensate", "--yes", "--json"], 0);
    run(&["compensate", "--yes", "-vv"], 0);
    assert_eq!(place.read("secret-file"), SECRETS[5].1);
    reading("after all was unwound");
}

/// Something that happens to a file.
type Harm = fn(&Path);

/// What may happen to a file on a disk.
const DAMAGES: [(&str, Harm); 5] = [
    ("cut in half", |path| {
        let bytes = fs_err::read(path).unwrap();
        fs_err::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("empty", |path| fs_err::write(path, "").unwrap()),
    ("zeros", |path| fs_err::write(path, vec![0; fs_err::read(path).unwrap().len()]).unwrap()),
    ("garbled", |path| {
        let mut bytes = fs_err::read(path).unwrap();
        let step = bytes.len() / 7 + 1;
        bytes.iter_mut().skip(step / 2).step_by(step).for_each(|byte| *byte ^= 0x55);
        fs_err::write(path, bytes).unwrap();
    }),
    ("gone", |path| fs_err::remove_file(path).unwrap()),
];

/// It ended in a way that is meant: by itself, with one of the codes, and what failed has a code.
#[track_caller]
fn orderly(shown: &Shown, when: &str) {
    assert!([0, 1, 2, 4].contains(&shown.code), "{when}: {}", shown.screen());
    assert!(!shown.all().contains("panicked"), "{when}: {}", shown.screen());
    assert!(shown.code != 1 || shown.stderr.contains("error[RT"), "{when}: {}", shown.screen());
}

#[test]
fn promise_11_no_panic_on_a_damaged_store() {
    let whole = Environment::with(
        "[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"new\"\n\n[resource.local_directory.d]\npath = \"d\"\n\n[output.o]\nvalue = \"x\"\n",
    );
    // Large enough to be kept beside the database.
    whole.write("f.txt", vec![b'x'; 100_000]);
    whole.run(&["apply", "--yes"]).ends(0);
    whole.write(
        "retrue.toml",
        format!("{}\n[resource.local_file.g]\npath = \"g.txt\"\ncontent = \"g\"\n", whole.read("retrue.toml")),
    );
    whole.run(&["apply", "--yes"]).ends(0);
    let run = whole.runs()[0].clone();
    let mut files: Vec<_> = walkdir::WalkDir::new(whole.path(".retrue"))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file() && entry.file_name() != "lock" && entry.file_name() != ".gitignore")
        .map(|entry| entry.path().strip_prefix(whole.work()).unwrap().to_owned())
        .collect();
    files.sort();
    let files: Vec<(usize, PathBuf)> = files.into_iter().enumerate().collect();
    assert!(files.len() > 5, "{files:?}");
    let tally = Tally::of_a_part("damaged files of a store", "every file of a state, and then every verb");
    // Two of the damages for each file, each of them in its turn; with `RETRUE_FULL=1` all.
    let full = std::env::var_os("RETRUE_FULL").is_some_and(|value| value == "1");
    let one = |(number, file): &(usize, PathBuf)| {
        for (position, (damage, harm)) in DAMAGES.into_iter().enumerate() {
            if !full && (position + number) % DAMAGES.len() > 1 {
                continue;
            }
            for verb in [&["apply", "--yes"][..], &["compensate", "--yes"], &["state", "recover"]] {
                tally.one();
                let place = whole.copy();
                harm(&place.path(file));
                let when = |verb: &[&str]| format!("{verb:?}, {} {damage}", file.display());
                if verb[0] == "apply" {
                    for reading in [
                        &["show"][..],
                        &["state", "export"],
                        &["runs", "list"],
                        &["runs", "show", &run],
                        &["runs", "events", &run],
                        &["plan"],
                        &["eval", "local_file.f.size"],
                    ] {
                        orderly(&place.run(reading), &when(reading));
                    }
                }
                let shown = place.run(verb);
                orderly(&shown, &when(verb));
                // Nothing is half-done: the files are as they were, or as the verb would have them.
                let content = place.read("f.txt");
                assert!(content == "new" || content.len() == 100_000, "{}: {}", when(verb), shown.screen());
                if shown.code == 0 && verb[0] == "apply" {
                    assert_eq!((content.as_str(), place.read("g.txt").as_str()), ("new", "g"), "{}", when(verb));
                }
                // Whatever it was, a second look does not make it worse.
                orderly(&place.run(&["show"]), &when(&["show", "afterwards"]));
            }
        }
    };
    // Two halves at once: it is a lot of small work.
    std::thread::scope(|scope| {
        let (left, right) = files.split_at(files.len() / 2);
        scope.spawn(|| left.iter().for_each(&one));
        right.iter().for_each(&one);
    });
}

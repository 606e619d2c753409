//! The options that all verbs have.

use insta::assert_snapshot;
use serde_json::json;

use crate::environment::{Environment, stack};

#[test]
fn another_directory() {
    let place = Environment::new();
    place.write("sub/retrue.toml", stack("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n"));
    place.run(&["-C", "sub", "apply", "--yes"]).ends(0);
    assert_eq!(place.read("sub/f"), "x");
    assert!(place.path("sub/.retrue").exists() && !place.path(".retrue").exists());
    place.run(&["plan", "-C", "sub", "-o", "p"]).ends(0);
    place.run(&["plan", "-C", "nowhere"]).ends(1).tells("RT0102", &["nowhere"]);
}

#[test]
fn environments_have_states_of_their_own() {
    let place = Environment::with(
        "[variable.name]\ntype = \"string\"\n\n[resource.local_file.f]\npath = \"${var.name}\"\ncontent = \"x\"\n",
    );
    for name in ["blue", "green"] {
        place.run(&["apply", "--yes", "--env", name, "--var", &format!("name={name}")]).ends(0);
    }
    assert_eq!(place.run(&["state", "list", "--json"]).ends(0).json(), json!([]));
    assert_eq!(place.run(&["state", "list", "--json", "--env", "blue"]).ends(0).json().as_array().unwrap().len(), 1);
    place.run(&["destroy", "--yes", "--env", "blue", "--var", "name=blue"]).ends(0);
    assert_eq!(place.tree().names(), ["green", "retrue.toml"]);
    place.run(&["plan", "--env", "../up"]).ends(64).tells("RT0901", &[]);
}

#[test]
fn values_of_variables_by_their_order() {
    let mut place = Environment::with(
        "[variable.v]\ntype = \"string\"\ndefault = \"of the default\"\nfrom = \"file:from.txt\"\n\n[variable.n]\ntype = \"number\"\ndefault = 1\n\n[variable.l]\ntype = \"list(string)\"\ndefault = []\n",
    );
    let value = |place: &Environment, arguments: &[&str]| {
        place.run(&[&["eval", "var.v", "--json"], arguments].concat()).ends(0).json()
    };
    // What comes later wins.
    assert_eq!(value(&place, &[]), "of the default");
    place.write("from.txt", "from a file");
    assert_eq!(value(&place, &[]), "from a file");
    place.write("a.toml", "v = \"of the first file\"\nn = 2\n");
    place.write("b.toml", "v = \"of the second file\"\nl = [\"x\"]\n");
    assert_eq!(value(&place, &["--var-file", "a.toml", "--var-file", "b.toml"]), "of the second file");
    place.set("RETRUE_VAR_v", "of the environment");
    assert_eq!(value(&place, &["--var-file", "a.toml"]), "of the environment");
    assert_eq!(value(&place, &["--var-file", "a.toml", "--var", "v=of the line"]), "of the line");
    assert_eq!(value(&place, &["--var", "v=first", "--var", "v=a=b"]), "a=b");
    // Texts are read by the type of the variable.
    let values = place.run(&["eval", "[var.n, var.l]", "--json", "--var", "n=3.50", "--var", "l=[\"a\"]"]).ends(0);
    assert_eq!(values.stdout, "[3.5,[\"a\"]]\n");
    place.run(&["plan", "--var-file", "gone.toml"]).ends(1).tells("RT0165", &["gone.toml"]);
    place.write("bad.toml", "n = \n");
    place.run(&["plan", "--var-file", "bad.toml"]).ends(1).tells("RT0101", &["bad.toml"]);
    place.write("bad.toml", "other = 1\n");
    place.run(&["plan", "--var-file", "bad.toml"]).ends(1).tells("RT0161", &["other"]);
}

#[test]
fn parallelism_is_a_limit() {
    // Each says how many are at it; the most that any saw is the limit at most.
    let block = "[resource.local_command.c]\ncount = 6\ncreate = \"mkdir at-it-$RETRUE_ID; ls | grep -c at-it >> seen; rmdir at-it-$RETRUE_ID\"\ndelete = \"true\"\n";
    for limit in [1, 2] {
        let place = Environment::with(block);
        place.run(&["apply", "--yes", "--parallelism", &limit.to_string()]).ends(0);
        let seen: Vec<usize> = place.read("seen").lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(seen.len(), 6);
        assert!(seen.iter().all(|count| *count <= limit), "{limit}: {seen:?}");
    }
    // More than one at once does happen: each of two waits for the other.
    let place = Environment::with(
        "[resource.local_command.c]\ncount = 2\ncreate = \"touch here-${count.index}; until test -e here-${1 - count.index}; do sleep 0.01; done\"\ndelete = \"true\"\ntimeout = \"2m\"\n",
    );
    place.run(&["apply", "--yes", "--parallelism", "2"]).ends(0);
}

#[test]
fn logs_are_lines_on_standard_error() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    // Something to write a log of: half of the state is gone, and is made again from the other half.
    fs_err::remove_dir_all(place.path(".retrue/env/default/db")).unwrap();
    let damaged = place.copy();
    let shown = place.run(&["reconcile", "--accept-all", "-q", "--log-format", "json", "--json"]).ends(0);
    // Data and logs never mix.
    assert!(!shown.json_lines().is_empty());
    assert!(!shown.stderr.is_empty());
    for line in shown.stderr.lines() {
        let log: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(log["level"], "WARN", "{log}");
    }
    let shown = damaged.run(&["reconcile", "--accept-all", "-q", "--log-format", "text"]).ends(0);
    assert!(shown.stderr.contains("WARN"), "{}", shown.screen());
    assert!(shown.stderr.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_err()));
}

#[test]
fn colours_are_for_terminals() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    for arguments in [&["plan"][..], &["plan", "--no-color"], &["apply", "--yes", "--no-color"], &["runs", "list"]] {
        let mut command = place.command(arguments);
        command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
        let shown = place.shown(command.output().unwrap()).ends(0);
        assert!(!shown.all().contains('\u{1b}'), "{arguments:?}: {:?}", shown.all());
    }
    // Where they are forced, the option still wins.
    let forced = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
        place.shown(command.output().unwrap()).ends(0).all()
    };
    assert!(!forced(&["show", "--no-color"]).contains('\u{1b}'));
}

#[test]
fn quiet_and_verbose() {
    let blocks = "[resource.local_file.f]\npath = \"f\"\ncontent = \"${var.v}\"\n\n[variable.v]\ntype = \"string\"\n";
    let place = Environment::with(blocks);
    let quiet = place.run(&["apply", "--yes", "-q", "--var", "v=1"]).ends(0);
    assert_eq!(quiet.stderr, "");
    let usual = place.run(&["apply", "--yes", "--var", "v=2"]).ends(0);
    let verbose = place.run(&["apply", "--yes", "-v", "--var", "v=3"]).ends(0);
    assert!(verbose.stderr.lines().count() > usual.stderr.lines().count(), "{}", verbose.screen());
    assert_snapshot!(verbose.screen());
    // Errors are told all the same, and so are warnings.
    let mut place = place;
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let quiet = place.run(&["apply", "--yes", "-q", "--var", "v=4"]).ends(0);
    assert!(quiet.stderr.contains("RT0817"), "{}", quiet.screen());
    place.run(&["plan", "--quiet"]).ends(1).tells("RT0160", &[]);
}

#[test]
fn a_report_that_is_lost_loses_nothing_else() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    let full = || fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap().into_parts().0;
    let mut command = place.command(&["apply", "--yes"]);
    place.shown(command.stdout(full()).output().unwrap()).ends(1).tells("RT0802", &["only its report is lost"]);
    assert_eq!(place.recorded(), ["local_file.f"]);
    assert_eq!(place.run(&["runs", "list", "--json"]).ends(0).json()[0]["state"], "succeeded");
    // A reader who left, and nobody to tell it to.
    place.write("f", "drifted");
    let mut command = place.command(&["apply", "--yes"]);
    let child = command.stdout(full()).stderr(full()).spawn().unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    assert_eq!(place.read("f"), "x");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_directory_of_any_name_and_a_link_to_it_are_one_stack() {
    let place = Environment::new();
    place.write("a b é/retrue.toml", stack("[resource.local_file.f]\npath = \"f ü\"\ncontent = \"x\"\n"));
    std::os::unix::fs::symlink("a b é", place.path("link")).unwrap();
    place.run(&["-C", "link", "apply", "--yes"]).ends(0);
    place.run(&["-C", "a b é", "plan", "--detailed-exitcode"]).ends(0);
    place.run(&["-C", "a b é", "compensate", "--yes"]).ends(0);
    assert!(!place.path("a b é/f ü").exists());
}

#[test]
fn without_a_home_there_is_no_key_and_nothing_is_begun() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    let mut command = place.command(&["apply", "--yes"]);
    place.shown(command.env_remove("HOME").output().unwrap()).ends(1).tells("RT0713", &["RETRUE_KEY"]);
    assert_eq!(Environment::with("").tree().names(), place.tree().names());
    let mut command = place.command(&["apply", "--yes"]);
    command.env_remove("HOME").env("RETRUE_KEY", "a passphrase of some length");
    place.shown(command.output().unwrap()).ends(0);
}

#[test]
fn only_files_that_end_are_read() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    let huge = place.path("huge");
    fs_err::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    for (file, why) in [("/dev/zero", "no regular file"), (".", "is a directory"), ("huge", "is larger than")] {
        place.run(&["apply", file, "--yes"]).ends(1).tells("RT0902", &[why]);
        place.run(&["state", "restore", file, "--yes"]).ends(1).tells("RT0811", &[why]);
    }
    place.run(&["show", "huge"]).ends(1).tells("RT0902", &["is larger than"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

//! The promise that no secret shows: not on a screen, not in a log, not in a line of a file that an
//! error is about.

use crate::environment::{Environment, stack};

#[test]
fn promise_8_adopting_shows_no_secret_of_a_command() {
    let place = Environment::with(
        "[variable.s]\ntype = \"string\"\nsensitive = true\ndefault = \"x\"\n\n[resource.local_command.c]\ncreate = [\"true\", \"${var.s}\"]\nread = \"echo there\"\ndelete = \"true\"\nenvironment = { S = \"${var.s}\" }\ninputs = { s = \"${var.s}\" }\n",
    );
    for verb in [&["plan"][..], &["plan", "--json"], &["apply", "--yes", "-vv"], &["show", "--json"]] {
        let shown = place.run(&[verb, &["--var", "s=planted-secret"]].concat()).ends(0);
        assert!(!shown.all().contains("planted-secret"), "{verb:?}: {}", shown.screen());
    }
}

#[test]
fn promise_8_what_a_failing_command_says_shows_no_secret() {
    let place = Environment::with(
        "[variable.s]\ntype = \"string\"\nsensitive = true\n\n[resource.local_command.c]\ncreate = \"echo $S >&2; exit 3\"\nenvironment = { S = \"${var.s}\" }\ndelete = \"true\"\n",
    );
    let shown = place.run(&["apply", "--yes", "--var", "s=planted-secret"]).ends(1);
    assert!(!shown.all().contains("planted-secret"), "{}", shown.screen());
    for entry in walkdir::WalkDir::new(place.path(".retrue")) {
        let entry = entry.unwrap();
        let bytes = if entry.file_type().is_file() { fs_err::read(entry.path()).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(14).any(|window| window == b"planted-secret"), "{}", entry.path().display());
    }
}

#[test]
fn promise_8_the_line_above_a_mistake_shows_no_secret() {
    let place = Environment::with(
        "[variable.s]\ntype = \"string\"\nsensitive = true\ndefault = \"planted-secret\"\nvalidation = [{ condition = '${var.s == \"x\"}', message = \"no\" }]\n",
    );
    let shown = place.run(&["plan"]).ends(1);
    assert!(!shown.all().contains("planted-secret"), "{}", shown.screen());
}

#[test]
fn promise_8_mistakes_in_files_of_values_and_in_broken_files_show_no_secret() {
    let place =
        Environment::with("[variable.s]\ntype = \"string\"\nsensitive = true\n\n[variable.n]\ntype = \"number\"\n");
    place.write("v", "s = \"planted-secret\"\nn = \"many\"\n");
    let shown = place.run(&["plan", "--var-file", "v"]).ends(1);
    assert!(shown.stderr.contains("n = \"many\"") && !shown.all().contains("planted-secret"), "{}", shown.screen());
    place.write("retrue.toml", stack("[variable.s]\nsensitive = true\ndefault = \"planted-secret\"\ntype = string\n"));
    let shown = place.run(&["plan"]).ends(1);
    assert!(shown.stderr.contains("type = string") && !shown.all().contains("planted-secret"), "{}", shown.screen());
}

//! The promise that no secret shows: not on a screen, not in a log, not in a line of a file that an
//! error is about.

use retrue_provider_testcloud::Server;

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

/// What a type calls secret is so, whether or not the variable says it, and wherever it waits or rests: plan files,
/// journals, the record, and what an undo needs.
#[test]
fn promise_8_what_a_type_calls_secret_rests_nowhere_in_the_clear() {
    let server = Server::start().unwrap();
    let secrets = ["planted-by-type-1", "planted-later-22", "planted-waiting-3"];
    let file = |size: u8| {
        stack(&format!(
            "[variable.s]\ntype = \"string\"\nfrom = \"env:PLANTED\"\n\n[variable.w]\ntype = \"string\"\nfrom = \"env:WAITING\"\n\n\
             [provider.testcloud]\nurl = \"{}\"\n\n\
             [resource.testcloud_database.a]\nname = \"a\"\nengine = \"postgres\"\nsize = {size}\npassword = \"${{var.s}}\"\n\
             lifecycle.on_destroy = \"delete\"\n\n\
             [resource.testcloud_database.b]\nname = \"b\"\nengine = \"postgres\"\n\
             password = \"${{var.w}} ${{testcloud_database.a.endpoint}}\"\n",
            server.url()
        ))
    };
    let mut place = Environment::with_stack(&file(5));
    let look = |place: &Environment| secrets.iter().for_each(|secret| place.holds_nowhere(secret));
    place.set("PLANTED", secrets[0]);
    place.set("WAITING", secrets[2]);
    place.run(&["plan", "-o", "first"]).ends(0);
    look(&place);
    place.run(&["apply", "first"]).ends(0);
    look(&place);
    place.set("PLANTED", secrets[1]);
    place.write("retrue.toml", file(6));
    place.run(&["plan", "-o", "second"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    look(&place);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(0);
    place.run(&["state", "export", "-o", "exported"]);
    look(&place);
}

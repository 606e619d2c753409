//! What was replaced by something that was made first, and is still there because its run did not come to its end.

use crate::environment::Environment;

/// A file whose place goes with a variable, and what fails behind it where a file says so.
const STACK: &str = r#"
[variable.v]
type = "string"
default = "1"

[resource.local_file.a]
path = "a${var.v}"
content = "a${var.v}"
lifecycle = { create_before_destroy = true }

[resource.local_symlink.l]
path = "l"
target = "${local_file.a.path}"

[resource.local_command.last]
inputs = "${local_file.a.path}"
create = "test ! -e fail"
update = "test ! -e fail"
delete = "true"
"#;

/// One replaced by four, and both are there.
fn both() -> Environment {
    let place = Environment::with(STACK);
    place.run(&["apply", "--yes"]).ends(0);
    place.write("fail", "");
    place.run(&["apply", "--yes", "--var", "v=4"]).ends(1);
    assert_eq!(place.tree().names(), ["a1", "a4", "fail", "l", "retrue.toml"]);
    fs_err::remove_file(place.path("fail")).unwrap();
    place
}

#[test]
fn to_go_back_to_what_was_replaced_nobody_is_told_to_remove_it() {
    let place = both();
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        let shown = place.run(verb).ends(1).tells("RT0404", &["what `local_file.a` means is what it replaced"]);
        assert!(shown.stderr.contains("do not remove it: `retrue compensate` brings it back"), "{}", shown.screen());
    }
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["a1", "l", "retrue.toml"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // The other way that it names.
    let place = both();
    place.run(&["apply", "--yes", "--var", "v=4"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.tree().names(), place.read("a1").as_str()), (vec!["a1", "l", "retrue.toml"], "a1"));
    // What somebody else put there is not the same.
    place.write("a7", "theirs");
    place.run(&["plan", "--var", "v=7"]).ends(1).tells("RT0404", &["something with its new identity exists already"]);
}

#[test]
fn what_is_set_aside_is_not_adopted_and_then_deleted() {
    let place = Environment::with(
        "[variable.v]\ntype = \"string\"\ndefault = \"1\"\n[resource.local_file.a]\npath = \"d${var.v}/a\"\n\
         content = \"precious\"\nlifecycle = { create_before_destroy = true }\n",
    );
    fs_err::create_dir(place.path("d1")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    // The new one cannot be made, so that there is none but the old one, set aside.
    place.run(&["apply", "--yes", "--var", "v=4"]).ends(1);
    place.run(&["apply", "--yes"]).ends(1).tells("RT0404", &["`retrue compensate` brings it back"]);
    assert_eq!(place.read("d1/a"), "precious");
    place.run(&["compensate", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert_eq!(place.read("d1/a"), "precious");
}

#[test]
fn the_end_of_what_was_set_aside_is_undone_and_nothing_follows_it() {
    let place = both();
    place.run(&["apply", "--yes", "--var", "v=4"]).ends(0);
    assert_eq!(place.tree().names(), ["a4", "l", "retrue.toml"]);
    let shown = place.run(&["compensate", &place.runs()[0], "--yes"]).ends(0);
    assert!(!shown.all().contains("still refers to"), "{}", shown.screen());
    // As it was after the run that failed, and then as before that.
    assert_eq!(place.tree().names(), ["a1", "a4", "l", "retrue.toml"]);
    assert_eq!(fs_err::read_link(place.path("l")).unwrap().to_str(), Some("a4"));
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["a1", "l", "retrue.toml"]);
    assert_eq!(fs_err::read_link(place.path("l")).unwrap().to_str(), Some("a1"));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

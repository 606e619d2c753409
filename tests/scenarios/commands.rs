//! Commands, which only the program itself can run: what they leave, what they say, what nobody can see.

use crate::environment::Environment;

fn stack(toml: &str) -> Environment {
    Environment::with_stack(&format!("[stack]\nschema = 1\nname = \"commands\"\n{toml}"))
}

#[test]
fn what_cannot_be_undone_is_not_called_compensated_in_full() {
    let place = stack("[resource.local_command.mark]\ncreate = \"touch mark\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    let shown = place.run(&["compensate", "--yes"]).ends(4);
    assert!(shown.stderr.contains("left as it is: it cannot be undone"), "{}", shown.screen());
    assert!(place.path("mark").exists());

    let place = stack(
        "[resource.local_command.mark]\ncreate = \"touch mark\"\n[resource.local_command.no]\ncreate = \"sleep 0.2; exit 1\"\n",
    );
    let shown = place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(4);
    assert!(shown.stderr.contains("left as it is: it cannot be undone"), "{}", shown.screen());
}

#[test]
fn a_run_that_changed_nothing_is_not_the_one_to_unwind() {
    let file = "[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n";
    let place = stack(file);
    place.run(&["apply", "--yes"]).ends(0);
    place.write(
        "retrue.toml",
        format!("[stack]\nschema = 1\nname = \"commands\"\n{file}[resource.local_command.no]\ncreate = \"exit 1\"\n"),
    );
    place.run(&["apply", "--yes"]).ends(1);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(!place.path("a").exists());
}

#[test]
fn no_error_repeats_a_secret() {
    let place = stack(
        r#"
[variable.password]
type = "string"
sensitive = true
default = "hunter2-hunter2"

[resource.local_command.leaks]
create = "echo refused: $PW >&2; exit 1"
environment = { PW = "${var.password}" }
"#,
    );
    let shown = place.run(&["apply", "--yes"]).ends(1);
    assert!(shown.stderr.contains("refused: (sensitive value)"), "{}", shown.screen());
    let json = place.run(&["apply", "--yes", "--json"]).ends(1);
    let reads = place.read("retrue.toml").replace("create = ", "read = \"echo refused: $PW >&2; exit 1\"\ncreate = ");
    place.write("retrue.toml", reads);
    let looked = place.run(&["plan"]).ends(1);
    assert!(looked.stderr.contains("refused: (sensitive value)"), "{}", looked.screen());
    assert!(!looked.stderr.contains("hunter2-"), "{}", looked.screen());
    for text in [&shown.stdout, &shown.stderr, &json.stdout, &json.stderr] {
        assert!(!text.contains("hunter2-"), "{text}");
    }
}

#[test]
fn a_command_that_nobody_can_look_at_is_recorded_when_a_person_says_that_it_ran() {
    let place = stack("[resource.local_command.once]\ncreate = \"echo ran >> log; kill -9 $$\"\n");
    place.run(&["apply", "--yes"]).ends(4);
    // It is not run again while it is in doubt.
    place.run(&["apply", "--yes"]).ends(4);
    place.run(&["resolve", "local_command.once", "--applied"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert_eq!(place.read("log"), "ran\n");
}

#[test]
fn what_every_command_is_given_cannot_be_set() {
    for name in ["RETRUE_ID", "RETRUE_ACTION", "RETRUE_STDOUT"] {
        let block = "[resource.local_command.c]\ncreate = \"true\"\ndelete = \"true\"\n";
        let place = stack(&format!("{block}environment = {{ {name} = \"mine\" }}\n"));
        for verb in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            place.run(verb).ends(1).tells("RT0413", &[name, "retrue.toml:7:", "another name"]);
        }
        assert!(place.recorded().is_empty());
        // Others are, those of retrue itself too: a command may call it.
        let place = stack(&format!("{block}environment = {{ RETRUE_STORE = \"s\", {name}S = \"mine\" }}\n"));
        place.run(&["apply", "--yes"]).ends(0);
    }
}

//! The promises about plans: they are the whole program, deletes come last, one object has one
//! owner, and the same input gives the same plan.

use insta::assert_snapshot;

use crate::environment::{Environment, stack};

const TWO: &str = r#"
[variable.a]
type = "string"
default = "one"

[variable.b]
type = "string"
default = "one"

[resource.local_file.a]
path = "a.txt"
content = 'a ${var.a} ${file("part.txt")}'

[resource.local_file.b]
path = "b.txt"
content = "b ${var.b}"
"#;

fn two() -> Environment {
    let place = Environment::with(TWO);
    place.write("part.txt", "part");
    place
}

#[test]
fn promise_1_the_plan_is_the_whole_program_what_was_shown_is_done() {
    let mut place = two();
    let planned = place.run(&["plan", "-o", "p", "--json", "--var", "a=kept"]).ends(0).json();
    assert_eq!(place.run(&["show", "p", "--json"]).ends(0).json(), planned);
    let shown = place.run(&["plan", "--var", "a=kept"]).ends(0).stdout;
    assert_eq!(place.run(&["show", "p"]).ends(0).stdout, shown);

    // The values are in the plan: nobody asks for them again.
    place.set("RETRUE_VAR_a", "other");
    let events = place.run(&["apply", "p", "--yes", "--json"]).ends(0).json_lines();
    let mut done: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "step_finished")
        .map(|event| (event["address"].clone(), event["action"].clone()))
        .collect();
    done.sort_by_key(|(address, _)| address.to_string());
    let changes = planned["changes"].as_array().unwrap();
    let wanted: Vec<_> = changes.iter().map(|change| (change["address"].clone(), change["action"].clone())).collect();
    assert_eq!(done, wanted);
    assert_eq!((place.read("a.txt"), place.read("b.txt")), ("a kept part".to_owned(), "b one".to_owned()));
    // It was for a world that is no more. That it was carried out already is known, and no error.
    assert!(place.run(&["apply", "p", "--yes"]).ends(0).stdout.contains("applied already"));
    place.run(&["plan", "-o", "p", "--destroy"]).ends(0);
    place.write("a.txt", "somebody");
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &["local_file.a"]);
}

/// Something that happens to a stack.
type Change = fn(&Environment);

#[test]
fn promise_1_what_the_plan_read_and_what_changed_is_refused_by_name() {
    let changes: [(&str, Change); 4] = [
        ("`local.more` was added since (retrue.toml)", |place| {
            place.write("retrue.toml", format!("{}\n[local]\nmore = 1\n", stack(TWO)));
        }),
        ("`retrue.toml`", |place| fs_err::remove_file(place.path("retrue.toml")).unwrap()),
        ("cannot be read any more", |place| place.write("retrue.toml", "no TOML [")),
        ("part.txt", |place| place.write("part.txt", "other")),
    ];
    for (name, change) in changes {
        let place = two();
        place.run(&["plan", "-o", "p"]).ends(0);
        change(&place);
        let shown = place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &[name]);
        assert!(!place.path("a.txt").exists() && !place.path("b.txt").exists(), "{}", shown.screen());
    }
}

#[test]
fn promise_1_a_world_that_moved_is_refused_by_name_and_what_is_elsewhere_is_not() {
    let place = two();
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "-o", "p", "--var", "a=two"]).ends(0);
    // The plan has nothing to do with b: neither its drift nor a run that changes it counts.
    place.write("b.txt", "by hand");
    place.run(&["apply", "--yes", "--target", "local_file.b", "--var", "b=two"]).ends(0);
    place.run(&["plan", "-o", "q", "--var", "a=three", "--var", "b=two"]).ends(0);
    place.run(&["apply", "p", "--yes"]).ends(0);
    assert_eq!((place.read("a.txt"), place.read("b.txt")), ("a two part".to_owned(), "b two".to_owned()));
    // The other plan was made before, and for a.
    place.run(&["apply", "q", "--yes"]).ends(1).tells("RT0417", &["local_file.a"]);

    place.run(&["plan", "-o", "p", "--var", "a=four", "--var", "b=two"]).ends(0);
    place.write("a.txt", "by hand");
    let shown = place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &["local_file.a"]);
    assert_eq!(place.read("a.txt"), "by hand", "{}", shown.screen());
}

#[test]
fn promise_1_clocks_and_ids_are_unknown_while_planning() {
    let place = Environment::with("[resource.retrue_data.d]\ninput = [\"${timestamp()}\", \"${uuid()}\", \"x\"]\n");
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let unknown = plan["changes"][0]["unknown"].to_string();
    assert!(unknown.contains("input[0]") && unknown.contains("input[1]") && !unknown.contains("input[2]"), "{unknown}");
}

/// Where in the newest run's journal something stands.
#[track_caller]
fn position(journal: &[(String, String)], word: &str, address: &str) -> usize {
    let found = journal.iter().position(|(event, of)| event == word && of == address);
    found.unwrap_or_else(|| panic!("no {word} of {address} in {journal:#?}"))
}

#[test]
fn promise_5_deletes_come_last() {
    let file = |name: &str, content: &str| {
        format!("[resource.local_file.{name}]\npath = \"{name}.txt\"\ncontent = \"{content}\"\n")
    };
    // `aa` sorts first, and takes no longer than the others: only the rule puts it last.
    let place = Environment::with(&[file("aa", "old"), file("m", "old"), file("z", "old")].concat());
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&[file("m", "new"), file("n", "new"), file("z", "new")].concat()));
    place.run(&["apply", "--yes"]).ends(0);
    let journal = place.journal();
    let delete = position(&journal, "step_begin", "local_file.aa");
    for other in ["local_file.m", "local_file.n", "local_file.z"] {
        assert!(position(&journal, "step_applied", other) < delete, "{journal:#?}");
    }
}

const OWNED: &str = r#"
[resource.local_file.new]
path = "a.txt"
content = "x"
"#;

#[test]
fn promise_6_what_is_recorded_under_another_address_offers_moved() {
    let place = Environment::with(&OWNED.replace("new", "old"));
    place.run(&["apply", "--yes"]).ends(0);
    let before = place.tree();
    place.write("retrue.toml", stack(OWNED));
    let shown = place.run(&["plan"]).ends(1).tells("RT0409", &["local_file.old", "moved"]);
    assert_snapshot!("recorded_under_another_address", shown.screen());
    place.run(&["apply", "--yes"]).ends(1).tells("RT0409", &[]);
    place.tree().keep(|name| name != "retrue.toml").is(&before.keep(|name| name != "retrue.toml"), "refused");
    assert_eq!(place.recorded(), ["local_file.old"]);

    let moved = format!("{OWNED}\n[[moved]]\nfrom = \"local_file.old\"\nto = \"local_file.new\"\n");
    place.write("retrue.toml", stack(&moved));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.recorded(), ["local_file.new"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.recorded(), ["local_file.old"]);
}

/// Both names of a rename are recorded: nothing says which of the objects is meant.
#[test]
fn promise_6_a_rename_onto_what_is_recorded_deletes_nothing() {
    let [old, new] = ["old", "new"].map(|name| format!("[resource.retrue_data.{name}]\ninput = \"{name}\"\n"));
    let place = Environment::with(&[old.as_str(), &new].concat());
    place.run(&["apply", "--yes"]).ends(0);
    let renamed = format!("{new}\n[[moved]]\nfrom = \"retrue_data.old\"\nto = \"retrue_data.new\"\n");
    place.write("retrue.toml", stack(&renamed));
    let words = ["retrue_data.old", "retrue_data.new", "retrue.toml:8:8", "recorded already", "state rm"];
    place.run(&["plan"]).ends(1).tells("RT0140", &words);
    place.run(&["apply", "--yes"]).ends(1).tells("RT0140", &[]);
    assert_eq!(place.recorded(), ["retrue_data.new", "retrue_data.old"]);
    place.run(&["reconcile"]).ends(0);
    // Without it, the plan says what ends; with the way told, the old one is kept.
    let plan = {
        place.write("retrue.toml", stack(&new));
        place.run(&["plan", "--json"]).ends(0).json()
    };
    assert_eq!(plan["summary"]["delete"], 1, "{plan:#}");
    place.write("retrue.toml", stack(&renamed));
    place.run(&["state", "rm", "retrue_data.new"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.recorded(), ["retrue_data.new"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // An instance that is still wanted loses nothing.
    let both = "[resource.retrue_data.new]\ninput = 1\ncount = 1\n\n[resource.retrue_data.other]\ninput = 1\n\n[[moved]]\nfrom = \"retrue_data.new[0]\"\nto = \"retrue_data.other\"\n";
    place.write("retrue.toml", stack(both));
    for _ in 0..2 {
        place.run(&["apply", "--yes"]).ends(0);
    }
    assert_eq!(place.recorded(), ["retrue_data.new[0]", "retrue_data.other"]);
    // No rename is advised onto what is recorded.
    let file = |name: &str, path: &str| format!("[resource.local_file.{name}]\npath = \"{path}\"\ncontent = \"x\"\n");
    let place = Environment::with(&[file("old", "a"), file("new", "b")].concat());
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&file("new", "a")));
    let shown = place.run(&["plan"]).ends(1).tells("RT0409", &["in an apply of its own"]).all();
    assert!(!shown.contains("[[moved]]"), "{shown}");
    place.write("retrue.toml", stack(&file("old", "a").replace("old", "third")));
    place.run(&["plan"]).ends(1).tells("RT0409", &["[[moved]]"]);
}

#[test]
fn promise_6_two_desired_with_one_identity_are_an_error() {
    let place = Environment::with(&[OWNED, &OWNED.replace("new", "other").replace("a.txt", "./a.txt")].concat());
    let shown = place.run(&["plan"]).ends(1).tells("RT0408", &["local_file.new", "local_file.other"]);
    assert_snapshot!(shown.screen());
    place.run(&["validate"]).ends(1).tells("RT0408", &["local_file.new", "local_file.other"]);
    place.run(&["apply", "--yes"]).ends(1);
    assert!(!place.path("a.txt").exists());
}

#[test]
fn promise_6_a_path_is_one_object_whatever_is_to_be_there() {
    let file = "[resource.local_file.f]\npath = \"x\"\ncontent = \"x\"\n\n";
    let directory = "[resource.local_directory.d]\npath = \"x\"\n\n";
    let place = Environment::with(&[file, directory].concat());
    for verb in ["validate", "plan"] {
        place.run(&[verb]).ends(1).tells("RT0408", &["local_file.f", "local_directory.d"]);
    }
    // What may not be there at all is left to the plan.
    place.write("retrue.toml", stack(&[file, directory, "lifecycle.enabled = false\n"].concat()));
    place.run(&["validate"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    // Another kind in the place of what is there: what ends goes last, and so would come too late.
    place.write("retrue.toml", stack(directory));
    place.run(&["plan"]).ends(1).tells("RT0409", &["local_file.f", "in an apply of its own"]);
    place.write("retrue.toml", stack(""));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(directory));
    place.run(&["apply", "--yes"]).ends(0);
    assert!(place.path("x").is_dir());
}

#[test]
fn promise_6_a_path_through_a_link_is_no_other_object() {
    let file = |name: &str, path: &str| {
        format!(
            "[resource.local_file.{name}]\npath = \"{path}\"\ncontent = \"{name}\"\nlifecycle.on_existing = \"adopt\"\n"
        )
    };
    let place = Environment::with(&file("one", "real/a"));
    fs_err::create_dir(place.path("real")).unwrap();
    std::os::unix::fs::symlink("real", place.path("link")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&(file("one", "real/a") + &file("two", "link/a"))));
    place.run(&["plan"]).ends(1).tells("RT0408", &["local_file.one", "local_file.two"]);
    assert_eq!(place.read("real/a"), "one");
    // The same by another way: it is deleted before it is made again, and stays one.
    place.write("retrue.toml", stack(&file("one", "link/a")));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("real/a"), "one");
    assert_eq!(place.run(&["plan", "--detailed-exitcode"]).code, 0);
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(!place.path("real/a").exists() && place.path("link").exists());
}

#[test]
fn promise_6_what_exists_is_adopted_in_the_open_or_refused() {
    let place = Environment::with(OWNED);
    place.write("a.txt", "by hand");
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["changes"][0]["action"], "adopt");
    assert_eq!(plan["summary"]["adopt"], 1);
    assert_eq!(plan["changes"][0]["before"]["content"], "by hand");
    place.write(
        "retrue.toml",
        stack(&format!("{OWNED}\n[resource.local_file.new.lifecycle]\non_existing = \"fail\"\n")),
    );
    place.run(&["apply", "--yes"]).ends(1).tells("RT0404", &["local_file.new"]);
    assert_eq!(place.read("a.txt"), "by hand");
    // Adopted, and let go: it is as it was found.
    place.write("retrue.toml", stack(OWNED));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("a.txt"), "x");
    place.run(&["destroy", "--yes"]).ends(0);
    assert_eq!(place.read("a.txt"), "by hand");
    assert!(place.recorded().is_empty());
    // What needs nothing to be as it was found is counted alike before and after.
    place.write("a.txt", "x");
    place.run(&["apply", "--yes"]).ends(0);
    let shown = place.run(&["destroy", "--yes"]).ends(0);
    assert!(shown.stdout.contains(": 1 to restore."), "{}", shown.screen());
    assert!(shown.stdout.contains("Destroyed: 1 restored."), "{}", shown.screen());
    assert_eq!(place.read("a.txt"), "x");
}

#[test]
fn promise_6_applying_twice_does_nothing_the_second_time() {
    let place = two();
    place.run(&["apply", "--yes"]).ends(0);
    let before = place.tree();
    let runs = place.runs();
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(shown.stdout, "try: nothing to do, the world is as declared.\n");
    place.tree().is(&before, "applied twice");
    assert_eq!(place.runs(), runs, "nothing was done, so there is no run");
}

#[test]
fn promise_6_an_old_and_a_new_one_with_one_identity_cannot_be_side_by_side() {
    let block = "[resource.local_command.c]\ncreate = \"true\"\ndelete = \"true\"\ninputs = { v = \"${var.v}\" }\n\n[variable.v]\ntype = \"string\"\n\n[resource.local_file.f]\npath = \"f.txt\"\ncontent = \"${local_command.c.id}\"\n\n[resource.local_file.f.lifecycle]\ncreate_before_destroy = true\nreplace_triggered_by = [\"local_command.c\"]\n";
    let place = Environment::with(block);
    place.run(&["apply", "--yes", "--var", "v=1"]).ends(0);
    let before = place.tree();
    place.run(&["apply", "--yes", "--var", "v=2"]).ends(1).tells("RT0407", &["local_file.f"]);
    place.tree().is(&before, "refused");
}

#[test]
fn promise_6_an_identity_that_becomes_known_late_is_looked_up_then() {
    let block = "[resource.local_command.name]\ncreate = \"echo -n taken.txt\"\ndelete = \"true\"\n\n[resource.local_file.f]\npath = \"${local_command.name.output}\"\ncontent = \"ours\"\n";
    let place = Environment::with(block);
    place.write("taken.txt", "somebody's");
    place.run(&["apply", "--yes"]).ends(1).tells("RT0505", &["local_file.f"]);
    assert_eq!(place.read("taken.txt"), "somebody's");
}

/// A stack in pieces, whose order is nobody's business.
const PIECES: [&str; 9] = [
    "[variable.who]\ntype = \"string\"\ndefault = \"world\"\n",
    "[local]\nnames = { one = 1, two = 2, three = 3, four = 4 }\n",
    "[resource.local_directory.d]\npath = \"d\"\n",
    "[resource.local_file.f]\nfor_each = \"${local.names}\"\npath = \"${local_directory.d.path}/${each.key}\"\ncontent = \"${jsonencode(local.names)} ${var.who}\"\n",
    "[resource.local_symlink.l]\npath = \"l\"\ntarget = '${join(\",\", [for name, file in local_file.f : file.path])}'\n\n\
     [[resource.local_symlink.l.lifecycle.postcondition]]\ncondition = \"${local_file.f[\\\"one\\\"].sha256 != \\\"\\\"}\"\nmessage = \"none\"\n",
    "[output.all]\nvalue = \"${{ for name, file in local_file.f : name => file.sha256 }}\"\n",
    "[check.all]\ncondition = \"${local_symlink.l.path != local_file.f[\\\"two\\\"].sha256}\"\nmessage = \"one\"\n",
    "[[moved]]\nfrom = \"local_file.before\"\nto = \"local_file.f[\\\"one\\\"]\"\n",
    "[[moved]]\nfrom = \"local_file.earlier\"\nto = \"local_file.before\"\n",
];

/// Writes the pieces in every rotation, forwards and backwards, with empty lines between them, in one file and in two.
fn in_every_order(place: &Environment, mut then: impl FnMut(&Environment)) {
    for turn in 0..PIECES.len() {
        let mut order: Vec<String> =
            PIECES.iter().map(|piece| format!("# {turn}\n{}{piece}", "\n".repeat(turn))).collect();
        order.rotate_left(turn);
        for backwards in [false, true] {
            if backwards {
                order.reverse();
            }
            let (first, second) = order.split_at(turn);
            place.write("retrue.toml", stack(&first.concat()));
            place.write("z.retrue.toml", second.concat());
            then(place);
        }
    }
}

#[test]
fn promise_7_the_same_input_gives_the_same_plan() {
    let mut seen: Vec<(String, String)> = Vec::new();
    // With a state, so that all have one lineage.
    let place = Environment::with(PIECES[2]);
    place.run(&["apply", "--yes"]).ends(0);
    in_every_order(&place, |place| {
        let plan = place.run(&["plan", "--json", "--parallelism", "7"]).ends(0);
        let again = place.run(&["plan", "--json"]).ends(0);
        assert_eq!(plan.stdout, again.stdout, "twice the same");
        seen.push((plan.stdout, place.run(&["plan"]).ends(0).stdout));
    });
    assert!(seen.iter().all(|other| *other == seen[0]), "the order of files and tables shows");
}

#[test]
fn promise_7_kept_plans_are_the_same_byte_for_byte() {
    let place = Environment::with(PIECES[2]);
    place.run(&["apply", "--yes"]).ends(0);
    let mut kept: Option<String> = None;
    in_every_order(&place, |place| {
        place.run(&["plan", "-o", "p"]).ends(0);
        place.run(&["plan", "-o", "q", "--parallelism", "1"]).ends(0);
        assert_eq!(place.read("p"), place.read("q"));
        assert_eq!(kept.get_or_insert_with(|| place.read("p")), &place.read("p"), "the order shows in what is kept");
    });
    // What was kept under one order holds under another.
    place.run(&["apply", "p", "--yes"]).ends(0);
}

#[test]
fn promise_1_what_is_declared_otherwise_makes_a_plan_stale_and_is_named() {
    let file = |name: &str, content: &str| {
        format!("[resource.local_file.{name}]\npath = \"{name}\"\ncontent = \"{content}\"\n")
    };
    let place = Environment::with(&(file("a", "1") + &file("b", "1")));
    place.run(&["plan", "-o", "p"]).ends(0);
    for (changed, told) in [
        (file("a", "1") + &file("b", "2"), "`local_file.b` was changed since (retrue.toml)"),
        (file("a", "1"), "`local_file.b` was removed from the configuration since"),
        (file("a", "1") + &file("b", "1") + "[local]\nx = 1\n", "`local.x` was added since (retrue.toml)"),
        (file("a", "1") + &file("b", "1") + "[[[", "cannot be read any more"),
    ] {
        place.write("retrue.toml", stack(&changed));
        place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &[told]);
    }
    place.write("retrue.toml", stack(&(file("b", "1") + "# the same, in other words\n" + &file("a", "\\u0031"))));
    place.run(&["apply", "p", "--yes"]).ends(0);
}

#[test]
fn a_condition_of_a_kept_plan_is_told_with_the_place_where_it_stands_now() {
    let command = "[resource.local_command.c]\ncreate = [\"echo\", \"no\"]\ndelete = [\"true\"]\n";
    let file = "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n\
                [[resource.local_file.f.lifecycle.precondition]]\ncondition = \"${trimspace(local_command.c.stdout) != \\\"\\\"}\"\nmessage = \"nothing\"\n\
                [[resource.local_file.f.lifecycle.precondition]]\ncondition = \"${trimspace(local_command.c.stdout) == \\\"yes\\\"}\"\nmessage = \"it says no\"\n";
    let place = Environment::with(&format!("{file}{command}"));
    place.run(&["plan", "-o", "p"]).ends(0);
    place.write("retrue.toml", stack(command));
    place.write("z.retrue.toml", format!("\n\n{file}"));
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0506", &["it says no (z.retrue.toml:10:"]);
}

#[test]
fn promise_1_a_new_file_of_the_stack_makes_a_plan_stale() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["plan", "-o", "p"]).ends(0);
    place.write("more.retrue.toml", "[resource.local_file.g]\npath = \"g\"\ncontent = \"x\"\n");
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &["more.retrue.toml"]);
}

#[test]
fn promise_1_data_that_changed_makes_a_plan_stale() {
    let place = Environment::with(
        "[data.local_file.d]\npath = \"in\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"${data.local_file.d.content}\"\n",
    );
    place.write("in", "a");
    place.run(&["plan", "-o", "p"]).ends(0);
    place.write("in", "b");
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &["data.local_file.d"]);
}

#[test]
fn promise_1_what_is_ignored_stays_as_it_is_also_when_something_else_changes() {
    let blocks = |content: &str, mode: &str, a: u8, b: u8| {
        format!(
            "[resource.local_file.f]\npath = \"f\"\ncontent = \"{content}\"\nmode = \"{mode}\"\n\
             lifecycle.ignore_changes = [\"content\"]\n\n\
             [resource.retrue_data.m]\ninput = {{ a = {a}, b = {b}, of = \"${{local_file.f.mode}}\" }}\n\
             lifecycle.ignore_changes = [\"input.a\"]\n\n\
             [resource.retrue_data.all]\ninput = {b}\nlifecycle.ignore_changes = \"all\"\n"
        )
    };
    let place = Environment::with(&blocks("1", "0644", 1, 2));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("f", "by hand");
    place.write("retrue.toml", stack(&blocks("2", "0600", 7, 3)));
    place.run(&["plan", "-o", "p"]).ends(0);
    let shown = place.run(&["apply", "p", "--yes"]).ends(0);
    assert!(!shown.all().contains("reads back differently"), "{}", shown.screen());
    assert_eq!(place.read("f"), "by hand");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs_err::metadata(place.path("f")).unwrap().permissions()) & 0o777,
        0o600
    );
    let value = |of: &str| place.run(&["eval", of]).ends(0).stdout.trim().to_owned();
    assert_eq!((value("retrue_data.m.output.a"), value("retrue_data.m.output.b")), ("1".to_owned(), "3".to_owned()));
    assert_eq!(value("retrue_data.all.output"), "2");
    assert_eq!(place.run(&["plan", "--detailed-exitcode"]).code, 0);
    // Whatever was known only while applying is left out in the same way.
    place.write("retrue.toml", stack(&blocks("3", "0640", 9, 4)));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(
        (value("retrue_data.m.output.a"), value("retrue_data.m.output.of")),
        ("1".to_owned(), "\"0640\"".to_owned())
    );
    assert_eq!(place.read("f"), "by hand");
    // What is made anew is made as it is declared.
    place.run(&["apply", "--yes", "--replace", "local_file.f"]).ends(0);
    assert_eq!(place.read("f"), "3");
}

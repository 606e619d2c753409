//! Unwinding a run of which nobody knows what came: it is about that run, and nothing older is touched.

use crate::environment::{Environment, stack, wait_for};

/// Something older, and unrelated.
const OLDER: &str = "[resource.local_file.older]\npath = \"older\"\ncontent = \"x\"\n";

/// A command that nobody can look at, and that hangs where a file says so.
const BLIND: &str = r#"
[resource.local_command.blind]
inputs = "${var.v}"
create = "printf %s $RETRUE_INPUTS > thing; if test -e hang; then touch hanging; exec sleep 1000; fi"
update = "printf %s $RETRUE_INPUTS > thing; if test -e hang; then touch hanging; exec sleep 1000; fi"
delete = "rm -f thing"
"#;

const VARIABLE: &str = "[variable.v]\ntype = \"string\"\ndefault = \"1\"\n";

/// Applies, and is killed while a command runs.
fn killed(place: &Environment, arguments: &[&str]) {
    place.write("hang", "");
    let mut child = place.command(arguments).spawn().unwrap();
    wait_for("hanging", || place.path("hanging").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    fs_err::remove_file(place.path("hang")).unwrap();
    fs_err::remove_file(place.path("hanging")).unwrap();
}

/// The kinds and states of all runs, the oldest first.
#[track_caller]
fn states(place: &Environment) -> Vec<String> {
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    let word = |run: &serde_json::Value| format!("{} {}", run["kind"], run["state"]).replace('"', "");
    runs.as_array().unwrap().iter().rev().map(word).collect()
}

/// An update that was cut off, after a run that succeeded.
fn update_cut_off() -> Environment {
    let place = Environment::with(&format!("{VARIABLE}{BLIND}{OLDER}"));
    place.run(&["apply", "--yes"]).ends(0);
    killed(&place, &["apply", "--yes", "--var", "v=2"]);
    place
}

#[test]
fn a_run_whose_only_step_is_in_doubt_is_what_is_to_be_unwound() {
    let place = update_cut_off();
    let first = place.runs()[1].clone();
    for _ in 0..2 {
        let shown = place.run(&["compensate", "--yes"]).ends(4);
        for words in ["nobody knows what came of it", "retrue resolve local_command.blind"] {
            assert!(shown.stderr.contains(words), "{}", shown.screen());
        }
        assert!(place.path("older").exists() && place.path("thing").exists(), "nothing older was touched");
    }
    assert_eq!(states(&place)[..2], ["apply succeeded", "apply needs_review"]);
    // Nor is the older one unwound by its name: it is not known whether the other builds on it.
    place.run(&["compensate", &first, "--yes"]).ends(1).tells("RT0605", &["later runs build on it"]);
    assert!(place.path("older").exists() && place.path("thing").exists());
    // Once there is an answer, it goes back to what was before that run, and no further.
    place.run(&["resolve", "local_command.blind", "--applied"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("thing").as_str(), place.path("older").exists()), ("\"1\"", true));
    assert_eq!(states(&place)[..2], ["apply succeeded", "apply compensated"]);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_run_of_which_nothing_was_done_after_all_is_not_the_one_to_unwind() {
    let place = update_cut_off();
    place.run(&["compensate", "--yes"]).ends(4);
    place.run(&["resolve", "local_command.blind", "--not-applied"]).ends(0);
    let unwound = place.run(&["compensate", "--yes"]).ends(0);
    assert!(unwound.stdout.contains(&place.runs()[place.runs().len() - 1]), "{}", unwound.screen());
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}

#[test]
fn a_create_that_was_cut_off_lets_nothing_older_be_unwound() {
    let place = Environment::with(OLDER);
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&format!("{VARIABLE}{BLIND}{OLDER}")));
    killed(&place, &["apply", "--yes"]);
    place.run(&["compensate", "--yes"]).ends(4);
    assert!(place.path("older").exists(), "it has nothing to do with it");
    // An apply goes on with it, and leaves out what is in doubt; both are unwound together.
    place.write("retrue.toml", stack(&format!("{VARIABLE}{BLIND}{OLDER}{}", OLDER.replace("older", "newer"))));
    place.run(&["apply", "--yes"]).ends(4);
    let shown = place.run(&["compensate", "--yes"]).ends(4);
    assert!(shown.stderr.contains("retrue resolve local_command.blind"), "{}", shown.screen());
    assert_eq!((place.path("older").exists(), place.path("newer").exists()), (true, false), "{}", shown.screen());
    place.run(&["resolve", "local_command.blind", "--applied"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["older", "retrue.toml"]);
}

#[test]
fn what_is_in_doubt_is_neither_pruned_nor_closed_nor_given_up() {
    let place = update_cut_off();
    let doubtful = place.runs()[0].clone();
    // Neither before nor after somebody looked.
    for _ in 0..2 {
        place.run(&["runs", "prune", "--keep", "0"]).ends(0);
        assert!(place.runs().contains(&doubtful));
        place.run(&["runs", "accept", &doubtful]).ends(1).tells("RT0606", &["something of it is in doubt"]);
        place
            .run(&["runs", "review", &doubtful, "--give-up"])
            .ends(1)
            .tells("RT0616", &["something of it is in doubt"]);
        place.run(&["compensate", "--yes"]).ends(4);
    }
}

#[test]
fn a_run_that_was_cut_off_is_not_pruned_before_anybody_has_looked() {
    // Data is read when its step comes, so that the run is cut off between two effects.
    let read = "touch hanging; if test -e hang; then exec sleep 1000; fi; echo";
    let place = Environment::with(&format!(
        "{OLDER}[resource.local_command.made]\ncreate = \"true\"\ndelete = \"true\"\n\
         [data.local_command.slow]\ncommand = [\"sh\", \"-c\", \"{read}\", \"${{local_command.made.id}}\"]\n\
         [resource.retrue_data.last]\ninput = \"${{data.local_command.slow.output}}\"\n"
    ));
    killed(&place, &["apply", "--yes", "--parallelism", "1"]);
    assert!(place.path("older").exists());
    place.run(&["runs", "prune", "--keep", "0"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml"], "it can be unwound");
}

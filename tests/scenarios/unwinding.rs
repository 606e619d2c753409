//! How an unwinding ends: what it says, what the runs are then, and the exit code agree, whatever was given leave to
//! go past or asked to be left.

use serde_json::json;

use crate::environment::peers::{Aws, mirror};
use crate::environment::{Environment, stack};

/// How an unwinding is to end.
struct Ending {
    options: &'static [&'static str],
    code: i32,
    says: &'static str,
    /// The state of the run that was unwound, and that of the one that unwound it.
    states: [&'static str; 2],
    /// What the file holds then; `None` when it is gone.
    file: Option<&'static str>,
}

/// A command that nobody can take back, and a file that refers to it.
fn blocks(version: &str, first: bool) -> String {
    let lifecycle = if first { "lifecycle = { create_before_destroy = true }\n" } else { "" };
    stack(&format!(
        "[resource.local_command.c]\ncreate = \"echo made-{version} >> log\"\ninputs = {{ v = \"{version}\" }}\n{lifecycle}\n\
         [resource.local_file.f]\npath = \"f\"\ncontent = \"{version} ${{local_command.c.id == null}}\"\n"
    ))
}

#[track_caller]
fn ends(place: &Environment, ending: &Ending) {
    let place = place.copy();
    let of = place.runs()[0].clone();
    let log = place.read("log");
    let shown = place.run(&[&["compensate", "--yes"], ending.options].concat()).ends(ending.code);
    let said = format!("{:?}: {}", ending.options, shown.screen());
    assert!(shown.stdout.lines().last().unwrap().starts_with(ending.says), "{said}");
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    let unwound = runs.as_array().unwrap().iter().find(|run| run["run_id"] == json!(of)).unwrap();
    assert_eq!([&unwound["state"], &runs[0]["state"]], ending.states, "{said}");
    let file = fs_err::read_to_string(place.path("f")).ok();
    assert_eq!(file.as_deref().map(|content| content.split(' ').next().unwrap()), ending.file, "{said}");
    assert_eq!(place.read("log"), log, "nothing is made again beside what stays: {said}");
    // Nothing is said twice.
    let notes: Vec<&str> = shown.stderr.lines().filter(|line| line.starts_with("note:")).collect();
    let once: std::collections::BTreeSet<&str> = notes.iter().copied().collect();
    assert_eq!(notes.len(), once.len(), "{said}");
    // What is done with is done with; what waits is offered again.
    let again = place.run(&["compensate", "--yes", "--past", "local_command.c", of.as_str()]);
    let waits = ending.states[0] == "needs_review";
    assert_eq!(
        again.stdout.contains("Compensated in part"),
        waits || ending.states[0] == "compensated_partly",
        "{}",
        again.screen()
    );
}

const C: &str = "local_command.c";
const F: &str = "local_file.f";

#[test]
fn promise_5_past_what_was_replaced_for_good() {
    for first in [false, true] {
        let place = Environment::with_stack(&blocks("1", first));
        place.run(&["apply", "--yes"]).ends(0);
        place.write("retrue.toml", blocks("2", first));
        place.run(&["apply", "--yes"]).ends(0);
        let needs_person = ["needs_review", "needs_review"];
        let in_part = ["compensated_partly", "succeeded"];
        let endings = [
            Ending { options: &[], code: 4, says: "Needs a person", states: needs_person, file: Some("2") },
            Ending { options: &["--past", C], code: 0, says: "Compensated in part", states: in_part, file: Some("1") },
            Ending { options: &["--skip", C], code: 0, says: "Compensated in part", states: in_part, file: Some("2") },
            Ending {
                options: &["--past", C, "--skip", C],
                code: 0,
                says: "Compensated in part",
                states: in_part,
                file: Some("2"),
            },
            Ending {
                options: &["--past", C, "--skip", F],
                code: 0,
                says: "Compensated in part",
                states: in_part,
                file: Some("2"),
            },
            Ending { options: &["--skip", F], code: 4, says: "Needs a person", states: needs_person, file: Some("2") },
        ];
        for ending in &endings {
            ends(&place, ending);
        }
    }
}

#[test]
fn promise_5_past_what_was_made_for_good() {
    let place = Environment::with_stack(&blocks("1", false));
    place.run(&["apply", "--yes"]).ends(0);
    let in_part = ["compensated_partly", "succeeded"];
    let endings = [
        Ending {
            options: &[],
            code: 4,
            says: "Needs a person",
            states: ["needs_review", "needs_review"],
            file: Some("1"),
        },
        Ending { options: &["--past", C], code: 0, says: "Compensated in part", states: in_part, file: None },
        // To leave it is no leave to go past it.
        Ending {
            options: &["--skip", C],
            code: 4,
            says: "Needs a person",
            states: ["needs_review", "needs_review"],
            file: Some("1"),
        },
        Ending {
            options: &["--past", C, "--skip", C],
            code: 0,
            says: "Compensated in part",
            states: in_part,
            file: None,
        },
        Ending { options: &["--skip", F], code: 0, says: "Compensated in part", states: in_part, file: Some("1") },
        Ending {
            options: &["--past", C, "--skip", F],
            code: 0,
            says: "Compensated in part",
            states: in_part,
            file: Some("1"),
        },
    ];
    for ending in &endings {
        ends(&place, ending);
    }
    // Where nothing rests on it, it is no pivot: it stays, and the world is not as it was. With leave it need not be.
    let alone = "[resource.local_command.c]\ncreate = \"echo made >> log\"\n";
    let place = Environment::with(&format!("{alone}\n[resource.local_file.f]\npath = \"f\"\ncontent = \"1 x\"\n"));
    place.run(&["apply", "--yes"]).ends(0);
    let states = ["compensated_partly", "needs_review"];
    ends(&place, &Ending { options: &[], code: 4, says: "Needs a person", states, file: None });
    ends(
        &place,
        &Ending { options: &["--past", C], code: 0, says: "Compensated in part", states: in_part, file: None },
    );
}

/// What an earlier run made was no part of the plan that failed, whatever was tried with that run in between.
#[test]
fn promise_6_a_failing_apply_takes_back_nothing_of_earlier_runs() {
    let block = "[resource.local_command.kept]\ncreate = \"touch kept\"\nread = \"test -e kept || exit 44\"\ndelete = \"test -e open && rm kept\"\n";
    let place = Environment::with(block);
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(4);
    place.write("open", "");
    let failing = "\n[resource.local_file.new]\npath = \"new\"\ncontent = \"x\"\n\n\
                   [resource.local_command.fails]\ncreate = \"false\"\ndelete = \"true\"\ndepends_on = [\"local_file.new\"]\n";
    place.write("retrue.toml", stack(&(block.to_owned() + failing)));
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3);
    assert!(place.path("kept").exists() && !place.path("new").exists());
    assert_eq!(place.recorded(), ["local_command.kept"]);
    // The next one goes on from the same, and what both did is taken back by name.
    place.write("retrue.toml", stack(block));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(!place.path("kept").exists());
}

/// A provider that fails to delete leaves what there is: there is nothing to make again.
#[test]
fn promise_4_a_delete_that_failed_is_taken_back() {
    let test = "promise_4_a_delete_that_failed_is_taken_back";
    let Some(aws) = Aws::start(test) else { return };
    let blocks =
        "[resource.aws_s3_bucket.full]\nbucket = \"full\"\n\n[resource.aws_sqs_queue.beside]\nname = \"beside\"\n";
    let mut place = Environment::with(&(aws.provider() + blocks));
    if mirror(test, &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    aws.put("/full/object");
    place.run(&["destroy", "--yes"]).ends(1).tells("RT0501", &["aws_s3_bucket.full", "BucketNotEmpty"]);
    assert_eq!(place.recorded(), ["aws_s3_bucket.full"]);
    let shown = place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.recorded(), ["aws_s3_bucket.full", "aws_sqs_queue.beside"], "{}", shown.screen());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

//! Promises that do not hold yet.

use retrue_provider_testcloud::Server;
use serde_json::json;

use crate::environment::{Environment, stack, wait_for};

#[test]
fn through_the_first_run_past_a_fix_of_what_somebody_drifted() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(0);
    let first = place.runs()[0].clone();
    place.write("f", "by hand");
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
    place.run(&["compensate", "--through", &first, "--yes"]).ends(0);
    place.tree().is(&before, "all the way back");
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
fn promise_3_a_person_can_say_that_a_command_was_carried_out() {
    let place = Environment::with(
        "[resource.local_command.slow]\ncreate = \"echo ran >> ledger; test ! -e wait || exec sleep 1000\"\ndelete = \"rm ledger\"\n",
    );
    place.write("wait", "");
    let mut child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the command", || place.path("ledger").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    place.run(&["resolve", "local_command.slow", "--applied"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml", "wait"]);
}

#[test]
fn promise_3_a_person_can_say_that_an_update_by_a_command_was_carried_out() {
    let block = |inputs: &str| {
        stack(&format!(
            "[resource.local_command.c]\ninputs = \"{inputs}\"\ncreate = \"echo $RETRUE_INPUTS > f\"\nupdate = \"echo $RETRUE_INPUTS > f; test ! -e wait || exec sleep 1000\"\nread = \"cat f || exit 44\"\ndelete = \"rm f\"\n"
        ))
    };
    let place = Environment::with_stack(&block("old"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", block("new"));
    place.write("wait", "");
    let mut child = place.command(&["apply", "--yes"]).spawn().unwrap();
    wait_for("the update", || place.read("f").contains("new").then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    fs_err::remove_file(place.path("wait")).unwrap();
    // What `read` shows is no longer what it showed before: at the least a person can say so.
    if place.run(&["apply", "--yes"]).code == 4 {
        place.run(&["resolve", "local_command.c", "--applied"]).ends(0);
        place.run(&["apply", "--yes"]).ends(0);
    }
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.read("f"), "\"old\"\n");
}

#[test]
fn promise_4_what_was_taken_back_needs_no_further_plan_although_an_id_is_new() {
    let server = Server::start().unwrap();
    let blocks = |cidr: &str| {
        stack(&format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_network.n]\nname = \"n\"\ncidr = \"{cidr}\"\n\n[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\nnetwork_id = \"${{testcloud_network.n.id}}\"\n\n[resource.testcloud_instance.i.lifecycle]\nreplace_triggered_by = [\"testcloud_network.n\"]\n",
            server.url()
        ))
    };
    let place = Environment::with_stack(&blocks("10.0.0.0/16"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", blocks("10.1.0.0/16"));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes", "--past", "testcloud_network.n", "--past", "testcloud_instance.i"]).ends(0);
    place.write("retrue.toml", blocks("10.0.0.0/16"));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn compensate_passes_over_a_run_that_had_no_effect() {
    let file = "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n";
    let place = Environment::with(file);
    place.run(&["apply", "--yes"]).ends(0);
    place.write(
        "retrue.toml",
        stack(&format!("{file}\n[resource.local_command.bad]\ncreate = \"exit 3\"\ndelete = \"true\"\n")),
    );
    place.run(&["apply", "--yes"]).ends(1);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}

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
fn reconcile_reports_what_cannot_be_read_beside_the_rest() {
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n\n[resource.local_command.c]\ncreate = \"touch t\"\nread = \"test ! -e broken || exit 1; test -e t || exit 44\"\ndelete = \"rm t\"\n",
    );
    place.run(&["apply", "--yes"]).ends(0);
    place.write("broken", "");
    let report = place.run(&["reconcile", "--json"]).json_lines();
    let last = &report[report.len() - 1];
    assert_eq!((&last["in_true"], &last["unreadable"]), (&json!(1), &json!(1)), "{last}");
}

#[test]
fn accept_tells_nothing_to_write_that_cannot_be_written() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("f", "by hand");
    let shown = place.run(&["reconcile", "--accept", "local_file.f"]);
    assert!(
        shown.stdout.contains("content = \"by hand\"") && !shown.stdout.contains("sha256 = "),
        "{}",
        shown.screen()
    );
}

#[test]
fn mv_refuses_another_type() {
    let place = Environment::with("[resource.retrue_data.d]\ninput = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["state", "mv", "retrue_data.d", "local_file.d"]).ends(1);
    assert_eq!(place.recorded(), ["retrue_data.d"]);
}

#[test]
fn rm_of_several_is_all_or_nothing() {
    let place = Environment::with("[resource.retrue_data.d]\ninput = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["state", "rm", "retrue_data.d", "retrue_data.no"]).ends(1).tells("RT0611", &["retrue_data.no"]);
    assert_eq!(place.recorded(), ["retrue_data.d"]);
}

#[test]
fn mistakes_of_all_kinds_are_told_at_once() {
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"${local.no}\"\nconten = \"x\"\n\n[resource.local_file.g]\npath = \"g\"\ncontent = \"${nothing(1)}\"\n\n[outptu.a]\nvalue = 1\n",
    );
    let shown = place.run(&["validate"]).ends(1);
    for code in ["RT0110", "RT0131", "RT0151", "RT0206"] {
        assert!(shown.stderr.contains(code), "{code}: {}", shown.screen());
    }
}

#[test]
fn promise_3_a_compensation_does_not_make_doubt_go_away() {
    use retrue_provider_testcloud::cloud::{Action, Fault, Method};
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"deploy\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    place.run(&["compensate", "--yes"]).ends(4);
    // Nobody answered yet.
    assert_eq!(place.run(&["plan", "--json"]).ends(0).json()["in_doubt"][0]["address"], "testcloud_token.t");
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
    let id = server.cloud().truth()[0].id.clone();
    place.run(&["resolve", "testcloud_token.t", "--id", &id]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(server.cloud().truth().is_empty());
}

#[test]
fn promise_3_a_move_takes_doubt_along() {
    use retrue_provider_testcloud::cloud::{Action, Fault, Method};
    let server = Server::start().unwrap();
    let blocks = |name: &str, moved: &str| {
        stack(&format!(
            "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.{name}]\nscope = \"deploy\"\n{moved}",
            server.url()
        ))
    };
    let place = Environment::with_stack(&blocks("t", ""));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    let moved = "\n[[moved]]\nfrom = \"testcloud_token.t\"\nto = \"testcloud_token.u\"\n";
    place.write("retrue.toml", blocks("u", moved));
    place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
}

#[test]
fn promise_3_an_export_takes_doubt_along() {
    use retrue_provider_testcloud::cloud::{Action, Fault, Method};
    let server = Server::start().unwrap();
    let place = Environment::with(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"deploy\"\n",
        server.url()
    ));
    server.cloud().add_fault(Fault::at(Method::Post, "tokens", Action::LoseAnswer));
    place.run(&["apply", "--yes"]).ends(4);
    server.cloud().clear_faults();
    place.write("../export.json", &place.run(&["state", "export"]).ends(0).stdout);
    fs_err::remove_dir_all(place.path(".retrue")).unwrap();
    // Either it comes along, or the restore says that there was some.
    if place.run(&["state", "restore", "../export.json"]).code == 0 {
        place.run(&["apply", "--yes"]).ends(4);
        assert_eq!(server.cloud().truth().len(), 1, "never a second time while in doubt");
    }
}

#[test]
fn what_a_destroy_restores_is_shown() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"ours\"\n");
    place.write("f", "as it was found");
    place.run(&["apply", "--yes"]).ends(0);
    let shown = place.run(&["plan", "--destroy"]).ends(0);
    assert!(shown.stdout.contains("\"ours\" -> \"as it was found\""), "{}", shown.screen());
}

#[test]
fn promise_8_the_line_above_a_mistake_shows_no_secret() {
    let place = Environment::with(
        "[variable.s]\ntype = \"string\"\nsensitive = true\ndefault = \"planted-secret\"\nvalidation = [{ condition = '${var.s == \"x\"}', message = \"no\" }]\n",
    );
    let shown = place.run(&["plan"]).ends(1);
    assert!(!shown.all().contains("planted-secret"), "{}", shown.screen());
}

/// Interrupts a verb twice while it plans, and returns how it ended.
fn interrupted_while_it_reads(arguments: &[&str]) -> Option<i32> {
    use rustix::process::{Pid, Signal, kill_process};
    let place = Environment::with(
        "[data.local_command.slow]\ncommand = \"touch running; exec sleep 1000\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"${data.local_command.slow.stdout}\"\n",
    );
    let mut child = place.command(arguments).spawn().unwrap();
    wait_for("the command", || place.path("running").exists().then_some(()));
    // Twice, but each is seen: the second is sent when the first had its answer.
    let mut said = Vec::new();
    for words in ["once more cancels it", "cancelling"] {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        use std::io::Read as _;
        let mut byte = [0];
        while !String::from_utf8_lossy(&said).contains(words)
            && child.stderr.as_mut().unwrap().read(&mut byte).unwrap() == 1
        {
            said.push(byte[0]);
        }
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    None
}

#[test]
fn a_signal_while_planning_is_a_cancellation() {
    assert_eq!(interrupted_while_it_reads(&["apply", "--yes"]), Some(130));
}

#[test]
fn reconcile_can_be_cancelled_while_it_reads() {
    assert_eq!(interrupted_while_it_reads(&["reconcile"]), Some(130));
    assert_eq!(interrupted_while_it_reads(&["reconcile", "--fix", "--yes"]), Some(130));
}

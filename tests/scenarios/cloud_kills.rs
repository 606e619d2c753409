//! The real program, killed by the cloud itself at its n-th effect, for every n: just before the effect,
//! or just after it and before its answer.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::KillAtEffect;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::clouds::{APPLY, COMPENSATE, PAST, changing, nothing_is_lost, truth};
use crate::environment::Environment;
use crate::environment::tally::Tally;

/// Starts the program, stopped before it has done anything.
fn stopped(place: &Environment, arguments: &[&str]) -> Child {
    let program = place.command(arguments);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(place.work()).process_group(0);
    shell.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let child = shell.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
    child
}

/// Runs the program and has it killed at an effect. `false` when it came to its end before.
fn killed(server: &Server, place: &Environment, arguments: &[&str], effect: u64, carried_out: bool) -> bool {
    let mut child = stopped(place, arguments);
    let pid = i32::try_from(child.id()).unwrap();
    server.cloud().kill_at_effect(KillAtEffect { effect, pid, carried_out });
    kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
    let status = child.wait().unwrap();
    match status.code() {
        Some(code) => {
            assert_eq!(code, 0, "it ended by itself");
            false
        }
        None => true,
    }
}

#[test]
fn a_cloud_that_kills_us_at_any_effect_finds_nothing_lost() {
    let (server, place) = changing();
    let before = truth(&server);
    place.run(&APPLY).ends(0);
    let desired = truth(&server);
    let tally = Tally::of("killed by a cloud", "an apply, at every effect, gone on from and back from");
    for carried_out in [false, true] {
        for effect in 1.. {
            let when = format!("killed at effect {effect}, carried out: {carried_out}");
            let (server, place) = changing();
            if !killed(&server, &place, &APPLY, effect, carried_out) {
                assert!(effect > 5, "so few effects?");
                break;
            }
            tally.scenarios(2);
            // The next apply goes on, and all of it can go back.
            place.run(&APPLY).ends(0);
            assert_eq!(truth(&server), desired, "{when}");
            nothing_is_lost(&server, &place, &when);
            assert!(place.run(&APPLY).ends(0).stdout.contains("nothing to do"), "{when}");
            place.run(&PAST).ends(0);
            assert_eq!(truth(&server), before, "{when}, gone on, compensated");
            // Or it goes back at once.
            let (server, place) = changing();
            assert!(killed(&server, &place, &APPLY, effect, carried_out));
            place.run(&PAST).ends(0);
            assert_eq!(truth(&server), before, "{when}, compensated");
            nothing_is_lost(&server, &place, &format!("{when}, compensated"));
            assert_eq!(place.run(&COMPENSATE).ends(0).stdout, "nothing to compensate\n");
        }
    }
}

#[test]
fn a_cloud_that_kills_us_at_any_effect_of_an_undo_finds_nothing_lost() {
    let (server, place) = changing();
    let before = truth(&server);
    drop((server, place));
    let tally = Tally::of("killed by a cloud", "a compensation, at every effect, gone on from");
    for carried_out in [false, true] {
        for effect in 1.. {
            let when = format!("killed at effect {effect} of the undo, carried out: {carried_out}");
            let (server, place) = changing();
            place.run(&APPLY).ends(0);
            let was_killed = killed(&server, &place, &PAST, effect, carried_out);
            place.run(&PAST).ends(0);
            assert_eq!(truth(&server), before, "{when}");
            nothing_is_lost(&server, &place, &when);
            tally.scenarios(u64::from(was_killed));
            if !was_killed {
                assert!(effect > 5, "so few effects?");
                break;
            }
        }
    }
}

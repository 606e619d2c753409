//! Signals, and what outlives whom, while a provider of Terraform's is in the middle of a request: the write is done,
//! and its answer is on its way.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::terminal::{adopt, close, ending, on_a_terminal};
use crate::environment::peers::{AWS_CHAIN, Aws, mirror};
use crate::environment::proxy::Proxy;
use crate::environment::tally::Tally;
use crate::environment::{Environment, wait_for};

const SUITE: &str = "signals while a provider works";
const ALL: [&str; 3] = ["aws_sqs_queue.jobs", "aws_ssm_parameter.size", "aws_vpc.main"];
const APPLY: [&str; 2] = ["apply", "--yes"];

/// How long what was started may live on when we are gone: the guard has to be woken, no more.
const SOON: Duration = Duration::from_secs(5);

/// A cloud behind a proxy that holds back an answer, and a stack in it.
struct World {
    aws: Aws,
    proxy: Proxy,
    place: Environment,
    /// The kinds of what the cloud holds by itself.
    before: Vec<String>,
}

impl World {
    fn start(test: &str) -> Option<World> {
        let aws = Aws::start(test)?;
        let proxy = Proxy::start(aws.port());
        let mut place = Environment::with(&format!("{}{AWS_CHAIN}", Aws::provider_at(proxy.port())));
        mirror(test, &mut place)?;
        place.run(&["providers", "install"]).ends(0);
        let before = kinds(&aws);
        Some(World { aws, proxy, place, before })
    }

    /// The same as at the start.
    fn reset(&self) {
        self.aws.reset();
        let _ = fs_err::remove_dir_all(self.place.path(".retrue"));
    }

    /// Starts an apply, and returns when the network is made, and nobody knows of it yet.
    fn in_the_middle(&self, start: impl FnOnce() -> Child) -> Child {
        self.proxy.hold(1);
        let child = start();
        assert_eq!(wait_for("the write", || self.proxy.held()), "CreateVpc");
        let programs = self.place.family();
        assert!(programs.iter().any(|(_, name)| name.contains("terraform-pro")), "the provider works: {programs:?}");
        child
    }

    /// Makes sure that nothing of it lives on.
    #[track_caller]
    fn leaves_nobody(&self) {
        let began = Instant::now();
        while !self.place.family().is_empty() {
            assert!(began.elapsed() < SOON, "left behind: {:?}", self.place.family());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The state of the newest run.
    fn state(&self) -> String {
        let runs = self.place.run(&["runs", "list", "--json"]).ends(0).json();
        runs[0]["state"].as_str().unwrap().to_owned()
    }

    /// What the journal says of the network, in order.
    fn said_of_it(&self) -> Vec<String> {
        let journal = self.place.journal();
        journal.into_iter().filter(|(_, address)| address == "aws_vpc.main").map(|(word, _)| word).collect()
    }

    /// Of nothing else anything is written: it was not begun.
    #[track_caller]
    fn began_nothing_else(&self) {
        let journal = self.place.journal();
        assert!(journal.iter().all(|(_, address)| ["", "aws_vpc.main"].contains(&address.as_str())), "{journal:?}");
    }

    /// The next apply goes on to the end, and nothing is there twice.
    #[track_caller]
    fn goes_on(&self, when: &str) {
        let shown = self.place.run(&APPLY).ends(0);
        assert_eq!(self.place.recorded(), ALL, "{when}: {}", shown.screen());
        let mut wanted = self.before.clone();
        // A network brings a group of its own.
        wanted.extend(["group", "parameter", "queue", "vpc"].map(str::to_owned));
        wanted.sort();
        assert_eq!(kinds(&self.aws), wanted, "{when}: once, and not twice");
    }

    /// All of it can go again.
    #[track_caller]
    fn goes_away(&self, when: &str) {
        self.place.run(&["plan", "--detailed-exitcode"]).ends(0);
        self.place.run(&["destroy", "--yes"]).ends(0);
        assert_eq!(kinds(&self.aws), self.before, "{when}: destroyed");
        self.leaves_nobody();
    }
}

/// The kinds of all that a cloud holds, one for each thing.
fn kinds(aws: &Aws) -> Vec<String> {
    let truth = aws.truth();
    let mut kinds: Vec<String> = truth.iter().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
    kinds.sort();
    kinds
}

fn signal(child: &Child, kind: Signal) {
    kill_process(Pid::from_child(child), kind).unwrap();
}

/// Reads what a process says until it says this.
#[track_caller]
fn says(child: &mut Child, words: &str) {
    let mut said = Vec::new();
    let stderr = child.stderr.as_mut().unwrap();
    let mut byte = [0];
    while !String::from_utf8_lossy(&said).contains(words) {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{words:?} never came: {}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
}

const SIGNALS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

#[test]
fn a_signal_lets_a_provider_finish_and_starts_nothing_new() {
    let Some(world) = World::start("a_signal_lets_a_provider_finish_and_starts_nothing_new") else { return };
    let tally = Tally::of(SUITE, "SIGINT, SIGTERM, SIGHUP, once");
    for kind in SIGNALS {
        tally.one();
        world.reset();
        let mut child = world.in_the_middle(|| world.place.command(&APPLY).spawn().unwrap());
        signal(&child, kind);
        says(&mut child, "what runs is finished and recorded");
        assert!(child.try_wait().unwrap().is_none(), "{kind:?}: it waits for what runs");
        world.proxy.release();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{kind:?}");
        world.leaves_nobody();
        assert_eq!(world.place.recorded(), ["aws_vpc.main"], "{kind:?}");
        assert_eq!(world.state(), "cancelled", "{kind:?}");
        assert!(world.said_of_it().contains(&"step_applied".to_owned()), "{kind:?}: {:?}", world.said_of_it());
        world.began_nothing_else();
        assert_eq!(world.place.run(&["plan", "--json"]).ends(0).json()["in_doubt"], json!([]), "{kind:?}");
        world.goes_on(&format!("{kind:?}, once"));
    }
    world.goes_away("a signal, once");
}

#[test]
fn a_second_signal_cancels_a_provider() {
    let Some(world) = World::start("a_second_signal_cancels_a_provider") else { return };
    let tally = Tally::of(SUITE, "SIGINT, SIGTERM, SIGHUP, twice");
    for kind in SIGNALS {
        tally.one();
        world.reset();
        let mut child = world.in_the_middle(|| world.place.command(&APPLY).spawn().unwrap());
        signal(&child, kind);
        says(&mut child, "once more cancels it");
        signal(&child, kind);
        says(&mut child, "cancelling");
        // Nobody waits for the answer, which never comes.
        let code = wait_for("the end", || child.try_wait().unwrap()).code();
        world.leaves_nobody();
        world.proxy.release();
        assert_eq!(code, Some(4), "{kind:?}: something is in doubt");
        assert_eq!(world.state(), "needs_review", "{kind:?}");
        assert!(world.place.recorded().is_empty(), "{kind:?}: nobody knows that it is there");
        let said = world.said_of_it();
        assert_eq!(said.last().map(String::as_str), Some("step_unknown"), "{kind:?}: {said:?}");
        world.began_nothing_else();
        let doubts = world.place.run(&["plan", "--json"]).ends(0).json()["in_doubt"].clone();
        assert_eq!(doubts[0]["address"], "aws_vpc.main", "{kind:?}: {doubts}");
        world.goes_on(&format!("{kind:?}, twice"));
    }
    world.goes_away("a signal, twice");
}

#[test]
fn a_provider_never_outlives_us() {
    let Some(world) = World::start("a_provider_never_outlives_us") else { return };
    let tally = Tally::of(SUITE, "SIGKILL");
    tally.one();
    let mut child = world.in_the_middle(|| world.place.command(&APPLY).spawn().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    world.leaves_nobody();
    world.proxy.release();
    assert!(world.place.recorded().is_empty());
    let said = world.said_of_it();
    assert!(said.contains(&"step_begin".to_owned()), "{said:?}");
    assert!(!said.iter().any(|word| ["step_applied", "step_unknown"].contains(&word.as_str())), "{said:?}");
    world.goes_on("killed");
}

#[test]
fn a_closed_terminal_lets_a_provider_finish() {
    let Some(world) = World::start("a_closed_terminal_lets_a_provider_finish") else { return };
    let tally = Tally::of(SUITE, "the terminal is closed");
    tally.one();
    let terminal = world.in_the_middle(|| on_a_terminal(&world.place, &APPLY));
    let program = close(&world.place, terminal);
    // The kernel has told it so by now.
    world.proxy.release();
    let status = ending(program);
    assert_eq!(status.exit_status(), Some(130), "{status:?}");
    world.leaves_nobody();
    assert_eq!(world.state(), "cancelled");
    assert_eq!(world.place.recorded(), ["aws_vpc.main"]);
    world.began_nothing_else();
    world.goes_on("the terminal was closed");
}

#[test]
fn a_reader_that_leaves_does_not_disturb_a_provider() {
    let Some(world) = World::start("a_reader_that_leaves_does_not_disturb_a_provider") else { return };
    let tally = Tally::of(SUITE, "broken pipes");
    tally.one();
    let mut child = world.in_the_middle(|| world.place.command(&APPLY).spawn().unwrap());
    // A broken pipe on both.
    drop((child.stdout.take(), child.stderr.take()));
    world.proxy.release();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    world.leaves_nobody();
    assert_eq!(world.state(), "succeeded");
    assert_eq!(world.place.recorded(), ALL);
    world.goes_on("the reader left");
}

#[test]
fn the_end_of_the_parent_does_not_disturb_a_provider() {
    let Some(world) = World::start("the_end_of_the_parent_does_not_disturb_a_provider") else { return };
    let tally = Tally::of(SUITE, "the parent dies");
    tally.one();
    adopt();
    let mut shell = world.in_the_middle(|| {
        let ours = world.place.command(&APPLY);
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "\"$@\" >/dev/null 2>&1 & echo $!; wait", "sh"])
            .arg(ours.get_program())
            .args(ours.get_args());
        shell.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(world.place.work()).stdout(Stdio::piped()).spawn().unwrap()
    });
    let mut said = String::new();
    let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut said).unwrap();
    shell.kill().unwrap();
    shell.wait().unwrap();
    world.proxy.release();
    let status = ending(Pid::from_raw(said.trim().parse().unwrap()).unwrap());
    assert_eq!(status.exit_status(), Some(0));
    world.leaves_nobody();
    assert_eq!(world.state(), "succeeded");
    assert_eq!(world.place.recorded(), ALL);
    world.goes_on("the parent died");
}

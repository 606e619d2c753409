//! Commands: what is reported, and that they never outlive us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command as StdCommand, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use libtest_mimic::{Arguments, Failed, Trial};
use retrue_provider_api::process::{self, Command, Ended, Finished, ProcessError, Running, guard_main_if_asked};
use retrue_provider_api::testing::{MemoryBlobs, RecordedChildren, context, context_with};
use retrue_provider_api::{ChildProcess, Children, Context};
use rustix::process::{Pid, Signal, kill_process};

/// Makes this program run one shell line as retrue would, and say what it recorded.
const PARENT: &str = "PROCESS_TEST_PARENT";

fn main() -> ExitCode {
    guard_main_if_asked();
    if let Some(line) = std::env::var_os(PARENT) {
        return parent(line.to_str().unwrap());
    }
    let mut trials = Vec::new();
    macro_rules! trials {
        ($($name:ident),* $(,)?) => { $(trials.push(Trial::test(stringify!($name), || -> Result<(), Failed> { $name(); Ok(()) }));)* };
    }
    trials!(
        endings_are_told_exactly,
        what_cannot_be_started_is_told,
        output_is_kept_within_bounds,
        the_environment_is_ours_without_the_key,
        nothing_begins_before_it_is_recorded,
        time_over_and_cancellation_end_it,
        what_does_not_listen_is_killed,
        what_is_left_running_is_ended_and_daemons_stay,
        what_fails_leaves_nothing,
        a_dropped_future_kills,
        the_end_of_the_parent_is_the_end_of_all,
        the_end_of_the_guard_is_the_end_of_all,
        after_the_end_of_both_recovery_ends_the_rest,
        a_guard_is_not_killed_by_the_name_of_the_program,
        many_at_once,
        what_goes_on_running_is_talked_to_and_ended,
        what_goes_on_running_ends_with_its_handle,
        all_of_it_holds_in_a_container,
    );
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

async fn shell(context: &Context, line: &str, directory: &Path) -> Result<Finished, ProcessError> {
    process::run(context, &Command::shell(line, directory)).await
}

fn run(line: &str) -> Finished {
    block_on(shell(&context(), line, Path::new("/"))).unwrap()
}

/// Waits for something that is bound to happen.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < patience, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn endings_are_told_exactly() {
    for status in [0, 1, 44, 126, 127, 255] {
        assert_eq!(run(&format!("exit {status}")).ended, Ended::Exited(status));
    }
    assert_eq!(run("kill -TERM $$").ended, Ended::Signalled(15));
    assert_eq!(run("kill -KILL $$").ended, Ended::Signalled(9));
    let mut command = Command::new("printf", Path::new("/"));
    command.arguments = vec!["%s|".into(), "a b".into(), "".into(), "\u{e9}\n".into()];
    let finished = block_on(process::run(&context(), &command)).unwrap();
    assert_eq!((finished.ended, finished.stdout.as_slice()), (Ended::Exited(0), "a b||\u{e9}\n|".as_bytes()));
}

fn what_cannot_be_started_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let try_run = |program: &str, directory: &Path| {
        block_on(process::run(&context(), &Command::new(program, directory))).unwrap_err()
    };
    let kind = |error: ProcessError| match error {
        ProcessError::Program(_, error) => (true, error.kind()),
        ProcessError::Directory(_, error) => (false, error.kind()),
        other => panic!("{other:?}"),
    };
    let path = directory.path();
    assert_eq!(kind(try_run("no-such-program", path)), (true, io::ErrorKind::NotFound));
    fs_err::write(path.join("plain"), "x").unwrap();
    assert_eq!(kind(try_run("./plain", path)), (true, io::ErrorKind::PermissionDenied));
    assert_eq!(kind(try_run("true", &path.join("none"))), (false, io::ErrorKind::NotFound));
    assert_eq!(kind(try_run("true", &path.join("plain"))), (false, io::ErrorKind::NotADirectory));
    assert_eq!(kind(try_run("a\0b", path)), (true, io::ErrorKind::InvalidInput));
    let context = context();
    context.cancellation.cancel();
    let error = block_on(shell(&context, "true", path)).unwrap_err();
    assert!(matches!(error, ProcessError::Cancelled));
    assert!(error.into_provider_error("create").message.contains("cancelled"));
}

fn output_is_kept_within_bounds() {
    let finished = run("i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done; head -c 3000000 /dev/zero");
    assert_eq!((finished.stdout.len(), finished.stdout_cut), (3_000_000, false));
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[39]), (40, "line 4960", "line 4999"));
    let mut command = Command::shell("head -c 100000 /dev/zero; printf '\\377' >&2", Path::new("/"));
    command.stdout_limit = 10;
    let finished = block_on(process::run(&context(), &command)).unwrap();
    assert_eq!((finished.stdout.len(), finished.stdout_cut, finished.ended), (10, true, Ended::Exited(0)));
    assert_eq!(finished.stderr, "\u{fffd}");
}

fn the_environment_is_ours_without_the_key() {
    let mut command = Command::shell(
        "echo \"${RETRUE_KEY-none} ${RETRUE_GUARD-none} $ADDED $PATH\"; pwd; cat; echo end of input",
        Path::new("/tmp"),
    );
    command.environment = vec![("ADDED".into(), "a b".into())];
    let finished = block_on(process::run(&context(), &command)).unwrap();
    let expected = format!("none none a b {}\n/tmp\nend of input\n", std::env::var("PATH").unwrap());
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), expected);
}

fn nothing_begins_before_it_is_recorded() {
    struct Refuses;
    #[async_trait]
    impl Children for Refuses {
        async fn started(&self, child: &ChildProcess) -> io::Result<()> {
            assert!(process::still_running(child));
            let children =
                fs_err::read_to_string(format!("/proc/{0}/task/{0}/children", child.pid)).unwrap_or_default();
            assert_eq!(children, "", "the command has not begun");
            Err(io::Error::other("disk full"))
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::new(Refuses));
    let error = block_on(shell(&context, "touch f", directory.path())).unwrap_err();
    assert!(matches!(error, ProcessError::NotRecorded(_)));
    assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 0);

    let children = Arc::new(RecordedChildren::default());
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as _);
    let finished = block_on(shell(&context, "echo $RETRUE_CHILD", directory.path())).unwrap();
    let recorded = children.all().remove(0);
    let token = format!("{}.{}\n", recorded.pid, recorded.started);
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), token);
    assert!(!process::still_running(&recorded));
    process::end(&recorded).unwrap();
}

fn time_over_and_cancellation_end_it() {
    let directory = tempfile::tempdir().unwrap();
    let line = "trap 'echo asked; exit 3' TERM; echo ready > ready; while :; do sleep 0.01; done";
    let ready = directory.path().join("ready");
    block_on(async {
        let context = context();
        let cancel = context.cancellation.clone();
        let seen = ready.clone();
        std::thread::spawn(move || {
            until("ready", || seen.exists());
            cancel.cancel();
        });
        let finished = shell(&context, line, directory.path()).await.unwrap();
        assert_eq!(finished.ended, Ended::Exited(3), "what ends by itself when asked is told as that");
        assert_eq!(finished.stdout, b"asked\n");
    });
    let mut command = Command::new("sleep", directory.path());
    command.arguments = vec!["1000".into()];
    command.deadline = Some(Instant::now() + Duration::from_millis(50));
    let finished = block_on(process::run(&context(), &command)).unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
}

fn what_does_not_listen_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let children = Arc::new(RecordedChildren::default());
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as _);
    let mut command =
        Command::shell("trap '' TERM; setsid sh -c 'sleep 1000' & sleep 1000; sleep 1000", directory.path());
    command.deadline = Some(Instant::now() + Duration::from_millis(50));
    let finished = block_on(process::run(&context, &command)).unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
    assert!(!process::still_running(&children.all()[0]));
}

fn what_is_left_running_is_ended_and_daemons_stay() {
    let directory = tempfile::tempdir().unwrap();
    let children = Arc::new(RecordedChildren::default());
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as _);
    let line = "sleep 1000 & echo $! > background; (setsid sh -c 'echo $$ > daemon; exec sleep 1000' &) ; \
                while [ ! -s daemon ]; do sleep 0.01; done; echo done";
    let finished = block_on(shell(&context, line, directory.path())).unwrap();
    assert_eq!((finished.ended, finished.stdout.as_slice()), (Ended::Exited(0), b"done\n".as_slice()));
    let alive = |name: &str| {
        let pid = fs_err::read_to_string(directory.path().join(name)).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    assert!(!alive("background"), "a job in the background ends with its command");
    assert!(alive("daemon"), "a daemon stays");
    let recorded = children.all().remove(0);
    assert!(process::still_running(&recorded));
    process::end(&recorded).unwrap();
    until("the end of the daemon", || !alive("daemon"));
    assert!(!process::still_running(&recorded));
}

fn what_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let children = Arc::new(RecordedChildren::default());
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as _);
    let line =
        "(setsid sh -c 'echo $$ > daemon; exec sleep 1000' &) ; while [ ! -s daemon ]; do sleep 0.01; done; exit 1";
    let finished = block_on(shell(&context, line, directory.path())).unwrap();
    assert_eq!(finished.ended, Ended::Exited(1));
    assert!(!process::still_running(&children.all()[0]));
}

/// In a namespace of process ids whose sessions are led from outside, as in a container.
fn all_of_it_holds_in_a_container() {
    let enter = || {
        let mut enter = StdCommand::new("unshare");
        enter.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        enter
    };
    if !enter().arg("true").output().is_ok_and(|tried| tried.status.success()) {
        println!("SKIPPED: no namespace of process ids can be made here");
        return;
    }
    let tests = enter()
        .arg(std::env::current_exe().unwrap())
        .args(["--skip", "all_of_it_holds_in_a_container"])
        .env_remove(PARENT)
        .output()
        .unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stdout));
}

fn a_dropped_future_kills() {
    let directory = tempfile::tempdir().unwrap();
    let children = Arc::new(RecordedChildren::default());
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as _);
    let ready = directory.path().join("ready");
    block_on(async {
        let command = Command::shell("setsid sleep 1000 & echo > ready; sleep 1000", directory.path());
        tokio::select! {
            _ = process::run(&context, &command) => panic!("it sleeps"),
            _ = tokio::task::spawn_blocking(move || until("ready", || ready.exists())) => {}
        }
        let child = children.all().remove(0);
        tokio::task::spawn_blocking(move || until("the end", || !process::still_running(&child))).await.unwrap();
    });
}

/// This program as a parent that is going to be killed.
fn parent(line: &str) -> ExitCode {
    struct Says;
    #[async_trait]
    impl Children for Says {
        async fn started(&self, child: &ChildProcess) -> io::Result<()> {
            println!("{} {}", child.pid, child.started);
            Ok(())
        }
    }
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::new(Says));
    let directory = std::env::current_dir().unwrap();
    block_on(shell(&context, line, &directory)).unwrap();
    ExitCode::SUCCESS
}

/// Every way to be out of sight, each about to write a file; and the sign that all have begun.
const TRICKS: &str = r#"
late() { echo > "begun-$1"; sleep 2; echo > "late-$1"; }
(late background) &
((late grandchild) &) &
setsid sh -c 'echo > begun-session; sleep 2; echo > late-session' &
(setsid sh -c '(echo > begun-daemon; sleep 2; echo > late-daemon) &' &)
setsid env -i /bin/sh -c 'echo > begun-scrubbed; sleep 2; echo > late-scrubbed' &
trap '' TERM HUP INT
late self
"#;
const BEGUN: usize = 6;

fn begin(directory: &Path) -> (Child, ChildProcess) {
    let mut parent = StdCommand::new("/proc/self/exe")
        .env(PARENT, TRICKS)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut numbers = line.split_whitespace();
    let child = ChildProcess {
        pid: numbers.next().unwrap().parse().unwrap(),
        started: numbers.next().unwrap().parse().unwrap(),
    };
    until("the beginning", || names(directory, "begun-").len() == BEGUN);
    assert!(process::still_running(&child));
    (parent, child)
}

fn names(directory: &Path, prefix: &str) -> Vec<String> {
    let entries = fs_err::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Whatever still worked in the directory would write there: none does, and nothing was written.
fn nothing_comes(directory: &Path) {
    let here = fs_err::canonicalize(directory).unwrap();
    let working = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == here))
            .count()
    };
    until("the end of all", || working() == 0);
    assert_eq!(names(directory, "late-"), Vec::<String>::new());
}

fn signal(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn the_end_of_the_parent_is_the_end_of_all() {
    let directory = tempfile::tempdir().unwrap();
    let (mut parent, child) = begin(directory.path());
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the end of the guard", || !process::still_running(&child));
    nothing_comes(directory.path());
    process::end(&child).unwrap();
}

fn the_end_of_the_guard_is_the_end_of_all() {
    let directory = tempfile::tempdir().unwrap();
    let children = Arc::new(RecordedChildren::default());
    let context = context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as _);
    let line = "setsid sh -c 'echo > begun-a; sleep 2; echo > late-a' & echo > begun-b; sleep 2; echo > late-b";
    let (path, seen) = (directory.path().to_owned(), Arc::clone(&children));
    std::thread::spawn(move || {
        until("the beginning", || names(&path, "begun-").len() == 2);
        signal(seen.all()[0].pid);
    });
    let finished = block_on(shell(&context, line, directory.path())).unwrap();
    assert_eq!(finished.ended, Ended::Lost);
    nothing_comes(directory.path());
}

fn after_the_end_of_both_recovery_ends_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let line = "setsid sh -c 'echo > begun-a; sleep 3; echo > late-a' & echo > begun-b; sleep 3; echo > late-b";
    let mut parent = StdCommand::new("/proc/self/exe")
        .env(PARENT, line)
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let mut numbers = said.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    let child = ChildProcess { pid: numbers.next().unwrap() as i32, started: numbers.next().unwrap() };
    until("the beginning", || names(directory.path(), "begun-").len() == 2);
    // Stopped first, neither can do anything between the two.
    for pid in [parent.id() as i32, child.pid] {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    }
    parent.kill().unwrap();
    signal(child.pid);
    parent.wait().unwrap();
    process::end(&child).unwrap();
    assert!(!process::still_running(&child));
    nothing_comes(directory.path());
}

fn a_guard_is_not_killed_by_the_name_of_the_program() {
    let finished =
        run("cat /proc/$PPID/comm; tr '\\0' ' ' < /proc/$PPID/cmdline; ps -o pgid= -p $PPID | tr -d ' '; echo $PPID");
    let text = String::from_utf8(finished.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "step-guard");
    assert!(!text.contains("retrue"), "{text}");
}

fn many_at_once() {
    block_on(async {
        let context = context();
        let tasks = (0..40).map(|number| {
            let context = context.clone();
            tokio::spawn(async move { shell(&context, &format!("echo {number}; exit {number}"), Path::new("/")).await })
        });
        for (number, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
            let finished = task.await.unwrap().unwrap();
            assert_eq!(finished.ended, Ended::Exited(number as i32));
            assert_eq!(finished.stdout, format!("{number}\n").into_bytes());
        }
    });
}

fn what_goes_on_running_is_talked_to_and_ended() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt};
    block_on(async {
        let start = async |line: &str| Running::start(Command::shell(line, Path::new("/"))).await.unwrap();
        let (running, output) = start("echo hello; sleep 1000 & sleep 1000").await;
        let mut line = String::new();
        tokio::io::BufReader::new(output.stdout).read_line(&mut line).await.unwrap();
        assert_eq!(line, "hello\n");
        let child = running.child().clone();
        assert!(process::still_running(&child));
        running.kill().await;
        assert!(!process::still_running(&child), "all that it started is gone, too");

        let (mut running, mut output) = start("echo oh >&2; exit 3").await;
        assert_eq!(running.ended().await.unwrap(), Ended::Exited(3));
        let mut text = String::new();
        output.stderr.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "oh\n");
        let (mut running, _output) = start("kill -9 $$").await;
        assert_eq!(running.ended().await.unwrap(), Ended::Signalled(9));
        let (running, _output) = start("sleep 1000").await;
        assert_eq!(running.end_within(Duration::from_millis(50)).await, Ended::TimedOut);
        let (mut running, _output) = Running::start(Command::new("/nowhere", Path::new("/"))).await.unwrap();
        assert!(matches!(running.ended().await, Err(ProcessError::Program(..))));
    });
}

fn what_goes_on_running_ends_with_its_handle() {
    let child = block_on(async {
        let (running, _output) = Running::start(Command::shell("sleep 1000", Path::new("/"))).await.unwrap();
        running.child().clone()
    });
    until("the end", || !process::still_running(&child));
}

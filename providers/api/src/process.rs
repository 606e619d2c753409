//! Running programs that never outlive us, whatever ends us.
//!
//! A command is not our child but our grandchild: between us and it stands a *guard*, our own binary
//! started again. The guard is the leader of a process group of its own and adopts whatever the command
//! leaves behind. It holds one end of a socket of which only we hold the other. When ours closes, because
//! we ask or because we are gone, kill -9 included, the guard kills every descendant and ends. Should
//! guard and parent be killed together, the kernel kills the command, and what the command started is
//! found by recovery: it carries a token in its environment, and the guard's id and start time are
//! recorded before the command may begin.
//!
//! When a command ends by itself with 0, what it left running in our session is ended; a daemon that
//! made a session of its own (`setsid`) stays. In every other case all of it is ended.
//!
//! Architecture Invariant: nothing here is unsafe, and nothing that runs in the guard panics or waits
//! for anything but the command and the socket.

mod capture;
mod guard;
mod running;
mod table;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::{Category, ProviderError};
use crate::provider::{ChildProcess, Context};
use capture::Capture;
use guard::Report;
pub use guard::guard_main_if_asked;
pub use running::{Output, Running};

/// How long a command that was asked to end (SIGTERM) may take before it is killed.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a guard may take to kill everything and end.
const GUARD_GRACE: Duration = Duration::from_secs(10);

/// A program to be run, with nothing on its standard input.
///
/// It has our environment, except for the key of the store, and with `environment` added.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Variables that are added to ours.
    pub environment: Vec<(OsString, OsString)>,
    /// When it must have ended, if that is before the deadline of the context.
    pub deadline: Option<Instant>,
    /// So many bytes of standard output are kept; the rest is read and dropped.
    pub stdout_limit: usize,
}

impl Command {
    /// A program in a directory, without arguments.
    pub fn new(program: impl AsRef<OsStr>, directory: &Path) -> Self {
        Command {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            directory: directory.to_owned(),
            environment: Vec::new(),
            deadline: None,
            stdout_limit: 16 * 1024 * 1024,
        }
    }

    /// A line for `/bin/sh`.
    pub fn shell(line: &str, directory: &Path) -> Self {
        let arguments = vec!["-c".into(), line.into()];
        Command { arguments, ..Self::new("/bin/sh", directory) }
    }
}

/// What came of a command that was started.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// Its standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// There was more.
    pub stdout_cut: bool,
    /// The last lines of its standard error, bytes that are no text replaced.
    pub stderr: String,
}

/// How a command ended. Only what is `Exited` ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, which was not ours.
    Signalled(i32),
    /// By us, because its time was over.
    TimedOut,
    /// By us, because we were asked to.
    Cancelled,
    /// Its guard was killed. Whatever was left has been killed, too.
    Lost,
}

/// Why a command was not started. Certainly nothing of it ran.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The program around this does not call [`guard_main_if_asked`] first.
    #[error("this program cannot run commands: its main function does not begin with `guard_main_if_asked`")]
    NoGuard,
    /// We were cancelled, or the time was over, beforehand.
    #[error("cancelled before it was started")]
    Cancelled,
    /// The guard could not be started.
    #[error("no process could be started")]
    Guard(#[source] io::Error),
    /// That it is about to start could not be recorded.
    #[error("the start of the process could not be recorded")]
    NotRecorded(#[source] io::Error),
    /// The working directory cannot be entered.
    #[error("the working directory {0} cannot be entered")]
    Directory(String, #[source] io::Error),
    /// The program cannot be run.
    #[error("`{0}` cannot be run")]
    Program(String, #[source] io::Error),
}

impl ProcessError {
    /// The same as the error of a provider.
    pub fn into_provider_error(self, operation: &str) -> ProviderError {
        let category = match &self {
            ProcessError::Guard(_) => Category::Transient,
            ProcessError::Directory(..) | ProcessError::Program(..) => Category::Validation,
            ProcessError::NoGuard | ProcessError::Cancelled | ProcessError::NotRecorded(_) => Category::Unknown,
        };
        // What the system says of a name belongs to the message; told as its cause, the name would be said twice.
        if let ProcessError::Directory(_, error) | ProcessError::Program(_, error) = &self {
            return ProviderError::new(category, operation, format!("{self}: {error}"));
        }
        let message = self.to_string();
        ProviderError::new(category, operation, message).because(self)
    }
}

/// Runs a command and waits for its end, for the deadline, or for cancellation.
///
/// The process is recorded by `context.children` before the command begins. When the future is dropped,
/// the command is killed.
///
/// # Errors
///
/// Only when nothing of it ran.
pub async fn run(context: &Context, command: &Command) -> Result<Finished, ProcessError> {
    if !guard::installed() {
        return Err(ProcessError::NoGuard);
    }
    let deadline = command.deadline.map_or(context.deadline, |deadline| deadline.min(context.deadline));
    if context.cancellation.is_cancelled() || deadline <= Instant::now() {
        return Err(ProcessError::Cancelled);
    }
    check(command)?;
    let mut guarded = Guarded::start(command).map_err(ProcessError::Guard)?;
    record(context, &guarded.child).await?;
    guarded.control.write_all(&guard::request(parts(command))).await.map_err(ProcessError::Guard)?;
    let mut ended = guarded.watch(context, deadline).await;
    // The guard is ending; without this it stays a zombie.
    let _ = tokio::time::timeout(GUARD_GRACE, guarded.guard.wait()).await;
    guarded.stdout.drain();
    guarded.stderr.drain();
    if ended.report.is_none() {
        let child = guarded.child.clone();
        // The guard ended without a word: if it was killed, somebody must do its work.
        let _ = tokio::task::spawn_blocking(move || end(&child)).await;
    }
    let ended = match (ended.report.take(), ended.asked) {
        (Some(report @ (Report::NoDirectory(_) | Report::NoProgram(_))), _) => {
            return Err(not_begun(command, report));
        }
        // What ended by itself in the moment of being asked did end by itself.
        (Some(Report::Exited(status)), _) => Ended::Exited(status),
        (_, Some(asked)) => asked,
        (Some(Report::Signalled(signal)), None) => Ended::Signalled(signal),
        (None, None) => Ended::Lost,
    };
    let (stdout, stdout_cut) = guarded.stdout.into_bytes();
    Ok(Finished { ended, stdout, stdout_cut, stderr: guarded.stderr.into_last_lines() })
}

/// Whether anything of a recorded process is still there: its guard, or what it guards.
pub fn still_running(child: &ChildProcess) -> bool {
    !table::of(child).is_empty()
}

/// Kills all that is left of a recorded process: what the guard guards, then the guard. When nothing is
/// left, that is a success.
///
/// # Errors
///
/// When something is left that cannot be killed (it runs as another user), by its id.
pub fn end(child: &ChildProcess) -> io::Result<()> {
    let patience = Instant::now() + GUARD_GRACE;
    loop {
        let left = table::of(child);
        if left.is_empty() {
            return Ok(());
        }
        // The guard last: while it lives, it adopts what the others leave.
        let guarded: Vec<_> = left.iter().filter(|process| process.pid != child.pid).collect();
        let targets = if guarded.is_empty() { left.iter().collect() } else { guarded };
        let refused: Vec<String> =
            targets.iter().filter(|process| process.kill().is_err()).map(|process| process.pid.to_string()).collect();
        if Instant::now() > patience {
            let pids = if refused.is_empty() {
                left.iter().map(|process| process.pid.to_string()).collect::<Vec<_>>().join(", ")
            } else {
                refused.join(", ")
            };
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("still running and not to be killed: {pids}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Refuses what cannot be sent to a guard.
fn check(command: &Command) -> Result<(), ProcessError> {
    if parts(command).any(|part| part.as_bytes().contains(&0)) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "its name or an argument holds a NUL character");
        return Err(ProcessError::Program(command.program.to_string_lossy().into_owned(), error));
    }
    Ok(())
}

/// Why a command did not begin, from what its guard reported.
fn not_begun(command: &Command, report: Report) -> ProcessError {
    match report {
        Report::NoDirectory(errno) => {
            ProcessError::Directory(command.directory.display().to_string(), io::Error::from_raw_os_error(errno))
        }
        Report::NoProgram(number) | Report::Exited(number) | Report::Signalled(number) => {
            let error = io::Error::from_raw_os_error(number);
            ProcessError::Program(command.program.to_string_lossy().into_owned(), error)
        }
    }
}

/// The directory, the program and its arguments.
fn parts(command: &Command) -> impl Iterator<Item = &OsStr> {
    let first = [command.directory.as_os_str(), &command.program];
    first.into_iter().chain(command.arguments.iter().map(OsString::as_os_str))
}

async fn record(context: &Context, child: &ChildProcess) -> Result<(), ProcessError> {
    context.children.started(child).await.map_err(ProcessError::NotRecorded)
}

/// A guard that waits for its request, and our ends of what leads to it.
struct Guarded {
    guard: tokio::process::Child,
    child: ChildProcess,
    control: tokio::net::UnixStream,
    stdout: Capture,
    stderr: Capture,
}

/// What was learned while watching.
struct Watched {
    report: Option<Report>,
    /// Why we asked it to end.
    asked: Option<Ended>,
}

/// A guard that was just started: it waits for its request.
struct Started {
    guard: tokio::process::Child,
    child: ChildProcess,
    control: tokio::net::UnixStream,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Started {
    fn of(command: &Command) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (stdout, stdout_end) = io::pipe()?;
        let (stderr, stderr_end) = io::pipe()?;
        let mut starting = tokio::process::Command::new("/proc/self/exe");
        starting
            .arg0(guard::NAME)
            // The one variable that must not travel: with it, a command could read the store's secrets.
            .env_remove("RETRUE_KEY")
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .env(guard::VARIABLE, guard::GUARD)
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(stdout_end)))
            .stderr(Stdio::from(OwnedFd::from(stderr_end)));
        let guard = starting.spawn()?;
        // Dropped here, `starting` closes our copies of the guard's ends.
        drop(starting);
        let pid = guard.id().and_then(|pid| i32::try_from(pid).ok()).ok_or(io::ErrorKind::NotFound)?;
        let started = table::started(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Started {
            guard,
            child: ChildProcess { pid, started },
            control: tokio::net::UnixStream::from_std(ours)?,
            stdout: stdout.into(),
            stderr: stderr.into(),
        })
    }
}

impl Guarded {
    fn start(command: &Command) -> io::Result<Self> {
        let Started { guard, child, control, stdout, stderr } = Started::of(command)?;
        Ok(Guarded {
            guard,
            child,
            control,
            stdout: Capture::of(stdout, command.stdout_limit)?,
            stderr: Capture::of_tail(stderr)?,
        })
    }

    /// Reads until the guard has reported or is gone, and asks it to end when it is time.
    async fn watch(&mut self, context: &Context, deadline: Instant) -> Watched {
        let mut watched = Watched { report: None, asked: None };
        let mut message = [0u8; guard::REPORT];
        let mut received = 0;
        let mut alarm = deadline;
        let mut requests = [guard::KILL, guard::END].to_vec();
        loop {
            let room = message.get_mut(received..).unwrap_or_default();
            tokio::select! {
                read = self.control.read(room) => match read {
                    Ok(count) if count > 0 => {
                        received += count;
                        if received == guard::REPORT {
                            watched.report = Report::from_bytes(message);
                            return watched;
                        }
                    }
                    // The guard is gone.
                    _ => return watched,
                },
                () = self.stdout.readable() => self.stdout.drain(),
                () = self.stderr.readable() => self.stderr.drain(),
                () = context.cancellation.cancelled(), if watched.asked.is_none() => {
                    watched.asked = Some(Ended::Cancelled);
                    alarm = Instant::now();
                }
                () = tokio::time::sleep_until(alarm.into()) => {
                    watched.asked.get_or_insert(Ended::TimedOut);
                    match requests.pop() {
                        Some(request) => {
                            // A guard that does not listen is gone, which the next read tells.
                            let _ = self.control.write_all(&[request]).await;
                            alarm = Instant::now() + if request == guard::END { GRACE } else { GUARD_GRACE };
                        }
                        None => return watched,
                    }
                }
            }
        }
    }
}

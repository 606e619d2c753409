//! The guard: our own binary, started again, between us and a command.
//!
//! It speaks over the socket that is its standard input. It is sent a request (how many bytes, the
//! directory, the program and its arguments, each ended by a zero byte), and after that single bytes.
//! It answers once, with one report.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, getppid, kill_process_group, wait};

use super::{GUARD_GRACE, table};
use crate::provider::ChildProcess;

/// Says that this is a guard or a launcher, not the program itself.
pub(super) const VARIABLE: &str = "RETRUE_GUARD";
/// The value for a guard.
pub(super) const GUARD: &str = "guard";
/// The value for a launcher begins so; the id of the guard follows.
const LAUNCHER: &str = "launch:";
/// What process lists show: without the name of the program, so that whoever kills all of that name
/// leaves the guard the time to do its work.
pub(super) const NAME: &str = "step-guard";
const NAME_C: &std::ffi::CStr = c"step-guard";

/// Ask the command to end: SIGTERM to its process group.
pub(super) const END: u8 = b'e';
/// Kill everything and end.
pub(super) const KILL: u8 = b'k';

/// The length of a report.
pub(super) const REPORT: usize = 5;

/// What a guard has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The command ended with this status.
    Exited(i32),
    /// The command was ended by this signal.
    Signalled(i32),
    /// The directory could not be entered: the number of the error.
    NoDirectory(i32),
    /// The program could not be run: the number of the error.
    NoProgram(i32),
}

impl Report {
    fn to_bytes(self) -> [u8; REPORT] {
        let (kind, number) = match self {
            Report::Exited(number) => (b'x', number),
            Report::Signalled(number) => (b's', number),
            Report::NoDirectory(number) => (b'd', number),
            Report::NoProgram(number) => (b'p', number),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [kind, a, b, c, d]
    }

    pub(super) fn from_bytes([kind, a, b, c, d]: [u8; REPORT]) -> Option<Self> {
        let number = i32::from_le_bytes([a, b, c, d]);
        Some(match kind {
            b'x' => Report::Exited(number),
            b's' => Report::Signalled(number),
            b'd' => Report::NoDirectory(number),
            b'p' => Report::NoProgram(number),
            _ => return None,
        })
    }
}

/// The request for a command: sending it is what lets the command begin. No part holds a zero byte.
pub(super) fn request<'p>(parts: impl Iterator<Item = &'p OsStr>) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(part.as_bytes());
        body.push(0);
    }
    let mut request = (body.len() as u64).to_le_bytes().to_vec();
    request.append(&mut body);
    request
}

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether this program can start itself as a guard.
pub(super) fn installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Turns this process into a guard, and does not return, if it was started as one.
///
/// To be called first in `main` by every program that runs commands, before threads, output and parsing
/// of arguments. Tests that run commands need a `main` of their own (`harness = false`).
pub fn guard_main_if_asked() {
    let Some(role) = env::var_os(VARIABLE) else {
        INSTALLED.store(true, Ordering::Relaxed);
        return;
    };
    if role == GUARD {
        // An error here means that we are not spoken to as expected: nothing was started.
        process::exit(i32::from(guard().is_err()));
    }
    let expected = role.to_str().and_then(|role| role.strip_prefix(LAUNCHER)).and_then(|pid| pid.parse().ok());
    process::exit(expected.map_or(1, launch));
}

/// Whether to stop; taken before a process is started and before all are killed.
#[derive(Default)]
struct Ending(Mutex<bool>);

fn guard() -> io::Result<()> {
    rustix::thread::set_name(NAME_C)?;
    rustix::process::set_child_subreaper(Some(getpid()))?;
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let parts = read_request(&mut control)?;

    let ending = Arc::new(Ending::default());
    let group = Arc::new(Mutex::new(None));
    let listening = (control.try_clone()?, Arc::clone(&ending), Arc::clone(&group));
    std::thread::Builder::new().spawn(move || listen(listening.0, &listening.1, &listening.2))?;

    let started = {
        // Held while starting, so that nothing starts after all was killed.
        let stop = ending.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *stop { Err(Report::NoProgram(0)) } else { start(&parts) }
    };
    let report = started.and_then(|(mut child, mut failure)| {
        // The launcher's end closes when the command begins.
        let mut failed = [0; REPORT];
        if failure.read_exact(&mut failed).is_ok() {
            let _ = child.wait();
            return Err(Report::from_bytes(failed).unwrap_or(Report::NoProgram(0)));
        }
        *group.lock().unwrap_or_else(PoisonError::into_inner) = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(child)
    });
    let report = match report {
        Ok(mut child) => {
            let status = child.wait();
            // Its id may be given to another from here on.
            *group.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let stop = ending.0.lock().unwrap_or_else(PoisonError::into_inner);
            if *stop {
                // The listener is killing everything, this process last.
                drop(stop);
                park();
            }
            let report = report_of(status?);
            end_what_is_left(report == Report::Exited(0));
            report
        }
        Err(report) => report,
    };
    control.write_all(&report.to_bytes())
}

fn read_request(control: &mut UnixStream) -> io::Result<Vec<OsString>> {
    let mut length = [0; 8];
    control.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut body = Vec::new();
    if (control).take(length).read_to_end(&mut body)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    body.pop();
    Ok(body.split(|&byte| byte == 0).map(|part| OsStr::from_bytes(part).to_owned()).collect())
}

/// Waits for what the parent wants, and for its end.
fn listen(mut control: UnixStream, ending: &Ending, group: &Mutex<Option<Pid>>) {
    let mut byte = [0];
    loop {
        match control.read(&mut byte) {
            Ok(1) if byte == [END] => {
                if let Some(group) = *group.lock().unwrap_or_else(PoisonError::into_inner) {
                    // One that has just ended is no reason to worry.
                    let _ = kill_process_group(group, Signal::TERM);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Asked to, or the parent is gone: there is nobody to report to.
            _ => {
                let mut stop = ending.0.lock().unwrap_or_else(PoisonError::into_inner);
                *stop = true;
                drop(stop);
                kill_descendants(|_| true);
                process::exit(0);
            }
        }
    }
}

/// Starts the launcher. What it says on the socket is why the command did not begin.
fn start(parts: &[OsString]) -> Result<(Child, UnixStream), Report> {
    let errno = |error: io::Error| error.raw_os_error().unwrap_or_default();
    let own = getpid().as_raw_pid();
    let started = table::started(own).unwrap_or_default();
    let (ours, theirs) = UnixStream::pair().map_err(|error| Report::NoProgram(errno(error)))?;
    let mut starting = process::Command::new("/proc/self/exe");
    starting
        .arg0(NAME)
        .args(parts)
        .env(VARIABLE, format!("{LAUNCHER}{own}"))
        .env(table::TOKEN, table::token(&ChildProcess { pid: own, started }))
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = starting.spawn().map_err(|error| Report::NoProgram(errno(error)))?;
    Ok((child, ours))
}

/// The launcher: asks to be killed with the guard, and becomes the command.
fn launch(guard: i32) -> i32 {
    let failed = |report: Report| {
        let told = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
        // If it cannot be told, the guard takes it for the end of the command, with our status.
        let _ = told.and_then(|mut told| told.write_all(&report.to_bytes()));
        127
    };
    let errno = |error: io::Error| error.raw_os_error().unwrap_or_default();
    // Kept across the change of standard input, and closed by the kernel when the command begins.
    let Ok(kept) = io::stdin().as_fd().try_clone_to_owned() else { return failed(Report::NoProgram(0)) };
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err()
        // The guard may have gone before we asked.
        || getppid().map(Pid::as_raw_pid) != Some(guard)
    {
        return failed(Report::NoProgram(0));
    }
    let mut arguments = env::args_os().skip(1);
    let (Some(directory), Some(program)) = (arguments.next(), arguments.next()) else {
        return failed(Report::NoProgram(0));
    };
    if let Err(error) = env::set_current_dir(directory) {
        return failed(Report::NoDirectory(errno(error)));
    }
    let error = process::Command::new(program).args(arguments).env_remove(VARIABLE).stdin(Stdio::null()).exec();
    let _ = UnixStream::from(kept).write_all(&Report::NoProgram(errno(error)).to_bytes());
    127
}

fn report_of(status: ExitStatus) -> Report {
    match (status.code(), status.signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, signal) => Report::Signalled(signal.unwrap_or_default()),
    }
}

/// Ends what the command left running: all of it, or all but what made a session of its own.
fn end_what_is_left(spare_daemons: bool) {
    // As everything that the command left was given to us, there is nothing when we have no children.
    if matches!(reap(), Reaped::None) {
        return;
    }
    let own = table::session(getpid().as_raw_pid()).unwrap_or_default();
    kill_descendants(|process| !spare_daemons || process.session == own);
}

fn kill_descendants(which: impl Fn(&table::Process) -> bool) {
    let patience = Instant::now() + GUARD_GRACE / 2;
    loop {
        reap();
        let left: Vec<_> =
            table::descendants(getpid().as_raw_pid()).into_iter().filter(|process| which(process)).collect();
        if left.is_empty() || Instant::now() > patience {
            return;
        }
        for process in left {
            // What belongs to another user cannot be killed; it is left when patience ends.
            let _ = process.kill();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

enum Reaped {
    /// There are no children.
    None,
    /// There are some, and they live.
    Some,
}

/// Takes note of all children that have ended.
fn reap() -> Reaped {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Reaped::Some,
            Err(_) => return Reaped::None,
        }
    }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

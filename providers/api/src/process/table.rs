//! The processes of the machine, as `/proc` has them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal};

use super::guard;
use crate::provider::ChildProcess;

/// The variable by which everything that a command starts can be found: `PID.STARTED` of its guard.
pub(super) const TOKEN: &str = "RETRUE_CHILD";

/// The value of [`TOKEN`] for what this guard guards.
pub(super) fn token(child: &ChildProcess) -> String {
    format!("{}.{}", child.pid, child.started)
}

/// A process that was alive when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
    pub(super) session: i32,
    started: u64,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        // The name of the program stands in parentheses and may hold anything, parentheses too.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // A zombie and what is dead do nothing any more.
        if matches!(*fields.first()?, "Z" | "X" | "x") {
            return None;
        }
        Some(Process {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    fn carries(&self, token: &str) -> bool {
        let Ok(environment) = std::fs::read(format!("/proc/{}/environ", self.pid)) else { return false };
        environment.split(|&byte| byte == 0).any(|variable| {
            variable.strip_prefix(TOKEN.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) == Some(token.as_bytes())
        })
    }

    /// Whether it was started under a name. Ids and times begin anew when the machine does: a process
    /// that has both but another name is not the one that was recorded.
    fn is_called(&self, name: &str) -> bool {
        let command = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        command.split(|&byte| byte == 0).next() == Some(name.as_bytes())
    }

    /// Kills this process, and never another that has got its id since.
    pub(super) fn kill(&self) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let killed = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => {
                // The handle is of whoever has the id now: look again who that is.
                if Process::read(self.pid).is_none_or(|now| now.started != self.started) {
                    return Ok(());
                }
                pidfd_send_signal(handle, Signal::KILL)
            }
            // Before Linux 5.3 there are no handles.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => kill_process(pid, Signal::KILL),
            Err(error) => Err(error),
        };
        match killed {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// When a process was started, in clock ticks since boot.
pub(super) fn started(pid: i32) -> Option<u64> {
    Process::read(pid).map(|process| process.started)
}

/// The session that a process belongs to: 0 when its leader is outside our namespace of process ids, as in
/// a container that was entered.
pub(super) fn session(pid: i32) -> Option<i32> {
    Process::read(pid).map(|process| process.session)
}

/// The guard, if it is still that one, and everything that belongs to it: what descends from it, and what
/// carries its token though the guard is gone. Never we ourselves.
pub(super) fn of(child: &ChildProcess) -> Vec<Process> {
    let all = all();
    let token = token(child);
    let own = getpid().as_raw_pid();
    let mut found = BTreeSet::new();
    if all.get(&child.pid).is_some_and(|process| process.started == child.started && process.is_called(guard::NAME)) {
        found.insert(child.pid);
        found.extend(beneath(&all, child.pid));
    }
    found.extend(all.values().filter(|process| process.carries(&token)).map(|process| process.pid));
    found.remove(&own);
    found.iter().filter_map(|pid| all.get(pid).copied()).collect()
}

/// All that descends from a process and is alive.
pub(super) fn descendants(pid: i32) -> Vec<Process> {
    let all = all();
    beneath(&all, pid).iter().filter_map(|pid| all.get(pid).copied()).collect()
}

fn all() -> BTreeMap<i32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
        .map(|process| (process.pid, process))
        .collect()
}

fn beneath(all: &BTreeMap<i32, Process>, pid: i32) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for process in all.values() {
        children.entry(process.parent).or_default().push(process.pid);
    }
    let mut found = BTreeSet::new();
    let mut next = vec![pid];
    while let Some(parent) = next.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                next.push(*child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_found_among_the_processes() {
        let own = getpid().as_raw_pid();
        let started = started(own).unwrap();
        assert!(started > 0);
        let parent = all()[&own].parent;
        assert!(descendants(parent).iter().any(|process| process.pid == own));
        let recorded = ChildProcess { pid: own, started };
        assert!(of(&recorded).iter().all(|process| process.pid != own), "never we ourselves");
        let other = ChildProcess { pid: own, started: started + 1 };
        assert!(of(&other).is_empty(), "the same id, another process");
    }
}

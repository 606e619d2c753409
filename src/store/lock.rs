//! The lock of a store: one run at a time, and a dead one blocks nobody.
//!
//! The system's lock on the file is what counts: it ends with the process that holds it. What the
//! file says is for people, and for readers who only want to know.

use std::fmt;
use std::fs::TryLockError;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use serde::{Deserialize, Serialize};

use super::{StoreError, StoreResult};

/// How long to try again while the holder of the lock cannot be named: it has just taken it, or
/// is a reader that looks whether anybody holds it.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// When that process started, in clock ticks since boot, as `/proc/PID/stat` has it: ids of
    /// processes are used again.
    pub started: u64,
    /// The name of the machine.
    pub host: String,
    /// The user.
    pub user: String,
    /// Since when it is held. RFC 3339 in UTC.
    pub since: String,
    /// What the owner does: `apply`, `compensate`, …
    pub what: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { pid, host, user, since, what, .. } = self;
        write!(formatter, "`{what}` by {user} on {host}, process {pid}, since {since}")
    }
}

impl Owner {
    /// This process, which does `what` since `now`.
    pub fn this_process(what: &str, now: jiff::Timestamp) -> Owner {
        let pid = std::process::id();
        Owner {
            pid,
            started: started(pid).unwrap_or(0),
            host: host(),
            user: user(),
            since: now.to_string(),
            what: what.to_owned(),
        }
    }

    /// One that holds the lock, but has not said who it is.
    fn unknown() -> Owner {
        let unknown = || "unknown".to_owned();
        Owner { pid: 0, started: 0, host: unknown(), user: unknown(), since: unknown(), what: unknown() }
    }

    /// Whether its process is alive; `None` when that cannot be told from here.
    fn is_alive(&self) -> Option<bool> {
        (self.host == host()).then(|| started(self.pid) == Some(self.started))
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The user's name, or the number where it has none.
fn user() -> String {
    let id = rustix::process::getuid().as_raw().to_string();
    let names = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let entry =
        names.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.get(2) == Some(&&*id));
    entry.and_then(|fields| fields.first().map(|name| (*name).to_owned())).unwrap_or(id)
}

/// When a process started, in clock ticks since boot; `None` when there is no such process.
fn started(pid: u32) -> Option<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may contain anything: proc_pid_stat(5).
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// A lock that is held. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the file at `path`, which is made where there is none.
    /// `None` when the directory of the file is not there (any more).
    pub(super) fn take(path: &Path, owner: &Owner) -> StoreResult<Option<Lock>> {
        let started = Instant::now();
        let mut waits = false;
        loop {
            let file = match open(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                file => file.map_err(|error| StoreError::io(path, "open the lock", error))?,
            };
            match file.file().try_lock() {
                // Somebody may have put another file in its place: then that one is the lock.
                Ok(()) if is_at(&file, path) => {
                    let lock = Lock { file };
                    lock.write(owner).map_err(|error| StoreError::io(path, "write the lock", error))?;
                    return Ok(Some(lock));
                }
                Ok(()) => {}
                Err(TryLockError::Error(error)) => return Err(StoreError::io(path, "take the lock", error)),
                Err(TryLockError::WouldBlock) => {
                    let holder = read(path)?;
                    let named = holder.filter(|holder| holder.is_alive() != Some(false));
                    if named.is_some() || started.elapsed() > PATIENCE {
                        return Err(StoreError::Locked(Box::new(named.unwrap_or_else(Owner::unknown))));
                    }
                    if !waits {
                        waits = true;
                        tracing::info!(lock = %path.display(), "waiting for the lock: its owner is ending");
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn write(&self, owner: &Owner) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(owner)?;
        text.push(b'\n');
        self.file.set_len(0)?;
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(&text)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever reads it must not take a process that lives on, but has closed the store, for its
        // owner. Closing the file ends the lock, also where this fails.
        let _ = self.file.set_len(0);
    }
}

/// Who holds the lock now, if anybody does. Takes nothing away from those who want it.
pub(super) fn owner(path: &Path) -> StoreResult<Option<Owner>> {
    let Some(owner) = read(path)? else { return Ok(None) };
    if let Some(alive) = owner.is_alive() {
        return Ok(alive.then_some(owner));
    }
    // It is on another machine, or in another container: only the lock itself can tell. This holds
    // it for a moment, for which `Lock::take` is patient.
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| StoreError::io(path, "open the lock", error))?,
    };
    match file.file().try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(owner)),
        Err(TryLockError::Error(error)) => Err(StoreError::io(path, "look at the lock", error)),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs_err::metadata(path)) {
        (Ok(held), Ok(there)) => identity(held) == identity(there),
        _ => false,
    }
}

/// What the file says; `None` when it says nothing that makes sense: somebody is writing it.
fn read(path: &Path) -> StoreResult<Option<Owner>> {
    match fs_err::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(path, "read the lock", error)),
    }
}

/// Kinds of file systems whose locks do not reach other machines, by the numbers of statfs(2).
const NETWORK: &[(i128, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x564c, "NCP"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
];

/// Fails when `path`, or what is to become its parent, lies on such a file system.
pub(super) fn refuse_network(path: &Path) -> StoreResult<()> {
    let absolute = std::path::absolute(path).map_err(|error| StoreError::io(path, "find the directory", error))?;
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else { return Ok(()) };
    let found = rustix::fs::statfs(existing)
        .map_err(|error| StoreError::io(existing, "find the kind of the file system", error.into()))?;
    match network_kind(i128::from(found.f_type)) {
        Some(kind) => Err(StoreError::NetworkFileSystem { path: PathBuf::from(path), kind }),
        None => Ok(()),
    }
}

pub(super) fn network_kind(number: i128) -> Option<&'static str> {
    // Some systems give the number as a signed 32-bit one.
    NETWORK.iter().find(|(kind, _)| *kind == number & 0xffff_ffff).map(|(_, name)| *name)
}

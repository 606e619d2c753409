//! What can go wrong in a store: one enum, one code each, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Owner;

/// Another run holds the lock.
pub const LOCKED: &str = "RT0701";
/// The store lies on a file system whose locks cannot be trusted.
pub const NETWORK_FILE_SYSTEM: &str = "RT0702";
/// The store was written by a newer version of retrue.
pub const NEWER_FORMAT: &str = "RT0703";
/// The store may not be read or written by this user.
pub const PERMISSION: &str = "RT0704";
/// The store lies on a file system that is mounted read-only.
pub const READ_ONLY: &str = "RT0705";
/// There is no room left for the store.
pub const DISK_FULL: &str = "RT0706";
/// An operation on a file of the store failed.
pub const IO: &str = "RT0707";
/// Neither the database nor the mirror of the store can be read in full.
pub const DAMAGED: &str = "RT0708";
/// A part of the mirror, which readers use, cannot be read.
pub const DAMAGED_MIRROR: &str = "RT0709";
/// A payload that a record names is missing or damaged.
pub const DAMAGED_OBJECT: &str = "RT0710";
/// The key that the store was sealed with was not found.
pub const KEY_MISSING: &str = "RT0711";
/// The key that was found is not the one that the store was sealed with.
pub const KEY_WRONG: &str = "RT0712";
/// The key could not be had from where it should come.
pub const KEY_SOURCE: &str = "RT0713";
/// A sealed text cannot be opened: damaged, or sealed with another key.
pub const UNSEALING: &str = "RT0714";
/// An earlier record could not be written; the store takes no more.
pub const STOPPED: &str = "RT0715";
/// The store was closed.
pub const CLOSED: &str = "RT0716";
/// A name or size that the store does not take.
pub const REFUSED: &str = "RT0717";
/// There is no store.
pub const NO_STORE: &str = "RT0718";
/// The disk did not answer in time.
pub const STUCK: &str = "RT0719";
/// The database inside the store failed.
pub const DATABASE: &str = "RT0720";
/// The file with the exported state cannot be used.
pub const EXPORT: &str = "RT0721";
/// The store is the state of another stack.
pub const OTHER_STACK: &str = "RT0722";

/// What [`super::Store`] operations return.
pub type StoreResult<T> = Result<T, StoreError>;

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another run holds the lock; this is who.
    #[error("the state is locked by another run: {0}")]
    Locked(Box<Owner>),
    /// The locks of this file system cannot be trusted.
    #[error("the state would lie on a network file system ({kind}): {}", path.display())]
    NetworkFileSystem {
        /// Where.
        path: PathBuf,
        /// Which: `NFS`, `SMB`, …
        kind: &'static str,
    },
    /// Written by a newer version.
    #[error("the state was written by a newer version of retrue: {} has format {found}, this version knows {known}", path.display())]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The version of the format found.
        found: u64,
        /// The newest version known.
        known: u64,
    },
    /// Not allowed.
    #[error("no permission: {}: {doing}", path.display())]
    Permission {
        /// Where.
        path: PathBuf,
        /// What was tried.
        doing: String,
    },
    /// Mounted read-only.
    #[error("the file system is read-only: {}: {doing}", path.display())]
    ReadOnly {
        /// Where.
        path: PathBuf,
        /// What was tried.
        doing: String,
    },
    /// No room, or over quota.
    #[error("the disk is full: {}: {doing}", path.display())]
    DiskFull {
        /// Where.
        path: PathBuf,
        /// What was tried.
        doing: String,
    },
    /// Any other failure of a file operation.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing whole is left to repair from.
    #[error("the state in {} is damaged: {what}", path.display())]
    Damaged {
        /// The directory of the store.
        path: PathBuf,
        /// What is wrong with which part.
        what: String,
    },
    /// A file of the mirror is damaged; the database may still be whole.
    #[error("{} is damaged: {what}", path.display())]
    DamagedMirror {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A payload is missing or damaged.
    #[error("the stored object {id} is {what}")]
    DamagedObject {
        /// Its name.
        id: String,
        /// `missing`, or what is wrong with it.
        what: String,
    },
    /// No key where there must be one.
    #[error("the key of this state (id {wanted}) was not found: {looked}")]
    KeyMissing {
        /// The id of the key that is needed.
        wanted: String,
        /// Where it was looked for.
        looked: String,
    },
    /// A key, but another one.
    #[error("this is not the key of this state: the key from {from} has id {found}, the state needs {wanted}")]
    KeyWrong {
        /// The id of the key that is needed.
        wanted: String,
        /// The id of the key that was found.
        found: String,
        /// Where it came from.
        from: String,
    },
    /// The source of the key failed.
    #[error("the key could not be had from {from}: {what}")]
    KeySource {
        /// Where it should come from.
        from: String,
        /// What went wrong. Never a part of the key.
        what: String,
    },
    /// A sealed text does not open.
    #[error("a sealed value cannot be opened: {0}")]
    Unsealing(&'static str),
    /// An earlier write failed.
    #[error("nothing more is written, because an earlier record could not be: {0}")]
    Stopped(String),
    /// Closed.
    #[error("the state was closed")]
    Closed,
    /// A name or size that is not taken.
    #[error("{0}")]
    Refused(String),
    /// Nothing there.
    #[error("there is no state in {}", .0.display())]
    NoStore(PathBuf),
    /// A deadline passed.
    #[error("the disk did not answer within {seconds} s: {}", path.display())]
    Stuck {
        /// The directory of the store.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The database failed.
    #[error("the database in {} failed: {what}", path.display())]
    Database {
        /// Its directory.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// An exported state that cannot be used.
    #[error("this is not a state that was exported by retrue: {0}")]
    Export(String),
    /// The store of another stack.
    #[error("the state in {} is that of the stack `{found}`, not of `{wanted}`", path.display())]
    OtherStack {
        /// The directory of the store.
        path: PathBuf,
        /// The stack that it belongs to.
        found: String,
        /// The stack that wanted to use it.
        wanted: String,
    },
}

impl StoreError {
    /// Tells a failed operation on a file apart by its cause. `doing` is a short verb phrase.
    pub fn io(path: impl AsRef<Path>, doing: impl fmt::Display, source: io::Error) -> StoreError {
        let path = path.as_ref().to_owned();
        let doing = doing.to_string();
        // fs-err names the path, too; once is enough.
        let inner = source.get_ref().and_then(|error| error.source()?.downcast_ref::<io::Error>()?.raw_os_error());
        let source = inner.map_or(source, io::Error::from_raw_os_error);
        match source.kind() {
            io::ErrorKind::PermissionDenied => StoreError::Permission { path, doing },
            io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, doing },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path, doing },
            _ => StoreError::Io { path, doing, source },
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Locked(_) => LOCKED,
            StoreError::NetworkFileSystem { .. } => NETWORK_FILE_SYSTEM,
            StoreError::NewerFormat { .. } => NEWER_FORMAT,
            StoreError::Permission { .. } => PERMISSION,
            StoreError::ReadOnly { .. } => READ_ONLY,
            StoreError::DiskFull { .. } => DISK_FULL,
            StoreError::Io { .. } => IO,
            StoreError::Damaged { .. } => DAMAGED,
            StoreError::DamagedMirror { .. } => DAMAGED_MIRROR,
            StoreError::DamagedObject { .. } => DAMAGED_OBJECT,
            StoreError::KeyMissing { .. } => KEY_MISSING,
            StoreError::KeyWrong { .. } => KEY_WRONG,
            StoreError::KeySource { .. } => KEY_SOURCE,
            StoreError::Unsealing(_) => UNSEALING,
            StoreError::Stopped(_) => STOPPED,
            StoreError::Closed => CLOSED,
            StoreError::Refused(_) => REFUSED,
            StoreError::NoStore(_) => NO_STORE,
            StoreError::Stuck { .. } => STUCK,
            StoreError::Database { .. } => DATABASE,
            StoreError::Export(_) => EXPORT,
            StoreError::OtherStack { .. } => OTHER_STACK,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            StoreError::Locked(_) => "wait until it has ended; `retrue show` and `retrue plan` work meanwhile",
            StoreError::NetworkFileSystem { .. } => {
                "put the state on a local disk, with `[stack.store] path` or RETRUE_STORE"
            }
            StoreError::NewerFormat { .. } => "use the version of retrue that wrote it, or a newer one",
            StoreError::Permission { .. } => {
                "give this user access to it, or move the state with `[stack.store] path` or RETRUE_STORE"
            }
            StoreError::ReadOnly { .. } => {
                "mount it writable, or move the state with `[stack.store] path` or RETRUE_STORE"
            }
            StoreError::DiskFull { .. } => "make room and run the same command again: what was recorded is kept",
            StoreError::Io { .. } => "mend the cause and run the same command again: what was recorded is kept",
            StoreError::Damaged { .. } => {
                "`retrue state recover` saves what can still be read; `retrue state restore FILE` takes an exported state"
            }
            StoreError::DamagedMirror { .. } => "`retrue state recover` rebuilds it from the database",
            StoreError::DamagedObject { .. } => {
                "put the file back from a backup of `.retrue`, or let `retrue state recover` leave it out"
            }
            StoreError::KeyMissing { .. } => {
                "give the key that the state was made with: the key file, RETRUE_KEY or RETRUE_KEY_COMMAND"
            }
            StoreError::KeyWrong { .. } => "use the key that the state was made with, or the other state",
            StoreError::KeySource { .. } => "RETRUE_KEY takes 32 bytes as base64 or hex, or a passphrase",
            StoreError::Unsealing(_) => "it was changed by hand, or sealed with the key of another user or state",
            StoreError::Stopped(_) => "mend the cause and run again: what was in progress is then settled first",
            StoreError::Closed => "open it again",
            StoreError::Refused(_) => "use a shorter name, or fewer changes at once",
            StoreError::NoStore(_) => "`retrue apply` makes it",
            StoreError::Stuck { .. } => "look at the disk, then run again: what was in progress is then settled first",
            StoreError::Database { .. } => "run again: the database is then rebuilt from the mirror",
            StoreError::Export(_) => "`retrue state export` writes one",
            StoreError::OtherStack { .. } => {
                "give each stack a place of its own with `[stack.store] path` or RETRUE_STORE; where it is the \
                 same stack under a new name, give it its old one"
            }
        }
    }
}

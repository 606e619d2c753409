//! Opening a store: taking the lock, and making the store where there is none.

use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, Memory, Shared};
use super::files::{self, Faults};
use super::layout::{self, Format, Holder, Layout};
use super::local::SledStore;
use super::lock::{self, Lock, Owner};
use super::objects::Objects;
use super::repair::{Mended, Mender};
use super::sled::{Batch, Database, Digest};
use super::snapshot::{self, Kepts, Snapshot};
use super::{KeySource, StoreError, StoreResult};

/// How often to begin anew when another process makes or removes the store at the same time.
const ATTEMPTS: u32 = 10;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the key comes from.
    pub key: KeySource,
    /// What the lock is held for: `apply`, `compensate`, …; others are told.
    pub what: String,
    /// The time, which others are told as that since which the lock is held.
    pub now: jiff::Timestamp,
    /// The lineage of a store that is made; a new UUID where there is none.
    pub lineage: Option<String>,
    /// The stack whose state it is, where that is known.
    pub stack: Option<Holder>,
    /// How much is looked at.
    pub depth: Depth,
    /// Failures that a test plans.
    pub faults: Faults,
}

/// How much of a store is looked at when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The state, the ends of all runs, and what came after the last snapshot.
    #[default]
    Usual,
    /// Every record, in the database and in the mirror.
    Everything,
    /// Every record; and where neither database nor mirror is whole, what can be read is kept, what
    /// cannot is put aside, and a notice says what it was.
    Salvage,
}

impl Options {
    /// The usual way.
    pub fn new(key: KeySource, what: &str, now: jiff::Timestamp) -> Options {
        #[cfg(feature = "crash-points")]
        let faults = Faults::from_environment();
        #[cfg(not(feature = "crash-points"))]
        let faults = Faults::default();
        Options { key, what: what.to_owned(), now, lineage: None, stack: None, depth: Depth::Usual, faults }
    }
}

/// Opens the store in a directory for writing, and makes it where there is none. Repairs what is
/// damaged as far as one of its two halves is whole; [`super::Store::notices`] tells what was done.
///
/// Blocks: it reads files, and may wait a moment for the lock. It never waits for another run:
/// then it fails with [`StoreError::Locked`].
pub fn open(directory: &Path, options: &Options) -> StoreResult<SledStore> {
    lock::refuse_network(directory)?;
    let layout = Layout::new(directory);
    let owner = Owner::this_process(&options.what, options.now);
    for _ in 0..ATTEMPTS {
        let lock = if layout::exists(&layout)? {
            Lock::take(&layout.lock(), &owner)?
        } else {
            layout::make(&layout, &owner, &options.faults, |new| fill(new, options))?
        };
        if let Some(lock) = lock {
            return start(layout, lock, options);
        }
    }
    let what = format!("{} is not empty, and holds no state of retrue", directory.display());
    Err(StoreError::Refused(what))
}

/// Puts what cannot be mended aside, so that [`open`] makes a new store in its place; for
/// `retrue state restore`. Returns where it is now; `None` when there was nothing.
/// Give [`Options::lineage`] of the exported state to keep what the world is marked with.
pub fn set_aside(directory: &Path, options: &Options) -> StoreResult<Option<std::path::PathBuf>> {
    lock::refuse_network(directory)?;
    let layout = Layout::new(directory);
    if !layout::exists(&layout)? {
        return Ok(None);
    }
    let owner = Owner::this_process(&options.what, options.now);
    let Some(_lock) = Lock::take(&layout.lock(), &owner)? else { return Ok(None) };
    let error = |error| StoreError::io(directory, "put the damaged state aside", error);
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1..=u32::MAX {
        let aside = directory.with_file_name(format!("{name}.damaged-{number}"));
        if !aside.try_exists().map_err(error)? {
            fs_err::rename(directory, &aside).map_err(error)?;
            files::sync_directory(files::parent(directory))?;
            return Ok(Some(aside));
        }
    }
    Err(StoreError::Refused("there are too many damaged states".to_owned()))
}

/// Writes what belongs into a new store.
fn fill(new: &Layout, options: &Options) -> StoreResult<()> {
    let lineage = options.lineage.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let sealer = options.key.make(&lineage)?;
    let format = Format::new(&lineage, sealer.key_id()).of(options.stack.as_ref());
    format.write(&new.format(), &options.faults)?;
    let database = Database::make(&new.database(), &options.faults)?;
    let mut batch = Batch::default();
    batch.meta(&lineage, 0, Digest::default())?;
    database.commit(batch)?;
    database.close();
    snapshot::write(&new.snapshot(), &format, 0, &Default::default(), &Kepts::new(), &options.faults)
}

/// Opens what is there; the lock is held.
fn start(layout: Layout, lock: Lock, options: &Options) -> StoreResult<SledStore> {
    let faults = options.faults.clone();
    for directory in [layout.directory.clone(), layout.objects(), layout.runs()] {
        files::remove_temporary(&directory)?;
    }
    let mut notices = Vec::new();
    let found = find_format(&layout, &faults, &mut notices)?;
    found.check(&layout.directory, options.stack.as_ref())?;
    let format = found.clone().of(options.stack.as_ref());
    if format != found {
        format.write(&layout.format(), &faults)?;
    }
    for directory in [layout.objects(), layout.runs()] {
        files::make_directories(&directory)?;
    }
    let sealer = Arc::new(options.key.find(&format.lineage, &format.key)?);
    let objects = Objects::new(layout.clone(), sealer, faults.clone());
    let mender = Mender::new(&layout, &format, &objects, &faults, options.depth, notices);
    let Mended { database, mirror, content, snapshot, notices } = mender.mend()?;
    let memory = Memory { serial: content.serial, heads: content.heads, state: content.state, digest: content.digest };
    let shared = Arc::new(Shared::new(layout, format, objects, faults, memory));
    SledStore::start(Disk { shared, mirror, database, snapshot, lock }, notices)
}

/// Reads what the store says about itself; the snapshot knows it, too.
fn find_format(layout: &Layout, faults: &Faults, notices: &mut Vec<String>) -> StoreResult<Format> {
    if let Some(format) = Format::read(&layout.format())? {
        return Ok(format);
    }
    match Snapshot::read(&layout.snapshot())? {
        Ok(snapshot) => {
            let format = Format::new(&snapshot.header.lineage, &snapshot.header.key);
            format.write(&layout.format(), faults)?;
            notices.push("`format.json` could not be read and was written anew from the snapshot".to_owned());
            Ok(format)
        }
        Err(what) => {
            let what = format!("`format.json` cannot be read, and the snapshot is {what}");
            Err(StoreError::Damaged { path: layout.directory.clone(), what })
        }
    }
}

//! The database of a store. Nothing else names the crate.
//!
//! One tree holds everything, so that one batch changes journal and state together:
//!
//! | key | value |
//! |---|---|
//! | `m` | serial of the last record, lineage, and a digest of heads and state |
//! | `h/RUN` | the head of a run |
//! | `j/RUN/SEQUENCE PART` | the line of a record, in parts of at most 4 KiB |
//! | `s/KEY` | a value of the state, with its key, as a line of the snapshot |
//! | `t/RUN` | a run that was removed, and whose file is perhaps still to go |
//!
//! What is known of sled 0.34.7, and answered here: `flush` does not sync (we do, through a handle of
//! our own); values that make a page larger than 128 KiB go into files that it never syncs (ours
//! make none); it may panic or never end on a damaged file (its first reading is done on a thread
//! that is given up then); an empty `snap.*` file stops it (removed); a torn file opens as an older
//! one (the digest and the mirror tell); its own thread that flushes may stop for ever when it ends
//! (we have none).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, mpsc};
use std::time::{Duration, Instant};

use fs_err::File;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{self, Faults, step};
use super::line::Header;
use super::snapshot::{Head, Kepts};
use super::{StoreError, StoreResult};

/// The largest value that is given to the database.
const PART: usize = 4 * 1024;

/// The longest key of the state that stands in a key of the database; longer ones are hashed.
const SHORT_KEY: usize = 256;

/// How much of the database is kept in memory.
const CACHE: u64 = 64 * 1024 * 1024;

/// How long the first reading of a database may take before it counts as damaged.
const OPENING_DEADLINE: Duration = Duration::from_secs(120);

/// How long the threads of a database that was closed may still hold its file.
const CLOSING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

const META: &[u8] = b"m";

/// What the database says about all of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) lineage: String,
    pub(super) serial: u64,
    pub(super) digest: String,
}

/// A sum over all heads and values, so that one that is lost or old is noticed. It is kept current
/// by taking away what was and adding what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest([u64; 4]);

impl Digest {
    fn part(kind: &str, key: &str, value: &str) -> [u64; 4] {
        let mut hasher = blake3::Hasher::new();
        for text in [kind, key, value] {
            hasher.update(&u64::try_from(text.len()).unwrap_or(0).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let hash = hasher.finalize();
        let mut part = [0; 4];
        for (number, bytes) in part.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            *number = bytes.try_into().map(u64::from_le_bytes).unwrap_or(0);
        }
        part
    }

    fn add(&mut self, part: [u64; 4]) {
        self.0.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.wrapping_add(part));
    }

    fn take(&mut self, part: [u64; 4]) {
        self.0.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.wrapping_sub(part));
    }

    /// Notes that a value of the state changed.
    pub(super) fn value(&mut self, key: &str, before: Option<&str>, after: Option<&str>) {
        before.into_iter().for_each(|value| self.take(Digest::part("s", key, value)));
        after.into_iter().for_each(|value| self.add(Digest::part("s", key, value)));
    }

    /// Notes that the head of a run changed.
    pub(super) fn head(&mut self, run: &str, before: Option<&Head>, after: Option<&Head>) {
        before.into_iter().for_each(|head| self.take(Digest::part("h", run, &head.hash)));
        after.into_iter().for_each(|head| self.add(Digest::part("h", run, &head.hash)));
    }

    /// The digest of heads and values.
    pub(super) fn of(heads: &BTreeMap<String, Head>, state: &Kepts) -> Digest {
        let mut digest = Digest::default();
        heads.iter().for_each(|(run, head)| digest.head(run, None, Some(head)));
        state.iter().for_each(|(key, value)| digest.value(key, None, Some(value)));
        digest
    }

    fn text(self) -> String {
        self.0.iter().map(|number| format!("{number:016x}")).collect()
    }
}

/// What a database holds besides the lines.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) serial: u64,
    pub(super) heads: BTreeMap<String, Head>,
    pub(super) state: Kepts,
    pub(super) digest: Digest,
    pub(super) removed: BTreeSet<String>,
}

/// Changes that are made together.
#[derive(Default)]
pub(super) struct Batch {
    batch: sled::Batch,
}

impl Batch {
    pub(super) fn line(&mut self, run: &str, sequence: u64, line: &[u8]) {
        for (number, part) in line.chunks(PART).enumerate() {
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            self.batch.insert(part_key(run, sequence, number), part);
        }
    }

    pub(super) fn put(&mut self, key: &str, kept: &str) {
        self.batch.insert(state_key(key), format!("{}:{kept}", Value::from(key)).as_bytes());
    }

    pub(super) fn delete(&mut self, key: &str) {
        self.batch.remove(state_key(key));
    }

    pub(super) fn head(&mut self, run: &str, head: &Head) -> StoreResult<()> {
        let text = serde_json::to_vec(head).map_err(|error| StoreError::Refused(error.to_string()))?;
        self.batch.insert(named(b"h/", run), text);
        Ok(())
    }

    pub(super) fn meta(&mut self, lineage: &str, serial: u64, digest: Digest) -> StoreResult<()> {
        let meta = Meta { lineage: lineage.to_owned(), serial, digest: digest.text() };
        let text = serde_json::to_vec(&meta).map_err(|error| StoreError::Refused(error.to_string()))?;
        self.batch.insert(META, text);
        Ok(())
    }

    /// The file of a removed run is gone for good.
    pub(super) fn forget_removed(&mut self, run: &str) {
        self.batch.remove(named(b"t/", run));
    }
}

fn named(prefix: &[u8], name: &str) -> Vec<u8> {
    [prefix, name.as_bytes()].concat()
}

fn run_prefix(run: &str) -> Vec<u8> {
    [b"j/", run.as_bytes(), b"/"].concat()
}

fn part_key(run: &str, sequence: u64, part: u16) -> Vec<u8> {
    [&run_prefix(run)[..], &sequence.to_be_bytes(), &part.to_be_bytes()].concat()
}

fn state_key(key: &str) -> Vec<u8> {
    if key.len() <= SHORT_KEY {
        named(b"s/", key)
    } else {
        // 0xff is in no key: it is not UTF-8.
        [b"s/\xff", blake3::hash(key.as_bytes()).as_bytes().as_slice()].concat()
    }
}

/// An open database.
pub(super) struct Database {
    db: sled::Db,
    /// A handle of our own of the same file, to sync it.
    file: File,
    directory: PathBuf,
    faults: Faults,
}

impl Database {
    /// Makes an empty database, durably. Nothing may be there.
    pub(super) fn make(directory: &Path, faults: &Faults) -> StoreResult<Database> {
        files::make_directory(directory)?;
        let database = Database::open(directory, faults)?;
        database.sync_files()?;
        Ok(database)
    }

    /// Opens a database that is there and reads all but the lines. A thread of its own does it, so
    /// that a damaged file can neither end this one nor hold it up.
    pub(super) fn load(directory: &Path, lineage: &str, faults: &Faults) -> StoreResult<(Database, Content)> {
        let (place, owned, faults) = (directory.to_owned(), lineage.to_owned(), faults.clone());
        guarded(directory, OPENING_DEADLINE, move || {
            if !place.join("db").is_file() {
                return Err(failed(&place, "it is missing"));
            }
            remove_empty_snapshots(&place)?;
            let database = Database::open(&place, &faults)?;
            let content = database.content(&owned)?;
            Ok((database, content))
        })
    }

    fn open(directory: &Path, faults: &Faults) -> StoreResult<Database> {
        // Without a thread that flushes: every write is flushed and synced at once.
        let config = sled::Config::default().path(directory).cache_capacity(CACHE).flush_every_ms(None);
        let started = Instant::now();
        let db = loop {
            match config.open() {
                // Threads of the database may hold its file for a moment after it was closed. Nobody
                // else can have it: whoever opens it holds the lock of the store.
                Err(error) if is_locked(&error) && started.elapsed() < CLOSING => std::thread::sleep(PAUSE),
                db => break db.map_err(|error| wrong(directory, error))?,
            }
        };
        let path = directory.join("db");
        let file = File::open(&path).map_err(|error| StoreError::io(&path, "open the database", error))?;
        Ok(Database { db, file, directory: directory.to_owned(), faults: faults.clone() })
    }

    /// Syncs all files and the directory: for a database that was just made.
    fn sync_files(&self) -> StoreResult<()> {
        self.flush()?;
        for name in ["conf", "db", "blobs"] {
            files::sync_directory(&self.directory.join(name))?;
        }
        files::sync_directory(&self.directory)
    }

    fn flush(&self) -> StoreResult<()> {
        let flushed = step!(self.faults, "store.database.flush", self.db.flush().map_err(Failed::from));
        flushed.map_err(|error| error.at(&self.directory))?;
        // CRASH: the records may be in the database, and are in the mirror.
        let error = |error| StoreError::io(&self.directory, "sync the database", error);
        step!(self.faults, "store.database.sync", self.file.sync_data()).map_err(error)
        // CRASH: the records are in both; the caller does not know.
    }

    /// Makes all changes of a batch, or none. Durable on return.
    pub(super) fn commit(&self, batch: Batch) -> StoreResult<()> {
        self.write(batch)?;
        self.flush()
    }

    /// Makes the changes of a batch, to be made durable by a later [`Database::commit`].
    pub(super) fn write(&self, batch: Batch) -> StoreResult<()> {
        let written =
            step!(self.faults, "store.database.write", self.db.apply_batch(batch.batch).map_err(Failed::from));
        written.map_err(|error| error.at(&self.directory))
    }

    /// The batch that removes a run, and remembers that its file is to go.
    pub(super) fn removal(&self, run: &str) -> StoreResult<Batch> {
        let mut batch = Batch::default();
        for key in self.db.scan_prefix(run_prefix(run)).keys() {
            batch.batch.remove(key.map_err(|error| wrong(&self.directory, error))?);
        }
        batch.batch.remove(named(b"h/", run));
        batch.batch.insert(named(b"t/", run), b"");
        Ok(batch)
    }

    /// The lines of a run from a sequence on, each checked, and all of them one chain.
    pub(super) fn lines(&self, run: &str, from: u64) -> StoreResult<Vec<(Header, Vec<u8>)>> {
        let mut lines: Vec<(Header, Vec<u8>)> = Vec::new();
        let mut whole = |sequence: u64, line: Vec<u8>| -> StoreResult<()> {
            let header = Header::read(&line).filter(|header| header.run == run && header.sequence == sequence);
            let header =
                header.ok_or_else(|| failed(&self.directory, &format!("record {sequence} of run {run} is broken")))?;
            let follows = match lines.last() {
                Some((before, _)) => before.sequence + 1 == sequence && before.hash == header.prev,
                None => sequence == from,
            };
            if !follows {
                return Err(failed(&self.directory, &format!("a record before {sequence} of run {run} is missing")));
            }
            lines.push((header, line));
            Ok(())
        };
        let mut current: Option<(u64, Vec<u8>)> = None;
        let prefix = run_prefix(run);
        for entry in self.db.range(part_key(run, from, 0)..=part_key(run, u64::MAX, u16::MAX)) {
            let (key, part) = entry.map_err(|error| wrong(&self.directory, error))?;
            let sequence = key.strip_prefix(&prefix[..]).and_then(|rest| rest.first_chunk::<8>());
            let sequence = sequence.ok_or_else(|| failed(&self.directory, "a key is broken"))?;
            let sequence = u64::from_be_bytes(*sequence);
            match &mut current {
                Some((same, line)) if *same == sequence => line.extend_from_slice(&part),
                _ => {
                    if let Some((sequence, line)) = current.replace((sequence, part.to_vec())) {
                        whole(sequence, line)?;
                    }
                }
            }
        }
        if let Some((sequence, line)) = current {
            whole(sequence, line)?;
        }
        Ok(lines)
    }

    /// [`Database::lines`] of a database that is not trusted to answer.
    pub(super) fn lines_guarded(&self, run: &str, from: u64) -> StoreResult<Vec<(Header, Vec<u8>)>> {
        caught(&self.directory, || self.lines(run, from))
    }

    fn content(&self, lineage: &str) -> StoreResult<Content> {
        let damaged = |what: &str| failed(&self.directory, what);
        let meta = self.db.get(META).map_err(|error| wrong(&self.directory, error))?;
        let meta = meta.ok_or_else(|| damaged("it is empty"))?;
        let meta: Meta = serde_json::from_slice(&meta).map_err(|_| damaged("its first entry is broken"))?;
        if meta.lineage != lineage {
            return Err(damaged("it belongs to another state"));
        }
        let (mut heads, mut state, mut removed) = (BTreeMap::new(), Kepts::new(), BTreeSet::new());
        for entry in self.db.scan_prefix(b"h/") {
            let (key, value) = entry.map_err(|error| wrong(&self.directory, error))?;
            let head = name_of(&key).zip(serde_json::from_slice::<Head>(&value).ok());
            let (run, head) = head.ok_or_else(|| damaged("the head of a run is broken"))?;
            heads.insert(run, head);
        }
        for entry in self.db.scan_prefix(b"s/") {
            let (_, value) = entry.map_err(|error| wrong(&self.directory, error))?;
            let (key, kept) = super::snapshot::entry(&value).ok_or_else(|| damaged("a value is broken"))?;
            state.insert(key, Arc::from(kept));
        }
        for key in self.db.scan_prefix(b"t/").keys() {
            let key = key.map_err(|error| wrong(&self.directory, error))?;
            removed.extend(name_of(&key));
        }
        let digest = Digest::of(&heads, &state);
        if digest.text() != meta.digest {
            return Err(damaged("something in it is lost or old"));
        }
        Ok(Content { serial: meta.serial, heads, state, digest, removed })
    }

    /// Closes it. On a damaged one this may panic or never end, which is then nobody's concern.
    pub(super) fn close(self) {
        let Database { db, directory, .. } = self;
        let closed = guarded(&directory, Duration::from_secs(30), move || {
            drop(db);
            Ok(())
        });
        // Everything was durable before: there is nothing to lose here.
        if let Err(error) = closed {
            tracing::warn!(%error, "the database did not close");
        }
    }
}

fn name_of(key: &[u8]) -> Option<String> {
    String::from_utf8(key.get(2..)?.to_vec()).ok()
}

/// Removes `snap.*` files that are empty: they were not written in full before a power cut, and the
/// database opens without them.
fn remove_empty_snapshots(directory: &Path) -> StoreResult<()> {
    let error = |error| StoreError::io(directory, "look into the database", error);
    for entry in fs_err::read_dir(directory).map_err(error)? {
        let entry = entry.map_err(error)?;
        let is_snapshot = entry.file_name().to_string_lossy().starts_with("snap.");
        if is_snapshot && entry.metadata().map_err(error)?.len() == 0 {
            fs_err::remove_file(entry.path()).map_err(error)?;
        }
    }
    Ok(())
}

/// What sled said, or what the system said to sled.
enum Failed {
    Io(io::Error),
    Other(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Io(error)
    }
}

impl From<sled::Error> for Failed {
    fn from(error: sled::Error) -> Failed {
        match error {
            sled::Error::Io(error) => Failed::Io(error),
            other => {
                // For those who look into its files; to anybody else it says nothing.
                tracing::info!(error = %other, "the database failed");
                Failed::Other(match other {
                    sled::Error::Corruption { .. } => "it is damaged".to_owned(),
                    other => other.to_string(),
                })
            }
        }
    }
}

impl Failed {
    fn at(self, directory: &Path) -> StoreError {
        match self {
            Failed::Io(error) => match StoreError::io(directory, "write the database", error) {
                // Such as the end of a file that was cut: the database is at fault, not the system.
                StoreError::Io { source, .. } => failed(directory, &source.to_string()),
                known => known,
            },
            Failed::Other(what) => failed(directory, &what),
        }
    }
}

/// Whether the file of the database is locked: there is nothing but the text to tell.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

fn wrong(directory: &Path, error: sled::Error) -> StoreError {
    Failed::from(error).at(directory)
}

fn failed(directory: &Path, what: &str) -> StoreError {
    StoreError::Database { path: directory.to_owned(), what: what.to_owned() }
}

/// Does something with a database on a thread that may panic or never end.
fn guarded<T: Send + 'static>(
    directory: &Path,
    deadline: Duration,
    action: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> StoreResult<T> {
    let (send, receive) = mpsc::channel();
    let place = directory.to_owned();
    let spawned = std::thread::Builder::new().name("sled-guarded".to_owned()).spawn(move || {
        let _ = send.send(caught(&place, action));
    });
    let thread = spawned.map_err(|error| StoreError::io(directory, "start a thread", error))?;
    match receive.recv_timeout(deadline) {
        Ok(result) => {
            // It ends with its answer, and panics were caught.
            let _ = thread.join();
            result
        }
        Err(_) => Err(failed(directory, &format!("it did not answer within {} s", deadline.as_secs()))),
    }
}

/// Does something that may panic inside the database.
pub(super) fn caught<T>(directory: &Path, action: impl FnOnce() -> StoreResult<T>) -> StoreResult<T> {
    hush();
    let quiet = Quiet::begin();
    // Whatever was in the middle of a change is not used again: the database is closed and rebuilt.
    let result = catch_unwind(AssertUnwindSafe(action));
    drop(quiet);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(failed(directory, &format!("it panicked: {}", text.unwrap_or("without a reason"))))
    })
}

thread_local! {
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// While it lives, panics of this thread are not printed: they are turned into errors.
struct Quiet {
    before: bool,
}

impl Quiet {
    fn begin() -> Quiet {
        Quiet { before: QUIET.replace(true) }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(self.before);
    }
}

/// Puts a hook before the one that prints panics, which leaves out those that are caught.
fn hush() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.try_with(std::cell::Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
}

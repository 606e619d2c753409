//! A store in memory, for simulations and tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use retrue_provider_api::{BlobId, Blobs};
use serde_json::Value;

use super::{Record, Sealer, Store, StoreError, StoreResult, StoredRecord, Write, check_names};

/// A [`Store`] in memory. It is durable as far as a simulation wants it to be: [`MemoryStore::image`]
/// is what the disk would hold at this moment, and [`MemoryStore::reopen`] is the next process.
/// A clone is another handle to the same store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    lineage: Arc<str>,
    sealer: Arc<Sealer>,
    inner: Arc<Mutex<Inner>>,
}

/// What is durable in a [`MemoryStore`].
#[derive(Clone, Debug, Default)]
pub struct MemoryImage {
    state: BTreeMap<String, Value>,
    runs: BTreeMap<String, Vec<StoredRecord>>,
    // Removed runs keep their last number: numbers are not used again.
    serial: u64,
    blobs: HashMap<BlobId, Arc<[u8]>>,
}

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing of it is durable.
    Lost,
    /// All of it is durable, but the caller is told that it failed.
    KeptUnacknowledged,
}

#[derive(Debug, Default)]
struct Inner {
    image: MemoryImage,
    fresh: BTreeSet<BlobId>,
    planned: Option<(u64, Failure)>,
    appends: u64,
    stopped: Option<String>,
    closed: bool,
}

impl MemoryStore {
    /// An empty store. `key` stands for the user's key.
    pub fn new(lineage: &str, key: &[u8; 32]) -> MemoryStore {
        MemoryStore::reopen(lineage, key, MemoryImage::default())
    }

    /// A store that holds what was durable before.
    pub fn reopen(lineage: &str, key: &[u8; 32], image: MemoryImage) -> MemoryStore {
        MemoryStore {
            lineage: lineage.into(),
            sealer: Arc::new(Sealer::new(key)),
            inner: Arc::new(Mutex::new(Inner { image, ..Inner::default() })),
        }
    }

    /// What is durable at this moment.
    pub fn image(&self) -> MemoryImage {
        self.lock().image.clone()
    }

    /// Makes the append after `skip` further ones fail; after it the store refuses all writes.
    pub fn fail_after(&self, skip: u64, failure: Failure) {
        let mut inner = self.lock();
        inner.planned = Some((inner.appends + skip, failure));
    }

    /// How many calls of [`Store::append`] were made.
    pub fn appends(&self) -> u64 {
        self.lock().appends
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn writable(&self) -> StoreResult<()> {
        match &self.stopped {
            _ if self.closed => Err(StoreError::Closed),
            Some(why) => Err(StoreError::Stopped(why.clone())),
            None => Ok(()),
        }
    }
}

impl MemoryImage {
    /// The state that is durable.
    pub fn state(&self) -> &BTreeMap<String, Value> {
        &self.state
    }

    /// The records that are durable, by run.
    pub fn runs(&self) -> &BTreeMap<String, Vec<StoredRecord>> {
        &self.runs
    }

    fn append(&mut self, lineage: &str, run: &str, records: Vec<Record>) -> Vec<u64> {
        let kept = self.runs.entry(run.to_owned()).or_default();
        let mut sequences = Vec::with_capacity(records.len());
        for Record { body, writes } in records {
            for write in &writes {
                match write {
                    Write::Put { key, value } => drop(self.state.insert(key.clone(), value.clone())),
                    Write::Delete { key } => drop(self.state.remove(key)),
                }
            }
            self.serial += 1;
            let (sequence, before) = match kept.last() {
                Some(last) => (last.sequence + 1, last.hash.as_str()),
                None => (1, lineage),
            };
            let hash = blake3::hash(format!("{before}\n{run}\n{sequence}\n{body}").as_bytes()).to_hex().to_string();
            let (run, serial) = (run.to_owned(), self.serial);
            kept.push(StoredRecord { run, sequence, serial, body, writes, hash });
            sequences.push(sequence);
        }
        sequences
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn lineage(&self) -> &str {
        &self.lineage
    }

    async fn append(&self, run: &str, records: Vec<Record>) -> StoreResult<Vec<u64>> {
        check_names(run, &records)?;
        let mut inner = self.lock();
        inner.writable()?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let number = inner.appends;
        inner.appends += 1;
        let failure = inner.planned.filter(|(at, _)| *at == number).map(|(_, failure)| failure);
        if let Some(failure) = failure {
            let why = "the write failed, as was asked for";
            inner.stopped = Some(why.to_owned());
            if failure == Failure::KeptUnacknowledged {
                inner.image.append(&self.lineage, run, records);
            }
            return Err(StoreError::Stopped(why.to_owned()));
        }
        Ok(inner.image.append(&self.lineage, run, records))
    }

    async fn state(&self) -> StoreResult<BTreeMap<String, Value>> {
        Ok(self.lock().image.state.clone())
    }

    async fn get(&self, key: &str) -> StoreResult<Option<Value>> {
        Ok(self.lock().image.state.get(key).cloned())
    }

    async fn run(&self, run: &str) -> StoreResult<Vec<StoredRecord>> {
        Ok(self.lock().image.runs.get(run).cloned().unwrap_or_default())
    }

    async fn runs(&self) -> StoreResult<Vec<String>> {
        Ok(self.lock().image.runs.keys().cloned().collect())
    }

    async fn snapshot(&self) -> StoreResult<()> {
        self.lock().writable()
    }

    async fn remove_run(&self, run: &str) -> StoreResult<()> {
        let mut inner = self.lock();
        inner.writable()?;
        inner.image.runs.remove(run);
        Ok(())
    }

    async fn collect(&self, keep: &BTreeSet<BlobId>) -> StoreResult<u64> {
        let mut guard = self.lock();
        guard.writable()?;
        let Inner { image, fresh, .. } = &mut *guard;
        let before = image.blobs.len();
        image.blobs.retain(|id, _| keep.contains(id) || fresh.contains(id));
        Ok(u64::try_from(before - image.blobs.len()).unwrap_or(u64::MAX))
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(self.clone())
    }

    fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    async fn close(&self) -> StoreResult<()> {
        self.lock().closed = true;
        Ok(())
    }
}

impl Blobs for MemoryStore {
    fn put(&self, source: &mut dyn Read) -> io::Result<BlobId> {
        let mut content = Vec::new();
        source.read_to_end(&mut content)?;
        let id = BlobId(self.sealer.keyed_hash(&content));
        let mut inner = self.lock();
        inner.fresh.insert(id.clone());
        inner.image.blobs.insert(id.clone(), content.into());
        Ok(id)
    }

    fn get(&self, id: &BlobId) -> io::Result<Box<dyn Read + Send>> {
        let content = self.lock().image.blobs.get(id).cloned();
        let content = content.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no object {}", id.0)))?;
        Ok(Box::new(Cursor::new(content)))
    }
}

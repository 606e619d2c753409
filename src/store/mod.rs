//! The store: a journal of records for each run, and a state, changed together and durably.
//!
//! Everything here is generic: bodies and values are JSON that the store does not look into. A
//! [`Record`] carries what happened and what it changes in the state; both become durable in one
//! step or not at all. [`SledStore`] keeps them on disk twice, in an embedded database and in a
//! mirror of text files, so that either mends the other, and [`Reader`] looks at the mirror while a
//! run writes. [`MemoryStore`] keeps them in memory, for simulations.
//!
//! Architecture Invariant: nothing outside `sled.rs` names the database crate.
//! Architecture Invariant: a record is acknowledged only after mirror and database are both synced.
//! Architecture Invariant: the state is never written as a whole for a change.

mod disk;
mod error;
mod export;
mod files;
mod key;
mod layout;
mod line;
mod local;
mod lock;
mod memory;
mod mirror;
mod objects;
mod opening;
mod queue;
mod reader;
mod repair;
mod sealing;
mod sled;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use retrue_provider_api::{BlobId, Blobs};
use serde_json::Value;

pub use error::*;
pub use export::{Export, FORMAT as EXPORT_FORMAT};
pub use files::Faults;
pub use key::KeySource;
pub use layout::Holder;
pub use local::SledStore;
pub use lock::Owner;
pub use memory::{Failure, MemoryImage, MemoryStore};
pub use opening::{Depth, Options, open, set_aside};
pub use reader::{Reader, exists};
pub use sealing::Sealer;

/// One change of the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Sets the value of a key.
    Put {
        /// The key, at most [`MAX_KEY`] bytes.
        key: String,
        /// The value, of any size; keep it small where you can.
        value: Value,
    },
    /// Removes a key; it need not be there.
    Delete {
        /// The key.
        key: String,
    },
}

impl Write {
    /// The key that it changes.
    pub fn key(&self) -> &str {
        match self {
            Write::Put { key, .. } | Write::Delete { key } => key,
        }
    }
}

/// One journal record and the changes of the state that belong to it: all durable, or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What happened.
    pub body: Value,
    /// What it changes, in this order.
    pub writes: Vec<Write>,
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// The run that it belongs to.
    pub run: String,
    /// Its number in the run, from 1, without gaps.
    pub sequence: u64,
    /// Its number in the store, over all runs, from 1. Orders the records of different runs.
    pub serial: u64,
    /// What happened.
    pub body: Value,
    /// What it changed.
    pub writes: Vec<Write>,
    /// The hash of this record and, through the one before, of all before it in the run. Hex.
    pub hash: String,
}

/// The longest key of the state, in bytes.
pub const MAX_KEY: usize = 4096;

/// The longest name of a run, in bytes.
pub const MAX_RUN: usize = 128;

/// Keeps the journal and the state of one stack and environment.
///
/// Whoever has one holds the lock: there is no second at the same time.
#[async_trait]
pub trait Store: Send + Sync {
    /// The UUID that was made with the store.
    fn lineage(&self) -> &str;

    /// Appends records to the journal of a run and makes their changes, all in one atomic step.
    /// Returns their sequence numbers once they are durable. Calls that are waiting at the same
    /// time are made durable together; those of one run keep the order in which they were made.
    ///
    /// After an error nothing more is written, ever: each later call answers
    /// [`StoreError::Stopped`]. Whether the records of the failed call are durable is then unknown
    /// until the store is opened again. [`StoreError::Refused`] alone stops nothing.
    async fn append(&self, run: &str, records: Vec<Record>) -> StoreResult<Vec<u64>>;

    /// The whole state.
    async fn state(&self) -> StoreResult<BTreeMap<String, Value>>;

    /// The value of one key.
    async fn get(&self, key: &str) -> StoreResult<Option<Value>>;

    /// The records of a run, oldest first; none when there is no such run.
    async fn run(&self, run: &str) -> StoreResult<Vec<StoredRecord>>;

    /// The runs that have records, in the order of their names: with UUIDv7 names, oldest first.
    async fn runs(&self) -> StoreResult<Vec<String>>;

    /// Writes the state down for readers, who then need not add up the records before. For the
    /// start and the end of a run, not for each change.
    async fn snapshot(&self) -> StoreResult<()>;

    /// Removes the records of a run. The state stays. Removing what is not there succeeds.
    async fn remove_run(&self, run: &str) -> StoreResult<()>;

    /// Removes payloads that are not in `keep`, were not put since the store was opened, and are
    /// not the home of a large value of the state or of a kept record. Returns how many.
    async fn collect(&self, keep: &BTreeSet<BlobId>) -> StoreResult<u64>;

    /// Where payloads are kept.
    fn blobs(&self) -> Arc<dyn Blobs>;

    /// Seals secrets with the key of this store.
    fn sealer(&self) -> &Sealer;

    /// What the user should be told about the opening: what was repaired, and from what.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }

    /// The whole state as one document.
    async fn export(&self) -> StoreResult<Value> {
        Ok(Export { lineage: self.lineage().to_owned(), state: self.state().await?, journals: BTreeMap::new() }
            .to_document())
    }

    /// Ends all writing and gives the lock back. Closing twice succeeds.
    async fn close(&self) -> StoreResult<()>;
}

/// Checks the names that a store takes. Names of runs become names of files.
fn check_names(run: &str, records: &[Record]) -> StoreResult<()> {
    check_run(run)?;
    match records.iter().flat_map(|record| &record.writes).find(|write| write.key().len() > MAX_KEY) {
        Some(write) => {
            let start: String = write.key().chars().take(60).collect();
            Err(StoreError::Refused(format!("a name is longer than {MAX_KEY} bytes: {start}…")))
        }
        None => Ok(()),
    }
}

fn check_run(run: &str) -> StoreResult<()> {
    let fits = !run.is_empty()
        && run.len() <= MAX_RUN
        && !run.starts_with('.')
        && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits { Ok(()) } else { Err(StoreError::Refused(format!("this cannot name a run: {run:?}"))) }
}

#[cfg(test)]
mod tests;

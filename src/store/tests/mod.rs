//! Tests of the room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod damage;
mod memory;
mod opening;
mod sealing;
#[path = "../../../tests/environment/tally.rs"]
mod tally;
mod usual;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Faults, KeySource, Options, Reader, Record, SledStore, Store, StoreResult, Write, open};

/// A directory for one store, and how to open it.
struct Place {
    root: TempDir,
    options: Options,
}

impl Place {
    /// In memory where there is such a place: what is tested is what is written, not the disk.
    fn new() -> Place {
        let memory = tempfile::Builder::new().prefix("retrue-test").tempdir_in("/dev/shm");
        Place { root: memory.or_else(|_| tempfile::tempdir()).unwrap(), options: options() }
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join(".retrue/env/default")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn open(&self) -> SledStore {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> StoreResult<SledStore> {
        open(&self.directory(), &self.options)
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.directory(), &self.options.key).unwrap().unwrap()
    }

    fn faults(&self) -> &Faults {
        &self.options.faults
    }
}

fn options() -> Options {
    let key = KeySource::Text("07".repeat(32));
    Options::new(key, "test", "2025-01-02T03:04:05Z".parse().unwrap())
}

fn put(key: &str, value: impl Into<Value>) -> Record {
    let write = Write::Put { key: key.to_owned(), value: value.into() };
    Record { body: json!({ "set": key }), writes: vec![write] }
}

/// A text of about `size` bytes that does not compress.
fn text(seed: u64, size: usize) -> String {
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut bytes = vec![0; size / 2];
    reader.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Everything that a store says, to compare two of them.
async fn all(store: &dyn Store) -> Value {
    let mut runs = serde_json::Map::new();
    for run in store.runs().await.unwrap() {
        let records = store.run(&run).await.unwrap();
        let records = records.iter().map(|record| json!([record.sequence, record.serial, record.hash, record.body]));
        runs.insert(run, records.collect());
    }
    json!({ "lineage": store.lineage(), "state": store.state().await.unwrap(), "runs": runs })
}

/// The same, seen through the mirror.
fn all_read(reader: &Reader) -> Value {
    let mut runs = serde_json::Map::new();
    for run in reader.runs().unwrap() {
        let records = reader.run(&run).unwrap();
        let records = records.iter().map(|record| json!([record.sequence, record.serial, record.hash, record.body]));
        runs.insert(run, records.collect());
    }
    json!({ "lineage": reader.lineage(), "state": reader.state().unwrap(), "runs": runs })
}

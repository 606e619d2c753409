//! A store in memory that dies with the program: at a write, which is on the disk afterwards or not.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use retrue::store::{MemoryImage, MemoryStore, Record, Sealer, Store, StoreResult, StoredRecord, Write};
use retrue_provider_api::{BlobId, Blobs};
use serde_json::Value as Json;

use super::broken::Broken;
use super::life::Death;
use super::script::Crash;

/// What is on the disk of all lives.
#[derive(Clone, Default)]
pub(crate) struct Written {
    /// The idempotency keys of everything that was begun.
    pub(crate) begun: Arc<Mutex<HashSet<String>>>,
    /// The ids of everything that was ever recorded.
    pub(crate) ids: Arc<Mutex<HashSet<String>>>,
}

/// What happens when a plan is made, and nothing of it is done.
pub(crate) type Planned = Box<dyn FnOnce() + Send>;

/// The disk of one life.
pub(crate) struct Disk {
    inner: MemoryStore,
    death: Death,
    crash: Option<Crash>,
    broken: Option<Broken>,
    written: Written,
    planned: Mutex<Option<Planned>>,
    writing: Mutex<Writing>,
}

#[derive(Default)]
struct Writing {
    count: u16,
    /// What is held back until something else is written.
    late: Vec<(String, Vec<Record>)>,
    /// What the disk held after each of the last writes.
    before: VecDeque<MemoryImage>,
}

impl Disk {
    pub(crate) fn new(
        inner: MemoryStore,
        death: Death,
        crash: Option<Crash>,
        broken: Option<Broken>,
        written: Written,
        planned: Option<Planned>,
    ) -> Self {
        Disk { inner, death, crash, broken, written, planned: Mutex::new(planned), writing: Mutex::default() }
    }

    /// What the next life finds.
    pub(crate) fn left(&self, died: bool) -> MemoryImage {
        let writing = self.writing.lock().unwrap();
        match writing.before.front() {
            Some(image) if died && self.broken == Some(Broken::ForgetsLastWrites) => image.clone(),
            _ => self.inner.image(),
        }
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> u16 {
        self.writing.lock().unwrap().count
    }

    /// What becomes of records in a store that is broken.
    fn tampered(&self, records: Vec<Record>) -> Vec<Record> {
        let Some(broken) = self.broken else { return records };
        let is = |record: &Record, word: &str| record.body["event"].get(word).is_some();
        let without = |words: &[&str]| {
            records.iter().filter(|record| !words.iter().any(|word| is(record, word))).cloned().collect()
        };
        let changed = |change: &dyn Fn(&mut Record)| {
            let mut records = records.clone();
            records.iter_mut().for_each(change);
            records
        };
        match broken {
            Broken::NoBegin => without(&["step_begin"]),
            Broken::NoEnd => without(&["step_applied", "step_partial"]),
            Broken::NoUndoBegin => without(&["undo_begin"]),
            Broken::NoUndone => without(&["undone"]),
            Broken::NoResolution => without(&["step_resolved"]),
            Broken::EndWithoutState => changed(&|record| {
                if is(record, "step_applied") {
                    record.writes.retain(|write| !write.key().starts_with("object/"));
                }
            }),
            Broken::NoGeneration => {
                changed(&|record| record.writes.retain(|write| !write.key().starts_with("generation/")))
            }
            Broken::NoImage => changed(&|record| {
                if let Some(image) = record.body["event"].get_mut("image") {
                    image["image"] = Json::Null;
                }
            }),
            Broken::NoProvenance => changed(&|record| {
                if let Some(image) = record.body["event"].get_mut("image") {
                    image["provenance"] = serde_json::json!({});
                }
            }),
            Broken::NoProviders => changed(&|record| {
                if let Some(started) = record.body["event"].get_mut("run_started") {
                    started["providers"] = serde_json::json!({});
                }
            }),
            _ => records,
        }
    }

    fn note(&self, records: &[Record]) {
        let mut begun = self.written.begun.lock().unwrap();
        let mut ids = self.written.ids.lock().unwrap();
        for record in records {
            for write in &record.writes {
                if let Write::Put { key, value } = write
                    && (key.starts_with("object/") || key.starts_with("deposed/"))
                {
                    note_ids(value, &mut ids);
                }
            }
            for word in ["step_begin", "undo_begin"] {
                if let Some(key) = record.body["event"][word]["idempotency_key"].as_str() {
                    begun.insert(key.to_owned());
                }
            }
        }
    }

    async fn write(&self, run: &str, records: Vec<Record>) -> StoreResult<Vec<u64>> {
        let kept = self.tampered(records);
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        if self.broken == Some(Broken::ForgetsLastWrites) {
            let mut writing = self.writing.lock().unwrap();
            writing.before.push_back(self.inner.image());
            if writing.before.len() > 3 {
                writing.before.pop_front();
            }
        }
        let written = self.inner.append(run, kept.clone()).await;
        // What a full disk has kept all the same is on it, too.
        let is_kept = || {
            let image = self.inner.image();
            let last = image.runs().get(run).and_then(|records| records.last()).map(|record| record.body.clone());
            last.as_ref() == kept.last().map(|record| &record.body)
        };
        if written.is_ok() || is_kept() {
            self.note(&kept);
        }
        written
    }
}

#[async_trait]
impl Store for Disk {
    fn lineage(&self) -> &str {
        self.inner.lineage()
    }

    async fn append(&self, run: &str, records: Vec<Record>) -> StoreResult<Vec<u64>> {
        let starts = |record: &Record| {
            let kind = record.body["event"]["run_started"]["kind"].as_str();
            kind.is_some_and(|kind| kind != "compensate" && kind != "surgery")
        };
        if records.iter().any(starts)
            && let Some(planned) = self.planned.lock().unwrap().take()
        {
            planned();
        }
        let number = {
            let mut writing = self.writing.lock().unwrap();
            writing.count += 1;
            writing.count
        };
        if let Some(Crash::Write { nth, kept }) = self.crash
            && nth == number
        {
            if kept {
                self.write(run, records).await?;
            }
            return self.death.comes().await;
        }
        if self.broken == Some(Broken::SwallowsErrors) && number % 7 == 0 {
            return Ok(Vec::new());
        }
        if self.broken == Some(Broken::LateBegin) {
            if records.iter().any(|record| record.body["event"].get("step_begin").is_some()) {
                self.writing.lock().unwrap().late.push((run.to_owned(), records));
                return Ok(Vec::new());
            }
            let late = std::mem::take(&mut self.writing.lock().unwrap().late);
            for (run, records) in late {
                self.write(&run, records).await?;
            }
        }
        self.write(run, records).await
    }

    async fn state(&self) -> StoreResult<BTreeMap<String, Json>> {
        self.inner.state().await
    }

    async fn get(&self, key: &str) -> StoreResult<Option<Json>> {
        Store::get(&self.inner, key).await
    }

    async fn run(&self, run: &str) -> StoreResult<Vec<StoredRecord>> {
        self.inner.run(run).await
    }

    async fn runs(&self) -> StoreResult<Vec<String>> {
        self.inner.runs().await
    }

    async fn snapshot(&self) -> StoreResult<()> {
        self.inner.snapshot().await
    }

    async fn remove_run(&self, run: &str) -> StoreResult<()> {
        self.inner.remove_run(run).await
    }

    async fn collect(&self, keep: &BTreeSet<BlobId>) -> StoreResult<u64> {
        self.inner.collect(keep).await
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        self.inner.blobs()
    }

    fn sealer(&self) -> &Sealer {
        self.inner.sealer()
    }

    async fn close(&self) -> StoreResult<()> {
        self.inner.close().await
    }
}

/// Notes what may be an id: those of networks and instances, by which others are referred to.
fn note_ids(value: &Json, ids: &mut HashSet<String>) {
    match value {
        Json::String(text) if text.starts_with("net-") || text.starts_with("i-") => _ = ids.insert(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| note_ids(item, ids)),
        Json::Object(entries) => entries.values().for_each(|entry| note_ids(entry, ids)),
        _ => {}
    }
}

/// All that is on a disk, as one text: what a search for a secret looks through.
pub(crate) fn text_of(image: &MemoryImage) -> String {
    let mut text = serde_json::to_string(image.state()).unwrap();
    for record in image.runs().values().flatten() {
        text.push_str(&record.body.to_string());
        for write in &record.writes {
            if let Write::Put { value, .. } = write {
                text.push_str(&value.to_string());
            }
        }
    }
    text
}

//! The store on a local disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{BlobId, Blobs};
use serde_json::Value;

use super::disk::{Append, Disk, Shared};
use super::line::{self, Header, Kept, Prepared};
use super::mirror;
use super::queue::{Answer, Queue, Task};
use super::{Record, Sealer, Store, StoreError, StoreResult, StoredRecord, check_names, check_run};

/// How long dropping a store waits for its end.
const ENDING: Duration = Duration::from_secs(30);

/// A [`Store`] in a directory: journal and state in an embedded database, and both once more in
/// text files for readers and for repair. Made by [`super::open`].
///
/// Dropping it waits until what was handed over is durable, and gives the lock back.
pub struct SledStore {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    notices: Vec<String>,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SledStore").field("directory", &self.shared.layout.directory).finish_non_exhaustive()
    }
}

impl SledStore {
    /// Starts the thread that writes, and the one that looks after it.
    pub(super) fn start(disk: Disk, notices: Vec<String>) -> StoreResult<SledStore> {
        let shared = Arc::clone(&disk.shared);
        let queue = Arc::new(Queue::default());
        let spawn = |name: &str, action: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(action);
            spawned.map_err(|error| StoreError::io(&shared.layout.directory, "start a thread", error))
        };
        let (at_work, watched) = (Arc::clone(&queue), Arc::clone(&queue));
        let directory = shared.layout.directory.clone();
        let stuck = move || StoreError::Stuck { path: directory.clone(), seconds: super::queue::DEADLINE.as_secs() };
        // The watchdog first: when the second thread cannot be started, the first is told to end.
        spawn("store-watch", Box::new(move || watched.watch(&stuck)))?;
        spawn("store-write", Box::new(move || write(disk, &at_work))).inspect_err(|_| queue.ended())?;
        Ok(SledStore { shared, queue, notices })
    }

    async fn ask(&self, task: Task) -> StoreResult<Answer> {
        let answer = self.queue.push(task)?.await;
        answer.unwrap_or_else(|_| Err(StoreError::Stopped("the thread that writes has ended".to_owned())))
    }

    /// Does something that may read files, where that holds up nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Shared) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || action(&shared)).await;
        done.unwrap_or_else(|error| Err(StoreError::Stopped(error.to_string())))
    }
}

/// What the writing thread does until the store is closed.
fn write(mut disk: Disk, queue: &Queue) {
    while let Some(tasks) = queue.take() {
        let result = disk.work(tasks, &|slot, answer| queue.answer(slot, answer));
        queue.finish(result.err());
    }
    disk.close();
    queue.ended();
}

/// Writes records as text, and names what is to become an object.
fn prepare(shared: &Shared, run: &str, records: &[Record]) -> Append {
    let mut objects = Vec::new();
    let mut spill = |text: String| {
        let id = shared.objects.name(text.as_bytes());
        let name = id.0.clone();
        objects.push((id, text.into_bytes()));
        name
    };
    let records = records.iter().map(|record| Prepared::new(record, &mut spill)).collect();
    Append { run: run.to_owned(), records, objects }
}

impl Shared {
    fn value(&self, kept: &str) -> StoreResult<Value> {
        Kept::parse(kept)?.resolve(&|id| self.objects.json(id))
    }

    fn record(&self, header: Header, line: &[u8]) -> StoreResult<StoredRecord> {
        line::record(header, line, &|id| self.objects.json(id))
    }

    /// The records of a run from the mirror; `None` when it does not hold all of them.
    fn mirrored(&self, run: &str) -> StoreResult<Option<Vec<StoredRecord>>> {
        let Some(head) = self.memory().heads.get(run).cloned() else { return Ok(Some(Vec::new())) };
        let mut records = Vec::new();
        let scan = mirror::scan(&self.layout.run(run), &self.format.lineage, run, None, &mut |header, line| {
            // What is being written at this moment is not acknowledged.
            if header.sequence <= head.sequence {
                records.push(self.record(header, line)?);
            }
            Ok(())
        });
        match scan {
            Err(error @ StoreError::DamagedObject { .. }) => Err(error),
            Err(_) => Ok(None),
            Ok(_) => Ok(Some(records).filter(|records| records.last().is_some_and(|last| last.hash == head.hash))),
        }
    }

    /// The objects that the state names, and all records.
    fn named_objects(&self) -> StoreResult<BTreeSet<BlobId>> {
        let (state, runs) = {
            let memory = self.memory();
            (memory.state.values().cloned().collect::<Vec<_>>(), memory.heads.keys().cloned().collect::<Vec<_>>())
        };
        let mut named = BTreeSet::new();
        for kept in state {
            named.extend(Kept::parse(&kept)?.object.map(BlobId));
        }
        for run in runs {
            let scan = mirror::scan(&self.layout.run(&run), &self.format.lineage, &run, None, &mut |_, line| {
                named.extend(line::objects(line, &|id| self.objects.json(id))?.into_iter().map(BlobId));
                Ok(())
            })?;
            if let Some(what) = scan.damaged {
                // What it names is not known: then nothing is safe to remove.
                return Err(StoreError::DamagedMirror { path: self.layout.run(&run), what: what.to_owned() });
            }
        }
        Ok(named)
    }
}

#[async_trait]
impl Store for SledStore {
    fn lineage(&self) -> &str {
        &self.shared.format.lineage
    }

    async fn append(&self, run: &str, records: Vec<Record>) -> StoreResult<Vec<u64>> {
        check_names(run, &records)?;
        if records.is_empty() {
            return self.queue.check().map(|()| Vec::new());
        }
        match self.ask(Task::Append(prepare(&self.shared, run, &records))).await? {
            Answer::Sequences(sequences) => Ok(sequences),
            _ => Ok(Vec::new()),
        }
    }

    async fn state(&self) -> StoreResult<BTreeMap<String, Value>> {
        self.blocking(|shared| {
            // Values are shared, not copied, so that writing is held up for a moment only.
            let state = shared.memory().state.clone();
            state.into_iter().map(|(key, kept)| Ok((key, shared.value(&kept)?))).collect()
        })
        .await
    }

    async fn get(&self, key: &str) -> StoreResult<Option<Value>> {
        let kept = self.shared.memory().state.get(key).cloned();
        match kept {
            Some(kept) => self.blocking(move |shared| shared.value(&kept)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn run(&self, run: &str) -> StoreResult<Vec<StoredRecord>> {
        check_run(run)?;
        let name = run.to_owned();
        if let Some(records) = self.blocking(move |shared| shared.mirrored(&name)).await? {
            return Ok(records);
        }
        let lines = match self.ask(Task::Lines(run.to_owned())).await? {
            Answer::Lines(lines) => lines,
            _ => Vec::new(),
        };
        self.blocking(move |shared| lines.into_iter().map(|(header, line)| shared.record(header, &line)).collect())
            .await
    }

    async fn runs(&self) -> StoreResult<Vec<String>> {
        Ok(self.shared.memory().heads.keys().cloned().collect())
    }

    async fn snapshot(&self) -> StoreResult<()> {
        self.ask(Task::Snapshot).await.map(drop)
    }

    async fn remove_run(&self, run: &str) -> StoreResult<()> {
        check_run(run)?;
        self.ask(Task::RemoveRun(run.to_owned())).await.map(drop)
    }

    async fn collect(&self, keep: &BTreeSet<BlobId>) -> StoreResult<u64> {
        self.queue.check()?;
        let mut keep = keep.clone();
        self.blocking(move |shared| {
            keep.extend(shared.named_objects()?);
            shared.objects.collect(&keep)
        })
        .await
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(self.shared.objects.clone())
    }

    fn sealer(&self) -> &Sealer {
        self.shared.objects.sealer()
    }

    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }

    async fn close(&self) -> StoreResult<()> {
        let ended = self.queue.close();
        // Also when the watchdog answers because the disk does not: then there is nothing to wait for.
        let _ = ended.await;
        Ok(())
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        drop(self.queue.close());
        if !self.queue.wait_ended(ENDING) {
            tracing::warn!(directory = %self.shared.layout.directory.display(), "the state did not close in time");
        }
    }
}

//! The one thread that writes: it makes durable what is waiting, all at once.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use retrue_provider_api::BlobId;

use super::files::Faults;
use super::layout::{Format, Layout};
use super::line::{self, Change, Header, Place, Prepared};
use super::lock::Lock;
use super::mirror::Mirror;
use super::objects::Objects;
use super::queue::{Answer, Slot, Task};
use super::sled::{Batch, Database, Digest, caught};
use super::snapshot::{self, Head, Kepts};
use super::{StoreError, StoreResult};

/// What is durable, in memory: nothing is read from the database after the opening.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) serial: u64,
    pub(super) heads: BTreeMap<String, Head>,
    pub(super) state: Kepts,
    pub(super) digest: Digest,
}

/// What the writing thread shares with the callers.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) layout: Layout,
    pub(super) format: Format,
    pub(super) objects: Objects,
    pub(super) faults: Faults,
    memory: RwLock<Memory>,
}

impl Shared {
    pub(super) fn new(layout: Layout, format: Format, objects: Objects, faults: Faults, memory: Memory) -> Shared {
        Shared { layout, format, objects, faults, memory: RwLock::new(memory) }
    }

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that writes.
pub(super) struct Disk {
    pub(super) shared: Arc<Shared>,
    pub(super) mirror: Mirror,
    pub(super) database: Database,
    /// What the snapshot on disk holds: its serial, and how many runs.
    pub(super) snapshot: Option<(u64, usize)>,
    /// The last to be dropped: nobody else may write before all of the above has ended.
    pub(super) lock: Lock,
}

/// Records of one call, ready to be placed.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) run: String,
    pub(super) records: Vec<Prepared>,
    pub(super) objects: Vec<(BlobId, Vec<u8>)>,
}

/// What a group adds to one run.
struct Added {
    at: u64,
    group: u64,
    head: Head,
    lines: Vec<u8>,
}

impl Disk {
    /// Does what is waiting, and answers each. After a failure to write, `Err` holds what stops the
    /// store.
    pub(super) fn work(&mut self, tasks: Vec<Task>, answer: Answerer<'_>) -> Result<(), String> {
        let mut appends = Vec::new();
        for (slot, task) in tasks.into_iter().enumerate() {
            match task {
                Task::Append(append) => appends.push((slot, append)),
                other => {
                    self.append_all(std::mem::take(&mut appends), answer)?;
                    self.other(slot, other, answer)?;
                }
            }
        }
        self.append_all(appends, answer)
    }

    fn append_all(&mut self, appends: Vec<(Slot, Append)>, answer: Answerer<'_>) -> Result<(), String> {
        if appends.is_empty() {
            return Ok(());
        }
        let (slots, appends): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
        let place = self.shared.layout.database();
        match caught(&place, || self.append(appends)) {
            Ok(sequences) => {
                let answers = slots.into_iter().zip(sequences);
                answers.for_each(|(slot, sequences)| answer(slot, Ok(Answer::Sequences(sequences))));
                Ok(())
            }
            Err(error) => {
                self.suspect(&error);
                let what = error.to_string();
                let mut errors = std::iter::once(error);
                for slot in slots {
                    answer(slot, Err(errors.next().unwrap_or_else(|| StoreError::Stopped(what.clone()))));
                }
                Err(what)
            }
        }
    }

    fn other(&mut self, slot: Slot, task: Task, answer: Answerer<'_>) -> Result<(), String> {
        let place = self.shared.layout.database();
        // A snapshot is only a help for readers, and the one before still stands.
        let stops = matches!(task, Task::RemoveRun(_));
        let result = caught(&place, || match task {
            Task::Append(append) => self.append(vec![append]).map(|_| Answer::Done),
            Task::Snapshot => self.write_snapshot().map(|()| Answer::Done),
            Task::RemoveRun(run) => self.remove_run(&run).map(|()| Answer::Done),
            Task::Lines(run) => self.database.lines(&run, 1).map(Answer::Lines),
        });
        let what = result.as_ref().err().map(|error| {
            self.suspect(error);
            error.to_string()
        });
        answer(slot, result);
        what.filter(|_| stops).map_or(Ok(()), Err)
    }

    /// Leaves word that the database is not to be trusted. Where even that cannot be written, the
    /// disk is at fault, and the next opening checks what it reads anyway.
    fn suspect(&self, error: &StoreError) {
        if matches!(error, StoreError::Database { .. }) {
            let _ = fs_err::write(self.shared.layout.suspect(), b"");
        }
    }

    /// Makes records durable: their objects, then the mirror, then the database. Returns the
    /// sequences of each call.
    fn append(&mut self, appends: Vec<Append>) -> StoreResult<Vec<Vec<u64>>> {
        let objects: Vec<_> = appends.iter().flat_map(|append| append.objects.clone()).collect();
        self.shared.objects.put_all(&objects)?;
        let shared = Arc::clone(&self.shared);
        let mut added: BTreeMap<String, Added> = BTreeMap::new();
        let mut changed: BTreeMap<String, Option<Arc<str>>> = BTreeMap::new();
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(appends.len());
        let memory = shared.memory();
        let (mut serial, mut digest) = (memory.serial, memory.digest);
        for append in appends {
            let run = &append.run;
            let begin = added.entry(run.clone()).or_insert_with(|| begin(&memory, &shared.format.lineage, run));
            let mut sequences = Vec::with_capacity(append.records.len());
            let count = append.records.len();
            for (number, record) in append.records.into_iter().enumerate() {
                serial += 1;
                let sequence = begin.head.sequence + 1;
                let place = Place {
                    run,
                    sequence,
                    serial,
                    group: begin.group,
                    more: number + 1 < count,
                    prev: &begin.head.hash,
                };
                let (line, hash) = record.line(&place);
                batch.line(run, sequence, &line);
                begin.lines.extend_from_slice(&line);
                begin.lines.push(b'\n');
                let bytes = begin.at + u64::try_from(begin.lines.len()).unwrap_or(0);
                begin.head = Head { sequence, serial, hash, bytes };
                for change in record.changes {
                    let (key, kept) = match change {
                        Change::Put(key, kept) => (key, Some(Arc::from(kept))),
                        Change::Delete(key) => (key, None),
                    };
                    let before = changed.get(&key).cloned().unwrap_or_else(|| memory.state.get(&key).cloned());
                    digest.value(&key, before.as_deref(), kept.as_deref());
                    changed.insert(key, kept);
                }
                sequences.push(sequence);
            }
            answers.push(sequences);
        }
        for (run, added) in &added {
            digest.head(run, memory.heads.get(run), Some(&added.head));
            batch.head(run, &added.head)?;
        }
        drop(memory);
        for (key, kept) in &changed {
            match kept {
                Some(kept) => batch.put(key, kept),
                None => batch.delete(key),
            }
        }
        batch.meta(&shared.format.lineage, serial, digest)?;
        for (run, added) in &added {
            self.mirror.append(run, added.at, &added.lines)?;
        }
        self.database.commit(batch)?;
        let mut memory = self.shared.memory.write().unwrap_or_else(PoisonError::into_inner);
        for (key, kept) in changed {
            match kept {
                Some(kept) => drop(memory.state.insert(key, kept)),
                None => drop(memory.state.remove(&key)),
            }
        }
        memory.heads.extend(added.into_iter().map(|(run, added)| (run, added.head)));
        (memory.serial, memory.digest) = (serial, digest);
        Ok(answers)
    }

    fn write_snapshot(&mut self) -> StoreResult<()> {
        let memory = self.shared.memory();
        let now = (memory.serial, memory.heads.len());
        if self.snapshot == Some(now) {
            return Ok(());
        }
        let Shared { layout, format, faults, .. } = &*self.shared;
        snapshot::write(&layout.snapshot(), format, memory.serial, &memory.heads, &memory.state, faults)?;
        drop(memory);
        self.snapshot = Some(now);
        Ok(())
    }

    fn remove_run(&mut self, run: &str) -> StoreResult<()> {
        let Some(head) = self.shared.memory().heads.get(run).cloned() else { return Ok(()) };
        // Readers must find in the snapshot what its records changed.
        if self.snapshot.is_none_or(|(serial, _)| serial < head.serial) {
            self.write_snapshot()?;
        }
        // CRASH: nothing has happened yet.
        let (serial, mut digest) = {
            let memory = self.shared.memory();
            (memory.serial, memory.digest)
        };
        digest.head(run, Some(&head), None);
        let mut batch = self.database.removal(run)?;
        batch.meta(&self.shared.format.lineage, serial, digest)?;
        self.database.commit(batch)?;
        {
            let mut memory = self.shared.memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.heads.remove(run);
            memory.digest = digest;
        }
        // CRASH: the file is left; the database remembers that it is to go.
        self.mirror.remove(run)
    }

    /// Ends all writing, and then gives the lock back.
    pub(super) fn close(self) {
        let Disk { database, lock, mirror, .. } = self;
        drop(mirror);
        database.close();
        drop(lock);
    }
}

fn begin(memory: &Memory, lineage: &str, run: &str) -> Added {
    let head = memory.heads.get(run).cloned();
    let head = head.unwrap_or_else(|| Head { sequence: 0, serial: 0, hash: line::first(lineage, run), bytes: 0 });
    Added { at: head.bytes, group: head.sequence + 1, head, lines: Vec::new() }
}

/// How a task that was taken is answered.
pub(super) type Answerer<'a> = &'a dyn Fn(Slot, StoreResult<Answer>);

/// Lines as they were found, and what they say of themselves.
pub(super) type Lines = Vec<(Header, Vec<u8>)>;

//! Writes the events of one run: checked by the machine, then durable, then acknowledged.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::address::Address;
use crate::broken;
use crate::clock::Clock;
use crate::plan::StepId;
use crate::saga::event::{Counts, Event, JOURNAL_VERSION, Journaled, RunFinished, RunStarted};
use crate::saga::machine::{Illegal, Machine, RunState};
use crate::saga::state::{RunRecord, run_key};
use crate::store::{Record, Store, StoreError, Write};

/// Why an event was not written. After any of these a run stops.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The event may not follow what is written: a defect of ours.
    #[error("the journal refuses an event: {0}")]
    Illegal(#[from] Illegal),
    /// The store could not write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event has no recorded form: a defect of ours.
    #[error("an event cannot be written: {0}")]
    Form(#[from] serde_json::Error),
}

/// One event to be written, with what it changes in the state.
#[derive(Debug)]
pub struct Entry {
    /// The instance that it is about.
    pub address: Option<Address>,
    /// The step that it is about.
    pub step: Option<StepId>,
    /// What happened.
    pub event: Event,
    /// What it changes in the state.
    pub writes: Vec<Write>,
}

impl Entry {
    /// An event about a step.
    pub fn of(step: &StepId, event: Event) -> Self {
        Entry { address: Some(step.address.clone()), step: Some(step.clone()), event, writes: Vec::new() }
    }

    /// An event about the run.
    pub fn run(event: Event) -> Self {
        Entry { address: None, step: None, event, writes: Vec::new() }
    }

    /// The same, with what it changes in the state.
    #[must_use]
    pub fn with(mut self, writes: Vec<Write>) -> Self {
        self.writes.extend(writes);
        self
    }
}

/// The journal of one run.
pub struct Journal {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    run: String,
    machine: Mutex<Machine>,
    record: Mutex<RunRecord>,
}

impl Journal {
    /// Starts a new run: its first event is durable on return.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        started: RunStarted,
    ) -> Result<Journal, JournalError> {
        let run = clock.run_id(store.runs().await?.last().map(String::as_str));
        let record = RunRecord {
            run: run.clone(),
            kind: started.kind,
            state: RunState::Processing,
            started: clock.now(),
            finished: None,
            actor: started.actor.clone(),
            plan: started.plan.clone(),
            counts: Counts::default(),
            effects: false,
            continues: started.continues.clone(),
            compensates: started.compensates.clone(),
            interrupted: false,
            accepted: false,
            lineage: None,
        };
        let journal =
            Journal { store, clock, run, machine: Mutex::new(Machine::new()), record: Mutex::new(record.clone()) };
        let mut writes = vec![put_run(&record)?];
        writes.extend(started.forgets.iter().map(|run| Write::Delete { key: run_key(run) }));
        journal.write(vec![Entry::run(Event::RunStarted(Box::new(started))).with(writes)]).await?;
        Ok(journal)
    }

    /// Goes on with the journal of an earlier run: to settle its doubt, to close it, to add a note.
    pub fn reopen(store: Arc<dyn Store>, clock: Arc<dyn Clock>, record: RunRecord, machine: Machine) -> Journal {
        Journal { store, clock, run: record.run.clone(), machine: Mutex::new(machine), record: Mutex::new(record) }
    }

    /// The id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The time, as events have it.
    pub fn now(&self) -> String {
        self.clock.now()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What is remembered of the run.
    pub fn record(&self) -> RunRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the run stands, by all that is written of itself.
    pub fn state(&self) -> Option<RunState> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner).state()
    }

    /// How many steps stand how, by all that is written.
    pub fn counts(&self) -> Counts {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner).counts()
    }

    /// Remembers that the run changed something.
    pub fn had_effect(&self) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).effects = true;
    }

    /// Remembers that the run was cut off.
    pub fn was_interrupted(&self) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).interrupted = true;
    }

    /// Writes events, all or none of them, without secrets in their words. They are durable on return.
    pub async fn write(&self, mut entries: Vec<Entry>) -> Result<(), JournalError> {
        entries.iter_mut().for_each(|entry| entry.event.mask());
        let mut records = Vec::with_capacity(entries.len());
        {
            // A copy takes the events first, so that an illegal one changes nothing.
            let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in &entries {
                machine.record(entry.step.as_ref(), &entry.event)?;
            }
        }
        for entry in entries {
            let journaled = Journaled {
                v: JOURNAL_VERSION,
                time: self.clock.now(),
                address: entry.address,
                step: entry.step,
                event: entry.event,
            };
            records.push(Record { body: serde_json::to_value(&journaled)?, writes: entry.writes });
        }
        let written = self.store.append(&self.run, records).await;
        if broken!(WriteErrorSwallowed) {
            return Ok(());
        }
        Ok(written.map(drop)?)
    }

    /// Ends the run, and remembers how.
    pub async fn finish(&self, state: RunState, counts: Counts, error: Option<String>) -> Result<(), JournalError> {
        let record = {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.state = state;
            record.counts = counts;
            record.finished = Some(self.clock.now());
            record.clone()
        };
        let writes = vec![put_run(&record)?];
        self.write(vec![Entry::run(Event::RunFinished(RunFinished { state, counts, error })).with(writes)]).await
    }
}

/// The write that remembers a run.
pub fn put_run(record: &RunRecord) -> Result<Write, serde_json::Error> {
    Ok(Write::Put { key: run_key(&record.run), value: serde_json::to_value(record)? })
}

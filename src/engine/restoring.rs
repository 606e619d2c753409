//! Puts an exported state back, doubt included.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::engine::look::read_history;
use crate::engine::session::journal_stop;
use crate::engine::workspace::store_failure;
use crate::engine::{Failure, Session};
use crate::plan::ObjectKey;
use crate::saga::history::RunHistory;
use crate::saga::journal::{Entry, put_run};
use crate::saga::state::{effects_key, generation_key, object_key, run_key};
use crate::saga::{Event, RunRecord, State, codes};
use crate::store::{Export, Record};

fn refused(why: String) -> Failure {
    Failure::one(Diagnostic::error(codes::RESTORE, why))
}

/// What a restore would lose that is recorded of another stack or environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displaced {
    /// The lineage of the export.
    pub lineage: String,
    /// What is recorded here, and is not in the export.
    pub dropped: Vec<Address>,
    /// What is recorded here, and otherwise there.
    pub changed: Vec<Address>,
}

impl Session {
    /// What the restore of an export would lose, where that is of another lineage: it may be of another stack.
    pub async fn displaced(&self, document: &Json) -> Result<Option<Displaced>, Failure> {
        let export = Export::from_document(document).map_err(store_failure)?;
        if export.lineage == self.lineage() {
            return Ok(None);
        }
        let current = self.store.state().await.map_err(store_failure)?;
        let mut displaced = Displaced { lineage: export.lineage, dropped: Vec::new(), changed: Vec::new() };
        for address in self.state().await?.current().map(|(address, _)| address) {
            let key = object_key(address, &ObjectKey::Current);
            match export.state.get(&key) {
                None => displaced.dropped.push(address.clone()),
                Some(value) if current.get(&key) != Some(value) => displaced.changed.push(address.clone()),
                Some(_) => {}
            }
        }
        let loses = !displaced.dropped.is_empty() || !displaced.changed.is_empty();
        Ok(loses.then_some(displaced))
    }

    /// Puts an exported state in the place of what is recorded. Runs stay as they are; those that left
    /// something in doubt come along where they are not known, so that it stays in doubt.
    pub async fn state_restore(&self, document: &Json) -> Result<usize, Failure> {
        let mut export = Export::from_document(document).map_err(store_failure)?;
        let current = self.store.state().await.map_err(store_failure)?;
        let unknown = self.take_doubt(&mut export, &current)?;
        // Runs and counters are history: they are not taken back.
        export.state.retain(|key, _| !key.starts_with("run/"));
        for (key, value) in &current {
            if key.starts_with("run/") {
                export.state.insert(key.clone(), value.clone());
            } else if key.starts_with("generation/") || key.starts_with("effects/") {
                let now = value.as_u64().unwrap_or(0);
                let restored = export.state.get(key).and_then(Json::as_u64).unwrap_or(0);
                export.state.insert(key.clone(), Json::from(now.max(restored)));
            }
        }
        State::read(export.state.clone()).map_err(|error| refused(error.to_string()))?;
        let writes = export.writes(&current);
        let changed = writes.len() + unknown.len();
        // CRASH: doubt comes first. With it alone nothing is made twice, and restoring again goes on.
        for (run, records) in unknown {
            self.store.append(&run, records).await.map_err(store_failure)?;
        }
        if !writes.is_empty() {
            let event = Event::Recorded { what: "an exported state was restored".into(), object: None };
            self.surgery(vec![Entry { address: None, step: None, event, writes }]).await?;
        }
        Ok(changed)
    }

    /// The journals of an export that are not known here, ready to be written. What was in doubt in one
    /// that is known stays as it is recorded now: it may have been settled since.
    fn take_doubt(
        &self,
        export: &mut Export,
        current: &BTreeMap<String, Json>,
    ) -> Result<Vec<(String, Vec<Record>)>, Failure> {
        let mut unknown = Vec::new();
        for (run, bodies) in std::mem::take(&mut export.journals) {
            let Some(history) = read_history(&bodies)? else { continue };
            if current.contains_key(&run_key(&run)) {
                keep_settled(export, current, &history);
                continue;
            }
            let record = export.state.get(&run_key(&run)).cloned();
            let record = record.ok_or_else(|| refused(format!("nothing is recorded of run {run}")))?;
            let record: RunRecord = serde_json::from_value(record).map_err(|error| refused(error.to_string()))?;
            let lineage = record.lineage.clone().unwrap_or_else(|| export.lineage.clone());
            let elsewhere = (lineage != self.lineage()).then_some(lineage);
            let write = put_run(&RunRecord { lineage: elsewhere, ..record }).map_err(|e| journal_stop(&e.into()))?;
            let mut records: Vec<Record> = bodies.into_iter().map(|body| Record { body, writes: Vec::new() }).collect();
            if let Some(last) = records.last_mut() {
                last.writes.push(write);
            }
            unknown.push((run, records));
        }
        Ok(unknown)
    }
}

/// Keeps what is recorded now where something was in doubt when the export was made.
fn keep_settled(export: &mut Export, current: &BTreeMap<String, Json>, history: &RunHistory) {
    let steps = history.in_doubt().map(|step| &step.id);
    for id in steps.chain(history.undos_in_doubt().map(|undo| &undo.id)) {
        let object = object_key(&id.address, &ObjectKey::Current);
        for key in [object, object_key(&id.address, &id.object), generation_key(&id.address), effects_key(&id.address)]
        {
            match current.get(&key) {
                Some(value) => export.state.insert(key, value.clone()),
                None => export.state.remove(&key),
            };
        }
    }
}

//! What can be seen without the lock: the record, the runs, and what is in doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::engine::workspace::{holder, key_source, store_directory, store_failure};
use crate::engine::{Failure, Options};
use crate::plan::InDoubt;
use crate::reconcile::AtWork;
use crate::rest::know_sealed;
use crate::saga::history::{self, RunHistory};
use crate::saga::{RunState, State, codes};
use crate::store::{self, Owner, Reader, Sealer};

/// The record as it is now, also while a run changes it.
pub struct Look {
    reader: Reader,
    /// What is recorded. Runs that nobody works on any more are `interrupted`.
    pub state: State,
    /// Who holds the lock.
    pub owner: Option<Owner>,
}

/// Whether anything was ever recorded. Its mirror may be damaged: whoever opens the store mends that.
pub fn has_state(options: &Options, stack: Option<&Stack>) -> Result<bool, Failure> {
    store::exists(&store_directory(options, stack)?).map_err(store_failure)
}

/// Looks at the store of a stack; `None` when there is none yet.
pub fn look(options: &Options, stack: Option<&Stack>) -> Result<Option<Look>, Failure> {
    look_and(options, stack, &mut |_| {})
}

/// The same, with what the store holds shown as it is kept.
pub(super) fn look_and(
    options: &Options,
    stack: Option<&Stack>,
    seen: &mut dyn FnMut(&BTreeMap<String, Json>),
) -> Result<Option<Look>, Failure> {
    let directory = store_directory(options, stack)?;
    let key = key_source(options)?;
    let Some(reader) = Reader::open(&directory, &key).map_err(store_failure)? else { return Ok(None) };
    reader.check(holder(options, stack).as_ref()).map_err(store_failure)?;
    let owner = reader.owner().map_err(store_failure)?;
    let records = reader.state().map_err(store_failure)?;
    seen(&records);
    let mut state =
        State::read(records).map_err(|error| Failure::one(Diagnostic::error(codes::RECORD, error.to_string())))?;
    if owner.is_none() {
        for record in state.runs.values_mut() {
            if record.state.may_become(RunState::Interrupted) && !record.state.is_final() {
                record.state = RunState::Interrupted;
            }
        }
    }
    Ok(Some(Look { reader, state, owner }))
}

impl Look {
    /// The lineage of the store.
    pub fn lineage(&self) -> &str {
        self.reader.lineage()
    }

    /// Opens secrets.
    pub fn seal(&self) -> &Sealer {
        self.reader.sealer()
    }

    /// The whole state as one document, secrets sealed. The journals of runs that left something in
    /// doubt, or have something in flight, are part of it: restored elsewhere, it is in doubt there.
    pub fn export(&self) -> Result<Json, Failure> {
        let mut journals = BTreeMap::new();
        for (run, record) in &self.state.runs {
            if record.accepted {
                continue;
            }
            let Some((bodies, history)) = self.bodies(run)? else { continue };
            if !history.has_doubt() {
                continue;
            }
            for of in history.undos.iter().map(|undo| &undo.of) {
                if let Some((bodies, _)) = self.bodies(of)? {
                    journals.insert(of.clone(), bodies);
                }
            }
            journals.insert(run.clone(), bodies);
        }
        // The state comes last: what ended since the journals were read is in it, and merely looked at again.
        self.reader.export(journals).map_err(store_failure)
    }

    /// The records of a run as they are written, and what they amount to.
    fn bodies(&self, run: &str) -> Result<Option<(Vec<Json>, RunHistory)>, Failure> {
        let records = self.reader.run(run).map_err(store_failure)?;
        let bodies: Vec<Json> = records.into_iter().map(|record| record.body).collect();
        bodies.iter().for_each(|body| know_sealed(body, self.seal()));
        Ok(read_history(&bodies)?.map(|history| (bodies, history)))
    }

    /// What is written about a run; `None` when there is no such run.
    pub fn journal(&self, run: &str) -> Result<Option<RunHistory>, Failure> {
        Ok(self.bodies(run)?.map(|(_, history)| history))
    }

    /// Who changes things just now, and what is in flight; `None` when nobody does.
    pub fn at_work(&self) -> Result<Option<AtWork>, Failure> {
        let Some(owner) = &self.owner else { return Ok(None) };
        let mut in_flight = BTreeSet::new();
        for (run, record) in self.state.runs.iter().filter(|(_, record)| !record.state.is_final()) {
            // What it unwinds is at work in the run that unwinds it.
            let Some(history) = self.journal(run)?.filter(|_| record.state != RunState::Compensating) else { continue };
            in_flight.extend(history.in_doubt().map(|step| step.id.address.clone()));
            in_flight.extend(history.undos_in_doubt().map(|undo| undo.id.address.clone()));
        }
        Ok(Some(AtWork { who: owner.to_string(), in_flight }))
    }

    /// What earlier runs left in doubt. While somebody holds the lock, steps are in flight, not in
    /// doubt.
    pub fn in_doubt(&self) -> Result<Vec<InDoubt>, Failure> {
        if self.owner.is_some() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for (run, record) in &self.state.runs {
            if !matches!(record.state, RunState::Interrupted | RunState::NeedsReview | RunState::Compensating) {
                continue;
            }
            let Some(history) = self.journal(run)? else { continue };
            for step in history.in_doubt() {
                found.push(InDoubt {
                    address: step.id.address.clone(),
                    step: step.id.to_string(),
                    run: run.clone(),
                    reason: doubt_reason(step.failure.as_ref().map(|failure| failure.message.as_str())),
                });
            }
            for undo in history.undos_in_doubt() {
                found.push(InDoubt {
                    address: undo.id.address.clone(),
                    step: undo.id.to_string(),
                    run: run.clone(),
                    reason: "its undo began, and nothing says how it ended".into(),
                });
            }
        }
        Ok(found)
    }
}

fn doubt_reason(failure: Option<&str>) -> String {
    match failure {
        Some(failure) => failure.to_owned(),
        None => "it began, and nothing says how it ended".to_owned(),
    }
}

/// Reads a run's records.
pub fn read_history(bodies: &[Json]) -> Result<Option<RunHistory>, Failure> {
    history::read(bodies).map_err(|error| {
        Failure::one(
            Diagnostic::error(codes::JOURNAL, error.to_string()).hint("`retrue state recover` saves what can be read"),
        )
    })
}

/// The recorded outputs; those that are sensitive are marked.
pub fn outputs(look: &Look) -> Result<BTreeMap<Arc<str>, retrue_provider_api::Value>, Failure> {
    look.state
        .outputs
        .iter()
        .map(|(name, resting)| {
            let value = resting
                .wake(look.seal())
                .map_err(|error| Failure::one(Diagnostic::error(codes::SEALED, error.to_string())))?;
            Ok((Arc::from(name.as_str()), value))
        })
        .collect()
}

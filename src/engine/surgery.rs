//! Surgery: a person changes the record, or says what is true. Each leaves a journal record.

use serde_json::Value as Json;

use crate::address::{Address, Mode};
use crate::apply::settle::{providers_of, reopened, write_verdict};
use crate::diagnostic::Diagnostic;
use crate::engine::session::journal_stop;
use crate::engine::workspace::store_failure;
use crate::engine::{Cancellation, Failure, Observer, Session};
use crate::plan::{ObjectKey, StepEffect};
use crate::saga::history::StepHistory;
use crate::saga::journal::Entry;
use crate::saga::state::{generation_key, object_key};
use crate::saga::{Counts, Event, RecordedObject, ResolvedOutcome, RestingObject, RunState, State, codes};
use crate::store::{Export, Write};

/// A person's answer for what is in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It exists, and this is its id.
    Exists(String),
    /// It does not exist.
    Absent,
    /// The step was carried out.
    Applied,
    /// The step was not carried out.
    NotApplied,
}

fn not_recorded(address: &Address, state: &State) -> Failure {
    let known: Vec<String> = state.current().map(|(address, _)| address.to_string()).collect();
    let mut problem = Diagnostic::error(codes::NOT_RECORDED, format!("nothing is recorded as `{address}`"));
    if let Some(near) = crate::expression::nearest(&address.to_string(), known.iter().map(String::as_str)) {
        problem = problem.hint(format!("did you mean `{near}`?"));
    }
    Failure::one(problem)
}

/// Whether what is recorded at one address could be meant by the other.
fn may_move(from: &Address, to: &Address) -> Result<(), Failure> {
    let refused = |message: String, hint: &str| {
        Err(Failure::one(Diagnostic::error(crate::config::codes::BAD_MOVE, message).hint(hint)))
    };
    if let Some(data) = [from, to].into_iter().find(|address| address.block.mode == Mode::Data) {
        return refused(format!("`{data}` is data, and data is not recorded"), "only resources can be moved");
    }
    if from.type_name() != to.type_name() {
        return refused(
            format!("`{from}` cannot become `{to}`: it is a `{}`, not a `{}`", from.type_name(), to.type_name()),
            "a move gives a new name; forget it with `retrue state rm`, and let the new block adopt what is there",
        );
    }
    Ok(())
}

impl Session {
    /// Moves what is recorded from one address to another. Without a key, all instances of a block.
    pub async fn state_mv(&self, from: &Address, to: &Address) -> Result<Vec<(Address, Address)>, Failure> {
        may_move(from, to)?;
        let state = self.state().await?;
        let whole = from.key.is_none() && to.key.is_none();
        let sources: Vec<Address> = state
            .addresses
            .iter()
            .filter(|(address, entry)| {
                let meant = if whole { address.block == from.block } else { *address == from };
                meant && (entry.current.is_some() || !entry.deposed.is_empty())
            })
            .map(|(address, _)| address.clone())
            .collect();
        if sources.is_empty() {
            return Err(not_recorded(from, &state));
        }
        let mut entries = Vec::new();
        let mut moved = Vec::new();
        for source in sources {
            let target = if whole { to.block.instance(source.key.clone()) } else { to.clone() };
            let taken = state.addresses.get(&target).is_some_and(|entry| entry.current.is_some());
            if taken {
                return Err(Failure::one(
                    Diagnostic::error(codes::ADDRESS_TAKEN, format!("something is recorded as `{target}` already"))
                        .hint(format!("move it away first, or `retrue state rm {target}`")),
                ));
            }
            let Some(entry) = state.addresses.get(&source) else { continue };
            let mut writes = Vec::new();
            let objects = entry
                .current
                .iter()
                .map(|object| (ObjectKey::Current, object))
                .chain(entry.deposed.iter().map(|(key, object)| (ObjectKey::Deposed(key.as_str().into()), object)));
            for (key, object) in objects {
                writes.push(Write::Delete { key: object_key(&source, &key) });
                let value = serde_json::to_value(object).map_err(|error| journal_stop(&error.into()))?;
                writes.push(Write::Put { key: object_key(&target, &key), value });
            }
            let generation = entry.generation.max(state.generation(&target));
            writes.push(Write::Put { key: generation_key(&target), value: Json::from(generation) });
            entries.push(Entry {
                address: Some(target.clone()),
                step: None,
                event: Event::Recorded {
                    what: format!("it was `{source}`"),
                    object: entry.current.clone().map(Box::new),
                },
                writes,
            });
            moved.push((source, target));
        }
        self.surgery(entries).await?;
        Ok(moved)
    }

    /// Drops what is recorded; nothing outside changes. Without a key, all instances of a block.
    pub async fn state_rm(&self, address: &Address) -> Result<Vec<Address>, Failure> {
        let state = self.state().await?;
        let meant: Vec<Address> = state
            .addresses
            .iter()
            .filter(|(known, entry)| {
                let same = *known == address || (address.key.is_none() && known.block == address.block);
                same && (entry.current.is_some() || !entry.deposed.is_empty())
            })
            .map(|(known, _)| known.clone())
            .collect();
        if meant.is_empty() {
            return Err(not_recorded(address, &state));
        }
        let mut entries = Vec::new();
        for known in &meant {
            let Some(entry) = state.addresses.get(known) else { continue };
            let keys = entry
                .current
                .iter()
                .map(|_| ObjectKey::Current)
                .chain(entry.deposed.keys().map(|key| ObjectKey::Deposed(key.as_str().into())));
            let writes = keys.map(|key| Write::Delete { key: object_key(known, &key) }).collect();
            entries.push(Entry {
                address: Some(known.clone()),
                step: None,
                event: Event::Recorded { what: "its record was dropped by hand".into(), object: None },
                writes,
            });
        }
        self.surgery(entries).await?;
        Ok(meant)
    }

    /// Puts an exported state in the place of what is recorded. Runs stay as they are.
    pub async fn state_restore(&self, document: &Json) -> Result<usize, Failure> {
        let mut export = Export::from_document(document).map_err(store_failure)?;
        let current = self.store.state().await.map_err(store_failure)?;
        // Runs and counters of generations are history: they are not taken back.
        export.state.retain(|key, _| !key.starts_with("run/"));
        for (key, value) in &current {
            if key.starts_with("run/") {
                export.state.insert(key.clone(), value.clone());
            } else if key.starts_with("generation/") {
                let now = value.as_u64().unwrap_or(0);
                let restored = export.state.get(key).and_then(Json::as_u64).unwrap_or(0);
                export.state.insert(key.clone(), Json::from(now.max(restored)));
            }
        }
        State::read(&export.state)
            .map_err(|error| Failure::one(Diagnostic::error(codes::RESTORE, error.to_string())))?;
        let writes = export.writes(&current);
        let changed = writes.len();
        if changed > 0 {
            let event = Event::Recorded { what: "an exported state was restored".into(), object: None };
            self.surgery(vec![Entry { address: None, step: None, event, writes }]).await?;
        }
        Ok(changed)
    }

    /// Adds a person's remark to a run.
    pub async fn note(&self, run: &str, text: &str) -> Result<String, Failure> {
        let (record, history) = self.run(run).await?;
        let journal = reopened(&self.store, &self.clock, &record, &history);
        let event = Event::Note { actor: self.options.actor.clone(), text: text.to_owned() };
        journal.write(vec![Entry::run(event)]).await.map_err(|error| journal_stop(&error))?;
        Ok(record.run)
    }

    /// Closes a run for good: it cannot be unwound any more, and its images go.
    pub async fn accept_run(&self, run: &str) -> Result<String, Failure> {
        let (record, _) = self.run(run).await?;
        if !record.state.is_final() || record.state == RunState::NeedsReview {
            return Err(Failure::one(Diagnostic::error(
                codes::NOT_COMPENSABLE,
                format!("run {} cannot be closed: it is {}", record.run, record.state.word()),
            )));
        }
        if !record.accepted {
            self.accept(&record.run, &format!("accepted by {}", self.options.actor)).await?;
            self.collect().await?;
        }
        Ok(record.run)
    }

    /// Takes a person's answer for what is in doubt at an address.
    pub async fn resolve(
        &self,
        address: &Address,
        answer: &Answer,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<String, Failure> {
        let state = self.state().await?;
        for record in state.runs.values().rev() {
            if record.state.is_final() && record.state != RunState::NeedsReview {
                continue;
            }
            let Some(history) = self.history(&record.run).await? else { continue };
            let Some(step) = history.in_doubt().find(|step| step.id.address == *address) else { continue };
            let providers = providers_of(&history, self.seal(), &self.options.directory, &|source| self.source(source))
                .await
                .map_err(Failure::one)?;
            let journal = reopened(&self.store, &self.clock, record, &history);
            let caller = self.caller(journal, cancellation, observer);
            let (outcome, object, how) = self.answered(step, answer, &providers).await?;
            write_verdict(&caller, &record.run, step, outcome, object, &how)
                .await
                .map_err(|_| Failure::one(Diagnostic::error(codes::JOURNAL, "the answer cannot be written down")))?;
            let left = history.in_doubt().filter(|other| other.id != step.id).count();
            if left == 0 {
                let next = if record.state == RunState::NeedsReview {
                    RunState::FailedPermanent
                } else {
                    RunState::Interrupted
                };
                let counts = Counts { unknown: 0, ..record.counts };
                caller
                    .journal
                    .finish(next, counts, Some("its doubt was settled by a person".into()))
                    .await
                    .map_err(|error| journal_stop(&error))?;
            }
            return Ok(how);
        }
        Err(Failure::one(
            Diagnostic::error(codes::NOT_IN_DOUBT, format!("nothing is in doubt at `{address}`"))
                .hint("`retrue plan` reports what is in doubt"),
        ))
    }

    async fn answered(
        &self,
        step: &StepHistory,
        answer: &Answer,
        providers: &crate::survey::Providers,
    ) -> Result<(ResolvedOutcome, Option<RecordedObject>, String), Failure> {
        let actor = &self.options.actor;
        let template = || -> Result<Option<RecordedObject>, Failure> {
            let resting = step.begin.as_ref().and_then(|begin| begin.template.as_ref());
            resting
                .map(|resting: &RestingObject| resting.wake(self.seal()))
                .transpose()
                .map_err(|error| Failure::one(Diagnostic::error(codes::SEALED, error.to_string())))
        };
        let misfit = |what: &str| {
            Failure::one(Diagnostic::error(
                codes::NOT_IN_DOUBT,
                format!("this does not answer what is in doubt about `{}`: {what}", step.id.address),
            ))
        };
        match (answer, step.id.effect) {
            (Answer::Absent, StepEffect::Create) | (Answer::NotApplied, _) => {
                Ok((ResolvedOutcome::NotApplied, None, format!("{actor} said that it was not carried out")))
            }
            (Answer::Absent | Answer::Applied, StepEffect::Delete) => {
                Ok((ResolvedOutcome::Applied, None, format!("{actor} said that it is gone")))
            }
            (Answer::Absent, _) => Err(misfit("an update leaves something behind: use --applied or --not-applied")),
            (Answer::Applied, _) => {
                let object = template()?.ok_or_else(|| misfit("there is nothing to record"))?;
                let known = object.attributes.is_wholly_known();
                if !known {
                    return Err(misfit("what it returned is not known: use --id"));
                }
                Ok((ResolvedOutcome::Applied, Some(object), format!("{actor} said that it was carried out")))
            }
            (Answer::Exists(_), StepEffect::Delete) => {
                Ok((ResolvedOutcome::NotApplied, None, format!("{actor} said that it is still there")))
            }
            (Answer::Exists(id), _) => {
                let mut object = template()?.ok_or_else(|| misfit("there is nothing to record"))?;
                self.import_into(&mut object, step, id, providers).await?;
                Ok((ResolvedOutcome::Applied, Some(object), format!("{actor} said that it is `{id}`")))
            }
        }
    }

    /// Reads what a person named, and takes it for what the step made.
    async fn import_into(
        &self,
        object: &mut RecordedObject,
        step: &StepHistory,
        id: &str,
        providers: &crate::survey::Providers,
    ) -> Result<(), Failure> {
        let address = &step.id.address;
        let problem = |text: String| Failure::one(Diagnostic::error(crate::plan::codes::PROVIDER, text));
        let configured = providers
            .get(&object.provider.instance)
            .ok_or_else(|| problem(format!("there is no provider `{}`", object.provider.instance)))?;
        let calls = crate::survey::Calls::reading(tokio_util::sync::CancellationToken::new());
        let limit = configured.provider.capability(address.type_name(), &object.config).time_limits.read;
        let context = calls.context(address, limit);
        let request =
            retrue_provider_api::ImportRequest { type_name: address.type_name().to_owned(), id: id.to_owned() };
        let found = configured
            .provider
            .import(&context, request)
            .await
            .map_err(|error| problem(format!("`{id}` cannot be read: {error}")))?;
        let imported = found
            .into_iter()
            .find(|imported| imported.type_name == address.type_name())
            .ok_or_else(|| problem(format!("there is no `{id}`")))?;
        let schema = configured.schema.resources.get(address.type_name());
        let empty = retrue_provider_api::Block::default();
        let block = schema.map_or(&empty, |schema| &schema.block);
        object.attributes = crate::plan::marks::mark_planned(block, imported.object.state, Some(&object.attributes));
        object.private = imported.object.private;
        object.identity = imported.object.identity;
        Ok(())
    }
}

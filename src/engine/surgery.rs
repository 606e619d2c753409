//! Surgery: a person changes the record, or says what is true. Each leaves a journal record.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::address::{Address, BlockAddress, Mode};
use crate::apply::settle::reopened;
use crate::diagnostic::Diagnostic;
use crate::engine::ledger::Decision;
use crate::engine::session::journal_stop;
use crate::engine::workspace::store_failure;
use crate::engine::{CompensateOptions, Failure, FailureKind, Session};
use crate::plan::ObjectKey;
use crate::rest::know_sealed;
use crate::saga::journal::Entry;
use crate::saga::object::Renames;
use crate::saga::state::{generation_key, object_key};
use crate::saga::{Event, RunState, State, codes};
use crate::store::Write;

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
    if let Some(other) = [from, to].into_iter().find(|address| address.block.mode != Mode::Managed) {
        let noun = other.block.mode.noun();
        return refused(
            format!("`{other}` is no resource but a {noun}, which is not recorded")
                .replace("a ephemeral", "an ephemeral"),
            "only resources can be moved",
        );
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
        // Doubt stays with the address that it is about: what was moved away from it would not wait.
        if let Some(doubt) = self.open_doubt().await?.into_iter().find(|doubt| sources.contains(&doubt.address)) {
            let problem = format!("`{}` cannot be moved: it is in doubt what became of it", doubt.address);
            return Err(Failure::one(
                Diagnostic::error(codes::IN_DOUBT, problem)
                    .hint("`retrue apply` looks; what it cannot tell, `retrue resolve ADDR` takes from you"),
            )
            .kind(FailureKind::NeedsPerson));
        }
        let mut entries = Vec::new();
        let mut moved: Vec<(Address, Address)> = Vec::new();
        for source in sources {
            let target = if whole { to.block.instance(source.key.clone()) } else { to.clone() };
            let Some(entry) = state.addresses.get(&source) else { continue };
            let taken = state.addresses.get(&target).is_some_and(|there| {
                there.current.is_some() || entry.deposed.keys().any(|key| there.deposed.contains_key(key))
            });
            if taken {
                return Err(Failure::one(
                    Diagnostic::error(codes::ADDRESS_TAKEN, format!("something is recorded as `{target}` already"))
                        .hint(format!("move it away first, or `retrue state rm {target}`")),
                ));
            }
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
        // What depends on it, or took values from it, follows: a later destroy needs the order.
        let gone: BTreeSet<&Address> = moved.iter().map(|(source, _)| source).collect();
        let stays = |block: &BlockAddress| {
            let mut instances = state.addresses.range(block.instance(None)..).take_while(|(of, _)| of.block == *block);
            instances.any(|(of, entry)| entry.current.is_some() && !gone.contains(of))
        };
        let mut renames = Renames { addresses: moved.iter().cloned().collect(), ..Renames::default() };
        for (source, target) in moved.iter().filter(|(source, target)| source.block != target.block) {
            let (targets, _) = renames.blocks.entry(source.block.clone()).or_default();
            targets.insert(target.block.clone());
        }
        for (block, (_, emptied)) in &mut renames.blocks {
            *emptied = !stays(block);
        }
        for (address, entry) in state.addresses.iter().filter(|(address, _)| !gone.contains(*address)) {
            let renamed = entry.current.as_ref().and_then(|object| object.renamed(&renames));
            let Some(renamed) = renamed else { continue };
            let value = serde_json::to_value(&renamed).map_err(|error| journal_stop(&error.into()))?;
            let event = Event::Recorded { what: "what it depends on was renamed".into(), object: None };
            let writes = vec![Write::Put { key: object_key(address, &ObjectKey::Current), value }];
            entries.push(Entry { address: Some(address.clone()), step: None, event, writes });
        }
        self.surgery(entries).await?;
        Ok(moved)
    }

    /// Drops what is recorded, all of it in one run or nothing; nothing outside changes. An address
    /// without a key stands for all instances of a block.
    pub async fn state_rm(&self, addresses: &[Address]) -> Result<Vec<Address>, Failure> {
        let state = self.state().await?;
        let mut meant: BTreeSet<Address> = BTreeSet::new();
        let mut missing = Vec::new();
        for address in addresses {
            let found = state.addresses.iter().filter(|(known, entry)| {
                let same = *known == address || (address.key.is_none() && known.block == address.block);
                same && (entry.current.is_some() || !entry.deposed.is_empty())
            });
            let found: Vec<Address> = found.map(|(known, _)| known.clone()).collect();
            if found.is_empty() {
                missing.extend(not_recorded(address, &state).diagnostics);
            }
            meant.extend(found);
        }
        if !missing.is_empty() {
            return Err(Failure::many(missing, Default::default()));
        }
        let meant: Vec<Address> = meant.into_iter().collect();
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

    /// Writes down what was taken over from elsewhere, all of it in one record or nothing.
    pub(super) async fn record_migration(&self, what: String, writes: Vec<Write>) -> Result<(), Failure> {
        let event = Event::Recorded { what, object: None };
        self.surgery(vec![Entry { address: None, step: None, event, writes }]).await?;
        Ok(())
    }

    /// Has the secrets of the record known: people repeat them in what they write.
    async fn know_recorded(&self) -> Result<(), Failure> {
        let records = self.store.state().await.map_err(store_failure)?;
        let seal = self.store.sealer();
        records.values().for_each(|record| know_sealed(record, seal));
        Ok(())
    }

    /// Adds a person's remark to a run.
    pub async fn note(&self, run: &str, text: &str) -> Result<String, Failure> {
        let (record, history) = self.run(run).await?;
        self.know_recorded().await?;
        let journal = reopened(&self.store, &self.clock, &record, &history);
        let event = Event::Note { actor: self.options.actor.clone(), text: text.to_owned() };
        journal.write(vec![Entry::run(event)]).await.map_err(|error| journal_stop(&error))?;
        Ok(record.run)
    }

    /// Writes down what a person decided about a run that failed: in a word, and for people.
    ///
    /// # Errors
    /// There is no such run, it did not fail, or something of it is in doubt.
    pub async fn review_run(&self, run: &str, decision: Decision, note: Option<&str>) -> Result<String, Failure> {
        let (record, history) = self.run(run).await?;
        let failed = matches!(
            record.state,
            RunState::FailedTransient
                | RunState::FailedPermanent
                | RunState::NeedsReview
                | RunState::Interrupted
                | RunState::Cancelled
        );
        // The lock is ours: what has not ended was cut off, and nobody has looked since.
        let failed = failed || record.state.may_become(RunState::Interrupted);
        if !failed {
            let what = format!("run {} is {}: there is nothing to decide", record.run, record.state.word());
            return Err(Failure::one(
                Diagnostic::error(codes::NOTHING_TO_REVIEW, what)
                    .hint("`retrue runs list` shows the runs, `retrue runs note` keeps a remark about any of them"),
            ));
        }
        if decision == Decision::GiveUp && history.has_doubt() {
            let what = format!("run {} cannot be given up: something of it is in doubt", record.run);
            return Err(Failure::one(
                Diagnostic::error(codes::NOTHING_TO_REVIEW, what)
                    .hint("`retrue plan` reports what is in doubt, and `retrue resolve ADDR` takes your answer"),
            ));
        }
        self.know_recorded().await?;
        let journal = reopened(&self.store, &self.clock, &record, &history);
        let actor = self.options.actor.clone();
        let review = Event::Review { actor: actor.clone(), decision: decision.word().to_owned() };
        let note = note.map(|text| Event::Note { actor, text: text.to_owned() });
        let entries = [review].into_iter().chain(note).map(Entry::run).collect();
        journal.write(entries).await.map_err(|error| journal_stop(&error))?;
        Ok(record.run)
    }

    /// Closes runs, and removes their journals: those that started more than `older` ago, and all but the newest
    /// `keep`. What is in doubt stays, and so does what `compensate` would unwind now. Returns them, oldest first.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn prune_runs(
        &self,
        older: Option<std::time::Duration>,
        keep: Option<usize>,
    ) -> Result<Vec<String>, Failure> {
        let state = self.state().await?;
        let needed: BTreeSet<String> = match self.compensation(&CompensateOptions::default()).await {
            Ok(Some(compensation)) => compensation.runs.iter().map(|record| record.run.clone()).collect(),
            Ok(None) => BTreeSet::new(),
            // Nothing can be unwound now; whatever it is that stands in the way is older than what is kept.
            Err(_) => state.runs.keys().next_back().cloned().into_iter().collect(),
        };
        let old: BTreeSet<String> = match older {
            Some(older) => self.old(&state, older).map(|record| record.run.clone()).collect(),
            None => BTreeSet::new(),
        };
        let surplus = keep.map_or(0, |keep| state.runs.len().saturating_sub(keep));
        let mut pruned = Vec::new();
        for (position, record) in state.runs.values().enumerate() {
            // Of one that unwinds them, too, what it has undone already must be known.
            let needed = needed.contains(&record.run) || record.compensates.iter().any(|run| needed.contains(run));
            if needed || !(old.contains(&record.run) || position < surplus) {
                continue;
            }
            if let Some(history) = self.history(&record.run).await? {
                if history.has_doubt() {
                    continue;
                }
                if !record.accepted {
                    self.accept(record.clone(), &history, &format!("pruned by {}", self.options.actor)).await?;
                }
                self.store.remove_run(&record.run).await.map_err(store_failure)?;
                pruned.push(record.run.clone());
            }
        }
        if !pruned.is_empty() {
            self.collect().await?;
        }
        Ok(pruned)
    }

    /// Closes a run for good: it cannot be unwound any more, and its images go.
    pub async fn accept_run(&self, run: &str) -> Result<String, Failure> {
        let (record, history) = self.run(run).await?;
        if history.has_doubt() {
            return Err(Failure::one(
                Diagnostic::error(
                    codes::NOT_COMPENSABLE,
                    format!("run {} cannot be closed: something of it is in doubt", record.run),
                )
                .hint("`retrue plan` reports what is in doubt, and `retrue resolve ADDR` takes your answer"),
            ));
        }
        if !record.accepted {
            let reason = format!("accepted by {}", self.options.actor);
            self.accept(record.clone(), &history, &reason).await?;
            self.collect().await?;
        }
        Ok(record.run)
    }
}

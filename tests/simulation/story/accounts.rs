//! Holds what is recorded against what exists: the one place where a story reads the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use retrue::plan::StepEffect;
use retrue::saga::history::{self, StepHistory};
use retrue::saga::{RunKind, RunRecord, RunState, State};
use retrue::store::{MemoryImage, MemoryStore, Sealer};

use super::super::stack::{address, addressed};
use super::{Judged, KEY, LINEAGE, Recorded, Story, violation};

impl Story<'_> {
    /// An unwinding that nobody gave a name takes the newest run of which something is there, or may be: by the
    /// journals, as they are once it has settled what it could.
    pub(super) fn began_with_the_newest(&self, before: &MemoryImage) -> Judged<()> {
        let read = |image: &MemoryImage| State::read(image.state().clone()).ok();
        let (Some(was), Some(is)) = (read(before), read(&self.image)) else { return Ok(()) };
        let unwinding = is.runs.values().filter(|record| record.kind == RunKind::Compensate);
        let Some(unwinding) = unwinding.rev().find(|record| !was.runs.contains_key(&record.run)) else {
            return Ok(());
        };
        let open = |record: &&RunRecord| {
            let unwound = matches!(record.state, RunState::Compensated | RunState::CompensatedPartly);
            record.kind.can_be_compensated() && !record.accepted && !unwound
        };
        for record in was.runs.values().rev().filter(open) {
            let bodies = self.image.runs().get(&record.run).into_iter().flatten().map(|line| line.body.clone());
            let Ok(Some(history)) = history::read(&bodies.collect::<Vec<_>>()) else { continue };
            // A record that is only brought up to date is nothing that anybody would want to unwind.
            let upkeep = |step: &StepHistory| step.id.effect == StepEffect::Record && step.moved_from().is_none();
            let left = |step: &StepHistory| step.status.may_have_happened() && !upkeep(step);
            if !history.steps.iter().any(left) {
                continue;
            }
            if unwinding.compensates.contains(&record.run) {
                return Ok(());
            }
            let what = format!("{} was passed over: {} unwinds {:?}", record.run, unwinding.run, unwinding.compensates);
            return violation("an unwinding begins with what was done last", what);
        }
        Ok(())
    }

    /// Whether there is a run of this round to be unwound.
    pub(super) fn can_unwind(&self, newest: Option<&str>) -> bool {
        let Ok(state) = State::read(self.image.state().clone()) else { return false };
        let unwound = |state| matches!(state, RunState::Compensated | RunState::CompensatedPartly);
        state.runs.values().any(|record| {
            newest.is_none_or(|newest| record.run.as_str() > newest)
                && record.kind.can_be_compensated()
                && record.may_have_changed()
                && !record.accepted
                && !unwound(record.state)
        })
    }

    /// What is recorded.
    pub(super) fn recorded(&self) -> Judged<Recorded> {
        let sealer = Sealer::new(&KEY);
        let state = match State::read(self.image.state().clone()) {
            Ok(state) => state,
            Err(error) => return violation("the state can be read", error.to_string()),
        };
        let mut known = BTreeSet::new();
        for (address, entry) in &state.addresses {
            let collection = format!("{}s", address.block.type_name.trim_start_matches("testcloud_"));
            for object in entry.current.iter().chain(entry.deposed.values()) {
                let Ok(object) = object.wake(&sealer) else {
                    return violation("the state can be read", format!("{address} cannot be opened"));
                };
                let key = match collection.as_str() {
                    "buckets" | "databases" => object.attributes.get("name"),
                    _ => object.attributes.get("id"),
                };
                let key = key.map(|key| key.clone().unmark_deep().0);
                if let Some(key) = key.as_ref().and_then(|key| key.as_str()) {
                    known.insert((collection.clone(), key.to_owned()));
                }
            }
        }
        let store = MemoryStore::reopen(LINEAGE, &KEY, self.image.clone());
        let doubts = super::super::life::doubts(Arc::new(store), Arc::clone(&self.clock), self.directory.path());
        Ok((known, doubts.into_iter().map(|doubt| doubt.address.to_string()).collect()))
    }

    /// No orphan: what exists is recorded, or named as in doubt.
    pub(super) fn accounted(&self) -> Judged<()> {
        let (known, doubts) = self.recorded()?;
        if let Some((rule, what)) = self.outsiders.judge(&self.cloud, &known, &doubts) {
            return violation(rule, what);
        }
        for object in self.truth() {
            if known.contains(&(object.collection.clone(), object.id.clone())) || self.outsiders.explains(&object) {
                continue;
            }
            let named = match object.collection.as_str() {
                "instances" => addressed(&object).is_some_and(|address| doubts.contains(&address)),
                "networks" => {
                    let name = object.attributes.get("name").and_then(|name| name.as_str()).unwrap_or_default();
                    doubts.contains(&address(name.trim_start_matches('n').parse().unwrap_or(u8::MAX)))
                }
                "buckets" => {
                    let slot = object.id.trim_start_matches('b').split('-').next().and_then(|slot| slot.parse().ok());
                    doubts.contains(&address(slot.unwrap_or(u8::MAX)))
                }
                "databases" => doubts.contains(&address(7)),
                _ => doubts.contains(&address(8)),
            };
            if !named {
                let what = format!("{} {} is neither recorded nor in doubt: {object:?}", object.collection, object.id);
                return violation("no orphan", what);
            }
        }
        Ok(())
    }

    /// What is recorded exists, and the other way round, and nothing is in doubt.
    pub(super) fn agreed(&self) -> Judged<()> {
        let (known, doubts) = self.recorded()?;
        let truth = self.truth();
        let beside = self.outsiders.beside(&truth, &self.blocks);
        let exists: BTreeSet<(String, String)> = truth
            .into_iter()
            .filter(|object| !beside.contains(object))
            .map(|object| (object.collection, object.id))
            .collect();
        let known: BTreeSet<_> = known.into_iter().filter(|(collection, _)| collection != "retrue_datas").collect();
        if known != exists {
            return violation("what is recorded is what exists", format!("recorded {known:?}, existing {exists:?}"));
        }
        if !doubts.is_empty() {
            return violation("doubt is settled", format!("{doubts:?}"));
        }
        Ok(())
    }
}

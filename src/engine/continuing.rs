//! What a run does about those before it that did not come to their end.

use crate::apply::settle::reopened;
use crate::engine::session::journal_stop;
use crate::engine::{Failure, Session};
use crate::plan::{ObjectKey, Plan, PlanKind};
use crate::saga::journal::{Entry, put_run};
use crate::saga::state::object_key;
use crate::saga::{Event, RunKind, RunRecord, RunState, State};
use crate::store::Write;

impl Session {
    /// The records of runs whose unwinding did not come to its end, as they are once an apply goes on from what was
    /// left: again as they ended, with what was undone of them; and of those that unwound them. None, while something
    /// is in doubt.
    pub(super) async fn given_up(&self, state: &State) -> Result<Vec<RunRecord>, Failure> {
        let mut found = Vec::new();
        let waits = |record: &&RunRecord| {
            let open = matches!(record.state, RunState::Compensating | RunState::NeedsReview);
            open && record.kind.can_be_compensated() && !record.accepted
        };
        for record in state.runs.values().filter(waits) {
            let Some(history) = self.history(&record.run).await? else { continue };
            match history.machine.state() {
                Some(ended) if ended.is_final() && ended != RunState::NeedsReview && record.state.may_become(ended) => {
                    found.push(RunRecord { state: ended, ..record.clone() });
                }
                _ => {}
            }
        }
        if found.is_empty() || !self.open_doubt().await?.is_empty() {
            return Ok(Vec::new());
        }
        let runs: Vec<String> = found.iter().map(|record| record.run.clone()).collect();
        found.extend(superseded(state, &runs));
        Ok(found)
    }

    /// Where an apply or a destroy has nothing to do: the unwindings that were left are given up, as one gives them up
    /// that goes on from them. All is as declared, and a later unwinding does not go back behind that.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn as_declared(&self, plan: &Plan) -> Result<(), Failure> {
        let whole = plan.asked.targets.is_empty() && plan.is_empty() && !plan.has_upkeep();
        if !whole || !matches!(plan.kind, PlanKind::Apply | PlanKind::Destroy) {
            return Ok(());
        }
        let given_up = self.given_up(&self.state().await?).await?;
        let Some(newest) = given_up.iter().rfind(|record| record.kind.can_be_compensated()) else {
            return Ok(());
        };
        let Some(history) = self.history(&newest.run).await? else { return Ok(()) };
        let journal = reopened(&self.store, &self.clock, newest, &history);
        // The run is at its end, and so is nothing but remarked upon.
        let text = "all is as declared again: its unwinding is given up".to_owned();
        let note = Entry::run(Event::Note { actor: self.options.actor.clone(), text });
        journal.write(vec![note.with(records(&given_up)?)]).await.map_err(|error| journal_stop(&error))
    }
}

/// Runs, as they are recorded.
pub(super) fn records(runs: &[RunRecord]) -> Result<Vec<Write>, Failure> {
    runs.iter().map(put_run).collect::<Result<_, _>>().map_err(|error| journal_stop(&error.into()))
}

/// The run that the next one goes on with: one that was interrupted, or whose unwinding is given up.
pub(super) fn continued(state: &State, given_up: &[RunRecord]) -> Option<String> {
    let worth =
        |record: &&RunRecord| record.kind.can_be_compensated() && (record.may_have_changed() || record.interrupted);
    // What was unwound whole left things as they were before it.
    let mut left = state.runs.values().rev().filter(|record| record.state != RunState::Compensated);
    let newest = left.find(worth)?;
    let unwound = newest.state == RunState::CompensatedPartly;
    let open = newest.interrupted || given_up.iter().any(|record| record.run == newest.run);
    (open && !newest.accepted && !unwound).then(|| newest.run.clone())
}

/// The records of unwindings that needed a person and no longer do, because what they left of these runs is dealt with.
pub(super) fn superseded(state: &State, runs: &[String]) -> Vec<RunRecord> {
    let attempts = state.runs.values().filter(|record| {
        record.kind == RunKind::Compensate
            && record.state == RunState::NeedsReview
            && record.compensates.iter().any(|run| runs.contains(run))
    });
    attempts.map(|record| RunRecord { state: RunState::FailedPermanent, ..record.clone() }).collect()
}

/// Writes down what is replaced because something else changes, before it does; and where that is no longer so.
/// `None` where there is nothing to write.
pub(super) fn owing(plan: &Plan, state: &mut State) -> Result<Option<Entry>, Failure> {
    let mut writes = Vec::new();
    let current = plan.changes.iter().filter(|change| change.object.is_current());
    for change in current.filter(|_| plan.kind == PlanKind::Apply) {
        let at = change.moved_from.as_ref().unwrap_or(&change.address);
        let recorded = state.addresses.get_mut(at).and_then(|entry| entry.current.as_mut());
        let Some(object) = recorded.filter(|object| object.owed() != change.triggers) else { continue };
        *object = object.owing(&change.triggers);
        let value = serde_json::to_value(&*object).map_err(|error| journal_stop(&error.into()))?;
        writes.push(Write::Put { key: object_key(at, &ObjectKey::Current), value });
    }
    let what = "what is to be replaced for what changes".to_owned();
    Ok((!writes.is_empty()).then(|| Entry::run(Event::Recorded { what, object: None }).with(writes)))
}

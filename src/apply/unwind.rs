//! Unwinds runs: carries out the inverse of each step, newest first, until the world is as it was.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use retrue_provider_api::{BlobId, Reversibility, Value};

use crate::address::Address;
use crate::apply::context::Caller;
use crate::apply::pivot::held_by_pivots;
use crate::apply::undo::Worker;
use crate::engine::RunEventKind;
use crate::plan::{ObjectKey, StepEffect, StepId};
use crate::saga::compensation::{Unwinding, undos};
use crate::saga::history::RunHistory;
use crate::saga::journal::{Entry, JournalError, put_run};
use crate::saga::state::output_key;
use crate::saga::{Counts, Event, RestingObject, RunRecord, RunState, State, StepFailure};
use crate::store::Write;
use crate::survey::providers::Providers;

/// What is to be unwound.
pub struct UnwindRequest<'a> {
    /// The run that unwinds.
    pub caller: &'a Caller<'a>,
    /// The runs, newest first, with what is remembered and written of them.
    pub runs: Vec<(RunRecord, RunHistory)>,
    /// The undos that earlier attempts finished.
    pub done: BTreeSet<(String, StepId)>,
    /// What is recorded.
    pub state: &'a State,
    /// The providers of those runs.
    pub providers: &'a Providers,
    /// How many undos may run at once.
    pub parallelism: usize,
    /// Addresses at which a person gave leave to go past a pivot.
    pub past: BTreeSet<Address>,
    /// Addresses that a person wants left as they are.
    pub skip: BTreeSet<Address>,
}

/// What came of unwinding.
#[derive(Clone, Debug)]
pub struct UnwindReport {
    /// The run that unwound.
    pub run: String,
    /// The runs that were unwound, newest first.
    pub compensates: Vec<String>,
    /// How they ended: compensated, compensated in part, or in need of a person.
    pub state: RunState,
    /// How many undos ended how.
    pub counts: Counts,
    /// What failed.
    pub stuck: Vec<(Address, StepFailure)>,
    /// What was left because of a pivot, with the reason.
    pub behind_pivot: Vec<(Address, String)>,
    /// What was left out on request, or because it cannot be undone.
    pub skipped: Vec<(Address, String)>,
    /// What could not be brought back, by address.
    pub lost: Vec<(Address, String)>,
    /// Whether a person stopped it.
    pub cancelled: bool,
}

/// What came of one undo.
pub(super) enum Undid {
    Undone { lost: Vec<String>, object: Option<Box<RestingObject>> },
    Stuck(StepFailure),
}

/// New values of what was made again: what referred to the old ones follows.
pub(super) type Remade = BTreeMap<Address, Value>;

/// Unwinds. An error means that the journal cannot be written; then nothing more was done.
pub async fn unwind(request: UnwindRequest<'_>) -> Result<UnwindReport, JournalError> {
    let caller = request.caller;
    let histories: Vec<(String, RunHistory)> =
        request.runs.iter().map(|(record, history)| (record.run.clone(), history.clone())).collect();
    let unwinding = undos(&histories, &request.done);
    let list = &unwinding.undos;
    let mut report = UnwindReport {
        run: caller.journal.run().to_owned(),
        compensates: request.runs.iter().map(|(record, _)| record.run.clone()).collect(),
        state: RunState::Compensated,
        counts: Counts::default(),
        stuck: Vec::new(),
        behind_pivot: Vec::new(),
        skipped: Vec::new(),
        lost: Vec::new(),
        cancelled: false,
    };
    let held = held_by_pivots(&unwinding, &request.past);
    let mut order = Order::new(&unwinding);
    let mut live = Live::new(request.state);
    let mut remade: Remade = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < request.parallelism.max(1) && !caller.cancellation.soft.is_cancelled() {
            let Some(index) = order.next() else { break };
            let Some(undo) = list.get(index) else { continue };
            let address = &undo.step.id.address;
            let left_out = if request.skip.contains(address) {
                Some("a person asked to leave it as it is".to_owned())
            } else if let Some(Reversibility::No(reason)) = undo.step.begin.as_ref().map(|begin| &begin.reversibility) {
                Some(format!("it cannot be undone: {reason}"))
            } else {
                None
            };
            if let Some(reason) = held.get(&index) {
                report.behind_pivot.push((address.clone(), reason.clone()));
                continue;
            }
            if let Some(reason) = left_out {
                let event = Event::UndoSkipped { of: undo.run.clone(), reason: reason.clone() };
                caller.journal.write(vec![Entry::of(&undo.step.id, event)]).await?;
                report.skipped.push((address.clone(), reason));
                order.done(index);
                continue;
            }
            let object = live.object(address, &undo.step.id.object);
            let generation = live.next_generation(address);
            let remade = remade.clone();
            let worker = Worker { caller, providers: request.providers };
            running.push(async move { (index, worker.run(undo, object, generation, &remade).await) });
        }
        let Some((index, result)) = running.next().await else { break };
        let Some(undo) = list.get(index) else { continue };
        let address = undo.step.id.address.clone();
        match result? {
            Undid::Undone { lost, object } => {
                report.counts.undone += 1;
                report.lost.extend(lost.into_iter().map(|lost| (address.clone(), lost)));
                if undo.step.id.effect == StepEffect::Delete
                    && let Some(object) = &object
                    && let Ok(value) = object.attributes().wake(caller.seal)
                {
                    remade.insert(address.clone(), value.unmark_deep().0);
                }
                live.set(&address, &undo.step.id.object, object.map(|object| *object));
                order.done(index);
            }
            Undid::Stuck(failure) => {
                report.counts.stuck += 1;
                report.stuck.push((address, failure));
            }
        }
    }
    drop(running);
    report.cancelled =
        caller.cancellation.soft.is_cancelled() && report.counts.undone + report.counts.stuck < list.len();
    report.counts.skipped = report.skipped.len() + report.behind_pivot.len();
    finish(&request, &mut report).await?;
    Ok(report)
}

/// Which undo may start.
struct Order<'u> {
    unwinding: &'u Unwinding,
    waiting: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl<'u> Order<'u> {
    fn new(unwinding: &'u Unwinding) -> Self {
        let nodes = unwinding.undos.len() + unwinding.barriers.len();
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); nodes];
        let mut waiting = vec![0; nodes];
        let mut ready = BTreeSet::new();
        for node in 0..nodes {
            let after = unwinding.after(node);
            if let Some(count) = waiting.get_mut(node) {
                *count = after.len();
            }
            if after.is_empty() {
                ready.insert(node);
            }
            for before in after {
                if let Some(list) = followers.get_mut(*before) {
                    list.push(node);
                }
            }
        }
        Order { unwinding, waiting, followers, ready }
    }

    fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    fn done(&mut self, node: usize) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for follower in self.followers.get_mut(node).map(std::mem::take).unwrap_or_default() {
                let Some(count) = self.waiting.get_mut(follower) else { continue };
                *count -= 1;
                if *count == 0 {
                    if self.unwinding.is_barrier(follower) {
                        open.push(follower);
                    } else {
                        self.ready.insert(follower);
                    }
                }
            }
        }
    }
}

/// Restores the outputs and writes down how it all ended.
async fn finish(request: &UnwindRequest<'_>, report: &mut UnwindReport) -> Result<(), JournalError> {
    let caller = request.caller;
    let whole = report.stuck.is_empty() && report.behind_pivot.is_empty() && !report.cancelled;
    report.state = if !whole {
        RunState::NeedsReview
    } else if report.skipped.is_empty() {
        RunState::Compensated
    } else {
        RunState::CompensatedPartly
    };
    let mut writes = Vec::new();
    if whole {
        for (_, history) in &request.runs {
            for (name, before) in &history.outputs {
                writes.push(match before {
                    Some(value) => Write::Put { key: output_key(name), value: serde_json::to_value(value)? },
                    None => Write::Delete { key: output_key(name) },
                });
            }
        }
    }
    for (record, _) in &request.runs {
        writes.push(put_run(&RunRecord { state: report.state, ..record.clone() })?);
    }
    let what = "the runs that were unwound".to_owned();
    caller.journal.write(vec![Entry::run(Event::Recorded { what, object: None }).with(writes)]).await?;
    let state = match (report.cancelled, report.state) {
        (true, _) => RunState::Cancelled,
        (_, RunState::NeedsReview) => RunState::NeedsReview,
        _ => RunState::Succeeded,
    };
    let error = report.stuck.first().map(|(address, failure)| format!("{address}: {}", failure.message));
    caller.journal.finish(state, report.counts, error).await?;
    caller.tell(RunEventKind::RunFinished { state, counts: report.counts });
    Ok(())
}

/// What is recorded, as the undos change it.
struct Live<'a> {
    state: &'a State,
    changed: BTreeMap<(Address, ObjectKey), Option<RestingObject>>,
    generations: BTreeMap<Address, u64>,
}

impl<'a> Live<'a> {
    fn new(state: &'a State) -> Self {
        Live { state, changed: BTreeMap::new(), generations: BTreeMap::new() }
    }

    fn object(&self, address: &Address, object: &ObjectKey) -> Option<RestingObject> {
        match self.changed.get(&(address.clone(), object.clone())) {
            Some(changed) => changed.clone(),
            None => self.state.object(address, object).cloned(),
        }
    }

    fn set(&mut self, address: &Address, object: &ObjectKey, resting: Option<RestingObject>) {
        self.changed.insert((address.clone(), object.clone()), resting);
    }

    /// A generation that was never used.
    fn next_generation(&mut self, address: &Address) -> u64 {
        let last = self.generations.get(address).copied().unwrap_or_else(|| self.state.generation(address));
        self.generations.insert(address.clone(), last + 1);
        last + 1
    }
}

/// All payloads that unwinding the runs would need.
pub fn needed_blobs(history: &RunHistory) -> BTreeSet<BlobId> {
    history
        .steps
        .iter()
        .filter_map(|step| step.image.as_ref())
        .flat_map(|event| {
            let image = event.image.iter().flat_map(|stored| stored.image.blobs.iter());
            let recorded = event.recorded.iter().flat_map(|recorded| recorded.blobs().iter());
            image.chain(recorded).cloned().collect::<Vec<_>>()
        })
        .collect()
}

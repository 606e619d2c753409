//! Unwinds runs: carries out the inverse of each step, newest first, until the world is as it was.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use retrue_provider_api::{BlobId, Path, Value};

use crate::address::Address;
use crate::apply::context::Caller;
use crate::apply::held::{Hold, held, means};
use crate::apply::order::Order;
use crate::apply::undo::{Expected, Given, Place, Remade, Undid, Worker, compare, follow, referred};
use crate::apply::writes::set_object;
use crate::engine::RunEventKind;
use crate::plan::compare::differing_attributes;
use crate::plan::{ObjectKey, StepEffect, StepId};
use crate::rest::{RestingValue, Seal};
use crate::saga::compensation::{Earlier, Undo, Unwinding, stands_again, undos};
use crate::saga::history::RunHistory;
use crate::saga::journal::{Entry, JournalError, put_run};
use crate::saga::object::RestingImage;
use crate::saga::state::output_key;
use crate::saga::{Counts, Event, RecordedOutput, RestingObject, RunKind, RunRecord, RunState, State, StepFailure};
use crate::store::Write;
use crate::survey::providers::Providers;

/// What is to be unwound.
pub struct UnwindRequest<'a> {
    /// The run that unwinds.
    pub caller: &'a Caller<'a>,
    /// The runs, newest first, with what is remembered and written of them.
    pub runs: Vec<(RunRecord, RunHistory)>,
    /// What earlier attempts came to.
    pub earlier: Earlier,
    /// What earlier attempts, and unwindings of later runs, made again.
    pub remade: BTreeMap<Address, Value>,
    /// Later runs that are unwound already: their images tell what we have seen.
    pub later: Vec<RunHistory>,
    /// Earlier attempts that needed a person, as they are once this one has come to its end.
    pub attempts: Vec<RunRecord>,
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
    /// What is in doubt, with the reason; it was left, together with what it rests on.
    pub in_doubt: Vec<(Address, String)>,
    /// What was left because of a pivot, with the reason.
    pub behind_pivot: Vec<(Address, String)>,
    /// What a person asked to leave, with what that rests on.
    pub skipped: Vec<(Address, String)>,
    /// What cannot be undone at all, and nobody gave leave to go past it.
    pub irreversible: Vec<(Address, String)>,
    /// What cannot be undone at all, and a person gave leave to go past.
    pub given_up: Vec<(Address, String)>,
    /// What waits for something that is stuck or was not reached.
    pub waiting: Vec<Address>,
    /// What could not be brought back, by address.
    pub lost: Vec<(Address, String)>,
    /// What was found not to be as it was, with the attributes that differ.
    pub differing: Vec<(Address, Vec<Path>)>,
    /// What still refers to the old one of something that was made again, with the attributes that do: no
    /// step of the runs had touched it, so none was undone that could have changed it.
    pub left_behind: Vec<(Address, Vec<Path>)>,
    /// Whether a person stopped it.
    pub cancelled: bool,
}

impl UnwindReport {
    /// Whether the world is not as it was, without anybody having said that it need not be.
    pub fn differs(&self) -> bool {
        !(self.irreversible.is_empty() && self.differing.is_empty() && self.left_behind.is_empty())
    }
}

/// Unwinds. An error means that the journal cannot be written; then nothing more was done.
pub async fn unwind(request: UnwindRequest<'_>) -> Result<UnwindReport, JournalError> {
    let caller = request.caller;
    request.providers.heed(&caller.cancellation.soft);
    let histories: Vec<(String, RunHistory)> =
        request.runs.iter().map(|(record, history)| (record.run.clone(), history.clone())).collect();
    let unwinding = undos(&histories, &request.earlier);
    let mut report = UnwindReport {
        run: caller.journal.run().to_owned(),
        compensates: request.runs.iter().map(|(record, _)| record.run.clone()).collect(),
        state: RunState::Compensated,
        counts: Counts::default(),
        stuck: Vec::new(),
        in_doubt: Vec::new(),
        behind_pivot: Vec::new(),
        skipped: Vec::new(),
        irreversible: Vec::new(),
        given_up: Vec::new(),
        waiting: Vec::new(),
        lost: Vec::new(),
        differing: Vec::new(),
        left_behind: Vec::new(),
        cancelled: false,
    };
    // From here on whoever looks sees that they are being unwound, also when this is killed.
    let mark = request
        .runs
        .iter()
        .filter(|(record, _)| record.state.may_become(RunState::Compensating))
        .map(|(record, _)| put_run(&RunRecord { state: RunState::Compensating, ..record.clone() }))
        .collect::<Result<Vec<Write>, _>>()?;
    let what = "the runs that are unwound".to_owned();
    caller.journal.write(vec![Entry::run(Event::Recorded { what, object: None }).with(mark)]).await?;
    let (expected, remade) = carry_out(&request, &unwinding, &histories, &mut report).await?;
    if !caller.cancellation.soft.is_cancelled() {
        report.differing = compare(caller, request.providers, request.parallelism, expected).await?;
    }
    caller.tell_moves(request.providers).await?;
    finish(&request, &remade, &mut report).await?;
    Ok(report)
}

/// Carries out the undos. Returns what a comparison shall find, and all that was made again.
async fn carry_out(
    request: &UnwindRequest<'_>,
    unwinding: &Unwinding,
    histories: &[(String, RunHistory)],
    report: &mut UnwindReport,
) -> Result<(BTreeMap<Place, (StepId, Expected)>, Remade), JournalError> {
    let caller = request.caller;
    let list = &unwinding.undos;
    let holds = held(unwinding, &request.skip, &request.past);
    let seen = images(histories.iter().map(|(_, history)| history).chain(&request.later));
    let turned = turned(histories.iter().map(|(_, history)| history).chain(&request.later));
    let mut order = Order::new(unwinding);
    let mut live = Live::new(request.state);
    let mut remade: Remade = request.remade.clone();
    let mut expected: BTreeMap<Place, (StepId, Expected)> = BTreeMap::new();
    let mut reached = vec![false; list.len()];
    let unwinds = request.state.runs.values().filter(|record| record.kind == RunKind::Compensate);
    let unwindings: BTreeSet<String> =
        unwinds.map(|record| record.run.clone()).chain([caller.journal.run().to_owned()]).collect();
    let mut running = FuturesUnordered::new();
    let mut broken_off = false;
    let mut undone: BTreeSet<Address> = BTreeSet::new();
    loop {
        while running.len() < request.parallelism.max(1) && !caller.cancellation.soft.is_cancelled() {
            let Some(index) = order.next() else { break };
            let Some(undo) = list.get(index) else { continue };
            if let Some(reached) = reached.get_mut(index) {
                *reached = true;
            }
            if leave(request, undo, holds.get(&index), report).await? {
                order.done(index);
                continue;
            }
            // What waits for a person keeps what comes after it waiting, too.
            if holds.contains_key(&index) {
                continue;
            }
            let given = Given {
                now: live.object(&undo.from()),
                generation: live.next_generation(&undo.to().0),
                remade: undo.step.image.as_ref().map(|image| referred(&image.provenance, &remade)).unwrap_or_default(),
                seen: known_states(caller, seen.get(&undo.step.id.address)),
                unwindings: &unwindings,
                became: became(&turned, &live, &undo.from().0),
            };
            let worker = Worker { caller, providers: request.providers };
            running.push(async move { (index, worker.run(undo, given).await) });
        }
        let Some((index, result)) = running.next().await else { break };
        let Some(undo) = list.get(index) else { continue };
        let address = undo.step.id.address.clone();
        let result = result?;
        caller.tell_moves(request.providers).await?;
        match result {
            Undid::Undone { lost, object, expected: shall } => {
                report.counts.undone += 1;
                undone.insert(address.clone());
                report.lost.extend(lost.into_iter().map(|lost| (address.clone(), lost)));
                if undo.step.id.effect == StepEffect::Delete
                    && stands_again(&undo.step.id, histories.iter().map(|(_, history)| history))
                    && let Some(object) = &object
                    && let Ok(value) = object.attributes().wake(caller.seal)
                {
                    remade.insert(address.clone(), value.unmark_deep().0);
                }
                let (from, to) = (undo.from(), undo.to());
                if from != to {
                    // What was made again there goes along, and what becomes of it there counts.
                    if let Some(shall) = expected.remove(&from) {
                        expected.insert(to.clone(), shall);
                    }
                    live.set(from, None);
                }
                live.set(to.clone(), object.map(|object| *object));
                if let Some(shall) = shall {
                    expected.insert(to, (undo.step.id.clone(), *shall));
                }
                order.done(index);
            }
            Undid::Stuck { failure, in_doubt, object } => {
                expected.remove(&undo.to());
                if let Some(object) = object {
                    live.set(undo.to(), Some(*object));
                }
                if in_doubt {
                    report.counts.unknown += 1;
                    report.in_doubt.push((address, failure.message));
                } else if caller.cancellation.hard.is_cancelled() {
                    // It was told to end: the next unwinding does it.
                    broken_off = true;
                    report.waiting.push(address);
                } else {
                    report.counts.stuck += 1;
                    report.stuck.push((address, failure));
                }
            }
        }
    }
    drop(running);
    let left = list.iter().zip(&reached).filter(|(_, reached)| !**reached);
    for (index, undo) in list.iter().enumerate().filter(|(index, _)| !reached.get(*index).copied().unwrap_or(true)) {
        let address = undo.step.id.address.clone();
        match holds.get(&index) {
            Some(Hold::InDoubt(reason)) => report.in_doubt.push((address, reason.clone())),
            Some(Hold::Pivot(reason)) => report.behind_pivot.push((address, reason.clone())),
            Some(Hold::Asked(reason)) => report.skipped.push((address, reason.clone())),
            // Stopped before it was come to.
            Some(Hold::Never(_)) | None => report.waiting.push(address),
        }
    }
    report.cancelled = caller.cancellation.soft.is_cancelled() && (broken_off || left.count() > 0);
    report.counts.skipped = [&report.skipped, &report.irreversible, &report.given_up, &report.behind_pivot]
        .map(Vec::len)
        .iter()
        .sum::<usize>()
        + report.waiting.len();
    report.left_behind = live.left_behind(&remade, caller.seal);
    let paid = live.owed_no_more(&undone)?;
    if !paid.is_empty() {
        // CRASH: before this something is replaced once more for what was taken back.
        let what = "what was to be replaced for what is taken back".to_owned();
        caller.journal.write(vec![Entry::run(Event::Recorded { what, object: None }).with(paid)]).await?;
    }
    drop(order);
    Ok((expected, remade))
}

/// What runs made of objects of another type, by the address that these had.
fn turned<'h>(histories: impl Iterator<Item = &'h RunHistory>) -> BTreeMap<Address, Address> {
    let steps = histories.flat_map(|history| &history.steps);
    steps.filter_map(|step| Some((step.turned_from()?.clone(), step.id.address.clone()))).collect()
}

/// What an object has become by now, where that is recorded.
fn became(turned: &BTreeMap<Address, Address>, live: &Live<'_>, address: &Address) -> Option<Address> {
    let mut seen = BTreeSet::from([address]);
    let mut now = turned.get(address)?;
    while let Some(next) = turned.get(now).filter(|next| seen.insert(next)) {
        now = next;
    }
    live.object(&(now.clone(), ObjectKey::Current)).map(|_| now.clone())
}

/// Whether the undo is left out for good; then what comes after it need not wait for it. What waits for
/// a person is put into the report, too.
async fn leave(
    request: &UnwindRequest<'_>,
    undo: &Undo,
    hold: Option<&Hold>,
    report: &mut UnwindReport,
) -> Result<bool, JournalError> {
    let address = undo.step.id.address.clone();
    let reason = match hold {
        Some(Hold::InDoubt(reason)) => {
            report.in_doubt.push((address, reason.clone()));
            return Ok(false);
        }
        Some(Hold::Pivot(reason)) => {
            report.behind_pivot.push((address, reason.clone()));
            return Ok(false);
        }
        Some(Hold::Asked(reason)) => {
            report.skipped.push((address, reason.clone()));
            reason.clone()
        }
        Some(Hold::Never(reason)) => {
            let agreed = request.past.iter().any(|named| means(named, &address));
            let list = if agreed { &mut report.given_up } else { &mut report.irreversible };
            list.push((address, reason.clone()));
            reason.clone()
        }
        None => return Ok(false),
    };
    let event = Event::UndoSkipped { of: undo.run.clone(), reason };
    request.caller.journal.write(vec![Entry::of(&undo.step.id, event)]).await?;
    Ok(true)
}

/// By address, the images that steps took of it.
fn images<'h>(histories: impl Iterator<Item = &'h RunHistory>) -> BTreeMap<&'h Address, Vec<&'h RestingImage>> {
    let mut found: BTreeMap<&Address, Vec<&RestingImage>> = BTreeMap::new();
    for step in histories.flat_map(|history| &history.steps) {
        if let Some(stored) = step.image.as_ref().and_then(|image| image.image.as_ref()) {
            found.entry(&step.id.address).or_default().push(&stored.image);
        }
    }
    found
}

fn known_states(caller: &Caller<'_>, images: Option<&Vec<&RestingImage>>) -> Vec<Value> {
    let images = images.into_iter().flatten();
    images.filter_map(|image| Some(image.state.wake(caller.seal).ok()?.unmark_deep().0)).collect()
}

/// The outputs as they were before the runs; they follow what was made again.
fn outputs_before(request: &UnwindRequest<'_>, remade: &Remade) -> BTreeMap<String, Option<RecordedOutput>> {
    let seal = request.caller.seal;
    let now = request.state.outputs.iter().map(|(name, output)| (name.clone(), Some(output.clone())));
    let mut outputs: BTreeMap<String, Option<RecordedOutput>> = now.collect();
    // Newest first, so that the oldest has the last word.
    outputs.extend(request.runs.iter().flat_map(|(_, history)| history.outputs.clone()));
    for output in outputs.values_mut().flatten() {
        let referred = referred(&output.provenance, remade);
        // What cannot be opened stays as it is.
        if !referred.is_empty()
            && let Ok(value) = output.wake(seal)
        {
            output.value = RestingValue::new(&follow(value, &output.provenance, &referred), seal);
        }
    }
    outputs
}

/// Restores the outputs and writes down how it all ended.
async fn finish(request: &UnwindRequest<'_>, remade: &Remade, report: &mut UnwindReport) -> Result<(), JournalError> {
    let caller = request.caller;
    let waits = !(report.stuck.is_empty()
        && report.in_doubt.is_empty()
        && report.behind_pivot.is_empty()
        && report.waiting.is_empty());
    let differs = report.differs();
    let partly = differs || !report.skipped.is_empty() || !report.given_up.is_empty();
    report.state = match (waits, partly) {
        _ if report.cancelled => RunState::Compensating,
        (true, _) => RunState::NeedsReview,
        (false, true) => RunState::CompensatedPartly,
        (false, false) => RunState::Compensated,
    };
    let mut writes = Vec::new();
    if !waits && !report.cancelled {
        for (name, output) in outputs_before(request, remade) {
            let key = output_key(&name);
            match output {
                Some(output) if request.state.outputs.get(&name) == Some(&output) => {}
                Some(output) => writes.push(Write::Put { key, value: serde_json::to_value(&output)? }),
                None => writes.push(Write::Delete { key }),
            }
        }
    }
    // Stopped before anything was undone: the runs are as they were.
    let untouched = report.cancelled && report.counts.undone + report.counts.stuck + report.counts.unknown == 0;
    for (record, _) in &request.runs {
        let state = if untouched { record.state } else { report.state };
        writes.push(put_run(&RunRecord { state, ..record.clone() })?);
    }
    if !waits && !report.cancelled {
        writes.extend(request.attempts.iter().map(put_run).collect::<Result<Vec<Write>, _>>()?);
    }
    let what = "the runs that were unwound".to_owned();
    caller.journal.write(vec![Entry::run(Event::Recorded { what, object: None }).with(writes)]).await?;
    let doubtful = !report.in_doubt.is_empty() || report.counts.unknown > 0;
    let state = match report.state {
        // What is in doubt is looked at by the next run, which looks at runs that need it.
        _ if report.cancelled && doubtful => RunState::NeedsReview,
        _ if report.cancelled => RunState::Cancelled,
        RunState::NeedsReview => RunState::NeedsReview,
        _ if differs => RunState::NeedsReview,
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
    changed: BTreeMap<Place, Option<RestingObject>>,
    generations: BTreeMap<Address, u64>,
}

impl<'a> Live<'a> {
    fn new(state: &'a State) -> Self {
        Live { state, changed: BTreeMap::new(), generations: BTreeMap::new() }
    }

    fn object(&self, place: &Place) -> Option<RestingObject> {
        match self.changed.get(place) {
            Some(changed) => changed.clone(),
            None => self.state.object(&place.0, &place.1).cloned(),
        }
    }

    fn set(&mut self, place: Place, resting: Option<RestingObject>) {
        self.changed.insert(place, resting);
    }

    /// The current objects, as the undos left them.
    fn current(&self) -> impl Iterator<Item = (&Address, RestingObject)> {
        // What was let go is recorded again by an undo.
        let changed = self.changed.keys().filter(|(_, object)| object.is_current()).map(|(address, _)| address);
        let addresses: BTreeSet<&Address> = self.state.current().map(|(address, _)| address).chain(changed).collect();
        addresses
            .into_iter()
            .filter_map(|address| Some((address, self.object(&(address.clone(), ObjectKey::Current))?)))
    }

    /// Writes that what changed, and is as it was, is no reason to replace anything.
    fn owed_no_more(&self, undone: &BTreeSet<Address>) -> Result<Vec<Write>, serde_json::Error> {
        let mut writes = Vec::new();
        let changed = self.changed.values().flatten();
        if !self.state.current().map(|(_, object)| object).chain(changed).any(|object| !object.owed().is_empty()) {
            return Ok(writes);
        }
        for (address, object) in self.current() {
            let left: Vec<_> = object.owed().iter().filter(|trigger| !undone.contains(&trigger.by)).cloned().collect();
            if left.len() != object.owed().len() {
                writes.push(set_object(address, &ObjectKey::Current, Some(&object.owing(&left)))?);
            }
        }
        Ok(writes)
    }

    /// What is recorded with values of what is no more: of what was made again since.
    fn left_behind(&self, remade: &Remade, seal: &dyn Seal) -> Vec<(Address, Vec<Path>)> {
        let stale = |object: &RestingObject| {
            let referred = referred(object.provenance(), remade);
            let config = object.config().wake(seal).ok().filter(|_| !referred.is_empty())?;
            let paths = differing_attributes(&config, &follow(config.clone(), object.provenance(), &referred));
            (!paths.is_empty()).then_some(paths)
        };
        if remade.is_empty() {
            return Vec::new();
        }
        let current = self.current().filter_map(|(address, object)| Some((address.clone(), stale(&object)?)));
        current.collect()
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

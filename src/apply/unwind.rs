//! Unwinds runs: carries out the inverse of each step, newest first, until the world is as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use retrue_provider_api::{
    Applied, BlobId, Capability, Category, Change, Effect, FindRequest, Findable, Found, Image, Observed, Outcome,
    Path, PathStep, Private, ProviderError, Reversibility, Type, TypeSchema, Value,
};

use crate::address::Address;
use crate::apply::codes as apply_codes;
use crate::apply::context::{Call, Caller, Work, failure};
use crate::apply::writes::{put_generation, set_object};
use crate::crash_point;
use crate::engine::{RunEventKind, StepRef};
use crate::plan::compare::differing_attributes;
use crate::plan::marks::mark_planned;
use crate::plan::{ObjectKey, StepEffect, StepId};
use crate::saga::compensation::{Undo, inverse, undos};
use crate::saga::history::RunHistory;
use crate::saga::journal::{Entry, JournalError, put_run};
use crate::saga::state::output_key;
use crate::saga::{
    Counts, Event, ObjectStatus, RecordedObject, RestingObject, RunRecord, RunState, State, StepFailure, UndoBegin,
    UndoEnd, UndoFailure, codes,
};
use crate::store::Write;
use crate::survey::calls::within;
use crate::survey::providers::{Configured, Providers};

const GRACE: Duration = Duration::from_secs(10);

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
enum Undid {
    Undone { lost: Vec<String>, object: Option<RestingObject> },
    Stuck(StepFailure),
}

/// New values of what was made again: what referred to the old ones follows.
type Remade = BTreeMap<Address, Value>;

/// Unwinds. An error means that the journal cannot be written; then nothing more was done.
pub async fn unwind(request: UnwindRequest<'_>) -> Result<UnwindReport, JournalError> {
    let caller = request.caller;
    let histories: Vec<(String, RunHistory)> =
        request.runs.iter().map(|(record, history)| (record.run.clone(), history.clone())).collect();
    let list = undos(&histories, &request.done);
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
    let held = held_by_pivots(&list, &request.past);
    let mut waiting: Vec<BTreeSet<usize>> = list.iter().map(|undo| undo.after.iter().copied().collect()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); list.len()];
    for (index, undo) in list.iter().enumerate() {
        for before in &undo.after {
            if let Some(followers) = followers.get_mut(*before) {
                followers.push(index);
            }
        }
    }
    let mut ready: BTreeSet<usize> =
        waiting.iter().enumerate().filter(|(_, after)| after.is_empty()).map(|(index, _)| index).collect();
    let mut live = Live::new(request.state);
    let mut remade: Remade = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < request.parallelism.max(1) && !caller.cancellation.soft.is_cancelled() {
            let Some(index) = ready.pop_first() else { break };
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
                release(index, &followers, &mut waiting, &mut ready);
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
                live.set(&address, &undo.step.id.object, object);
                release(index, &followers, &mut waiting, &mut ready);
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

fn release(index: usize, followers: &[Vec<usize>], waiting: &mut [BTreeSet<usize>], ready: &mut BTreeSet<usize>) {
    for follower in followers.get(index).into_iter().flatten() {
        if let Some(after) = waiting.get_mut(*follower)
            && after.remove(&index)
            && after.is_empty()
        {
            ready.insert(*follower);
        }
    }
}

/// The undos that a pivot holds back: itself, what rests on it, and what it rests on. Undoing any of
/// them would leave neither old nor new.
fn held_by_pivots(list: &[Undo], past: &BTreeSet<Address>) -> BTreeMap<usize, String> {
    let mut held: BTreeMap<usize, String> = BTreeMap::new();
    let mut rests_on: Vec<Vec<usize>> = vec![Vec::new(); list.len()];
    for (index, undo) in list.iter().enumerate() {
        for later in &undo.after {
            // `later` was done after this one and rests on it.
            if let Some(rests) = rests_on.get_mut(*later) {
                rests.push(index);
            }
        }
    }
    for (index, undo) in list.iter().enumerate() {
        let reversibility = undo.step.begin.as_ref().map(|begin| &begin.reversibility);
        let Some(reason) = reversibility.and_then(Reversibility::reason) else { continue };
        let address = &undo.step.id.address;
        if undo.after.is_empty() || past.contains(address) {
            continue;
        }
        let text = format!("`{address}` is a pivot ({reason}): go past it with --past {address}");
        spread(index, &mut |node| rests_on.get(node).cloned().unwrap_or_default(), &text, &mut held);
        spread(index, &mut |node| list.get(node).map(|undo| undo.after.clone()).unwrap_or_default(), &text, &mut held);
    }
    held
}

fn spread(start: usize, next: &mut dyn FnMut(usize) -> Vec<usize>, text: &str, held: &mut BTreeMap<usize, String>) {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        held.entry(node).or_insert_with(|| text.to_owned());
        open.extend(next(node).into_iter().filter(|next| seen.insert(*next)));
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

struct Worker<'a> {
    caller: &'a Caller<'a>,
    providers: &'a Providers,
}

/// What one undo works with.
struct Scene<'s> {
    undo: &'s Undo,
    configured: &'s Configured,
    schema: &'s TypeSchema,
    capability: Capability,
    /// What the run left, as it is recorded now.
    now: Option<RecordedObject>,
    /// What was recorded before the run.
    prior: Option<RecordedObject>,
    /// What was observed before the step.
    image: Option<Image>,
    image_identity: Option<Value>,
    generation: u64,
    key: String,
}

fn stuck(code: &str, category: Category, message: impl Into<String>) -> StepFailure {
    StepFailure { code: code.into(), category, message: message.into(), retryable: false }
}

impl Worker<'_> {
    async fn run(
        &self,
        undo: &Undo,
        now: Option<RestingObject>,
        generation: u64,
        remade: &Remade,
    ) -> Result<Undid, JournalError> {
        let id = &undo.step.id;
        let effect = inverse(&undo.step);
        let began = Instant::now();
        let key = self.caller.idempotency_key(&Work {
            address: &id.address,
            object: &id.object,
            action: "undo",
            payload: &id.to_string(),
            generation,
        });
        let reference = StepRef {
            address: id.address.clone(),
            action: effect.map_or("record", StepEffect::word),
            step: id.to_string(),
            attempt: 1,
            idempotency_key: key.clone(),
        };
        let begin = Event::UndoBegin(Box::new(UndoBegin {
            of: undo.run.clone(),
            effect,
            idempotency_key: key.clone(),
            generation,
        }));
        let recorded_before = undo.step.image.as_ref().and_then(|image| image.recorded.clone());
        if effect.is_none() {
            self.caller.tell(RunEventKind::UndoStarted(reference.clone()));
            let writes = self.record_writes(undo, recorded_before.as_ref())?;
            let end = UndoEnd { of: undo.run.clone(), object: recorded_before.clone(), lost: Vec::new() };
            let entries = vec![Entry::of(id, begin), Entry::of(id, Event::Undone(Box::new(end))).with(writes)];
            self.caller.journal.write(entries).await?;
            self.caller.tell(RunEventKind::UndoFinished {
                step: reference,
                duration: began.elapsed(),
                lost: Vec::new(),
            });
            return Ok(Undid::Undone { lost: Vec::new(), object: recorded_before });
        }
        let scene = match self.scene(undo, now.as_ref(), generation, key, remade) {
            Ok(scene) => scene,
            Err(failure) => return self.stuck(undo, reference, failure).await,
        };
        crash_point!("undo/begin/before");
        // CRASH: after this the undo is in doubt; doing it again looks at the world first.
        let begin_writes = match effect {
            Some(StepEffect::Create) => vec![put_generation(&id.address, generation)],
            _ => Vec::new(),
        };
        self.caller.journal.write(vec![Entry::of(id, begin).with(begin_writes)]).await?;
        crash_point!("undo/begin/after");
        self.caller.tell(RunEventKind::UndoStarted(reference.clone()));
        let done = match effect {
            Some(StepEffect::Delete) => self.undo_create(&scene).await,
            Some(StepEffect::Create) => self.undo_delete(&scene).await,
            _ => self.undo_update(&scene).await,
        };
        crash_point!("undo/effect/after");
        let (object, lost) = match done {
            Ok(done) => done,
            Err(failure) => return self.stuck(undo, reference, failure).await,
        };
        let resting = object.as_ref().map(|object| RestingObject::new(object, self.caller.seal));
        let writes = self.record_writes(undo, resting.as_ref())?;
        let end = UndoEnd { of: undo.run.clone(), object: resting.clone(), lost: lost.clone() };
        crash_point!("undo/end/before");
        self.caller.journal.had_effect();
        self.caller.journal.write(vec![Entry::of(id, Event::Undone(Box::new(end))).with(writes)]).await?;
        crash_point!("undo/end/after");
        self.caller.tell(RunEventKind::UndoFinished { step: reference, duration: began.elapsed(), lost: lost.clone() });
        Ok(Undid::Undone { lost, object: resting })
    }

    async fn stuck(&self, undo: &Undo, reference: StepRef, failure: StepFailure) -> Result<Undid, JournalError> {
        let event = Event::UndoStuck(UndoFailure { of: undo.run.clone(), failure: failure.clone() });
        self.caller.journal.write(vec![Entry::of(&undo.step.id, event)]).await?;
        self.caller.tell(RunEventKind::UndoStuck { step: reference, error: failure.clone() });
        Ok(Undid::Stuck(failure))
    }

    /// The record as it was before the step.
    fn record_writes(&self, undo: &Undo, object: Option<&RestingObject>) -> Result<Vec<Write>, serde_json::Error> {
        let id = &undo.step.id;
        let mut writes = Vec::new();
        match id.effect {
            StepEffect::Depose => {
                // What was set aside stands for its address again.
                let generation = undo.step.begin.as_ref().map_or(0, |begin| begin.generation);
                let key = ObjectKey::Deposed(generation.to_string().into());
                writes.push(set_object(&id.address, &key, None)?);
                writes.push(set_object(&id.address, &ObjectKey::Current, object)?);
            }
            _ => {
                let moved = undo.step.moved_from().filter(|from| **from != id.address);
                match moved {
                    Some(from) => {
                        writes.push(set_object(&id.address, &id.object, None)?);
                        writes.push(set_object(from, &id.object, object)?);
                    }
                    None => writes.push(set_object(&id.address, &id.object, object)?),
                }
            }
        }
        Ok(writes)
    }

    fn scene<'s>(
        &'s self,
        undo: &'s Undo,
        now: Option<&RestingObject>,
        generation: u64,
        key: String,
        remade: &Remade,
    ) -> Result<Scene<'s>, StepFailure> {
        let unreadable = |why: String| stuck(codes::RECORD, Category::Unknown, why);
        let begin =
            undo.step.begin.as_ref().ok_or_else(|| unreadable("the beginning of the step is not written".into()))?;
        let configured = self
            .providers
            .get(&begin.provider)
            .ok_or_else(|| unreadable(format!("the provider `{}` is not configured", begin.provider)))?;
        let schema = configured
            .schema
            .resources
            .get(&begin.type_name)
            .ok_or_else(|| unreadable(format!("the provider has no type `{}`", begin.type_name)))?;
        let seal = self.caller.seal;
        let sealed = |error: crate::rest::UnsealError| stuck(codes::SEALED, Category::Unknown, error.to_string());
        let now = now.map(|now| now.wake(seal)).transpose().map_err(sealed)?;
        let event = undo.step.image.as_ref();
        let prior = event
            .and_then(|event| event.recorded.as_ref())
            .map(|prior| prior.wake(seal))
            .transpose()
            .map_err(sealed)?;
        let stored = event.and_then(|event| event.image.as_ref());
        let image = stored.map(|stored| stored.image.wake(seal)).transpose().map_err(sealed)?;
        let image = image.map(|image| Image {
            state: follow(image.state.unmark_deep().0, event.map(|event| &event.provenance), remade),
            ..image
        });
        let image_identity = stored
            .and_then(|stored| stored.identity.as_ref())
            .map(|identity| identity.wake(seal))
            .transpose()
            .map_err(sealed)?;
        let config = [now.as_ref(), prior.as_ref()]
            .into_iter()
            .flatten()
            .map(|object| object.config.clone().unmark_deep().0)
            .next()
            .unwrap_or_else(|| Value::null(Type::Dynamic));
        let capability = configured.provider.capability(&begin.type_name, &config);
        Ok(Scene { undo, configured, schema, capability, now, prior, image, image_identity, generation, key })
    }

    fn context(&self, scene: &Scene<'_>, limit: Duration) -> retrue_provider_api::Context {
        let id = &scene.undo.step.id;
        self.caller.context(Call {
            address: &id.address,
            id: None,
            step: &format!("undo/{id}"),
            attempt: 1,
            idempotency_key: &scene.key,
            marker: Some(self.caller.marker(&id.address, &ObjectKey::Current, scene.generation)),
            limit,
        })
    }

    /// Reads what is recorded now.
    async fn read(&self, scene: &Scene<'_>, object: &RecordedObject) -> Result<Option<Observed>, StepFailure> {
        let limit = scene.capability.time_limits.read;
        let context = self.context(scene, limit);
        let request = crate::survey::refresh::read_request(scene.undo.step.id.address.type_name(), object);
        within(limit, "read", scene.configured.provider.read(&context, request))
            .await
            .map_err(|error| failure(apply_codes::PROVIDER, &error))
    }

    async fn send(&self, scene: &Scene<'_>, effect: Effect, change: Change) -> Result<Applied, StepFailure> {
        let limits = scene.capability.time_limits;
        let limit = match effect {
            Effect::Create => limits.create,
            Effect::Update => limits.update,
            Effect::Delete => limits.delete,
        };
        let limit = scene.now.as_ref().and_then(|now| now.lifecycle.timeout).unwrap_or(limit);
        let context = self.context(scene, limit);
        let apply = scene.configured.provider.apply(&context, change);
        let outcome = match tokio::time::timeout(limit + GRACE, apply).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown {
                error: ProviderError::new(Category::TimeOut, "undo", format!("no answer within {} s", limit.as_secs())),
                best_known: None,
            },
        };
        match outcome {
            Outcome::Applied(applied) => Ok(applied),
            Outcome::Partial { error, .. } | Outcome::NotApplied(error) | Outcome::Unknown { error, .. } => {
                Err(failure(codes::UNDO_STUCK, &error))
            }
        }
    }

    fn changed_since(&self, scene: &Scene<'_>, differing: &[Path]) -> StepFailure {
        let names: Vec<String> = differing.iter().map(ToString::to_string).collect();
        stuck(
            codes::CHANGED_SINCE,
            Category::Conflict,
            format!(
                "`{}` was changed since ({}): undoing would overwrite that; leave it with --skip {}",
                scene.undo.step.id.address,
                names.join(", "),
                scene.undo.step.id.address
            ),
        )
    }

    /// A create is undone by a delete.
    async fn undo_create(&self, scene: &Scene<'_>) -> Result<(Option<RecordedObject>, Vec<String>), StepFailure> {
        // What was recorded and gone before the run is recorded and gone again.
        let after = scene.prior.clone();
        let Some(now) = &scene.now else { return Ok((after, Vec::new())) };
        let Some(observed) = self.read(scene, now).await? else { return Ok((after, Vec::new())) };
        let differing = settable_difference(scene, &now.attributes.clone().unmark_deep().0, &observed.state);
        if !differing.is_empty() && now.status == ObjectStatus::Ok {
            return Err(self.changed_since(scene, &differing));
        }
        let change = Change {
            type_name: scene.undo.step.id.address.type_name().to_owned(),
            effect: Effect::Delete,
            config: Value::null(Type::Dynamic),
            prior: observed.state.clone(),
            prior_private: private(&observed, now),
            planned: Value::null(Type::Dynamic),
            planned_private: Private::default(),
            identity: observed.identity.clone().or_else(|| now.identity.clone()),
            restore: None,
        };
        self.send(scene, Effect::Delete, change).await?;
        Ok((after, Vec::new()))
    }

    /// An update is undone by an update back to the image.
    async fn undo_update(&self, scene: &Scene<'_>) -> Result<(Option<RecordedObject>, Vec<String>), StepFailure> {
        let after = scene.prior.clone();
        let (Some(image), Some(reader)) = (&scene.image, scene.now.as_ref().or(scene.prior.as_ref())) else {
            return Err(stuck(codes::RECORD, Category::Unknown, "there is no image to go back to"));
        };
        let Some(observed) = self.read(scene, reader).await? else {
            return Err(stuck(
                codes::CHANGED_SINCE,
                Category::Conflict,
                format!("`{}` has disappeared since", scene.undo.step.id.address),
            ));
        };
        if settable_difference(scene, &image.state, &observed.state).is_empty() && image.blobs.is_empty() {
            return Ok((after, Vec::new()));
        }
        let left = scene.now.as_ref().map(|now| now.attributes.clone().unmark_deep().0);
        if let Some(left) = left {
            let differing = settable_difference(scene, &left, &observed.state);
            let halfway = settable_difference(scene, &image.state, &observed.state);
            let foreign: Vec<Path> = differing.into_iter().filter(|path| halfway.contains(path)).collect();
            if !foreign.is_empty() {
                return Err(self.changed_since(scene, &foreign));
            }
        }
        let applied =
            self.send(scene, Effect::Update, self.back(scene, image, Effect::Update, Some(&observed), reader)).await?;
        let lost = lost(scene, &image.state, &applied.state);
        Ok((after, lost))
    }

    fn back(
        &self,
        scene: &Scene<'_>,
        image: &Image,
        effect: Effect,
        observed: Option<&Observed>,
        reader: &RecordedObject,
    ) -> Change {
        let config = scene.prior.as_ref().map_or_else(
            || settable(scene.schema, &image.state),
            |prior| overlay(scene.schema, &prior.config.clone().unmark_deep().0, &image.state),
        );
        Change {
            type_name: scene.undo.step.id.address.type_name().to_owned(),
            effect,
            config,
            prior: observed.map_or_else(|| Value::null(Type::Dynamic), |observed| observed.state.clone()),
            prior_private: observed.map_or_else(Private::default, |observed| private(observed, reader)),
            planned: image.state.clone(),
            planned_private: image.private.clone(),
            identity: observed.and_then(|observed| observed.identity.clone()).or_else(|| scene.image_identity.clone()),
            restore: Some(image.clone()),
        }
    }

    /// A delete is undone by a create from the image.
    async fn undo_delete(&self, scene: &Scene<'_>) -> Result<(Option<RecordedObject>, Vec<String>), StepFailure> {
        let (Some(image), Some(prior)) = (&scene.image, &scene.prior) else {
            return Err(stuck(codes::RECORD, Category::Unknown, "there is no image to go back to"));
        };
        // What was never finished is not made again.
        if prior.status == ObjectStatus::Tainted {
            return Ok((None, Vec::new()));
        }
        // A create is never sent before a look.
        if let Some(observed) = self.look(scene, image).await? {
            let differing = settable_difference(scene, &image.state, &observed.state);
            if !differing.is_empty() {
                return Err(self.changed_since(scene, &differing));
            }
            let object = remember(scene, prior, observed.state, observed.private, observed.identity);
            let lost = lost(scene, &image.state, &object.attributes.clone().unmark_deep().0);
            return Ok((Some(object), lost));
        }
        let applied = self.send(scene, Effect::Create, self.back(scene, image, Effect::Create, None, prior)).await?;
        let mut losses = lost(scene, &image.state, &applied.state);
        if let Some(Reversibility::Lossy(reason)) = scene.undo.step.begin.as_ref().map(|begin| &begin.reversibility) {
            losses.push(reason.clone());
        }
        let object = remember(scene, prior, applied.state, applied.private, applied.identity);
        Ok((Some(object), losses))
    }

    async fn look(&self, scene: &Scene<'_>, image: &Image) -> Result<Option<Observed>, StepFailure> {
        let address = &scene.undo.step.id.address;
        let marker = match scene.capability.findable {
            Findable::ByIdentity => None,
            Findable::ByMarker => Some(self.caller.marker(address, &ObjectKey::Current, scene.generation)),
            Findable::No | Findable::NothingOutside => return Ok(None),
        };
        let limit = scene.capability.time_limits.read;
        let context = self.context(scene, limit);
        let request = FindRequest {
            type_name: address.type_name().to_owned(),
            config: settable(scene.schema, &image.state),
            marker,
        };
        match within(limit, "find", scene.configured.provider.find(&context, request)).await {
            Ok(Found::None) => Ok(None),
            Ok(Found::One(observed)) => Ok(Some(*observed)),
            Ok(Found::Many(found)) => Err(stuck(
                codes::CHANGED_SINCE,
                Category::Conflict,
                format!("{} things exist that `{address}` could be", found.len()),
            )),
            Err(error) => Err(failure(apply_codes::PROVIDER, &error)),
        }
    }
}

fn private(observed: &Observed, recorded: &RecordedObject) -> Private {
    if observed.private.0.is_empty() { recorded.private.clone() } else { observed.private.clone() }
}

fn remember(
    scene: &Scene<'_>,
    prior: &RecordedObject,
    state: Value,
    private: Private,
    identity: Option<Value>,
) -> RecordedObject {
    let same = lost(scene, &prior.attributes.clone().unmark_deep().0, &state).is_empty();
    // Where nothing was lost the record is exactly as it was, so that earlier drift shows again.
    let attributes =
        if same { prior.attributes.clone() } else { mark_planned(&scene.schema.block, state, Some(&prior.attributes)) };
    RecordedObject { attributes, private, identity, generation: scene.generation, ..prior.clone() }
}

/// The attributes that a configuration may set and that differ.
fn settable_difference(scene: &Scene<'_>, from: &Value, to: &Value) -> Vec<Path> {
    differing_attributes(from, to)
        .into_iter()
        .filter(|path| {
            path.first_attribute().and_then(|name| scene.schema.block.attributes.get(name)).is_none_or(|attribute| {
                attribute.settable() && !attribute.volatile && !attribute.write_only && !attribute.inert
            })
        })
        .collect()
}

/// What is not as it was: ids, times, data.
fn lost(scene: &Scene<'_>, was: &Value, is: &Value) -> Vec<String> {
    differing_attributes(was, is)
        .into_iter()
        .filter(|path| {
            path.first_attribute()
                .and_then(|name| scene.schema.block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
        .map(|path| format!("`{path}` is another"))
        .collect()
}

/// The part of a state that a configuration may set.
fn settable(schema: &TypeSchema, state: &Value) -> Value {
    let Some(entries) = state.as_entries() else { return state.clone() };
    Value::object(entries.iter().map(|(name, value)| {
        let settable = schema.block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
        (name.clone(), if settable { value.clone() } else { Value::null(value.kind()) })
    }))
}

/// The recorded configuration, with what was observed in place of what it set.
fn overlay(schema: &TypeSchema, config: &Value, observed: &Value) -> Value {
    let Some(entries) = config.as_entries() else { return settable(schema, observed) };
    Value::object(entries.iter().map(|(name, value)| {
        let settable = schema.block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
        let seen = observed.get(name).filter(|seen| settable && !value.is_null() && !seen.is_null());
        (name.clone(), seen.unwrap_or(value).clone())
    }))
}

/// Puts the new values of what was made again where the old ones stood.
fn follow(state: Value, provenance: Option<&BTreeMap<Path, (Address, Path)>>, remade: &Remade) -> Value {
    let Some(provenance) = provenance.filter(|_| !remade.is_empty()) else { return state };
    let new: BTreeMap<Path, &Value> = provenance
        .iter()
        .filter_map(|(path, (address, from))| Some((alike(path), from.get(remade.get(address)?)?)))
        .collect();
    state.map_parts(&mut |path, part| new.get(&alike(path)).map_or(part, |new| (*new).clone()))
}

/// A path in one form: the configuration has tables where the value has maps.
fn alike(path: &Path) -> Path {
    Path(
        path.0
            .iter()
            .map(|step| match step {
                PathStep::Attribute(name) => PathStep::Key(name.clone()),
                other => other.clone(),
            })
            .collect(),
    )
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

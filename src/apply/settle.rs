//! Settles doubt: what came of steps that nobody saw end. The world is read, never guessed.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retrue_provider_api::{
    Capability, FindRequest, Findable, Found, Observed, ReadRequest, TypeSchema, Value, process,
};

use crate::apply::context::{Call, Caller};
use crate::apply::execute::compare::differing_known;
use crate::apply::writes::{drop_object, put_generation, put_object, set_object};
use crate::crash_point;
use crate::diagnostic::Diagnostic;
use crate::engine::RunEventKind;
use crate::plan::compare::differing_attributes;
use crate::plan::marks::mark_planned;
use crate::plan::{InDoubt, ObjectKey, PlannedValue, ProviderInstance, StepEffect};
use crate::rest::Seal;
use crate::saga::event::JournaledProvider;
use crate::saga::history::{RunHistory, StepHistory, UndoHistory};
use crate::saga::journal::{Entry, Journal, JournalError};
use crate::saga::{
    Counts, Event, ObjectStatus, RecordedObject, Resolution, ResolvedOutcome, RestingObject, RunRecord, RunState,
    StepStatus, UndoEnd, codes,
};
use crate::store::Write;
use crate::survey::calls::within;
use crate::survey::providers::{Configured, Providers};

/// What a look at the world says about a step.
#[derive(Debug)]
pub enum Verdict {
    /// This came of it.
    Settled {
        /// What.
        outcome: ResolvedOutcome,
        /// What is recorded now; `None` when nothing is.
        object: Option<Box<RecordedObject>>,
        /// How that is known.
        how: String,
    },
    /// It cannot be told, for this reason.
    CannotTell(String),
}

/// Why settling stopped.
#[derive(Debug)]
pub enum SettleError {
    /// The journal cannot be written.
    Journal(JournalError),
    /// Something else is wrong.
    Other(Box<Diagnostic>),
}

impl From<JournalError> for SettleError {
    fn from(error: JournalError) -> Self {
        SettleError::Journal(error)
    }
}

impl From<serde_json::Error> for SettleError {
    fn from(error: serde_json::Error) -> Self {
        SettleError::Journal(error.into())
    }
}

/// The providers of a run, configured as its journal says.
pub async fn providers_of(
    history: &RunHistory,
    seal: &dyn Seal,
    directory: &FilePath,
    sources: &dyn Fn(&str) -> Result<Value, Diagnostic>,
) -> Result<Providers, Diagnostic> {
    let mut providers = Providers::default();
    for (name, journaled) in &history.started.providers {
        let instance = instance_of(journaled, seal, sources)?;
        providers.configure(name.as_str().into(), instance, directory).await?;
    }
    Ok(providers)
}

/// The configuration of a provider instance, as a journal keeps it: what came from a source is kept
/// as that source.
pub fn journaled(instance: &ProviderInstance, seal: &dyn Seal) -> JournaledProvider {
    let value = instance.sources.keys().fold(instance.config.value.clone(), |value, name| {
        match value.get(name).map(Value::kind) {
            Some(kind) => value.with_attribute(name, Value::null(kind)),
            None => value,
        }
    });
    JournaledProvider {
        provider: instance.provider.to_string(),
        config: crate::rest::RestingValue::new(&value, seal),
        sources: instance.sources.clone(),
    }
}

fn instance_of(
    journaled: &JournaledProvider,
    seal: &dyn Seal,
    sources: &dyn Fn(&str) -> Result<Value, Diagnostic>,
) -> Result<ProviderInstance, Diagnostic> {
    let mut value = journaled.config.wake(seal).map_err(|error| Diagnostic::error(codes::SEALED, error.to_string()))?;
    for (name, source) in &journaled.sources {
        // The text is what the value was made from: it becomes what the null in its place was.
        let text = sources(source)?;
        let kind = value.get(name).map_or(retrue_provider_api::Type::String, Value::kind);
        let read = retrue_provider_api::convert(&text, &kind).unwrap_or(text);
        value = value.with_attribute(name, read.sensitive());
    }
    Ok(ProviderInstance {
        provider: journaled.provider.as_str().into(),
        config: PlannedValue::known(value),
        sources: journaled.sources.clone(),
    })
}

/// Settles the doubt that a run left, closes it, and returns what only a person can settle.
pub async fn settle_run(
    caller: &Caller<'_>,
    record: &RunRecord,
    history: &RunHistory,
    undone: &BTreeMap<String, RunHistory>,
    providers: &Providers,
) -> Result<Vec<InDoubt>, SettleError> {
    // Whoever might still send its request must be gone before the world is read.
    for child in &history.children {
        if process::still_running(child) {
            process::end(child).map_err(|error| {
                SettleError::Other(Box::new(Diagnostic::error(
                    codes::IN_DOUBT,
                    format!(
                        "a process of run {} (pid {}) is still there, and cannot be ended: {error}",
                        record.run, child.pid
                    ),
                )))
            })?;
        }
    }
    let mut left = Vec::new();
    for step in history.in_doubt() {
        match examine(caller, step, providers).await {
            Verdict::Settled { outcome, object, how } => {
                write_verdict(caller, &record.run, step, outcome, object.map(|object| *object), &how).await?;
            }
            Verdict::CannotTell(reason) => left.push(InDoubt {
                address: step.id.address.clone(),
                step: step.id.to_string(),
                run: record.run.clone(),
                reason,
            }),
        }
    }
    for undo in history.undos_in_doubt() {
        let original = undone.get(&undo.of).and_then(|history| history.steps.iter().find(|step| step.id == undo.id));
        if let Some(step) = original {
            match examine_undo(caller, undo, step, providers).await {
                Some(Ok(object)) => {
                    let writes = vec![set_object(&undo.id.address, &undo.id.object, object.as_ref())?];
                    let end = UndoEnd { of: undo.of.clone(), object, lost: Vec::new() };
                    caller.journal.write(vec![Entry::of(&undo.id, Event::Undone(Box::new(end))).with(writes)]).await?;
                }
                Some(Err(reason)) => left.push(InDoubt {
                    address: undo.id.address.clone(),
                    step: undo.id.to_string(),
                    run: record.run.clone(),
                    reason,
                }),
                // It did not happen: whoever unwinds next does it again.
                None => {}
            }
        }
    }
    close(caller, record, history, !left.is_empty()).await?;
    Ok(left)
}

/// Closes a run that was interrupted, or whose doubt is settled now.
async fn close(
    caller: &Caller<'_>,
    record: &RunRecord,
    history: &RunHistory,
    in_doubt: bool,
) -> Result<(), JournalError> {
    let counts = count(history);
    let next = match (record.state, in_doubt) {
        (RunState::NeedsReview, true) => return Ok(()),
        (_, true) => RunState::NeedsReview,
        (RunState::NeedsReview, false) => RunState::FailedPermanent,
        (_, false) => RunState::Interrupted,
    };
    if !record.state.may_become(next) {
        return Ok(());
    }
    if counts.applied + counts.partial + counts.undone > 0 {
        caller.journal.had_effect();
    }
    crash_point!("settle/close/before");
    caller.journal.finish(next, counts, Some("it was interrupted".into())).await
}

fn count(history: &RunHistory) -> Counts {
    let mut counts = Counts::default();
    for step in &history.steps {
        match step.status {
            StepStatus::Applied | StepStatus::Verified | StepStatus::Mismatched => counts.applied += 1,
            StepStatus::Partial => counts.partial += 1,
            StepStatus::NotApplied => counts.not_applied += 1,
            StepStatus::Begun | StepStatus::Unknown => counts.unknown += 1,
            StepStatus::Planned | StepStatus::Imaged => counts.skipped += 1,
        }
    }
    counts.undone = history.undos.iter().filter(|undo| undo.end.is_some()).count();
    counts
}

/// Writes down how the doubt about a step was settled.
pub async fn write_verdict(
    caller: &Caller<'_>,
    of: &str,
    step: &StepHistory,
    outcome: ResolvedOutcome,
    object: Option<RecordedObject>,
    how: &str,
) -> Result<(), SettleError> {
    let address = &step.id.address;
    let resting = object.as_ref().map(|object| RestingObject::new(object, caller.seal));
    let mut writes: Vec<Write> = Vec::new();
    if outcome != ResolvedOutcome::NotApplied {
        caller.journal.had_effect();
        match &resting {
            Some(resting) => writes.push(put_object(address, &step.id.object, resting)?),
            None => writes.push(drop_object(address, &step.id.object)),
        }
        if let Some(begin) = step.begin.as_ref().filter(|_| step.id.effect == StepEffect::Create) {
            writes.push(put_generation(address, begin.generation));
        }
    }
    let resolution = Resolution { of: of.to_owned(), outcome, how: how.to_owned(), object: resting };
    crash_point!("settle/resolve/before");
    caller.journal.write(vec![Entry::of(&step.id, Event::StepResolved(Box::new(resolution))).with(writes)]).await?;
    crash_point!("settle/resolve/after");
    caller.tell(RunEventKind::StepResolved {
        address: address.clone(),
        of: of.to_owned(),
        outcome: match outcome {
            ResolvedOutcome::Applied => "applied",
            ResolvedOutcome::Partial => "partial",
            ResolvedOutcome::NotApplied => "not_applied",
        },
        how: how.to_owned(),
    });
    Ok(())
}

/// A journal of an earlier run, to be gone on with.
pub fn reopened(
    store: &Arc<dyn crate::store::Store>,
    clock: &Arc<dyn crate::clock::Clock>,
    record: &RunRecord,
    history: &RunHistory,
) -> Arc<Journal> {
    Arc::new(Journal::reopen(Arc::clone(store), Arc::clone(clock), record.clone(), history.machine.clone()))
}

struct Scene<'s> {
    step: &'s StepHistory,
    configured: &'s Configured,
    schema: &'s TypeSchema,
    capability: Capability,
    config: Value,
    planned: Value,
    template: Option<RecordedObject>,
    prior: Option<RecordedObject>,
}

/// Looks at the world and tells what came of a step.
pub async fn examine(caller: &Caller<'_>, step: &StepHistory, providers: &Providers) -> Verdict {
    let scene = match scene(caller, step, providers) {
        Ok(scene) => scene,
        Err(reason) => return Verdict::CannotTell(reason),
    };
    let limit = scene.capability.time_limits.read;
    let context = context(caller, &scene, limit);
    let state = if scene.planned.is_null() { prior_state(&scene) } else { scene.planned.clone() };
    let request = ReadRequest {
        type_name: step.id.address.type_name().to_owned(),
        state,
        config: scene.config.clone(),
        private: scene.prior.as_ref().map(|prior| prior.private.clone()).unwrap_or_default(),
        identity: None,
    };
    if let Err(error) = within(limit, "recover", scene.configured.provider.recover(&context, request)).await {
        return Verdict::CannotTell(format!("what it left behind cannot be removed: {error}"));
    }
    if scene.capability.by_processes && !step.has_child {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "its process was never started".into(),
        };
    }
    match step.id.effect {
        StepEffect::Create => examine_create(caller, &scene).await,
        StepEffect::Update => examine_update(caller, &scene).await,
        StepEffect::Delete => examine_delete(caller, &scene).await,
        // The others are written down in one piece: they are never in doubt.
        _ => Verdict::CannotTell("it is no step that can be in doubt".into()),
    }
}

fn scene<'s>(caller: &Caller<'_>, step: &'s StepHistory, providers: &'s Providers) -> Result<Scene<'s>, String> {
    let begin = step.begin.as_ref().ok_or("its beginning is not written")?;
    let configured =
        providers.get(&begin.provider).ok_or_else(|| format!("the provider `{}` is not there", begin.provider))?;
    let schema = configured
        .schema
        .resources
        .get(&begin.type_name)
        .ok_or_else(|| format!("the provider has no type `{}`", begin.type_name))?;
    let sealed = |error: crate::rest::UnsealError| error.to_string();
    let config = begin.config.wake(caller.seal).map_err(sealed)?.unmark_deep().0;
    let planned = begin.planned.wake(caller.seal).map_err(sealed)?.unmark_deep().0;
    let template = begin.template.as_ref().map(|template| template.wake(caller.seal)).transpose().map_err(sealed)?;
    let prior = step
        .image
        .as_ref()
        .and_then(|image| image.recorded.as_ref())
        .map(|recorded| recorded.wake(caller.seal))
        .transpose()
        .map_err(sealed)?;
    let effective = match (&prior, config.is_null()) {
        (Some(prior), true) => prior.config.clone().unmark_deep().0,
        _ => config.clone(),
    };
    let capability = configured.provider.capability(&begin.type_name, &effective);
    Ok(Scene { step, configured, schema, capability, config: effective, planned, template, prior })
}

fn context(caller: &Caller<'_>, scene: &Scene<'_>, limit: Duration) -> retrue_provider_api::Context {
    let begin = scene.step.begin.as_ref();
    caller.context(Call {
        address: &scene.step.id.address,
        id: None,
        step: &scene.step.id.to_string(),
        attempt: begin.map_or(1, |begin| begin.attempt),
        idempotency_key: begin.map_or("", |begin| begin.idempotency_key.as_str()),
        marker: Some(caller.marker(
            &scene.step.id.address,
            &ObjectKey::Current,
            begin.map_or(0, |begin| begin.generation),
        )),
        limit,
    })
}

fn prior_state(scene: &Scene<'_>) -> Value {
    match &scene.prior {
        Some(prior) => prior.attributes.clone().unmark_deep().0,
        None => scene.config.clone(),
    }
}

fn found_object(scene: &Scene<'_>, observed: Observed, status: ObjectStatus) -> Option<Box<RecordedObject>> {
    let template = scene.template.clone()?;
    Some(Box::new(RecordedObject {
        status,
        attributes: mark_planned(&scene.schema.block, observed.state, Some(&template.attributes)),
        private: observed.private,
        identity: observed.identity,
        ..template
    }))
}

/// Looks by identity or marker, again and again while the type may still be settling.
async fn look(caller: &Caller<'_>, scene: &Scene<'_>, generation: u64) -> Result<Option<Observed>, String> {
    let address = &scene.step.id.address;
    let marker = match scene.capability.findable {
        Findable::ByIdentity => None,
        Findable::ByMarker => Some(caller.marker(address, &ObjectKey::Current, generation)),
        Findable::No => {
            return Err("it cannot be found again: look whether it exists, and say so with `retrue resolve`".into());
        }
        Findable::NothingOutside => return Ok(None),
    };
    let limit = scene.capability.time_limits.read;
    let began = Instant::now();
    let mut wait = Duration::from_millis(50);
    loop {
        let context = context(caller, scene, limit);
        let request = FindRequest {
            type_name: address.type_name().to_owned(),
            config: scene.config.clone(),
            marker: marker.clone(),
        };
        match within(limit, "find", scene.configured.provider.find(&context, request)).await {
            Ok(Found::One(observed)) => return Ok(Some(*observed)),
            Ok(Found::Many(found)) => return Err(format!("{} things could be it", found.len())),
            Ok(Found::None) if began.elapsed() >= scene.capability.settles_within => return Ok(None),
            Ok(Found::None) => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
            Err(error) => return Err(format!("it cannot be looked for: {error:#}")),
        }
    }
}

async fn examine_create(caller: &Caller<'_>, scene: &Scene<'_>) -> Verdict {
    let generation = scene.step.begin.as_ref().map_or(0, |begin| begin.generation);
    match look(caller, scene, generation).await {
        Err(reason) => Verdict::CannotTell(reason),
        Ok(None) => Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "it was looked for, and is not there".into(),
        },
        Ok(Some(observed)) => {
            let differing = differing_known(&scene.schema.block, &scene.planned, &observed.state);
            let (outcome, status, how) = if differing.is_empty() {
                (ResolvedOutcome::Applied, ObjectStatus::Ok, "it was found, and is as planned".to_owned())
            } else {
                let names: Vec<String> = differing.iter().map(ToString::to_string).collect();
                let how = format!("it was found unfinished: {} differ", names.join(", "));
                (ResolvedOutcome::Partial, ObjectStatus::Tainted, how)
            };
            Verdict::Settled { outcome, object: found_object(scene, observed, status), how }
        }
    }
}

/// Reads the object that a step changes or ends.
async fn read(caller: &Caller<'_>, scene: &Scene<'_>) -> Result<Option<Observed>, String> {
    if !scene.capability.observes {
        return Err("it cannot be read: look what became of it, and say so with `retrue resolve`".into());
    }
    let prior = scene.prior.as_ref();
    let limit = scene.capability.time_limits.read;
    let context = context(caller, scene, limit);
    let state = match (prior, scene.step.image.as_ref().and_then(|image| image.image.as_ref())) {
        (Some(_), _) => prior_state(scene),
        (None, Some(image)) => image.image.state.wake(caller.seal).map_err(|error| error.to_string())?.unmark_deep().0,
        (None, None) => scene.planned.clone(),
    };
    let request = ReadRequest {
        type_name: scene.step.id.address.type_name().to_owned(),
        state,
        config: scene.config.clone(),
        private: prior.map(|prior| prior.private.clone()).unwrap_or_default(),
        identity: prior.and_then(|prior| prior.identity.clone()),
    };
    within(limit, "read", scene.configured.provider.read(&context, request))
        .await
        .map_err(|error| format!("it cannot be read: {error:#}"))
}

async fn examine_update(caller: &Caller<'_>, scene: &Scene<'_>) -> Verdict {
    if scene.capability.findable == Findable::NothingOutside {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "nothing of it is outside".into(),
        };
    }
    let observed = match read(caller, scene).await {
        Ok(Some(observed)) => observed,
        Ok(None) => {
            return Verdict::CannotTell(
                "it was to be changed, and is gone: say what is true with `retrue resolve`".into(),
            );
        }
        Err(reason) => return Verdict::CannotTell(reason),
    };
    let before = scene
        .step
        .image
        .as_ref()
        .and_then(|image| image.image.as_ref())
        .and_then(|image| image.image.state.wake(caller.seal).ok())
        .map(|state| state.unmark_deep().0);
    let attribute = |path: &retrue_provider_api::Path| {
        path.first_attribute().and_then(|name| scene.schema.block.attributes.get(name))
    };
    let visible = before.as_ref().is_none_or(|before| {
        differing_attributes(before, &scene.planned)
            .iter()
            .any(|path| attribute(path).is_none_or(|attribute| attribute.settable() && !attribute.unobserved))
    });
    if !visible {
        return Verdict::CannotTell(
            "what was to be changed cannot be read back: look what became of it, and say so with `retrue resolve`"
                .into(),
        );
    }
    if differing_known(&scene.schema.block, &scene.planned, &observed.state).is_empty() {
        return Verdict::Settled {
            outcome: ResolvedOutcome::Applied,
            object: found_object(scene, observed, ObjectStatus::Ok),
            how: "it was read, and is as planned".into(),
        };
    }
    let unchanged = before.is_some_and(|before| {
        differing_attributes(&before, &observed.state)
            .iter()
            .all(|path| attribute(path).is_some_and(|attribute| attribute.volatile))
    });
    if unchanged {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "it was read, and is as it was before".into(),
        };
    }
    Verdict::Settled {
        outcome: ResolvedOutcome::Partial,
        object: found_object(scene, observed, ObjectStatus::Ok),
        how: "it was read, and is neither as before nor as planned".into(),
    }
}

async fn examine_delete(caller: &Caller<'_>, scene: &Scene<'_>) -> Verdict {
    if scene.capability.findable == Findable::NothingOutside {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "nothing of it is outside".into(),
        };
    }
    match read(caller, scene).await {
        Err(reason) => Verdict::CannotTell(reason),
        Ok(None) => {
            Verdict::Settled { outcome: ResolvedOutcome::Applied, object: None, how: "it was read, and is gone".into() }
        }
        Ok(Some(_)) => Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "it was read, and is still there".into(),
        },
    }
}

/// Looks at the world and tells what came of an undo: `None` when it did not happen (it is simply
/// done again), else what is recorded from now on, or why that cannot be told.
async fn examine_undo(
    caller: &Caller<'_>,
    undo: &UndoHistory,
    step: &StepHistory,
    providers: &Providers,
) -> Option<Result<Option<RestingObject>, String>> {
    let scene = match scene(caller, step, providers) {
        Ok(scene) => scene,
        Err(reason) => return Some(Err(reason)),
    };
    let before = step.image.as_ref().and_then(|image| image.recorded.clone());
    match undo.begin.as_ref()?.effect {
        Some(StepEffect::Create) => {
            let generation = undo.begin.as_ref()?.generation;
            match look(caller, &scene, generation).await {
                Err(reason) => Some(Err(reason)),
                Ok(None) => None,
                Ok(Some(observed)) => {
                    let mut object = scene.prior.clone()?;
                    object.attributes = mark_planned(&scene.schema.block, observed.state, Some(&object.attributes));
                    object.private = observed.private;
                    object.identity = observed.identity;
                    object.generation = generation;
                    Some(Ok(Some(RestingObject::new(&object, caller.seal))))
                }
            }
        }
        Some(StepEffect::Delete) => {
            match look(caller, &scene, step.begin.as_ref().map_or(0, |begin| begin.generation)).await {
                Ok(None) => Some(Ok(before)),
                _ => None,
            }
        }
        _ => None,
    }
}

//! Settles doubt: what came of steps that nobody saw end. The world is read, never guessed.

mod examine;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path as FilePath;
use std::sync::Arc;

use retrue_provider_api::{Category, Value, process};

use crate::address::Address;
use crate::apply::context::Caller;
use crate::apply::late::{give_ephemeral, give_instance, make_ready};
use crate::apply::undo::{Examined, Scene, Setting, changed_by, examine as examine_undo, record_writes, referred};
use crate::apply::writes::{drop_object, put_generation, put_object};
use crate::crash_point;
use crate::diagnostic::Diagnostic;
use crate::engine::RunEventKind;
use crate::plan::file::PendingV1;
use crate::plan::file::{rest_pending, wake_ephemeral, wake_pending};
use crate::plan::{InDoubt, PlannedValue, ProviderInstance, ProviderWay, StepEffect};
use crate::rest::{RestingValue, Seal};
use crate::saga::compensation::{Undo, stands_again};
use crate::saga::event::{JournaledProvider, JournaledWay};
use crate::saga::history::{RunHistory, StepHistory, UndoHistory};
use crate::saga::journal::{Entry, Journal, JournalError};
use crate::saga::{
    Counts, Event, RecordedObject, Resolution, ResolvedOutcome, RestingObject, RunKind, RunRecord, RunState, State,
    StepFailure, UndoEnd, UndoFailure, codes,
};
use crate::store::Write;
use crate::survey::{Calls, Providers};

pub use self::examine::{Verdict, examine};

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

/// What providers of a run are configured with, besides what its journal holds.
pub struct Outside<'a> {
    /// Opens secrets.
    pub seal: &'a dyn Seal,
    /// What is recorded.
    pub state: &'a State,
    /// The directory of the stack.
    pub directory: &'a FilePath,
    /// The environment of the process.
    pub environment: &'a BTreeMap<OsString, OsString>,
    /// Reads a secret from the source that was kept in its place.
    pub sources: &'a dyn Fn(&str) -> Result<Value, Diagnostic>,
    /// The values of ephemeral variables, which are kept nowhere.
    pub given: &'a BTreeMap<String, Value>,
    /// For calls to the outside.
    pub calls: &'a Calls,
}

/// The providers of a run, configured as its journal says. What is ephemeral in that is opened again.
pub async fn providers_of(history: &RunHistory, outside: &Outside<'_>) -> Result<Providers, Diagnostic> {
    let Outside { seal, directory, environment, .. } = *outside;
    let sealed = |error: crate::rest::UnsealError| Diagnostic::error(codes::SEALED, error.to_string());
    let mut providers = Providers::new(environment, &outside.calls.taps);
    let mut late = Vec::new();
    for (name, journaled) in &history.started.providers {
        let mut instance = instance_of(journaled, seal, outside.sources)?;
        let name: Arc<str> = name.as_str().into();
        give_instance(&mut instance, outside.given)?;
        match &instance.again {
            Some(_) => {
                late.push(Arc::clone(&name));
                providers.open_late(name, instance, directory, environment).await?;
            }
            None => providers.configure(name, instance, directory, environment).await?,
        }
    }
    let mut ephemerals = Vec::new();
    for ephemeral in &history.started.ephemerals {
        let mut planned = wake_ephemeral(ephemeral.clone(), seal).map_err(sealed)?;
        give_ephemeral(&mut planned, outside.given)?;
        ephemerals.push(planned);
    }
    make_ready(&late, &ephemerals, &providers, (outside.state, seal), directory, outside.calls).await?;
    Ok(providers)
}

/// The ephemeral variables that the providers of a run need again. They rest nowhere.
pub fn ephemeral_variables(history: &RunHistory, seal: &dyn Seal) -> BTreeSet<String> {
    let started = &history.started;
    let again = started.providers.values().filter_map(|journaled| wake_pending(journaled.again.clone()?, seal).ok());
    let opened = started.ephemerals.iter().filter_map(|ephemeral| wake_ephemeral(ephemeral.clone(), seal).ok());
    let opened = opened.flat_map(|ephemeral| {
        let conditions = ephemeral.preconditions.into_iter().chain(ephemeral.postconditions);
        conditions.flat_map(|one| [one.condition, one.message]).chain([ephemeral.config]).collect::<Vec<_>>()
    });
    let names =
        again.chain(opened).flat_map(|pending| pending.ephemeral_variables().map(str::to_owned).collect::<Vec<_>>());
    names.collect()
}

/// The configuration of a provider instance, as a journal keeps it: what came from a source is kept
/// as that source.
pub fn journaled(instance: &ProviderInstance, seal: &dyn Seal) -> JournaledProvider {
    let ways = instance.fallback.iter().map(|way| JournaledWay {
        config: journaled_config(&way.config, &way.sources, seal),
        sources: way.sources.clone(),
        again: way.again.as_ref().map(|again| rest_pending(again, seal)),
    });
    JournaledProvider {
        provider: instance.provider.to_string(),
        origin: instance.origin.clone(),
        config: journaled_config(&instance.config, &instance.sources, seal),
        sources: instance.sources.clone(),
        again: instance.again.as_ref().map(|again| rest_pending(again, seal)),
        fallback: ways.collect(),
        policy: instance.policy.clone(),
    }
}

fn journaled_config(config: &PlannedValue, sources: &BTreeMap<String, String>, seal: &dyn Seal) -> RestingValue {
    let value = sources.keys().fold(config.value.clone(), |value, name| match value.get(name).map(Value::kind) {
        Some(kind) => value.with_attribute(name, Value::null(kind)),
        None => value,
    });
    RestingValue::new(&value, seal)
}

fn instance_of(
    journaled: &JournaledProvider,
    seal: &dyn Seal,
    sources: &dyn Fn(&str) -> Result<Value, Diagnostic>,
) -> Result<ProviderInstance, Diagnostic> {
    let sealed = |error: crate::rest::UnsealError| Diagnostic::error(codes::SEALED, error.to_string());
    let config_of = |config: &RestingValue, kept: &BTreeMap<String, String>| {
        let mut value = config.wake(seal).map_err(sealed)?;
        for (name, source) in kept {
            // The text is what the value was made from: it becomes what the null in its place was.
            let text = sources(source)?;
            let kind = value.get(name).map_or(retrue_provider_api::Type::String, Value::kind);
            let read = retrue_provider_api::convert(&text, &kind).unwrap_or(text);
            value = value.with_attribute(name, read.sensitive());
        }
        Ok::<_, Diagnostic>(PlannedValue::known(value))
    };
    let wake =
        |again: &Option<PendingV1>| again.clone().map(|again| wake_pending(again, seal)).transpose().map_err(sealed);
    let ways = journaled.fallback.iter().map(|way| {
        let (config, again) = (config_of(&way.config, &way.sources)?, wake(&way.again)?);
        Ok(ProviderWay { config, sources: way.sources.clone(), again })
    });
    Ok(ProviderInstance {
        provider: journaled.provider.as_str().into(),
        origin: journaled.origin.clone(),
        config: config_of(&journaled.config, &journaled.sources)?,
        sources: journaled.sources.clone(),
        again: wake(&journaled.again)?,
        fallback: ways.collect::<Result<_, Diagnostic>>()?,
        late: false,
        policy: journaled.policy.clone(),
    })
}

/// Settles the doubt that a run left, closes it, and returns what only a person can settle.
pub async fn settle_run(
    caller: &Caller<'_>,
    record: &RunRecord,
    history: &RunHistory,
    state: &State,
    undone: &BTreeMap<String, RunHistory>,
    providers: &Providers,
) -> Result<Vec<InDoubt>, SettleError> {
    providers.heed(&caller.cancellation.soft);
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
    let again = remade(history, undone.values(), caller.seal);
    for undo in history.undos_in_doubt() {
        let original = undone.get(&undo.of).and_then(|history| history.steps.iter().find(|step| step.id == undo.id));
        let Some(step) = original else { continue };
        if let Some(reason) = settle_undo(caller, state, undo, step, providers, &again).await? {
            left.push(InDoubt {
                address: undo.id.address.clone(),
                step: undo.id.to_string(),
                run: record.run.clone(),
                reason,
            });
        }
    }
    caller.tell_moves(providers).await?;
    let unwound = state.runs.values().any(|other| other.compensates.contains(&record.run));
    close(caller, record, history, (!left.is_empty(), unwound)).await?;
    Ok(left)
}

/// Closes a run that was interrupted, or whose doubt is settled now: whether something of it still is in doubt, and
/// whether its unwinding has begun, is known.
async fn close(
    caller: &Caller<'_>,
    record: &RunRecord,
    history: &RunHistory,
    (in_doubt, unwound): (bool, bool),
) -> Result<(), JournalError> {
    // Of what is written by now, the verdicts included.
    let counts = caller.journal.counts();
    if !record.state.is_final() {
        caller.journal.was_interrupted();
    }
    let (next, why) = match (record.state, in_doubt) {
        // What is being unwound has come to its own end before.
        (RunState::Compensating, _) | (RunState::NeedsReview, true) => return Ok(()),
        (_, true) => (RunState::NeedsReview, "it was interrupted, and something of it is in doubt"),
        (RunState::NeedsReview, false) if record.interrupted => {
            (RunState::FailedTransient, "it was interrupted, and what was in doubt is settled")
        }
        (RunState::NeedsReview, false) => (settled(history, &counts, unwound), "what was in doubt is settled"),
        (_, false) => (RunState::FailedTransient, "it was interrupted"),
    };
    if caller.journal.state() == Some(next) {
        return Ok(());
    }
    // What a verdict found out is said with it.
    if history.has_effects() {
        caller.journal.had_effect();
    }
    crash_point!("settle/close/before");
    caller.journal.finish(next, counts, Some(why.into())).await
}

/// What a run is whose doubt is settled, where it came to its own end before: what it would have been without the
/// doubt. An unwinding, and what one has begun with, asked for a person.
fn settled(history: &RunHistory, counts: &Counts, unwound: bool) -> RunState {
    if unwound || history.started.kind == RunKind::Compensate {
        return RunState::FailedPermanent;
    }
    if counts.applied == history.started.steps {
        return RunState::Succeeded;
    }
    let mut failures =
        history.steps.iter().filter(|step| !step.status.is_done()).filter_map(|step| step.failure.as_ref());
    match failures.all(|failure| failure.retryable || failure.category.retryable()) {
        true => RunState::FailedTransient,
        false => RunState::FailedPermanent,
    }
}

/// Writes down how the doubt about a step was settled.
pub async fn write_verdict(
    caller: &Caller<'_>,
    of: &str,
    step: &StepHistory,
    outcome: ResolvedOutcome,
    object: Option<RecordedObject>,
    how: &str,
) -> Result<(), JournalError> {
    let address = &step.id.address;
    let resting = object.as_ref().map(|object| RestingObject::new(object, caller.seal));
    let mut writes: Vec<Write> = Vec::new();
    if outcome != ResolvedOutcome::NotApplied {
        caller.journal.had_effect();
        if let Some(from) = step.moved_from().filter(|from| *from != address) {
            writes.push(drop_object(from, &step.id.object));
        }
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

/// What an unwinding made again, by address: what referred to the old one follows. `unwound` are the runs that it
/// unwinds, and those that were unwound before.
pub fn remade<'h>(
    unwinding: &RunHistory,
    unwound: impl IntoIterator<Item = &'h RunHistory> + Clone,
    seal: &dyn Seal,
) -> BTreeMap<Address, Value> {
    unwinding
        .undos
        .iter()
        .filter(|undo| undo.id.effect == StepEffect::Delete && stands_again(&undo.id, unwound.clone()))
        .filter_map(|undo| {
            let value = undo.end.as_ref()?.object.as_ref()?.attributes().wake(seal).ok()?;
            Some((undo.id.address.clone(), value.unmark_deep().0))
        })
        .collect()
}

/// Finds out what came of an undo, and writes it down. Returns why, where that cannot be told.
async fn settle_undo(
    caller: &Caller<'_>,
    state: &State,
    undo: &UndoHistory,
    step: &StepHistory,
    providers: &Providers,
    remade: &BTreeMap<Address, Value>,
) -> Result<Option<String>, SettleError> {
    let as_undo = Undo { run: undo.of.clone(), step: step.clone(), doubt: None, after: Vec::new() };
    let place = as_undo.from();
    let begin = undo.begin.as_ref();
    let setting = Setting {
        caller,
        providers,
        step,
        address: as_undo.to().0,
        now: state.object(&place.0, &place.1),
        generation: begin.map_or(0, |begin| begin.generation),
        key: begin.map(|begin| begin.idempotency_key.clone()).unwrap_or_default(),
        remade: step.image.as_ref().map(|image| referred(&image.provenance, remade)).unwrap_or_default(),
        became: None,
    };
    let scene = match Scene::new(setting) {
        Ok(scene) => scene,
        Err(failure) => return Ok(Some(failure.message)),
    };
    match examine_undo(&scene, begin.and_then(|begin| begin.effect), undo.has_child).await {
        Examined::CannotTell(reason) => Ok(Some(reason)),
        Examined::Undone { object, lost, .. } => {
            write_undone(caller, &as_undo, object.as_deref(), lost).await?;
            Ok(None)
        }
        Examined::NotUndone(how) => {
            write_not_undone(caller, &as_undo, None, how).await?;
            Ok(None)
        }
        Examined::Unfinished(object) => {
            write_not_undone(caller, &as_undo, Some(&object), "it was found unfinished".into()).await?;
            Ok(None)
        }
    }
}

/// Writes down that an undo happened after all.
pub async fn write_undone(
    caller: &Caller<'_>,
    undo: &Undo,
    object: Option<&RecordedObject>,
    lost: Vec<String>,
) -> Result<(), SettleError> {
    let object = object.map(|object| changed_by(object.clone(), caller.journal.run()));
    let resting = object.map(|object| RestingObject::new(&object, caller.seal));
    let writes = record_writes(undo, resting.as_ref())?;
    caller.journal.had_effect();
    let end = UndoEnd { of: undo.run.clone(), object: resting, lost };
    crash_point!("settle/undo/before");
    caller.journal.write(vec![Entry::of(&undo.step.id, Event::Undone(Box::new(end))).with(writes)]).await?;
    crash_point!("settle/undo/after");
    Ok(())
}

/// Writes down that an undo did not happen, or not in full: it may be tried again.
pub async fn write_not_undone(
    caller: &Caller<'_>,
    undo: &Undo,
    object: Option<&RecordedObject>,
    how: String,
) -> Result<(), SettleError> {
    let resting = object.map(|object| RestingObject::new(object, caller.seal));
    let (address, key) = undo.to();
    let writes = match &resting {
        Some(resting) => vec![put_object(&address, &key, resting)?],
        None => Vec::new(),
    };
    let failure = StepFailure {
        code: codes::UNDO_STUCK.into(),
        category: Category::Unknown,
        message: how,
        retryable: true,
        retry_after: None,
    };
    let stuck = UndoFailure { of: undo.run.clone(), failure, in_doubt: false, object: resting.map(Box::new) };
    caller.journal.write(vec![Entry::of(&undo.step.id, Event::UndoStuck(stuck)).with(writes)]).await?;
    Ok(())
}

//! Runs a plan: starts what is ready, up to a limit, and writes down how it ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use retrue_provider_api::{Category, Value};

use crate::address::{Address, BlockAddress};
use crate::apply::codes;
use crate::apply::context::Caller;
use crate::apply::execute::{Executor, StepResult};
use crate::apply::health::{check_health, open_gates};
use crate::apply::held::pivots;
use crate::apply::late::Late;
use crate::apply::schedule::{Ended, Schedule};
use crate::apply::scope::Values;
use crate::engine::{OnFailure, RunEventKind};
use crate::health;
use crate::plan::{Degraded, ObjectKey, Plan, Step};
use crate::rest::RestingValue;
use crate::saga::journal::{Entry, JournalError};
use crate::saga::state::{RecordedData, data_key, output_key};
use crate::saga::{Counts, Event, RecordedObject, RecordedOutput, RunState, State, StepFailure};
use crate::store::Write;
use crate::survey::{Calls, Providers};

/// What is to be applied.
pub struct ApplyRequest<'a> {
    /// The run.
    pub caller: &'a Caller<'a>,
    /// The plan.
    pub plan: &'a Plan,
    /// The providers, configured.
    pub providers: &'a Providers,
    /// What is recorded.
    pub state: &'a State,
    /// The directory of the stack.
    pub directory: PathBuf,
    /// How many steps may run at once.
    pub parallelism: usize,
    /// What happens when a step fails.
    pub on_failure: OnFailure,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run.
    pub run: String,
    /// How it ended.
    pub state: RunState,
    /// How many steps ended how.
    pub counts: Counts,
    /// What went wrong, by instance, in the order of the plan.
    pub failures: Vec<(Address, StepFailure)>,
    /// What is not as it should be, and was allowed to be so.
    pub degraded: Vec<Degraded>,
    /// What is in doubt.
    pub in_doubt: Vec<Address>,
    /// The steps that were not started, in the order of the plan.
    pub skipped: Vec<Address>,
    /// The first step that had an effect, cannot be undone in full, and has others resting on it.
    pub passed_pivot: Option<Address>,
    /// What came of the health checks, in the order of names.
    pub checks: Vec<health::Report>,
    /// The outputs as they are now; sensitive ones are marked.
    pub outputs: BTreeMap<String, Value>,
}

/// Carries out a plan. An error means that the journal cannot be written; then nothing more was done.
pub async fn apply(request: ApplyRequest<'_>) -> Result<RunReport, JournalError> {
    let ApplyRequest { caller, plan, providers, state, .. } = &request;
    let seal = caller.seal;
    providers.heed(&caller.cancellation.soft);
    open_gates(&request);
    let recorded = recorded_values(state, seal);
    let functions = providers.functions();
    let functions = functions.expecting(plan.base.functions.clone(), caller.keyed_hash());
    let values = Values::new(recorded, plan, request.directory.clone(), functions);
    let pivots = pivots(plan);
    let pivot_steps = pivots.iter().filter_map(|index| Some(plan.steps.get(*index)?.id.clone())).collect();
    let calls = Calls::reading(caller.cancellation.hard.clone());
    let late = Late::new(&plan.ephemerals, providers, &values, calls, &request.directory);
    let late = late.journaled(&caller.journal, seal);
    let degraded = Mutex::default();
    let executor =
        Executor { plan, pivots: &pivot_steps, caller, providers, values: &values, late: &late, degraded: &degraded };
    let mut schedule = Schedule::new(plan);
    let mut live = Live { objects: recorded_objects(state, seal) };
    let mut report = RunReport {
        run: caller.journal.run().to_owned(),
        state: RunState::Processing,
        counts: Counts::default(),
        failures: Vec::new(),
        degraded: Vec::new(),
        in_doubt: Vec::new(),
        skipped: Vec::new(),
        passed_pivot: None,
        checks: Vec::new(),
        outputs: BTreeMap::new(),
    };
    caller.tell_moves(providers).await?;
    for degraded in &plan.degraded {
        degrade(caller, &mut report, degraded.clone());
    }
    let mut failures: BTreeMap<usize, StepFailure> = BTreeMap::new();
    let mut skipped: Vec<usize> = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut halted = false;
    loop {
        while !halted && running.len() < request.parallelism.max(1) && !caller.cancellation.soft.is_cancelled() {
            let Some(index) = schedule.start() else { break };
            let Some(step) = plan.steps.get(index) else { continue };
            let object = live.take(step);
            let executor = &executor;
            running.push(async move {
                let result = executor.run(step, object.as_ref()).await;
                (index, object, result)
            });
        }
        let Some((index, object, result)) = running.next().await else { break };
        let Some(step) = plan.steps.get(index) else { continue };
        let result = result?;
        live.follow(step, object, &result);
        if pivots.contains(&index) && !matches!(result, StepResult::NotApplied(_)) {
            report.passed_pivot.get_or_insert_with(|| step.id.address.clone());
        }
        let ended = match result {
            StepResult::Applied(_) => {
                report.counts.applied += 1;
                Ended::Done
            }
            StepResult::Partial(failure) => {
                report.counts.partial += 1;
                if step.is_optional() {
                    excuse(caller, &mut report, step, &failure);
                } else {
                    failures.insert(index, failure);
                }
                Ended::Failed
            }
            StepResult::NotApplied(failure) => {
                report.counts.not_applied += 1;
                // Whoever stops the run wants to know what was not done.
                if step.is_optional() && failure.code != codes::CANCELLED {
                    excuse(caller, &mut report, step, &failure);
                } else {
                    failures.insert(index, failure);
                }
                Ended::Failed
            }
            StepResult::Unknown(failure) => {
                report.counts.unknown += 1;
                report.in_doubt.push(step.id.address.clone());
                failures.insert(index, failure);
                Ended::Failed
            }
        };
        for degraded in std::mem::take(&mut *executor.degraded.lock().unwrap_or_else(PoisonError::into_inner)) {
            degrade(caller, &mut report, degraded);
        }
        let excused = !failures.contains_key(&index);
        halted = halted || (ended == Ended::Failed && !excused && request.on_failure != OnFailure::Continue);
        for waiting in schedule.end(index, ended) {
            skipped.push(waiting);
            if let Some(waits) = plan.steps.get(waiting).filter(|_| excused) {
                let reason = format!("it depends on `{}`, which failed and is optional", step.id.address);
                if waits.is_optional() {
                    let address = waits.id.address.clone();
                    degrade(caller, &mut report, Degraded { address, reason: format!("not started: {reason}") });
                } else {
                    failures.insert(waiting, not_started(reason));
                }
            }
            if let Some(waiting) = plan.steps.get(waiting) {
                caller.tell(RunEventKind::StepSkipped {
                    address: waiting.id.address.clone(),
                    action: waiting.word(),
                    reason: format!("it depends on `{}`, which failed", step.id.address),
                });
            }
        }
    }
    drop(running);
    skipped.extend(schedule.never_started());
    skipped.sort_unstable();
    skipped.dedup();
    report.counts.skipped = skipped.len();
    report.skipped =
        skipped.iter().filter_map(|index| plan.steps.get(*index)).map(|step| step.id.address.clone()).collect();
    report.failures = failures
        .iter()
        .filter_map(|(index, failure)| Some((plan.steps.get(*index)?.id.address.clone(), failure.clone())))
        .collect();
    // What was skipped because of something optional is excused; else a failure stands beside it.
    let done = failures.is_empty() && schedule.never_started().is_empty();
    if done {
        record_outputs(&request, &values, &mut report).await?;
    }
    if done && report.failures.is_empty() {
        check_health(&request, &values, &mut report).await?;
    }
    caller.tell_moves(providers).await?;
    report.state = final_state(&report, caller.cancellation.soft.is_cancelled());
    let error = report.failures.first().map(|(address, failure)| format!("{address}: {}", failure.message));
    caller.journal.finish(report.state, report.counts, error).await?;
    caller.tell(RunEventKind::RunFinished { state: report.state, counts: report.counts });
    Ok(report)
}

/// What may fail did.
fn excuse(caller: &Caller<'_>, report: &mut RunReport, step: &Step, failure: &StepFailure) {
    let reason = format!("{} failed, and it is optional: {}", step.id.effect.word(), failure.message);
    degrade(caller, report, Degraded { address: step.id.address.clone(), reason });
}

fn degrade(caller: &Caller<'_>, report: &mut RunReport, degraded: Degraded) {
    // A replacement has several steps that wait for each other.
    if !report.degraded.iter().any(|known| known.address == degraded.address) {
        caller.tell(RunEventKind::Degraded(degraded.clone()));
        report.degraded.push(degraded);
    }
}

/// A step that the run cannot do without waits for one that it can.
fn not_started(reason: String) -> StepFailure {
    StepFailure {
        code: codes::FAILED.into(),
        category: Category::Unknown,
        message: format!("not started: {reason}"),
        retryable: false,
        retry_after: None,
    }
}

fn final_state(report: &RunReport, cancelled: bool) -> RunState {
    if report.counts.unknown > 0 {
        return RunState::NeedsReview;
    }
    if report.failures.is_empty() {
        let stopped = cancelled && report.counts.skipped > 0;
        return if stopped { RunState::Cancelled } else { RunState::Succeeded };
    }
    if cancelled && report.failures.iter().all(|(_, failure)| failure.code == codes::CANCELLED) {
        return RunState::Cancelled;
    }
    let may_pass = report.failures.iter().all(|(_, failure)| failure.retryable || failure.category.retryable());
    if may_pass { RunState::FailedTransient } else { RunState::FailedPermanent }
}

pub(super) fn recorded_values(state: &State, seal: &dyn crate::rest::Seal) -> BTreeMap<Address, Value> {
    state
        .current()
        .filter_map(|(address, object)| Some((address.clone(), object.attributes().wake(seal).ok()?)))
        .collect()
}

fn recorded_objects(state: &State, seal: &dyn crate::rest::Seal) -> BTreeMap<(Address, ObjectKey), RecordedObject> {
    let mut objects = BTreeMap::new();
    for (address, entry) in &state.addresses {
        let current = entry.current.iter().map(|object| (ObjectKey::Current, object));
        let deposed = entry.deposed.iter().map(|(key, object)| (ObjectKey::Deposed(key.as_str().into()), object));
        for (key, object) in current.chain(deposed) {
            // What cannot be opened was reported when the plan was made.
            if let Ok(object) = object.wake(seal) {
                objects.insert((address.clone(), key), object);
            }
        }
    }
    objects
}

/// The recorded objects as the run changes them.
struct Live {
    objects: BTreeMap<(Address, ObjectKey), RecordedObject>,
}

impl Live {
    /// The object that a step is about, as it is recorded now.
    fn take(&mut self, step: &Step) -> Option<RecordedObject> {
        let address = step.moved_from.as_ref().unwrap_or(&step.id.address);
        self.objects.get(&(address.clone(), step.id.object.clone())).cloned()
    }

    /// Follows what a step did to where the object is recorded.
    fn follow(&mut self, step: &Step, object: Option<RecordedObject>, result: &StepResult) {
        use crate::plan::StepEffect;
        if !matches!(result, StepResult::Applied(_)) {
            return;
        }
        let address = step.moved_from.as_ref().unwrap_or(&step.id.address);
        match step.id.effect {
            StepEffect::Depose => {
                self.objects.remove(&(address.clone(), ObjectKey::Current));
                if let Some(object) = object {
                    let key = ObjectKey::Deposed(step.generation.to_string().into());
                    self.objects.insert((step.id.address.clone(), key), object);
                }
            }
            StepEffect::Delete | StepEffect::Forget => {
                self.objects.remove(&(address.clone(), step.id.object.clone()));
            }
            _ if step.restores => {
                self.objects.remove(&(address.clone(), step.id.object.clone()));
            }
            _ => {}
        }
    }
}

/// Records what was read of data, for when it cannot be read.
async fn remember(request: &ApplyRequest<'_>, values: &Values) -> Result<(), JournalError> {
    let caller = request.caller;
    let read_now = request.plan.steps.iter().filter(|step| step.fallback.as_ref().is_some_and(|kept| kept.remember));
    let read_now = read_now.filter_map(|step| Some((step.id.address.clone(), Some(values.read(&step.id.address)?))));
    let mut writes = Vec::new();
    for (address, value) in request.plan.remembered.clone().into_iter().chain(read_now) {
        let key = data_key(&address);
        writes.push(match value {
            Some(value) => {
                let value = RestingValue::new(&value, caller.seal);
                let recorded = RecordedData { value, run: caller.journal.run().to_owned() };
                Write::Put { key, value: serde_json::to_value(&recorded)? }
            }
            None => Write::Delete { key },
        });
    }
    if writes.is_empty() {
        return Ok(());
    }
    let event = Event::Recorded { what: "what was read of data is kept".to_owned(), object: None };
    caller.journal.write(vec![Entry::run(event).with(writes)]).await
}

/// Records the outputs, and what they were before.
async fn record_outputs(
    request: &ApplyRequest<'_>,
    values: &Values,
    report: &mut RunReport,
) -> Result<(), JournalError> {
    let caller = request.caller;
    let seal = caller.seal;
    let mut before: BTreeMap<String, Option<RecordedOutput>> = BTreeMap::new();
    let mut writes = Vec::new();
    for output in &request.plan.outputs {
        let name = output.name.to_string();
        let Some(after) = &output.after else {
            before.insert(name.clone(), request.state.outputs.get(&name).cloned());
            writes.push(Write::Delete { key: output_key(&name) });
            continue;
        };
        match values.complete(after, None) {
            Ok(value) => {
                let recorded = request.state.outputs.get(&name);
                let elsewhere = recorded.is_some_and(|recorded| recorded.provenance != output.provenance);
                if output.reseal || elsewhere || output.before.as_ref() != Some(&value) {
                    before.insert(name.clone(), recorded.cloned());
                    let output = RecordedOutput::new(&value, output.provenance.clone(), seal);
                    writes.push(Write::Put { key: output_key(&name), value: serde_json::to_value(&output)? });
                }
                // Checks may look at it.
                values.put(&BlockAddress::output(Arc::clone(&output.name)).instance(None), value.clone());
                report.outputs.insert(name, value);
            }
            // What it is made of was passed over: it stays as it was.
            Err(_) if !report.degraded.is_empty() => {
                let address = BlockAddress::output(name).instance(None);
                let reason = "it has no value without what is degraded, and stays as it was".to_owned();
                degrade(caller, report, Degraded { address, reason });
            }
            Err(errors) => {
                let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let address = BlockAddress::output(name).instance(None);
                let failure = StepFailure {
                    code: codes::EVALUATION.into(),
                    category: Category::Validation,
                    message,
                    retryable: false,
                    retry_after: None,
                };
                report.failures.push((address, failure));
            }
        }
    }
    remember(request, values).await?;
    if !writes.is_empty() {
        caller.journal.had_effect();
        caller.journal.write(vec![Entry::run(Event::Outputs { before }).with(writes)]).await?;
    }
    Ok(())
}

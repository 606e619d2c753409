//! A failed run once more: with the same input, and of its plan only what did not succeed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::Value;

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::engine::session::find_run;
use crate::engine::{Cancellation, Failure, Options, PlanOptions, Planned, Session, Workspace};
use crate::plan::{InDoubt, Plan, PlanKind, Step, StepEffect};
use crate::saga::history::RunHistory;
use crate::saga::{PlannedStep, RunKind, RunRecord, RunState, codes};

/// A run that is to be done once more.
pub struct Replay {
    /// The run.
    pub run: RunRecord,
    history: RunHistory,
}

/// How many reasons are told; more would say the same.
const REASONS: usize = 10;

impl Session {
    /// A run that is to be done once more; `None` where it succeeded, and there is nothing left of it to do.
    ///
    /// # Errors
    /// There is no such run, nothing is written about it any more, or it is of a kind that is not planned.
    pub async fn replay(&self, wanted: &str) -> Result<(RunRecord, Option<Replay>), Failure> {
        let state = self.state().await?;
        let run = find_run(&state, wanted)?.clone();
        let refused = |why: &str, hint: &str| {
            let problem = format!("run {} cannot be replayed: {why}", run.run);
            Failure::one(Diagnostic::error(codes::NOT_REPLAYABLE, problem).hint(hint))
        };
        match run.kind {
            RunKind::Apply | RunKind::Destroy | RunKind::Fix => {}
            RunKind::Compensate => return Err(refused("it unwinds others", "`retrue compensate` goes on with it")),
            RunKind::Surgery => {
                return Err(refused("it changed only the record", "what was asked for can be asked for again"));
            }
        }
        if run.state == RunState::Succeeded {
            return Ok((run, None));
        }
        let Some(history) = self.history(&run.run).await? else {
            return Err(refused("its journal is gone", "`retrue apply` plans anew from the stack"));
        };
        if history.started.planned.len() != history.started.steps {
            let hint = "`retrue apply` plans anew from the stack";
            return Err(refused("an older version wrote it, which did not write down what it planned", hint));
        }
        Ok((run.clone(), Some(Replay { run, history })))
    }

    /// Plans what a replay would do.
    pub async fn plan_replay(
        &self,
        replay: &Replay,
        workspace: &Workspace,
        in_doubt: Vec<InDoubt>,
        cancellation: &Cancellation,
    ) -> Result<Planned, Failure> {
        let planning = replay.planning();
        match replay.run.kind {
            RunKind::Fix => self.plan_fix(workspace, &replay.mends(), in_doubt, cancellation).await,
            RunKind::Destroy => {
                self.plan_kind(workspace, &planning, PlanKind::Destroy, in_doubt, None, cancellation).await
            }
            _ => self.plan(workspace, &planning, in_doubt, cancellation).await,
        }
    }

    /// The options of a replay: the variables are those of the run.
    ///
    /// # Errors
    /// A secret cannot be opened.
    pub fn replay_options(&self, replay: &Replay, options: Options) -> Result<Options, Failure> {
        let wake = |(name, value): (&String, &crate::rest::RestingValue)| {
            let value = value.wake(self.seal()).map_err(|error| {
                Failure::one(
                    Diagnostic::error(codes::SEALED, format!("the variable `{name}` of the run: {error}"))
                        .hint("it was sealed with another key"),
                )
            })?;
            Ok((Arc::from(name.as_str()), value.unmark_deep().0))
        };
        let variables: Result<BTreeMap<Arc<str>, Value>, Failure> =
            replay.history.started.asked.variables.iter().map(wake).collect();
        Ok(Options { recorded: variables?, ..options })
    }
}

impl Replay {
    /// What the run was asked to plan.
    pub(super) fn planning(&self) -> PlanOptions {
        let asked = &self.history.started.asked;
        PlanOptions {
            destroy: self.run.kind == RunKind::Destroy,
            targets: asked.targets.clone(),
            replace: asked.replace.clone(),
            refresh: true,
        }
    }

    /// What it was to bring back, where it was a fix.
    pub(super) fn mends(&self) -> BTreeSet<Address> {
        self.history.started.planned.iter().map(|step| step.address.clone()).collect()
    }

    /// Why a plan that is made now is not what is left of the run's; empty where it is.
    pub fn moved(&self, plan: &Plan) -> Vec<String> {
        let started = &self.history.started;
        let mut reasons = Vec::new();
        if plan.base.config != started.configuration {
            reasons.push("the configuration, or what it reads, has changed since".to_owned());
        }
        if self.run.state == RunState::CompensatedPartly || self.run.state == RunState::Compensating {
            reasons.push("it was unwound in part".to_owned());
        }
        let mut planned: BTreeMap<&Address, Vec<&PlannedStep>> = BTreeMap::new();
        for step in &started.planned {
            planned.entry(&step.address).or_default().push(step);
        }
        let came = self.came();
        let mut told = BTreeSet::new();
        for step in plan.steps.iter().filter(|step| !matches!(step.id.effect, StepEffect::Record | StepEffect::Read)) {
            let address = &step.id.address;
            let of_run = planned.get(address).map(Vec::as_slice).unwrap_or_default();
            let reason = match of_run {
                [] => Some(format!("`{address}`: {}, which the run had not planned", step.id.effect.word())),
                of_run => came.get(address).copied().unwrap_or_default().moved(step, of_run),
            };
            if let Some(reason) = reason.filter(|_| told.insert(address)) {
                reasons.push(reason);
            }
        }
        if reasons.len() > REASONS {
            let more = reasons.len() - REASONS;
            reasons.truncate(REASONS);
            reasons.push(format!("and {more} more"));
        }
        reasons
    }

    /// By address, what came of the run's steps.
    fn came(&self) -> BTreeMap<&Address, Came> {
        let mut came: BTreeMap<&Address, Came> = BTreeMap::new();
        // What was unwound is as if it had never been done.
        if self.run.state == RunState::Compensated {
            return came;
        }
        for step in &self.history.steps {
            let of_address = came.entry(&step.id.address).or_default();
            of_address.done += usize::from(step.status.is_done());
            of_address.touched |= step.status.may_have_happened();
        }
        came
    }
}

/// What came of the steps of an address.
#[derive(Clone, Copy, Default)]
struct Came {
    /// How many were done.
    done: usize,
    /// Whether anything was changed, or may have been.
    touched: bool,
}

impl Came {
    /// Why a step that is planned now is none of what is left of those that were planned.
    fn moved(self, step: &Step, of_run: &[&PlannedStep]) -> Option<String> {
        let address = &step.id.address;
        if self.done == of_run.len() {
            return Some(format!("`{address}` was done, and has changed since"));
        }
        // What was done in part is gone on with from where it stands.
        if self.touched {
            return None;
        }
        let same = |planned: &&&PlannedStep| planned.effect == step.id.effect && planned.object == step.id.object;
        match of_run.iter().find(same) {
            None => Some(format!(
                "`{address}`: {}, where the run had planned {}",
                step.id.effect.word(),
                of_run.iter().map(|planned| planned.effect.word()).collect::<Vec<_>>().join(" and "),
            )),
            Some(planned) if planned.observed != step.fingerprint => {
                Some(format!("`{address}` is not as it was when the run was planned"))
            }
            Some(_) => None,
        }
    }
}

/// A replay that would not be one.
pub fn replay_moved(replay: &Replay, reasons: &[String]) -> Failure {
    let problem = format!("run {} cannot be replayed as it was: {}", replay.run.run, reasons.join("; "));
    Failure::one(
        Diagnostic::error(codes::REPLAY_MOVED, problem)
            .hint("`--replan` goes on with what is to be done now, with the variables of that run"),
    )
}

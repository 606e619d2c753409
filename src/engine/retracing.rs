//! Runs that are recorded, and recordings that are replayed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::WireValue;

use crate::clock::SystemClock;
use crate::config::Stack;
use crate::diagnostic::{Diagnostic, Sources};
use crate::engine::session::Applied;
use crate::engine::workspace::{Workspace, load, store_failure, with_variables};
use crate::engine::{
    Cancellation, Compensated, Failure, FailureKind, OnFailure, Options, PlanOptions, Planned, Session, Silent,
};
use crate::resilience::{Jitter, Settings};
use crate::saga::StepStatus;
use crate::store::{MemoryStore, Record, Sealer, Store as _, Write};
use crate::trace::{self, Difference, End, Header, KEY, Kind, Player, Recorder, Scope, StepEnd, Taps};

/// What a replay came to.
pub struct Retraced {
    /// When the recording was made, and by which version.
    pub recorded: (String, String),
    /// `apply` or `destroy`.
    pub kind: String,
    /// How many calls the recording has.
    pub calls: usize,
    /// How many of them were made again.
    pub answered: usize,
    /// How many calls came behind the end of a recording that was cut off.
    pub beyond: usize,
    /// How many calls were not reached, because there was no plan now.
    pub unreached: usize,
    /// The calls that were made otherwise.
    pub differences: Vec<Difference>,
    /// How the recorded run ended; nothing where the recording was cut off.
    pub before: Option<End>,
    /// How it ended now.
    pub now: End,
    /// Why there was no plan now, where there was none.
    pub problems: Vec<Diagnostic>,
    /// The files that the problems are about.
    pub sources: Sources,
}

impl Retraced {
    /// The steps that ended otherwise: how they ended when they were recorded, and how they ended now.
    pub fn steps(&self) -> Vec<(Option<&StepEnd>, Option<&StepEnd>)> {
        // Without a plan there are no steps, and that is told once.
        let Some(before) = self.before.as_ref().filter(|_| self.now.failed.is_empty()) else { return Vec::new() };
        let by_name = |end: &'_ End| -> BTreeMap<(String, String), usize> {
            let steps = end.steps.iter().enumerate();
            steps.map(|(index, step)| ((step.address.clone(), step.effect.clone()), index)).collect()
        };
        let (was, is) = (by_name(before), by_name(&self.now));
        let names: std::collections::BTreeSet<_> = was.keys().chain(is.keys()).collect();
        let pairs = names.into_iter().map(|name| {
            let was = was.get(name).and_then(|index| before.steps.get(*index));
            (was, is.get(name).and_then(|index| self.now.steps.get(*index)))
        });
        pairs.filter(|(was, is)| was != is).collect()
    }

    /// Whether the run ended otherwise, apart from its steps.
    pub fn ended_otherwise(&self) -> bool {
        self.before.as_ref().is_some_and(|before| {
            // Checks are not made in a replay: a run that ended as it did because of one has no equal.
            let ended = |end: &End| (end.state.clone(), end.unwound.clone());
            before.failed != self.now.failed || before.unhealthy.is_empty() && ended(before) != ended(&self.now)
        })
    }

    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.steps().is_empty() && !self.ended_otherwise()
    }
}

impl Session {
    /// Begins to record what is planned and applied from now on.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn record(
        &self,
        recorder: &Recorder,
        workspace: &Workspace,
        planning: &PlanOptions,
        on_failure: OnFailure,
    ) -> Result<(), Failure> {
        let secrets = recorder.secrets();
        for value in workspace.variables.values.values() {
            secrets.learn(value);
        }
        let mut records = self.store.state().await.map_err(store_failure)?;
        // What earlier runs did is no part of this one.
        records.retain(|key, _| !key.starts_with("run/"));
        let state = secrets.reseal(records, self.seal(), &Sealer::new(&KEY));
        let variables = &workspace.variables.values;
        recorder.begin(Header {
            format: trace::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: self.clock.now(),
            stack: workspace.stack.name.to_string(),
            environment: self.options.environment.clone(),
            lineage: self.lineage().to_owned(),
            kind: if planning.destroy { "destroy" } else { "apply" }.to_owned(),
            scope: Scope {
                targets: planning.targets.clone(),
                replace: planning.replace.clone(),
                refresh: planning.refresh,
                on_failure: way(on_failure).to_owned(),
                parallelism: self.options.parallelism,
            },
            variables: variables.iter().map(|(name, value)| (name.clone(), WireValue(secrets.hide(value)))).collect(),
            state,
        });
        Ok(())
    }

    /// How a run ended, as a trace tells it.
    ///
    /// # Errors
    /// Its journal cannot be read.
    pub async fn ended(&self, applied: &Applied) -> Result<End, Failure> {
        let history = self.history(&applied.report.run).await?;
        let mut steps = Vec::new();
        for step in history.iter().flat_map(|history| &history.steps) {
            steps.push(StepEnd {
                address: step.id.address.to_string(),
                effect: step.id.effect.word().to_owned(),
                status: word(step.status).to_owned(),
                failure: step.failure.as_ref().map(|failure| failure.category.to_string()),
            });
        }
        let unwound = match (&applied.compensated, &applied.held) {
            (Some(Compensated::Unwound(unwound)), _) => Some(unwound.state.word().to_owned()),
            (Some(Compensated::Nothing), _) => Some("nothing".to_owned()),
            (None, Some(_)) => Some("held".to_owned()),
            (None, None) => None,
        };
        let unhealthy = applied.report.checks.iter().filter(|report| report.is_failure());
        let unhealthy = unhealthy.map(|report| report.name.to_string()).collect();
        Ok(End { unhealthy, state: Some(applied.report.state.word().to_owned()), failed: Vec::new(), steps, unwound })
    }
}

/// What a run that could not be planned ends with.
pub fn not_planned(failure: &Failure) -> End {
    let mut failed: Vec<String> =
        failure.diagnostics.iter().filter(|told| told.is_error()).map(|told| told.code.to_owned()).collect();
    failed.sort();
    failed.dedup();
    End { failed, ..End::default() }
}

/// Plans and applies the stack of the directory in memory, from what a trace began with, on providers that answer
/// what was recorded. Nothing outside is touched, and neither is the store of the stack.
///
/// # Errors
/// The trace cannot be read or is none, or the stack cannot be loaded.
pub async fn retrace(options: &Options, path: &Path, cancellation: &Cancellation) -> Result<Retraced, Failure> {
    let player = Player::new(trace::read(path).map_err(Failure::one)?);
    let header = &player.trace().header;
    let options = Options {
        directory: options.root(),
        environment: header.environment.clone(),
        vars: Vec::new(),
        var_files: Vec::new(),
        recorded: header.variables.iter().map(|(name, value)| (Arc::clone(name), value.0.clone())).collect(),
        parallelism: header.scope.parallelism.clamp(1, 1024),
        taps: Taps::one(Arc::new(Arc::clone(&player))),
        ..options.clone()
    };
    let workspace = with_variables(&options, alone(load(&options)?))?;
    let store = MemoryStore::new(&header.lineage, &KEY);
    let writes = header.state.iter().map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() });
    let seed = Record { body: serde_json::json!({ "trace": header.format }), writes: writes.collect() };
    store.append("trace", vec![seed]).await.map_err(store_failure)?;
    store.remove_run("trace").await.map_err(store_failure)?;
    let session = Session::over(Arc::new(store), Arc::new(SystemClock), options);
    session.state().await.map_err(|failure| not_usable(failure, path))?;

    let planning = PlanOptions {
        destroy: header.kind == "destroy",
        targets: header.scope.targets.clone(),
        replace: header.scope.replace.clone(),
        refresh: header.scope.refresh,
    };
    let before = player.trace().end.clone();
    // Where only a plan was made, because a person said no to it, nothing is carried out now.
    let carried_out = before.as_ref().is_none_or(|end| end.state.is_some() || !end.failed.is_empty());
    let mut sources = workspace.sources.clone();
    let (now, problems) = match session.plan(&workspace, &planning, Vec::new(), cancellation).await {
        Ok(mut planned) => {
            // What they look at is outside.
            planned.plan.checks.clear();
            (session.carried_out(&planned, carried_out, &header.scope.on_failure, cancellation).await?, Vec::new())
        }
        Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
        Err(failure) => {
            let now = not_planned(&failure);
            sources = failure.sources;
            (now, failure.diagnostics)
        }
    };
    let mut told = player.finish();
    let all = told.differences.len();
    if !now.failed.is_empty() && before.as_ref().is_none_or(|end| end.failed.is_empty()) {
        // Without a plan nothing else follows: what was changed is told, and not all that it took with it.
        told.differences.retain(|difference| difference.kind != Kind::Gone);
    }
    let unreached = all - told.differences.len();
    let problems =
        problems.into_iter().map(|problem| Diagnostic { message: player.hidden(&problem.message), ..problem });
    Ok(Retraced {
        recorded: (header.time.clone(), header.version.clone()),
        kind: header.kind.clone(),
        calls: player.trace().calls(),
        answered: told.answered,
        beyond: told.beyond,
        unreached,
        differences: told.differences,
        before,
        now,
        problems: problems.collect(),
        sources,
    })
}

impl Session {
    async fn carried_out(
        &self,
        planned: &Planned,
        wanted: bool,
        on_failure: &str,
        cancellation: &Cancellation,
    ) -> Result<End, Failure> {
        let nothing = planned.plan.is_empty() && !planned.plan.has_upkeep();
        if nothing || !wanted {
            planned.providers.close().await;
            return Ok(End::default());
        }
        let on_failure = match on_failure {
            "continue" => OnFailure::Continue,
            "compensate" => OnFailure::Compensate,
            _ => OnFailure::Halt,
        };
        let applied = self.apply(planned, None, on_failure, &Silent, cancellation).await?;
        self.ended(&applied).await
    }
}

/// The stack as it is replayed: nobody is waited for, and no variable is read from anywhere.
fn alone(mut stack: Stack) -> Stack {
    let at_once = |settings: &mut Settings| {
        settings.first_wait = Some(Duration::ZERO);
        settings.longest_wait = Some(Duration::ZERO);
        settings.jitter = Some(Jitter::None);
        // Whether something was held back shows in what was called; a recording does not get well by waiting.
        settings.failures = Some(0);
        settings.limits.rate = None;
        settings.types.values_mut().for_each(|limits| limits.rate = None);
    };
    at_once(&mut stack.settings.resilience);
    stack.providers.values_mut().for_each(|provider| at_once(&mut provider.resilience));
    stack.variables.values_mut().for_each(|variable| variable.from = None);
    stack
}

fn not_usable(failure: Failure, path: &Path) -> Failure {
    let why: Vec<String> = failure.diagnostics.iter().map(|told| told.message.clone()).collect();
    let problem = format!("{}: what it began from cannot be read: {}", path.display(), why.join("; "));
    Failure::one(
        Diagnostic::error(trace::codes::NO_TRACE, problem).hint("`retrue apply --record FILE` makes a new one"),
    )
}

fn way(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Halt => "halt",
        OnFailure::Continue => "continue",
        OnFailure::Compensate => "compensate",
    }
}

fn word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Planned => "not_started",
        StepStatus::Imaged | StepStatus::Begun => "begun",
        StepStatus::Applied | StepStatus::Verified => "applied",
        StepStatus::Partial => "partial",
        StepStatus::NotApplied => "not_applied",
        StepStatus::Unknown => "unknown",
        StepStatus::Mismatched => "mismatched",
    }
}

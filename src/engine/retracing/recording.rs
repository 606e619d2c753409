//! What a trace begins with: all that a replay needs to know of the store and of what was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{Value, WireValue};
use serde_json::Value as Json;

use crate::apply::settle::ephemeral_variables;
use crate::clock::{Clock as _, SystemClock};
use crate::diagnostic::Diagnostic;
use crate::engine::planning::recent_runs;
use crate::engine::workspace::{Workspace, store_failure};
use crate::engine::{CompensateOptions, Failure, OnFailure, Options, PlanOptions, Replay, Session};
use crate::plan::compare::fingerprint;
use crate::plan::{self, InDoubt, Plan, PlanKind};
use crate::rest::Seal;
use crate::saga::{RunKind, State, codes};
use crate::store::Sealer;
use crate::trace::{self, Doing, Header, KEY, Recorder, Scope, Unwinding};

/// The keys of the state under which runs are remembered begin so.
const RUNS: &str = "run/";
/// What stands before a run's name while its journal is made free of secrets together with the state.
const JOURNAL: &str = "journal/";
/// The same for a plan.
const PLAN: &str = "plan";

/// What a trace begins with, before secrets are taken out of it.
pub(in crate::engine) struct Beginning<'a> {
    /// What is to be done.
    pub doing: Doing,
    /// What it is about.
    pub scope: Scope,
    /// The stack and its variables, where it is planned.
    pub workspace: Option<&'a Workspace>,
    /// Values of variables that a plan or a journal does not hold.
    pub given: BTreeMap<Arc<str>, Value>,
    /// What a store holds.
    pub records: BTreeMap<String, Json>,
    /// The journals that are needed.
    pub journals: BTreeMap<String, Vec<Json>>,
    /// The plan, where one is kept, as it rests with the key of the store.
    pub plan: Option<Json>,
    /// Opens secrets.
    pub seal: &'a dyn Seal,
    /// The lineage of the store.
    pub lineage: &'a str,
    /// What is in doubt.
    pub in_doubt: Vec<InDoubt>,
}

impl<'a> Beginning<'a> {
    /// Over a stack.
    pub(in crate::engine) fn of(
        doing: Doing,
        workspace: &'a Workspace,
        (records, seal, lineage): (BTreeMap<String, Json>, &'a dyn Seal, &'a str),
    ) -> Self {
        Beginning {
            doing,
            scope: Scope { refresh: true, on_failure: way(OnFailure::Halt).to_owned(), ..Scope::default() },
            workspace: Some(workspace),
            given: BTreeMap::new(),
            records,
            journals: BTreeMap::new(),
            plan: None,
            seal,
            lineage,
            in_doubt: Vec::new(),
        }
    }

    /// Writes it.
    pub(in crate::engine) fn write(self, recorder: &Recorder, options: &Options) -> Result<(), Failure> {
        let secrets = recorder.secrets();
        let variables = self.workspace.map(|workspace| &workspace.variables.values);
        variables.into_iter().flat_map(BTreeMap::values).for_each(|value| secrets.learn(value));
        // They are given because they rest nowhere.
        self.given.values().for_each(|value| secrets.learn_all(value));
        let state = State::read(self.records.clone())
            .map_err(|error| Failure::one(Diagnostic::error(codes::RECORD, error.to_string())))?;
        let now = SystemClock.now();
        let mut all = self.records;
        if self.doing != Doing::Compensate {
            // What earlier runs did is no part of this one.
            all.retain(|key, _| !key.starts_with(RUNS));
        }
        all.extend(self.journals.into_iter().map(|(run, bodies)| (format!("{JOURNAL}{run}"), Json::Array(bodies))));
        all.extend(self.plan.map(|plan| (PLAN.to_owned(), plan)));
        // All at once: what is secret in one may stand in another.
        let mut state_of_trace = secrets.reseal(all, self.seal, &Sealer::new(&KEY));
        let plan = state_of_trace.remove(PLAN).map(anew).transpose()?;
        let mut journals = BTreeMap::new();
        state_of_trace.retain(|key, value| match (key.strip_prefix(JOURNAL), value) {
            (Some(run), Json::Array(bodies)) => {
                journals.insert(run.to_owned(), std::mem::take(bodies));
                false
            }
            _ => true,
        });
        let variables = variables.into_iter().flatten().chain(&self.given);
        let header = Header {
            format: trace::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: now.clone(),
            stack: self.workspace.map(|workspace| workspace.stack.name.to_string()).unwrap_or_default(),
            environment: options.environment.clone(),
            lineage: self.lineage.to_owned(),
            kind: self.doing,
            scope: Scope { parallelism: options.parallelism, ..self.scope },
            variables: variables.map(|(name, value)| (Arc::clone(name), WireValue(secrets.hide(value)))).collect(),
            state: state_of_trace,
            journals,
            plan,
            in_doubt: self.in_doubt,
            recent: recent_runs(&state, &now),
        };
        recorder.begin(header).map_err(Failure::one)
    }
}

/// A plan without secrets, sealed with the key of traces: what it saw is named by that key, too.
pub(super) fn anew(file: Json) -> Result<Json, Failure> {
    let seal = Sealer::new(&KEY);
    let wrong = |why: String| Failure::one(Diagnostic::error(plan::codes::FILE_DAMAGED, why));
    let mut plan = plan::file::changed(file, &seal).map_err(|error| wrong(error.to_string()))?;
    for step in plan.steps.iter_mut().filter(|step| !step.fingerprint.is_empty()) {
        step.fingerprint = fingerprint(&step.fingerprint_of, &step.observed.clone().unmark_deep().0, &seal);
    }
    // What functions came to is named by the key of the store. A replay compares what they are asked.
    plan.base.functions.clear();
    plan::file::seal_digest(&mut plan, &seal);
    serde_json::from_slice(&plan::file::write(&plan, &seal)).map_err(|error| wrong(error.to_string()))
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
        (planning, on_failure): (&PlanOptions, OnFailure),
        in_doubt: &[InDoubt],
    ) -> Result<(), Failure> {
        let doing = if planning.destroy { Doing::Destroy } else { Doing::Apply };
        let beginning = Beginning::of(doing, workspace, (self.records().await?, self.seal(), self.lineage()));
        let scope = scope(planning, on_failure);
        Beginning { scope, in_doubt: in_doubt.to_vec(), ..beginning }.write(recorder, &self.options)
    }

    /// The same for a run that is done once more.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn record_replay(
        &self,
        recorder: &Recorder,
        workspace: &Workspace,
        (replay, on_failure): (&Replay, OnFailure),
        in_doubt: &[InDoubt],
    ) -> Result<(), Failure> {
        let doing = match replay.run.kind {
            RunKind::Fix => Doing::Fix,
            RunKind::Destroy => Doing::Destroy,
            _ => Doing::Apply,
        };
        let mend = (doing == Doing::Fix).then(|| replay.mends().into_iter().collect());
        let scope = Scope { mend, ..scope(&replay.planning(), on_failure) };
        let beginning = Beginning::of(doing, workspace, (self.records().await?, self.seal(), self.lineage()));
        Beginning { scope, in_doubt: in_doubt.to_vec(), ..beginning }.write(recorder, &self.options)
    }

    /// The same for a plan that was kept.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn record_plan(&self, recorder: &Recorder, plan: &Plan, on_failure: OnFailure) -> Result<(), Failure> {
        let file = serde_json::from_slice(&plan::file::write(plan, self.seal()));
        let wrong = |error: serde_json::Error| Diagnostic::error(plan::codes::FILE_DAMAGED, error.to_string());
        let names = plan.ephemeral_variables().into_iter().map(str::to_owned).collect();
        let beginning = Beginning {
            doing: match plan.kind {
                PlanKind::Apply => Doing::Apply,
                PlanKind::Destroy => Doing::Destroy,
                PlanKind::Fix => Doing::Fix,
            },
            scope: scope(&PlanOptions::default(), on_failure),
            workspace: None,
            given: self.given_of(&names),
            records: self.records().await?,
            journals: BTreeMap::new(),
            plan: Some(file.map_err(wrong).map_err(Failure::one)?),
            seal: self.seal(),
            lineage: self.lineage(),
            in_doubt: Vec::new(),
        };
        beginning.write(recorder, &self.options)
    }

    /// The same for runs that are unwound.
    ///
    /// # Errors
    /// The state or a journal cannot be read, or there is no such run.
    pub async fn record_compensation(&self, recorder: &Recorder, options: &CompensateOptions) -> Result<(), Failure> {
        let chosen = self.chosen(options).await?;
        let (mut journals, mut names) = (BTreeMap::new(), BTreeSet::new());
        // Of later ones, what builds on them, and what was unwound before.
        for run in self.store.runs().await.map_err(store_failure)? {
            if chosen.iter().min().is_none_or(|oldest| run < *oldest) {
                continue;
            }
            if let Some(history) = self.history(&run).await?.filter(|_| chosen.contains(&run)) {
                names.extend(ephemeral_variables(&history, self.seal()));
            }
            let records = self.store.run(&run).await.map_err(store_failure)?;
            journals.insert(run, records.into_iter().map(|record| record.body).collect());
        }
        let CompensateOptions { run, through, past, skip, alone: _ } = options.clone();
        let unwinding = Some(Unwinding { run, through, past, skip });
        let beginning = Beginning {
            doing: Doing::Compensate,
            scope: Scope { unwinding, ..scope(&PlanOptions::default(), OnFailure::Halt) },
            workspace: None,
            given: self.given_of(&names),
            records: self.records().await?,
            journals,
            plan: None,
            seal: self.seal(),
            lineage: self.lineage(),
            in_doubt: Vec::new(),
        };
        beginning.write(recorder, &self.options)
    }

    async fn records(&self) -> Result<BTreeMap<String, Json>, Failure> {
        self.store.state().await.map_err(store_failure)
    }

    /// The values that are given now for some variables. What is read from a source is told when it is read.
    fn given_of(&self, names: &BTreeSet<String>) -> BTreeMap<Arc<str>, Value> {
        let given = self.given_now().into_iter();
        given.filter(|(name, _)| names.contains(name)).map(|(name, value)| (name.into(), value)).collect()
    }
}

fn scope(planning: &PlanOptions, on_failure: OnFailure) -> Scope {
    Scope {
        targets: planning.targets.clone(),
        replace: planning.replace.clone(),
        refresh: planning.refresh,
        on_failure: way(on_failure).to_owned(),
        ..Scope::default()
    }
}

fn way(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Halt => "halt",
        OnFailure::Continue => "continue",
        OnFailure::Compensate => "compensate",
    }
}

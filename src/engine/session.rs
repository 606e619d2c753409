//! A session: the store with the lock held, for whatever changes something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::Value;
use serde_json::Value as Json;

use crate::address::Address;
use crate::apply::context::Caller;
use crate::apply::journal_failure;
use crate::apply::late::{give_again, make_ready};
use crate::apply::run::{ApplyRequest, RunReport, apply};
use crate::apply::settle::{Outside, SettleError, journaled, providers_of, reopened, settle_run};
use crate::apply::unwind::needed_blobs;
use crate::clock::{Clock, SystemClock};
use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::engine::compensation::Compensated;
use crate::engine::continuing::{continued, owing, records};
use crate::engine::look::read_history;
use crate::engine::planning::{Basis, Planned, kind_of, make, recent_runs, until_cancelled};
use crate::engine::workspace::{Workspace, describe_unread, holder, key_source, store_directory, store_failure};
use crate::engine::{Cancellation, Failure, FailureKind, Observer, OnFailure, Options, PlanOptions};
use crate::plan::file::rest_ephemeral;
use crate::plan::{Asked, InDoubt, Plan, PlanKind, Step};
use crate::saga::history::RunHistory;
use crate::saga::journal::{Entry, Journal, JournalError};
use crate::saga::{Event, PlannedStep, RunKind, RunRecord, RunStarted, RunState, State, codes};
use crate::store::{self, Sealer, Store};
use crate::survey::conditions::locate;
use crate::survey::{Calls, Providers, keyed_parts};

/// The store with the lock held. What goes wrong in the store is a [`Failure`].
pub struct Session {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    /// What a person should be told about the opening.
    pub notices: Vec<String>,
}

/// What a plan that was kept in a file comes to.
pub enum Kept {
    /// It can be applied.
    Ready(Box<Planned>),
    /// It was applied already, by this run, which succeeded.
    Done(Box<RunRecord>),
}

/// What came of an apply, and of unwinding it where that was asked for.
pub struct Applied {
    /// The run.
    pub report: RunReport,
    /// What unwinding came to.
    pub compensated: Option<Compensated>,
    /// Why it was not unwound, although that was asked for.
    pub held: Option<String>,
}

impl Session {
    /// Takes the lock and opens the store, making it where there is none.
    pub async fn open(options: &Options, what: &str, stack: Option<&Stack>) -> Result<Session, Failure> {
        if stack.is_none() {
            describe_unread(options);
        }
        let directory = store_directory(options, stack)?;
        let key = key_source(options)?;
        let mut opening = store::Options::new(key, what, jiff::Timestamp::now());
        opening.stack = holder(options, stack);
        let opened = tokio::task::spawn_blocking(move || store::open(&directory, &opening))
            .await
            .map_err(|error| Failure::one(Diagnostic::error(codes::RECORD, error.to_string())))?
            .map_err(store_failure)?;
        let notices = opened.notices();
        tracing::info!(lineage = opened.lineage(), environment = %options.environment, verb = what, "store opened");
        let options = Options { directory: options.root(), ..options.clone() };
        Ok(Session { store: Arc::new(opened), clock: Arc::new(SystemClock), options, notices })
    }

    /// A session over a store that is open already, with a clock of one's own: for simulations.
    pub fn over(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: Options) -> Session {
        Session { store, clock, options, notices: Vec::new() }
    }

    /// Gives the lock back.
    pub async fn close(&self) -> Result<(), Failure> {
        self.store.close().await.map_err(store_failure)
    }

    /// What is recorded.
    pub async fn state(&self) -> Result<State, Failure> {
        let records = self.store.state().await.map_err(store_failure)?;
        State::read(records).map_err(|error| Failure::one(Diagnostic::error(codes::RECORD, error.to_string())))
    }

    /// Opens secrets.
    pub fn seal(&self) -> &Sealer {
        self.store.sealer()
    }

    /// The lineage of the store.
    pub fn lineage(&self) -> &str {
        self.store.lineage()
    }

    /// What is written about a run.
    pub async fn history(&self, run: &str) -> Result<Option<RunHistory>, Failure> {
        let records = self.store.run(run).await.map_err(store_failure)?;
        let bodies: Vec<Json> = records.into_iter().map(|record| record.body).collect();
        read_history(&bodies)
    }

    pub(super) fn caller<'a>(
        &'a self,
        journal: Arc<Journal>,
        cancellation: &'a Cancellation,
        observer: &'a dyn Observer,
    ) -> Caller<'a> {
        Caller::new(journal, self.seal(), cancellation, observer, &self.options.environment, self.lineage())
    }

    /// The providers of a run, configured as its journal says.
    pub(super) async fn providers_of(&self, history: &RunHistory) -> Result<Providers, Diagnostic> {
        let records = self.store.state().await;
        let state = records.ok().and_then(|records| State::read(records).ok()).unwrap_or_default();
        let outside = Outside {
            seal: self.seal(),
            state: &state,
            directory: &self.options.directory,
            environment: &self.options.process_environment,
            sources: &|source| self.source(source),
            given: &self.given(&history.started.ephemeral_sources)?,
            calls: &Calls::reading(Default::default()).tapped(&self.options.taps),
        };
        providers_of(history, &outside).await
    }

    /// The values that are given for variables now, for those that are kept nowhere.
    fn given(&self, sources: &BTreeMap<String, String>) -> Result<BTreeMap<String, Value>, Diagnostic> {
        let given = self.given_now();
        let left = sources.iter().filter(|(name, _)| !given.contains_key(*name));
        let read = left.map(|(name, source)| Ok((name.clone(), self.source(source)?)));
        let read = read.collect::<Result<BTreeMap<_, _>, Diagnostic>>()?;
        Ok(given.into_iter().chain(read).collect())
    }

    /// The same, without what has to be read from somewhere.
    pub(super) fn given_now(&self) -> BTreeMap<String, Value> {
        if self.options.taps.answers() {
            let recorded = self.options.recorded.iter();
            return recorded.map(|(name, value)| (name.to_string(), value.clone())).collect();
        }
        let prefix = crate::config::VARIABLE_PREFIX;
        let environment = self.options.process_environment.iter().filter_map(|(name, value)| {
            Some((name.to_str()?.strip_prefix(prefix)?.to_owned(), value.to_str()?.to_owned()))
        });
        let given = environment.chain(self.options.vars.iter().cloned());
        given.map(|(name, text)| (name, crate::config::value_of(&text))).collect()
    }

    /// Reads a secret from the source that was kept in its place.
    pub(super) fn source(&self, source: &str) -> Result<Value, Diagnostic> {
        let Options { directory, process_environment, taps, .. } = &self.options;
        taps.source(source, &|| crate::config::read_source(source, directory, process_environment))
    }

    /// Settles the doubt that interrupted runs left, and closes them. Returns what only a person can
    /// settle.
    pub async fn settle(&self, observer: &dyn Observer, cancellation: &Cancellation) -> Result<Vec<InDoubt>, Failure> {
        let state = self.state().await?;
        let mut left = Vec::new();
        for (run, record) in &state.runs {
            if record.state.is_final() && record.state != RunState::NeedsReview {
                continue;
            }
            let Some(history) = self.history(run).await? else { continue };
            let nothing_open = !history.has_doubt();
            // A run that was in doubt, and is no more, is closed; one that waits for something else stays: for
            // a person, or, where its own journal ended otherwise, for its unwinding.
            let was_in_doubt = record.counts.unknown > 0 && history.machine.state() == Some(RunState::NeedsReview);
            if record.state == RunState::NeedsReview && nothing_open && !was_in_doubt {
                continue;
            }
            let mut undone = BTreeMap::new();
            for of in history.undos.iter().map(|undo| undo.of.clone()).collect::<BTreeSet<_>>() {
                if let Some(history) = self.history(&of).await? {
                    undone.insert(of, history);
                }
            }
            let providers = if nothing_open {
                Providers::new(&self.options.process_environment, &self.options.taps)
            } else {
                self.providers_of(&history).await.map_err(Failure::one)?
            };
            let journal = reopened(&self.store, &self.clock, record, &history);
            let caller = self.caller(journal, cancellation, observer);
            let found =
                settle_run(&caller, record, &history, &state, &undone, &providers).await.map_err(settle_failure)?;
            left.extend(found);
        }
        Ok(left)
    }

    /// Plans with the lock held. What is in doubt stays out of it.
    pub async fn plan(
        &self,
        workspace: &Workspace,
        planning: &PlanOptions,
        in_doubt: Vec<InDoubt>,
        cancellation: &Cancellation,
    ) -> Result<Planned, Failure> {
        self.plan_kind(workspace, planning, kind_of(planning), in_doubt, None, cancellation).await
    }

    pub(super) async fn plan_kind(
        &self,
        workspace: &Workspace,
        planning: &PlanOptions,
        kind: PlanKind,
        in_doubt: Vec<InDoubt>,
        only: Option<&BTreeSet<Address>>,
        cancellation: &Cancellation,
    ) -> Result<Planned, Failure> {
        let state = self.state().await?;
        let basis = Basis {
            workspace,
            state: &state,
            seal: self.seal(),
            lineage: self.lineage(),
            in_doubt,
            calls: Calls::reading(cancellation.soft.clone())
                .after(recent_runs(&state, &self.clock.now()))
                .tapped(&self.options.taps),
            only,
            checks: only.is_none(),
        };
        make(&self.options, planning, kind, basis).await
    }

    /// Applies a plan that was made in this session, and unwinds it where that is asked for. `replays` is the
    /// failed run that it does once more.
    pub async fn apply(
        &self,
        planned: &Planned,
        replays: Option<&str>,
        on_failure: OnFailure,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<Applied, Failure> {
        let plan = &planned.plan;
        let mut state = self.state().await?;
        let kind = match plan.kind {
            PlanKind::Apply => RunKind::Apply,
            PlanKind::Destroy => RunKind::Destroy,
            PlanKind::Fix => RunKind::Fix,
        };
        let given_up = match kind {
            RunKind::Apply | RunKind::Destroy => self.given_up(&state).await?,
            _ => Vec::new(),
        };
        let started = RunStarted {
            plan: plan.digest.clone(),
            steps: plan.steps.len(),
            input: plan.asked.origins.clone(),
            providers: plan
                .providers
                .iter()
                // What is configured later is written down then.
                .filter(|(_, instance)| !instance.late)
                .map(|(name, instance)| (name.to_string(), journaled(instance, self.seal())))
                .collect(),
            ephemerals: plan.ephemerals.iter().map(|ephemeral| rest_ephemeral(ephemeral, self.seal())).collect(),
            ephemeral_sources: plan.sources.clone(),
            continues: continued(&state, &given_up),
            replays: replays.map(str::to_owned),
            directory: self.options.directory.display().to_string(),
            configuration: plan.base.config.clone(),
            asked: Asked { origins: BTreeMap::new(), ..plan.asked.clone() },
            planned: plan.steps.iter().map(planned_step).collect(),
            forgets: self.expired(&state).await?,
            ..RunStarted::of(kind, &self.options.actor)
        };
        self.store.snapshot().await.map_err(store_failure)?;
        let journal = Journal::start(Arc::clone(&self.store), Arc::clone(&self.clock), started)
            .await
            .map_err(|error| journal_stop(&error))?;
        if !given_up.is_empty() {
            // CRASH: before this they wait for an unwinding as before, and the next apply gives it up.
            let what = "it goes on from what unwindings left".to_owned();
            let entry = Entry::run(Event::Recorded { what, object: None }).with(records(&given_up)?);
            journal.write(vec![entry]).await.map_err(|error| journal_stop(&error))?;
        }
        if let Some(owing) = owing(plan, &mut state)? {
            // CRASH: nothing was changed yet that something is to be replaced for.
            journal.write(vec![owing]).await.map_err(|error| journal_stop(&error))?;
        }
        let caller = self.caller(Arc::new(journal), cancellation, observer);
        caller.tell(crate::engine::RunEventKind::RunStarted { kind, steps: plan.steps.len() });
        let request = ApplyRequest {
            caller: &caller,
            plan,
            providers: &planned.providers,
            state: &state,
            directory: self.options.directory.clone(),
            parallelism: self.options.parallelism,
            on_failure,
        };
        let report = apply(request).await.map_err(|error| journal_stop(&error))?;
        self.help_readers().await;
        let mut applied = Applied { report, compensated: None, held: None };
        let failed = !matches!(applied.report.state, RunState::Succeeded);
        // What a person stops is not taken back unasked: that would be new work.
        let stopped = cancellation.soft.is_cancelled();
        if failed && !stopped && on_failure == OnFailure::Compensate {
            match &applied.report.passed_pivot {
                Some(address) => {
                    applied.held = Some(format!(
                        "`{address}` cannot be undone in full, and the run had gone past it: nothing was unwound"
                    ));
                }
                None if !applied.report.in_doubt.is_empty() => {
                    let names: Vec<String> = applied.report.in_doubt.iter().map(ToString::to_string).collect();
                    let left = self.settle(observer, cancellation).await?;
                    if left.is_empty() {
                        applied.compensated = Some(self.unwind_own(&applied, observer, cancellation).await?);
                    } else {
                        applied.held = Some(format!("it is in doubt what came of {}", names.join(", ")));
                    }
                }
                None => applied.compensated = Some(self.unwind_own(&applied, observer, cancellation).await?),
            }
        }
        planned.providers.close().await;
        self.tidy(planned.keep).await?;
        Ok(applied)
    }

    /// What is declared now; else why that cannot be told.
    fn declared_now(&self) -> Result<Stack, String> {
        crate::config::load(&self.options.directory).or_else(|failed| {
            let first = failed.diagnostics.iter().find(|told| told.is_error()).map(|told| told.message.clone());
            failed
                .stack
                .map(|stack| *stack)
                .ok_or_else(|| format!("what is declared cannot be read any more: {}", first.unwrap_or_default()))
        })
    }

    /// Makes a plan that was kept in a file ready to be applied: its base is checked, and its providers
    /// are configured. Of the TOML only that it still says the same is looked at.
    ///
    /// `doubtful` is what settling left: a plan that touches something of it, or depends on it, is
    /// refused. One that was carried out already is not carried out again, and that is no error.
    pub async fn ready(
        &self,
        mut plan: Plan,
        doubtful: &[InDoubt],
        cancellation: &Cancellation,
    ) -> Result<Kept, Failure> {
        let state = self.state().await?;
        refuse_doubt(&plan, doubtful)?;
        let declared = self.declared_now();
        // Where a recording answers, neither files nor hashes are those that the plan was made from.
        let replayed = self.options.taps.answers();
        let holds = |stack: &Stack| {
            let present = crate::apply::base::Present {
                state: &state,
                lineage: self.lineage(),
                directory: &self.options.directory,
                parts: keyed_parts(&stack.parts, self.seal()),
                files: stack.parts.iter().map(|(name, part)| (name.clone(), part.file.display().to_string())).collect(),
                environment: &self.options.process_environment,
                seal: self.seal(),
            };
            crate::apply::base::check_base(&plan, &present)
        };
        if let Err(moved) = declared.as_ref().map_err(Clone::clone).and_then(holds)
            && !replayed
        {
            return done_with(&plan, &state).map(|run| Kept::Done(Box::new(run))).ok_or_else(|| base_moved(&moved));
        }
        if let Ok(stack) = &declared {
            locate(&mut plan, stack);
        }
        let given = self.given(&plan.sources).map_err(Failure::one)?;
        give_again(&mut plan, &given).map_err(Failure::one)?;
        let calls = Calls::reading(cancellation.soft.clone())
            .after(recent_runs(&state, &self.clock.now()))
            .tapped(&self.options.taps);
        let Options { directory, process_environment, .. } = &self.options;
        let mut providers = Providers::new(process_environment, &self.options.taps);
        for (name, instance) in &plan.providers {
            let (name, instance) = (Arc::clone(name), instance.clone());
            let done = match instance.again {
                Some(_) => providers.open_late(name, instance, directory, process_environment).await,
                None => providers.configure(name, instance, directory, process_environment).await,
            };
            done.map_err(Failure::one)?;
        }
        let now = plan.providers.iter().filter(|(_, instance)| instance.again.is_some() && !instance.late);
        let now: Vec<Arc<str>> = now.map(|(name, _)| Arc::clone(name)).collect();
        make_ready(&now, &plan.ephemerals, &providers, (&state, self.seal()), directory, &calls)
            .await
            .map_err(Failure::one)?;
        let checked =
            crate::apply::base::check_world(&plan, &state, &providers, self.seal(), self.options.parallelism, &calls);
        if let Err(moved) = until_cancelled(&cancellation.soft, checked).await?
            && !replayed
        {
            providers.close().await;
            return done_with(&plan, &state).map(|run| Kept::Done(Box::new(run))).ok_or_else(|| base_moved(&moved));
        }
        Ok(Kept::Ready(Box::new(Planned {
            plan,
            providers,
            warnings: Vec::new(),
            sources: Default::default(),
            in_true: 0,
            undeclared: BTreeSet::new(),
            // How long runs are kept is said in the configuration, which is not read here: none is closed.
            keep: std::time::Duration::MAX,
        })))
    }

    /// Writes the state down for readers. Without it they only have more to add up, so a failure of it
    /// stops nothing.
    pub(super) async fn help_readers(&self) {
        if let Err(error) = self.store.snapshot().await {
            tracing::warn!(%error, "the snapshot for readers was not written");
        }
    }

    async fn unwind_own(
        &self,
        applied: &Applied,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<Compensated, Failure> {
        // What earlier runs did was no part of the plan: it stays as the run found it.
        let run = Some(applied.report.run.clone());
        let request = super::CompensateOptions { run, alone: true, ..Default::default() };
        self.compensate(&request, observer, cancellation).await
    }

    /// Closes runs that are older than is kept, and removes payloads that nothing needs any more.
    pub async fn tidy(&self, keep: std::time::Duration) -> Result<(), Failure> {
        let state = self.state().await?;
        let mut closed = false;
        for record in self.old(&state, keep) {
            let Some(history) = self.history(&record.run).await? else { continue };
            if history.has_doubt() {
                continue;
            }
            if record.accepted {
                // What was closed an age ago is known by its record alone.
                self.store.remove_run(&record.run).await.map_err(store_failure)?;
            } else {
                self.accept(record.clone(), &history, "it is older than is kept").await?;
                closed = true;
            }
        }
        if closed { self.collect().await } else { Ok(()) }
    }

    /// The runs that started longer ago than is kept.
    pub(super) fn old<'s>(&self, state: &'s State, keep: std::time::Duration) -> impl Iterator<Item = &'s RunRecord> {
        let horizon = self.clock.seconds().saturating_sub(i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
        state.runs.values().filter(move |record| {
            record.started.parse::<jiff::Timestamp>().is_ok_and(|started| started.as_second() < horizon)
        })
    }

    /// Runs that are closed, and whose journals are gone, by age or because somebody asked for it: the next run
    /// forgets them.
    async fn expired(&self, state: &State) -> Result<Vec<String>, Failure> {
        let closed: Vec<&RunRecord> = state.runs.values().filter(|record| record.accepted).collect();
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        let kept: BTreeSet<String> = self.store.runs().await.map_err(store_failure)?.into_iter().collect();
        Ok(closed.into_iter().map(|record| record.run.clone()).filter(|run| !kept.contains(run)).collect())
    }

    /// Removes payloads that neither a record nor an open run needs.
    pub(super) async fn collect(&self) -> Result<(), Failure> {
        let state = self.state().await?;
        let mut keep = BTreeSet::new();
        for entry in state.addresses.values() {
            for object in entry.current.iter().chain(entry.deposed.values()) {
                keep.extend(object.blobs().iter().cloned());
            }
        }
        for record in state.runs.values().filter(|record| !record.accepted) {
            if let Some(history) = self.history(&record.run).await? {
                keep.extend(needed_blobs(&history));
            }
        }
        self.store.collect(&keep).await.map_err(store_failure)?;
        Ok(())
    }

    /// Closes a run for good.
    pub(super) async fn accept(&self, record: RunRecord, history: &RunHistory, reason: &str) -> Result<(), Failure> {
        let journal = reopened(&self.store, &self.clock, &record, history);
        let accepted = RunRecord { accepted: true, ..record };
        let writes = vec![crate::saga::journal::put_run(&accepted).map_err(|error| journal_stop(&error.into()))?];
        let event = Event::RunAccepted { reason: reason.to_owned() };
        journal.write(vec![Entry::run(event).with(writes)]).await.map_err(|error| journal_stop(&error))
    }

    /// A run by its id, or by the beginning of it.
    pub async fn run(&self, name: &str) -> Result<(RunRecord, RunHistory), Failure> {
        let state = self.state().await?;
        let record = find_run(&state, name)?.clone();
        let history = self.history(&record.run).await?.ok_or_else(|| journal_gone(&record.run))?;
        Ok((record, history))
    }
}

/// A run by its id, or by the beginning or end of it, when only one has that.
pub fn find_run<'s>(state: &'s State, name: &str) -> Result<&'s RunRecord, Failure> {
    if let Some(record) = state.runs.get(name) {
        return Ok(record);
    }
    let mut found = state.runs.values().filter(|record| record.run.starts_with(name) || record.run.ends_with(name));
    match (found.next(), found.next()) {
        (Some(record), None) if !name.is_empty() => Ok(record),
        (Some(_), Some(_)) => Err(Failure::one(
            Diagnostic::error(codes::NO_SUCH_RUN, format!("several runs have `{name}` in their names"))
                .hint("`retrue runs list` shows them in full"),
        )),
        _ => Err(no_such_run(name)),
    }
}

fn no_such_run(name: &str) -> Failure {
    Failure::one(
        Diagnostic::error(codes::NO_SUCH_RUN, format!("there is no run `{name}`"))
            .hint("`retrue runs list` shows them"),
    )
}

/// The journal of a run that is known was pruned.
pub fn journal_gone(run: &str) -> Failure {
    Failure::one(
        Diagnostic::error(codes::NO_SUCH_RUN, format!("the journal of `{run}` is gone"))
            .hint("closed runs are removed after a while; `retrue runs list` still knows how it ended"),
    )
}

/// A journal that cannot be written stops everything.
pub(super) fn journal_stop(error: &JournalError) -> Failure {
    Failure::one(journal_failure(error))
}

pub(super) fn settle_failure(error: SettleError) -> Failure {
    match error {
        SettleError::Journal(error) => journal_stop(&error),
        SettleError::Other(diagnostic) => Failure::one(*diagnostic).kind(FailureKind::NeedsPerson),
    }
}

fn planned_step(step: &Step) -> PlannedStep {
    PlannedStep {
        address: step.id.address.clone(),
        object: step.id.object.clone(),
        effect: step.id.effect,
        observed: step.fingerprint.clone(),
    }
}

/// Refuses a plan that something in doubt stands in the way of.
fn refuse_doubt(plan: &Plan, doubtful: &[InDoubt]) -> Result<(), Failure> {
    let stands = |doubt: &&InDoubt| {
        let touches = |step: &crate::plan::Step| {
            step.id.address == doubt.address || step.dependencies.contains(&doubt.address.block)
        };
        plan.steps.iter().any(touches)
    };
    let names: Vec<String> = doubtful.iter().filter(stands).map(|doubt| doubt.address.to_string()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let problem = format!("the plan touches what is in doubt: {}", names.join(", "));
    let hint = "`retrue resolve ADDR` takes your answer; then make a new plan with `retrue plan -o FILE`";
    Err(Failure::one(Diagnostic::error(codes::IN_DOUBT, problem).hint(hint)).kind(FailureKind::NeedsPerson))
}

/// The run that carried a plan out already, where it is known and all of it was done.
fn done_with(plan: &Plan, state: &State) -> Option<RunRecord> {
    let run = state.runs.values().rev().find(|run| run.plan == plan.digest)?;
    (run.state == RunState::Succeeded).then(|| run.clone())
}

fn base_moved(reason: &str) -> Failure {
    Failure::one(
        Diagnostic::error(crate::plan::codes::BASE_MOVED, format!("the plan is out of date: {reason}"))
            .hint("make a new one with `retrue plan -o FILE`"),
    )
}

//! Which runs are to be unwound, and unwinding them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::Value;

use crate::address::{Address, BlockAddress};
use crate::apply::means;
use crate::apply::settle::remade;
use crate::apply::unwind::{UnwindReport, UnwindRequest, unwind};
use crate::diagnostic::Diagnostic;
use crate::engine::continuing::superseded;
use crate::engine::session::{find_run, journal_stop};
use crate::engine::workspace::store_failure;
use crate::engine::{Cancellation, Failure, FailureKind, Observer, RunEventKind, Session};
use crate::saga::compensation::Earlier;
use crate::saga::history::RunHistory;
use crate::saga::journal::Journal;
use crate::saga::{RunKind, RunRecord, RunStarted, RunState, State, UndoStatus, codes};
use crate::survey::Providers;

/// What is to be unwound.
#[derive(Clone, Debug, Default)]
pub struct CompensateOptions {
    /// This run; without one, the newest that changed something, or may have.
    pub run: Option<String>,
    /// Every run back to this one.
    pub through: Option<String>,
    /// Only [`run`](CompensateOptions::run), and not the interrupted ones that it goes on with.
    pub alone: bool,
    /// Addresses of pivots that are to be gone past.
    pub past: Vec<String>,
    /// Addresses that are to be left as they are.
    pub skip: Vec<String>,
}

/// What came of it.
pub enum Compensated {
    /// There was nothing to unwind.
    Nothing,
    /// This.
    Unwound(Box<UnwindReport>),
}

/// What is about to be unwound, for a person to agree to.
pub struct Compensation {
    /// The runs, newest first.
    pub runs: Vec<RunRecord>,
    /// The steps to be undone, in order: what is done to which instance.
    pub steps: Vec<(Address, &'static str)>,
    /// What a person should know about what was asked for.
    pub notices: Vec<String>,
    histories: Vec<RunHistory>,
    earlier: Earlier,
    remade: BTreeMap<Address, Value>,
    later: Vec<RunHistory>,
    past: BTreeSet<Address>,
    skip: BTreeSet<Address>,
}

/// What was unwound before.
#[derive(Default)]
struct Before {
    earlier: Earlier,
    remade: BTreeMap<Address, Value>,
    later: Vec<RunHistory>,
}

impl Session {
    /// Finds out what would be unwound; `None` when there is nothing.
    pub async fn compensation(&self, options: &CompensateOptions) -> Result<Option<Compensation>, Failure> {
        let state = self.state().await?;
        let past = addresses(&options.past, "--past")?;
        let skip = addresses(&options.skip, "--skip")?;
        let chosen = choose(&state, options)?;
        if chosen.is_empty() {
            return Ok(None);
        }
        let mut runs = Vec::new();
        let mut histories = Vec::new();
        for run in &chosen {
            let (record, history) = self.run(run).await?;
            runs.push(record);
            histories.push(history);
        }
        self.refuse_built_upon(&state, &chosen, &histories).await?;
        let Before { earlier, remade, later } = self.before(&state, &chosen, &histories).await?;
        let named: Vec<(String, RunHistory)> = chosen.iter().cloned().zip(histories.iter().cloned()).collect();
        let undos = crate::saga::compensation::undos(&named, &earlier).undos;
        let nothing = |address: &&Address| !undos.iter().any(|undo| means(address, &undo.step.id.address));
        // What a person wants left would be undone if the name were wrong; a pivot halts all the same.
        if let Some(address) = skip.iter().find(nothing) {
            let problem = format!("--skip {address}: nothing of that is to be undone");
            let hint = "`retrue runs show RUN` lists the steps of a run";
            return Err(
                Failure::one(Diagnostic::error(super::codes::OPTIONS, problem).hint(hint)).kind(FailureKind::Usage)
            );
        }
        let past_nothing = past.iter().filter(nothing);
        let notices = passed_over(&state, options, &chosen)
            .into_iter()
            .chain(past_nothing.map(|address| format!("--past {address}: nothing of that is to be undone")))
            .collect();
        let steps = undos
            .iter()
            .map(|undo| {
                let what = crate::saga::compensation::inverse(&undo.step).map_or("record", |effect| effect.word());
                (undo.step.id.address.clone(), what)
            })
            .collect();
        Ok(Some(Compensation { runs, steps, notices, histories, earlier, remade, later, past, skip }))
    }

    /// The runs that would be unwound, newest first.
    pub(super) async fn chosen(&self, options: &CompensateOptions) -> Result<Vec<String>, Failure> {
        choose(&self.state().await?, options)
    }

    /// What was unwound before: earlier attempts at the same runs, and later runs.
    async fn before(&self, state: &State, chosen: &[String], histories: &[RunHistory]) -> Result<Before, Failure> {
        let mut before = Before::default();
        let mut unwindings = Vec::new();
        let Some(oldest) = chosen.iter().min() else { return Ok(before) };
        for record in state.runs.values().filter(|record| record.run > *oldest && !chosen.contains(&record.run)) {
            let unwinds = record.kind == RunKind::Compensate;
            let unwound = record.kind.can_be_compensated() && record.may_have_changed() && is_unwound(record.state);
            if !unwinds && !unwound {
                continue;
            }
            let Some(history) = self.history(&record.run).await? else { continue };
            if unwound {
                before.later.push(history);
                continue;
            }
            for undo in history.undos.iter().filter(|undo| chosen.contains(&undo.of)) {
                let key = (undo.of.clone(), undo.id.clone());
                match undo.status {
                    UndoStatus::Undone => {
                        before.earlier.in_doubt.remove(&key);
                        before.earlier.done.insert(key);
                    }
                    UndoStatus::Begun => {
                        before.earlier.in_doubt.insert(key);
                    }
                    _ => {}
                }
            }
            unwindings.push(history);
        }
        let unwound = histories.iter().chain(&before.later);
        for unwinding in &unwindings {
            before.remade.extend(remade(unwinding, unwound.clone(), self.seal()));
        }
        Ok(before)
    }

    /// A run on which a later one builds is not unwound alone.
    async fn refuse_built_upon(
        &self,
        state: &State,
        chosen: &[String],
        histories: &[RunHistory],
    ) -> Result<(), Failure> {
        let Some(oldest) = chosen.iter().min() else { return Ok(()) };
        let mut touched: BTreeSet<&Address> = BTreeSet::new();
        let mut blocks: BTreeSet<&BlockAddress> = BTreeSet::new();
        for step in histories.iter().flat_map(|history| &history.steps).filter(|step| step.status.may_have_happened()) {
            touched.insert(&step.id.address);
            blocks.insert(&step.id.address.block);
        }
        let mut later = Vec::new();
        let mut closed = Vec::new();
        for record in state.runs.values() {
            let counts = record.kind.can_be_compensated() && record.may_have_changed() && !is_unwound(record.state);
            if record.run <= *oldest || chosen.contains(&record.run) || !counts {
                continue;
            }
            let Some(history) = self.history(&record.run).await? else { continue };
            let builds = history.steps.iter().filter(|step| step.status.may_have_happened()).any(|step| {
                let places = [Some(&step.id.address), step.moved_from()];
                places.into_iter().flatten().any(|place| touched.contains(place))
                    || step.begin.iter().flat_map(|begin| &begin.dependencies).any(|block| blocks.contains(block))
            });
            if builds {
                later.push(record.run.clone());
                closed.extend(record.accepted.then(|| record.run.clone()));
            }
        }
        if later.is_empty() {
            return Ok(());
        }
        Err(Failure::one(
            Diagnostic::error(codes::BUILT_UPON, format!("later runs build on it: {}", later.join(", "))).hint(
                match closed.as_slice() {
                    [] => format!("unwind them, too: `retrue compensate --through {oldest}`"),
                    closed => format!(
                        "{} was closed and stays, so this can be unwound no more: `retrue runs accept {oldest}` closes \
                         it, too",
                        closed.join(", ")
                    ),
                },
            ),
        ))
    }

    /// Finds out what is to be unwound, and unwinds it.
    pub async fn compensate(
        &self,
        options: &CompensateOptions,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<Compensated, Failure> {
        match self.compensation(options).await? {
            Some(compensation) => self.unwind(compensation, observer, cancellation).await,
            None => Ok(Compensated::Nothing),
        }
    }

    /// Unwinds what was found.
    pub async fn unwind(
        &self,
        compensation: Compensation,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<Compensated, Failure> {
        let state = self.state().await?;
        let mut providers = Providers::new(&self.options.process_environment, &self.options.taps);
        let mut opened = Vec::new();
        let mut journaled = BTreeMap::new();
        for history in &compensation.histories {
            let of_run = self.providers_of(history).await.map_err(Failure::one)?;
            providers.beside(&of_run);
            for (name, configured) in of_run.all_ready() {
                // The newest run comes first: its configuration is the one that is valid now.
                if providers.get(name).is_none() {
                    providers.insert(Arc::clone(name), configured.clone());
                }
            }
            opened.push(of_run);
            for (name, form) in &history.started.providers {
                journaled.entry(name.clone()).or_insert_with(|| form.clone());
            }
        }
        let compensates: Vec<String> = compensation.runs.iter().map(|record| record.run.clone()).collect();
        let started = RunStarted {
            steps: compensation.steps.len(),
            providers: journaled,
            ephemerals: compensation.histories.iter().flat_map(|history| history.started.ephemerals.clone()).collect(),
            ephemeral_sources: compensation
                .histories
                .iter()
                .flat_map(|history| history.started.ephemeral_sources.clone())
                .collect(),
            compensates,
            directory: self.options.directory.display().to_string(),
            ..RunStarted::of(RunKind::Compensate, &self.options.actor)
        };
        self.store.snapshot().await.map_err(store_failure)?;
        let journal = Journal::start(Arc::clone(&self.store), Arc::clone(&self.clock), started)
            .await
            .map_err(|error| journal_stop(&error))?;
        let caller = self.caller(Arc::new(journal), cancellation, observer);
        caller.tell(RunEventKind::RunStarted { kind: RunKind::Compensate, steps: compensation.steps.len() });
        let attempts =
            superseded(&state, &compensation.runs.iter().map(|record| record.run.clone()).collect::<Vec<_>>());
        let request = UnwindRequest {
            caller: &caller,
            attempts,
            runs: compensation.runs.into_iter().zip(compensation.histories).collect(),
            earlier: compensation.earlier,
            remade: compensation.remade,
            later: compensation.later,
            state: &state,
            providers: &providers,
            parallelism: self.options.parallelism,
            past: compensation.past,
            skip: compensation.skip,
        };
        let report = unwind(request).await.map_err(|error| journal_stop(&error))?;
        for of_run in opened {
            of_run.close().await;
        }
        self.help_readers().await;
        Ok(Compensated::Unwound(Box::new(report)))
    }
}

fn is_unwound(state: RunState) -> bool {
    matches!(state, RunState::Compensated | RunState::CompensatedPartly)
}

fn addresses(texts: &[String], option: &str) -> Result<BTreeSet<Address>, Failure> {
    texts
        .iter()
        .map(|text| {
            text.parse().map_err(|error| {
                Failure::one(Diagnostic::error(super::codes::OPTIONS, format!("{option}: {error}")))
                    .kind(FailureKind::Usage)
            })
        })
        .collect()
}

/// What a person should know where no run is named, and the one that is taken is not the last.
fn passed_over(state: &State, options: &CompensateOptions, chosen: &[String]) -> Option<String> {
    let newest = chosen.iter().max().filter(|_| options.run.is_none() && options.through.is_none())?;
    let last =
        state.runs.values().filter(|record| record.kind.can_be_compensated()).max_by_key(|record| &record.run)?;
    let why = match last {
        _ if last.accepted => "was closed",
        _ if is_unwound(last.state) => "was unwound already",
        _ => "left nothing to unwind",
    };
    (last.run > *newest)
        .then(|| format!("the last run, {} ({}), {why}: this one came before it", last.run, last.kind.word()))
}

/// The runs to be unwound, newest first.
fn choose(state: &State, options: &CompensateOptions) -> Result<Vec<String>, Failure> {
    let open = |record: &RunRecord| {
        record.kind.can_be_compensated() && record.may_have_changed() && !record.accepted && !is_unwound(record.state)
    };
    let refused = |record: &RunRecord| {
        let why = if record.accepted {
            "it was closed".to_owned()
        } else if !record.kind.can_be_compensated() {
            format!("it is of the kind {}", record.kind.word())
        } else {
            format!("it is {}", record.state.word())
        };
        Failure::one(Diagnostic::error(codes::NOT_COMPENSABLE, format!("run {} cannot be unwound: {why}", record.run)))
    };
    if let Some(through) = &options.through {
        let last = find_run(state, through)?;
        if last.accepted || !last.kind.can_be_compensated() {
            return Err(refused(last));
        }
        return Ok(state
            .runs
            .values()
            .rev()
            .filter(|record| record.run >= last.run && open(record))
            .map(|record| record.run.clone())
            .collect());
    }
    let first = match &options.run {
        Some(name) => {
            let record = find_run(state, name)?;
            let partly = record.state == RunState::CompensatedPartly;
            if record.accepted || !record.kind.can_be_compensated() || (is_unwound(record.state) && !partly) {
                return if is_unwound(record.state) { Ok(Vec::new()) } else { Err(refused(record)) };
            }
            Some(record)
        }
        None => state.runs.values().rev().find(|record| open(record)),
    };
    let Some(first) = first else { return Ok(Vec::new()) };
    if options.alone {
        return Ok(vec![first.run.clone()]);
    }
    // With the chain of interrupted runs that it continues.
    let mut chosen = Vec::new();
    let mut next = Some(first);
    while let Some(record) = next {
        if record.may_have_changed() || chosen.is_empty() {
            chosen.push(record.run.clone());
        }
        next = record
            .continues
            .as_ref()
            .and_then(|run| state.runs.get(run))
            .filter(|record| !record.accepted && !is_unwound(record.state) && !chosen.contains(&record.run));
    }
    Ok(chosen)
}

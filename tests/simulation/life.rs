//! One life of the program: it opens what is on the disk, does one thing, and ends or dies.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use retrue::address::Address;
use retrue::clock::Clock;
use retrue::engine::{
    self, Cancellation, CompensateOptions, Compensated, Failure, OnFailure, Options, PlanOptions, Session, Silent,
};
use retrue::plan::{DriftStatus, InDoubt};
use retrue::saga::RunState;
use retrue::store::Store;
use retrue_provider_testcloud::cloud::{Call, Cloud};
use tokio::sync::Notify;

use super::between::arrive;
use super::script::{SLOTS, Verb};
use super::stack::address;

/// The end of a life, from outside.
#[derive(Clone, Default)]
pub(crate) struct Death {
    came: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Death {
    /// It comes now. Whoever waits for this waits for ever.
    pub(crate) async fn comes<T>(&self) -> T {
        self.came.store(true, Ordering::SeqCst);
        self.notify.notify_one();
        std::future::pending().await
    }

    /// Whether it came.
    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }
}

/// What came of a life.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It did what was asked for, or told why not.
    Told(Told),
    /// It died.
    Died,
    /// What must never happen.
    Violated(String),
}

/// What a life told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The state of the run; `None` where there was nothing to do.
    pub(crate) state: Option<RunState>,
    /// What only a person can settle.
    pub(crate) in_doubt: Vec<InDoubt>,
    /// Why it could not be done.
    pub(crate) failed: Option<String>,
    /// Whether all was unwound, and only what no step had touched was named as still referring to what is no more.
    pub(crate) left_behind: bool,
    /// What was named so, by the names of blocks.
    pub(crate) left: BTreeSet<String>,
    /// What was told about it, for whoever looks for the cause.
    pub(crate) said: String,
}

/// What is done in a life.
pub(crate) enum Deed<'d> {
    /// What a script asks for.
    Verb(Verb),
    /// Unwinds everything back to a run.
    Through(&'d str),
    /// Takes a person's answer.
    Answer(&'d Address, engine::Answer),
    /// Plans only; what it would do is told.
    Plan,
    /// Closes all runs: what was done before is not to be unwound.
    Accept,
}

/// Where a life takes place.
pub(crate) struct Place<'p> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) directory: &'p Path,
    pub(crate) parallelism: usize,
    pub(crate) death: &'p Death,
    pub(crate) cancellation: &'p Cancellation,
    pub(crate) cloud: Arc<Mutex<Cloud>>,
    /// Calls of an earlier life that arrive in this one, after so many milliseconds.
    pub(crate) arriving: Arc<Mutex<Vec<(u64, Call)>>>,
}

fn options(directory: &Path, parallelism: usize) -> Options {
    let key: OsString = "11".repeat(32).into();
    Options {
        directory: directory.to_owned(),
        environment: "default".into(),
        recorded: BTreeMap::new(),
        vars: Vec::new(),
        var_files: Vec::new(),
        parallelism,
        process_environment: BTreeMap::from([("RETRUE_KEY".into(), key), ("RETRUE_JITTER_SEED".into(), "1".into())]),
        actor: "simulated".into(),
        taps: Default::default(),
    }
}

/// What is in doubt.
pub(crate) fn doubts(store: Arc<dyn Store>, clock: Arc<dyn Clock>, directory: &Path) -> Vec<InDoubt> {
    let session = Session::over(store, clock, options(directory, 1));
    futures::executor::block_on(session.open_doubt()).unwrap_or_default()
}

/// Lets calls arrive when it is their time.
async fn arrivals(cloud: &Mutex<Cloud>, arriving: &Mutex<Vec<(u64, Call)>>) {
    let mut passed = 0;
    loop {
        let next = {
            let mut arriving = arriving.lock().unwrap();
            arriving.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            arriving.last().map(|(at, _)| *at)
        };
        let Some(at) = next else { return std::future::pending().await };
        tokio::time::sleep(Duration::from_millis(at - passed)).await;
        passed = at;
        if let Some((_, call)) = arriving.lock().unwrap().pop() {
            arrive(cloud, &call, None);
        }
    }
}

/// Lives.
pub(crate) fn live(place: Place<'_>, deed: Deed<'_>) -> Ended {
    let Place { store, clock, directory, parallelism, death, cancellation, cloud, arriving } = place;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let options = options(directory, parallelism);
    let session = Session::over(store, clock, options.clone());
    let living = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = death.notify.notified() => Ended::Died,
                told = act(&session, &options, cancellation, deed) => match told {
                    _ if death.came() => Ended::Died,
                    Ok(told) => Ended::Told(told),
                    Err(failure) => Ended::Told(Told { failed: Some(words(&failure)), ..Told::default() }),
                },
                () = arrivals(&cloud, &arriving) => Ended::Violated("nothing arrives for ever".into()),
                // Nothing may wait without bounds.
                () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => Ended::Violated("it never ended".into()),
            }
        })
    }));
    living.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Ended::Violated(format!("a panic: {}", text.unwrap_or_default()))
    })
}

fn words(failure: &Failure) -> String {
    failure
        .diagnostics
        .iter()
        .map(|diagnostic| format!("{}: {}", diagnostic.code, diagnostic.message))
        .collect::<Vec<_>>()
        .join("; ")
}

async fn act(
    session: &Session,
    options: &Options,
    cancellation: &Cancellation,
    deed: Deed<'_>,
) -> Result<Told, Failure> {
    let observer = &Silent;
    if let Deed::Answer(address, answer) = deed {
        let how = session.resolve(address, &answer, observer, cancellation).await?;
        return Ok(Told { said: how, ..Told::default() });
    }
    let in_doubt = match deed {
        Deed::Plan => session.open_doubt().await?,
        _ => session.settle(observer, cancellation).await?,
    };
    let mut told = Told { in_doubt: in_doubt.clone(), ..Told::default() };
    let workspace = |options: &Options| engine::workspace(options);
    match deed {
        Deed::Verb(Verb::Compensate) => {
            let done = session.compensate(&leave(None), observer, cancellation).await?;
            unwound(&mut told, done);
        }
        Deed::Through(run) => {
            let done = session.compensate(&leave(Some(run)), observer, cancellation).await?;
            unwound(&mut told, done);
        }
        Deed::Verb(Verb::Fix) => {
            let workspace = workspace(options)?;
            let planned = session.plan(&workspace, &PlanOptions::default(), in_doubt.clone(), cancellation).await?;
            let astray = |status| matches!(status, DriftStatus::Drifted | DriftStatus::Missing);
            let mend: BTreeSet<Address> = planned
                .plan
                .drift
                .iter()
                .filter(|drift| astray(drift.status))
                .map(|drift| drift.address.clone())
                .collect();
            if !mend.is_empty() {
                let planned = session.plan_fix(&workspace, &mend, in_doubt, cancellation).await?;
                let applied = session.fix(&planned, observer, cancellation).await?;
                told.state = Some(applied.report.state);
                told.said = format!("{:?}", applied.report);
            }
        }
        Deed::Verb(verb) => {
            let workspace = workspace(options)?;
            let planning = PlanOptions { destroy: verb == Verb::Destroy, ..PlanOptions::default() };
            let planned = session.plan(&workspace, &planning, in_doubt, cancellation).await?;
            if planned.plan.is_empty() && !planned.plan.has_upkeep() {
                session.as_declared(&planned.plan).await?;
                return Ok(told);
            }
            let on_failure = match verb {
                Verb::ApplyContinue => OnFailure::Continue,
                Verb::ApplyCompensate => OnFailure::Compensate,
                _ => OnFailure::Halt,
            };
            let applied = session.apply(&planned, None, on_failure, observer, cancellation).await?;
            told.state = (!planned.plan.is_empty()).then_some(applied.report.state);
            told.said = format!("{:?}", applied.report);
            if let Some(done) = applied.compensated {
                unwound(&mut told, done);
            }
        }
        Deed::Plan => {
            let workspace = workspace(options)?;
            let planned = session.plan(&workspace, &PlanOptions::default(), in_doubt, cancellation).await?;
            let planned = planned.plan;
            if !planned.is_empty() {
                let changes = planned.changes.iter().filter(|change| change.action != retrue::plan::Action::NoOp);
                let changes: Vec<String> = changes
                    .map(|change| format!("{} {}: {}", change.action.word(), change.address, change.reasons.join(", ")))
                    .collect();
                told.said = format!("{changes:?} {:?}", planned.outputs);
            }
        }
        Deed::Accept => {
            for (run, record) in session.state().await?.runs {
                if !record.accepted && record.state.is_final() {
                    session.accept_run(&run).await?;
                }
            }
        }
        Deed::Answer(..) => {}
    }
    Ok(told)
}

/// Leave to go past everything.
fn leave(through: Option<&str>) -> CompensateOptions {
    CompensateOptions {
        through: through.map(str::to_owned),
        past: (0..SLOTS).map(address).collect(),
        ..Default::default()
    }
}

fn unwound(told: &mut Told, done: Compensated) {
    match done {
        Compensated::Nothing => {
            told.state = None;
            told.said = "nothing to compensate".into();
        }
        Compensated::Unwound(report) => {
            told.state = Some(report.state);
            told.left = report.left_behind.iter().map(|(address, _)| address.block.name.to_string()).collect();
            told.left_behind = !report.left_behind.is_empty()
                && report.differing.is_empty()
                && report.skipped.is_empty()
                && report.irreversible.is_empty();
            told.said = format!("{report:?}");
        }
    }
}

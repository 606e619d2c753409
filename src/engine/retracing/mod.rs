//! Runs that are recorded, and recordings that are replayed.

mod again;
mod ending;
mod recording;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::clock::SystemClock;
use crate::diagnostic::{Diagnostic, Sources};
use crate::engine::workspace::store_failure;
use crate::engine::{Cancellation, Failure, FailureKind, Options, Session};
use crate::store::{MemoryStore, Record, Sealer, Store as _, Write};
use crate::trace::{self, Bindings, Difference, Doing, End, Header, KEY, Kind, Player, StepEnd, Taps};

pub use ending::{not_planned, stood};
pub(super) use recording::Beginning;

/// What a replay came to.
pub struct Retraced {
    /// When the recording was made, and by which version.
    pub recorded: (String, String),
    /// What was done.
    pub kind: Doing,
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
            before.failed != self.now.failed
                || before.drift != self.now.drift
                || before.unhealthy.is_empty() && ended(before) != ended(&self.now)
        })
    }

    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.steps().is_empty() && !self.ended_otherwise()
    }
}

/// Does what was recorded once more in memory, from what a trace began with, on providers that answer what was
/// recorded. Nothing outside is touched, and neither is the store of the stack.
///
/// # Errors
/// The trace cannot be read or is none, or the stack cannot be loaded.
pub async fn retrace(options: &Options, path: &Path, cancellation: &Cancellation) -> Result<Retraced, Failure> {
    let trace = Arc::new(trace::read(path).map_err(Failure::one)?);
    let mut known = Bindings::new();
    loop {
        let player = Player::new(Arc::clone(&trace), known.clone());
        let retraced = played(options, path, &player, &known, cancellation).await?;
        let seen = player.bindings();
        // What is made from secrets was recorded as one of its own, and what it comes to now is known only when it is
        // first asked for. Where that was in the record already, it is so with what it comes to now.
        if retraced.is_same() || seen.len() == known.len() {
            return Ok(retraced);
        }
        known = seen;
    }
}

async fn played(
    options: &Options,
    path: &Path,
    player: &Arc<Player>,
    known: &Bindings,
    cancellation: &Cancellation,
) -> Result<Retraced, Failure> {
    let mut header = player.trace().header.clone();
    if !known.is_empty() {
        let seal = Sealer::new(&KEY);
        let fill = |json: &mut Json| *json = trace::refilled(json, &seal, known);
        header.state.values_mut().for_each(fill);
        header.journals.values_mut().flatten().for_each(fill);
        header.plan.iter_mut().for_each(fill);
        header.plan = header.plan.map(recording::anew).transpose()?;
    }
    let options = Options {
        directory: options.root(),
        environment: header.environment.clone(),
        vars: Vec::new(),
        var_files: Vec::new(),
        recorded: header.variables.iter().map(|(name, value)| (Arc::clone(name), value.0.clone())).collect(),
        parallelism: header.scope.parallelism.clamp(1, 1024),
        taps: Taps::one(Arc::new(Arc::clone(player))),
        ..options.clone()
    };
    let workspace = again::workspace(&options, &header)?;
    let store = stored(&header).await.map_err(|failure| not_usable(failure, path))?;
    let session = Session::over(Arc::new(store), Arc::new(SystemClock), options);
    session.state().await.map_err(|failure| not_usable(failure, path))?;

    let before = player.trace().end.clone();
    let mut sources = workspace.as_ref().map(|workspace| workspace.sources.clone()).unwrap_or_default();
    let (now, problems) = match session.again(player, &header, workspace.as_ref(), cancellation).await {
        Ok(now) => (now, Vec::new()),
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
        recorded: (header.time, header.version),
        kind: header.kind,
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

/// A store in memory that holds what there was when the recording began.
async fn stored(header: &Header) -> Result<MemoryStore, Failure> {
    let store = MemoryStore::new(&header.lineage, &KEY);
    let writes = header.state.iter().map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() });
    let seed = Record { body: serde_json::json!({ "trace": header.format }), writes: writes.collect() };
    store.append("trace", vec![seed]).await.map_err(store_failure)?;
    store.remove_run("trace").await.map_err(store_failure)?;
    for (run, bodies) in &header.journals {
        let records = bodies.iter().map(|body| Record { body: body.clone(), writes: Vec::new() });
        store.append(run, records.collect()).await.map_err(store_failure)?;
    }
    Ok(store)
}

fn not_usable(failure: Failure, path: &Path) -> Failure {
    let why: Vec<String> = failure.diagnostics.iter().map(|told| told.message.clone()).collect();
    let problem = format!("{}: what it began from cannot be read: {}", path.display(), why.join("; "));
    Failure::one(Diagnostic::error(trace::codes::NO_TRACE, problem).hint("record it again with `--record FILE`"))
}

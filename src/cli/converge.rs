//! From a plan to a report: what `apply`, `destroy` and `reconcile --fix` share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use retrue_provider_api::Value;

use super::codes;
use super::exit::{Ending, Exit, Failure};
use super::json::{self, event};
use super::progress::Progress;
use super::question::agree;
use super::render;
use super::render::text::{bold, red, visible};
use super::render::value::named;
use super::report;
use super::session::Session;
use crate::address::Address;
use crate::apply::codes::UNHEALTHY;
use crate::config::VARIABLE_PREFIX;
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Applied, Compensated, Kept, OnFailure, Options, PlanOptions, Planned, Workspace};
use crate::health::Report;
use crate::plan::{InDoubt, Plan, PlanKind};
use crate::saga::{RunKind, RunRecord, RunState};
use crate::trace::{End, Recorder, Taps};

/// What is to be done.
pub(crate) struct Request<'a> {
    /// The verb, as others see it who meet the lock.
    pub(crate) verb: &'static str,
    /// A plan that was kept; without one, planning is done now.
    pub(crate) plan_file: Option<&'a Path>,
    /// What to plan.
    pub(crate) planning: PlanOptions,
    /// What happens when a step fails.
    pub(crate) on_failure: OnFailure,
    /// Agreement was given beforehand.
    pub(crate) yes: bool,
    /// Where the calls of providers are recorded, if they are.
    pub(crate) record: Option<&'a Path>,
}

/// Plans, or takes a plan; shows it, asks, applies it, and reports.
pub(crate) async fn converge(session: &Session, request: Request<'_>) -> Ending {
    session.listen();
    let (recorder, options) = recording(session, request.record)?;
    let mut loaded = None;
    let workspace = match request.plan_file {
        // A plan is the whole program; of the stack only the place of the store is of interest.
        Some(_) => {
            loaded = engine::load(&options).ok();
            None
        }
        None => Some(engine::checked_workspace(&options).await?),
    };
    let stack = workspace.as_ref().map(|workspace| &workspace.stack).or(loaded.as_ref());
    let store = session.open(&options, request.verb, stack).await?;
    let ending = with_store(session, &store, workspace.as_ref(), &request, recorder.as_deref()).await;
    session.close(&store, ending).await
}

/// What records, if anything does, and the options with it. A trace that cannot be written is no reason to stop
/// half-way, so it is made before anything else.
pub(crate) fn recording(session: &Session, record: Option<&Path>) -> Result<(Option<Arc<Recorder>>, Options), Failure> {
    let recorder = record.map(Recorder::create).transpose()?;
    let taps = recorder.as_ref().map(|recorder| Taps::one(Arc::new(Arc::clone(recorder))));
    Ok((recorder, Options { taps: taps.unwrap_or_default(), ..session.options() }))
}

/// What came of something that is recorded; where it failed, the trace says so.
pub(crate) fn recorded<T>(
    session: &Session,
    recorder: Option<&Recorder>,
    came: Result<T, engine::Failure>,
) -> Result<T, engine::Failure> {
    if let (Some(recorder), Err(failure)) = (recorder, &came) {
        finish(session, recorder, engine::not_planned(failure));
    }
    came
}

/// A plan file carries its variables, but for ephemeral ones, which rest nowhere: other values on the command
/// line are refused before anything is done, those of the environment may be meant for other commands and are
/// told to have no say.
fn only_the_plan(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let again = plan.ephemeral_variables();
    let given = session.options().vars;
    if given.iter().any(|(name, _)| !again.contains(name.as_str())) || !session.common.variable_files.is_empty() {
        return Err(super::exit::usage("a plan file carries its variables and takes no others"));
    }
    let options = session.options();
    let given = options.process_environment.keys().filter_map(|name| name.to_str());
    let unread = given.filter(|name| name.strip_prefix(VARIABLE_PREFIX).is_some_and(|name| !again.contains(name)));
    for name in unread {
        session.console.hint(&format!("note: {} is not read: a plan file carries its variables\n", visible(name)));
    }
    Ok(())
}

async fn with_store(
    session: &Session,
    store: &engine::Session,
    workspace: Option<&Workspace>,
    request: &Request<'_>,
    recorder: Option<&Recorder>,
) -> Ending {
    let progress = Progress::new(session.console.clone());
    let kept = request.plan_file.map(|path| engine::read_plan(path, store.seal())).transpose()?;
    kept.iter().try_for_each(|plan| only_the_plan(session, plan))?;
    let doubtful = store.settle(&progress, &session.cancellation).await?;
    let mut planned = match (kept, workspace) {
        (None, Some(workspace)) => {
            if let Some(recorder) = recorder {
                store.record(recorder, workspace, (&request.planning, request.on_failure), &doubtful).await?;
            }
            let planned = store.plan(workspace, &request.planning, doubtful.clone(), &session.cancellation).await;
            recorded(session, recorder, planned)?
        }
        (Some(plan), _) => {
            if let Some(recorder) = recorder {
                store.record_plan(recorder, &plan, request.on_failure).await?;
            }
            let ready = store.ready(plan, &doubtful, &session.cancellation).await;
            match recorded(session, recorder, ready)? {
                Kept::Ready(planned) => *planned,
                Kept::Done(run) => {
                    if let Some(recorder) = recorder {
                        finish(session, recorder, End::default());
                    }
                    return done_already(session, &run, "this plan was applied already", &doubtful);
                }
            }
        }
        (None, None) => return Err(super::exit::usage("there is neither a plan nor a stack")),
    };
    let question = match request.verb {
        "destroy" => "Destroy all this?",
        _ => "Apply this?",
    };
    // Whoever kept a plan and names it has seen it, and agrees: it is done as it was shown, or refused.
    let yes = request.yes || request.plan_file.is_some();
    let wanted = Wanted { question, on_failure: request.on_failure, yes, replays: None, recorder };
    carry_out(session, store, &progress, &mut planned, &doubtful, &wanted).await
}

/// How a plan is to be carried out.
pub(crate) struct Wanted<'a> {
    /// What is asked before it is.
    pub(crate) question: &'a str,
    /// What happens when a step fails.
    pub(crate) on_failure: OnFailure,
    /// Agreement was given beforehand.
    pub(crate) yes: bool,
    /// The failed run that it does once more.
    pub(crate) replays: Option<&'a str>,
    /// What records it, if anything does.
    pub(crate) recorder: Option<&'a Recorder>,
}

/// Ends a trace. One that is not whole is told of, and is no reason to say that the run failed.
pub(crate) fn finish(session: &Session, recorder: &Recorder, end: End) {
    if let Err(told) = recorder.end(end) {
        session.warn(&[told], &Default::default());
    }
}

/// Ends the trace of a run, if it is recorded.
async fn ended(session: &Session, store: &engine::Session, recorder: Option<&Recorder>, applied: &Applied) {
    let Some(recorder) = recorder else { return };
    match store.ended(applied).await {
        Ok(end) => finish(session, recorder, end),
        Err(failure) => session.warn(&failure.diagnostics, &failure.sources),
    }
}

/// There is nothing to do, because a run has done it: said, and no error.
pub(crate) fn done_already(session: &Session, run: &RunRecord, what: &str, doubtful: &[InDoubt]) -> Ending {
    let message = format!("nothing to do: {what}, by run {} of {}, which succeeded", run.run, run.started);
    if session.console.settings().json {
        session.document(&event::nothing(&session.now(), &message))?;
    } else {
        session.console.line(&message);
    }
    Ok(if doubtful.is_empty() { Exit::Done } else { Exit::NeedsPerson })
}

/// Shows a plan, asks, carries it out, and reports.
pub(crate) async fn carry_out(
    session: &Session,
    store: &engine::Session,
    progress: &Progress,
    planned: &mut Planned,
    doubtful: &[InDoubt],
    wanted: &Wanted<'_>,
) -> Ending {
    session.warn(&planned.warnings, &planned.sources);
    let Wanted { question, on_failure, yes, replays, recorder } = *wanted;
    let checked = match planned.plan.kind {
        PlanKind::Apply if planned.plan.is_empty() && planned.plan.in_doubt.is_empty() => {
            let checked = checked(session, planned).await?;
            // They were looked at, whatever else is brought up to date.
            planned.plan.checks.clear();
            checked
        }
        _ => Vec::new(),
    };
    let approved = approve(session, planned, yes, question).await;
    if let Some(recorder) = recorder.filter(|_| match &approved {
        Ok(approved) => !approved && !planned.plan.has_upkeep(),
        Err(_) => true,
    }) {
        finish(session, recorder, End::default());
    }
    if !approved? {
        let standing = after_nothing(session, &checked, doubtful);
        if !planned.plan.has_upkeep() {
            store.as_declared(&planned.plan).await?;
            return Ok(standing);
        }
        // Only how things are recorded is out of date: nobody needs to hear of it unless it fails.
        let quiet = Progress::quiet(session.console.clone());
        let applied = store.apply(planned, replays, on_failure, &quiet, &session.cancellation).await?;
        ended(session, store, recorder, &applied).await;
        return Ok(match applied.report.state {
            RunState::Succeeded => standing,
            _ => conclude(session, &quiet, &applied, doubtful),
        });
    }
    let applied = store.apply(planned, replays, on_failure, progress, &session.cancellation).await?;
    ended(session, store, recorder, &applied).await;
    Ok(conclude(session, progress, &applied, doubtful))
}

/// Looks at the health of what is there already: to apply is to end with all that is declared, and that includes it.
async fn checked(session: &Session, planned: &Planned) -> Result<Vec<Report>, Failure> {
    let json = session.console.settings().json;
    let tell = |report: &Report| {
        if json {
            // A line that cannot be written is noticed at the end.
            let _ = session.document(&json::check::event(&session.now(), report));
        }
    };
    let reports = engine::check(&session.options(), planned, &session.cancellation, tell).await;
    if reports.iter().any(|report| report.finding.cancelled) {
        return Err(engine::Failure::cancelled().into());
    }
    Ok(reports)
}

/// How it ends where there was nothing to do.
fn after_nothing(session: &Session, checked: &[Report], doubtful: &[InDoubt]) -> Exit {
    let console = &session.console;
    if !console.settings().json {
        checked.iter().for_each(|report| console.line(&render::checks::line(report)));
    }
    let problem = engine::unhealthy(checked);
    if let Some(problem) = &problem {
        let problem = std::slice::from_ref(problem);
        console.tell(&render::diagnostics(problem, &Default::default(), console.settings().width_err));
    }
    match problem {
        _ if !doubtful.is_empty() => Exit::NeedsPerson,
        Some(_) => Exit::Failed,
        None => Exit::Done,
    }
}

/// Shows a plan and asks; `false` when there is nothing to do.
pub(crate) async fn approve(session: &Session, planned: &Planned, yes: bool, question: &str) -> Result<bool, Failure> {
    let console = &session.console;
    if console.settings().json && planned.plan.is_empty() {
        // A run would tell it; here there is none.
        for degraded in &planned.plan.degraded {
            session.document(&event::degraded(&session.now(), degraded))?;
        }
    }
    if planned.plan.is_empty() && planned.plan.in_doubt.is_empty() {
        if console.settings().json {
            session.document(&event::nothing(&session.now(), "nothing to do"))?;
        } else {
            console.data(&render::plan(&planned.plan, session.detail()));
        }
        return Ok(false);
    }
    if !console.settings().json {
        console.data(&render::plan(&planned.plan, session.detail()));
    }
    if planned.plan.is_empty() {
        if console.settings().json {
            session.document(&event::nothing(&session.now(), "nothing to do but what is in doubt"))?;
        }
        return Ok(false);
    }
    agree(console, &session.cancellation, yes, question).await?;
    if !console.settings().json {
        console.hint("\n");
    }
    Ok(true)
}

/// Reports a run and, where there is one, its unwinding.
pub(crate) fn conclude(session: &Session, progress: &Progress, applied: &Applied, doubtful: &[InDoubt]) -> Exit {
    let mut seen = progress.finish();
    seen.waiting = doubtful.iter().map(|doubt| doubt.address.clone()).collect();
    let told: BTreeSet<Address> =
        seen.failed.iter().chain(&seen.doubtful).map(|(address, ..)| address.clone()).collect();
    let report::Report { errors, summary, waiting, mut advice } = report::report(&seen);
    let console = &session.console;
    console.tell(&errors);
    let again = report::goes_on(seen.runs.first().map_or(RunKind::Apply, |run| run.kind));
    console.tell(&untold(applied, &told, again));
    if !console.settings().json {
        console.data(&summary);
        if applied.report.state == RunState::Succeeded {
            outputs(session, &applied.report.outputs);
        }
        console.data(&waiting);
    }
    let mut exit = match &applied.compensated {
        Some(Compensated::Unwound(unwound)) => {
            console.tell(&report::unwound_errors(unwound));
            advice.push_str(&report::unwound_advice(unwound));
            report::unwound_exit(unwound, Exit::Compensated)
        }
        // Nothing had any effect, so all is as it was before.
        Some(Compensated::Nothing) => Exit::Compensated,
        None => report::exit(applied.report.state),
    };
    if let Some(held) = &applied.held {
        let diagnostic = Diagnostic::error(crate::saga::codes::PIVOT, format!("not unwound: {held}"))
            .hint("`retrue compensate` unwinds what it does not rest on; `--past ADDR` goes on behind it");
        console.tell(&render::diagnostics(&[diagnostic], &Default::default(), console.settings().width_err));
        exit = Exit::NeedsPerson;
    }
    if !doubtful.is_empty() || !applied.report.in_doubt.is_empty() && applied.compensated.is_none() {
        exit = Exit::NeedsPerson;
    }
    console.hint(&advice);
    exit
}

/// What failed without an event of its own, such as an output that has no value.
fn untold(applied: &Applied, told: &BTreeSet<Address>, again: &str) -> String {
    let mut text = String::new();
    let mut hints: BTreeSet<String> = BTreeSet::new();
    for (address, failure) in applied.report.failures.iter().filter(|(address, _)| !told.contains(address)) {
        let head = format!("error[{}]: {}: {}", failure.code, address, failure.message);
        text.push_str(&format!("{}\n", red(&visible(&head))));
        hints.insert(match failure.code.as_str() {
            UNHEALTHY => "`retrue check` looks again".to_owned(),
            _ => format!("what was done stays; mend it and run `{again}` again"),
        });
    }
    for hint in hints {
        text.push_str(&format!("{} {hint}\n", bold("hint:")));
    }
    text
}

/// Shows the outputs of a run.
fn outputs(session: &Session, outputs: &BTreeMap<String, Value>) {
    if outputs.is_empty() {
        return;
    }
    let columns = session.detail().width.saturating_sub(2);
    let padding = outputs.keys().map(String::len).max().unwrap_or(0).min(columns / 3);
    session.console.line(&format!("\n{}", bold("Outputs:")));
    for (name, value) in outputs {
        for line in named(&visible(name), padding, value, columns) {
            session.console.line(&format!("  {line}"));
        }
    }
}

/// The address that a person typed.
pub(crate) fn address(text: &str) -> Result<crate::address::Address, String> {
    text.parse().map_err(|error: crate::address::AddressError| error.to_string())
}

/// Reads a file that a person named.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    engine::read_bounded(path, engine::MAX_DOCUMENT_SIZE).map_err(|error| {
        Diagnostic::error(codes::CANNOT_READ, error.to_string())
            .hint("files are named relative to the current directory, also with `-C`")
            .into()
    })
}

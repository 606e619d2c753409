//! `retrue reconcile`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use retrue_provider_api::Path;

use crate::address::Address;
use crate::cli::codes;
use crate::cli::converge::{address, approve, conclude, finish, recorded, recording};
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::render::text::visible;
use crate::cli::session::Session;
use crate::cli::{json, render};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Options, Planned, Recording, Workspace};
use crate::health;
use crate::plan::{Drift, InDoubt};
use crate::reconcile::Report;
use crate::trace::{End, Recorder};

/// Compare the world with what is recorded and desired
///
/// Ends with 0 when all is in true, with 2 when something has drifted or is gone (with `--fix`: that it cannot bring
/// back), with 1 when all that is wrong is that something could not be read, or that a health check is unhealthy, and with
/// 4 when something is in doubt. It needs no lock, unless it is to change something.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Bring what is drifted or missing back
    #[arg(long, conflicts_with_all = ["accept", "accept_all"])]
    pub(crate) fix: bool,
    /// Agree to the fix beforehand
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
    /// Take what was found as the new record
    #[arg(long, value_name = "ADDR", conflicts_with = "accept_all", value_parser = address)]
    pub(crate) accept: Vec<Address>,
    /// Take all that was found as the new record
    #[arg(long)]
    pub(crate) accept_all: bool,
    /// Do it again and again, with this time between: 90s, 5m, 1h, 1d
    #[arg(long, value_name = "DURATION", value_parser = pause)]
    pub(crate) every: Option<Duration>,
    /// Write the calls of providers, without secrets, into a file that `retrue replay` takes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["every", "accept", "accept_all"])]
    pub(crate) record: Option<PathBuf>,
}

/// Reads `90s`, `5m`, `1h 30m`.
fn pause(text: &str) -> Result<Duration, String> {
    let pause = super::runs::duration(text)?;
    if pause < Duration::from_secs(1) {
        return Err("it must be at least a second".to_owned());
    }
    Ok(pause)
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let Some(pause) = arguments.every else { return once(session, &arguments).await };
    if arguments.fix && !arguments.yes && !session.console.settings().interactive {
        // It would fail each time, for ever.
        let diagnostic = Diagnostic::error(codes::NOBODY_TO_ASK, "`--every` with `--fix` needs `--yes` here");
        return Err(Failure::new(Exit::Failed, diagnostic.hint("this is no terminal: nobody can be asked")));
    }
    loop {
        // One after the other, so that two never overlap; an error is told, and the next one tries again.
        if let Err(failure) = once(session, &arguments).await {
            super::super::report(&session.console, &failure);
        }
        crate::cli::observing::round(session);
        tokio::select! {
            () = session.cancellation.soft.cancelled() => return Ok(Exit::Cancelled),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn once(session: &Session, arguments: &Arguments) -> Ending {
    let (recorder, options) = recording(session, arguments.record.as_deref())?;
    let recorder = recorder.as_deref();
    let workspace = engine::checked_workspace(&options).await?;
    if arguments.fix || arguments.accept_all || !arguments.accept.is_empty() {
        let store = session.open(&options, "reconcile", Some(&workspace.stack)).await?;
        let ending = changing(session, &store, (&options, &workspace), arguments, recorder).await;
        return session.close(&store, ending).await;
    }
    let recording = recorder.map(|recorder| Recording { recorder, fix: None });
    let compared = engine::reconcile(&options, &workspace, None, recording, &session.cancellation).await;
    let (report, planned) = recorded(session, recorder, compared)?;
    stood(session, recorder, &report, End::default());
    session.warn(&planned.warnings, &planned.sources);
    show(session, &report, &planned)?;
    let checked = end(session, None, &report, &planned).await?;
    Ok(standing(&report, &checked, &planned.plan.in_doubt))
}

/// What the exit status says about what was found.
fn standing(report: &Report, checked: &[health::Report], in_doubt: &[InDoubt]) -> Exit {
    match report.is_true() {
        _ if !in_doubt.is_empty() => Exit::NeedsPerson,
        // Nothing has drifted, so nothing can be mended: what does not work is the matter of a person.
        true if checked.iter().any(health::Report::is_failure) => Exit::Failed,
        true => Exit::Done,
        // Something cannot even be read: whether it has drifted nobody knows.
        false if report.has_drifted() => Exit::Changes,
        false => Exit::Failed,
    }
}

fn show(session: &Session, report: &Report, planned: &Planned) -> Result<(), Failure> {
    if session.console.settings().json {
        let now = session.now();
        for moved in &planned.plan.moved {
            session.document(&json::drift::moved(&now, moved))?;
        }
        for drift in &report.drift {
            session.document(&json::drift::event(&now, report, drift))?;
        }
    } else {
        planned.plan.moved.iter().for_each(|moved| session.console.line(&crate::cli::progress::moved(moved)));
        session.console.data(&render::drift::report(report, &planned.plan.in_doubt, session.detail()));
        if !report.to_mend().is_empty() {
            session.console.hint("\nhint: `--fix` brings it back, `--accept ADDR` takes it as it is\n");
        }
        doubt_hints(session, &planned.plan.in_doubt);
    }
    Ok(())
}

/// What to do about what is in doubt, by address.
fn doubt_hints(session: &Session, in_doubt: &[InDoubt]) {
    let addresses: BTreeSet<&Address> = in_doubt.iter().map(|doubt| &doubt.address).collect();
    for address in addresses {
        let text = format!("`retrue apply` looks again at {address}; `retrue resolve {address}` takes your answer");
        session.console.hint(&format!("\nhint: {}\n", visible(&text)));
    }
}

/// The last line for programs: how the world stands now. `run` is what changed something, if anything did.
///
/// Health checks are looked at last, of what is there by then.
async fn end(
    session: &Session,
    run: Option<&str>,
    report: &Report,
    planned: &Planned,
) -> Result<Vec<health::Report>, Failure> {
    let console = &session.console;
    let json = console.settings().json;
    let tell = |report: &health::Report| {
        if json {
            // A line that cannot be written is noticed at the end.
            let _ = session.document(&json::check::event(&session.now(), report));
        } else {
            console.line(&render::checks::line(report));
        }
    };
    let checked = engine::check(&session.options(), planned, &session.cancellation, tell).await;
    if json {
        session.document(&json::drift::finished(&session.now(), run, report, &checked, &planned.plan.in_doubt))?;
    }
    Ok(checked)
}

/// What came of something; where it failed, the last line says how the world stands all the same.
async fn told<T>(
    session: &Session,
    report: &Report,
    planned: &Planned,
    came: Result<T, Failure>,
) -> Result<T, Failure> {
    if came.is_err() {
        end(session, None, report, planned).await?;
    }
    came
}

async fn changing(
    session: &Session,
    store: &engine::Session,
    (options, workspace): (&Options, &Workspace),
    arguments: &Arguments,
    recorder: Option<&Recorder>,
) -> Ending {
    let progress = Progress::new(session.console.clone());
    let doubtful = store.settle(&progress, &session.cancellation).await?;
    let recording = recorder.map(|recorder| Recording { recorder, fix: Some(&doubtful) });
    let compared = engine::reconcile(options, workspace, Some(&doubtful), recording, &session.cancellation).await;
    let (report, planned) = recorded(session, recorder, compared)?;
    session.warn(&planned.warnings, &planned.sources);
    show(session, &report, &planned)?;
    if !arguments.fix {
        let run =
            told(session, &report, &planned, accept(session, store, (workspace, &report, &planned), arguments).await)
                .await?;
        let (after, planned) =
            engine::reconcile(options, workspace, Some(&doubtful), None, &session.cancellation).await?;
        let checked = end(session, run.as_deref(), &after, &planned).await?;
        return Ok(standing(&after, &checked, &doubtful));
    }
    if report.to_mend().is_empty() {
        stood(session, recorder, &report, End::default());
        let checked = end(session, None, &report, &planned).await?;
        return Ok(standing(&report, &checked, &doubtful));
    }
    let fix = store.plan_fix(workspace, &report.to_mend(), doubtful.clone(), &session.cancellation).await;
    let fix = recorded(session, recorder, fix)?;
    if !session.console.settings().json {
        session.console.data("\n");
    }
    let mut run = None;
    let mut exit = Exit::Done;
    let mut came = End::default();
    let approved = approve(session, &fix, arguments.yes, "Fix this?").await;
    if !matches!(approved, Ok(true)) {
        stood(session, recorder, &report, End::default());
    }
    if told(session, &report, &planned, approved).await? {
        let applied = store.fix(&fix, &progress, &session.cancellation).await?;
        if recorder.is_some() {
            came = store.ended(&applied).await?;
        }
        exit = conclude(session, &progress, &applied, &doubtful);
        run = Some(applied.report.run);
    }
    if session.cancellation.soft.is_cancelled() {
        return Ok(exit);
    }
    let (after, planned) = engine::reconcile(options, workspace, Some(&doubtful), None, &session.cancellation).await?;
    stood(session, recorder, &after, came);
    let checked = end(session, run.as_deref(), &after, &planned).await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    if after.is_true() {
        return Ok(standing(&after, &checked, &doubtful));
    }
    session.console.tell(&crate::cli::console::plain(&render::drift::report(&after, &[], session.detail())));
    Ok(if after.to_mend().is_empty() { standing(&after, &checked, &doubtful) } else { Exit::Failed })
}

/// Ends a trace, if one is written.
fn stood(session: &Session, recorder: Option<&Recorder>, report: &Report, end: End) {
    if let Some(recorder) = recorder {
        finish(session, recorder, engine::stood(report, end));
    }
}

/// Takes what was found for the record, and shows what the TOML should say. Returns the run that did it.
async fn accept(
    session: &Session,
    store: &engine::Session,
    (workspace, report, planned): (&Workspace, &Report, &Planned),
    arguments: &Arguments,
) -> Result<Option<String>, Failure> {
    let wanted: BTreeSet<Address> = arguments.accept.iter().cloned().collect();
    for address in &wanted {
        if !report.drift.iter().any(|drift| drift.address == *address) {
            return Err(Diagnostic::error(codes::NO_DRIFT, format!("nothing differs from the record at `{address}`"))
                .hint("nothing was accepted; `retrue reconcile` shows what differs")
                .into());
        }
    }
    let wanted = (!arguments.accept_all).then_some(&wanted);
    let (run, accepted) = store.accept_drift(report, &workspace.stack, wanted).await?;
    if session.console.settings().json {
        for drift in &accepted {
            session.document(&json::drift::accepted(&session.now(), run.as_deref(), drift))?;
        }
    } else {
        let settable = |drift: &Drift, path: &Path| planned.settable(&drift.address, path);
        session.console.data(&render::drift::accepted(accepted.iter(), &settable, session.detail()));
    }
    Ok(run)
}

//! `retrue runs`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::address::Address;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::session::Session;
use crate::cli::{json, render};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Look};
use crate::plan::StepEffect;
use crate::saga::StepFailure;

/// Look at the history
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the runs, newest first
    List(List),
    /// Show one run, step by step
    Show(One),
    /// Show the journal of one run
    Events(One),
    /// Tie a note to a run
    Note(Note),
    /// Close a run: what it needs to be unwound may go
    Accept(One),
    /// Say that a failed run was looked at
    Review(One),
    /// Run it again with the same input
    Replay(Replay),
    /// List what failed for good
    DeadLetters(List),
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct List {}

/// One run.
#[derive(Args, Clone, Debug)]
pub(crate) struct One {
    /// The run, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
}

/// A note.
#[derive(Args, Clone, Debug)]
pub(crate) struct Note {
    /// The run, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// What to remember
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

/// Once more.
#[derive(Args, Clone, Debug)]
pub(crate) struct Replay {
    /// The run, or the beginning of its id
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Agree beforehand
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, verb: Verb) -> Ending {
    match verb {
        Verb::List(_) => list(session),
        Verb::Show(one) => show(session, &one.run),
        Verb::Events(one) => events(session, &one.run),
        Verb::Review(_) => session.later("runs review"),
        Verb::Replay(_) => session.later("runs replay"),
        Verb::DeadLetters(_) => session.later("runs dead-letters"),
        Verb::Note(note) => change(session, Change::Note(note)).await,
        Verb::Accept(one) => change(session, Change::Accept(one)).await,
    }
}

/// What is to be written into a run's journal.
enum Change {
    Note(Note),
    Accept(One),
}

#[derive(Serialize)]
struct Changed<'a> {
    run_id: &'a str,
    done: &'a str,
}

async fn change(session: &Session, change: Change) -> Ending {
    // Nothing is made just to say that it has no runs.
    looked(session)?;
    let options = session.options();
    let stack = engine::load(&options).ok();
    let store = session.open(&options, "runs", stack.as_ref()).await?;
    let changed = match &change {
        Change::Note(note) => store.note(&note.run, &note.text).await.map(|run| (run, "noted")),
        Change::Accept(one) => store.accept_run(&one.run).await.map(|run| (run, "accepted")),
    };
    let ending = match changed {
        Ok((run, done)) if session.console.settings().json => session.document(&Changed { run_id: &run, done }),
        Ok((run, done)) => {
            session.console.line(&format!("{done}: {run}"));
            Ok(Exit::Done)
        }
        Err(failure) => Err(failure.into()),
    };
    session.close(&store, ending).await
}

fn list(session: &Session) -> Ending {
    let looked = session.look()?;
    let nothing = crate::saga::State::default();
    let state = looked.as_ref().map_or(&nothing, |look| &look.state);
    let console = &session.console;
    if console.settings().json {
        return session.document(&state.runs.values().rev().map(json::state::run).collect::<Vec<_>>());
    }
    if state.runs.is_empty() {
        console.hint("no runs are recorded\n");
    } else {
        console.data(&render::runs::list(state.runs.values().rev(), console.settings().width_out));
    }
    Ok(Exit::Done)
}

/// The view, for verbs that need a run.
fn looked(session: &Session) -> Result<Look, Failure> {
    let looked = session.look()?;
    looked.ok_or_else(|| {
        let diagnostic = Diagnostic::error(crate::store::NO_STORE, "there is no state, and so there are no runs");
        diagnostic.hint("`retrue apply` makes it; `-C` and `--env` choose another stack or environment").into()
    })
}

fn gone(run: &str) -> Failure {
    Diagnostic::error(crate::saga::codes::NO_SUCH_RUN, format!("the journal of `{run}` is gone"))
        .hint("closed runs are removed after a while; `retrue runs list` still knows how it ended")
        .into()
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    run: json::state::WireRun<'a>,
    input: &'a BTreeMap<String, String>,
    steps: Vec<WireStep<'a>>,
    undos: Vec<WireUndo<'a>>,
}

#[derive(Serialize)]
struct WireStep<'a> {
    address: &'a Address,
    action: StepEffect,
    step: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a StepFailure>,
}

#[derive(Serialize)]
struct WireUndo<'a> {
    address: &'a Address,
    action: StepEffect,
    step: String,
    of: &'a str,
    status: String,
}

fn show(session: &Session, wanted: &str) -> Ending {
    let look = looked(session)?;
    let record = engine::find_run(&look.state, wanted)?;
    let history = look.journal(&record.run)?.ok_or_else(|| gone(&record.run))?;
    if !session.console.settings().json {
        session.console.data(&render::runs::run(record, &history, session.detail()));
        return Ok(Exit::Done);
    }
    let steps = history.steps.iter().map(|step| WireStep {
        address: &step.id.address,
        action: step.id.effect,
        step: step.id.to_string(),
        status: render::runs::step_status(step.status).1.replace(' ', "_"),
        error: step.failure.as_ref(),
    });
    let undos = history.undos.iter().map(|undo| WireUndo {
        address: &undo.id.address,
        action: undo.id.effect,
        step: undo.id.to_string(),
        of: &undo.of,
        status: render::runs::undo_status(undo.status).1.replace(' ', "_"),
    });
    session.document(&Document {
        run: json::state::run(record),
        input: &history.started.input,
        steps: steps.collect(),
        undos: undos.collect(),
    })
}

fn events(session: &Session, wanted: &str) -> Ending {
    let look = looked(session)?;
    let record = engine::find_run(&look.state, wanted)?;
    let history = look.journal(&record.run)?.ok_or_else(|| gone(&record.run))?;
    if !session.console.settings().json {
        session.console.data(&render::runs::events(&history.events, session.detail()));
        return Ok(Exit::Done);
    }
    // One event a line: journals are long. Secrets in them are sealed.
    for event in &history.events {
        session.document(event)?;
    }
    Ok(Exit::Done)
}

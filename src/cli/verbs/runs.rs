//! `retrue runs`.

use clap::{Args, Subcommand};

use crate::cli::exit::Ending;
use crate::cli::session::Session;

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
        Verb::Review(_) => session.later("runs review"),
        Verb::Replay(_) => session.later("runs replay"),
        Verb::DeadLetters(_) => session.later("runs dead-letters"),
        _ => session.later("runs"),
    }
}

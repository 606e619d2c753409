//! `retrue state`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Look at the state, and mend it by hand
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what is recorded
    List(List),
    /// Give something recorded another address
    Mv(Move),
    /// Forget something; outside it stays as it is
    Rm(Remove),
    /// Write the state and all runs to standard output, secrets sealed
    Export(Export),
    /// Make the state of an export the state, where there is none
    Restore(Restore),
    /// Mend a damaged store from its mirror
    Recover(Recover),
}

/// Which resources.
#[derive(Args, Clone, Debug)]
pub(crate) struct List {}

/// From where to where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Move {
    /// The address that it has
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The address that it gets
    #[arg(value_name = "TO")]
    pub(crate) to: String,
}

/// What to forget.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remove {
    /// What to forget
    #[arg(value_name = "ADDR", required = true)]
    pub(crate) addresses: Vec<String>,
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct Export {}

/// From where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Restore {
    /// The file that `state export` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct Recover {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, verb: Verb) -> Ending {
    let _ = verb;
    session.later("state")
}

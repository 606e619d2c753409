//! `retrue providers`.

use clap::{Args, Subcommand};

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Look at providers and their types
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the providers and their types
    List(List),
    /// Fetch providers and write the lock file
    Install(List),
    /// Show the attributes of a type
    Schema(Type),
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct List {}

/// One type.
#[derive(Args, Clone, Debug)]
pub(crate) struct Type {
    /// The type
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, verb: Verb) -> Ending {
    match verb {
        Verb::Install(_) => session.later("providers install"),
        _ => session.later("providers"),
    }
}

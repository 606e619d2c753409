//! `retrue output`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Show the outputs of the last run
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Only this one; with --json its bare value
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("output")
}

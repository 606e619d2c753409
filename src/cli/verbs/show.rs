//! `retrue show`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Show the state, one resource, or a plan file
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// What to show; without it, everything that is recorded
    #[arg(value_name = "ADDR|PLANFILE")]
    pub(crate) subject: Option<String>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("show")
}

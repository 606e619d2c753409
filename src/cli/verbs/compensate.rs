//! `retrue compensate`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Unwind a run until the world is as it was
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The run; without one, the newest that had effects
    #[arg(value_name = "RUN", conflicts_with = "through")]
    pub(crate) run: Option<String>,
    /// Unwind newest-first back to this run, itself included
    #[arg(long, value_name = "RUN")]
    pub(crate) through: Option<String>,
    /// Go on behind this irreversible step
    #[arg(long, value_name = "ADDR")]
    pub(crate) past: Vec<String>,
    /// Leave this one as it is
    #[arg(long, value_name = "ADDR")]
    pub(crate) skip: Vec<String>,
    /// Agree beforehand
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("compensate")
}

//! `retrue destroy`.

use clap::Args;

use crate::cli::command::Planning;
use crate::cli::exit::Ending;
use crate::cli::session::Session;
use crate::cli::verbs::apply::OnFailure;

/// End everything that the stack manages
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Agree beforehand
    #[arg(long)]
    pub(crate) yes: bool,
    /// What to do when a step fails
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub(crate) on_failure: OnFailure,
    /// What to plan
    #[command(flatten)]
    pub(crate) planning: Planning,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("destroy")
}

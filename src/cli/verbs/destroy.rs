//! `retrue destroy`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::command::Planning;
use crate::cli::converge::{Request, converge};
use crate::cli::exit::Ending;
use crate::cli::session::Session;
use crate::cli::verbs::apply::OnFailure;
use crate::engine::PlanOptions;

/// End everything that the stack manages
///
/// What we created is deleted; what we adopted is brought back to what it was then, or left as it is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Agree beforehand
    #[arg(long)]
    pub(crate) yes: bool,
    /// What to do when a step fails
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub(crate) on_failure: OnFailure,
    /// Write the calls of providers, without secrets, into a file that `retrue replay` takes
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What to plan
    #[command(flatten)]
    pub(crate) planning: Planning,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let request = Request {
        verb: "destroy",
        plan_file: None,
        planning: PlanOptions { destroy: true, ..PlanOptions::from(&arguments.planning) },
        on_failure: arguments.on_failure.into(),
        yes: arguments.yes,
        record: arguments.record.as_deref(),
    };
    converge(session, request).await
}

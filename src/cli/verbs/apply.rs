//! `retrue apply`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::command::Planning;
use crate::cli::converge::{Request, converge};
use crate::cli::exit::Ending;
use crate::cli::session::Session;
use crate::engine::{self, PlanOptions};

/// Make the world what the stack declares
///
/// Plans, shows the plan, asks, and carries it out. After an interruption it first settles what is in
/// doubt. A plan file is carried out just as it was shown, or refused when the world has moved.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// A plan kept by `plan -o`; without one, plan, show and ask
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["destroy", "targets", "replace", "refresh"])]
    pub(crate) plan: Option<PathBuf>,
    /// Agree beforehand
    #[arg(long)]
    pub(crate) yes: bool,
    /// What to do when a step fails
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub(crate) on_failure: OnFailure,
    /// Plan for nothing desired
    #[arg(long)]
    pub(crate) destroy: bool,
    /// Write the calls of providers, without secrets, into a file that `retrue replay` takes
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What to plan
    #[command(flatten)]
    pub(crate) planning: Planning,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// Finish what runs, start nothing new
    #[default]
    Halt,
    /// Go on with what does not depend on it
    Continue,
    /// Halt, then unwind the run
    Compensate,
}

impl From<OnFailure> for engine::OnFailure {
    fn from(way: OnFailure) -> Self {
        match way {
            OnFailure::Halt => engine::OnFailure::Halt,
            OnFailure::Continue => engine::OnFailure::Continue,
            OnFailure::Compensate => engine::OnFailure::Compensate,
        }
    }
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let request = Request {
        verb: "apply",
        plan_file: arguments.plan.as_deref(),
        planning: PlanOptions { destroy: arguments.destroy, ..PlanOptions::from(&arguments.planning) },
        on_failure: arguments.on_failure.into(),
        yes: arguments.yes,
        record: arguments.record.as_deref(),
    };
    converge(session, request).await
}

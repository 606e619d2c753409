//! `retrue apply`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::command::Planning;
use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Make the world what the stack declares
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

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("apply")
}

//! `retrue plan`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::command::Planning;
use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Show what would change
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Keep the plan in a file, for `apply FILE`
    #[arg(short, long = "out", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Plan for nothing desired
    #[arg(long)]
    pub(crate) destroy: bool,
    /// End with 0 without changes, 2 with changes, 1 on errors
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// What to plan
    #[command(flatten)]
    pub(crate) planning: Planning,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("plan")
}

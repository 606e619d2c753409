//! `retrue migrate`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Turn a Terraform directory into a stack
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The directory
    #[arg(value_name = "DIR")]
    pub(crate) source: PathBuf,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("migrate")
}

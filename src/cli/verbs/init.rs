//! `retrue init`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Write a small stack that works
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Where; without it, the directory of -C or the current one
    #[arg(value_name = "DIR")]
    pub(crate) target: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("init")
}

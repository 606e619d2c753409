//! `retrue config`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Show what is in force: variables, providers, settings
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("config")
}

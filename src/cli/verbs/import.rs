//! `retrue import`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Take something that exists into the state
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// What it is to be called
    #[arg(value_name = "ADDR")]
    pub(crate) address: String,
    /// How its system calls it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("import")
}

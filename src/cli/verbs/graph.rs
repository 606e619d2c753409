//! `retrue graph`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Show what depends on what
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Write Mermaid in place of DOT
    #[arg(long)]
    pub(crate) mermaid: bool,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("graph")
}

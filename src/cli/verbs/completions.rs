//! `retrue completions`.

use clap::Args;
use clap_complete::Shell;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Write completions for a shell
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("completions")
}

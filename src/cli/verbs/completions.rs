//! `retrue completions`.

use clap::Args;
use clap_complete::Shell;

use crate::cli::exit::{Ending, Exit};
use crate::cli::session::Session;

/// Write completions for a shell
///
/// For bash: `retrue completions bash > ~/.local/share/bash-completion/completions/retrue`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::cli::command(), "retrue", &mut script);
    let script = String::from_utf8_lossy(&script);
    if session.console.settings().json {
        return session.document(&script);
    }
    session.console.data(&script);
    Ok(Exit::Done)
}

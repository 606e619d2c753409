//! `retrue resolve`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Say what became of a step that is in doubt
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("answer").required(true)))]
pub(crate) struct Arguments {
    /// What is in doubt
    #[arg(value_name = "ADDR")]
    pub(crate) address: String,
    /// It exists, and this is its id
    #[arg(long, value_name = "ID", group = "answer")]
    pub(crate) id: Option<String>,
    /// Nothing is there
    #[arg(long, group = "answer")]
    pub(crate) absent: bool,
    /// The step had its effect
    #[arg(long, group = "answer")]
    pub(crate) applied: bool,
    /// The step had no effect
    #[arg(long, group = "answer")]
    pub(crate) not_applied: bool,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("resolve")
}

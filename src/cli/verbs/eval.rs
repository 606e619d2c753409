//! `retrue eval`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Evaluate an expression
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// A bare expression, without `${}`
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) expression: String,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("eval")
}

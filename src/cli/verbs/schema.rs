//! `retrue schema`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Write the JSON Schema of the stack format, for editors
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("schema")
}

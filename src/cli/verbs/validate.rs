//! `retrue validate`.

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Check all that can be known without the world
///
/// Types, keys, references, cycles, required attributes, expressions over constants and defaults, and
/// validations of variables. Nothing is read and nothing is changed.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("validate")
}

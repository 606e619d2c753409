//! `retrue validate`.

use clap::Args;

use crate::cli::exit::{Ending, Exit};
use crate::cli::json::diagnostics::wire;
use crate::cli::session::Session;
use crate::engine;

/// Check all that can be known without the world
///
/// Types, keys, references, cycles, required attributes, expressions over constants and defaults, and
/// validations of variables. Nothing is read and nothing is changed.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, _arguments: Arguments) -> Ending {
    let checked = engine::validate(&session.options()).await;
    if session.console.settings().json {
        // Mistakes are what was asked for: they are the document.
        return match checked {
            Ok((warnings, sources)) => session.document(&wire(&warnings, &sources)),
            Err(failure) => {
                session.document(&wire(&failure.diagnostics, &failure.sources))?;
                Ok(Exit::Failed)
            }
        };
    }
    let (warnings, sources) = checked?;
    session.warn(&warnings, &sources);
    session.console.line("The stack is valid.");
    Ok(Exit::Done)
}

//! What one run of the program has at hand.

use super::codes;
use super::command::Common;
use super::console::Console;
use super::exit::{Ending, Exit, Failure};
use super::later::LATER;
use crate::diagnostic::Diagnostic;

/// The options that every verb has, and the streams.
pub(crate) struct Session {
    /// The options.
    pub(crate) common: Common,
    /// The streams.
    pub(crate) console: Console,
}

impl Session {
    /// The one answer of a verb that belongs to later work.
    pub(crate) fn later(&self, verb: &str) -> Ending {
        let hint = LATER.iter().find(|later| later.verb == verb).map(|later| later.instead);
        let diagnostic = Diagnostic::error(codes::LATER_VERB, format!("`retrue {verb}` is not supported yet"));
        Err(Failure::new(Exit::Failed, diagnostic.hint(hint.unwrap_or("nothing was done"))))
    }
}

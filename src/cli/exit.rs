//! How a run of the program ends.

use std::process::ExitCode;

use super::codes;
use crate::diagnostic::{Diagnostic, Sources};

/// What the exit status tells scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done.
    Done,
    /// Bad input, a provider's error, a refused plan.
    Failed,
    /// `plan --detailed-exitcode`: changes; `reconcile`: drift.
    Changes,
    /// The apply failed and was compensated in full.
    Compensated,
    /// Something is in doubt or stuck and needs a person.
    NeedsPerson,
    /// Another run holds the lock.
    Locked,
    /// The command line is wrong.
    Usage,
    /// A signal ended it; all is recorded.
    Cancelled,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::Compensated => 3,
            Exit::NeedsPerson => 4,
            Exit::Locked => 5,
            Exit::Usage => 64,
            Exit::Cancelled => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// What to tell, in order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that the diagnostics point into.
    pub sources: Sources,
    /// How to end.
    pub exit: Exit,
}

impl Failure {
    /// One error without a place in a file.
    pub fn new(exit: Exit, diagnostic: Diagnostic) -> Self {
        Failure { diagnostics: vec![diagnostic], sources: Sources::default(), exit }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Failure::new(Exit::Failed, diagnostic)
    }
}

/// A command line that cannot be meant, found after it was read.
pub(crate) fn usage(message: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        Diagnostic::error(codes::USAGE, message).hint("`retrue VERB --help` tells what goes together"),
    )
}

/// What a verb returns.
pub type Ending = Result<Exit, Failure>;

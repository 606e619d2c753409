//! Why something could not be done.

use crate::diagnostic::{Diagnostic, Sources};

/// What a failure means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Bad input, a provider's error, a refused plan: 1.
    Failed,
    /// A person has to decide: 4.
    NeedsPerson,
    /// Another run holds the lock: 5.
    Locked,
    /// Wrong usage: 64.
    Usage,
    /// Cancelled by a signal: 130.
    Cancelled,
}

/// Why something could not be done: all that is wrong, with the files that it is about.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For the exit code.
    pub kind: FailureKind,
    /// All that is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// The files.
    pub sources: Sources,
}

impl Failure {
    /// Whether this is what is wrong, and nothing else.
    pub fn is(&self, code: &str) -> bool {
        !self.diagnostics.is_empty() && self.diagnostics.iter().all(|diagnostic| diagnostic.code == code)
    }

    /// One thing that is wrong, without a file.
    pub fn one(mut diagnostic: Diagnostic) -> Self {
        super::advice::advise(&mut diagnostic);
        Failure { kind: FailureKind::Failed, diagnostics: vec![diagnostic], sources: Sources::default() }
    }

    /// Several things that are wrong, with their files. They are sorted by place.
    pub fn many(mut diagnostics: Vec<Diagnostic>, sources: Sources) -> Self {
        crate::diagnostic::sort(&mut diagnostics);
        diagnostics.iter_mut().for_each(super::advice::advise);
        Failure { kind: FailureKind::Failed, diagnostics, sources }
    }

    /// A person stopped it before anything was changed.
    pub fn cancelled() -> Self {
        let stopped = Diagnostic::error(crate::apply::codes::CANCELLED, "cancelled; nothing was changed")
            .hint("run the same command again");
        Failure::one(stopped).kind(FailureKind::Cancelled)
    }

    /// The same with another meaning for the exit code.
    #[must_use]
    pub fn kind(self, kind: FailureKind) -> Self {
        Failure { kind, ..self }
    }
}

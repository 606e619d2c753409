//! What a check finds.

use std::fmt::Display;

/// A rule that was broken, in words that help whoever wrote the provider.
#[derive(Debug)]
pub struct Violation(pub String);

/// What a check that found nothing wrong has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule was put to the test and is kept.
    Kept,
    /// The type cannot do what the rule is about, for this reason.
    DoesNotApply(&'static str),
}

/// The result of a check.
pub type Judged = Result<Verdict, Violation>;

/// The rule is broken unless something holds.
pub fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(otherwise())) }
}

/// A verb that must succeed did not.
pub fn failed(verb: &str, error: impl Display) -> Violation {
    Violation(format!("`{verb}` fails: {error:#}"))
}

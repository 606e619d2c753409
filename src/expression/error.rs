//! What can be wrong with an expression.

use thiserror::Error;

use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// The stable codes of errors in expressions: RT0201 to RT0299.
pub mod codes {
    /// The text is not an expression or template.
    pub const SYNTAX: &str = "RT0201";
    /// The expression is nested too deeply, or chains too many operators.
    pub const TOO_DEEP: &str = "RT0202";
    /// A name stands for nothing.
    pub const UNKNOWN_NAME: &str = "RT0203";
    /// A reference does not have the form that its first word asks for.
    pub const INVALID_REFERENCE: &str = "RT0204";
    /// Something that this version does not have yet.
    pub const NOT_YET: &str = "RT0205";
    /// There is no function of this name.
    pub const UNKNOWN_FUNCTION: &str = "RT0206";
    /// A function refused its arguments.
    pub const FUNCTION: &str = "RT0207";
    /// What stands before `...` is no list, set or tuple.
    pub const EXPANSION: &str = "RT0208";
    /// The value has no such attribute.
    pub const NO_SUCH_ATTRIBUTE: &str = "RT0209";
    /// The value has no element at this index or key.
    pub const INVALID_INDEX: &str = "RT0210";
    /// An operand is of the wrong type.
    pub const OPERAND: &str = "RT0211";
    /// An operation has no result for these operands.
    pub const OPERATION: &str = "RT0212";
    /// A condition is neither true nor false.
    pub const CONDITION: &str = "RT0213";
    /// The two results of a conditional have no type in common.
    pub const INCONSISTENT_TYPES: &str = "RT0214";
    /// `for` cannot go through this value.
    pub const NOT_ITERABLE: &str = "RT0215";
    /// A key of a `for` expression is null, no text, or there twice.
    pub const FOR_KEY: &str = "RT0216";
    /// A splat cannot be applied to this value.
    pub const SPLAT: &str = "RT0217";
    /// A value that cannot be put into a text.
    pub const TEMPLATE_VALUE: &str = "RT0218";
    /// A key of an object is null or no text.
    pub const OBJECT_KEY: &str = "RT0219";
    /// A type expression is malformed.
    pub const TYPE_EXPRESSION: &str = "RT0220";
    /// A template file cannot be read or rendered.
    pub const TEMPLATE_FILE: &str = "RT0221";
    /// The system gave no thread to evaluate on.
    pub const NO_THREAD: &str = "RT0222";
    /// A value is nested more deeply than can be written down and read again.
    pub const VALUE_TOO_DEEP: &str = "RT0223";
}

/// One thing that is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct EvalError {
    /// One of [`codes`].
    pub code: &'static str,
    /// One line of what is wrong; no value that may be a secret is in it.
    pub message: String,
    /// The part of the expression that it is about.
    pub span: Span,
    /// What to do.
    pub hint: Option<String>,
}

impl EvalError {
    /// An error without advice.
    pub fn new(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        EvalError { code, message: message.into(), span, hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with advice, if there is any and none was given.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// A name that stands for nothing, with the nearest one that does; `what` is such as `variable`.
    pub fn unknown_name<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>, span: Span) -> Self {
        EvalError::new(codes::UNKNOWN_NAME, format!("there is no {what} `{name}`"), span)
            .maybe_hint(nearest(name, known).map(|near| format!("did you mean `{near}`?")))
    }
}

impl From<EvalError> for Diagnostic {
    fn from(error: EvalError) -> Self {
        let diagnostic = Diagnostic::error(error.code, error.message).at(error.span);
        match error.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }
}

/// The name that `name` was probably meant to be; the first of several that are equally near.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = match name.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn what_is_far_from_a_name_is_not_offered() {
        let known = ["tostring", "content", "name", "format"];
        for (name, near) in [("nothing", None), ("conten", Some("content")), ("nmae", Some("name")), ("to", None)] {
            assert_eq!(nearest(name, known), near, "{name}");
        }
    }
}

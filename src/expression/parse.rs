//! From text to tree.

use retrue_provider_api::Value;

use super::error::{EvalError, codes};
use super::scope::Scope;
use super::tree::Expression;
use crate::span::{FileId, Span};

impl Expression {
    /// Parses a template: the decoded content of a string of a TOML file.
    ///
    /// `raw` is the string as it is written in the file, with its quotes, and `span` its place.
    pub fn from_template(text: &str, span: Span, raw: &str) -> Result<Expression, EvalError> {
        let _ = raw;
        if text.contains("${") || text.contains("%{") {
            return Err(EvalError::new(codes::SYNTAX, "templates are not here yet", span));
        }
        Ok(Expression::literal(Value::string(text), span))
    }

    /// Parses an expression that stands by itself, without `${}`. Its places count bytes of `text`.
    pub fn bare(text: &str, file: FileId) -> Result<Expression, EvalError> {
        Err(EvalError::new(codes::SYNTAX, "expressions are not here yet", Span::new(file, 0..text.len())))
    }
}

/// The value of an expression, or everything that is wrong with it.
pub fn evaluate(expression: &Expression, scope: &dyn Scope) -> Result<Value, Vec<EvalError>> {
    let _ = scope;
    match expression.as_literal() {
        Some(value) => Ok(value.clone()),
        None => Err(vec![EvalError::new(codes::SYNTAX, "evaluation is not here yet", expression.span())]),
    }
}

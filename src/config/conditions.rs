//! Conditions: what must hold, and what is said when it does not.

use retrue_provider_api::{Data, Type, convert};

use super::codes;
use super::ephemeral::kept;
use super::stack::Condition;
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Scope, evaluate};

/// The truth value of an expression; `None` while it is not known.
///
/// # Errors
/// What is wrong with the expression, or that it has no truth value.
pub fn truth(expression: &Expression, scope: &dyn Scope) -> Result<Option<bool>, Vec<Diagnostic>> {
    let value = evaluate(expression, scope).map_err(into_diagnostics)?;
    let wrong = |message: String| vec![Diagnostic::error(codes::CONDITION, message).at(expression.span())];
    let value = convert(&value, &Type::Bool).map_err(|_| {
        wrong(format!("this is neither true nor false, but of the type {}", value.kind().friendly_name()))
    })?;
    match value.data() {
        Data::Bool(value) => Ok(Some(*value)),
        Data::Unknown(..) => Ok(None),
        _ => Err(wrong("this is null, and neither true nor false".to_owned())),
    }
}

/// The truth value of what decides whether something is there; nothing ephemeral, for it shows.
///
/// # Errors
/// As [`truth`], or it is ephemeral.
pub fn decided(expression: &Expression, scope: &dyn Scope) -> Result<Option<bool>, Vec<Diagnostic>> {
    let value = evaluate(expression, scope).map_err(into_diagnostics)?;
    if value.marks_deep().ephemeral {
        return Err(vec![kept("what `enabled` decides", expression.span())]);
    }
    truth(expression, scope)
}

/// Checks conditions: one diagnostic with the given code for each that does not hold. What is not known
/// yet is passed over.
pub fn check_conditions(conditions: &[Condition], scope: &dyn Scope, code: &'static str) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for condition in conditions {
        match truth(&condition.condition, scope) {
            Ok(Some(false)) => match message(condition, scope) {
                Ok(message) => diagnostics.push(Diagnostic::error(code, message).at(condition.span)),
                Err(wrong) => diagnostics.extend(wrong),
            },
            Ok(_) => {}
            Err(wrong) => diagnostics.extend(wrong),
        }
    }
    diagnostics
}

/// What is said; nothing secret.
fn message(condition: &Condition, scope: &dyn Scope) -> Result<String, Vec<Diagnostic>> {
    let value = evaluate(&condition.message, scope).map_err(into_diagnostics)?;
    if !value.marks_deep().is_empty() {
        return Ok("a condition does not hold (its message holds something sensitive, and is not shown)".to_owned());
    }
    let text = convert(&value, &Type::String).ok().and_then(|text| text.as_str().map(str::to_owned));
    Ok(text.unwrap_or_else(|| "a condition does not hold (its message is not known)".to_owned()))
}

fn into_diagnostics(errors: Vec<crate::expression::EvalError>) -> Vec<Diagnostic> {
    errors.into_iter().map(Diagnostic::from).collect()
}

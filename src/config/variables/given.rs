//! Values that are given from outside: which, and from where.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::Value;

use super::{Inputs, Origin, Resolver, VARIABLE_PREFIX};
use crate::config::codes;
use crate::config::scopes::{StackFiles, VariableScope};
use crate::config::stack::Variable;
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, evaluate};
use crate::span::{FileId, Span};

/// The values that were given, the last one of each name.
pub(super) type Given = BTreeMap<Arc<str>, One>;

/// One value that was given.
pub(super) struct One {
    pub(super) content: Content,
    pub(super) origin: Origin,
    /// Its place, where it has one.
    pub(super) span: Option<Span>,
}

/// A value as it was given.
pub(super) enum Content {
    Text(String),
    Expression(Expression),
    Value(Value),
}

impl Resolver<'_> {
    /// `RETRUE_VAR_name`. A name that is not declared may be meant for another stack: a warning.
    pub(super) fn read_environment(&mut self, inputs: &Inputs, given: &mut Given) {
        for (full_name, text) in &inputs.environment {
            let Some(full_name) = full_name.to_str() else { continue };
            let Some(name) = full_name.strip_prefix(VARIABLE_PREFIX) else { continue };
            let Some((name, _)) = self.stack.variables.get_key_value(name) else {
                self.unknown_name(name, |message| {
                    let message = format!("{message}, which the environment variable `{full_name}` gives a value");
                    Diagnostic::warning(codes::UNKNOWN_VARIABLE_GIVEN, message)
                });
                continue;
            };
            let origin = Origin::Environment(full_name.to_owned());
            match text.to_str() {
                Some(text) => {
                    given.insert(Arc::clone(name), One { content: Content::Text(text.to_owned()), origin, span: None });
                }
                None => {
                    let message = format!("the environment variable `{full_name}` is not UTF-8");
                    self.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message));
                }
            }
        }
    }

    /// `--var`.
    pub(super) fn read_options(&mut self, inputs: &Inputs, given: &mut Given) {
        for (name, text) in &inputs.vars {
            match self.stack.variables.get_key_value(name.as_str()) {
                Some((name, _)) => {
                    let content = Content::Text(text.clone());
                    given.insert(Arc::clone(name), One { content, origin: Origin::Option, span: None });
                }
                None => self.unknown_name(name, |message| {
                    Diagnostic::error(codes::UNKNOWN_VARIABLE_GIVEN, format!("{message}, which `--var` gives a value"))
                }),
            }
        }
    }

    /// What an earlier run had. What is no longer declared is not used: what becomes of the rest shows in the plan.
    pub(super) fn read_recorded(&mut self, inputs: &Inputs, given: &mut Given) {
        for (name, value) in &inputs.recorded {
            if let Some((name, _)) = self.stack.variables.get_key_value(name) {
                let content = Content::Value(value.clone());
                given.insert(Arc::clone(name), One { content, origin: Origin::Run, span: None });
            }
        }
    }

    /// The value that was given, converted to the type of its variable. It may be a secret, so it is
    /// never part of a message.
    pub(super) fn given_value(&mut self, variable: &Variable, given: &One) -> Option<Value> {
        let place = |diagnostic: Diagnostic| diagnostic.maybe_at(given.span);
        let wrong = |message: String| {
            place(Diagnostic::error(
                codes::BAD_VALUE,
                format!("the value of `{}` from {}: {message}", variable.name, given.origin),
            ))
        };
        let nothing = BTreeMap::new();
        let scope = VariableScope { values: &nothing, host: self.files };
        let value = match &given.content {
            Content::Expression(expression) => match evaluate(expression, &scope) {
                Ok(value) => value,
                Err(errors) => {
                    self.diagnostics.extend(errors.into_iter().map(Diagnostic::from));
                    return None;
                }
            },
            Content::Value(value) => value.clone(),
            Content::Text(text) if taken_as_it_is(variable) => Value::string(text),
            Content::Text(text) => {
                // Its places count bytes of a text that is not in a file.
                let parsed = Expression::bare(text, FileId::default()).map_err(|error| vec![error]);
                match parsed.and_then(|expression| evaluate(&expression, &scope)) {
                    Ok(value) => value,
                    Err(_) => {
                        let hint = "such as [\"a\", \"b\"] or { a = 1 }; a text in quotes";
                        self.diagnostics
                            .push(wrong(format!("it is no value of the type {}", variable.kind())).hint(hint));
                        return None;
                    }
                }
            }
        };
        match variable.convert(&value) {
            Ok(value) if !value.is_wholly_known() => {
                self.diagnostics.push(wrong("it is not known while planning".to_owned()));
                None
            }
            Ok(value) => Some(value),
            Err(error) => {
                self.diagnostics.push(wrong(error.to_string()));
                None
            }
        }
    }
}

/// Whether a text for a variable is its value, and no expression.
fn taken_as_it_is(variable: &Variable) -> bool {
    !variable.typed || variable.kind().is_primitive()
}

/// What a text means for a variable whose type is not at hand: a list or a table where it looks like one.
pub fn value_of(text: &str) -> Value {
    let nothing = BTreeMap::new();
    let files = StackFiles::new(std::path::Path::new("."));
    let scope = VariableScope { values: &nothing, host: &files };
    let parsed = text.trim_start().starts_with(['[', '{']).then(|| Expression::bare(text, FileId::default()).ok());
    let value = parsed.flatten().and_then(|expression| evaluate(&expression, &scope).ok());
    value.unwrap_or_else(|| Value::string(text))
}

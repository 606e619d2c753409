//! `[variable]`, `[local]` and `[output]`.

use std::sync::Arc;

use retrue_provider_api::Type;

use super::reader::{Item, Key, Reader};
use super::{Loader, insert};
use crate::config::codes;
use crate::config::stack::{Condition, Local, Output, ValueSource, Variable};
use crate::diagnostic::Diagnostic;
use crate::expression::TypeExpression;

const VARIABLE_KEYS: &[&str] =
    &["type", "default", "nullable", "description", "sensitive", "ephemeral", "from", "validation"];
const OUTPUT_KEYS: &[&str] = &["value", "description", "sensitive"];
const CONDITION_KEYS: &[&str] = &["condition", "message"];

impl Loader {
    pub(super) fn variable(&mut self, reader: &mut Reader<'_>, name: Arc<str>, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        let mut variable = Variable {
            name: Arc::clone(&name),
            span: reader.key_span(key),
            constraint: TypeExpression::from_type(Type::Dynamic),
            typed: false,
            default: None,
            nullable: true,
            sensitive: false,
            ephemeral: false,
            description: None,
            from: None,
            validations: Vec::new(),
        };
        let mut default = None;
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "type" => {
                    if let Some(constraint) = reader.type_expression(key, item) {
                        variable.constraint = constraint;
                    }
                    variable.typed = true;
                }
                "default" => {
                    default = Some(reader.item_span(item));
                    variable.default = Some(reader.expression(item));
                }
                "nullable" => variable.nullable = reader.bool(key, item).unwrap_or(true),
                "sensitive" => variable.sensitive = reader.bool(key, item).unwrap_or(true),
                "ephemeral" => variable.ephemeral = reader.bool(key, item).unwrap_or(true),
                "description" => variable.description = reader.text(key, item).map(Arc::from),
                "from" => variable.from = value_source(reader, key, item).map(|from| (from, reader.item_span(item))),
                "validation" => variable.validations = reader.conditions(key, item),
                _ => reader.unknown_key(key, "of a variable", VARIABLE_KEYS, &[]),
            }
        }
        if variable.sensitive {
            self.secrets.extend(default);
        }
        insert(&mut self.stack.variables, name, variable, |variable| variable.span, "the variable", reader);
    }

    pub(super) fn local(&mut self, reader: &mut Reader<'_>, name: Arc<str>, key: &Key<'_>, item: &Item<'_>) {
        let local = Local { name: Arc::clone(&name), span: reader.key_span(key), value: reader.expression(item) };
        insert(&mut self.stack.locals, name, local, |local| local.span, "the local value", reader);
    }

    pub(super) fn output(&mut self, reader: &mut Reader<'_>, name: Arc<str>, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        let span = reader.key_span(key);
        let (mut value, mut description, mut sensitive) = (None, None, false);
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "value" => value = Some(reader.expression(item)),
                "description" => description = reader.text(key, item).map(Arc::from),
                "sensitive" => sensitive = reader.bool(key, item).unwrap_or(true),
                _ => reader.unknown_key(key, "of an output", OUTPUT_KEYS, &[]),
            }
        }
        let Some(value) = value else {
            reader.missing_key("value", "an output", span);
            return;
        };
        let output = Output { name: Arc::clone(&name), span, value, description, sensitive };
        insert(&mut self.stack.outputs, name, output, |output| output.span, "the output", reader);
    }
}

impl Reader<'_> {
    /// A type, as a plain text.
    fn type_expression(&mut self, key: &Key<'_>, item: &Item<'_>) -> Option<TypeExpression> {
        let text = self.text(key, item)?;
        let raw = self.text.get(item.span()).unwrap_or_default();
        match TypeExpression::parse(text, self.item_span(item), raw) {
            Ok(constraint) => Some(constraint),
            Err(errors) => {
                errors.into_iter().for_each(|error| self.report(error.into()));
                None
            }
        }
    }

    /// `[{ condition = …, message = … }]`
    pub(super) fn conditions(&mut self, key: &Key<'_>, item: &Item<'_>) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for (item, table) in self.tables(key, item) {
            let span = if item.span().is_empty() { self.key_span(key) } else { self.item_span(item) };
            let (mut condition, mut message) = (None, None);
            for (key, item) in table {
                match key.get_ref().as_ref() {
                    "condition" => condition = Some(self.expression(item)),
                    "message" => message = Some(self.expression(item)),
                    "error_message" => {
                        let span = self.key_span(key);
                        self.report(
                            Diagnostic::error(codes::UNKNOWN_KEY, "there is no key `error_message` of a condition")
                                .at(span)
                                .hint("it is called `message` here"),
                        );
                    }
                    _ => self.unknown_key(key, "of a condition", CONDITION_KEYS, &[]),
                }
            }
            match (condition, message) {
                (Some(condition), Some(message)) => {
                    let span = condition.span();
                    conditions.push(Condition { condition, message, span });
                }
                (condition, _) => {
                    let missing = if condition.is_none() { "condition" } else { "message" };
                    self.missing_key(missing, "a condition", span);
                }
            }
        }
        conditions
    }
}

fn value_source(reader: &mut Reader<'_>, key: &Key<'_>, item: &Item<'_>) -> Option<ValueSource> {
    let text = reader.text(key, item)?;
    let source = match text.split_once(':') {
        Some((_, "")) => None,
        Some(("env", name)) if !name.contains(['=', '\0']) => Some(ValueSource::Environment(name.into())),
        Some(("file", path)) => Some(ValueSource::File(path.into())),
        Some(("command", line)) => Some(ValueSource::Command(line.into())),
        _ => None,
    };
    if source.is_none() {
        let span = reader.item_span(item);
        reader.report(
            Diagnostic::error(codes::BAD_REFERENCE, format!("`{text}` is no source of a value"))
                .at(span)
                .hint("write \"env:NAME\", \"file:PATH\" or \"command:LINE\""),
        );
    }
    source
}

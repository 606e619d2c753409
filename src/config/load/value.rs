//! From TOML values to expressions.

use retrue_provider_api::{Number, Type, Value};
use toml::de::{DeInteger, DeValue};

use super::reader::{Item, Key, Reader, Table};
use crate::config::codes;
use crate::config::parse::newer;
use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::span::Span;

impl Reader<'_> {
    /// A value as an expression. What is wrong in it is reported, and unknown in the result, so that
    /// it causes no further complaints.
    pub(in crate::config) fn expression(&mut self, item: &Item<'_>) -> Expression {
        let span = self.item_span(item);
        let value = match item.get_ref() {
            DeValue::String(text) => return self.template(text, span),
            DeValue::Boolean(value) => Value::from(*value),
            DeValue::Integer(integer) => self.integer(integer, span),
            DeValue::Float(float) => self.float(float.as_str(), span),
            DeValue::Datetime(date) => {
                if date.time.is_some_and(|time| time.second.is_none()) {
                    self.report(newer("times without seconds", span));
                }
                Value::string(self.text.get(item.span()).unwrap_or_default())
            }
            DeValue::Array(items) => {
                let items = items.iter().map(|item| self.expression(item)).collect();
                return Expression::list(items, span);
            }
            DeValue::Table(table) => return self.table_expression(table, span),
        };
        Expression::literal(value, span)
    }

    /// A table as an expression; its keys are templates.
    pub(super) fn table_expression(&mut self, table: &Table<'_>, span: Span) -> Expression {
        let mut entries = Vec::with_capacity(table.len());
        for (key, item) in table {
            let key = self.key_expression(key);
            entries.push((key, self.expression(item)));
        }
        Expression::table(entries, span)
    }

    fn key_expression(&mut self, key: &Key<'_>) -> Expression {
        let span = self.key_span(key);
        self.template(key.get_ref(), span)
    }

    /// The name of an attribute: no template.
    pub(super) fn attribute_name(&self, key: &Key<'_>) -> Expression {
        Expression::literal(Value::string(key.get_ref()), self.key_span(key))
    }

    fn template(&mut self, text: &str, span: Span) -> Expression {
        if !text.contains("${") && !text.contains("%{") {
            return Expression::literal(Value::string(text), span);
        }
        let range = usize::try_from(span.start).unwrap_or(0)..usize::try_from(span.end).unwrap_or(0);
        let raw = self.text.get(range).unwrap_or_default();
        Expression::from_template(text, span, raw).unwrap_or_else(|error| {
            self.report(error.into());
            Expression::literal(Value::unknown(Type::Dynamic), span)
        })
    }

    fn integer(&mut self, integer: &DeInteger<'_>, span: Span) -> Value {
        let text = integer.as_str();
        let number = if integer.radix() == 10 {
            text.strip_prefix('+').unwrap_or(text).parse::<Number>().ok()
        } else {
            u64::from_str_radix(text, integer.radix()).ok().map(Number::from)
        };
        self.number(number, span)
    }

    fn float(&mut self, text: &str, span: Span) -> Value {
        self.number(text.strip_prefix('+').unwrap_or(text).parse::<Number>().ok(), span)
    }

    fn number(&mut self, number: Option<Number>, span: Span) -> Value {
        number.map(Value::from).unwrap_or_else(|| {
            self.report(
                Diagnostic::error(codes::BAD_NUMBER, "this is no number that can be used")
                    .at(span)
                    .hint("`inf`, `nan` and numbers beyond 10^20000 are not accepted"),
            );
            Value::unknown(Type::Number)
        })
    }
}

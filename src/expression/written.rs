//! The form in which an expression is written down: version 1.
//!
//! A value is `{"value": …}` in the typed form of values, a template `{"template": "…"}`, an
//! expression by itself `{"bare": "…"}`, a list `{"list": […]}`, a table `{"table": [[key, value]]}`.
//! Places are not written: an expression that is read back has none.

use retrue_provider_api::WireValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::tree::{Expression, Form, Kind};
use crate::span::{FileId, Span};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Value(WireValue),
    Template(String),
    Bare(String),
    List(Vec<Expression>),
    Table(Vec<(Expression, Expression)>),
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self.kind() {
            Kind::Literal(value) => Written::Value(WireValue(value.clone())),
            Kind::Source { text, form: Form::Template, .. } => Written::Template(text.to_string()),
            Kind::Source { text, form: Form::Bare, .. } => Written::Bare(text.to_string()),
            Kind::Tuple(items) => Written::List(items.clone()),
            Kind::Object(entries) => Written::Table(entries.clone()),
            _ => return Err(serde::ser::Error::custom("a part of an expression cannot be written by itself")),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let span = Span::default();
        Ok(match Written::deserialize(deserializer)? {
            Written::Value(WireValue(value)) => Expression::literal(value, span),
            Written::Template(text) => Expression::from_template(&text, span, &text).map_err(D::Error::custom)?,
            Written::Bare(text) => Expression::bare(&text, FileId::default()).map_err(D::Error::custom)?,
            Written::List(items) => Expression::list(items, span),
            Written::Table(entries) => Expression::table(entries, span),
        })
    }
}

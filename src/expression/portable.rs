//! Expressions written down, to be evaluated without the files that they came from.

use std::sync::Arc;

use retrue_provider_api::{from_wire, to_wire};
use serde_json::{Value as Json, json};

use super::error::{EvalError, codes};
use super::tree::{Expression, Form, Kind};
use crate::span::{FileId, Span};

impl Expression {
    /// The expression as JSON: `{"value": …}`, `{"template": "…"}`, `{"bare": "…"}`, `{"list": […]}`
    /// or `{"table": [[key, value], …]}`. Places are not kept.
    pub fn to_portable(&self) -> Json {
        match self.kind() {
            Kind::Literal(value) => json!({ "value": to_wire(value) }),
            Kind::Source { text, form: Form::Template, .. } => json!({ "template": text.as_ref() }),
            Kind::Source { text, form: Form::Bare, .. } => json!({ "bare": text.as_ref() }),
            Kind::Tuple(items) => json!({ "list": items.iter().map(Expression::to_portable).collect::<Vec<_>>() }),
            Kind::Object(entries) => {
                let entries: Vec<Json> =
                    entries.iter().map(|(key, value)| json!([key.to_portable(), value.to_portable()])).collect();
                json!({ "table": entries })
            }
            // Whatever else there is stands inside of a text, which is written down as a whole.
            _ => Json::Null,
        }
    }

    /// Reads what [`Expression::to_portable`] wrote. Its places mean nothing.
    pub fn from_portable(json: &Json) -> Result<Expression, EvalError> {
        let nowhere = Span::default();
        let damaged = || EvalError::new(codes::SYNTAX, "this is not a stored expression", nowhere);
        let object = json.as_object().ok_or_else(damaged)?;
        let (form, content) = object.iter().next().ok_or_else(damaged)?;
        match (form.as_str(), content) {
            ("value", content) => Ok(Expression::literal(from_wire(content).map_err(|_| damaged())?, nowhere)),
            ("template", Json::String(text)) => {
                let raw: Arc<str> = json!(text).to_string().into();
                Expression::from_template(text, nowhere, &raw)
            }
            ("bare", Json::String(text)) => Expression::bare(text, FileId::default()),
            ("list", Json::Array(items)) => {
                let items = items.iter().map(Expression::from_portable).collect::<Result<_, _>>()?;
                Ok(Expression::list(items, nowhere))
            }
            ("table", Json::Array(entries)) => {
                let entries = entries
                    .iter()
                    .map(|entry| match entry.as_array().map(Vec::as_slice) {
                        Some([key, value]) => Ok((Expression::from_portable(key)?, Expression::from_portable(value)?)),
                        _ => Err(damaged()),
                    })
                    .collect::<Result<_, _>>()?;
                Ok(Expression::table(entries, nowhere))
            }
            _ => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrue_provider_api::Value;

    #[test]
    fn the_portable_form_reads_back() {
        let template = Expression::from_template("a-${var.x}\n\"b\"", Span::default(), "\"a-${var.x}\\n\\\"b\\\"\"");
        let list = Expression::list(vec![template.unwrap()], Span::default());
        let key = Expression::literal(Value::from("k"), Span::default());
        let table = Expression::table(vec![(key, list)], Span::default());
        let portable = table.to_portable();
        assert_eq!(Expression::from_portable(&portable).unwrap().to_portable(), portable);
        assert!(Expression::from_portable(&json!({ "what": 1 })).is_err());
    }
}

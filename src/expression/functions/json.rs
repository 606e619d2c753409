//! `jsonencode` and `jsondecode`.

use std::fmt;

use retrue_provider_api::{Data, Number, Type, Value};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape, unknown_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "jsonencode",
        &[Parameter::any("val").null().unknown().dynamic()],
        Returns::Fixed(Shape::String),
        encode,
    ),
    Function::new(
        "jsondecode",
        &[Parameter::text("str")],
        Returns::By(|arguments| match arguments.first().and_then(Value::as_str) {
            Some(text) => decode(text).map(|value| value.kind()),
            None => Ok(Type::Dynamic),
        }),
        |call| decode(call.text(0)?),
    )
    .nullable(),
];

fn encode(call: &Call<'_>) -> Outcome {
    let value = call.argument(0)?;
    if value.is_wholly_known() {
        return Ok(to_json(value).into());
    }
    // Something can be told of an unknown text: how it begins.
    Ok(match (value.data(), value.kind()) {
        (Data::Object(_) | Data::Map(..), _) => unknown_text("{"),
        (Data::Tuple(_) | Data::List(..) | Data::Set(..), _) => unknown_text("["),
        (Data::Unknown(_, Some(known)), kind) if known.not_null => match kind {
            Type::Object(_) | Type::Map(_) => unknown_text("{"),
            Type::Tuple(_) | Type::List(_) | Type::Set(_) => unknown_text("["),
            Type::String => unknown_text("\""),
            _ => call.unknown(),
        },
        _ => call.unknown(),
    })
}

/// The JSON of a known value, in the form that Go's encoder gives it.
pub(super) fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value.data() {
        Data::Null(_) | Data::Unknown(..) => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => out.push_str(&number.to_string()),
        Data::String(text) => write_text(out, text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            out.push('{');
            for (position, (key, item)) in entries.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_text(out, key);
                out.push(':');
                write_value(out, item);
            }
            out.push('}');
        }
    }
}

/// JSON text that is safe inside HTML as well: that is what Go's encoder writes.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn decode(text: &str) -> Outcome {
    serde_json::from_str::<Decoded>(&repair_surrogates(text))
        .map(|decoded| decoded.0)
        .map_err(|error| FunctionError::at(0, format!("not valid JSON: {error}")))
}

/// Escapes of lone surrogates mean U+FFFD to Go; serde_json refuses them.
fn repair_surrogates(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("\\u") {
        return text.into();
    }
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(found) = text.get(rest..).and_then(|tail| tail.find('\\')).map(|found| rest + found) {
        out.push_str(text.get(rest..found).unwrap_or_default());
        let (kept, next) = match unit(found) {
            Some(0xd800..=0xdbff) if matches!(unit(found + 6), Some(0xdc00..=0xdfff)) => {
                (text.get(found..found + 12), found + 12)
            }
            Some(0xd800..=0xdfff) => (Some("\\ufffd"), found + 6),
            // An escape of two characters: what follows the backslash must not be taken for one.
            _ => {
                let length = text.get(found + 1..).and_then(|tail| tail.chars().next()).map_or(0, char::len_utf8);
                (text.get(found..found + 1 + length), found + 1 + length)
            }
        };
        out.push_str(kept.unwrap_or_default());
        rest = next;
    }
    out.push_str(text.get(rest..).unwrap_or_default());
    out.into()
}

/// A value of the type that its JSON implies; of keys that are there twice, the last one counts.
struct Decoded(Value);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecodedVisitor).map(Decoded)
    }
}

struct DecodedVisitor;

impl<'de> Visitor<'de> for DecodedVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::null(Type::Dynamic))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::from).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Decoded(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::tuple(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            // With arbitrary precision, serde_json hands numbers out as a map with one key of its own.
            if key == "$serde_json::private::Number" {
                let text: String = entries.next_value()?;
                return text.parse::<Number>().map(Value::from).map_err(A::Error::custom);
            }
            let Decoded(value) = entries.next_value()?;
            values.push((key, value));
        }
        Ok(Value::object(values))
    }
}

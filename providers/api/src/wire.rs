//! The forms in which values rest and travel: a typed one that keeps everything, and plain JSON.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap as _};
use serde_json::{Map, Value as Json, json};
use thiserror::Error;

use crate::number::Number;
use crate::types::Type;
use crate::value::{Data, Entries, Marks, Refinement, Value};

/// Why a text is not a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a value: {0}")]
pub struct WireError(String);

/// The typed JSON form of a value without marks: version 1.
///
/// Booleans, text and 64-bit integers stand for themselves; everything else is an object with one
/// key that names the kind: `{"null": type}`, `{"unknown": type, "refinement": …}`,
/// `{"number": "1.5"}`, `{"list": [type, [items]]}`, `{"set": …}`, `{"map": [type, {…}]}`,
/// `{"tuple": [items]}`, `{"object": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireValue(pub Value);

impl Serialize for WireValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WireValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_wire(&Json::deserialize(deserializer)?).map(WireValue).map_err(D::Error::custom)
    }
}

/// Writes the typed JSON form. Marks are not written: they rest as paths beside the value.
pub fn to_wire(value: &Value) -> Json {
    let items = |items: &[Value]| Json::Array(items.iter().map(to_wire).collect());
    let entries = |entries: &Entries| {
        Json::Object(entries.iter().map(|(key, value)| (key.to_string(), to_wire(value))).collect::<Map<_, _>>())
    };
    match value.data() {
        Data::Null(kind) => json!({ "null": kind }),
        Data::Unknown(kind, None) => json!({ "unknown": kind }),
        Data::Unknown(kind, Some(refinement)) => {
            json!({ "unknown": kind, "refinement": WireRefinement::from(refinement.as_ref()) })
        }
        Data::Bool(value) => json!(value),
        Data::Number(number) => match number.as_i64() {
            Some(small) => json!(small),
            None => json!({ "number": number.to_string() }),
        },
        Data::String(text) => json!(text),
        Data::List(kind, list) => json!({ "list": [kind, items(list)] }),
        Data::Set(kind, set) => json!({ "set": [kind, items(set)] }),
        Data::Map(kind, map) => json!({ "map": [kind, entries(map)] }),
        Data::Tuple(tuple) => json!({ "tuple": items(tuple) }),
        Data::Object(object) => json!({ "object": entries(object) }),
    }
}

/// The same as [`to_wire`], written straight away: values are most of what rests.
struct Wire<'v>(&'v Value);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn one<S: Serializer>(serializer: S, kind: &str, content: &impl Serialize) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(kind, content)?;
            map.end()
        }
        match self.0.data() {
            Data::Null(kind) => one(serializer, "null", kind),
            Data::Unknown(kind, None) => one(serializer, "unknown", kind),
            Data::Unknown(..) => to_wire(self.0).serialize(serializer),
            Data::Bool(value) => serializer.serialize_bool(*value),
            Data::Number(number) => match number.as_i64() {
                Some(small) => serializer.serialize_i64(small),
                None => one(serializer, "number", &number.to_string()),
            },
            Data::String(text) => serializer.serialize_str(text),
            Data::List(kind, list) => one(serializer, "list", &(kind, WireItems(list))),
            Data::Set(kind, set) => one(serializer, "set", &(kind, WireItems(set))),
            Data::Map(kind, map) => one(serializer, "map", &(kind, WireEntries(map))),
            Data::Tuple(tuple) => one(serializer, "tuple", &WireItems(tuple)),
            Data::Object(object) => one(serializer, "object", &WireEntries(object)),
        }
    }
}

struct WireItems<'v>(&'v [Value]);

impl Serialize for WireItems<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Wire))
    }
}

struct WireEntries<'v>(&'v Entries);

impl Serialize for WireEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_ref(), Wire(value))))
    }
}

/// Reads what [`to_wire`] writes.
pub fn from_wire(json: &Json) -> Result<Value, WireError> {
    let wrong = || WireError(shortened(json));
    let kind = |json: &Json| Type::from_json(json).ok_or_else(wrong);
    let items = |json: &Json| -> Result<Vec<Value>, WireError> {
        json.as_array().ok_or_else(wrong)?.iter().map(from_wire).collect()
    };
    let entries = |json: &Json| -> Result<Vec<(Arc<str>, Value)>, WireError> {
        json.as_object()
            .ok_or_else(wrong)?
            .iter()
            .map(|(key, value)| Ok((Arc::from(key.as_str()), from_wire(value)?)))
            .collect()
    };
    match json {
        Json::Bool(value) => Ok(Value::from(*value)),
        Json::String(text) => Ok(Value::string(text)),
        Json::Number(number) => number.as_i64().map(Value::from).ok_or_else(wrong),
        Json::Object(object) => {
            if let Some(of) = object.get("unknown") {
                let refinement = match object.get("refinement") {
                    Some(json) => WireRefinement::deserialize(json).map_err(|_| wrong())?.into_refinement()?,
                    None => Refinement::default(),
                };
                return Ok(Value::unknown_refined(kind(of)?, refinement));
            }
            let mut fields = object.iter();
            let (Some((name, inner)), None) = (fields.next(), fields.next()) else {
                return Err(wrong());
            };
            let pair = || match inner.as_array().map(Vec::as_slice) {
                Some([of, content]) => Ok((kind(of)?, content)),
                _ => Err(wrong()),
            };
            match name.as_str() {
                "null" => Ok(Value::null(kind(inner)?)),
                "number" => {
                    let text = inner.as_str().ok_or_else(wrong)?;
                    Number::from_str(text).map(Value::from).map_err(|_| wrong())
                }
                "list" => pair().and_then(|(of, content)| Ok(Value::list(of, items(content)?))),
                "set" => pair().and_then(|(of, content)| Ok(Value::set(of, items(content)?))),
                "map" => pair().and_then(|(of, content)| Ok(Value::map(of, entries(content)?))),
                "tuple" => Ok(Value::tuple(items(inner)?)),
                "object" => Ok(Value::object(entries(inner)?)),
                _ => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}

fn shortened(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The form of a refinement at rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRefinement {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    not_null: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum: Option<(String, bool)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum: Option<(String, bool)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opaque: Option<Vec<u8>>,
}

impl From<&Refinement> for WireRefinement {
    fn from(from: &Refinement) -> Self {
        let bound =
            |bound: &Option<(Number, bool)>| bound.as_ref().map(|(number, inclusive)| (number.to_string(), *inclusive));
        WireRefinement {
            not_null: from.not_null,
            prefix: from.prefix.as_deref().map(str::to_owned),
            minimum: bound(&from.minimum),
            maximum: bound(&from.maximum),
            minimum_length: from.minimum_length,
            maximum_length: from.maximum_length,
            opaque: from.opaque.as_deref().map(<[u8]>::to_vec),
        }
    }
}

impl WireRefinement {
    fn into_refinement(self) -> Result<Refinement, WireError> {
        let bound = |bound: Option<(String, bool)>| match bound {
            Some((text, inclusive)) => {
                let number = Number::from_str(&text).map_err(|error| WireError(error.to_string()))?;
                Ok(Some((number, inclusive)))
            }
            None => Ok(None),
        };
        Ok(Refinement {
            not_null: self.not_null,
            prefix: self.prefix.map(Arc::from),
            minimum: bound(self.minimum)?,
            maximum: bound(self.maximum)?,
            minimum_length: self.minimum_length,
            maximum_length: self.maximum_length,
            opaque: self.opaque.map(Arc::from),
        })
    }
}

/// Plain JSON, as `jsonencode` and the command line print it: types are lost, marks are ignored.
///
/// `None` when something in the value is unknown.
pub fn to_plain_json(value: &Value) -> Option<Json> {
    Some(match value.data() {
        Data::Unknown(..) => return None,
        Data::Null(_) => Json::Null,
        Data::Bool(value) => json!(value),
        Data::Number(number) => number_to_json(number),
        Data::String(text) => json!(text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            Json::Array(items.iter().map(to_plain_json).collect::<Option<_>>()?)
        }
        Data::Map(_, entries) | Data::Object(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| Some((key.to_string(), to_plain_json(value)?)))
                .collect::<Option<Map<_, _>>>()?,
        ),
    })
}

/// The value that plain JSON stands for: objects, tuples, numbers with all their digits.
///
/// Fails on numbers out of range.
pub fn from_plain_json(json: &Json) -> Result<Value, WireError> {
    Ok(match json {
        Json::Null => Value::null(Type::Dynamic),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => {
            Value::from(Number::from_str(&number.to_string()).map_err(|error| WireError(error.to_string()))?)
        }
        Json::String(text) => Value::string(text),
        Json::Array(items) => Value::tuple(items.iter().map(from_plain_json).collect::<Result<Vec<_>, _>>()?),
        Json::Object(entries) => Value::object(
            entries
                .iter()
                .map(|(key, value)| Ok((key.as_str(), from_plain_json(value)?)))
                .collect::<Result<Vec<_>, WireError>>()?,
        ),
    })
}

fn number_to_json(number: &Number) -> Json {
    match number.as_i64() {
        Some(small) => json!(small),
        None => serde_json::from_str(&number.to_string()).unwrap_or(Json::Null),
    }
}

/// Bytes that are equal exactly when two values hold the same, marks aside: what digests are made of.
pub fn canonical_bytes(value: &Value) -> Vec<u8> {
    // Objects are sorted by key and sets are in canonical order, so the wire form is canonical.
    // Writing to memory cannot fail, and marks are no part of the form.
    serde_json::to_vec(&Wire(value)).unwrap_or_default()
}

/// Marks at rest: a path and what is marked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireMarks {
    /// See [`Marks::sensitive`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// See [`Marks::ephemeral`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

impl From<Marks> for WireMarks {
    fn from(marks: Marks) -> Self {
        WireMarks { sensitive: marks.sensitive, ephemeral: marks.ephemeral }
    }
}

impl From<WireMarks> for Marks {
    fn from(marks: WireMarks) -> Self {
        Marks { sensitive: marks.sensitive, ephemeral: marks.ephemeral }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_form_keeps_everything() {
        let refined = Refinement { not_null: true, prefix: Some("i-".into()), ..Refinement::default() };
        let value = Value::object([
            ("null", Value::null(Type::list(Type::String))),
            ("unknown", Value::unknown_refined(Type::String, refined)),
            ("big", Value::from("1e40".parse::<Number>().unwrap())),
            ("decimal", Value::from("0.1".parse::<Number>().unwrap())),
            ("empty", Value::list(Type::Number, [])),
            ("set", Value::set(Type::Bool, [Value::from(true), Value::from(false)])),
            ("map", Value::map(Type::String, [("k", Value::from("v"))])),
            ("tuple", Value::tuple([Value::from(1i64), Value::from("x")])),
        ]);
        let text = to_wire(&value).to_string();
        assert_eq!(serde_json::to_string(&WireValue(value.clone())).unwrap(), text);
        assert_eq!(canonical_bytes(&value.clone().sensitive()), text.as_bytes());
        assert_eq!(from_wire(&serde_json::from_str(&text).unwrap()), Ok(value));
    }

    #[test]
    fn plain_json_keeps_digits() {
        let text = r#"{"a":[0.1,123456789012345678901234567890,null],"b":{}}"#;
        let value = from_plain_json(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(to_plain_json(&value).unwrap().to_string(), text);
        assert_eq!(to_plain_json(&Value::unknown(Type::Bool)), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["[]", "{}", "1.5", "null", r#"{"list":["string"]}"#, r#"{"what":1}"#] {
            assert!(from_wire(&serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }
}

//! JSON, as state files hold it.

use std::str::FromStr;
use std::sync::Arc;

use retrue_provider_api::{Data, Number, PathStep, Type, Value, to_plain_json};
use serde_json::{Map, Value as Json, json};

use super::CodecError;

/// Writes a value of a type.
///
/// # Errors
/// The value is not of the type, or something in it is unknown.
pub(crate) fn to_json(value: &Value, kind: &Type) -> Result<Json, CodecError> {
    match (kind, value.data()) {
        (_, Data::Unknown(..)) => Err(CodecError::new("it is not known yet")),
        (Type::Dynamic, Data::Null(of)) if *of == Type::Dynamic => Ok(Json::Null),
        (Type::Dynamic, _) => {
            let own = value.kind();
            Ok(json!({ "value": to_json(value, &own)?, "type": own.to_json() }))
        }
        (_, Data::Null(_)) => Ok(Json::Null),
        (Type::Bool, Data::Bool(value)) => Ok(json!(value)),
        (Type::String, Data::String(text)) => Ok(json!(text)),
        (Type::Number, Data::Number(number)) => number_json(number),
        (Type::List(element) | Type::Set(element), Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items)) => {
            items_json(items.iter().map(|item| (item, element.as_ref())))
        }
        (Type::Tuple(kinds), Data::List(_, items) | Data::Tuple(items)) if kinds.len() == items.len() => {
            items_json(items.iter().zip(kinds.iter()))
        }
        (Type::Map(element), Data::Map(_, entries) | Data::Object(entries)) => {
            let mut written = Map::new();
            for (key, item) in entries.iter() {
                let json = to_json(item, element).map_err(|error| error.under(PathStep::Key(Arc::clone(key))))?;
                written.insert(key.to_string(), json);
            }
            Ok(Json::Object(written))
        }
        (Type::Object(object), Data::Object(entries) | Data::Map(_, entries)) => {
            let mut written = Map::new();
            for (name, kind) in &object.attributes {
                let json = match entries.get(name) {
                    None => Json::Null,
                    Some(item) => {
                        to_json(item, kind).map_err(|error| error.under(PathStep::Attribute(Arc::clone(name))))?
                    }
                };
                written.insert(name.to_string(), json);
            }
            Ok(Json::Object(written))
        }
        (kind, _) => Err(CodecError::mismatch(kind, &value.kind().friendly_name())),
    }
}

/// Writes state of a schema that may be an older one: each attribute that is still there with its type of
/// today where it fits, and everything else as it is.
pub(crate) fn plain_json(value: &Value, kind: &Type) -> Json {
    let (Type::Object(object), Data::Object(entries)) = (kind, value.data()) else {
        return to_plain_json(value).unwrap_or_default();
    };
    let written = entries.iter().map(|(name, item)| {
        let typed = object.attributes.get(name).and_then(|kind| to_json(item, kind).ok());
        (name.to_string(), typed.or_else(|| to_plain_json(item)).unwrap_or_default())
    });
    Json::Object(written.collect())
}

fn items_json<'v>(items: impl Iterator<Item = (&'v Value, &'v Type)>) -> Result<Json, CodecError> {
    items
        .enumerate()
        .map(|(index, (item, kind))| to_json(item, kind).map_err(|error| error.under(PathStep::Index(index))))
        .collect::<Result<_, _>>()
        .map(Json::Array)
}

/// Every digit: `serde_json` keeps numbers as they are written.
fn number_json(number: &Number) -> Result<Json, CodecError> {
    serde_json::from_str(&number.to_string()).map_err(|error| CodecError::new(error.to_string()))
}

/// Reads a value of a type.
///
/// # Errors
/// The JSON is not such a value.
pub(crate) fn from_json(json: &Json, kind: &Type) -> Result<Value, CodecError> {
    match (kind, json) {
        (_, Json::Null) => Ok(Value::null(kind.clone())),
        (Type::Dynamic, Json::Object(parts)) => {
            let of = parts.get("type").and_then(Type::from_json);
            let (Some(of), Some(inner)) = (of, parts.get("value")) else {
                return Err(CodecError::new("a dynamic value has two parts, `type` and `value`"));
            };
            from_json(inner, &of.without_optional())
        }
        (Type::Bool, Json::Bool(value)) => Ok(Value::from(*value)),
        (Type::String, Json::String(text)) => Ok(Value::string(text)),
        // What was a number or a truth value in an older schema may be text now, and the other way round.
        (Type::String, Json::Number(_) | Json::Bool(_)) => Ok(Value::string(json.to_string())),
        (Type::Bool, Json::String(text)) if text == "true" || text == "false" => Ok(Value::from(text == "true")),
        (Type::Number, Json::Number(number)) => Ok(Value::from(Number::from_str(&number.to_string())?)),
        (Type::Number, Json::String(text)) => Ok(Value::from(Number::from_str(text)?)),
        (Type::List(element), Json::Array(items)) => {
            Ok(Value::list(element.as_ref().clone(), read_items(items, |_| Some(element))?))
        }
        (Type::Set(element), Json::Array(items)) => {
            Ok(Value::set(element.as_ref().clone(), read_items(items, |_| Some(element))?))
        }
        (Type::Tuple(kinds), Json::Array(items)) if kinds.len() == items.len() => {
            Ok(Value::tuple(read_items(items, |index| kinds.get(index))?))
        }
        (Type::Map(element), Json::Object(entries)) => {
            let entries = entries
                .iter()
                .map(|(key, item)| {
                    let key: Arc<str> = key.as_str().into();
                    let item =
                        from_json(item, element).map_err(|error| error.under(PathStep::Key(Arc::clone(&key))))?;
                    Ok((key, item))
                })
                .collect::<Result<Vec<_>, CodecError>>()?;
            Ok(Value::map(element.as_ref().clone(), entries))
        }
        (Type::Object(object), Json::Object(entries)) => {
            if let Some(name) = entries.keys().find(|name| !object.attributes.contains_key(name.as_str())) {
                return Err(CodecError::new(format!("the schema has no attribute `{name}`")));
            }
            let attributes = object
                .attributes
                .iter()
                .map(|(name, kind)| {
                    let item = from_json(entries.get(name.as_ref()).unwrap_or(&Json::Null), kind)
                        .map_err(|error| error.under(PathStep::Attribute(Arc::clone(name))))?;
                    Ok((Arc::clone(name), item))
                })
                .collect::<Result<Vec<_>, CodecError>>()?;
            Ok(Value::object(attributes))
        }
        (kind, json) => Err(CodecError::mismatch(kind, word(json))),
    }
}

fn read_items<'k>(items: &[Json], kind: impl Fn(usize) -> Option<&'k Type>) -> Result<Vec<Value>, CodecError> {
    let each = |(index, item)| {
        let kind = kind(index).ok_or_else(|| CodecError::new("too many elements"))?;
        from_json(item, kind).map_err(|error| error.under(PathStep::Index(index)))
    };
    items.iter().enumerate().map(each).collect()
}

fn word(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "a sequence",
        Json::Object(_) => "a map",
    }
}

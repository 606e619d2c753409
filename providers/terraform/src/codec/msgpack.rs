//! MessagePack, as `cty` writes it.

use std::str::FromStr;
use std::sync::Arc;

use retrue_provider_api::{Data, Number, PathStep, Type, Value};
use rmpv::Value as Pack;

use super::{CodecError, refinement};

/// The extension type of an unknown value of which nothing is known.
const UNKNOWN: i8 = 0;
/// The extension type of an unknown value of which something is known.
const REFINED: i8 = 12;
/// How deep a value may nest.
const MOST_DEPTH: usize = 512;

/// Writes a value of a type.
///
/// # Errors
/// The value is not of the type.
pub(crate) fn to_msgpack(value: &Value, kind: &Type) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &pack(value, kind)?).map_err(|error| CodecError::new(error.to_string()))?;
    Ok(bytes)
}

/// Reads a value of a type.
///
/// # Errors
/// The bytes are not such a value, or there are more of them.
pub(crate) fn from_msgpack(bytes: &[u8], kind: &Type) -> Result<Value, CodecError> {
    let mut rest = bytes;
    let packed = rmpv::decode::read_value_with_max_depth(&mut rest, MOST_DEPTH)
        .map_err(|error| CodecError::new(error.to_string()))?;
    if !rest.is_empty() {
        return Err(CodecError::new("there is more than one value"));
    }
    unpack(packed, kind)
}

fn pack(value: &Value, kind: &Type) -> Result<Pack, CodecError> {
    match value.data() {
        Data::Unknown(_, known) => return Ok(unknown(known.as_ref().and_then(|known| known.opaque.as_deref()))),
        Data::Null(of) if *kind == Type::Dynamic && *of != Type::Dynamic => return dynamic(value),
        Data::Null(_) => return Ok(Pack::Nil),
        _ => {}
    }
    match (kind, value.data()) {
        (Type::Dynamic, _) => dynamic(value),
        (Type::Bool, Data::Bool(value)) => Ok(Pack::Boolean(*value)),
        (Type::String, Data::String(text)) => Ok(Pack::from(text.as_ref())),
        (Type::Number, Data::Number(number)) => Ok(pack_number(number)),
        (Type::List(element) | Type::Set(element), Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items)) => {
            pack_items(items.iter().map(|item| (item, element.as_ref())))
        }
        (Type::Tuple(kinds), Data::List(_, items) | Data::Tuple(items)) if kinds.len() == items.len() => {
            pack_items(items.iter().zip(kinds.iter()))
        }
        (Type::Map(element), Data::Map(_, entries) | Data::Object(entries)) => entries
            .iter()
            .map(|(key, item)| {
                let packed = pack(item, element).map_err(|error| error.under(PathStep::Key(Arc::clone(key))))?;
                Ok((Pack::from(key.as_ref()), packed))
            })
            .collect::<Result<_, _>>()
            .map(Pack::Map),
        (Type::Object(object), Data::Object(entries) | Data::Map(_, entries)) => {
            if let Some(name) = entries.keys().find(|name| !object.attributes.contains_key(*name)) {
                return Err(CodecError::new(format!("there is no attribute `{name}`")));
            }
            object
                .attributes
                .iter()
                .map(|(name, kind)| {
                    let packed = match entries.get(name) {
                        None => Pack::Nil,
                        Some(item) => {
                            pack(item, kind).map_err(|error| error.under(PathStep::Attribute(Arc::clone(name))))?
                        }
                    };
                    Ok((Pack::from(name.as_ref()), packed))
                })
                .collect::<Result<_, _>>()
                .map(Pack::Map)
        }
        (kind, _) => Err(CodecError::mismatch(kind, &value.kind().friendly_name())),
    }
}

fn dynamic(value: &Value) -> Result<Pack, CodecError> {
    let kind = value.kind();
    if kind == Type::Dynamic {
        return Ok(Pack::Nil);
    }
    let json = kind.to_json().to_string();
    Ok(Pack::Array(vec![Pack::Binary(json.into_bytes()), pack(value, &kind)?]))
}

fn unknown(opaque: Option<&[u8]>) -> Pack {
    match opaque {
        Some(bytes) => Pack::Ext(REFINED, bytes.to_vec()),
        None => Pack::Ext(UNKNOWN, vec![0]),
    }
}

fn pack_items<'v>(items: impl Iterator<Item = (&'v Value, &'v Type)>) -> Result<Pack, CodecError> {
    items
        .enumerate()
        .map(|(index, (item, kind))| pack(item, kind).map_err(|error| error.under(PathStep::Index(index))))
        .collect::<Result<_, _>>()
        .map(Pack::Array)
}

/// An integer where it fits, a float where that is exact, and otherwise decimal text.
fn pack_number(number: &Number) -> Pack {
    if let Some(small) = number.as_i64() {
        return Pack::from(small);
    }
    let float = number.to_f64();
    match Number::from_f64(float) {
        Ok(same) if same == *number => Pack::F64(float),
        _ => Pack::from(number.to_string()),
    }
}

fn unpack(packed: Pack, kind: &Type) -> Result<Value, CodecError> {
    match packed {
        Pack::Nil => return Ok(Value::null(kind.clone())),
        Pack::Ext(REFINED, body) => return Ok(Value::unknown_refined(kind.clone(), refinement::read(&body))),
        Pack::Ext(_, _) => return Ok(Value::unknown(kind.clone())),
        _ => {}
    }
    match (kind, packed) {
        (Type::Dynamic, Pack::Array(parts)) => {
            let Ok([of, inner]) = <[Pack; 2]>::try_from(parts) else {
                return Err(CodecError::new("a dynamic value has two parts, a type and a value"));
            };
            let json = match &of {
                Pack::Binary(bytes) => bytes.as_slice(),
                Pack::String(text) => text.as_bytes(),
                _ => return Err(CodecError::new("the type of a dynamic value is text")),
            };
            unpack(inner, &super::type_of(json)?.without_optional())
        }
        (Type::Bool, Pack::Boolean(value)) => Ok(Value::from(value)),
        (Type::String, Pack::String(text)) => {
            text.as_str().map(Value::string).ok_or_else(|| CodecError::new("text is not UTF-8"))
        }
        (Type::Number, packed) => unpack_number(&packed).map(Value::from),
        (Type::List(element), Pack::Array(items)) => {
            Ok(Value::list(element.as_ref().clone(), unpack_items(items, |_| Some(element))?))
        }
        (Type::Set(element), Pack::Array(items)) => {
            Ok(Value::set(element.as_ref().clone(), unpack_items(items, |_| Some(element))?))
        }
        (Type::Tuple(kinds), Pack::Array(items)) if kinds.len() == items.len() => {
            Ok(Value::tuple(unpack_items(items, |index| kinds.get(index))?))
        }
        (Type::Map(element), Pack::Map(entries)) => {
            let entries = entries
                .into_iter()
                .map(|(key, item)| {
                    let key = text_key(&key)?;
                    let item = unpack(item, element).map_err(|error| error.under(PathStep::Key(Arc::clone(&key))))?;
                    Ok((key, item))
                })
                .collect::<Result<Vec<_>, CodecError>>()?;
            Ok(Value::map(element.as_ref().clone(), entries))
        }
        (Type::Object(object), Pack::Map(entries)) => {
            let mut attributes = Vec::with_capacity(object.attributes.len());
            for (key, item) in entries {
                let name = text_key(&key)?;
                let Some(kind) = object.attributes.get(&name) else {
                    return Err(CodecError::new(format!("the schema has no attribute `{name}`")));
                };
                let item = unpack(item, kind).map_err(|error| error.under(PathStep::Attribute(Arc::clone(&name))))?;
                attributes.push((name, item));
            }
            let missing: Vec<_> = object
                .attributes
                .iter()
                .filter(|(name, _)| !attributes.iter().any(|(given, _)| given == *name))
                .collect();
            if let Some((name, _)) = missing.first() {
                return Err(CodecError::new(format!("the attribute `{name}` is missing")));
            }
            Ok(Value::object(attributes))
        }
        (kind, packed) => Err(CodecError::mismatch(kind, word(&packed))),
    }
}

fn unpack_items<'k>(items: Vec<Pack>, kind: impl Fn(usize) -> Option<&'k Type>) -> Result<Vec<Value>, CodecError> {
    let each = |(index, item)| {
        let kind = kind(index).ok_or_else(|| CodecError::new("too many elements"))?;
        unpack(item, kind).map_err(|error| error.under(PathStep::Index(index)))
    };
    items.into_iter().enumerate().map(each).collect()
}

/// The number in a packed value: an integer, a float, or decimal text.
pub(super) fn unpack_number(packed: &Pack) -> Result<Number, CodecError> {
    match packed {
        Pack::Integer(integer) => match (integer.as_i64(), integer.as_u64()) {
            (Some(small), _) => Ok(Number::from(small)),
            (None, Some(large)) => Ok(Number::from_str(&large.to_string())?),
            (None, None) => Err(CodecError::new("not a number")),
        },
        Pack::F64(float) => Ok(Number::from_f64(*float)?),
        Pack::F32(float) => Ok(Number::from_f64(f64::from(*float))?),
        Pack::String(text) => Ok(Number::from_str(text.as_str().unwrap_or_default())?),
        other => Err(CodecError::mismatch(&Type::Number, word(other))),
    }
}

fn text_key(key: &Pack) -> Result<Arc<str>, CodecError> {
    key.as_str().map(Arc::from).ok_or_else(|| CodecError::new("a key is not text"))
}

fn word(packed: &Pack) -> &'static str {
    match packed {
        Pack::Nil => "null",
        Pack::Boolean(_) => "bool",
        Pack::Integer(_) | Pack::F32(_) | Pack::F64(_) => "number",
        Pack::String(_) => "string",
        Pack::Binary(_) => "bytes",
        Pack::Array(_) => "a sequence",
        Pack::Map(_) => "a map",
        Pack::Ext(..) => "unknown",
    }
}

//! MessagePack, as `cty` writes it.

use std::str::FromStr;
use std::sync::Arc;

use retrue_provider_api::{Data, Entries, Number, PathStep, Type, Value};
use rmp::encode;
use rmpv::ValueRef as Pack;

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
    let mut bytes = Vec::with_capacity(1024);
    pack(&mut bytes, value, kind)?;
    Ok(bytes)
}

/// Reads a value of a type.
///
/// # Errors
/// The bytes are not such a value, or there are more of them.
pub(crate) fn from_msgpack(bytes: &[u8], kind: &Type) -> Result<Value, CodecError> {
    let mut rest = bytes;
    let packed = rmpv::decode::read_value_ref_with_max_depth(&mut rest, MOST_DEPTH)
        .map_err(|error| CodecError::new(error.to_string()))?;
    if !rest.is_empty() {
        return Err(CodecError::new("there is more than one value"));
    }
    unpack(packed, kind)
}

fn pack(out: &mut Vec<u8>, value: &Value, kind: &Type) -> Result<(), CodecError> {
    match value.data() {
        Data::Unknown(_, known) => return unknown(out, known.as_ref().and_then(|known| known.opaque.as_deref())),
        Data::Null(of) if *kind == Type::Dynamic && *of != Type::Dynamic => return dynamic(out, value),
        Data::Null(_) => return put(encode::write_nil(out)),
        _ => {}
    }
    match (kind, value.data()) {
        (Type::Dynamic, _) => dynamic(out, value),
        (Type::Bool, Data::Bool(value)) => put(encode::write_bool(out, *value)),
        (Type::String, Data::String(text)) => put(encode::write_str(out, text)),
        (Type::Number, Data::Number(number)) => pack_number(out, number),
        (Type::List(element) | Type::Set(element), Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items)) => {
            pack_items(out, items.iter().map(|item| (item, element.as_ref())))
        }
        (Type::Tuple(kinds), Data::List(_, items) | Data::Tuple(items)) if kinds.len() == items.len() => {
            pack_items(out, items.iter().zip(kinds.iter()))
        }
        (Type::Map(element), Data::Map(_, entries) | Data::Object(entries)) => {
            put(encode::write_map_len(out, length(entries.len())?))?;
            for (key, item) in entries.iter() {
                put(encode::write_str(out, key))?;
                pack(out, item, element).map_err(|error| error.under(PathStep::Key(Arc::clone(key))))?;
            }
            Ok(())
        }
        (Type::Object(object), Data::Object(entries) | Data::Map(_, entries)) => {
            if let Some(name) = entries.keys().find(|name| !object.attributes.contains_key(*name)) {
                return Err(CodecError::new(format!("there is no attribute `{name}`")));
            }
            put(encode::write_map_len(out, length(object.attributes.len())?))?;
            for (name, kind) in &object.attributes {
                put(encode::write_str(out, name))?;
                match entries.get(name) {
                    None => put(encode::write_nil(out))?,
                    Some(item) => {
                        pack(out, item, kind).map_err(|error| error.under(PathStep::Attribute(Arc::clone(name))))?;
                    }
                }
            }
            Ok(())
        }
        (kind, _) => Err(CodecError::mismatch(kind, &value.kind().friendly_name())),
    }
}

/// Writing into memory fails only where something is too large for the form.
fn put<T>(written: Result<T, impl std::fmt::Display>) -> Result<(), CodecError> {
    written.map(drop).map_err(|error| CodecError::new(error.to_string()))
}

fn length(count: usize) -> Result<u32, CodecError> {
    u32::try_from(count).map_err(|_| CodecError::new("there are too many of them"))
}

fn dynamic(out: &mut Vec<u8>, value: &Value) -> Result<(), CodecError> {
    let kind = value.kind();
    if kind == Type::Dynamic {
        return put(encode::write_nil(out));
    }
    put(encode::write_array_len(out, 2))?;
    put(encode::write_bin(out, kind.to_json().to_string().as_bytes()))?;
    pack(out, value, &kind)
}

fn unknown(out: &mut Vec<u8>, opaque: Option<&[u8]>) -> Result<(), CodecError> {
    let (extension, body) = opaque.map_or((UNKNOWN, &[0][..]), |bytes| (REFINED, bytes));
    put(encode::write_ext_meta(out, length(body.len())?, extension))?;
    out.extend_from_slice(body);
    Ok(())
}

fn pack_items<'v>(
    out: &mut Vec<u8>,
    items: impl ExactSizeIterator<Item = (&'v Value, &'v Type)>,
) -> Result<(), CodecError> {
    put(encode::write_array_len(out, length(items.len())?))?;
    for (index, (item, kind)) in items.enumerate() {
        pack(out, item, kind).map_err(|error| error.under(PathStep::Index(index)))?;
    }
    Ok(())
}

/// An integer where it fits, a float where that is exact, and otherwise decimal text.
fn pack_number(out: &mut Vec<u8>, number: &Number) -> Result<(), CodecError> {
    if let Some(small) = number.as_i64() {
        return put(encode::write_sint(out, small));
    }
    let float = number.to_f64();
    match Number::from_f64(float) {
        Ok(same) if same == *number => put(encode::write_f64(out, float)),
        _ => put(encode::write_str(out, &number.to_string())),
    }
}

fn unpack(packed: Pack<'_>, kind: &Type) -> Result<Value, CodecError> {
    match packed {
        Pack::Nil => return Ok(Value::null(kind.clone())),
        Pack::Ext(REFINED, body) => return Ok(Value::unknown_refined(kind.clone(), refinement::read(body))),
        Pack::Ext(_, _) => return Ok(Value::unknown(kind.clone())),
        _ => {}
    }
    match (kind, packed) {
        (Type::Dynamic, Pack::Array(parts)) => {
            let Ok([of, inner]) = <[Pack; 2]>::try_from(parts) else {
                return Err(CodecError::new("a dynamic value has two parts, a type and a value"));
            };
            let json = match &of {
                Pack::Binary(bytes) => bytes,
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
                    let key: Arc<str> = key_of(&key)?.into();
                    let item = unpack(item, element).map_err(|error| error.under(PathStep::Key(Arc::clone(&key))))?;
                    Ok((key, item))
                })
                .collect::<Result<Vec<_>, CodecError>>()?;
            Ok(Value::map(element.as_ref().clone(), entries))
        }
        (Type::Object(object), Pack::Map(entries)) => {
            let mut attributes = Entries::new();
            for (key, item) in entries {
                // The names are shared with the type.
                let key = key_of(&key)?;
                let Some((name, kind)) = object.attributes.get_key_value(key) else {
                    return Err(CodecError::new(format!("the schema has no attribute `{key}`")));
                };
                let item = unpack(item, kind).map_err(|error| error.under(PathStep::Attribute(Arc::clone(name))))?;
                attributes.insert(Arc::clone(name), item);
            }
            if attributes.len() < object.attributes.len()
                && let Some(name) = object.attributes.keys().find(|name| !attributes.contains_key(*name))
            {
                return Err(CodecError::new(format!("the attribute `{name}` is missing")));
            }
            Ok(Data::Object(Arc::new(attributes)).into())
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
pub(super) fn unpack_number(packed: &Pack<'_>) -> Result<Number, CodecError> {
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

fn key_of<'k>(key: &'k Pack<'_>) -> Result<&'k str, CodecError> {
    let text = match key {
        Pack::String(text) => text.as_str(),
        _ => None,
    };
    text.ok_or_else(|| CodecError::new("a key is not text"))
}

fn word(packed: &Pack<'_>) -> &'static str {
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

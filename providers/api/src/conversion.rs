//! Conversion of values between types, by the rules that Terraform's language has.
//!
//! The rules are those of `cty/convert`: whether a conversion exists is decided by the types alone,
//! whether it succeeds by the value. *Unsafe* conversions (text to number, list to set, map to
//! object) are those that may fail, or lose something, depending on the value.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::path::{Path, PathStep};
use crate::types::{ObjectType, Type};
use crate::unification::{unify, unify_with};
use crate::value::{Data, Entries, Refinement, Value};

/// Why a value cannot be converted, and which part of it is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{message}", if path.0.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct ConversionError {
    /// The part of the value that does not fit.
    pub path: Path,
    /// What is required there, as a clause without a full stop: `a number is required`.
    pub message: String,
}

/// Converts a value to a type, with unsafe conversions allowed.
///
/// Null stays null, unknown stays unknown, of the new type; marks are kept. Where `to` holds
/// `dynamic`, the value keeps its own type there; elements of a collection of `dynamic` are brought
/// to one type. Attributes that `to` has as optional and the value lacks become null. The result is
/// of a type without optional attributes.
pub fn convert(value: &Value, to: &Type) -> Result<Value, ConversionError> {
    if has_type(value, to) {
        return Ok(value.clone());
    }
    let from = value.kind();
    if !convertible(&from, to, true) {
        return Err(ConversionError { path: Path::root(), message: mismatch(&from, to) });
    }
    apply(value, to, &mut Path::root())
}

/// Whether values of the type `from` can be converted to `to`, at least some of them.
pub fn is_convertible(from: &Type, to: &Type) -> bool {
    from == to || convertible(from, to, true)
}

/// Whether the value has this very type already, so that there is nothing to convert.
fn has_type(value: &Value, to: &Type) -> bool {
    match (value.data(), to) {
        (_, Type::Dynamic) => true,
        (Data::Null(kind) | Data::Unknown(kind, _), to) => kind == to && !has_optional(to),
        (Data::Bool(_), Type::Bool) | (Data::Number(_), Type::Number) | (Data::String(_), Type::String) => true,
        (Data::List(kind, _), Type::List(element))
        | (Data::Set(kind, _), Type::Set(element))
        | (Data::Map(kind, _), Type::Map(element)) => kind == element.as_ref() && !has_optional(kind),
        (Data::Tuple(items), Type::Tuple(elements)) => {
            items.len() == elements.len() && items.iter().zip(elements.iter()).all(|(item, kind)| has_type(item, kind))
        }
        (Data::Object(entries), Type::Object(object)) => {
            entries.len() == object.attributes.len()
                && entries
                    .iter()
                    .zip(&object.attributes)
                    .all(|((name, entry), (wanted, kind))| name == wanted && has_type(entry, kind))
        }
        _ => false,
    }
}

fn has_optional(kind: &Type) -> bool {
    match kind {
        Type::List(element) | Type::Set(element) | Type::Map(element) => has_optional(element),
        Type::Tuple(elements) => elements.iter().any(has_optional),
        Type::Object(object) => !object.optional.is_empty() || object.attributes.values().any(has_optional),
        _ => false,
    }
}

/// Whether a conversion exists between two types; with `lossy`, also one that may fail or lose.
pub(crate) fn convertible(from: &Type, to: &Type, lossy: bool) -> bool {
    if from == to || *to == Type::Dynamic || (lossy && *from == Type::Dynamic) {
        return true;
    }
    match (from, to) {
        (Type::Number | Type::Bool, Type::String) => true,
        (Type::String, Type::Number | Type::Bool) => lossy,
        (Type::Object(from), Type::Object(to)) => to.attributes.iter().all(|(name, kind)| {
            from.attributes.get(name).map_or(to.optional.contains(name), |given| convertible(given, kind, lossy))
        }),
        (Type::Tuple(from), Type::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(to.iter()).all(|(from, to)| convertible(from, to, lossy))
        }
        (Type::List(from) | Type::Set(from), Type::List(to))
        | (Type::Set(from), Type::Set(to))
        | (Type::Map(from), Type::Map(to)) => convertible(from, to, lossy),
        (Type::List(from), Type::Set(to)) => lossy && convertible(from, to, lossy),
        (Type::Tuple(items), Type::List(element) | Type::Set(element)) => {
            let Some(element) = common_element(items, element, lossy) else { return items.is_empty() };
            if element == Type::Dynamic && items.iter().any(|item| *item != Type::Dynamic) {
                return false;
            }
            items.iter().all(|item| convertible(item, &element, lossy))
        }
        (Type::Object(object), Type::Map(element)) => {
            let kinds: Vec<Type> = object.attributes.values().cloned().collect();
            let Some(element) = common_element(&kinds, element, lossy) else { return kinds.is_empty() };
            kinds.iter().all(|kind| convertible(kind, &element, lossy))
        }
        (Type::Map(element), Type::Object(object)) => {
            lossy
                && object
                    .attributes
                    .iter()
                    .all(|(name, kind)| object.optional.contains(name) || convertible(element, kind, lossy))
        }
        _ => false,
    }
}

/// The element type that is wanted; where that is `dynamic`, the one that all can have.
fn common_element(kinds: &[Type], wanted: &Type, lossy: bool) -> Option<Type> {
    if *wanted == Type::Dynamic { unify_with(kinds, lossy) } else { Some(wanted.clone()) }
}

/// Converts, when it is known that the types permit it.
fn apply(value: &Value, to: &Type, path: &mut Path) -> Result<Value, ConversionError> {
    if has_type(value, to) {
        return Ok(value.clone());
    }
    let marks = value.marks();
    let fail = |path: &Path| ConversionError { path: path.clone(), message: mismatch(&value.kind(), to) };
    let converted = match (value.data(), to) {
        (Data::Null(kind), to) => Value::null(fill_dynamic(kind, &to.without_optional())),
        (Data::Unknown(kind, known), to) => still_unknown(kind, known.as_deref(), to),
        (Data::Number(number), Type::String) => Value::string(number.to_string()),
        (Data::Bool(truth), Type::String) => Value::string(truth.to_string()),
        (Data::String(text), Type::Number) => {
            Value::from(text.parse::<crate::Number>().map_err(|error| ConversionError {
                path: path.clone(),
                message: match error {
                    crate::NumberError::Range => error.to_string(),
                    _ => "a number is required".into(),
                },
            })?)
        }
        (Data::String(text), Type::Bool) => match text.as_ref() {
            "true" | "1" => Value::from(true),
            "false" | "0" => Value::from(false),
            _ => return Err(ConversionError { path: path.clone(), message: bool_required(text) }),
        },
        (Data::Object(entries), Type::Object(object)) => object_to_object(entries, object, path)?,
        (Data::Map(_, entries), Type::Object(object)) => map_to_object(entries, object, path)?,
        (Data::Tuple(items), Type::Tuple(kinds)) => Value::tuple(apply_items(items.iter().zip(kinds.iter()), path)?),
        (Data::Set(_, items), Type::List(element)) if items.len() > 1 && !value.is_wholly_known() => {
            // Unknown elements may turn out to be equal to others: the length is open.
            let refinement = Refinement { not_null: true, ..Refinement::default() };
            Value::unknown_refined(Type::list(fill_dynamic(&element_kind(value), element)), refinement)
        }
        (Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items), Type::List(_) | Type::Set(_)) => {
            collect(items, value, to, path)?
        }
        (Data::Map(_, entries) | Data::Object(entries), Type::Map(element)) => {
            let mut converted = Vec::with_capacity(entries.len());
            for (key, entry) in entries.iter() {
                path.0.push(PathStep::Key(Arc::clone(key)));
                converted.push(apply(entry, element, path)?);
                path.0.pop();
            }
            let fallback = fill_dynamic(&element_kind(value), &element.without_optional());
            let (kind, converted) = same_type(converted, element, fallback, path)?;
            Value::map(kind, entries.keys().cloned().zip(converted))
        }
        _ => return Err(fail(path)),
    };
    Ok(converted.with_marks(marks))
}

fn object_to_object(entries: &Entries, to: &ObjectType, path: &mut Path) -> Result<Value, ConversionError> {
    let mut attributes = Vec::with_capacity(to.attributes.len());
    for (name, kind) in &to.attributes {
        path.0.push(PathStep::Attribute(Arc::clone(name)));
        let attribute = match entries.get(name) {
            Some(entry) => apply(entry, kind, path)?,
            None if to.optional.contains(name) => Value::null(kind.without_optional()),
            None => {
                return Err(ConversionError { path: path.clone(), message: "required attribute is missing".into() });
            }
        };
        path.0.pop();
        attributes.push((Arc::clone(name), attribute));
    }
    Ok(Value::object(attributes))
}

fn map_to_object(entries: &Entries, to: &ObjectType, path: &mut Path) -> Result<Value, ConversionError> {
    for name in to.attributes.keys() {
        if !entries.contains_key(name) && !to.optional.contains(name) {
            let message = format!("map has no element for required attribute \"{name}\"");
            return Err(ConversionError { path: path.clone(), message });
        }
    }
    object_to_object(entries, to, path)
}

fn apply_items<'a>(
    items: impl Iterator<Item = (&'a Value, &'a Type)>,
    path: &mut Path,
) -> Result<Vec<Value>, ConversionError> {
    let mut converted = Vec::new();
    for (index, (item, kind)) in items.enumerate() {
        path.0.push(PathStep::Index(index));
        converted.push(apply(item, kind, path)?);
        path.0.pop();
    }
    Ok(converted)
}

/// Converts the elements of a list, set or tuple to those of a list or set.
fn collect(items: &[Value], whole: &Value, to: &Type, path: &mut Path) -> Result<Value, ConversionError> {
    let element = to.element().unwrap_or(&Type::Dynamic);
    let converted = apply_items(items.iter().map(|item| (item, element)), path)?;
    let fallback = fill_dynamic(&element_kind(whole), &element.without_optional());
    let (kind, converted) = same_type(converted, element, fallback, path)?;
    Ok(if matches!(to, Type::Set(_)) { Value::set(kind, converted) } else { Value::list(kind, converted) })
}

/// The element type of a collection; of tuples and objects, where each has its own, `dynamic`.
fn element_kind(value: &Value) -> Type {
    match value.data() {
        Data::List(kind, _) | Data::Set(kind, _) | Data::Map(kind, _) => kind.clone(),
        _ => Type::Dynamic,
    }
}

/// Makes all elements be of one type, which is `wanted`, or fits it where it holds `dynamic`.
fn same_type(
    items: Vec<Value>,
    wanted: &Type,
    if_empty: Type,
    path: &mut Path,
) -> Result<(Type, Vec<Value>), ConversionError> {
    let kind = if !wanted.has_dynamic() {
        wanted.without_optional()
    } else if items.is_empty() {
        if_empty
    } else {
        let kinds: Vec<Type> = items.iter().map(Value::kind).collect();
        let different =
            || ConversionError { path: path.clone(), message: "all elements must have the same type".into() };
        match unify(&kinds).ok_or_else(different)? {
            // Some have no type of their own, such as a plain null: they take that of the others.
            Type::Dynamic => {
                let mut typed = kinds.iter().filter(|kind| **kind != Type::Dynamic);
                let first = typed.next().unwrap_or(&Type::Dynamic);
                if typed.any(|kind| kind != first) {
                    return Err(different());
                }
                first.clone()
            }
            kind => kind,
        }
    };
    if kind == Type::Dynamic {
        return Ok((kind, items));
    }
    let items = apply_items(items.iter().map(|item| (item, &kind)), path)?;
    Ok((kind, items))
}

/// An unknown value after conversion: what is known about it and outlives the conversion.
fn still_unknown(from: &Type, known: Option<&Refinement>, to: &Type) -> Value {
    let to = fill_dynamic(from, &to.without_optional());
    let mut refinement = Refinement { not_null: known.is_some_and(|known| known.not_null), ..Refinement::default() };
    let length = |count: usize| u64::try_from(count).ok();
    match (from, &to) {
        (Type::Object(object), Type::Map(_)) => {
            refinement.minimum_length = length(object.attributes.len());
            refinement.maximum_length = refinement.minimum_length;
        }
        (Type::Tuple(items), Type::List(_)) => {
            refinement.minimum_length = length(items.len());
            refinement.maximum_length = refinement.minimum_length;
        }
        (Type::Tuple(items), Type::Set(_)) => {
            refinement.minimum_length = length(items.len().min(1));
            refinement.maximum_length = length(items.len());
        }
        (Type::List(_) | Type::Set(_) | Type::Map(_), Type::List(_) | Type::Set(_) | Type::Map(_)) => {
            let minimum = known.and_then(|known| known.minimum_length);
            refinement.minimum_length =
                if matches!(to, Type::Set(_)) { minimum.map(|count| count.min(1)) } else { minimum };
            refinement.maximum_length = known.and_then(|known| known.maximum_length);
        }
        _ => {}
    }
    Value::refined(to, refinement)
}

/// The type `to`, with what is `dynamic` in it replaced by what `from` has there.
fn fill_dynamic(from: &Type, to: &Type) -> Type {
    let element = |from: &Type| match from {
        Type::List(element) | Type::Set(element) | Type::Map(element) => element.as_ref().clone(),
        Type::Tuple(items) => unify(items).unwrap_or(Type::Dynamic),
        Type::Object(object) => {
            unify(&object.attributes.values().cloned().collect::<Vec<_>>()).unwrap_or(Type::Dynamic)
        }
        _ => Type::Dynamic,
    };
    match (from, to) {
        (Type::Dynamic, to) => to.clone(),
        (from, Type::Dynamic) => from.without_optional(),
        (from, Type::List(to)) => Type::list(fill_dynamic(&element(from), to)),
        (from, Type::Set(to)) => Type::set(fill_dynamic(&element(from), to)),
        (from, Type::Map(to)) => Type::map(fill_dynamic(&element(from), to)),
        (Type::Tuple(from), Type::Tuple(to)) if from.len() == to.len() => {
            Type::tuple(from.iter().zip(to.iter()).map(|(from, to)| fill_dynamic(from, to)))
        }
        (from, Type::Object(to)) => {
            let given: BTreeMap<Arc<str>, Type> = match from {
                Type::Object(from) => from.attributes.clone(),
                Type::Map(element) => {
                    to.attributes.keys().map(|name| (Arc::clone(name), element.as_ref().clone())).collect()
                }
                _ => BTreeMap::new(),
            };
            let attributes = to.attributes.iter().map(|(name, kind)| {
                (Arc::clone(name), given.get(name).map_or_else(|| kind.clone(), |given| fill_dynamic(given, kind)))
            });
            Type::Object(Arc::new(ObjectType { attributes: attributes.collect(), optional: to.optional.clone() }))
        }
        (_, to) => to.clone(),
    }
}

fn bool_required(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        lower @ ("true" | "false") => {
            format!("a bool is required; to convert from string, use lowercase \"{lower}\"")
        }
        _ => "a bool is required".into(),
    }
}

/// Says why one type cannot be converted to another.
fn mismatch(from: &Type, to: &Type) -> String {
    match (from, to) {
        (Type::Object(from), Type::Object(to)) => {
            let missing: Vec<String> = to
                .attributes
                .keys()
                .filter(|name| !from.attributes.contains_key(*name) && !to.optional.contains(*name))
                .map(|name| format!("\"{name}\""))
                .collect();
            if let Some((last, first)) = missing.split_last() {
                return if first.is_empty() {
                    format!("attribute {last} is required")
                } else {
                    format!("attributes {} and {last} are required", first.join(", "))
                };
            }
            first_mismatch(to.attributes.iter().filter_map(|(name, kind)| {
                from.attributes.get(name).map(|given| (format!("attribute \"{name}\""), given, kind))
            }))
            .unwrap_or_else(|| "incorrect object attributes".into())
        }
        (Type::Tuple(_), Type::List(element)) if **element == Type::Dynamic => {
            "all list elements must have the same type".into()
        }
        (Type::Tuple(_), Type::Set(element)) if **element == Type::Dynamic => {
            "all set elements must have the same type".into()
        }
        (Type::Object(_), Type::Map(element)) if **element == Type::Dynamic => {
            "all map elements must have the same type".into()
        }
        (Type::Tuple(from), Type::Tuple(to)) if from.len() != to.len() => {
            format!("tuple of length {} is required, but it has length {}", to.len(), from.len())
        }
        (Type::Tuple(items), Type::List(element) | Type::Set(element)) => first_mismatch(
            items.iter().enumerate().map(|(index, item)| (format!("element {index}"), item, element.as_ref())),
        )
        .unwrap_or_else(|| format!("all elements must be {}", element.friendly_name())),
        (Type::Object(object), Type::Map(element)) => first_mismatch(
            object.attributes.iter().map(|(name, kind)| (format!("element \"{name}\""), kind, element.as_ref())),
        )
        .unwrap_or_else(|| format!("all elements must be {}", element.friendly_name())),
        (Type::List(from) | Type::Set(from), Type::List(to) | Type::Set(to)) | (Type::Map(from), Type::Map(to)) => {
            format!("incorrect element type: {}", mismatch(from, to))
        }
        (_, Type::List(element)) if **element == Type::Dynamic => "list required".into(),
        (_, Type::Set(element)) if **element == Type::Dynamic => "set required".into(),
        (_, Type::Map(element)) if **element == Type::Dynamic => "map required".into(),
        (_, to) => format!("{} required", to.friendly_name()),
    }
}

fn first_mismatch<'a>(mut parts: impl Iterator<Item = (String, &'a Type, &'a Type)>) -> Option<String> {
    let (place, from, to) = parts.find(|(_, from, to)| !convertible(from, to, true))?;
    Some(format!("{place}: {}", mismatch(from, to)))
}

#[cfg(test)]
#[path = "conversion_tests.rs"]
mod tests;

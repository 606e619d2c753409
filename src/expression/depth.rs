//! How deeply values may be nested.
//!
//! Values rest as JSON, in the record, in journals and in plan files, with up to three levels of it for
//! each of theirs, and a reader of JSON takes 128. What could not be read again is not made.

use retrue_provider_api::{Data, Type, Value};

use super::error::{EvalError, codes};
use crate::span::Span;

/// So many lists, maps and objects may be inside each other.
pub const MAX_DEPTH: usize = 32;

/// Refuses a value that could not be read again once it is written down.
pub(super) fn check(value: Value, span: Span) -> Result<Value, EvalError> {
    if fits(&value, MAX_DEPTH) {
        return Ok(value);
    }
    let message = format!("the value is nested more deeply than {MAX_DEPTH} levels");
    Err(EvalError::new(codes::VALUE_TOO_DEEP, message, span)
        .hint("keep the inner part as a text, with `jsonencode(…)`, or make it flatter"))
}

fn fits(value: &Value, left: usize) -> bool {
    let below = left.checked_sub(1);
    let kind_fits = |kind| below.is_some_and(|below| type_fits(kind, below));
    let item_fits = |item| below.is_some_and(|below| fits(item, below));
    match value.data() {
        Data::Null(kind) | Data::Unknown(kind, _) => type_fits(kind, left),
        Data::Bool(_) | Data::Number(_) | Data::String(_) => true,
        Data::List(kind, items) | Data::Set(kind, items) => kind_fits(kind) && items.iter().all(item_fits),
        Data::Map(kind, entries) => kind_fits(kind) && entries.values().all(item_fits),
        Data::Tuple(items) => below.is_some() && items.iter().all(item_fits),
        Data::Object(entries) => below.is_some() && entries.values().all(item_fits),
    }
}

fn type_fits(kind: &Type, left: usize) -> bool {
    let Some(below) = left.checked_sub(1) else { return !kind.is_composite() };
    match kind {
        Type::Dynamic | Type::Bool | Type::Number | Type::String => true,
        Type::List(element) | Type::Set(element) | Type::Map(element) => type_fits(element, below),
        Type::Tuple(elements) => elements.iter().all(|element| type_fits(element, below)),
        Type::Object(object) => object.attributes.values().all(|kind| type_fits(kind, below)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_their_types_count() {
        let deep = |levels| (0..levels).fold(Value::from(1i64), |value, _| Value::tuple([value]));
        let kind = |levels| (0..levels).fold(Type::String, |kind, _| Type::list(kind));
        let code = |value| check(value, Span::default()).map_err(|error| error.code).err();
        assert_eq!(code(deep(MAX_DEPTH)), None);
        assert_eq!(code(deep(MAX_DEPTH + 1)), Some(codes::VALUE_TOO_DEEP));
        assert_eq!(code(Value::null(kind(MAX_DEPTH))), None);
        assert_eq!(code(Value::null(kind(MAX_DEPTH + 1))), Some(codes::VALUE_TOO_DEEP));
        assert_eq!(code(Value::list(kind(MAX_DEPTH), [])), Some(codes::VALUE_TOO_DEEP));
    }
}

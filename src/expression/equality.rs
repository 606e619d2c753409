//! `==`: by type and value, and as far as it can be told of what is unknown.

use retrue_provider_api::{Data, Refinement, Type, Value};

/// Whether two values are equal; `None` when that is not known yet. Marks do not count.
///
/// Values of different types are not equal, but all nulls are. What holds something unknown is
/// equal or not only by its type, or by what is known of it as a whole.
pub(super) fn equal(a: &Value, b: &Value) -> Option<bool> {
    if (a.is_null() && is_surely_not_null(b)) || (b.is_null() && is_surely_not_null(a)) {
        return Some(false);
    }
    if a.is_null() && b.is_null() {
        return Some(true);
    }
    // Two unknown values may both become null, which is equal whatever the types are.
    if a.is_null() || b.is_null() || (!a.is_known() && !b.is_known()) {
        return None;
    }
    let known = a.is_wholly_known() && b.is_wholly_known();
    let (kind_a, kind_b) = (a.kind(), b.kind());
    // The type of something unknown may still be open.
    let possible = if known { kind_a == kind_b } else { may_be_same(&kind_a, &kind_b) };
    if !possible {
        return Some(false);
    }
    match (a.data(), b.data()) {
        (Data::Unknown(_, Some(known)), _) if b.is_known() && excludes(known, b) => return Some(false),
        (_, Data::Unknown(_, Some(known))) if a.is_known() && excludes(known, a) => return Some(false),
        _ => {}
    }
    if !known {
        return None;
    }
    // Nulls inside are equal whatever their types, and those are the same here.
    Some(a.same(b))
}

/// Whether two types can turn out to be the same, when what is `dynamic` in them is known.
fn may_be_same(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dynamic, _) | (_, Type::Dynamic) => true,
        (Type::List(a), Type::List(b)) | (Type::Set(a), Type::Set(b)) | (Type::Map(a), Type::Map(b)) => {
            may_be_same(a, b)
        }
        (Type::Tuple(a), Type::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| may_be_same(a, b))
        }
        (Type::Object(a), Type::Object(b)) => {
            a.attributes.len() == b.attributes.len()
                && a.attributes.iter().all(|(name, a)| b.attributes.get(name).is_some_and(|b| may_be_same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn is_surely_not_null(value: &Value) -> bool {
    match value.data() {
        Data::Null(_) => false,
        Data::Unknown(_, known) => known.as_deref().is_some_and(|known| known.not_null),
        _ => true,
    }
}

/// Whether what is known of an unknown value says that it is not this one.
fn excludes(known: &Refinement, value: &Value) -> bool {
    match value.data() {
        Data::String(text) => known.prefix.as_deref().is_some_and(|prefix| !text.starts_with(prefix)),
        Data::Number(number) => {
            let too_small = known
                .minimum
                .as_ref()
                .is_some_and(|(bound, inclusive)| number < bound || (!inclusive && number == bound));
            let too_large = known
                .maximum
                .as_ref()
                .is_some_and(|(bound, inclusive)| number > bound || (!inclusive && number == bound));
            too_small || too_large
        }
        Data::List(_, items) | Data::Set(_, items) => outside(known, items.len()),
        Data::Map(_, entries) => outside(known, entries.len()),
        _ => false,
    }
}

fn outside(known: &Refinement, length: usize) -> bool {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    known.minimum_length.is_some_and(|minimum| length < minimum)
        || known.maximum_length.is_some_and(|maximum| length > maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_unknowns_and_types() {
        let unknown = |kind: Type| Value::unknown(kind);
        let check = |a: Value, b: Value, expect: Option<bool>| {
            assert_eq!(equal(&a, &b), expect, "{a:?} == {b:?}");
            assert_eq!(equal(&b, &a), expect, "{b:?} == {a:?}");
        };
        check(Value::null(Type::String), Value::null(Type::Number), Some(true));
        check(Value::null(Type::String), Value::from("x"), Some(false));
        check(Value::null(Type::String), unknown(Type::String), None);
        check(unknown(Type::String), Value::from(1i64), Some(false));
        check(unknown(Type::Dynamic), Value::from(1i64), None);
        let long = Refinement { minimum_length: Some(2), ..Refinement::default() };
        let list = Type::list(Type::String);
        check(Value::unknown_refined(list, long), Value::list(Type::String, [Value::from("a")]), Some(false));
        check(Value::from("a").sensitive(), Value::from("a"), Some(true));
    }
}

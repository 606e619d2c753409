//! Finding the one type that several types can be converted to.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::conversion::convertible;
use crate::types::Type;

/// The one type that values of all these types can be converted to, unsafe conversions included.
///
/// `None` when there is none, and for no types at all. `Dynamic` when it cannot be told yet, because
/// some type is `dynamic` and the others are collections, objects or tuples: the unified value is
/// then unknown. The rules are those of `cty/convert`.
pub fn unify(types: &[Type]) -> Option<Type> {
    unify_with(types, true)
}

/// The one type that values of all these types can be converted to without any of them failing.
pub fn unify_safely(types: &[Type]) -> Option<Type> {
    unify_with(types, false)
}

pub(crate) fn unify_with(types: &[Type], lossy: bool) -> Option<Type> {
    let (first, rest) = types.split_first()?;
    if rest.iter().all(|kind| kind == first) {
        return Some(first.clone());
    }
    let count = |matching: fn(&Type) -> bool| types.iter().filter(|kind| matching(kind)).count();
    let maps = count(|kind| matches!(kind, Type::Map(_)));
    let lists = count(|kind| matches!(kind, Type::List(_)));
    let sets = count(|kind| matches!(kind, Type::Set(_)));
    let objects = count(|kind| matches!(kind, Type::Object(_)));
    let tuples = count(|kind| matches!(kind, Type::Tuple(_)));
    let dynamic = count(|kind| *kind == Type::Dynamic);
    let all = types.len();
    let alone = |some: usize| some > 0 && some + dynamic == all;

    if alone(maps) || alone(lists) || alone(sets) || alone(objects) || alone(tuples) {
        // What a dynamic one turns out to be decides which way is taken.
        if dynamic > 0 {
            return Some(Type::Dynamic);
        }
        return if objects > 0 {
            unify_objects(types, lossy)
        } else if tuples > 0 {
            unify_tuples(types, lossy)
        } else {
            unify_collections(types, lossy)
        };
    }
    if maps > 0 && maps + objects + dynamic == all {
        let unified = replace_and_unify(types, lossy, |kind| matches!(kind, Type::Object(_)), objects_to_map);
        if matches!(unified, Some(Type::Map(_))) {
            return unified;
        }
    } else if lists > 0 && lists + tuples + dynamic == all {
        let unified = replace_and_unify(types, lossy, |kind| matches!(kind, Type::Tuple(_)), tuples_to_list);
        if matches!(unified, Some(Type::List(_))) {
            return unified;
        }
    } else if objects > 0 && tuples > 0 {
        return None;
    }
    by_preference(types, lossy)
}

/// The most general of the types that all others convert to.
fn by_preference(types: &[Type], lossy: bool) -> Option<Type> {
    let mut remaining: Vec<&Type> = Vec::new();
    for kind in types {
        if !remaining.contains(&kind) {
            remaining.push(kind);
        }
    }
    while !remaining.is_empty() {
        let best = remaining
            .iter()
            .position(|kind| remaining.iter().all(|other| preference(kind, other) != Ordering::Greater))
            .unwrap_or(0);
        let wanted = remaining.remove(best);
        if types.iter().all(|kind| kind == wanted || convertible(kind, wanted, lossy)) {
            return Some(wanted.clone());
        }
    }
    None
}

/// `Less` when `a` is the better result of a unification with `b`.
fn preference(a: &Type, b: &Type) -> Ordering {
    match (a, b) {
        (Type::Dynamic, Type::Dynamic) => Ordering::Equal,
        // A concrete type says more than "any".
        (Type::Dynamic, _) => Ordering::Greater,
        (_, Type::Dynamic) => Ordering::Less,
        (Type::String, Type::Number | Type::Bool) => Ordering::Less,
        (Type::Number | Type::Bool, Type::String) => Ordering::Greater,
        (Type::List(a), Type::List(b)) | (Type::Set(a), Type::Set(b)) | (Type::Map(a), Type::Map(b)) => {
            preference(a, b)
        }
        (Type::List(_) | Type::Tuple(_), Type::Set(_)) | (Type::List(_), Type::Tuple(_)) => Ordering::Less,
        (Type::Set(_), Type::List(_) | Type::Tuple(_)) | (Type::Tuple(_), Type::List(_)) => Ordering::Greater,
        (Type::Map(_), Type::Object(_)) => Ordering::Less,
        (Type::Object(_), Type::Map(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

fn unify_collections(types: &[Type], lossy: bool) -> Option<Type> {
    let elements: Vec<Type> = types.iter().filter_map(Type::element).cloned().collect();
    let element = unify_with(&elements, lossy)?;
    let unified = match types.first()? {
        Type::List(_) => Type::list(element),
        Type::Set(_) => Type::set(element),
        _ => Type::map(element),
    };
    if_all_fit(types, unified, lossy)
}

fn unify_objects(types: &[Type], lossy: bool) -> Option<Type> {
    let Some(Type::Object(first)) = types.first() else { return None };
    let same_names = types.iter().all(|kind| {
        matches!(kind, Type::Object(object) if object.attributes.len() == first.attributes.len()
            && object.attributes.keys().all(|name| first.attributes.contains_key(name)))
    });
    if !same_names {
        return objects_to_map(types, lossy);
    }
    let mut attributes: Vec<(Arc<str>, Type)> = Vec::new();
    for name in first.attributes.keys() {
        let across: Vec<Type> = types
            .iter()
            .filter_map(|kind| match kind {
                Type::Object(object) => object.attributes.get(name).cloned(),
                _ => None,
            })
            .collect();
        // What cannot be unified by itself cannot be unified as elements of a map either.
        attributes.push((Arc::clone(name), unify_with(&across, lossy)?));
    }
    if_all_fit(types, Type::object(attributes), lossy).or_else(|| objects_to_map(types, lossy))
}

fn objects_to_map(types: &[Type], lossy: bool) -> Option<Type> {
    let kinds: Vec<Type> = types
        .iter()
        .filter_map(|kind| match kind {
            Type::Object(object) => Some(object.attributes.values().cloned()),
            _ => None,
        })
        .flatten()
        .collect();
    if_all_fit(types, Type::map(unify_with(&kinds, lossy)?), lossy)
}

fn unify_tuples(types: &[Type], lossy: bool) -> Option<Type> {
    let tuples: Vec<&[Type]> = types
        .iter()
        .filter_map(|kind| match kind {
            Type::Tuple(items) => Some(items.as_ref()),
            _ => None,
        })
        .collect();
    let length = tuples.first()?.len();
    if tuples.iter().any(|items| items.len() != length) {
        return tuples_to_list(types, lossy);
    }
    let mut elements = Vec::with_capacity(length);
    for index in 0..length {
        let across: Vec<Type> = tuples.iter().filter_map(|items| items.get(index).cloned()).collect();
        elements.push(unify_with(&across, lossy)?);
    }
    if_all_fit(types, Type::tuple(elements), lossy).or_else(|| tuples_to_list(types, lossy))
}

fn tuples_to_list(types: &[Type], lossy: bool) -> Option<Type> {
    let kinds: Vec<Type> = types
        .iter()
        .filter_map(|kind| match kind {
            Type::Tuple(items) => Some(items.iter().cloned()),
            _ => None,
        })
        .flatten()
        .collect();
    if_all_fit(types, Type::list(unify_with(&kinds, lossy)?), lossy)
}

/// Replaces all types of one kind by what they unify to, then unifies the whole.
fn replace_and_unify(
    types: &[Type],
    lossy: bool,
    matching: fn(&Type) -> bool,
    merge: fn(&[Type], bool) -> Option<Type>,
) -> Option<Type> {
    let (some, _): (Vec<Type>, Vec<Type>) = types.iter().cloned().partition(matching);
    let merged = merge(&some, lossy)?;
    let replaced: Vec<Type> =
        types.iter().map(|kind| if matching(kind) { merged.clone() } else { kind.clone() }).collect();
    unify_with(&replaced, lossy)
}

fn if_all_fit(types: &[Type], unified: Type, lossy: bool) -> Option<Type> {
    types.iter().all(|kind| convertible(kind, &unified, lossy)).then_some(unified)
}

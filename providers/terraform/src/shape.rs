//! Values brought to the very shape that providers expect.

use std::sync::Arc;

use retrue_provider_api::{Block, Data, Entries, NestedBlock, Nesting, Type, Value, convert};

/// An object with every attribute and block of the schema: what is absent is null, an absent list, set or
/// map block is empty, an absent group is an object of nulls.
///
/// Null and unknown stay what they are. What is not in the schema stays, and is refused when it is sent.
pub(crate) fn shape(block: &Block, value: &Value) -> Value {
    let Some(entries) = value.as_entries() else { return value.clone() };
    let mut shaped = entries.clone();
    for (name, attribute) in &block.attributes {
        let kind = attribute.value_type().without_optional();
        let filled = match entries.get(name.as_str()) {
            Some(value) => fill(value, &kind),
            None => Value::null(kind),
        };
        shaped.insert(name.as_str().into(), filled);
    }
    for (name, nested) in &block.blocks {
        shaped.insert(name.as_str().into(), shape_nested(nested, entries.get(name.as_str())));
    }
    Data::Object(Arc::new(shaped)).into()
}

fn shape_nested(nested: &NestedBlock, value: Option<&Value>) -> Value {
    let block = &nested.block;
    let kind = block.value_type().without_optional();
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return match nested.nesting {
            Nesting::Single => Value::null(kind),
            Nesting::Group => shape(block, &Data::Object(Arc::default()).into()),
            Nesting::List if kind.has_dynamic() => Value::tuple([]),
            Nesting::List => Value::list(kind, []),
            Nesting::Set => Value::set(kind, []),
            Nesting::Map if kind.has_dynamic() => Data::Object(Arc::default()).into(),
            Nesting::Map => Data::Map(kind, Arc::default()).into(),
        };
    };
    let all = |entries: &Entries| entries.iter().map(|(key, item)| (Arc::clone(key), shape(block, item))).collect();
    match (nested.nesting, value.data()) {
        (Nesting::Single | Nesting::Group, _) => shape(block, value),
        (Nesting::List, Data::List(_, items) | Data::Tuple(items)) => {
            let items: Vec<Value> = items.iter().map(|item| shape(block, item)).collect();
            if kind.has_dynamic() { Value::tuple(items) } else { Value::list(kind, items) }
        }
        (Nesting::Set, Data::Set(_, items) | Data::List(_, items) | Data::Tuple(items)) => {
            Value::set(kind, items.iter().map(|item| shape(block, item)))
        }
        (Nesting::Map, Data::Map(_, entries) | Data::Object(entries)) => {
            let entries: Entries = all(entries);
            if kind.has_dynamic() {
                Data::Object(Arc::new(entries)).into()
            } else {
                Data::Map(kind, Arc::new(entries)).into()
            }
        }
        // One table stands for a list or set of one.
        (Nesting::List, Data::Object(_)) if kind.has_dynamic() => Value::tuple([shape(block, value)]),
        (Nesting::List, Data::Object(_)) => Value::list(kind, [shape(block, value)]),
        (Nesting::Set, Data::Object(_)) => Value::set(kind, [shape(block, value)]),
        _ => value.clone(),
    }
}

/// A value of a type, with null for the attributes that are missing in objects.
pub(crate) fn fill(value: &Value, kind: &Type) -> Value {
    match (kind, value.data()) {
        (Type::Dynamic, _) => value.clone(),
        (_, Data::Null(_)) => Value::null(kind.clone()),
        (_, Data::Unknown(_, known)) => Data::Unknown(kind.clone(), known.clone()).into(),
        (Type::Object(object), Data::Object(entries) | Data::Map(_, entries)) => {
            let mut filled = entries.as_ref().clone();
            for (name, kind) in &object.attributes {
                let value = entries.get(name).map_or_else(|| Value::null(kind.clone()), |value| fill(value, kind));
                filled.insert(Arc::clone(name), value);
            }
            Data::Object(Arc::new(filled)).into()
        }
        (Type::List(element), Data::List(_, items) | Data::Tuple(items)) => {
            Value::list(element.as_ref().clone(), items.iter().map(|item| fill(item, element)))
        }
        (Type::Set(element), Data::List(_, items) | Data::Tuple(items) | Data::Set(_, items)) => {
            Value::set(element.as_ref().clone(), items.iter().map(|item| fill(item, element)))
        }
        (Type::Map(element), Data::Map(_, entries) | Data::Object(entries)) => Value::map(
            element.as_ref().clone(),
            entries.iter().map(|(key, item)| (Arc::clone(key), fill(item, element))),
        ),
        (Type::Tuple(kinds), Data::Tuple(items)) if kinds.len() == items.len() => {
            Value::tuple(items.iter().zip(kinds.iter()).map(|(item, kind)| fill(item, kind)))
        }
        (Type::List(element), Data::Object(_)) if matches!(**element, Type::Object(_)) => {
            Value::list(element.as_ref().clone(), [fill(value, element)])
        }
        (Type::Set(element), Data::Object(_)) if matches!(**element, Type::Object(_)) => {
            Value::set(element.as_ref().clone(), [fill(value, element)])
        }
        // What cannot be converted is refused, with its place, when it is sent.
        _ => convert(value, kind).unwrap_or_else(|_| value.clone()),
    }
}

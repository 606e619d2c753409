//! Values brought to the very shape that providers expect.

use std::sync::Arc;

use retrue_provider_api::{Block, Data, Entries, Nesting, Type, Value, convert};

/// What the objects of a block look like on the wire, worked out once: values are shaped at each call.
#[derive(Debug)]
pub(crate) struct Form {
    attributes: Vec<(Arc<str>, Type)>,
    blocks: Vec<(Arc<str>, NestedForm)>,
}

#[derive(Debug)]
struct NestedForm {
    nesting: Nesting,
    /// The type of one.
    kind: Type,
    has_dynamic: bool,
    form: Form,
}

impl Form {
    /// The form of a block.
    pub(crate) fn of(block: &Block) -> Self {
        let attribute = |(name, attribute): (&String, &retrue_provider_api::Attribute)| {
            (Arc::from(name.as_str()), attribute.value_type().without_optional())
        };
        let nested = |(name, nested): (&String, &retrue_provider_api::NestedBlock)| {
            let kind = nested.block.value_type().without_optional();
            let (has_dynamic, form) = (kind.has_dynamic(), Form::of(&nested.block));
            (Arc::from(name.as_str()), NestedForm { nesting: nested.nesting, kind, has_dynamic, form })
        };
        Form {
            attributes: block.attributes.iter().map(attribute).collect(),
            blocks: block.blocks.iter().map(nested).collect(),
        }
    }
}

/// An object with every attribute and block of the schema: what is absent is null, an absent list, set or
/// map block is empty, an absent group is an object of nulls.
///
/// Null and unknown stay what they are. What is not in the schema stays, and is refused when it is sent.
pub(crate) fn shape(form: &Form, value: &Value) -> Value {
    let Some(entries) = value.as_entries() else { return value.clone() };
    let mut shaped = entries.clone();
    for (name, kind) in &form.attributes {
        let filled = match entries.get(name) {
            Some(value) => fill(value, kind),
            None => Value::null(kind.clone()),
        };
        shaped.insert(Arc::clone(name), filled);
    }
    for (name, nested) in &form.blocks {
        shaped.insert(Arc::clone(name), shape_nested(nested, entries.get(name)));
    }
    Data::Object(Arc::new(shaped)).into()
}

fn shape_nested(nested: &NestedForm, value: Option<&Value>) -> Value {
    let NestedForm { kind, form, has_dynamic, .. } = nested;
    let kind = || kind.clone();
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return match nested.nesting {
            Nesting::Single => Value::null(kind()),
            Nesting::Group => shape(form, &Data::Object(Arc::default()).into()),
            Nesting::List if *has_dynamic => Value::tuple([]),
            Nesting::List => Value::list(kind(), []),
            Nesting::Set => Value::set(kind(), []),
            Nesting::Map if *has_dynamic => Data::Object(Arc::default()).into(),
            Nesting::Map => Data::Map(kind(), Arc::default()).into(),
        };
    };
    let all = |entries: &Entries| entries.iter().map(|(key, item)| (Arc::clone(key), shape(form, item))).collect();
    match (nested.nesting, value.data()) {
        (Nesting::Single | Nesting::Group, _) => shape(form, value),
        (Nesting::List, Data::List(_, items) | Data::Tuple(items)) => {
            let items = items.iter().map(|item| shape(form, item));
            if *has_dynamic { Value::tuple(items) } else { Value::list(kind(), items) }
        }
        (Nesting::Set, Data::Set(_, items) | Data::List(_, items) | Data::Tuple(items)) => {
            Value::set(kind(), items.iter().map(|item| shape(form, item)))
        }
        (Nesting::Map, Data::Map(_, entries) | Data::Object(entries)) => {
            let entries: Entries = all(entries);
            if *has_dynamic {
                Data::Object(Arc::new(entries)).into()
            } else {
                Data::Map(kind(), Arc::new(entries)).into()
            }
        }
        // One table stands for a list or set of one.
        (Nesting::List, Data::Object(_)) if *has_dynamic => Value::tuple([shape(form, value)]),
        (Nesting::List, Data::Object(_)) => Value::list(kind(), [shape(form, value)]),
        (Nesting::Set, Data::Object(_)) => Value::set(kind(), [shape(form, value)]),
        _ => value.clone(),
    }
}

/// A value of a type, with null for the attributes that are missing in objects.
pub(crate) fn fill(value: &Value, kind: &Type) -> Value {
    match (kind, value.data()) {
        (Type::Dynamic, _)
        | (Type::String, Data::String(_))
        | (Type::Bool, Data::Bool(_))
        | (Type::Number, Data::Number(_)) => value.clone(),
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

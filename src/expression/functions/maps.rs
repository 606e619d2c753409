//! Functions on maps and objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, Entries, Marks, Type, Value, convert};

use super::lists::kind;
use super::specification::{Call, DynamicKind, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const MAP: Parameter = Parameter::any("inputMap");
const LISTS: Shape = Shape::Map(&Shape::List(&Shape::String));

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("keys", &[MAP.unknown().marked()], Returns::By(keys_type), keys),
    Function::new("lookup", &[MAP.marked(), Parameter::text("key").marked()], Returns::By(lookup_type), lookup)
        .variadic(Parameter::any("default").unknown().null().dynamic().marked())
        .nullable(),
    Function::new("merge", &[], Returns::By(merge_type), merge)
        .variadic(Parameter::any("maps").dynamic().null().marked()),
    Function::new("transpose", &[Parameter::new("values", LISTS)], Returns::Fixed(LISTS), transpose),
    Function::new("values", &[Parameter::any("mapping").marked()], Returns::By(values_type), values),
    Function::new(
        "zipmap",
        &[Parameter::new("keys", Shape::List(&Shape::String)), Parameter::any("values").marked()],
        Returns::By(zipmap_type),
        zipmap,
    ),
];

fn not_a_map(position: usize, kind: &Type) -> FunctionError {
    FunctionError::at(position, format!("a map or object is required, not {}", kind.friendly_name()))
}

/// The entries of a map or object argument.
fn entries<'c>(call: &'c Call<'_>, position: usize) -> Result<&'c Entries, FunctionError> {
    call.argument(position)?.as_entries().ok_or_else(|| FunctionError::at(position, "a map or object is required"))
}

fn keys_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match kind(arguments, 0)? {
        Type::Map(_) => Ok(Type::list(Type::String)),
        Type::Object(object) => Ok(Type::tuple(object.attributes.iter().map(|_| Type::String))),
        other => Err(not_a_map(0, &other)),
    }
}

fn keys(call: &Call<'_>) -> Outcome {
    let map = call.argument(0)?;
    let text = |key: &Arc<str>| Value::string(key);
    let keys = match (map.kind(), map.as_entries()) {
        // The names are in the type: the object itself may be unknown.
        (Type::Object(object), _) => Value::tuple(object.attributes.keys().map(text)),
        (_, Some(entries)) => Value::list(Type::String, entries.keys().map(text)),
        _ => call.unknown(),
    };
    Ok(keys.with_marks(map.marks()))
}

fn values_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match kind(arguments, 0)? {
        Type::Map(element) => Ok(Type::list(element.as_ref().clone())),
        Type::Object(object) => Ok(Type::tuple(object.attributes.values().cloned())),
        other => Err(not_a_map(0, &other)),
    }
}

fn values(call: &Call<'_>) -> Outcome {
    let items = entries(call, 0)?.values().cloned();
    let values = match &call.result {
        Type::List(element) => Value::list(element.as_ref().clone(), items),
        _ => Value::tuple(items),
    };
    Ok(values.with_marks(call.argument(0)?.marks()))
}

fn lookup_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    let default = arguments.get(2);
    if arguments.len() > 3 {
        return Err(FunctionError::at(3, format!("`lookup` takes two or three arguments, got {}", arguments.len())));
    }
    match kind(arguments, 0)? {
        Type::Object(object) => {
            let Some(key) = arguments.get(1).and_then(Value::as_str) else {
                return Ok(Type::Dynamic);
            };
            object
                .attributes
                .get(key)
                .cloned()
                .or_else(|| default.map(Value::kind))
                .ok_or_else(|| FunctionError::at(1, format!("the object has no attribute `{key}`")))
        }
        Type::Map(element) => {
            if let Some(default) = default {
                convert(default, &element).map_err(|error| {
                    FunctionError::at(2, format!("the default must fit the map's elements: {error}"))
                })?;
            }
            Ok(element.as_ref().clone())
        }
        other => Err(not_a_map(0, &other)),
    }
}

fn lookup(call: &Call<'_>) -> Outcome {
    let key = call.text(1)?;
    let marks = call.argument(0)?.marks().union(call.argument(1)?.marks());
    if let Some(value) = entries(call, 0)?.get(key) {
        return Ok(value.clone().with_marks(marks));
    }
    match call.arguments.get(2) {
        Some(default) => convert(default, &call.result)
            .map(|default| default.with_marks(marks))
            .map_err(|error| FunctionError::at(2, error.to_string())),
        None => Err(FunctionError::at(1, format!("there is no key `{key}`"))),
    }
}

fn merge_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    let mut attributes: BTreeMap<Arc<str>, Type> = BTreeMap::new();
    let mut complete = true;
    for (position, argument) in arguments.iter().enumerate() {
        match argument.kind() {
            Type::Dynamic if argument.is_null() => {}
            Type::Dynamic => return Ok(Type::Dynamic),
            Type::Object(object) => {
                if !argument.is_null() {
                    attributes.extend(object.attributes.iter().map(|(name, kind)| (Arc::clone(name), kind.clone())));
                }
            }
            Type::Map(element) => match argument.as_entries() {
                Some(entries) => {
                    attributes.extend(entries.keys().map(|key| (Arc::clone(key), element.as_ref().clone())));
                }
                None => complete &= argument.is_null(),
            },
            other => return Err(not_a_map(position, &other)),
        }
    }
    let first = arguments.first().map(Value::kind).filter(|kind| *kind != Type::Dynamic);
    match first {
        Some(first) if arguments.iter().all(|argument| argument.kind() == first) => Ok(first),
        _ if complete => Ok(Type::object(attributes)),
        _ => Ok(Type::Dynamic),
    }
}

fn merge(call: &Call<'_>) -> Outcome {
    let mut merged = Entries::new();
    let mut marks = Marks::NONE;
    for argument in &call.arguments {
        marks = marks.union(argument.marks());
        if !argument.is_known() || (argument.kind_is_dynamic() && !argument.is_null()) {
            return Ok(call.unknown().with_marks(marks));
        }
        if let Some(entries) = argument.as_entries() {
            merged.extend(entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
        }
    }
    let merged = match &call.result {
        Type::Map(element) => Data::Map(element.as_ref().clone(), Arc::new(merged)).into(),
        // All arguments are null, and of one object type.
        Type::Object(object) if object.attributes.len() != merged.len() => Value::null(call.result.clone()),
        _ => Value::from(Data::Object(Arc::new(merged))),
    };
    Ok(merged.with_marks(marks))
}

fn transpose(call: &Call<'_>) -> Outcome {
    if !call.argument(0)?.is_wholly_known() {
        return Ok(call.unknown());
    }
    let mut turned: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (key, list) in entries(call, 0)? {
        let items =
            list.as_items().ok_or_else(|| FunctionError::at(0, format!("`{key}`: a list is required, not null")))?;
        for item in items {
            let text =
                item.as_str().ok_or_else(|| FunctionError::at(0, format!("`{key}`: the elements must not be null")))?;
            turned.entry(text).or_default().push(Value::string(key));
        }
    }
    let lists = turned.into_iter().map(|(key, items)| (key, Value::list(Type::String, items)));
    Ok(Value::map(Type::list(Type::String), lists))
}

fn zipmap_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match kind(arguments, 1)? {
        Type::List(element) => Ok(Type::map(element.as_ref().clone())),
        Type::Tuple(elements) => {
            let Some(keys) = arguments.first().filter(|keys| keys.is_wholly_known()).and_then(Value::as_items) else {
                return Ok(Type::Dynamic);
            };
            check_count(keys.len(), elements.len())?;
            let mut attributes = BTreeMap::new();
            for (key, kind) in keys.iter().zip(elements.iter()) {
                attributes.insert(Arc::<str>::from(key_text(key)?), kind.clone());
            }
            Ok(Type::object(attributes))
        }
        other => Err(FunctionError::at(1, format!("a list or tuple is required, not {}", other.friendly_name()))),
    }
}

fn key_text(key: &Value) -> Result<&str, FunctionError> {
    key.as_str().ok_or_else(|| FunctionError::at(0, "a key must not be null"))
}

fn check_count(keys: usize, values: usize) -> Result<(), FunctionError> {
    if keys == values {
        return Ok(());
    }
    Err(FunctionError::at(1, format!("there are {keys} keys, but {values} values")))
}

fn zipmap(call: &Call<'_>) -> Outcome {
    let keys = call.argument(0)?;
    let marks = call.argument(1)?.marks();
    if !keys.is_wholly_known() {
        return Ok(call.unknown().with_marks(marks));
    }
    let (keys, values) = (call.items(0)?, call.items(1)?);
    check_count(keys.len(), values.len())?;
    let mut entries = Entries::new();
    for (key, value) in keys.iter().zip(values) {
        entries.insert(key_text(key)?.into(), value.clone());
    }
    let zipped: Value = match &call.result {
        Type::Map(element) => Data::Map(element.as_ref().clone(), Arc::new(entries)).into(),
        _ => Data::Object(Arc::new(entries)).into(),
    };
    Ok(zipped.with_marks(marks))
}

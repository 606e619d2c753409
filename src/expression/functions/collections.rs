//! Functions on collections of any kind.

use retrue_provider_api::{Data, Number, Refinement, Type, Value, convert, unify};
use unicode_segmentation::UnicodeSegmentation;

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};
use crate::expression::equality::equal;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "coalesce",
        &[],
        Returns::By(|arguments| {
            let kinds: Vec<Type> = arguments.iter().map(Value::kind).collect();
            unify(&kinds).ok_or_else(|| FunctionError::new("all arguments must be of one type"))
        }),
        coalesce,
    )
    .variadic(Parameter::any("vals").null().unknown().dynamic()),
    Function::new(
        "contains",
        &[Parameter::any("list"), Parameter::any("value")],
        Returns::Fixed(Shape::Bool),
        contains,
    ),
    Function::new("length", &[Parameter::any("value").unknown().dynamic().marked()], Returns::By(length_type), length),
];

/// The number of elements, when it is known: two unknown elements of a set may turn out to be one.
pub(super) fn known_length(value: &Value) -> Option<usize> {
    match value.data() {
        Data::List(_, items) | Data::Tuple(items) => Some(items.len()),
        Data::Set(_, items) => (items.len() <= 1 || value.is_wholly_known()).then_some(items.len()),
        Data::Map(_, entries) | Data::Object(entries) => Some(entries.len()),
        _ => None,
    }
}

/// An unknown length, with what is known about it.
fn unknown_length(minimum: Option<u64>, maximum: Option<u64>) -> Value {
    Value::unknown_refined(
        Type::Number,
        Refinement {
            not_null: true,
            minimum: minimum.map(|bound| (Number::from(bound), true)),
            maximum: maximum.map(|bound| (Number::from(bound), true)),
            ..Refinement::default()
        },
    )
}

fn length_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match arguments.first().map(Value::kind) {
        Some(Type::Bool | Type::Number) | None => {
            Err(FunctionError::at(0, "text, a collection, a tuple or an object is required"))
        }
        Some(_) => Ok(Type::Number),
    }
}

fn length(call: &Call<'_>) -> Outcome {
    let value = call.argument(0)?;
    let marks = value.marks();
    let length = match value.data() {
        Data::String(text) => text.graphemes(true).count().into(),
        Data::Set(_, items) if known_length(value).is_none() => {
            unknown_length(Some(1), u64::try_from(items.len()).ok())
        }
        // What is unknown of a tuple or object is not how many parts it has.
        Data::Unknown(Type::Tuple(parts), _) => parts.len().into(),
        Data::Unknown(Type::Object(object), _) => object.attributes.len().into(),
        Data::Unknown(Type::List(_) | Type::Set(_) | Type::Map(_), refinement) => {
            let known = refinement.as_deref();
            unknown_length(known.and_then(|known| known.minimum_length), known.and_then(|known| known.maximum_length))
        }
        Data::Unknown(..) => unknown_length(None, None),
        _ => known_length(value).map_or_else(|| call.unknown(), Value::from),
    };
    Ok(length.with_marks(marks))
}

fn coalesce(call: &Call<'_>) -> Outcome {
    for (position, argument) in call.arguments.iter().enumerate() {
        let value = convert(argument, &call.result).map_err(|error| FunctionError::at(position, error.to_string()))?;
        if !value.is_known() {
            return Ok(Value::unknown(call.result.clone()));
        }
        if !value.is_null() && value.as_str() != Some("") {
            return Ok(value);
        }
    }
    Err(FunctionError::new("every argument is null or empty text"))
}

fn contains(call: &Call<'_>) -> Outcome {
    let wanted = call.argument(1)?;
    let mut unknown = false;
    for item in call.items(0)? {
        match equal(wanted, item) {
            Some(true) => return Ok(true.into()),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { call.unknown() } else { false.into() })
}

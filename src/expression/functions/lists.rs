//! Functions on lists and tuples.

use std::collections::HashSet;

use retrue_provider_api::{Data, Marks, Number, Type, Value, convert, unify};

use super::collections::known_length;
use super::numbers::arithmetic;
use super::specification::{Call, DynamicKind, Function, FunctionError, Outcome, Parameter, Returns, Shape, integer};
use crate::expression::equality::equal;

const LIST: Parameter = Parameter::new("list", Shape::List(&Shape::Any));
const TRUTHS: Parameter = Parameter::new("list", Shape::List(&Shape::Bool));
const ANY: Parameter = Parameter::any("list");
const TRUTH: Returns = Returns::Fixed(Shape::Bool);
const SAME: Returns = Returns::By(|arguments| kind(arguments, 0));

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("alltrue", &[TRUTHS], TRUTH, all_true),
    Function::new("anytrue", &[TRUTHS], TRUTH, any_true),
    Function::new(
        "chunklist",
        &[LIST.marked(), Parameter::number("size")],
        Returns::By(|arguments| Ok(Type::list(kind(arguments, 0)?))),
        chunk,
    ),
    Function::new("coalescelist", &[], Returns::By(coalesce_type), coalesce)
        .variadic(Parameter::any("vals").null().unknown().dynamic()),
    Function::new(
        "compact",
        &[Parameter::new("list", Shape::List(&Shape::String))],
        Returns::Fixed(Shape::List(&Shape::String)),
        compact,
    ),
    Function::new("concat", &[], Returns::By(concat_type), concat).variadic(Parameter::any("seqs").marked()),
    Function::new("distinct", &[LIST], SAME, distinct),
    Function::new("element", &[ANY.marked(), Parameter::number("index")], Returns::By(element_type), element)
        .nullable(),
    Function::new("flatten", &[ANY.marked()], Returns::By(flatten_type), |call| {
        Ok(match flattened(call.argument(0)?) {
            Some((items, marks)) => Value::tuple(items).with_marks(marks),
            None => call.unknown().with_marks(call.argument(0)?.marks_deep()),
        })
    }),
    Function::new("index", &[ANY, Parameter::any("value")], Returns::Fixed(Shape::Number), index),
    Function::new(
        "matchkeys",
        &[
            Parameter::new("values", Shape::List(&Shape::Any)),
            Parameter::new("keys", Shape::List(&Shape::Any)),
            Parameter::new("searchset", Shape::List(&Shape::Any)),
        ],
        Returns::By(|arguments| {
            key_type(arguments)?;
            kind(arguments, 0)
        }),
        match_keys,
    ),
    Function::new("one", &[ANY], Returns::By(one_type), one).nullable(),
    Function::new("reverse", &[ANY.marked()], Returns::By(reverse_type), reverse),
    Function::new(
        "slice",
        &[ANY.marked(), Parameter::number("start_index"), Parameter::number("end_index")],
        Returns::By(slice_type),
        slice,
    ),
    Function::new("sum", &[ANY], Returns::Fixed(Shape::Number), sum),
];

/// The type of one argument.
pub(super) fn kind(arguments: &[Value], position: usize) -> Result<Type, FunctionError> {
    arguments.get(position).map(Value::kind).ok_or_else(|| FunctionError::new("an argument is missing"))
}

/// A list or tuple, as the type says.
fn sequence(kind: &Type, items: impl IntoIterator<Item = Value>) -> Value {
    match kind {
        Type::List(element) => Value::list(element.as_ref().clone(), items),
        _ => Value::tuple(items),
    }
}

fn all_true(call: &Call<'_>) -> Outcome {
    for item in call.items(0)? {
        if !item.is_known() {
            return Ok(call.unknown());
        }
        if item.as_bool() != Some(true) {
            return Ok(false.into());
        }
    }
    Ok(true.into())
}

fn any_true(call: &Call<'_>) -> Outcome {
    let items = call.items(0)?;
    if items.iter().any(|item| item.as_bool() == Some(true)) {
        return Ok(true.into());
    }
    Ok(if items.iter().all(Value::is_known) { false.into() } else { call.unknown() })
}

fn chunk(call: &Call<'_>) -> Outcome {
    let list = call.argument(0)?;
    let element = list.kind().element().cloned().unwrap_or(Type::Dynamic);
    let inner = Type::list(element.clone());
    let size = usize::try_from(call.integer(1)?)
        .map_err(|_| FunctionError::at(1, "the size of a chunk must not be negative"))?;
    let items = call.items(0)?;
    // Size zero means: all in one.
    let size = if size == 0 { items.len().max(1) } else { size };
    let chunks = items.chunks(size).map(|chunk| Value::list(element.clone(), chunk.iter().cloned()));
    Ok(Value::list(inner, chunks).with_marks(list.marks()))
}

fn coalesce_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    let mut kinds = Vec::with_capacity(arguments.len());
    for (position, argument) in arguments.iter().enumerate() {
        if !argument.is_known() {
            return Ok(Type::Dynamic);
        }
        match argument.kind() {
            kind @ (Type::List(_) | Type::Tuple(_)) => kinds.push(kind),
            kind => {
                return Err(FunctionError::at(
                    position,
                    format!("a list or tuple is required, not {}", kind.friendly_name()),
                ));
            }
        }
    }
    let first = kinds.first().ok_or_else(|| FunctionError::new("at least one list is required"))?;
    Ok(if kinds.iter().all(|kind| kind == first) { first.clone() } else { Type::Dynamic })
}

fn coalesce(call: &Call<'_>) -> Outcome {
    for argument in &call.arguments {
        if !argument.is_known() {
            return Ok(call.unknown());
        }
        if argument.as_items().is_some_and(|items| !items.is_empty()) {
            return Ok(argument.clone());
        }
    }
    Err(FunctionError::new("every argument is null or empty"))
}

fn compact(call: &Call<'_>) -> Outcome {
    let list = call.argument(0)?;
    if !list.is_wholly_known() {
        return Ok(call.unknown());
    }
    let kept = call.items(0)?.iter().filter(|item| item.as_str().is_some_and(|text| !text.is_empty())).cloned();
    Ok(Value::list(Type::String, kept))
}

fn concat_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    if arguments.is_empty() {
        return Err(FunctionError::new("at least one list is required"));
    }
    let elements: Option<Vec<Type>> = arguments
        .iter()
        .map(|argument| match argument.kind() {
            Type::List(element) => Some(element.as_ref().clone()),
            _ => None,
        })
        .collect();
    if let Some(element) = elements.and_then(|elements| unify(&elements)) {
        return Ok(Type::list(element));
    }
    let mut kinds = Vec::new();
    for (position, argument) in arguments.iter().enumerate() {
        match argument.kind() {
            Type::Tuple(elements) => kinds.extend(elements.iter().cloned()),
            Type::List(element) => match argument.as_items() {
                Some(items) => kinds.extend(items.iter().map(|_| element.as_ref().clone())),
                None => return Ok(Type::Dynamic),
            },
            kind => {
                return Err(FunctionError::at(
                    position,
                    format!("a list or tuple is required, not {}", kind.friendly_name()),
                ));
            }
        }
    }
    Ok(Type::tuple(kinds))
}

fn concat(call: &Call<'_>) -> Outcome {
    let mut marks = Marks::NONE;
    let mut items = Vec::new();
    for (position, argument) in call.arguments.iter().enumerate() {
        marks = marks.union(argument.marks());
        match &call.result {
            Type::List(_) => {
                let list =
                    convert(argument, &call.result).map_err(|error| FunctionError::at(position, error.to_string()))?;
                items.extend(list.as_items().unwrap_or_default().iter().cloned());
            }
            _ => items.extend(call.items(position)?.iter().cloned()),
        }
    }
    Ok(sequence(&call.result, items).with_marks(marks))
}

fn distinct(call: &Call<'_>) -> Outcome {
    if !call.argument(0)?.is_wholly_known() {
        return Ok(call.unknown());
    }
    let mut seen = HashSet::new();
    let kept: Vec<Value> = call.items(0)?.iter().filter(|item| seen.insert(*item)).cloned().collect();
    Ok(Value::list(call.element(), kept))
}

fn element_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    let index = arguments.get(1).filter(|index| index.is_known());
    if index.and_then(Value::as_number).is_some_and(Number::is_negative) {
        return Err(FunctionError::at(1, "the index must not be negative"));
    }
    match (kind(arguments, 0)?, index) {
        (Type::List(element), _) => Ok(element.as_ref().clone()),
        (Type::Tuple(_), None) => Ok(Type::Dynamic),
        (Type::Tuple(elements), Some(index)) => {
            let position = integer(index).map_err(|error| FunctionError::at(1, error.message))?;
            wrapped(u64::try_from(position).unwrap_or(0), elements.len())
                .and_then(|position| elements.get(position).cloned())
                .ok_or_else(|| FunctionError::at(0, "an empty list has no elements"))
        }
        (kind, _) => Err(FunctionError::at(0, format!("a list or tuple is required, not {}", kind.friendly_name()))),
    }
}

/// A position in something of a length, counted round and round; `None` for the length zero.
fn wrapped(position: u64, length: usize) -> Option<usize> {
    usize::try_from(position.checked_rem(u64::try_from(length).ok()?)?).ok()
}

fn element(call: &Call<'_>) -> Outcome {
    let list = call.argument(0)?;
    let position = u64::try_from(call.integer(1)?).unwrap_or(0);
    let items = call.items(0)?;
    wrapped(position, items.len())
        .and_then(|position| items.get(position))
        .map(|item| item.clone().with_marks(list.marks()))
        .ok_or_else(|| FunctionError::at(0, "an empty list has no elements"))
}

fn flatten_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match kind(arguments, 0)? {
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => {}
        _ if arguments.first().is_some_and(|argument| !argument.is_known()) => return Ok(Type::Dynamic),
        kind => {
            return Err(FunctionError::at(
                0,
                format!("a list, set or tuple is required, not {}", kind.friendly_name()),
            ));
        }
    }
    Ok(match arguments.first().and_then(flattened) {
        Some((items, _)) => Type::tuple(items.iter().map(Value::kind)),
        None => Type::Dynamic,
    })
}

/// The elements with all sequences in them unfolded, and the marks of those sequences.
///
/// `None` when it is not known how many elements there will be.
fn flattened(list: &Value) -> Option<(Vec<Value>, Marks)> {
    fn unfold(list: &Value, items: &mut Vec<Value>, marks: &mut Marks) -> Option<()> {
        known_length(list)?;
        *marks = marks.union(list.marks());
        for item in list.as_items()? {
            match item.data() {
                Data::List(..) | Data::Set(..) | Data::Tuple(_) => unfold(item, items, marks)?,
                // It may turn out to be a list.
                Data::Unknown(Type::List(_) | Type::Set(_) | Type::Tuple(_), _) => return None,
                Data::Unknown(..) if item.kind_is_dynamic() => return None,
                _ => items.push(item.clone()),
            }
        }
        Some(())
    }
    let (mut items, mut marks) = (Vec::new(), Marks::NONE);
    unfold(list, &mut items, &mut marks)?;
    Some((items, marks))
}

fn index(call: &Call<'_>) -> Outcome {
    let list = call.argument(0)?;
    if !matches!(list.data(), Data::List(..) | Data::Tuple(_)) {
        return Err(FunctionError::at(0, "a list or tuple is required"));
    }
    let wanted = call.argument(1)?;
    for (position, item) in call.items(0)?.iter().enumerate() {
        match equal(item, wanted) {
            Some(true) => return Ok(position.into()),
            Some(false) => {}
            None => return Ok(call.unknown()),
        }
    }
    Err(FunctionError::at(1, "the list does not contain this value"))
}

fn key_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    unify(&[kind(arguments, 1)?, kind(arguments, 2)?])
        .ok_or_else(|| FunctionError::at(2, "`keys` and `searchset` must be of one type"))
}

fn match_keys(call: &Call<'_>) -> Outcome {
    let values = call.items(0)?;
    if values.len() != call.items(1)?.len() {
        return Err(FunctionError::at(1, "`keys` must be as long as `values`"));
    }
    let common = key_type(&call.arguments)?;
    let converted = |position: usize| {
        convert(call.argument(position)?, &common).map_err(|error| FunctionError::at(position, error.to_string()))
    };
    let (keys, wanted) = (converted(1)?, converted(2)?);
    let wanted = wanted.as_items().unwrap_or_default();
    if wanted.is_empty() {
        return Ok(Value::list(call.element(), []));
    }
    if !call.argument(0)?.is_wholly_known() || !keys.is_wholly_known() {
        return Ok(call.unknown());
    }
    if !wanted.iter().all(Value::is_wholly_known) {
        // Terraform gives an empty list here, and so promises too much: it may hold more once known.
        return Ok(call.unknown());
    }
    let wanted: HashSet<&Value> = wanted.iter().collect();
    let kept = values
        .iter()
        .zip(keys.as_items().unwrap_or_default())
        .filter(|(_, key)| wanted.contains(key))
        .map(|(value, _)| value.clone());
    Ok(Value::list(call.element(), kept))
}

const ONE: &str = "a list, set or tuple with no or one element is required";

fn one_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match kind(arguments, 0)? {
        Type::List(element) | Type::Set(element) => Ok(element.as_ref().clone()),
        Type::Tuple(elements) => match elements.as_ref() {
            [] => Ok(Type::Dynamic),
            [only] => Ok(only.clone()),
            _ => Err(FunctionError::at(0, ONE)),
        },
        _ => Err(FunctionError::at(0, ONE)),
    }
}

fn one(call: &Call<'_>) -> Outcome {
    if known_length(call.argument(0)?).is_none() {
        return Ok(call.unknown());
    }
    match call.items(0)? {
        [] => Ok(Value::null(call.result.clone())),
        [only] => Ok(only.clone()),
        _ => Err(FunctionError::at(0, ONE)),
    }
}

fn reverse_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match kind(arguments, 0)? {
        Type::Tuple(elements) => Ok(Type::tuple(elements.iter().rev().cloned())),
        Type::List(element) | Type::Set(element) => Ok(Type::list(element.as_ref().clone())),
        kind => Err(FunctionError::at(0, format!("a list or tuple is required, not {}", kind.friendly_name()))),
    }
}

fn reverse(call: &Call<'_>) -> Outcome {
    let reversed = call.items(0)?.iter().rev().cloned();
    Ok(sequence(&call.result, reversed).with_marks(call.argument(0)?.marks()))
}

/// Start and end of a slice, each `None` while unknown, checked as far as they are known.
fn bounds(arguments: &[Value]) -> Result<(Option<usize>, Option<usize>), FunctionError> {
    let length = match arguments.first().map(|list| (list.as_items(), list.kind())) {
        Some((Some(items), _)) => Some(items.len()),
        Some((None, Type::Tuple(elements))) => Some(elements.len()),
        _ => None,
    };
    let bound = |position: usize| match arguments.get(position) {
        Some(value) if value.is_known() => {
            let bound = integer(value).map_err(|error| FunctionError::at(position, error.message))?;
            let bound =
                usize::try_from(bound).map_err(|_| FunctionError::at(position, "the index must not be negative"))?;
            if length.is_some_and(|length| bound > length) {
                return Err(FunctionError::at(position, "the index is greater than the length of the list"));
            }
            Ok(Some(bound))
        }
        _ => Ok(None),
    };
    let (start, end) = (bound(1)?, bound(2)?);
    if let (Some(start), Some(end)) = (start, end)
        && start > end
    {
        return Err(FunctionError::at(1, "the start must not be behind the end"));
    }
    Ok((start, end))
}

fn slice_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    let kind = kind(arguments, 0)?;
    if !matches!(kind, Type::List(_) | Type::Tuple(_)) {
        return Err(FunctionError::at(0, format!("a list or tuple is required, not {}", kind.friendly_name())));
    }
    let bounds = bounds(arguments)?;
    match (kind, bounds) {
        (Type::Tuple(elements), (Some(start), Some(end))) => {
            Ok(Type::tuple(elements.get(start..end).unwrap_or_default().iter().cloned()))
        }
        (Type::Tuple(_), _) => Ok(Type::Dynamic),
        (list, _) => Ok(list),
    }
}

fn slice(call: &Call<'_>) -> Outcome {
    let (Some(start), Some(end)) = bounds(&call.arguments)? else {
        return Ok(call.unknown());
    };
    let items = call.items(0)?.get(start..end).unwrap_or_default().iter().cloned();
    Ok(sequence(&call.result, items).with_marks(call.argument(0)?.marks()))
}

fn sum(call: &Call<'_>) -> Outcome {
    let items = call.items(0)?;
    if items.is_empty() {
        return Err(FunctionError::at(0, "an empty list has no sum"));
    }
    if !call.argument(0)?.is_wholly_known() {
        return Ok(call.unknown());
    }
    let mut total = Number::ZERO;
    for (position, item) in items.iter().enumerate() {
        let number = convert(item, &Type::Number).ok();
        let number = number.as_ref().and_then(Value::as_number).ok_or_else(|| {
            FunctionError::at(0, format!("element {position} is not a number, but {}", item.kind().friendly_name()))
        })?;
        total = total.add(number).map_err(arithmetic)?;
    }
    Ok(total.into())
}

//! Functions on sets.

use retrue_provider_api::{Marks, Type, Value, convert, unify};

use super::collections::known_length;
use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const SET: Shape = Shape::Set(&Shape::Any);
const FIRST: Parameter = Parameter::new("first_set", SET).dynamic();
const OTHERS: Parameter = Parameter::new("other_sets", SET).dynamic();

/// What `setproduct` makes at most.
const MAXIMUM_PRODUCT: usize = 1_000_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("setintersection", &[FIRST], Returns::By(common_set), |call| {
        combine(call, false, |kept, other| kept.retain(|item| has(other, item)))
    })
    .variadic(OTHERS),
    Function::new(
        "setsubtract",
        &[Parameter::new("a", SET).dynamic(), Parameter::new("b", SET).dynamic()],
        Returns::By(common_set),
        |call| combine(call, false, |kept, other| kept.retain(|item| !has(other, item))),
    ),
    Function::new("setunion", &[FIRST], Returns::By(common_set), |call| {
        combine(call, true, |kept, other| kept.extend(other.iter().cloned()))
    })
    .variadic(OTHERS),
    Function::new("setproduct", &[], Returns::By(product_type), product).variadic(Parameter::any("sets").marked()),
];

/// Whether a set has an element: its elements are in canonical order.
fn has(items: &[Value], wanted: &Value) -> bool {
    items.binary_search_by(|item| item.canonical_cmp(wanted)).is_ok()
}

/// The set type that all arguments can be brought to.
fn common_set(arguments: &[Value]) -> Result<Type, FunctionError> {
    let kinds: Vec<Type> = arguments
        .iter()
        // An empty set of no known type fits any.
        .filter(|argument| argument.as_items() != Some(&[]) || argument.kind() != Type::set(Type::Dynamic))
        .map(|argument| argument.kind().element().cloned().unwrap_or(Type::Dynamic))
        .collect();
    if kinds.is_empty() {
        return Ok(Type::set(Type::Dynamic));
    }
    unify(&kinds).map(Type::set).ok_or_else(|| FunctionError::new("the elements of all sets must be of one type"))
}

fn combine(call: &Call<'_>, take_unknown: bool, step: fn(&mut Vec<Value>, &[Value])) -> Outcome {
    let mut kept: Option<Vec<Value>> = None;
    for (position, argument) in call.arguments.iter().enumerate() {
        let set = convert(argument, &call.result).map_err(|error| FunctionError::at(position, error.to_string()))?;
        if !set.is_known() || (!take_unknown && !set.is_wholly_known()) {
            return Ok(call.unknown());
        }
        let items = set.as_items().unwrap_or_default();
        match &mut kept {
            Some(kept) => step(kept, items),
            None => kept = Some(items.to_vec()),
        }
    }
    Ok(Value::set(call.element(), kept.unwrap_or_default()))
}

fn product_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    if arguments.len() < 2 {
        return Err(FunctionError::new("at least two sets or lists are required"));
    }
    let mut elements = Vec::with_capacity(arguments.len());
    let mut ordered = true;
    for (position, argument) in arguments.iter().enumerate() {
        elements.push(match argument.kind() {
            Type::Set(element) => {
                ordered = false;
                element.as_ref().clone()
            }
            Type::List(element) => element.as_ref().clone(),
            Type::Tuple(kinds) if kinds.is_empty() => Type::Dynamic,
            Type::Tuple(kinds) => {
                unify(&kinds).ok_or_else(|| FunctionError::at(position, "all elements must be of one type"))?
            }
            kind => {
                return Err(FunctionError::at(
                    position,
                    format!("a set or list is required, not {}", kind.friendly_name()),
                ));
            }
        });
    }
    let element = Type::tuple(elements);
    Ok(if ordered { Type::list(element) } else { Type::set(element) })
}

fn product(call: &Call<'_>) -> Outcome {
    let marks = call.arguments.iter().fold(Marks::NONE, |marks, argument| marks.union(argument.marks()));
    let element = call.element();
    let Type::Tuple(kinds) = &element else {
        return Ok(call.unknown().with_marks(marks));
    };
    let mut total: usize = 1;
    let mut columns: Vec<Vec<Value>> = Vec::with_capacity(kinds.len());
    for (position, (argument, kind)) in call.arguments.iter().zip(kinds.iter()).enumerate() {
        if known_length(argument).is_none() {
            return Ok(call.unknown().with_marks(marks));
        }
        let items: Result<Vec<Value>, FunctionError> = call
            .items(position)?
            .iter()
            .map(|item| convert(item, kind).map_err(|error| FunctionError::at(position, error.to_string())))
            .collect();
        let items = items?;
        total = total.saturating_mul(items.len());
        columns.push(items);
    }
    if total > MAXIMUM_PRODUCT {
        return Err(FunctionError::new(format!("the product has more than {MAXIMUM_PRODUCT} elements")));
    }
    let tuples = (0..total).map(|number| {
        // The last column turns fastest, as the last digit of a number does.
        let mut rest = number;
        let mut row: Vec<Value> = columns
            .iter()
            .rev()
            .filter_map(|column| {
                let item = rest.checked_rem(column.len()).and_then(|digit| column.get(digit)).cloned();
                rest = rest.checked_div(column.len()).unwrap_or(0);
                item
            })
            .collect();
        row.reverse();
        Value::tuple(row)
    });
    let product = match &call.result {
        Type::List(_) => Value::list(element.clone(), tuples),
        _ => Value::set(element.clone(), tuples),
    };
    Ok(product.with_marks(marks))
}

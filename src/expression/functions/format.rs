//! `format` and `formatlist`.
//!
//! A verb is `%`, flags (`0`, `-`, `+`, `#`, space), a width, `.` and a precision, `[n]` to pick an
//! argument, and a letter. The rules are those of `cty`, which leans on Go's `fmt` for numbers.

mod decimal;
mod verb;

use retrue_provider_api::{Data, Refinement, Type, Value};

use super::collections::known_length;
use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};
use verb::render;

/// What `formatlist` makes at most.
const MAXIMUM_RESULTS: usize = 1_000_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("format", &[Parameter::text("format")], Returns::Fixed(Shape::String), |call| {
        let arguments = call.arguments.get(1..).unwrap_or_default();
        if !arguments.iter().all(Value::is_wholly_known) {
            return Ok(call.unknown());
        }
        render(call.text(0)?, arguments).map(Value::from)
    })
    .variadic(Parameter::any("args").null()),
    Function::new("formatlist", &[Parameter::text("format")], Returns::Fixed(Shape::List(&Shape::String)), format_list)
        .variadic(Parameter::any("args").null().unknown()),
];

/// Formats once per element; arguments that are no sequence are the same each time.
fn format_list(call: &Call<'_>) -> Outcome {
    let format = call.text(0)?;
    let arguments = call.arguments.get(1..).unwrap_or_default();
    let mut length: Option<(usize, usize)> = None;
    let mut unknown = false;
    for (position, argument) in arguments.iter().enumerate() {
        let count = match (argument.data(), argument.kind()) {
            (Data::Null(_), _) => continue,
            (Data::Unknown(..), Type::Tuple(kinds)) => {
                unknown = true;
                kinds.len()
            }
            (Data::Unknown(..), Type::List(_) | Type::Set(_)) => {
                unknown = true;
                continue;
            }
            (_, Type::List(_) | Type::Set(_) | Type::Tuple(_)) => match known_length(argument) {
                Some(count) => count,
                None => {
                    unknown = true;
                    continue;
                }
            },
            _ => continue,
        };
        match length {
            Some((other, first)) if first != count => {
                return Err(FunctionError::at(
                    position + 1,
                    format!("argument {} has {count} elements, but argument {} has {first}", position + 1, other + 1),
                ));
            }
            _ => length = Some((position, count)),
        }
    }
    if unknown {
        return Ok(call.unknown());
    }
    let count = length.map_or(1, |(_, count)| count);
    if count > MAXIMUM_RESULTS {
        return Err(FunctionError::new("the result would be too large"));
    }
    let mut results = Vec::with_capacity(count);
    for round in 0..count {
        let row: Vec<Value> = arguments
            .iter()
            .map(|argument| match argument.as_items() {
                Some(items) => items.get(round).cloned().unwrap_or_else(|| argument.clone()),
                None => argument.clone(),
            })
            .collect();
        results.push(if row.iter().all(Value::is_wholly_known) {
            let text = render(format, &row)
                .map_err(|error| FunctionError::new(format!("element {round}: {}", error.message)))?;
            text.into()
        } else {
            Value::unknown_refined(Type::String, Refinement { not_null: true, ..Refinement::default() })
        });
    }
    Ok(Value::list(Type::String, results))
}

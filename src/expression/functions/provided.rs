//! Functions that providers offer: everything around the call itself.
//!
//! The order of the checks is that of Terraform's: count, type, null, then what is not known.

use retrue_provider_api::{FunctionSchema, Marks, Value, convert};

use super::Host;
use super::specification::{FunctionError, Outcome};

/// Calls a function of a provider with arguments as they were evaluated.
///
/// # Errors
/// It refuses its arguments. Messages quote no sensitive argument.
pub fn call_provided(
    provider: &str,
    name: &str,
    function: &FunctionSchema,
    arguments: &[Value],
    host: &dyn Host,
) -> Outcome {
    let marks = arguments.iter().fold(Marks::NONE, |marks, argument| marks.union(argument.marks_deep()));
    let result = match prepared(name, function, arguments)? {
        Some(prepared) => host.call(provider, name, prepared).map_err(|error| match marks.is_empty() {
            true => error,
            // The provider may quote what it was given.
            false => {
                let message = format!("`{name}` refuses this argument (it is sensitive, so there is no detail)");
                FunctionError { message, argument: error.argument }
            }
        })?,
        None => Value::unknown(function.result.without_optional()),
    };
    Ok(result.with_marks(marks))
}

/// The arguments in the form of the schema; `None` where one is not known, and the function does not want it so.
fn prepared(name: &str, function: &FunctionSchema, arguments: &[Value]) -> Result<Option<Vec<Value>>, FunctionError> {
    let wanted = function.parameters.len();
    let plural = if wanted == 1 { "" } else { "s" };
    if let Some(missing) = function.parameters.get(arguments.len()) {
        let least = if function.variadic.is_some() { "at least " } else { "" };
        return Err(FunctionError::new(format!(
            "`{name}` takes {least}{wanted} argument{plural}, got {}: `{}` is missing",
            arguments.len(),
            missing.name,
        )));
    }
    if arguments.len() > wanted && function.variadic.is_none() {
        let message = format!("`{name}` takes {wanted} argument{plural}, got {}", arguments.len());
        return Err(FunctionError::at(wanted, message));
    }
    let mut known = true;
    let mut prepared = Vec::with_capacity(arguments.len());
    for (position, argument) in arguments.iter().enumerate() {
        let Some(parameter) = function.parameter(position) else { continue };
        let value = convert(&argument.clone().unmark_deep().0, &parameter.kind)
            .map_err(|error| FunctionError::at(position, format!("`{}`: {error}", parameter.name)))?;
        if value.is_null() && !parameter.nullable {
            return Err(FunctionError::at(position, format!("`{}` must not be null", parameter.name)));
        }
        known &= value.is_wholly_known() || parameter.takes_unknown;
        prepared.push(value);
    }
    Ok(known.then_some(prepared))
}

//! `tomlencode` and `tomldecode`.
//!
//! TOML has no null: attributes that are null are left out, other nulls are an error. Dates become
//! text, infinities are an error, and so is a number that a TOML reader could not hold.

use retrue_provider_api::{Data, Number, Type, Value};
use toml::{Table, Value as Toml};

use super::numbers::arithmetic;
use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

/// How deep lists and maps may be nested.
const MAXIMUM_DEPTH: usize = 128;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("tomlencode", &[Parameter::any("value").unknown()], Returns::Fixed(Shape::String), encode),
    Function::new(
        "tomldecode",
        &[Parameter::text("str")],
        Returns::By(|arguments| match arguments.first().and_then(Value::as_str) {
            Some(text) => decode(text).map(|value| value.kind()),
            None => Ok(Type::Dynamic),
        }),
        |call| decode(call.text(0)?),
    ),
];

fn encode(call: &Call<'_>) -> Outcome {
    let value = call.argument(0)?;
    if !value.is_wholly_known() {
        return Ok(call.unknown());
    }
    let wrong = |message: String| FunctionError::at(0, message);
    let Some(Toml::Table(table)) = to_toml(value, 0).map_err(wrong)? else {
        return Err(FunctionError::at(0, "a map or object is required: a TOML document is a table"));
    };
    toml::to_string(&table)
        .map(Value::from)
        .map_err(|error| FunctionError::at(0, format!("this cannot be written as TOML: {error}")))
}

fn to_toml(value: &Value, depth: usize) -> Result<Option<Toml>, String> {
    if depth > MAXIMUM_DEPTH {
        return Err(format!("there are more than {MAXIMUM_DEPTH} levels"));
    }
    Ok(Some(match value.data() {
        Data::Null(_) | Data::Unknown(..) => return Ok(None),
        Data::Bool(value) => Toml::Boolean(*value),
        Data::Number(number) => number_to_toml(number)?,
        Data::String(text) => Toml::String(text.to_string()),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => Toml::Array(
            items
                .iter()
                .map(|item| to_toml(item, depth + 1)?.ok_or_else(|| "TOML has no null for an element".to_owned()))
                .collect::<Result<_, String>>()?,
        ),
        Data::Map(_, entries) | Data::Object(entries) => {
            let mut table = Table::new();
            for (key, entry) in entries.iter() {
                if let Some(entry) = to_toml(entry, depth + 1)? {
                    table.insert(key.to_string(), entry);
                }
            }
            Toml::Table(table)
        }
    }))
}

fn number_to_toml(number: &Number) -> Result<Toml, String> {
    if let Some(whole) = number.as_i64() {
        return Ok(Toml::Integer(whole));
    }
    let float = number.to_f64();
    // What a reader makes of the float must be the number again.
    match format!("{float}").parse::<Number>() {
        Ok(read) if read == *number => Ok(Toml::Float(float)),
        _ => Err(format!("{number} has more digits than a number in TOML")),
    }
}

fn decode(text: &str) -> Outcome {
    let table: Table =
        toml::from_str(text).map_err(|error| FunctionError::at(0, format!("not valid TOML: {}", error.message())))?;
    from_toml(Toml::Table(table), 0)
}

fn from_toml(value: Toml, depth: usize) -> Outcome {
    if depth > MAXIMUM_DEPTH {
        return Err(FunctionError::at(0, format!("there are more than {MAXIMUM_DEPTH} levels")));
    }
    Ok(match value {
        Toml::String(text) => text.into(),
        Toml::Integer(number) => number.into(),
        // The shortest decimal that means this float is what was written.
        Toml::Float(float) if float.is_finite() => {
            Value::from(format!("{float}").parse::<Number>().map_err(arithmetic)?)
        }
        Toml::Float(float) => return Err(FunctionError::at(0, format!("{float} cannot be calculated with"))),
        Toml::Boolean(value) => value.into(),
        Toml::Datetime(datetime) => datetime.to_string().into(),
        Toml::Array(items) => {
            Value::tuple(items.into_iter().map(|item| from_toml(item, depth + 1)).collect::<Result<Vec<_>, _>>()?)
        }
        Toml::Table(table) => Value::object(
            table
                .into_iter()
                .map(|(key, entry)| Ok((key, from_toml(entry, depth + 1)?)))
                .collect::<Result<Vec<_>, FunctionError>>()?,
        ),
    })
}

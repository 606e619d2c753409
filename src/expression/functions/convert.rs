//! Functions that change the type or the marks of a value.

use retrue_provider_api::{Marks, Type, Value, convert};

use super::lists::kind;
use crate::expression::TypeExpression;
use crate::span::{FileId, Span};

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const V: Parameter = Parameter::any("v").null().dynamic().marked();
const VALUE: Parameter = Parameter::any("value").unknown().null().dynamic().marked();
const SAME: Returns = Returns::By(|arguments| kind(arguments, 0));

macro_rules! conversion {
    ($name:literal, $shape:expr) => {
        Function::new($name, &[V], Returns::Fixed($shape), change_type).nullable()
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    conversion!("tobool", Shape::Bool),
    conversion!("tonumber", Shape::Number),
    conversion!("tostring", Shape::String),
    Function::new("tolist", &[V.unknown()], Returns::Fixed(Shape::List(&Shape::Any)), change_type).nullable(),
    Function::new("tomap", &[V.unknown()], Returns::Fixed(Shape::Map(&Shape::Any)), change_type).nullable(),
    Function::new("toset", &[V.unknown()], Returns::Fixed(Shape::Set(&Shape::Any)), change_type).nullable(),
    Function::new("convert", &[V.unknown(), Parameter::text("type")], Returns::By(declared_type), to_declared)
        .nullable(),
    Function::new("sensitive", &[VALUE], SAME, |call| Ok(call.argument(0)?.clone().sensitive())).nullable(),
    Function::new("nonsensitive", &[VALUE], SAME, |call| {
        let (value, marks) = call.argument(0)?.clone().unmark();
        Ok(value.with_marks(Marks { sensitive: false, ..marks }))
    })
    .nullable(),
    Function::new("issensitive", &[VALUE], Returns::Fixed(Shape::Bool), |call| {
        let value = call.argument(0)?;
        Ok(match value.marks().sensitive {
            true => true.into(),
            // What is unknown may turn out sensitive.
            false if !value.is_known() => call.unknown(),
            false => false.into(),
        })
    }),
    Function::new("ephemeralasnull", &[VALUE], SAME, ephemeral_as_null).nullable(),
];

/// The type that the second argument writes out.
fn declared(arguments: &[Value]) -> Result<TypeExpression, FunctionError> {
    let text = arguments.get(1).and_then(Value::as_str).ok_or_else(|| FunctionError::at(1, "a type is required"))?;
    let nowhere = Span::new(FileId::default(), 0..0);
    TypeExpression::parse(text, nowhere, text).map_err(|errors| {
        let messages: Vec<String> = errors.into_iter().map(|error| error.message).collect();
        FunctionError::at(1, messages.join("; "))
    })
}

fn declared_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match arguments.get(1) {
        Some(text) if !text.is_known() => Ok(Type::Dynamic),
        _ => declared(arguments).map(|declared| declared.kind().clone()),
    }
}

/// As a variable of the type takes the value: with the defaults of optional attributes.
fn to_declared(call: &Call<'_>) -> Outcome {
    let declared = declared(&call.arguments)?;
    declared.convert(call.argument(0)?).map_err(|error| FunctionError::at(0, error.to_string()))
}

fn change_type(call: &Call<'_>) -> Outcome {
    convert(call.argument(0)?, &call.result).map_err(|error| FunctionError::at(0, error.to_string()))
}

/// Null in the place of every ephemeral value, all else as it is.
fn ephemeral_as_null(call: &Call<'_>) -> Outcome {
    Ok(call.argument(0)?.clone().map_parts(&mut |_, part| {
        let marks = part.marks();
        if marks.ephemeral {
            return Value::null(part.kind()).with_marks(Marks { ephemeral: false, ..marks });
        }
        part
    }))
}

//! Functions that change the type or the marks of a value.

use retrue_provider_api::{Marks, Value, convert};

use super::lists::kind;
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

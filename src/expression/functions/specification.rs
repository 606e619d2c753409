//! The shape of a function, and what is the same for all of them.
//!
//! The order of the checks, and what an unknown or marked argument does, are those of
//! `cty/function`, which Terraform's functions are made with.

use std::fmt;

use retrue_provider_api::{Data, Marks, Number, Refinement, Type, Value, convert};

use super::host::Host;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// What is wrong, as a clause without a full stop.
    pub message: String,
    /// The position of the argument that is to blame, counted from zero.
    pub argument: Option<usize>,
}

impl FunctionError {
    /// An error that blames no single argument.
    pub fn new(message: impl Into<String>) -> Self {
        FunctionError { message: message.into(), argument: None }
    }

    /// An error that blames one argument.
    pub fn at(argument: usize, message: impl Into<String>) -> Self {
        FunctionError { message: message.into(), argument: Some(argument) }
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FunctionError {}

/// What a body returns.
pub(super) type Outcome = Result<Value, FunctionError>;

/// A [`Type`] that a constant can hold.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Any,
    Bool,
    Number,
    String,
    List(&'static Shape),
    Set(&'static Shape),
    Map(&'static Shape),
}

impl Shape {
    pub(super) fn to_type(self) -> Type {
        match self {
            Shape::Any => Type::Dynamic,
            Shape::Bool => Type::Bool,
            Shape::Number => Type::Number,
            Shape::String => Type::String,
            Shape::List(element) => Type::list(element.to_type()),
            Shape::Set(element) => Type::set(element.to_type()),
            Shape::Map(element) => Type::map(element.to_type()),
        }
    }
}

/// One parameter, and what the body wants to see itself.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    name: &'static str,
    shape: Shape,
    null: bool,
    unknown: bool,
    dynamic: bool,
    marked: bool,
}

impl Parameter {
    /// A parameter whose body sees only known, non-null arguments without marks.
    pub(super) const fn new(name: &'static str, shape: Shape) -> Self {
        Parameter { name, shape, null: false, unknown: false, dynamic: false, marked: false }
    }

    pub(super) const fn any(name: &'static str) -> Self {
        Parameter::new(name, Shape::Any)
    }

    pub(super) const fn text(name: &'static str) -> Self {
        Parameter::new(name, Shape::String)
    }

    pub(super) const fn number(name: &'static str) -> Self {
        Parameter::new(name, Shape::Number)
    }

    /// The body takes null.
    pub(super) const fn null(mut self) -> Self {
        self.null = true;
        self
    }

    /// The body takes unknown values.
    pub(super) const fn unknown(mut self) -> Self {
        self.unknown = true;
        self
    }

    /// The body takes values whose type is not known; otherwise the result has no known type either.
    pub(super) const fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// The body takes marked values, and puts marks on its result itself.
    pub(super) const fn marked(mut self) -> Self {
        self.marked = true;
        self
    }
}

/// The type of a result.
#[derive(Clone, Copy)]
pub(super) enum Returns {
    /// Always the same.
    Fixed(Shape),
    /// It depends on the arguments, which may be unknown here.
    By(fn(&[Value]) -> Result<Type, FunctionError>),
}

/// One row of the table.
pub(super) struct Function {
    pub(super) name: &'static str,
    parameters: &'static [Parameter],
    variadic: Option<Parameter>,
    returns: Returns,
    nullable: bool,
    body: fn(&Call<'_>) -> Outcome,
}

impl Function {
    pub(super) const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        returns: Returns,
        body: fn(&Call<'_>) -> Outcome,
    ) -> Self {
        Function { name, parameters, variadic: None, returns, nullable: false, body }
    }

    /// Any number of further arguments.
    pub(super) const fn variadic(mut self, parameter: Parameter) -> Self {
        self.variadic = Some(parameter);
        self
    }

    /// The result may be null, so that an unknown result is not refined to "not null".
    pub(super) const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    fn parameter(&self, position: usize) -> Option<&Parameter> {
        self.parameters.get(position).or(self.variadic.as_ref())
    }

    fn check_count(&self, count: usize) -> Result<(), FunctionError> {
        let wanted = self.parameters.len();
        if count < wanted {
            let missing = self.parameters.get(count).map_or("", |parameter| parameter.name);
            let least = if self.variadic.is_some() { "at least " } else { "" };
            return Err(FunctionError::new(format!(
                "`{}` takes {least}{wanted} argument{}, got {count}: `{missing}` is missing",
                self.name,
                if wanted == 1 { "" } else { "s" },
            )));
        }
        if count > wanted && self.variadic.is_none() {
            return Err(FunctionError::at(
                wanted,
                format!("`{}` takes {wanted} argument{}, got {count}", self.name, if wanted == 1 { "" } else { "s" }),
            ));
        }
        Ok(())
    }

    /// Calls it, with everything around the body.
    pub(super) fn call(&self, arguments: &[Value], host: &dyn Host) -> Outcome {
        let hidden = arguments.iter().fold(Marks::NONE, |marks, argument| marks.union(argument.marks_deep()));
        self.call_shown(arguments, host).map_err(|error| {
            // Messages quote arguments, so none may be quoted when one of them is secret.
            if hidden.is_empty() {
                error
            } else {
                let message = format!("`{}` refuses this argument (it is sensitive, so there is no detail)", self.name);
                FunctionError { message, argument: error.argument }
            }
        })
    }

    fn call_shown(&self, arguments: &[Value], host: &dyn Host) -> Outcome {
        self.check_count(arguments.len())?;
        let mut marks = Marks::NONE;
        let mut untyped = false;
        let mut unknown = false;
        let mut prepared = Vec::with_capacity(arguments.len());
        for (position, argument) in arguments.iter().enumerate() {
            let Some(parameter) = self.parameter(position) else { continue };
            let value = match parameter.shape {
                Shape::Any => argument.clone(),
                shape => convert(argument, &shape.to_type())
                    .map_err(|error| FunctionError::at(position, format!("`{}`: {error}", parameter.name)))?,
            };
            if value.is_null() && !parameter.null {
                return Err(FunctionError::at(position, format!("`{}` must not be null", parameter.name)));
            }
            let value = if parameter.marked {
                value
            } else {
                let (value, own) = value.unmark_deep();
                marks = marks.union(own);
                value
            };
            untyped |= value.kind_is_dynamic() && !parameter.dynamic;
            unknown |= !value.is_known() && !parameter.unknown;
            // Marks of an argument that the body would have dealt with must outlive a short cut.
            prepared.push(value);
        }
        let all_marks = || prepared.iter().fold(marks, |marks, value| marks.union(value.marks()));
        if untyped {
            return Ok(Value::unknown(Type::Dynamic).with_marks(all_marks()));
        }
        let result = match self.returns {
            Returns::Fixed(shape) => shape.to_type(),
            Returns::By(rule) => rule(&prepared)?,
        };
        if unknown {
            return Ok(self.refined(Value::unknown(result)).with_marks(all_marks()));
        }
        let call = Call { arguments: prepared, result, host };
        let value = (self.body)(&call)?;
        Ok(self.refined(value).with_marks(marks))
    }

    /// An unknown result of a function that never returns null is refined to say so.
    fn refined(&self, value: Value) -> Value {
        if self.nullable {
            return value;
        }
        let (value, marks) = value.unmark();
        let value = match value.into_data() {
            Data::Unknown(kind, refinement) if kind != Type::Dynamic => {
                let mut refinement = refinement.map(|known| (*known).clone()).unwrap_or_default();
                refinement.not_null = true;
                Value::unknown_refined(kind, refinement)
            }
            data => data.into(),
        };
        value.with_marks(marks)
    }
}

/// Asks a value whether its type is not known.
pub(super) trait DynamicKind {
    /// Whether it is null or unknown, and of no known type.
    fn kind_is_dynamic(&self) -> bool;
}

impl DynamicKind for Value {
    fn kind_is_dynamic(&self) -> bool {
        matches!(self.data(), Data::Null(Type::Dynamic) | Data::Unknown(Type::Dynamic, _))
    }
}

/// One call: converted arguments, the type that the result will have, and the outside.
pub(super) struct Call<'a> {
    pub(super) arguments: Vec<Value>,
    pub(super) result: Type,
    pub(super) host: &'a dyn Host,
}

impl Call<'_> {
    /// One argument.
    pub(super) fn argument(&self, position: usize) -> Result<&Value, FunctionError> {
        self.arguments.get(position).ok_or_else(|| FunctionError::new("an argument is missing"))
    }

    /// One argument as text.
    pub(super) fn text(&self, position: usize) -> Result<&str, FunctionError> {
        self.argument(position)?.as_str().ok_or_else(|| FunctionError::at(position, "text is required"))
    }

    /// One argument as a number.
    pub(super) fn number(&self, position: usize) -> Result<&Number, FunctionError> {
        self.argument(position)?.as_number().ok_or_else(|| FunctionError::at(position, "a number is required"))
    }

    /// One argument as a whole number of 64 bits.
    pub(super) fn integer(&self, position: usize) -> Result<i64, FunctionError> {
        integer(self.argument(position)?).map_err(|error| FunctionError::at(position, error.message))
    }

    /// The elements of one argument, a list, set or tuple.
    pub(super) fn items(&self, position: usize) -> Result<&[Value], FunctionError> {
        self.argument(position)?
            .as_items()
            .ok_or_else(|| FunctionError::at(position, "a list, set or tuple is required"))
    }

    /// An unknown value of the result's type.
    pub(super) fn unknown(&self) -> Value {
        Value::unknown(self.result.clone())
    }

    /// The element type of the result, a collection.
    pub(super) fn element(&self) -> Type {
        self.result.element().cloned().unwrap_or(Type::Dynamic)
    }
}

/// A value as a whole number of 64 bits.
pub(super) fn integer(value: &Value) -> Result<i64, FunctionError> {
    value
        .as_number()
        .and_then(Number::as_i64)
        .ok_or_else(|| FunctionError::new("a whole number between -2^63 and 2^63-1 is required"))
}

/// An unknown text that is known to begin with `prefix`.
pub(super) fn unknown_text(prefix: &str) -> Value {
    Value::unknown_refined(
        Type::String,
        Refinement { not_null: true, prefix: Some(prefix.into()), ..Refinement::default() },
    )
}

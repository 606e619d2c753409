//! `condition ? a : b`.

use retrue_provider_api::{Data, Refinement, Type, Value, convert, unify};

use super::error::{EvalError, codes};
use super::evaluate::{Errors, Evaluator, unknown};
use super::tree::Expression;
use crate::span::Span;

impl Evaluator<'_> {
    /// Both sides are evaluated, because the type of the result is the one that both can have; but
    /// what is wrong with the side that is not taken is not reported.
    pub(super) fn conditional(
        &self,
        condition: &Expression,
        when_true: &Expression,
        when_false: &Expression,
        errors: &mut Errors,
    ) -> Value {
        let (mut errors_true, mut errors_false) = (Vec::new(), Vec::new());
        let on_true = self.value(when_true, &mut errors_true);
        let on_false = self.value(when_false, &mut errors_false);
        // A plain `null` takes the type of the other side, whatever it is.
        let has_null = is_plain_null(&on_true) || is_plain_null(&on_false);
        let unified = if has_null { None } else { common_type(&on_true.kind(), &on_false.kind()) };
        if !has_null && unified.is_none() {
            let difference = describe_difference(&on_true.kind(), &on_false.kind());
            let message = format!("the two results have no type in common: {difference}");
            let span = Span { end: when_false.span().end, ..when_true.span() };
            errors.push(EvalError::new(codes::INCONSISTENT_TYPES, message, span));
            return unknown();
        }
        let kind = || match &unified {
            Some(kind) => kind.clone(),
            None if is_plain_null(&on_true) => on_false.kind(),
            None => on_true.kind(),
        };
        let before = errors.len();
        let chosen = self.value(condition, errors);
        if errors.len() > before {
            return Value::unknown(kind());
        }
        if chosen.is_null() {
            let message = "the condition is null, neither true nor false";
            errors.push(EvalError::new(codes::CONDITION, message, condition.span()));
            return Value::unknown(kind());
        }
        // Which side was taken tells something of the condition, and a side that is secret in one
        // case is kept secret in the other.
        let marks = chosen.marks().union(on_true.marks()).union(on_false.marks());
        let chosen = match convert(&chosen, &Type::Bool) {
            Ok(chosen) => chosen,
            Err(error) => {
                let message = format!("the condition is neither true nor false: {error}");
                errors.push(EvalError::new(codes::CONDITION, message, condition.span()));
                return Value::unknown(kind());
            }
        };
        let (taken, expression, found) = match chosen.as_bool() {
            Some(true) => (&on_true, when_true, errors_true),
            Some(false) => (&on_false, when_false, errors_false),
            None => return either(kind(), &on_true, &on_false).with_marks(marks),
        };
        errors.extend(found);
        let result = match &unified {
            Some(kind) => convert(taken, kind),
            None if taken.is_null() => Ok(Value::null(kind())),
            None => Ok(taken.clone()),
        };
        match result {
            Ok(value) => value.with_marks(marks),
            Err(error) => {
                let message = format!("this result does not fit the other one: {error}");
                errors.push(EvalError::new(codes::INCONSISTENT_TYPES, message, expression.span()));
                Value::unknown(kind())
            }
        }
    }
}

fn is_plain_null(value: &Value) -> bool {
    matches!(value.data(), Data::Null(Type::Dynamic))
}

/// The type that both results are converted to. `Dynamic`: each stays as it is.
fn common_type(on_true: &Type, on_false: &Type) -> Option<Type> {
    if *on_true == Type::Dynamic || *on_false == Type::Dynamic {
        return Some(Type::Dynamic);
    }
    unify(&[on_true.clone(), on_false.clone()])
}

/// The result while the condition is unknown: what holds whichever it will be.
fn either(kind: Type, on_true: &Value, on_false: &Value) -> Value {
    if on_true.is_null() && on_false.is_null() {
        return Value::null(kind);
    }
    let not_null = |value: &Value| match value.data() {
        Data::Null(_) => false,
        Data::Unknown(_, known) => known.as_deref().is_some_and(|known| known.not_null),
        _ => true,
    };
    let mut refinement = Refinement { not_null: not_null(on_true) && not_null(on_false), ..Refinement::default() };
    match (on_true.data(), on_false.data()) {
        (Data::Number(a), Data::Number(b)) => {
            refinement.minimum = Some((a.min(b).clone(), true));
            refinement.maximum = Some((a.max(b).clone(), true));
        }
        (Data::List(_, a) | Data::Set(_, a), Data::List(_, b) | Data::Set(_, b))
            if on_true.kind() == on_false.kind() =>
        {
            (refinement.minimum_length, refinement.maximum_length) = lengths(a.len(), b.len());
        }
        (Data::Map(_, a), Data::Map(_, b)) if on_true.kind() == on_false.kind() => {
            (refinement.minimum_length, refinement.maximum_length) = lengths(a.len(), b.len());
        }
        _ => {}
    }
    Value::refined(kind, refinement)
}

fn lengths(a: usize, b: usize) -> (Option<u64>, Option<u64>) {
    (u64::try_from(a.min(b)).ok(), u64::try_from(a.max(b)).ok())
}

fn describe_difference(on_true: &Type, on_false: &Type) -> String {
    match (on_true, on_false) {
        (Type::Object(a), Type::Object(b)) => {
            for (name, kind) in &a.attributes {
                match b.attributes.get(name) {
                    None => return format!("only the first has the attribute `{name}`"),
                    Some(other) if other != kind => {
                        return format!("attribute `{name}`: {}", describe_difference(kind, other));
                    }
                    Some(_) => {}
                }
            }
            match b.attributes.keys().find(|name| !a.attributes.contains_key(*name)) {
                Some(name) => format!("only the second has the attribute `{name}`"),
                None => "they differ deep inside".into(),
            }
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() != b.len() => {
            format!("one has {} elements, the other {}", a.len(), b.len())
        }
        (Type::Tuple(a), Type::Tuple(b)) => match a.iter().zip(b.iter()).position(|(a, b)| a != b) {
            Some(index) => match (a.get(index), b.get(index)) {
                (Some(a), Some(b)) => format!("element {index}: {}", describe_difference(a, b)),
                _ => "they differ deep inside".into(),
            },
            None => "they differ deep inside".into(),
        },
        _ => format!("one is {on_true}, the other {on_false}"),
    }
}

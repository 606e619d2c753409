//! Operators.

use std::cmp::Ordering;

use retrue_provider_api::{Data, Number, NumberError, Refinement, Type, Value, convert};

use super::equality::equal;
use super::error::{EvalError, codes};
use super::evaluate::{Errors, Evaluator};
use super::tree::{BinaryOperator, Expression, UnaryOperator};
use crate::span::Span;

impl Evaluator<'_> {
    pub(super) fn unary(
        &self,
        operator: UnaryOperator,
        operand: &Expression,
        span: Span,
        errors: &mut Errors,
    ) -> Value {
        let (name, kind) = match operator {
            UnaryOperator::Neg => ("-", Type::Number),
            UnaryOperator::Not => ("!", Type::Bool),
        };
        let before = errors.len();
        let value = self.operand(operand, &kind, name, errors);
        if errors.len() > before {
            return Value::unknown(kind);
        }
        let marks = value.marks();
        let result = match value.data() {
            Data::Number(number) => Value::from(number.neg()),
            Data::Bool(truth) => Value::from(!truth),
            Data::Null(_) => {
                errors.push(null_operand(name, span));
                Value::unknown(kind)
            }
            _ => not_null(kind),
        };
        result.with_marks(marks)
    }

    pub(super) fn binary(
        &self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
        errors: &mut Errors,
    ) -> Value {
        let (operands, result) = match operator {
            BinaryOperator::Eq | BinaryOperator::NotEq => (Type::Dynamic, Type::Bool),
            BinaryOperator::And | BinaryOperator::Or => (Type::Bool, Type::Bool),
            BinaryOperator::Less | BinaryOperator::LessEq | BinaryOperator::Greater | BinaryOperator::GreaterEq => {
                (Type::Number, Type::Bool)
            }
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Mul
            | BinaryOperator::Div
            | BinaryOperator::Mod => (Type::Number, Type::Number),
        };
        let before = errors.len();
        let left = self.operand(left, &operands, operator.as_str(), errors);
        let right = self.operand(right, &operands, operator.as_str(), errors);
        if errors.len() > before {
            return Value::unknown(result);
        }
        if matches!(operator, BinaryOperator::Eq | BinaryOperator::NotEq) {
            let marks = left.marks_deep().union(right.marks_deep());
            let value = match equal(&left, &right) {
                Some(same) => Value::from(same == (operator == BinaryOperator::Eq)),
                None => not_null(Type::Bool),
            };
            return value.with_marks(marks);
        }
        let marks = left.marks().union(right.marks());
        if left.is_null() || right.is_null() {
            errors.push(null_operand(operator.as_str(), span));
            return Value::unknown(result);
        }
        let value = match (left.data(), right.data()) {
            (Data::Bool(a), Data::Bool(b)) => {
                Value::from(if operator == BinaryOperator::And { *a && *b } else { *a || *b })
            }
            (Data::Number(a), Data::Number(b)) if result == Type::Number => match arithmetic(operator, a, b) {
                Ok(number) => Value::from(number),
                Err(error) => {
                    errors.push(EvalError::new(codes::OPERATION, format!("`{operator}`: {error}"), span));
                    Value::unknown(result)
                }
            },
            _ if result == Type::Bool && operands == Type::Number => match compare(operator, &left, &right) {
                Some(truth) => Value::from(truth),
                None => not_null(Type::Bool),
            },
            _ => not_null(result),
        };
        value.with_marks(marks)
    }

    fn operand(&self, operand: &Expression, kind: &Type, operator: &str, errors: &mut Errors) -> Value {
        let before = errors.len();
        let value = self.value(operand, errors);
        if errors.len() > before {
            return Value::unknown(kind.clone());
        }
        convert(&value, kind).unwrap_or_else(|error| {
            let message = format!("this cannot be an operand of `{operator}`: {error}");
            errors.push(EvalError::new(codes::OPERAND, message, operand.span()));
            Value::unknown(kind.clone())
        })
    }
}

/// An unknown result of an operation: it is never null.
fn not_null(kind: Type) -> Value {
    Value::unknown_refined(kind, Refinement { not_null: true, ..Refinement::default() })
}

fn null_operand(operator: &str, span: Span) -> EvalError {
    EvalError::new(codes::OPERATION, format!("an operand of `{operator}` is null"), span)
        .hint("`coalesce(…, 0)` gives a value for null")
}

fn arithmetic(operator: BinaryOperator, a: &Number, b: &Number) -> Result<Number, NumberError> {
    match operator {
        BinaryOperator::Minus => a.sub(b),
        BinaryOperator::Mul => a.mul(b),
        BinaryOperator::Div => a.div(b),
        BinaryOperator::Mod => {
            if b.is_zero() {
                return Err(NumberError::DivisionByZero);
            }
            a.rem(b)
        }
        _ => a.add(b),
    }
}

/// The result of a comparison, where it can be told.
fn compare(operator: BinaryOperator, left: &Value, right: &Value) -> Option<bool> {
    if let (Data::Number(a), Data::Number(b)) = (left.data(), right.data()) {
        let order = a.cmp(b);
        return Some(match operator {
            BinaryOperator::Less => order == Ordering::Less,
            BinaryOperator::LessEq => order != Ordering::Greater,
            BinaryOperator::Greater => order == Ordering::Greater,
            _ => order != Ordering::Less,
        });
    }
    match operator {
        BinaryOperator::Less => less(left, right),
        BinaryOperator::Greater => less(right, left),
        BinaryOperator::LessEq => less(right, left).map(|greater| !greater),
        _ => less(left, right).map(|less| !less),
    }
}

/// Whether `a < b`, by the ranges in which both are known to be.
fn less(a: &Value, b: &Value) -> Option<bool> {
    let (lowest_a, highest_a) = range(a);
    let (lowest_b, highest_b) = range(b);
    if let (Some((highest, _)), Some((lowest, _))) = (&highest_a, &lowest_b)
        && highest < lowest
    {
        return Some(true);
    }
    if let (Some((lowest, _)), Some((highest, _))) = (&lowest_a, &highest_b)
        && lowest > highest
    {
        return Some(false);
    }
    None
}

type Bound = Option<(Number, bool)>;

fn range(value: &Value) -> (Bound, Bound) {
    match value.data() {
        Data::Number(number) => (Some((number.clone(), true)), Some((number.clone(), true))),
        Data::Unknown(_, Some(known)) => (known.minimum.clone(), known.maximum.clone()),
        _ => (None, None),
    }
}

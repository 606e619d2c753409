//! Values of which something is known.

use crate::types::Type;
use crate::value::{Refinement, Value};

/// Elements up to which a list of known length is written out.
const MAX_LENGTH: u64 = 4096;

impl Value {
    /// Unknown of a type, unless what is known about it leaves one possibility: a number between
    /// equal bounds is that number, a list of known length has that many unknown elements.
    ///
    /// For what a provider sent, [`Value::unknown_refined`] keeps it as it is.
    pub fn refined(kind: Type, known: Refinement) -> Value {
        if !known.not_null || known.opaque.is_some() {
            return Value::unknown_refined(kind, known);
        }
        let length = known.minimum_length.filter(|length| known.maximum_length == Some(*length));
        match (&kind, length) {
            (Type::List(element), Some(length)) if length <= MAX_LENGTH => {
                Value::list(element.as_ref().clone(), (0..length).map(|_| Value::unknown(element.as_ref().clone())))
            }
            (Type::Set(element), Some(length @ (0 | 1))) => {
                Value::set(element.as_ref().clone(), (0..length).map(|_| Value::unknown(element.as_ref().clone())))
            }
            (Type::Map(element), Some(0)) => Value::map::<&str>(element.as_ref().clone(), []),
            (Type::Number, _) => match (&known.minimum, &known.maximum) {
                (Some((minimum, true)), Some((maximum, true))) if minimum == maximum => Value::from(minimum.clone()),
                _ => Value::unknown_refined(kind, known),
            },
            _ => Value::unknown_refined(kind, known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_possibility_is_known() {
        let list = Type::list(Type::String);
        let two =
            Refinement { not_null: true, minimum_length: Some(2), maximum_length: Some(2), ..Refinement::default() };
        let unknown = || Value::unknown(Type::String);
        assert_eq!(Value::refined(list.clone(), two.clone()), Value::list(Type::String, [unknown(), unknown()]));
        let perhaps_null = Refinement { not_null: false, ..two.clone() };
        assert!(!Value::refined(list, perhaps_null).is_known());
        assert!(!Value::refined(Type::set(Type::String), two).is_known());
        let bound = || Some((7i64.into(), true));
        let seven = Refinement { not_null: true, minimum: bound(), maximum: bound(), ..Refinement::default() };
        assert_eq!(Value::refined(Type::Number, seven), Value::from(7i64));
    }
}

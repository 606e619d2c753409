//! Attributes, indexes and splats.

use std::sync::Arc;

use retrue_provider_api::{Data, Number, Refinement, Type, Value, convert};

use super::error::{EvalError, codes, nearest};
use super::evaluate::{Errors, Evaluator, Frame, Names, unknown};
use super::tree::Expression;
use crate::span::Span;

/// The attribute of an object, or the element of a map.
pub(super) fn attribute(of: &Value, name: &str, span: Span) -> Result<Value, EvalError> {
    let missing = |message: String| EvalError::new(codes::NO_SUCH_ATTRIBUTE, message, span);
    let marks = of.marks();
    let found = match of.data() {
        Data::Null(_) => return Err(missing(format!("this value is null, so it has no attribute `{name}`"))),
        Data::Object(attributes) => attributes.get(name).cloned().ok_or_else(|| {
            missing(format!("this object has no attribute `{name}`"))
                .maybe_hint(near(name, attributes.keys().map(AsRef::as_ref)))
        })?,
        Data::Map(_, entries) => entries.get(name).cloned().ok_or_else(|| {
            missing(format!("this map has no element with the key `{name}`"))
                .maybe_hint(near(name, entries.keys().map(AsRef::as_ref)))
        })?,
        Data::Unknown(kind, _) => match kind {
            Type::Dynamic => unknown(),
            Type::Map(element) => Value::unknown(element.as_ref().clone()),
            Type::Object(object) => match object.attributes.get(name) {
                Some(kind) => Value::unknown(kind.clone()),
                None => {
                    return Err(missing(format!("this object has no attribute `{name}`"))
                        .maybe_hint(near(name, object.attributes.keys().map(AsRef::as_ref))));
                }
            },
            other => return Err(no_attributes(other, name, span)),
        },
        _ => return Err(no_attributes(&of.kind(), name, span)),
    };
    Ok(found.with_marks(marks))
}

fn near<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}

fn no_attributes(kind: &Type, name: &str, span: Span) -> EvalError {
    let message = format!("a {} has no attributes, so it has no `{name}`", kind.friendly_name());
    let error = EvalError::new(codes::NO_SUCH_ATTRIBUTE, message, span);
    match kind {
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => {
            error.hint(format!("`[0].{name}` is that of one element, `[*].{name}` that of all"))
        }
        _ => error,
    }
}

/// The element at an index or key.
pub(super) fn index(of: &Value, key: &Value, span: Span) -> Result<Value, EvalError> {
    let wrong = |message: String| EvalError::new(codes::INVALID_INDEX, message, span);
    if of.is_null() {
        return Err(wrong("this value is null, so it has no elements".into()));
    }
    if key.is_null() {
        return Err(wrong("a null value cannot be an index".into()));
    }
    let marks = of.marks().union(key.marks());
    let kind = of.kind();
    let wanted = match &kind {
        Type::Dynamic => return Ok(unknown().with_marks(marks)),
        Type::List(_) | Type::Tuple(_) => Type::Number,
        Type::Map(_) | Type::Object(_) => Type::String,
        Type::Set(_) => {
            return Err(wrong("the elements of a set have no index".into())
                .hint("`tolist(…)` gives them one, `for` goes through them"));
        }
        other => return Err(wrong(format!("a {} has no elements", other.friendly_name()))),
    };
    let key = convert(key, &wanted).map_err(|error| wrong(format!("this index is not possible here: {error}")))?;
    let open = || Value::unknown(kind.element().cloned().unwrap_or(Type::Dynamic));
    let found = match (of.data(), key.data()) {
        (_, Data::Unknown(..)) => open(),
        (Data::List(_, items) | Data::Tuple(items), Data::Number(number)) => {
            let position = number.as_u64().and_then(|position| usize::try_from(position).ok());
            match position.and_then(|position| items.get(position)) {
                Some(item) => item.clone(),
                None => return Err(wrong(no_such_index(number, items.len()))),
            }
        }
        (Data::Map(_, entries) | Data::Object(entries), Data::String(name)) => match entries.get(name) {
            Some(entry) => entry.clone(),
            None => {
                return Err(wrong(format!("there is no element with the key `{name}`"))
                    .maybe_hint(near(name, entries.keys().map(AsRef::as_ref))));
            }
        },
        (Data::Unknown(Type::Tuple(kinds), _), Data::Number(number)) => {
            let position = number.as_u64().and_then(|position| usize::try_from(position).ok());
            match position.and_then(|position| kinds.get(position)) {
                Some(kind) => Value::unknown(kind.clone()),
                None => return Err(wrong(no_such_index(number, kinds.len()))),
            }
        }
        (Data::Unknown(Type::Object(object), _), Data::String(name)) => match object.attributes.get(name) {
            Some(kind) => Value::unknown(kind.clone()),
            None => return Err(wrong(format!("there is no element with the key `{name}`"))),
        },
        _ => open(),
    };
    Ok(found.with_marks(marks))
}

fn no_such_index(number: &Number, length: usize) -> String {
    if length == 0 {
        "there is no such element: there are none".into()
    } else if number.is_negative() {
        "an index cannot be negative".into()
    } else if !number.is_integer() {
        "an index is a whole number".into()
    } else {
        format!("there is no element {number}: the last of {length} is {}", length.saturating_sub(1))
    }
}

impl Evaluator<'_> {
    pub(super) fn splat(&self, of: &Expression, each: &Expression, errors: &mut Errors) -> Value {
        let before = errors.len();
        let source = self.value(of, errors);
        if errors.len() > before {
            return unknown();
        }
        let marks = source.marks();
        let kind = source.kind();
        let is_sequence = matches!(kind, Type::List(_) | Type::Set(_) | Type::Tuple(_));
        if source.is_null() {
            // What is no sequence counts as one of one element, or of none when it is null.
            if !is_sequence {
                return Value::tuple([]).with_marks(marks);
            }
            let message = format!("this {} is null, so it has no elements for a splat", kind.friendly_name());
            errors.push(EvalError::new(codes::SPLAT, message, of.span()));
            return unknown();
        }
        if kind == Type::Dynamic {
            return unknown().with_marks(marks);
        }
        let (items, kind): (Arc<[Value]>, Type) = match source.data() {
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => (Arc::clone(items), kind),
            Data::Unknown(_, known) if is_sequence => {
                let length = known.as_deref().map(|known| (known.minimum_length, known.maximum_length));
                return self.splat_of_unknown(&kind, length, each, errors).with_marks(marks);
            }
            Data::Unknown(_, known) if !known.as_deref().is_some_and(|known| known.not_null) => {
                // None or one element, depending on whether it turns out to be null.
                self.splat_item(&source, each, errors);
                return unknown().with_marks(marks);
            }
            _ => ([source.clone()].into(), Type::tuple([kind])),
        };
        let whole = items.iter().map(|item| self.splat_item(item, each, errors)).collect::<Vec<_>>();
        let result = match &kind {
            Type::List(element) | Type::Set(element) => {
                let element = match whole.first() {
                    Some(first) => first.kind(),
                    None => self.splat_item(&Value::unknown(element.as_ref().clone()), each, errors).kind(),
                };
                Value::list(element, whole)
            }
            _ => Value::tuple(whole),
        };
        result.with_marks(marks)
    }

    fn splat_item(&self, item: &Value, each: &Expression, errors: &mut Errors) -> Value {
        let frame = Frame { parent: self.frame, names: Names::Item(item) };
        self.with(&frame).value(each, errors)
    }

    /// The result over a sequence that is not known: its type, and what is known of its length.
    fn splat_of_unknown(
        &self,
        kind: &Type,
        length: Option<(Option<u64>, Option<u64>)>,
        each: &Expression,
        errors: &mut Errors,
    ) -> Value {
        let mut result_of = |kind: &Type| self.splat_item(&Value::unknown(kind.clone()), each, errors).kind();
        let mut refinement = Refinement { not_null: true, ..Refinement::default() };
        match kind {
            Type::Tuple(kinds) => {
                let kinds: Vec<Type> = kinds.iter().map(&mut result_of).collect();
                Value::unknown_refined(Type::tuple(kinds), refinement)
            }
            other => {
                let element = result_of(other.element().unwrap_or(&Type::Dynamic));
                (refinement.minimum_length, refinement.maximum_length) = length.unwrap_or_default();
                Value::unknown_refined(Type::list(element), refinement)
            }
        }
    }
}

//! Attributes, indexes and splats.

use std::sync::Arc;

use retrue_provider_api::{Data, Marks, Number, Refinement, Type, Value, convert};

use super::error::{EvalError, codes, nearest};
use super::evaluate::{Errors, Evaluator, Frame, Names, unknown};
use super::tree::Expression;
use crate::span::Span;

/// The attribute of an object, or the element of a map.
pub(super) fn attribute(of: &Value, name: &str, span: Span) -> Result<Value, EvalError> {
    let missing = |what: &str| EvalError::new(codes::NO_SUCH_ATTRIBUTE, format!("{what} `{name}`"), span);
    let marks = of.marks();
    let found = match of.data() {
        Data::Null(_) => return Err(missing("this value is null, so it has no attribute")),
        Data::Object(entries) => entries
            .get(name)
            .cloned()
            .ok_or_else(|| missing("this object has no attribute").maybe_hint(near(name, entries.keys(), marks)))?,
        Data::Map(_, entries) => entries.get(name).cloned().ok_or_else(|| {
            missing("this map has no element with the key").maybe_hint(near(name, entries.keys(), marks))
        })?,
        Data::Unknown(Type::Dynamic, _) => unknown(),
        Data::Unknown(Type::Map(element), _) => Value::unknown(element.as_ref().clone()),
        Data::Unknown(Type::Object(object), _) => match object.attributes.get(name) {
            Some(kind) => Value::unknown(kind.clone()),
            None => {
                return Err(missing("this object has no attribute").maybe_hint(near(
                    name,
                    object.attributes.keys(),
                    marks,
                )));
            }
        },
        _ => {
            let kind = of.kind();
            let error = missing(&format!("a {} has no attributes, so it has no", kind.friendly_name()));
            return Err(match kind {
                Type::List(_) | Type::Set(_) | Type::Tuple(_) => {
                    error.hint(format!("`[0].{name}` is that of one element, `[*].{name}` that of all"))
                }
                _ => error,
            });
        }
    };
    Ok(found.with_marks(marks))
}

/// The nearest name; the names of what is marked are not told.
fn near<'n>(name: &str, known: impl IntoIterator<Item = &'n Arc<str>>, marks: Marks) -> Option<String> {
    if !marks.is_empty() {
        return None;
    }
    nearest(name, known.into_iter().map(AsRef::as_ref)).map(|near| format!("did you mean `{near}`?"))
}

/// The element at an index or key.
pub(super) fn index(of: &Value, key: &Value, span: Span) -> Result<Value, EvalError> {
    let wrong = |message: String| EvalError::new(codes::INVALID_INDEX, message, span);
    if key.is_null() && !of.is_null() {
        return Err(wrong("a null value cannot be an index".into()));
    }
    let marks = of.marks().union(key.marks());
    let position = || {
        let key = convert(key, &Type::Number).map_err(|error| wrong(format!("this is no index here: {error}")))?;
        Ok(key.as_number().cloned())
    };
    let name = || {
        let key = convert(key, &Type::String).map_err(|error| wrong(format!("this is no key here: {error}")))?;
        Ok(key.as_str().map(Arc::<str>::from))
    };
    let no_position = |number: &Number, length: usize| wrong(no_such_index(number, length, marks));
    let no_key = |name: &str, known: &mut dyn Iterator<Item = &Arc<str>>| {
        let shown = if marks.is_empty() { format!(" `{name}`") } else { String::new() };
        wrong(format!("there is no element with the key{shown}")).maybe_hint(near(name, known, marks))
    };
    let found = match of.data() {
        Data::Null(_) => return Err(wrong("this value is null, so it has no elements".into())),
        Data::Unknown(Type::Dynamic, _) => unknown(),
        Data::List(kind, items) => match position()? {
            Some(number) => at(items, &number).cloned().ok_or_else(|| no_position(&number, items.len()))?,
            None => Value::unknown(kind.clone()),
        },
        Data::Tuple(items) => match position()? {
            Some(number) => at(items, &number).cloned().ok_or_else(|| no_position(&number, items.len()))?,
            None => unknown(),
        },
        Data::Map(kind, entries) => match name()? {
            Some(name) => entries.get(&name).cloned().ok_or_else(|| no_key(&name, &mut entries.keys()))?,
            None => Value::unknown(kind.clone()),
        },
        Data::Object(entries) => match name()? {
            Some(name) => entries.get(&name).cloned().ok_or_else(|| no_key(&name, &mut entries.keys()))?,
            None => unknown(),
        },
        Data::Unknown(Type::List(element), _) => position().map(|_| Value::unknown(element.as_ref().clone()))?,
        Data::Unknown(Type::Map(element), _) => name().map(|_| Value::unknown(element.as_ref().clone()))?,
        Data::Unknown(Type::Tuple(kinds), _) => match position()? {
            Some(number) => {
                let kind = at(kinds, &number).ok_or_else(|| no_position(&number, kinds.len()))?;
                Value::unknown(kind.clone())
            }
            None => unknown(),
        },
        Data::Unknown(Type::Object(object), _) => match name()? {
            Some(name) => {
                let kind = object.attributes.get(&name);
                Value::unknown(kind.ok_or_else(|| no_key(&name, &mut object.attributes.keys()))?.clone())
            }
            None => unknown(),
        },
        Data::Set(..) | Data::Unknown(Type::Set(_), _) => {
            return Err(wrong("the elements of a set have no index".into())
                .hint("`tolist(…)` gives them one, `for` goes through them"));
        }
        Data::Bool(_) | Data::Number(_) | Data::String(_) | Data::Unknown(..) => {
            return Err(wrong(format!("a {} has no elements", of.kind().friendly_name())));
        }
    };
    Ok(found.with_marks(marks))
}

fn at<'i, T>(items: &'i [T], number: &Number) -> Option<&'i T> {
    items.get(usize::try_from(number.as_u64()?).ok()?)
}

fn no_such_index(number: &Number, length: usize, marks: Marks) -> String {
    if length == 0 {
        "there is no such element: there are none".into()
    } else if !marks.is_empty() {
        "there is no element at this index".into()
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
        let is_sequence = |kind: &Type| matches!(kind, Type::List(_) | Type::Set(_) | Type::Tuple(_));
        let mut each_of =
            |items: &[Value]| -> Vec<Value> { items.iter().map(|item| self.splat_item(item, each, errors)).collect() };
        let result = match source.data() {
            Data::List(element, items) | Data::Set(element, items) => {
                let items = each_of(items);
                let element = match items.first() {
                    Some(first) => first.kind(),
                    None => self.splat_item(&Value::unknown(element.clone()), each, errors).kind(),
                };
                Value::list(element, items)
            }
            Data::Tuple(items) => Value::tuple(each_of(items)),
            Data::Null(kind) if is_sequence(kind) => {
                let message = format!("this {} is null, so it has no elements for a splat", kind.friendly_name());
                errors.push(EvalError::new(codes::SPLAT, message, of.span()));
                return unknown();
            }
            // What is no sequence counts as one of one element, or of none when it is null.
            Data::Null(_) => Value::tuple([]),
            Data::Unknown(Type::Dynamic, _) => unknown(),
            Data::Unknown(kind, known) if is_sequence(kind) => {
                let length = known.as_deref().map(|known| (known.minimum_length, known.maximum_length));
                self.splat_of_unknown(kind, length, each, errors)
            }
            Data::Unknown(_, known) if !known.as_deref().is_some_and(|known| known.not_null) => {
                // It may turn out to be null; but what is wrong with the steps can be told now.
                each_of(std::slice::from_ref(&source));
                unknown()
            }
            _ => Value::tuple(each_of(std::slice::from_ref(&source))),
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
                Value::refined(Type::list(element), refinement)
            }
        }
    }
}

//! `for` expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, Marks, Type, Value, convert};

use super::error::{EvalError, codes};
use super::evaluate::{Errors, Evaluator, Frame, Names, unknown};
use super::tree::{Expression, ForLoop};
use crate::span::Span;

impl Evaluator<'_> {
    pub(super) fn for_expression(&self, each: &ForLoop, errors: &mut Errors) -> Value {
        let before = errors.len();
        let collection = self.value(&each.collection, errors);
        if errors.len() > before {
            return unknown();
        }
        let mut marks = collection.marks();
        if matches!(collection.data(), Data::Unknown(Type::Dynamic, _)) {
            return unknown().with_marks(marks);
        }
        let elements = match elements(&collection, each.collection.span()) {
            Ok(elements) => elements,
            Err(error) => {
                errors.push(error);
                return unknown();
            }
        };
        // A condition that is wrong whatever the elements are is told of even if there are none.
        if let Some(condition) = &each.condition
            && !self.condition_is_possible(each, condition, errors)
        {
            return unknown();
        }
        let Some(elements) = elements else { return unknown().with_marks(marks) };
        let mut sink = Sink::new(each);
        let mut known = true;
        for (key, value) in elements {
            let bound = self.bindings(each, key, value);
            let frame = Frame { parent: self.frame, names: Names::Loop(&bound) };
            let inside = self.with(&frame);
            if let Some(condition) = &each.condition {
                let before = errors.len();
                let included = inside.value(condition, errors);
                if errors.len() > before {
                    known = false;
                    continue;
                }
                match truth(&included, condition.span()) {
                    Ok(Some((truth, of_condition))) => {
                        marks = marks.union(of_condition);
                        if !truth {
                            continue;
                        }
                    }
                    Ok(None) => {
                        marks = marks.union(included.marks());
                        known = false;
                        continue;
                    }
                    Err(error) => {
                        // Once something is unknown, what is wrong may only be a consequence.
                        if known {
                            errors.push(error);
                        }
                        known = false;
                        continue;
                    }
                }
            }
            known = sink.add(&inside, each, &mut marks, known, errors) && known;
        }
        if known { sink.finish().with_marks(marks) } else { unknown().with_marks(marks) }
    }

    fn condition_is_possible(&self, each: &ForLoop, condition: &Expression, errors: &mut Errors) -> bool {
        let before = errors.len();
        let bound = self.bindings(each, unknown(), unknown());
        let frame = Frame { parent: self.frame, names: Names::Loop(&bound) };
        let value = self.with(&frame).value(condition, errors);
        if errors.len() == before
            && let Err(error) = truth(&value, condition.span())
        {
            errors.push(error);
        }
        errors.len() == before
    }

    fn bindings<'l>(&self, each: &'l ForLoop, key: Value, value: Value) -> Vec<(&'l str, Value)> {
        match &each.key_name {
            Some(name) => vec![(name, key), (&each.value_name, value)],
            None => vec![(&each.value_name, value)],
        }
    }
}

/// The keys and elements of a collection; `None` where they are not known.
fn elements(collection: &Value, span: Span) -> Result<Option<Vec<(Value, Value)>>, EvalError> {
    let wrong = |message: String| Err(EvalError::new(codes::NOT_ITERABLE, message, span));
    Ok(Some(match collection.data() {
        Data::Null(_) => return wrong("`for` cannot go through a null value".into()),
        Data::List(_, items) | Data::Tuple(items) => {
            items.iter().enumerate().map(|(index, item)| (Value::from(index), item.clone())).collect()
        }
        // In a set, the element is its own key.
        Data::Set(_, items) => items.iter().map(|item| (item.clone(), item.clone())).collect(),
        Data::Map(_, entries) | Data::Object(entries) => {
            entries.iter().map(|(key, item)| (Value::from(Data::String(Arc::clone(key))), item.clone())).collect()
        }
        Data::Unknown(kind, _) if kind.is_composite() => return Ok(None),
        _ => return wrong(format!("`for` cannot go through a {}", collection.kind().friendly_name())),
    }))
}

/// The truth of a condition with its marks; `None` where it is not known.
fn truth(value: &Value, span: Span) -> Result<Option<(bool, Marks)>, EvalError> {
    if value.is_null() {
        return Err(EvalError::new(codes::CONDITION, "the condition of `if` is null", span));
    }
    let value = convert(value, &Type::Bool).map_err(|error| {
        EvalError::new(codes::CONDITION, format!("the condition of `if` is no bool: {error}"), span)
    })?;
    Ok(value.as_bool().map(|truth| (truth, value.marks())))
}

/// Where the results of the rounds go.
enum Sink {
    Tuple(Vec<Value>),
    Object(BTreeMap<Arc<str>, Value>),
    Groups(BTreeMap<Arc<str>, Vec<Value>>),
}

impl Sink {
    fn new(each: &ForLoop) -> Self {
        match (&each.key, each.group) {
            (None, _) => Sink::Tuple(Vec::new()),
            (Some(_), false) => Sink::Object(BTreeMap::new()),
            (Some(_), true) => Sink::Groups(BTreeMap::new()),
        }
    }

    /// Evaluates one round; `false` when the result as a whole cannot be known. `known` is whether
    /// it could so far.
    fn add(
        &mut self,
        inside: &Evaluator<'_>,
        each: &ForLoop,
        marks: &mut Marks,
        known: bool,
        errors: &mut Errors,
    ) -> bool {
        let Some(key_expression) = &each.key else {
            let value = inside.value(&each.value, errors);
            if let Sink::Tuple(items) = self {
                items.push(value);
            }
            return true;
        };
        let before = errors.len();
        let key = inside.value(key_expression, errors);
        if errors.len() > before {
            return false;
        }
        *marks = marks.union(key.marks());
        let key = match key_text(key, key_expression.span()) {
            Ok(Some(key)) => key,
            Ok(None) => return false,
            Err(error) => {
                if known {
                    errors.push(error);
                }
                return false;
            }
        };
        let value = inside.value(&each.value, errors);
        match self {
            Sink::Object(entries) => {
                if entries.contains_key(&key) {
                    let message = "two elements have the same key in this `for` expression".to_owned();
                    // A key that is marked is not shown.
                    let message = if marks.is_empty() { format!("{message}: `{key}`") } else { message };
                    errors.push(
                        EvalError::new(codes::FOR_KEY, message, key_expression.span())
                            .hint("`...` behind the value makes a list of all values of a key"),
                    );
                    return false;
                }
                entries.insert(key, value);
            }
            Sink::Groups(groups) => groups.entry(key).or_default().push(value),
            Sink::Tuple(_) => {}
        }
        true
    }

    fn finish(self) -> Value {
        match self {
            Sink::Tuple(items) => Value::tuple(items),
            Sink::Object(entries) => Value::object(entries),
            Sink::Groups(groups) => Value::object(groups.into_iter().map(|(key, items)| (key, Value::tuple(items)))),
        }
    }
}

/// The text of a key; `None` where it is not known.
fn key_text(key: Value, span: Span) -> Result<Option<Arc<str>>, EvalError> {
    if key.is_null() {
        return Err(EvalError::new(codes::FOR_KEY, "a key of a `for` expression is null", span));
    }
    if !key.is_known() {
        return Ok(None);
    }
    let text = convert(&key, &Type::String).map_err(|error| {
        EvalError::new(codes::FOR_KEY, format!("a key of a `for` expression is no text: {error}"), span)
    })?;
    Ok(match text.into_data() {
        Data::String(text) => Some(text),
        _ => None,
    })
}

//! A part of a body, whether it is written out or the result of an expression.

use std::sync::Arc;

use retrue_provider_api::{Data, Marks, Path, PathStep, Type, Value, convert};

use super::Shaper;
use crate::config::codes;
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, evaluate};
use crate::span::Span;

/// A part of a body.
pub(super) enum Part<'p> {
    /// As it stands in the file: places are exact.
    Written(&'p Expression),
    /// A part of what an expression had as its result; the place is that of the expression.
    Evaluated(Value, Span),
}

/// A part with its parts.
pub(super) enum Opened<'p> {
    Table(Vec<(Arc<str>, Span, Part<'p>)>),
    List(Vec<Part<'p>>),
    Unknown,
    Null,
    /// Anything else.
    Other(Value),
    /// Something that has an error, which was reported.
    Wrong,
}

impl<'p> Part<'p> {
    pub(super) fn span(&self) -> Span {
        match self {
            Part::Written(expression) => expression.span(),
            Part::Evaluated(_, span) => *span,
        }
    }

    /// The expression, where it is written out.
    pub(super) fn written(&self) -> Option<&'p Expression> {
        match self {
            Part::Written(expression) => Some(expression),
            Part::Evaluated(..) => None,
        }
    }

    /// Whether it is certainly null.
    pub(super) fn is_null(&self) -> bool {
        match self {
            Part::Written(expression) => expression.as_literal().is_some_and(Value::is_null),
            Part::Evaluated(value, _) => value.is_null(),
        }
    }
}

impl Shaper<'_> {
    /// The value of a part; `None` when it has an error, which is reported.
    pub(super) fn value(&mut self, part: Part<'_>) -> Option<Value> {
        match part {
            Part::Evaluated(value, _) => Some(value),
            Part::Written(expression) => match evaluate(expression, self.scope) {
                Ok(value) => Some(value),
                Err(errors) => {
                    self.diagnostics.extend(errors.into_iter().map(Diagnostic::from));
                    None
                }
            },
        }
    }

    /// What a part consists of, and the marks on the whole of it.
    pub(super) fn open<'p>(&mut self, part: Part<'p>) -> (Opened<'p>, Marks) {
        if let Part::Written(expression) = part {
            if let Some(entries) = expression.as_table() {
                return (self.open_table(entries), Marks::NONE);
            }
            if let Some(items) = expression.as_list() {
                return (Opened::List(items.iter().map(Part::Written).collect()), Marks::NONE);
            }
        }
        let span = part.span();
        let Some(value) = self.value(part) else { return (Opened::Wrong, Marks::NONE) };
        let (value, marks) = value.unmark();
        let opened = match value.data() {
            Data::Null(_) => Opened::Null,
            Data::Unknown(..) => Opened::Unknown,
            Data::Object(entries) | Data::Map(_, entries) => {
                let part = |value: &Value| Part::Evaluated(value.clone(), span);
                Opened::Table(entries.iter().map(|(name, value)| (Arc::clone(name), span, part(value))).collect())
            }
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                Opened::List(items.iter().map(|item| Part::Evaluated(item.clone(), span)).collect())
            }
            _ => Opened::Other(value),
        };
        (opened, marks)
    }

    fn open_table<'p>(&mut self, entries: &'p [(Expression, Expression)]) -> Opened<'p> {
        let mut opened = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(name) = self.value(Part::Written(key)) else { return Opened::Wrong };
            match convert(&name, &Type::String).ok().as_ref().and_then(Value::as_str) {
                Some(name) => opened.push((Arc::from(name), key.span(), Part::Written(value))),
                None if !name.is_known() => return Opened::Unknown,
                None => {
                    self.error(codes::TYPE_MISMATCH, "a key is a text".to_owned(), key.span());
                    return Opened::Wrong;
                }
            }
        }
        Opened::Table(opened)
    }
}

/// The part of an expression that a path leads to, or the last on the way there that is written out.
pub(super) fn locate<'e>(expression: &'e Expression, path: &Path) -> Option<&'e Expression> {
    let mut current = expression;
    for step in &path.0 {
        let next = match step {
            PathStep::Attribute(name) | PathStep::Key(name) => current.as_table().and_then(|entries| {
                let named = |key: &Expression| key.as_literal().and_then(Value::as_str) == Some(name);
                entries.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
            }),
            PathStep::Index(index) => current.as_list().and_then(|items| items.get(*index)),
        };
        match next {
            Some(next) => current = next,
            None => break,
        }
    }
    Some(current)
}

//! The evaluator: from a tree to a value.
//!
//! A part that has an error is reported and counts as unknown, so that everything else that is wrong
//! is reported too.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, Marks, Type, Value, convert};

use super::error::{EvalError, codes};
use super::reference::Root;
use super::scope::Scope;
use super::tree::{Expression, Key, Kind};
use crate::address::InstanceKey;
use crate::span::Span;

/// The value of an expression, or everything that is wrong with it, in the order of its places.
///
/// What depends on something unknown is unknown, of a type as exact as can be told; what depends on
/// something marked is marked. Call it inside [`with_deep_stack`](super::with_deep_stack).
pub fn evaluate(expression: &Expression, scope: &dyn Scope) -> Result<Value, Vec<EvalError>> {
    let mut errors = Vec::new();
    let value = Evaluator { scope, frame: None, in_template: false }.value(expression, &mut errors);
    if errors.is_empty() {
        return super::depth::check(value, expression.span()).map_err(|error| vec![error]);
    }
    errors.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    errors.dedup();
    Err(errors)
}

/// Unknown, and nothing is known about it: also what stands in for what has an error.
pub(super) fn unknown() -> Value {
    Value::unknown(Type::Dynamic)
}

/// The errors that were found so far.
pub(super) type Errors = Vec<EvalError>;

/// Names that are bound around an expression, innermost first.
pub(super) struct Frame<'f> {
    pub(super) parent: Option<&'f Frame<'f>>,
    pub(super) names: Names<'f>,
}

pub(super) enum Names<'f> {
    /// Those of a `for`: few.
    Loop(&'f [(&'f str, Value)]),
    /// The element of a splat.
    Item(&'f Value),
    /// The variables of a template file. Nothing outside is seen through them.
    Variables(&'f BTreeMap<Arc<str>, Value>),
}

/// What an expression is evaluated with.
#[derive(Clone, Copy)]
pub(super) struct Evaluator<'e> {
    pub(super) scope: &'e dyn Scope,
    pub(super) frame: Option<&'e Frame<'e>>,
    /// Whether this is the content of a template file, where no other can be used.
    pub(super) in_template: bool,
}

impl<'e> Evaluator<'e> {
    pub(super) fn value(&self, expression: &Expression, errors: &mut Errors) -> Value {
        let span = expression.span();
        match expression.kind() {
            Kind::Literal(value) => value.clone(),
            Kind::Source { tree, .. } => self.value(tree, errors),
            Kind::Template(parts) => self.template(parts, errors),
            Kind::Tuple(items) => Value::tuple(items.iter().map(|item| self.value(item, errors)).collect::<Vec<_>>()),
            Kind::Object(entries) => self.object(entries, errors),
            Kind::Reference { root, key } => self.reference(root, key.as_ref(), span, errors),
            Kind::Bound(name) => self.bound(name, span, errors),
            Kind::Item => self.item(),
            Kind::Conditional { condition, when_true, when_false } => {
                self.conditional(condition, when_true, when_false, errors)
            }
            Kind::Call(call) => self.call(call, span, errors),
            Kind::Attribute { of, name } => {
                let before = errors.len();
                let value = self.value(of, errors);
                if errors.len() > before {
                    return unknown();
                }
                or_unknown(super::traversal::attribute(&value, name, span), errors)
            }
            Kind::Index { of, key } => {
                let before = errors.len();
                let value = self.value(of, errors);
                let key = self.value(key, errors);
                if errors.len() > before {
                    return unknown();
                }
                or_unknown(super::traversal::index(&value, &key, span), errors)
            }
            Kind::Splat { of, each } => self.splat(of, each, errors),
            Kind::Unary { operator, operand } => self.unary(*operator, operand, span, errors),
            Kind::Binary { operator, left, right } => self.binary(*operator, left, right, span, errors),
            Kind::For(each) => self.for_expression(each, errors),
            Kind::JoinedFor(each) => self.joined_for(each, span, errors),
        }
    }

    /// The same with names bound.
    pub(super) fn with<'f>(&self, frame: &'f Frame<'f>) -> Evaluator<'f>
    where
        'e: 'f,
    {
        Evaluator { scope: self.scope, frame: Some(frame), in_template: self.in_template }
    }

    fn bound(&self, name: &str, span: Span, errors: &mut Errors) -> Value {
        let mut frame = self.frame;
        while let Some(Frame { parent, names }) = frame {
            match names {
                Names::Loop(bound) => {
                    if let Some((_, value)) = bound.iter().rev().find(|(bound, _)| *bound == name) {
                        return value.clone();
                    }
                }
                Names::Item(_) => {}
                Names::Variables(variables) => {
                    return variables.get(name).cloned().unwrap_or_else(|| {
                        let known = variables.keys().map(AsRef::as_ref);
                        errors.push(EvalError::unknown_name("template variable", name, known, span));
                        unknown()
                    });
                }
            }
            frame = *parent;
        }
        errors.push(EvalError::unknown_name("variable", name, [], span));
        unknown()
    }

    fn item(&self) -> Value {
        let mut frame = self.frame;
        while let Some(Frame { parent, names }) = frame {
            if let Names::Item(value) = names {
                return (*value).clone();
            }
            frame = *parent;
        }
        unknown()
    }

    fn reference(&self, root: &Root, key: Option<&Key>, span: Span, errors: &mut Errors) -> Value {
        match key {
            None => or_unknown(self.scope.resolve(root, None, span), errors),
            Some(Key::Static(key)) => or_unknown(self.scope.resolve(root, Some(key), span), errors),
            Some(Key::Dynamic(expression)) => {
                let before = errors.len();
                let value = self.value(expression, errors);
                if errors.len() > before {
                    return unknown();
                }
                self.instance(root, &value, span, errors)
            }
        }
    }

    /// The one instance that a key chooses, without the others.
    fn instance(&self, root: &Root, key: &Value, span: Span, errors: &mut Errors) -> Value {
        let instance = match key.data() {
            Data::String(name) => Some(InstanceKey::Name(Arc::clone(name))),
            Data::Number(number) => number.as_u64().map(InstanceKey::Index),
            Data::Unknown(..) => {
                // Which one it is will show: until then only what all have in common is known.
                let all = or_unknown(self.scope.resolve(root, None, span), errors);
                return or_unknown(super::traversal::index(&all, key, span), errors);
            }
            _ => None,
        };
        let Some(instance) = instance else {
            let message = if key.is_null() {
                "a null value cannot choose an instance".to_owned()
            } else {
                format!("a {} cannot choose an instance", key.kind().friendly_name())
            };
            errors.push(EvalError::new(codes::INVALID_INDEX, message, span));
            return unknown();
        };
        or_unknown(self.scope.resolve(root, Some(&instance), span), errors).with_marks(key.marks())
    }

    fn object(&self, entries: &[(Expression, Expression)], errors: &mut Errors) -> Value {
        let mut attributes: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        let mut marks = Marks::NONE;
        let mut known = true;
        for (key, value) in entries {
            let before = errors.len();
            let name = self.value(key, errors);
            let key_is_wrong = errors.len() > before;
            let value = self.value(value, errors);
            if key_is_wrong {
                known = false;
                continue;
            }
            marks = marks.union(name.marks());
            match object_key(&name, key.span()) {
                Ok(Some(name)) => {
                    attributes.insert(name, value);
                }
                Ok(None) => known = false,
                Err(error) => {
                    errors.push(error);
                    known = false;
                }
            }
        }
        if known { Value::object(attributes).with_marks(marks) } else { unknown().with_marks(marks) }
    }
}

/// The text of a key, or `None` when it is not known yet.
fn object_key(key: &Value, span: Span) -> Result<Option<Arc<str>>, EvalError> {
    if key.is_null() {
        return Err(EvalError::new(codes::OBJECT_KEY, "a null value cannot be a key", span));
    }
    let text = convert(key, &Type::String)
        .map_err(|error| EvalError::new(codes::OBJECT_KEY, format!("this cannot be a key: {error}"), span))?;
    Ok(match text.into_data() {
        Data::String(text) => Some(text),
        _ => None,
    })
}

/// The value, or, after noting the error, an unknown one.
pub(super) fn or_unknown(result: Result<Value, EvalError>, errors: &mut Errors) -> Value {
    result.unwrap_or_else(|error| {
        errors.push(error);
        unknown()
    })
}

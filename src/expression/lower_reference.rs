//! Names that no `for` binds: what they refer to.

use std::sync::Arc;

use hcl_edit::expr::{self as hcl, TraversalOperator};

use super::error::{EvalError, codes, nearest};
use super::lower::{Lowering, Step};
use super::parse::literal_hint;
use super::reference::{Each, Root};
use super::tree::{Expression, Key, Kind};
use crate::address::InstanceKey;
use crate::span::Span;

/// The first words that are no type of a resource.
const WORDS: [&str; 11] =
    ["var", "local", "data", "ephemeral", "each", "count", "self", "path", "env", "resource", "module"];

impl Lowering<'_> {
    /// A name, with the steps behind it.
    pub(super) fn name(&mut self, name: &str, steps: &[Step<'_>], span: Span) -> Result<Expression, EvalError> {
        if self.is_bound(name) {
            let end = span.start.saturating_add(u32::try_from(name.len()).unwrap_or(0));
            let bound = Expression::from_kind(Kind::Bound(name.into()), Span { end, ..span });
            return self.steps(bound, steps, span);
        }
        let attribute = |index: usize| match steps.get(index).map(|step| step.operator) {
            Some(TraversalOperator::GetAttr(name)) => Some(Arc::<str>::from(name.value().as_str())),
            _ => None,
        };
        let malformed = |form: &str| {
            EvalError::new(codes::INVALID_REFERENCE, format!("`{name}` must be followed by a name: `{form}`"), span)
        };
        let (root, used) = match name {
            "var" => (Root::Var(attribute(0).ok_or_else(|| malformed("var.NAME"))?), 1),
            "local" => (Root::Local(attribute(0).ok_or_else(|| malformed("local.NAME"))?), 1),
            "env" => (Root::Env(attribute(0).ok_or_else(|| malformed("env.NAME"))?), 1),
            "self" => (Root::SelfRef, 0),
            "each" => match attribute(0).as_deref() {
                Some("key") => (Root::Each(Each::Key), 1),
                Some("value") => (Root::Each(Each::Value), 1),
                _ => return Err(only(name, "each.key` and `each.value", span)),
            },
            "count" => match attribute(0).as_deref() {
                Some("index") => (Root::CountIndex, 1),
                _ => return Err(only(name, "count.index", span)),
            },
            "path" => match attribute(0).as_deref() {
                Some("stack") => (Root::PathStack, 1),
                _ => return Err(only(name, "path.stack", span)),
            },
            "data" => match (attribute(0), attribute(1)) {
                (Some(type_name), Some(name)) => (Root::Data { type_name, name }, 2),
                _ => return Err(malformed("data.TYPE.NAME")),
            },
            "ephemeral" => match (attribute(0), attribute(1)) {
                (Some(type_name), Some(name)) => (Root::Ephemeral { type_name, name }, 2),
                _ => return Err(malformed("ephemeral.TYPE.NAME")),
            },
            "resource" => match (attribute(0), attribute(1)) {
                (Some(type_name), Some(name)) => (Root::Resource { type_name, name }, 2),
                _ => return Err(malformed("resource.TYPE.NAME")),
            },
            "module" | "flag" | "phase" => {
                let message = format!("`{name}` cannot be referred to yet: this version does not have it");
                return Err(EvalError::new(codes::NOT_YET, message, span));
            }
            "terraform" => {
                return Err(EvalError::new(codes::INVALID_REFERENCE, "`terraform` is not known here", span)
                    .hint("the name of the environment can be given as a variable"));
            }
            _ => match attribute(0) {
                Some(attribute) => (Root::Resource { type_name: name.into(), name: attribute }, 1),
                None => return Err(self.unknown(name, span)),
            },
        };
        self.reference(root, steps, used, span)
    }

    fn reference(&mut self, root: Root, steps: &[Step<'_>], used: usize, span: Span) -> Result<Expression, EvalError> {
        let mut rest = steps.get(used..).unwrap_or(&[]);
        let mut last = used.checked_sub(1).and_then(|index| steps.get(index));
        let mut key = None;
        if root.block().is_some()
            && let Some((step, after)) = rest.split_first()
        {
            key = match step.operator {
                TraversalOperator::LegacyIndex(index) => Some(Key::Static(InstanceKey::Index(*index.value()))),
                TraversalOperator::Index(index) => Some(self.instance_key(index)?),
                _ => None,
            };
            if key.is_some() {
                rest = after;
                last = Some(step);
            }
        }
        let span = match last.and_then(|step| step.end) {
            Some(end) if !rest.is_empty() => Span { end: self.map.span(end..end).end.max(span.start), ..span },
            _ => span,
        };
        let whole = span;
        let reference = Expression::from_kind(Kind::Reference { root, key }, span);
        self.steps(reference, rest, whole)
    }

    fn instance_key(&mut self, index: &hcl::Expression) -> Result<Key, EvalError> {
        let key = self.expression(index)?;
        let literal = key.as_literal().and_then(|value| {
            value
                .as_str()
                .map(|name| InstanceKey::Name(name.into()))
                .or_else(|| value.as_number().and_then(|number| number.as_u64()).map(InstanceKey::Index))
        });
        Ok(literal.map_or(Key::Dynamic(key), Key::Static))
    }

    fn unknown(&self, name: &str, span: Span) -> EvalError {
        let known = self.bound_names().chain(WORDS);
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a variable is `var.{name}`, a resource `TYPE.NAME`; {}", literal_hint('$')),
        };
        EvalError::new(codes::UNKNOWN_NAME, format!("there is nothing called `{name}`"), span).hint(hint)
    }
}

fn only(name: &str, known: &str, span: Span) -> EvalError {
    EvalError::new(codes::INVALID_REFERENCE, format!("of `{name}` there is only `{known}`"), span)
}

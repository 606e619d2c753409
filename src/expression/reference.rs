//! What an expression refers to.

use std::fmt;
use std::sync::Arc;

use retrue_provider_api::{Path, PathStep};

use super::tree::{Expression, Key, Kind};
use crate::address::{BlockAddress, InstanceKey, Mode};
use crate::span::Span;

/// What a reference begins with: the thing that is referred to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `var.NAME`
    Var(Arc<str>),
    /// `local.NAME`
    Local(Arc<str>),
    /// `TYPE.NAME`, or `resource.TYPE.NAME`
    Resource {
        /// The type.
        type_name: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
    /// `data.TYPE.NAME`
    Data {
        /// The type.
        type_name: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
    /// `ephemeral.TYPE.NAME`
    Ephemeral {
        /// The type.
        type_name: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
    /// `each.key` or `each.value`
    Each(Each),
    /// `count.index`
    CountIndex,
    /// `self`
    SelfRef,
    /// `path.stack`
    PathStack,
    /// `env.NAME`
    Env(Arc<str>),
}

/// One of the two things that `each` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Each {
    /// `each.key`
    Key,
    /// `each.value`
    Value,
}

impl Root {
    /// The block that it names, where it names one.
    pub fn block(&self) -> Option<BlockAddress> {
        match self {
            Root::Resource { type_name, name } => {
                Some(BlockAddress::new(Mode::Managed, Arc::clone(type_name), Arc::clone(name)))
            }
            Root::Data { type_name, name } => {
                Some(BlockAddress::new(Mode::Data, Arc::clone(type_name), Arc::clone(name)))
            }
            Root::Ephemeral { type_name, name } => {
                Some(BlockAddress::new(Mode::Ephemeral, Arc::clone(type_name), Arc::clone(name)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Root::Var(name) => write!(f, "var.{name}"),
            Root::Local(name) => write!(f, "local.{name}"),
            Root::Resource { type_name, name } => write!(f, "{type_name}.{name}"),
            Root::Data { type_name, name } => write!(f, "data.{type_name}.{name}"),
            Root::Ephemeral { type_name, name } => write!(f, "ephemeral.{type_name}.{name}"),
            Root::Each(Each::Key) => f.write_str("each.key"),
            Root::Each(Each::Value) => f.write_str("each.value"),
            Root::CountIndex => f.write_str("count.index"),
            Root::SelfRef => f.write_str("self"),
            Root::PathStack => f.write_str("path.stack"),
            Root::Env(name) => write!(f, "env.{name}"),
        }
    }
}

/// One reference in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What is referred to.
    pub root: Root,
    /// The instance, where it is written out: `TYPE.NAME["k"]`, `TYPE.NAME[0]`.
    pub key: Option<InstanceKey>,
    /// Whether an instance is chosen by an expression, so that it can be any of them.
    pub dynamic_key: bool,
    /// The way from there to the part that is used, as far as it is written out.
    pub path: Path,
    /// The whole reference, with its path.
    pub span: Span,
}

/// Collects the references of an expression, in the order in which they are written.
pub(super) fn collect(expression: &Expression, found: &mut Vec<Reference>) {
    if let Some(reference) = chain(expression, expression.span()) {
        found.push(reference);
    }
    inner(expression, found);
}

/// The reference that an expression is, when it is one with nothing but steps behind it.
fn chain(expression: &Expression, span: Span) -> Option<Reference> {
    match expression.kind() {
        Kind::Reference { root, key } => Some(Reference {
            root: root.clone(),
            key: match key {
                Some(Key::Static(key)) => Some(key.clone()),
                _ => None,
            },
            dynamic_key: matches!(key, Some(Key::Dynamic(_))),
            path: Path::root(),
            span,
        }),
        Kind::Attribute { of, name } => {
            let mut reference = chain(of, span)?;
            if !is_open(of) {
                reference.path.0.push(PathStep::Attribute(Arc::clone(name)));
            }
            Some(reference)
        }
        Kind::Index { of, key } => {
            let mut reference = chain(of, span)?;
            if let (Some(step), false) = (static_step(key), is_open(of)) {
                reference.path.0.push(step);
            }
            Some(reference)
        }
        _ => None,
    }
}

/// Whether the way to it goes over something that is not written out.
fn is_open(expression: &Expression) -> bool {
    match expression.kind() {
        Kind::Index { of, key } => static_step(key).is_none() || is_open(of),
        Kind::Attribute { of, .. } => is_open(of),
        _ => false,
    }
}

fn static_step(key: &Expression) -> Option<PathStep> {
    let value = key.as_literal()?;
    match value.as_str() {
        Some(text) => Some(PathStep::Key(text.into())),
        None => Some(PathStep::Index(usize::try_from(value.as_number()?.as_u64()?).ok()?)),
    }
}

/// Goes on below an expression; below a reference only its keys are left to look at.
fn inner(expression: &Expression, found: &mut Vec<Reference>) {
    let is_chain = |of: &Expression| chain(of, of.span()).is_some();
    match expression.kind() {
        Kind::Attribute { of, .. } if is_chain(of) => inner(of, found),
        Kind::Index { of, key } if is_chain(of) => {
            inner(of, found);
            collect(key, found);
        }
        _ => expression.for_each_child(&mut |child| collect(child, found)),
    }
}

//! The tree that expressions are parsed to.

use std::sync::Arc;

use retrue_provider_api::Value;

use super::reference::{Reference, Root, collect};
use crate::address::{BlockAddress, InstanceKey};
use crate::span::Span;

/// An expression: a value, a template, or a list or table of expressions. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    kind: Arc<Kind>,
    span: Span,
}

/// What an expression is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Literal(Value),
    /// A text that was parsed, kept for writing the expression down.
    Source {
        text: Arc<str>,
        form: Form,
        tree: Expression,
    },
    /// Parts that are put together to one text.
    Template(Vec<Expression>),
    Tuple(Vec<Expression>),
    Object(Vec<(Expression, Expression)>),
    Reference {
        root: Root,
        key: Option<Key>,
    },
    /// A name bound by `for`, or a variable of a template file.
    Bound(Arc<str>),
    /// The current element of the splat around it.
    Item,
    Conditional {
        condition: Expression,
        when_true: Expression,
        when_false: Expression,
    },
    Call(Call),
    Attribute {
        of: Expression,
        name: Arc<str>,
    },
    Index {
        of: Expression,
        key: Expression,
    },
    Splat {
        of: Expression,
        each: Expression,
    },
    Unary {
        operator: UnaryOperator,
        operand: Expression,
    },
    Binary {
        operator: BinaryOperator,
        left: Expression,
        right: Expression,
    },
    For(ForLoop),
    /// `%{for}`: the results are joined to one text.
    JoinedFor(ForLoop),
}

/// How a text was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Template,
    Bare,
}

/// Which instance of a block a reference means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    Static(InstanceKey),
    Dynamic(Expression),
}

/// Which instance of a block is meant, from outside of this room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKey {
    /// The block itself.
    None,
    /// This one.
    Written(InstanceKey),
    /// The one that an expression names.
    Expression(Expression),
}

/// A call of a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: Arc<str>,
    pub(super) name_span: Span,
    pub(super) arguments: Vec<Expression>,
    /// Whether the last argument is followed by `...`.
    pub(super) expand: bool,
}

/// A `for` expression, or the loop of a `%{for}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForLoop {
    pub(super) key_name: Option<Arc<str>>,
    pub(super) value_name: Arc<str>,
    pub(super) collection: Expression,
    /// Present where an object is made.
    pub(super) key: Option<Expression>,
    pub(super) value: Expression,
    pub(super) condition: Option<Expression>,
    pub(super) group: bool,
}

pub(super) use hcl_edit::expr::{BinaryOperator, UnaryOperator};

impl Expression {
    pub(super) fn from_kind(kind: Kind, span: Span) -> Self {
        Expression { kind: Arc::new(kind), span }
    }

    /// What it is: of a text that was parsed, [`Kind::Source`].
    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The tree that a text was parsed to; anything else itself.
    pub(super) fn parsed(&self) -> &Expression {
        match self.kind() {
            Kind::Source { tree, .. } => tree,
            _ => self,
        }
    }

    /// A value that needs no evaluation.
    pub fn literal(value: Value, span: Span) -> Self {
        Expression::from_kind(Kind::Literal(value), span)
    }

    /// A list of expressions; it is evaluated to a tuple.
    pub fn list(items: Vec<Expression>, span: Span) -> Self {
        Expression::from_kind(Kind::Tuple(items), span)
    }

    /// A table of expressions; it is evaluated to an object. Keys are expressions too: of a key that
    /// is no template, a literal.
    pub fn table(entries: Vec<(Expression, Expression)>, span: Span) -> Self {
        Expression::from_kind(Kind::Object(entries), span)
    }

    /// Where it is written.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The value, when it is one that needs no evaluation.
    pub fn as_literal(&self) -> Option<&Value> {
        match self.parsed().kind() {
            Kind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The items, when it is a list of expressions.
    pub fn as_list(&self) -> Option<&[Expression]> {
        match self.parsed().kind() {
            Kind::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The keys and values, when it is a table of expressions.
    pub fn as_table(&self) -> Option<&[(Expression, Expression)]> {
        match self.parsed().kind() {
            Kind::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// All references in it, in the order in which they are written; names bound by `for` are none.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        collect(self, &mut found);
        found
    }

    /// Whether it is nothing but one reference, with the steps behind it.
    pub fn as_reference(&self) -> Option<Reference> {
        let only_steps = |mut expression: &Expression| {
            loop {
                match expression.kind() {
                    Kind::Reference { .. } => return true,
                    Kind::Attribute { of, .. } | Kind::Index { of, .. } => expression = of,
                    _ => return false,
                }
            }
        };
        only_steps(self.parsed()).then(|| self.references().into_iter().next()).flatten()
    }

    /// The expression that chooses the instance of the block that it refers to, where one does.
    pub fn chosen_by(&self) -> Option<&Expression> {
        let mut expression = self.parsed();
        loop {
            match expression.kind() {
                Kind::Reference { key: Some(Key::Dynamic(key)), .. } => return Some(key),
                Kind::Attribute { of, .. } | Kind::Index { of, .. } => expression = of,
                _ => return None,
            }
        }
    }

    /// The block that it names, and which instance of it, where it does nothing else.
    pub fn as_target(&self) -> Option<(BlockAddress, TargetKey)> {
        let Kind::Reference { root, key } = self.parsed().kind() else { return None };
        let key = match key {
            None => TargetKey::None,
            Some(Key::Static(key)) => TargetKey::Written(key.clone()),
            Some(Key::Dynamic(expression)) => TargetKey::Expression(expression.clone()),
        };
        Some((root.block()?, key))
    }

    /// The names of the functions that it calls, in the order in which they are written.
    pub fn functions(&self) -> Vec<Arc<str>> {
        fn visit(expression: &Expression, found: &mut Vec<Arc<str>>) {
            if let Kind::Call(call) = expression.kind() {
                found.push(Arc::clone(&call.name));
            }
            expression.for_each_child(&mut |child| visit(child, found));
        }
        let mut found = Vec::new();
        visit(self, &mut found);
        found
    }

    /// Visits the direct parts, in the order in which they are written.
    pub(super) fn for_each_child(&self, visit: &mut dyn FnMut(&Expression)) {
        match self.kind() {
            Kind::Literal(_) | Kind::Bound(_) | Kind::Item => {}
            Kind::Source { tree, .. } => visit(tree),
            Kind::Template(parts) | Kind::Tuple(parts) => parts.iter().for_each(visit),
            Kind::Object(entries) => {
                for (key, value) in entries {
                    visit(key);
                    visit(value);
                }
            }
            Kind::Reference { key, .. } => {
                if let Some(Key::Dynamic(key)) = key {
                    visit(key);
                }
            }
            Kind::Conditional { condition, when_true, when_false } => {
                [condition, when_true, when_false].into_iter().for_each(visit);
            }
            Kind::Call(call) => call.arguments.iter().for_each(visit),
            Kind::Attribute { of, .. } => visit(of),
            Kind::Index { of, key } => [of, key].into_iter().for_each(visit),
            Kind::Splat { of, each } => [of, each].into_iter().for_each(visit),
            Kind::Unary { operand, .. } => visit(operand),
            Kind::Binary { left, right, .. } => [left, right].into_iter().for_each(visit),
            Kind::For(each) | Kind::JoinedFor(each) => {
                visit(&each.collection);
                each.key.iter().for_each(&mut *visit);
                visit(&each.value);
                each.condition.iter().for_each(visit);
            }
        }
    }
}

//! From the parser's tree to ours: names become references, places become places in the file.

use std::ops::Range;
use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::expr::{self as hcl, TraversalOperator};
use retrue_provider_api::{Number, Type, Value};

use super::error::{EvalError, codes};
use super::span_map::SpanMap;
use super::tree::{Call, Expression, ForLoop, Kind};
use crate::span::Span;

/// Steps that may stand behind one value; each is a level of the tree.
const MAX_STEPS: usize = 128;

/// What names are that no `for` binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Free {
    /// References to what the stack declares.
    References,
    /// Variables that are given to a template file.
    Variables,
}

/// The state of turning one text into a tree.
pub(super) struct Lowering<'t> {
    pub(super) text: &'t str,
    pub(super) map: &'t SpanMap,
    pub(super) free: Free,
    /// The names that the loops around bind.
    bound: Vec<Arc<str>>,
}

impl<'t> Lowering<'t> {
    pub(super) fn new(text: &'t str, map: &'t SpanMap, free: Free) -> Self {
        Lowering { text, map, free, bound: Vec::new() }
    }

    pub(super) fn span(&self, range: Option<Range<usize>>) -> Span {
        self.map.span(range.unwrap_or(0..self.text.len()))
    }

    pub(super) fn is_bound(&self, name: &str) -> bool {
        self.free == Free::Variables || self.bound.iter().any(|bound| **bound == *name)
    }

    /// The names that are bound here, for hints.
    pub(super) fn bound_names(&self) -> impl Iterator<Item = &str> {
        self.bound.iter().map(AsRef::as_ref)
    }

    /// Does something with names bound.
    pub(super) fn binding<R>(
        &mut self,
        names: impl IntoIterator<Item = Arc<str>>,
        work: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let before = self.bound.len();
        self.bound.extend(names);
        let result = work(self);
        self.bound.truncate(before);
        result
    }

    pub(super) fn expression(&mut self, parsed: &hcl::Expression) -> Result<Expression, EvalError> {
        let span = self.span(parsed.span());
        let kind = match parsed {
            hcl::Expression::Null(_) => Kind::Literal(Value::null(Type::Dynamic)),
            hcl::Expression::Bool(truth) => Kind::Literal(Value::from(*truth.value())),
            hcl::Expression::Number(number) => {
                // The parser's own value is a 64-bit float; what is written is exact.
                let written = match number.as_repr() {
                    Some(repr) => repr.to_string(),
                    None => number.value().to_string(),
                };
                let written: String = written.chars().filter(|character| !character.is_whitespace()).collect();
                let number: Number = written.parse().map_err(|error: retrue_provider_api::NumberError| {
                    EvalError::new(codes::SYNTAX, error.to_string(), span)
                })?;
                Kind::Literal(Value::from(number))
            }
            hcl::Expression::String(text) => Kind::Literal(Value::string(text.value())),
            hcl::Expression::Array(items) => {
                Kind::Tuple(items.iter().map(|item| self.expression(item)).collect::<Result<_, _>>()?)
            }
            hcl::Expression::Object(object) => {
                let mut entries = Vec::with_capacity(object.len());
                for (key, value) in object.iter() {
                    entries.push((self.object_key(key)?, self.expression(value.expr())?));
                }
                Kind::Object(entries)
            }
            hcl::Expression::StringTemplate(template) => return self.quoted_template(template, span),
            hcl::Expression::HeredocTemplate(heredoc) => return self.heredoc(heredoc, span),
            hcl::Expression::Parenthesis(inner) => return self.expression(inner.inner()),
            hcl::Expression::Variable(name) => return self.name(name.value().as_str(), &[], span),
            hcl::Expression::Conditional(conditional) => Kind::Conditional {
                condition: self.expression(&conditional.cond_expr)?,
                when_true: self.expression(&conditional.true_expr)?,
                when_false: self.expression(&conditional.false_expr)?,
            },
            hcl::Expression::FuncCall(call) => self.call(call, span)?,
            hcl::Expression::Traversal(traversal) => return self.traversal(traversal, span),
            hcl::Expression::UnaryOp(unary) => {
                Kind::Unary { operator: *unary.operator.value(), operand: self.expression(&unary.expr)? }
            }
            hcl::Expression::BinaryOp(binary) => Kind::Binary {
                operator: *binary.operator.value(),
                left: self.expression(&binary.lhs_expr)?,
                right: self.expression(&binary.rhs_expr)?,
            },
            hcl::Expression::ForExpr(each) => self.for_expression(each)?,
        };
        Ok(Expression::from_kind(kind, span))
    }

    fn object_key(&mut self, key: &hcl::ObjectKey) -> Result<Expression, EvalError> {
        let span = self.span(key.span());
        let name = match key {
            hcl::ObjectKey::Ident(name) => name.value().to_string(),
            hcl::ObjectKey::Expression(hcl::Expression::Null(_)) => "null".into(),
            hcl::ObjectKey::Expression(hcl::Expression::Bool(truth)) => truth.value().to_string(),
            hcl::ObjectKey::Expression(hcl::Expression::Traversal(traversal)) if traversal.expr.is_variable() => {
                return Err(EvalError::new(codes::OBJECT_KEY, "it is not clear what this key means", span)
                    .hint("put a reference in parentheses, and a name with dots in quotes"));
            }
            hcl::ObjectKey::Expression(expression) => return self.expression(expression),
        };
        Ok(Expression::literal(Value::string(name), span))
    }

    fn call(&mut self, call: &hcl::FuncCall, span: Span) -> Result<Kind, EvalError> {
        let mut name: String = call.name.namespace.iter().map(|part| format!("{}::", part.value().as_str())).collect();
        name.push_str(call.name.name.value().as_str());
        let first = call.name.namespace.first().unwrap_or(&call.name.name);
        let name_span = match (first.span(), call.name.name.span()) {
            (Some(first), Some(last)) => self.span(Some(first.start..last.end)),
            _ => span,
        };
        let arguments = call.args.iter().map(|argument| self.expression(argument)).collect::<Result<_, _>>()?;
        Ok(Kind::Call(Call { name: name.into(), name_span, arguments, expand: call.args.expand_final() }))
    }

    fn for_expression(&mut self, each: &hcl::ForExpr) -> Result<Kind, EvalError> {
        let collection = self.expression(&each.intro.collection_expr)?;
        let key_name: Option<Arc<str>> = each.intro.key_var.as_ref().map(|name| name.value().as_str().into());
        let value_name: Arc<str> = each.intro.value_var.value().as_str().into();
        let names = key_name.iter().cloned().chain([Arc::clone(&value_name)]).collect::<Vec<_>>();
        let (key, value, condition) = self.binding(names, |inside| {
            Ok::<_, EvalError>((
                each.key_expr.as_ref().map(|key| inside.expression(key)).transpose()?,
                inside.expression(&each.value_expr)?,
                each.cond.as_ref().map(|condition| inside.expression(&condition.expr)).transpose()?,
            ))
        })?;
        Ok(Kind::For(ForLoop { key_name, value_name, collection, key, value, condition, group: each.grouping }))
    }

    fn traversal(&mut self, traversal: &hcl::Traversal, span: Span) -> Result<Expression, EvalError> {
        let operators: Vec<Step<'_>> = traversal
            .operators
            .iter()
            .map(|operator| Step { operator: operator.value(), end: operator.span().map(|range| range.end) })
            .collect();
        if operators.len() > MAX_STEPS {
            let message = format!("more than {MAX_STEPS} steps stand behind one value");
            return Err(EvalError::new(codes::TOO_DEEP, message, span));
        }
        if let hcl::Expression::Variable(name) = &traversal.expr {
            return self.name(name.value().as_str(), &operators, span);
        }
        let of = self.expression(&traversal.expr)?;
        self.steps(of, &operators, span)
    }

    /// Puts steps behind an expression.
    pub(super) fn steps(
        &mut self,
        mut of: Expression,
        mut steps: &[Step<'_>],
        whole: Span,
    ) -> Result<Expression, EvalError> {
        let start = of.span();
        let mut after_legacy_index = false;
        while let Some((step, rest)) = steps.split_first() {
            steps = rest;
            let span = match step.end {
                Some(end) => Span { end: self.map.span(end..end).end.max(start.start), ..start },
                None => whole,
            };
            let is_legacy_index = matches!(step.operator, TraversalOperator::LegacyIndex(_));
            if is_legacy_index && after_legacy_index {
                return Err(EvalError::new(codes::SYNTAX, "two numbers cannot follow each other as `.0.1`", span)
                    .hint("write `[0][1]`"));
            }
            after_legacy_index = is_legacy_index;
            let kind = match step.operator {
                TraversalOperator::GetAttr(name) => Kind::Attribute { of, name: name.value().as_str().into() },
                TraversalOperator::LegacyIndex(index) => {
                    Kind::Index { of, key: Expression::literal(Value::from(*index.value()), span) }
                }
                TraversalOperator::Index(key) => Kind::Index { of, key: self.expression(key)? },
                TraversalOperator::FullSplat(_) => {
                    // Everything that follows is done to each element.
                    let item = Expression::from_kind(Kind::Item, span);
                    let each = self.steps(item, steps, whole)?;
                    return Ok(Expression::from_kind(Kind::Splat { of, each }, whole));
                }
                TraversalOperator::AttrSplat(_) => {
                    // Only attributes and numbers that follow are done to each element.
                    let count = steps
                        .iter()
                        .take_while(|step| {
                            matches!(step.operator, TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_))
                        })
                        .count();
                    let (for_each, rest) = steps.split_at(count);
                    steps = rest;
                    if matches!(rest.first().map(|step| step.operator), Some(TraversalOperator::AttrSplat(_))) {
                        return Err(
                            EvalError::new(codes::SYNTAX, "a `.*` cannot follow another", span).hint("write `[*]`")
                        );
                    }
                    let item = Expression::from_kind(Kind::Item, span);
                    Kind::Splat { of, each: self.steps(item, for_each, whole)? }
                }
            };
            of = Expression::from_kind(kind, span);
        }
        Ok(of)
    }
}

/// One step behind a value: an attribute, an index or a splat.
pub(super) struct Step<'p> {
    pub(super) operator: &'p TraversalOperator,
    /// The end of the step in the text.
    pub(super) end: Option<usize>,
}

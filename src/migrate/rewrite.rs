//! Expressions as they are written, but for the names that a stack has other words for.

use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ForExpr, FuncCall, Traversal, TraversalOperator};
use hcl_edit::template::{ForTemplateExpr, Interpolation, Strip};
use hcl_edit::visit::{self, Visit};

use super::codes;
use super::convert::Findings;
use super::source::Text;
use crate::diagnostic::Diagnostic;
use crate::expression::functions;

/// The type of Terraform's that is built in here, and the name that it has.
pub(super) const BUILT_IN: (&str, &str) = ("terraform_data", "retrue_data");

/// Functions that read beside the stack.
const READING: [&str; 10] = [
    "file",
    "filebase64",
    "filebase64sha256",
    "filebase64sha512",
    "fileexists",
    "filemd5",
    "fileset",
    "filesha1",
    "filesha256",
    "templatefile",
];

/// What a `dynamic` block calls its element: the name as Terraform has it, which is that of the value here.
#[derive(Clone, Debug)]
pub(super) struct Iterator {
    pub(super) name: String,
}

impl Iterator {
    /// What the key is called.
    pub(super) fn key(&self) -> String {
        format!("{}_key", self.name)
    }
}

/// An expression, rewritten.
pub(super) fn expression(
    expression: &Expression,
    text: &Text,
    iterators: &[Iterator],
    findings: &mut Findings<'_>,
) -> String {
    part(expression.span(), text, iterators, findings, |rewriter| rewriter.visit_expr(expression))
}

/// A part of a text, with whatever `visit` visits rewritten.
pub(super) fn part(
    range: Option<Range<usize>>,
    text: &Text,
    iterators: &[Iterator],
    findings: &mut Findings<'_>,
    visit: impl FnOnce(&mut Rewriter<'_, '_>),
) -> String {
    let mut rewriter = Rewriter { text, iterators, bound: Vec::new(), edits: Vec::new(), findings };
    visit(&mut rewriter);
    let mut edits = rewriter.edits;
    edits.sort_by_key(|(range, _)| range.start);
    let range = range.unwrap_or_default();
    let mut result = String::new();
    let mut done = range.start;
    for (edit, replacement) in edits {
        if edit.start < done {
            continue;
        }
        result.push_str(text.text.get(done..edit.start).unwrap_or_default());
        result.push_str(&replacement);
        done = edit.end;
    }
    result.push_str(text.text.get(done..range.end).unwrap_or_default());
    result
}

/// Collects what is to be written differently.
pub(super) struct Rewriter<'r, 'f> {
    text: &'r Text,
    iterators: &'r [Iterator],
    /// Names that a `for` binds.
    bound: Vec<String>,
    edits: Vec<(Range<usize>, String)>,
    findings: &'r mut Findings<'f>,
}

/// The first names of a traversal, with their places.
fn names(traversal: &Traversal) -> Vec<(&str, Range<usize>)> {
    let Expression::Variable(first) = &traversal.expr else { return Vec::new() };
    let mut names = vec![(first.value().as_str(), first.span().unwrap_or_default())];
    for operator in &traversal.operators {
        let TraversalOperator::GetAttr(name) = operator.value() else { break };
        let end = operator.span().or_else(|| name.span()).unwrap_or_default().end;
        let start = name.span().map_or(end, |span| span.start);
        names.push((name.value().as_str(), start..end.max(start)));
    }
    names
}

/// A traversal for which a text stands in a template, where it stands for one.
fn literal(traversal: &Traversal) -> Option<&'static str> {
    let names = names(traversal);
    let words: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    match words.as_slice() {
        ["path", "module" | "root"] => Some("."),
        ["terraform", "workspace"] => Some("default"),
        _ => None,
    }
}

impl Rewriter<'_, '_> {
    fn edit(&mut self, range: Range<usize>, replacement: impl Into<String>) {
        self.edits.push((range, replacement.into()));
    }

    fn refuse(&mut self, range: Range<usize>, message: impl Into<String>, hint: &str) {
        let span = self.text.span(Some(range));
        self.findings.add(Diagnostic::error(codes::NOT_CONVERTED, message).at(span).hint(hint));
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|bound| bound == name)
    }

    /// Says what is to be known of a name that is written as a text from now on.
    fn explain(&mut self, first: &str, range: Range<usize>) {
        let span = self.text.span(Some(range));
        match first {
            "terraform" => self.findings.add(
                Diagnostic::warning(codes::DIFFERENT, "`terraform.workspace` is written as \"default\"")
                    .at(span)
                    .hint("the state is that of the workspace `default`; a variable can take its place"),
            ),
            _ => self.findings.reads_beside(span),
        }
    }

    fn traversal(&mut self, traversal: &Traversal) {
        let names = names(traversal);
        let Some((first, start)) = names.first().cloned() else { return };
        if self.is_bound(first) {
            return;
        }
        let second = names.get(1).cloned();
        let whole = start.start..second.as_ref().map_or(start.end, |(_, range)| range.end);
        if self.iterators.iter().any(|iterator| iterator.name == first) {
            match second.as_ref().map(|(name, _)| *name) {
                Some("value") => self.edit(whole, first),
                Some("key") => self.edit(whole, format!("{first}_key")),
                _ => self.refuse(
                    whole,
                    format!("of `{first}` only `{first}.key` and `{first}.value` can be written in an expression"),
                    "write the block without `dynamic`",
                ),
            }
            return;
        }
        match (first, second.as_ref().map(|(name, _)| *name)) {
            ("path" | "terraform", Some(_)) if literal(traversal).is_some() => {
                let text = literal(traversal).unwrap_or_default();
                self.edit(whole.clone(), format!("\"{text}\""));
                self.explain(first, whole);
            }
            ("path", Some("cwd")) => {
                let span = self.text.span(Some(whole.clone()));
                self.findings.add(
                    Diagnostic::warning(codes::DIFFERENT, "`path.cwd` is written as `path.stack`")
                        .at(span)
                        .hint("it is the directory of the stack, wherever the program is started"),
                );
                self.edit(whole, "path.stack");
            }
            ("terraform", _) => {
                self.refuse(whole, "`terraform` has no counterpart but for its `workspace`", "use a variable");
            }
            ("module", _) => {
                self.refuse(whole, "modules are not supported yet", "write what it makes into the directory itself");
            }
            ("ephemeral" | "action" | "list", Some(_)) => {
                self.refuse(whole, format!("`{first}` cannot be referred to"), "use a variable with `from`");
            }
            (word, Some(_)) if word == BUILT_IN.0 => self.edit(start, BUILT_IN.1),
            ("resource", Some(word)) if word == BUILT_IN.0 => {
                if let Some((_, range)) = second {
                    self.edit(range, BUILT_IN.1);
                }
            }
            _ => {}
        }
    }

    fn binding(&mut self, names: impl IntoIterator<Item = String>, visit: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        self.bound.extend(names);
        visit(self);
        self.bound.truncate(before);
    }
}

impl Visit for Rewriter<'_, '_> {
    fn visit_traversal(&mut self, node: &Traversal) {
        match &node.expr {
            Expression::Variable(_) => self.traversal(node),
            other => self.visit_expr(other),
        }
        for operator in &node.operators {
            self.visit_traversal_operator(operator);
        }
    }

    fn visit_expr(&mut self, node: &Expression) {
        if let Expression::Variable(name) = node {
            let word = name.value().as_str();
            let range = name.span().unwrap_or_default();
            if self.is_bound(word) {
                return;
            }
            if self.iterators.iter().any(|iterator| iterator.name == word) {
                self.refuse(
                    range,
                    format!("`{word}` as a whole cannot be written in an expression"),
                    "use its `key` and its `value`",
                );
            }
            return;
        }
        visit::visit_expr(self, node);
    }

    fn visit_interpolation(&mut self, node: &Interpolation) {
        if let (Expression::Traversal(traversal), Strip::None, Some(range)) = (&node.expr, node.strip, node.span())
            && let Some(text) = literal(traversal)
            && let Some((first, _)) = names(traversal).first()
            && !self.is_bound(first)
            && !self.iterators.iter().any(|iterator| iterator.name == *first)
        {
            self.edit(range.clone(), text);
            self.explain(first, range);
            return;
        }
        visit::visit_interpolation(self, node);
    }

    fn visit_func_call(&mut self, node: &FuncCall) {
        let spaces: Vec<&str> = node.name.namespace.iter().map(|space| space.value().as_str()).collect();
        let name = node.name.name.value().as_str();
        let range = node.name.name.span().unwrap_or_default();
        match spaces.as_slice() {
            [] | ["core"] if functions::exists(name) => {
                if READING.contains(&name) {
                    let span = self.text.span(Some(range));
                    self.findings.reads_beside(span);
                }
            }
            [] | ["core"] => {
                let near = crate::expression::nearest(name, functions::names());
                let hint = near.map_or("write what it results in".to_owned(), |near| format!("there is `{near}`"));
                self.refuse(range, format!("there is no function `{name}`"), &hint);
            }
            spaces => {
                let name = format!("{}::{name}", spaces.join("::"));
                self.refuse(range, format!("`{name}`: functions of providers are not there yet"), "write its result");
            }
        }
        visit::visit_func_args(self, &node.args);
    }

    fn visit_for_expr(&mut self, node: &ForExpr) {
        self.visit_expr(&node.intro.collection_expr);
        let key = node.intro.key_var.as_ref().map(|name| name.value().to_string());
        let names = key.into_iter().chain([node.intro.value_var.value().to_string()]);
        self.binding(names, |inside| {
            if let Some(key) = &node.key_expr {
                inside.visit_expr(key);
            }
            inside.visit_expr(&node.value_expr);
            if let Some(condition) = &node.cond {
                inside.visit_expr(&condition.expr);
            }
        });
    }

    fn visit_for_template_expr(&mut self, node: &ForTemplateExpr) {
        self.visit_expr(&node.collection_expr);
        let key = node.key_var.as_ref().map(|name| name.value().to_string());
        let names = key.into_iter().chain([node.value_var.value().to_string()]);
        self.binding(names, |inside| inside.visit_template(&node.template));
    }
}

//! Expressions as they are written, but for the names that a stack has other words for.

use std::ops::Range;

use hcl_edit::expr::{Expression, ForExpr, FuncCall, Traversal, TraversalOperator};
use hcl_edit::template::{ForTemplateExpr, Interpolation, Strip};
use hcl_edit::visit::{self, Visit};
use hcl_edit::{Decorated, Span as _};

use super::codes;
use super::convert::{Findings, Providers, type_name};
use super::modules::{Here, Own, Scope, joined};
use super::source::Text;
use super::written::{escaped, in_quotes};
use crate::diagnostic::Diagnostic;
use crate::expression::functions;

/// The type of Terraform's that is built in here, and the name that it has.
pub(super) const BUILT_IN: (&str, &str) = ("terraform_data", "retrue_data");

/// The same name, to be matched.
const BUILT_IN_TYPE: &str = BUILT_IN.0;

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

/// What the names in an expression mean where it stands.
#[derive(Clone, Copy)]
pub(super) struct Context<'r> {
    /// The elements of the `dynamic` blocks around.
    pub(super) iterators: &'r [Iterator],
    /// The module that it stands in.
    pub(super) scope: &'r Scope,
    /// What stands for the instance that it is about.
    pub(super) here: &'r Here,
    /// The names that lead to the module.
    pub(super) path: &'r [String],
    /// The names of providers, whose functions may be called.
    pub(super) providers: &'r Providers,
}

/// An expression, rewritten.
pub(super) fn expression(
    expression: &Expression,
    text: &Text,
    context: Context<'_>,
    findings: &mut Findings<'_>,
) -> String {
    part(expression.span(), text, context, findings, |rewriter| rewriter.visit_expr(expression))
}

/// A part of a text, with whatever `visit` visits rewritten.
pub(super) fn part(
    range: Option<Range<usize>>,
    text: &Text,
    context: Context<'_>,
    findings: &mut Findings<'_>,
    visit: impl FnOnce(&mut Rewriter<'_, '_>),
) -> String {
    let mut rewriter =
        Rewriter { text, context, bound: Vec::new(), edits: Vec::new(), findings, reading: false, led: false };
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
    context: Context<'r>,
    /// Names that a `for` binds.
    bound: Vec<String>,
    edits: Vec<(Range<usize>, String)>,
    findings: &'r mut Findings<'f>,
    /// Whether it is about what a function reads.
    reading: bool,
    /// Whether that is named by where the module is.
    led: bool,
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
/// `beside` is the way from the stack to the directory of Terraform's, for a path that is read.
fn literal(traversal: &Traversal, scope: &Scope, beside: Option<&str>) -> Option<String> {
    let names = names(traversal);
    let words: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    match words.as_slice() {
        ["path", "module"] => {
            Some(escaped(&beside.map_or_else(|| scope.place.clone(), |way| joined(way, &scope.place))))
        }
        ["path", "root"] => Some(escaped(beside.unwrap_or("."))),
        ["terraform", "workspace"] => Some("default".to_owned()),
        _ => None,
    }
}

impl Rewriter<'_, '_> {
    /// The text that stands for a traversal here, where one does.
    fn literal(&self, traversal: &Traversal) -> Option<String> {
        literal(traversal, self.context.scope, self.findings.beside.as_deref().filter(|_| self.reading))
    }

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
            // It leads to where the file is.
            _ if self.reading => self.led = true,
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
        if self.context.iterators.iter().any(|iterator| iterator.name == first) {
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
            ("path" | "terraform", Some(_)) if self.literal(traversal).is_some() => {
                let text = self.literal(traversal).unwrap_or_default();
                self.edit(whole.clone(), in_quotes(&text));
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
            ("module", Some(name)) => self.of_module(name, traversal, whole),
            ("each" | "count", Some(word)) => self.instance(first, word, whole),
            ("action" | "list", Some(_)) => {
                self.refuse(whole, format!("`{first}` cannot be referred to"), "write the stack without it");
            }
            ("resource" | "data" | "ephemeral", Some(kind)) => {
                let range = second.map_or(whole, |(_, range)| range);
                if first == "resource" && kind == BUILT_IN.0 {
                    self.edit(range, BUILT_IN.1);
                }
                if let Some((name, range)) = names.get(2).cloned() {
                    let kind = if first == "resource" { kind.to_owned() } else { format!("{first}.{kind}") };
                    match self.context.scope.keyed(&kind, name) {
                        Some(own) => self.keyed(own, &kind, name, start.start..range.end, traversal.operators.get(2)),
                        None => self.named(&kind, name, range),
                    }
                }
            }
            (word, Some(name)) if let Some(own) = self.context.scope.keyed(word, name) => {
                self.keyed(own, word, name, whole, traversal.operators.get(1));
            }
            (word, Some(name)) => {
                match word {
                    "var" if self.context.scope.name("var", name).is_some() && self.is_bound("local") => {
                        let message =
                            format!("`{word}.{name}` becomes a local, and a `for` around it has the name `local`");
                        self.refuse(whole, message, "give what the `for` binds another name");
                        return;
                    }
                    "var" if self.context.scope.name("var", name).is_some() => self.edit(start, "local"),
                    BUILT_IN_TYPE => self.edit(start, BUILT_IN.1),
                    _ => {}
                }
                if let Some((_, range)) = second {
                    self.named(word, name, range);
                }
            }
            _ => {}
        }
    }

    /// The name of something in a module, which has another one in the stack.
    fn named(&mut self, kind: &str, name: &str, range: Range<usize>) {
        if let Some(flat) = self.context.scope.name(kind, name) {
            self.edit(range, format!("{flat}{}", self.key_here()));
        }
    }

    /// The index that picks what belongs to the same instance of the module.
    fn key_here(&self) -> String {
        self.context.here.module.as_ref().map(|key| format!("[{key}]")).unwrap_or_default()
    }

    /// `each` and `count`, where the instances are others than in the file.
    fn instance(&mut self, first: &str, word: &str, whole: Range<usize>) {
        let Some((key, value)) = &self.context.here.each else { return };
        match (first, word) {
            ("each", "key") | ("count", "index") => self.edit(whole, key.clone()),
            ("each", "value") => self.edit(whole, value.clone()),
            _ => {}
        }
    }

    /// A resource or data that has instances of its own in a module that has some: one of them, or all.
    fn keyed(
        &mut self,
        own: &Own,
        word: &str,
        name: &str,
        whole: Range<usize>,
        next: Option<&Decorated<TraversalOperator>>,
    ) {
        let scope = self.context.scope;
        let kind = type_name(word);
        let block = format!("{kind}.{}", scope.name(word, name).unwrap_or(name));
        if self.is_bound(kind.split('.').next().unwrap_or(word)) || self.is_bound("local") {
            let message =
                format!("`{word}.{name}` stands in a `for` that calls something else by the first of its names");
            self.refuse(whole, message, "give what the `for` binds another name");
            return;
        }
        if !self.picked(own, &block, whole.clone(), next) {
            let all = own.whole(self.context.here.module.as_deref(), |key| format!("{block}[{key}]"));
            self.whole(whole, all, next.is_some());
        }
    }

    /// An expression for a name, which more may be said of.
    fn whole(&mut self, range: Range<usize>, expression: String, goes_on: bool) {
        self.edit(range, if goes_on { format!("({expression})") } else { expression });
    }

    /// One instance: what has a key of its own has one that leads to it. Whether one is picked at all.
    fn picked(
        &mut self,
        own: &Own,
        instances: &str,
        whole: Range<usize>,
        next: Option<&Decorated<TraversalOperator>>,
    ) -> bool {
        let (inside, to) = match next.map(|operator| (operator.value(), operator.span())) {
            Some((TraversalOperator::Index(index), _)) => {
                let inside = index.span().unwrap_or_default();
                // Nothing but white space and comments stands before the bracket.
                let rest = self.text.text.get(inside.end..).unwrap_or_default();
                (inside.clone(), inside.end + rest.find(']').map_or(0, |at| at + 1))
            }
            Some((TraversalOperator::LegacyIndex(_), Some(span))) => {
                let text = self.text.text.get(span.clone()).unwrap_or_default();
                let dot = text.find('.').map_or(0, |at| at + 1);
                (span.start + dot..span.end, span.end)
            }
            _ => return false,
        };
        let around = self.context.here.module.as_deref();
        let text = self.text.text.get(inside.clone()).unwrap_or_default().trim();
        let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_own = self.context.here.is_keyed && matches!(text, "each.key" | "count.index");
        if is_own
            || !plain.is_empty()
                && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                && (plain.len() < text.len() || plain.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let key = if is_own { "each.key".to_owned() } else { own.key(around, plain) };
            self.edit(whole.start..to, format!("{instances}[{key}]"));
            return true;
        }
        let key = own.key(around, "${}");
        let (before, behind) = key.split_at(key.len() - 2);
        self.edit(whole.start..inside.start, format!("{instances}[{before}"));
        self.edit(inside.end..to, format!("{behind}]"));
        true
    }

    /// An output of a module, or all of them.
    fn of_module(&mut self, name: &str, traversal: &Traversal, whole: Range<usize>) {
        let scope = self.context.scope;
        let outputs = scope.modules.get(name).filter(|_| !self.is_bound("local"));
        let Some(outputs) = outputs else {
            let message = format!("`module.{name}` is not converted");
            self.refuse(whole, message, "write what it makes into the directory itself");
            return;
        };
        // The output is named behind the name of the module, or behind the key of one of its instances.
        let operators = &traversal.operators;
        let behind_key = match operators.get(1).map(|operator| operator.value()) {
            Some(TraversalOperator::GetAttr(_)) | None => 1,
            Some(_) => 2,
        };
        let output = operators.get(behind_key).and_then(|operator| match operator.value() {
            TraversalOperator::GetAttr(name) => Some((name.value().as_str(), operator.span()?)),
            _ => None,
        });
        let Some((output, range)) = output.filter(|_| outputs.own.is_some() == (behind_key == 2)) else {
            // What is done with all of them is done with what has them all.
            let all = outputs.all(self.context.here.module.as_deref());
            self.whole(whole, all, operators.len() > 1);
            return;
        };
        let Some(flat) = outputs.names.get(output) else {
            self.refuse(range, format!("`module.{name}` has no output `{output}`"), "`terraform validate` says more");
            return;
        };
        // The dot may be a part of the operator's place, or stand before it.
        let from = match behind_key {
            1 => whole.end,
            _ => operators.get(1).and_then(|operator| operator.span()).map_or(range.start, |span| span.end),
        };
        let inside = outputs.own.as_ref().filter(|own| own.inside);
        let picked =
            inside.is_some_and(|own| self.picked(own, &format!("local.{flat}"), whole.clone(), operators.get(1)));
        if !picked {
            self.edit(whole, format!("local.{flat}{}", self.key_here()));
        }
        self.edit(from..range.end, "");
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
            if self.context.iterators.iter().any(|iterator| iterator.name == word) {
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
            && let Some(text) = self.literal(traversal)
            && let Some((first, _)) = names(traversal).first()
            && !self.is_bound(first)
            && !self.context.iterators.iter().any(|iterator| iterator.name == *first)
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
                    let outer = (std::mem::replace(&mut self.reading, true), std::mem::take(&mut self.led));
                    visit::visit_func_args(self, &node.args);
                    let led = self.led;
                    (self.reading, self.led) = outer;
                    if !led {
                        let span = self.text.span(Some(range));
                        self.findings.reads_beside(span);
                    }
                    return;
                }
            }
            [] | ["core"] => {
                let near = crate::expression::nearest(name, functions::names());
                let hint = near.map_or("write what it results in".to_owned(), |near| format!("there is `{near}`"));
                self.refuse(range, format!("there is no function `{name}`"), &hint);
            }
            spaces => {
                let of_provider = match spaces {
                    ["provider", local] => self.context.providers.of_functions(self.context.path, local),
                    _ => None,
                };
                let place = node.name.namespace.get(1).and_then(hcl_edit::Span::span);
                match (of_provider, place) {
                    (Some(stack), Some(place)) => self.edit(place, stack),
                    _ => {
                        let name = format!("{}::{name}", spaces.join("::"));
                        self.refuse(range, format!("there is no function `{name}`"), "`terraform validate` says more");
                    }
                }
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

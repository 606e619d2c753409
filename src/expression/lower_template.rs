//! Templates: from the parser's tree to ours, with white space stripped as HCL does it.
//!
//! Where white space goes is decided on the flat sequence of tokens, as in HCL: literal text is one
//! token per line, a `~` strips the one token next to it, and a `<<-` heredoc is moved to the left by
//! the smallest indentation of the tokens that begin a line.

use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::expr as hcl;
use hcl_edit::template::{Directive, Element, HeredocTemplate, StringTemplate, Strip, Template};
use retrue_provider_api::Value;

use super::error::EvalError;
use super::lower::Lowering;
use super::tree::{Expression, ForLoop, Kind};
use crate::span::Span;

enum Token<'p> {
    Literal(String, Span),
    Interpolation(&'p hcl::Expression),
    If(&'p hcl::Expression, Span),
    Else,
    EndIf,
    For(&'p hcl_edit::template::ForTemplateExpr, Span),
    EndFor,
}

/// What literal text of a template is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// In quotes: one token, with escapes that the parser has resolved.
    Quoted,
    /// As it is, a token per line.
    Lines,
    /// In a heredoc: the same, but read from the source, because the parser has dedented it.
    Heredoc,
}

impl Lowering<'_> {
    /// A template that stands for itself: a TOML string, a template file.
    pub(super) fn root_template(&mut self, template: &Template) -> Result<Expression, EvalError> {
        let span = self.span(Some(0..self.text.len()));
        self.template(template, Text::Lines, false, span)
    }

    pub(super) fn quoted_template(&mut self, template: &StringTemplate, span: Span) -> Result<Expression, EvalError> {
        self.template(template, Text::Quoted, false, span)
    }

    pub(super) fn heredoc(&mut self, heredoc: &HeredocTemplate, span: Span) -> Result<Expression, EvalError> {
        let indented = heredoc
            .span()
            .and_then(|range| self.text.get(range.start..))
            .is_some_and(|source| source.starts_with("<<-"));
        self.template(&heredoc.template, Text::Heredoc, indented, span)
    }

    fn template(
        &mut self,
        template: &Template,
        text: Text,
        indented: bool,
        span: Span,
    ) -> Result<Expression, EvalError> {
        let mut flat = Flat { tokens: Vec::new(), strip_next: false, literal_before: false, text };
        flat.template(self, template);
        let mut tokens = flat.tokens;
        if indented {
            dedent(&mut tokens);
        }
        // Nothing but one interpolation keeps the type of its value.
        if let [Token::Interpolation(expression)] = tokens.as_slice() {
            return self.expression(expression);
        }
        let mut tokens = tokens.into_iter();
        let parts = self.parts(&mut tokens, &mut None)?;
        Ok(joined(parts, span))
    }

    /// Builds the parts up to the end of the tokens, or of the directive, which is put into `end`.
    fn parts<'p>(
        &mut self,
        tokens: &mut std::vec::IntoIter<Token<'p>>,
        end: &mut Option<Token<'p>>,
    ) -> Result<Vec<Expression>, EvalError> {
        let mut parts: Vec<Expression> = Vec::new();
        let mut pending: Option<(String, Span)> = None;
        while let Some(token) = tokens.next() {
            if let Token::Literal(text, span) = token {
                match &mut pending {
                    Some((before, place)) => {
                        before.push_str(&text);
                        place.end = span.end;
                    }
                    None => pending = Some((text, span)),
                }
                continue;
            }
            flush(&mut pending, &mut parts);
            match token {
                Token::Literal(..) => {}
                Token::Interpolation(expression) => parts.push(self.expression(expression)?),
                Token::If(condition, span) => {
                    let condition = self.expression(condition)?;
                    let mut closed_by = None;
                    let when_true = joined(self.parts(tokens, &mut closed_by)?, span);
                    let when_false = match closed_by {
                        Some(Token::Else) => joined(self.parts(tokens, &mut None)?, span),
                        _ => joined(Vec::new(), span),
                    };
                    parts.push(Expression::from_kind(Kind::Conditional { condition, when_true, when_false }, span));
                }
                Token::For(each, span) => {
                    let collection = self.expression(&each.collection_expr)?;
                    let key_name: Option<Arc<str>> = each.key_var.as_ref().map(|name| name.value().as_str().into());
                    let value_name: Arc<str> = each.value_var.value().as_str().into();
                    let names = key_name.iter().cloned().chain([Arc::clone(&value_name)]).collect::<Vec<_>>();
                    let body = self.binding(names, |inside| inside.parts(tokens, &mut None))?;
                    let value = joined(body, span);
                    let (key, condition, group) = (None, None, false);
                    let each = ForLoop { key_name, value_name, collection, key, value, condition, group };
                    parts.push(Expression::from_kind(Kind::JoinedFor(each), span));
                }
                closing => {
                    *end = Some(closing);
                    return Ok(parts);
                }
            }
        }
        flush(&mut pending, &mut parts);
        Ok(parts)
    }

    /// The text of a literal of a heredoc, as it is in the source.
    fn source_of(&self, literal: &hcl_edit::Spanned<String>) -> Option<String> {
        let source = self.text.get(literal.span()?)?;
        Some(source.replace("$${", "${").replace("%%{", "%{"))
    }
}

fn flush(pending: &mut Option<(String, Span)>, parts: &mut Vec<Expression>) {
    if let Some((text, span)) = pending.take() {
        parts.push(Expression::literal(Value::string(text), span));
    }
}

/// Parts as one text; a text that is known already is one literal.
fn joined(mut parts: Vec<Expression>, span: Span) -> Expression {
    let known = parts.iter().all(|part| part.as_literal().is_some_and(|value| value.as_str().is_some()));
    match parts.len() {
        0 => Expression::literal(Value::from(""), span),
        1 if known => parts.remove(0),
        _ => Expression::from_kind(Kind::Template(parts), span),
    }
}

/// The flat sequence of tokens of a template.
struct Flat<'p> {
    tokens: Vec<Token<'p>>,
    /// Whether white space at the beginning of the next token is stripped, if it is a literal.
    strip_next: bool,
    /// Whether the token before is a literal, which may be stripped.
    literal_before: bool,
    text: Text,
}

impl<'p> Flat<'p> {
    fn template(&mut self, lowering: &Lowering<'_>, template: &'p Template) {
        for element in template.iter() {
            match element {
                Element::Literal(literal) => self.literal(lowering, literal),
                Element::Interpolation(interpolation) => {
                    self.control(interpolation.strip, Token::Interpolation(&interpolation.expr));
                }
                Element::Directive(directive) => self.directive(lowering, directive),
            }
        }
    }

    fn directive(&mut self, lowering: &Lowering<'_>, directive: &'p Directive) {
        let span = lowering.span(directive.span());
        match directive {
            Directive::If(each) => {
                self.control(each.if_expr.strip, Token::If(&each.if_expr.cond_expr, span));
                self.template(lowering, &each.if_expr.template);
                if let Some(otherwise) = &each.else_expr {
                    self.control(otherwise.strip, Token::Else);
                    self.template(lowering, &otherwise.template);
                }
                self.control(each.endif_expr.strip, Token::EndIf);
            }
            Directive::For(each) => {
                self.control(each.for_expr.strip, Token::For(&each.for_expr, span));
                self.template(lowering, &each.for_expr.template);
                self.control(each.endfor_expr.strip, Token::EndFor);
            }
        }
    }

    fn control(&mut self, strip: Strip, token: Token<'p>) {
        if strip.strip_start()
            && self.literal_before
            && let Some(Token::Literal(text, _)) = self.tokens.last_mut()
        {
            text.truncate(text.trim_end().len());
        }
        self.tokens.push(token);
        self.literal_before = false;
        self.strip_next = strip.strip_end();
    }

    fn literal(&mut self, lowering: &Lowering<'_>, literal: &hcl_edit::Spanned<String>) {
        let text = match self.text {
            Text::Heredoc => lowering.source_of(literal),
            _ => None,
        };
        let text = text.unwrap_or_else(|| literal.value().clone());
        let span = lowering.span(literal.span());
        let lines: Vec<&str> =
            if self.text == Text::Quoted { vec![&text] } else { text.split_inclusive('\n').collect() };
        for line in lines {
            let line = if std::mem::take(&mut self.strip_next) { line.trim_start() } else { line };
            self.tokens.push(Token::Literal(line.to_owned(), span));
            self.literal_before = true;
        }
    }
}

/// Moves the lines of a `<<-` heredoc to the left.
fn dedent(tokens: &mut [Token<'_>]) {
    let mut smallest = usize::MAX;
    let mut line_starts = Vec::new();
    let mut at_line_start = true;
    for (index, token) in tokens.iter().enumerate() {
        let Token::Literal(text, _) = token else {
            if std::mem::take(&mut at_line_start) {
                smallest = 0;
            }
            continue;
        };
        if std::mem::take(&mut at_line_start) {
            let content = text.trim_start();
            // A blank line does not count.
            if !(content.is_empty() && text.ends_with('\n')) {
                let indentation = text.len() - content.len();
                smallest = smallest.min(text.get(..indentation).unwrap_or("").chars().count());
                line_starts.push(index);
            }
        }
        at_line_start = text.ends_with('\n');
    }
    for index in line_starts {
        if let Some(Token::Literal(text, _)) = tokens.get_mut(index) {
            *text = text.chars().skip(smallest).collect();
        }
    }
}

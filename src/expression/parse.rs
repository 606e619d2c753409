//! From text to tree: the entry points, and what is said of text that is no expression.

use std::ops::Range;

use retrue_provider_api::Value;

use super::error::{EvalError, codes};
use super::lower::{Free, Lowering};
use super::quick::plain_reference;
use super::span_map::SpanMap;
use super::tree::{Expression, Form, Kind};
use crate::span::{FileId, Span};

impl Expression {
    /// Parses a template: the decoded content of a string of a TOML file.
    ///
    /// A template that is nothing but one `${expr}` has the value of the expression, of any type;
    /// any other is a text. `raw` is the string as it is written in the file, with its quotes, and
    /// `span` its place.
    pub fn from_template(text: &str, span: Span, raw: &str) -> Result<Expression, EvalError> {
        if !text.contains("${") && !text.contains("%{") {
            return Ok(Expression::literal(Value::string(text), span));
        }
        let tree = match plain_reference(text, span, raw) {
            Some(tree) => tree,
            None => template(text, &SpanMap::of_toml(text, span, raw), Free::References)?,
        };
        Ok(Expression::from_kind(Kind::Source { text: text.into(), form: Form::Template, tree }, span))
    }

    /// Parses an expression that stands by itself, without `${}`; white space around it is ignored.
    /// Its places count bytes of `text`.
    pub fn bare(text: &str, file: FileId) -> Result<Expression, EvalError> {
        let map = SpanMap::plain(file, 0);
        let tree = expression(text, &map, Free::References)?;
        let trimmed = text.trim();
        let start = text.len() - text.trim_start().len();
        let span = map.span(start..start + trimmed.len());
        Ok(Expression::from_kind(Kind::Source { text: trimmed.into(), form: Form::Bare, tree }, span))
    }
}

/// Parses an expression that stands by itself.
pub(super) fn expression(text: &str, map: &SpanMap, free: Free) -> Result<Expression, EvalError> {
    // The parser takes no white space around an expression; its places count from where it begins.
    let start = text.len() - text.trim_start().len();
    let map = map.from(start);
    let text = text.trim();
    let (text, parsed) = match hcl_edit::parser::parse_expr(text) {
        Ok(parsed) => (text, parsed),
        Err(error) => {
            without_comment(text).ok_or_else(|| syntax_error(error.message(), map.span(error_range(text, &error))))?
        }
    };
    Lowering::new(text, &map, free).expression(&parsed)
}

/// An expression with a comment behind it, without that. The parser takes comments only within an expression.
fn without_comment(text: &str) -> Option<(&str, hcl_edit::expr::Expression)> {
    let begins =
        |at: &usize| ["#", "//", "/*"].iter().any(|mark| text.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    // What stands before a mark within a text is no expression, because the text is open there.
    text.char_indices().map(|(at, _)| at).filter(begins).take(MOST_MARKS).find_map(|at| {
        let (before, comment) = text.split_at_checked(at)?;
        let ends = match comment.strip_prefix("/*") {
            Some(inner) => inner.find("*/").is_some_and(|end| end + 2 == inner.len()),
            None => !comment.contains('\n'),
        };
        let before = before.trim_end();
        let parsed = hcl_edit::parser::parse_expr(before).ok().filter(|_| ends)?;
        Some((before, parsed))
    })
}

/// So many marks of a comment are tried.
const MOST_MARKS: usize = 64;

/// Parses a template, of a TOML string or a template file.
pub(super) fn template(text: &str, map: &SpanMap, free: Free) -> Result<Expression, EvalError> {
    let parsed = hcl_edit::parser::parse_template(text).map_err(|error| {
        let range = error_range(text, &error);
        let opened = opening_before(text, range.start);
        syntax_error(error.message(), map.span(range)).maybe_hint(opened.map(literal_hint))
    })?;
    Lowering::new(text, map, free).root_template(&parsed)
}

fn error_range(text: &str, error: &hcl_edit::parser::Error) -> Range<usize> {
    let mut start = error.location().offset().min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let width = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    start..start + width
}

fn syntax_error(message: &str, span: Span) -> EvalError {
    if message.contains("at most 64 nested levels") {
        return EvalError::new(codes::TOO_DEEP, "the expression is nested deeper than 64 levels", span)
            .hint("give parts of it names under [local]");
    }
    if message.contains("at most 128 chained") {
        return EvalError::new(codes::TOO_DEEP, "the expression chains more than 128 operators", span)
            .hint("give parts of it names under [local]");
    }
    EvalError::new(codes::SYNTAX, format!("this is not an expression: {message}"), span)
}

/// The marker, `${` or `%{`, of the interpolation or directive that an offset lies in or begins.
fn opening_before(text: &str, offset: usize) -> Option<char> {
    let mut opened = None;
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if at > offset {
            break;
        }
        if !matches!(character, '$' | '%') {
            continue;
        }
        let mut following = text.get(at + 1..).unwrap_or("").chars();
        match (following.next(), following.next()) {
            (Some('{'), _) => opened = Some(character),
            (Some(second), Some('{')) if second == character => {
                rest.next();
                rest.next();
            }
            _ => {}
        }
    }
    opened
}

/// How to write down a marker that was not meant as one.
pub(super) fn literal_hint(marker: char) -> String {
    if marker == '%' {
        "if `%{` is meant as text, such as curl's `%{http_code}`, double the percent sign: `%%{`".into()
    } else {
        "if `${` is meant as text, such as a shell's `${X:-y}`, double the dollar sign: `$${`".into()
    }
}

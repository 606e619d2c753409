//! Files in Terraform's own language.

use std::sync::Arc;

use hcl_edit::structure::{self, Structure};
use hcl_edit::{Decorate as _, Span as _};

use super::codes;
use super::source::{Attribute, Block, Body, Comments, Entry, Place, Text, Value};
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// Reads a file.
///
/// # Errors
/// It is not Terraform's language; the place is the first that is wrong.
pub(super) fn read(file: FileId, text: &Arc<str>) -> Result<Body, Diagnostic> {
    let parsed = hcl_edit::parser::parse_body(text).map_err(|error| {
        let start = error.location().offset().min(text.len());
        let end = text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |next| start + next.len_utf8());
        Diagnostic::error(codes::SYNTAX, format!("this is not Terraform's language: {}", error.message()))
            .at(Span::new(file, start..end))
            .hint("`terraform validate` says more about it; nothing was written")
    })?;
    Ok(body(&parsed, &Text { text: Arc::clone(text), place: Place::File(file) }))
}

fn body(parsed: &structure::Body, text: &Text) -> Body {
    let mut entries = Vec::with_capacity(parsed.len());
    // What stands behind the brace that opens a block.
    let mut before = comments(parsed.decor().prefix().map_or("", |raw| raw));
    for structure in parsed {
        let mut own = Comments { before: std::mem::take(&mut before), behind: None };
        own.before.extend(comments(structure.decor().prefix().map_or("", |raw| raw)));
        own.behind = comments(structure.decor().suffix().map_or("", |raw| raw)).pop();
        entries.push(match structure {
            Structure::Attribute(attribute) => Entry::Attribute(Attribute {
                name: attribute.key.as_str().to_owned(),
                span: text.span(attribute.key.span().or_else(|| attribute.span())),
                value: Value::Native(attribute.value.clone(), text.clone()),
                comments: own,
            }),
            Structure::Block(block) => Entry::Block(Block {
                kind: block.ident.as_str().to_owned(),
                labels: block.labels.iter().map(|label| label.as_str().to_owned()).collect(),
                span: text.span(block.ident.span().or_else(|| block.span())),
                body: body(&block.body, text),
                comments: own,
            }),
        });
    }
    before.extend(comments(parsed.decor().suffix().map_or("", |raw| raw)));
    Body { entries, closing: before }
}

/// The comments in what stands between things, line by line, without their markers; an empty line between
/// two of them stays.
pub(super) fn comments(raw: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = raw;
    let mut gap = 0;
    while let Some(at) = rest.find(['#', '/', '\n']) {
        let (_, from) = rest.split_at(at);
        if let Some(after) = from.strip_prefix('\n') {
            gap += 1;
            rest = after;
            continue;
        }
        if gap > 1 && !found.is_empty() {
            found.push(String::new());
        }
        gap = 0;
        if let Some(after) = from.strip_prefix("/*") {
            let (inside, after) = after.split_once("*/").unwrap_or((after, ""));
            let lines = inside.lines().map(|line| line.trim().trim_start_matches('*').trim());
            found.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
            rest = after;
            continue;
        }
        let marked = from.strip_prefix("//").or_else(|| from.strip_prefix('#')).unwrap_or("");
        let (line, _) = marked.split_once('\n').unwrap_or((marked, ""));
        found.push(line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()).to_owned());
        rest = marked.get(line.len()..).unwrap_or("");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_all_kinds_are_found() {
        let raw = "\n# one\n//two\n\n  /* three\n   * four */\n#\n";
        assert_eq!(comments(raw), ["one", "two", "", "three", "four", ""]);
        assert_eq!(comments("  # behind"), ["behind"]);
        assert!(comments(" \n\n ").is_empty());
    }
}

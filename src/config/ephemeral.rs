//! Where ephemeral values may stand: in the configuration of providers, in what is write-only, in what is
//! ephemeral itself, and in locals on the way there.

use retrue_provider_api::{Block, Path, Value, attribute_at};

use super::codes;
use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::span::Span;

/// What is told of an ephemeral value that stands where it would be kept.
pub fn kept(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::EPHEMERAL, format!("{what} would be kept, and this value is ephemeral")).at(span).hint(
        "ephemeral values may stand in provider configuration, in write-only attributes, in `[ephemeral]` and in locals; \
         `ephemeralasnull(…)` makes null of them",
    )
}

/// Everything in an evaluated body that is ephemeral and not write-only.
pub fn refuse_ephemeral(value: &Value, block: &Block, body: &Expression) -> Vec<Diagnostic> {
    if !value.marks_deep().ephemeral {
        return Vec::new();
    }
    let (_, marked) = value.clone().unmark_with_paths();
    let marked = marked.into_iter().filter(|(_, marks)| marks.ephemeral).map(|(path, _)| path);
    // A mark may lie inside of what is write-only.
    let kept_there = |path: &Path| {
        !(1..=path.0.len()).any(|length| {
            path.0.get(..length).and_then(|steps| attribute_at(block, steps)).is_some_and(|found| found.write_only)
        })
    };
    marked
        .filter(kept_there)
        .map(|path| {
            let written = path.first_attribute().and_then(|name| {
                let mut entries = body.as_table().unwrap_or_default().iter();
                entries.find(|(key, _)| key.as_literal().and_then(Value::as_str) == Some(name))
            });
            kept(&format!("`{path}`"), written.map_or(body.span(), |(_, value)| value.span()))
        })
        .collect()
}

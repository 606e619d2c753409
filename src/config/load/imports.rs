//! `[[import]]`.

use std::sync::Arc;

use super::Loader;
use super::blocks::bare;
use super::reader::{Item, Key, Reader};
use crate::address::BlockAddress;
use crate::config::codes;
use crate::config::stack::{Import, Repetition};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, TargetKey};
use crate::span::Span;

const KEYS: &[&str] = &["to", "id", "provider", "for_each"];

impl Loader {
    pub(super) fn imports(&mut self, reader: &mut Reader<'_>, key: &Key<'_>, item: &Item<'_>) {
        for (item, table) in reader.tables(key, item) {
            let span = reader.item_span(item);
            let (mut to, mut id, mut provider, mut repetition) = (None, None, None, Repetition::One);
            for (key, item) in table {
                match key.get_ref().as_ref() {
                    "to" => to = Some(reader.target(key, item)),
                    "id" => id = Some(reader.expression(item)),
                    "provider" => {
                        provider = reader.constant(key, item).map(|name| (Arc::from(name), reader.item_span(item)));
                    }
                    "for_each" => repetition = Repetition::ForEach(reader.expression(item)),
                    _ => reader.unknown_key(key, "of `[[import]]`", KEYS, &[]),
                }
            }
            match (to, id) {
                (None, _) => reader.missing_key("to", "`[[import]]`", span),
                (_, None) => reader.missing_key("id", "`[[import]]`", span),
                (Some(Some((to, key, to_span))), Some(id)) => {
                    self.stack.imports.push(Import { to, key, to_span, id, provider, repetition });
                }
                _ => {}
            }
        }
    }
}

impl Reader<'_> {
    /// A block, or an instance of it, as a plain text; the key may be an expression.
    fn target(&mut self, key: &Key<'_>, item: &Item<'_>) -> Option<(BlockAddress, TargetKey, Span)> {
        let text = self.text(key, item)?;
        let span = self.item_span(item);
        let parsed = Expression::bare(text.trim(), self.file).ok().and_then(|parsed| parsed.as_target());
        if let Some((block, target)) = parsed {
            return Some((block, target, span));
        }
        let message = format!("`{text}` is not the address of a resource");
        let diagnostic = Diagnostic::error(codes::BAD_REFERENCE, message).at(span);
        self.report(match bare(text) {
            Some(bare) => diagnostic.hint(format!("write \"{bare}\", without `${{}}`")),
            None => diagnostic.hint("such as \"TYPE.NAME\", or 'TYPE.NAME[each.key]' with `for_each`"),
        });
        None
    }
}

//! `fallback` of a data source: what stands in its place when it cannot be read.

use super::reader::{Item, Key, Reader};
use crate::config::codes;
use crate::config::stack::Fallback;
use crate::diagnostic::Diagnostic;

const KEYS: &[&str] = &["last_known", "value"];

impl Reader<'_> {
    /// The chain, in the order in which it is tried.
    pub(super) fn fallbacks(&mut self, key: &Key<'_>, item: &Item<'_>) -> Vec<Fallback> {
        let mut chain = Vec::new();
        for (item, table) in self.tables(key, item) {
            let span = if item.span().is_empty() { self.key_span(key) } else { self.item_span(item) };
            let before = chain.len();
            for (key, item) in table {
                match key.get_ref().as_ref() {
                    "last_known" => match self.bool(key, item) {
                        Some(true) => chain.push(Fallback::LastKnown),
                        Some(false) => {
                            let problem = "`last_known = false` says nothing";
                            let at = self.item_span(item);
                            self.report(Diagnostic::error(codes::WRONG_KIND, problem).at(at).hint("leave it out"));
                        }
                        None => {}
                    },
                    "value" => {
                        if self.table(key, item).is_some() {
                            chain.push(Fallback::Value(self.expression(item)));
                        }
                    }
                    _ => self.unknown_key(key, "of `fallback`", KEYS, &[]),
                }
            }
            if chain.len() > before + 1 {
                let problem = "`last_known` and `value` exclude each other in one step of a fallback";
                let hint = "write `fallback = [{ last_known = true }, { value = { … } }]`: they are tried in order";
                self.report(Diagnostic::error(codes::CONFLICTING_KEYS, problem).at(span).hint(hint));
            } else if table.is_empty() {
                self.missing_key("value", "a step of a fallback", span);
            }
        }
        chain
    }
}

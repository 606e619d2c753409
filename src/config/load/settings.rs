//! `[stack]`.

use super::reader::{Item, Key, Reader};
use super::{Loader, duration};
use crate::config::codes;
use crate::config::stack::DeleteOrder;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

const KEYS: &[&str] = &["schema", "name", "deletes", "keep", "store", "resilience", "metrics"];
const STORE_KEYS: &[&str] = &["path"];
const METRICS_KEYS: &[&str] = &["textfile"];

/// The version of the format that this program reads.
const SCHEMA: &str = "1";

impl Loader {
    pub(super) fn stack_table(&mut self, reader: &mut Reader<'_>, key: &Key<'_>, item: &Item<'_>) {
        let span = reader.key_span(key);
        if let Some(first) = self.stack_table.replace(span) {
            reader.report(
                Diagnostic::error(codes::DUPLICATE, "`[stack]` is defined twice")
                    .label(span, "again")
                    .label(first, "first"),
            );
        }
        let Some(table) = reader.table(key, item) else { return };
        let mut has_schema = false;
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "schema" => {
                    has_schema = true;
                    schema_version(reader, item);
                }
                "name" => {
                    if let Some(text) = reader.constant(key, item) {
                        if text.is_empty() {
                            reader.wrong_kind(key, item, "a name that is not empty");
                        }
                        self.stack.name = text.into();
                    }
                }
                "deletes" => {
                    let choices = [("last", DeleteOrder::Last), ("graph", DeleteOrder::Graph)];
                    if let Some(order) = reader.choice(key, item, &choices) {
                        self.stack.settings.deletes = order;
                    }
                }
                "keep" => {
                    if let Some(keep) = reader.duration(key, item) {
                        self.stack.settings.keep = keep;
                    }
                }
                "store" => self.store(reader, key, item),
                "resilience" => self.stack.settings.resilience = reader.resilience(key, item),
                "metrics" => self.metrics(reader, key, item),
                _ => reader.unknown_key(key, "in `[stack]`", KEYS, &[]),
            }
        }
        if !has_schema && reader.is_whole() {
            missing_version(reader, span);
        }
    }

    fn store(&mut self, reader: &mut Reader<'_>, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "path" => self.stack.settings.store_path = reader.constant(key, item).map(Into::into),
                _ => reader.unknown_key(key, "in `[stack.store]`", STORE_KEYS, &[]),
            }
        }
    }

    fn metrics(&mut self, reader: &mut Reader<'_>, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "textfile" => match reader.constant(key, item) {
                    Some("") => reader.wrong_kind(key, item, "the path of a file"),
                    path => self.stack.settings.metrics_file = path.map(Into::into),
                },
                _ => reader.unknown_key(key, "in `[stack.metrics]`", METRICS_KEYS, &[]),
            }
        }
    }
}

fn missing_version(reader: &mut Reader<'_>, span: Span) {
    reader.report(
        Diagnostic::error(codes::SCHEMA_VERSION, "the version of the format is missing")
            .at(span)
            .hint("write `schema = 1` below `[stack]`"),
    );
}

fn schema_version(reader: &mut Reader<'_>, item: &Item<'_>) {
    let span = reader.item_span(item);
    let wrong = |message: String| Diagnostic::error(codes::SCHEMA_VERSION, message).at(span);
    let diagnostic = match item.get_ref().as_integer() {
        Some(version) if version.radix() == 10 && version.as_str() == SCHEMA => return,
        Some(version) => wrong(format!("version {version} of the format is not one that this program reads"))
            .hint("this program reads `schema = 1`; a newer one may read more"),
        None => wrong("the version of the format is the number 1".to_owned()).hint("write `schema = 1`"),
    };
    reader.report(diagnostic);
}

impl Reader<'_> {
    pub(super) fn duration(&mut self, key: &Key<'_>, item: &Item<'_>) -> Option<std::time::Duration> {
        let found = match item.get_ref().as_str() {
            Some(_) => duration::parse(self.constant(key, item)?),
            None => None,
        };
        if found.is_none() {
            let span = self.item_span(item);
            self.report(
                Diagnostic::error(codes::BAD_DURATION, format!("`{}` takes a duration", key.get_ref()))
                    .at(span)
                    .hint("such as \"30s\", \"1h 30m\" or \"30 days\""),
            );
        }
        found
    }
}

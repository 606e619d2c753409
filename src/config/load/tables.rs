//! Tables that a provider's block holds for us, taken as they are written: no templates, and what they mean is the
//! business of whoever reads them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use super::reader::{Item, Key, Reader};
use crate::config::codes;
use crate::config::stack::ProviderTables;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

impl Reader<'_> {
    /// One table, or what stands in its place, under its key.
    pub(super) fn provider_table(&mut self, key: &Key<'_>, item: &Item<'_>, tables: &mut ProviderTables) {
        let name = key.get_ref().to_string();
        let span = if item.span().is_empty() { self.key_span(key) } else { self.item_span(item) };
        let mut path = vec![name.clone()];
        let plain = self.plain(item, span, &mut path, &mut tables.places);
        tables.values.insert(name, plain);
    }

    fn plain(
        &mut self,
        item: &Item<'_>,
        span: Span,
        path: &mut Vec<String>,
        places: &mut BTreeMap<Vec<String>, Span>,
    ) -> Json {
        places.insert(path.clone(), span);
        match item.get_ref() {
            DeValue::String(text) => {
                if text.contains("${") || text.contains("%{") {
                    self.report(
                        Diagnostic::error(codes::WRONG_KIND, "this is text as it is written, and no template")
                            .at(span)
                            .hint("in a recipe `{name}` stands for an attribute, without `$`"),
                    );
                }
                Json::from(text.as_ref())
            }
            DeValue::Boolean(value) => Json::from(*value),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Json::from(number),
                Err(_) => Json::from(integer.as_str()),
            },
            DeValue::Float(float) => Json::from(float.as_str()),
            DeValue::Datetime(_) => Json::from(self.text.get(item.span()).unwrap_or_default()),
            DeValue::Array(items) => {
                let mut plain = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    plain.push(self.plain(item, self.item_span(item), path, places));
                    path.pop();
                }
                Json::Array(plain)
            }
            DeValue::Table(table) => {
                let mut plain = Map::new();
                for (key, item) in table {
                    path.push(key.get_ref().to_string());
                    // Of a table, the key is what a person looks for.
                    let span = match item.get_ref() {
                        DeValue::Table(_) => self.key_span(key),
                        _ => self.item_span(item),
                    };
                    plain.insert(key.get_ref().to_string(), self.plain(item, span, path, places));
                    path.pop();
                }
                Json::Object(plain)
            }
        }
    }
}

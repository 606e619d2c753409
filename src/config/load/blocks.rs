//! `[resource]`, `[data]`, `[provider]` and `[[moved]]`.

use std::sync::Arc;

use super::reader::{Item, Key, Reader};
use super::{Loader, insert};
use crate::address::{Address, BlockAddress, Mode};
use crate::config::codes;
use crate::config::stack::{DependsOn, Lifecycle, Moved, ProviderBlock, ProviderProgram, Repetition, ResourceBlock};
use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::resilience::{Errors, Settings};
use crate::span::Span;

const PROVIDER_LATER: &[&str] = &["for_each"];
/// Tables about a program of a provider, which it reads itself; for what is built in all but `errors` are attributes
/// like any others.
const PROVIDER_TABLES: &[&str] = &["errors", "recipes", "data_types"];
const MOVED_KEYS: &[&str] = &["from", "to"];

impl Loader {
    /// `[resource.TYPE.NAME]` and `[data.TYPE.NAME]`.
    pub(super) fn blocks(&mut self, reader: &mut Reader<'_>, mode: Mode, key: &Key<'_>, item: &Item<'_>) {
        reader.named(key, item, |reader, type_name, key, item| {
            reader.named(key, item, |reader, name, key, item| {
                self.block(reader, BlockAddress::new(mode, Arc::clone(&type_name), name), key, item);
            });
        });
    }

    fn block(&mut self, reader: &mut Reader<'_>, address: BlockAddress, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        let span = reader.key_span(key);
        let mut repetition: Option<(Repetition, Span)> = None;
        let mut depends_on = Vec::new();
        let mut provider = None;
        let mut lifecycle = Lifecycle::default();
        let mut fallback = Vec::new();
        let mut body = Vec::with_capacity(table.len());
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "depends_on" => depends_on = reader.depends_on(key, item),
                "provider" => {
                    provider = reader.constant(key, item).map(|name| (Arc::from(name), reader.item_span(item)));
                }
                "lifecycle" => lifecycle = reader.lifecycle(key, item, address.mode),
                "fallback" if address.mode == Mode::Data => fallback = reader.fallbacks(key, item),
                word @ ("count" | "for_each") => {
                    let expression = reader.expression(item);
                    let span = reader.key_span(key);
                    if let Some((_, first)) = repetition {
                        reader.report(
                            Diagnostic::error(codes::CONFLICTING_KEYS, "`count` and `for_each` exclude each other")
                                .at(span)
                                .label(first, ""),
                        );
                    }
                    let new =
                        if word == "count" { Repetition::Count(expression) } else { Repetition::ForEach(expression) };
                    repetition = Some((new, span));
                }
                _ => body.push((reader.attribute_name(key), reader.expression(item))),
            }
        }
        let body = Expression::table(body, span);
        let repetition = repetition.map(|(repetition, _)| repetition).unwrap_or_default();
        let block = ResourceBlock {
            address: address.clone(),
            span,
            repetition,
            depends_on,
            provider,
            lifecycle,
            fallback,
            body,
        };
        insert(&mut self.stack.blocks, address, block, |block| block.span, "the block", reader);
    }

    pub(super) fn provider(&mut self, reader: &mut Reader<'_>, name: Arc<str>, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        let span = reader.key_span(key);
        let mut type_name = Arc::clone(&name);
        let mut program = ProviderProgram { source: None, version: None, path: None, tables: Default::default() };
        let is_program = table.contains_key("source") || table.contains_key("path");
        let mut body = Vec::with_capacity(table.len());
        let mut resilience = Settings::default();
        let mut fallback = Vec::new();
        let mut errors = Errors::default();
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "type" => {
                    if let Some(text) = reader.constant(key, item) {
                        type_name = text.into();
                    }
                }
                word @ ("source" | "version" | "path") => {
                    let text = reader.constant(key, item).map(|text| (text.to_owned(), reader.item_span(item)));
                    match word {
                        "source" => program.source = text,
                        "version" => program.version = text,
                        _ => program.path = text,
                    }
                }
                word if is_program && PROVIDER_TABLES.contains(&word) => {
                    reader.provider_table(key, item, &mut program.tables);
                }
                "errors" => errors = reader.errors(key, item),
                "resilience" => (resilience, fallback) = reader.resilience_of_provider(key, item),
                later if PROVIDER_LATER.contains(&later) => {
                    reader.unknown_key(key, "of a provider", &[], PROVIDER_LATER);
                }
                _ => body.push((reader.attribute_name(key), reader.expression(item))),
            }
        }
        if let (Some((_, at)), None) = (&program.version, &program.source) {
            let problem = "`version` says which version of a `source`, and there is none";
            let hint = "add `source = \"NAMESPACE/NAME\"`, or leave `version` out";
            reader.report(Diagnostic::error(codes::CONFLICTING_KEYS, problem).at(*at).hint(hint));
        }
        if let (Some((_, at)), Some((_, first))) = (&program.path, &program.version) {
            let problem = "`path` and `version` exclude each other: the program at a path is the one that it is";
            reader.report(
                Diagnostic::error(codes::CONFLICTING_KEYS, problem)
                    .at(*at)
                    .label(*first, "")
                    .hint("leave one of them out"),
            );
        }
        resilience.errors = errors;
        let program = (program.source.is_some() || program.path.is_some()).then_some(program);
        let body = Expression::table(body, span);
        let provider = ProviderBlock { name: Arc::clone(&name), span, type_name, program, resilience, body, fallback };
        insert(&mut self.stack.providers, name, provider, |provider| provider.span, "the provider", reader);
    }

    pub(super) fn moved(&mut self, reader: &mut Reader<'_>, key: &Key<'_>, item: &Item<'_>) {
        for (item, table) in reader.tables(key, item) {
            let (mut from, mut to) = (None, None);
            let span = reader.item_span(item);
            for (key, item) in table {
                match key.get_ref().as_ref() {
                    "from" => from = Some(reader.address(key, item)),
                    "to" => to = Some(reader.address(key, item)),
                    _ => reader.unknown_key(key, "of `[[moved]]`", MOVED_KEYS, &[]),
                }
            }
            match (from, to) {
                (None, _) => reader.missing_key("from", "`[[moved]]`", span),
                (_, None) => reader.missing_key("to", "`[[moved]]`", span),
                (Some(Some((from, from_span))), Some(Some((to, to_span)))) => {
                    self.stack.moved.push(Moved { from, from_span, to, to_span });
                }
                _ => {}
            }
        }
    }
}

impl Reader<'_> {
    /// An address, as a plain text.
    pub(super) fn address(&mut self, key: &Key<'_>, item: &Item<'_>) -> Option<(Address, Span)> {
        let text = self.text(key, item)?;
        let span = self.item_span(item);
        match text.trim().parse::<Address>() {
            Ok(address) if !address.block.modules.is_empty() => {
                self.report(super::not_yet("a module in an address", span));
                None
            }
            Ok(address) => Some((address, span)),
            Err(error) => {
                let diagnostic = Diagnostic::error(codes::BAD_REFERENCE, error.to_string()).at(span);
                self.report(match bare(text) {
                    Some(bare) => diagnostic.hint(format!("write \"{bare}\", without `${{}}`")),
                    None => diagnostic,
                });
                None
            }
        }
    }

    fn depends_on(&mut self, key: &Key<'_>, item: &Item<'_>) -> Vec<(DependsOn, Span)> {
        let mut found = Vec::new();
        for item in self.array(key, item) {
            if let Some((address, span)) = self.address(key, item) {
                let target = match &address.key {
                    None => DependsOn::Block(address.block),
                    Some(_) => DependsOn::Instance(address),
                };
                found.push((target, span));
            }
        }
        found
    }
}

/// What stands between `${` and `}`, where that is all.
pub(super) fn bare(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${")?.strip_suffix('}').map(str::trim)
}

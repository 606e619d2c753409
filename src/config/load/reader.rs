//! Reading keys and values of one file, with complaints at their places.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::address::is_identifier;
use crate::config::codes;
use crate::diagnostic::Diagnostic;
use crate::expression::nearest;
use crate::span::{FileId, Span};

pub(in crate::config) type Key<'t> = Spanned<DeString<'t>>;
pub(in crate::config) type Item<'t> = Spanned<DeValue<'t>>;
pub(in crate::config) type Table<'t> = DeTable<'t>;

/// One file being read.
pub(in crate::config) struct Reader<'r> {
    pub(in crate::config) file: FileId,
    pub(in crate::config) text: &'r str,
    /// Regions about which nothing is said, because a syntax error spoilt them.
    pub(in crate::config) broken: &'r [Range<usize>],
    pub(in crate::config) diagnostics: &'r mut Vec<Diagnostic>,
}

impl Reader<'_> {
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    pub(in crate::config) fn key_span(&self, key: &Key<'_>) -> Span {
        self.span(key.span())
    }

    pub(super) fn item_span(&self, item: &Item<'_>) -> Span {
        self.span(item.span())
    }

    /// Reports, unless it is about a part that is broken anyway.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let spoilt = diagnostic.labels.iter().filter(|label| label.span.file == self.file).any(|label| {
            let start = usize::try_from(label.span.start).unwrap_or(usize::MAX);
            self.broken.iter().any(|region| region.contains(&start))
        });
        if !spoilt {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether nothing at all was spoilt, so that what is missing is really missing.
    pub(super) fn is_whole(&self) -> bool {
        self.broken.is_empty()
    }

    /// A value of the wrong kind: `key` takes `wanted`.
    pub(super) fn wrong_kind(&mut self, key: &Key<'_>, item: &Item<'_>, wanted: &str) {
        let span = self.value_span(key, item);
        self.report(
            Diagnostic::error(
                codes::WRONG_KIND,
                format!("`{}` takes {wanted}, and this is {}", key.get_ref(), kind_name(item)),
            )
            .at(span)
            .hint(example(key.get_ref(), wanted)),
        );
    }

    /// The place of a value; of a table that headers or dotted keys make up, that of its key.
    fn value_span(&self, key: &Key<'_>, item: &Item<'_>) -> Span {
        if item.span().is_empty() { self.key_span(key) } else { self.item_span(item) }
    }

    pub(super) fn table<'i, 't>(&mut self, key: &Key<'_>, item: &'i Item<'t>) -> Option<&'i Table<'t>> {
        let table = item.get_ref().as_table();
        if table.is_none() {
            self.wrong_kind(key, item, "a table");
        }
        table
    }

    /// A table of tables with names: `[variable.NAME]`.
    pub(super) fn named<'i, 't>(
        &mut self,
        key: &Key<'_>,
        item: &'i Item<'t>,
        mut each: impl FnMut(&mut Self, Arc<str>, &'i Key<'t>, &'i Item<'t>),
    ) {
        let Some(table) = self.table(key, item) else { return };
        for (name, item) in table {
            if let Some(text) = self.name(name) {
                each(self, text, name, item);
            }
        }
    }

    /// The tables of an array of tables, or of an array of inline tables.
    pub(super) fn tables<'i, 't>(&mut self, key: &Key<'_>, item: &'i Item<'t>) -> Vec<(&'i Item<'t>, &'i Table<'t>)> {
        match item.get_ref() {
            DeValue::Table(table) => vec![(item, table)],
            DeValue::Array(items) => {
                let mut tables = Vec::new();
                for item in items {
                    match item.get_ref().as_table() {
                        Some(table) => tables.push((item, table)),
                        None => self.wrong_kind(key, item, "tables"),
                    }
                }
                tables
            }
            _ => {
                self.wrong_kind(key, item, "an array of tables");
                Vec::new()
            }
        }
    }

    /// A name that references can use.
    pub(super) fn name(&mut self, key: &Key<'_>) -> Option<Arc<str>> {
        let name = key.get_ref();
        if is_identifier(name) {
            return Some(Arc::from(name.as_ref()));
        }
        let span = self.key_span(key);
        self.report(
            Diagnostic::error(codes::BAD_NAME, format!("`{name}` is no name that references could use"))
                .at(span)
                .hint("a letter or `_` comes first, then letters, digits, `_` and `-`"),
        );
        None
    }

    /// A text that is taken as it is written, no template.
    pub(super) fn text<'i>(&mut self, key: &Key<'_>, item: &'i Item<'_>) -> Option<&'i str> {
        let text = item.get_ref().as_str();
        if text.is_none() {
            self.wrong_kind(key, item, "a string");
        }
        text
    }

    /// A text that must be known without evaluating anything.
    pub(super) fn constant<'i>(&mut self, key: &Key<'_>, item: &'i Item<'_>) -> Option<&'i str> {
        let text = self.text(key, item)?;
        if text.contains("${") || text.contains("%{") {
            self.not_constant(key, item);
            return None;
        }
        Some(text)
    }

    fn not_constant(&mut self, key: &Key<'_>, item: &Item<'_>) {
        let span = self.item_span(item);
        self.report(
            Diagnostic::error(codes::NOT_CONSTANT, format!("`{}` takes a constant, not a template", key.get_ref()))
                .at(span)
                .hint("write it out: it is needed before anything is evaluated"),
        );
    }

    pub(super) fn bool(&mut self, key: &Key<'_>, item: &Item<'_>) -> Option<bool> {
        let value = item.get_ref().as_bool();
        if value.is_none() {
            match item.get_ref().as_str() {
                Some(text) if text.contains("${") => self.not_constant(key, item),
                _ => self.wrong_kind(key, item, "`true` or `false`"),
            }
        }
        value
    }

    /// The items of an array.
    pub(super) fn array<'i, 't>(&mut self, key: &Key<'_>, item: &'i Item<'t>) -> &'i [Item<'t>] {
        match item.get_ref().as_array() {
            Some(array) => array.as_ref(),
            None => {
                self.wrong_kind(key, item, "an array");
                &[]
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &Key<'_>, item: &Item<'_>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.constant(key, item)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let span = self.item_span(item);
            self.report(with_nearest(
                Diagnostic::error(
                    codes::BAD_CHOICE,
                    format!("`{}` is {}, not \"{text}\"", key.get_ref(), any_of(&words)),
                )
                .at(span),
                text,
                choices.iter().map(|(word, _)| *word),
            ));
        }
        found
    }

    /// Reports a key that is not known here, or not yet.
    pub(super) fn unknown_key(&mut self, key: &Key<'_>, place: &str, known: &[&str], later: &[&str]) {
        let name = key.get_ref().as_ref();
        let span = self.key_span(key);
        if later.contains(&name) {
            self.report(not_yet(&format!("`{name}` {place}"), span));
            return;
        }
        self.report(with_nearest(
            Diagnostic::error(codes::UNKNOWN_KEY, format!("there is no key `{name}` {place}")).at(span),
            name,
            known.iter().copied(),
        ));
    }

    /// Reports a required key that is not there.
    pub(super) fn missing_key(&mut self, name: &str, place: &str, span: Span) {
        self.report(
            Diagnostic::error(codes::MISSING_KEY, format!("{place} needs the key `{name}`"))
                .at(span)
                .hint(format!("write `{name} = …` there")),
        );
    }
}

/// The error for what belongs to the format and is not there yet.
pub(super) fn not_yet(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::NOT_YET_SUPPORTED, format!("{what} is not supported by this version"))
        .at(span)
        .hint("the format reserves it for a later version; leave it out")
}

/// The same with the nearest known word as advice, or with all of them where they are few.
pub(super) fn with_nearest<'n>(
    diagnostic: Diagnostic,
    name: &str,
    known: impl IntoIterator<Item = &'n str> + Clone,
) -> Diagnostic {
    if let Some(near) = nearest(name, known.clone()) {
        return diagnostic.hint(format!("did you mean `{near}`?"));
    }
    let known: Vec<String> = known.into_iter().take(17).map(|word| format!("`{word}`")).collect();
    if known.is_empty() || known.len() > 16 {
        return diagnostic;
    }
    diagnostic.hint(format!("known here: {}", known.join(", ")))
}

fn any_of(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// How a value of a kind is written.
fn example(key: &str, wanted: &str) -> String {
    match wanted {
        "a table" => format!("give it a header of its own, or write `{key} = {{ … }}`"),
        "tables" | "an array of tables" => format!("write `[[{key}]]` and what belongs into it below, for each one"),
        "a string" => format!("write `{key} = \"…\"`"),
        "`true` or `false`" => format!("write `{key} = true` or `{key} = false`, without quotes"),
        "an array" => format!("write `{key} = [ … ]`"),
        other => format!("write {other}"),
    }
}

fn kind_name(item: &Item<'_>) -> &'static str {
    match item.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

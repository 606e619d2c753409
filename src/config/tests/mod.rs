//! What configurations are told, as tables: a text, and the diagnostics that it gets.

use std::path::Path;

use super::{Failed, Stack, load_texts};
use crate::diagnostic::{Diagnostic, Sources};

/// `FILE:LINE:COLUMN CODE MESSAGE`, a line for each further label and for the hint.
pub(crate) fn shown(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let mut places = diagnostic.labels.iter().map(|label| {
            let place = sources.place(label.span).unwrap();
            let file = place.file.strip_suffix(".retrue.toml").map(|file| format!("{file}:")).unwrap_or_default();
            (format!("{file}{}:{}", place.line, place.column), label.text.clone())
        });
        let (first, word) = places.next().unwrap_or(("-".into(), String::new()));
        let word = if word.is_empty() { word } else { format!(" ({word})") };
        text += &format!("{first} {} {}{word}\n", diagnostic.code, diagnostic.message);
        for (place, word) in places {
            text += &format!("  {place} {word}\n");
        }
        for note in &diagnostic.notes {
            text += &format!("  | {note}\n");
        }
        if let Some(hint) = &diagnostic.hint {
            text += &format!("  = {hint}\n");
        }
    }
    text
}

pub(super) fn loaded(text: &str) -> Result<Stack, Failed> {
    load_texts(Path::new("/stacks/shop"), [("retrue.toml", text)])
}

pub(super) fn good(text: &str) -> Stack {
    loaded(text).unwrap_or_else(|failed| panic!("{}", shown(&failed.sources, &failed.diagnostics)))
}

/// What a text is told; `[stack]` is put before it, on the first line.
pub(super) fn told(text: &str) -> String {
    match loaded(&format!("stack.schema = 1\n{text}")) {
        Ok(_) => String::new(),
        Err(failed) => shown(&failed.sources, &failed.diagnostics),
    }
}

/// A snapshot without the expression that made it.
macro_rules! snapshot {
    ($shown:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($shown) })
    };
}

/// Each text with what it is told, for a snapshot.
pub(super) fn table(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{}\n----\n{}====\n", text.trim_end(), told(text))).collect()
}

mod load;
mod syntax;

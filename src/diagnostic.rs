//! What a person is told: a stable code, a place, one line and a hint.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::rest::masked;
use crate::span::{FileId, Span};

/// Whether it forbids going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable: `RT0104`.
    pub code: &'static str,
    /// Whether it forbids going on.
    pub severity: Severity,
    /// One line of what happened.
    pub message: String,
    /// Where: the first is the place itself, the others are what it is in conflict with.
    pub labels: Vec<Label>,
    /// What to do.
    pub hint: Option<String>,
    /// Further lines, such as what a provider or a command had to say.
    pub notes: Vec<String>,
}

/// A place, with a word about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            hint: None,
            notes: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        self.label(span, "")
    }

    /// The same at a place, or nowhere in particular.
    #[must_use]
    pub fn maybe_at(self, span: Option<Span>) -> Self {
        match span {
            Some(span) => self.at(span),
            None => self,
        }
    }

    /// The same at a place, where none is said yet, or nowhere in particular.
    #[must_use]
    pub fn else_at(self, span: Option<Span>) -> Self {
        if self.labels.is_empty() { self.maybe_at(span) } else { self }
    }

    /// The same at a further place, with a word about it.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one more line.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same without secrets in its words: what may be shown.
    #[must_use]
    pub fn masked(&self) -> Self {
        let label = |label: &Label| Label { span: label.span, text: masked(&label.text) };
        Diagnostic {
            code: self.code,
            severity: self.severity,
            message: masked(&self.message),
            labels: self.labels.iter().map(label).collect(),
            hint: self.hint.as_deref().map(masked),
            notes: self.notes.iter().map(|note| masked(note)).collect(),
        }
    }

    /// Whether it forbids going on.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Sorts by place and drops repetitions, so that the same input always reads the same.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let place = |diagnostic: &Diagnostic| diagnostic.labels.first().map(|label| label.span);
        (place(a), a.severity, a.code, &a.message).cmp(&(place(b), b.severity, b.code, &b.message))
    });
    diagnostics.dedup();
}

/// The files of a stack, for showing lines of them.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path as a person should see it: relative to the stack.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// The parts that no screen may show, sorted: secrets that are written out.
    pub hidden: Vec<Range<usize>>,
}

/// A place as people count: lines and columns from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The path of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// Adds a file and returns its id.
    pub fn add(&mut self, path: PathBuf, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(Source { path, text: text.into(), hidden: Vec::new() });
        id
    }

    /// Keeps a part of a file from being shown.
    pub fn hide(&mut self, span: Span) {
        let Some(source) = usize::try_from(span.file.0).ok().and_then(|at| self.0.get_mut(at)) else { return };
        let length = source.text.len();
        let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX).min(length);
        source.hidden.push(offset(span.start)..offset(span.end));
        source.hidden.sort_by_key(|part| (part.start, part.end));
    }

    /// A file by its id.
    pub fn get(&self, id: FileId) -> Option<&Source> {
        self.0.get(usize::try_from(id.0).ok()?)
    }

    /// All files in order.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// Where a span begins.
    pub fn place(&self, span: Span) -> Option<Place> {
        let source = self.get(span.file)?;
        let mut start = usize::try_from(span.start).ok()?.min(source.text.len());
        while !source.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = source.text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some(Place {
            file: source.path.display().to_string(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let mut sources = Sources::default();
        let file = sources.add("retrue.toml".into(), "a = 1\nü = \"x\"\n");
        let place = sources.place(Span::new(file, 10..11)).unwrap();
        assert_eq!((place.line, place.column), (2, 4));
    }
}

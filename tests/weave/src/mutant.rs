//! The mutants as cargo-mutants lists them.

use std::ops::Range;

use serde::Deserialize;

/// One change that a test should notice.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// Where and what, in words.
    pub name: String,
    /// The file that it changes.
    pub file: String,
    /// What kind of change it is.
    pub genre: String,
    /// What comes in place of what is there.
    #[serde(default)]
    pub replacement: String,
    span: Span,
}

#[derive(Clone, Debug, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

#[derive(Clone, Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Mutant {
    /// What it replaces, as bytes of the file.
    pub fn range(&self, source: &str) -> Range<usize> {
        self.span.start.offset(source)..self.span.end.offset(source)
    }
}

impl Place {
    /// Lines and columns count from 1, columns in characters.
    fn offset(&self, source: &str) -> usize {
        let line: usize = source.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        let rest = &source[line..];
        line + rest.char_indices().nth(self.column - 1).map_or(rest.len(), |(index, _)| index)
    }
}

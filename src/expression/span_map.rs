//! From places in a decoded string to places in the file.

use crate::span::{FileId, Span};

/// Where the bytes of a decoded TOML string stand in the file.
#[derive(Debug)]
pub(super) struct SpanMap {
    file: FileId,
    /// Pairs of a decoded and a file offset, in order: up to the next pair they go in step.
    steps: Vec<(usize, usize)>,
}

impl SpanMap {
    /// The map of a text that stands in the file as it is, from `start` on.
    pub(super) fn plain(file: FileId, start: usize) -> Self {
        SpanMap { file, steps: vec![(0, start)] }
    }

    /// The map of a TOML string. `raw` is the string with its quotes, `text` its decoded content.
    ///
    /// Where the two do not belong together, the rest of the text is mapped to the place where
    /// that shows.
    pub(super) fn of_toml(text: &str, span: Span, raw: &str) -> Self {
        let base = usize::try_from(span.start).unwrap_or(0);
        let (open, basic, multi_line) = if raw.starts_with("\"\"\"") {
            (3, true, true)
        } else if raw.starts_with("'''") {
            (3, false, true)
        } else {
            (usize::from(raw.starts_with(['"', '\''])), raw.starts_with('"'), false)
        };
        let mut cursor = Cursor { raw, at: open };
        if multi_line {
            // A line break right after the opening quotes is no part of the string.
            cursor.skip("\r");
            cursor.skip("\n");
        }
        let mut map = SpanMap { file: span.file, steps: vec![(0, base + cursor.at)] };
        for (decoded, character) in text.char_indices() {
            if basic && multi_line {
                cursor.skip_line_continuation();
            }
            map.step(decoded, base + cursor.at);
            if basic && cursor.rest().starts_with('\\') {
                cursor.skip_escape();
                map.step(decoded + character.len_utf8(), base + cursor.at);
                continue;
            }
            if cursor.rest().starts_with('\r') && character != '\r' {
                cursor.skip("\r");
            }
            if !cursor.rest().starts_with(character) {
                break;
            }
            cursor.at += character.len_utf8();
        }
        map
    }

    /// The map of the text from an offset on.
    pub(super) fn from(&self, start: usize) -> Self {
        let mut steps = vec![(0, self.offset(start))];
        let later = self.steps.iter().filter(|(decoded, _)| *decoded > start);
        steps.extend(later.map(|(decoded, raw)| (decoded - start, *raw)));
        SpanMap { file: self.file, steps }
    }

    fn step(&mut self, decoded: usize, raw: usize) {
        if self.offset(decoded) != raw {
            self.steps.push((decoded, raw));
        }
    }

    fn offset(&self, decoded: usize) -> usize {
        let after = self.steps.partition_point(|(start, _)| *start <= decoded);
        match after.checked_sub(1).and_then(|index| self.steps.get(index)) {
            Some((start, raw)) => raw + (decoded - start),
            None => 0,
        }
    }

    /// The place in the file of a range of the decoded text.
    pub(super) fn span(&self, range: std::ops::Range<usize>) -> Span {
        // The end of a range is the end of its last byte, which an escape may be wider than.
        let start = self.offset(range.start);
        Span::new(self.file, start..self.offset(range.end).max(start))
    }
}

struct Cursor<'t> {
    raw: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.raw.get(self.at..).unwrap_or("")
    }

    fn skip(&mut self, text: &str) {
        if self.rest().starts_with(text) {
            self.at += text.len();
        }
    }

    /// Skips backslashes at the end of a line, with the white space that follows.
    fn skip_line_continuation(&mut self) {
        while let Some(after) = self.rest().strip_prefix('\\') {
            let line_end = after.trim_start_matches([' ', '\t']);
            if !line_end.starts_with(['\n', '\r']) {
                return;
            }
            let skipped = line_end.trim_start_matches([' ', '\t', '\n', '\r']);
            self.at = self.raw.len() - skipped.len();
        }
    }

    fn skip_escape(&mut self) {
        let width = match self.rest().as_bytes().get(1) {
            Some(b'u') => 6,
            Some(b'U') => 10,
            Some(b'x') => 4,
            _ => 2,
        };
        self.at = (self.at + width).min(self.raw.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds `needle` in the decoded text, and checks what stands at its place in the file.
    #[track_caller]
    fn check(raw: &str, needle: &str, expect: &str) {
        let source = format!("key = {raw}\n");
        let table: toml::Table = source.parse().unwrap();
        let text = table["key"].as_str().unwrap();
        let span = Span::new(FileId(3), 6..6 + raw.len());
        let at = text.find(needle).unwrap();
        let found = SpanMap::of_toml(text, span, raw).span(at..at + needle.len());
        assert_eq!(found.file, FileId(3));
        let (start, end) = (usize::try_from(found.start).unwrap(), usize::try_from(found.end).unwrap());
        assert_eq!(&source[start..end], expect);
    }

    #[test]
    fn maps_every_kind_of_string() {
        check("\"a ${var.x}\"", "var.x", "var.x");
        check("'a ${var.x}'", "var.x", "var.x");
        check(r#""\t\u00e9\U0001F600 ${var.x} \" ${var.y}""#, "var.x", "var.x");
        check(r#""\t\u00e9\U0001F600 ${var.x} \" ${var.y}""#, "var.y", "var.y");
        check("\"\"\"\n  first\n  ${var.x}\"\"\"", "var.x", "var.x");
        check("\"\"\"\\\n   \n  first \\\n   ${var.x} \\n ${var.y}\"\"\"", "var.x", "var.x");
        check("\"\"\"\\\n   \n  first \\\n   ${var.x} \\n ${var.y}\"\"\"", "var.y", "var.y");
        check("'''\nfirst\n${var.x}'''", "var.x", "var.x");
        check("\"\"\"a\r\nb ${var.x}\"\"\"", "var.x", "var.x");
        check("\"\"\"\"quoted\" ${var.x}\"\"\"\"", "var.x", "var.x");
        check(r#""a \u00e9\tb c""#, "é\tb", r"\u00e9\tb");
    }
}

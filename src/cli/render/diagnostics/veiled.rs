//! A part of a file without the secrets that are written in it.

use std::ops::Range;

use crate::diagnostic::Source;
use crate::rest::standing_in;

/// What stands where a secret is.
const VEIL: &str = "(sensitive)";

/// A part of a file as it may be shown.
pub(super) struct Veiled {
    /// The text.
    pub(super) text: String,
    start: usize,
    /// What is hidden, as it stands in the file, and the bytes that stand there instead.
    parts: Vec<(Range<usize>, usize)>,
}

impl Veiled {
    /// The part of a file without what the file says is secret, and without what is known as secret for other reasons;
    /// `None` where there is no such part.
    pub(super) fn new(source: &Source, shown: Range<usize>) -> Option<Veiled> {
        let mut veiled = Veiled { text: String::new(), start: shown.start, parts: Vec::new() };
        let mut at = shown.start;
        let mut hidden = source.hidden.clone();
        if let Some(text) = source.text.get(shown.clone()) {
            hidden.extend(standing_in(text).into_iter().map(|part| shown.start + part.start..shown.start + part.end));
        }
        hidden.sort_by_key(|part| (part.start, part.end));
        for part in &hidden {
            let part = part.start.max(at)..part.end.min(shown.end);
            if part.is_empty() {
                continue;
            }
            veiled.text.push_str(source.text.get(at..part.start)?);
            // The lines below keep their numbers.
            let lines = source.text.get(part.clone())?.matches('\n').count();
            veiled.text.push_str(VEIL);
            veiled.text.push_str(&"\n".repeat(lines));
            veiled.parts.push((part.clone(), VEIL.len() + lines));
            at = part.end;
        }
        veiled.text.push_str(source.text.get(at..shown.end)?);
        Some(veiled)
    }

    /// Where something of the file stands in the text.
    pub(super) fn within(&self, bytes: &Range<usize>) -> Range<usize> {
        self.at(bytes.start, false)..self.at(bytes.end, true)
    }

    fn at(&self, offset: usize, is_end: bool) -> usize {
        let mut moved = offset - self.start.min(offset);
        for (part, length) in &self.parts {
            if offset >= part.end {
                moved = moved + length - part.len();
            } else if offset > part.start {
                let into = if is_end { VEIL.len() } else { 0 };
                moved = moved + into - (offset - part.start);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;
    use crate::span::Span;

    #[test]
    fn places_move_with_what_is_hidden() {
        let mut sources = Sources::default();
        let text = "a = \"secret\" # x\nb = \"\"\"s\nt\"\"\"\nc = 1\n";
        let file = sources.add("f".into(), text);
        sources.hide(Span::new(file, 4..12));
        let long = text.find("\"\"\"").unwrap();
        sources.hide(Span::new(file, long..long + 9));
        let veiled = Veiled::new(sources.get(file).unwrap(), 0..text.len()).unwrap();
        assert_eq!(veiled.text, "a = (sensitive) # x\nb = (sensitive)\n\nc = 1\n");
        for word in ["a", "# x", "b", "c = 1"] {
            let at = text.find(word).unwrap();
            assert_eq!(&veiled.text[veiled.within(&(at..at + word.len()))], word);
        }
        for hidden in [4..12, 6..8, 5..12] {
            let at = veiled.within(&hidden);
            assert!(veiled.text[at.clone()].ends_with("(sensitive)"), "{at:?}");
        }
    }
}

//! Diagnostics with the lines that they are about.

mod veiled;

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use self::veiled::Veiled;
use super::text::{bold, visible_lines, wrap};
use crate::diagnostic::{Diagnostic, Label, Severity, Source, Sources};
use crate::span::FileId;

/// Lines shown around each place.
const CONTEXT: usize = 1;

/// Places of one file that are closer than this many lines are shown together.
const NEAR: usize = 8;

/// A line longer than this many bytes is cut out around the place.
const LONG: usize = 600;

/// At most so many are shown; the rest is counted.
const MOST: usize = 50;

/// Renders diagnostics, coloured, for a width in columns. Ends with a line that counts them.
pub fn diagnostics(diagnostics: &[Diagnostic], sources: &Sources, width: usize) -> String {
    let renderer = Renderer::styled().term_width(width);
    let mut text = String::new();
    // Before lines are broken: a secret would be in two parts.
    for diagnostic in &diagnostics.iter().take(MOST).map(Diagnostic::masked).collect::<Vec<_>>() {
        let places = places(&diagnostic.labels, sources);
        let bare = places.is_empty();
        text.push_str(&renderer.render(&[group(diagnostic, places)]));
        if bare {
            text.push_str(&advice(diagnostic, width));
        }
        text.push_str("\n\n");
    }
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    if errors > 1 {
        let omitted = diagnostics.len().saturating_sub(MOST);
        let more = if omitted > 0 { format!("; the last {omitted} are not shown") } else { String::new() };
        text.push_str(&format!("{errors} errors{more}\n"));
    } else {
        // The last blank line only separates.
        text.pop();
    }
    text
}

/// Notes and hint of a diagnostic without a place, as lines of their own.
fn advice(diagnostic: &Diagnostic, width: usize) -> String {
    let notes = diagnostic.notes.iter().map(|note| ("note", note));
    let hint = diagnostic.hint.iter().map(|hint| ("hint", hint));
    let mut text = String::new();
    for (word, advice) in notes.chain(hint) {
        for (position, line) in wrap(&visible_lines(advice), width.saturating_sub(8)).iter().enumerate() {
            let head = if position == 0 { bold(&format!("{word}:")) } else { " ".repeat(5) };
            text.push_str(&format!("\n  {head} {line}"));
        }
    }
    text
}

fn group<'a>(diagnostic: &'a Diagnostic, places: Vec<Element<'a>>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    if places.is_empty() {
        return group;
    }
    for element in places {
        group = group.element(element);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name(Some("hint")).message(hint.as_str()));
    }
    group
}

/// A label with its bytes and lines in the file.
struct Spot<'a> {
    label: &'a Label,
    primary: bool,
    bytes: Range<usize>,
    lines: Range<usize>,
}

fn places<'a>(labels: &'a [Label], sources: &'a Sources) -> Vec<Element<'a>> {
    let mut files: Vec<FileId> = Vec::new();
    for label in labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    let mut elements = Vec::new();
    for file in files {
        let Some(source) = sources.get(file) else { continue };
        let mut spots: Vec<Spot<'_>> = labels
            .iter()
            .enumerate()
            .filter(|(_, label)| label.span.file == file)
            .map(|(position, label)| spot(source, label, position == 0))
            .collect();
        // The place itself is shown first; what is near to it comes with it.
        spots.sort_by_key(|spot| (!spot.primary, spot.bytes.start));
        while !spots.is_empty() {
            let first = spots.remove(0);
            let anchor = first.lines.start;
            let (near, far): (Vec<_>, Vec<_>) =
                spots.into_iter().partition(|spot| spot.lines.start.abs_diff(anchor) <= NEAR);
            spots = far;
            let mut together = vec![first];
            together.extend(near);
            elements.extend(excerpt(source, &together));
        }
    }
    elements
}

fn spot<'a>(source: &Source, label: &'a Label, primary: bool) -> Spot<'a> {
    let text = &source.text;
    let within = |offset: u32| {
        let mut offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = within(label.span.start);
    let mut end = within(label.span.end).max(start);
    // What runs over many lines is shown by its first.
    if let Some(inside) = text.get(start..end)
        && inside.matches('\n').nth(3).is_some()
    {
        end = start + inside.find('\n').unwrap_or(inside.len());
    }
    let line = |offset: usize| text.get(..offset).map_or(0, |before| before.bytes().filter(|b| *b == b'\n').count());
    Spot { label, primary, bytes: start..end, lines: line(start)..line(end) }
}

/// The lines around some places of one file, as a snippet of their own: a file may be large.
fn excerpt<'a>(source: &'a Source, spots: &[Spot<'a>]) -> Option<Element<'a>> {
    let text: &str = &source.text;
    let first = spots.iter().map(|spot| spot.bytes.start).min()?;
    let last = spots.iter().map(|spot| spot.bytes.end).max()?;
    let path = source.path.display().to_string();
    let line_of_first = spots.iter().map(|spot| spot.lines.start).min()?;

    let mut start = text.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
    let end_of = |from: usize| text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| from + at);
    let mut end = end_of(last);
    if end - start > LONG * NEAR {
        // An enormous line: only the place is named.
        let primary = spots.first()?;
        let column = text.get(start..primary.bytes.start).map_or(0, |before| before.chars().count()) + 1;
        return Some(Origin::path(path).line(primary.lines.start + 1).char_column(column).into());
    }
    let mut line_start = line_of_first + 1;
    for _ in 0..CONTEXT {
        let Some(before) = start.checked_sub(1) else { break };
        let line = text.get(..before)?.rfind('\n').map_or(0, |at| at + 1);
        if before - line > LONG {
            break;
        }
        start = line;
        line_start -= 1;
    }
    for _ in 0..CONTEXT {
        let next = end_of((end + 1).min(text.len()));
        if next.saturating_sub(end) > LONG {
            break;
        }
        end = next;
    }
    let veiled = Veiled::new(source, start..end)?;
    let annotations = spots.iter().map(|spot| {
        let kind = if spot.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(veiled.within(&spot.bytes));
        if spot.label.text.is_empty() { annotation } else { annotation.label(spot.label.text.as_str()) }
    });
    let snippet: Snippet<'a, Annotation<'a>> =
        Snippet::source(veiled.text.clone()).path(path).line_start(line_start).fold(false).annotations(annotations);
    Some(snippet.into())
}

#[cfg(test)]
mod tests;

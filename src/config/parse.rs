//! TOML with places, and syntax errors without their echoes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, Error};

use super::codes;
use super::scan::{Kind, MAX_DEPTH, Scan, Statement, scan};
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// Above this size a broken file is reported by its first error alone: every byte of it may be one.
const RECOVERY_LIMIT: usize = 1024 * 1024;

/// After so many broken statements the rest of a file goes unreported.
const MAX_ERRORS: usize = 100;

/// What was made of a text.
pub(super) struct Parsed<'t> {
    pub(super) root: DeTable<'t>,
    /// Where syntax errors make everything else that is said doubtful.
    pub(super) broken: Vec<Range<usize>>,
}

/// Parses a file and reports its syntax errors; `None` when nothing in it can be used.
pub(super) fn parse<'t>(file: FileId, text: &'t str, diagnostics: &mut Vec<Diagnostic>) -> Option<Parsed<'t>> {
    let scanned = scan(text, false);
    if let Some(at) = scanned.too_deep {
        diagnostics.push(
            Diagnostic::error(codes::TOO_DEEP, format!("more than {MAX_DEPTH} levels are nested here"))
                .at(Span::new(file, at..at + 1)),
        );
        return None;
    }
    let (root, errors) = if text.len() > RECOVERY_LIMIT {
        match DeTable::parse(text) {
            Ok(root) => (root, Vec::new()),
            Err(error) => (Spanned::new(0..0, DeTable::new()), vec![error]),
        }
    } else {
        DeTable::parse_recoverable(text)
    };
    let broken =
        if errors.is_empty() { Vec::new() } else { report(file, text, &scan(text, true), errors, diagnostics) };
    for (range, what) in &scanned.newer {
        if !broken.iter().any(|region| region.contains(&range.start)) {
            diagnostics.push(newer(what, Span::new(file, range.clone())));
        }
    }
    Some(Parsed { root: root.into_inner(), broken })
}

/// The error for what TOML 1.1 brought.
pub(super) fn newer(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::NEWER_TOML, format!("{what} came with TOML 1.1; the format is TOML 1.0")).at(span)
}

/// Reports one error for each broken statement, and returns the regions that they spoil.
fn report(
    file: FileId,
    text: &str,
    scanned: &Scan,
    mut errors: Vec<Error>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Range<usize>> {
    errors.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.message().cmp(b.message())));
    let mut by_statement: BTreeMap<Option<usize>, Vec<Error>> = BTreeMap::new();
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        let after = scanned.statements.partition_point(|statement| statement.range.start <= start);
        by_statement.entry(after.checked_sub(1)).or_default().push(error);
    }
    let definitions = Definitions::new(text, &scanned.statements);
    let mut broken: Vec<Range<usize>> = Vec::new();
    let mut duplicate_section = None;
    for (index, errors) in by_statement.into_iter().take(MAX_ERRORS) {
        let statement = index.and_then(|index| scanned.statements.get(index));
        let Some(first) = errors.first() else { continue };
        let begins = first.span().map_or(0, |span| span.start);
        if broken.iter().any(|region| region.contains(&begins)) {
            // Behind an unclosed bracket or header nothing can be told from an echo.
            if broken.iter().any(|region| region.end == text.len() && region.contains(&begins)) {
                continue;
            }
        }
        let duplicate = first.message() == "duplicate key" || first.message().starts_with("cannot extend");
        if duplicate {
            let section = index.map(|index| section_of(&scanned.statements, index));
            let is_header = statement.is_some_and(|statement| statement.kind != Kind::Value);
            if !is_header && section.is_some() && section == duplicate_section {
                continue;
            }
            if is_header {
                duplicate_section = section;
            }
            diagnostics.push(report_duplicate(file, text, first, index, &definitions));
            continue;
        }
        diagnostics.push(report_syntax(file, text, &errors, statement));
        broken.push(spoiled(text, scanned, index));
    }
    broken
}

fn place(error: &Error) -> (usize, usize) {
    error.span().map_or((0, 0), |span| (span.start, span.end))
}

fn report_syntax(file: FileId, text: &str, errors: &[Error], statement: Option<&Statement>) -> Diagnostic {
    let unclosed = errors.iter().find(|error| error.message().starts_with("unclosed"));
    let Some(error) = unclosed.or(errors.first()) else { return Diagnostic::error(codes::SYNTAX, "not TOML") };
    let diagnostic = Diagnostic::error(codes::SYNTAX, error.message());
    if let Some(open) = statement.and_then(|statement| statement.unclosed) {
        return diagnostic.label(Span::new(file, open..open + 1), "never closed");
    }
    let span = error.span().unwrap_or(0..0);
    let mut diagnostic = diagnostic.at(Span::new(file, span.clone()));
    if error.message().starts_with("string values must be quoted")
        && let Some(word) = text.get(span)
    {
        diagnostic = diagnostic.hint(format!("write \"{}\"", word.trim()));
    }
    diagnostic
}

/// The region that an error in a statement spoils: its section, or everything after what is not closed.
fn spoiled(text: &str, scanned: &Scan, index: Option<usize>) -> Range<usize> {
    let Some(index) = index else { return 0..text.len() };
    let section = section_of(&scanned.statements, index);
    let start = section.and_then(|at| scanned.statements.get(at)).map_or(0, |statement| statement.range.start);
    let whole =
        scanned.statements.get(index).is_some_and(|broken| broken.unclosed.is_some() || broken.kind != Kind::Value);
    if whole {
        return start..text.len();
    }
    let end = scanned
        .statements
        .iter()
        .skip(index + 1)
        .find(|statement| statement.kind != Kind::Value)
        .map_or(text.len() + 1, |statement| statement.range.start);
    start..end
}

/// The header that a statement stands under, or is.
fn section_of(statements: &[Statement], index: usize) -> Option<usize> {
    statements.get(..=index)?.iter().rposition(|statement| statement.kind != Kind::Value)
}

fn report_duplicate(
    file: FileId,
    text: &str,
    error: &Error,
    index: Option<usize>,
    definitions: &Definitions,
) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let name = text.get(span.clone()).unwrap_or("this");
    let diagnostic =
        Diagnostic::error(codes::DUPLICATE, format!("`{name}` is defined twice")).label(Span::new(file, span), "again");
    match index.and_then(|index| definitions.earlier(index)) {
        Some(first) => diagnostic.label(Span::new(file, first), "first"),
        None => diagnostic,
    }
}

/// Which keys are defined where, to name the first of two places.
struct Definitions {
    /// By statement: the path from the root.
    paths: Vec<Vec<String>>,
    keys: Vec<Range<usize>>,
    /// By path, and by each path that leads to it: the first statement.
    first: HashMap<Vec<String>, usize>,
}

impl Definitions {
    fn new(text: &str, statements: &[Statement]) -> Self {
        let mut definitions = Definitions { paths: Vec::new(), keys: Vec::new(), first: HashMap::new() };
        let mut arrays: HashMap<Vec<String>, usize> = HashMap::new();
        let mut section: Vec<String> = Vec::new();
        for (index, statement) in statements.iter().enumerate() {
            let key = key_path(text.get(statement.key.clone()).unwrap_or_default());
            let path = if statement.kind == Kind::Value {
                section.iter().cloned().chain(key).collect()
            } else {
                let mut path: Vec<String> = Vec::new();
                let last = key.len().saturating_sub(1);
                for (at, step) in key.into_iter().enumerate() {
                    path.push(step);
                    // Each element of an array of tables is a place of its own.
                    if at == last && statement.kind == Kind::Array {
                        *arrays.entry(path.clone()).or_default() += 1;
                    }
                    if let Some(count) = arrays.get(&path) {
                        path.push(format!("#{count}"));
                    }
                }
                section.clone_from(&path);
                path
            };
            for length in 1..=path.len() {
                if let Some(prefix) = path.get(..length) {
                    definitions.first.entry(prefix.to_vec()).or_insert(index);
                }
            }
            definitions.keys.push(statement.key.clone());
            definitions.paths.push(path);
        }
        definitions
    }

    /// Where something was defined before that a statement defines again.
    fn earlier(&self, index: usize) -> Option<Range<usize>> {
        let path = self.paths.get(index)?;
        (1..=path.len()).rev().find_map(|length| {
            let first = *self.first.get(path.get(..length)?)?;
            (first < index).then(|| self.keys.get(first).cloned()).flatten()
        })
    }
}

/// The steps of a dotted key; empty where it cannot be read.
fn key_path(key: &str) -> Vec<String> {
    let text = format!("{} = 0", key.trim());
    let Ok(table) = DeTable::parse(&text) else { return Vec::new() };
    let mut steps = Vec::new();
    let mut current = Some(table.get_ref());
    while let Some((key, value)) = current.and_then(|table| table.iter().next()) {
        steps.push(key.get_ref().to_string());
        current = value.get_ref().as_table();
    }
    steps
}

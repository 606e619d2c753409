//! From the files of a stack to a [`Stack`].

mod blocks;
mod checks;
mod duration;
mod fallback;
mod imports;
mod lifecycle;
mod parts;
mod reader;
mod resilience;
mod settings;
mod tables;
mod value;
mod variables;

pub use self::duration::parse as duration;
pub use self::parts::{Part, Parts};

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::path::Path;

use toml::de::DeTable;

use super::codes;
use super::files::{absolute_directory, read_stack};
use super::imports::check as check_imports;
use super::parse::{Parsed, parse};
use super::stack::Stack;
use super::{checks as health_checks, moved, optional, references};
use crate::address::Mode;
use crate::diagnostic::{Diagnostic, Sources, sort};
use crate::expression::with_deep_stack;
use crate::span::{FileId, Span};
pub(super) use reader::Reader;
use reader::not_yet;

/// The tables and arrays that a file may hold.
const TOP_LEVEL: &[&str] =
    &["stack", "variable", "local", "provider", "resource", "data", "ephemeral", "output", "check", "moved", "import"];

/// Those that the format reserves for later versions.
const LATER: &[&str] = &["module", "phase", "flag", "policy", "environment", "removed"];

/// What is wrong with a configuration, with the files to show lines of.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The files that could be read.
    pub sources: Sources,
    /// What is wrong, sorted by place; at least one error.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be made of it all the same, where every file could be read and parsed: what is wrong
    /// in it is unknown, so that the rest can be checked.
    pub stack: Option<Box<Stack>>,
}

/// Reads the stack in a directory and checks everything that needs no schema: syntax, keys, names,
/// forms, references, moves.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(directory: &Path) -> Result<Stack, Failed> {
    let mut diagnostics = Vec::new();
    let (sources, files) = read_stack(directory, &mut diagnostics);
    finish(directory, sources, &files, diagnostics)
}

/// The same from texts that are in memory already: file names and their contents.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_texts<'t>(directory: &Path, texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Stack, Failed> {
    let mut sources = Sources::default();
    let files: Vec<FileId> = texts.into_iter().map(|(name, text)| sources.add(name.into(), text)).collect();
    finish(directory, sources, &files, Vec::new())
}

fn finish(
    directory: &Path,
    mut sources: Sources,
    files: &[FileId],
    mut diagnostics: Vec<Diagnostic>,
) -> Result<Stack, Failed> {
    let unread = !diagnostics.is_empty();
    let loaded = with_deep_stack(|| {
        let mut loader = Loader {
            stack: Stack::default(),
            whole: !unread,
            diagnostics: Vec::new(),
            stack_table: None,
            secrets: Vec::new(),
        };
        loader.stack.directory = absolute_directory(directory);
        for file in files {
            if let Some(source) = sources.get(*file) {
                loader.file(*file, &source.path, &source.text);
            }
        }
        loader.finish(files.first().copied())
    });
    let (mut stack, whole) = match loaded {
        Ok(loader) => {
            diagnostics.extend(loader.diagnostics);
            loader.secrets.into_iter().for_each(|span| sources.hide(span));
            (loader.stack, loader.whole)
        }
        Err(error) => {
            diagnostics.push(error.into());
            (Stack::default(), false)
        }
    };
    sort(&mut diagnostics);
    stack.sources = sources.clone();
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failed { sources, diagnostics, stack: whole.then(|| Box::new(stack)) });
    }
    stack.warnings = diagnostics;
    Ok(stack)
}

/// The stack as it grows, file by file.
struct Loader {
    stack: Stack,
    /// Whether every file could be read and parsed, so that what is missing is really missing.
    whole: bool,
    diagnostics: Vec<Diagnostic>,
    /// The place of `[stack]`, once seen.
    stack_table: Option<Span>,
    /// Where secrets are written, so that no line shows them.
    secrets: Vec<Span>,
}

impl Loader {
    fn file(&mut self, file: FileId, path: &Path, text: &str) {
        match parse(file, text, &mut self.diagnostics) {
            Some(Parsed { root, broken }) => {
                self.whole &= broken.is_empty();
                if !broken.is_empty() {
                    self.secrets.extend(likely_secrets(file, text));
                }
                parts::add(&mut self.stack.parts, path, &root);
                let mut diagnostics = std::mem::take(&mut self.diagnostics);
                let mut reader = Reader { file, text, broken: &broken, diagnostics: &mut diagnostics };
                self.root(&mut reader, &root);
                self.diagnostics = diagnostics;
            }
            None => {
                self.whole = false;
                self.secrets.extend(likely_secrets(file, text));
            }
        }
    }

    fn root(&mut self, reader: &mut Reader<'_>, root: &DeTable<'_>) {
        for (key, item) in root {
            match key.get_ref().as_ref() {
                "stack" => self.stack_table(reader, key, item),
                "variable" => reader.named(key, item, |reader, name, key, item| self.variable(reader, name, key, item)),
                "local" => reader.named(key, item, |reader, name, key, item| self.local(reader, name, key, item)),
                "provider" => reader.named(key, item, |reader, name, key, item| self.provider(reader, name, key, item)),
                "resource" => self.blocks(reader, Mode::Managed, key, item),
                "data" => self.blocks(reader, Mode::Data, key, item),
                "ephemeral" => self.blocks(reader, Mode::Ephemeral, key, item),
                "output" => reader.named(key, item, |reader, name, key, item| self.output(reader, name, key, item)),
                "check" => reader.named(key, item, |reader, name, key, item| self.check(reader, name, key, item)),
                "moved" => self.moved(reader, key, item),
                "import" => self.imports(reader, key, item),
                later if LATER.contains(&later) => {
                    let span = reader.key_span(key);
                    reader.report(not_yet(&format!("`{later}`"), span));
                }
                _ => reader.unknown_key(key, "at the top of a stack", TOP_LEVEL, &[]),
            }
        }
    }

    /// The checks that look at everything, and the name.
    fn finish(mut self, main: Option<FileId>) -> Self {
        if self.whole {
            if self.stack_table.is_none() {
                self.diagnostics.push(
                    Diagnostic::error(codes::SCHEMA_VERSION, "the version of the format is missing")
                        .maybe_at(main.map(|file| Span::new(file, 0..0)))
                        .hint("write `[stack]` and below it `schema = 1`"),
                );
            }
            references::check(&self.stack, &mut self.diagnostics);
            moved::check(&self.stack, &mut self.diagnostics);
            check_imports(&self.stack, &mut self.diagnostics);
            optional::check(&self.stack, &mut self.diagnostics);
            health_checks::check(&self.stack, &mut self.diagnostics);
        }
        if self.stack.name.is_empty() {
            self.stack.name = directory_name(&self.stack.directory).into();
        }
        self
    }
}

/// Where a file that is broken seems to hold secrets: the defaults of variables that are called sensitive.
/// What is no TOML is not told apart better than line by line.
fn likely_secrets(file: FileId, text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let (mut defaults, mut sensitive, mut variable) = (Vec::new(), false, false);
    let mut start = 0;
    for line in text.split_inclusive('\n').chain(["["]) {
        let written = line.trim();
        let key = written.split(['=', ' ', '\t']).next().unwrap_or_default();
        if written.starts_with('[') {
            let ended = std::mem::take(&mut defaults);
            if sensitive && variable {
                found.extend(ended);
            }
            sensitive = false;
            variable = written.trim_start_matches(['[', ' ']).starts_with("variable");
        } else if key == "sensitive" {
            sensitive = true;
        } else if key == "default"
            && let Some(sign) = line.find('=')
        {
            defaults.push(Span::new(file, start + sign + 1..start + line.trim_end().len()));
        }
        start += line.len();
    }
    found
}

/// The name of a directory, for a stack that has none.
fn directory_name(directory: &Path) -> String {
    let name = directory.components().next_back().map(|last| last.as_os_str().to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "stack".to_owned())
}

/// Adds something with a name, or reports that it is there already.
fn insert<K: Ord + Display, T>(
    map: &mut BTreeMap<K, T>,
    key: K,
    value: T,
    span: impl Fn(&T) -> Span,
    what: &str,
    reader: &mut Reader<'_>,
) {
    match map.entry(key) {
        Entry::Vacant(entry) => {
            entry.insert(value);
        }
        Entry::Occupied(entry) => {
            let diagnostic = Diagnostic::error(codes::DUPLICATE, format!("{what} `{}` is defined twice", entry.key()))
                .label(span(&value), "again")
                .label(span(entry.get()), "first");
            reader.report(diagnostic);
        }
    }
}

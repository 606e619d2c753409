//! What the files of a Terraform directory say, whichever of the two languages they are in.

use std::ops::Range;
use std::sync::Arc;

use hcl_edit::expr::Expression;

use super::json::Json;
use crate::span::{FileId, Span};

/// One file.
#[derive(Debug)]
pub(super) struct File {
    /// The name of the file that it becomes: `retrue.toml` or `NAME.retrue.toml`.
    pub(super) target: String,
    /// The text of it.
    pub(super) text: Arc<str>,
    /// What it says.
    pub(super) body: Body,
}

/// Attributes and blocks, in the order in which they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) entries: Vec<Entry>,
    /// Comments behind the last of them.
    pub(super) closing: Vec<String>,
}

/// One thing in a body.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Attribute(Attribute),
    Block(Block),
}

/// `name = value`
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// The place of the name.
    pub(super) span: Span,
    pub(super) value: Value,
    pub(super) comments: Comments,
}

/// `kind "label" { … }`
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    /// The place of the kind.
    pub(super) span: Span,
    pub(super) body: Body,
    pub(super) comments: Comments,
}

/// The comments of an attribute or block, each line without its marker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comments {
    pub(super) before: Vec<String>,
    pub(super) behind: Option<String>,
}

/// A value, as it is written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// In Terraform's own language.
    Native(Expression, Text),
    /// In JSON.
    Json(Json),
}

/// The text that the places of an expression count in.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: Arc<str>,
    pub(super) place: Place,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// It is a file.
    File(FileId),
    /// It is the content of this string of a file; places inside are not told apart.
    Inside(Span),
}

impl Text {
    /// A place in a file.
    pub(super) fn span(&self, range: Option<Range<usize>>) -> Span {
        match self.place {
            Place::File(file) => Span::new(file, range.unwrap_or_default()),
            Place::Inside(span) => span,
        }
    }

    /// A part of the text.
    pub(super) fn get(&self, range: Option<Range<usize>>) -> &str {
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }
}

impl Value {
    /// Its place.
    pub(super) fn span(&self) -> Span {
        match self {
            Value::Native(expression, text) => text.span(hcl_edit::Span::span(expression)),
            Value::Json(json) => json.span,
        }
    }
}

impl Body {
    /// An attribute by its name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// All attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Attribute(attribute) => Some(attribute),
            Entry::Block(_) => None,
        })
    }

    /// All blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Block(block) => Some(block),
            Entry::Attribute(_) => None,
        })
    }
}

impl Block {
    /// One of its labels.
    pub(super) fn label(&self, index: usize) -> &str {
        self.labels.get(index).map_or("", String::as_str)
    }
}

//! Dynamic blocks: a list or table of them is one expression.

use super::value::{as_expression, object_key};
use super::{Converter, of_kind};
use crate::migrate::convert::named::reference_text;
use crate::migrate::document::Table;
use crate::migrate::rewrite::Iterator;
use crate::migrate::source::{Block, Body, Comments, Entry};
use crate::migrate::written::Written;

impl Converter<'_> {
    pub(super) fn has_dynamic(&self, body: &Body, kind: &str) -> bool {
        of_kind(body, "dynamic").any(|block| block.label(0) == kind)
    }

    /// All blocks of a kind, some of which are dynamic.
    pub(super) fn dynamic(&mut self, body: &Body, kind: &str, table: &mut Table) {
        let mut comments = Comments::default();
        for block in body.blocks() {
            if block.kind == kind || block.kind == "dynamic" && block.label(0) == kind {
                comments.before.extend(block.comments.before.iter().cloned());
                comments.before.extend(block.comments.behind.clone());
            }
        }
        let expression = self.all_of(body, kind, 0);
        table.set(kind, Written::Expression(expression), &comments);
    }

    /// The expression that stands for all blocks of a kind.
    fn all_of(&mut self, body: &Body, kind: &str, depth: usize) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut tables = false;
        let mut written: Vec<String> = Vec::new();
        let mut labelled: Vec<String> = Vec::new();
        for entry in &body.entries {
            match entry {
                Entry::Attribute(attribute) if attribute.name == kind => {
                    let value = self.value(&attribute.value);
                    parts.push(match &value {
                        Written::Object(_) => format!("[{}]", as_expression(&value)),
                        other => as_expression(other),
                    });
                }
                Entry::Block(block) if block.kind == kind => {
                    let object = self.object_of(block, depth);
                    match block.labels.first() {
                        Some(label) => labelled.push(format!("{} = {object}", object_key(label))),
                        None => written.push(object),
                    }
                }
                Entry::Block(block) if block.kind == "dynamic" && block.label(0) == kind => {
                    if !written.is_empty() {
                        parts.push(format!("[{}]", std::mem::take(&mut written).join(", ")));
                    }
                    let (each, is_table) = self.each(block, depth);
                    tables |= is_table;
                    parts.push(each);
                }
                _ => {}
            }
        }
        if !written.is_empty() {
            parts.push(format!("[{}]", written.join(", ")));
        }
        if !labelled.is_empty() {
            tables = true;
            parts.push(format!("{{ {} }}", labelled.join(", ")));
        }
        match (parts.len(), tables) {
            (1, _) => parts.concat(),
            (_, true) => format!("merge({})", parts.join(", ")),
            (_, false) => format!("concat({})", parts.join(", ")),
        }
    }

    /// What a dynamic block makes, and whether that is a table and not a list.
    fn each(&mut self, block: &Block, depth: usize) -> (String, bool) {
        let mut collection = None;
        let mut labels = None;
        let mut content = None;
        let mut iterator = block.label(0).to_owned();
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) if attribute.name == "for_each" => {
                    collection = Some(self.expression(&attribute.value));
                }
                Entry::Attribute(attribute) if attribute.name == "iterator" => {
                    iterator = reference_text(&attribute.value);
                }
                Entry::Attribute(attribute) if attribute.name == "labels" => labels = Some(&attribute.value),
                Entry::Block(inner) if inner.kind == "content" => content = Some(inner),
                other => self.unknown(other, "a dynamic block"),
            }
        }
        let (Some(collection), Some(content)) = (collection, content) else {
            let hint = "it takes `for_each` and a block `content`";
            self.findings.refuse(block.span, "this dynamic block is not complete", hint);
            return ("[]".to_owned(), false);
        };
        let iterator = Iterator { name: iterator };
        let (name, key) = (iterator.name.clone(), iterator.key());
        self.around.iterators.push(iterator);
        let object = self.object_of(content, depth);
        let label = labels.map(|labels| format!("({})[0]", self.expression(labels)));
        self.around.iterators.pop();
        let names = match uses(&object, &key) || label.as_ref().is_some_and(|label| uses(label, &key)) {
            true => format!("{key}, {name}"),
            false => name,
        };
        match label {
            Some(label) => (format!("{{for {names} in {collection} : {label} => {object}}}"), true),
            None => (format!("[for {names} in {collection} : {object}]"), false),
        }
    }

    /// A body as an object.
    fn object_of(&mut self, block: &Block, depth: usize) -> String {
        let indent = "  ".repeat(depth + 1);
        let mut lines: Vec<String> = Vec::new();
        let mut done: Vec<&str> = Vec::new();
        for entry in &block.body.entries {
            let kind = match entry {
                Entry::Attribute(attribute) => attribute.name.as_str(),
                Entry::Block(inner) if inner.kind == "dynamic" => inner.label(0),
                Entry::Block(inner) => inner.kind.as_str(),
            };
            if done.contains(&kind) {
                continue;
            }
            done.push(kind);
            let value = match entry {
                Entry::Attribute(attribute) if !self.has_dynamic(&block.body, kind) => {
                    self.expression(&attribute.value)
                }
                _ => self.all_of(&block.body, kind, depth + 1),
            };
            lines.push(format!("{indent}{} = {value}\n", object_key(kind)));
        }
        match lines.is_empty() {
            true => "{}".to_owned(),
            false => format!("{{\n{}{}}}", lines.concat(), "  ".repeat(depth)),
        }
    }
}

/// Whether a name stands in an expression.
fn uses(expression: &str, name: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    expression.match_indices(name).any(|(at, _)| {
        let before = expression.get(..at).and_then(|text| text.chars().next_back());
        let after = expression.get(at + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

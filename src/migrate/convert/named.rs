//! Variables, locals, outputs and moves.

use super::{Converter, of_kind, put_conditions};
use crate::address::Address;
use crate::migrate::document::{Document, Table};
use crate::migrate::json::Data;
use crate::migrate::source::{Attribute, Block, Body, Comments, Entry, Value};
use crate::migrate::written::Written;

impl Converter<'_> {
    pub(super) fn variable(&mut self, block: &Block, document: &mut Document) {
        let mut table = Table::commented(&block.comments);
        let mut validations = Vec::new();
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) => match attribute.name.as_str() {
                    "type" => table.set("type", Written::Text(type_text(&attribute.value)), &attribute.comments),
                    "default" | "sensitive" | "nullable" | "ephemeral" => {
                        let value = self.value(&attribute.value);
                        table.set(&attribute.name, value, &attribute.comments);
                    }
                    "description" => self.plain_text(attribute, &mut table),
                    "deprecated" => self.findings.differs(
                        attribute.span,
                        "`deprecated` is left out: nothing in a stack says it",
                        "say it in the description",
                    ),
                    _ => self.unknown(entry, "a variable"),
                },
                Entry::Block(inner) if inner.kind == "validation" => {
                    validations.push(("validation".to_owned(), self.condition(inner)));
                }
                Entry::Block(_) => self.unknown(entry, "a variable"),
            }
        }
        put_conditions(&mut table, validations);
        table.closing.clone_from(&block.body.closing);
        document.add(&["variable", block.label(0)], table);
    }

    /// A text in which nothing is evaluated.
    fn plain_text(&mut self, attribute: &Attribute, table: &mut Table) {
        match literal_text(&attribute.value) {
            Some(text) => table.set(&attribute.name, Written::Text(text), &attribute.comments),
            None => {
                let message = format!("`{}` is not written out", attribute.name);
                self.findings.refuse(attribute.span, message, "write the text itself");
            }
        }
    }

    pub(super) fn locals(&mut self, body: &Body, document: &mut Document) {
        let mut table = Table::default();
        for block in of_kind(body, "locals") {
            let mut above = block.comments.before.clone();
            for entry in &block.body.entries {
                match entry {
                    Entry::Attribute(attribute) => {
                        let value = self.value(&attribute.value);
                        let mut before = std::mem::take(&mut above);
                        before.extend(attribute.comments.before.iter().cloned());
                        let comments = Comments { before, behind: attribute.comments.behind.clone() };
                        table.set(&attribute.name, value, &comments);
                    }
                    Entry::Block(_) => self.unknown(entry, "`locals`"),
                }
            }
            table.closing.append(&mut above);
            table.closing.extend(block.body.closing.iter().cloned());
        }
        document.add(&["local"], table);
    }

    pub(super) fn output(&mut self, block: &Block, document: &mut Document) {
        let mut table = Table::commented(&block.comments);
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) => match attribute.name.as_str() {
                    "value" | "sensitive" => {
                        let value = self.value(&attribute.value);
                        table.set(&attribute.name, value, &attribute.comments);
                    }
                    "description" => self.plain_text(attribute, &mut table),
                    "depends_on" => self.findings.differs(
                        attribute.span,
                        "`depends_on` of an output is left out: outputs are recorded when everything is applied",
                        "nothing is to be done",
                    ),
                    _ => self.unknown(entry, "an output"),
                },
                Entry::Block(_) => self.unknown(entry, "an output"),
            }
        }
        table.closing.clone_from(&block.body.closing);
        document.add(&["output", block.label(0)], table);
    }

    pub(super) fn moved(&mut self, block: &Block, document: &mut Document) {
        let mut table = Table::commented(&block.comments);
        let mut addresses: Vec<Address> = Vec::new();
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) if matches!(attribute.name.as_str(), "from" | "to") => {
                    // It is carried out with what is recorded.
                    if self.names_module(&attribute.value) {
                        return;
                    }
                    let Some(address) = self.address(&attribute.value) else { continue };
                    table.set(&attribute.name, Written::Text(address.to_string()), &attribute.comments);
                    addresses.push(address);
                }
                other => self.unknown(other, "`moved`"),
            }
        }
        let [from, to] = addresses.as_slice() else { return };
        let gone = !self.declared.contains(&to.block.to_string());
        let again = self.moved_to.contains(to);
        let declared = self.declared.contains(&from.block.to_string()) && from.key.is_none();
        if gone || declared || again {
            let why = match gone {
                _ if again => format!("another one moves to `{to}`"),
                true => format!("`{to}` is not declared any more"),
                false => format!("`{from}` is still declared"),
            };
            let hint = "it means nothing where the state follows it already";
            self.findings.differs(block.span, format!("this move is left out: {why}"), hint);
            return;
        }
        self.moved_to.insert(to.clone());
        document.append(&["moved"], table);
    }

    /// Whether a module, or an instance of one, stands there.
    fn names_module(&self, value: &Value) -> bool {
        let text = reference_text(value);
        text.parse::<Address>().is_err() && format!("{text}.a.b").parse::<Address>().is_ok()
    }

    /// The address of a resource; reports what is none.
    pub(super) fn address(&mut self, value: &Value) -> Option<Address> {
        let text = reference_text(value);
        match text.parse::<Address>() {
            Ok(address) if self.modules.flat(&self.around.module.path, &address).is_some() => {
                self.modules.flat(&self.around.module.path, &address)
            }
            _ => {
                let hint = "the address of a resource stands here";
                self.findings.refuse(value.span(), format!("`{text}` cannot be converted"), hint);
                None
            }
        }
    }
}

/// A type expression as a text.
pub(super) fn type_text(value: &Value) -> String {
    let text = match literal_text(value) {
        Some(text) => text,
        None => reference_source(value),
    };
    match text.as_str() {
        "list" | "map" | "set" => format!("{text}(any)"),
        _ => text,
    }
}

/// The text of a string without interpolations.
pub(in crate::migrate) fn literal_text(value: &Value) -> Option<String> {
    match value {
        Value::Native(hcl_edit::expr::Expression::String(text), _) => Some(text.value().clone()),
        Value::Native(hcl_edit::expr::Expression::HeredocTemplate(heredoc), _) => {
            let mut content = String::new();
            for element in heredoc.template.iter() {
                content.push_str(element.as_literal()?.value());
            }
            Some(content)
        }
        Value::Native(..) => None,
        Value::Json(json) => match &json.data {
            Data::String(text) => Some(text.clone()),
            _ => None,
        },
    }
}

fn reference_source(value: &Value) -> String {
    match value {
        Value::Native(expression, text) => text.get(hcl_edit::Span::span(expression)).trim().to_owned(),
        Value::Json(json) => match &json.data {
            Data::String(text) => text.clone(),
            _ => String::new(),
        },
    }
}

/// What a value names, without white space, quotes and `${}`.
pub(in crate::migrate) fn reference_text(value: &Value) -> String {
    let source = literal_text(value).unwrap_or_else(|| reference_source(value));
    let bare = source.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or(&source);
    let mut quoted = false;
    bare.chars()
        .filter(|character| {
            quoted ^= *character == '"';
            quoted || !character.is_whitespace()
        })
        .collect()
}

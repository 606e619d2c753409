//! Resources and data sources, with their nested blocks.

use std::collections::BTreeMap;

use super::providers::implied_by;
use super::{Converter, of_kind, put_conditions};
use crate::migrate::convert::named::reference_text;
use crate::migrate::document::{Document, Table};
use crate::migrate::modules::Here;
use crate::migrate::rewrite::BUILT_IN;
use crate::migrate::source::{Attribute, Block, Body, Entry};
use crate::migrate::written::Written;

/// The word by which what a block declares is referred to, without its name.
pub(super) fn word(block: &Block) -> String {
    match block.kind.as_str() {
        "resource" => block.label(0).to_owned(),
        kind => format!("{kind}.{}", block.label(0)),
    }
}

/// The type that a type of Terraform's has in a stack.
pub(crate) fn type_name(of: &str) -> &str {
    if of == BUILT_IN.0 { BUILT_IN.1 } else { of }
}

impl Converter<'_> {
    pub(super) fn resource(&mut self, block: &Block, document: &mut Document) {
        if block.labels.len() != 2 {
            self.findings.refuse(block.span, "a type and a name are missing", "`terraform validate` says more");
            return;
        }
        let kind = block.kind.as_str();
        if kind == "data" && block.label(0) == "terraform_remote_state" {
            let hint = "take what it reads from a variable with `from`";
            self.findings.refuse(block.span, "`terraform_remote_state` cannot be converted", hint);
            return;
        }
        let mut table = Table::commented(&block.comments);
        let word = word(block);
        let scope = &self.around.module.scope;
        let own = scope.keyed(&word, block.label(1));
        match (&scope.repeated, own) {
            (Some(_), Some(own)) => table.put("for_each", Written::Expression(own.all())),
            (Some(repeated), None) => {
                let of_all = Written::Expression(format!("local.{}", repeated.local));
                table.put(if repeated.counted { "count" } else { "for_each" }, of_all);
            }
            (None, _) => {}
        }
        self.around.here = Here::in_block(scope.repeated.as_ref(), own);
        let mut conditions = self.conditions_of(block);
        if block.body.attribute("provider").is_none() {
            self.pick(block, None, &mut table);
        }
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) if attribute.name == "depends_on" => {
                    let value = self.depends_on(Some(&attribute.value));
                    table.set("depends_on", value, &attribute.comments);
                }
                // They are written with the locals of the module.
                Entry::Attribute(attribute)
                    if own.is_some() && matches!(attribute.name.as_str(), "count" | "for_each") => {}
                Entry::Attribute(attribute) if attribute.name == "provider" => {
                    self.pick(block, Some(attribute), &mut table);
                }
                Entry::Block(inner) if inner.kind == "lifecycle" && inner.labels.is_empty() => {
                    let lifecycle = self.lifecycle(inner, std::mem::take(&mut conditions));
                    if !lifecycle.is_empty() {
                        table.child("lifecycle", lifecycle);
                    }
                }
                Entry::Block(inner) if matches!(inner.kind.as_str(), "provisioner" | "connection") => {
                    let name = [inner.kind.as_str()].into_iter().chain(inner.labels.iter().map(String::as_str));
                    let name = name.collect::<Vec<_>>().join(" ");
                    let hint = match inner.label(0) {
                        "local-exec" => {
                            "a resource of the type `local_command` runs commands: `create` is what `command` is here, \
                             `delete` what it is with `when = destroy`, and `inputs` are the triggers"
                        }
                        _ => "a `local_command` runs commands, and can be undone",
                    };
                    self.findings.refuse(inner.span, format!("`{name}` cannot be converted"), hint);
                }
                other => self.nested(other, &block.body, &mut table),
            }
        }
        if block.body.attribute("depends_on").is_none() && !self.around.from_call.depends_on.is_empty() {
            let value = self.depends_on(None);
            table.put("depends_on", value);
        }
        if !conditions.is_empty() {
            let mut lifecycle = Table::default();
            put_conditions(&mut lifecycle, conditions);
            table.child("lifecycle", lifecycle);
        }
        table.closing.clone_from(&block.body.closing);
        self.around.here = Here::in_block(scope.repeated.as_ref(), None);
        let name = self.around.module.scope.name(&word, block.label(1)).unwrap_or(block.label(1)).to_owned();
        document.add(&[kind, type_name(block.label(0)), &name], table);
    }

    /// The configuration of its provider that a resource picks, where it is not the one of its type.
    fn pick(&mut self, block: &Block, written: Option<&Attribute>, table: &mut Table) {
        let named = written.map(|attribute| reference_text(&attribute.value));
        match self.providers.picked(self.modules, self.around.module, named.as_deref(), block.label(0)) {
            Some(Some(name)) => {
                let comments = written.map(|attribute| attribute.comments.clone()).unwrap_or_default();
                table.set("provider", Written::Text(name), &comments);
            }
            // The one that its type stands for anyway.
            Some(None) => {}
            None => {
                let (name, span) = match (named, written) {
                    (Some(name), Some(attribute)) => (name, attribute.span),
                    _ => (implied_by(block.label(0)).to_owned(), block.span),
                };
                self.findings.refuse(span, format!("there is no provider `{name}`"), "declare its configuration");
            }
        }
    }

    /// One entry of a body that is the provider's.
    pub(super) fn nested(&mut self, entry: &Entry, body: &Body, table: &mut Table) {
        match entry {
            Entry::Attribute(attribute) => {
                // In JSON, blocks look like attributes; with a dynamic one beside it, they are one list.
                if self.has_dynamic(body, &attribute.name) {
                    self.dynamic(body, &attribute.name, table);
                    return;
                }
                let value = self.value(&attribute.value);
                table.set(&attribute.name, value, &attribute.comments);
            }
            Entry::Block(block) => {
                let kind = if block.kind == "dynamic" { block.label(0) } else { block.kind.as_str() };
                // All of a kind are written where the first one stands.
                let is_first = body
                    .blocks()
                    .find(|other| other.kind == kind || other.kind == "dynamic" && other.label(0) == kind)
                    .is_some_and(|first| std::ptr::eq(first, block));
                if !is_first || block.kind == "dynamic" && body.attribute(kind).is_some() {
                    return;
                }
                if self.has_dynamic(body, kind) {
                    self.dynamic(body, kind, table);
                } else {
                    self.written_out(body, kind, table);
                }
            }
        }
    }

    /// All blocks of a kind, none of which is dynamic.
    fn written_out(&mut self, body: &Body, kind: &str, table: &mut Table) {
        let blocks: Vec<&Block> = of_kind(body, kind).collect();
        if blocks.iter().any(|block| !block.labels.is_empty()) {
            let mut named: BTreeMap<usize, (String, Table)> = BTreeMap::new();
            for (index, block) in blocks.iter().enumerate() {
                named.insert(index, (block.label(0).to_owned(), self.body_table(block)));
            }
            let mut outer = Table::default();
            for (name, inner) in named.into_values() {
                outer.child(&name, inner);
            }
            table.child(kind, outer);
            return;
        }
        let mut tables: Vec<Table> = blocks.iter().map(|block| self.body_table(block)).collect();
        match (tables.len(), tables.pop()) {
            (1, Some(one)) => table.child(kind, one),
            (_, Some(last)) => {
                tables.push(last);
                table.children(kind, tables);
            }
            (_, None) => {}
        }
    }

    fn body_table(&mut self, block: &Block) -> Table {
        let mut table = Table::commented(&block.comments);
        for entry in &block.body.entries {
            self.nested(entry, &block.body, &mut table);
        }
        table.closing.clone_from(&block.body.closing);
        table
    }
}

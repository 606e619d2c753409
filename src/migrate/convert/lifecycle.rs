//! `lifecycle`, and what else is said about a resource as a whole.

use hcl_edit::expr::Expression;

use super::named::reference_text;
use super::{Converter, put_conditions, texts, type_name};
use crate::migrate::document::Table;
use crate::migrate::json::Data;
use crate::migrate::source::{Block, Entry, Value};
use crate::migrate::written::Written;

impl Converter<'_> {
    pub(super) fn lifecycle(&mut self, block: &Block, mut conditions: Vec<(String, Table)>) -> Table {
        let mut table = Table::commented(&block.comments);
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) => match attribute.name.as_str() {
                    "prevent_destroy" | "create_before_destroy" | "enabled" => {
                        let value = self.value(&attribute.value);
                        table.set(&attribute.name, value, &attribute.comments);
                    }
                    "ignore_changes" => {
                        let value = ignored(&attribute.value);
                        table.set("ignore_changes", value, &attribute.comments);
                    }
                    "replace_triggered_by" => {
                        let named: Option<Vec<String>> =
                            elements(&attribute.value).iter().map(|name| self.trigger(name)).collect();
                        match named {
                            Some(named) => table.set("replace_triggered_by", texts(named), &attribute.comments),
                            None => {
                                let message =
                                    "`replace_triggered_by` means some instances of a module, and cannot be converted";
                                self.findings.refuse(attribute.span, message, "write the stack without it");
                            }
                        }
                    }
                    _ => self.unknown(entry, "`lifecycle`"),
                },
                Entry::Block(inner) if matches!(inner.kind.as_str(), "precondition" | "postcondition") => {
                    conditions.push((inner.kind.clone(), self.condition(inner)));
                }
                Entry::Block(_) => self.unknown(entry, "`lifecycle`"),
            }
        }
        put_conditions(&mut table, conditions);
        table.closing.clone_from(&block.body.closing);
        table
    }

    /// What another one is replaced with, as the stack names it; nothing where it has no name for it.
    fn trigger(&self, name: &str) -> Option<String> {
        let (scope, here) = (&self.around.module.scope, &self.around.here);
        let (prefix, rest) = match name.strip_prefix("resource.") {
            Some(rest) => ("resource.", rest),
            None => ("", name),
        };
        let Some((kind, after)) = rest.split_once('.') else { return Some(name.to_owned()) };
        let (block, path) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
        let flat = format!("{prefix}{}.{}", type_name(kind), scope.name(kind, block).unwrap_or(block));
        match (scope.keyed(kind, block), &here.module) {
            (None, None) => Some(format!("{flat}{path}")),
            (None, Some(key)) => Some(format!("{flat}[{key}]{path}")),
            // The instance with the same key in the same instance of the module is all that has a name.
            (Some(_), _) => {
                let rest = path.strip_prefix("[each.key]").or_else(|| path.strip_prefix("[count.index]"))?;
                here.is_keyed.then(|| format!("{flat}[each.key]{rest}"))
            }
        }
    }

    /// `depends_on` of a resource: addresses.
    pub(super) fn depends_on(&mut self, value: Option<&Value>) -> Written {
        let mut addresses = value.map(|value| self.addresses(value)).unwrap_or_default();
        for address in &self.around.from_call.depends_on {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        texts(addresses)
    }

    /// The addresses in a list; those of all that is in a module, where one stands there.
    pub(super) fn addresses(&mut self, value: &Value) -> Vec<String> {
        let mut addresses = Vec::new();
        for item in items(value) {
            let text = reference_text(&item);
            let mut path = self.around.module.path.clone();
            path.extend(text.strip_prefix("module.").map(str::to_owned));
            match path.len() > self.around.module.path.len() && self.modules.at(&path).is_some() {
                true => addresses.extend(self.modules.blocks_below(&path)),
                false => addresses.extend(self.address(&item).map(|address| address.to_string())),
            }
        }
        addresses
    }
}

/// Attributes whose difference means nothing. A step with a dot may be an attribute or a key of a map: both
/// are written.
fn ignored(value: &Value) -> Written {
    if matches!(reference_text(value).as_str(), "all" | "*") {
        return Written::Text("all".to_owned());
    }
    let mut paths: Vec<String> = Vec::new();
    for path in elements(value) {
        if path == "*" || path == "all" {
            return Written::Text("all".to_owned());
        }
        if let Some((outer, name)) = path.rsplit_once('.')
            && crate::address::is_identifier(name)
        {
            paths.push(format!("{outer}[\"{name}\"]"));
        }
        paths.push(path);
    }
    texts(paths)
}

/// What the elements of a list name.
fn elements(value: &Value) -> Vec<String> {
    items(value).iter().map(reference_text).collect()
}

/// The elements of a list that is written out.
fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Native(Expression::Array(items), text) => {
            items.iter().map(|item| Value::Native(item.clone(), text.clone())).collect()
        }
        Value::Json(json) => match &json.data {
            Data::Array(items) => items.iter().cloned().map(Value::Json).collect(),
            _ => Vec::new(),
        },
        Value::Native(..) => Vec::new(),
    }
}

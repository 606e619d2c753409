//! Imports: what was carried out is recorded, the rest becomes `[[import]]`.

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, TraversalOperator};

use super::named::reference_text;
use super::{Converter, type_name};
use crate::address::Address;
use crate::migrate::document::{Document, Table};
use crate::migrate::source::{Block, Entry, Value};
use crate::migrate::written::Written;

impl Converter<'_> {
    pub(super) fn import(&mut self, block: &Block, document: &mut Document) {
        let mut table = Table::commented(&block.comments);
        let Some(to) = block.body.attribute("to") else {
            self.findings.refuse(block.span, "this `import` names nothing", "`terraform validate` says more about it");
            return;
        };
        let Some(target) = self.import_target(&to.value) else {
            let message = format!("an import to `{}` cannot be converted", reference_text(&to.value));
            self.findings.refuse(to.value.span(), message, "`retrue import ADDR ID` takes it over");
            return;
        };
        if let Some(identity) = block.body.attribute("identity") {
            let message = format!("the import of `{target}` by its identity cannot be converted");
            self.findings.refuse(identity.span, message, "give its `id`, or take it over by `retrue import ADDR ID`");
            return;
        }
        if target.parse::<Address>().is_ok_and(|address| self.recorded.contains(&address)) {
            let message = format!("the import of `{target}` is left out: it is carried out already");
            self.findings.differs(block.span, message, "nothing is to be done");
            return;
        }
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) => match attribute.name.as_str() {
                    "to" => table.set("to", Written::Text(target.clone()), &attribute.comments),
                    "id" | "for_each" => {
                        let value = self.value(&attribute.value);
                        table.set(&attribute.name, value, &attribute.comments);
                    }
                    // It is for the configuration that Terraform can write itself; the resource has its own.
                    "provider" => {}
                    _ => self.unknown(entry, "an import"),
                },
                Entry::Block(_) => self.unknown(entry, "an import"),
            }
        }
        document.append(&["import"], table);
    }

    /// The block or the instance that an import makes, whose key may be an expression where no module is around.
    fn import_target(&mut self, value: &Value) -> Option<String> {
        let text = reference_text(value);
        if let Ok(address) = text.parse::<Address>() {
            return Some(self.modules.flat(&[], &address)?.to_string());
        }
        let Value::Native(Expression::Traversal(traversal), source) = value else { return None };
        let operators: Vec<&TraversalOperator> = traversal.operators.iter().map(|operator| operator.value()).collect();
        let [TraversalOperator::GetAttr(name), TraversalOperator::Index(key)] = operators.as_slice() else {
            return None;
        };
        let Expression::Variable(kind) = &traversal.expr else { return None };
        let kind = kind.value().as_str();
        if matches!(kind, "module" | "data" | "ephemeral") || key.span().is_none() {
            return None;
        }
        let key = self.expression(&Value::Native(key.clone(), source.clone()));
        Some(format!("{}.{}[{key}]", type_name(kind), name.value().as_str()))
    }
}

//! Checks: each assertion is a condition that is looked at after an apply.

use super::Converter;
use crate::migrate::document::Document;
use crate::migrate::source::{Block, Entry};
use crate::migrate::written::Written;

impl Converter<'_> {
    pub(super) fn check(&mut self, block: &Block, document: &mut Document) {
        if self.around.module.scope.repeated.is_some() {
            let message =
                format!("`check {}` stands in a module with instances, and cannot be converted", block.label(0));
            self.findings.refuse(block.span, message, "write one check for each instance, or one over all of them");
            return;
        }
        let name = self.around.module.scope.name("check", block.label(0)).unwrap_or(block.label(0)).to_owned();
        let mut before = block.comments.before.clone();
        for entry in &block.body.entries {
            match entry {
                Entry::Block(data) if data.kind == "data" => {
                    self.findings.differs(
                        data.span,
                        "the data of a check is read like all other: where it cannot be, a plan fails",
                        "`lifecycle = { optional = true }` makes null of it",
                    );
                    self.resource(data, document);
                }
                Entry::Block(assertion) if assertion.kind == "assert" => {
                    let mut table = self.condition(assertion);
                    // Terraform warns.
                    table.put("severity", Written::Text("warning".to_owned()));
                    let mut comments = std::mem::take(&mut before);
                    comments.append(&mut table.comments);
                    table.comments = comments;
                    let own = self.check_name(&name);
                    document.add(&["check", &own], table);
                }
                other => self.unknown(other, "a check"),
            }
        }
    }

    /// The name of a check, with a number where there is one already.
    fn check_name(&mut self, name: &str) -> String {
        let mut own = name.to_owned();
        let mut number = 1;
        while !self.checks.insert(own.clone()) {
            number += 1;
            own = format!("{name}_{number}");
        }
        own
    }
}

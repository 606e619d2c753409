//! Checks: each assertion is a condition that is looked at after an apply.

use super::Converter;
use super::value::as_expression;
use crate::migrate::document::{Document, Table};
use crate::migrate::modules::{Here, Repeated};
use crate::migrate::source::{Block, Entry};
use crate::migrate::written::Written;

impl Converter<'_> {
    pub(super) fn check(&mut self, block: &Block, document: &mut Document) {
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
                    let mut table = match &self.around.module.scope.repeated {
                        None => self.condition(assertion),
                        Some(repeated) => self.condition_of_all(assertion, repeated),
                    };
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

    /// A condition that all instances of a module have to meet; those that do not say so.
    fn condition_of_all(&mut self, block: &Block, repeated: &Repeated) -> Table {
        let mut table = Table::commented(&block.comments);
        self.around.here = Here::in_locals(Some(repeated));
        let one = self.condition(block);
        self.around.here = Here::in_block(Some(repeated), None);
        let part = |name: &str| one.value(name).map_or_else(|| "null".to_owned(), as_expression);
        let (condition, message) = (part("condition"), part("message"));
        let all = |expression: &str| match repeated.counted {
            true => repeated.each(expression),
            false => format!("values({})", repeated.each(expression)),
        };
        table.put("condition", Written::Expression(format!("alltrue({})", all(&condition))));
        let told = all(&format!("({condition}) ? \"\" : {message}"));
        table.put("message", Written::Expression(format!("join(\"\\n\", compact({told}))")));
        table.closing.clone_from(&block.body.closing);
        table
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

//! Values of variables: `terraform.tfvars`, and the files beside it that Terraform takes by itself.

use std::collections::BTreeSet;

use super::convert::Converter;
use super::document::{Document, Table};
use super::source::{Attribute, Body, Entry, File};

/// The text of a file of values; nothing where none are given.
pub(super) fn convert(given: &[Body], files: &[File], converter: &mut Converter<'_>) -> Option<String> {
    let variables: BTreeSet<&str> = files
        .iter()
        .flat_map(|file| file.body.blocks())
        .filter(|block| block.kind == "variable")
        .map(|block| block.label(0))
        .collect();
    // The last one counts, at the place of the first.
    let mut values: Vec<&Attribute> = Vec::new();
    for entry in given.iter().flat_map(|body| &body.entries) {
        let Entry::Attribute(attribute) = entry else { continue };
        if !variables.contains(attribute.name.as_str()) {
            converter.findings.differs(
                attribute.span,
                format!("the value of `{}` is left out: there is no such variable", attribute.name),
                "declare the variable, if it is meant",
            );
            continue;
        }
        match values.iter_mut().find(|known| known.name == attribute.name) {
            Some(known) => *known = attribute,
            None => values.push(attribute),
        }
    }
    if values.is_empty() {
        return None;
    }
    let mut table = Table::default();
    for attribute in values {
        let value = converter.value(&attribute.value);
        table.set(&attribute.name, value, &attribute.comments);
    }
    let mut document = Document::default();
    document.add(&[], table);
    Some(document.render())
}

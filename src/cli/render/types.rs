//! Types and their documentation.

use std::collections::BTreeMap;

use retrue_provider_api::{Attribute, AttributeKind, Block, TypeSchema};

use super::plan::{Detail, Screen};
use super::text::{bold, cyan, dim, visible, yellow};

/// One type: what it is, and its attributes.
pub(crate) fn type_schema(name: &str, what: &str, schema: &TypeSchema, detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    screen.line(&format!("{}  {what}", bold(&visible(name))));
    documentation(&mut screen, "  ", &schema.block.documentation);
    block(&mut screen, &schema.block, "");
    screen.finish()
}

fn block(screen: &mut Screen, block: &Block, prefix: &str) {
    if let Some(reason) = &block.deprecated {
        screen.words(&format!("  {} ", yellow("deprecated:")), &visible(reason));
    }
    attributes(screen, &block.attributes, prefix);
    for (name, nested) in &block.blocks {
        screen.blank();
        let limits = match (nested.minimum, nested.maximum) {
            (0, 0) => "any number".to_owned(),
            (least, 0) => format!("at least {least}"),
            (0, most) => format!("at most {most}"),
            (least, most) => format!("{least} to {most}"),
        };
        screen.line(&format!("  {}  {}", cyan(&format!("[{prefix}{name}]")), dim(&format!("block, {limits}"))));
        documentation(screen, "      ", &nested.block.documentation);
        self::block(screen, &nested.block, &format!("{prefix}{name}."));
    }
}

fn attributes(screen: &mut Screen, attributes: &BTreeMap<String, Attribute>, prefix: &str) {
    for (name, attribute) in attributes {
        screen.blank();
        screen.line(&format!("  {}  {}", cyan(&format!("{prefix}{name}")), dim(&flags(attribute).join(", "))));
        documentation(screen, "      ", &attribute.documentation);
        if let Some(reason) = &attribute.deprecated {
            screen.words(&format!("      {} ", yellow("deprecated:")), &visible(reason));
        }
        if let AttributeKind::Nested(_, nested) = &attribute.kind {
            self::attributes(screen, nested, &format!("{prefix}{name}."));
        }
    }
}

fn flags(attribute: &Attribute) -> Vec<String> {
    let mut flags = vec![attribute.value_type().friendly_name()];
    let words = [
        (attribute.required, "required"),
        (attribute.optional && attribute.computed, "optional, else set by the provider"),
        (attribute.optional && !attribute.computed, "optional"),
        (attribute.computed && !attribute.optional, "set by the provider"),
        (attribute.identity, "identity"),
        (attribute.replace_on_change, "a change replaces"),
        (attribute.sensitive, "sensitive"),
        (attribute.write_only, "never kept"),
        (attribute.volatile, "changes by itself"),
        (attribute.inert, "a change alone does nothing"),
    ];
    flags.extend(words.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
    flags
}

fn documentation(screen: &mut Screen, indent: &str, text: &str) {
    for paragraph in text.trim().lines() {
        screen.words(indent, &visible(paragraph));
    }
}

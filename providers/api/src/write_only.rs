//! What is sent in configurations, and never planned, returned or recorded.

use std::collections::BTreeMap;

use crate::path::PathStep;
use crate::schema::{Attribute, AttributeKind, Block, Nesting};
use crate::value::Value;

/// The value with null for what is write-only.
pub fn without_write_only(block: &Block, value: &Value) -> Value {
    if !in_block(block) {
        return value.clone();
    }
    value.clone().map_parts(&mut |path, part| match attribute_at(block, &path.0) {
        Some(attribute) if attribute.write_only => Value::null(attribute.value_type().without_optional()),
        _ => part,
    })
}

/// Whether anything that is written of a value is write-only.
pub fn sets_write_only(block: &Block, value: &Value) -> bool {
    let mut found = false;
    if in_block(block) {
        value.visit(&mut |path, part| {
            found |= !part.is_null() && attribute_at(block, &path.0).is_some_and(|attribute| attribute.write_only);
            !found
        });
    }
    found
}

fn in_block(block: &Block) -> bool {
    in_attributes(&block.attributes) || block.blocks.values().any(|nested| in_block(&nested.block))
}

fn in_attributes(attributes: &BTreeMap<String, Attribute>) -> bool {
    attributes.values().any(|attribute| {
        attribute.write_only || matches!(&attribute.kind, AttributeKind::Nested(_, inner) if in_attributes(inner))
    })
}

/// The attribute at a path; `None` where there is none, or something inside of a plain value.
pub fn attribute_at<'b>(block: &'b Block, steps: &[PathStep]) -> Option<&'b Attribute> {
    let (name, rest) = named(steps)?;
    match (block.attributes.get(name), block.blocks.get(name)) {
        (Some(attribute), _) => in_attribute(attribute, rest),
        (None, Some(nested)) => attribute_at(&nested.block, inside(nested.nesting, rest)?),
        (None, None) => None,
    }
}

fn in_attribute<'b>(attribute: &'b Attribute, rest: &[PathStep]) -> Option<&'b Attribute> {
    if rest.is_empty() {
        return Some(attribute);
    }
    let AttributeKind::Nested(nesting, inner) = &attribute.kind else { return None };
    let (name, rest) = named(inside(*nesting, rest)?)?;
    in_attribute(inner.get(name)?, rest)
}

fn named(steps: &[PathStep]) -> Option<(&str, &[PathStep])> {
    match steps {
        [PathStep::Attribute(name) | PathStep::Key(name), rest @ ..] => Some((name, rest)),
        _ => None,
    }
}

/// The steps behind the one that picks an item; items of a set are at the path of the set.
fn inside(nesting: Nesting, steps: &[PathStep]) -> Option<&[PathStep]> {
    match nesting {
        Nesting::List | Nesting::Map => steps.split_first().map(|(_, rest)| rest),
        Nesting::Single | Nesting::Group | Nesting::Set => Some(steps),
    }
}

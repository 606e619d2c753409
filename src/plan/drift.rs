//! How the world differs from the record.

use retrue_provider_api::{Block, Path, Type, Value};

use crate::plan::compare::{differing_attributes, with_part};
use crate::plan::decide::{Instance, World};
use crate::plan::marks::mark_planned;
use crate::plan::model::{Drift, DriftStatus, ObjectKey};

/// How the world differs from the record.
pub(super) fn drift(instance: &Instance<'_>) -> Option<Drift> {
    let recorded = instance.recorded?;
    let desired = match (&instance.responses.update, &instance.desired) {
        (Some(response), Some(desired)) => {
            mark_planned(instance.block, response.planned.clone(), Some(&desired.config.value))
        }
        _ => Value::null(Type::Dynamic),
    };
    let blank = |status, attributes: Vec<Path>, error| Drift {
        address: instance.address.clone(),
        object: ObjectKey::Current,
        status,
        declared: declared(instance, &attributes),
        attributes,
        recorded: instance.recorded_state(),
        desired: desired.clone(),
        observed: instance.observed_state(),
        error,
    };
    match &instance.world {
        World::Absent | World::Many(_) => Some(blank(DriftStatus::Missing, Vec::new(), None)),
        World::Unreadable(reason) => Some(blank(DriftStatus::Unreadable, Vec::new(), Some(reason.clone()))),
        World::NotKnownYet | World::CannotLook => None,
        World::Present(observed) => {
            let differing: Vec<Path> = differing_attributes(&recorded.attributes, &observed.state)
                .into_iter()
                .filter(|path| {
                    path.first_attribute()
                        .and_then(|name| instance.block.attributes.get(name))
                        .is_none_or(|attribute| !attribute.volatile && !attribute.inert)
                })
                .collect();
            if differing.is_empty() {
                return None;
            }
            // With what is ignored as it was recorded, only differences that count are left.
            let ignored = instance.desired.as_ref().map_or(&[][..], |desired| desired.ignored.as_slice());
            let counted = ignored
                .iter()
                .fold(observed.state.clone(), |state, path| with_part(state, &path.0, path.get(&recorded.attributes)));
            let counted = differing_attributes(&recorded.attributes, &counted);
            let follows = |path: &Path| {
                // What is made of something ignored is ignored with it.
                let attribute = path.first_attribute().and_then(|name| instance.block.attributes.get(name));
                attribute.is_some_and(|attribute| {
                    attribute.derived_from.iter().any(|source| {
                        let source = Path::attribute(source.as_str());
                        ignored.iter().any(|ignored| ignored.is_prefix_of(&source))
                    })
                })
            };
            let matters = |path: &Path| {
                if !counted.contains(path) || follows(path) {
                    return false;
                }
                let set = is_set(instance.block, path, &recorded.config);
                let used = instance.used.iter().any(|used| path.is_prefix_of(used) || used.is_prefix_of(path));
                // What the configuration implies counts as set: a hash of the content, for one.
                let implied = match (path.get(&recorded.attributes), path.get(&observed.state), path.get(&desired)) {
                    (Some(was), Some(is), Some(wanted)) => wanted.same(was) && !wanted.same(is),
                    _ => false,
                };
                set || used || implied
            };
            let status = if differing.iter().any(matters) { DriftStatus::Drifted } else { DriftStatus::ChangedOutside };
            Some(blank(status, differing, None))
        }
    }
}

/// Whether a configuration says something of it. Blocks of which none is written are an empty collection in it.
fn is_set(block: &Block, path: &Path, config: &Value) -> bool {
    let unwritten = |value: &Value| {
        let nested = path.first_attribute().is_some_and(|name| block.blocks.contains_key(name));
        nested
            && (value.as_items().is_some_and(<[Value]>::is_empty)
                || value.as_entries().is_some_and(|all| all.is_empty()))
    };
    path.get(config).is_some_and(|value| !value.is_null() && !unwritten(value))
}

/// Those of the attributes that something is declared of, and that are not ignored.
fn declared(instance: &Instance<'_>, attributes: &[Path]) -> Vec<Path> {
    let Some(desired) = &instance.desired else { return Vec::new() };
    let counts = |path: &&Path| {
        let set = is_set(instance.block, path, &desired.config.value);
        set && !desired.ignored.iter().any(|ignored| ignored.is_prefix_of(path) || path.is_prefix_of(ignored))
    };
    attributes.iter().filter(counts).cloned().collect()
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::{Attribute, NestedBlock, Nesting};

    use super::*;

    #[test]
    fn blocks_that_nobody_wrote_are_not_set() {
        let nested = NestedBlock { nesting: Nesting::Set, block: Block::default(), minimum: 0, maximum: 0 };
        let block = Block {
            attributes: [("names".to_owned(), Attribute::optional(Type::list(Type::String), ""))].into(),
            blocks: [("rule".to_owned(), nested)].into(),
            ..Block::default()
        };
        let none = || Value::list(Type::String, []);
        let config = Value::object([("names", none()), ("rule", none()), ("other", Value::null(Type::String))]);
        for (name, set) in [("names", true), ("rule", false), ("other", false), ("missing", false)] {
            assert_eq!(is_set(&block, &Path::attribute(name), &config), set, "{name}");
        }
        let written = Value::object([("rule", Value::list(Type::String, [Value::from("x")]))]);
        assert!(is_set(&block, &Path::attribute("rule"), &written));
    }
}

//! Comparing states: which attributes differ, whether that matters, and fingerprints.

use std::sync::Arc;

use retrue_provider_api::{Block, Path, PathStep, Value, canonical_bytes};

use crate::rest::Seal;

/// Whether bringing one to the other changes anything but what is inert or changes by itself.
pub fn effective_difference(block: &Block, from: &Value, to: &Value) -> bool {
    differing_attributes(from, to).iter().any(|path| {
        path.first_attribute()
            .and_then(|name| block.attributes.get(name))
            .is_none_or(|attribute| !attribute.inert && !attribute.volatile && !attribute.write_only)
    })
}

/// The outermost attributes in which two states differ.
pub fn differing_attributes(from: &Value, to: &Value) -> Vec<Path> {
    let (Some(before), Some(after)) = (from.as_entries(), to.as_entries()) else {
        return if from.same(to) { Vec::new() } else { vec![Path::root()] };
    };
    let mut names: Vec<&Arc<str>> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| match (before.get(*name), after.get(*name)) {
            (Some(a), Some(b)) => !(a.same(b) || a.is_null() && b.is_null()),
            (Some(only), None) | (None, Some(only)) => !only.is_null(),
            (None, None) => false,
        })
        .map(|name| Path(vec![PathStep::Attribute(Arc::clone(name))]))
        .collect()
}

/// The attributes that a fingerprint is made of. Left out is what changes by itself, and what is
/// computed and used by nothing.
pub fn fingerprint_attributes(block: &Block, state: &Value, config: &Value, used: &[Path]) -> Vec<Arc<str>> {
    let entries = state.as_entries().into_iter().flatten();
    entries
        .filter(|(name, _)| {
            let path = Path::attribute(Arc::clone(name));
            block.attributes.get(name.as_ref()).is_none_or(|attribute| {
                let set = config.get(name).is_some_and(|value| !value.is_null());
                let used = used.iter().any(|used| path.is_prefix_of(used));
                !attribute.volatile
                    && !attribute.inert
                    && (set || used || (attribute.settable() && !attribute.computed))
            })
        })
        .map(|(name, _)| Arc::clone(name))
        .collect()
}

/// The fingerprint of a state: a keyed hash over some of its attributes.
pub fn fingerprint(attributes: &[Arc<str>], state: &Value, seal: &dyn Seal) -> String {
    let part = Value::object(
        attributes.iter().filter_map(|name| state.get(name).map(|value| (Arc::clone(name), value.clone()))),
    );
    seal.keyed_hash(&canonical_bytes(&part))
}

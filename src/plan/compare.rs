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

/// The attributes that a configuration may set and that differ.
pub fn settable_difference(block: &Block, from: &Value, to: &Value) -> Vec<Path> {
    differing_attributes(from, to)
        .into_iter()
        .filter(|path| {
            path.first_attribute().and_then(|name| block.attributes.get(name)).is_none_or(|attribute| {
                attribute.settable() && !attribute.volatile && !attribute.write_only && !attribute.inert
            })
        })
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
                let used = used.iter().any(|used| path.is_prefix_of(used) || used.is_prefix_of(&path));
                !attribute.volatile
                    && !attribute.inert
                    && (set || used || (attribute.settable() && !attribute.computed))
            })
        })
        .map(|(name, _)| Arc::clone(name))
        .collect()
}

/// The attributes that the fingerprint of data is made of: what something uses, but for what changes by itself. There
/// is data that is another each time that it is read, in parts that nobody looks at.
pub fn data_fingerprint_attributes(block: &Block, state: &Value, used: &[Path]) -> Vec<Arc<str>> {
    let names = state.as_entries().into_iter().flatten().map(|(name, _)| name);
    let lasting = names.filter(|name| block.attributes.get(name.as_ref()).is_none_or(|attribute| !attribute.volatile));
    let used = |name: &&Arc<str>| {
        let path = Path::attribute(Arc::clone(name));
        used.iter().any(|used| path.is_prefix_of(used) || used.is_prefix_of(&path))
    };
    lasting.filter(used).cloned().collect()
}

/// A configuration with what is there in place of what does not count (`ignore_changes`); the root stands for all that
/// can be set.
pub fn with_kept(block: &Block, config: Value, kept: &[Path], observed: &Value) -> Value {
    kept.iter().fold(config, |config, path| match path.0.is_empty() {
        true => Value::object(config.as_entries().into_iter().flatten().map(|(name, value)| {
            let settable = block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
            let kept = observed.get(name).filter(|_| settable).unwrap_or(value);
            (Arc::clone(name), kept.clone())
        })),
        false => with_part(config, &path.0, path.get(observed)),
    })
}

/// A value with the part at a path replaced; where the path leads nowhere, nothing changes.
pub fn with_part(value: Value, steps: &[PathStep], part: Option<&Value>) -> Value {
    let Some((first, rest)) = steps.split_first() else { return part.cloned().unwrap_or(value) };
    match first {
        PathStep::Attribute(name) | PathStep::Key(name) => {
            let inner = value.get(name).cloned();
            match (inner, rest.is_empty(), part) {
                (Some(inner), _, _) => value.with_attribute(name, with_part(inner, rest, part)),
                (None, true, Some(part)) => value.with_attribute(name, part.clone()),
                _ => value,
            }
        }
        PathStep::Index(index) => {
            let target = *index;
            // Only the direct element changes; rebuilding keeps the collection's kind.
            let depth = Path(vec![PathStep::Index(target)]);
            value.map_parts(&mut |path, inner| {
                if *path == depth { with_part(inner, rest, part) } else { inner }
            })
        }
    }
}

/// The fingerprint of a state: a keyed hash over some of its attributes.
pub fn fingerprint(attributes: &[Arc<str>], state: &Value, seal: &dyn Seal) -> String {
    let part = Value::object(
        attributes.iter().filter_map(|name| state.get(name).map(|value| (Arc::clone(name), value.clone()))),
    );
    seal.keyed_hash(&canonical_bytes(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_fingerprinted_by_what_is_used_of_it() {
        let state = Value::object([("id", Value::from("a")), ("outputs", Value::from("b"))]);
        let names = |used: &[Path]| -> Vec<String> {
            let names = data_fingerprint_attributes(&Block::default(), &state, used);
            names.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&[]), Vec::<String>::new());
        assert_eq!(names(&[Path::attribute("outputs").child(PathStep::Key("a".into()))]), ["outputs"]);
        assert_eq!(names(&[Path::root()]), ["id", "outputs"]);
    }
}

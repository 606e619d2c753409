//! Holds what was planned against what is there.

use std::sync::Arc;

use retrue_provider_api::{Block, Path, Value};

use crate::plan::compare::differing_attributes;

/// The attributes that were planned, were known, and turned out different. What changes by itself,
/// or is never given back, does not count.
pub(in crate::apply) fn differing_known(block: &Block, planned: &Value, found: &Value) -> Vec<Path> {
    differing_attributes(planned, found)
        .into_iter()
        .filter(|path| {
            path.first_attribute()
                .and_then(|name| block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
        .filter(|path| match (path.get(planned), path.get(found)) {
            (Some(planned), Some(found)) => first_broken(planned, found, &Path::root()).is_some(),
            (Some(planned), None) => !planned.is_null() && planned.is_known(),
            _ => false,
        })
        .collect()
}

/// The first part of `planned` that was known and that `found` does not have.
pub(in crate::apply) fn first_broken(planned: &Value, found: &Value, at: &Path) -> Option<Path> {
    use retrue_provider_api::{Data, PathStep};
    match (planned.data(), found.data()) {
        (Data::Unknown(..), _) => None,
        (Data::Object(before) | Data::Map(_, before), Data::Object(after) | Data::Map(_, after)) => {
            for (name, planned) in before.iter() {
                let at = at.child(PathStep::Attribute(Arc::clone(name)));
                match after.get(name) {
                    Some(found) => {
                        if let Some(path) = first_broken(planned, found, &at) {
                            return Some(path);
                        }
                    }
                    None if planned.is_null() || !planned.is_known() => {}
                    None => return Some(at),
                }
            }
            after
                .keys()
                .find(|name| !before.contains_key(*name) && after.get(*name).is_some_and(|value| !value.is_null()))
                .map(|name| at.child(PathStep::Attribute(Arc::clone(name))))
        }
        (Data::List(_, before) | Data::Tuple(before), Data::List(_, after) | Data::Tuple(after))
            if before.len() == after.len() =>
        {
            before
                .iter()
                .zip(after.iter())
                .enumerate()
                .find_map(|(index, (planned, found))| first_broken(planned, found, &at.child(PathStep::Index(index))))
        }
        (Data::Set(_, before), _) if !before.iter().all(Value::is_wholly_known) => None,
        (Data::Null(_), Data::Null(_)) => None,
        _ if planned.same(found) => None,
        _ => Some(at.clone()),
    }
}

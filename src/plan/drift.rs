//! How the world differs from the record.

use retrue_provider_api::{Path, Type, Value};

use crate::plan::compare::differing_attributes;
use crate::plan::decide::{Instance, World};
use crate::plan::marks::mark_planned;
use crate::plan::model::{Drift, DriftStatus};

/// How the world differs from the record.
pub(super) fn drift(instance: &Instance<'_>) -> Option<Drift> {
    let recorded = instance.recorded?;
    let desired = match (&instance.responses.update, &instance.desired) {
        (Some(response), Some(desired)) => {
            mark_planned(instance.block, response.planned.clone(), Some(&desired.config.value))
        }
        _ => Value::null(Type::Dynamic),
    };
    let blank = |status, attributes, error| Drift {
        address: instance.address.clone(),
        status,
        attributes,
        recorded: recorded.attributes.clone(),
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
            let matters = |path: &Path| {
                let set = path.get(&recorded.config).is_some_and(|value| !value.is_null());
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

//! What the end of a step changes in the recorded state.

use serde_json::Value as Json;

use crate::address::Address;
use crate::plan::ObjectKey;
use crate::saga::RestingObject;
use crate::saga::state::{effects_key, generation_key, object_key};
use crate::store::Write;

/// Records an object.
pub(super) fn put_object(
    address: &Address,
    object: &ObjectKey,
    resting: &RestingObject,
) -> Result<Write, serde_json::Error> {
    Ok(Write::Put { key: object_key(address, object), value: serde_json::to_value(resting)? })
}

/// Drops the record of an object.
pub(super) fn drop_object(address: &Address, object: &ObjectKey) -> Write {
    Write::Delete { key: object_key(address, object) }
}

/// Records the object, or drops it where there is none.
pub(super) fn set_object(
    address: &Address,
    object: &ObjectKey,
    resting: Option<&RestingObject>,
) -> Result<Write, serde_json::Error> {
    match resting {
        Some(resting) => put_object(address, object, resting),
        None => Ok(drop_object(address, object)),
    }
}

/// Notes that an effect on an address may happen from now on.
pub(super) fn put_effects(address: &Address, effects: u64) -> Write {
    Write::Put { key: effects_key(address), value: Json::from(effects) }
}

/// Moves the counter of an address on. It never goes back.
pub(super) fn put_generation(address: &Address, generation: u64) -> Write {
    Write::Put { key: generation_key(address), value: Json::from(generation) }
}

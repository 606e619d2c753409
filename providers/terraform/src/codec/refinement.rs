//! What a provider says about an unknown value.

use std::sync::Arc;

use retrue_provider_api::{Number, Refinement};
use rmpv::Value as Pack;

use super::msgpack::unpack_number;

const NULLNESS: u64 = 1;
const PREFIX: u64 = 2;
const MINIMUM: u64 = 3;
const MAXIMUM: u64 = 4;
const MINIMUM_LENGTH: u64 = 5;
const MAXIMUM_LENGTH: u64 = 6;

/// Reads the body of a refined unknown value. What is not understood is left out, and the bytes are kept:
/// they go back as they came.
pub(super) fn read(body: &[u8]) -> Refinement {
    let mut known = Refinement { opaque: Some(Arc::from(body)), ..Refinement::default() };
    let mut rest = body;
    let Ok(Pack::Map(entries)) = rmpv::decode::read_value_with_max_depth(&mut rest, 8) else { return known };
    for (key, value) in &entries {
        match key.as_u64() {
            Some(NULLNESS) => known.not_null = value.as_bool() == Some(false),
            Some(PREFIX) => known.prefix = value.as_str().map(Arc::from),
            Some(MINIMUM) => known.minimum = bound(value),
            Some(MAXIMUM) => known.maximum = bound(value),
            Some(MINIMUM_LENGTH) => known.minimum_length = value.as_u64(),
            Some(MAXIMUM_LENGTH) => known.maximum_length = value.as_u64(),
            _ => {}
        }
    }
    known
}

fn bound(value: &Pack) -> Option<(Number, bool)> {
    match value.as_array().map(Vec::as_slice) {
        Some([number, inclusive]) => Some((unpack_number(&number.as_ref()).ok()?, inclusive.as_bool()?)),
        _ => None,
    }
}

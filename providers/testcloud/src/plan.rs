//! Deciding what an object will look like. Pure: the same for the same input, and no call is made.

use retrue_provider_api::{Path, PlanRequest, PlanResponse, Type, Value};

use crate::convert::{same_apart_from_volatile, with_unknowns, with_volatile_unknown};
use crate::resource::Resource;

pub(crate) fn plan(resource: &Resource, request: PlanRequest) -> PlanResponse {
    let PlanRequest { prior, proposed, .. } = request;
    if proposed.is_null() {
        return PlanResponse {
            reversibility: resource.delete_reversibility(),
            ..PlanResponse::of(Value::null(Type::Dynamic))
        };
    }
    let block = (resource.schema)().block;
    let planned = with_unknowns(&block, (resource.fill)(proposed, &prior));
    if prior.is_null() {
        return PlanResponse::of(planned);
    }
    if same_apart_from_volatile(&block, &planned, &prior) {
        return PlanResponse::of(prior);
    }
    let requires_replace = block
        .attributes
        .iter()
        .filter(|(name, attribute)| attribute.replace_on_change && planned.get(name) != prior.get(name))
        .map(|(name, _)| Path::attribute(name.as_str()))
        .collect();
    PlanResponse { requires_replace, ..PlanResponse::of(with_volatile_unknown(&block, planned)) }
}

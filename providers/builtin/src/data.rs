//! `retrue_data`: a value with a life of its own.

use retrue_provider_api::{
    Attribute, Block, Change, Context, Effect, Path, PlanRequest, PlanResponse, Type, TypeSchema, Value, convert,
    from_plain_json, to_plain_json,
};
use serde_json::Value as Json;

pub(crate) const TYPE: &str = "retrue_data";

/// The type of Terraform's that it takes the place of.
pub(crate) const NULL_RESOURCE: &str = "null_resource";

/// What becomes of a `null_resource`: its id and its triggers stay.
pub(crate) fn of_null_resource(state: &Value) -> Value {
    let triggers = attribute(state, "triggers");
    let triggers = match triggers.as_entries() {
        // Written in a configuration, they are an object.
        Some(entries) => Value::object(entries.iter().map(|(name, value)| (name.clone(), value.clone()))),
        None => Value::null(Type::Dynamic),
    };
    let none = || Value::null(Type::Dynamic);
    Value::object([
        ("id", attribute(state, "id")),
        ("input", none()),
        ("output", none()),
        ("triggers_replace", triggers),
    ])
}

pub(crate) fn schema() -> TypeSchema {
    let attributes = [
        ("id", Attribute::computed(Type::String, "An id that is made with it and stays.")),
        ("input", Attribute::optional(Type::Dynamic, "Any value. A change of it is an update.")),
        ("output", Attribute::computed(Type::Dynamic, "The `input`, once it is applied.").derived_from(&["input"])),
        (
            "triggers_replace",
            Attribute::optional(Type::Dynamic, "Any value. A change of it replaces the whole.").replaces(),
        ),
    ];
    TypeSchema {
        version: 0,
        identity_space: None,
        block: Block {
            attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into(),
            documentation: "A value that is recorded, passed on, and makes others be replaced.".to_owned(),
            ..Block::default()
        },
    }
}

pub(crate) fn plan(request: PlanRequest) -> PlanResponse {
    if request.proposed.is_null() {
        return PlanResponse::of(request.proposed);
    }
    let input = attribute(&request.config, "input");
    let planned = request.proposed.with_attribute("output", input);
    if request.prior.is_null() {
        return PlanResponse::of(planned.with_attribute("id", Value::unknown(Type::String)));
    }
    let triggers = attribute(&request.config, "triggers_replace");
    if triggers.same(&attribute(&request.prior, "triggers_replace")) {
        return PlanResponse::of(planned);
    }
    PlanResponse { requires_replace: vec![Path::attribute("triggers_replace")], ..PlanResponse::of(planned) }
}

/// What is recorded after the change. Nothing can go wrong: there is nothing outside.
pub(crate) fn apply(context: &Context, change: Change) -> Value {
    if let Some(image) = change.restore {
        return image.state;
    }
    if change.effect == Effect::Delete {
        return Value::null(Type::Dynamic);
    }
    let input = attribute(&change.config, "input");
    let id = match attribute(&change.prior, "id") {
        id if change.effect == Effect::Update && id.as_str().is_some() => id,
        _ => Value::from(context.stable_id()),
    };
    change.planned.with_attribute("input", input.clone()).with_attribute("output", input).with_attribute("id", id)
}

/// All that is known of one that was made elsewhere.
pub(crate) fn imported(id: &str) -> Value {
    let null = || Value::null(Type::Dynamic);
    Value::object([("id", Value::from(id)), ("input", null()), ("output", null()), ("triggers_replace", null())])
}

/// What Terraform recorded of a `terraform_data`.
pub(crate) fn taken_over(state: &Json) -> Option<Value> {
    let id = state.get("id").and_then(Json::as_str).map_or_else(|| Value::null(Type::String), Value::from);
    let mut attributes = vec![("id", id)];
    for name in ["input", "output", "triggers_replace"] {
        let value = match state.get(name) {
            None | Some(Json::Null) => Value::null(Type::Dynamic),
            Some(typed) => {
                let plain = from_plain_json(typed.get("value")?).ok()?;
                convert(&plain, &Type::from_json(typed.get("type")?)?).ok()?
            }
        };
        attributes.push((name, value));
    }
    Some(Value::object(attributes))
}

/// The same as Terraform records it; nothing where something is unknown.
pub(crate) fn handed_over(state: &Value) -> Option<Json> {
    let mut attributes = serde_json::Map::new();
    attributes.insert("id".to_owned(), to_plain_json(&attribute(state, "id"))?);
    for name in ["input", "output", "triggers_replace"] {
        let value = attribute(state, name);
        let typed = match value.is_null() {
            true => Json::Null,
            false => serde_json::json!({ "value": to_plain_json(&value)?, "type": value.kind().to_json() }),
        };
        attributes.insert(name.to_owned(), typed);
    }
    Some(Json::Object(attributes))
}

fn attribute(object: &Value, name: &str) -> Value {
    object.get(name).cloned().unwrap_or_else(|| Value::null(Type::Dynamic))
}

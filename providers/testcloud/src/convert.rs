//! Between what the cloud says and the values of the contract.

use retrue_provider_api::{
    Block, Category, Data, Observed, ProviderError, ProviderResult, Type, Value, convert, from_plain_json,
    to_plain_json,
};
use serde_json::{Map, Value as Json};

use crate::cloud::MARKER_TAG;
use crate::resource::Resource;

/// Reads an object of the cloud. What the cloud never gives back keeps its value in `like`.
pub(crate) fn observed(resource: &Resource, object: &Json, like: &Value) -> ProviderResult<Observed> {
    let wrong = |error: String| {
        ProviderError::new(Category::ServerError, "read", format!("the cloud answered with something strange: {error}"))
    };
    let block = (resource.schema)().block;
    let mut object = object.clone();
    let marker = take_marker(&mut object, like);
    let complete = completed(&block, &object);
    let state = from_plain_json(&complete).map_err(|error| wrong(error.to_string()))?;
    let mut state = convert(&state, &block.value_type()).map_err(|error| wrong(error.to_string()))?;
    for name in never_given_back(&block) {
        if let Some(kept) = like.get(name).filter(|kept| kept.is_known()) {
            state = state.with_attribute(name, kept.clone());
        }
    }
    Ok(Observed { marker, ..Observed::of(state) })
}

/// Secrets that people set are taken and never given back.
fn never_given_back(block: &Block) -> impl Iterator<Item = &str> {
    block
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.sensitive && attribute.settable())
        .map(|(name, _)| name.as_str())
}

/// The value with everything null that the cloud never gives back.
pub(crate) fn without_secrets(resource: &Resource, value: Value) -> Value {
    let block = (resource.schema)().block;
    never_given_back(&block).fold(value, |value, name| value.with_attribute(name, Value::null(Type::String)))
}

/// Takes the marker out of the tags. No other tags: then they are null or empty as in `like`.
fn take_marker(object: &mut Json, like: &Value) -> Option<String> {
    let object = object.as_object_mut()?;
    let tags = object.get_mut("tags")?.as_object_mut()?;
    let marker = tags.remove(MARKER_TAG).and_then(|marker| marker.as_str().map(str::to_owned));
    let meant_empty = like.get("tags").is_some_and(|tags| tags.is_known() && !tags.is_null());
    if tags.is_empty() && !meant_empty {
        object.remove("tags");
    }
    marker
}

/// All that the schema names, null where the cloud says nothing, and nothing else.
fn completed(block: &Block, object: &Json) -> Json {
    let of = |name: &str| object.get(name).cloned().unwrap_or(Json::Null);
    let mut all: Map<String, Json> = block.attributes.keys().map(|name| (name.clone(), of(name))).collect();
    for (name, nested) in &block.blocks {
        let items = of(name).as_array().cloned().unwrap_or_default();
        let items = items.iter().map(|item| completed(&nested.block, item)).collect();
        all.insert(name.clone(), Json::Array(items));
    }
    Json::Object(all)
}

/// The attributes and blocks that may be set, as the cloud takes them: null where they are not set,
/// left out where they are not known.
pub(crate) fn settable(resource: &Resource, value: &Value) -> Map<String, Json> {
    settable_of(&(resource.schema)().block, value)
}

fn settable_of(block: &Block, value: &Value) -> Map<String, Json> {
    let mut set = Map::new();
    for name in block.attributes.iter().filter(|(_, attribute)| attribute.settable()).map(|(name, _)| name) {
        if let Some(json) = value.get(name).and_then(to_plain_json) {
            set.insert(name.clone(), json);
        }
    }
    for (name, nested) in &block.blocks {
        let Some(items) = value.get(name).and_then(Value::as_items) else { continue };
        let items = items.iter().map(|item| {
            let mut item = settable_of(&nested.block, item);
            item.retain(|_, value| !value.is_null());
            Json::Object(item)
        });
        set.insert(name.clone(), Json::Array(items.collect()));
    }
    set
}

/// Puts a marker among the tags of what is sent.
pub(crate) fn put_marker(body: &mut Map<String, Json>, marker: &str) {
    let tags = body.entry("tags").or_insert(Json::Null);
    if !tags.is_object() {
        *tags = Json::Object(Map::new());
    }
    if let Some(tags) = tags.as_object_mut() {
        tags.insert(MARKER_TAG.to_owned(), Json::from(marker));
    }
}

/// What the provider computes and nobody knows yet is unknown.
pub(crate) fn with_unknowns(block: &Block, value: Value) -> Value {
    let mut value = value;
    for (name, attribute) in &block.attributes {
        if attribute.computed && value.get(name).is_some_and(Value::is_null) {
            value = value.with_attribute(name, Value::unknown(attribute.value_type()));
        }
    }
    for (name, nested) in &block.blocks {
        let inner = |items: &[Value]| -> Vec<Value> {
            items.iter().map(|item| with_unknowns(&nested.block, item.clone())).collect()
        };
        let rebuilt = match value.get(name).map(Value::data) {
            Some(Data::List(kind, items)) => Value::list(kind.clone(), inner(items)),
            Some(Data::Set(kind, items)) => Value::set(kind.clone(), inner(items)),
            _ => continue,
        };
        value = value.with_attribute(name, rebuilt);
    }
    value
}

/// What changes by itself is unknown after any change.
pub(crate) fn with_volatile_unknown(block: &Block, value: Value) -> Value {
    block
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.volatile)
        .fold(value, |value, (name, attribute)| value.with_attribute(name, Value::unknown(attribute.value_type())))
}

/// Whether both are the same apart from what changes by itself.
pub(crate) fn same_apart_from_volatile(block: &Block, one: &Value, other: &Value) -> bool {
    let plain = |value: &Value| {
        block
            .attributes
            .iter()
            .filter(|(_, attribute)| attribute.volatile)
            .fold(value.clone(), |value, (name, _)| value.with_attribute(name, Value::null(Type::Dynamic)))
    };
    plain(one).same(&plain(other))
}

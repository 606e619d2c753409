//! Values for tests: from JSON, compared, and told apart in words.

use retrue_provider_api::{Block, Path, PathStep, Type, Value, convert, from_plain_json};
use serde_json::{Map, Value as Json};

/// A value of a block's type from JSON. What is left out is null; blocks left out are empty.
pub fn value_of(block: &Block, json: &Json) -> Value {
    let value = from_plain_json(&completed(block, json)).expect("a value");
    convert(&value, &block.value_type()).unwrap_or_else(|error| panic!("{json} is not of its type: {error}"))
}

fn completed(block: &Block, json: &Json) -> Json {
    if let Some(strange) = json
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .find(|key| !block.attributes.contains_key(key.as_str()) && !block.blocks.contains_key(key.as_str()))
    {
        panic!("the type has no `{strange}`");
    }
    let of = |name: &str| json.get(name).cloned().unwrap_or(Json::Null);
    let mut all: Map<String, Json> = block.attributes.keys().map(|name| (name.clone(), of(name))).collect();
    for (name, nested) in &block.blocks {
        let items = of(name).as_array().cloned().unwrap_or_default();
        all.insert(name.clone(), items.iter().map(|item| completed(&nested.block, item)).collect());
    }
    Json::Object(all)
}

/// An attribute of an object; null where there is none.
pub fn attribute(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_else(|| Value::null(Type::Dynamic))
}

/// The value with everything null that changes by itself.
pub fn without_volatile(block: &Block, value: &Value) -> Value {
    block
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.volatile)
        .fold(value.clone(), |value, (name, _)| value.with_attribute(name, Value::null(Type::Dynamic)))
}

/// Where two values differ, in words; `None` where they do not. Unknowns in `expected` match anything.
pub fn difference(expected: &Value, found: &Value) -> Option<String> {
    let mut different = Vec::new();
    collect(&Path::root(), expected, found, &mut different);
    (!different.is_empty()).then(|| different.join(", "))
}

fn collect(path: &Path, expected: &Value, found: &Value, different: &mut Vec<String>) {
    if !expected.is_known() || expected.same(found) {
        return;
    }
    if let (Some(one), Some(other)) = (expected.as_entries(), found.as_entries())
        && one.keys().eq(other.keys())
    {
        for (name, value) in one {
            collect(&path.child(PathStep::Attribute(name.clone())), value, &other[name], different);
        }
        return;
    }
    if let (Type::List(_) | Type::Tuple(_), Some(one), Some(other)) =
        (expected.kind(), expected.as_items(), found.as_items())
        && one.len() == other.len()
    {
        for (index, (one, other)) in one.iter().zip(other).enumerate() {
            collect(&path.child(PathStep::Index(index)), one, other, different);
        }
        return;
    }
    // Elements of a set that are not wholly known cannot be paired; their number can be compared.
    if let (Type::Set(_), false, Some(one), Some(other)) =
        (expected.kind(), expected.is_wholly_known(), expected.as_items(), found.as_items())
        && one.len() >= other.len()
    {
        return;
    }
    different.push(format!("`{path}` is {} instead of {}", shown(found), shown(expected)));
}

/// A value in words, shortened.
pub fn shown(value: &Value) -> String {
    let text = match value.as_str() {
        Some(text) => format!("{text:?}"),
        None if value.is_null() => "null".to_owned(),
        None if !value.is_known() => "unknown".to_owned(),
        None => retrue_provider_api::to_wire(value).to_string(),
    };
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

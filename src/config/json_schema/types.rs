//! The types of providers as JSON Schema.
//!
//! Where an expression may stand, a text is accepted, whatever the type is: it may be a template.

use std::collections::BTreeMap;

use retrue_provider_api::{Attribute, AttributeKind, Block, NestedBlock, Nesting, Type};
use serde_json::{Map, Value as Json, json};

/// What is nested somewhere, by a name that its content gives. It may be written in several forms, and each
/// names it again: without this a schema would double with each level, and some types have a dozen.
#[derive(Default)]
pub(super) struct Shared(Map<String, Json>);

impl Shared {
    /// A reference to a schema, which is kept once.
    fn reference(&mut self, schema: Json) -> Json {
        let hash = blake3::hash(schema.to_string().as_bytes()).to_hex();
        let name = format!("nested-{}", hash.get(..16).unwrap_or_default());
        let reference = json!({ "$ref": format!("#/definitions/{name}") });
        self.0.insert(name, schema);
        reference
    }

    /// All of them, by name.
    pub(super) fn into_definitions(self) -> Map<String, Json> {
        self.0
    }
}

/// An object with the attributes and blocks that a configuration may set, and further properties.
pub(super) fn table(block: &Block, further: &Map<String, Json>, shared: &mut Shared) -> Json {
    let mut properties = further.clone();
    let mut required = attributes(&block.attributes, &mut properties, shared);
    for (name, nested) in &block.blocks {
        properties.insert(name.clone(), nested_block(nested, shared));
        if nested.minimum > 0 {
            required.push(name.clone());
        }
    }
    let mut schema = object(properties, required);
    describe(&mut schema, &block.documentation, block.deprecated.as_deref());
    schema
}

fn object(properties: Map<String, Json>, required: Vec<String>) -> Json {
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        put(&mut schema, "required", json!(required));
    }
    schema
}

/// Adds the attributes that can be set, and returns the required ones.
fn attributes(
    attributes: &BTreeMap<String, Attribute>,
    properties: &mut Map<String, Json>,
    shared: &mut Shared,
) -> Vec<String> {
    let mut required = Vec::new();
    for (name, attribute) in attributes.iter().filter(|(_, attribute)| attribute.settable()) {
        let mut schema = match &attribute.kind {
            AttributeKind::Value(kind) => value(kind),
            AttributeKind::Nested(nesting, inner) => {
                let mut properties = Map::new();
                let required = self::attributes(inner, &mut properties, shared);
                nested(*nesting, shared.reference(object(properties, required)))
            }
        };
        describe(&mut schema, &attribute.documentation, attribute.deprecated.as_deref());
        properties.insert(name.clone(), schema);
        if attribute.required {
            required.push(name.clone());
        }
    }
    required
}

fn nested_block(block: &NestedBlock, shared: &mut Shared) -> Json {
    let one = table(&block.block, &Map::new(), shared);
    nested(block.nesting, shared.reference(one))
}

/// Something nested, in each of the forms in which it may be written.
fn nested(nesting: Nesting, one: Json) -> Json {
    match nesting {
        Nesting::Single | Nesting::Group => {
            json!({ "anyOf": [one.clone(), { "type": "array", "maxItems": 1, "items": one }, { "type": "string" }] })
        }
        Nesting::List | Nesting::Set => {
            let item = json!({ "anyOf": [one.clone(), { "type": "string" }] });
            json!({ "anyOf": [one, { "type": "array", "items": item }, { "type": "string" }] })
        }
        Nesting::Map => {
            let item = json!({ "anyOf": [one, { "type": "string" }] });
            json!({ "anyOf": [{ "type": "object", "additionalProperties": item }, { "type": "string" }] })
        }
    }
}

/// A value of a type, or a template that gives one.
fn value(kind: &Type) -> Json {
    let or_template = |schema: Json| json!({ "anyOf": [schema, { "type": "string" }] });
    match kind {
        Type::Dynamic => json!({}),
        // Numbers and truth values convert to text.
        Type::String => json!({ "type": ["string", "number", "boolean"] }),
        Type::Number => json!({ "type": ["number", "string"] }),
        Type::Bool => json!({ "type": ["boolean", "string"] }),
        Type::List(element) | Type::Set(element) => match element.as_ref() {
            // Written like blocks: one or several tables, with what matters.
            Type::Object(_) => {
                let mut one = value(element);
                strip_required(&mut one);
                json!({ "anyOf": [{ "type": "array", "items": one.clone() }, one] })
            }
            element => or_template(json!({ "type": "array", "items": value(element) })),
        },
        Type::Map(element) => or_template(json!({ "type": "object", "additionalProperties": value(element) })),
        Type::Tuple(elements) => {
            let items: Vec<Json> = elements.iter().map(value).collect();
            or_template(json!({ "type": "array", "items": items, "minItems": items.len(), "maxItems": items.len() }))
        }
        Type::Object(kind) => {
            let properties = kind.attributes.iter().map(|(name, kind)| (name.to_string(), value(kind))).collect();
            let required = kind.attributes.keys().filter(|name| !kind.optional.contains(*name));
            or_template(object(properties, required.map(ToString::to_string).collect()))
        }
    }
}

/// Makes every attribute optional, at every depth.
fn strip_required(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            entries.remove("required");
            entries.values_mut().for_each(strip_required);
        }
        Json::Array(items) => items.iter_mut().for_each(strip_required),
        _ => {}
    }
}

fn describe(schema: &mut Json, documentation: &str, deprecated: Option<&str>) {
    let text = match deprecated {
        Some(reason) => format!("Deprecated: {reason}\n\n{documentation}"),
        None => documentation.to_owned(),
    };
    if !text.trim().is_empty() {
        put(schema, "description", json!(text.trim()));
    }
    if deprecated.is_some() {
        put(schema, "deprecated", json!(true));
    }
}

fn put(schema: &mut Json, key: &str, value: Json) {
    if let Some(entries) = schema.as_object_mut() {
        entries.insert(key.to_owned(), value);
    }
}

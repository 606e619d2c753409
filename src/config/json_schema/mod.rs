//! The JSON Schema of the format, for editors: the fixed part and every type of every provider.

mod checks;
mod format;
mod resilience;
mod tables;
mod types;

use retrue_provider_api::{Block, Offered};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::check::Schemas;

/// The JSON Schema of a file of a stack, in the draft that editors of TOML know (7).
///
/// It is complete enough to complete by, and not as strict as `validate`: an expression may stand
/// anywhere, so a text is accepted anywhere.
pub fn json_schema(schemas: &Schemas) -> Json {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut shared = types::Shared::default();
    let named = |schema: Json| json!({ "type": "object", "additionalProperties": schema });
    let properties = json!({
        "stack": reference::<format::Stack>(&mut generator),
        "variable": named(reference::<format::Variable>(&mut generator)),
        "local": { "type": "object", "description": "Named expressions." },
        "provider": providers(schemas, reference::<resilience::ProviderResilience>(&mut generator), &mut shared),
        "resource": blocks(schemas, |schema| &schema.resources, &meta::<format::Resource>(&mut generator), &mut shared),
        "data": blocks(schemas, |schema| &schema.data, &meta::<format::Data>(&mut generator), &mut shared),
        "ephemeral": blocks(schemas, |schema| &schema.ephemeral, &meta::<format::Data>(&mut generator), &mut shared),
        "check": named(checks::check()),
        "output": named(reference::<format::Output>(&mut generator)),
        "moved": { "type": "array", "items": reference::<format::Moved>(&mut generator) },
        "import": { "type": "array", "items": reference::<format::Import>(&mut generator) },
    });
    let mut definitions = Json::Object(generator.take_definitions(true));
    without_null(&mut definitions);
    if let Json::Object(definitions) = &mut definitions {
        definitions.extend(shared.into_definitions());
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A retrue stack",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "definitions": definitions,
    })
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Json {
    generator.subschema_for::<T>().to_value()
}

/// Takes null out of what may be left out: TOML has none.
fn without_null(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            if let Some(Json::Array(kinds)) = entries.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    entries.insert("type".to_owned(), kind);
                }
            }
            if let Some(Json::Array(choices)) = entries.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({ "type": "null" }));
                if let [choice] = choices.as_slice() {
                    let choice = choice.clone();
                    entries.remove("anyOf");
                    entries.insert("allOf".to_owned(), json!([choice]));
                }
            }
            entries.values_mut().for_each(without_null);
        }
        Json::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// The properties that a type has, without the type itself.
fn meta<T: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Json> {
    let mut schema = T::json_schema(generator).to_value();
    without_null(&mut schema);
    schema.get("properties").and_then(Json::as_object).cloned().unwrap_or_default()
}

/// `[resource.TYPE.NAME]`, or the same for data.
fn blocks(
    schemas: &Schemas,
    of: impl Fn(&retrue_provider_api::ProviderSchema) -> &Offered,
    meta: &Map<String, Json>,
    shared: &mut types::Shared,
) -> Json {
    let mut properties = Map::new();
    for (_, schema) in schemas.iter() {
        for (name, kind) in of(schema).iter() {
            let block = types::table(&kind.block, meta, shared);
            properties.insert(name.clone(), json!({ "type": "object", "additionalProperties": block }));
        }
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// `[provider.NAME]`: under the name of a provider what it takes; under any other name `type` is needed.
fn providers(schemas: &Schemas, resilience: Json, shared: &mut types::Shared) -> Json {
    let names: Vec<&str> = schemas.iter().map(|(name, _)| name).collect();
    let kind = json!({ "type": "string", "examples": names, "description": "Which provider it configures." });
    let text = |description: &str| json!({ "type": "string", "description": description });
    let mut further = Map::from_iter([
        ("type".to_owned(), kind.clone()),
        ("resilience".to_owned(), resilience),
        ("source".to_owned(), text("The address of one of Terraform's providers: `hashicorp/aws`.")),
        ("version".to_owned(), text("The versions that will do: `~> 3.39`.")),
        ("path".to_owned(), text("The program itself, relative to the stack.")),
    ]);
    further.extend(tables::tables());
    let mut properties = Map::new();
    for (name, schema) in schemas.iter() {
        let block: &Block = &schema.provider.block;
        properties.insert(name.to_owned(), types::table(block, &further, shared));
    }
    let other = json!({
        "type": "object",
        "properties": further,
        "anyOf": [{ "required": ["type"] }, { "required": ["source"] }, { "required": ["path"] }],
    });
    json!({ "type": "object", "properties": properties, "additionalProperties": other })
}

#[cfg(test)]
mod tests;

//! `terraform.tfstate`, version 4.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use retrue_provider_api::{Path as ValuePath, PathStep, Type, Value, convert, from_plain_json};
use serde::Deserialize;
use serde_json::Value as Json;

use super::codes;
use super::convert::type_name;
use crate::address::{Address, BlockAddress, InstanceKey};
use crate::diagnostic::Diagnostic;

/// The version that is read.
const VERSION: u64 = 4;

/// What Terraform recorded.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The objects that it manages, in the order of the file.
    pub objects: Vec<Object>,
    /// Outputs: their values, marked where they are sensitive.
    pub outputs: BTreeMap<String, Value>,
}

/// One object.
#[derive(Debug)]
pub struct Object {
    /// Its address.
    pub address: Address,
    /// The key of one that was replaced and is still there.
    pub deposed: Option<String>,
    /// Whether its creation was not finished.
    pub tainted: bool,
    /// The provider, as Terraform writes it.
    pub provider: String,
    /// The version of the schema.
    pub schema_version: u64,
    /// All attributes, as the file has them.
    pub attributes: Json,
    /// What is sensitive, besides what the schema says.
    pub sensitive: Vec<ValuePath>,
    /// The provider's own bytes.
    pub private: Vec<u8>,
    /// The blocks that it depends on.
    pub dependencies: Vec<BlockAddress>,
    /// Whether a replacement is made before it is deleted.
    pub create_before_destroy: bool,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    outputs: BTreeMap<String, Output>,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Output {
    value: Json,
    #[serde(rename = "type")]
    kind: Json,
    #[serde(default)]
    sensitive: bool,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    provider: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    index_key: Option<Json>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    deposed: Option<String>,
    #[serde(default)]
    schema_version: u64,
    #[serde(default)]
    attributes: Option<Json>,
    #[serde(default)]
    sensitive_attributes: Vec<Vec<Step>>,
    #[serde(default)]
    private: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    create_before_destroy: bool,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "type")]
    kind: String,
    value: Json,
}

fn bad(path: &Path, what: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(codes::BAD_STATE, format!("`{}` cannot be read: {what}", path.display()))
        .hint("`terraform state pull > terraform.tfstate` writes it anew; nothing was written")
}

/// Reads a state. `path` is for messages, which show nothing of the content: it is full of secrets.
///
/// # Errors
/// It is no state, or one of another version.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Recorded, Diagnostic> {
    // What is wrong is told by line and column alone.
    let place = |error: serde_json::Error| bad(path, format!("it is no JSON of a state: {}", without_values(&error)));
    let json: Json = serde_json::from_slice(bytes).map_err(place)?;
    match json.get("version").and_then(Json::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            let problem = format!("`{}` is a state of version {other}, and version {VERSION} is read", path.display());
            return Err(Diagnostic::error(codes::STATE_VERSION, problem).hint(if other < VERSION {
                "`terraform apply -refresh-only` of Terraform 0.12 or later brings it to version 4; nothing was written"
            } else {
                "a newer retrue may read it; nothing was written"
            }));
        }
        None => return Err(bad(path, "it has no `version`")),
    }
    let document: Document = serde_json::from_value(json).map_err(place)?;
    let mut recorded = Recorded::default();
    for (name, output) in document.outputs {
        let kind =
            Type::from_json(&output.kind).ok_or_else(|| bad(path, format!("the type of the output `{name}`")))?;
        let value = from_plain_json(&output.value).ok().and_then(|value| convert(&value, &kind).ok());
        let value = value.ok_or_else(|| bad(path, format!("the output `{name}` does not have its type")))?;
        recorded.outputs.insert(name, if output.sensitive { value.sensitive() } else { value });
    }
    for resource in document.resources {
        // Data is read whenever it is needed.
        if resource.mode != "managed" {
            continue;
        }
        for instance in &resource.instances {
            recorded.objects.push(object(&resource, instance).map_err(|what| bad(path, what))?);
        }
    }
    Ok(recorded)
}

/// What is wrong with the JSON, without the value that is wrong.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "the syntax is wrong",
        _ => "a value is not of the kind that stands there",
    };
    match error.line() {
        0 => what.to_owned(),
        line => format!("{what} (line {line}, column {})", error.column()),
    }
}

fn object(resource: &Resource, instance: &Instance) -> Result<Object, String> {
    let block = match &resource.module {
        None => BlockAddress::managed(type_name(&resource.kind), resource.name.as_str()),
        Some(module) => format!("{module}.{}.{}", type_name(&resource.kind), resource.name)
            .parse()
            .map_err(|_| format!("the address of a `{}` in a module", resource.kind))?,
    };
    let key = match &instance.index_key {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) => Some(InstanceKey::Name(name.as_str().into())),
        Some(number) => {
            let index = number.as_u64().ok_or_else(|| format!("the key of an instance of `{block}`"))?;
            Some(InstanceKey::Index(index))
        }
    };
    let address = block.instance(key);
    let attributes = instance
        .attributes
        .clone()
        .ok_or_else(|| format!("`{address}` is recorded in a form that only Terraform before 0.12 wrote"))?;
    let private = match &instance.private {
        None => Vec::new(),
        Some(text) => BASE64.decode(text).map_err(|_| format!("the private data of `{address}` is no base64"))?,
    };
    let dependencies = instance.dependencies.iter().filter_map(|text| text.parse::<BlockAddress>().ok());
    let dependencies =
        dependencies.map(|block| BlockAddress { type_name: type_name(&block.type_name).into(), ..block });
    Ok(Object {
        deposed: instance.deposed.clone().filter(|key| !key.is_empty()),
        tainted: instance.status.as_deref() == Some("tainted"),
        provider: resource.provider.clone(),
        schema_version: instance.schema_version,
        attributes,
        sensitive: instance.sensitive_attributes.iter().filter_map(|steps| value_path(steps)).collect(),
        private,
        dependencies: dependencies.collect(),
        create_before_destroy: instance.create_before_destroy,
        address,
    })
}

fn value_path(steps: &[Step]) -> Option<ValuePath> {
    let step = |step: &Step| match step.kind.as_str() {
        "get_attr" => Some(PathStep::Attribute(step.value.as_str()?.into())),
        // The key of a map or the index of a list, with its type around it.
        "index" => {
            let key = step.value.get("value").unwrap_or(&step.value);
            match key.as_str() {
                Some(name) => Some(PathStep::Key(name.into())),
                None => Some(PathStep::Index(usize::try_from(key.as_u64()?).ok()?)),
            }
        }
        _ => None,
    };
    // What leads into a set ends at the set.
    Some(ValuePath(steps.iter().map_while(step).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Recorded, (&'static str, String)> {
        read(Path::new("terraform.tfstate"), text.as_bytes()).map_err(|error| (error.code, error.message))
    }

    #[test]
    fn what_is_no_state_has_its_code_and_shows_no_secret() {
        for (text, code) in [
            ("", codes::BAD_STATE),
            ("{\"version\": 4, \"resources\": [", codes::BAD_STATE),
            ("{\"version\": 3}", codes::STATE_VERSION),
            ("{\"version\": 5}", codes::STATE_VERSION),
            ("{}", codes::BAD_STATE),
            ("[]", codes::BAD_STATE),
            ("{\"version\": 4, \"resources\": \"hunter2\"}", codes::BAD_STATE),
            (
                "{\"version\": 4, \"outputs\": {\"a\": {\"value\": \"hunter2\", \"type\": \"number\"}}}",
                codes::BAD_STATE,
            ),
        ] {
            let (found, message) = check(text).unwrap_err();
            assert_eq!(found, code, "{text}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn all_that_an_object_has_is_read() {
        let text = r#"{"version": 4, "outputs": {"o": {"value": ["a"], "type": ["set", "string"], "sensitive": true}},
            "resources": [
              {"mode": "managed", "type": "terraform_data", "name": "x", "provider": "provider[\"terraform.io/builtin/terraform\"]",
               "instances": [
                 {"index_key": "k", "schema_version": 0, "attributes": {"id": "1"}, "private": "YWI=", "status": "tainted",
                  "sensitive_attributes": [[{"type": "get_attr", "value": "input"}, {"type": "index", "value": {"value": "p", "type": "string"}}]],
                  "dependencies": ["null_resource.a", "data.x.y", "terraform_data.b"], "create_before_destroy": true},
                 {"index_key": "k", "deposed": "0badcafe", "attributes": {"id": "0"}}]},
              {"mode": "data", "type": "a", "name": "b", "provider": "p", "instances": []},
              {"module": "module.m[\"x\"].module.n", "mode": "managed", "type": "a", "name": "b", "provider": "p",
               "instances": [{"attributes": {}}]}]}"#;
        let recorded = check(text).unwrap();
        assert!(recorded.outputs["o"].marks().sensitive);
        let [first, second, inside] = recorded.objects.as_slice() else { panic!() };
        assert_eq!(first.address.to_string(), "retrue_data.x[\"k\"]");
        assert!(first.tainted && first.create_before_destroy);
        assert_eq!(first.private, b"ab");
        assert_eq!(first.sensitive[0].to_string(), "input[\"p\"]");
        let dependencies: Vec<String> = first.dependencies.iter().map(ToString::to_string).collect();
        assert_eq!(dependencies, ["null_resource.a", "data.x.y", "retrue_data.b"]);
        assert_eq!(inside.address.to_string(), "module.m[\"x\"].module.n.a.b");
        assert_eq!(second.deposed.as_deref(), Some("0badcafe"));
    }
}

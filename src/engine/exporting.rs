//! Handing over to Terraform: the record as a state file of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use retrue_provider_api::{Path, PathStep, Provider, Value, to_plain_json, to_wire};
use serde_json::{Map, Value as Json, json};

use crate::address::{Address, BlockAddress, InstanceKey};
use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::engine::look::{Look, outputs};
use crate::engine::workspace::{load, providers_of};
use crate::engine::{Failure, Options};
use crate::migrate::{codes, terraform_type};
use crate::plan::marks::own_sensitive_paths;
use crate::saga::{ObjectStatus, RecordedObject, codes as saga_codes};
use crate::survey::calls::within;

/// The version of Terraform that the state says it is from: any that reads version 4 may go on with it.
const TERRAFORM: &str = "1.0.0";

/// How long a provider may take to write one object.
const WRITE_WITHIN: Duration = Duration::from_secs(120);

/// What was handed over.
pub struct HandedOver {
    /// The state file.
    pub document: Json,
    /// Whether it holds what is secret, in the clear.
    pub secrets: bool,
    /// What is not in it, as warnings.
    pub left_out: Vec<Diagnostic>,
}

/// The instances of one block, and the provider that they are recorded with.
type Resource = (String, Vec<Json>);

/// Writes what is recorded as Terraform's state. With `partial`, what Terraform cannot have is left out, and
/// told.
///
/// # Errors
/// The stack cannot be read, a provider cannot be had, or something is recorded that Terraform cannot have.
pub async fn hand_over(options: &Options, look: &Look, partial: bool) -> Result<HandedOver, Failure> {
    let stack = load(options)?;
    let (providers, missing) = providers_of(options, &stack).await;
    if !missing.is_empty() {
        return Err(Failure::many(missing, stack.sources));
    }
    let mut resources: BTreeMap<BlockAddress, Resource> = BTreeMap::new();
    let mut left_out = Vec::new();
    let mut objects: Vec<(&Address, Option<&str>, RecordedObject)> = Vec::new();
    for (address, entry) in &look.state.addresses {
        let current = entry.current.iter().map(|object| (None, object));
        let deposed = entry.deposed.iter().map(|(key, object)| (Some(key.as_str()), object));
        for (key, resting) in current.chain(deposed) {
            let object = resting.wake(look.seal()).map_err(|error| {
                Failure::one(
                    Diagnostic::error(saga_codes::SEALED, error.to_string())
                        .hint("it was sealed with another key, or changed by hand"),
                )
            })?;
            objects.push((address, key, object));
        }
    }
    let dependencies = dependencies(&objects);
    let mut secrets = false;
    for (address, key, object) in &objects {
        let of = dependencies.get(&address.block).cloned().unwrap_or_default();
        match instance(&stack, &providers, address, *key, object, &of).await {
            Ok((provider, instance)) => {
                secrets |= object.attributes.marks_deep().sensitive || !object.private.0.is_empty();
                let resource = resources.entry(address.block.clone()).or_insert_with(|| (provider, Vec::new()));
                resource.1.push(instance);
            }
            Err(why) => left_out.push(refused(address, &why, partial)),
        }
    }
    if !partial && !left_out.is_empty() {
        return Err(Failure::many(left_out, stack.sources));
    }
    let values = outputs(look)?;
    secrets |= values.values().any(|value| value.marks_deep().sensitive);
    let document = json!({
        "version": 4,
        "terraform_version": TERRAFORM,
        "serial": serial(look),
        "lineage": look.lineage(),
        "outputs": values.iter().map(|(name, value)| (name.to_string(), output(value))).collect::<Map<_, _>>(),
        "resources": resources.into_iter().map(|(block, of)| resource(&block, of)).collect::<Vec<Json>>(),
        "check_results": null,
    });
    Ok(HandedOver { document, secrets, left_out })
}

fn refused(address: &Address, why: &str, partial: bool) -> Diagnostic {
    let message = format!("`{address}` cannot be handed to Terraform: {why}");
    match partial {
        true => Diagnostic::warning(codes::NOT_HANDED_OVER, message).hint("it stays recorded here"),
        false => Diagnostic::error(codes::NOT_HANDED_OVER, message).hint("`--partial` goes on without it"),
    }
}

/// Grows with every run: the second in which the newest one started.
fn serial(look: &Look) -> i64 {
    let newest = look.state.runs.values().next_back();
    newest.and_then(|run| run.started.parse::<jiff::Timestamp>().ok()).map_or(1, |started| started.as_second().max(1))
}

fn output(value: &Value) -> Json {
    let (plain, marks) = (value.clone().unmark_deep().0, value.marks_deep());
    let mut output = json!({ "value": to_plain_json(&plain), "type": plain.kind().to_json() });
    if marks.sensitive
        && let Some(fields) = output.as_object_mut()
    {
        fields.insert("sensitive".to_owned(), true.into());
    }
    output
}

fn resource(block: &BlockAddress, (provider, instances): Resource) -> Json {
    json!({
        "mode": "managed",
        "type": terraform_type(&block.type_name),
        "name": block.name,
        "provider": provider,
        "instances": instances,
    })
}

/// All that each block depends on, directly or not.
fn dependencies(
    objects: &[(&Address, Option<&str>, RecordedObject)],
) -> BTreeMap<BlockAddress, BTreeSet<BlockAddress>> {
    let mut direct: BTreeMap<&BlockAddress, BTreeSet<&BlockAddress>> = BTreeMap::new();
    for (address, _, object) in objects {
        direct.entry(&address.block).or_default().extend(&object.dependencies);
    }
    let all = |block: &BlockAddress| {
        let mut found: BTreeSet<BlockAddress> = BTreeSet::new();
        let mut open: Vec<&BlockAddress> = direct.get(block).into_iter().flatten().copied().collect();
        while let Some(next) = open.pop() {
            if next != block && found.insert(next.clone()) {
                open.extend(direct.get(next).into_iter().flatten().copied());
            }
        }
        found
    };
    direct.keys().map(|block| ((*block).clone(), all(block))).collect()
}

/// One instance, and the provider that it is recorded with.
async fn instance(
    stack: &Stack,
    providers: &BTreeMap<Arc<str>, Arc<dyn Provider>>,
    address: &Address,
    deposed: Option<&str>,
    object: &RecordedObject,
    dependencies: &BTreeSet<BlockAddress>,
) -> Result<(String, Json), String> {
    let type_name = address.type_name();
    let name = object.provider.instance.as_str();
    let of_type = stack.providers.get(name).map_or(name, |block| &block.type_name);
    let recorded_with = recorded_with(stack, name)?;
    let provider = providers.get(of_type).ok_or_else(|| format!("there is no provider `{of_type}`"))?;
    let schema = provider.schema().await.map_err(|error| error.to_string())?;
    let of_type = schema.resources.get(type_name).ok_or("its provider does not have its type")?;
    let version = of_type.version;
    let (mut state, _) = object.attributes.clone().unmark_deep();
    if version != object.schema_version {
        let upgraded = provider.upgrade_state(type_name, object.schema_version, to_wire(&state)).await;
        state = upgraded.map_err(|error| error.to_string())?;
    }
    let written = within(WRITE_WITHIN, "hand_over", provider.hand_over(type_name, state)).await;
    let attributes = written.map_err(|error| error.to_string())?;
    let mut instance = Map::new();
    let mut put = |name: &str, value: Json| instance.insert(name.to_owned(), value);
    match &address.key {
        None => {}
        Some(InstanceKey::Index(index)) => {
            put("index_key", (*index).into());
        }
        Some(InstanceKey::Name(name)) => {
            put("index_key", name.as_ref().into());
        }
    }
    if object.status == ObjectStatus::Tainted {
        put("status", "tainted".into());
    }
    if let Some(key) = deposed {
        // Terraform's are of eight digits.
        let hash = blake3::hash(format!("{address} {key}").as_bytes()).to_hex();
        let own = key.len() == 8 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        put("deposed", if own { key.into() } else { hash.get(..8).unwrap_or_default().into() });
    }
    put("schema_version", version.into());
    put("attributes", attributes);
    // What is only written is null here, and hides nothing.
    let written_only = |path: &&Path| {
        let attribute = path.first_attribute().and_then(|name| of_type.block.attributes.get(name));
        attribute.is_some_and(|attribute| attribute.write_only && !attribute.sensitive)
    };
    // Terraform would take a mark that it does not make itself for a change.
    let sensitive = own_sensitive_paths(&of_type.block, &object.attributes, &object.config);
    put("sensitive_attributes", sensitive.iter().filter(|path| !written_only(path)).map(steps).collect());
    if !object.private.0.is_empty() {
        put("private", BASE64.encode(&object.private.0).into());
    }
    if !dependencies.is_empty() {
        let named = dependencies.iter().map(|block| {
            let type_name = terraform_type(&block.type_name).into();
            Json::from(BlockAddress { type_name, ..block.clone() }.to_string())
        });
        put("dependencies", named.collect());
    }
    if object.lifecycle.create_before_destroy {
        put("create_before_destroy", true.into());
    }
    Ok((recorded_with, Json::Object(instance)))
}

/// A provider as Terraform names it in a state.
fn recorded_with(stack: &Stack, name: &str) -> Result<String, String> {
    let not_theirs = || "it is no type of a provider of Terraform's".to_owned();
    let Some(block) = stack.providers.get(name) else {
        return match name {
            "retrue" => Ok("provider[\"terraform.io/builtin/terraform\"]".to_owned()),
            _ => Err(not_theirs()),
        };
    };
    let program = stack.program_of(block).ok_or_else(not_theirs)?;
    let of_type = block.type_name.as_ref();
    let Some((source, _)) = &program.source else {
        return Err(format!(
            "Terraform knows its provider by its source, and `[provider.{of_type}]` has a `path` alone: add \
             `source = \"NAMESPACE/{of_type}\"` beside it"
        ));
    };
    let address = crate::registry::terraform_address(source).ok_or_else(not_theirs)?;
    if name == of_type {
        return Ok(format!("provider[\"{address}\"]"));
    }
    let alias = name.strip_prefix(of_type).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
    Ok(format!("provider[\"{address}\"].{alias}"))
}

/// A path as Terraform writes it.
fn steps(path: &Path) -> Json {
    let step = |step: &PathStep| match step {
        PathStep::Attribute(name) => json!({ "type": "get_attr", "value": name }),
        PathStep::Key(key) => json!({ "type": "index", "value": { "value": key, "type": "string" } }),
        PathStep::Index(index) => json!({ "type": "index", "value": { "value": index, "type": "number" } }),
    };
    path.0.iter().map(step).collect()
}

//! From what Terraform recorded to records.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Marks, Private, Provider, Value};
use serde_json::Value as Json;

use crate::address::Address;
use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::engine::session::journal_stop;
use crate::engine::workspace::{providers_of, schemas_of};
use crate::engine::{Failure, Options};
use crate::migrate::codes;
use crate::migrate::state::{Object, Recorded};
use crate::plan::marks::mark_planned;
use crate::plan::{Lifecycle, ObjectKey};
use crate::rest::Seal;
use crate::saga::state::{generation_key, object_key, output_key};
use crate::saga::{ObjectStatus, Origin, ProviderRef, RecordedObject, RecordedOutput, RestingObject, State};
use crate::store::Write;
use crate::survey::calls::within;
use crate::survey::turned::presumed_config;

/// How long a provider may take to read one object of the state.
const READ_WITHIN: std::time::Duration = std::time::Duration::from_secs(120);

/// An object that was taken over.
pub(super) struct Taken {
    pub(super) address: Address,
    /// The key of one that was replaced and is still there.
    pub(super) key: Option<String>,
    pub(super) object: RecordedObject,
}

impl Taken {
    /// As people are told of it.
    pub(super) fn shown(&self) -> String {
        match &self.key {
            None => self.address.to_string(),
            Some(key) => format!("{} (set aside, {key})", self.address),
        }
    }

    fn object_key(&self) -> ObjectKey {
        self.key.as_deref().map_or(ObjectKey::Current, |key| ObjectKey::Deposed(key.into()))
    }
}

/// Has the providers read all objects. What is wrong with one is told, and it is left out.
pub(super) async fn take_over(
    options: &Options,
    stack: &Stack,
    recorded: &Recorded,
    before: &State,
    problems: &mut Vec<Diagnostic>,
) -> Result<Vec<Taken>, Failure> {
    let (providers, mut missing) = providers_of(options, stack).await;
    missing.extend(schemas_of(&providers).await.1);
    if !missing.is_empty() {
        return Err(Failure::many(missing, stack.sources.clone()));
    }
    // What was replaced came first.
    let mut generations: BTreeMap<&Address, u64> = BTreeMap::new();
    let mut ordered: Vec<&Object> = recorded.objects.iter().collect();
    ordered.sort_by_key(|object| object.deposed.is_none());
    let mut taken = Vec::new();
    for object in ordered {
        // No generation is used twice, whatever was here before.
        let generation = generations.entry(&object.address).or_insert_with(|| before.generation(&object.address));
        *generation += 1;
        let instance = object.provider.as_str();
        let of_type = stack.providers.get(instance).map_or(instance, |block| &block.type_name);
        let Some(provider) = providers.get(of_type) else {
            problems.push(refused(object, "no provider is known that it is recorded with"));
            continue;
        };
        match one(object, provider, stack, *generation).await {
            Ok(object) => taken.push(object),
            Err(why) => problems.push(refused(object, &why)),
        }
    }
    Ok(taken)
}

fn refused(object: &Object, why: &str) -> Diagnostic {
    Diagnostic::error(codes::OBJECT, format!("`{}` cannot be taken over: {why}", object.address))
        .hint("`retrue import ADDR ID` takes it over later; `terraform state rm` drops it from the state")
}

async fn one(object: &Object, provider: &Arc<dyn Provider>, stack: &Stack, generation: u64) -> Result<Taken, String> {
    let type_name = object.address.type_name();
    let schema = provider.schema().await.map_err(|error| error.to_string())?;
    let Some(kind) = schema.resources.get(type_name) else {
        return Err(format!("the provider has no type `{type_name}`"));
    };
    let reading = provider.take_over(type_name, object.schema_version, object.attributes.clone());
    let state = within(READ_WITHIN, "take_over", reading).await.map_err(|error| error.to_string())?;
    let config = presumed_config(&kind.block, &state);
    let sensitive = object.sensitive.iter().map(|path| (path, Marks::SENSITIVE));
    let marked = |value: Value| mark_planned(&kind.block, value.with_marked_paths(sensitive.clone()), None);
    let block = stack.blocks.get(&object.address.block);
    let lifecycle = Lifecycle {
        prevent_destroy: block.is_some_and(|block| block.lifecycle.prevent_destroy),
        create_before_destroy: object.create_before_destroy,
        ..Lifecycle::default()
    };
    let taken = RecordedObject {
        status: if object.tainted { ObjectStatus::Tainted } else { ObjectStatus::Ok },
        attributes: marked(state),
        config: marked(config),
        private: Private(object.private.clone()),
        identity: None,
        schema_version: kind.version,
        provider: ProviderRef {
            provider: of_provider(stack, object),
            instance: object.provider.clone(),
            ..ProviderRef::default()
        },
        provenance: BTreeMap::new(),
        dependencies: object.dependencies.clone(),
        generation,
        run: String::new(),
        origin: Origin::Created,
        lifecycle,
        sent_write_only: false,
        owed: Vec::new(),
    };
    Ok(Taken { address: object.address.clone(), key: object.deposed.clone(), object: taken })
}

fn of_provider(stack: &Stack, object: &Object) -> String {
    stack
        .providers
        .get(object.provider.as_str())
        .map_or_else(|| object.provider.clone(), |block| block.type_name.to_string())
}

/// What would be recorded, to plan with.
pub(super) fn state(taken: &[Taken], outputs: &BTreeMap<String, Value>, seal: &dyn Seal) -> State {
    let mut state = State::default();
    for one in taken {
        let entry = state.addresses.entry(one.address.clone()).or_default();
        let resting = RestingObject::new(&one.object, seal);
        entry.generation = entry.generation.max(one.object.generation);
        match &one.key {
            None => entry.current = Some(resting),
            Some(key) => {
                entry.deposed.insert(key.clone(), resting);
            }
        }
    }
    state.outputs = outputs.iter().map(|(name, value)| (name.clone(), recorded_output(value, seal))).collect();
    state
}

/// The same as changes of the store.
pub(super) fn writes(
    taken: &[Taken],
    outputs: &BTreeMap<String, Value>,
    seal: &dyn Seal,
) -> Result<Vec<Write>, Failure> {
    let failed = |error: serde_json::Error| journal_stop(&error.into());
    let mut writes = Vec::new();
    let mut generations: BTreeMap<&Address, u64> = BTreeMap::new();
    for one in taken {
        let value = serde_json::to_value(RestingObject::new(&one.object, seal)).map_err(failed)?;
        writes.push(Write::Put { key: object_key(&one.address, &one.object_key()), value });
        let generation = generations.entry(&one.address).or_default();
        *generation = (*generation).max(one.object.generation);
    }
    for (address, generation) in generations {
        writes.push(Write::Put { key: generation_key(address), value: Json::from(generation) });
    }
    for (name, value) in outputs {
        let value = serde_json::to_value(recorded_output(value, seal)).map_err(failed)?;
        writes.push(Write::Put { key: output_key(name), value });
    }
    Ok(writes)
}

/// Where its parts came from is recorded by the first apply.
fn recorded_output(value: &Value, seal: &dyn Seal) -> RecordedOutput {
    RecordedOutput::new(value, BTreeMap::new(), seal)
}

//! Holds a kept plan against what is there now, before anything of it is carried out.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use futures::{FutureExt as _, StreamExt as _};
use retrue_provider_api::{DataRequest, FindRequest, Findable, Found, ReadRequest, Value, canonical_bytes};

use crate::address::Address;
use crate::expression::functions::{directory_names, file_kind};
use crate::plan::compare::fingerprint;
use crate::plan::decide::{World, foreign_marker};
use crate::plan::{BaseEntry, DataRead, ExistingObject, ObjectKey, Plan, Step, StepEffect};
use crate::rest::{Seal, masked_near};
use crate::saga::{RecordedObject, State};
use crate::survey::providers::Providers;
use crate::survey::refresh::read;
use crate::survey::{Calls, FileHost, identity};

/// What a kept plan is held against.
pub struct Present<'a> {
    /// What is recorded.
    pub state: &'a State,
    /// The lineage of the store.
    pub lineage: &'a str,
    /// The directory of the stack.
    pub directory: &'a Path,
    /// What the configuration consists of now, with keyed hashes, as a plan's base has it.
    pub parts: BTreeMap<String, String>,
    /// The files that its parts stand in.
    pub files: BTreeMap<String, String>,
    /// The environment of the process.
    pub environment: &'a BTreeMap<OsString, OsString>,
    /// Makes keyed hashes.
    pub seal: &'a dyn Seal,
}

/// Checks what can be checked without a provider. The error names what has moved.
pub fn check_base(plan: &Plan, present: &Present<'_>) -> Result<(), String> {
    let base = &plan.base;
    if base.lineage != present.lineage {
        return Err("it was made for another store".into());
    }
    for (address, entry) in &base.resources {
        let moved = present.state.generation(address) != entry.generation
            || present.state.generations_at(address) != entry.recorded;
        if moved {
            return Err(format!("`{address}` was changed by another run since"));
        }
    }
    let file = |name: &str| present.files.get(name).map_or("", String::as_str);
    for (name, was) in &base.parts {
        match present.parts.get(name) {
            Some(now) if now == was => {}
            Some(_) => return Err(format!("`{name}` was changed since ({})", file(name))),
            None => return Err(format!("`{name}` was removed from the configuration since")),
        }
    }
    if let Some(new) = present.parts.keys().find(|name| !base.parts.contains_key(*name)) {
        return Err(format!("`{new}` was added since ({})", file(new)));
    }
    let keyed = |content: &[u8]| present.seal.keyed_hash(blake3::hash(content).to_hex().as_bytes());
    for (path, hash) in &base.files {
        let now = fs_err::read(present.directory.join(path)).ok().map(|content| keyed(&content));
        if now.as_ref() != Some(hash) {
            return Err(format!("the file `{path}` was changed since"));
        }
    }
    for (path, was) in &base.paths {
        let now = file_kind(&present.directory.join(path)).ok().flatten();
        if FileHost::kind_word(now) != was {
            return Err(format!("what stands at `{path}` was changed since"));
        }
    }
    for (path, was) in &base.directories {
        let now = directory_names(&present.directory.join(path)).unwrap_or_default();
        if present.seal.keyed_hash(FileHost::listing_hash(&now).as_bytes()) != *was {
            return Err(format!("the files in `{path}` have become others since"));
        }
    }
    for (name, was) in &base.environment {
        let now = present.environment.get(OsStr::new(name)).and_then(|value| value.to_str());
        if now.map_or_else(String::new, |value| keyed(value.as_bytes())) != *was {
            return Err(format!("the environment variable `{name}` was changed since"));
        }
    }
    Ok(())
}

/// Reads everything that the plan touches or reads. The error names what is not as the plan saw it.
pub async fn check_world(
    plan: &Plan,
    state: &State,
    providers: &Providers,
    seal: &dyn Seal,
    parallelism: usize,
    calls: &Calls,
) -> Result<(), String> {
    let looker = Looker { providers, calls, seal, lineage: &plan.base.lineage };
    let resources = plan.base.resources.iter().filter(|(_, entry)| !entry.observed.is_empty());
    let resources = resources.filter_map(|(address, entry)| {
        let object = state.object(address, &ObjectKey::Current)?.wake(seal).ok()?;
        Some(looker.resource(address, entry, object).boxed())
    });
    let data = plan.base.data.iter();
    let data = data.map(|(address, data)| looker.data(address, data).boxed());
    let steps = plan.steps.iter().filter(|step| !step.late && step.id.address.is_managed());
    let steps = steps.filter_map(|step| {
        let recorded = state.object(&step.id.address, &ObjectKey::Current);
        let recorded = recorded.and_then(|object| object.wake(seal).ok());
        match (step.id.effect, step.adopts, recorded) {
            (StepEffect::Create, _, recorded) if step.existing == ExistingObject::Absent => {
                Some(looker.place(step, recorded).boxed())
            }
            (_, true, None) => Some(looker.adopted(step).boxed()),
            _ => None,
        }
    });
    let checks: Vec<_> = resources.chain(data).chain(steps).collect();
    let moved: Vec<String> =
        futures::stream::iter(checks).buffered(parallelism.max(1)).filter_map(|moved| async { moved }).collect().await;
    if moved.is_empty() { Ok(()) } else { Err(moved.join("; ")) }
}

struct Looker<'a> {
    providers: &'a Providers,
    calls: &'a Calls,
    seal: &'a dyn Seal,
    /// The lineage of the store, by `check_base` that of the plan.
    lineage: &'a str,
}

impl Looker<'_> {
    async fn resource(&self, address: &Address, entry: &BaseEntry, object: RecordedObject) -> Option<String> {
        let Some(configured) = self.providers.get(&object.provider.instance) else {
            return Some(format!("`{address}` cannot be read: its provider is not in the plan"));
        };
        let absent = entry.observed == BaseEntry::ABSENT;
        match read(address, &object, configured, self.calls).await {
            World::Present(_) if absent => Some(format!("`{address}` was gone, and is there again")),
            World::Present(observed) => {
                let now = fingerprint(&entry.observed_of, &observed.state, self.seal);
                (now != entry.observed).then(|| format!("`{address}` was changed outside since"))
            }
            World::Unreadable(reason) => Some(format!("`{address}` cannot be read: {reason}")),
            _ => (!absent).then(|| format!("`{address}` has disappeared since")),
        }
    }

    /// Whether the place of something that is to be created is still free. What is replaced where it stands makes
    /// room for itself.
    async fn place(&self, step: &Step, recorded: Option<RecordedObject>) -> Option<String> {
        let address = &step.id.address;
        let Some(configured) = self.providers.get(&step.provider) else {
            return Some(format!("`{address}` cannot be looked for: its provider is not in the plan"));
        };
        let schema = configured.schema.resources.get(step.type_name.as_ref())?;
        let config = step.config.value.clone().unmark_deep().0;
        let capability = configured.provider.capability(&step.type_name, &config);
        if capability.findable != Findable::ByIdentity {
            return None;
        }
        if let Some(object) = recorded {
            let of = |value: &Value| identity(&configured.provider, schema, &step.type_name, value);
            let (wanted, held) = (of(&config)?, of(&object.attributes.unmark_deep().0)?);
            if canonical_bytes(&held) == canonical_bytes(&wanted) {
                return None;
            }
        }
        let context = self.calls.context(address, capability.time_limits.read);
        let request = FindRequest { type_name: step.type_name.to_string(), config, marker: None };
        match configured.provider.find(&context, request).await {
            Ok(Found::None) => None,
            Ok(Found::One(_) | Found::Many(_)) => {
                Some(format!("`{address}` is to be created, and something with its identity has appeared"))
            }
            Err(error) => {
                let secrets = [&step.config.value, &configured.instance.config.value];
                Some(format!("`{address}` cannot be looked for: {}", masked_near(&format!("{error:#}"), &secrets)))
            }
        }
    }

    /// Whether something that becomes ours is still as it was found.
    async fn adopted(&self, step: &Step) -> Option<String> {
        let address = &step.id.address;
        let Some(configured) = self.providers.get(&step.provider) else {
            return Some(format!("`{address}` cannot be read: its provider is not in the plan"));
        };
        let config = step.config.value.clone().unmark_deep().0;
        let limit = configured.provider.capability(&step.type_name, &config).time_limits.read;
        let request = ReadRequest {
            type_name: step.type_name.to_string(),
            state: step.observed.clone().unmark_deep().0,
            config,
            private: step.observed_private.clone(),
            identity: step.observed_identity.clone(),
        };
        match configured.provider.read(&self.calls.context(address, limit), request).await {
            Ok(Some(observed)) => {
                if let Some(marker) = foreign_marker(&observed, self.lineage) {
                    let owner = &marker.address;
                    return Some(format!("`{address}` was taken over by another stack since: it is `{owner}` there"));
                }
                let now = fingerprint(&step.fingerprint_of, &observed.state, self.seal);
                (now != step.fingerprint).then(|| format!("`{address}` was changed outside since"))
            }
            Ok(None) => Some(format!("`{address}` has disappeared since")),
            Err(error) => {
                let secrets = [&step.config.value, &step.observed, &configured.instance.config.value];
                Some(format!("`{address}` cannot be read: {}", masked_near(&format!("{error:#}"), &secrets)))
            }
        }
    }

    async fn data(&self, address: &Address, data: &DataRead) -> Option<String> {
        let unreadable = |why: &str| Some(format!("`{address}` cannot be read: {why}"));
        let Some(configured) = self.providers.get(&data.provider) else {
            return unreadable("its provider is not in the plan");
        };
        if !configured.schema.data.contains_key(address.type_name()) {
            return unreadable("its provider has no such type any more");
        }
        let config = match data.config.wake(self.seal) {
            Ok(config) => config.unmark_deep().0,
            Err(error) => return unreadable(&error.to_string()),
        };
        let limit = configured.provider.capability(address.type_name(), &config).time_limits.read;
        let context = self.calls.context(address, limit);
        let request = DataRequest { type_name: address.type_name().to_owned(), config };
        match configured.provider.read_data(&context, request).await {
            Ok(state) => (fingerprint(&data.observed_of, &state, self.seal) != data.observed)
                .then(|| format!("`{address}` has become another since")),
            // The plan was made without it.
            Err(_) if data.degraded => None,
            Err(error) => unreadable(&format!("{error:#}")),
        }
    }
}

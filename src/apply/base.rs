//! Holds a kept plan against what is there now, before anything of it is carried out.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use futures::StreamExt as _;
use retrue_provider_api::DataRequest;

use crate::address::Address;
use crate::expression::functions::{directory_names, file_kind};
use crate::plan::compare::fingerprint;
use crate::plan::decide::World;
use crate::plan::{BaseEntry, DataRead, ObjectKey, Plan};
use crate::rest::Seal;
use crate::saga::{RecordedObject, State};
use crate::survey::providers::Providers;
use crate::survey::refresh::read;
use crate::survey::{Calls, FileHost};

/// What a kept plan is held against.
pub struct Present<'a> {
    /// What is recorded.
    pub state: &'a State,
    /// The lineage of the store.
    pub lineage: &'a str,
    /// The directory of the stack.
    pub directory: &'a Path,
    /// The files that the stack is made of now, as seen from its directory.
    pub stack_files: Vec<String>,
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
        if present.state.generation(address) != entry.generation {
            return Err(format!("`{address}` was changed by another run since"));
        }
    }
    let keyed = |content: &[u8]| present.seal.keyed_hash(blake3::hash(content).to_hex().as_bytes());
    for (path, hash) in &base.files {
        let now = fs_err::read(present.directory.join(path)).ok().map(|content| keyed(&content));
        if now.as_ref() != Some(hash) {
            return Err(format!("the file `{path}` was changed since"));
        }
    }
    if let Some(new) = present.stack_files.iter().find(|name| !base.files.contains_key(*name)) {
        return Err(format!("the file `{new}` was added since"));
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
    let looker = Looker { providers, calls, seal };
    let resources = plan.base.resources.iter().filter(|(_, entry)| !entry.observed.is_empty());
    let resources = resources.filter_map(|(address, entry)| {
        let object = state.object(address, &ObjectKey::Current)?.wake(seal).ok()?;
        Some(futures::future::Either::Left(looker.resource(address, entry, object)))
    });
    let data = plan.base.data.iter();
    let data = data.map(|(address, data)| futures::future::Either::Right(looker.data(address, data)));
    let checks: Vec<_> = resources.chain(data).collect();
    let moved: Vec<String> =
        futures::stream::iter(checks).buffered(parallelism.max(1)).filter_map(|moved| async { moved }).collect().await;
    if moved.is_empty() { Ok(()) } else { Err(moved.join("; ")) }
}

struct Looker<'a> {
    providers: &'a Providers,
    calls: &'a Calls,
    seal: &'a dyn Seal,
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

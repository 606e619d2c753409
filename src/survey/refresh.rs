//! Reads what is recorded, in parallel, up to a limit.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use retrue_provider_api::{Observed, ReadRequest, Value, to_wire};

use crate::address::Address;
use crate::plan::ObjectKey;
use crate::plan::compare::settable_difference;
use crate::plan::decide::World;
use crate::rest::masked_near;
use crate::saga::RecordedObject;
use crate::survey::calls::Calls;
use crate::survey::patiently;
use crate::survey::providers::{Configured, Providers};
use crate::survey::record::Records;

/// What was read, by address and object.
pub type Worlds = BTreeMap<(Address, ObjectKey), World>;

/// Reads every recorded object for which `wanted` holds. With `look` false, the record is taken for
/// the world.
pub async fn refresh(
    records: &Records,
    providers: &Providers,
    calls: &Calls,
    parallelism: usize,
    look: bool,
    wanted: impl Fn(&Address) -> bool,
) -> Worlds {
    let mut objects: Vec<((Address, ObjectKey), &RecordedObject)> = Vec::new();
    for (address, entry) in &records.0 {
        if !wanted(address) {
            continue;
        }
        if let Some(object) = &entry.current {
            objects.push(((address.clone(), ObjectKey::Current), object));
        }
        for (key, object) in &entry.deposed {
            objects.push(((address.clone(), ObjectKey::Deposed(key.as_str().into())), object));
        }
    }
    futures::stream::iter(objects)
        .map(|((address, key), object)| async move {
            let world = match providers.get(&object.provider.instance) {
                Some(configured) if look => read(&address, object, configured, calls).await,
                Some(_) => World::Present(Box::new(as_observed(object))),
                None => World::Unreadable(unready(&object.provider.instance)),
            };
            ((address, key), world)
        })
        .buffer_unordered(parallelism.max(1))
        .collect()
        .await
}

/// Why nothing of a provider is read. What is wrong with it is told beside that.
fn unready(instance: &str) -> String {
    format!("the provider `{instance}` is not declared any more, or could not be configured")
}

/// The record, as if it had been read.
pub fn as_observed(object: &RecordedObject) -> Observed {
    Observed {
        state: object.attributes.clone().unmark_deep().0,
        private: object.private.clone(),
        identity: object.identity.clone(),
        marker: None,
    }
}

/// The request that reads a recorded object.
pub fn read_request(type_name: &str, object: &RecordedObject) -> ReadRequest {
    ReadRequest {
        type_name: type_name.to_owned(),
        state: object.attributes.clone().unmark_deep().0,
        config: object.config.clone().unmark_deep().0,
        private: object.private.clone(),
        identity: object.identity.clone(),
    }
}

/// Reads one object.
pub async fn read(address: &Address, object: &RecordedObject, configured: &Configured, calls: &Calls) -> World {
    let type_name = address.type_name();
    let mut request = read_request(type_name, object);
    let current = configured.schema.resources.get(type_name).map(|schema| schema.version);
    match current {
        None => return World::Unreadable(format!("the provider has no type `{type_name}` any more")),
        Some(version) if version != object.schema_version => {
            let upgraded =
                configured.provider.upgrade_state(type_name, object.schema_version, to_wire(&request.state)).await;
            match upgraded {
                Ok(state) => request.state = state,
                Err(error) => return World::Unreadable(error.to_string()),
            }
        }
        Some(_) => {}
    }
    let capability = configured.provider.capability(type_name, &request.config);
    let limit = capability.time_limits.read;
    let look = || async {
        let context = calls.context(address, limit);
        configured.provider.read(&context, request.clone()).await
    };
    // What was made a moment ago may not show yet: it is gone when it is still not there after the time in
    // which its type settles. Believed too early, it would be made a second time. So may what was changed a moment
    // ago: taken for drift it would be changed once more, from a state in which it no longer is.
    let young = calls.recent.get(&object.run).is_some_and(|age| *age < capability.settles_within);
    let shows = |found: &Option<Observed>| match (found, configured.schema.resources.get(type_name)) {
        (Some(observed), Some(schema)) if young => {
            settable_difference(&schema.block, &request.state, &observed.state).is_empty()
        }
        (found, _) => found.is_some(),
    };
    match patiently(capability.settles_within, shows, look).await {
        Ok(Some(observed)) => World::Present(Box::new(observed)),
        Ok(None) => World::Absent,
        Err(error) => {
            let configs = configured.instance.configs();
            let secrets: Vec<&Value> = [&object.config, &object.attributes].into_iter().chain(configs).collect();
            World::Unreadable(masked_near(&format!("{error:#}"), &secrets))
        }
    }
}

/// The configuration that a recorded object was made from, without marks.
pub fn plain_config(object: &RecordedObject) -> Value {
    object.config.clone().unmark_deep().0
}

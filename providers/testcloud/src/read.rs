//! Reading and finding.

use std::time::Duration;

use retrue_provider_api::{
    Category, Context, FindRequest, Findable, Found, Observed, Path, ProviderError, ProviderResult, Value,
};
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::client::{Client, Failure};
use crate::cloud::{Call, MARKER_TAG, Method};
use crate::convert::{observed, without_secrets};
use crate::resource::Resource;

/// The first pause between two looks at something that is not ready; it doubles up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What stands in the path of a call for an object.
pub(crate) fn key_of(resource: &Resource, state: &Value, operation: &str) -> ProviderResult<String> {
    match state.get(resource.key).and_then(Value::as_str) {
        Some(key) if !key.is_empty() => Ok(key.to_owned()),
        _ => {
            let message = format!("`{}` is not known, and nothing else leads to the object", resource.key);
            Err(ProviderError::new(Category::Validation, operation, message).at(Path::attribute(resource.key)))
        }
    }
}

/// Reads an object when it is no longer pending; `None` when it is gone.
///
/// After a create of our own it may be invisible for the settling time.
pub(crate) async fn read_settled(
    client: &Client,
    resource: &Resource,
    context: &Context,
    operation: &'static str,
    state: &Value,
    just_made: bool,
) -> ProviderResult<Option<Observed>> {
    let path = format!("/v1/{}/{}", resource.collection, key_of(resource, state, operation)?);
    let visible_from = Instant::now() + client.settles_within();
    let mut pause = FIRST_PAUSE;
    loop {
        match client.call(context, operation, Call::new(Method::Get, path.clone())).await {
            Ok(answer) => {
                let found = observed(resource, &answer.body, state)?;
                if found.state.get("status").and_then(Value::as_str) != Some("pending") {
                    return Ok(Some(found));
                }
            }
            Err(failure) if failure.is_not_found() => {
                if !just_made || Instant::now() >= visible_from {
                    return Ok(None);
                }
            }
            Err(failure) => return Err(failure.into_error()),
        }
        Client::pause(context, operation, pause).await?;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// Looks for an object as its type allows.
pub(crate) async fn find(
    client: &Client,
    resource: &Resource,
    context: &Context,
    request: FindRequest,
) -> ProviderResult<Found> {
    let list = Call::new(Method::Get, format!("/v1/{}", resource.collection));
    let call = match resource.findable {
        Findable::No | Findable::NothingOutside => return Err(ProviderError::unsupported("find")),
        Findable::ByMarker => {
            let Some(marker) = &request.marker else {
                let message = "without a marker it cannot be found";
                return Err(ProviderError::new(Category::Validation, "find", message));
            };
            list.with_query(&format!("tag.{MARKER_TAG}"), marker.to_string())
        }
        Findable::ByIdentity => {
            let Some(name) = request.config.get("name").and_then(Value::as_str) else {
                let message = "without a known name it cannot be found";
                let error = ProviderError::new(Category::Validation, "find", message);
                return Err(error.at(Path::attribute("name")));
            };
            list.with_query("name", name)
        }
    };
    let answer = client.call(context, "find", call).await.map_err(Failure::into_error)?;
    // What the cloud never gives back is not known to be as configured.
    let like = without_secrets(resource, request.config);
    let mut found = Vec::new();
    for object in answer.body.as_array().into_iter().flatten() {
        let object = observed(resource, object, &like)?;
        // What is still being made is waited for, so that it can be compared.
        found.extend(read_settled(client, resource, context, "find", &object.state, false).await?);
    }
    Ok(match (found.pop(), found.is_empty()) {
        (None, _) => Found::None,
        (Some(one), true) => Found::One(Box::new(one)),
        (Some(last), false) => {
            found.push(last);
            Found::Many(found)
        }
    })
}

/// Lists all objects of a type.
pub(crate) async fn list(client: &Client, resource: &Resource, context: &Context) -> ProviderResult<Vec<Observed>> {
    let call = Call::new(Method::Get, format!("/v1/{}", resource.collection));
    let answer = client.call(context, "list", call).await.map_err(Failure::into_error)?;
    let nothing = Value::null((resource.schema)().block.value_type());
    answer.body.as_array().into_iter().flatten().map(|object: &Json| observed(resource, object, &nothing)).collect()
}

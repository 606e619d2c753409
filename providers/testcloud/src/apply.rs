//! Carrying out changes, and telling honestly what came of them.

use retrue_provider_api::{
    Applied, Category, Change, Context, Effect, Findable, Image, Observed, Outcome, Private, ProviderError, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::client::{Client, Failure};
use crate::cloud::{Answer, Call, Method};
use crate::convert::{observed, put_marker, settable};
use crate::read::{key_of, read_settled};
use crate::resource::Resource;

/// What an image keeps beside the attributes.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    marker: Option<String>,
}

/// The image of an object.
pub(crate) fn image_of(object: Observed) -> Image {
    let kept = json!(Kept { marker: object.marker });
    Image { state: object.state, private: Private(kept.to_string().into_bytes()), blobs: Vec::new() }
}

fn kept_of(image: &Image) -> Kept {
    // Not ours, or none: then there was no marker.
    serde_json::from_slice(&image.private.0).unwrap_or_default()
}

pub(crate) async fn apply(client: &Client, resource: &Resource, context: &Context, change: Change) -> Outcome {
    match change.effect {
        Effect::Create => create(client, resource, context, change).await,
        Effect::Update => update(client, resource, context, change).await,
        Effect::Delete => delete(client, resource, context, change).await,
    }
}

async fn create(client: &Client, resource: &Resource, context: &Context, change: Change) -> Outcome {
    let target = change.restore.as_ref().map_or(&change.planned, |image| &image.state);
    let mut body = settable(resource, target);
    body.retain(|_, value| !value.is_null());
    let part = resource.part.and_then(|name| body.remove(name).map(|value| (name, value)));
    if has_tags(resource)
        && let Some(marker) = marker_of_create(resource, context, change.restore.as_ref())
    {
        put_marker(&mut body, &marker);
    }
    let call = Call::new(Method::Post, format!("/v1/{}", resource.collection)).with_body(Json::Object(body));
    let answer = match client.call(context, "create", call).await {
        Ok(answer) => answer,
        Err(Failure::Certain(error)) => return Outcome::NotApplied(error),
        Err(Failure::Doubtful(error)) => return Outcome::Unknown { error, best_known: None },
    };
    // CRASH: from here on the object exists, and only its identity or marker leads to it.
    let made = match observed(resource, &answer.body, target) {
        Ok(made) => made,
        Err(error) => return Outcome::Unknown { error, best_known: None },
    };
    finish_create(client, resource, context, made, part).await
}

/// The marker that a new object shall carry.
///
/// What is found by its marker gets the one of now, also when it is brought back: a new object, a new
/// generation. What is found by its name comes back just as it was.
fn marker_of_create(resource: &Resource, context: &Context, restore: Option<&Image>) -> Option<String> {
    let now = context.marker.as_ref().map(ToString::to_string);
    match restore {
        Some(image) if resource.findable == Findable::ByIdentity => kept_of(image).marker,
        Some(image) => now.or_else(|| kept_of(image).marker),
        None => now,
    }
}

/// What follows the first call of a create: from here on everything that goes wrong is partial.
async fn finish_create(
    client: &Client,
    resource: &Resource,
    context: &Context,
    made: Observed,
    part: Option<(&str, Json)>,
) -> Outcome {
    let mut last = made;
    if last.state.get("status").is_some() {
        match read_settled(client, resource, context, "create", &last.state, true).await {
            Ok(Some(ready)) => last = ready,
            Ok(None) => {
                let message = "it vanished while it was being made";
                let error = ProviderError::new(Category::Conflict, "create", message);
                return Outcome::Unknown { error, best_known: Some(Box::new(applied(last))) };
            }
            Err(error) => return Outcome::Partial { applied: applied(last), error },
        }
        if last.state.get("status").and_then(Value::as_str) == Some("failed") {
            let error = ProviderError::new(Category::ServerError, "create", "the cloud could not make it run");
            return Outcome::Partial { applied: applied(last), error };
        }
    }
    match part {
        Some((name, value)) if value.as_array().is_some_and(|items| !items.is_empty()) => {
            set_part(client, resource, context, last, name, value).await
        }
        _ => Outcome::Applied(applied(last)),
    }
}

/// Sets the part that the cloud takes by a call of its own, when something has been done before.
async fn set_part(
    client: &Client,
    resource: &Resource,
    context: &Context,
    before: Observed,
    name: &str,
    value: Json,
) -> Outcome {
    let key = match key_of(resource, &before.state, "set_part") {
        Ok(key) => key,
        Err(error) => return Outcome::Partial { applied: applied(before), error },
    };
    let path = format!("/v1/{}/{key}/{name}", resource.collection);
    let call = Call::new(Method::Put, path).with_body(value);
    let answered = client.call(context, "set_part", call).await;
    match answered.and_then(|answer| observed(resource, &answer.body, &before.state).map_err(Failure::Doubtful)) {
        Ok(after) => Outcome::Applied(applied(after)),
        Err(failure) => Outcome::Partial { applied: applied(before), error: failure.into_error() },
    }
}

async fn update(client: &Client, resource: &Resource, context: &Context, change: Change) -> Outcome {
    let target = change.restore.as_ref().map_or(&change.planned, |image| &image.state);
    let key = match key_of(resource, &change.prior, "update") {
        Ok(key) => key,
        Err(error) => return Outcome::NotApplied(error),
    };
    let mut body = changed(resource, &change, target);
    let part = resource.part.and_then(|name| body.remove(name).map(|value| (name, value)));
    // An update of the part alone does not touch the tags: it stays one call.
    if has_tags(resource) && !body.is_empty() {
        match marker_after(client, resource, context, &change).await {
            Ok(Some(marker)) => {
                // Tags are set as a whole: a marker alone must not take the others away.
                let tags = settable(resource, target).remove("tags").unwrap_or(Json::Null);
                body.entry("tags").or_insert(tags);
                put_marker(&mut body, &marker);
            }
            Ok(None) => {}
            Err(error) => return Outcome::NotApplied(error),
        }
    }
    let mut last = Observed::of(change.prior.clone());
    if !body.is_empty() {
        let path = format!("/v1/{}/{key}", resource.collection);
        let call = Call::new(Method::Patch, path).with_body(Json::Object(body));
        match settled_answer(resource, client.call(context, "update", call).await, target) {
            Ok(after) => last = after,
            Err(outcome) => return *outcome,
        }
        if let Some((name, value)) = part {
            return set_part(client, resource, context, last, name, value).await;
        }
    } else if let Some((name, value)) = part {
        // The part alone: nothing has been done before, so that a refusal leaves all as it was.
        let path = format!("/v1/{}/{key}/{name}", resource.collection);
        let call = Call::new(Method::Put, path).with_body(value);
        match settled_answer(resource, client.call(context, "update", call).await, target) {
            Ok(after) => last = after,
            Err(outcome) => return *outcome,
        }
    }
    Outcome::Applied(applied(last))
}

/// What an update has to send: all that is settable for a restore, else what differs.
fn changed(resource: &Resource, change: &Change, target: &Value) -> Map<String, Json> {
    let mut body = settable(resource, target);
    if change.restore.is_none() {
        let before = settable(resource, &change.prior);
        body.retain(|name, value| before.get(name) != Some(value));
    }
    body
}

/// The marker that the object shall carry after an update.
async fn marker_after(
    client: &Client,
    resource: &Resource,
    context: &Context,
    change: &Change,
) -> Result<Option<String>, ProviderError> {
    if let Some(image) = &change.restore {
        return Ok(kept_of(image).marker);
    }
    if let Some(marker) = &context.marker {
        return Ok(Some(marker.to_string()));
    }
    // None was given: then it keeps the one that it has.
    let found = read_settled(client, resource, context, "update", &change.prior, false).await?;
    Ok(found.and_then(|found| found.marker))
}

async fn delete(client: &Client, resource: &Resource, context: &Context, change: Change) -> Outcome {
    let key = match key_of(resource, &change.prior, "delete") {
        Ok(key) => key,
        Err(error) => return Outcome::NotApplied(error),
    };
    let call = Call::new(Method::Delete, format!("/v1/{}/{key}", resource.collection));
    match client.call(context, "delete", call).await {
        Ok(_) => Outcome::Applied(Applied::gone()),
        Err(failure) if failure.is_not_found() => Outcome::Applied(Applied::gone()),
        Err(Failure::Certain(error)) => Outcome::NotApplied(error),
        Err(Failure::Doubtful(error)) => Outcome::Unknown { error, best_known: None },
    }
}

/// The object in the answer to the first call of an update, or the outcome that ends it.
fn settled_answer(
    resource: &Resource,
    answer: Result<Answer, Failure>,
    like: &Value,
) -> Result<Observed, Box<Outcome>> {
    match answer {
        Ok(answer) => observed(resource, &answer.body, like)
            .map_err(|error| Box::new(Outcome::Unknown { error, best_known: None })),
        Err(Failure::Certain(error)) => Err(Box::new(Outcome::NotApplied(error))),
        Err(Failure::Doubtful(error)) => Err(Box::new(Outcome::Unknown { error, best_known: None })),
    }
}

fn has_tags(resource: &Resource) -> bool {
    (resource.schema)().block.attributes.contains_key("tags")
}

fn applied(object: Observed) -> Applied {
    Applied { private: object.private, identity: object.identity, ..Applied::of(object.state) }
}

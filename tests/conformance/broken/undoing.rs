//! Broken in undoing.

use async_trait::async_trait;
use retrue_provider_api::{
    Category, Change, Context, Effect, Outcome, Private, Provider, ProviderError, ProviderResult, ReadRequest, Type,
    Value,
};

use super::Breakage;
use super::changing::read_request;

/// Some of what the image holds is not brought back.
#[derive(Default)]
pub struct RestoresHalf;

#[async_trait]
impl Breakage for RestoresHalf {
    async fn apply(&self, good: &dyn Provider, context: &Context, mut change: Change) -> Outcome {
        if change.effect == Effect::Update
            && let (Some(image), Some(now)) = (&mut change.restore, change.prior.get("versioning"))
        {
            image.state = image.state.clone().with_attribute("versioning", now.clone());
        }
        good.apply(context, change).await
    }
}

/// Only attributes are brought back, not what the image holds besides.
#[derive(Default)]
pub struct RestoresAttributesOnly;

#[async_trait]
impl Breakage for RestoresAttributesOnly {
    async fn apply(&self, good: &dyn Provider, context: &Context, mut change: Change) -> Outcome {
        if let Some(image) = &mut change.restore {
            image.private = Private::default();
        }
        good.apply(context, change).await
    }
}

/// What was deleted comes back as configured, not as it was.
#[derive(Default)]
pub struct RestoresTheConfiguration;

#[async_trait]
impl Breakage for RestoresTheConfiguration {
    async fn apply(&self, good: &dyn Provider, context: &Context, mut change: Change) -> Outcome {
        if change.effect == Effect::Create && change.restore.take().is_some() {
            change.planned = change.config.clone();
        }
        good.apply(context, change).await
    }
}

/// What is restored already cannot be restored.
#[derive(Default)]
pub struct RestoresOnce;

#[async_trait]
impl Breakage for RestoresOnce {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let same = |image: &retrue_provider_api::Image| {
            image.state.get("tags") == change.prior.get("tags")
                && image.state.get("versioning") == change.prior.get("versioning")
        };
        if change.effect == Effect::Update && change.restore.as_ref().is_some_and(same) {
            return Outcome::NotApplied(ProviderError::new(Category::Conflict, "update", "nothing to restore"));
        }
        good.apply(context, change).await
    }
}

/// Bringing back what is still there starts from nothing.
#[derive(Default)]
pub struct RestoresOverIt;

#[async_trait]
impl Breakage for RestoresOverIt {
    async fn apply(&self, good: &dyn Provider, context: &Context, mut change: Change) -> Outcome {
        let Some(image) = change.restore.clone().filter(|_| change.effect == Effect::Create) else {
            return good.apply(context, change).await;
        };
        let there = Change { prior: image.state.clone(), ..change.clone() };
        if let Ok(Some(_)) = good.read(context, read_request(&there)).await {
            change.effect = Effect::Update;
            change.prior = image.state.clone();
            change.restore = None;
            change.planned = image.state.with_attribute("tags", Value::null(Type::map(Type::String)));
        }
        good.apply(context, change).await
    }
}

/// Tidying up takes the object with it.
#[derive(Default)]
pub struct TidiesTooMuch;

#[async_trait]
impl Breakage for TidiesTooMuch {
    async fn recover(&self, good: &dyn Provider, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        let null = || Value::null(Type::Dynamic);
        let change = Change {
            type_name: request.type_name,
            effect: Effect::Delete,
            config: null(),
            prior: request.state,
            prior_private: request.private,
            planned: null(),
            planned_private: Private::default(),
            identity: request.identity,
            restore: None,
        };
        good.apply(context, change).await;
        Ok(())
    }
}

//! Broken in what is said: schemas, plans, validation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Change, Context, Effect, Path, PlanRequest, PlanResponse, Private, Provider, ProviderDiagnostic,
    ProviderResult, ProviderSchema, Reversibility, Type, ValidateRequest, Value,
};
use serde_json::Value as Json;

use super::Breakage;

/// An attribute that can neither be set nor is computed.
#[derive(Default)]
pub struct UselessAttribute;

#[async_trait]
impl Breakage for UselessAttribute {
    async fn schema(&self, good: &dyn Provider) -> ProviderResult<Arc<ProviderSchema>> {
        let mut schema = good.schema().await?.as_ref().clone();
        for resource in schema.resources.values_mut() {
            let resource = Arc::make_mut(resource);
            resource.block.attributes.values_mut().for_each(|attribute| attribute.computed = false);
        }
        Ok(Arc::new(schema))
    }
}

/// A new version of the schema at every call.
#[derive(Default)]
pub struct RestlessSchema(AtomicU64);

#[async_trait]
impl Breakage for RestlessSchema {
    async fn schema(&self, good: &dyn Provider) -> ProviderResult<Arc<ProviderSchema>> {
        let mut schema = good.schema().await?.as_ref().clone();
        let version = self.0.fetch_add(1, Ordering::Relaxed);
        schema.resources.values_mut().for_each(|resource| Arc::make_mut(resource).version = version);
        Ok(Arc::new(schema))
    }
}

/// A capability that is another at every call.
#[derive(Default)]
pub struct RestlessCapability(AtomicU64);

impl Breakage for RestlessCapability {
    fn capability(&self, good: &dyn Provider, type_name: &str, config: &Value) -> Capability {
        let updates = self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        Capability { updates, ..good.capability(type_name, config) }
    }
}

/// State that loses something when it is upgraded.
#[derive(Default)]
pub struct ForgetfulUpgrade;

#[async_trait]
impl Breakage for ForgetfulUpgrade {
    async fn upgrade_state(&self, good: &dyn Provider, name: &str, version: u64, state: Json) -> ProviderResult<Value> {
        let state = good.upgrade_state(name, version, state).await?;
        Ok(state.with_attribute("tags", Value::null(Type::map(Type::String))))
    }
}

/// State of any version is taken for the current one.
#[derive(Default)]
pub struct CarelessUpgrade;

#[async_trait]
impl Breakage for CarelessUpgrade {
    async fn upgrade_state(&self, good: &dyn Provider, name: &str, _: u64, state: Json) -> ProviderResult<Value> {
        good.upgrade_state(name, 0, state).await
    }
}

/// An identity that holds more than what identifies.
#[derive(Default)]
pub struct IdentityOfEverything;

impl Breakage for IdentityOfEverything {
    fn identity(&self, _: &dyn Provider, _: &str, config: &Value) -> Option<Value> {
        Some(config.clone())
    }
}

/// Defaults that win over the configuration.
#[derive(Default)]
pub struct StubbornDefault;

#[async_trait]
impl Breakage for StubbornDefault {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let plan = good.plan(context, request).await?;
        let planned = plan.planned.clone().with_attribute("versioning", Value::from(false));
        Ok(PlanResponse { planned, ..plan })
    }
}

/// Unknowns are guessed.
#[derive(Default)]
pub struct Guess;

#[async_trait]
impl Breakage for Guess {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let plan = good.plan(context, request).await?;
        let unknown = plan.planned.get("versioning").is_some_and(|value| !value.is_known());
        let planned = if unknown {
            plan.planned.clone().with_attribute("versioning", Value::from(false))
        } else {
            plan.planned.clone()
        };
        Ok(PlanResponse { planned, ..plan })
    }
}

/// Something new in every plan.
#[derive(Default)]
pub struct MoodyPlan(AtomicU64);

#[async_trait]
impl Breakage for MoodyPlan {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let plan = good.plan(context, request).await?;
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        Ok(PlanResponse { planned_private: Private(count.to_be_bytes().to_vec()), ..plan })
    }
}

/// What is computed is unknown in every plan.
#[derive(Default)]
pub struct RestlessPlan;

#[async_trait]
impl Breakage for RestlessPlan {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let plan = good.plan(context, request).await?;
        let planned = plan.planned.clone().with_attribute("locator", Value::unknown(Type::String));
        Ok(PlanResponse { planned, ..plan })
    }
}

/// Nothing ever forces a replace.
#[derive(Default)]
pub struct NeverReplaces;

#[async_trait]
impl Breakage for NeverReplaces {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        Ok(PlanResponse { requires_replace: Vec::new(), ..good.plan(context, request).await? })
    }
}

/// Every change forces a replace.
#[derive(Default)]
pub struct AlwaysReplaces;

#[async_trait]
impl Breakage for AlwaysReplaces {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let requires_replace = vec![Path::attribute("name")];
        Ok(PlanResponse { requires_replace, ..good.plan(context, request).await? })
    }
}

/// Everything is said to be reversible.
#[derive(Default)]
pub struct PromisesTooMuch;

#[async_trait]
impl Breakage for PromisesTooMuch {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        Ok(PlanResponse { reversibility: Reversibility::Full, ..good.plan(context, request).await? })
    }
}

/// What is wrong is told without its place.
#[derive(Default)]
pub struct NoPlace;

#[async_trait]
impl Breakage for NoPlace {
    async fn validate(&self, good: &dyn Provider, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        let said = good.validate(request).await?;
        Ok(said.into_iter().map(|said| ProviderDiagnostic { path: None, ..said }).collect())
    }
}

/// Nothing is ever wrong.
#[derive(Default)]
pub struct TakesAnything;

#[async_trait]
impl Breakage for TakesAnything {
    async fn validate(&self, _: &dyn Provider, _: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        Ok(Vec::new())
    }
}

/// A plan that makes what it plans.
#[derive(Default)]
pub struct EagerPlan;

#[async_trait]
impl Breakage for EagerPlan {
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let plan = good.plan(context, request.clone()).await?;
        if request.prior.is_null() {
            let change = Change {
                type_name: request.type_name,
                effect: Effect::Create,
                config: request.config,
                prior: request.prior,
                prior_private: request.prior_private,
                planned: plan.planned.clone(),
                planned_private: plan.planned_private.clone(),
                identity: None,
                restore: None,
            };
            good.apply(context, change).await;
        }
        Ok(plan)
    }
}

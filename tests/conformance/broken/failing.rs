//! Broken in what is told of a failure.

use async_trait::async_trait;
use retrue_provider_api::{Applied, Category, Change, Context, Outcome, Provider, ProviderError};

use super::Breakage;

/// Every error is of the same category.
#[derive(Default)]
pub struct Unclassified;

#[async_trait]
impl Breakage for Unclassified {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change).await {
            Outcome::NotApplied(error) => Outcome::NotApplied(ProviderError { category: Category::Unknown, ..error }),
            other => other,
        }
    }
}

/// When to try again is not passed on.
#[derive(Default)]
pub struct Impatient;

#[async_trait]
impl Breakage for Impatient {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change).await {
            Outcome::NotApplied(error) => Outcome::NotApplied(ProviderError { retry_after: None, ..error }),
            other => other,
        }
    }
}

/// A failure is swallowed.
#[derive(Default)]
pub struct Swallows;

#[async_trait]
impl Breakage for Swallows {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let planned = change.planned.clone();
        match good.apply(context, change).await {
            Outcome::NotApplied(_) => Outcome::Applied(Applied::of(planned)),
            other => other,
        }
    }
}

/// An error means that nothing happened.
#[derive(Default)]
pub struct Optimist;

#[async_trait]
impl Breakage for Optimist {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change).await {
            Outcome::Unknown { error, .. } => Outcome::NotApplied(error),
            other => other,
        }
    }
}

/// Half is as good as all.
#[derive(Default)]
pub struct HalfIsEnough;

#[async_trait]
impl Breakage for HalfIsEnough {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change).await {
            Outcome::Partial { applied, .. } => Outcome::Applied(applied),
            other => other,
        }
    }
}

/// Half-done, with the state that it should have had.
#[derive(Default)]
pub struct HalfWithThePlan;

#[async_trait]
impl Breakage for HalfWithThePlan {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let rules = change.planned.get("rule").cloned();
        match (good.apply(context, change).await, rules) {
            (Outcome::Partial { applied, error }, Some(rules)) => {
                let state = applied.state.clone().with_attribute("rule", rules);
                Outcome::Partial { applied: Applied { state, ..applied }, error }
            }
            (other, _) => other,
        }
    }
}

/// What is not certain is tried again.
#[derive(Default)]
pub struct TriesAgain;

#[async_trait]
impl Breakage for TriesAgain {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change.clone()).await {
            Outcome::Unknown { .. } => good.apply(context, change).await,
            other => other,
        }
    }
}

/// An error shows the configuration.
#[derive(Default)]
pub struct Blabs;

#[async_trait]
impl Breakage for Blabs {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let config = format!("{:?}", change.config);
        match good.apply(context, change).await {
            Outcome::NotApplied(error) => Outcome::NotApplied(error.with("request", config)),
            other => other,
        }
    }
}

//! Broken in waiting, and in what is told of processes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use retrue_provider_api::testing::RecordedChildren;
use retrue_provider_api::{Change, Context, Outcome, Provider};

use super::Breakage;

/// The deadline is not looked at.
#[derive(Default)]
pub struct NoDeadline;

#[async_trait]
impl Breakage for NoDeadline {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let context = Context { deadline: Instant::now() + Duration::from_secs(3600), ..context.clone() };
        good.apply(&context, change).await
    }
}

/// A cancellation is not heard.
#[derive(Default)]
pub struct Deaf;

#[async_trait]
impl Breakage for Deaf {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let context = Context { cancellation: Default::default(), ..context.clone() };
        good.apply(&context, change).await
    }
}

/// What is cancelled counts as not done.
#[derive(Default)]
pub struct CancelledIsUndone;

#[async_trait]
impl Breakage for CancelledIsUndone {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change).await {
            Outcome::Unknown { error, .. } => Outcome::NotApplied(error),
            other => other,
        }
    }
}

/// Nobody is told of processes.
#[derive(Default)]
pub struct SecretProcesses;

#[async_trait]
impl Breakage for SecretProcesses {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let context = Context { children: Arc::new(RecordedChildren::default()), ..context.clone() };
        good.apply(&context, change).await
    }
}

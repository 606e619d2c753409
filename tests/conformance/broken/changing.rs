//! Broken in what is changed.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use retrue_provider_api::{
    Applied, Category, Change, Context, Effect, Observed, Outcome, Private, Provider, ProviderError, ReadRequest, Type,
    Value,
};

use super::Breakage;

/// Known values for what is planned as unknown.
fn made_up(planned: &Value) -> Value {
    planned.clone().map_parts(&mut |_, value| if value.is_known() { value } else { Value::null(value.kind()) })
}

pub fn read_request(change: &Change) -> ReadRequest {
    ReadRequest {
        type_name: change.type_name.clone(),
        state: change.prior.clone(),
        config: change.config.clone(),
        private: change.prior_private.clone(),
        identity: change.identity.clone(),
    }
}

macro_rules! lies {
    ($($(#[$doc:meta])* $name:ident: $effect:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Default)]
        pub struct $name;

        #[async_trait]
        impl Breakage for $name {
            async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
                if change.effect == Effect::$effect && change.restore.is_none() {
                    return Outcome::Applied(Applied::of(made_up(&change.planned)));
                }
                good.apply(context, change).await
            }
        }
    )*};
}

lies! {
    /// A create that only says so.
    LyingCreate: Create,
    /// An update that only says so.
    LyingUpdate: Update,
    /// A delete that only says so.
    LyingDelete: Delete,
}

/// A state that is not what was planned.
#[derive(Default)]
pub struct BreaksPromise;

#[async_trait]
impl Breakage for BreaksPromise {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change).await {
            Outcome::Applied(applied) => {
                let state = applied.state.clone().with_attribute("versioning", Value::from(false));
                Outcome::Applied(Applied { state, ..applied })
            }
            other => other,
        }
    }
}

/// A create that takes the place of what is there.
#[derive(Default)]
pub struct Overwrites;

#[async_trait]
impl Breakage for Overwrites {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        if change.effect != Effect::Create {
            return good.apply(context, change).await;
        }
        let null = Value::null(Type::Dynamic);
        let there = made_up(&change.planned);
        let delete = Change { effect: Effect::Delete, planned: null, prior: there, restore: None, ..change.clone() };
        good.apply(context, delete).await;
        good.apply(context, change).await
    }
}

/// An update that clears what it was not asked to touch.
#[derive(Default)]
pub struct Clobbers;

#[async_trait]
impl Breakage for Clobbers {
    async fn apply(&self, good: &dyn Provider, context: &Context, mut change: Change) -> Outcome {
        if change.effect == Effect::Update && change.planned.get("tags") == change.prior.get("tags") {
            change.planned = change.planned.with_attribute("tags", Value::null(Type::map(Type::String)));
        }
        good.apply(context, change).await
    }
}

/// An update that makes what is gone.
#[derive(Default)]
pub struct Upserts;

#[async_trait]
impl Breakage for Upserts {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        match good.apply(context, change.clone()).await {
            Outcome::NotApplied(error) if change.effect == Effect::Update && error.category == Category::NotFound => {
                good.apply(context, Change { effect: Effect::Create, ..change }).await
            }
            outcome => outcome,
        }
    }
}

/// Every create makes the first again.
#[derive(Default)]
pub struct LivesInThePast(Mutex<Option<Change>>);

#[async_trait]
impl Breakage for LivesInThePast {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        let change = match change.effect {
            Effect::Create => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| change.clone()).clone()
            }
            _ => change,
        };
        good.apply(context, change).await
    }
}

/// A delete that takes all of the type.
#[derive(Default)]
pub struct DeletesAll;

#[async_trait]
impl Breakage for DeletesAll {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        if change.effect == Effect::Delete {
            let all: Vec<Observed> = good.list(context, &change.type_name).await.unwrap_or_default();
            for one in all {
                let private = Private::default();
                good.apply(context, Change { prior: one.state, prior_private: private, ..change.clone() }).await;
            }
        }
        good.apply(context, change).await
    }
}

/// Deleting what is gone is an error.
#[derive(Default)]
pub struct DeletesOnce;

#[async_trait]
impl Breakage for DeletesOnce {
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        if change.effect == Effect::Delete && matches!(good.read(context, read_request(&change)).await, Ok(None)) {
            return Outcome::NotApplied(ProviderError::new(Category::NotFound, "delete", "not found"));
        }
        good.apply(context, change).await
    }
}

//! Changes as the engine makes them: planned, carried out, imaged and undone.

use retrue_provider_api::{
    Applied, Change, Context, Effect, Image, ImageRequest, Outcome, PlanRequest, PlanResponse, Private, Reversibility,
    Type, Value, proposed_state,
};

use crate::bench::{Bench, Thing};
use crate::judge::{Violation, failed};

/// Null, where there is no object or no configuration.
pub fn nothing() -> Value {
    Value::null(Type::Dynamic)
}

/// An outcome in words.
pub fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied(_) => "Applied".into(),
        Outcome::Partial { error, .. } => format!("Partial ({error:#})"),
        Outcome::NotApplied(error) => format!("NotApplied ({error:#})"),
        Outcome::Unknown { error, .. } => format!("Unknown ({error:#})"),
    }
}

/// The effect in words.
pub fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Create => "create",
        Effect::Update => "update",
        Effect::Delete => "delete",
    }
}

impl Bench {
    pub fn plan_request(&self, prior: Option<&Thing>, config: &Value) -> PlanRequest {
        let state = prior.map_or_else(nothing, |thing| thing.state.clone());
        PlanRequest {
            type_name: self.type_name(),
            proposed: proposed_state(self.block(), &state, config),
            config: config.clone(),
            prior: state,
            prior_private: prior.map(|thing| thing.private.clone()).unwrap_or_default(),
        }
    }

    /// Plans a create (no prior), an update, or a delete (null configuration).
    pub async fn plan(&self, prior: Option<&Thing>, config: &Value) -> Result<PlanResponse, Violation> {
        let planned = self.provider.plan(&self.context(), self.plan_request(prior, config)).await;
        planned.map_err(|error| failed("plan", error))
    }

    /// Plans a change and makes it ready to be carried out.
    pub async fn change(&self, prior: Option<&Thing>, config: &Value) -> Result<(Change, PlanResponse), Violation> {
        let planned = self.plan(prior, config).await?;
        let effect = match (prior, config.is_null()) {
            (None, _) => Effect::Create,
            (Some(_), true) => Effect::Delete,
            (Some(_), false) => Effect::Update,
        };
        let change = Change {
            type_name: self.type_name(),
            effect,
            config: config.clone(),
            prior: prior.map_or_else(nothing, |thing| thing.state.clone()),
            prior_private: prior.map(|thing| thing.private.clone()).unwrap_or_default(),
            planned: planned.planned.clone(),
            planned_private: planned.planned_private.clone(),
            identity: prior.and_then(|thing| thing.identity.clone()),
            restore: None,
        };
        Ok((change, planned))
    }

    /// Plans and carries out.
    pub async fn attempt(&self, prior: Option<&Thing>, config: &Value) -> Result<Outcome, Violation> {
        self.attempt_in(&self.context(), prior, config).await
    }

    pub async fn attempt_in(
        &self,
        context: &Context,
        prior: Option<&Thing>,
        config: &Value,
    ) -> Result<Outcome, Violation> {
        let (change, _) = self.change(prior, config).await?;
        Ok(self.provider.apply(context, change).await)
    }

    /// Makes an object; it must work.
    pub async fn create(&self, config: &Value) -> Result<Thing, Violation> {
        self.create_in(&self.context(), config).await
    }

    pub async fn create_in(&self, context: &Context, config: &Value) -> Result<Thing, Violation> {
        let made = self.create_unsettled(context, config).await?;
        self.world.settle().await;
        Ok(made)
    }

    /// Makes an object and looks at once, before the world has settled.
    pub async fn create_unsettled(&self, context: &Context, config: &Value) -> Result<Thing, Violation> {
        let outcome = self.attempt_in(context, None, config).await?;
        self.must_apply("create", outcome, config)
    }

    /// Changes an object in place; it must work.
    pub async fn update(&self, thing: &Thing, config: &Value) -> Result<Thing, Violation> {
        let outcome = self.attempt(Some(thing), config).await?;
        let updated = self.must_apply("update", outcome, config)?;
        self.world.settle().await;
        Ok(updated)
    }

    /// Deletes an object; it must work.
    pub async fn delete(&self, thing: &Thing) -> Result<(), Violation> {
        self.delete_unsettled(thing).await?;
        self.world.settle().await;
        Ok(())
    }

    /// Deletes an object and looks at once, before the world has settled.
    pub async fn delete_unsettled(&self, thing: &Thing) -> Result<(), Violation> {
        let outcome = self.attempt(Some(thing), &nothing()).await?;
        self.must_apply("delete", outcome, &thing.config).map(drop)
    }

    pub fn must_apply(&self, what: &str, outcome: Outcome, config: &Value) -> Result<Thing, Violation> {
        match outcome {
            Outcome::Applied(applied) => Ok(self.thing_of(applied, config)),
            other => Err(Violation(format!("{what} must be Applied, and is {}", word(&other)))),
        }
    }

    pub fn thing_of(&self, applied: Applied, config: &Value) -> Thing {
        Thing { state: applied.state, private: applied.private, identity: applied.identity, config: config.clone() }
    }

    /// Keeps what is needed to bring an object back, as the engine does before a step.
    pub async fn image(&self, thing: &Thing, effect: Option<Effect>, planned: &Value) -> Result<Image, Violation> {
        let request = ImageRequest { object: self.read_request(thing), effect, planned: planned.clone() };
        self.provider.image(&self.context(), request).await.map_err(|error| failed("image", error))
    }

    /// The change that undoes an update: back from `now` to the image.
    pub fn inverse_of_update(&self, now: &Thing, image: &Image) -> Change {
        self.restoring(Effect::Update, now.state.clone(), now.private.clone(), now, image)
    }

    /// The change that undoes a delete: made again from the image.
    pub fn inverse_of_delete(&self, gone: &Thing, image: &Image) -> Change {
        self.restoring(Effect::Create, nothing(), Private::default(), gone, image)
    }

    /// The change that undoes a create.
    pub fn inverse_of_create(&self, made: &Thing) -> Change {
        Change {
            type_name: self.type_name(),
            effect: Effect::Delete,
            config: nothing(),
            prior: made.state.clone(),
            prior_private: made.private.clone(),
            planned: nothing(),
            planned_private: Private::default(),
            identity: made.identity.clone(),
            restore: None,
        }
    }

    fn restoring(&self, effect: Effect, prior: Value, prior_private: Private, of: &Thing, image: &Image) -> Change {
        Change {
            type_name: self.type_name(),
            effect,
            config: of.config.clone(),
            prior,
            prior_private,
            planned: image.state.clone(),
            planned_private: Private::default(),
            identity: of.identity.clone(),
            restore: Some(image.clone()),
        }
    }

    /// How much of a delete can be undone, as the plan says.
    pub async fn reversibility_of_delete(&self, thing: &Thing) -> Result<Reversibility, Violation> {
        Ok(self.plan(Some(thing), &nothing()).await?.reversibility)
    }

    /// The alternatives that are changes in place, as configurations.
    pub fn in_place(&self) -> Vec<(String, Value)> {
        self.alternatives(false)
    }

    /// The alternatives that force a replace, as configurations.
    pub fn replacing(&self) -> Vec<(String, Value)> {
        self.alternatives(true)
    }

    fn alternatives(&self, replace: bool) -> Vec<(String, Value)> {
        let forces = |name: &str| {
            self.world.replaced().contains(&name)
                || self.block().attributes.get(name).is_some_and(|found| found.replace_on_change)
        };
        let changed = |name: String, value: Value| {
            let config = self.world.config().with_attribute(&name, value);
            (name, config)
        };
        let alternatives = self.world.alternatives().into_iter();
        alternatives.filter(|(name, _)| forces(name) == replace).map(|(name, value)| changed(name, value)).collect()
    }
}

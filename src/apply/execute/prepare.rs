//! Makes a step ready: what was pending is evaluated and held against the plan.

use retrue_provider_api::{Category, Path, PlanRequest, TypeSchema, Value, proposed_state};

use crate::apply::codes;
use crate::plan::compare::with_kept;
use crate::plan::marks::{mark_config, mark_planned};
use crate::plan::{Step, StepEffect};
use crate::survey::conditions::holds;

use super::compare::first_broken;
use super::*;

impl Executor<'_> {
    /// Evaluates what was pending, and holds what comes of it against the plan.
    pub(super) async fn prepare<'s>(&'s self, step: &'s Step, attempt: u32) -> Result<Ready<'s>, Stop> {
        let address = &step.id.address;
        self.late.for_step(step).await.map_err(|problem| stop(problem.code, Category::Validation, problem.message))?;
        let configured = self.providers.get(&step.provider).ok_or_else(|| {
            stop(codes::PROVIDER, Category::Validation, format!("the provider `{}` is not configured", step.provider))
        })?;
        let types = if address.is_managed() { &configured.schema.resources } else { &configured.schema.data };
        let schema = types.get(step.type_name.as_ref()).ok_or_else(|| {
            stop(codes::PROVIDER, Category::Validation, format!("the provider has no type `{}`", step.type_name))
        })?;
        let raw = self.values.complete(&step.config, None).map_err(|errors| {
            let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
            stop(codes::EVALUATION, Category::Validation, format!("`{address}`: {}", messages.join("; ")))
        })?;
        let config = conform(schema, raw)
            .map_err(|message| stop(codes::EVALUATION, Category::Validation, format!("`{address}`: {message}")))?;
        let config = mark_config(&schema.block, config);
        self.providers.taps().learn(&config);
        let (plain, _) = config.clone().unmark_deep();
        if let Some(path) = plain.unknown_paths().first() {
            return Err(stop(
                codes::EVALUATION,
                Category::Validation,
                format!("`{address}`: `{path}` has no value yet"),
            ));
        }
        let capability = configured.provider.capability(&step.type_name, &plain);
        let mut ready = Ready {
            step,
            attempt,
            configured,
            schema,
            capability,
            config,
            planned: step.planned.clone(),
            planned_private: step.planned_private.clone(),
        };
        let again = !step.config.pending.is_empty() || step.late;
        if again && matches!(step.id.effect, StepEffect::Create | StepEffect::Update) {
            self.plan_again(&mut ready, plain).await?;
        }
        Ok(ready)
    }

    /// Plans with known values, and holds the result against the plan: what was known must be the
    /// same, and an update must not have become a replacement.
    pub(super) async fn plan_again(&self, ready: &mut Ready<'_>, config: Value) -> Result<(), Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let prior = step.observed.clone().unmark_deep().0;
        let config = with_kept(&ready.schema.block, config, &step.kept, &prior);
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, "", limit);
        let proposed = proposed_state(&ready.schema.block, &prior, &config);
        let request = PlanRequest {
            type_name: step.type_name.to_string(),
            config,
            prior: prior.clone(),
            proposed,
            prior_private: step.observed_private.clone(),
        };
        let response = ready
            .configured
            .provider
            .plan(&context, request)
            .await
            .map_err(|error| stop_provider(&error, &ready.secrets()))?;
        let planned = step.planned.clone().unmark_deep().0;
        // Of what nobody was asked about, only that it is made was planned.
        let broken = if step.late { None } else { first_broken(&planned, &response.planned, &Path::root()) };
        if let Some(path) = broken {
            return Err(stop(
                codes::PLAN_BROKEN,
                Category::Validation,
                format!("`{address}`: `{path}` is not what was planned, now that everything is known"),
            ));
        }
        let forces = step.id.effect == StepEffect::Update
            && response.requires_replace.iter().any(|path| match (path.get(&prior), path.get(&response.planned)) {
                (Some(before), Some(after)) => !before.same(after),
                _ => false,
            });
        if forces {
            return Err(stop(
                codes::PLAN_BROKEN,
                Category::Validation,
                format!("`{address}`: what became known cannot be changed in place, and no replacement was planned"),
            ));
        }
        ready.planned = mark_planned(&ready.schema.block, response.planned, Some(&ready.config));
        ready.planned_private = response.planned_private;
        Ok(())
    }

    pub(super) fn check_conditions(
        &self,
        conditions: &[crate::plan::PendingCondition],
        itself: Option<&Value>,
        address: &str,
    ) -> Result<(), Stop> {
        for condition in conditions {
            let value = self.values.evaluate(&condition.condition, itself).map_err(|errors| {
                let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
                stop(codes::EVALUATION, Category::Validation, condition.told(&messages.join("; ")))
            })?;
            if holds(&value) != Some(true) {
                let message = self.values.evaluate(&condition.message, itself).ok();
                let text = message
                    .as_ref()
                    .filter(|message| !message.marks_deep().sensitive)
                    .and_then(Value::as_str)
                    .unwrap_or("the condition does not hold");
                let message = format!("`{address}`: {text}");
                return Err(stop(codes::CONDITION, Category::Validation, condition.told(&message)));
            }
        }
        Ok(())
    }
}

/// Brings what was evaluated while applying to the types of the schema.
pub(super) fn conform(schema: &TypeSchema, config: Value) -> Result<Value, String> {
    let Some(entries) = config.as_entries() else { return Ok(config) };
    let mut conformed = config.clone();
    for (name, attribute) in &schema.block.attributes {
        let Some(value) = entries.get(name.as_str()) else { continue };
        let kind = attribute.value_type();
        if value.kind() != kind {
            let converted = retrue_provider_api::convert(value, &kind).map_err(|error| format!("`{name}`: {error}"))?;
            conformed = conformed.with_attribute(name, converted);
        }
    }
    Ok(conformed)
}

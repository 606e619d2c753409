//! Carries out one step: before-image, `begin`, effect, `end`, verification.

use std::sync::Arc;
use std::time::{Duration, Instant};

use retrue_provider_api::{
    Applied, Block, Capability, Category, Change, Effect, FindRequest, Findable, Found, Image, ImageRequest, Observed,
    Outcome, Path, PlanRequest, Private, ProviderError, ReadRequest, Type, TypeSchema, Value, canonical_bytes,
    proposed_state,
};

use crate::apply::codes;
use crate::apply::context::{Call, Caller, Work, failure};
use crate::apply::scope::Values;
use crate::apply::writes::{drop_object, put_generation, put_object};
use crate::crash_point;
use crate::engine::{RunEventKind, StepRef};
use crate::plan::decide::{differing_attributes, fingerprint};
use crate::plan::marks::mark_planned;
use crate::plan::{ExistingObject, ObjectKey, Step, StepEffect};
use crate::rest::{RestingValue, Seal};
use crate::saga::journal::{Entry, JournalError};
use crate::saga::object::RestingImage;
use crate::saga::{
    Event, ImageEvent, ObjectStatus, Origin, ProviderRef, RecordedObject, RestingObject, StepBegin, StepEnd,
    StepFailure, StoredImage,
};
use crate::store::Write;
use crate::survey::calls::within;
use crate::survey::conditions::holds;
use crate::survey::providers::{Configured, Providers};

/// How many times a step is tried when its failure may pass.
const MAXIMUM_ATTEMPTS: u32 = 4;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How much longer than its deadline a call may take before it is given up.
const GRACE: Duration = Duration::from_secs(10);

/// How a step ended, for the run.
#[derive(Debug)]
pub enum StepResult {
    /// It did what it should.
    Applied,
    /// Something is there, but not all was done, or a condition does not hold.
    Partial(StepFailure),
    /// Nothing was done.
    NotApplied(StepFailure),
    /// It cannot be told.
    Unknown(StepFailure),
}

/// Carries out steps of a plan.
pub struct Executor<'a> {
    /// What is the same for all steps.
    pub caller: &'a Caller<'a>,
    /// The providers.
    pub providers: &'a Providers,
    /// The values of instances, as they are now.
    pub values: &'a Values,
}

/// What is known of a step just before it begins.
struct Ready<'s> {
    step: &'s Step,
    configured: &'s Configured,
    schema: &'s TypeSchema,
    capability: Capability,
    /// The configuration, wholly known, with marks.
    config: Value,
    /// What it shall look like, with marks.
    planned: Value,
    planned_private: Private,
}

enum Stop {
    /// The step does not start.
    Step(StepFailure, bool),
    /// The run cannot go on.
    Journal(JournalError),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Stop::Journal(error)
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Stop::Journal(error.into())
    }
}

fn stop(code: &str, category: Category, message: impl Into<String>) -> Stop {
    Stop::Step(StepFailure { code: code.into(), category, message: message.into(), retryable: false }, false)
}

fn stop_provider(error: &ProviderError) -> Stop {
    Stop::Step(failure(codes::PROVIDER, error), error.retry)
}

impl Executor<'_> {
    /// Carries out a step to its end, with retries where its failure may pass.
    ///
    /// An error means that the journal cannot be written, and the run has to stop.
    pub async fn run(&self, step: &Step, recorded: Option<&RecordedObject>) -> Result<StepResult, JournalError> {
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let (result, reference) = match self.attempt(step, recorded, attempt).await {
                Ok(done) => done,
                Err(Stop::Journal(error)) => return Err(error),
                // It never began: nothing is in doubt, and there is nothing to write down but that.
                Err(Stop::Step(failure, retry)) => {
                    let result = StepResult::NotApplied(StepFailure { retryable: retry, ..failure });
                    (result, self.reference(step, attempt, ""))
                }
            };
            let duration = began.elapsed();
            if let StepResult::NotApplied(failure) = &result
                && failure.retryable
                && attempt < MAXIMUM_ATTEMPTS
                && !self.caller.cancellation.soft.is_cancelled()
            {
                let wait = FIRST_WAIT * 2u32.saturating_pow(attempt - 1);
                self.caller.tell(RunEventKind::StepRetrying { step: reference, error: failure.clone(), after: wait });
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.caller.cancellation.soft.cancelled() => {}
                }
                attempt += 1;
                continue;
            }
            self.tell_end(reference, duration, &result);
            return Ok(result);
        }
    }

    fn reference(&self, step: &Step, attempt: u32, key: &str) -> StepRef {
        StepRef {
            address: step.id.address.clone(),
            action: if step.adopts { "adopt" } else { step.id.effect.word() },
            step: step.id.to_string(),
            attempt,
            idempotency_key: key.to_owned(),
        }
    }

    fn tell_end(&self, step: StepRef, duration: Duration, result: &StepResult) {
        self.caller.tell(match result {
            StepResult::Applied => {
                RunEventKind::StepFinished { step, duration, outcome: "applied", warnings: Vec::new() }
            }
            StepResult::Partial(error) => {
                RunEventKind::StepFailed { step, duration, outcome: "partial", error: error.clone() }
            }
            StepResult::NotApplied(error) => {
                RunEventKind::StepFailed { step, duration, outcome: "not_applied", error: error.clone() }
            }
            StepResult::Unknown(error) => RunEventKind::StepInDoubt { step, duration, error: error.clone() },
        });
    }

    async fn attempt(
        &self,
        step: &Step,
        recorded: Option<&RecordedObject>,
        attempt: u32,
    ) -> Result<(StepResult, StepRef), Stop> {
        let ready = self.prepare(step).await?;
        self.check_conditions(&step.preconditions, None, &step.id.address.to_string())?;
        match step.id.effect {
            StepEffect::Read => self.read_data(&ready, attempt).await,
            StepEffect::Create | StepEffect::Update | StepEffect::Delete => {
                self.change(&ready, recorded, attempt).await
            }
            StepEffect::Adopt | StepEffect::Record | StepEffect::Forget | StepEffect::Depose => {
                self.record_only(&ready, recorded, attempt).await
            }
        }
    }

    /// Evaluates what was pending, and holds what comes of it against the plan.
    async fn prepare<'s>(&'s self, step: &'s Step) -> Result<Ready<'s>, Stop> {
        let address = &step.id.address;
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
            configured,
            schema,
            capability,
            config,
            planned: step.planned.clone(),
            planned_private: step.planned_private.clone(),
        };
        if !step.config.pending.is_empty() && matches!(step.id.effect, StepEffect::Create | StepEffect::Update) {
            self.plan_again(&mut ready, plain).await?;
        }
        Ok(ready)
    }

    /// Plans with known values, and holds the result against the plan: what was known must be the
    /// same, and an update must not have become a replacement.
    async fn plan_again(&self, ready: &mut Ready<'_>, config: Value) -> Result<(), Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let prior = step.observed.clone().unmark_deep().0;
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, 1, "", limit);
        let proposed = proposed_state(&ready.schema.block, &prior, &config);
        let request = PlanRequest {
            type_name: step.type_name.to_string(),
            config,
            prior: prior.clone(),
            proposed,
            prior_private: step.observed_private.clone(),
        };
        let response = within(limit, "plan", ready.configured.provider.plan(&context, request))
            .await
            .map_err(|error| stop_provider(&error))?;
        let planned = step.planned.clone().unmark_deep().0;
        if let Some(path) = first_broken(&planned, &response.planned, &Path::root()) {
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

    fn call(&self, ready: &Ready<'_>, attempt: u32, key: &str, limit: Duration) -> retrue_provider_api::Context {
        let step = ready.step;
        self.caller.context(Call {
            address: &step.id.address,
            id: Some(&step.id),
            step: &step.id.to_string(),
            attempt,
            idempotency_key: key,
            marker: Some(self.caller.marker(&step.id.address, &ObjectKey::Current, step.generation)),
            limit,
        })
    }

    fn check_conditions(
        &self,
        conditions: &[crate::plan::PendingCondition],
        itself: Option<&Value>,
        address: &str,
    ) -> Result<(), Stop> {
        for condition in conditions {
            let value = self.values.evaluate(&condition.condition, itself).map_err(|errors| {
                let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
                stop(codes::EVALUATION, Category::Validation, format!("{}: {}", condition.place, messages.join("; ")))
            })?;
            if holds(&value) != Some(true) {
                let message = self.values.evaluate(&condition.message, itself).ok();
                let text = message
                    .as_ref()
                    .filter(|message| !message.marks_deep().sensitive)
                    .and_then(Value::as_str)
                    .unwrap_or("the condition does not hold");
                let message = format!("`{address}`: {text} ({})", condition.place);
                return Err(stop(codes::CONDITION, Category::Validation, message));
            }
        }
        Ok(())
    }

    async fn read_data(&self, ready: &Ready<'_>, attempt: u32) -> Result<(StepResult, StepRef), Stop> {
        let step = ready.step;
        let reference = self.reference(step, attempt, "");
        self.caller.tell(RunEventKind::StepStarted(reference.clone()));
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, attempt, "", limit);
        let request = retrue_provider_api::DataRequest {
            type_name: step.type_name.to_string(),
            config: ready.config.clone().unmark_deep().0,
        };
        let state = within(limit, "read", ready.configured.provider.read_data(&context, request))
            .await
            .map_err(|error| stop_provider(&error))?;
        let state = mark_planned(&ready.schema.block, state, Some(&ready.config));
        self.values.put(&step.id.address, state.clone());
        let result = match self.check_conditions(&step.postconditions, Some(&state), &step.id.address.to_string()) {
            Ok(()) => StepResult::Applied,
            Err(Stop::Step(failure, _)) => StepResult::Partial(failure),
            Err(other) => return Err(other),
        };
        Ok((result, reference))
    }

    /// What was recorded for the object of a step, at rest.
    fn resting(&self, recorded: Option<&RecordedObject>) -> Option<RestingObject> {
        recorded.map(|object| RestingObject::new(object, self.caller.seal))
    }

    /// Steps that change nothing outside: the world is not touched, only what is recorded.
    async fn record_only(
        &self,
        ready: &Ready<'_>,
        recorded: Option<&RecordedObject>,
        attempt: u32,
    ) -> Result<(StepResult, StepRef), Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let from = step.moved_from.as_ref().unwrap_or(address);
        let reference = self.reference(step, attempt, "");
        if step.id.effect != StepEffect::Record {
            self.caller.tell(RunEventKind::StepStarted(reference.clone()));
        }
        let mut image = None;
        if step.id.effect == StepEffect::Adopt {
            let observed = self.observe(ready, recorded).await?;
            image = Some(self.take_image(ready, &observed, None).await?);
        }
        let state = match step.id.effect {
            StepEffect::Adopt | StepEffect::Record => ready.planned.clone(),
            _ => Value::null(Type::Dynamic),
        };
        let mut writes: Vec<Write> = Vec::new();
        let object = match step.id.effect {
            StepEffect::Forget => {
                writes.push(drop_object(from, &step.id.object));
                None
            }
            StepEffect::Depose => {
                let resting = self.resting(recorded);
                writes.push(drop_object(from, &ObjectKey::Current));
                if let Some(resting) = &resting {
                    let key = ObjectKey::Deposed(step.generation.to_string().into());
                    writes.push(put_object(address, &key, resting)?);
                }
                resting
            }
            _ => {
                let origin = match (&image, recorded) {
                    (Some(image), _) => Origin::Adopted(Some(image.clone())),
                    (None, Some(recorded)) => recorded.origin.clone(),
                    (None, None) => Origin::Created,
                };
                let mut object = self.template(ready, recorded, origin);
                object.attributes = state.clone();
                if let Some(recorded) = recorded {
                    object.run.clone_from(&recorded.run);
                    object.generation = recorded.generation;
                }
                let resting = RestingObject::new(&object, self.caller.seal);
                if from != address {
                    writes.push(drop_object(from, &ObjectKey::Current));
                }
                writes.push(put_object(address, &ObjectKey::Current, &resting)?);
                writes.push(put_generation(address, step.generation));
                Some(resting)
            }
        };
        let begin = self.begin(ready, attempt, "", &Value::null(Type::Dynamic), None);
        let image_event = self.image_event(image.as_ref(), None, recorded, step);
        let end = StepEnd { object, error: None };
        let done = match step.id.effect {
            StepEffect::Depose => Event::Deposed(Box::new(end)),
            _ => Event::StepApplied(Box::new(end)),
        };
        let entries = vec![
            Entry::of(&step.id, Event::Image(Box::new(image_event))),
            Entry::of(&step.id, Event::StepBegin(Box::new(begin))),
            Entry::of(&step.id, done).with(writes),
        ];
        crash_point!("apply/record/before");
        // A record that is only brought up to date is nothing that anybody would want to unwind.
        if step.id.effect != StepEffect::Record || step.moved_from.is_some() {
            self.caller.journal.had_effect();
        }
        self.caller.journal.write(entries).await?;
        crash_point!("apply/record/after");
        if matches!(step.id.effect, StepEffect::Adopt | StepEffect::Record) {
            self.values.put(address, state.clone());
        }
        let result = match self.check_conditions(&step.postconditions, Some(&state), &address.to_string()) {
            Ok(()) => StepResult::Applied,
            Err(Stop::Step(failure, _)) => StepResult::Partial(failure),
            Err(other) => return Err(other),
        };
        Ok((result, reference))
    }

    /// Steps that change something outside.
    async fn change(
        &self,
        ready: &Ready<'_>,
        recorded: Option<&RecordedObject>,
        attempt: u32,
    ) -> Result<(StepResult, StepRef), Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let effect = effect_of(step.id.effect);
        let planned_plain = ready.planned.clone().unmark_deep().0;
        let payload = blake3::hash(&canonical_bytes(&planned_plain)).to_hex().to_string();
        let key = self.caller.idempotency_key(&Work {
            address,
            object: &step.id.object,
            action: step.id.effect.word(),
            payload: &payload,
            generation: step.generation,
        });
        let reference = self.reference(step, attempt, &key);
        let observed = match effect {
            Effect::Create => {
                self.look_before_create(ready).await?;
                None
            }
            Effect::Update | Effect::Delete => Some(self.observe(ready, recorded).await?),
        };
        let image = match &observed {
            Some(observed) => Some(self.take_image(ready, observed, Some(effect)).await?),
            None => None,
        };
        let restore = restore_image(step, recorded);
        let template = self.new_template(ready, recorded, image.as_ref());
        let begin = self.begin(ready, attempt, &key, &ready.planned, template.as_ref());
        let image_event = self.image_event(image.as_ref(), observed.as_ref(), recorded, step);
        let mut begin_writes = Vec::new();
        if effect == Effect::Create || step.adopts {
            begin_writes.push(put_generation(address, step.generation));
        }
        crash_point!("apply/begin/before");
        // CRASH: before this nothing is written and nothing was done; after it the step is in doubt.
        self.caller
            .journal
            .write(vec![
                Entry::of(&step.id, Event::Image(Box::new(image_event))),
                Entry::of(&step.id, Event::StepBegin(Box::new(begin))).with(begin_writes),
            ])
            .await?;
        crash_point!("apply/begin/after");
        self.caller.tell(RunEventKind::StepStarted(reference.clone()));
        let limit = step.lifecycle.timeout.unwrap_or(match effect {
            Effect::Create => ready.capability.time_limits.create,
            Effect::Update => ready.capability.time_limits.update,
            Effect::Delete => ready.capability.time_limits.delete,
        });
        let context = self.call(ready, attempt, &key, limit);
        let config = match &step.restores {
            true => recorded.map_or_else(|| Value::null(Type::Dynamic), |recorded| recorded.config.clone()),
            false => ready.config.clone(),
        };
        let change = Change {
            type_name: step.type_name.to_string(),
            effect,
            config: config.unmark_deep().0,
            prior: observed.as_ref().map_or_else(|| Value::null(Type::Dynamic), |observed| observed.state.clone()),
            prior_private: private_of(observed.as_ref(), recorded),
            planned: planned_plain.clone(),
            planned_private: ready.planned_private.clone(),
            identity: observed.as_ref().and_then(|observed| observed.identity.clone()),
            restore,
        };
        let apply = ready.configured.provider.apply(&context, change);
        let outcome = match tokio::time::timeout(limit + GRACE, apply).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown {
                error: ProviderError::new(
                    Category::TimeOut,
                    step.id.effect.word(),
                    format!("no answer within {} s", limit.as_secs()),
                ),
                best_known: None,
            },
        };
        crash_point!("apply/effect/after");
        // CRASH: the effect happened, and nothing says so: recovery looks at the world.
        let result = self.end(ready, effect, outcome, template, &planned_plain).await?;
        Ok((result, reference))
    }

    /// Writes down what came of a change, the state before the error, and verifies.
    async fn end(
        &self,
        ready: &Ready<'_>,
        effect: Effect,
        outcome: Outcome,
        template: Option<RecordedObject>,
        planned: &Value,
    ) -> Result<StepResult, Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let from = step.moved_from.as_ref().unwrap_or(address);
        let seal = self.caller.seal;
        let object_after = |applied: &Applied, status: ObjectStatus| -> Option<RecordedObject> {
            let gone = applied.state.is_null() || effect == Effect::Delete || step.restores;
            let template = template.as_ref()?;
            (!gone).then(|| RecordedObject {
                status,
                attributes: mark_planned(&ready.schema.block, applied.state.clone(), Some(&ready.planned)),
                private: applied.private.clone(),
                identity: applied.identity.clone(),
                ..template.clone()
            })
        };
        let writes_for = |object: Option<&RestingObject>| -> Result<Vec<Write>, Stop> {
            let mut writes = Vec::new();
            if from != address {
                writes.push(drop_object(from, &ObjectKey::Current));
            }
            writes.push(match object {
                Some(resting) => put_object(address, &step.id.object, resting)?,
                None => drop_object(address, &step.id.object),
            });
            Ok(writes)
        };
        let (entries, result, verified) = match outcome {
            Outcome::Applied(applied) => {
                let object = object_after(&applied, ObjectStatus::Ok);
                let resting = object.as_ref().map(|object| RestingObject::new(object, seal));
                let writes = writes_for(resting.as_ref())?;
                let state = object.map_or_else(|| Value::null(Type::Dynamic), |object| object.attributes);
                let end = StepEnd { object: resting, error: None };
                let mut entries = vec![Entry::of(&step.id, Event::StepApplied(Box::new(end))).with(writes)];
                let check = match effect {
                    Effect::Delete => None,
                    _ if ready.capability.reads_back => {
                        let differing = differing_known(&ready.schema.block, planned, &applied.state);
                        entries.push(Entry::of(&step.id, verdict(&differing)));
                        Some(differing)
                    }
                    _ => None,
                };
                (entries, Ok(state), check)
            }
            Outcome::Partial { applied, error } => {
                // After a create it is replaced next time; after an update it is as it was returned.
                let status = if effect == Effect::Create { ObjectStatus::Tainted } else { ObjectStatus::Ok };
                let object = if effect == Effect::Delete { template.clone() } else { object_after(&applied, status) };
                let resting = object.as_ref().map(|object| RestingObject::new(object, seal));
                let writes = writes_for(resting.as_ref())?;
                let failed = failure(codes::PROVIDER, &error);
                let end = StepEnd { object: resting, error: Some(failed.clone()) };
                (
                    vec![Entry::of(&step.id, Event::StepPartial(Box::new(end))).with(writes)],
                    Err(StepResult::Partial(failed)),
                    None,
                )
            }
            Outcome::NotApplied(error) => {
                let failed = failure(codes::PROVIDER, &error);
                let entry = Entry::of(&step.id, Event::StepNotApplied(failed.clone()));
                (vec![entry], Err(StepResult::NotApplied(failed)), None)
            }
            Outcome::Unknown { error, best_known } => {
                let failed = failure(codes::PROVIDER, &error);
                let object = best_known
                    .as_deref()
                    .and_then(|applied| object_after(applied, ObjectStatus::Tainted))
                    .map(|object| RestingObject::new(&object, seal));
                let end = StepEnd { object, error: Some(failed.clone()) };
                let entry = Entry::of(&step.id, Event::StepUnknown(Box::new(end)));
                (vec![entry], Err(StepResult::Unknown(failed)), None)
            }
        };
        self.caller.journal.had_effect();
        crash_point!("apply/end/before");
        self.caller.journal.write(entries).await?;
        crash_point!("apply/end/after");
        let state = match result {
            Ok(state) => state,
            Err(failed) => return Ok(failed),
        };
        let known_under = if step.id.object == ObjectKey::Current { Some(address) } else { None };
        if let Some(address) = known_under {
            self.values.put(address, state.clone());
        }
        let differing = match verified {
            Some(differing) => Some(differing),
            None if effect != Effect::Delete && ready.capability.observes && !step.restores => {
                self.verify(ready, &state, planned).await?
            }
            None => None,
        };
        if let Some(differing) = differing {
            let differing = differing.iter().map(ToString::to_string).collect();
            self.caller.tell(RunEventKind::Verified { address: address.clone(), differing });
        }
        match self.check_conditions(&step.postconditions, Some(&state), &address.to_string()) {
            Ok(()) => Ok(StepResult::Applied),
            Err(Stop::Step(failure, _)) => Ok(StepResult::Partial(failure)),
            Err(other) => Err(other),
        }
    }

    /// Reads again, patiently within the settling time of the type. A mismatch taints nothing.
    async fn verify(&self, ready: &Ready<'_>, state: &Value, planned: &Value) -> Result<Option<Vec<Path>>, Stop> {
        let step = ready.step;
        let began = Instant::now();
        let mut wait = Duration::from_millis(50);
        let differing = loop {
            let request = ReadRequest {
                type_name: step.type_name.to_string(),
                state: state.clone().unmark_deep().0,
                config: ready.config.clone().unmark_deep().0,
                private: Private::default(),
                identity: None,
            };
            let limit = ready.capability.time_limits.read;
            let context = self.call(ready, 1, "", limit);
            let differing = match within(limit, "read", ready.configured.provider.read(&context, request)).await {
                Ok(Some(observed)) => differing_known(&ready.schema.block, planned, &observed.state),
                Ok(None) => vec![Path::root()],
                // What cannot be read now is seen by the next reconcile.
                Err(_) => return Ok(None),
            };
            if differing.is_empty() || began.elapsed() >= ready.capability.settles_within {
                break differing;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        };
        self.caller.journal.write(vec![Entry::of(&step.id, verdict(&differing))]).await?;
        Ok(Some(differing))
    }

    /// Makes sure that nothing with the identity of a create is there.
    async fn look_before_create(&self, ready: &Ready<'_>) -> Result<(), Stop> {
        let step = ready.step;
        let config = ready.config.clone().unmark_deep().0;
        let marker = match ready.capability.findable {
            Findable::ByIdentity => None,
            Findable::ByMarker => Some(self.caller.marker(&step.id.address, &ObjectKey::Current, step.generation)),
            Findable::No | Findable::NothingOutside => return Ok(()),
        };
        let has_identity = ready.schema.block.identity_attributes().next().is_some()
            || ready.configured.provider.identity(&step.type_name, &config).is_some();
        if marker.is_none() && !has_identity {
            return Ok(());
        }
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, 1, "", limit);
        let request = FindRequest { type_name: step.type_name.to_string(), config, marker };
        match within(limit, "find", ready.configured.provider.find(&context, request)).await {
            Ok(Found::None) => Ok(()),
            Ok(Found::One(_) | Found::Many(_)) => {
                let code = match step.existing {
                    ExistingObject::Absent => codes::WORLD_MOVED,
                    _ => codes::EXISTS,
                };
                let message =
                    format!("`{}`: something with its identity exists, and the plan did not see it", step.id.address);
                Err(stop(code, Category::Conflict, message))
            }
            Err(error) => Err(stop_provider(&error)),
        }
    }

    /// Reads the object just before the step, and makes sure that it is what the plan saw.
    async fn observe(&self, ready: &Ready<'_>, recorded: Option<&RecordedObject>) -> Result<Observed, Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, 1, "", limit);
        let (state, private, identity, config) = match recorded {
            Some(recorded) => (
                recorded.attributes.clone().unmark_deep().0,
                recorded.private.clone(),
                recorded.identity.clone(),
                recorded.config.clone().unmark_deep().0,
            ),
            None => (
                step.observed.clone().unmark_deep().0,
                step.observed_private.clone(),
                step.observed_identity.clone(),
                ready.config.clone().unmark_deep().0,
            ),
        };
        let request = ReadRequest { type_name: step.type_name.to_string(), state, config, private, identity };
        let found = within(limit, "read", ready.configured.provider.read(&context, request))
            .await
            .map_err(|error| stop_provider(&error))?;
        let moved = |what: &str| {
            stop(codes::WORLD_MOVED, Category::Conflict, format!("`{address}` {what} since the plan was made"))
        };
        let observed = found.ok_or_else(|| moved("has disappeared"))?;
        if fingerprint(&step.fingerprint_of, &observed.state, self.caller.seal) != step.fingerprint {
            return Err(moved("was changed"));
        }
        Ok(observed)
    }

    async fn take_image(&self, ready: &Ready<'_>, observed: &Observed, effect: Option<Effect>) -> Result<Image, Stop> {
        let step = ready.step;
        let limit = ready.capability.time_limits.update;
        let context = self.call(ready, 1, "", limit);
        let request = ImageRequest {
            object: ReadRequest {
                type_name: step.type_name.to_string(),
                state: observed.state.clone(),
                config: ready.config.clone().unmark_deep().0,
                private: observed.private.clone(),
                identity: observed.identity.clone(),
            },
            effect,
            planned: ready.planned.clone().unmark_deep().0,
        };
        let image = within(limit, "image", ready.configured.provider.image(&context, request))
            .await
            .map_err(|error| stop_provider(&error))?;
        Ok(Image { state: mark_planned(&ready.schema.block, image.state, Some(&step.observed)), ..image })
    }

    fn image_event(
        &self,
        image: Option<&Image>,
        observed: Option<&Observed>,
        recorded: Option<&RecordedObject>,
        step: &Step,
    ) -> ImageEvent {
        let seal = self.caller.seal;
        ImageEvent {
            moved_from: step.moved_from.clone(),
            image: image.map(|image| StoredImage {
                image: RestingImage::new(image, seal),
                identity: observed
                    .and_then(|observed| observed.identity.as_ref())
                    .map(|identity| RestingValue::new(identity, seal)),
            }),
            recorded: self.resting(recorded),
            config: recorded.map_or_else(RestingValue::null, |recorded| RestingValue::new(&recorded.config, seal)),
            provenance: recorded.map(|recorded| recorded.provenance.clone()).unwrap_or_default(),
        }
    }

    /// What will be recorded, but for what only the provider can say.
    fn template(&self, ready: &Ready<'_>, recorded: Option<&RecordedObject>, origin: Origin) -> RecordedObject {
        let step = ready.step;
        let config = match recorded {
            Some(recorded) if ready.config.is_null() => recorded.config.clone(),
            _ => ready.config.clone(),
        };
        RecordedObject {
            status: ObjectStatus::Ok,
            attributes: ready.planned.clone(),
            config: without_write_only(ready.schema, config),
            private: recorded.map(|recorded| recorded.private.clone()).unwrap_or_default(),
            identity: recorded.and_then(|recorded| recorded.identity.clone()),
            schema_version: step.schema_version,
            provider: ProviderRef {
                provider: ready.configured.instance.provider.to_string(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                hash: String::new(),
                instance: step.provider.to_string(),
            },
            provenance: step.provenance.clone(),
            dependencies: step.dependencies.clone(),
            generation: step.generation,
            run: self.caller.journal.run().to_owned(),
            origin,
            lifecycle: step.lifecycle.clone(),
        }
    }

    fn new_template(
        &self,
        ready: &Ready<'_>,
        recorded: Option<&RecordedObject>,
        image: Option<&Image>,
    ) -> Option<RecordedObject> {
        let step = ready.step;
        match step.id.effect {
            StepEffect::Create => Some(self.template(ready, None, Origin::Created)),
            StepEffect::Update if step.adopts => Some(self.template(ready, None, Origin::Adopted(image.cloned()))),
            StepEffect::Update => {
                let origin = recorded.map_or(Origin::Created, |recorded| recorded.origin.clone());
                Some(self.template(ready, recorded, origin))
            }
            // What a delete leaves behind, when it is not carried out in full.
            _ => recorded.cloned(),
        }
    }

    fn begin(
        &self,
        ready: &Ready<'_>,
        attempt: u32,
        key: &str,
        planned: &Value,
        template: Option<&RecordedObject>,
    ) -> StepBegin {
        let seal: &dyn Seal = self.caller.seal;
        let step = ready.step;
        StepBegin {
            attempt,
            idempotency_key: key.to_owned(),
            type_name: step.type_name.to_string(),
            provider: step.provider.to_string(),
            config: RestingValue::new(&without_write_only(ready.schema, ready.config.clone()), seal),
            planned: RestingValue::new(planned, seal),
            generation: step.generation,
            dependencies: step.dependencies.clone(),
            reversibility: step.reversibility.clone(),
            template: template.map(|template| RestingObject::new(template, seal)),
        }
    }
}

fn effect_of(effect: StepEffect) -> Effect {
    match effect {
        StepEffect::Create => Effect::Create,
        StepEffect::Delete => Effect::Delete,
        _ => Effect::Update,
    }
}

fn restore_image(step: &Step, recorded: Option<&RecordedObject>) -> Option<Image> {
    match recorded.map(|recorded| &recorded.origin) {
        Some(Origin::Adopted(Some(image))) if step.restores => {
            Some(Image { state: image.state.clone().unmark_deep().0, ..image.clone() })
        }
        _ => None,
    }
}

fn private_of(observed: Option<&Observed>, recorded: Option<&RecordedObject>) -> Private {
    match (observed, recorded) {
        (Some(observed), _) if !observed.private.0.is_empty() => observed.private.clone(),
        (_, Some(recorded)) => recorded.private.clone(),
        _ => Private::default(),
    }
}

fn verdict(differing: &[Path]) -> Event {
    if differing.is_empty() {
        Event::StepVerified
    } else {
        Event::StepVerifyMismatch { attributes: differing.to_vec() }
    }
}

/// The attributes that were planned, were known, and turned out different. What changes by itself,
/// or is never given back, does not count.
pub fn differing_known(block: &Block, planned: &Value, found: &Value) -> Vec<Path> {
    differing_attributes(planned, found)
        .into_iter()
        .filter(|path| {
            path.first_attribute()
                .and_then(|name| block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
        .filter(|path| match (path.get(planned), path.get(found)) {
            (Some(planned), Some(found)) => first_broken(planned, found, &Path::root()).is_some(),
            (Some(planned), None) => !planned.is_null() && planned.is_known(),
            _ => false,
        })
        .collect()
}

/// The first part of `planned` that was known and that `found` does not have.
pub fn first_broken(planned: &Value, found: &Value, at: &Path) -> Option<Path> {
    use retrue_provider_api::{Data, PathStep};
    match (planned.data(), found.data()) {
        (Data::Unknown(..), _) => None,
        (Data::Object(before) | Data::Map(_, before), Data::Object(after) | Data::Map(_, after)) => {
            for (name, planned) in before.iter() {
                let at = at.child(PathStep::Attribute(Arc::clone(name)));
                match after.get(name) {
                    Some(found) => {
                        if let Some(path) = first_broken(planned, found, &at) {
                            return Some(path);
                        }
                    }
                    None if planned.is_null() || !planned.is_known() => {}
                    None => return Some(at),
                }
            }
            after
                .keys()
                .find(|name| !before.contains_key(*name) && after.get(*name).is_some_and(|value| !value.is_null()))
                .map(|name| at.child(PathStep::Attribute(Arc::clone(name))))
        }
        (Data::List(_, before) | Data::Tuple(before), Data::List(_, after) | Data::Tuple(after))
            if before.len() == after.len() =>
        {
            before
                .iter()
                .zip(after.iter())
                .enumerate()
                .find_map(|(index, (planned, found))| first_broken(planned, found, &at.child(PathStep::Index(index))))
        }
        (Data::Set(_, before), _) if !before.iter().all(Value::is_wholly_known) => None,
        (Data::Null(_), Data::Null(_)) => None,
        _ if planned.same(found) => None,
        _ => Some(at.clone()),
    }
}

/// The configuration without what is sent and never kept.
fn without_write_only(schema: &TypeSchema, config: Value) -> Value {
    schema.block.attributes.iter().filter(|(_, attribute)| attribute.write_only).fold(
        config,
        |config, (name, attribute)| match config.get(name) {
            Some(value) if !value.is_null() => config.with_attribute(name, Value::null(attribute.value_type())),
            _ => config,
        },
    )
}

/// Brings what was evaluated while applying to the types of the schema.
fn conform(schema: &TypeSchema, config: Value) -> Result<Value, String> {
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

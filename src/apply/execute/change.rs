//! Steps that change something outside, and data that is read.

use std::sync::PoisonError;
use std::time::Duration;

use retrue_provider_api::{
    Applied, Category, Change, Effect, Image, Observed, Outcome, Path, Private, ReadRequest, Type, Value,
    canonical_bytes,
};

use crate::apply::codes;
use crate::apply::context::{Work, failure, is_over};
use crate::apply::settle::{Verdict, examine, write_verdict};
use crate::apply::writes::{drop_object, put_effects, put_generation, put_object};
use crate::engine::{RunEventKind, StepRef};
use crate::plan::compare::with_kept;
use crate::plan::marks::mark_planned;
use crate::plan::{Degraded, ObjectKey, Step, StepEffect};
use crate::rest::masked_near;
use crate::saga::history::StepHistory;
use crate::saga::journal::Entry;
use crate::saga::machine::StepStatus;
use crate::saga::{Event, ObjectStatus, Origin, RecordedObject, ResolvedOutcome, RestingObject, StepEnd};
use crate::store::Write;
use crate::{broken, crash_point};

use super::compare::differing_known;
use super::*;

impl Executor<'_> {
    pub(super) async fn read_data(&self, ready: &Ready<'_>) -> Result<(StepResult, StepRef), Stop> {
        let step = ready.step;
        let reference = self.reference(step, ready.attempt, "");
        self.caller.tell(RunEventKind::StepStarted(reference.clone()));
        let limit = step.lifecycle.timeout.unwrap_or(ready.capability.time_limits.read);
        let context = self.call(ready, "", limit);
        let request = retrue_provider_api::DataRequest {
            type_name: step.type_name.to_string(),
            config: ready.config.clone().unmark_deep().0,
        };
        let mut warnings = Vec::new();
        let state = match ready.configured.provider.read_data(&context, request).await {
            Ok(state) => {
                let state = mark_planned(&ready.schema.block, state, Some(&ready.config));
                self.values.put(&step.id.address, state.clone());
                state
            }
            Err(error) => {
                let chain = step.fallback.iter().flat_map(|fallback| &fallback.instead);
                let Some(instead) = chain.into_iter().next().filter(|_| error.category != Category::Validation) else {
                    return Err(stop_provider(&error, &ready.secrets()));
                };
                let why = masked_near(&format!("{error:#}"), &ready.secrets());
                let reason = format!("it could not be read ({why}): {} stands in its place", instead.what);
                let degraded = Degraded { address: step.id.address.clone(), reason };
                self.degraded.lock().unwrap_or_else(PoisonError::into_inner).push(degraded);
                warnings.push(format!("{} stands in its place", instead.what));
                let state = mark_planned(&ready.schema.block, instead.value.clone(), Some(&ready.config));
                self.values.put_instead(&step.id.address, state.clone());
                state
            }
        };
        let result = match self.check_conditions(&step.postconditions, Some(&state), &step.id.address.to_string()) {
            Ok(()) => StepResult::Applied(warnings),
            Err(Stop::Step(failure, _)) => StepResult::Partial(failure),
            Err(other) => return Err(other),
        };
        Ok((result, reference))
    }

    /// Steps that change something outside. `number` is that of the effect among all on the address.
    pub(super) async fn change(
        &self,
        ready: &Ready<'_>,
        recorded: Option<&RecordedObject>,
        number: u64,
    ) -> Result<(StepResult, StepRef), Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let effect = effect_of(step.id.effect);
        let planned_plain = ready.planned.clone().unmark_deep().0;
        let payload = blake3::hash(&canonical_bytes(&planned_plain)).to_hex().to_string();
        let key = self.caller.idempotency_key(&Work {
            address,
            object: &step.id.object,
            action: step.word(),
            payload: &payload,
            generation: step.generation,
            effect: number,
        });
        let reference = self.reference(step, ready.attempt, &key);
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
        let image = match image {
            Some(image) if broken!(ImageAfterEffect) => Some(Image { state: ready.planned.clone(), ..image }),
            image => image,
        };
        let restore = restore_image(step, recorded);
        let template = self.new_template(ready, recorded, image.as_ref());
        let begin = self.begin(ready, &key, &ready.planned, template.as_ref());
        let image_event = self.image_event(image.as_ref(), observed.as_ref(), recorded, step);
        let mut begin_writes = vec![put_effects(address, number)];
        if effect == Effect::Create || step.adopts {
            begin_writes.push(put_generation(address, step.generation));
        }
        crash_point!("apply/begin/before");
        // CRASH: before this nothing is written and nothing was done; after it the step is in doubt.
        let mut begun = vec![
            Entry::of(&step.id, Event::Image(Box::new(image_event))),
            Entry::of(&step.id, Event::StepBegin(Box::new(begin))).with(begin_writes),
        ];
        if !broken!(BeginAfterEffect) {
            self.caller.journal.write(std::mem::take(&mut begun)).await?;
        }
        crash_point!("apply/begin/after");
        self.caller.tell(RunEventKind::StepStarted(reference.clone()));
        let limit = step.lifecycle.timeout.unwrap_or(match effect {
            Effect::Create => ready.capability.time_limits.create,
            Effect::Update => ready.capability.time_limits.update,
            Effect::Delete => ready.capability.time_limits.delete,
        });
        let context = self.call(ready, &key, limit);
        let config = match &step.restores {
            true => recorded.map_or_else(|| Value::null(Type::Dynamic), |recorded| recorded.config.clone()),
            false => ready.config.clone(),
        };
        let before = observed.as_ref().map_or_else(|| Value::null(Type::Dynamic), |observed| observed.state.clone());
        let config = with_kept(&ready.schema.block, config.unmark_deep().0, &step.kept, &before);
        let change = Change {
            type_name: step.type_name.to_string(),
            effect,
            config,
            prior: before,
            prior_private: private_of(observed.as_ref(), recorded),
            planned: planned_plain.clone(),
            planned_private: ready.planned_private.clone(),
            identity: observed.as_ref().and_then(|observed| observed.identity.clone()),
            restore,
        };
        let apply = ready.configured.provider.apply(&context, change.clone());
        if broken!(EndBeforeEffect) && effect == Effect::Delete {
            let gone = Outcome::Applied(Applied::gone());
            let result = self.end(ready, effect, gone, template, &planned_plain).await?;
            let _ = apply.await;
            return Ok((result, reference));
        }
        let again = |attempt| retrue_provider_api::Context { attempt, ..self.call(ready, &key, limit) };
        let (outcome, attempt) = self.finish(ready, &reference, &change, &again, apply.await).await;
        let reference = StepRef { attempt, ..reference };
        if broken!(BeginAfterEffect) {
            self.caller.journal.write(begun).await?;
        }
        crash_point!("apply/effect/after");
        // CRASH: the effect happened, and nothing says so: recovery looks at the world.
        let result = self.end(ready, effect, outcome, template, &planned_plain).await?;
        let result = match result {
            StepResult::Unknown(failure) if self.is_over(ready, &failure) => {
                // What was written down, once more: it is needed so seldom that nobody keeps it.
                let template = self.new_template(ready, recorded, image.as_ref());
                let history = StepHistory {
                    id: step.id.clone(),
                    image: Some(self.image_event(image.as_ref(), observed.as_ref(), recorded, step)),
                    begin: Some(self.begin(ready, &key, &ready.planned, template.as_ref())),
                    status: StepStatus::Unknown,
                    object: None,
                    failure: Some(failure.clone()),
                    has_child: true,
                    position: 0,
                };
                self.settle(ready, &history, failure).await?
            }
            result => result,
        };
        Ok((result, reference))
    }

    /// Whether the other side has done with a change of which nobody knows what came.
    fn is_over(&self, ready: &Ready<'_>, failure: &StepFailure) -> bool {
        is_over(&ready.capability, failure) && !self.caller.cancellation.soft.is_cancelled()
    }

    /// Looks at the world for what came of a change, and writes down what it says, if it says it.
    async fn settle(&self, ready: &Ready<'_>, history: &StepHistory, failure: StepFailure) -> Result<StepResult, Stop> {
        let step = ready.step;
        let Verdict::Settled { outcome, object, how } = examine(self.caller, history, self.providers).await else {
            return Ok(StepResult::Unknown(failure));
        };
        // A new object may be there and not be ready: what waits for it would go on with half of it. The next run
        // reads it again before it plans.
        if outcome == ResolvedOutcome::Applied && step.id.effect == StepEffect::Create && self.is_waited_for(step) {
            return Ok(StepResult::Unknown(failure));
        }
        let state = match (&object, outcome) {
            (Some(object), _) => object.attributes.clone(),
            (None, _) => Value::null(Type::Dynamic),
        };
        let run = self.caller.journal.run();
        write_verdict(self.caller, run, history, outcome, object.map(|object| *object), &how).await?;
        match outcome {
            ResolvedOutcome::NotApplied => return Ok(StepResult::NotApplied(failure)),
            ResolvedOutcome::Partial => {
                let message = format!("{}; {how}", failure.message);
                return Ok(StepResult::Partial(StepFailure { message, ..failure }));
            }
            ResolvedOutcome::Applied => {}
        }
        let address = &step.id.address;
        if step.id.object == ObjectKey::Current {
            self.values.put(address, state.clone());
        }
        match self.check_conditions(&step.postconditions, Some(&state), &address.to_string()) {
            Ok(()) => Ok(StepResult::Applied(Vec::new())),
            Err(Stop::Step(failure, _)) => Ok(StepResult::Partial(failure)),
            Err(other) => Err(other),
        }
    }

    /// Whether other steps refer to what a step makes.
    fn is_waited_for(&self, step: &Step) -> bool {
        self.plan
            .steps
            .iter()
            .any(|other| other.id.address != step.id.address && other.dependencies.contains(&step.id.address.block))
    }

    /// Writes down what came of a change, the state before the error, and verifies.
    pub(super) async fn end(
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
        // What is restored to what it was before it was ours is let go, once that is done in full.
        let object_after = |applied: &Applied, status: ObjectStatus, whole: bool| -> Option<RecordedObject> {
            let gone = applied.state.is_null() || effect == Effect::Delete || (step.restores && whole);
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
                writes.push(drop_object(from, &step.id.object));
            }
            writes.push(match object {
                Some(resting) => put_object(address, &step.id.object, resting)?,
                None => drop_object(address, &step.id.object),
            });
            if broken!(GenerationReused) && object.is_none() {
                writes.push(put_generation(address, 0));
            }
            Ok(writes)
        };
        let mut warnings = Vec::new();
        let outcome = match outcome {
            Outcome::Partial { error, .. } if broken!(StateThrownAway) => Outcome::NotApplied(error),
            outcome => outcome,
        };
        // What is in doubt is counted as that, until somebody knows.
        let changed = matches!(outcome, Outcome::Applied(_) | Outcome::Partial { .. });
        let (entries, result, verified) = match outcome {
            Outcome::Applied(applied) => {
                let object = object_after(&applied, ObjectStatus::Ok, true);
                warnings.extend(applied.warnings.iter().map(|warning| masked_near(warning, &ready.secrets())));
                let resting = object.as_ref().map(|object| RestingObject::new(object, seal));
                let writes = writes_for(resting.as_ref())?;
                let state = object.map_or_else(|| Value::null(Type::Dynamic), |object| object.attributes);
                let end = StepEnd { object: resting, error: None };
                let mut entries = vec![Entry::of(&step.id, Event::StepApplied(Box::new(end))).with(writes)];
                let check = match effect {
                    Effect::Delete => None,
                    _ if ready.capability.reads_back => {
                        // A provider that holds its results against the plan by rules of its own has done so.
                        let differing = match ready.capability.checks_plans {
                            true => Vec::new(),
                            false => differing_known(&ready.schema.block, planned, &applied.state),
                        };
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
                let object =
                    if effect == Effect::Delete { template.clone() } else { object_after(&applied, status, false) };
                let resting = object.as_ref().map(|object| RestingObject::new(object, seal));
                let writes = writes_for(resting.as_ref())?;
                let failed = failure(codes::PROVIDER, &error, &ready.secrets());
                let end = StepEnd { object: resting, error: Some(failed.clone()) };
                (
                    vec![Entry::of(&step.id, Event::StepPartial(Box::new(end))).with(writes)],
                    Err(StepResult::Partial(failed)),
                    None,
                )
            }
            Outcome::NotApplied(error) => {
                let failed = failure(codes::PROVIDER, &error, &ready.secrets());
                let entry = Entry::of(&step.id, Event::StepNotApplied(failed.clone()));
                (vec![entry], Err(StepResult::NotApplied(failed)), None)
            }
            Outcome::Unknown { error, best_known } => {
                let failed = failure(codes::PROVIDER, &error, &ready.secrets());
                let object = best_known
                    .as_deref()
                    .and_then(|applied| object_after(applied, ObjectStatus::Tainted, false))
                    .map(|object| RestingObject::new(&object, seal));
                let end = StepEnd { object, error: Some(failed.clone()) };
                let entry = Entry::of(&step.id, Event::StepUnknown(Box::new(end)));
                (vec![entry], Err(StepResult::Unknown(failed)), None)
            }
        };
        if changed {
            self.caller.journal.had_effect();
        }
        crash_point!("apply/end/before");
        if broken!(EndNotWaitedFor) {
            let journal = std::sync::Arc::clone(&self.caller.journal);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                journal.write(entries).await
            });
        } else {
            self.caller.journal.write(entries).await?;
        }
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
            Ok(()) => Ok(StepResult::Applied(warnings)),
            Err(Stop::Step(failure, _)) => Ok(StepResult::Partial(failure)),
            Err(other) => Err(other),
        }
    }

    /// Reads again, patiently within the settling time of the type. A mismatch taints nothing.
    pub(super) async fn verify(
        &self,
        ready: &Ready<'_>,
        state: &Value,
        planned: &Value,
    ) -> Result<Option<Vec<Path>>, Stop> {
        let step = ready.step;
        let mut waited = Duration::ZERO;
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
            let context = self.call(ready, "", limit);
            let differing = match ready.configured.provider.read(&context, request).await {
                Ok(Some(observed)) => differing_known(&ready.schema.block, planned, &observed.state),
                Ok(None) => vec![Path::root()],
                // What cannot be read now is seen by the next reconcile.
                Err(_) => return Ok(None),
            };
            if differing.is_empty() || waited >= ready.capability.settles_within {
                break differing;
            }
            tokio::time::sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(Duration::from_secs(2));
        };
        self.caller.journal.write(vec![Entry::of(&step.id, verdict(&differing))]).await?;
        Ok(Some(differing))
    }
}

pub(super) fn effect_of(effect: StepEffect) -> Effect {
    match effect {
        StepEffect::Create => Effect::Create,
        StepEffect::Delete => Effect::Delete,
        _ => Effect::Update,
    }
}

pub(super) fn restore_image(step: &Step, recorded: Option<&RecordedObject>) -> Option<Image> {
    match recorded.map(|recorded| &recorded.origin) {
        Some(Origin::Adopted(Some(image))) if step.restores => {
            Some(Image { state: image.state.clone().unmark_deep().0, ..image.clone() })
        }
        _ => None,
    }
}

pub(super) fn private_of(observed: Option<&Observed>, recorded: Option<&RecordedObject>) -> Private {
    match (observed, recorded) {
        (Some(observed), _) if !observed.private.0.is_empty() => observed.private.clone(),
        (_, Some(recorded)) => recorded.private.clone(),
        _ => Private::default(),
    }
}

pub(super) fn verdict(differing: &[Path]) -> Event {
    if differing.is_empty() {
        Event::StepVerified
    } else {
        Event::StepVerifyMismatch { attributes: differing.to_vec() }
    }
}

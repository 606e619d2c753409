//! What is recorded of a step, and steps that change nothing but the record.

use retrue_provider_api::{Image, Observed, Type, Value, sets_write_only, without_write_only};

use crate::apply::writes::{drop_object, put_generation, put_object};
use crate::crash_point;
use crate::engine::{RunEventKind, StepRef};
use crate::plan::{ObjectKey, Step, StepEffect};
use crate::rest::{RestingValue, Seal};
use crate::saga::journal::Entry;
use crate::saga::object::RestingImage;
use crate::saga::{
    Event, ImageEvent, ObjectStatus, Origin, RecordedObject, RestingObject, StepBegin, StepEnd, StoredImage,
};
use crate::store::Write;

use super::*;

impl Executor<'_> {
    /// What was recorded for the object of a step, at rest.
    pub(super) fn resting(&self, recorded: Option<&RecordedObject>) -> Option<RestingObject> {
        recorded.map(|object| RestingObject::new(object, self.caller.seal))
    }

    /// Steps that change nothing outside: the world is not touched, only what is recorded.
    pub(super) async fn record_only(
        &self,
        ready: &Ready<'_>,
        recorded: Option<&RecordedObject>,
    ) -> Result<(StepResult, StepRef), Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let from = step.moved_from.as_ref().unwrap_or(address);
        let reference = self.reference(step, ready.attempt, "");
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
        let begin = self.begin(ready, "", &Value::null(Type::Dynamic), None);
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
            Ok(()) => StepResult::Applied(Vec::new()),
            Err(Stop::Step(failure, _)) => StepResult::Partial(failure),
            Err(other) => return Err(other),
        };
        Ok((result, reference))
    }

    pub(super) fn image_event(
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
    pub(super) fn template(
        &self,
        ready: &Ready<'_>,
        recorded: Option<&RecordedObject>,
        origin: Origin,
    ) -> RecordedObject {
        let step = ready.step;
        let config = match recorded {
            Some(recorded) if ready.config.is_null() => recorded.config.clone(),
            _ => ready.config.clone(),
        };
        RecordedObject {
            status: ObjectStatus::Ok,
            attributes: ready.planned.clone(),
            config: without_write_only(&ready.schema.block, &config),
            private: recorded.map(|recorded| recorded.private.clone()).unwrap_or_default(),
            identity: recorded.and_then(|recorded| recorded.identity.clone()),
            schema_version: step.schema_version,
            provider: ready.configured.recorded_as(&step.provider),
            provenance: step.provenance.clone(),
            dependencies: step.dependencies.clone(),
            generation: step.generation,
            run: self.caller.journal.run().to_owned(),
            origin,
            lifecycle: step.lifecycle.clone(),
            sent_write_only: match ready.config.is_null() {
                true => recorded.is_some_and(|recorded| recorded.sent_write_only),
                false => sets_write_only(&ready.schema.block, &ready.config),
            },
            owed: recorded.map(|recorded| recorded.owed.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn new_template(
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

    pub(super) fn begin(
        &self,
        ready: &Ready<'_>,
        key: &str,
        planned: &Value,
        template: Option<&RecordedObject>,
    ) -> StepBegin {
        let seal: &dyn Seal = self.caller.seal;
        let step = ready.step;
        StepBegin {
            attempt: ready.attempt,
            idempotency_key: key.to_owned(),
            type_name: step.type_name.to_string(),
            provider: step.provider.to_string(),
            config: RestingValue::new(&without_write_only(&ready.schema.block, &ready.config), seal),
            planned: RestingValue::new(planned, seal),
            generation: step.generation,
            dependencies: step.dependencies.clone(),
            reversibility: step.reversibility.clone(),
            pivot: self.pivots.contains(&step.id),
            template: template.map(|template| RestingObject::new(template, seal)),
        }
    }
}

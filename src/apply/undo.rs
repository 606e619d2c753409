//! The inverse of one step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use retrue_provider_api::{
    Applied, Capability, Category, Change, Effect, FindRequest, Findable, Found, Image, Observed, Outcome, Path,
    PathStep, Private, ProviderError, Reversibility, Type, TypeSchema, Value,
};

use crate::address::Address;
use crate::apply::codes as apply_codes;
use crate::apply::context::{Call, Caller, Work, failure};
use crate::apply::writes::{put_generation, set_object};
use crate::crash_point;
use crate::engine::{RunEventKind, StepRef};
use crate::plan::compare::differing_attributes;
use crate::plan::marks::mark_planned;
use crate::plan::{ObjectKey, StepEffect};
use crate::saga::compensation::{Undo, inverse};
use crate::saga::journal::{Entry, JournalError};
use crate::saga::{
    Event, ObjectStatus, RecordedObject, RestingObject, StepFailure, UndoBegin, UndoEnd, UndoFailure, codes,
};
use crate::store::Write;
use crate::survey::calls::within;
use crate::survey::providers::{Configured, Providers};

use super::unwind::{Remade, Undid};

const GRACE: Duration = Duration::from_secs(10);

/// Carries out undos.
pub(super) struct Worker<'a> {
    pub(super) caller: &'a Caller<'a>,
    pub(super) providers: &'a Providers,
}

/// What one undo works with.
struct Scene<'s> {
    undo: &'s Undo,
    configured: &'s Configured,
    schema: &'s TypeSchema,
    capability: Capability,
    /// What the run left, as it is recorded now.
    now: Option<RecordedObject>,
    /// What was recorded before the run.
    prior: Option<RecordedObject>,
    /// What was observed before the step.
    image: Option<Image>,
    image_identity: Option<Value>,
    generation: u64,
    key: String,
}

fn stuck(code: &str, category: Category, message: impl Into<String>) -> StepFailure {
    StepFailure { code: code.into(), category, message: message.into(), retryable: false }
}

impl Worker<'_> {
    /// Undoes one step, and writes down that it is done, or stuck.
    pub(super) async fn run(
        &self,
        undo: &Undo,
        now: Option<RestingObject>,
        generation: u64,
        remade: &Remade,
    ) -> Result<Undid, JournalError> {
        let id = &undo.step.id;
        let effect = inverse(&undo.step);
        let began = Instant::now();
        let key = self.caller.idempotency_key(&Work {
            address: &id.address,
            object: &id.object,
            action: "undo",
            payload: &id.to_string(),
            generation,
        });
        let reference = StepRef {
            address: id.address.clone(),
            action: effect.map_or("record", StepEffect::word),
            step: id.to_string(),
            attempt: 1,
            idempotency_key: key.clone(),
        };
        let begin = Event::UndoBegin(Box::new(UndoBegin {
            of: undo.run.clone(),
            effect,
            idempotency_key: key.clone(),
            generation,
        }));
        let recorded_before = undo.step.image.as_ref().and_then(|image| image.recorded.clone());
        if effect.is_none() {
            self.caller.tell(RunEventKind::UndoStarted(reference.clone()));
            let writes = self.record_writes(undo, recorded_before.as_ref())?;
            let end = UndoEnd { of: undo.run.clone(), object: recorded_before.clone(), lost: Vec::new() };
            let entries = vec![Entry::of(id, begin), Entry::of(id, Event::Undone(Box::new(end))).with(writes)];
            self.caller.journal.write(entries).await?;
            self.caller.tell(RunEventKind::UndoFinished {
                step: reference,
                duration: began.elapsed(),
                lost: Vec::new(),
            });
            return Ok(Undid::Undone { lost: Vec::new(), object: recorded_before.map(Box::new) });
        }
        let scene = match self.scene(undo, now.as_ref(), generation, key, remade) {
            Ok(scene) => scene,
            Err(failure) => return self.stuck(undo, reference, failure).await,
        };
        crash_point!("undo/begin/before");
        // CRASH: after this the undo is in doubt; doing it again looks at the world first.
        let begin_writes = match effect {
            Some(StepEffect::Create) => vec![put_generation(&id.address, generation)],
            _ => Vec::new(),
        };
        self.caller.journal.write(vec![Entry::of(id, begin).with(begin_writes)]).await?;
        crash_point!("undo/begin/after");
        self.caller.tell(RunEventKind::UndoStarted(reference.clone()));
        let done = match effect {
            Some(StepEffect::Delete) => self.undo_create(&scene).await,
            Some(StepEffect::Create) => self.undo_delete(&scene).await,
            _ => self.undo_update(&scene).await,
        };
        crash_point!("undo/effect/after");
        let (object, lost) = match done {
            Ok(done) => done,
            Err(failure) => return self.stuck(undo, reference, failure).await,
        };
        let resting = object.as_ref().map(|object| RestingObject::new(object, self.caller.seal));
        let writes = self.record_writes(undo, resting.as_ref())?;
        let end = UndoEnd { of: undo.run.clone(), object: resting.clone(), lost: lost.clone() };
        crash_point!("undo/end/before");
        self.caller.journal.had_effect();
        self.caller.journal.write(vec![Entry::of(id, Event::Undone(Box::new(end))).with(writes)]).await?;
        crash_point!("undo/end/after");
        self.caller.tell(RunEventKind::UndoFinished { step: reference, duration: began.elapsed(), lost: lost.clone() });
        Ok(Undid::Undone { lost, object: resting.map(Box::new) })
    }

    async fn stuck(&self, undo: &Undo, reference: StepRef, failure: StepFailure) -> Result<Undid, JournalError> {
        let event = Event::UndoStuck(UndoFailure { of: undo.run.clone(), failure: failure.clone() });
        self.caller.journal.write(vec![Entry::of(&undo.step.id, event)]).await?;
        self.caller.tell(RunEventKind::UndoStuck { step: reference, error: failure.clone() });
        Ok(Undid::Stuck(failure))
    }

    /// The record as it was before the step.
    fn record_writes(&self, undo: &Undo, object: Option<&RestingObject>) -> Result<Vec<Write>, serde_json::Error> {
        let id = &undo.step.id;
        let mut writes = Vec::new();
        match id.effect {
            StepEffect::Depose => {
                // What was set aside stands for its address again.
                let generation = undo.step.begin.as_ref().map_or(0, |begin| begin.generation);
                let key = ObjectKey::Deposed(generation.to_string().into());
                writes.push(set_object(&id.address, &key, None)?);
                writes.push(set_object(&id.address, &ObjectKey::Current, object)?);
            }
            _ => {
                let moved = undo.step.moved_from().filter(|from| **from != id.address);
                match moved {
                    Some(from) => {
                        writes.push(set_object(&id.address, &id.object, None)?);
                        writes.push(set_object(from, &id.object, object)?);
                    }
                    None => writes.push(set_object(&id.address, &id.object, object)?),
                }
            }
        }
        Ok(writes)
    }

    fn scene<'s>(
        &'s self,
        undo: &'s Undo,
        now: Option<&RestingObject>,
        generation: u64,
        key: String,
        remade: &Remade,
    ) -> Result<Scene<'s>, StepFailure> {
        let unreadable = |why: String| stuck(codes::RECORD, Category::Unknown, why);
        let begin =
            undo.step.begin.as_ref().ok_or_else(|| unreadable("the beginning of the step is not written".into()))?;
        let configured = self
            .providers
            .get(&begin.provider)
            .ok_or_else(|| unreadable(format!("the provider `{}` is not configured", begin.provider)))?;
        let schema = configured
            .schema
            .resources
            .get(&begin.type_name)
            .ok_or_else(|| unreadable(format!("the provider has no type `{}`", begin.type_name)))?;
        let seal = self.caller.seal;
        let sealed = |error: crate::rest::UnsealError| stuck(codes::SEALED, Category::Unknown, error.to_string());
        let now = now.map(|now| now.wake(seal)).transpose().map_err(sealed)?;
        let event = undo.step.image.as_ref();
        let prior = event
            .and_then(|event| event.recorded.as_ref())
            .map(|prior| prior.wake(seal))
            .transpose()
            .map_err(sealed)?;
        let stored = event.and_then(|event| event.image.as_ref());
        let image = stored.map(|stored| stored.image.wake(seal)).transpose().map_err(sealed)?;
        let image = image.map(|image| Image {
            state: follow(image.state.unmark_deep().0, event.map(|event| &event.provenance), remade),
            ..image
        });
        let image_identity = stored
            .and_then(|stored| stored.identity.as_ref())
            .map(|identity| identity.wake(seal))
            .transpose()
            .map_err(sealed)?;
        let config = [now.as_ref(), prior.as_ref()]
            .into_iter()
            .flatten()
            .map(|object| object.config.clone().unmark_deep().0)
            .next()
            .unwrap_or_else(|| Value::null(Type::Dynamic));
        let capability = configured.provider.capability(&begin.type_name, &config);
        Ok(Scene { undo, configured, schema, capability, now, prior, image, image_identity, generation, key })
    }

    fn context(&self, scene: &Scene<'_>, limit: Duration) -> retrue_provider_api::Context {
        let id = &scene.undo.step.id;
        self.caller.context(Call {
            address: &id.address,
            id: None,
            step: &format!("undo/{id}"),
            attempt: 1,
            idempotency_key: &scene.key,
            marker: Some(self.caller.marker(&id.address, &ObjectKey::Current, scene.generation)),
            limit,
        })
    }

    /// Reads what is recorded now.
    async fn read(&self, scene: &Scene<'_>, object: &RecordedObject) -> Result<Option<Observed>, StepFailure> {
        let limit = scene.capability.time_limits.read;
        let context = self.context(scene, limit);
        let request = crate::survey::refresh::read_request(scene.undo.step.id.address.type_name(), object);
        within(limit, "read", scene.configured.provider.read(&context, request))
            .await
            .map_err(|error| failure(apply_codes::PROVIDER, &error))
    }

    async fn send(&self, scene: &Scene<'_>, effect: Effect, change: Change) -> Result<Applied, StepFailure> {
        let limits = scene.capability.time_limits;
        let limit = match effect {
            Effect::Create => limits.create,
            Effect::Update => limits.update,
            Effect::Delete => limits.delete,
        };
        let limit = scene.now.as_ref().and_then(|now| now.lifecycle.timeout).unwrap_or(limit);
        let context = self.context(scene, limit);
        let apply = scene.configured.provider.apply(&context, change);
        let outcome = match tokio::time::timeout(limit + GRACE, apply).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown {
                error: ProviderError::new(Category::TimeOut, "undo", format!("no answer within {} s", limit.as_secs())),
                best_known: None,
            },
        };
        match outcome {
            Outcome::Applied(applied) => Ok(applied),
            Outcome::Partial { error, .. } | Outcome::NotApplied(error) | Outcome::Unknown { error, .. } => {
                Err(failure(codes::UNDO_STUCK, &error))
            }
        }
    }

    fn changed_since(&self, scene: &Scene<'_>, differing: &[Path]) -> StepFailure {
        let names: Vec<String> = differing.iter().map(ToString::to_string).collect();
        stuck(
            codes::CHANGED_SINCE,
            Category::Conflict,
            format!(
                "`{}` was changed since ({}): undoing would overwrite that; leave it with --skip {}",
                scene.undo.step.id.address,
                names.join(", "),
                scene.undo.step.id.address
            ),
        )
    }

    /// A create is undone by a delete.
    async fn undo_create(&self, scene: &Scene<'_>) -> Result<(Option<RecordedObject>, Vec<String>), StepFailure> {
        // What was recorded and gone before the run is recorded and gone again.
        let after = scene.prior.clone();
        let Some(now) = &scene.now else { return Ok((after, Vec::new())) };
        let Some(observed) = self.read(scene, now).await? else { return Ok((after, Vec::new())) };
        let differing = settable_difference(scene, &now.attributes.clone().unmark_deep().0, &observed.state);
        if !differing.is_empty() && now.status == ObjectStatus::Ok {
            return Err(self.changed_since(scene, &differing));
        }
        let change = Change {
            type_name: scene.undo.step.id.address.type_name().to_owned(),
            effect: Effect::Delete,
            config: Value::null(Type::Dynamic),
            prior: observed.state.clone(),
            prior_private: private(&observed, now),
            planned: Value::null(Type::Dynamic),
            planned_private: Private::default(),
            identity: observed.identity.clone().or_else(|| now.identity.clone()),
            restore: None,
        };
        self.send(scene, Effect::Delete, change).await?;
        Ok((after, Vec::new()))
    }

    /// An update is undone by an update back to the image.
    async fn undo_update(&self, scene: &Scene<'_>) -> Result<(Option<RecordedObject>, Vec<String>), StepFailure> {
        let after = scene.prior.clone();
        let (Some(image), Some(reader)) = (&scene.image, scene.now.as_ref().or(scene.prior.as_ref())) else {
            return Err(stuck(codes::RECORD, Category::Unknown, "there is no image to go back to"));
        };
        let Some(observed) = self.read(scene, reader).await? else {
            return Err(stuck(
                codes::CHANGED_SINCE,
                Category::Conflict,
                format!("`{}` has disappeared since", scene.undo.step.id.address),
            ));
        };
        if settable_difference(scene, &image.state, &observed.state).is_empty() && image.blobs.is_empty() {
            return Ok((after, Vec::new()));
        }
        let left = scene.now.as_ref().map(|now| now.attributes.clone().unmark_deep().0);
        if let Some(left) = left {
            let differing = settable_difference(scene, &left, &observed.state);
            let halfway = settable_difference(scene, &image.state, &observed.state);
            let foreign: Vec<Path> = differing.into_iter().filter(|path| halfway.contains(path)).collect();
            if !foreign.is_empty() {
                return Err(self.changed_since(scene, &foreign));
            }
        }
        let applied =
            self.send(scene, Effect::Update, self.back(scene, image, Effect::Update, Some(&observed), reader)).await?;
        let lost = lost(scene, &image.state, &applied.state);
        Ok((after, lost))
    }

    fn back(
        &self,
        scene: &Scene<'_>,
        image: &Image,
        effect: Effect,
        observed: Option<&Observed>,
        reader: &RecordedObject,
    ) -> Change {
        let config = scene.prior.as_ref().map_or_else(
            || settable(scene.schema, &image.state),
            |prior| overlay(scene.schema, &prior.config.clone().unmark_deep().0, &image.state),
        );
        Change {
            type_name: scene.undo.step.id.address.type_name().to_owned(),
            effect,
            config,
            prior: observed.map_or_else(|| Value::null(Type::Dynamic), |observed| observed.state.clone()),
            prior_private: observed.map_or_else(Private::default, |observed| private(observed, reader)),
            planned: image.state.clone(),
            planned_private: image.private.clone(),
            identity: observed.and_then(|observed| observed.identity.clone()).or_else(|| scene.image_identity.clone()),
            restore: Some(image.clone()),
        }
    }

    /// A delete is undone by a create from the image.
    async fn undo_delete(&self, scene: &Scene<'_>) -> Result<(Option<RecordedObject>, Vec<String>), StepFailure> {
        let (Some(image), Some(prior)) = (&scene.image, &scene.prior) else {
            return Err(stuck(codes::RECORD, Category::Unknown, "there is no image to go back to"));
        };
        // What was never finished is not made again.
        if prior.status == ObjectStatus::Tainted {
            return Ok((None, Vec::new()));
        }
        // A create is never sent before a look.
        if let Some(observed) = self.look(scene, image).await? {
            let differing = settable_difference(scene, &image.state, &observed.state);
            if !differing.is_empty() {
                return Err(self.changed_since(scene, &differing));
            }
            let object = remember(scene, prior, observed.state, observed.private, observed.identity);
            let lost = lost(scene, &image.state, &object.attributes.clone().unmark_deep().0);
            return Ok((Some(object), lost));
        }
        let applied = self.send(scene, Effect::Create, self.back(scene, image, Effect::Create, None, prior)).await?;
        let mut losses = lost(scene, &image.state, &applied.state);
        if let Some(Reversibility::Lossy(reason)) = scene.undo.step.begin.as_ref().map(|begin| &begin.reversibility) {
            losses.push(reason.clone());
        }
        let object = remember(scene, prior, applied.state, applied.private, applied.identity);
        Ok((Some(object), losses))
    }

    async fn look(&self, scene: &Scene<'_>, image: &Image) -> Result<Option<Observed>, StepFailure> {
        let address = &scene.undo.step.id.address;
        let marker = match scene.capability.findable {
            Findable::ByIdentity => None,
            Findable::ByMarker => Some(self.caller.marker(address, &ObjectKey::Current, scene.generation)),
            Findable::No | Findable::NothingOutside => return Ok(None),
        };
        let limit = scene.capability.time_limits.read;
        let context = self.context(scene, limit);
        let request = FindRequest {
            type_name: address.type_name().to_owned(),
            config: settable(scene.schema, &image.state),
            marker,
        };
        match within(limit, "find", scene.configured.provider.find(&context, request)).await {
            Ok(Found::None) => Ok(None),
            Ok(Found::One(observed)) => Ok(Some(*observed)),
            Ok(Found::Many(found)) => Err(stuck(
                codes::CHANGED_SINCE,
                Category::Conflict,
                format!("{} things exist that `{address}` could be", found.len()),
            )),
            Err(error) => Err(failure(apply_codes::PROVIDER, &error)),
        }
    }
}

fn private(observed: &Observed, recorded: &RecordedObject) -> Private {
    if observed.private.0.is_empty() { recorded.private.clone() } else { observed.private.clone() }
}

fn remember(
    scene: &Scene<'_>,
    prior: &RecordedObject,
    state: Value,
    private: Private,
    identity: Option<Value>,
) -> RecordedObject {
    let same = lost(scene, &prior.attributes.clone().unmark_deep().0, &state).is_empty();
    // Where nothing was lost the record is exactly as it was, so that earlier drift shows again.
    let attributes =
        if same { prior.attributes.clone() } else { mark_planned(&scene.schema.block, state, Some(&prior.attributes)) };
    RecordedObject { attributes, private, identity, generation: scene.generation, ..prior.clone() }
}

/// The attributes that a configuration may set and that differ.
fn settable_difference(scene: &Scene<'_>, from: &Value, to: &Value) -> Vec<Path> {
    differing_attributes(from, to)
        .into_iter()
        .filter(|path| {
            path.first_attribute().and_then(|name| scene.schema.block.attributes.get(name)).is_none_or(|attribute| {
                attribute.settable() && !attribute.volatile && !attribute.write_only && !attribute.inert
            })
        })
        .collect()
}

/// What is not as it was: ids, times, data.
fn lost(scene: &Scene<'_>, was: &Value, is: &Value) -> Vec<String> {
    differing_attributes(was, is)
        .into_iter()
        .filter(|path| {
            path.first_attribute()
                .and_then(|name| scene.schema.block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
        .map(|path| format!("`{path}` is another"))
        .collect()
}

/// The part of a state that a configuration may set.
fn settable(schema: &TypeSchema, state: &Value) -> Value {
    let Some(entries) = state.as_entries() else { return state.clone() };
    Value::object(entries.iter().map(|(name, value)| {
        let settable = schema.block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
        (name.clone(), if settable { value.clone() } else { Value::null(value.kind()) })
    }))
}

/// The recorded configuration, with what was observed in place of what it set.
fn overlay(schema: &TypeSchema, config: &Value, observed: &Value) -> Value {
    let Some(entries) = config.as_entries() else { return settable(schema, observed) };
    Value::object(entries.iter().map(|(name, value)| {
        let settable = schema.block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
        let seen = observed.get(name).filter(|seen| settable && !value.is_null() && !seen.is_null());
        (name.clone(), seen.unwrap_or(value).clone())
    }))
}

/// Puts the new values of what was made again where the old ones stood.
fn follow(state: Value, provenance: Option<&BTreeMap<Path, (Address, Path)>>, remade: &Remade) -> Value {
    let Some(provenance) = provenance.filter(|_| !remade.is_empty()) else { return state };
    let new: BTreeMap<Path, &Value> = provenance
        .iter()
        .filter_map(|(path, (address, from))| Some((alike(path), from.get(remade.get(address)?)?)))
        .collect();
    state.map_parts(&mut |path, part| new.get(&alike(path)).map_or(part, |new| (*new).clone()))
}

/// A path in one form: the configuration has tables where the value has maps.
fn alike(path: &Path) -> Path {
    Path(
        path.0
            .iter()
            .map(|step| match step {
                PathStep::Attribute(name) => PathStep::Key(name.clone()),
                other => other.clone(),
            })
            .collect(),
    )
}

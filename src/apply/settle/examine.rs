//! Finds out what came of a step that nobody saw end.

use std::time::Duration;

use retrue_provider_api::{
    Capability, FindRequest, Findable, Found, Observed, ReadRequest, TypeSchema, Unfinished, Value,
};

use crate::apply::context::{Call, Caller};
use crate::apply::execute::compare::differing_known;
use crate::broken;
use crate::plan::compare::differing_attributes;
use crate::plan::marks::mark_planned;
use crate::plan::{ObjectKey, StepEffect};
use crate::saga::history::StepHistory;
use crate::saga::{ObjectStatus, RecordedObject, ResolvedOutcome};
use crate::survey::patiently;
use crate::survey::providers::{Configured, Providers};

/// What a look at the world says about a step.
#[derive(Debug)]
pub enum Verdict {
    /// This came of it.
    Settled {
        /// What.
        outcome: ResolvedOutcome,
        /// What is recorded now; `None` when nothing is.
        object: Option<Box<RecordedObject>>,
        /// How that is known.
        how: String,
    },
    /// It cannot be told, for this reason.
    CannotTell(String),
}

struct Scene<'s> {
    step: &'s StepHistory,
    configured: &'s Configured,
    schema: &'s TypeSchema,
    capability: Capability,
    config: Value,
    planned: Value,
    template: Option<RecordedObject>,
    prior: Option<RecordedObject>,
}

/// Looks at the world and tells what came of a step.
pub async fn examine(caller: &Caller<'_>, step: &StepHistory, providers: &Providers) -> Verdict {
    let scene = match scene(caller, step, providers) {
        Ok(scene) => scene,
        Err(reason) => return Verdict::CannotTell(reason),
    };
    let how = || "it was guessed".to_owned();
    if broken!(DoubtIsNotApplied) {
        return Verdict::Settled { outcome: ResolvedOutcome::NotApplied, object: None, how: how() };
    }
    if broken!(DoubtIsApplied) {
        let object = scene.template.filter(|_| step.id.effect != StepEffect::Delete).map(Box::new);
        return Verdict::Settled { outcome: ResolvedOutcome::Applied, object, how: how() };
    }
    let limit = scene.capability.time_limits.read;
    let context = context(caller, &scene, limit);
    let state = if scene.planned.is_null() { prior_state(&scene) } else { scene.planned.clone() };
    let request = ReadRequest {
        type_name: step.id.address.type_name().to_owned(),
        state,
        config: scene.config.clone(),
        private: scene.prior.as_ref().map(|prior| prior.private.clone()).unwrap_or_default(),
        identity: None,
    };
    if let Err(error) = scene.configured.provider.recover(&context, request).await {
        return Verdict::CannotTell(format!("what it left behind cannot be removed: {error}"));
    }
    if scene.capability.by_processes && !step.has_child {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "its process was never started".into(),
        };
    }
    match step.id.effect {
        StepEffect::Create => examine_create(caller, &scene).await,
        StepEffect::Update => examine_update(caller, &scene).await,
        StepEffect::Delete => examine_delete(caller, &scene).await,
        // The others change the record alone, with the record of their end: without that, nothing happened.
        _ => Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "only the record was to change, and it did not".into(),
        },
    }
}

fn scene<'s>(caller: &Caller<'_>, step: &'s StepHistory, providers: &'s Providers) -> Result<Scene<'s>, String> {
    let begin = step.begin.as_ref().ok_or("its beginning is not written")?;
    let configured =
        providers.get(&begin.provider).ok_or_else(|| format!("the provider `{}` is not there", begin.provider))?;
    let schema = configured
        .schema
        .resources
        .get(&begin.type_name)
        .ok_or_else(|| format!("the provider has no type `{}`", begin.type_name))?;
    let sealed = |error: crate::rest::UnsealError| error.to_string();
    let config = begin.config.wake(caller.seal).map_err(sealed)?.unmark_deep().0;
    let planned = begin.planned.wake(caller.seal).map_err(sealed)?.unmark_deep().0;
    let template = begin.template.as_ref().map(|template| template.wake(caller.seal)).transpose().map_err(sealed)?;
    let prior = step
        .image
        .as_ref()
        .and_then(|image| image.recorded.as_ref())
        .map(|recorded| recorded.wake(caller.seal))
        .transpose()
        .map_err(sealed)?;
    let effective = match (&prior, config.is_null()) {
        (Some(prior), true) => prior.config.clone().unmark_deep().0,
        _ => config.clone(),
    };
    let capability = configured.provider.capability(&begin.type_name, &effective);
    Ok(Scene { step, configured, schema, capability, config: effective, planned, template, prior })
}

fn context(caller: &Caller<'_>, scene: &Scene<'_>, limit: Duration) -> retrue_provider_api::Context {
    let begin = scene.step.begin.as_ref();
    caller.context(Call {
        address: &scene.step.id.address,
        id: None,
        step: &scene.step.id.to_string(),
        attempt: begin.map_or(1, |begin| begin.attempt),
        idempotency_key: begin.map_or("", |begin| begin.idempotency_key.as_str()),
        marker: Some(caller.marker(
            &scene.step.id.address,
            &ObjectKey::Current,
            begin.map_or(0, |begin| begin.generation),
        )),
        limit,
    })
}

fn prior_state(scene: &Scene<'_>) -> Value {
    match &scene.prior {
        Some(prior) => prior.attributes.clone().unmark_deep().0,
        None => scene.config.clone(),
    }
}

fn found_object(scene: &Scene<'_>, observed: Observed, status: ObjectStatus) -> Option<Box<RecordedObject>> {
    let template = scene.template.clone()?;
    Some(Box::new(RecordedObject {
        status,
        attributes: mark_planned(&scene.schema.block, observed.state, Some(&template.attributes)),
        private: observed.private,
        identity: observed.identity,
        ..template
    }))
}

/// Looks by identity or marker, again and again while the type may still be settling.
async fn look(caller: &Caller<'_>, scene: &Scene<'_>, generation: u64) -> Result<Option<Observed>, String> {
    let address = &scene.step.id.address;
    let marker = match scene.capability.findable {
        Findable::ByIdentity => None,
        Findable::ByMarker => Some(caller.marker(address, &ObjectKey::Current, generation)),
        Findable::No => {
            return Err("it cannot be found again: look whether it exists, and say so with `retrue resolve`".into());
        }
        Findable::NothingOutside => return Ok(None),
    };
    let limit = scene.capability.time_limits.read;
    let find = || async {
        let request = FindRequest {
            type_name: address.type_name().to_owned(),
            config: scene.config.clone(),
            marker: marker.clone(),
        };
        let context = context(caller, scene, limit);
        match scene.configured.provider.find(&context, request).await {
            Ok(Found::One(observed)) => Ok(Some(*observed)),
            Ok(Found::None) => Ok(None),
            Ok(Found::Many(found)) => Err(format!("{} things could be it", found.len())),
            Err(error) => Err(format!("it cannot be looked for: {error:#}")),
        }
    };
    patiently(scene.capability.settles_within, Option::is_some, find).await
}

async fn examine_create(caller: &Caller<'_>, scene: &Scene<'_>) -> Verdict {
    let generation = scene.step.begin.as_ref().map_or(0, |begin| begin.generation);
    match look(caller, scene, generation).await {
        Err(reason) => Verdict::CannotTell(reason),
        Ok(None) => Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "it was looked for, and is not there".into(),
        },
        Ok(Some(observed)) => {
            let differing = differing_known(&scene.schema.block, &scene.planned, &observed.state);
            let names: Vec<String> = differing.iter().map(ToString::to_string).collect();
            let (outcome, status, how) = match (scene.capability.unfinished, names.is_empty()) {
                (Unfinished::AlwaysReplaced, _) => {
                    let how = "it was found, and whether it is finished cannot be seen".to_owned();
                    (ResolvedOutcome::Partial, ObjectStatus::Tainted, how)
                }
                (_, true) => (ResolvedOutcome::Applied, ObjectStatus::Ok, "it was found, and is as planned".to_owned()),
                (left, false) => {
                    let how = format!("it was found unfinished: {} differ", names.join(", "));
                    let updated = left == Unfinished::Updated;
                    let status = if updated { ObjectStatus::Ok } else { ObjectStatus::Tainted };
                    (ResolvedOutcome::Partial, status, how)
                }
            };
            Verdict::Settled { outcome, object: found_object(scene, observed, status), how }
        }
    }
}

/// Reads the object that a step changes or ends.
async fn read(caller: &Caller<'_>, scene: &Scene<'_>) -> Result<Option<Observed>, String> {
    if !scene.capability.observes {
        return Err("it cannot be read: look what became of it, and say so with `retrue resolve`".into());
    }
    let prior = scene.prior.as_ref();
    let limit = scene.capability.time_limits.read;
    let context = context(caller, scene, limit);
    let state = match (prior, scene.step.image.as_ref().and_then(|image| image.image.as_ref())) {
        (Some(_), _) => prior_state(scene),
        (None, Some(image)) => image.image.state.wake(caller.seal).map_err(|error| error.to_string())?.unmark_deep().0,
        (None, None) => scene.planned.clone(),
    };
    let request = ReadRequest {
        type_name: scene.step.id.address.type_name().to_owned(),
        state,
        config: scene.config.clone(),
        private: prior.map(|prior| prior.private.clone()).unwrap_or_default(),
        identity: prior.and_then(|prior| prior.identity.clone()),
    };
    scene.configured.provider.read(&context, request).await.map_err(|error| format!("it cannot be read: {error:#}"))
}

async fn examine_update(caller: &Caller<'_>, scene: &Scene<'_>) -> Verdict {
    if scene.capability.findable == Findable::NothingOutside {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "nothing of it is outside".into(),
        };
    }
    let applied = |observed: &Option<Observed>| {
        let differs = |observed: &Observed| differing_known(&scene.schema.block, &scene.planned, &observed.state);
        observed.as_ref().is_some_and(|observed| differs(observed).is_empty())
    };
    let observed = match patiently(scene.capability.settles_within, applied, || read(caller, scene)).await {
        Ok(Some(observed)) => observed,
        Ok(None) => {
            return Verdict::CannotTell(
                "it was to be changed, and is gone: say what is true with `retrue resolve`".into(),
            );
        }
        Err(reason) => return Verdict::CannotTell(reason),
    };
    let before = scene
        .step
        .image
        .as_ref()
        .and_then(|image| image.image.as_ref())
        .and_then(|image| image.image.state.wake(caller.seal).ok())
        .map(|state| state.unmark_deep().0);
    let attribute = |path: &retrue_provider_api::Path| {
        path.first_attribute().and_then(|name| scene.schema.block.attributes.get(name))
    };
    // Where all that changes is what no read shows, nothing tells. Where nothing changes at all, because what was
    // not known while planning turned out to be what is there, it does not matter what became of it.
    let hidden = before.as_ref().is_some_and(|before| {
        let differing = differing_attributes(before, &scene.planned);
        let settable = |unobserved: bool| {
            differing.iter().any(|path| {
                attribute(path)
                    .map_or(!unobserved, |attribute| attribute.settable() && attribute.unobserved == unobserved)
            })
        };
        let sent = scene.template.as_ref().is_some_and(|template| template.sent_write_only);
        (sent || settable(true)) && !settable(false)
    });
    if let Some(before) = before.as_ref().filter(|_| hidden) {
        return examine_hidden(scene, before, observed);
    }
    if differing_known(&scene.schema.block, &scene.planned, &observed.state).is_empty() {
        return Verdict::Settled {
            outcome: ResolvedOutcome::Applied,
            object: found_object(scene, observed, ObjectStatus::Ok),
            how: "it was read, and is as planned".into(),
        };
    }
    let unchanged = before.is_some_and(|before| {
        differing_attributes(&before, &observed.state)
            .iter()
            .all(|path| attribute(path).is_some_and(|attribute| attribute.volatile))
    });
    if unchanged {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "it was read, and is as it was before".into(),
        };
    }
    Verdict::Settled {
        outcome: ResolvedOutcome::Partial,
        object: found_object(scene, observed, ObjectStatus::Ok),
        how: "it was read, and is neither as before nor as planned".into(),
    }
}

/// What was to be changed shows in no attribute that can be read back. What came with it may: an attribute that nobody
/// sets, and of which it was not known what the change would make of it.
fn examine_hidden(scene: &Scene<'_>, before: &Value, mut observed: Observed) -> Verdict {
    let attributes = &scene.schema.block.attributes;
    let came_along = differing_attributes(before, &observed.state).iter().any(|path| {
        let open = path.get(&scene.planned).is_some_and(|planned| !planned.is_wholly_known());
        let attribute = path.first_attribute().and_then(|name| attributes.get(name));
        open && attribute.is_some_and(|attribute| !attribute.volatile && !attribute.settable())
    });
    // What is write-only is in no record that could say that it is to be sent again.
    let sent = scene.template.as_ref().is_some_and(|template| template.sent_write_only);
    if sent || !came_along {
        return Verdict::CannotTell(
            "what was to be changed cannot be read back: look what became of it, and say so with `retrue resolve`"
                .into(),
        );
    }
    // It was begun, and nobody knows whether all of it was done. What it was before does not hold any more, and what
    // it was to be not yet: neither is recorded, so that either way it is carried out (again).
    for path in differing_attributes(before, &scene.planned) {
        let Some(name) = path.first_attribute() else { continue };
        let Some(attribute) = attributes.get(name).filter(|attribute| attribute.unobserved) else { continue };
        // What was to be null is not: what it was before stands for that.
        if path.get(&scene.planned).is_some_and(|planned| !planned.is_null()) {
            observed.state = observed.state.with_attribute(name, Value::null(attribute.value_type()));
        }
    }
    Verdict::Settled {
        outcome: ResolvedOutcome::Partial,
        object: found_object(scene, observed, ObjectStatus::Ok),
        how: "it was read, and is not as before; whether all of it was done does not show, so it is to be done again"
            .into(),
    }
}

async fn examine_delete(caller: &Caller<'_>, scene: &Scene<'_>) -> Verdict {
    if scene.capability.findable == Findable::NothingOutside {
        return Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "nothing of it is outside".into(),
        };
    }
    // Absent may also mean that its creation does not show yet: only the last look counts.
    match patiently(scene.capability.settles_within, |_| false, || read(caller, scene)).await {
        Err(reason) => Verdict::CannotTell(reason),
        Ok(None) => {
            Verdict::Settled { outcome: ResolvedOutcome::Applied, object: None, how: "it was read, and is gone".into() }
        }
        Ok(Some(_)) => Verdict::Settled {
            outcome: ResolvedOutcome::NotApplied,
            object: None,
            how: "it was read, and is still there".into(),
        },
    }
}

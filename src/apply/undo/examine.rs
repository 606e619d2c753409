//! Finds out what came of an undo that nobody saw end.

use retrue_provider_api::{Findable, Observed, Unfinished, Value};

use crate::apply::undo::act::{Done, Expected};
use crate::apply::undo::scene::Scene;
use crate::plan::StepEffect;
use crate::plan::compare::differing_attributes;
use crate::saga::{ObjectStatus, RecordedObject};
use crate::survey::patiently;

/// What a look at the world says about an undo.
pub(in crate::apply) enum Examined {
    /// It happened; this is recorded now.
    Undone {
        /// What is recorded.
        object: Option<Box<RecordedObject>>,
        /// What did not come back.
        lost: Vec<String>,
        /// What a comparison shall find.
        expected: Option<Box<Expected>>,
    },
    /// It did not happen: it may be tried again.
    NotUndone(String),
    /// A part of it happened; this is recorded now, and is finished by the next try.
    Unfinished(Box<RecordedObject>),
    /// It cannot be told, for this reason.
    CannotTell(String),
}

const UNREADABLE: &str = "it cannot be read: look what became of it, and say so with `retrue resolve`";

/// Looks at the world. `has_child` tells whether a process of it was written down.
pub(in crate::apply) async fn examine(scene: &Scene<'_>, effect: Option<StepEffect>, has_child: bool) -> Examined {
    if scene.capability.by_processes && !has_child {
        return Examined::NotUndone("its process was never started".into());
    }
    if scene.capability.findable == Findable::NothingOutside {
        return Examined::NotUndone("nothing of it is outside: it is simply done again".into());
    }
    let settles = scene.capability.settles_within;
    match effect {
        Some(StepEffect::Create) => {
            let (Some(image), Some(prior)) = (&scene.image, &scene.prior) else {
                return Examined::CannotTell("there is no image of it".into());
            };
            if scene.capability.findable == Findable::No {
                return Examined::CannotTell(
                    "it cannot be found again: look whether it exists, and say so with `retrue resolve`".into(),
                );
            }
            let look = || async { scene.look(image).await.map_err(|failure| failure.message) };
            match patiently(settles, Option::is_some, look).await {
                Err(reason) => Examined::CannotTell(reason),
                Ok(None) => Examined::NotUndone("it was looked for, and is not there".into()),
                Ok(Some(observed)) => examine_found(scene, image, prior, observed),
            }
        }
        Some(StepEffect::Delete) => {
            let Some(reader) = scene.now.as_ref().or(scene.left.as_ref()) else {
                return Examined::Undone { object: scene.restored().map(Box::new), lost: Vec::new(), expected: None };
            };
            if !scene.capability.observes {
                return Examined::CannotTell(UNREADABLE.into());
            }
            let read = || async { scene.read(reader).await.map_err(|failure| failure.message) };
            // Absent may also mean that its creation does not show yet: only the last look counts.
            match patiently(settles, |_| false, read).await {
                Err(reason) => Examined::CannotTell(reason),
                Ok(None) => {
                    let expected = Expected { reader: reader.clone(), state: None, lost: Vec::new() };
                    let (object, expected) = (scene.prior.clone().map(Box::new), Some(Box::new(expected)));
                    Examined::Undone { object, lost: Vec::new(), expected }
                }
                Ok(Some(_)) => Examined::NotUndone("it was read, and is still there".into()),
            }
        }
        _ => {
            let (Some(image), Some(reader)) = (&scene.image, scene.now.as_ref().or(scene.prior.as_ref())) else {
                return Examined::CannotTell("there is no image of it".into());
            };
            if !scene.capability.observes {
                return Examined::CannotTell(UNREADABLE.into());
            }
            if !visible(scene, &image.state) {
                let begun = |observed: &Observed| came_along(scene, &observed.state);
                return match scene.read_settled(reader, begun).await {
                    Ok(Some(observed)) if begun(&observed) => {
                        Examined::NotUndone("it was read, and is not as it was left: it is simply done again".into())
                    }
                    Ok(_) => Examined::CannotTell(UNREADABLE.into()),
                    Err(failure) => Examined::CannotTell(failure.message),
                };
            }
            let back = |observed: &Option<Observed>| {
                let differs = |observed: &Observed| scene.differs(&image.state, &observed.state);
                observed.as_ref().is_some_and(|observed| differs(observed).is_empty())
            };
            let read = || async { scene.read(reader).await.map_err(|failure| failure.message) };
            match patiently(settles, back, read).await {
                Err(reason) => Examined::CannotTell(reason),
                // Payloads may not show in attributes: what only looks alike is put back again.
                Ok(found) if back(&found) && image.blobs.is_empty() => {
                    let object = scene.restored();
                    let reader = object.as_ref().unwrap_or(reader).clone();
                    let expected = Expected { reader, state: Some(image.state.clone()), lost: Vec::new() };
                    let expected = Some(Box::new(expected));
                    Examined::Undone { object: object.map(Box::new), lost: Vec::new(), expected }
                }
                Ok(_) => Examined::NotUndone("it was read, and is not as it was before".into()),
            }
        }
    }
}

/// Something was found that the undo may have made. Only what is as the image counts.
fn examine_found(
    scene: &Scene<'_>,
    image: &retrue_provider_api::Image,
    prior: &RecordedObject,
    observed: Observed,
) -> Examined {
    let whole = scene.differs_as_found(&image.state, &observed.state).is_empty();
    // Where an update finishes what was interrupted, it was looked for before the create was sent, and was not there.
    let ours = scene.capability.by_processes && scene.capability.unfinished == Unfinished::Updated;
    if !whole && scene.capability.findable == Findable::ByIdentity && !ours {
        return Examined::NotUndone("something else with its identity is there".into());
    }
    let Done { object, lost, expected } = scene.found(prior, image, observed);
    match object {
        // It carries our marker, or came after our look: we made it.
        Some(object) if !whole => {
            Examined::Unfinished(Box::new(RecordedObject { status: ObjectStatus::Tainted, ..object }))
        }
        object => Examined::Undone { object: object.map(Box::new), lost, expected: expected.map(Box::new) },
    }
}

/// Whether something that nobody sets is not as the step left it: the update back was begun.
fn came_along(scene: &Scene<'_>, observed: &Value) -> bool {
    let Some(now) = &scene.now else { return false };
    let left = now.attributes.clone().unmark_deep().0;
    differing_attributes(&left, observed).iter().any(|path| {
        path.first_attribute()
            .and_then(|name| scene.schema.block.attributes.get(name))
            .is_some_and(|attribute| !attribute.volatile && !attribute.settable())
    })
}

/// Whether an update back changes something that can be read.
fn visible(scene: &Scene<'_>, image: &Value) -> bool {
    let Some(now) = &scene.now else { return true };
    let differing = scene.differs(image, &now.attributes.clone().unmark_deep().0);
    differing.iter().any(|path| {
        path.first_attribute()
            .and_then(|name| scene.schema.block.attributes.get(name))
            .is_none_or(|attribute| !attribute.unobserved)
    }) || differing.is_empty()
}

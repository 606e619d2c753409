//! Decides how what is recorded and no longer declared ends.

use retrue_provider_api::{Image, Type, Value};

use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::decide::{Decision, Instance, World};
use crate::plan::model::{Action, Lifecycle, ObjectKey, OnDestroy, Step};
use crate::plan::steps::{delete_step, forget_step, restore_step};
use crate::saga::{Origin, RecordedObject};

/// How an object ends that is not to be ours any more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'i> {
    /// It is deleted.
    Delete,
    /// It becomes again what it was when it was adopted.
    Restore(&'i Image),
    /// It stays as it is.
    Forget,
}

impl<'i> Ending<'i> {
    /// What holds for an object: what is said of it, else by how it became ours.
    pub(super) fn of(lifecycle: &Lifecycle, recorded: &'i RecordedObject) -> Self {
        match (lifecycle.on_destroy, &recorded.origin) {
            (Some(OnDestroy::Delete), _) | (None, Origin::Created) => Ending::Delete,
            (Some(OnDestroy::Restore) | None, Origin::Adopted(Some(image))) => Ending::Restore(image),
            (Some(OnDestroy::Restore | OnDestroy::Forget), _) | (None, Origin::Adopted(None)) => Ending::Forget,
        }
    }

    /// The word for it, as it is written.
    pub(super) fn word(self) -> OnDestroy {
        match self {
            Ending::Delete => OnDestroy::Delete,
            Ending::Restore(_) => OnDestroy::Restore,
            Ending::Forget => OnDestroy::Forget,
        }
    }

    /// The step that does it.
    pub(super) fn step(self, instance: &Instance<'_>, recorded: &RecordedObject, object: ObjectKey) -> Step {
        match self {
            Ending::Delete => delete_step(instance, object),
            Ending::Restore(image) => restore_step(instance, recorded, image, object),
            Ending::Forget => forget_step(instance, object),
        }
    }
}

/// Whether an object is deleted where it is not to be ours any more.
pub fn deletes(lifecycle: &Lifecycle, recorded: &RecordedObject) -> bool {
    Ending::of(lifecycle, recorded).word() == OnDestroy::Delete
}

/// It is recorded and no longer declared.
pub(super) fn end(instance: &Instance<'_>, recorded: &RecordedObject, decision: &mut Decision) {
    let change = &mut decision.change;
    change.after = Value::null(Type::Dynamic);
    let why = if instance.destroying { "everything is to end" } else { "it is no longer declared" };
    if !matches!(instance.world, World::Present(_)) {
        change.action = Action::Forget;
        change.reasons.push(format!("{why}, and it is gone already"));
        decision.steps.push(forget_step(instance, ObjectKey::Current));
        return;
    }
    // What the configuration says of a block that still stands in it wins over what was recorded.
    let lifecycle = instance.lifecycle().unwrap_or(&recorded.lifecycle);
    let ending = Ending::of(lifecycle, recorded);
    let step = ending.step(instance, recorded, ObjectKey::Current);
    match ending {
        Ending::Delete if lifecycle.prevent_destroy => {
            decision.errors.push(prevented(instance, "deleted"));
            return;
        }
        Ending::Delete => {
            change.action = Action::Delete;
            change.reasons.push(why.to_owned());
            change.reversible = step.reversibility.clone();
            if let Some(response) = &instance.responses.delete {
                change.warnings.extend(response.warnings.iter().cloned());
            }
        }
        Ending::Restore(_) => {
            change.action = Action::Forget;
            change.reasons.push(format!("{why}, and returns to what it was when it was adopted"));
            change.after = step.planned.clone();
        }
        Ending::Forget => {
            change.action = Action::Forget;
            change.reasons.push(format!("{why}, and stays as it is"));
            change.after = change.before.clone();
        }
    }
    decision.steps.push(step);
}

/// `prevent_destroy` stands in the way.
pub(super) fn prevented(instance: &Instance<'_>, what: &str) -> Diagnostic {
    Diagnostic::error(
        codes::PREVENT_DESTROY,
        format!("`{}` would be {what}, and `prevent_destroy` forbids it", instance.address),
    )
    .hint(match (&instance.desired, &instance.declared) {
        (None, None) => "bring its block back with `prevent_destroy = false` and apply, before it can be deleted",
        _ => "set `prevent_destroy = false` first",
    })
}

/// The step that ends an object which was replaced and is still there.
///
/// # Errors
/// It could not be read, so nobody knows what there is to end.
pub fn end_deposed(instance: &Instance<'_>, recorded: &RecordedObject, key: &str) -> Result<Step, Diagnostic> {
    let object = ObjectKey::Deposed(key.into());
    match &instance.world {
        World::Present(_) => {
            let lifecycle = instance.lifecycle().unwrap_or(&recorded.lifecycle);
            Ok(Ending::of(lifecycle, recorded).step(instance, recorded, object))
        }
        World::Absent => Ok(forget_step(instance, object)),
        World::Unreadable(reason) => Err(unreadable(instance, &object, reason)),
        World::Many(_) | World::NotKnownYet | World::CannotLook => {
            Err(unreadable(instance, &object, "it cannot be told which one it is"))
        }
    }
}

fn unreadable(instance: &Instance<'_>, object: &ObjectKey, reason: &str) -> Diagnostic {
    let message = format!("what `{}` replaced ({object}) could not be read: {reason}", instance.address);
    Diagnostic::error(codes::UNREADABLE, message)
}

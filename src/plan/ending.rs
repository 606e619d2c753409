//! Decides how what is recorded and no longer declared ends.

use retrue_provider_api::{Image, Type, Value};

use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::decide::{Decision, Instance, SetAside, World, blank_change};
use crate::plan::drift::drift;
use crate::plan::model::{Action, Change, Drift, Lifecycle, ObjectKey, OnDestroy, Step};
use crate::plan::steps::{delete_step, forget_step, restore_step, told};
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
    let why = &instance.ends_because;
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
            change.reasons.push(why.to_string());
            change.reversible = told(instance, &step);
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

/// How an object that was replaced and is still there ends, and how it stands to its record.
///
/// `prevent_destroy` is no obstacle: it guards what an address stands for, and that this one ends was agreed to with the
/// replacement.
///
/// # Errors
/// It could not be read, so nobody knows what there is to end.
pub fn end_deposed(
    instance: &Instance<'_>,
    recorded: &RecordedObject,
    key: &str,
) -> Result<(Step, SetAside), Diagnostic> {
    let object = ObjectKey::Deposed(key.into());
    let mut change = Change { object: object.clone(), after: Value::null(Type::Dynamic), ..blank_change(instance) };
    let step = match &instance.world {
        World::Present(_) => {
            let lifecycle = instance.lifecycle().unwrap_or(&recorded.lifecycle);
            let ending = Ending::of(lifecycle, recorded);
            let step = ending.step(instance, recorded, object);
            let why = match ending {
                Ending::Delete => {
                    change.action = Action::Delete;
                    change.reversible = told(instance, &step);
                    let response = instance.responses.delete.iter();
                    change.warnings.extend(response.flat_map(|response| response.warnings.iter().cloned()));
                    "is still there"
                }
                Ending::Restore(_) => {
                    change.action = Action::Forget;
                    change.after = step.planned.clone();
                    "returns to what it was when it was adopted"
                }
                Ending::Forget => {
                    change.action = Action::Forget;
                    change.after = change.before.clone();
                    "stays as it is"
                }
            };
            change.reasons.push(format!("it was replaced, and {why}"));
            step
        }
        World::Absent => {
            change.action = Action::Forget;
            change.reasons.push("it was replaced, and is gone already".to_owned());
            forget_step(instance, object)
        }
        World::Unreadable(reason) => return Err(unreadable(instance, &object, reason)),
        World::Many(_) | World::NotKnownYet | World::CannotLook => {
            return Err(unreadable(instance, &object, "it cannot be told which one it is"));
        }
    };
    Ok((step, SetAside { change: Some(change), ..standing_deposed(instance, key) }))
}

/// How an object that was replaced and is still there stands to its record.
pub fn standing_deposed(instance: &Instance<'_>, key: &str) -> SetAside {
    let drift = drift(instance).map(|drift| Drift { object: ObjectKey::Deposed(key.into()), ..drift });
    SetAside { change: None, drift }
}

fn unreadable(instance: &Instance<'_>, object: &ObjectKey, reason: &str) -> Diagnostic {
    let message = format!("what `{}` replaced ({object}) could not be read: {reason}", instance.address);
    Diagnostic::error(codes::UNREADABLE, message)
}

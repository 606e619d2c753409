//! Decides how what is recorded and no longer declared ends.

use retrue_provider_api::{Type, Value};

use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::decide::{Decision, Instance, World};
use crate::plan::marks::mark_planned;
use crate::plan::model::{Action, ObjectKey, OnDestroy, PlannedValue, Step, StepEffect};
use crate::plan::steps::{delete_step, forget_step, step};
use crate::saga::{Origin, RecordedObject};

/// It is recorded and no longer declared.
pub(super) fn end(instance: &Instance<'_>, recorded: &RecordedObject, decision: &mut Decision) {
    let change = &mut decision.change;
    change.after = Value::null(Type::Dynamic);
    let why = if instance.destroying { "everything is to end" } else { "it is no longer declared" };
    if !matches!(instance.world, World::Present(_)) {
        change.action = Action::Forget;
        change.reasons.push(format!("{why}, and it is gone already"));
        decision.steps.push(forget_step(instance));
        return;
    }
    // What the configuration says of a block that still stands in it wins over what was recorded.
    let lifecycle = instance.lifecycle().unwrap_or(&recorded.lifecycle);
    let on_destroy = lifecycle.on_destroy.unwrap_or(match &recorded.origin {
        Origin::Created => OnDestroy::Delete,
        Origin::Adopted(Some(_)) => OnDestroy::Restore,
        Origin::Adopted(None) => OnDestroy::Forget,
    });
    if lifecycle.prevent_destroy && on_destroy == OnDestroy::Delete {
        decision.errors.push(prevented(instance, "deleted"));
        return;
    }
    match (on_destroy, &recorded.origin) {
        (OnDestroy::Restore, Origin::Adopted(Some(image))) => {
            change.action = Action::Forget;
            change.reasons.push(format!("{why}, and returns to what it was when it was adopted"));
            let mut restore = step(instance, StepEffect::Update);
            restore.restores = true;
            restore.planned = mark_planned(instance.block, image.state.clone(), Some(&recorded.attributes));
            restore.config = PlannedValue::known(recorded.config.clone());
            change.after = restore.planned.clone();
            decision.steps.push(restore);
        }
        (OnDestroy::Forget | OnDestroy::Restore, _) => {
            change.action = Action::Forget;
            change.reasons.push(format!("{why}, and stays as it is"));
            change.after = change.before.clone();
            decision.steps.push(forget_step(instance));
        }
        (OnDestroy::Delete, _) => {
            let delete = delete_step(instance, ObjectKey::Current);
            change.action = Action::Delete;
            change.reasons.push(why.to_owned());
            change.reversible = delete.reversibility.clone();
            if let Some(response) = &instance.responses.delete {
                change.warnings.extend(response.warnings.iter().cloned());
            }
            decision.steps.push(delete);
        }
    }
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
pub fn end_deposed(instance: &Instance<'_>, key: &str) -> Result<Step, Diagnostic> {
    let object = ObjectKey::Deposed(key.into());
    match &instance.world {
        World::Present(_) => Ok(delete_step(instance, object)),
        World::Absent => {
            let mut forget = forget_step(instance);
            forget.id.object = object;
            Ok(forget)
        }
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

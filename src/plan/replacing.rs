//! Decides how something is made anew, and what becomes of the old one.

use std::sync::Arc;

use retrue_provider_api::{Findable, Value};

use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::decide::{Decision, Desired, Instance};
use crate::plan::ending::{Ending, prevented};
use crate::plan::model::{Action, ObjectKey, OnDestroy, StepEffect};
use crate::plan::steps::{create_step, step, told};
use crate::saga::{ObjectStatus, Origin, RecordedObject};

/// It is declared and recorded, and cannot be changed in place.
pub(super) fn replace(instance: &Instance<'_>, desired: &Desired, recorded: &RecordedObject, decision: &mut Decision) {
    let address = &instance.address;
    if desired.lifecycle.prevent_destroy {
        decision.errors.push(prevented(instance, "replaced").at(desired.span));
        return;
    }
    let Some(response) = &instance.responses.create else { return };
    let ending = ending(instance, desired, recorded);
    if instance.same_place && ending.word() != OnDestroy::Delete {
        decision.errors.push(in_the_way(instance, recorded).at(desired.span));
        return;
    }
    let first = desired.lifecycle.create_before_destroy;
    let create = create_step(instance, response);
    let change = &mut decision.change;
    change.action = Action::Replace;
    change.create_before_destroy = first;
    change.old = Some(ending.word());
    change.replace_because.clone_from(&instance.replace_because);
    if recorded.status == ObjectStatus::Tainted {
        change.reasons.push("its creation was not finished".into());
    }
    change.reasons.extend(instance.replace_reason.iter().cloned());
    change
        .reasons
        .extend(instance.replace_because.iter().map(|path| format!("attribute {path} cannot be changed in place")));
    change.after = create.planned.clone();
    change.warnings.extend(response.warnings.iter().cloned());
    let object = match first {
        true => ObjectKey::Deposed(Arc::from(instance.generation.to_string())),
        false => ObjectKey::Current,
    };
    let mut end = ending.step(instance, recorded, object);
    change.reversible = create.reversibility.clone().worst(told(instance, &end));
    if first {
        let mut depose = step(instance, StepEffect::Depose);
        depose.preconditions.clear();
        depose.postconditions.clear();
        // The step before has brought it to the new address.
        end.moved_from = None;
        decision.steps.extend([depose, create, end]);
    } else {
        decision.steps.extend([end, create]);
    }
    if first && shares_identity(instance) {
        decision.errors.push(
            Diagnostic::error(
                codes::SHARED_IDENTITY,
                format!("`{address}` cannot be made before the old one is deleted: both have the same identity"),
            )
            .at(desired.span)
            .hint("remove `create_before_destroy`, or change the identity"),
        );
    }
}

/// What becomes of the old one: what would, if it were no longer declared.
fn ending<'i>(instance: &Instance<'_>, desired: &Desired, recorded: &'i RecordedObject) -> Ending<'i> {
    match &recorded.origin {
        // What we began and never finished is of no use to anybody.
        Origin::Created if recorded.status == ObjectStatus::Tainted => Ending::Delete,
        // Where nothing is outside, nothing is left behind either.
        _ if instance.capability.findable == Findable::NothingOutside => Ending::Delete,
        _ => Ending::of(&desired.lifecycle, recorded),
    }
}

/// What is not ours to delete stands where the new one is to be.
fn in_the_way(instance: &Instance<'_>, recorded: &RecordedObject) -> Diagnostic {
    let address = &instance.address;
    let why = match recorded.origin {
        Origin::Adopted(_) => "was adopted",
        Origin::Created => "is to stay by its `on_destroy`",
    };
    Diagnostic::error(
        codes::REPLACES_ADOPTED,
        format!("`{address}` {why}, and would be deleted: the new one is to stand in its place"),
    )
    .hint(
        "leave what cannot be changed in place as it is, or set `on_destroy = \"delete\"` in its `lifecycle` to have it \
         deleted",
    )
}

fn shares_identity(instance: &Instance<'_>) -> bool {
    let mut attributes = instance.block.identity_attributes().peekable();
    if attributes.peek().is_none() || instance.capability.findable != Findable::ByIdentity {
        return false;
    }
    let (Some(desired), Some(observed)) = (&instance.desired, instance.observed()) else { return false };
    attributes.all(|name| match (desired.config.value.get(name), observed.state.get(name)) {
        (Some(new), Some(old)) => Value::is_wholly_known(new) && new.same(old),
        _ => false,
    })
}

//! The steps of one instance: what each effect needs to be carried out.

use std::sync::Arc;

use retrue_provider_api::{Image, PlanResponse, Private, Reversibility, Type, Value, sets_write_only};

use crate::plan::decide::{Instance, World};
use crate::plan::marks::mark_planned;
use crate::plan::model::{ExistingObject, ObjectKey, PlannedValue, Step, StepEffect, StepId};
use crate::saga::{ObjectStatus, RecordedObject};

/// What an undo cannot bring back of what is sent and never kept.
const NOT_SENT_AGAIN: &str = "what is write-only is not kept, so an undo cannot send it again";

/// What an undo cannot bring back of what holds data.
const DATA_GONE: &str = "its data is gone";

/// What an undo does not bring back of what counts as unfinished.
pub const NOT_MADE_AGAIN: &str = "its creation was not finished, and an undo does not make it again";

/// A step with all that the instance says about it.
pub(super) fn step(instance: &Instance<'_>, effect: StepEffect) -> Step {
    let observed = instance.observed();
    let recorded = instance.recorded;
    let desired = instance.desired.as_ref();
    let null = || Value::null(Type::Dynamic);
    Step {
        id: StepId { address: instance.address.clone(), object: ObjectKey::Current, effect, plan: String::new() },
        type_name: Arc::clone(&instance.address.block.type_name),
        provider: Arc::clone(&instance.provider),
        depends_on: Vec::new(),
        stage: 0,
        reversibility: Reversibility::Full,
        config: desired.map_or_else(|| PlannedValue::known(null()), |desired| desired.config.clone()),
        kept: match (effect, recorded) {
            // What is not ours yet is first made as declared.
            (StepEffect::Update, Some(_)) => desired.map(|desired| desired.ignored.clone()).unwrap_or_default(),
            _ => Vec::new(),
        },
        planned: null(),
        planned_private: Private::default(),
        observed: instance.observed_state(),
        observed_private: observed.map(|observed| observed.private.clone()).unwrap_or_default(),
        observed_identity: observed.and_then(|observed| observed.identity.clone()),
        fingerprint: instance.fingerprint.clone(),
        fingerprint_of: instance.fingerprint_of.clone(),
        generation: instance.generation,
        existing: ExistingObject::Absent,
        dependencies: desired
            .map(|desired| desired.dependencies.clone())
            .or_else(|| recorded.map(|recorded| recorded.dependencies.clone()))
            .unwrap_or_default(),
        provenance: desired.map(|desired| desired.provenance.clone()).unwrap_or_default(),
        lifecycle: instance.lifecycle().cloned().unwrap_or_default(),
        preconditions: desired.map(|desired| desired.preconditions.clone()).unwrap_or_default(),
        postconditions: desired.map(|desired| desired.postconditions.clone()).unwrap_or_default(),
        moved_from: instance.moved_from.clone(),
        schema_version: instance.schema_version,
        adopts: false,
        restores: false,
        import: None,
        fallback: None,
        late: false,
    }
}

/// A step that brings something to what the provider plans.
pub(super) fn step_to(instance: &Instance<'_>, effect: StepEffect, response: &PlanResponse) -> Step {
    let config = instance.desired.as_ref().map(|desired| &desired.config.value);
    let sent = config.is_some_and(|config| sets_write_only(instance.block, config))
        || instance.recorded.is_some_and(|recorded| recorded.sent_write_only);
    let reversibility = match (&response.reversibility, effect) {
        (Reversibility::Full, StepEffect::Update) if sent => Reversibility::Lossy(NOT_SENT_AGAIN.into()),
        (said, _) => said.clone(),
    };
    Step {
        planned: mark_planned(instance.block, response.planned.clone(), config),
        planned_private: response.planned_private.clone(),
        reversibility,
        ..step(instance, effect)
    }
}

/// Makes the object.
pub(super) fn create_step(instance: &Instance<'_>, response: &PlanResponse) -> Step {
    let existing = match instance.world {
        World::NotKnownYet => ExistingObject::LookBeforeCreate,
        World::CannotLook => ExistingObject::CannotLook,
        _ => ExistingObject::Absent,
    };
    Step {
        generation: instance.generation + 1,
        existing,
        observed: Value::null(Type::Dynamic),
        observed_private: Private::default(),
        observed_identity: None,
        fingerprint: String::new(),
        fingerprint_of: Vec::new(),
        moved_from: None,
        ..step_to(instance, StepEffect::Create, response)
    }
}

/// The reversibility of a delete: what the provider says, and that data does not come back.
fn delete_reversibility(instance: &Instance<'_>, response: Option<&PlanResponse>) -> Reversibility {
    // What was never finished is not made again, and holds nothing that a run should halt for. It is told, though.
    if is_unfinished(instance) {
        return Reversibility::Full;
    }
    let said = response.map_or(Reversibility::Full, |response| response.reversibility.clone());
    match said {
        Reversibility::Full if instance.recorded.is_some_and(|recorded| recorded.sent_write_only) => {
            Reversibility::Lossy(NOT_SENT_AGAIN.into())
        }
        Reversibility::Full if instance.capability.holds_data => Reversibility::Lossy(DATA_GONE.into()),
        said => said,
    }
}

fn is_unfinished(instance: &Instance<'_>) -> bool {
    instance.recorded.is_some_and(|recorded| recorded.status == ObjectStatus::Tainted)
}

/// What a person is told about how far the end of an object can be undone.
pub(super) fn told(instance: &Instance<'_>, end: &Step) -> Reversibility {
    let said = end.reversibility.clone();
    if end.id.effect != StepEffect::Delete || !is_unfinished(instance) {
        return said;
    }
    let not_again = Reversibility::Lossy(NOT_MADE_AGAIN.into());
    // It may only count as unfinished, and hold data all the same.
    match instance.capability.holds_data {
        true => said.worst(Reversibility::Lossy(DATA_GONE.into())).worst(not_again),
        false => said.worst(not_again),
    }
}

/// Deletes an object.
pub(super) fn delete_step(instance: &Instance<'_>, object: ObjectKey) -> Step {
    let response = instance.responses.delete.as_ref();
    let mut delete = step(instance, StepEffect::Delete);
    delete.id.object = object;
    delete.config = PlannedValue::known(Value::null(Type::Dynamic));
    delete.planned_private = response.map(|response| response.planned_private.clone()).unwrap_or_default();
    delete.reversibility = delete_reversibility(instance, response);
    delete.preconditions.clear();
    delete.postconditions.clear();
    delete
}

/// Brings an object back to what it was when it was adopted, and ends its record. Nothing of it comes from what is
/// declared now.
pub(super) fn restore_step(
    instance: &Instance<'_>,
    recorded: &RecordedObject,
    image: &Image,
    object: ObjectKey,
) -> Step {
    let mut restore = step(instance, StepEffect::Update);
    restore.id.object = object;
    restore.restores = true;
    restore.planned = mark_planned(instance.block, image.state.clone(), Some(&recorded.attributes));
    restore.config = PlannedValue::known(recorded.config.clone());
    restore.kept.clear();
    restore.dependencies.clone_from(&recorded.dependencies);
    restore.provenance.clone_from(&recorded.provenance);
    restore.preconditions.clear();
    restore.postconditions.clear();
    restore
}

/// A step that only brings the record up to date, and checks what is to be checked.
pub(super) fn record_step(instance: &Instance<'_>, response: &PlanResponse) -> Step {
    Step { reversibility: Reversibility::Full, ..step_to(instance, StepEffect::Record, response) }
}

/// The end of a record; nothing outside changes.
pub(super) fn forget_step(instance: &Instance<'_>, object: ObjectKey) -> Step {
    let mut forget = step(instance, StepEffect::Forget);
    forget.id.object = object;
    forget.config = PlannedValue::known(Value::null(Type::Dynamic));
    forget.preconditions.clear();
    forget.postconditions.clear();
    forget
}

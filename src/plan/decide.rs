//! Decides what happens to one instance, given everything that is known about it.

use std::sync::Arc;

use retrue_provider_api::{
    Block, Capability, Findable, Observed, Path, PlanResponse, Private, Reversibility, Type, Value,
};

use crate::address::{Address, BlockAddress};
use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::compare::{differing_attributes, effective_difference};
use crate::plan::drift::drift;
use crate::plan::marks::mark_planned;
use crate::plan::model::{
    Action, Change, Drift, ExistingObject, Lifecycle, ObjectKey, OnDestroy, PendingCondition, PlannedValue, Provenance,
    Step, StepEffect, StepId,
};
use crate::saga::{ObjectStatus, Origin, RecordedObject};
use crate::span::Span;

/// What is declared for an instance.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The evaluated configuration; what is not known yet is unknown.
    pub config: PlannedValue,
    /// What holds for it, also when its block is gone.
    pub lifecycle: Lifecycle,
    /// Whether something that exists and nobody owns may be adopted.
    pub adopt_existing: bool,
    /// The blocks that it refers to, directly.
    pub dependencies: Vec<BlockAddress>,
    /// Where values come from.
    pub provenance: Provenance,
    /// Conditions that could not be checked yet.
    pub preconditions: Vec<PendingCondition>,
    /// See `preconditions`.
    pub postconditions: Vec<PendingCondition>,
    /// Where the block stands.
    pub span: Span,
}

/// What is outside.
#[derive(Clone, Debug)]
pub enum World {
    /// Nothing.
    Absent,
    /// This.
    Present(Box<Observed>),
    /// More than one thing has the identity.
    Many(usize),
    /// It could not be read, for this reason.
    Unreadable(String),
    /// It was not looked for: the identity is not known yet.
    NotKnownYet,
    /// It cannot be looked for.
    CannotLook,
}

/// What the provider plans.
#[derive(Clone, Debug, Default)]
pub struct Responses {
    /// For bringing what is there to what is desired.
    pub update: Option<PlanResponse>,
    /// For making it anew.
    pub create: Option<PlanResponse>,
    /// For deleting what is there.
    pub delete: Option<PlanResponse>,
}

/// Everything that is known about one instance.
#[derive(Debug)]
pub struct Instance<'a> {
    /// Its address.
    pub address: Address,
    /// The provider instance.
    pub provider: Arc<str>,
    /// The schema of its type.
    pub block: &'a Block,
    /// The version of the schema.
    pub schema_version: u64,
    /// What the type can do.
    pub capability: Capability,
    /// What is declared; `None` when nothing is.
    pub desired: Option<Desired>,
    /// What is recorded, under this address or the one that it had.
    pub recorded: Option<&'a RecordedObject>,
    /// The address that it had.
    pub moved_from: Option<Address>,
    /// What is outside.
    pub world: World,
    /// The fingerprint of what is outside; empty where nothing is.
    pub fingerprint: String,
    /// The attributes that it is made of.
    pub fingerprint_of: Vec<Arc<str>>,
    /// What the provider plans.
    pub responses: Responses,
    /// Why it must be made anew, apart from what the provider says.
    pub replace_reason: Option<String>,
    /// The attributes that the provider says force a replacement, and that really differ.
    pub replace_because: Vec<Path>,
    /// The last generation of the address.
    pub generation: u64,
    /// The lineage of our own store: what carries another one's marker is never adopted.
    pub lineage: &'a str,
    /// Attributes of it that something else refers to.
    pub used: &'a [Path],
    /// Whether everything is to end.
    pub destroying: bool,
}

/// What happens to one instance.
#[derive(Debug)]
pub struct Decision {
    /// For people.
    pub change: Change,
    /// The effects, in order; what they wait for is added later.
    pub steps: Vec<Step>,
    /// How the world differs from the record, where it does.
    pub drift: Option<Drift>,
    /// What is wrong; then nothing of the rest counts.
    pub errors: Vec<Diagnostic>,
}

impl Instance<'_> {
    fn observed(&self) -> Option<&Observed> {
        match &self.world {
            World::Present(observed) => Some(observed),
            _ => None,
        }
    }

    /// What is outside, with its marks; null where nothing is.
    pub(super) fn observed_state(&self) -> Value {
        let recorded = self.recorded.map(|object| &object.attributes);
        match self.observed() {
            Some(observed) => mark_planned(self.block, observed.state.clone(), recorded),
            None => Value::null(Type::Dynamic),
        }
    }
}

/// Decides. Pure: the same input gives the same decision.
pub fn decide(instance: &Instance<'_>) -> Decision {
    let mut decision =
        Decision { change: blank_change(instance), steps: Vec::new(), drift: drift(instance), errors: Vec::new() };
    if let World::Unreadable(reason) = &instance.world {
        decision.errors.push(
            Diagnostic::error(codes::UNREADABLE, format!("`{}` could not be read: {reason}", instance.address))
                .maybe_at(instance.desired.as_ref().map(|desired| desired.span)),
        );
        return decision;
    }
    match (&instance.desired, instance.recorded) {
        (Some(desired), None) => make_or_adopt(instance, desired, &mut decision),
        (Some(desired), Some(recorded)) => keep_or_change(instance, desired, recorded, &mut decision),
        (None, Some(recorded)) => end(instance, recorded, &mut decision),
        (None, None) => {}
    }
    decision
}

fn blank_change(instance: &Instance<'_>) -> Change {
    let before = instance.observed_state();
    let recorded = instance
        .recorded
        .filter(|recorded| !recorded.attributes.same(&before))
        .map(|recorded| recorded.attributes.clone());
    Change {
        address: instance.address.clone(),
        action: Action::NoOp,
        reversible: Reversibility::Full,
        reasons: Vec::new(),
        after: before.clone(),
        before,
        recorded,
        replace_because: Vec::new(),
        moved_from: instance.moved_from.clone(),
        create_before_destroy: false,
        warnings: Vec::new(),
    }
}

/// A step with all that the instance says about it.
fn step(instance: &Instance<'_>, effect: StepEffect) -> Step {
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
        lifecycle: desired
            .map(|desired| desired.lifecycle.clone())
            .or_else(|| recorded.map(|recorded| recorded.lifecycle.clone()))
            .unwrap_or_default(),
        preconditions: desired.map(|desired| desired.preconditions.clone()).unwrap_or_default(),
        postconditions: desired.map(|desired| desired.postconditions.clone()).unwrap_or_default(),
        moved_from: instance.moved_from.clone(),
        schema_version: instance.schema_version,
        adopts: false,
        restores: false,
    }
}

/// A step that brings something to what the provider plans.
fn step_to(instance: &Instance<'_>, effect: StepEffect, response: &PlanResponse) -> Step {
    let config = instance.desired.as_ref().map(|desired| &desired.config.value);
    Step {
        planned: mark_planned(instance.block, response.planned.clone(), config),
        planned_private: response.planned_private.clone(),
        reversibility: response.reversibility.clone(),
        ..step(instance, effect)
    }
}

fn create_step(instance: &Instance<'_>, response: &PlanResponse) -> Step {
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
    // What was never finished holds nothing that is worth bringing back.
    if instance.recorded.is_some_and(|recorded| recorded.status == ObjectStatus::Tainted) {
        return Reversibility::Full;
    }
    let said = response.map_or(Reversibility::Full, |response| response.reversibility.clone());
    match said {
        Reversibility::Full if instance.capability.holds_data => Reversibility::Lossy("its data is gone".into()),
        said => said,
    }
}

fn delete_step(instance: &Instance<'_>, object: ObjectKey) -> Step {
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

/// Says what nobody will be able to tell, where the provider has not said so itself.
fn warn_of_blindness(instance: &Instance<'_>, response: &PlanResponse, change: &mut Change) {
    if !response.warnings.is_empty() {
        return;
    }
    if !instance.capability.observes {
        change.warnings.push("it cannot be read back: drift cannot be seen, and doubt cannot be settled".into());
    } else if instance.capability.findable == Findable::No {
        change
            .warnings
            .push("it cannot be found again: if we are interrupted, a person has to say whether it exists".into());
    }
}

/// Nothing is recorded: it is made, or what exists is adopted.
fn make_or_adopt(instance: &Instance<'_>, desired: &Desired, decision: &mut Decision) {
    let fail = |decision: &mut Decision, diagnostic: Diagnostic| decision.errors.push(diagnostic.at(desired.span));
    match &instance.world {
        World::Many(count) => fail(
            decision,
            Diagnostic::error(
                codes::MANY_EXIST,
                format!("{count} things exist that `{}` could be: none of them is adopted", instance.address),
            )
            .hint("make its identity unambiguous"),
        ),
        World::Present(observed) => adopt(instance, desired, observed, decision),
        _ => {
            let Some(response) = &instance.responses.create else { return };
            let create = create_step(instance, response);
            let change = &mut decision.change;
            change.action = Action::Create;
            change.reasons.push("it is declared and does not exist".into());
            change.before = Value::null(Type::Dynamic);
            change.after = create.planned.clone();
            change.reversible = create.reversibility.clone();
            change.warnings.extend(response.warnings.iter().cloned());
            warn_of_blindness(instance, response, change);
            decision.steps.push(create);
        }
    }
}

fn adopt(instance: &Instance<'_>, desired: &Desired, observed: &Observed, decision: &mut Decision) {
    let address = &instance.address;
    let foreign = observed
        .marker
        .as_deref()
        .and_then(|text| text.parse::<retrue_provider_api::Marker>().ok())
        .filter(|marker| marker.lineage != instance.lineage);
    if let Some(marker) = foreign {
        decision.errors.push(
            Diagnostic::error(
                codes::FOREIGN_MARKER,
                format!(
                    "`{address}` exists, and belongs to another stack: it carries the marker of `{}`",
                    marker.address
                ),
            )
            .at(desired.span)
            .hint("choose another identity, or let the other stack forget it first"),
        );
        return;
    }
    if !desired.adopt_existing {
        decision.errors.push(
            Diagnostic::error(codes::EXISTS, format!("`{address}` exists, and `on_existing` is \"fail\""))
                .at(desired.span)
                .hint("remove it, choose another identity, or set `on_existing = \"adopt\"`"),
        );
        return;
    }
    let Some(response) = &instance.responses.update else { return };
    if !instance.replace_because.is_empty() {
        let attributes: Vec<String> = instance.replace_because.iter().map(|path| format!("`{path}`")).collect();
        decision.errors.push(
            Diagnostic::error(
                codes::ADOPT_REPLACES,
                format!(
                    "`{address}` exists, and differs in what cannot be changed in place: {}",
                    attributes.join(", ")
                ),
            )
            .at(desired.span)
            .hint("what we did not make is not replaced: change the configuration, or remove it yourself"),
        );
        return;
    }
    let differs = effective_difference(instance.block, &observed.state, &response.planned);
    let effect = if differs { StepEffect::Update } else { StepEffect::Adopt };
    let mut step = step_to(instance, effect, response);
    step.adopts = true;
    // A generation of its own: what existed before us is not what was under this address once.
    step.generation = instance.generation + 1;
    if !differs {
        step.reversibility = Reversibility::Full;
    }
    let change = &mut decision.change;
    change.action = Action::Adopt;
    change.reasons.push(if differs {
        "it exists, nobody owns it, and it differs".into()
    } else {
        "it exists, and nobody owns it".to_owned()
    });
    change.after = step.planned.clone();
    change.reversible = step.reversibility.clone();
    change.warnings.extend(response.warnings.iter().cloned());
    decision.steps.push(step);
}

/// It is declared and recorded.
fn keep_or_change(instance: &Instance<'_>, desired: &Desired, recorded: &RecordedObject, decision: &mut Decision) {
    if !matches!(instance.world, World::Present(_)) {
        let Some(response) = &instance.responses.create else { return };
        let create = create_step(instance, response);
        let change = &mut decision.change;
        change.action = Action::Create;
        change.reasons.push("it is recorded, and is gone".into());
        change.after = create.planned.clone();
        change.reversible = create.reversibility.clone();
        decision.steps.push(Step { moved_from: instance.moved_from.clone(), ..create });
        return;
    }
    let tainted = recorded.status == ObjectStatus::Tainted;
    if tainted || instance.replace_reason.is_some() || !instance.replace_because.is_empty() {
        replace(instance, desired, tainted, decision);
        return;
    }
    let Some(response) = &instance.responses.update else { return };
    let observed = instance.observed_state();
    if effective_difference(instance.block, &observed, &response.planned) {
        let update = step_to(instance, StepEffect::Update, response);
        let change = &mut decision.change;
        change.action = Action::Update;
        change.after = update.planned.clone();
        change.reversible = update.reversibility.clone();
        change.reasons = update_reasons(instance.block, recorded, &observed, &update.planned);
        change.warnings.extend(response.warnings.iter().cloned());
        decision.steps.push(update);
    } else if record_is_stale(instance.block, desired, recorded, &observed, &response.planned)
        || instance.moved_from.is_some()
    {
        let mut record = step_to(instance, StepEffect::Record, response);
        record.reversibility = Reversibility::Full;
        if let Some(from) = &instance.moved_from {
            decision.change.reasons.push(format!("it was `{from}`"));
        }
        decision.steps.push(record);
    }
}

fn replace(instance: &Instance<'_>, desired: &Desired, tainted: bool, decision: &mut Decision) {
    let address = &instance.address;
    if desired.lifecycle.prevent_destroy {
        decision.errors.push(prevented(instance, "replaced").at(desired.span));
        return;
    }
    let Some(response) = &instance.responses.create else { return };
    let first = desired.lifecycle.create_before_destroy;
    let create = create_step(instance, response);
    let change = &mut decision.change;
    change.action = Action::Replace;
    change.create_before_destroy = first;
    change.replace_because.clone_from(&instance.replace_because);
    if tainted {
        change.reasons.push("its creation was not finished".into());
    }
    change.reasons.extend(instance.replace_reason.iter().cloned());
    change
        .reasons
        .extend(instance.replace_because.iter().map(|path| format!("attribute {path} cannot be changed in place")));
    change.after = create.planned.clone();
    change.warnings.extend(response.warnings.iter().cloned());
    if first {
        let key: Arc<str> = instance.generation.to_string().into();
        let mut depose = step(instance, StepEffect::Depose);
        depose.preconditions.clear();
        depose.postconditions.clear();
        let mut delete = delete_step(instance, ObjectKey::Deposed(key));
        // The step before has brought it to the new address.
        delete.moved_from = None;
        change.reversible = create.reversibility.clone().worst(delete.reversibility.clone());
        decision.steps.extend([depose, create, delete]);
    } else {
        let delete = delete_step(instance, ObjectKey::Current);
        change.reversible = create.reversibility.clone().worst(delete.reversibility.clone());
        decision.steps.extend([delete, create]);
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

fn shares_identity(instance: &Instance<'_>) -> bool {
    let mut attributes = instance.block.identity_attributes().peekable();
    if attributes.peek().is_none() || instance.capability.findable != Findable::ByIdentity {
        return false;
    }
    let (Some(desired), Some(observed)) = (&instance.desired, instance.observed()) else { return false };
    attributes.all(|name| match (desired.config.value.get(name), observed.state.get(name)) {
        (Some(new), Some(old)) => new.is_wholly_known() && new.same(old),
        _ => false,
    })
}

fn prevented(instance: &Instance<'_>, what: &str) -> Diagnostic {
    Diagnostic::error(
        codes::PREVENT_DESTROY,
        format!("`{}` would be {what}, and `prevent_destroy` forbids it", instance.address),
    )
    .hint("set `prevent_destroy = false` and apply, before it can be deleted")
}

/// It is recorded and no longer declared.
fn end(instance: &Instance<'_>, recorded: &RecordedObject, decision: &mut Decision) {
    let change = &mut decision.change;
    change.after = Value::null(Type::Dynamic);
    let why = if instance.destroying { "everything is to end" } else { "it is no longer declared" };
    if !matches!(instance.world, World::Present(_)) {
        change.action = Action::Forget;
        change.reasons.push(format!("{why}, and it is gone already"));
        decision.steps.push(forget_step(instance));
        return;
    }
    let on_destroy = recorded.lifecycle.on_destroy.unwrap_or(match &recorded.origin {
        Origin::Created => OnDestroy::Delete,
        Origin::Adopted(Some(_)) => OnDestroy::Restore,
        Origin::Adopted(None) => OnDestroy::Forget,
    });
    if recorded.lifecycle.prevent_destroy && on_destroy == OnDestroy::Delete {
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

fn forget_step(instance: &Instance<'_>) -> Step {
    let mut forget = step(instance, StepEffect::Forget);
    forget.config = PlannedValue::known(Value::null(Type::Dynamic));
    forget.preconditions.clear();
    forget.postconditions.clear();
    forget
}

/// The steps that end an object which was replaced and is still there.
pub fn end_deposed(instance: &Instance<'_>, key: &str) -> Step {
    let object = ObjectKey::Deposed(key.into());
    if matches!(instance.world, World::Present(_)) {
        delete_step(instance, object)
    } else {
        let mut forget = forget_step(instance);
        forget.id.object = object;
        forget
    }
}

fn update_reasons(block: &Block, recorded: &RecordedObject, observed: &Value, planned: &Value) -> Vec<String> {
    differing_attributes(observed, planned)
        .into_iter()
        .filter(|path| {
            // What only follows from a change is no reason for it.
            path.first_attribute()
                .and_then(|name| block.attributes.get(name))
                .is_none_or(|attribute| attribute.settable())
        })
        .map(|path| {
            let was = path.get(&recorded.attributes);
            let is = path.get(observed);
            let drifted = match (was, is) {
                (Some(was), Some(is)) => !was.same(is),
                _ => false,
            };
            if drifted { format!("attribute {path} was changed outside") } else { format!("attribute {path} changed") }
        })
        .collect()
}

fn record_is_stale(
    block: &Block,
    desired: &Desired,
    recorded: &RecordedObject,
    observed: &Value,
    planned: &Value,
) -> bool {
    let lasting = |from: &Value, to: &Value| {
        differing_attributes(from, to).iter().any(|path| {
            path.first_attribute()
                .and_then(|name| block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
    };
    lasting(&recorded.attributes, planned)
        || lasting(observed, planned)
        || !recorded.config.same(&desired.config.value)
        || recorded.lifecycle != desired.lifecycle
        || recorded.dependencies != desired.dependencies
        || recorded.provenance != desired.provenance
}

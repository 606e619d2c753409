//! Decides what happens to one instance, given everything that is known about it.

use std::borrow::Cow;
use std::sync::Arc;

use retrue_provider_api::{
    Block, Capability, Findable, Marker, Observed, Path, PlanResponse, Reversibility, Type, Value, without_write_only,
};

use crate::address::{Address, BlockAddress};
use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::compare::{differing_attributes, effective_difference};
use crate::plan::drift::drift;
use crate::plan::ending::end;
use crate::plan::marks::{mark_observed, mark_planned, sensitive_paths};
use crate::plan::model::{
    Action, Change, Drift, Lifecycle, ObjectKey, PendingCondition, PlannedValue, Provenance, Step, StepEffect,
};
use crate::plan::replacing::replace;
use crate::plan::steps::{create_step, record_step, step_to};
use crate::saga::{ObjectStatus, RecordedObject};
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
    /// What a difference of means nothing; the root stands for everything.
    pub ignored: Vec<Path>,
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
    /// What its block says of the end of it, where the block is declared and the instance is not desired.
    pub declared: Option<Lifecycle>,
    /// What is recorded, under this address or the one that it had.
    pub recorded: Option<&'a RecordedObject>,
    /// Whether the record names others by addresses that they had.
    pub outdated: bool,
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
    /// Whether what is outside stands just where what is declared is to be made: for one of them to be there, the
    /// other must not be.
    pub same_place: bool,
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
    /// Why it ends, where nothing is declared for it.
    pub ends_because: Cow<'a, str>,
    /// Whether what is wrong is no obstacle: only how it stands to the record is asked for.
    pub looking: bool,
    /// What is outside was found by an id that somebody gave.
    pub import: Option<PlannedImport>,
}

/// An adoption by id.
#[derive(Clone, Debug)]
pub struct PlannedImport {
    /// The id.
    pub id: Arc<str>,
    /// What else it stands for, in words.
    pub also_found: Vec<String>,
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
    /// What becomes of what is set aside; its steps are among the others.
    pub set_aside: Vec<SetAside>,
    /// What is wrong; then nothing of the rest counts.
    pub errors: Vec<Diagnostic>,
}

/// What becomes of an object that was replaced and is still there.
#[derive(Debug)]
pub struct SetAside {
    /// For people; `None` where only how things stand is asked for.
    pub change: Option<Change>,
    /// How it differs from its record, where it does.
    pub drift: Option<Drift>,
}

impl Instance<'_> {
    pub(super) fn observed(&self) -> Option<&Observed> {
        match &self.world {
            World::Present(observed) => Some(observed),
            _ => None,
        }
    }

    /// The lifecycle in force: what is declared, else what was recorded.
    pub(super) fn lifecycle(&self) -> Option<&Lifecycle> {
        let desired = self.desired.as_ref().map(|desired| &desired.lifecycle);
        desired.or(self.declared.as_ref()).or(self.recorded.map(|recorded| &recorded.lifecycle))
    }

    /// What is recorded, with the marks of what is declared as well; null where nothing is.
    pub(super) fn recorded_state(&self) -> Value {
        let desired = self.desired.as_ref().map(|desired| &desired.config.value);
        match self.recorded {
            Some(recorded) => mark_observed(self.block, recorded.attributes.clone(), None, desired),
            None => Value::null(Type::Dynamic),
        }
    }

    /// What is outside, with its marks; null where nothing is.
    pub(super) fn observed_state(&self) -> Value {
        let recorded = self.recorded.map(|object| &object.attributes);
        let desired = self.desired.as_ref().map(|desired| &desired.config.value);
        match self.observed() {
            Some(observed) => mark_observed(self.block, observed.state.clone(), recorded, desired),
            None => Value::null(Type::Dynamic),
        }
    }
}

/// Decides. Pure: the same input gives the same decision.
pub fn decide(instance: &Instance<'_>) -> Decision {
    let mut decision = Decision {
        change: blank_change(instance),
        steps: Vec::new(),
        drift: drift(instance),
        set_aside: Vec::new(),
        errors: Vec::new(),
    };
    if instance.looking && instance.desired.is_none() {
        return decision;
    }
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
    if let Some(from) = instance.moved_from.as_ref().filter(|from| from.type_name() != instance.address.type_name()) {
        let kind = instance.address.type_name();
        let stays =
            Reversibility::Lossy(format!("it stays a `{kind}`, which it becomes: it was a `{}`", from.type_name()));
        // Nothing of the world is lost with it, so that it is in nobody's way: it is told, and that is all.
        decision.change.reversible = decision.change.reversible.clone().worst(stays);
    }
    decision
}

pub(super) fn blank_change(instance: &Instance<'_>) -> Change {
    let before = instance.observed_state();
    let recorded = instance.recorded.filter(|recorded| !recorded.attributes.same(&before));
    let recorded = recorded.map(|_| instance.recorded_state());
    Change {
        address: instance.address.clone(),
        object: ObjectKey::Current,
        action: Action::NoOp,
        reversible: Reversibility::Full,
        reasons: Vec::new(),
        after: before.clone(),
        before,
        recorded,
        replace_because: Vec::new(),
        moved_from: instance.moved_from.clone(),
        create_before_destroy: false,
        old: None,
        warnings: Vec::new(),
        import: None,
        triggers: Vec::new(),
    }
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

/// The marker that an object carries, where that is one of another store.
pub fn foreign_marker(observed: &Observed, lineage: &str) -> Option<Marker> {
    let marker = observed.marker.as_deref()?.parse::<Marker>().ok()?;
    (marker.lineage != lineage).then_some(marker)
}

/// That something is another stack's, so that it does not become ours.
pub fn belongs_elsewhere(address: &Address, marker: &Marker) -> Diagnostic {
    let what =
        format!("`{address}` exists, and belongs to another stack: it carries the marker of `{}`", marker.address);
    Diagnostic::error(codes::FOREIGN_MARKER, what)
        .hint("choose another identity, or let the other stack forget it first")
}

fn adopt(instance: &Instance<'_>, desired: &Desired, observed: &Observed, decision: &mut Decision) {
    let address = &instance.address;
    if let Some(marker) = foreign_marker(observed, instance.lineage) {
        decision.errors.push(belongs_elsewhere(address, &marker).at(desired.span));
        return;
    }
    // What somebody names is meant, whatever holds for what is merely found.
    if !desired.adopt_existing && instance.import.is_none() {
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
    change.action = if instance.import.is_some() { Action::Import } else { Action::Adopt };
    change.reasons.push(match (&instance.import, differs) {
        (Some(_), true) => "an import names it, and it differs".to_owned(),
        (Some(_), false) => "an import names it".to_owned(),
        (None, true) => "it exists, nobody owns it, and it differs".into(),
        (None, false) => "it exists, and nobody owns it".to_owned(),
    });
    if let Some(import) = &instance.import {
        change.import = Some(Arc::clone(&import.id));
        step.import = Some(Arc::clone(&import.id));
        change.warnings.extend(import.also_found.iter().map(|other| not_imported(other)));
    }
    change.after = step.planned.clone();
    change.reversible = step.reversibility.clone();
    change.warnings.extend(response.warnings.iter().cloned());
    decision.steps.push(step);
}

/// What is said of something else that the id of an import stands for.
pub fn not_imported(other: &str) -> String {
    format!("its id stands for more, which stays without an owner until it is imported, too: {other}")
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
        replace(instance, desired, recorded, decision);
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
        || instance.outdated
    {
        let record = record_step(instance, response);
        if let Some(from) = &instance.moved_from {
            decision.change.reasons.push(format!("it was `{from}`"));
        }
        decision.steps.push(record);
    }
}

fn update_reasons(block: &Block, recorded: &RecordedObject, observed: &Value, planned: &Value) -> Vec<String> {
    let differing = differing_attributes(observed, planned);
    // What only follows from a change is no reason for it, unless nothing else is told of that: what a file holds that
    // is named, for one.
    let settable = |path: &&Path| {
        let attribute = path.first_attribute().and_then(|name| block.attributes.get(name));
        attribute.is_none_or(|attribute| attribute.settable())
    };
    let causes: Vec<&Path> = differing.iter().filter(settable).collect();
    let causes = if causes.is_empty() { differing.iter().collect() } else { causes };
    causes
        .into_iter()
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
    // What is sensitive now, or no longer, has to rest in another way.
    let marked = |recorded: &Value, now: &Value| sensitive_paths(recorded) != sensitive_paths(now);
    let config = without_write_only(block, &desired.config.value);
    let lasting = |from: &Value, to: &Value| {
        differing_attributes(from, to).iter().any(|path| {
            path.first_attribute()
                .and_then(|name| block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
    };
    lasting(&recorded.attributes, planned)
        || lasting(observed, planned)
        || !recorded.config.same(&config)
        || marked(&recorded.config, &config)
        || marked(&recorded.attributes, &mark_planned(block, planned.clone(), Some(&desired.config.value)))
        || recorded.lifecycle != desired.lifecycle
        || recorded.dependencies != desired.dependencies
        || recorded.provenance != desired.provenance
}

/// The step that checks conditions of an instance that nothing else happens to.
pub fn check_step(instance: &Instance<'_>) -> Option<Step> {
    instance.responses.update.as_ref().map(|response| record_step(instance, response))
}

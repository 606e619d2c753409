//! What planning decides, rule by rule.

use std::sync::Arc;

use retrue_provider_api::{
    Attribute, Block, Capability, Findable, Image, Marker, Marks, Observed, Path, PathStep, PlanResponse, Private,
    Reversibility, Type, Value,
};

use crate::address::{Address, BlockAddress};
use crate::plan::decide::{Decision, Desired, Instance, PlannedImport, Responses, World, decide};
use crate::plan::{
    Action, ExistingObject, Lifecycle, ObjectKey, OnDestroy, PlannedValue, Provenance, Step, StepEffect, StepId,
};
use crate::saga::{ObjectStatus, Origin, RecordedObject};
use crate::span::{FileId, Span};

mod adopting;
mod assemble;
mod changing;
mod compare;
mod drift;
mod ending;
mod file;
mod making;
mod marks;
mod model;

fn block(name: &str) -> BlockAddress {
    BlockAddress::managed("t", name)
}

fn address(name: &str) -> Address {
    block(name).instance(None)
}

/// A type with an attribute of each sort.
fn schema() -> Block {
    let text = || Type::String;
    let attributes = [
        ("id", Attribute::computed(text(), "")),
        ("name", Attribute::required(text(), "").identity()),
        ("size", Attribute::optional(text(), "")),
        ("tag", Attribute::optional_computed(text(), "")),
        ("seen", Attribute::computed(text(), "").volatile()),
        ("note", Attribute::optional(text(), "").inert()),
        ("token", Attribute::optional(text(), "").write_only()),
        ("content", Attribute::optional(text(), "")),
        ("hash", Attribute::computed(text(), "").derived_from(&["content"])),
    ];
    Block {
        attributes: attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect(),
        ..Block::default()
    }
}

/// A state or configuration in which these attributes are set, and no others.
fn state(set: &[(&str, &str)]) -> Value {
    let entries = schema().attributes.into_keys().map(|name| {
        let value = set.iter().find(|(set, _)| *set == name).map(|(_, value)| Value::from(*value));
        (name, value.unwrap_or_else(|| Value::null(Type::String)))
    });
    Value::object(entries.collect::<Vec<_>>())
}

fn with(state: Value, name: &str, value: Value) -> Value {
    state.with_attribute(name, value)
}

/// What is declared.
fn desired(config: Value) -> Desired {
    Desired {
        config: PlannedValue::known(config),
        lifecycle: Lifecycle::default(),
        adopt_existing: true,
        dependencies: Vec::new(),
        provenance: Provenance::new(),
        ignored: Vec::new(),
        preconditions: Vec::new(),
        postconditions: Vec::new(),
        span: Span { file: FileId(0), start: 1, end: 2 },
    }
}

/// What is recorded.
fn recorded(attributes: Value, config: Value) -> RecordedObject {
    RecordedObject {
        status: ObjectStatus::Ok,
        attributes,
        config,
        private: Private::default(),
        identity: None,
        schema_version: 1,
        provider: Default::default(),
        provenance: Provenance::new(),
        dependencies: Vec::new(),
        generation: 3,
        run: "r".into(),
        origin: Origin::Created,
        lifecycle: Lifecycle::default(),
        sent_write_only: false,
        owed: Vec::new(),
    }
}

/// Something outside, of which all is known that a provider may tell.
fn present(state: Value) -> World {
    World::Present(Box::new(Observed {
        private: Private(b"private".to_vec()),
        identity: Some(Value::from("identity")),
        ..Observed::of(state)
    }))
}

fn lossy(reason: &str) -> Reversibility {
    Reversibility::Lossy(reason.into())
}

/// An instance of which nothing is known.
fn instance(block: &Block) -> Instance<'_> {
    Instance {
        address: address("a"),
        provider: "p".into(),
        block,
        schema_version: 1,
        capability: Capability::default(),
        desired: None,
        declared: None,
        recorded: None,
        outdated: false,
        moved_from: None,
        world: World::Absent,
        fingerprint: String::new(),
        fingerprint_of: Vec::new(),
        responses: Responses::default(),
        same_place: false,
        replace_reason: None,
        replace_because: Vec::new(),
        generation: 3,
        lineage: "ours",
        used: &[],
        ends_because: "it is no longer declared".into(),
        looking: false,
        import: None,
    }
}

/// One that is declared, recorded and there, each in its state; the plan is to bring it to the last one.
fn standing<'i>(block: &'i Block, recorded: &'i RecordedObject, observed: Value, planned: Value) -> Instance<'i> {
    Instance {
        desired: Some(desired(recorded.config.clone())),
        recorded: Some(recorded),
        world: present(observed),
        fingerprint: "fingerprint".into(),
        fingerprint_of: vec!["name".into()],
        responses: Responses {
            update: Some(PlanResponse::of(planned.clone())),
            create: Some(PlanResponse::of(planned)),
            delete: Some(PlanResponse::of(Value::null(Type::Dynamic))),
        },
        ..instance(block)
    }
}

/// The effects of a decision in which nothing is wrong.
#[track_caller]
fn effects(decision: &Decision) -> Vec<StepEffect> {
    assert!(decision.errors.is_empty(), "{:?}", decision.errors);
    decision.steps.iter().map(|step| step.id.effect).collect()
}

/// The code, message and hint of the one thing that is wrong with it.
#[track_caller]
fn wrong(instance: &Instance<'_>) -> (&'static str, String, String) {
    let mut errors = decide(instance).errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors.remove(0);
    (error.code, error.message, error.hint.unwrap_or_default())
}

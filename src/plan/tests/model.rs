//! What a plan is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use super::assemble::chain;
use super::*;
use crate::plan::{
    Asked, Base, OutputChange, Pending, PendingCondition, Plan, PlanKind, PlannedEphemeral, ProviderInstance, Summary,
};

/// A plan of nothing.
pub(super) fn plan() -> Plan {
    Plan {
        stack: "s".into(),
        environment: "default".into(),
        kind: PlanKind::Apply,
        base: Base::default(),
        changes: Vec::new(),
        steps: Vec::new(),
        groups: Vec::new(),
        outputs: Vec::new(),
        checks: Vec::new(),
        remembered: Default::default(),
        degraded: Vec::new(),
        moved: Vec::new(),
        providers: BTreeMap::new(),
        shared: BTreeMap::new(),
        ephemerals: Vec::new(),
        sources: BTreeMap::new(),
        asked: Default::default(),
        drift: Vec::new(),
        in_doubt: Vec::new(),
        pivot: None,
        warnings: Vec::new(),
        digest: String::new(),
    }
}

/// One step with this effect.
pub(super) fn step(name: &str, effect: StepEffect) -> Step {
    chain(address(name), effect, &[]).steps.remove(0)
}

/// An expression that waits, and was told this value of a variable.
pub(super) fn pending(variable: &str, marks: Marks) -> Pending {
    Pending {
        expression: serde_json::json!({ "reference": variable }),
        bindings: [(variable.to_owned(), Value::from("x").with_marks(marks))].into(),
        locals: BTreeMap::new(),
        for_each: None,
    }
}

pub(super) fn condition(condition: &str, message: &str) -> PendingCondition {
    PendingCondition {
        condition: pending(condition, Marks::EPHEMERAL),
        message: pending(message, Marks::EPHEMERAL),
        number: 0,
        place: "retrue.toml:1:1".into(),
    }
}

#[test]
fn upkeep_is_a_record_that_stays_where_it_is() {
    let moved = Step { moved_from: Some(address("old")), ..step("a", StepEffect::Record) };
    for (step, upkeep) in
        [(step("a", StepEffect::Record), true), (moved, false), (step("a", StepEffect::Update), false)]
    {
        let plan = Plan { steps: vec![step], ..plan() };
        assert_eq!((plan.is_empty(), plan.has_upkeep()), (upkeep, upkeep));
    }
    assert_eq!((plan().is_empty(), plan().has_upkeep()), (true, false));
    let both = vec![step("a", StepEffect::Record), step("b", StepEffect::Update)];
    let both = Plan { steps: both, ..plan() };
    assert_eq!((both.is_empty(), both.has_upkeep()), (false, true));
}

#[test]
fn an_output_changes_when_what_is_recorded_would() {
    let value = |text: &str| Some(Value::from(text));
    for (before, after, reseal, changes) in [
        (None, None, false, false),
        (None, value("x"), false, true),
        (value("x"), None, false, true),
        (value("x"), value("x"), false, false),
        (value("x"), value("y"), false, true),
        (value("x"), value("x"), true, true),
        (None, None, true, true),
    ] {
        let output = OutputChange {
            name: "o".into(),
            before,
            after: after.map(PlannedValue::known),
            reseal,
            provenance: Provenance::new(),
        };
        assert_eq!(output.changes(), changes, "{output:?}");
        assert_eq!(Plan { outputs: vec![output], ..plan() }.is_empty(), !changes);
    }
}

#[test]
fn instances_are_counted_by_what_happens_to_them() {
    let block = schema();
    let change = |action| {
        let mut change = decide(&instance(&block)).change;
        change.action = action;
        change
    };
    use Action::*;
    let each = [Create, Adopt, Import, Update, Replace, Delete, Forget, Read, NoOp, NoOp];
    let summary = Plan { changes: each.map(change).into(), ..plan() }.summary();
    let one =
        Summary { create: 1, adopt: 1, import: 1, update: 1, replace: 1, delete: 1, forget: 1, read: 1, no_op: 2 };
    assert_eq!(summary, one);
}

#[test]
fn the_ephemeral_variables_of_all_that_waits_are_needed_again() {
    let mut waiting = step("a", StepEffect::Create);
    waiting.config.pending.insert("x".into(), pending("var.config", Marks::EPHEMERAL));
    waiting.config.pending.insert("y".into(), pending("var.kept", Marks::SENSITIVE));
    waiting.config.pending.insert("z".into(), pending("local.other", Marks::EPHEMERAL));
    waiting.preconditions.push(condition("var.before", "var.before_message"));
    waiting.postconditions.push(condition("var.after", "var.after_message"));
    let provider = ProviderInstance {
        provider: "p".into(),
        origin: None,
        config: PlannedValue::known(Value::null(Type::Dynamic)),
        sources: BTreeMap::new(),
        again: Some(pending("var.provider", Marks::EPHEMERAL)),
        fallback: Vec::new(),
        late: false,
        policy: Default::default(),
    };
    let ephemeral = PlannedEphemeral {
        address: address("e"),
        provider: "p".into(),
        config: pending("var.opened", Marks::EPHEMERAL),
        preconditions: vec![condition("var.open", "var.open_message")],
        postconditions: vec![condition("var.opened_well", "var.opened_message")],
        limit: Duration::from_secs(1),
    };
    let plan = Plan {
        steps: vec![waiting],
        providers: [("p".into(), provider)].into(),
        shared: [("local.x".into(), pending("var.shared", Marks::EPHEMERAL))].into(),
        ephemerals: vec![ephemeral],
        ..plan()
    };
    let needed: Vec<&str> = plan.ephemeral_variables().into_iter().collect();
    let expected = [
        "after",
        "after_message",
        "before",
        "before_message",
        "config",
        "open",
        "open_message",
        "opened",
        "opened_message",
        "opened_well",
        "provider",
        "shared",
    ];
    assert_eq!(needed, expected);
}

#[test]
fn a_step_is_named_by_what_it_does_to_what_and_the_beginning_of_its_plan() {
    let id = |plan: &str| StepId {
        address: address("a"),
        object: ObjectKey::Deposed("3".into()),
        effect: StepEffect::Delete,
        plan: plan.into(),
    };
    assert_eq!(id("0123456789abcdef").to_string(), "t.a/deposed-3/delete/0123456789ab");
    assert_eq!(id("short").to_string(), "t.a/deposed-3/delete/short");
}

#[test]
fn an_object_key_reads_back() {
    for key in [ObjectKey::Current, ObjectKey::Deposed("3".into())] {
        let text = serde_json::to_value(&key).unwrap();
        assert_eq!(serde_json::from_value::<ObjectKey>(text).unwrap(), key);
    }
    assert!(serde_json::from_value::<ObjectKey>("former".into()).is_err());
}

#[test]
fn what_may_fail_is_optional_but_for_what_is_to_go() {
    let optional = |effect| {
        let mut step = step("a", effect);
        step.lifecycle.optional = true;
        step
    };
    assert!(optional(StepEffect::Create).is_optional() && optional(StepEffect::Update).is_optional());
    assert!(!optional(StepEffect::Delete).is_optional() && !step("a", StepEffect::Create).is_optional());
    let mut plan = plan();
    plan.steps = vec![optional(StepEffect::Create), step("b", StepEffect::Create)];
    assert_eq!(plan.optional().into_iter().collect::<Vec<_>>(), [&address("a")]);
}

#[test]
fn an_address_stands_for_its_current_object() {
    assert!(ObjectKey::Current.is_current());
    assert!(!ObjectKey::Deposed("d".into()).is_current());
}

#[test]
fn a_plan_that_was_asked_for_with_nothing_has_nothing_to_say_of_it() {
    let asked = Asked::default();
    assert!(asked.is_empty());
    assert!(!Asked { targets: vec!["t.a".into()], ..asked }.is_empty());
}

//! `plan --json`: the format `retrue.plan/1`.

use std::collections::{BTreeMap, BTreeSet};

use retrue_provider_api::{Marks, Path, Value};
use serde::Serialize;
use serde_json::Value as Json;

use super::value::Shown;
use crate::address::Address;
use crate::plan::{
    Action, Base, Change, Degraded, Drift, DriftStatus, InDoubt, ObjectKey, OnDestroy, OutputChange, Plan, PlanKind,
    PlannedCheck, Summary,
};
use crate::resilience::MovedOver;

/// The name and version of the format.
pub(crate) const FORMAT: &str = "retrue.plan/1";

/// A plan.
#[derive(Debug, Serialize)]
pub(crate) struct WirePlan<'a> {
    format: &'static str,
    stack: &'a str,
    environment: &'a str,
    kind: PlanKind,
    base: WireBase<'a>,
    digest: &'a str,
    summary: Summary,
    changes: Vec<WireChange<'a>>,
    outputs: BTreeMap<&'a str, WireOutput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<WireCheck<'a>>,
    #[serde(skip_serializing_if = "<[Degraded]>::is_empty")]
    degraded: &'a [Degraded],
    #[serde(skip_serializing_if = "<[MovedOver]>::is_empty")]
    moved_over: &'a [MovedOver],
    drift: Vec<WireDrift<'a>>,
    in_doubt: &'a [InDoubt],
    pivot: Option<WirePivot<'a>>,
    warnings: &'a [String],
}

/// What is looked at afterwards.
#[derive(Debug, Serialize)]
struct WireCheck<'a> {
    check: &'a str,
    probe: &'static str,
    severity: &'static str,
    values: Json,
    unknown: BTreeSet<Path>,
    sensitive: BTreeSet<Path>,
}

/// What the plan rests on, as far as a program may want to know it.
#[derive(Debug, Serialize)]
struct WireBase<'a> {
    lineage: &'a str,
    config: &'a str,
    resources: BTreeMap<&'a Address, WireBaseEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct WireBaseEntry<'a> {
    generation: u64,
    observed: &'a str,
}

#[derive(Debug, Serialize)]
struct WireChange<'a> {
    address: &'a Address,
    #[serde(skip_serializing_if = "ObjectKey::is_current")]
    object: &'a ObjectKey,
    action: Action,
    reversible: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a str>,
    reasons: &'a [String],
    before: Json,
    after: Json,
    unknown: BTreeSet<Path>,
    sensitive: BTreeSet<Path>,
    replace_because: &'a [Path],
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_from: Option<&'a Address>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    create_before_destroy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<OnDestroy>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<WireImport<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
}

#[derive(Debug, Serialize)]
struct WireImport<'a> {
    id: &'a str,
}

#[derive(Debug, Serialize)]
struct WireOutput {
    before: Json,
    after: Json,
    unknown: BTreeSet<Path>,
    sensitive: BTreeSet<Path>,
}

#[derive(Debug, Serialize)]
struct WireDrift<'a> {
    address: &'a Address,
    #[serde(skip_serializing_if = "ObjectKey::is_current")]
    object: &'a ObjectKey,
    status: DriftStatus,
    attributes: &'a [Path],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct WirePivot<'a> {
    address: &'a Address,
    reason: &'a str,
    behind: &'a [Address],
}

/// The wire form of a plan.
pub(crate) fn wire(plan: &Plan) -> WirePlan<'_> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::NoOp || change.moved_from.is_some());
    let optional = plan.optional();
    WirePlan {
        format: FORMAT,
        stack: &plan.stack,
        environment: &plan.environment,
        kind: plan.kind,
        base: base(&plan.base),
        digest: &plan.digest,
        summary: plan.summary(),
        changes: changes.map(|of| change(of, of.object.is_current() && optional.contains(&of.address))).collect(),
        outputs: plan
            .outputs
            .iter()
            .filter(|output| output.changes())
            .map(|change| (change.name.as_ref(), output(change)))
            .collect(),
        checks: plan.checks.iter().filter(|_| plan.kind == PlanKind::Apply).map(check).collect(),
        degraded: &plan.degraded,
        moved_over: &plan.moved,
        drift: plan.drift.iter().filter(|drift| drift.status != DriftStatus::InTrue).map(drift).collect(),
        in_doubt: &plan.in_doubt,
        pivot: plan.pivot.as_ref().map(|pivot| WirePivot {
            address: &pivot.address,
            reason: &pivot.reason,
            behind: &pivot.behind,
        }),
        warnings: &plan.warnings,
    }
}

fn base(base: &Base) -> WireBase<'_> {
    let resources = base
        .resources
        .iter()
        .map(|(address, of)| (address, WireBaseEntry { generation: of.generation, observed: &of.observed }))
        .collect();
    WireBase { lineage: &base.lineage, config: &base.config, resources }
}

/// A value in which nothing shows that is secret in another one.
fn veiled(value: &Value, secret: &BTreeSet<Path>) -> Value {
    let there = secret.iter().filter(|path| path.get(value).is_some_and(|part| !part.is_null()));
    value.clone().with_marked_paths(there.map(|path| (path, Marks::SENSITIVE)))
}

fn change(change: &Change, optional: bool) -> WireChange<'_> {
    let mut secret = Shown::default();
    for value in [Some(&change.before), Some(&change.after), change.recorded.as_ref()].into_iter().flatten() {
        secret.json(value);
    }
    let secret = secret.sensitive;
    let mut shown = Shown::default();
    let before = shown.json(&veiled(&change.before, &secret));
    let after = shown.json(&veiled(&change.after, &secret));
    WireChange {
        address: &change.address,
        object: &change.object,
        action: change.action,
        reversible: change.reversible.word(),
        lost: change.reversible.reason(),
        reasons: &change.reasons,
        before,
        after,
        replace_because: &change.replace_because,
        recorded: change.recorded.as_ref().map(|recorded| shown.json(&veiled(recorded, &secret))),
        unknown: shown.unknown,
        sensitive: shown.sensitive,
        moved_from: change.moved_from.as_ref(),
        create_before_destroy: change.create_before_destroy,
        old: change.old.filter(|old| *old != OnDestroy::Delete),
        warnings: &change.warnings,
        import: change.import.as_deref().map(|id| WireImport { id }),
        optional,
    }
}

fn check(check: &PlannedCheck) -> WireCheck<'_> {
    let mut shown = Shown::default();
    let values = shown.json(&check.values.value);
    WireCheck {
        check: &check.definition.name,
        probe: check.definition.probe.word(),
        severity: check.definition.severity.word(),
        values,
        unknown: shown.unknown,
        sensitive: shown.sensitive,
    }
}

fn output(change: &OutputChange) -> WireOutput {
    let mut shown = Shown::default();
    let before = change.before.as_ref().map(|value| shown.json(value)).unwrap_or_default();
    let after = change.after.as_ref().map(|after| shown.json(&after.value)).unwrap_or_default();
    WireOutput { before, after, unknown: shown.unknown, sensitive: shown.sensitive }
}

fn drift(drift: &Drift) -> WireDrift<'_> {
    WireDrift {
        address: &drift.address,
        object: &drift.object,
        status: drift.status,
        attributes: &drift.attributes,
        error: drift.error.as_deref(),
    }
}

//! The plan file: the plan at rest, version 1. Secrets are sealed, ephemeral values are absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Path, Reversibility};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::address::{Address, BlockAddress};
use crate::health::Definition;
use crate::plan::base::{Asked, Base};
use crate::plan::codes;
use crate::plan::model::{
    Action, Change, Degraded, Dependency, Drift, DriftStatus, ExistingObject, FallbackOfData, InDoubt, Instead,
    Lifecycle, ObjectKey, OnDestroy, OutputChange, Pending, PendingCondition, Pivot, Plan, PlanKind, PlannedCheck,
    PlannedEphemeral, PlannedValue, ProviderInstance, ProviderOrigin, ProviderWay, Step, StepId, Trigger,
};
use crate::resilience::{MovedOver, Policy};
use crate::rest::{RestingValue, Seal, UnsealError, seal_private, standing_in, wake_private, wary};

/// The name of the format, with its version.
pub const FORMAT: &str = "retrue.plan/1";

/// Why a plan file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanFileError {
    /// It is no plan file, or was cut or edited.
    #[error("the plan file is damaged: {0}")]
    Damaged(String),
    /// Its content does not have the digest that it names.
    #[error("the plan file was changed after it was written: its digest does not fit its content")]
    Edited,
    /// It was written by another version.
    #[error("the plan file has the format `{0}`, and this version of retrue reads `{FORMAT}`")]
    Version(String),
    /// Its secrets were sealed with another key.
    #[error("the plan file was made with another key: {0}")]
    Sealed(#[from] UnsealError),
}

impl PlanFileError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            PlanFileError::Damaged(_) | PlanFileError::Edited | PlanFileError::Sealed(_) => codes::FILE_DAMAGED,
            PlanFileError::Version(_) => codes::FILE_VERSION,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileV1 {
    format: String,
    digest: String,
    plan: PlanV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanV1 {
    stack: Arc<str>,
    environment: Arc<str>,
    kind: PlanKind,
    base: Base,
    changes: Vec<ChangeV1>,
    steps: Vec<StepV1>,
    groups: Vec<Vec<usize>>,
    outputs: Vec<OutputV1>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    remembered: BTreeMap<Address, Option<RestingValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<Degraded>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moved: Vec<MovedOver>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckV1>,
    providers: BTreeMap<Arc<str>, ProviderV1>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shared: BTreeMap<String, PendingV1>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ephemerals: Vec<EphemeralV1>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sources: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Asked::is_empty")]
    asked: Asked,
    drift: Vec<DriftV1>,
    in_doubt: Vec<InDoubt>,
    pivot: Option<Pivot>,
    warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeV1 {
    address: Address,
    #[serde(default, skip_serializing_if = "ObjectKey::is_current")]
    object: ObjectKey,
    action: Action,
    reversible: Reversibility,
    reasons: Vec<String>,
    before: RestingValue,
    after: RestingValue,
    recorded: Option<RestingValue>,
    replace_because: Vec<Path>,
    moved_from: Option<Address>,
    create_before_destroy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<OnDestroy>,
    warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<Trigger>,
}

/// An expression that waits, at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingV1 {
    expression: serde_json::Value,
    bindings: BTreeMap<String, RestingValue>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    locals: BTreeMap<String, serde_json::Value>,
    /// The expression and the locals, where a secret is written into them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_each: Option<String>,
}

/// Something ephemeral, at rest: how it is opened, and nothing of its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EphemeralV1 {
    address: Address,
    provider: Arc<str>,
    config: PendingV1,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    preconditions: Vec<ConditionV1>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    postconditions: Vec<ConditionV1>,
    limit: std::time::Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedV1 {
    value: RestingValue,
    pending: BTreeMap<String, PendingV1>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionV1 {
    condition: PendingV1,
    message: PendingV1,
    number: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepV1 {
    id: StepId,
    type_name: Arc<str>,
    provider: Arc<str>,
    depends_on: Vec<Dependency>,
    stage: u32,
    reversibility: Reversibility,
    config: PlannedV1,
    planned: RestingValue,
    planned_private: Option<String>,
    observed: RestingValue,
    observed_private: Option<String>,
    observed_identity: Option<RestingValue>,
    fingerprint: String,
    fingerprint_of: Vec<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Path>,
    generation: u64,
    existing: ExistingObject,
    dependencies: Vec<BlockAddress>,
    provenance: BTreeMap<Path, (Address, Path)>,
    lifecycle: Lifecycle,
    preconditions: Vec<ConditionV1>,
    postconditions: Vec<ConditionV1>,
    moved_from: Option<Address>,
    schema_version: u64,
    adopts: bool,
    restores: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<FallbackV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FallbackV1 {
    instead: Vec<InsteadV1>,
    remember: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InsteadV1 {
    value: RestingValue,
    what: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputV1 {
    name: Arc<str>,
    before: Option<RestingValue>,
    after: Option<PlannedV1>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reseal: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    provenance: BTreeMap<Path, (Address, Path)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckV1 {
    check: Definition,
    values: PlannedV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderV1 {
    provider: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<ProviderOrigin>,
    config: PlannedV1,
    sources: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<PendingV1>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fallback: Vec<WayV1>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    policy: Policy,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WayV1 {
    config: PlannedV1,
    sources: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<PendingV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftV1 {
    address: Address,
    #[serde(default, skip_serializing_if = "ObjectKey::is_current")]
    object: ObjectKey,
    status: DriftStatus,
    attributes: Vec<Path>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    declared: Vec<Path>,
    recorded: RestingValue,
    desired: RestingValue,
    observed: RestingValue,
    error: Option<String>,
}

/// Writes a plan. The same plan and key give the same bytes.
pub fn write(plan: &Plan, seal: &dyn Seal) -> Vec<u8> {
    let file = FileV1 { format: FORMAT.into(), digest: plan.digest.clone(), plan: rest_plan(plan, seal) };
    let mut bytes = serde_json::to_vec(&file).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads what [`write()`] wrote. Whatever was changed in between is an error.
pub fn read(bytes: &[u8], seal: &dyn Seal) -> Result<Plan, PlanFileError> {
    let damaged = |error: serde_json::Error| PlanFileError::Damaged(error.to_string());
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    let format = json.get("format").and_then(serde_json::Value::as_str).unwrap_or_default();
    if format != FORMAT {
        return Err(if format.starts_with("retrue.plan/") {
            PlanFileError::Version(format.to_owned())
        } else {
            PlanFileError::Damaged("it does not say that it is a plan".into())
        });
    }
    let mut file = FileV1::deserialize(&json).map_err(damaged)?;
    name_steps(&mut file.plan.steps, "");
    if digest_of(&file.plan) != file.digest {
        return Err(PlanFileError::Edited);
    }
    name_steps(&mut file.plan.steps, &file.digest);
    wake_plan(file.plan, file.digest, seal)
}

/// Reads a plan whose content was changed on purpose since it was given its digest: it gets another one before it is
/// used.
pub fn changed(json: serde_json::Value, seal: &dyn Seal) -> Result<Plan, PlanFileError> {
    let damaged = |error: serde_json::Error| PlanFileError::Damaged(error.to_string());
    let file: FileV1 = serde_json::from_value(json).map_err(damaged)?;
    wake_plan(file.plan, file.digest, seal)
}

/// Gives a plan its digest, and its steps their names.
pub fn seal_digest(plan: &mut Plan, seal: &dyn Seal) {
    for step in &mut plan.steps {
        step.id.plan = String::new();
    }
    let digest = digest_of(&rest_plan(plan, seal));
    for step in &mut plan.steps {
        step.id.plan.clone_from(&digest);
    }
    plan.digest = digest;
}

fn name_steps(steps: &mut [StepV1], digest: &str) {
    for step in steps {
        digest.clone_into(&mut step.id.plan);
    }
}

fn digest_of(plan: &PlanV1) -> String {
    // A hasher likes large pieces, and the form comes in small ones.
    let mut writer = std::io::BufWriter::with_capacity(64 * 1024, blake3::Hasher::new());
    // A writer into the hasher cannot fail, and the form has no maps with keys that are not text.
    let _ = serde_json::to_writer(&mut writer, plan);
    let _ = std::io::Write::flush(&mut writer);
    writer.get_ref().finalize().to_hex().to_string()
}

/// Lays an expression that waits to rest.
pub fn rest_pending(pending: &Pending, seal: &dyn Seal) -> PendingV1 {
    let Pending { expression, bindings, locals, for_each } = pending;
    let bindings = bindings.iter().map(|(name, value)| (name.clone(), RestingValue::new(&wary(value), seal))).collect();
    let mut rested = PendingV1 {
        expression: expression.clone(),
        bindings,
        locals: locals.clone(),
        sealed: None,
        for_each: for_each.clone(),
    };
    // What is written into an expression may be as secret as what it refers to.
    let words = serde_json::json!([expression, locals]).to_string();
    if !standing_in(&words).is_empty() {
        rested.expression = serde_json::Value::Null;
        rested.locals.clear();
        rested.sealed = Some(seal.seal(words.as_bytes()));
    }
    rested
}

fn rest_way(way: &ProviderWay, seal: &dyn Seal) -> WayV1 {
    WayV1 {
        config: rest_planned(&way.config, seal),
        sources: way.sources.clone(),
        again: way.again.as_ref().map(|again| rest_pending(again, seal)),
    }
}

fn wake_way(way: WayV1, seal: &dyn Seal) -> Result<ProviderWay, UnsealError> {
    Ok(ProviderWay {
        config: wake_planned(way.config, seal)?,
        sources: way.sources,
        again: way.again.map(|again| wake_pending(again, seal)).transpose()?,
    })
}

/// The expression again.
pub fn wake_pending(pending: PendingV1, seal: &dyn Seal) -> Result<Pending, UnsealError> {
    let (expression, locals) = match &pending.sealed {
        Some(sealed) => {
            let words = seal.unseal(sealed).and_then(|bytes| serde_json::from_slice(&bytes).ok());
            words.ok_or_else(|| UnsealError(Path::root()))?
        }
        None => (pending.expression, pending.locals),
    };
    Ok(Pending {
        expression,
        bindings: pending
            .bindings
            .into_iter()
            .map(|(name, value)| Ok((name, value.wake(seal)?)))
            .collect::<Result<_, UnsealError>>()?,
        locals,
        for_each: pending.for_each,
    })
}

fn rest_planned(planned: &PlannedValue, seal: &dyn Seal) -> PlannedV1 {
    PlannedV1 {
        value: RestingValue::new(&planned.value, seal),
        pending: planned.pending.iter().map(|(name, pending)| (name.clone(), rest_pending(pending, seal))).collect(),
    }
}

fn wake_planned(planned: PlannedV1, seal: &dyn Seal) -> Result<PlannedValue, UnsealError> {
    Ok(PlannedValue {
        value: planned.value.wake(seal)?,
        pending: planned
            .pending
            .into_iter()
            .map(|(name, pending)| Ok((name, wake_pending(pending, seal)?)))
            .collect::<Result<_, UnsealError>>()?,
    })
}

fn rest_condition(condition: &PendingCondition, seal: &dyn Seal) -> ConditionV1 {
    ConditionV1 {
        condition: rest_pending(&condition.condition, seal),
        message: rest_pending(&condition.message, seal),
        number: condition.number,
    }
}

fn wake_conditions(conditions: Vec<ConditionV1>, seal: &dyn Seal) -> Result<Vec<PendingCondition>, UnsealError> {
    conditions
        .into_iter()
        .map(|condition| {
            Ok(PendingCondition {
                condition: wake_pending(condition.condition, seal)?,
                message: wake_pending(condition.message, seal)?,
                number: condition.number,
                place: String::new(),
            })
        })
        .collect()
}

/// Lays something ephemeral to rest: how it is opened.
pub fn rest_ephemeral(ephemeral: &PlannedEphemeral, seal: &dyn Seal) -> EphemeralV1 {
    let conditions =
        |conditions: &[PendingCondition]| conditions.iter().map(|condition| rest_condition(condition, seal)).collect();
    EphemeralV1 {
        address: ephemeral.address.clone(),
        provider: Arc::clone(&ephemeral.provider),
        config: rest_pending(&ephemeral.config, seal),
        preconditions: conditions(&ephemeral.preconditions),
        postconditions: conditions(&ephemeral.postconditions),
        limit: ephemeral.limit,
    }
}

/// It again.
pub fn wake_ephemeral(ephemeral: EphemeralV1, seal: &dyn Seal) -> Result<PlannedEphemeral, UnsealError> {
    Ok(PlannedEphemeral {
        address: ephemeral.address,
        provider: ephemeral.provider,
        config: wake_pending(ephemeral.config, seal)?,
        preconditions: wake_conditions(ephemeral.preconditions, seal)?,
        postconditions: wake_conditions(ephemeral.postconditions, seal)?,
        limit: ephemeral.limit,
    })
}

fn rest_plan(plan: &Plan, seal: &dyn Seal) -> PlanV1 {
    let rest = |value| RestingValue::new(value, seal);
    PlanV1 {
        stack: Arc::clone(&plan.stack),
        environment: Arc::clone(&plan.environment),
        kind: plan.kind,
        base: plan.base.clone(),
        changes: plan
            .changes
            .iter()
            .map(|change| ChangeV1 {
                address: change.address.clone(),
                object: change.object.clone(),
                action: change.action,
                reversible: change.reversible.clone(),
                reasons: change.reasons.clone(),
                before: rest(&change.before),
                after: rest(&change.after),
                recorded: change.recorded.as_ref().map(rest),
                replace_because: change.replace_because.clone(),
                moved_from: change.moved_from.clone(),
                create_before_destroy: change.create_before_destroy,
                old: change.old,
                warnings: change.warnings.clone(),
                import: change.import.clone(),
                triggers: change.triggers.clone(),
            })
            .collect(),
        steps: plan.steps.iter().map(|step| rest_step(step, seal)).collect(),
        groups: plan.groups.clone(),
        outputs: plan
            .outputs
            .iter()
            .map(|output| OutputV1 {
                name: Arc::clone(&output.name),
                before: output.before.as_ref().map(rest),
                after: output.after.as_ref().map(|after| rest_planned(after, seal)),
                reseal: output.reseal,
                provenance: output.provenance.clone(),
            })
            .collect(),
        remembered: plan
            .remembered
            .iter()
            .map(|(address, value)| (address.clone(), value.as_ref().map(rest)))
            .collect(),
        degraded: plan.degraded.clone(),
        moved: plan.moved.clone(),
        checks: plan.checks.iter().map(|check| rest_check(check, seal)).collect(),
        providers: plan
            .providers
            .iter()
            .map(|(name, instance)| {
                let form = ProviderV1 {
                    provider: Arc::clone(&instance.provider),
                    origin: instance.origin.clone(),
                    config: rest_planned(&instance.config, seal),
                    sources: instance.sources.clone(),
                    again: instance.again.as_ref().map(|again| rest_pending(again, seal)),
                    fallback: instance.fallback.iter().map(|way| rest_way(way, seal)).collect(),
                    late: instance.late,
                    policy: instance.policy.clone(),
                };
                (Arc::clone(name), form)
            })
            .collect(),
        shared: plan.shared.iter().map(|(name, pending)| (name.clone(), rest_pending(pending, seal))).collect(),
        ephemerals: plan.ephemerals.iter().map(|ephemeral| rest_ephemeral(ephemeral, seal)).collect(),
        sources: plan.sources.clone(),
        asked: plan.asked.clone(),
        drift: plan
            .drift
            .iter()
            .map(|drift| DriftV1 {
                address: drift.address.clone(),
                object: drift.object.clone(),
                status: drift.status,
                attributes: drift.attributes.clone(),
                declared: drift.declared.clone(),
                recorded: rest(&drift.recorded),
                desired: rest(&drift.desired),
                observed: rest(&drift.observed),
                error: drift.error.clone(),
            })
            .collect(),
        in_doubt: plan.in_doubt.clone(),
        pivot: plan.pivot.clone(),
        warnings: plan.warnings.clone(),
    }
}

fn rest_check(check: &PlannedCheck, seal: &dyn Seal) -> CheckV1 {
    CheckV1 { check: check.definition.clone(), values: rest_planned(&check.values, seal) }
}

fn wake_check(check: CheckV1, seal: &dyn Seal) -> Result<PlannedCheck, UnsealError> {
    Ok(PlannedCheck { definition: check.check, values: wake_planned(check.values, seal)? })
}

fn rest_step(step: &Step, seal: &dyn Seal) -> StepV1 {
    let rest = |value| RestingValue::new(value, seal);
    StepV1 {
        id: step.id.clone(),
        type_name: Arc::clone(&step.type_name),
        provider: Arc::clone(&step.provider),
        depends_on: step.depends_on.clone(),
        stage: step.stage,
        reversibility: step.reversibility.clone(),
        config: rest_planned(&step.config, seal),
        planned: rest(&step.planned),
        planned_private: seal_private(&step.planned_private, seal),
        observed: rest(&step.observed),
        observed_private: seal_private(&step.observed_private, seal),
        observed_identity: step.observed_identity.as_ref().map(rest),
        fingerprint: step.fingerprint.clone(),
        fingerprint_of: step.fingerprint_of.clone(),
        kept: step.kept.clone(),
        generation: step.generation,
        existing: step.existing,
        dependencies: step.dependencies.clone(),
        provenance: step.provenance.clone(),
        lifecycle: step.lifecycle.clone(),
        preconditions: step.preconditions.iter().map(|condition| rest_condition(condition, seal)).collect(),
        postconditions: step.postconditions.iter().map(|condition| rest_condition(condition, seal)).collect(),
        moved_from: step.moved_from.clone(),
        schema_version: step.schema_version,
        adopts: step.adopts,
        restores: step.restores,
        import: step.import.clone(),
        late: step.late,
        fallback: step.fallback.as_ref().map(|fallback| FallbackV1 {
            instead: fallback
                .instead
                .iter()
                .map(|instead| InsteadV1 { value: rest(&instead.value), what: instead.what.clone() })
                .collect(),
            remember: fallback.remember,
        }),
    }
}

fn wake_plan(plan: PlanV1, digest: String, seal: &dyn Seal) -> Result<Plan, PlanFileError> {
    let indices_fit = plan.groups.iter().flatten().all(|index| *index < plan.steps.len())
        && plan.steps.iter().enumerate().all(|(at, step)| {
            step.depends_on.iter().all(|dependency| match dependency {
                Dependency::Step(other) => *other < at,
                Dependency::Group(group) => *group < plan.groups.len(),
            })
        });
    if !indices_fit {
        return Err(PlanFileError::Damaged("its steps do not fit together".into()));
    }
    Ok(Plan {
        stack: plan.stack,
        environment: plan.environment,
        kind: plan.kind,
        base: plan.base,
        changes: plan
            .changes
            .into_iter()
            .map(|change| {
                Ok(Change {
                    address: change.address,
                    object: change.object,
                    action: change.action,
                    reversible: change.reversible,
                    reasons: change.reasons,
                    before: change.before.wake(seal)?,
                    after: change.after.wake(seal)?,
                    recorded: change.recorded.map(|value| value.wake(seal)).transpose()?,
                    replace_because: change.replace_because,
                    moved_from: change.moved_from,
                    create_before_destroy: change.create_before_destroy,
                    old: change.old,
                    warnings: change.warnings,
                    import: change.import,
                    triggers: change.triggers,
                })
            })
            .collect::<Result<_, UnsealError>>()?,
        steps: plan.steps.into_iter().map(|step| wake_step(step, seal)).collect::<Result<_, UnsealError>>()?,
        groups: plan.groups,
        outputs: plan
            .outputs
            .into_iter()
            .map(|output| {
                Ok(OutputChange {
                    name: output.name,
                    before: output.before.map(|value| value.wake(seal)).transpose()?,
                    after: output.after.map(|value| wake_planned(value, seal)).transpose()?,
                    reseal: output.reseal,
                    provenance: output.provenance,
                })
            })
            .collect::<Result<_, UnsealError>>()?,
        remembered: plan
            .remembered
            .into_iter()
            .map(|(address, value)| Ok((address, value.map(|value| value.wake(seal)).transpose()?)))
            .collect::<Result<_, UnsealError>>()?,
        degraded: plan.degraded,
        moved: plan.moved,
        checks: plan.checks.into_iter().map(|check| wake_check(check, seal)).collect::<Result<_, UnsealError>>()?,
        providers: plan
            .providers
            .into_iter()
            .map(|(name, instance)| {
                let woken = ProviderInstance {
                    provider: instance.provider,
                    origin: instance.origin,
                    config: wake_planned(instance.config, seal)?,
                    sources: instance.sources,
                    again: instance.again.map(|again| wake_pending(again, seal)).transpose()?,
                    fallback: instance
                        .fallback
                        .into_iter()
                        .map(|way| wake_way(way, seal))
                        .collect::<Result<_, UnsealError>>()?,
                    late: instance.late,
                    policy: instance.policy,
                };
                Ok((name, woken))
            })
            .collect::<Result<_, UnsealError>>()?,
        shared: plan
            .shared
            .into_iter()
            .map(|(name, pending)| Ok((name, wake_pending(pending, seal)?)))
            .collect::<Result<_, UnsealError>>()?,
        ephemerals: plan
            .ephemerals
            .into_iter()
            .map(|ephemeral| wake_ephemeral(ephemeral, seal))
            .collect::<Result<_, UnsealError>>()?,
        sources: plan.sources,
        asked: plan.asked,
        drift: plan
            .drift
            .into_iter()
            .map(|drift| {
                Ok(Drift {
                    address: drift.address,
                    object: drift.object,
                    status: drift.status,
                    attributes: drift.attributes,
                    declared: drift.declared,
                    recorded: drift.recorded.wake(seal)?,
                    desired: drift.desired.wake(seal)?,
                    observed: drift.observed.wake(seal)?,
                    error: drift.error,
                })
            })
            .collect::<Result<_, UnsealError>>()?,
        in_doubt: plan.in_doubt,
        pivot: plan.pivot,
        warnings: plan.warnings,
        digest,
    })
}

fn wake_step(step: StepV1, seal: &dyn Seal) -> Result<Step, UnsealError> {
    Ok(Step {
        id: step.id,
        type_name: step.type_name,
        provider: step.provider,
        depends_on: step.depends_on,
        stage: step.stage,
        reversibility: step.reversibility,
        config: wake_planned(step.config, seal)?,
        planned: step.planned.wake(seal)?,
        planned_private: wake_private(step.planned_private.as_deref(), seal)?,
        observed: step.observed.wake(seal)?,
        observed_private: wake_private(step.observed_private.as_deref(), seal)?,
        observed_identity: step.observed_identity.map(|value| value.wake(seal)).transpose()?,
        fingerprint: step.fingerprint,
        fingerprint_of: step.fingerprint_of,
        kept: step.kept,
        generation: step.generation,
        existing: step.existing,
        dependencies: step.dependencies,
        provenance: step.provenance,
        lifecycle: step.lifecycle,
        preconditions: wake_conditions(step.preconditions, seal)?,
        postconditions: wake_conditions(step.postconditions, seal)?,
        moved_from: step.moved_from,
        schema_version: step.schema_version,
        adopts: step.adopts,
        restores: step.restores,
        import: step.import,
        late: step.late,
        fallback: step.fallback.map(|fallback| wake_fallback(fallback, seal)).transpose()?,
    })
}

fn wake_fallback(fallback: FallbackV1, seal: &dyn Seal) -> Result<FallbackOfData, UnsealError> {
    let instead = fallback.instead.into_iter();
    let instead = instead.map(|instead| Ok(Instead { value: instead.value.wake(seal)?, what: instead.what }));
    Ok(FallbackOfData { instead: instead.collect::<Result<_, UnsealError>>()?, remember: fallback.remember })
}

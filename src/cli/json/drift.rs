//! `reconcile --json`: a line for each difference, and a last one that counts.

use std::collections::BTreeSet;

use retrue_provider_api::{Path, Type, Value};
use serde::Serialize;
use serde_json::Value as Json;

use super::check::{WireCounts, counts};
use super::value::Shown;
use crate::address::Address;
use crate::health;
use crate::plan::{Drift, DriftStatus, InDoubt, ObjectKey};
use crate::reconcile::Report;
use crate::resilience::MovedOver;

/// One difference.
#[derive(Debug, Serialize)]
pub(crate) struct WireDrift<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    address: &'a Address,
    #[serde(skip_serializing_if = "ObjectKey::is_current")]
    object: &'a ObjectKey,
    status: DriftStatus,
    attributes: &'a [Path],
    recorded: Json,
    desired: Json,
    observed: Json,
    /// Whether `--fix` brings it back.
    fixable: bool,
    sensitive: BTreeSet<Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The last line.
#[derive(Debug, Serialize)]
pub(crate) struct WireFinished<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    in_true: usize,
    drifted: usize,
    missing: usize,
    unreadable: usize,
    changed_outside: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<WireCounts>,
    in_doubt: &'a [InDoubt],
    /// What somebody else is changing just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_work: Option<WireAtWork<'a>>,
}

/// Whoever changes things just now.
#[derive(Debug, Serialize)]
struct WireAtWork<'a> {
    who: &'a str,
    in_flight: &'a BTreeSet<Address>,
}

/// That what was looked at was reached in another way.
#[derive(Debug, Serialize)]
pub(crate) struct WireMoved<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    provider: &'a str,
    fallback: usize,
    message: &'a str,
}

/// One difference that was taken for the record.
#[derive(Debug, Serialize)]
pub(crate) struct WireAccepted<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    address: &'a Address,
    #[serde(skip_serializing_if = "ObjectKey::is_current")]
    object: &'a ObjectKey,
}

/// The line of a provider that is reached in another way.
pub(crate) fn moved<'a>(now: &'a str, moved: &'a MovedOver) -> WireMoved<'a> {
    let MovedOver { provider, fallback, reason } = moved;
    WireMoved { ts: now, event: "moved_over", run_id: None, provider, fallback: *fallback, message: reason }
}

/// The line of a difference. Only the attributes that differ are in it.
pub(crate) fn event<'a>(now: &'a str, report: &Report, drift: &'a Drift) -> WireDrift<'a> {
    let mut shown = Shown::default();
    let mut side = |value: &Value| shown.json(&only(value, &drift.attributes));
    WireDrift {
        ts: now,
        event: "drift",
        run_id: None,
        address: &drift.address,
        object: &drift.object,
        status: drift.status,
        attributes: &drift.attributes,
        recorded: side(&drift.recorded),
        desired: side(&drift.desired),
        observed: side(&drift.observed),
        fixable: matches!(drift.status, DriftStatus::Drifted | DriftStatus::Missing) && report.beyond(drift).is_none(),
        sensitive: shown.sensitive,
        error: drift.error.as_deref(),
    }
}

/// The top-level attributes that paths begin with.
fn only(value: &Value, paths: &[Path]) -> Value {
    let Some(entries) = value.as_entries().filter(|_| !paths.is_empty()) else {
        return if value.is_null() { Value::null(Type::Dynamic) } else { value.clone() };
    };
    let names: BTreeSet<&str> = paths.iter().filter_map(Path::first_attribute).collect();
    let kept = entries.iter().filter(|(name, _)| names.contains(name.as_ref()));
    Value::object(kept.map(|(name, value)| (name.clone(), value.clone()))).with_marks(value.marks())
}

/// The line that ends it; `run` is the one that mended or accepted, if any did.
pub(crate) fn finished<'a>(
    now: &'a str,
    run: Option<&'a str>,
    report: &'a Report,
    checked: &[health::Report],
    in_doubt: &'a [InDoubt],
) -> WireFinished<'a> {
    WireFinished {
        ts: now,
        event: "run_finished",
        run_id: run,
        in_true: report.in_true,
        drifted: report.count(DriftStatus::Drifted),
        missing: report.count(DriftStatus::Missing),
        unreadable: report.count(DriftStatus::Unreadable),
        changed_outside: report.count(DriftStatus::ChangedOutside),
        checks: (!checked.is_empty()).then(|| counts(checked)),
        in_doubt,
        at_work: report.at_work.as_ref().map(|at_work| WireAtWork { who: &at_work.who, in_flight: &at_work.in_flight }),
    }
}

/// The line of something accepted.
pub(crate) fn accepted<'a>(now: &'a str, run: Option<&'a str>, drift: &'a Drift) -> WireAccepted<'a> {
    WireAccepted { ts: now, event: "accepted", run_id: run, address: &drift.address, object: &drift.object }
}

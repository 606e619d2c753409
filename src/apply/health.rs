//! Health checks at the end of a run.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{Category, Value, convert};
use tokio_util::sync::CancellationToken;

use crate::address::{Address, BlockAddress};
use crate::apply::codes;
use crate::apply::run::{ApplyRequest, RunReport};
use crate::apply::scope::Values;
use crate::engine::RunEventKind;
use crate::health::{Around, Definition, Report, kinds, run, run_all};
use crate::plan::{PlanKind, PlannedCheck};
use crate::resilience::Gate;
use crate::rest::masked_near;
use crate::saga::journal::{Entry, JournalError};
use crate::saga::{Event, StepFailure};

/// Looks whether what was made does its work. That something does not is a failure of the run.
pub(super) async fn check_health(
    request: &ApplyRequest<'_>,
    values: &Values,
    report: &mut RunReport,
) -> Result<(), JournalError> {
    // What is mended is looked at by whoever asked for it, and what is ended has no health.
    if request.plan.kind != PlanKind::Apply || request.plan.checks.is_empty() {
        return Ok(());
    }
    let caller = request.caller;
    let checks = request.plan.checks.iter();
    let checks = checks.map(|check| (&check.definition, evaluated(check, values))).collect();
    let around = Around { directory: &request.directory, cancellation: &caller.cancellation.soft };
    let tell = |report: &Report| caller.tell(RunEventKind::CheckFinished(report.clone()));
    report.checks = run_all(checks, &around, request.parallelism, tell).await;
    let entries = report.checks.iter().map(|report| {
        Entry::run(Event::Checked {
            name: report.name.to_string(),
            healthy: report.finding.is_healthy(),
            tries: report.finding.tries,
            problem: report.finding.problem.clone(),
        })
    });
    caller.journal.write(entries.collect()).await?;
    let failed = report.checks.iter().filter(|report| report.is_failure() || report.finding.cancelled);
    report.failures.extend(failed.map(|report| (address(&report.name), failure(report))));
    Ok(())
}

/// Lets the recovery of breakers wait for the checks that their providers name.
pub(super) fn open_gates(request: &ApplyRequest<'_>) {
    let named = request.plan.providers.values().filter_map(|instance| instance.policy.breaker.recovery_check.as_ref());
    let named: BTreeSet<&Arc<str>> = named.collect();
    // What it needs is known from the start: it refers to nothing that is made.
    let checks = request.plan.checks.iter().filter(|check| named.contains(&check.definition.name));
    for check in checks.filter(|check| check.values.pending.is_empty()) {
        let gate = Recovery {
            definition: check.definition.clone(),
            values: check.values.value.clone(),
            directory: request.directory.clone(),
        };
        request.providers.gate(Arc::clone(&check.definition.name), Arc::new(gate));
    }
}

/// A check that a recovery waits for.
struct Recovery {
    definition: Definition,
    values: Value,
    directory: PathBuf,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its values may be secret.
        f.debug_struct("Recovery").field("check", &self.definition.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Gate for Recovery {
    async fn is_healthy(&self, stop: &CancellationToken) -> bool {
        let around = Around { directory: &self.directory, cancellation: stop };
        run(&self.definition, &self.values, &around).await.is_healthy()
    }

    fn interval(&self) -> Duration {
        self.definition.rules.interval
    }
}

/// How a check is named among what failed: `check.NAME`.
fn address(name: &str) -> Address {
    BlockAddress::managed("check", name).instance(None)
}

fn failure(report: &Report) -> StepFailure {
    let code = if report.finding.cancelled { codes::CANCELLED } else { codes::UNHEALTHY };
    StepFailure {
        code: code.into(),
        category: Category::Unknown,
        message: report.finding.problem.clone().unwrap_or_default(),
        retryable: false,
        retry_after: None,
    }
}

/// The values of a check, once all steps are done.
fn evaluated(check: &PlannedCheck, values: &Values) -> Result<Value, String> {
    let whole = values.complete(&check.values, None).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("it has no values: {}", errors.join("; "))
    })?;
    let probe = &check.definition.probe;
    let mut known = whole.clone();
    for (name, kind, required) in kinds(probe) {
        let Some(value) = whole.get(name) else { continue };
        let value = convert(value, &kind()).map_err(|error| format!("`{name}` cannot be used: {error}"))?;
        if !value.is_wholly_known() || *required && value.is_null() {
            return Err(format!("`{name}` has no value"));
        }
        if let Some(problem) = probe.wrong_value(name, &value).filter(|_| !value.is_null()) {
            return Err(masked_near(&format!("`{name}`: {problem}"), &[&whole]));
        }
        known = known.with_attribute(name, value);
    }
    Ok(known)
}

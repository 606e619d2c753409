//! Health checks alone: of what is recorded, without a run.

use std::collections::BTreeSet;

use retrue_provider_api::Value;

use crate::apply::codes::UNHEALTHY;
use crate::config::codes::BAD_REFERENCE;
use crate::diagnostic::Diagnostic;
use crate::engine::look::look;
use crate::engine::planning::{Basis, Planned, make};
use crate::engine::{Cancellation, Failure, Options, PlanOptions, Workspace};
use crate::expression::nearest;
use crate::health::{Around, Report, run_all};
use crate::plan::{PlanKind, PlannedCheck};
use crate::saga::State;
use crate::store::Sealer;
use crate::survey::Calls;

/// Evaluates the checks of a stack over what is recorded, and the data that they look at. With names, only those of
/// these names.
///
/// # Errors
/// There is no check of one of the names, or what is recorded cannot be read.
pub async fn inspect(
    options: &Options,
    workspace: &Workspace,
    names: &[String],
    cancellation: &Cancellation,
) -> Result<Planned, Failure> {
    let known = &workspace.stack.checks;
    let unknown: Vec<Diagnostic> = names
        .iter()
        .filter(|name| !known.contains_key(name.as_str()))
        .map(|name| {
            let problem = Diagnostic::error(BAD_REFERENCE, format!("there is no check `{name}`"));
            match nearest(name, known.keys().map(AsRef::as_ref)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint("checks are declared in the stack: `[check.NAME]`"),
            }
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::many(unknown, workspace.sources.clone()));
    }
    let looked = look(options, Some(&workspace.stack))?;
    let empty = State::default();
    let temporary = Sealer::new(&[0; 32]);
    let (state, seal, lineage): (&State, &Sealer, &str) = match &looked {
        Some(look) => (&look.state, look.seal(), look.lineage()),
        None => (&empty, &temporary, ""),
    };
    let nothing = BTreeSet::new();
    let basis = Basis {
        workspace,
        state,
        seal,
        lineage,
        in_doubt: Vec::new(),
        calls: Calls::reading(cancellation.soft.clone()),
        only: Some(&nothing),
        checks: true,
    };
    let planning = PlanOptions { refresh: false, ..PlanOptions::default() };
    let mut planned = make(options, &planning, PlanKind::Fix, basis).await?;
    planned.providers.close().await;
    if !names.is_empty() {
        planned.plan.checks.retain(|check| names.iter().any(|name| *name == *check.definition.name));
    }
    Ok(planned)
}

/// Carries out the checks of a plan of which nothing is left to be done. `tell` is told of each.
pub async fn check(
    options: &Options,
    planned: &Planned,
    cancellation: &Cancellation,
    tell: impl FnMut(&Report),
) -> Vec<Report> {
    let root = options.root();
    let around = Around { directory: &root, cancellation: &cancellation.soft };
    let checks = planned.plan.checks.iter().map(|check| (&check.definition, values(check))).collect();
    run_all(checks, &around, options.parallelism, tell).await
}

fn values(check: &PlannedCheck) -> Result<Value, String> {
    let value = &check.values.value;
    let unknown = value.as_entries().into_iter().flatten().find(|(_, value)| !value.is_wholly_known());
    match unknown {
        Some((name, _)) => Err(format!("`{name}` rests on what is not recorded yet")),
        None => Ok(value.clone()),
    }
}

/// What to tell where something that must work does not; `None` where all does.
pub fn unhealthy(reports: &[Report]) -> Option<Diagnostic> {
    let names: Vec<String> =
        reports.iter().filter(|report| report.is_failure()).map(|report| format!("`{}`", report.name)).collect();
    let what = match names.as_slice() {
        [] => return None,
        [_] => "this check is unhealthy",
        _ => "these checks are unhealthy",
    };
    let problem = Diagnostic::error(UNHEALTHY, format!("{what}: {}", names.join(", ")));
    Some(problem.hint("`retrue check NAME` runs one alone"))
}

//! `apply --json` and its like: one event a line.

use std::collections::BTreeMap;
use std::time::Duration;

use retrue_provider_api::Severity;
use serde::Serialize;

use super::check::{self, WireReport};
use crate::engine::{RunEvent, RunEventKind, StepRef};
use crate::plan::Degraded;
use crate::saga::{Counts, RunKind, RunState, StepFailure};

/// How many steps of each action ended how.
pub(crate) type Tally = BTreeMap<String, BTreeMap<String, usize>>;

/// One line.
#[derive(Debug, Default, Serialize)]
pub(crate) struct WireEvent<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WireError<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<RunKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    check: Option<WireReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RunState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Tally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcomes: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<usize>,
}

/// What went wrong, with how grave it is.
#[derive(Debug, Serialize)]
pub(crate) struct WireError<'a> {
    #[serde(flatten)]
    failure: &'a StepFailure,
    severity: Severity,
}

impl<'a> WireError<'a> {
    /// The wire form of a failure.
    pub(crate) fn of(failure: &'a StepFailure) -> Self {
        WireError { failure, severity: failure.category.severity() }
    }
}

impl<'a> WireEvent<'a> {
    fn step(mut self, step: &'a StepRef) -> Self {
        self.address = Some(step.address.to_string());
        self.action = Some(step.action);
        self.step = Some(&step.step);
        self.attempt = Some(step.attempt);
        self.idempotency_key = Some(&step.idempotency_key).filter(|key| !key.is_empty()).map(String::as_str);
        self
    }

    fn took(mut self, duration: &Duration) -> Self {
        self.duration_ms = Some(duration.as_millis());
        self
    }

    fn failed(mut self, outcome: &'a str, error: &'a StepFailure) -> Self {
        self.outcome = Some(outcome);
        self.error = Some(WireError::of(error));
        self
    }
}

/// Counts an event by its action and outcome.
pub(crate) fn count(tally: &mut Tally, event: &RunEvent) {
    let (action, outcome) = match &event.kind {
        RunEventKind::StepFinished { step, outcome, .. } | RunEventKind::StepFailed { step, outcome, .. } => {
            (step.action, *outcome)
        }
        RunEventKind::StepInDoubt { step, .. } => (step.action, "unknown"),
        RunEventKind::StepSkipped { action, .. } => (*action, "skipped"),
        RunEventKind::UndoFinished { step, .. } => (step.action, "undone"),
        RunEventKind::UndoStuck { step, .. } => (step.action, "stuck"),
        _ => return,
    };
    *tally.entry(action.to_owned()).or_default().entry(outcome.to_owned()).or_default() += 1;
}

/// The last line where there was nothing to do, and so no run.
pub(crate) fn nothing<'a>(now: &'a str, message: &'a str) -> WireEvent<'a> {
    WireEvent {
        ts: now,
        event: "run_finished",
        state: Some(RunState::Succeeded),
        counts: Some(Tally::new()),
        outcomes: Some(Counts::default()),
        message: Some(message),
        ..WireEvent::default()
    }
}

/// What may have gone wrong and did, where there was nothing to do, and so no run.
pub(crate) fn degraded<'a>(now: &'a str, degraded: &'a Degraded) -> WireEvent<'a> {
    WireEvent {
        ts: now,
        event: "degraded",
        address: Some(degraded.address.to_string()),
        message: Some(&degraded.reason),
        ..WireEvent::default()
    }
}

/// The wire form of an event. `tally` is what was counted until then.
pub(crate) fn wire<'a>(event: &'a RunEvent, tally: &Tally) -> WireEvent<'a> {
    let line = |name| WireEvent { ts: &event.time, event: name, run_id: Some(&event.run), ..WireEvent::default() };
    match &event.kind {
        RunEventKind::RunStarted { kind, steps } => {
            WireEvent { kind: Some(*kind), steps: Some(*steps), ..line("run_started") }
        }
        RunEventKind::StepStarted(step) => line("step_started").step(step),
        RunEventKind::StepRetrying { step, error, after } => WireEvent {
            error: Some(WireError::of(error)),
            retry_after_ms: Some(after.as_millis()),
            ..line("step_retrying").step(step)
        },
        RunEventKind::StepHeld { step, reason, after } => {
            WireEvent { message: Some(reason), retry_after_ms: Some(after.as_millis()), ..line("step_held").step(step) }
        }
        RunEventKind::StepFinished { step, duration, outcome, warnings } => WireEvent {
            outcome: Some(outcome),
            warnings: Some(warnings.as_slice()).filter(|warnings| !warnings.is_empty()),
            ..line("step_finished").step(step).took(duration)
        },
        RunEventKind::StepFailed { step, duration, outcome, error } => {
            line("step_failed").step(step).took(duration).failed(outcome, error)
        }
        RunEventKind::StepInDoubt { step, duration, error } => {
            line("step_in_doubt").step(step).took(duration).failed("unknown", error)
        }
        RunEventKind::StepSkipped { address, action, reason } => WireEvent {
            address: Some(address.to_string()),
            action: Some(action),
            outcome: Some("skipped"),
            message: Some(reason),
            ..line("step_skipped")
        },
        RunEventKind::StepResolved { address, of, outcome, how } => WireEvent {
            address: Some(address.to_string()),
            of: Some(of),
            outcome: Some(outcome),
            message: Some(how),
            ..line("step_resolved")
        },
        RunEventKind::UndoStarted(step) => line("undo_started").step(step),
        RunEventKind::UndoFinished { step, duration, lost, .. } => WireEvent {
            outcome: Some("undone"),
            lost: Some(lost.as_slice()).filter(|lost| !lost.is_empty()),
            ..line("undo_finished").step(step).took(duration)
        },
        RunEventKind::UndoStuck { step, error } => line("undo_stuck").step(step).failed("stuck", error),
        RunEventKind::Verified { address, differing } => WireEvent {
            address: Some(address.to_string()),
            outcome: Some(if differing.is_empty() { "agrees" } else { "differs" }),
            attributes: Some(differing.as_slice()).filter(|differing| !differing.is_empty()),
            ..line("verified")
        },
        RunEventKind::Drift { address, status, attributes } => WireEvent {
            address: Some(address.to_string()),
            status: Some(status),
            attributes: Some(attributes),
            ..line("drift")
        },
        RunEventKind::Degraded(told) => WireEvent { run_id: Some(&event.run), ..degraded(&event.time, told) },
        RunEventKind::MovedOver(moved) => WireEvent {
            provider: Some(&moved.provider),
            fallback: Some(moved.fallback),
            message: Some(&moved.reason),
            ..line("moved_over")
        },
        RunEventKind::CheckFinished(report) => {
            WireEvent { check: Some(check::report(report)), ..line("check_finished") }.took(&report.finding.took)
        }
        RunEventKind::Notice(message) => WireEvent { message: Some(message), ..line("notice") },
        RunEventKind::RunFinished { state, counts } => WireEvent {
            state: Some(*state),
            counts: Some(tally.clone()),
            outcomes: Some(*counts),
            ..line("run_finished")
        },
    }
}

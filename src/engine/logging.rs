//! What happens in runs, as lines of the log and for whoever counts it. Words of errors come without secrets already.

use std::time::Duration;

use tracing::field::display;
use tracing::{debug, info};

use crate::engine::{RunEvent, RunEventKind, StepRef};
use crate::saga::{RunState, StepFailure};
use crate::telemetry::{self, StepEnd, StepFacts, Telemetry};

/// A line about a step: `$level!` with what names the step, and further fields.
macro_rules! step {
    ($run:expr, $step:expr, [$($field:tt)*], $words:literal) => {{
        let StepRef { address, action, step, attempt, idempotency_key } = $step;
        let idempotency_key = Some(display(idempotency_key)).filter(|_| !idempotency_key.is_empty());
        info!(run_id = %$run, %address, %action, %step, attempt, idempotency_key, $($field)* $words)
    }};
}

impl RunEvent {
    /// Writes it into the log: `info` for runs and steps, `debug` for the rest.
    pub fn log(&self) {
        let run = &self.run;
        match &self.kind {
            RunEventKind::RunStarted { kind, steps } => info!(run_id = %run, kind = kind.word(), steps, "run started"),
            RunEventKind::StepStarted(step) => step!(run, step, [], "step started"),
            RunEventKind::StepRetrying { step, error, after } => step!(
                run,
                step,
                [code = %error.code, category = %error.category, error = %error.message, wait_ms = milliseconds(*after),],
                "step is tried again"
            ),
            RunEventKind::StepHeld { step, reason, after } => {
                step!(run, step, [reason = %reason, wait_ms = milliseconds(*after),], "step is held back");
            }
            RunEventKind::StepFinished { step, duration, outcome, .. } => {
                step!(run, step, [duration_ms = milliseconds(*duration), outcome,], "step finished");
            }
            RunEventKind::StepFailed { step, duration, outcome, error } => step!(
                run,
                step,
                [duration_ms = milliseconds(*duration), outcome, code = %error.code, category = %error.category, error = %error.message,],
                "step failed"
            ),
            RunEventKind::StepInDoubt { step, duration, error } => step!(
                run,
                step,
                [duration_ms = milliseconds(*duration), outcome = "unknown", code = %error.code, category = %error.category, error = %error.message,],
                "step in doubt"
            ),
            RunEventKind::StepSkipped { address, action, reason } => {
                info!(run_id = %run, %address, action, reason, "step not started");
            }
            RunEventKind::StepResolved { address, of, outcome, how } => {
                info!(run_id = %run, of, %address, outcome, how, "doubt settled");
            }
            RunEventKind::UndoStarted(step) => step!(run, step, [], "undo started"),
            RunEventKind::UndoFinished { step, duration, .. } => {
                step!(run, step, [duration_ms = milliseconds(*duration), outcome = "undone",], "undo finished");
            }
            RunEventKind::UndoStuck { step, error } => step!(
                run,
                step,
                [outcome = "stuck", code = %error.code, category = %error.category, error = %error.message,],
                "undo stuck"
            ),
            RunEventKind::Verified { address, differing } => {
                debug!(run_id = %run, %address, differing = differing.join(", "), "read again");
            }
            RunEventKind::Drift { address, status, attributes } => {
                debug!(run_id = %run, %address, status, attributes = attributes.join(", "), "drift");
            }
            RunEventKind::Degraded(degraded) => {
                info!(run_id = %run, address = %degraded.address, reason = degraded.reason, "degraded");
            }
            RunEventKind::MovedOver(moved) => {
                info!(run_id = %run, provider = moved.provider, fallback = moved.fallback, reason = moved.reason, "moved over");
            }
            RunEventKind::CheckFinished(report) => info!(
                run_id = %run,
                check = %report.name,
                severity = report.severity.word(),
                duration_ms = milliseconds(report.finding.took),
                tries = report.finding.tries,
                outcome = if report.finding.is_healthy() { "healthy" } else { "unhealthy" },
                problem = report.finding.problem.as_deref().unwrap_or_default(),
                "check finished"
            ),
            RunEventKind::Notice(text) => info!(run_id = %run, "{text}"),
            RunEventKind::RunFinished { state, counts } => info!(
                run_id = %run,
                state = state.word(),
                applied = counts.applied,
                partial = counts.partial,
                not_applied = counts.not_applied,
                unknown = counts.unknown,
                skipped = counts.skipped,
                undone = counts.undone,
                stuck = counts.stuck,
                "run finished"
            ),
        }
    }

    /// Tells it to whoever counts.
    pub fn count(&self) {
        let Some(telemetry) = telemetry::get() else { return };
        let run = self.run.as_str();
        match &self.kind {
            RunEventKind::RunStarted { kind, .. } => {
                let ends = RunState::ALL.into_iter().filter(|state| state.is_final()).map(RunState::word);
                telemetry.run_began(run, kind.word(), ends);
            }
            RunEventKind::StepStarted(step) => named(run, step, false, |step| telemetry.step_began(step)),
            RunEventKind::UndoStarted(step) => named(run, step, true, |step| telemetry.step_began(step)),
            RunEventKind::StepRetrying { step, error, after } => {
                let category = error.category.to_string();
                named(run, step, false, |step| telemetry.step_event(step, "retry", Some(&category), *after));
            }
            RunEventKind::StepHeld { step, after, .. } => {
                named(run, step, false, |step| telemetry.step_event(step, "held", None, *after));
            }
            RunEventKind::StepFinished { step, duration, outcome, .. } => {
                ends(telemetry, run, step, outcome, None, Some(*duration));
            }
            RunEventKind::StepFailed { step, duration, outcome, error } => {
                ends(telemetry, run, step, outcome, Some(error), Some(*duration));
            }
            RunEventKind::StepInDoubt { step, duration, error } => {
                ends(telemetry, run, step, "unknown", Some(error), Some(*duration));
            }
            RunEventKind::StepResolved { outcome, .. } => telemetry.doubt_settled(outcome),
            RunEventKind::UndoFinished { step, duration, .. } => {
                ends(telemetry, run, step, "undone", None, Some(*duration));
            }
            RunEventKind::UndoStuck { step, error } => ends(telemetry, run, step, "stuck", Some(error), None),
            RunEventKind::RunFinished { state, counts } => telemetry.run_ended(run, state.word(), counts.skipped),
            RunEventKind::StepSkipped { .. }
            | RunEventKind::Verified { .. }
            | RunEventKind::Drift { .. }
            | RunEventKind::Degraded(_)
            // It was counted when it happened.
            | RunEventKind::MovedOver(_)
            | RunEventKind::CheckFinished(_)
            | RunEventKind::Notice(_) => {}
        }
    }
}

fn named(run: &str, step: &StepRef, undo: bool, tell: impl FnOnce(&StepFacts<'_>)) {
    let StepRef { address, action, step, attempt, idempotency_key } = step;
    let address = address.to_string();
    tell(&StepFacts { run, step, address: &address, action, undo, attempt: *attempt, idempotency_key });
}

fn ends(
    telemetry: &Telemetry,
    run: &str,
    step: &StepRef,
    outcome: &'static str,
    error: Option<&StepFailure>,
    took: Option<Duration>,
) {
    let category = error.map(|error| error.category.to_string());
    let end = StepEnd { outcome, category: category.as_deref(), took };
    named(run, step, matches!(outcome, "undone" | "stuck"), |step| telemetry.step_ended(step, &end));
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

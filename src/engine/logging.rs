//! What happens in runs, as lines of the log. Words of errors come without secrets already.

use tracing::{debug, info};

use crate::engine::{RunEvent, RunEventKind, StepRef};

/// A line about a step: `$level!` with what names the step, and further fields.
macro_rules! step {
    ($run:expr, $step:expr, [$($field:tt)*], $words:literal) => {{
        let StepRef { address, action, step, attempt, idempotency_key } = $step;
        info!(run_id = %$run, %address, %action, %step, %attempt, %idempotency_key, $($field)* $words)
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
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

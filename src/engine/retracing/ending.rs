//! How what was recorded, or replayed, ended.

use crate::engine::session::Applied;
use crate::engine::{Compensated, Failure, Session};
use crate::plan::DriftStatus;
use crate::reconcile::Report;
use crate::saga::{StepStatus, UndoStatus};
use crate::trace::{End, StepEnd};

impl Session {
    /// How a run ended, as a trace tells it.
    ///
    /// # Errors
    /// Its journal cannot be read.
    pub async fn ended(&self, applied: &Applied) -> Result<End, Failure> {
        let history = self.history(&applied.report.run).await?;
        let mut steps = Vec::new();
        for step in history.iter().flat_map(|history| &history.steps) {
            steps.push(StepEnd {
                address: step.id.address.to_string(),
                effect: step.id.effect.word().to_owned(),
                status: word(step.status).to_owned(),
                failure: step.failure.as_ref().map(|failure| failure.category.to_string()),
            });
        }
        let unwound = match (&applied.compensated, &applied.held) {
            (Some(Compensated::Unwound(unwound)), _) => Some(unwound.state.word().to_owned()),
            (Some(Compensated::Nothing), _) => Some("nothing".to_owned()),
            (None, Some(_)) => Some("held".to_owned()),
            (None, None) => None,
        };
        let unhealthy = applied.report.checks.iter().filter(|report| report.is_failure());
        let unhealthy = unhealthy.map(|report| report.name.to_string()).collect();
        Ok(End { unhealthy, state: Some(applied.report.state.word().to_owned()), steps, unwound, ..End::default() })
    }

    /// How an unwinding ended, as a trace tells it.
    ///
    /// # Errors
    /// Its journal cannot be read.
    pub async fn unwound(&self, compensated: &Compensated) -> Result<End, Failure> {
        let Compensated::Unwound(unwound) = compensated else { return Ok(End::default()) };
        let history = self.history(&unwound.run).await?;
        let many = history.as_ref().is_some_and(|history| history.started.compensates.len() > 1);
        let undos = history.iter().flat_map(|history| &history.undos).map(|undo| {
            let effect = format!("undo of {}", undo.id.effect.word());
            StepEnd {
                address: undo.id.address.to_string(),
                effect: if many { format!("{effect} in {}", undo.of) } else { effect },
                status: undo_word(undo.status).to_owned(),
                failure: None,
            }
        });
        Ok(End { state: Some(unwound.state.word().to_owned()), steps: undos.collect(), ..End::default() })
    }
}

/// What could not be planned, or was refused, ends with.
pub fn not_planned(failure: &Failure) -> End {
    let mut failed: Vec<String> =
        failure.diagnostics.iter().filter(|told| told.is_error()).map(|told| told.code.to_owned()).collect();
    failed.sort();
    failed.dedup();
    End { failed, ..End::default() }
}

/// The same end, with how the world stood to the record by then.
pub fn stood(report: &Report, end: End) -> End {
    let word = |status| match status {
        DriftStatus::InTrue => "in_true",
        DriftStatus::Drifted => "drifted",
        DriftStatus::ChangedOutside => "changed_outside",
        DriftStatus::Missing => "missing",
        DriftStatus::Unreadable => "unreadable",
    };
    let drift = report.drift.iter().map(|drift| (drift.address.to_string(), word(drift.status).to_owned()));
    End { drift: Some(drift.collect()), ..end }
}

fn word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Planned => "not_started",
        StepStatus::Imaged | StepStatus::Begun => "begun",
        StepStatus::Applied | StepStatus::Verified => "applied",
        StepStatus::Partial => "partial",
        StepStatus::NotApplied => "not_applied",
        StepStatus::Unknown => "unknown",
        StepStatus::Mismatched => "mismatched",
    }
}

fn undo_word(status: UndoStatus) -> &'static str {
    match status {
        UndoStatus::Pending => "not_started",
        UndoStatus::Begun => "begun",
        UndoStatus::Undone => "undone",
        UndoStatus::Stuck => "stuck",
        UndoStatus::Skipped => "skipped",
    }
}

//! What is told while a run goes on.

use std::time::Duration;

use crate::address::Address;
use crate::health;
use crate::plan::Degraded;
use crate::resilience::MovedOver;
use crate::rest::masked;
use crate::saga::{Counts, RunKind, RunState, StepFailure};

/// Is told what happens. Calls come from many tasks, in the order in which things happened.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &RunEvent);
}

/// One thing that happened in a run.
#[derive(Clone, Debug)]
pub struct RunEvent {
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The run.
    pub run: String,
    /// What.
    pub kind: RunEventKind,
}

/// A step, as the events name it.
#[derive(Clone, Debug)]
pub struct StepRef {
    /// The instance.
    pub address: Address,
    /// The action: `create`, `update`, `delete` and so on.
    pub action: &'static str,
    /// The name of the step.
    pub step: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// See `Context::idempotency_key`.
    pub idempotency_key: String,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum RunEventKind {
    /// The run began, with so many steps.
    RunStarted {
        /// What kind it is.
        kind: RunKind,
        /// How many steps it has.
        steps: usize,
    },
    /// A step's effect begins.
    StepStarted(StepRef),
    /// A step is tried again after a while.
    StepRetrying {
        /// The step.
        step: StepRef,
        /// Why.
        error: StepFailure,
        /// After how long.
        after: Duration,
    },
    /// A step does not begin, because nothing is sent where it would be: it did not work the last times.
    StepHeld {
        /// The step.
        step: StepRef,
        /// Where.
        reason: String,
        /// When somebody tries next.
        after: Duration,
    },
    /// A step ended, and something is there (or gone) as it should be.
    StepFinished {
        /// The step.
        step: StepRef,
        /// How long it took.
        duration: Duration,
        /// `applied` or `partial`.
        outcome: &'static str,
        /// What a person should know.
        warnings: Vec<String>,
    },
    /// A step failed; nothing was changed, or (`partial`) not all.
    StepFailed {
        /// The step.
        step: StepRef,
        /// How long it took.
        duration: Duration,
        /// `not_applied` or `partial`.
        outcome: &'static str,
        /// Why.
        error: StepFailure,
    },
    /// It cannot be told what came of a step.
    StepInDoubt {
        /// The step.
        step: StepRef,
        /// How long it took.
        duration: Duration,
        /// Why.
        error: StepFailure,
    },
    /// A step will not be started, because of what it waits for.
    StepSkipped {
        /// The instance.
        address: Address,
        /// The action.
        action: &'static str,
        /// Why.
        reason: String,
    },
    /// Doubt about a step of an earlier run was settled.
    StepResolved {
        /// The instance.
        address: Address,
        /// The run that it belongs to.
        of: String,
        /// `applied`, `partial` or `not_applied`.
        outcome: &'static str,
        /// How that is known.
        how: String,
    },
    /// The undo of a step begins.
    UndoStarted(StepRef),
    /// A step is undone.
    UndoFinished {
        /// The step.
        step: StepRef,
        /// How long it took.
        duration: Duration,
        /// What could not be brought back.
        lost: Vec<String>,
        /// Whether nothing is there after it: what was deleted is not made again.
        not_made_again: bool,
    },
    /// The undo of a step failed, or was left out.
    UndoStuck {
        /// The step.
        step: StepRef,
        /// Why.
        error: StepFailure,
    },
    /// A read after a step agreed with it, or did not.
    Verified {
        /// The instance.
        address: Address,
        /// The attributes that differ; none when all agrees.
        differing: Vec<String>,
    },
    /// A difference between world and record was found.
    Drift {
        /// The instance.
        address: Address,
        /// `drifted`, `changed_outside`, `missing` or `unreadable`.
        status: &'static str,
        /// The attributes that differ.
        attributes: Vec<String>,
    },
    /// Something is not as it should be, and goes on all the same.
    Degraded(Degraded),
    /// A provider is reached in another way from now on.
    MovedOver(MovedOver),
    /// A health check ended.
    CheckFinished(health::Report),
    /// Something that a person should know.
    Notice(String),
    /// The run ended.
    RunFinished {
        /// How.
        state: RunState,
        /// How many steps ended how.
        counts: Counts,
    },
}

impl RunEventKind {
    /// Takes the secrets out of its words: whoever is told passes them on.
    pub fn mask(&mut self) {
        let mask = |words: &mut String| *words = masked(words);
        match self {
            RunEventKind::StepRetrying { error, .. }
            | RunEventKind::StepFailed { error, .. }
            | RunEventKind::StepInDoubt { error, .. }
            | RunEventKind::UndoStuck { error, .. } => error.mask(),
            RunEventKind::StepHeld { reason, .. } | RunEventKind::StepSkipped { reason, .. } => mask(reason),
            RunEventKind::StepResolved { how, .. } => mask(how),
            RunEventKind::StepFinished { warnings, .. } => warnings.iter_mut().for_each(mask),
            RunEventKind::UndoFinished { lost, .. } => lost.iter_mut().for_each(mask),
            RunEventKind::Degraded(degraded) => mask(&mut degraded.reason),
            RunEventKind::CheckFinished(report) => report.finding.problem.iter_mut().for_each(mask),
            RunEventKind::Notice(text) => mask(text),
            RunEventKind::MovedOver(moved) => mask(&mut moved.reason),
            RunEventKind::RunStarted { .. }
            | RunEventKind::StepStarted(_)
            | RunEventKind::UndoStarted(_)
            | RunEventKind::Verified { .. }
            | RunEventKind::Drift { .. }
            | RunEventKind::RunFinished { .. } => {}
        }
    }
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &RunEvent) {}
}

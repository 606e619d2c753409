//! The state machine of a run: which event may follow which. Pure and total.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::plan::StepId;
use crate::saga::event::{Counts, Event, ResolvedOutcome, RunKind};

/// The state of a run. No state means two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Steps are running.
    Processing,
    /// Steps are held back because something outside does not answer.
    WaitingExternal,
    /// Every step was applied.
    Succeeded,
    /// A step failed in a way that may pass, or it was cut off; what was done stays.
    FailedTransient,
    /// A step failed in a way that will not pass by itself; what was done stays.
    FailedPermanent,
    /// A person stopped it.
    Cancelled,
    /// It was cut off, and nobody has dealt with that yet.
    Interrupted,
    /// Something is in doubt, or an undo is stuck.
    NeedsReview,
    /// Its unwinding has begun, and has not ended.
    Compensating,
    /// It was unwound in full.
    Compensated,
    /// It was unwound in part; the rest was left on purpose.
    CompensatedPartly,
}

impl RunState {
    /// All of them, for tables.
    pub const ALL: [RunState; 11] = [
        RunState::Processing,
        RunState::WaitingExternal,
        RunState::Succeeded,
        RunState::FailedTransient,
        RunState::FailedPermanent,
        RunState::Cancelled,
        RunState::Interrupted,
        RunState::NeedsReview,
        RunState::Compensating,
        RunState::Compensated,
        RunState::CompensatedPartly,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            RunState::Processing => "processing",
            RunState::WaitingExternal => "waiting_external",
            RunState::Succeeded => "succeeded",
            RunState::FailedTransient => "failed_transient",
            RunState::FailedPermanent => "failed_permanent",
            RunState::Cancelled => "cancelled",
            RunState::Interrupted => "interrupted",
            RunState::NeedsReview => "needs_review",
            RunState::Compensating => "compensating",
            RunState::Compensated => "compensated",
            RunState::CompensatedPartly => "compensated_partly",
        }
    }

    /// Whether the run has ended.
    pub fn is_final(self) -> bool {
        !matches!(
            self,
            RunState::Processing | RunState::WaitingExternal | RunState::Interrupted | RunState::Compensating
        )
    }

    /// Whether one state may follow another. The table is the whole truth.
    pub fn may_become(self, next: RunState) -> bool {
        use RunState::*;
        let ended = matches!(next, Succeeded | FailedTransient | FailedPermanent | Cancelled);
        match self {
            Processing => ended || matches!(next, WaitingExternal | Interrupted | NeedsReview),
            WaitingExternal => matches!(next, Processing | Interrupted),
            // Whoever runs next settles what it left.
            Interrupted => matches!(next, FailedTransient | NeedsReview),
            Succeeded | FailedTransient | FailedPermanent | Cancelled => matches!(next, Compensating),
            // Settled; or an apply goes on from what an unwinding left of it, and it is again as it was.
            NeedsReview => ended || matches!(next, Compensating),
            // As it was before, where nothing was unwound, or an apply goes on from what was.
            Compensating => ended || matches!(next, Compensated | CompensatedPartly | NeedsReview),
            CompensatedPartly => matches!(next, Compensating),
            Compensated => false,
        }
    }
}

/// The status of a step within its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepStatus {
    /// Nothing is written about it.
    Planned,
    /// Its before-image is written.
    Imaged,
    /// Its effect may have happened.
    Begun,
    /// It happened.
    Applied,
    /// It happened in part.
    Partial,
    /// It did not happen.
    NotApplied,
    /// It cannot be told.
    Unknown,
    /// It happened, and a read agreed.
    Verified,
    /// It happened, and a read did not agree.
    Mismatched,
}

impl StepStatus {
    /// All of them, for tables.
    pub const ALL: [StepStatus; 9] = [
        StepStatus::Planned,
        StepStatus::Imaged,
        StepStatus::Begun,
        StepStatus::Applied,
        StepStatus::Partial,
        StepStatus::NotApplied,
        StepStatus::Unknown,
        StepStatus::Verified,
        StepStatus::Mismatched,
    ];

    /// Whether it is in doubt when nobody works on it.
    pub fn in_doubt(self) -> bool {
        matches!(self, StepStatus::Begun | StepStatus::Unknown)
    }

    /// Whether something may have to be undone.
    pub fn had_effect(self) -> bool {
        matches!(self, StepStatus::Applied | StepStatus::Partial | StepStatus::Verified | StepStatus::Mismatched)
    }

    /// Whether something of it may be there: it happened, or nobody knows.
    pub fn may_have_happened(self) -> bool {
        self.had_effect() || self.in_doubt()
    }

    /// Whether dependents may start.
    pub fn is_done(self) -> bool {
        matches!(self, StepStatus::Applied | StepStatus::Verified | StepStatus::Mismatched)
    }

    /// The status after an event; `None` when the event is illegal. The table is the whole truth.
    pub fn next(self, event: &Event) -> Option<StepStatus> {
        use StepStatus::*;
        match (self, event) {
            // A retry takes a new image, too: the world may have moved in between.
            (Planned | Imaged | NotApplied, Event::Image(_)) => Some(Imaged),
            (Imaged, Event::StepBegin(_)) => Some(Begun),
            (Begun, Event::StepApplied(_) | Event::Deposed(_)) => Some(Applied),
            (Begun, Event::StepPartial(_)) => Some(Partial),
            (Begun, Event::StepNotApplied(_)) => Some(NotApplied),
            (Begun, Event::StepUnknown(_)) => Some(Unknown),
            (Applied, Event::StepVerified) => Some(Verified),
            (Applied, Event::StepVerifyMismatch { .. }) => Some(Mismatched),
            (Begun | Unknown, Event::StepResolved(resolution)) => Some(match resolution.outcome {
                ResolvedOutcome::Applied => Applied,
                ResolvedOutcome::Partial => Partial,
                ResolvedOutcome::NotApplied => NotApplied,
            }),
            _ => None,
        }
    }
}

/// The status of the undo of a step, within the run that unwinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UndoStatus {
    /// Nothing is written about it.
    Pending,
    /// Its effect may have happened.
    Begun,
    /// It is undone.
    Undone,
    /// It failed, and waits.
    Stuck,
    /// It was left out.
    Skipped,
}

impl UndoStatus {
    /// All of them, for tables.
    pub const ALL: [UndoStatus; 5] =
        [UndoStatus::Pending, UndoStatus::Begun, UndoStatus::Undone, UndoStatus::Stuck, UndoStatus::Skipped];

    /// The status after an event; `None` when the event is illegal. The table is the whole truth.
    pub fn next(self, event: &Event) -> Option<UndoStatus> {
        use UndoStatus::*;
        match (self, event) {
            // Begun again: undoing is repeatable, and a retry looks at the world first.
            (Pending | Begun | Stuck, Event::UndoBegin(_)) => Some(Begun),
            (Begun, Event::Undone(_)) => Some(Undone),
            // Nobody can tell: it stays in doubt, and is not begun again before that is settled.
            (Begun, Event::UndoStuck(stuck)) if stuck.in_doubt => Some(Begun),
            (Pending | Begun, Event::UndoStuck(_)) => Some(Stuck),
            (Pending | Stuck, Event::UndoSkipped { .. }) => Some(Skipped),
            _ => None,
        }
    }
}

/// An event that may not follow what is written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the event `{event}` is illegal {place}")]
pub struct Illegal {
    /// The event.
    pub event: &'static str,
    /// Where it was to be written, and what stands there.
    pub place: String,
}

/// The state of one run as its events made it.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    kind: Option<RunKind>,
    state: Option<RunState>,
    steps: BTreeMap<StepId, StepStatus>,
    undos: BTreeMap<(String, StepId), UndoStatus>,
}

impl Machine {
    /// A run of which nothing is written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event, or tells why it is illegal; then nothing has changed.
    pub fn record(&mut self, step: Option<&StepId>, event: &Event) -> Result<(), Illegal> {
        let illegal = |place: String| Illegal { event: event.word(), place };
        let Some(kind) = self.kind else {
            let Event::RunStarted(started) = event else {
                return Err(illegal("before the run has started".into()));
            };
            self.kind = Some(started.kind);
            self.state = Some(RunState::Processing);
            return Ok(());
        };
        let state = self.state.unwrap_or(RunState::Processing);
        match event {
            Event::RunStarted(_) => Err(illegal("in a run that has started".into())),
            Event::RunFinished(finished) => {
                // A run that needed a person is finished again once the doubt is settled.
                if !state.may_become(finished.state) {
                    return Err(illegal(format!("in a run that is {}", state.word())));
                }
                self.state = Some(finished.state);
                Ok(())
            }
            // How something was reached says nothing of what came of it.
            Event::Note { .. } | Event::Review { .. } | Event::RunAccepted { .. } | Event::MovedOver(_) => Ok(()),
            // Doubt may be settled after the run has ended, by a later one or by a person.
            Event::StepResolved(_) => self.step_event(step, event),
            Event::Undone(end) if self.settles(step, &end.of) => self.undo_event(step, &end.of, event),
            Event::UndoStuck(stuck) if self.settles(step, &stuck.of) => self.undo_event(step, &stuck.of, event),
            _ if state.is_final() => Err(illegal(format!("in a run that is {}", state.word()))),
            Event::Child(_) | Event::Configured { .. } | Event::Recorded { .. } | Event::Outputs { .. } => Ok(()),
            Event::Checked { .. } => Ok(()),
            Event::UndoBegin(begin) if kind == RunKind::Compensate => self.undo_event(step, &begin.of, event),
            Event::Undone(end) if kind == RunKind::Compensate => self.undo_event(step, &end.of, event),
            Event::UndoStuck(stuck) if kind == RunKind::Compensate => self.undo_event(step, &stuck.of, event),
            Event::UndoSkipped { of, .. } if kind == RunKind::Compensate => self.undo_event(step, of, event),
            // The comparison with the state before.
            Event::StepVerified | Event::StepVerifyMismatch { .. } if kind == RunKind::Compensate => Ok(()),
            _ if kind == RunKind::Compensate || kind == RunKind::Surgery => {
                Err(illegal(format!("in a run of the kind {}", kind.word())))
            }
            _ => self.step_event(step, event),
        }
    }

    /// Whether the undo of a step has begun, and nothing says how it ended.
    fn settles(&self, step: Option<&StepId>, of: &str) -> bool {
        step.is_some_and(|step| self.undo(of, step) == UndoStatus::Begun)
    }

    fn step_event(&mut self, step: Option<&StepId>, event: &Event) -> Result<(), Illegal> {
        let illegal = |place: String| Illegal { event: event.word(), place };
        let step = step.ok_or_else(|| illegal("without a step".into()))?;
        let status = self.steps.get(step).copied().unwrap_or(StepStatus::Planned);
        let next = status.next(event).ok_or_else(|| illegal(format!("for {step}, which is {status:?}")))?;
        self.steps.insert(step.clone(), next);
        Ok(())
    }

    fn undo_event(&mut self, step: Option<&StepId>, of: &str, event: &Event) -> Result<(), Illegal> {
        let illegal = |place: String| Illegal { event: event.word(), place };
        let step = step.ok_or_else(|| illegal("without a step".into()))?;
        let key = (of.to_owned(), step.clone());
        let status = self.undos.get(&key).copied().unwrap_or(UndoStatus::Pending);
        let next = status.next(event).ok_or_else(|| illegal(format!("for the undo of {step}, which is {status:?}")))?;
        self.undos.insert(key, next);
        Ok(())
    }

    /// Its state; `None` when nothing is written.
    pub fn state(&self) -> Option<RunState> {
        self.state
    }

    /// The status of a step.
    pub fn step(&self, step: &StepId) -> StepStatus {
        self.steps.get(step).copied().unwrap_or(StepStatus::Planned)
    }

    /// The status of the undo of a step of another run.
    pub fn undo(&self, of: &str, step: &StepId) -> UndoStatus {
        self.undos.get(&(of.to_owned(), step.clone())).copied().unwrap_or(UndoStatus::Pending)
    }

    /// How many steps, and how many undos, stand how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for status in self.steps.values() {
            match status {
                StepStatus::Applied | StepStatus::Verified | StepStatus::Mismatched => counts.applied += 1,
                StepStatus::Partial => counts.partial += 1,
                StepStatus::NotApplied => counts.not_applied += 1,
                StepStatus::Begun | StepStatus::Unknown => counts.unknown += 1,
                StepStatus::Planned | StepStatus::Imaged => counts.skipped += 1,
            }
        }
        for status in self.undos.values() {
            match status {
                UndoStatus::Undone => counts.undone += 1,
                UndoStatus::Stuck => counts.stuck += 1,
                UndoStatus::Begun => counts.unknown += 1,
                UndoStatus::Skipped => counts.skipped += 1,
                UndoStatus::Pending => {}
            }
        }
        counts
    }
}

//! The saga: what a run writes down, what that means, and how it is unwound.

pub mod codes;
pub mod compensation;
pub mod event;
pub mod history;
pub mod journal;
pub mod machine;
pub mod object;
pub mod state;
mod words;

pub use event::{
    Counts, Event, ImageEvent, JOURNAL_VERSION, Journaled, JournaledProvider, PlannedStep, Resolution, ResolvedOutcome,
    RunFinished, RunKind, RunStarted, StepBegin, StepEnd, StepFailure, StoredImage, UndoBegin, UndoEnd, UndoFailure,
};
pub use machine::{Illegal, Machine, RunState, StepStatus, UndoStatus};
pub use object::{ObjectStatus, Origin, ProviderRef, RecordedObject, RestingObject};
pub use state::{AddressState, RecordedOutput, RunRecord, State, StateError};

#[cfg(test)]
pub(crate) mod tests;

//! The plan: an immutable set of steps, decided before anything is changed.
//!
//! Everything in this room is pure. It is given what was read and evaluated elsewhere, and knows no
//! clock, no files, no randomness and no runtime.

pub mod assemble;
pub mod base;
pub mod codes;
pub mod compare;
pub mod decide;
mod drift;
pub mod ending;
pub mod file;
pub mod marks;
pub mod model;
mod replacing;
mod steps;

pub use base::{Asked, Base, BaseEntry, DataRead};
pub use model::{
    Action, Change, Degraded, Dependency, Drift, DriftStatus, ExistingObject, FallbackOfData, InDoubt, Instead,
    Lifecycle, ObjectKey, OnDestroy, OutputChange, Pending, PendingCondition, Pivot, Plan, PlanKind, PlannedCheck,
    PlannedEphemeral, PlannedValue, Provenance, ProviderInstance, ProviderOrigin, ProviderWay, Step, StepEffect,
    StepId, Summary, Trigger,
};
pub use steps::NOT_MADE_AGAIN;

#[cfg(test)]
mod tests;

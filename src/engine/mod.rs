//! What the command line can ask for: the rooms of the house, put together.
//!
//! Nothing here prints. What happens while it happens goes to an [`Observer`]; what came of it is
//! returned; what is wrong is a [`Failure`].

mod failure;
mod observer;
mod options;

pub use failure::{Failure, FailureKind};
pub use observer::{Observer, RunEvent, RunEventKind, Silent, StepRef};
pub use options::{Cancellation, OnFailure, Options, PlanOptions};

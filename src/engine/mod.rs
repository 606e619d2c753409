//! What the command line can ask for: the rooms of the house, put together.
//!
//! Nothing here prints. What happens while it happens goes to an [`Observer`]; what came of it is
//! returned; what is wrong is a [`Failure`].

mod advice;
mod checking;
pub mod codes;
mod compensation;
mod continuing;
mod exporting;
mod failure;
mod importing;
pub mod ledger;
mod logging;
pub mod look;
mod migrating;
mod observer;
mod options;
mod planning;
mod reading;
mod reconciling;
mod recovery;
mod replaying;
mod resolving;
mod restoring;
mod retracing;
mod session;
mod surgery;
mod workspace;

pub use checking::{check, inspect, unhealthy};
pub use compensation::{CompensateOptions, Compensated, Compensation};
pub use exporting::{HandedOver, hand_over};
pub use failure::{Failure, FailureKind};
pub use look::{Look, has_state, look, outputs};
pub use migrating::{Migrated, migrate};
pub use observer::{Observer, RunEvent, RunEventKind, Silent, StepRef};
pub use options::{Cancellation, OnFailure, Options, PlanOptions};
pub use planning::{Planned, eval, open_plan, plan, read_plan, write_plan};
pub use reading::{MAX_DOCUMENT_SIZE, read_bounded};
pub use reconciling::{Recording, reconcile};
pub use recovery::recover;
pub use replaying::{Replay, replay_moved};
pub use resolving::Answer;
pub use restoring::Displaced;
pub use retracing::{Retraced, not_planned, retrace, stood};
pub use session::{Applied, Kept, Session, find_run, journal_gone};
pub use workspace::{
    DEFAULT_ENVIRONMENT, METRICS_FILE, Workspace, checked_workspace, install, load, metrics_file, schemas,
    store_directory, validate, workspace,
};

/// Closes whatever is ephemeral and still open, however a command ended.
pub async fn close_ephemerals() {
    crate::survey::ephemeral::close_all().await;
}

#[cfg(test)]
mod tests;

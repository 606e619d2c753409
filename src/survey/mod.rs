//! The survey: reads the world, evaluates the configuration against it, and has every instance
//! decided. Everything that a plan needs and may not do itself happens here.
//!
//! Blocks are taken level by level, so that whatever one refers to was decided before; within a
//! level, providers are asked in parallel, up to a limit.

pub mod calls;
pub mod conditions;
mod consult;
mod elsewhere;
pub mod ephemeral;
mod expand;
pub mod functions;
mod identity;
pub mod importing;
pub mod locals;
mod opened;
mod opening;
mod patience;
pub mod pending;
pub mod providers;
mod record;
mod recorded;
pub mod refresh;
mod scope;
mod targets;
pub mod turned;
mod walk;

pub use calls::Calls;
pub use ephemeral::Ephemerals;
pub use functions::Functions;
pub use identity::{clashes_of_bodies, identity};
pub use opening::{functions_of, mark_secret, open_all};
pub use patience::patiently;
pub use providers::{Configured, Providers, told};
pub use record::{Records, moves};
pub use recorded::recorded_instances;
pub use scope::{BlockScope, FileHost, Instances, Known, first_error};
pub use walk::{Request, Surveyed, keyed_parts, survey};

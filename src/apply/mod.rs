//! Applying: carries out the steps of a plan, each written down before and after.

pub mod codes;
mod context;
mod execute;
mod run;
mod schedule;
mod scope;
pub mod settle;
pub mod unwind;
mod writes;

pub use context::{Caller, journal_failure};
pub use run::{ApplyRequest, RunReport, apply};
pub use scope::Values;

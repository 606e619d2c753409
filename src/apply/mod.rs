//! Applying: carries out the steps of a plan, each written down before and after.

pub mod base;
pub mod codes;
pub mod context;
mod execute;
mod health;
mod held;
pub mod late;
mod order;
pub mod run;
mod schedule;
mod scope;
pub mod settle;
mod undo;
pub mod unwind;
pub mod waiting;
mod writes;

pub use context::journal_failure;
pub use held::means;
pub use undo::restored as undo_record;

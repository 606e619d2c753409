//! Providers that are broken on purpose, each in one way.
//!
//! Every check has at least one that it must catch, and every one says what the check must say.

mod breakage;
mod changing;
mod failing;
mod finding;
mod reading;
mod saying;
mod table;
mod undoing;
mod waiting;

pub use breakage::{Breakage, Wrapper};
pub use table::{BROKEN, Broken};

//! What people read.
//!
//! Everything here returns text with colours, laid out for a width; the console takes the colours
//! away where they cannot be shown. Nothing depends on colour alone.

pub(crate) mod checks;
mod diagnostics;
pub(crate) mod difference;
pub(crate) mod drift;
pub(crate) mod plan;
pub(crate) mod runs;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod timeline;
pub(crate) mod types;
pub(crate) mod value;

pub use diagnostics::diagnostics;
pub use plan::{Detail, plan};

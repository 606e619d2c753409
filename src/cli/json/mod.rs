//! Documents for programs: wire forms of their own, beside what they show.

pub(crate) mod check;
pub(crate) mod diagnostics;
pub(crate) mod drift;
pub(crate) mod event;
pub(crate) mod plan;
pub(crate) mod state;
pub(crate) mod value;

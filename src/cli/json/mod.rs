//! Documents for programs: wire forms of their own, beside what they show.

pub(crate) mod diagnostics;

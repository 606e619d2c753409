//! The stable codes of what can be wrong with a trace: RT0951 to RT0959.

/// A trace cannot be written.
pub const CANNOT_WRITE: &str = "RT0951";
/// A file is no trace, or it was damaged.
pub const NO_TRACE: &str = "RT0952";
/// A trace is of a newer format.
pub const NEWER: &str = "RT0953";
/// A trace cannot be replayed here.
pub const NOT_HERE: &str = "RT0954";

//! The stable codes of what can be wrong before a room is entered: RT0901 to RT0949.

/// A text cannot name an environment.
pub const ENVIRONMENT: &str = "RT0901";
/// A file cannot be read or written.
pub const FILE: &str = "RT0902";
/// An option does not fit the others.
pub const OPTIONS: &str = "RT0903";

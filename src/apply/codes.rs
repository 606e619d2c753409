//! The stable codes of what can go wrong while applying: RT0501 to RT0599.

/// A provider could not carry out a step.
pub const PROVIDER: &str = "RT0501";
/// The world is not what the plan saw.
pub const WORLD_MOVED: &str = "RT0502";
/// An expression that was pending has no value.
pub const EVALUATION: &str = "RT0503";
/// What became known does not fit the plan.
pub const PLAN_BROKEN: &str = "RT0504";
/// Something with the identity of a create exists.
pub const EXISTS: &str = "RT0505";
/// A condition does not hold.
pub const CONDITION: &str = "RT0506";
/// A step had no answer in time.
pub const TIME_OUT: &str = "RT0507";
/// The journal could not be written: the run stopped.
pub const JOURNAL: &str = "RT0508";
/// A run was stopped by a person.
pub const CANCELLED: &str = "RT0509";
/// Steps failed.
pub const FAILED: &str = "RT0510";
/// A health check is unhealthy.
pub const UNHEALTHY: &str = "RT0511";

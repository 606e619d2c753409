//! The stable codes of what can be wrong with a record, a run or its unwinding: RT0601 to RT0699.

/// A sealed value cannot be opened.
pub const SEALED: &str = "RT0601";
/// A record cannot be read.
pub const RECORD: &str = "RT0602";
/// A journal holds what it cannot hold.
pub const JOURNAL: &str = "RT0603";
/// There is no such run.
pub const NO_SUCH_RUN: &str = "RT0604";
/// A run cannot be unwound, because a later one builds on it.
pub const BUILT_UPON: &str = "RT0605";
/// A run cannot be unwound: it was closed, or is of another kind.
pub const NOT_COMPENSABLE: &str = "RT0606";
/// The undo of a step failed.
pub const UNDO_STUCK: &str = "RT0607";
/// Unwinding stopped at a pivot.
pub const PIVOT: &str = "RT0608";
/// After unwinding, the world differs from what it was.
pub const NOT_AS_BEFORE: &str = "RT0609";
/// A step is in doubt, and only a person can settle it.
pub const IN_DOUBT: &str = "RT0610";
/// Nothing is recorded under an address.
pub const NOT_RECORDED: &str = "RT0611";
/// Something changed the object since, and undoing would overwrite that.
pub const CHANGED_SINCE: &str = "RT0612";
/// There is nothing in doubt at an address.
pub const NOT_IN_DOUBT: &str = "RT0613";
/// A document cannot be restored from.
pub const RESTORE: &str = "RT0614";
/// An address is taken.
pub const ADDRESS_TAKEN: &str = "RT0615";
/// A run did not fail, or something of it is in doubt: there is nothing to decide about it.
pub const NOTHING_TO_REVIEW: &str = "RT0616";
/// A run is of a kind that is not replayed, or what is written about it does not say how.
pub const NOT_REPLAYABLE: &str = "RT0617";
/// What would be done now is not what is left of the run that is to be replayed.
pub const REPLAY_MOVED: &str = "RT0618";

//! What was done, in order, and by whom.

use serde::{Deserialize, Serialize};

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// 1 for the first effect, and one more for each.
    pub sequence: u64,
    /// What was done.
    pub effect: EffectKind,
    /// The collection: `buckets`.
    pub collection: String,
    /// The id of the object.
    pub id: String,
    /// The header `Idempotency-Key` of the call.
    pub idempotency_key: Option<String>,
    /// The marker on the object after the effect (before it, for a delete).
    pub marker: Option<String>,
    /// Done through the admin interface: by somebody else.
    pub by_other: bool,
}

/// What an effect does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Makes an object.
    Create,
    /// Changes an object.
    Update,
    /// Ends an object.
    Delete,
    /// Adds data to an object.
    AddRows,
}

/// Ends a process by SIGKILL at an effect that is still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillAtEffect {
    /// 1 for the next effect through the API, 2 for the one after it.
    pub effect: u64,
    /// The process.
    pub pid: i32,
    /// The effect still happens, and just its answer is lost; otherwise it does not happen.
    #[serde(default = "yes")]
    pub carried_out: bool,
}

fn yes() -> bool {
    true
}

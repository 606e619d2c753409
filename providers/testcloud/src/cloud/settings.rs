//! How the cloud behaves when nothing goes wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How the cloud behaves when nothing goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many reads find a new instance pending.
    pub polls: u32,
    /// How many reads of an object, or lists of its collection, still show it as before a change.
    pub lag_reads: u32,
    /// A second create with the same `Idempotency-Key` gets the first one's answer, and has no effect.
    pub honour_idempotency_key: bool,
    /// Names that belong to one thing elsewhere may be given twice, where an id is given, too.
    pub names_are_shared: bool,
    /// The token that every call must carry.
    pub token: Option<String>,
    /// How many objects a collection may have.
    pub quota: BTreeMap<String, u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            polls: 1,
            lag_reads: 0,
            honour_idempotency_key: false,
            names_are_shared: false,
            token: None,
            quota: BTreeMap::new(),
        }
    }
}

//! The lock of a store: one run at a time, and a dead one blocks nobody.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// When that process started, in clock ticks since boot, as `/proc/PID/stat` has it: ids of
    /// processes are used again.
    pub started: u64,
    /// The name of the machine.
    pub host: String,
    /// The user.
    pub user: String,
    /// Since when it is held. RFC 3339 in UTC.
    pub since: String,
    /// What the owner does: `apply`, `compensate`, …
    pub what: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { pid, host, user, since, what, .. } = self;
        write!(formatter, "`{what}` by {user} on {host}, process {pid}, since {since}")
    }
}

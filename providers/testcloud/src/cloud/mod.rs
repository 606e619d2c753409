//! The truth: what exists in the cloud, and what every call does to it.
//!
//! Invariant: nothing here waits, reads a clock or draws a random number. The HTTP server and a
//! simulation on paused time drive the same [`Cloud`] and see the same things happen.

mod admin;
mod audit;
mod call;
mod exchange;
mod fault;
mod kind;
mod object;
mod serve;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use audit::{AuditEntry, EffectKind, KillAtEffect};
pub use call::{Answer, Call, Method};
pub use exchange::{Exchange, exchange};
pub use fault::{Action, Fault};
pub use object::{Attributes, Object, TruthObject};
pub use settings::Settings;

use fault::ArmedFault;
use object::Lagging;

/// The tag that carries the text of a marker.
pub const MARKER_TAG: &str = "retrue:marker";

/// The collection and the id of an object.
pub(crate) type Key = (String, String);

/// Everything that exists, what was done to it, and what shall go wrong.
#[derive(Debug)]
pub struct Cloud {
    objects: BTreeMap<Key, Object>,
    lagging: BTreeMap<Key, Lagging>,
    counters: BTreeMap<String, u64>,
    audit: Vec<AuditEntry>,
    faults: Vec<ArmedFault>,
    arrived: u64,
    settings: Settings,
    answered: BTreeMap<String, Answer>,
    kill: Option<KillAtEffect>,
    released: watch::Sender<u64>,
}

impl Default for Cloud {
    fn default() -> Self {
        Cloud {
            objects: kind::images(),
            lagging: BTreeMap::new(),
            counters: BTreeMap::new(),
            audit: Vec::new(),
            faults: Vec::new(),
            arrived: 0,
            settings: Settings::default(),
            answered: BTreeMap::new(),
            kill: None,
            released: watch::Sender::new(0),
        }
    }
}

/// Locks the cloud. A task that panicked while it held the lock does not take the cloud with it.
pub fn lock(cloud: &Mutex<Cloud>) -> MutexGuard<'_, Cloud> {
    cloud.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Objects, as they are and as a late read still sees them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Cloud, Key, MARKER_TAG};

/// The attributes of an object, by name.
pub type Attributes = BTreeMap<String, Json>;

/// One object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// All its attributes, hidden ones included.
    pub attributes: Attributes,
    /// Data that no attribute holds.
    pub rows: Vec<Json>,
    /// How many reads still find it pending.
    pub polls_left: u32,
    /// What becomes of it after being pending is a failure.
    pub fails: bool,
}

/// One object, as the whole truth tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthObject {
    /// The collection: `buckets`.
    pub collection: String,
    /// The id.
    pub id: String,
    /// All attributes, hidden ones included.
    pub attributes: Attributes,
    /// Data that no attribute holds.
    pub rows: Vec<Json>,
}

impl TruthObject {
    /// The text of the marker that it carries.
    pub fn marker(&self) -> Option<&str> {
        marker_of(&self.attributes)
    }
}

/// What reads still show after a change.
#[derive(Clone, Debug)]
pub(crate) struct Lagging {
    before: Option<Object>,
    reads_left: u32,
}

impl Object {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Json::as_str)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.text("status") == Some("pending")
    }
}

pub(crate) fn marker_of(attributes: &Attributes) -> Option<&str> {
    attributes.get("tags")?.get(MARKER_TAG)?.as_str()
}

impl Cloud {
    /// Notes that reads shall lag behind a change of an object.
    pub(crate) fn lag(&mut self, key: &Key, before: Option<Object>) {
        let reads_left = self.settings.lag_reads;
        if reads_left > 0 {
            // Two changes in a row: a late read may still see what was before the first.
            self.lagging.entry(key.clone()).or_insert(Lagging { before, reads_left }).reads_left = reads_left;
        }
    }

    /// Lets so much time pass that every read shows the world as it is.
    pub fn settle(&mut self) {
        self.lagging.clear();
    }

    /// What a read of an object sees now, and lets time pass for it.
    pub(crate) fn visible(&mut self, key: &Key) -> Option<Object> {
        if let Some(lagging) = self.lagging.get_mut(key) {
            let before = lagging.before.clone();
            lagging.reads_left = lagging.reads_left.saturating_sub(1);
            if lagging.reads_left == 0 {
                self.lagging.remove(key);
            }
            return before;
        }
        let object = self.objects.get_mut(key)?;
        super::kind::pass_time(object);
        Some(object.clone())
    }

    /// The ids of a collection that a list may have to show.
    pub(crate) fn keys_of(&self, collection: &str) -> Vec<Key> {
        let mut keys: Vec<Key> =
            self.objects.keys().chain(self.lagging.keys()).filter(|(of, _)| of == collection).cloned().collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

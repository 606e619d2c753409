//! The recorded state: objects, generations, outputs and runs, and where they stand in the store.

use std::collections::BTreeMap;

use retrue_provider_api::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use thiserror::Error;

use crate::address::Address;
use crate::plan::{ObjectKey, Provenance};
use crate::rest::{RestingValue, Seal, UnsealError};
use crate::saga::event::{Counts, RunKind};
use crate::saga::machine::RunState;
use crate::saga::object::RestingObject;

/// All that is recorded for one address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressState {
    /// The last generation that was used; 0 when none was.
    pub generation: u64,
    /// How many effects on it were begun, by steps and by undos. It only grows: what belongs to one of them is
    /// told apart by it from what belongs to all others, however alike they are.
    pub effects: u64,
    /// The object that the address stands for.
    pub current: Option<RestingObject>,
    /// Objects that were replaced and are still there.
    pub deposed: BTreeMap<String, RestingObject>,
}

/// What is remembered of a run, beside its events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// What kind it is.
    pub kind: RunKind,
    /// Its state, as it was last written.
    pub state: RunState,
    /// When it started, as RFC 3339 in UTC.
    pub started: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Who started it.
    pub actor: String,
    /// The digest of the plan that it carries out; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// How many steps ended how.
    pub counts: Counts,
    /// Whether anything outside or in the record is known to have been changed. What is in doubt is counted, and
    /// becomes an effect by a verdict.
    pub effects: bool,
    /// The interrupted run that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The runs that it unwinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensates: Vec<String>,
    /// Whether it was cut off: the next apply goes on with it, whatever became of its doubt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Whether it is closed for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
    /// The lineage of the store in which it was started, where that was another one: what it made carries
    /// markers of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
}

impl RunRecord {
    /// Whether anything was changed, or may have been: something of it is in doubt, or it was cut off and nobody has
    /// looked since.
    pub fn may_have_changed(&self) -> bool {
        self.effects || self.counts.unknown > 0 || !self.state.is_final()
    }
}

/// What is recorded of an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedOutput {
    /// Its value.
    pub value: RestingValue,
    /// Where its parts came from, where they are plain references: they follow what is made again with a
    /// new id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provenance: Provenance,
}

impl RecordedOutput {
    /// Lays an output to rest.
    pub fn new(value: &Value, provenance: Provenance, seal: &dyn Seal) -> Self {
        RecordedOutput { value: RestingValue::new(value, seal), provenance }
    }

    /// Its value; what is sensitive is marked.
    ///
    /// # Errors
    /// A sealed part cannot be opened.
    pub fn wake(&self, seal: &dyn Seal) -> Result<Value, UnsealError> {
        self.value.wake(seal)
    }
}

/// What was last read of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedData {
    /// What it was.
    pub value: RestingValue,
    /// The run that read it.
    pub run: String,
}

/// Everything that is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By address.
    pub addresses: BTreeMap<Address, AddressState>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, RecordedOutput>,
    /// What was last read of data that may be needed when it cannot be read.
    pub data: BTreeMap<Address, RecordedData>,
    /// Runs by id, which is the order in which they started.
    pub runs: BTreeMap<String, RunRecord>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the record `{key}` cannot be read: {why}")]
pub struct StateError {
    /// Its key in the store.
    pub key: String,
    /// Why.
    pub why: String,
}

/// The key of a record in the store.
pub fn object_key(address: &Address, object: &ObjectKey) -> String {
    match object {
        ObjectKey::Current => format!("object/{address}"),
        ObjectKey::Deposed(key) => format!("deposed/{key}/{address}"),
    }
}

/// The key of the generation counter of an address.
pub fn generation_key(address: &Address) -> String {
    format!("generation/{address}")
}

/// The key of the number of effects on an address.
pub fn effects_key(address: &Address) -> String {
    format!("effects/{address}")
}

/// The key of an output.
pub fn output_key(name: &str) -> String {
    format!("output/{name}")
}

/// The key of what was last read of data.
pub fn data_key(address: &Address) -> String {
    format!("data/{address}")
}

/// The key of a run.
pub fn run_key(run: &str) -> String {
    format!("run/{run}")
}

impl State {
    /// Reads what the store holds.
    pub fn read(records: BTreeMap<String, Json>) -> Result<Self, StateError> {
        let mut state = State::default();
        for (key, json) in records {
            state.put(&key, json)?;
        }
        Ok(state)
    }

    /// Takes one record.
    pub fn put(&mut self, key: &str, json: Json) -> Result<(), StateError> {
        let wrong = |why: String| StateError { key: key.to_owned(), why };
        let address = |text: &str| {
            text.parse::<Address>().map_err(|error| StateError { key: key.to_owned(), why: error.to_string() })
        };
        if let Some(rest) = key.strip_prefix("object/") {
            let object = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
            self.addresses.entry(address(rest)?).or_default().current = Some(object);
        } else if let Some(rest) = key.strip_prefix("deposed/") {
            let (name, rest) = rest.split_once('/').ok_or_else(|| wrong("no address".into()))?;
            let object = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
            self.addresses.entry(address(rest)?).or_default().deposed.insert(name.to_owned(), object);
        } else if let Some(rest) = key.strip_prefix("generation/") {
            let generation = json.as_u64().ok_or_else(|| wrong("not a number".into()))?;
            self.addresses.entry(address(rest)?).or_default().generation = generation;
        } else if let Some(rest) = key.strip_prefix("effects/") {
            let effects = json.as_u64().ok_or_else(|| wrong("not a number".into()))?;
            self.addresses.entry(address(rest)?).or_default().effects = effects;
        } else if let Some(name) = key.strip_prefix("output/") {
            let value = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
            self.outputs.insert(name.to_owned(), value);
        } else if let Some(rest) = key.strip_prefix("data/") {
            let data = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
            self.data.insert(address(rest)?, data);
        } else if let Some(run) = key.strip_prefix("run/") {
            let record = serde_json::from_value(json).map_err(|error| wrong(error.to_string()))?;
            self.runs.insert(run.to_owned(), record);
        } else {
            return Err(wrong("no such kind of record".into()));
        }
        Ok(())
    }

    /// One object.
    pub fn object(&self, address: &Address, object: &ObjectKey) -> Option<&RestingObject> {
        let entry = self.addresses.get(address)?;
        match object {
            ObjectKey::Current => entry.current.as_ref(),
            ObjectKey::Deposed(key) => entry.deposed.get(key.as_ref()),
        }
    }

    /// The last generation of an address; 0 when it never had one.
    pub fn generation(&self, address: &Address) -> u64 {
        self.addresses.get(address).map_or(0, |entry| entry.generation)
    }

    /// What is recorded at an address: by object, as it is written, its generation.
    pub fn generations_at(&self, address: &Address) -> BTreeMap<String, u64> {
        let Some(entry) = self.addresses.get(address) else { return BTreeMap::new() };
        let current = entry.current.iter().map(|object| (ObjectKey::Current.to_string(), object.generation()));
        let set_aside = entry.deposed.iter().map(|(key, object)| (key.clone(), object.generation()));
        current.chain(set_aside).collect()
    }

    /// The current objects in the order of their addresses.
    pub fn current(&self) -> impl Iterator<Item = (&Address, &RestingObject)> {
        self.addresses.iter().filter_map(|(address, entry)| Some((address, entry.current.as_ref()?)))
    }
}

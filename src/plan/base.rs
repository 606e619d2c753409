//! What a plan was asked for with, and what it was made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::rest::RestingValue;

/// What a plan was asked for with: enough to ask for the same once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// By variable, where its value came from, in words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, String>,
    /// The values of the variables: without what is ephemeral, and without a secret that is read from its source
    /// again. Other secrets are sealed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, RestingValue>,
    /// The addresses that it was restricted to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// The addresses that were to be made anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replace: Vec<String>,
}

impl Asked {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Asked::default()
    }
}

/// What a plan was made from. It is refused when this has moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The lineage of the store.
    pub lineage: String,
    /// The digest of the configuration: its parts, variables, files, environment, what was read.
    pub config: String,
    /// What the configuration consists of, by name (`local_file.a`, `variable.x`), with keyed hashes.
    pub parts: BTreeMap<String, String>,
    /// The files that the configuration reads, by path, with keyed hashes.
    pub files: BTreeMap<String, String>,
    /// What stood at paths that expressions looked at: `file`, `directory`, `other` or `absent`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, String>,
    /// Directories that expressions listed, with keyed hashes of the names in them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub directories: BTreeMap<String, String>,
    /// Variables of the process environment that were read, with keyed hashes; empty for what was not set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Functions of providers that were called: by keyed hash of the call, that of its result.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub functions: BTreeMap<String, String>,
    /// Data that was read while planning.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<Address, DataRead>,
    /// The resources that it touches or reads.
    pub resources: BTreeMap<Address, BaseEntry>,
}

/// Data that was read while planning: how to read it again, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRead {
    /// The provider instance.
    pub provider: Arc<str>,
    /// The evaluated configuration.
    pub config: RestingValue,
    /// The fingerprint of what was read.
    pub observed: String,
    /// It could not be read: something stands in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
    /// The attributes that the fingerprint is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_of: Vec<Arc<str>>,
}

/// What one resource was when the plan was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseEntry {
    /// Its generation; 0 when it never existed.
    pub generation: u64,
    /// What is recorded at it: by object (`current`, or the key of what is set aside), its generation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recorded: BTreeMap<String, u64>,
    /// The fingerprint of what was observed, recorded or not; [`BaseEntry::ABSENT`] when nothing was there, empty
    /// when nobody looked.
    pub observed: String,
    /// The attributes that the fingerprint is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_of: Vec<Arc<str>>,
}

impl BaseEntry {
    /// What stands in place of a fingerprint when nothing was there.
    pub const ABSENT: &str = "absent";
}

//! The lines of a trace, version 1.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{ProviderSchema, WireValue};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::plan::{InDoubt, ProviderOrigin};

/// The format that this version writes.
pub const FORMAT: &str = "retrue.trace/1";

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// Always the first.
    Trace(Box<Header>),
    /// Before the first call of an instance.
    Provider(Box<Instance>),
    /// A call that has ended.
    Call(Box<Call>),
    /// What a provider says of a type without being called: once for each answer.
    Fact(Box<Fact>),
    /// What was read from where a secret comes from, while the run went on: once for each source.
    Source(Source),
    /// Always the last, unless the run was cut off.
    End(End),
}

/// What a run began from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// See [`FORMAT`].
    pub format: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The name of the stack.
    pub stack: String,
    /// The environment.
    pub environment: String,
    /// The lineage of the store.
    pub lineage: String,
    /// What was done.
    pub kind: Doing,
    /// What it was about.
    pub scope: Scope,
    /// The variables, without secrets.
    pub variables: BTreeMap<Arc<str>, WireValue>,
    /// What was recorded, without secrets, as a store holds it.
    pub state: BTreeMap<String, Json>,
    /// The journals of the runs that were to be unwound, and of later ones, without secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub journals: BTreeMap<String, Vec<Json>>,
    /// The plan that was carried out, where it came from a file: in the form of such a file, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Json>,
    /// What was in doubt, and so stayed as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_doubt: Vec<InDoubt>,
    /// The runs that had ended a moment before, with how long before: what they changed may not have shown yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recent: BTreeMap<String, Duration>,
}

/// What was done while a trace was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// A stack was planned and applied, or a plan of that kind.
    Apply,
    /// The same with nothing desired.
    Destroy,
    /// What had drifted was brought back.
    Fix,
    /// The world was compared with the record, and nothing was changed.
    Reconcile,
    /// Runs were unwound.
    Compensate,
}

impl Doing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Doing::Apply => "apply",
            Doing::Destroy => "destroy",
            Doing::Fix => "fix",
            Doing::Reconcile => "reconcile",
            Doing::Compensate => "compensate",
        }
    }
}

/// What was asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only these, and what they depend on.
    pub targets: Vec<String>,
    /// These were made anew.
    pub replace: Vec<String>,
    /// The world was read.
    pub refresh: bool,
    /// `halt`, `continue` or `compensate`.
    pub on_failure: String,
    /// How many calls could run at once.
    pub parallelism: usize,
    /// Of a fix that was done once more: what it was to bring back. Any other finds that out by looking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Vec<Address>>,
    /// What was to be unwound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwinding: Option<Unwinding>,
}

/// What was to be unwound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unwinding {
    /// This run; without one, the newest that changed something, or may have.
    pub run: Option<String>,
    /// Every run back to this one.
    pub through: Option<String>,
    /// Pivots that were gone past.
    pub past: Vec<String>,
    /// What was left as it was.
    pub skip: Vec<String>,
}

/// A provider instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    pub(super) instance: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<ProviderOrigin>,
    pub(super) schema: ProviderSchema,
}

/// One call of a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    /// Beginnings and ends of calls are counted together, from 1: this is the beginning.
    pub(super) began: u64,
    /// And this is the end.
    pub(super) ended: u64,
    /// Milliseconds from the beginning of the trace.
    pub(super) at_ms: u64,
    /// How long it took, in milliseconds.
    pub(super) took_ms: u64,
    #[serde(flatten)]
    pub(super) what: What,
    /// 1 for the first try; 0 where there are no tries.
    pub(super) attempt: u32,
    pub(super) request: Json,
    pub(super) answer: Json,
}

/// What is called, and for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct What {
    pub(super) instance: String,
    pub(super) verb: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) address: String,
}

/// What a provider says of a type with a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fact {
    pub(super) instance: String,
    /// `capability` or `identity`.
    pub(super) verb: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) config: Json,
    pub(super) answer: Json,
}

/// What was read from where a secret comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// `env:NAME`, `file:PATH`, `command:LINE`.
    pub(super) source: String,
    /// What stands in place of it.
    pub(super) value: WireValue,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The state of the run; nothing where none was begun.
    pub state: Option<String>,
    /// Why not even a plan was made: codes of errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// The health checks that failed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy: Vec<String>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepEnd>,
    /// What became of it when it was unwound, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwound: Option<String>,
    /// How the world stood to the record at last, where it was compared: by address, what is not in true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<BTreeMap<String, String>>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepEnd {
    /// The instance.
    pub address: String,
    /// `create`, `update`, `delete` and so on.
    pub effect: String,
    /// What came of it.
    pub status: String,
    /// The kind of failure, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

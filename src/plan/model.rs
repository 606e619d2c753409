//! What a plan is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{Path, Private, Reversibility, Value};
use serde::{Deserialize, Serialize};

use crate::address::{Address, BlockAddress};
use crate::health::Definition;
use crate::plan::base::{Asked, Base};
use crate::resilience::{MovedOver, Policy, Retry};

/// A whole plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the stack.
    pub stack: Arc<str>,
    /// The environment; `default` where none is chosen.
    pub environment: Arc<str>,
    /// What it is for.
    pub kind: PlanKind,
    /// What it was made from.
    pub base: Base,
    /// What happens to each instance, no-ops included, in the order of addresses.
    pub changes: Vec<Change>,
    /// The effects, in an order that respects every dependency.
    pub steps: Vec<Step>,
    /// Sets of steps that others wait for as a whole, so that two groups of instances need no
    /// edge for each pair.
    pub groups: Vec<Vec<usize>>,
    /// What will be recorded as outputs.
    pub outputs: Vec<OutputChange>,
    /// What was read of data and is to be remembered, for when it cannot be read; what is to be forgotten has no
    /// value.
    pub remembered: BTreeMap<Address, Option<Value>>,
    /// What is not as it should be, and goes on all the same.
    pub degraded: Vec<Degraded>,
    /// Which providers were reached in another way than they are configured while it was made.
    pub moved: Vec<MovedOver>,
    /// What is looked at once all steps are done, in the order of names.
    pub checks: Vec<PlannedCheck>,
    /// What the configured provider instances are.
    pub providers: BTreeMap<Arc<str>, ProviderInstance>,
    /// What several pending expressions refer to and is not known yet, each once: locals by their names
    /// (`local.x`), and what `for_each` says.
    pub shared: BTreeMap<String, Pending>,
    /// What is ephemeral, and how to open it.
    pub ephemerals: Vec<PlannedEphemeral>,
    /// By ephemeral variable, the source that it is read from again.
    pub sources: BTreeMap<String, String>,
    /// What it was asked for with.
    pub asked: Asked,
    /// What was found to differ from the record.
    pub drift: Vec<Drift>,
    /// What earlier runs left in doubt.
    pub in_doubt: Vec<InDoubt>,
    /// The first step behind which nothing can be unwound in full, if there is one.
    pub pivot: Option<Pivot>,
    /// What a person should know before agreeing.
    pub warnings: Vec<String>,
    /// The digest over all of the above.
    pub digest: String,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// To bring the world to what is declared.
    Apply,
    /// To end everything.
    Destroy,
    /// To mend what has drifted.
    Fix,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is made.
    Create,
    /// It exists, nobody owns it, and it becomes ours (and is changed where it differs).
    Adopt,
    /// It exists, somebody names it by its id, and it becomes ours (and is changed where it differs).
    Import,
    /// It is changed in place.
    Update,
    /// It is deleted and made anew, or made anew and the old one deleted.
    Replace,
    /// It is deleted.
    Delete,
    /// It is no longer ours, and stays.
    Forget,
    /// Data is read while applying, because what it needs is not known before.
    Read,
    /// Nothing.
    NoOp,
}

impl Action {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Adopt => "adopt",
            Action::Import => "import",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Delete => "delete",
            Action::Forget => "forget",
            Action::Read => "read",
            Action::NoOp => "no-op",
        }
    }
}

/// What happens to one instance, for people and for `--json`.
#[derive(Clone, Debug)]
pub struct Change {
    /// The instance.
    pub address: Address,
    /// Which of its objects: what is set aside has a change of its own.
    pub object: ObjectKey,
    /// What happens.
    pub action: Action,
    /// How much of it can be undone.
    pub reversible: Reversibility,
    /// Why it happens.
    pub reasons: Vec<String>,
    /// What was observed; null where nothing is.
    pub before: Value,
    /// What will be; null after a delete. Sensitive parts are marked, unknown ones unknown.
    pub after: Value,
    /// What was recorded, where it differs from what was observed.
    pub recorded: Option<Value>,
    /// The attributes that force a replacement.
    pub replace_because: Vec<Path>,
    /// The address that it had, when it was moved.
    pub moved_from: Option<Address>,
    /// Whether the new one is made before the old one is deleted.
    pub create_before_destroy: bool,
    /// For a replacement: what becomes of the old one.
    pub old: Option<OnDestroy>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The id that it is imported by.
    pub import: Option<Arc<str>>,
    /// What `replace_triggered_by` replaces it for.
    pub triggers: Vec<Trigger>,
}

/// What of another instance changes, for `replace_triggered_by` to follow: an apply that is cut off after the one
/// still owes the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The instance.
    pub by: Address,
    /// What of it; the root where it is any change.
    pub path: Path,
    /// The keyed hash of what is recorded of that before the change; empty where nothing is.
    pub was: String,
}

impl Change {
    /// Its name for people.
    pub fn name(&self) -> String {
        self.object.named(&self.address)
    }
}

/// Which object of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// The one that the address stands for.
    #[default]
    Current,
    /// One that was replaced and is still there.
    Deposed(Arc<str>),
}

impl ObjectKey {
    /// Whether it is the one that the address stands for.
    pub fn is_current(&self) -> bool {
        *self == ObjectKey::Current
    }

    /// The name of an object for people: that of its address, and what it is of it.
    pub fn named(&self, address: &Address) -> String {
        match self {
            ObjectKey::Current => address.to_string(),
            ObjectKey::Deposed(key) => format!("{address} (set aside, {key})"),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectKey::Current => f.write_str("current"),
            ObjectKey::Deposed(key) => write!(f, "deposed-{key}"),
        }
    }
}

impl Serialize for ObjectKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (text.as_str(), text.strip_prefix("deposed-")) {
            ("current", _) => Ok(ObjectKey::Current),
            (_, Some(key)) => Ok(ObjectKey::Deposed(key.into())),
            _ => Err(serde::de::Error::custom(format!("`{text}` is not an object key"))),
        }
    }
}

/// One effect on one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEffect {
    /// Makes the object.
    Create,
    /// Records an object that exists; nothing outside changes.
    Adopt,
    /// Changes the object in place.
    Update,
    /// Sets the current object aside, for its replacement to come first; nothing outside changes.
    Depose,
    /// Deletes the object.
    Delete,
    /// Drops the record; nothing outside changes.
    Forget,
    /// Reads data; nothing outside changes.
    Read,
    /// Brings the record up to date (a new address, new provenance); nothing outside changes.
    Record,
}

impl StepEffect {
    /// Whether it changes something outside.
    pub fn is_external(self) -> bool {
        matches!(self, StepEffect::Create | StepEffect::Update | StepEffect::Delete)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            StepEffect::Create => "create",
            StepEffect::Adopt => "adopt",
            StepEffect::Update => "update",
            StepEffect::Depose => "depose",
            StepEffect::Delete => "delete",
            StepEffect::Forget => "forget",
            StepEffect::Read => "read",
            StepEffect::Record => "record",
        }
    }
}

/// What names a step everywhere. Never an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The instance.
    pub address: Address,
    /// Which of its objects.
    pub object: ObjectKey,
    /// What is done.
    pub effect: StepEffect,
    /// The digest of the plan that it belongs to.
    pub plan: String,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/", self.address, self.object, self.effect.word())?;
        f.write_str(self.plan.get(..12).unwrap_or(&self.plan))
    }
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    /// One step, by its position in [`Plan::steps`].
    Step(usize),
    /// All steps of a group, by its position in [`Plan::groups`].
    Group(usize),
}

/// A value that is known now, or the expressions that give it while applying.
#[derive(Clone, Debug)]
pub struct PlannedValue {
    /// What is known; the rest is unknown.
    pub value: Value,
    /// By top-level attribute, what gives the parts that are unknown.
    pub pending: BTreeMap<String, Pending>,
}

/// An expression that can be evaluated without the files that it came from.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The expression, in its portable form.
    pub expression: serde_json::Value,
    /// What it refers to and is known: `var.x`, `local.y`, `each.key`.
    pub bindings: BTreeMap<String, Value>,
    /// Locals that it refers to and are not known yet, as expressions of their own, and as `each.value` what
    /// `for_each` says: where it is kept without the plan. Otherwise they are in [`Plan::shared`].
    pub locals: BTreeMap<String, serde_json::Value>,
    /// What `for_each` says, by its name in [`Plan::shared`], where it refers to an `each.value` that is not known
    /// yet: the part of it that `each.key` names.
    pub for_each: Option<String>,
}

impl Pending {
    /// The ephemeral variables that it refers to. They rest nowhere, and have to be given again.
    pub fn ephemeral_variables(&self) -> impl Iterator<Item = &str> {
        let ephemeral = self.bindings.iter().filter(|(_, value)| value.marks_deep().ephemeral);
        ephemeral.filter_map(|(name, _)| name.strip_prefix("var."))
    }
}

/// One effect on one object, with all that it needs.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// The type.
    pub type_name: Arc<str>,
    /// The provider instance, by its name in [`Plan::providers`].
    pub provider: Arc<str>,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// Steps of a later stage start when all of an earlier one have ended.
    pub stage: u32,
    /// How much of it can be undone.
    pub reversibility: Reversibility,
    /// The evaluated configuration; null for a delete or forget.
    pub config: PlannedValue,
    /// For an update: the paths that stay as they are observed, whatever the configuration says; the root for all.
    pub kept: Vec<Path>,
    /// What it will look like; null for a delete or forget.
    pub planned: Value,
    /// The provider's own bytes for the change.
    pub planned_private: Private,
    /// What was observed when planning; null where nothing was there.
    pub observed: Value,
    /// The provider's own bytes of what was observed.
    pub observed_private: Private,
    /// The provider's own identity of what was observed.
    pub observed_identity: Option<Value>,
    /// The fingerprint of what was observed; empty where nothing was there.
    pub fingerprint: String,
    /// The attributes that the fingerprint is made of.
    pub fingerprint_of: Vec<Arc<str>>,
    /// The generation that the object has, or gets by a create.
    pub generation: u64,
    /// For a create: whether something with its identity may exist, as far as planning could tell.
    pub existing: ExistingObject,
    /// The blocks that the configuration refers to, directly.
    pub dependencies: Vec<BlockAddress>,
    /// Where values came from.
    pub provenance: Provenance,
    /// What holds for the object, also when its block is gone.
    pub lifecycle: Lifecycle,
    /// Conditions to check before (`pre`) and after (`post`) the step, that could not be checked yet.
    pub preconditions: Vec<PendingCondition>,
    /// See `preconditions`.
    pub postconditions: Vec<PendingCondition>,
    /// For a record or adoption of a moved object: where it was.
    pub moved_from: Option<Address>,
    /// The version of the type's schema.
    pub schema_version: u64,
    /// An update or adoption makes an object ours that was not.
    pub adopts: bool,
    /// An update brings an adopted object back to its adoption image, and the record is dropped.
    pub restores: bool,
    /// The id that an adoption was found by.
    pub import: Option<Arc<str>>,
    /// For a read: what is done where it fails.
    pub fallback: Option<FallbackOfData>,
    /// Its provider is configured while applying, so it was not asked what the object will look like: it is
    /// planned again then.
    pub late: bool,
}

impl Step {
    /// What is done, in a word: that of its effect, or `restore`, where it gives back what was adopted.
    pub fn word(&self) -> &'static str {
        if self.restores { "restore" } else { self.id.effect.word() }
    }
}

/// A condition that is evaluated while applying.
#[derive(Clone, Debug)]
pub struct PendingCondition {
    /// The condition.
    pub condition: Pending,
    /// What to say when it does not hold.
    pub message: Pending,
    /// Which of its block's conditions of this kind it is, counted from 0.
    pub number: usize,
    /// Where it stands: `retrue.toml:12:5`. It is not kept in files: where a block stands in them is no part of a
    /// plan.
    pub place: String,
}

impl PendingCondition {
    /// What is said of it, with its place, where that is known.
    pub fn told(&self, text: &str) -> String {
        if self.place.is_empty() { text.to_owned() } else { format!("{text} ({})", self.place) }
    }
}

/// Whether something with the identity of a create exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExistingObject {
    /// Planning looked, and there was nothing.
    Absent,
    /// The identity is not known yet: it must be looked up before the create.
    LookBeforeCreate,
    /// The type cannot be looked up.
    CannotLook,
}

/// Where the values of attributes came from: the path of an attribute, and the address and path
/// that it was a plain reference to.
pub type Provenance = BTreeMap<Path, (Address, Path)>;

/// The part of `lifecycle` that holds when the block has left the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Its deletion is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prevent_destroy: bool,
    /// A replacement is made before the old one is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create_before_destroy: bool,
    /// What a destroy does with it; by default as it became ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_destroy: Option<OnDestroy>,
    /// The deadline of its steps, in place of the type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// It may fail without failing the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// When and how often its steps are tried again, in place of what holds for its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// What a destroy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDestroy {
    /// Deletes it.
    Delete,
    /// Brings it back to what it was when it was adopted.
    Restore,
    /// Leaves it as it is.
    Forget,
}

/// One output.
#[derive(Clone, Debug)]
pub struct OutputChange {
    /// Its name.
    pub name: Arc<str>,
    /// What was recorded; `None` when it was not.
    pub before: Option<Value>,
    /// What will be recorded; `None` when it is removed.
    pub after: Option<PlannedValue>,
    /// Whether it is recorded in the clear and may no longer be.
    pub reseal: bool,
    /// Where its parts come from, where they are plain references.
    pub provenance: Provenance,
}

/// Something that is not as it should be, and that was allowed to be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degraded {
    /// The instance.
    pub address: Address,
    /// What is wrong, and what is done about it.
    pub reason: String,
}

/// What stands in place of data that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Instead {
    /// Its value, in the form of the type.
    pub value: Value,
    /// What it is, in words.
    pub what: String,
}

/// What is done about data that is read while applying.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FallbackOfData {
    /// What stands in its place when it cannot be read, in the order in which it is tried.
    pub instead: Vec<Instead>,
    /// Whether what is read is remembered.
    pub remember: bool,
}

/// A health check.
#[derive(Clone, Debug)]
pub struct PlannedCheck {
    /// What it is.
    pub definition: Definition,
    /// The values that it is carried out with, an object.
    pub values: PlannedValue,
}

/// The program of a provider that is not built in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderOrigin {
    /// Its address: `registry.opentofu.org/hashicorp/aws`; empty where only a path is known.
    pub source: String,
    /// Its version; empty where only a path is known.
    pub version: String,
    /// Where it is.
    pub program: String,
    /// A hash of it, `h1:…`; empty where only a path is known.
    pub hash: String,
    /// What the user knows of its types and errors, as it is written: an undo needs it long after.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub tables: serde_json::Map<String, serde_json::Value>,
}

/// A configured provider instance.
#[derive(Clone, Debug)]
pub struct ProviderInstance {
    /// The provider.
    pub provider: Arc<str>,
    /// Its program, where it is not built in.
    pub origin: Option<ProviderOrigin>,
    /// Its evaluated configuration: whatever is not known to be harmless is marked sensitive.
    pub config: PlannedValue,
    /// By attribute, the source that a secret came from (`env:DB_PASSWORD`), in place of its value.
    pub sources: BTreeMap<String, String>,
    /// The whole configuration as an expression, where parts of it are ephemeral, or known only while applying.
    pub again: Option<Pending>,
    /// The other ways to the same objects, in the order in which they are gone.
    pub fallback: Vec<ProviderWay>,
    /// It is configured while applying, once what it depends on is done.
    pub late: bool,
    /// What is done about failures of its calls, and how much is asked for at once.
    pub policy: Policy,
}

/// Another way to the objects of a provider instance: what it is configured with there.
#[derive(Clone, Debug)]
pub struct ProviderWay {
    /// See [`ProviderInstance::config`].
    pub config: PlannedValue,
    /// See [`ProviderInstance::sources`].
    pub sources: BTreeMap<String, String>,
    /// See [`ProviderInstance::again`].
    pub again: Option<Pending>,
}

impl ProviderInstance {
    /// All that it may be configured with; no message may repeat what is secret of it.
    pub fn configs(&self) -> impl Iterator<Item = &Value> {
        [&self.config].into_iter().chain(self.fallback.iter().map(|way| &way.config)).map(|config| &config.value)
    }

    /// The configurations as expressions, where parts of them are ephemeral, or known only while applying.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.again.iter().chain(self.fallback.iter().filter_map(|way| way.again.as_ref()))
    }
}

/// Something ephemeral, by how it is opened.
#[derive(Clone, Debug)]
pub struct PlannedEphemeral {
    /// Its address.
    pub address: Address,
    /// The provider instance.
    pub provider: Arc<str>,
    /// Its configuration, as an expression.
    pub config: Pending,
    /// Conditions to check before it is opened.
    pub preconditions: Vec<PendingCondition>,
    /// Conditions to check of what was opened.
    pub postconditions: Vec<PendingCondition>,
    /// How long each call may take.
    pub limit: Duration,
}

/// Whether the world agrees with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftStatus {
    /// It does.
    InTrue,
    /// Attributes differ that the configuration sets or something else uses.
    Drifted,
    /// Other attributes differ.
    ChangedOutside,
    /// It is gone.
    Missing,
    /// It could not be read.
    Unreadable,
}

/// How one resource differs from its record.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The instance.
    pub address: Address,
    /// Which of its objects.
    pub object: ObjectKey,
    /// How.
    pub status: DriftStatus,
    /// The attributes that differ.
    pub attributes: Vec<Path>,
    /// Those of them that are declared and not ignored.
    pub declared: Vec<Path>,
    /// What was recorded.
    pub recorded: Value,
    /// What is desired, where it is known.
    pub desired: Value,
    /// What was observed; null when it is gone.
    pub observed: Value,
    /// Why it could not be read.
    pub error: Option<String>,
}

impl Drift {
    /// Its name for people.
    pub fn name(&self) -> String {
        self.object.named(&self.address)
    }
}

/// A step whose fate is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InDoubt {
    /// The instance.
    pub address: Address,
    /// The step.
    pub step: String,
    /// The run that it belongs to.
    pub run: String,
    /// What is known, in words.
    pub reason: String,
}

/// The first lossy or irreversible step that others rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pivot {
    /// The instance.
    pub address: Address,
    /// The step, by its position in [`Plan::steps`].
    pub step: usize,
    /// What cannot be undone.
    pub reason: String,
    /// The instances whose steps rest on it, in order.
    pub behind: Vec<Address>,
}

/// How many instances meet each action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// See [`Action::Create`].
    pub create: usize,
    /// See [`Action::Adopt`].
    pub adopt: usize,
    /// See [`Action::Import`].
    #[serde(default)]
    pub import: usize,
    /// See [`Action::Update`].
    pub update: usize,
    /// See [`Action::Replace`].
    pub replace: usize,
    /// See [`Action::Delete`].
    pub delete: usize,
    /// See [`Action::Forget`].
    pub forget: usize,
    /// See [`Action::Read`].
    pub read: usize,
    /// See [`Action::NoOp`].
    pub no_op: usize,
}

impl Plan {
    /// Counts instances by action, and with them what is set aside.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in &self.changes {
            let count = match change.action {
                Action::Create => &mut summary.create,
                Action::Adopt => &mut summary.adopt,
                Action::Import => &mut summary.import,
                Action::Update => &mut summary.update,
                Action::Replace => &mut summary.replace,
                Action::Delete => &mut summary.delete,
                Action::Forget => &mut summary.forget,
                Action::Read => &mut summary.read,
                Action::NoOp => &mut summary.no_op,
            };
            *count += 1;
        }
        summary
    }

    /// Whether applying it would change nothing outside, nothing that is recorded of it, and no output.
    /// Only how things are recorded may still be out of date: see [`Plan::has_upkeep`].
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(Step::is_upkeep) && self.outputs.iter().all(|output| !output.changes())
    }

    /// The ephemeral variables that are needed to carry it out: they rest nowhere.
    pub fn ephemeral_variables(&self) -> BTreeSet<&str> {
        fn both(condition: &PendingCondition) -> [&Pending; 2] {
            [&condition.condition, &condition.message]
        }
        let of_steps = self.steps.iter().flat_map(|step| {
            let conditions = step.preconditions.iter().chain(&step.postconditions);
            step.config.pending.values().chain(conditions.flat_map(both))
        });
        let of_providers = self.providers.values().flat_map(ProviderInstance::pending);
        let of_ephemerals = self.ephemerals.iter().flat_map(|ephemeral| {
            let conditions = ephemeral.preconditions.iter().chain(&ephemeral.postconditions);
            [&ephemeral.config].into_iter().chain(conditions.flat_map(both))
        });
        let all = of_steps.chain(of_providers).chain(of_ephemerals).chain(self.shared.values());
        all.flat_map(Pending::ephemeral_variables).collect()
    }

    /// The instances whose steps may fail without failing the run.
    pub fn optional(&self) -> BTreeSet<&Address> {
        self.steps.iter().filter(|step| step.is_optional()).map(|step| &step.id.address).collect()
    }

    /// Whether it has steps that nobody needs to agree to.
    pub fn has_upkeep(&self) -> bool {
        self.steps.iter().any(Step::is_upkeep)
    }
}

impl Step {
    /// Whether it may fail without failing the run. What is to go and stays is nothing to be passed over.
    pub fn is_optional(&self) -> bool {
        self.lifecycle.optional && self.id.effect != StepEffect::Delete
    }

    /// Whether it only brings the record up to date, or checks a condition: no change for a person.
    pub fn is_upkeep(&self) -> bool {
        self.id.effect == StepEffect::Record && self.moved_from.is_none()
    }
}

impl PlannedValue {
    /// A value of which nothing is pending.
    pub fn known(value: Value) -> Self {
        PlannedValue { value, pending: BTreeMap::new() }
    }
}

impl OutputChange {
    /// Whether what is recorded would become another.
    pub fn changes(&self) -> bool {
        self.reseal
            || match (&self.before, &self.after) {
                (Some(before), Some(after)) => *before != after.value,
                (None, None) => false,
                _ => true,
            }
    }
}

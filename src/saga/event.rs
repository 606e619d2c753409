//! The events of the journal. Their recorded form is version 1, and dear to change.

use std::collections::BTreeMap;

use retrue_provider_api::{Category, ChildProcess, Path, Reversibility};
use serde::{Deserialize, Serialize};

use crate::address::{Address, BlockAddress};
use crate::plan::file::{EphemeralV1, PendingV1};
use crate::plan::{Asked, ObjectKey, ProviderOrigin, StepEffect, StepId};
use crate::resilience::{MovedOver, Policy};
use crate::rest::RestingValue;
use crate::saga::machine::RunState;
use crate::saga::object::{RestingImage, RestingObject};
use crate::saga::state::RecordedOutput;

/// The version of the recorded form.
pub const JOURNAL_VERSION: u32 = 1;

/// An event with its circumstances. Sequence number and hash chain are the store's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journaled {
    /// The version of the form.
    pub v: u32,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The instance that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The step that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What happened.
    pub event: Event,
}

/// What kind of execution a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Brings the world to what is declared.
    Apply,
    /// Ends everything.
    Destroy,
    /// Mends drift.
    Fix,
    /// Unwinds other runs.
    Compensate,
    /// A person changes the record.
    Surgery,
}

impl RunStarted {
    /// A run of this kind, of nothing in particular.
    pub fn of(kind: RunKind, actor: &str) -> Self {
        RunStarted {
            kind,
            actor: actor.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: String::new(),
            steps: 0,
            input: BTreeMap::new(),
            providers: BTreeMap::new(),
            ephemerals: Vec::new(),
            ephemeral_sources: BTreeMap::new(),
            continues: None,
            compensates: Vec::new(),
            replays: None,
            directory: String::new(),
            configuration: String::new(),
            asked: Asked::default(),
            planned: Vec::new(),
            forgets: Vec::new(),
        }
    }
}

impl RunKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            RunKind::Apply => "apply",
            RunKind::Destroy => "destroy",
            RunKind::Fix => "fix",
            RunKind::Compensate => "compensate",
            RunKind::Surgery => "surgery",
        }
    }

    /// Whether `compensate` can unwind it.
    pub fn can_be_compensated(self) -> bool {
        matches!(self, RunKind::Apply | RunKind::Destroy | RunKind::Fix)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    RunStarted(Box<RunStarted>),
    /// A run ended.
    RunFinished(RunFinished),
    /// A run was closed for good: its images may go.
    RunAccepted {
        /// Why: by a person, or by age.
        reason: String,
    },
    /// A process was started that must not outlive us.
    Child(ChildProcess),
    /// A provider instance was configured during the run, once what it depends on was known.
    Configured {
        /// The name of the instance.
        name: String,
        /// What it was configured with.
        provider: Box<JournaledProvider>,
    },
    /// A provider instance is reached in another way from here to the end of the run.
    MovedOver(MovedOver),
    /// What was observed just before a step.
    Image(Box<ImageEvent>),
    /// A step's effect may happen from now on.
    StepBegin(Box<StepBegin>),
    /// It did happen.
    StepApplied(Box<StepEnd>),
    /// It happened in part.
    StepPartial(Box<StepEnd>),
    /// It did certainly not happen.
    StepNotApplied(StepFailure),
    /// It cannot be told.
    StepUnknown(Box<StepEnd>),
    /// A read agreed with what the step returned.
    StepVerified,
    /// A read did not.
    StepVerifyMismatch {
        /// The attributes that differ.
        attributes: Vec<Path>,
    },
    /// Doubt was settled.
    StepResolved(Box<Resolution>),
    /// The current object was set aside for its replacement.
    Deposed(Box<StepEnd>),
    /// A step's inverse may happen from now on.
    UndoBegin(Box<UndoBegin>),
    /// It did.
    Undone(Box<UndoEnd>),
    /// It failed; the branch waits for a person.
    UndoStuck(UndoFailure),
    /// It was left out, for this reason.
    UndoSkipped {
        /// The run that the step belongs to.
        of: String,
        /// Why.
        reason: String,
    },
    /// The record was changed without a step: surgery, accepted drift, a refreshed read.
    Recorded {
        /// What was done, in words.
        what: String,
        /// What is recorded now; `None` when nothing is.
        object: Option<Box<RestingObject>>,
    },
    /// What was recorded as outputs before the run changed them.
    Outputs {
        /// By name; `None` when nothing was recorded.
        before: BTreeMap<String, Option<RecordedOutput>>,
    },
    /// A health check ended.
    Checked {
        /// Its name.
        name: String,
        /// Whether it is healthy.
        healthy: bool,
        /// How many tries there were.
        tries: u32,
        /// Why it is not healthy, without secrets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// A person's remark.
    Note {
        /// Who.
        actor: String,
        /// What.
        text: String,
    },
    /// A person looked, and decided.
    Review {
        /// Who.
        actor: String,
        /// What.
        decision: String,
    },
}

impl Event {
    /// The word for it, as in `runs events`.
    pub fn word(&self) -> &'static str {
        match self {
            Event::RunStarted(_) => "run_started",
            Event::RunFinished(_) => "run_finished",
            Event::RunAccepted { .. } => "run_accepted",
            Event::Child(_) => "child",
            Event::Configured { .. } => "configured",
            Event::MovedOver(_) => "moved_over",
            Event::Image(_) => "image",
            Event::StepBegin(_) => "step_begin",
            Event::StepApplied(_) => "step_applied",
            Event::StepPartial(_) => "step_partial",
            Event::StepNotApplied(_) => "step_not_applied",
            Event::StepUnknown(_) => "step_unknown",
            Event::StepVerified => "step_verified",
            Event::StepVerifyMismatch { .. } => "step_verify_mismatch",
            Event::StepResolved(_) => "step_resolved",
            Event::Deposed(_) => "deposed",
            Event::UndoBegin(_) => "undo_begin",
            Event::Undone(_) => "undone",
            Event::UndoStuck(_) => "undo_stuck",
            Event::UndoSkipped { .. } => "undo_skipped",
            Event::Recorded { .. } => "recorded",
            Event::Outputs { .. } => "outputs",
            Event::Checked { .. } => "checked",
            Event::Note { .. } => "note",
            Event::Review { .. } => "review",
        }
    }
}

/// See [`Event::RunStarted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStarted {
    /// What kind it is.
    pub kind: RunKind,
    /// Who started it: `user@host`.
    pub actor: String,
    /// The version of retrue.
    pub version: String,
    /// The digest of the plan; empty where there is none.
    pub plan: String,
    /// How many steps the plan has.
    pub steps: usize,
    /// By variable, where its value came from, in words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input: BTreeMap<String, String>,
    /// The configuration of the provider instances, so that nothing else is needed to unwind.
    pub providers: BTreeMap<String, JournaledProvider>,
    /// What is ephemeral and goes into such a configuration: how to open it again, and nothing of its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ephemerals: Vec<EphemeralV1>,
    /// By ephemeral variable, the source that it is read from again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ephemeral_sources: BTreeMap<String, String>,
    /// The interrupted run that this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The runs that it unwinds, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensates: Vec<String>,
    /// The failed run that it does once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replays: Option<String>,
    /// The directory of the stack that it was started for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    /// The digest of the configuration that was planned from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub configuration: String,
    /// What it was asked for with.
    #[serde(default, skip_serializing_if = "Asked::is_empty")]
    pub asked: Asked,
    /// What was planned, in order, whether or not it was ever begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<PlannedStep>,
    /// The closed runs of which nothing is remembered from here on: they are older than is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgets: Vec<String>,
}

/// A step of the plan that a run carries out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// The instance.
    pub address: Address,
    /// Which of its objects.
    #[serde(default, skip_serializing_if = "ObjectKey::is_current")]
    pub object: ObjectKey,
    /// What is done.
    pub effect: StepEffect,
    /// The fingerprint of what was observed; empty where nothing was there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed: String,
}

/// The configuration of a provider instance in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournaledProvider {
    /// The provider.
    pub provider: String,
    /// Its program, where it is not built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ProviderOrigin>,
    /// The evaluated configuration: harmless values in the clear, the rest sealed.
    pub config: RestingValue,
    /// By attribute, the source that its value is to be read from again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// The whole configuration as an expression, where parts of it are ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<PendingV1>,
    /// The other ways to the same objects, in the order in which they are gone: an undo may need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<JournaledWay>,
    /// What is done about failures of its calls: it holds for an undo, too.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub policy: Policy,
}

/// Another way to the objects of a provider instance: its configuration, kept as the first one is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournaledWay {
    /// See [`JournaledProvider::config`].
    pub config: RestingValue,
    /// See [`JournaledProvider::sources`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// See [`JournaledProvider::again`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<PendingV1>,
}

/// See [`Event::RunFinished`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFinished {
    /// How it ended.
    pub state: RunState,
    /// How many steps ended how.
    pub counts: Counts,
    /// What went wrong first, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How many steps ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Applied.
    pub applied: usize,
    /// Partial.
    pub partial: usize,
    /// Not applied.
    pub not_applied: usize,
    /// In doubt.
    pub unknown: usize,
    /// Never started.
    pub skipped: usize,
    /// Undone.
    pub undone: usize,
    /// Not undone, and waiting.
    pub stuck: usize,
}

/// What was observed just before a step, and what was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEvent {
    /// What was there; `None` when nothing was.
    pub image: Option<StoredImage>,
    /// The address that the object had, when the step moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Address>,
    /// What was recorded for the object; `None` when nothing was.
    pub recorded: Option<RestingObject>,
    /// Its configuration as of the image: what an update back is made from.
    pub config: RestingValue,
    /// Where the values of the image came from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provenance: BTreeMap<Path, (Address, Path)>,
}

/// An image with the provider's own identity of the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredImage {
    /// The image.
    pub image: RestingImage,
    /// The provider's own identity, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<RestingValue>,
}

/// See [`Event::StepBegin`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepBegin {
    /// 1 for the first try.
    pub attempt: u32,
    /// See `Context::idempotency_key`.
    pub idempotency_key: String,
    /// The type.
    pub type_name: String,
    /// The provider instance.
    pub provider: String,
    /// The configuration, wholly known but for what is ephemeral; null for a delete.
    pub config: RestingValue,
    /// What it shall look like; null for a delete.
    pub planned: RestingValue,
    /// The generation of the object.
    pub generation: u64,
    /// The blocks that the step depends on, for the order of unwinding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<BlockAddress>,
    /// How much of it can be undone.
    pub reversibility: Reversibility,
    /// Whether it cannot be undone in full, and planned steps rest on it: unwinding halts here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pivot: bool,
    /// What will be recorded if it is found applied: everything but the state itself.
    pub template: Option<RestingObject>,
}

/// The end of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepEnd {
    /// What is recorded now; `None` when nothing is.
    pub object: Option<RestingObject>,
    /// What went wrong, for all but applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepFailure>,
}

/// What went wrong, in a form that can rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFailure {
    /// A stable code.
    pub code: String,
    /// Its kind.
    pub category: Category,
    /// One line, without secrets.
    pub message: String,
    /// Whether another try may help.
    pub retryable: bool,
    /// How long the other side asked to wait; it matters only while the step is tried.
    #[serde(skip)]
    pub retry_after: Option<std::time::Duration>,
}

/// How doubt was settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The run whose step it was.
    pub of: String,
    /// What came of the step: `applied`, `partial`, `not_applied`.
    pub outcome: ResolvedOutcome,
    /// How that is known: what was read, or who said so.
    pub how: String,
    /// What is recorded now; `None` when nothing is.
    pub object: Option<RestingObject>,
}

/// What came of a step that was in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolvedOutcome {
    /// It happened.
    Applied,
    /// It happened in part.
    Partial,
    /// It did not happen.
    NotApplied,
}

/// See [`Event::UndoBegin`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoBegin {
    /// The run that the step belongs to.
    pub of: String,
    /// What is done to undo it; `None` when only the record changes.
    pub effect: Option<StepEffect>,
    /// See `Context::idempotency_key`.
    pub idempotency_key: String,
    /// The generation that the object gets when it is made again.
    pub generation: u64,
}

/// See [`Event::Undone`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoEnd {
    /// The run that the step belongs to.
    pub of: String,
    /// What is recorded now; `None` when nothing is.
    pub object: Option<RestingObject>,
    /// What could not be brought back, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// See [`Event::UndoStuck`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoFailure {
    /// The run that the step belongs to.
    pub of: String,
    /// What went wrong.
    pub failure: StepFailure,
    /// Whether nobody can tell what came of it: then it is in doubt, and not done again before that
    /// is settled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// What is recorded now, where the provider did a part of it; `None` when the record stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<RestingObject>>,
}

//! What a type must bring along to go through the suite: its data, and hands outside the provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{Category, Effect, Provider, Value};
use serde_json::Value as Json;

/// A place where objects of one type can exist, seen and changed from outside of the provider.
///
/// What a world cannot do it leaves to the defaults; the checks that need it do not apply then.
#[async_trait]
pub trait World: Send + Sync {
    /// The provider, configured for this world.
    fn provider(&self) -> Arc<dyn Provider>;

    /// The type.
    fn type_name(&self) -> &str;

    /// A configuration that sets as much as possible to something that is not the default.
    fn config(&self) -> Value;

    /// For each attribute that may be set, another value for it.
    fn alternatives(&self) -> Vec<(String, Value)>;

    /// Attributes that say what is to be done one day: nothing outside shows them.
    fn wishes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Attributes that force a replace in this world, whatever the schema says.
    fn replaced(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is outside is made by commands of a person's own: they bring back what they are asked for,
    /// and know nothing of what others do.
    fn follows_commands(&self) -> bool {
        false
    }

    /// Configurations that must be refused, and the path of what is wrong with each.
    fn invalid(&self) -> Vec<(Value, String)> {
        Vec::new()
    }

    /// Everything outside, one entry for each object, without what changes by merely looking.
    async fn truth(&self) -> Vec<Json>;

    /// The same without what a lossy undo does not bring back: ids, times, data.
    fn lasting(&self, truth: &[Json]) -> Vec<Json> {
        truth.to_vec()
    }

    /// Somebody else makes an object just as configured. Whether that is possible.
    async fn make(&self, _config: &Value) -> bool {
        false
    }

    /// Somebody else changes an object, in what is configured and in what is not. Whether possible.
    async fn drift(&self, _state: &Value) -> bool {
        false
    }

    /// Somebody else removes an object. Whether that is possible.
    async fn remove(&self, _state: &Value) -> bool {
        false
    }

    /// What a person would type to import the object.
    fn import_id(&self, _state: &Value) -> Option<String> {
        None
    }

    /// An id that leads nowhere.
    fn strange_id(&self) -> Option<String> {
        None
    }

    /// What can be made to go wrong.
    fn failures(&self) -> Vec<Failure> {
        Vec::new()
    }

    /// Lets the next change go wrong.
    async fn arm(&self, _failure: &Failure) {}

    /// Lets nothing go wrong any more.
    async fn disarm(&self) {}

    /// From now on creates have their effect and never end. Whether that is possible.
    async fn hang(&self) -> bool {
        false
    }

    /// A configuration whose create never ends; only asked for after [`hang`](Self::hang).
    fn hanging_config(&self) -> Value {
        self.config()
    }

    /// How many effects there were so far, where somebody counts.
    async fn effects(&self) -> Option<u64> {
        None
    }

    /// How many effects one change of the type consists of, at most.
    fn effects_of_a_change(&self) -> u64 {
        1
    }

    /// Lets so much time pass that every read shows the world as it is.
    async fn settle(&self) {}

    /// Removes everything.
    async fn clear(&self);

    /// What must never be shown: it is in the configurations, or the provider's own.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// A data type to try.
    fn data(&self) -> Option<DataCase> {
        None
    }
}

/// One way in which a change can go wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it is called in messages, and by the world.
    pub name: &'static str,
    /// The change that goes wrong.
    pub effect: Effect,
    /// When, and what is owed then.
    pub kind: FailureKind,
}

/// When a change goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Refused for a reason: nothing happens, and that is certain.
    Refused(Category, Option<Duration>),
    /// Before anything happens, without a reason.
    Before,
    /// After everything has happened.
    After,
    /// After everything has happened; the answer is lost.
    AnswerLost,
    /// In the middle.
    Halfway,
}

/// A data type to try.
#[derive(Clone, Debug)]
pub struct DataCase {
    /// The type.
    pub type_name: String,
    /// A configuration that leads to something.
    pub config: Value,
    /// An attribute of what it leads to, and its value.
    pub expected: (String, Value),
    /// A configuration that leads to nothing.
    pub missing: Value,
}

//! A world, a provider to be judged in it, and the verbs with their errors turned into violations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use retrue_provider_api::{
    Block, Capability, Children, Context, FindRequest, Findable, Found, Marker, Observed, Private, Provider,
    ReadRequest, TypeSchema, Value,
    testing::{self, MemoryBlobs, RecordedChildren},
};

use crate::judge::{Violation, failed};
use crate::values::without_volatile;
use crate::world::World;

/// How long the suite waits for something that must happen at all.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A world and a provider to be judged in it.
pub struct Bench {
    pub world: Arc<dyn World>,
    pub provider: Arc<dyn Provider>,
    pub schema: Arc<TypeSchema>,
    /// The processes that the provider told of.
    pub children: Arc<RecordedChildren>,
    base: Context,
}

/// An object as the engine would have recorded it.
#[derive(Clone, Debug)]
pub struct Thing {
    pub state: Value,
    pub private: Private,
    pub identity: Option<Value>,
    pub config: Value,
}

impl Bench {
    pub async fn new(world: Arc<dyn World>, provider: Arc<dyn Provider>) -> Result<Self, Violation> {
        let schema = provider.schema().await.map_err(|error| failed("schema", error))?;
        let type_name = world.type_name();
        let schema = schema.resources.get(type_name).cloned();
        let schema = schema.ok_or_else(|| Violation(format!("the schema has no `{type_name}`")))?;
        let children = Arc::new(RecordedChildren::default());
        let base = testing::context_with(Arc::new(MemoryBlobs::default()), Arc::clone(&children) as Arc<dyn Children>);
        Ok(Bench { world, provider, schema, children, base })
    }

    pub fn block(&self) -> &Block {
        &self.schema.block
    }

    pub fn type_name(&self) -> String {
        self.world.type_name().to_owned()
    }

    /// What the type can do with the world's configuration.
    pub fn capability(&self) -> Capability {
        self.provider.capability(self.world.type_name(), &self.world.config())
    }

    /// Whether anything exists outside.
    pub fn is_outside(&self) -> bool {
        self.capability().findable != Findable::NothingOutside
    }

    /// Whether a read tells what is really there.
    pub fn observes(&self) -> bool {
        self.is_outside() && self.capability().observes
    }

    /// The context of a step on the current object.
    pub fn context(&self) -> Context {
        self.context_of(1, "current")
    }

    /// The context of a step of a generation on an object.
    pub fn context_of(&self, generation: u64, object: &str) -> Context {
        let address = format!("{}.it", self.world.type_name());
        let marker = Marker {
            lineage: "0190-conformance".into(),
            environment: "default".into(),
            generation,
            object: object.into(),
            address: address.clone(),
        };
        Context {
            idempotency_key: marker.to_string(),
            address,
            marker: Some(marker),
            deadline: Instant::now() + PATIENCE,
            ..self.base.clone()
        }
    }

    pub fn read_request(&self, thing: &Thing) -> ReadRequest {
        ReadRequest {
            type_name: self.type_name(),
            state: thing.state.clone(),
            config: thing.config.clone(),
            private: thing.private.clone(),
            identity: thing.identity.clone(),
        }
    }

    /// Reads once.
    pub async fn read(&self, thing: &Thing) -> Result<Option<Observed>, Violation> {
        let read = self.provider.read(&self.context(), self.read_request(thing)).await;
        read.map_err(|error| failed("read", error))
    }

    /// Reads until what is read is as awaited, or the settling time of the type is over.
    pub async fn read_until(
        &self,
        thing: &Thing,
        awaited: impl Fn(Option<&Observed>) -> bool,
    ) -> Result<Option<Observed>, Violation> {
        let until = Instant::now() + self.capability().settles_within;
        loop {
            let found = self.read(thing).await?;
            if awaited(found.as_ref()) || Instant::now() >= until {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Reads something that must be there.
    pub async fn read_there(&self, thing: &Thing) -> Result<Observed, Violation> {
        let found = self.read_until(thing, |found| found.is_some()).await?;
        found.ok_or_else(|| Violation("`read` finds nothing, and something is there".into()))
    }

    /// Looks once.
    pub async fn find_with(&self, config: &Value, marker: Option<Marker>) -> Result<Found, Violation> {
        let request = FindRequest { type_name: self.type_name(), config: config.clone(), marker };
        self.provider.find(&self.context(), request).await.map_err(|error| failed("find", error))
    }

    /// Looks as the engine would, until what is found is as awaited, or the settling time is over.
    pub async fn find_until(&self, config: &Value, awaited: impl Fn(&Found) -> bool) -> Result<Found, Violation> {
        let until = Instant::now() + self.capability().settles_within;
        loop {
            let found = self.find_with(config, self.context().marker).await?;
            if awaited(&found) || Instant::now() >= until {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Looks for something that must be there once.
    pub async fn find_there(&self, config: &Value) -> Result<Thing, Violation> {
        match self.find_until(config, |found| matches!(found, Found::One(_))).await? {
            Found::One(one) => Ok(self.thing(*one, config)),
            Found::None => Err(Violation("`find` finds nothing, and something is there".into())),
            Found::Many(many) => Err(Violation(format!("`find` finds {} objects, and there is one", many.len()))),
        }
    }

    /// Whether the engine can find the object again.
    pub fn is_findable(&self) -> bool {
        matches!(self.capability().findable, Findable::ByIdentity | Findable::ByMarker)
    }

    /// The thing as it is after somebody else had a hand in it, where an undo can bring that back.
    pub async fn drifted(&self, thing: &Thing) -> Result<Thing, Violation> {
        if !self.world.follows_commands() {
            self.world.drift(&thing.state).await;
        }
        let observed = self.read_there(thing).await?;
        Ok(self.thing(observed, &thing.config))
    }

    pub fn thing(&self, observed: Observed, config: &Value) -> Thing {
        Thing { state: observed.state, private: observed.private, identity: observed.identity, config: config.clone() }
    }

    /// Where two states differ, what changes by itself left out.
    pub fn difference(&self, expected: &Value, found: &Value) -> Option<String> {
        crate::values::difference(&without_volatile(self.block(), expected), &without_volatile(self.block(), found))
    }
}

//! The trait that every provider implements, and what goes in and out of it.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::error::{Category, ProviderDiagnostic, ProviderError};
use crate::object::{BlobId, Capability, Found, Image, Marker, Observed, Private, Reversibility};
use crate::path::Path;
use crate::schema::ProviderSchema;
use crate::types::Type;
use crate::value::Value;
use crate::wire::from_wire;

/// The result of a verb.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Code that reads and changes one kind of system. One value of it is one configuration.
///
/// Every verb may be called from many tasks at once. None of them may panic, wait longer than
/// the deadline in its [`Context`], or print. Values come in without marks.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its types. The same at every call; may be called before [`configure`](Self::configure).
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>>;

    /// Takes its configuration, once, before any other verb that touches the outside.
    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()>;

    /// Checks what the schema cannot say. No outside is touched; parts may be unknown.
    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>>;

    /// What a type, with this configuration, can do. Cheap and pure.
    fn capability(&self, type_name: &str, config: &Value) -> Capability;

    /// What makes it one and the same object, in a single form: two configurations (or states) of a
    /// type whose identities are equal mean the same object. Cheap; it may look, as a path is looked up, and changes
    /// nothing. Called after `configure`.
    ///
    /// `None` means the identity attributes just as they stand. The answer is unknown while the
    /// attributes that it is made from are. A provider that resolves names (paths, cases, aliases)
    /// overrides it; attributes stay as they were written.
    fn identity(&self, _type_name: &str, _config: &Value) -> Option<Value> {
        None
    }

    /// Reads an object. `None` when it is gone. Changes nothing.
    ///
    /// Attributes that cannot be read back keep the value of `request.state`.
    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>>;

    /// Looks for an object by its identity attributes, or by its marker. Changes nothing.
    ///
    /// Where the capability says that it cannot be found, this is an error: an answer of none would
    /// mean that it is not there, and a create in doubt would be made again.
    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found>;

    /// Decides what an object will look like. Changes nothing; called again when unknowns are known.
    ///
    /// A create has a null `prior`, a delete a null `proposed`. `planned` must keep every value that
    /// `config` sets and may fill in, or leave unknown, what the schema calls computed.
    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse>;

    /// Carries out one effect on one object, and tells what came of it.
    ///
    /// Deleting what is already gone is `Applied`. A create of something that is there is
    /// `NotApplied` with a conflict. What is not certain is `Unknown`, never an error.
    async fn apply(&self, context: &Context, change: Change) -> Outcome;

    /// Keeps what is needed to bring an object back exactly as it is now.
    ///
    /// The object is there, and `request.object.state` is what a read just found; what no longer
    /// agrees with it is a conflict. The default keeps the state and the private bytes.
    async fn image(&self, _context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        Ok(Image { state: request.object.state, private: request.object.private, blobs: Vec::new() })
    }

    /// Tidies up after a change that was interrupted: removes what it left beside the object, such
    /// as temporary files. Doing so twice, or where nothing is left, succeeds.
    ///
    /// Called for every step in doubt, when the processes of the step are gone and before the world
    /// is read. `request.state` is the planned state, or the prior one where that is null.
    async fn recover(&self, _context: &Context, _request: ReadRequest) -> ProviderResult<()> {
        Ok(())
    }

    /// The state of something that was planned, that a person says was made, and that nothing can read:
    /// `planned` with what was unknown filled in. `None` (the default) where it cannot be known.
    ///
    /// `context.idempotency_key` is that of the change.
    async fn presume(&self, _context: &Context, _type_name: &str, _planned: Value) -> ProviderResult<Option<Value>> {
        Ok(None)
    }

    /// Reads objects by an id that a person gave; one id may stand for several.
    async fn import(&self, _context: &Context, _request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        Err(ProviderError::unsupported("import"))
    }

    /// Reads data.
    async fn read_data(&self, _context: &Context, _request: DataRequest) -> ProviderResult<Value> {
        Err(ProviderError::unsupported("read_data"))
    }

    /// Reads many objects at once, in the order of the requests.
    async fn read_many(
        &self,
        _context: &Context,
        _requests: Vec<ReadRequest>,
    ) -> ProviderResult<Vec<ProviderResult<Option<Observed>>>> {
        Err(ProviderError::unsupported("read_many"))
    }

    /// Lists all objects of a type.
    async fn list(&self, _context: &Context, _type_name: &str) -> ProviderResult<Vec<Observed>> {
        Err(ProviderError::unsupported("list"))
    }

    /// Calls a function of the provider. It is pure: no outside, and the same arguments give the same result;
    /// may be called before [`configure`](Self::configure).
    ///
    /// The arguments are as many as the schema asks for, and of its types. An error that is about one of them
    /// has its position as the path.
    async fn call(&self, _function: &str, _arguments: Vec<Value>) -> ProviderResult<Value> {
        Err(ProviderError::unsupported("call"))
    }

    /// Opens something ephemeral.
    async fn open(&self, _context: &Context, _request: DataRequest) -> ProviderResult<Opened> {
        Err(ProviderError::unsupported("open"))
    }

    /// Prolongs something ephemeral; returns when to do so again.
    async fn renew(&self, _context: &Context, _type_name: &str, _private: Private) -> ProviderResult<Option<Instant>> {
        Err(ProviderError::unsupported("renew"))
    }

    /// Closes something ephemeral.
    async fn close(&self, _context: &Context, _type_name: &str, _private: Private) -> ProviderResult<()> {
        Err(ProviderError::unsupported("close"))
    }

    /// Brings recorded state of an older schema version to the current one.
    ///
    /// `state` is the typed wire form. The default accepts only the current version.
    async fn upgrade_state(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        let schema = self.schema().await?;
        let current = schema.resources.get(type_name).map_or(0, |schema| schema.version);
        if version != current {
            return Err(ProviderError::new(
                Category::Validation,
                "upgrade_state",
                format!("`{type_name}` was recorded by schema version {version}, and this provider has {current}"),
            ));
        }
        from_wire(&state).map_err(|error| ProviderError::new(Category::Validation, "upgrade_state", error.to_string()))
    }

    /// Reads state as the files of Terraform hold it, whatever version of the schema it was written by.
    async fn take_over(&self, _type_name: &str, _version: u64, _state: serde_json::Value) -> ProviderResult<Value> {
        Err(ProviderError::unsupported("take_over"))
    }

    /// The state as the files of Terraform hold it, by the current version of the schema.
    async fn hand_over(&self, _type_name: &str, _state: Value) -> ProviderResult<serde_json::Value> {
        Err(ProviderError::unsupported("hand_over"))
    }

    /// Turns what is recorded of one type into what is of another, for `moved`.
    async fn move_state(&self, _from_type: &str, _to_type: &str, _object: Observed) -> ProviderResult<Observed> {
        Err(ProviderError::unsupported("move_state"))
    }

    /// Asks for running calls to end soon. Returns at once.
    async fn stop(&self) {}
}

/// What every call that may touch the outside is given.
#[derive(Clone)]
pub struct Context {
    /// The run, as a UUID; empty while planning.
    pub run: String,
    /// The step; empty while planning.
    pub step: String,
    /// The address.
    pub address: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The same for every try of the same unit of work, and never for another.
    pub idempotency_key: String,
    /// What to put on an object that has no natural identity.
    pub marker: Option<Marker>,
    /// When the call must have ended.
    pub deadline: Instant,
    /// Cancelled when the person asks a second time.
    pub cancellation: CancellationToken,
    /// Where payloads are kept.
    pub blobs: Arc<dyn Blobs>,
    /// Who must know of processes that are started.
    pub children: Arc<dyn Children>,
    /// Where the trace is, for what the call starts or asks: `traceparent` of W3C's Trace Context.
    pub trace_parent: Option<String>,
}

impl Context {
    /// An id, of the shape of a UUID (version 8), that is the same for every try of this unit of work
    /// and never the same for another: made from the idempotency key.
    pub fn stable_id(&self) -> String {
        stable_id(&self.idempotency_key)
    }
}

/// An id of the shape of a UUID (version 8) that is made from `seed` and from nothing else.
pub fn stable_id(seed: &str) -> String {
    let hash = blake3::derive_key("retrue 2025 id of an object", seed.as_bytes());
    let mut id = String::with_capacity(36);
    for (position, byte) in hash.iter().take(16).enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // The bits that RFC 9562 fixes: the version in the seventh byte, the variant in the ninth.
        let byte = match position {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

/// Keeps payloads of any size, sealed.
pub trait Blobs: Send + Sync {
    /// Keeps all that `source` yields. It is durable on return.
    fn put(&self, source: &mut dyn Read) -> io::Result<BlobId>;
    /// Opens what was kept.
    fn get(&self, id: &BlobId) -> io::Result<Box<dyn Read + Send>>;
}

/// Is told of processes, so that recovery can end what outlived us.
#[async_trait]
pub trait Children: Send + Sync {
    /// A process was started. It is durable on return.
    ///
    /// # Errors
    /// It cannot be written down; then the process must not do anything.
    async fn started(&self, child: &ChildProcess) -> io::Result<()>;
}

/// A process, named so that it cannot be mistaken for a later one with the same id.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChildProcess {
    /// Its id, which is also the id of its process group.
    pub pid: i32,
    /// When it started, in clock ticks since boot, as `/proc/PID/stat` has it.
    pub started: u64,
}

/// See [`Provider::configure`].
#[derive(Clone, Debug)]
pub struct ConfigureRequest {
    /// The evaluated configuration, of the type of the schema; parts may be unknown while planning.
    pub config: Value,
    /// The directory of the stack: relative paths are relative to it.
    pub directory: PathBuf,
}

/// See [`Provider::validate`].
#[derive(Clone, Debug)]
pub struct ValidateRequest {
    /// Managed, data, or the provider's own configuration.
    pub subject: Subject,
    /// The type; empty for the provider's own configuration.
    pub type_name: String,
    /// The configuration.
    pub config: Value,
}

/// What a configuration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The provider itself.
    Provider,
    /// A managed type.
    Resource,
    /// A data type.
    Data,
    /// An ephemeral type.
    Ephemeral,
}

/// See [`Provider::read`].
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The type.
    pub type_name: String,
    /// What was last known.
    pub state: Value,
    /// The evaluated configuration that it was made from; null where there is none.
    pub config: Value,
    /// The provider's own bytes.
    pub private: Private,
    /// The provider's own identity, if it gave one.
    pub identity: Option<Value>,
}

/// See [`Provider::image`].
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// The object.
    pub object: ReadRequest,
    /// What is about to be done to it. `None` keeps everything, as an adoption does.
    pub effect: Option<Effect>,
    /// What it shall look like; null for a delete, and where everything is kept. What an update
    /// certainly leaves alone need not be kept.
    pub planned: Value,
}

/// See [`Provider::find`].
#[derive(Clone, Debug)]
pub struct FindRequest {
    /// The type.
    pub type_name: String,
    /// The configuration, whose identity attributes are known.
    pub config: Value,
    /// The marker to look for, for types that are found by one. Its generation is to be compared,
    /// too; a marker of another lineage is reported, not hidden, where identity finds the object.
    pub marker: Option<Marker>,
}

/// See [`Provider::plan`].
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The type.
    pub type_name: String,
    /// The configuration as written, nulls where nothing is set; null for a delete.
    pub config: Value,
    /// What is there; null for a create.
    pub prior: Value,
    /// The configuration, with prior values where the provider computes; null for a delete.
    pub proposed: Value,
    /// The provider's own bytes.
    pub prior_private: Private,
}

/// See [`Provider::plan`].
#[derive(Clone, Debug)]
pub struct PlanResponse {
    /// What it will look like.
    pub planned: Value,
    /// Bytes for [`Change::planned_private`].
    pub planned_private: Private,
    /// Changes of these cannot be made in place. Only those that really differ count.
    pub requires_replace: Vec<Path>,
    /// It cannot be planned yet, for this reason.
    pub deferred: Option<String>,
    /// How much of the step can be undone.
    pub reversibility: Reversibility,
    /// What a person should know before agreeing.
    pub warnings: Vec<String>,
}

impl PlanResponse {
    /// A plan without anything special about it.
    pub fn of(planned: Value) -> Self {
        PlanResponse {
            planned,
            planned_private: Private::default(),
            requires_replace: Vec::new(),
            deferred: None,
            reversibility: Reversibility::Full,
            warnings: Vec::new(),
        }
    }
}

/// What a change does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Makes it.
    Create,
    /// Changes it in place.
    Update,
    /// Ends it.
    Delete,
}

/// See [`Provider::apply`].
#[derive(Clone, Debug)]
pub struct Change {
    /// The type.
    pub type_name: String,
    /// What to do.
    pub effect: Effect,
    /// The configuration, wholly known; null for a delete. Write-only values are only here.
    pub config: Value,
    /// What is there; null for a create.
    pub prior: Value,
    /// The provider's own bytes.
    pub prior_private: Private,
    /// What it shall look like; null for a delete. What the provider computes may be unknown.
    pub planned: Value,
    /// Bytes from [`PlanResponse`].
    pub planned_private: Private,
    /// The provider's own identity, if it gave one.
    pub identity: Option<Value>,
    /// Given when something is brought back: what it was. It wins over `planned` and `config`.
    pub restore: Option<Image>,
}

/// What came of a change. Never just good or bad.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was carried out.
    Applied(Applied),
    /// Something is there, but not all was carried out.
    Partial {
        /// What is there.
        applied: Applied,
        /// What went wrong.
        error: ProviderError,
    },
    /// Certainly nothing was changed.
    NotApplied(ProviderError),
    /// It cannot be told.
    Unknown {
        /// Why.
        error: ProviderError,
        /// The best guess of what is there.
        best_known: Option<Box<Applied>>,
    },
}

/// What is there after a change.
#[derive(Clone, Debug)]
pub struct Applied {
    /// All attributes; null after a delete.
    pub state: Value,
    /// The provider's own bytes.
    pub private: Private,
    /// The provider's own identity.
    pub identity: Option<Value>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl Applied {
    /// A state without anything special about it.
    pub fn of(state: Value) -> Self {
        Applied { state, private: Private::default(), identity: None, warnings: Vec::new() }
    }

    /// What is there after a delete.
    pub fn gone() -> Self {
        Self::of(Value::null(Type::Dynamic))
    }
}

/// See [`Provider::import`].
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The type.
    pub type_name: String,
    /// What the person gave.
    pub id: String,
}

/// One object that an import found.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its type.
    pub type_name: String,
    /// What it is.
    pub object: Observed,
}

/// See [`Provider::read_data`] and [`Provider::open`].
#[derive(Clone, Debug)]
pub struct DataRequest {
    /// The type.
    pub type_name: String,
    /// The configuration, wholly known.
    pub config: Value,
}

/// Something ephemeral that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its values.
    pub value: Value,
    /// Bytes for renew and close.
    pub private: Private,
    /// When it must be renewed.
    pub renew_at: Option<Instant>,
}

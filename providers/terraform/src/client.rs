//! One configured provider: started when it is first needed, and once again after it broke.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};

use prost::Message;
use retrue_provider_api::{Category, Path, ProviderError, ProviderResult, Value};
use tokio::sync::{Mutex, OnceCell};

use crate::codec::{CodecError, encode};
use crate::config::{Kept, Launch};
use crate::diagnostic::refuse_errors;
use crate::process::{CallError, Connection, StartError};
use crate::schema::{Loaded, load};
use crate::tables::Tables;
use crate::wire;
use crate::wire::{Method, Protocol};

/// What providers are told about the program that asks them: the version of Terraform whose ways these are.
const TERRAFORM_VERSION: &str = "1.11.4";

/// A provider, its process and its configuration.
pub(crate) struct Client {
    launch: Launch,
    directory: Lock<Option<PathBuf>>,
    slot: Mutex<Slot>,
    loaded: OnceCell<Arc<Loaded>>,
    /// How often it broke since it last answered.
    broke: AtomicU32,
}

/// What is running, and what it was configured with.
#[derive(Default)]
struct Slot {
    live: Option<Arc<Connection>>,
    settings: Settings,
}

/// What the provider's own configuration is.
#[derive(Clone, Debug, Default)]
enum Settings {
    /// Nobody has said yet.
    #[default]
    None,
    /// Parts of it are not known yet: these.
    Unknown(Vec<Path>),
    /// All of it.
    Known(wire::DynamicValue),
}

impl Client {
    pub(crate) fn new(launch: Launch) -> Self {
        Client {
            launch,
            directory: Lock::default(),
            slot: Mutex::default(),
            loaded: OnceCell::new(),
            broke: AtomicU32::new(0),
        }
    }

    pub(crate) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// What is known of its types and errors beyond what it says.
    pub(crate) fn tables(&self) -> &Tables {
        &self.launch.tables
    }

    /// The connection, made when there is none.
    ///
    /// # Errors
    /// It cannot be started, does not take its configuration, or broke twice without answering in between.
    pub(crate) async fn connection(&self) -> ProviderResult<Arc<Connection>> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = &slot.live {
            if !live.is_broken() {
                return Ok(Arc::clone(live));
            }
            slot.live = None;
            self.broke.fetch_add(1, Ordering::Relaxed);
        }
        if self.broke.load(Ordering::Relaxed) > 1 {
            return Err(self.error(Category::Validation, "start", "it broke, was started again, and broke again"));
        }
        let mut launch = self.launch.clone();
        if let Some(directory) = self.directory.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            launch.directory = directory;
        }
        let connection = Arc::new(Connection::start(&launch).await.map_err(|error| self.not_started(error))?);
        if let Some(loaded) = self.loaded.get() {
            self.prime(&connection, loaded).await?;
        }
        if let Settings::Known(config) = &slot.settings {
            self.configure_one(&connection, config.clone()).await?;
        }
        slot.live = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Asks something that changes nothing; once more, when the provider breaks before it answers.
    pub(crate) async fn ask<Q, A>(&self, method: Method, request: Q) -> ProviderResult<A>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let connection = self.connection().await?;
        match self.call(&connection, method, request.clone()).await {
            Err(CallError::Broken { .. }) => {
                let connection = self.connection().await?;
                let answer = self.call(&connection, method, request).await;
                answer.map_err(|error| self.failed(method, error)).inspect(|_| self.answered())
            }
            answer => answer.map_err(|error| self.failed(method, error)).inspect(|_| self.answered()),
        }
    }

    /// Asks once. Where nothing outside can be the reason, a provider that does not answer in time is killed; other
    /// calls have a deadline of their own.
    async fn call<Q, A>(&self, connection: &Connection, method: Method, request: Q) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let limit = match method {
            Method::Configure => Some(self.launch.answer_within.saturating_mul(5)),
            method => method.is_pure().then_some(self.launch.answer_within),
        };
        let answer = connection.call(method, request);
        let Some(limit) = limit else { return answer.await };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                connection.kill();
                Err(CallError::TimedOut(limit))
            }
        }
    }

    /// Notes that it answers.
    pub(crate) fn answered(&self) {
        self.broke.store(0, Ordering::Relaxed);
    }

    /// What the provider says about itself; asked once.
    pub(crate) async fn loaded(&self) -> ProviderResult<&Arc<Loaded>> {
        self.loaded.get_or_try_init(|| self.load()).await
    }

    async fn load(&self) -> ProviderResult<Arc<Loaded>> {
        if let Some(loaded) = self.launch.kept.as_ref().and_then(Kept::recall) {
            tracing::debug!(provider = self.launch.name, "its types are known from before");
            return Ok(Arc::new(loaded));
        }
        let loaded = match self.connection().await?.protocol() {
            Protocol::Five => self.load_as::<wire::Attribute5>(Protocol::Five).await?,
            Protocol::Six => self.load_as::<wire::Attribute6>(Protocol::Six).await?,
        };
        Ok(Arc::new(loaded))
    }

    /// Asks a process for its schema that did not tell it yet.
    ///
    /// There are providers that make themselves ready while they answer that: unless one says that it need not be
    /// asked (`get_provider_schema_optional`), each of its processes is, however well its types are known. What it
    /// says then is held against what is known.
    async fn prime(&self, connection: &Connection, known: &Loaded) -> ProviderResult<()> {
        if known.schema_optional {
            return Ok(());
        }
        let told = match connection.protocol() {
            Protocol::Five => self.told_again::<wire::Attribute5>(connection).await?,
            Protocol::Six => self.told_again::<wire::Attribute6>(connection).await?,
        };
        if told.says_the_same(known) {
            return Ok(());
        }
        if let Some(kept) = &self.launch.kept {
            kept.forget();
        }
        let what =
            "it has other types than it had when it was asked last, though its program is the same: run this again";
        Err(self.error(Category::Validation, "schema", what))
    }

    async fn told_again<A: wire::AttributeMessage>(&self, connection: &Connection) -> ProviderResult<Loaded> {
        let answer = self.call(connection, Method::Schema, wire::Empty {}).await;
        let answer: wire::SchemaResponse<A> = answer.map_err(|error| self.failed(Method::Schema, error))?;
        refuse_errors(self.tables(), "schema", &answer.diagnostics, &[])?;
        load(answer, Default::default()).map_err(|error| self.unreadable("schema", error))
    }

    async fn load_as<A: wire::AttributeMessage>(&self, protocol: Protocol) -> ProviderResult<Loaded> {
        let response: wire::SchemaResponse<A> = self.ask(Method::Schema, wire::Empty {}).await?;
        refuse_errors(self.tables(), "schema", &response.diagnostics, &[])?;
        // Older providers have none, and some that have the method answer with an error.
        let identities: ProviderResult<wire::IdentitySchemasResponse> =
            self.ask(Method::IdentitySchemas, wire::Empty {}).await;
        // An error may be of the moment, and is not kept for ever.
        let none = self.failed(Method::IdentitySchemas, CallError::Unimplemented).message;
        let is_all = identities.as_ref().err().is_none_or(|error| error.message == none);
        let identities = identities.unwrap_or_default();
        if let Some(kept) = self.launch.kept.as_ref().filter(|_| is_all) {
            kept.keep(protocol, &response, &identities);
        }
        load(response, identities.schemas).map_err(|error| self.unreadable("schema", error))
    }

    /// Takes the provider's configuration. One that is not wholly known yet is only remembered.
    pub(crate) async fn configure(&self, config: &Value, directory: PathBuf) -> ProviderResult<()> {
        let loaded = Arc::clone(self.loaded().await?);
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Some(directory);
        let config = crate::shape::shape(loaded.provider.form(), config);
        let settings = match config.is_wholly_known() {
            true => Settings::Known(
                encode(&config, loaded.provider.wire()).map_err(|error| self.unsendable("configure", error))?,
            ),
            false => Settings::Unknown(config.unknown_paths()),
        };
        let earlier = {
            let mut slot = self.slot.lock().await;
            let again = !matches!(slot.settings, Settings::None);
            slot.settings = settings.clone();
            // Providers take a configuration once: another one needs another process.
            if again { slot.live.take() } else { None }
        };
        if let Some(earlier) = earlier {
            earlier.shut_down().await;
            return self.connection().await.map(|_| ());
        }
        match settings {
            Settings::Known(config) => {
                let connection = self.connection().await?;
                self.configure_one(&connection, config).await
            }
            Settings::None | Settings::Unknown(_) => Ok(()),
        }
    }

    async fn configure_one(&self, connection: &Connection, config: wire::DynamicValue) -> ProviderResult<()> {
        let request = wire::ConfigureRequest {
            terraform_version: TERRAFORM_VERSION.into(),
            config: Some(config),
            capabilities: Some(capabilities(false)),
        };
        let answer = self.call(connection, Method::Configure, request).await;
        let answer: wire::ValidateResponse = answer.map_err(|error| self.failed(Method::Configure, error))?;
        refuse_errors(self.tables(), "configure", &answer.diagnostics, &[]).map(|_| ())
    }

    /// The parts of its configuration that are not known yet; empty when all is.
    pub(crate) async fn unknown_settings(&self) -> Vec<Path> {
        match &self.slot.lock().await.settings {
            Settings::Unknown(paths) => paths.clone(),
            Settings::None | Settings::Known(_) => Vec::new(),
        }
    }

    /// An error when the configuration is not known yet.
    pub(crate) async fn configured(&self, operation: &str) -> ProviderResult<()> {
        let unknown = self.unknown_settings().await;
        let Some(first) = unknown.first() else { return Ok(()) };
        let what = format!("`{first}` of its configuration is not known yet: apply what it depends on first");
        Err(self.error(Category::Validation, operation, what))
    }

    /// The connection as it is, without making one.
    pub(crate) async fn live(&self) -> Option<Arc<Connection>> {
        self.slot.lock().await.live.clone()
    }

    /// Ends the process, if there is one.
    pub(crate) async fn shut_down(&self) {
        let live = self.slot.lock().await.live.take();
        if let Some(connection) = live {
            connection.shut_down().await;
        }
    }

    pub(crate) fn error(&self, category: Category, operation: &str, what: impl std::fmt::Display) -> ProviderError {
        ProviderError::new(category, operation, format!("provider `{}`: {what}", self.launch.name))
    }

    fn not_started(&self, error: StartError) -> ProviderError {
        let category = match error {
            StartError::Directory(_) | StartError::Connect { .. } => Category::Transient,
            _ => Category::Validation,
        };
        self.error(category, "start", format!("it cannot be used: {error}"))
    }

    /// What came in place of an answer.
    pub(crate) fn failed(&self, method: Method, error: CallError) -> ProviderError {
        let operation = method.operation();
        match error {
            CallError::Broken { what, said } => {
                let error = self.error(Category::Network, operation, what);
                if said.is_empty() { error } else { error.with("it said", said) }
            }
            CallError::TimedOut(limit) => {
                let what = format!("it did not answer within {} s, and was killed", limit.as_secs());
                ProviderError { retry: false, ..self.error(Category::TimeOut, operation, what) }
            }
            CallError::Unimplemented => ProviderError::unsupported(operation),
            CallError::Refused(what) => self.error(Category::Unknown, operation, what),
        }
    }

    /// What a provider sent is not what its schema says.
    pub(crate) fn unreadable(&self, operation: &str, error: CodecError) -> ProviderError {
        let what = format!("what it sent cannot be read, which is a mistake in the provider: {error}");
        self.error(Category::Unknown, operation, what).at(error.path)
    }

    /// What is to be sent is not what the schema says.
    pub(crate) fn unsendable(&self, operation: &str, error: CodecError) -> ProviderError {
        self.error(Category::Validation, operation, &error).at(error.path)
    }
}

/// What we can do, which is always said: there are providers that break where it is absent.
pub(crate) fn capabilities(write_only: bool) -> wire::ClientCapabilities {
    wire::ClientCapabilities { deferral_allowed: false, write_only_attributes_allowed: write_only }
}

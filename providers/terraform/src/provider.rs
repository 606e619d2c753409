//! The provider: verbs of the contract, each in a file of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Category, Change, ConfigureRequest, Context, DataRequest, FindRequest, Findable, Found, ImportRequest,
    Imported, Observed, Opened, Outcome, PlanRequest, PlanResponse, Private, Provider, ProviderDiagnostic,
    ProviderError, ProviderResult, ProviderSchema, ReadRequest, Type, Unfinished, ValidateRequest, Value,
};

use crate::client::Client;
use crate::codec::{decode, encode};
use crate::config::Launch;
use crate::recipes::Recipe;
use crate::schema::{Kind, Loaded};
use crate::time_limits;
use crate::wire::{Empty, IdentityData, Method, StopResponse};

/// Private bytes by type and by what they were at first.
pub(crate) type Renewed = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// How long a request to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// One configuration of one provider of Terraform.
///
/// Its process is started when it is first needed, serves until the value is dropped, and is started once
/// again when it breaks. The program around it must begin with
/// [`guard_main_if_asked`](retrue_provider_api::process::guard_main_if_asked).
pub struct Terraform {
    pub(crate) client: Client,
    /// Types that said that they do not tell null from empty, and types that said that they do.
    legacy: Mutex<BTreeMap<String, bool>>,
    /// The newest private bytes of what is open, by type and by those that it was opened with.
    pub(crate) renewed: Mutex<Renewed>,
}

impl Terraform {
    /// A provider that is not started yet.
    pub fn new(launch: Launch) -> Self {
        Terraform { client: Client::new(launch), legacy: Mutex::default(), renewed: Mutex::default() }
    }

    /// The same, behind the contract.
    pub fn launch(launch: Launch) -> Arc<dyn Provider> {
        Arc::new(Self::new(launch))
    }

    /// Asks the process to end, and waits until it did; kills it after 2 seconds.
    pub async fn shut_down(&self) {
        self.client.shut_down().await;
    }

    /// The id of the process that stands between us and the provider, while there is one.
    pub async fn process(&self) -> Option<retrue_provider_api::ChildProcess> {
        self.client.live().await.and_then(|connection| connection.child().cloned())
    }

    /// Whether the connection to it is encrypted; `None` while there is none.
    pub async fn is_encrypted(&self) -> Option<bool> {
        self.client.live().await.map(|connection| connection.is_encrypted())
    }

    pub(crate) async fn resource(&self, operation: &str, name: &str) -> ProviderResult<(Arc<Loaded>, Arc<Kind>)> {
        let loaded = Arc::clone(self.client.loaded().await?);
        match loaded.resources.get(name).cloned() {
            Some(kind) => Ok((loaded, kind)),
            None => Err(self.no_type(operation, name)),
        }
    }

    pub(crate) fn no_type(&self, operation: &str, name: &str) -> ProviderError {
        self.client.error(Category::Validation, operation, format!("it has no type `{name}`"))
    }

    /// Remembers what a type said of itself.
    pub(crate) fn note_legacy(&self, type_name: &str, legacy: bool) {
        self.legacy.lock().unwrap_or_else(PoisonError::into_inner).insert(type_name.to_owned(), legacy);
    }

    /// Whether a type does not tell null from empty, as far as is known.
    pub(crate) fn is_legacy(&self, type_name: &str, kind: &Kind) -> bool {
        let said = self.legacy.lock().unwrap_or_else(PoisonError::into_inner).get(type_name).copied();
        said.unwrap_or_else(|| kind.looks_legacy())
    }

    /// The message for an identity, where the type has such a thing and it fits.
    pub(crate) fn identity_message(loaded: &Loaded, type_name: &str, identity: Option<&Value>) -> Option<IdentityData> {
        let (_, kind) = loaded.identities.get(type_name)?;
        let data = encode(identity?, kind).ok()?;
        Some(IdentityData { data: Some(data) })
    }

    /// The identity in a message.
    pub(crate) fn identity_of(loaded: &Loaded, type_name: &str, message: Option<&IdentityData>) -> Option<Value> {
        let (_, kind) = loaded.identities.get(type_name)?;
        let value = decode(message?.data.as_ref(), kind).ok()?;
        (!value.is_null() && value.is_wholly_known()).then_some(value)
    }
}

/// Waits for an answer until the deadline or until cancelled.
pub(crate) async fn within<T>(
    context: &Context,
    operation: &str,
    answer: impl Future<Output = ProviderResult<T>>,
) -> ProviderResult<T> {
    tokio::select! {
        biased;
        () = context.cancellation.cancelled() => {
            Err(ProviderError { retry: false, ..ProviderError::new(Category::TimeOut, operation, "cancelled") })
        }
        answer = answer => answer,
        () = tokio::time::sleep_until(context.deadline.into()) => {
            Err(ProviderError::new(Category::TimeOut, operation, "the provider did not answer in time"))
        }
    }
}

#[async_trait]
impl Provider for Terraform {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        Ok(Arc::clone(&self.client.loaded().await?.schema))
    }

    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        self.client.configure(&request.config, request.directory).await
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        self.validate_config(request).await
    }

    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        let tables = self.client.tables();
        let recipe = tables.recipe(type_name);
        Capability {
            findable: recipe.map_or(Findable::No, |recipe| recipe.findable(config)),
            unfinished: recipe.map_or(Unfinished::Updated, Recipe::unfinished),
            observes: true,
            reads_back: true,
            updates: true,
            imports: true,
            by_processes: self.client.launch().is_started(),
            checks_plans: true,
            holds_data: tables.holds_data(type_name),
            settles_within: Duration::from_secs(recipe.map_or(0, |recipe| recipe.settles)),
            time_limits: time_limits::of(config),
        }
    }

    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        self.client.tables().recipe(type_name)?.identity_of(config)
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        within(context, "read", self.read_object(request)).await
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        within(context, "find", self.find_object(request)).await
    }

    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        within(context, "plan", self.plan_change(request)).await
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        self.apply_change(context, change).await
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        within(context, "import", self.import_objects(request)).await
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        within(context, "read_data", self.read_source(request)).await
    }

    async fn call(&self, function: &str, arguments: Vec<Value>) -> ProviderResult<Value> {
        self.call_function(function, arguments).await
    }

    async fn open(&self, context: &Context, request: DataRequest) -> ProviderResult<Opened> {
        within(context, "open", self.open_ephemeral(request)).await
    }

    async fn renew(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<Option<Instant>> {
        within(context, "renew", self.renew_ephemeral(type_name, private)).await
    }

    async fn close(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<()> {
        within(context, "close", self.close_ephemeral(type_name, private)).await
    }

    async fn upgrade_state(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        self.upgrade_recorded(type_name, version, &state).await
    }

    async fn take_over(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        self.take_over_state(type_name, version, &state).await
    }

    async fn hand_over(&self, type_name: &str, state: Value) -> ProviderResult<serde_json::Value> {
        self.hand_over_state(type_name, &state).await
    }

    async fn move_state(&self, from_type: &str, to_type: &str, object: Observed) -> ProviderResult<Observed> {
        self.move_object(from_type, to_type, object).await
    }

    async fn stop(&self) {
        let Some(connection) = self.client.live().await else { return };
        // Only a request: what is running goes on until it notices.
        let asked = connection.call::<Empty, StopResponse>(Method::Stop, Empty {});
        let _ = tokio::time::timeout(STOP_WITHIN, asked).await;
    }
}

/// Nothing, of any type.
pub(crate) fn null() -> Value {
    Value::null(Type::Dynamic)
}

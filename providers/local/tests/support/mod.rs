//! Drives the provider as the core does: plan, image, apply, and undo from the image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrue_provider_api::testing::{MemoryBlobs, RecordedChildren, context_with};
use retrue_provider_api::{
    Change, ConfigureRequest, Context, Effect, FindRequest, Found, Image, ImageRequest, ImportRequest, Observed,
    Outcome, PlanRequest, PlanResponse, Private, Provider, ProviderDiagnostic, ProviderError, ProviderResult,
    ReadRequest, Subject, Type, ValidateRequest, Value, proposed_state,
};

/// A directory, a provider that works in it, and one type.
pub struct World {
    pub directory: tempfile::TempDir,
    pub provider: Arc<dyn Provider>,
    pub context: Context,
    pub blobs: Arc<MemoryBlobs>,
    pub children: Arc<RecordedChildren>,
    pub type_name: &'static str,
}

pub fn null() -> Value {
    Value::null(Type::Dynamic)
}

/// What one step did, with all that its undo needs.
#[derive(Clone, Debug)]
pub struct Step {
    pub effect: Effect,
    pub image: Option<Image>,
    pub state: Value,
    pub prior: Value,
}

impl World {
    pub async fn new(type_name: &'static str) -> World {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Arc::new(MemoryBlobs::default());
        let children = Arc::new(RecordedChildren::default());
        let context = context_with(Arc::clone(&blobs) as _, Arc::clone(&children) as _);
        let provider = retrue_provider_local::provider();
        let request = ConfigureRequest { config: Value::object::<&str>([]), directory: directory.path().to_owned() };
        provider.configure(request).await.unwrap();
        World { directory, provider, context, blobs, children, type_name }
    }

    /// The same directory, looked at as another type.
    pub fn of_type(self, type_name: &'static str) -> World {
        World { type_name, ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn entries(&self) -> Vec<String> {
        entries(self.directory.path())
    }

    /// A configuration: the attributes that are set, nulls for the others.
    pub async fn config(&self, set: &[(&str, Value)]) -> Value {
        let schema = self.provider.schema().await.unwrap();
        let mut config = Value::object(
            schema
                .resources
                .get(self.type_name)
                .unwrap()
                .block
                .attributes
                .iter()
                .map(|(name, attribute)| (name.as_str(), Value::null(attribute.value_type()))),
        );
        for (name, value) in set {
            assert!(config.get(name).is_some(), "no attribute {name}");
            config = config.with_attribute(name, value.clone());
        }
        config
    }

    pub async fn validate(&self, set: &[(&str, Value)]) -> Vec<ProviderDiagnostic> {
        let config = self.config(set).await;
        let request = ValidateRequest { subject: Subject::Resource, type_name: self.type_name.into(), config };
        self.provider.validate(request).await.unwrap()
    }

    pub async fn plan(&self, prior: &Value, config: &Value) -> ProviderResult<PlanResponse> {
        let schema = self.provider.schema().await.unwrap();
        let proposed = if config.is_null() {
            config.clone()
        } else {
            proposed_state(&schema.resources.get(self.type_name).unwrap().block, prior, config)
        };
        let request = PlanRequest {
            type_name: self.type_name.into(),
            config: config.clone(),
            prior: prior.clone(),
            proposed,
            prior_private: Private::default(),
        };
        self.provider.plan(&self.context, request).await
    }

    pub fn request(&self, state: &Value, config: &Value) -> ReadRequest {
        ReadRequest {
            type_name: self.type_name.into(),
            state: state.clone(),
            config: config.clone(),
            private: Private::default(),
            identity: None,
        }
    }

    pub async fn read(&self, state: &Value, config: &Value) -> ProviderResult<Option<Value>> {
        let observed = self.provider.read(&self.context, self.request(state, config)).await?;
        Ok(observed.map(|observed| observed.state))
    }

    pub async fn find(&self, config: &Value) -> ProviderResult<Option<Value>> {
        let request = FindRequest { type_name: self.type_name.into(), config: config.clone(), marker: None };
        Ok(match self.provider.find(&self.context, request).await? {
            Found::None => None,
            Found::One(observed) => Some(observed.state),
            Found::Many(many) => panic!("{many:?}"),
        })
    }

    pub async fn import(&self, id: &str) -> ProviderResult<Vec<Observed>> {
        let request = ImportRequest { type_name: self.type_name.into(), id: id.into() };
        let found = self.provider.import(&self.context, request).await?;
        Ok(found.into_iter().map(|imported| imported.object).collect())
    }

    pub async fn image(
        &self,
        effect: Option<Effect>,
        state: &Value,
        config: &Value,
        planned: &Value,
    ) -> ProviderResult<Image> {
        let object = self.request(state, config);
        self.provider.image(&self.context, ImageRequest { object, effect, planned: planned.clone() }).await
    }

    pub fn change(&self, effect: Effect, config: &Value, prior: &Value, planned: &Value) -> Change {
        Change {
            type_name: self.type_name.into(),
            effect,
            config: config.clone(),
            prior: prior.clone(),
            prior_private: Private::default(),
            planned: planned.clone(),
            planned_private: Private::default(),
            identity: None,
            restore: None,
        }
    }

    pub async fn apply(&self, change: Change) -> Outcome {
        self.provider.apply(&self.context, change).await
    }

    /// Plans and carries out one step, with the image before it. Updates what `prior` holds.
    pub async fn step(&self, prior: &Value, config: &Value) -> Result<Step, Outcome> {
        let not_applied = Outcome::NotApplied;
        let effect = match (prior.is_null(), config.is_null()) {
            (true, _) => Effect::Create,
            (_, true) => Effect::Delete,
            _ => Effect::Update,
        };
        let response = self.plan(prior, config).await.map_err(not_applied)?;
        let image = match effect {
            Effect::Create => None,
            _ => Some(self.image(Some(effect), prior, config, &response.planned).await.map_err(Outcome::NotApplied)?),
        };
        let mut change = self.change(effect, config, prior, &response.planned);
        change.planned_private = response.planned_private;
        match self.apply(change).await {
            Outcome::Applied(applied) => {
                check_planned(&response.planned, &applied.state);
                Ok(Step { effect, image, state: applied.state, prior: prior.clone() })
            }
            other => Err(other),
        }
    }

    pub async fn create(&self, set: &[(&str, Value)]) -> Step {
        let config = self.config(set).await;
        self.step(&null(), &config).await.unwrap()
    }

    /// Takes one step back.
    pub async fn undo(&self, step: &Step) -> Outcome {
        let mut change = match (step.effect, &step.image) {
            (Effect::Create, _) => self.change(Effect::Delete, &null(), &step.state, &null()),
            (Effect::Update, Some(image)) => self.change(Effect::Update, &null(), &step.state, &image.state),
            (Effect::Delete, Some(image)) => self.change(Effect::Create, &null(), &null(), &image.state),
            (_, None) => panic!("no image"),
        };
        change.restore = step.image.clone();
        self.apply(change).await
    }
}

/// What is applied is what was planned, wherever that was known.
fn check_planned(planned: &Value, state: &Value) {
    let (Some(planned), Some(state)) = (planned.as_entries(), state.as_entries()) else {
        assert!(planned.is_null() && state.is_null());
        return;
    };
    for (name, value) in planned {
        if value.is_wholly_known() {
            assert!(state[name].same(value), "{name} was planned as {value:?} and is {:?}", state[name]);
        }
    }
    assert!(state.values().all(Value::is_wholly_known), "{state:?}");
}

pub fn applied(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Applied(applied) => applied.state,
        other => panic!("{other:?}"),
    }
}

pub fn not_applied(outcome: Outcome) -> ProviderError {
    match outcome {
        Outcome::NotApplied(error) => error,
        other => panic!("{other:?}"),
    }
}

pub fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The trials of a test program with a `main` of its own.
#[macro_export]
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        vec![$(libtest_mimic::Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

pub fn partial(outcome: Outcome) -> (Value, ProviderError) {
    match outcome {
        Outcome::Partial { applied, error } => (applied.state, error),
        other => panic!("{other:?}"),
    }
}

pub fn unknown(outcome: Outcome) -> ProviderError {
    match outcome {
        Outcome::Unknown { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

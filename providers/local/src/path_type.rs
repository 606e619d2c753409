//! What the types that are found by a path have in common.

use retrue_provider_api::{
    Applied, Capability, Change, Image, ImageRequest, Observed, Outcome, Path as AttributePath, PlanRequest,
    PlanResponse, ProviderDiagnostic, ProviderError, ProviderResult, ReadRequest, Type, TypeSchema, Value,
};

use crate::errors;
use crate::here::Here;

/// What paths are unique in: whatever is there has one kind.
pub(crate) const SPACE: &str = "path";

/// A type whose objects are found by a path. The verbs block, and are called on threads that may.
pub(crate) trait PathType: Send + Sync {
    /// Its attributes.
    fn schema(&self) -> TypeSchema;

    /// What the schema cannot say.
    fn validate(&self, config: &Value) -> Vec<ProviderDiagnostic>;

    /// What it can do.
    fn capability(&self, _config: &Value) -> Capability {
        Capability { reads_back: true, ..Capability::default() }
    }

    /// What is at the path. `request.state` and `request.config` say how it was written; with both of
    /// them but for the path null, everything that is there is told.
    fn observe(&self, here: &Here, operation: &str, request: &ReadRequest) -> ProviderResult<Option<Observed>>;

    /// What it will look like. Never called for a delete.
    fn plan(&self, here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse>;

    /// What a delete means.
    fn plan_delete(&self, _here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse> {
        Ok(PlanResponse::of(request.proposed))
    }

    /// Carries out a change.
    fn apply(&self, here: &Here, change: Change) -> ProviderResult<Effected>;

    /// Keeps what is needed to bring it back.
    fn image(&self, here: &Here, request: ImageRequest) -> ProviderResult<Image>;

    /// Removes what an interrupted change left.
    fn recover(&self, here: &Here, request: &ReadRequest) -> ProviderResult<()>;
}

/// What came of a change of which at least part was carried out. What was not at all is an error.
pub(crate) struct Effected {
    pub(crate) applied: Applied,
    /// What did not work out.
    pub(crate) error: Option<ProviderError>,
}

impl Effected {
    /// All of it, or part of it when there is an error.
    pub(crate) fn with(state: Value, error: Option<ProviderError>) -> Self {
        Effected { applied: Applied::of(state), error }
    }

    /// It is gone. What else did not work out (it may not be durable) is a warning: nothing is left
    /// of which more could be said.
    pub(crate) fn gone(error: Option<ProviderError>) -> Self {
        let warnings = error.map(|error| format!("{error:#}")).into_iter().collect();
        Effected { applied: Applied { warnings, ..Applied::gone() }, error: None }
    }

    pub(crate) fn outcome(result: ProviderResult<Self>) -> Outcome {
        match result {
            Ok(Effected { applied, error: None }) => Outcome::Applied(applied),
            Ok(Effected { applied, error: Some(error) }) => Outcome::Partial { applied, error },
            Err(error) => Outcome::NotApplied(error),
        }
    }
}

/// The path of an object, as it was written.
pub(crate) fn written_path<'v>(operation: &str, values: &'v Value) -> ProviderResult<&'v str> {
    values.get("path").and_then(Value::as_str).ok_or_else(|| errors::invalid(operation, "the path is not known"))
}

/// How things were written: by the configuration where there is one, else in the last known state. The
/// path is always that of the state: an object stays where it is while another place is configured.
pub(crate) fn written(request: &ReadRequest) -> Value {
    if request.config.is_null() {
        return request.state.clone();
    }
    match request.state.get("path") {
        Some(path) if !path.is_null() => request.config.clone().with_attribute("path", path.clone()),
        _ => request.config.clone(),
    }
}

/// Whether another path is meant than before, however it is written.
pub(crate) fn path_replaces(here: &Here, prior: &Value, planned: &Value) -> Vec<AttributePath> {
    let identity = |values: &Value| Some(here.places.normal(values.get("path")?.as_str()?));
    if prior.is_null() || identity(planned).is_some_and(|path| Some(path) == identity(prior)) {
        return Vec::new();
    }
    vec![AttributePath::attribute("path")]
}

/// A planned state in which what a create leaves to the system is unknown.
pub(crate) fn unknown_where_unset(mut planned: Value, names: &[&str]) -> Value {
    for name in names {
        if planned.get(name).is_none_or(Value::is_null) {
            planned = planned.with_attribute(name, Value::unknown(Type::String));
        }
    }
    planned
}

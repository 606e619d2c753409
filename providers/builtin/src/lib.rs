//! The provider `retrue`: what retrue itself offers, without anything outside.
#![doc = include_str!("docs.md")]

mod config;
mod data;

use std::sync::Arc;

use async_trait::async_trait;
use retrue_provider_api::{
    Applied, Capability, Category, Change, ConfigureRequest, Context, FindRequest, Findable, Found, ImportRequest,
    Imported, Observed, Outcome, PlanRequest, PlanResponse, Provider, ProviderDiagnostic, ProviderError,
    ProviderResult, ProviderSchema, ReadRequest, ValidateRequest, Value,
};

/// Makes an instance, to be configured.
pub fn provider() -> Arc<dyn Provider> {
    Arc::new(Builtin { schema: Arc::new(config::schema()) })
}

/// The provider of built-in types.
struct Builtin {
    schema: Arc<ProviderSchema>,
}

#[async_trait]
impl Provider for Builtin {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        Ok(Arc::clone(&self.schema))
    }

    async fn configure(&self, _request: ConfigureRequest) -> ProviderResult<()> {
        Ok(())
    }

    async fn validate(&self, _request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        Ok(Vec::new())
    }

    fn capability(&self, _type_name: &str, _config: &Value) -> Capability {
        Capability { findable: Findable::NothingOutside, reads_back: true, ..Capability::default() }
    }

    async fn read(&self, _context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        known(&request.type_name, "read")?;
        Ok(Some(Observed::of(request.state)))
    }

    async fn find(&self, _context: &Context, request: FindRequest) -> ProviderResult<Found> {
        known(&request.type_name, "find")?;
        Ok(Found::None)
    }

    async fn plan(&self, _context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        known(&request.type_name, "plan")?;
        Ok(data::plan(request))
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        match known(&change.type_name, "apply") {
            Ok(()) => Outcome::Applied(Applied::of(data::apply(context, change))),
            Err(error) => Outcome::NotApplied(error),
        }
    }

    async fn import(&self, _context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        known(&request.type_name, "import")?;
        let object = Observed::of(data::imported(&request.id));
        Ok(vec![Imported { type_name: request.type_name, object }])
    }

    async fn take_over(&self, type_name: &str, _version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        known(type_name, "take_over")?;
        data::taken_over(&state).ok_or_else(|| {
            ProviderError::new(Category::Validation, "take_over", "this is no state of a `terraform_data`")
        })
    }

    /// A `null_resource` of Terraform's, which has triggers alone, becomes a `retrue_data`.
    async fn move_state(&self, from_type: &str, to_type: &str, object: Observed) -> ProviderResult<Observed> {
        known(to_type, "move_state")?;
        if from_type != data::NULL_RESOURCE {
            return Err(ProviderError::unsupported("move_state"));
        }
        Ok(Observed::of(data::of_null_resource(&object.state)))
    }

    async fn hand_over(&self, type_name: &str, state: Value) -> ProviderResult<serde_json::Value> {
        known(type_name, "hand_over")?;
        data::handed_over(&state)
            .ok_or_else(|| ProviderError::new(Category::Validation, "hand_over", "something in it is not known yet"))
    }
}

fn known(type_name: &str, operation: &str) -> ProviderResult<()> {
    if type_name == data::TYPE {
        return Ok(());
    }
    Err(ProviderError::new(Category::Validation, operation, format!("there is no built-in type `{type_name}`")))
}

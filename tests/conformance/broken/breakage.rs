//! A wrapper that passes everything on, but for what is broken.

use std::sync::Arc;

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Change, ConfigureRequest, Context, DataRequest, FindRequest, Found, Image, ImageRequest, ImportRequest,
    Imported, Observed, Outcome, PlanRequest, PlanResponse, Provider, ProviderDiagnostic, ProviderResult,
    ProviderSchema, ReadRequest, ValidateRequest, Value,
};
use serde_json::Value as Json;

/// What is broken. Every verb that is not overridden works.
#[async_trait]
pub trait Breakage: Send + Sync {
    async fn schema(&self, good: &dyn Provider) -> ProviderResult<Arc<ProviderSchema>> {
        good.schema().await
    }
    async fn validate(&self, good: &dyn Provider, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        good.validate(request).await
    }
    fn capability(&self, good: &dyn Provider, type_name: &str, config: &Value) -> Capability {
        good.capability(type_name, config)
    }
    fn identity(&self, good: &dyn Provider, type_name: &str, config: &Value) -> Option<Value> {
        good.identity(type_name, config)
    }
    async fn read(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ReadRequest,
    ) -> ProviderResult<Option<Observed>> {
        good.read(context, request).await
    }
    async fn find(&self, good: &dyn Provider, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        good.find(context, request).await
    }
    async fn plan(&self, good: &dyn Provider, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        good.plan(context, request).await
    }
    async fn apply(&self, good: &dyn Provider, context: &Context, change: Change) -> Outcome {
        good.apply(context, change).await
    }
    async fn image(&self, good: &dyn Provider, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        good.image(context, request).await
    }
    async fn recover(&self, good: &dyn Provider, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        good.recover(context, request).await
    }
    async fn import(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ImportRequest,
    ) -> ProviderResult<Vec<Imported>> {
        good.import(context, request).await
    }
    async fn read_data(&self, good: &dyn Provider, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        good.read_data(context, request).await
    }
    async fn upgrade_state(
        &self,
        good: &dyn Provider,
        type_name: &str,
        version: u64,
        state: Json,
    ) -> ProviderResult<Value> {
        good.upgrade_state(type_name, version, state).await
    }
}

/// A good provider with something broken on top.
pub struct Wrapper<B> {
    pub good: Arc<dyn Provider>,
    pub breakage: B,
}

#[async_trait]
impl<B: Breakage> Provider for Wrapper<B> {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        self.breakage.schema(self.good.as_ref()).await
    }
    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        self.good.configure(request).await
    }
    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        self.breakage.validate(self.good.as_ref(), request).await
    }
    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        self.breakage.capability(self.good.as_ref(), type_name, config)
    }
    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        self.breakage.identity(self.good.as_ref(), type_name, config)
    }
    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        self.breakage.read(self.good.as_ref(), context, request).await
    }
    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        self.breakage.find(self.good.as_ref(), context, request).await
    }
    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        self.breakage.plan(self.good.as_ref(), context, request).await
    }
    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        self.breakage.apply(self.good.as_ref(), context, change).await
    }
    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        self.breakage.image(self.good.as_ref(), context, request).await
    }
    async fn recover(&self, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        self.breakage.recover(self.good.as_ref(), context, request).await
    }
    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        self.breakage.import(self.good.as_ref(), context, request).await
    }
    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        self.breakage.read_data(self.good.as_ref(), context, request).await
    }
    async fn upgrade_state(&self, type_name: &str, version: u64, state: Json) -> ProviderResult<Value> {
        self.breakage.upgrade_state(self.good.as_ref(), type_name, version, state).await
    }
}

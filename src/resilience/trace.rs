//! A provider whose calls are in the log: what was called, for how long, and how it ended. Nothing of
//! what went in or out is, for it may be secret.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Change, ConfigureRequest, Context, DataRequest, FindRequest, Found, Image, ImageRequest, ImportRequest,
    Imported, Observed, Opened, Outcome, PlanRequest, PlanResponse, Private, Provider, ProviderDiagnostic,
    ProviderError, ProviderResult, ProviderSchema, ReadRequest, ValidateRequest, Value,
};

/// A provider that tells what it is asked.
pub struct Traced {
    name: String,
    inner: Arc<dyn Provider>,
}

/// One call.
struct Call<'c> {
    provider: &'c str,
    operation: &'static str,
    context: Option<&'c Context>,
    type_name: &'c str,
    began: tokio::time::Instant,
}

impl Traced {
    /// Wraps a provider.
    pub fn wrap(name: &str, inner: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Traced { name: name.to_owned(), inner })
    }

    fn begin<'c>(&'c self, operation: &'static str, context: Option<&'c Context>, type_name: &'c str) -> Call<'c> {
        Call { provider: &self.name, operation, context, type_name, began: tokio::time::Instant::now() }
    }

    async fn traced<'c, T>(
        &'c self,
        operation: &'static str,
        context: Option<&'c Context>,
        type_name: &'c str,
        call: impl Future<Output = ProviderResult<T>> + Send,
    ) -> ProviderResult<T> {
        let begun = self.begin(operation, context, type_name);
        let result = call.await;
        begun.ended("ok", result.as_ref().err());
        result
    }
}

impl Call<'_> {
    fn ended(&self, outcome: &str, error: Option<&ProviderError>) {
        let Call { provider, operation, type_name, .. } = self;
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let outcome = if error.is_some() && outcome == "ok" { "error" } else { outcome };
        let category = error.map(|error| tracing::field::display(error.category));
        let (run_id, step, key, address, attempt) = match self.context {
            Some(context) => (
                context.run.as_str(),
                context.step.as_str(),
                context.idempotency_key.as_str(),
                context.address.as_str(),
                context.attempt,
            ),
            None => ("", "", "", "", 0),
        };
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        tracing::debug!(
            provider,
            operation,
            "type" = given(type_name),
            address = given(address),
            run_id = given(run_id),
            step = given(step),
            idempotency_key = given(key),
            attempt = Some(attempt).filter(|attempt| *attempt > 0),
            duration_ms,
            outcome,
            category,
            "provider call"
        );
    }
}

#[async_trait]
impl Provider for Traced {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        self.inner.schema().await
    }

    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        Traced::traced(self, "configure", None, "", self.inner.configure(request)).await
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "validate", None, &type_name, self.inner.validate(request)).await
    }

    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        self.inner.capability(type_name, config)
    }

    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        self.inner.identity(type_name, config)
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "read", Some(context), &type_name, self.inner.read(context, request)).await
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "find", Some(context), &type_name, self.inner.find(context, request)).await
    }

    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "plan", Some(context), &type_name, self.inner.plan(context, request)).await
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        let type_name = change.type_name.clone();
        let begun = self.begin("apply", Some(context), &type_name);
        let outcome = self.inner.apply(context, change).await;
        match &outcome {
            Outcome::Applied(_) => begun.ended("applied", None),
            Outcome::Partial { error, .. } => begun.ended("partial", Some(error)),
            Outcome::NotApplied(error) => begun.ended("not_applied", Some(error)),
            Outcome::Unknown { error, .. } => begun.ended("unknown", Some(error)),
        }
        outcome
    }

    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        let type_name = request.object.type_name.clone();
        Traced::traced(self, "image", Some(context), &type_name, self.inner.image(context, request)).await
    }

    async fn recover(&self, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "recover", Some(context), &type_name, self.inner.recover(context, request)).await
    }

    async fn presume(&self, context: &Context, type_name: &str, planned: Value) -> ProviderResult<Option<Value>> {
        Traced::traced(self, "presume", Some(context), type_name, self.inner.presume(context, type_name, planned)).await
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "import", Some(context), &type_name, self.inner.import(context, request)).await
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "read_data", Some(context), &type_name, self.inner.read_data(context, request)).await
    }

    async fn read_many(
        &self,
        context: &Context,
        requests: Vec<ReadRequest>,
    ) -> ProviderResult<Vec<ProviderResult<Option<Observed>>>> {
        let type_name = requests.first().map(|request| request.type_name.clone()).unwrap_or_default();
        Traced::traced(self, "read_many", Some(context), &type_name, self.inner.read_many(context, requests)).await
    }

    async fn list(&self, context: &Context, type_name: &str) -> ProviderResult<Vec<Observed>> {
        Traced::traced(self, "list", Some(context), type_name, self.inner.list(context, type_name)).await
    }

    async fn call(&self, function: &str, arguments: Vec<Value>) -> ProviderResult<Value> {
        Traced::traced(self, "call", None, "", self.inner.call(function, arguments)).await
    }

    async fn open(&self, context: &Context, request: DataRequest) -> ProviderResult<Opened> {
        let type_name = request.type_name.clone();
        Traced::traced(self, "open", Some(context), &type_name, self.inner.open(context, request)).await
    }

    async fn renew(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<Option<Instant>> {
        Traced::traced(self, "renew", Some(context), type_name, self.inner.renew(context, type_name, private)).await
    }

    async fn close(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<()> {
        Traced::traced(self, "close", Some(context), type_name, self.inner.close(context, type_name, private)).await
    }

    async fn upgrade_state(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        Traced::traced(self, "upgrade_state", None, type_name, self.inner.upgrade_state(type_name, version, state))
            .await
    }

    async fn take_over(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        Traced::traced(self, "take_over", None, type_name, self.inner.take_over(type_name, version, state)).await
    }

    async fn hand_over(&self, type_name: &str, state: Value) -> ProviderResult<serde_json::Value> {
        Traced::traced(self, "hand_over", None, type_name, self.inner.hand_over(type_name, state)).await
    }

    async fn move_state(&self, from_type: &str, to_type: &str, state: Value) -> ProviderResult<Value> {
        Traced::traced(self, "move_state", None, to_type, self.inner.move_state(from_type, to_type, state)).await
    }

    async fn stop(&self) {
        self.inner.stop().await;
    }
}

#[cfg(test)]
mod tests {
    /// A verb with a default that is not passed on would silently be that default.
    #[test]
    fn every_verb_is_passed_on() {
        let verbs = |text: &str, from: &str, to: &str| -> Vec<String> {
            let text = &text[text.find(from).unwrap()..];
            let text = &text[..text.find(to).unwrap()];
            let named = text.split(" fn ").skip(1).map(|rest| rest.split('(').next().unwrap().to_owned());
            named.collect()
        };
        let contract = include_str!("../../providers/api/src/provider.rs");
        let here = include_str!("trace.rs");
        assert_eq!(verbs(contract, "pub trait Provider:", "\n}\n"), verbs(here, "impl Provider for Traced", "\n}\n"));
    }
}

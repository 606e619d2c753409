//! A provider whose calls are told: to the log, and to whoever counts them or draws them as spans. What was called, for
//! how long, and how it ended; nothing of what went in or out is told, for it may be secret.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Change, ConfigureRequest, Context, DataRequest, FindRequest, Found, Image, ImageRequest, ImportRequest,
    Imported, Observed, Opened, Outcome, PlanRequest, PlanResponse, Private, Provider, ProviderDiagnostic,
    ProviderError, ProviderResult, ProviderSchema, ReadRequest, ValidateRequest, Value,
};

use crate::telemetry::{self, CallFacts, CallOutcome, OpenCall};

/// A provider that tells what it is asked.
pub struct Traced {
    name: Arc<str>,
    inner: Arc<dyn Provider>,
}

/// One call that somebody listens to. Where nobody does, there is none, and nothing is copied for it.
struct Call {
    provider: Arc<str>,
    operation: &'static str,
    type_name: String,
    run: String,
    step: String,
    address: String,
    attempt: u32,
    idempotency_key: String,
    began: tokio::time::Instant,
    span: Option<Box<dyn OpenCall>>,
    told: bool,
}

impl Traced {
    /// Wraps the provider of an instance.
    pub fn wrap(name: &str, inner: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Traced { name: name.into(), inner })
    }

    fn begin(&self, operation: &'static str, context: Option<&Context>, type_name: &str) -> Option<Call> {
        let telemetry = telemetry::get();
        if telemetry.is_none() && !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        let of = |part: fn(&Context) -> &String| context.map(|context| part(context).clone()).unwrap_or_default();
        let mut call = Call {
            provider: Arc::clone(&self.name),
            operation,
            type_name: type_name.to_owned(),
            run: of(|context| &context.run),
            step: of(|context| &context.step),
            address: of(|context| &context.address),
            attempt: context.map_or(0, |context| context.attempt),
            idempotency_key: of(|context| &context.idempotency_key),
            began: tokio::time::Instant::now(),
            span: None,
            told: false,
        };
        call.span = telemetry.and_then(|telemetry| telemetry.call_began(&call.facts()));
        Some(call)
    }

    /// A call with a context, and the context that it has within the trace.
    fn within<'c>(
        &self,
        operation: &'static str,
        context: &'c Context,
        type_name: &str,
    ) -> (Option<Call>, Cow<'c, Context>) {
        let call = self.begin(operation, Some(context), type_name);
        let context = match call.as_ref().and_then(|call| call.span.as_ref()) {
            Some(span) => Cow::Owned(Context { trace_parent: Some(span.trace_parent()), ..context.clone() }),
            None => Cow::Borrowed(context),
        };
        (call, context)
    }
}

/// Makes a call, and tells how it ended.
async fn told<T>(call: Option<Call>, made: impl Future<Output = ProviderResult<T>> + Send) -> ProviderResult<T> {
    let result = made.await;
    if let Some(call) = call {
        let error = result.as_ref().err();
        call.ended(if error.is_some() { "error" } else { "ok" }, error);
    }
    result
}

impl Call {
    fn facts(&self) -> CallFacts<'_> {
        CallFacts {
            provider: &self.provider,
            operation: self.operation,
            type_name: &self.type_name,
            run: &self.run,
            step: &self.step,
            address: &self.address,
            attempt: self.attempt,
            idempotency_key: &self.idempotency_key,
        }
    }

    fn ended(mut self, outcome: &'static str, error: Option<&ProviderError>) {
        self.tell(outcome, error);
    }

    fn tell(&mut self, outcome: &'static str, error: Option<&ProviderError>) {
        self.told = true;
        let took = self.began.elapsed();
        let category = error.map(|error| error.category.to_string());
        let category = category.as_deref();
        if let Some(telemetry) = telemetry::get() {
            let span = self.span.take();
            telemetry.call_ended(&self.facts(), span, &CallOutcome { outcome, category, took });
        }
        let given = |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
        tracing::debug!(
            provider = &*self.provider,
            operation = self.operation,
            "type" = given(&self.type_name),
            address = given(&self.address),
            run_id = given(&self.run),
            step = given(&self.step),
            idempotency_key = given(&self.idempotency_key),
            attempt = Some(self.attempt).filter(|attempt| *attempt > 0),
            duration_ms = milliseconds(took),
            outcome,
            category,
            "provider call"
        );
    }
}

/// Whoever called has stopped waiting.
impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.tell("given_up", None);
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Provider for Traced {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        self.inner.schema().await
    }

    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        told(self.begin("configure", None, ""), self.inner.configure(request)).await
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        told(self.begin("validate", None, &request.type_name), self.inner.validate(request)).await
    }

    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        self.inner.capability(type_name, config)
    }

    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        self.inner.identity(type_name, config)
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        let (call, context) = self.within("read", context, &request.type_name);
        told(call, self.inner.read(&context, request)).await
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let (call, context) = self.within("find", context, &request.type_name);
        told(call, self.inner.find(&context, request)).await
    }

    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let (call, context) = self.within("plan", context, &request.type_name);
        told(call, self.inner.plan(&context, request)).await
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        let (call, context) = self.within("apply", context, &change.type_name);
        let outcome = self.inner.apply(&context, change).await;
        if let Some(call) = call {
            match &outcome {
                Outcome::Applied(_) => call.ended("applied", None),
                Outcome::Partial { error, .. } => call.ended("partial", Some(error)),
                Outcome::NotApplied(error) => call.ended("not_applied", Some(error)),
                Outcome::Unknown { error, .. } => call.ended("unknown", Some(error)),
            }
        }
        outcome
    }

    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        let (call, context) = self.within("image", context, &request.object.type_name);
        told(call, self.inner.image(&context, request)).await
    }

    async fn recover(&self, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        let (call, context) = self.within("recover", context, &request.type_name);
        told(call, self.inner.recover(&context, request)).await
    }

    async fn presume(&self, context: &Context, type_name: &str, planned: Value) -> ProviderResult<Option<Value>> {
        let (call, context) = self.within("presume", context, type_name);
        told(call, self.inner.presume(&context, type_name, planned)).await
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        let (call, context) = self.within("import", context, &request.type_name);
        told(call, self.inner.import(&context, request)).await
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        let (call, context) = self.within("read_data", context, &request.type_name);
        told(call, self.inner.read_data(&context, request)).await
    }

    async fn read_many(
        &self,
        context: &Context,
        requests: Vec<ReadRequest>,
    ) -> ProviderResult<Vec<ProviderResult<Option<Observed>>>> {
        let type_name = requests.first().map_or("", |request| &request.type_name);
        let (call, context) = self.within("read_many", context, type_name);
        told(call, self.inner.read_many(&context, requests)).await
    }

    async fn list(&self, context: &Context, type_name: &str) -> ProviderResult<Vec<Observed>> {
        let (call, context) = self.within("list", context, type_name);
        told(call, self.inner.list(&context, type_name)).await
    }

    async fn call(&self, function: &str, arguments: Vec<Value>) -> ProviderResult<Value> {
        told(self.begin("call", None, ""), self.inner.call(function, arguments)).await
    }

    async fn open(&self, context: &Context, request: DataRequest) -> ProviderResult<Opened> {
        let (call, context) = self.within("open", context, &request.type_name);
        told(call, self.inner.open(&context, request)).await
    }

    async fn renew(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<Option<Instant>> {
        let (call, context) = self.within("renew", context, type_name);
        told(call, self.inner.renew(&context, type_name, private)).await
    }

    async fn close(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<()> {
        let (call, context) = self.within("close", context, type_name);
        told(call, self.inner.close(&context, type_name, private)).await
    }

    async fn upgrade_state(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        told(self.begin("upgrade_state", None, type_name), self.inner.upgrade_state(type_name, version, state)).await
    }

    async fn take_over(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        told(self.begin("take_over", None, type_name), self.inner.take_over(type_name, version, state)).await
    }

    async fn hand_over(&self, type_name: &str, state: Value) -> ProviderResult<serde_json::Value> {
        told(self.begin("hand_over", None, type_name), self.inner.hand_over(type_name, state)).await
    }

    async fn move_state(&self, from_type: &str, to_type: &str, object: Observed) -> ProviderResult<Observed> {
        told(self.begin("move_state", None, to_type), self.inner.move_state(from_type, to_type, object)).await
    }

    async fn stop(&self) {
        self.inner.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing listens in this process: no call is described, and no context copied.
    #[test]
    fn where_nobody_listens_nothing_is_copied() {
        let script = retrue_provider_builtin::provider();
        let traced = Traced { name: "x".into(), inner: script };
        let context = retrue_provider_api::testing::context();
        let (call, given) = traced.within("read", &context, "x_y");
        assert!(call.is_none() && matches!(given, Cow::Borrowed(_)));
        assert!(traced.begin("validate", None, "").is_none());
    }

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

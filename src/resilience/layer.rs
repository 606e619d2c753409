//! A provider behind its guard.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Category, Change, ConfigureRequest, Context, DataRequest, Effect, FindRequest, Found, Image,
    ImageRequest, ImportRequest, Imported, Observed, Opened, Outcome, PlanRequest, PlanResponse, Private, Provider,
    ProviderDiagnostic, ProviderError, ProviderResult, ProviderSchema, ReadRequest, TimeLimits, ValidateRequest, Value,
};

use super::backoff::Failed;
use super::guard::{Guard, Held, Kind, Patience};

/// How long a provider that is told to end at a deadline may take to say so.
const GRACE: Duration = Duration::from_secs(10);

/// A wait that a person is told of.
const LONG: Duration = Duration::from_secs(5);

/// A provider behind its guard.
pub struct Layered {
    guard: Arc<Guard>,
    inner: Arc<dyn Provider>,
}

/// One call, for all its tries.
struct Call<'c> {
    operation: &'static str,
    type_name: &'c str,
    context: &'c Context,
}

impl Layered {
    /// Puts a provider behind a guard.
    pub fn wrap(guard: Arc<Guard>, inner: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Layered { guard, inner })
    }

    /// What an answer says, by what the user knows of errors.
    fn told<T>(&self, answer: ProviderResult<T>) -> ProviderResult<T> {
        self.guard.policy().errors.answer(answer)
    }

    /// The way that is gone, and the provider on it.
    async fn current(&self) -> ProviderResult<(usize, Arc<dyn Provider>)> {
        loop {
            let way = self.guard.way();
            match self.guard.provider(way, &self.inner).await {
                Err(error) if failed(&error).is_outage() && self.guard.leave(way, error.category) => {}
                made => return made.map(|made| (way, made)),
            }
        }
    }

    /// A call that may be made twice and mostly needs nobody outside: that it works says nothing of the other side, so
    /// it has a deadline, and another way where it fails by an outage, and nothing else.
    async fn looking<T, F: Future<Output = ProviderResult<T>> + Send>(
        &self,
        operation: &str,
        context: &Context,
        make: impl Fn(Arc<dyn Provider>, Context) -> F + Send,
    ) -> ProviderResult<T> {
        let limit = left(context);
        loop {
            let (way, provider) = self.current().await?;
            let context = Context { deadline: crate::clock::deadline(limit), ..context.clone() };
            match self.told(in_time(operation, &context, make(provider, context.clone())).await) {
                Err(error)
                    if failed(&error).is_outage()
                        && !context.cancellation.is_cancelled()
                        && self.guard.leave(way, error.category) => {}
                answer => return answer,
            }
        }
    }

    /// What needs no more than a configuration: that of the way that is gone, where it was made.
    fn made(&self) -> &Arc<dyn Provider> {
        self.guard.ways().made(self.guard.way(), &self.inner)
    }

    /// A call that changes nothing: tried again where its failure may pass. Each try has the whole time.
    async fn read_only<T, F: Future<Output = ProviderResult<T>> + Send>(
        &self,
        call: Call<'_>,
        make: impl Fn(Arc<dyn Provider>, Context) -> F + Send,
    ) -> ProviderResult<T> {
        let limit = left(call.context);
        // Only a run waits for what does not work to work again: whoever looks is told at once.
        let wait = !call.context.run.is_empty();
        let cancellation = &call.context.cancellation;
        let (mut waits, mut patience, mut attempt) = (self.guard.waits(), Patience::default(), 1);
        let began = tokio::time::Instant::now();
        let mut last: Option<ProviderError> = None;
        loop {
            let entered =
                self.guard.enter((call.type_name, Kind::Read), wait, &mut patience, cancellation).await.map_err(
                    |held| match last.take() {
                        // Why it failed says more than that it is not sent again.
                        Some(error) => ProviderError { retry: false, ..error.with("then", held) },
                        None => not_sent(call.operation, &held),
                    },
                )?;
            let made = self.guard.provider(entered.way(), &self.inner).await;
            // What it took to have the provider is no time of the call.
            let context = Context { deadline: crate::clock::deadline(limit), ..call.context.clone() };
            let (error, late) = match made {
                Ok(provider) => match tokio::time::timeout(limit, make(provider, context)).await {
                    Ok(Ok(answer)) => {
                        entered.ended(None);
                        return Ok(answer);
                    }
                    Ok(Err(error)) => (self.guard.policy().errors.told(error), false),
                    Err(_) => (no_answer(call.operation, limit), true),
                },
                Err(error) => (error, false),
            };
            let failed = failed(&error);
            entered.ended(Some(failed));
            if cancellation.is_cancelled() {
                return Err(error);
            }
            // What did not answer in its whole time is not asked again for as long, but on another way.
            if late {
                if !self.guard.elsewhere(&mut waits, failed, attempt, began.elapsed()) {
                    return Err(error);
                }
                (attempt, last) = (attempt + 1, Some(error));
                continue;
            }
            if wait && self.guard.waits_instead((call.type_name, &[Kind::Read]), failed) {
                last = Some(error);
                continue;
            }
            let Some(pause) = self.guard.again(&mut waits, failed, attempt, began.elapsed()) else {
                let retry = &self.guard.policy().retry;
                return Err(match self.guard.asks_too_much(retry, &waits, failed, attempt, began.elapsed()) {
                    Some(why) => ProviderError { message: format!("{}; {why}", error.message), ..error },
                    None => error,
                });
            };
            if pause >= LONG {
                // Nothing else says that a look takes so long.
                tracing::warn!(
                    operation = call.operation,
                    address = call.context.address,
                    category = tracing::field::display(error.category),
                    "the other side refused: it is asked again in {} s",
                    pause.as_secs()
                );
            }
            tracing::info!(
                operation = call.operation,
                "type" = call.type_name,
                address = call.context.address,
                attempt,
                wait_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                category = tracing::field::display(error.category),
                "trying again"
            );
            attempt += 1;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancellation.cancelled() => return Err(error),
            }
            last = Some(error);
        }
    }
}

/// What a failure says about another try.
fn failed(error: &ProviderError) -> Failed {
    Failed { category: error.category, retryable: error.retry, retry_after: error.retry_after }
}

/// How long a call may take, by its deadline.
fn left(context: &Context) -> Duration {
    context.deadline.saturating_duration_since(tokio::time::Instant::now().into_std())
}

/// A call that mostly needs nobody outside: that it works says nothing of the other side, so only its deadline holds.
async fn in_time<T>(
    operation: &str,
    context: &Context,
    call: impl Future<Output = ProviderResult<T>> + Send,
) -> ProviderResult<T> {
    timed(operation, left(context), call).await
}

async fn timed<T>(
    operation: &str,
    limit: Duration,
    call: impl Future<Output = ProviderResult<T>> + Send,
) -> ProviderResult<T> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(no_answer(operation, limit)))
}

fn no_answer(operation: &str, limit: Duration) -> ProviderError {
    ProviderError::new(Category::TimeOut, operation, format!("no answer within {} s", limit.as_secs()))
}

fn not_sent(operation: &str, held: &Held) -> ProviderError {
    let message = held.to_string();
    ProviderError { retry: false, ..ProviderError::new(Category::Transient, operation, message) }
}

#[async_trait]
impl Provider for Layered {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        self.inner.schema().await
    }

    /// As it is configured; where that fails by an outage, in the next way that can be.
    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        let configured = match self.guard.ways().configured_within() {
            // Where there is another way, one that does not answer is left in time.
            Some(limit) => timed("configure", limit, self.inner.configure(request)).await,
            None => self.inner.configure(request).await,
        };
        let Err(error) = configured else { return Ok(()) };
        if !failed(&error).is_outage() || !self.guard.leave(0, error.category) {
            return Err(error);
        }
        match self.current().await {
            Ok(_) => Ok(()),
            Err(other) => Err(error.with("then", format!("{other:#}"))),
        }
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        self.inner.validate(request).await
    }

    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        let capability = self.made().capability(type_name, config);
        let (said, by_type) = (&self.guard.policy().time_outs, capability.time_limits);
        let time_limits = TimeLimits {
            read: said.read.unwrap_or(by_type.read),
            create: said.create.unwrap_or(by_type.create),
            update: said.update.unwrap_or(by_type.update),
            delete: said.delete.unwrap_or(by_type.delete),
        };
        Capability { time_limits, ..capability }
    }

    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        self.made().identity(type_name, config)
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        let call = Call { operation: "read", type_name: &request.type_name, context };
        let request = &request;
        let found = self
            .read_only(call, |provider, context| async move { provider.read(&context, request.clone()).await })
            .await?;
        let ways = self.guard.ways();
        if found.is_some() && ways.count() > 0 {
            ways.seen.saw(context, request, || self.capability(&request.type_name, &request.config));
        }
        Ok(found)
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let call = Call { operation: "find", type_name: &request.type_name, context };
        let request = &request;
        self.read_only(call, |provider, context| async move { provider.find(&context, request.clone()).await }).await
    }

    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let request = &request;
        let make = |provider: Arc<dyn Provider>, context| async move { provider.plan(&context, request.clone()).await };
        self.looking("plan", context, make).await
    }

    /// Once: whoever carries out the step looks at the world before another try.
    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        let limit = left(context);
        let operation = match change.effect {
            Effect::Create => "create",
            Effect::Update => "update",
            Effect::Delete => "delete",
        };
        let mut patience = Patience::default();
        let service = (change.type_name.as_str(), Kind::Write);
        let entered = match self.guard.enter(service, true, &mut patience, &context.cancellation).await {
            Ok(entered) => entered,
            Err(held) => return Outcome::NotApplied(not_sent(operation, &held)),
        };
        let provider = match self.guard.provider(entered.way(), &self.inner).await {
            Ok(provider) => provider,
            Err(error) => {
                entered.ended(Some(failed(&error)));
                return Outcome::NotApplied(error);
            }
        };
        self.guard.ways().seen.changes(&context.address);
        let context = Context { deadline: crate::clock::deadline(limit), ..context.clone() };
        let outcome = match tokio::time::timeout(limit + GRACE, provider.apply(&context, change)).await {
            Ok(outcome) => self.guard.policy().errors.outcome(outcome),
            // What was asked for may still be under way: another try must not come in between.
            Err(_) => {
                let error = ProviderError { retry: false, ..no_answer(operation, limit) };
                Outcome::Unknown { error, best_known: None }
            }
        };
        entered.ended(match &outcome {
            Outcome::Applied(_) => None,
            Outcome::Partial { error, .. } | Outcome::NotApplied(error) | Outcome::Unknown { error, .. } => {
                Some(failed(error))
            }
        });
        outcome
    }

    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        let request = &request;
        let make =
            |provider: Arc<dyn Provider>, context| async move { provider.image(&context, request.clone()).await };
        self.looking("image", context, make).await
    }

    async fn recover(&self, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        let (_, provider) = self.current().await?;
        self.told(in_time("recover", context, provider.recover(context, request)).await)
    }

    async fn presume(&self, context: &Context, type_name: &str, planned: Value) -> ProviderResult<Option<Value>> {
        self.current().await?.1.presume(context, type_name, planned).await
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        let call = Call { operation: "import", type_name: &request.type_name, context };
        let request = &request;
        self.read_only(call, |provider, context| async move { provider.import(&context, request.clone()).await }).await
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        let call = Call { operation: "read", type_name: &request.type_name, context };
        let request = &request;
        self.read_only(call, |provider, context| async move { provider.read_data(&context, request.clone()).await })
            .await
    }

    async fn read_many(
        &self,
        context: &Context,
        requests: Vec<ReadRequest>,
    ) -> ProviderResult<Vec<ProviderResult<Option<Observed>>>> {
        let type_name = requests.first().map(|request| request.type_name.clone()).unwrap_or_default();
        let call = Call { operation: "read", type_name: &type_name, context };
        let requests = &requests;
        self.read_only(call, |provider, context| async move { provider.read_many(&context, requests.clone()).await })
            .await
    }

    async fn list(&self, context: &Context, type_name: &str) -> ProviderResult<Vec<Observed>> {
        let call = Call { operation: "list", type_name, context };
        self.read_only(call, |provider, context| async move { provider.list(&context, type_name).await }).await
    }

    async fn call(&self, function: &str, arguments: Vec<Value>) -> ProviderResult<Value> {
        self.inner.call(function, arguments).await
    }

    /// Once on each way: what is opened may be a lease, and a lost answer leaves one behind. What did not answer in
    /// time may still be under way.
    async fn open(&self, context: &Context, request: DataRequest) -> ProviderResult<Opened> {
        loop {
            let (way, provider) = self.current().await?;
            match self.told(provider.open(context, request.clone()).await) {
                Err(error)
                    if failed(&error).is_outage()
                        && error.category != Category::TimeOut
                        && error.retry
                        && !context.cancellation.is_cancelled()
                        && self.guard.leave(way, error.category) => {}
                answer => return answer,
            }
        }
    }

    async fn renew(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<Option<Instant>> {
        let private = &private;
        let make = |provider: Arc<dyn Provider>, context| async move {
            provider.renew(&context, type_name, private.clone()).await
        };
        self.looking("renew", context, make).await
    }

    async fn close(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<()> {
        let private = &private;
        let make = |provider: Arc<dyn Provider>, context| async move {
            provider.close(&context, type_name, private.clone()).await
        };
        self.looking("close", context, make).await
    }

    async fn upgrade_state(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        self.inner.upgrade_state(type_name, version, state).await
    }

    async fn take_over(&self, type_name: &str, version: u64, state: serde_json::Value) -> ProviderResult<Value> {
        self.inner.take_over(type_name, version, state).await
    }

    async fn hand_over(&self, type_name: &str, state: Value) -> ProviderResult<serde_json::Value> {
        self.inner.hand_over(type_name, state).await
    }

    async fn move_state(&self, from_type: &str, to_type: &str, object: Observed) -> ProviderResult<Observed> {
        self.inner.move_state(from_type, to_type, object).await
    }

    async fn stop(&self) {
        self.inner.stop().await;
        futures::future::join_all(self.guard.ways().all_made().map(|provider| provider.stop())).await;
    }
}

//! Functions of providers, for expressions.
//!
//! Evaluation is synchronous, and providers are not. A call waits here for its answer: functions are pure,
//! take no time to speak of, and the same call is made only once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retrue_provider_api::{PathStep, Provider, ProviderSchema, Value, canonical_bytes};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::expression::functions::FunctionError;
use crate::expression::nearest;
use crate::survey::calls::within;

/// How long a function may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A provider, and what it offers.
pub type Offering = (Arc<dyn Provider>, Arc<ProviderSchema>);

/// Makes keyed hashes.
pub type KeyedHash = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// The functions of all providers of a stack, by the names that they have in it.
#[derive(Clone, Default)]
pub struct Functions(Option<Arc<Inner>>);

struct Inner {
    providers: BTreeMap<Arc<str>, Offering>,
    runtime: Handle,
    /// What was called, by a hash of provider, function and arguments.
    results: Mutex<BTreeMap<String, Value>>,
    /// What the plan got.
    expected: Option<(BTreeMap<String, String>, KeyedHash)>,
}

impl Functions {
    /// The functions of some providers. They need not be configured.
    ///
    /// Where there is no runtime to wait with, there are none.
    pub fn new(providers: impl IntoIterator<Item = (Arc<str>, (Arc<dyn Provider>, Arc<ProviderSchema>))>) -> Functions {
        let Ok(runtime) = Handle::try_current() else { return Functions::default() };
        let providers = providers.into_iter().collect();
        Functions(Some(Arc::new(Inner { providers, runtime, results: Mutex::default(), expected: None })))
    }

    /// The same, held to the results that a plan got: a function that gives another one is not pure, and the
    /// plan would not be what is applied.
    #[must_use]
    pub fn expecting(self, results: BTreeMap<String, String>, keyed: KeyedHash) -> Functions {
        let inner = self.0.map(|inner| {
            Arc::new(Inner {
                providers: inner.providers.clone(),
                runtime: inner.runtime.clone(),
                results: Mutex::default(),
                expected: Some((results, keyed)),
            })
        });
        Functions(inner)
    }

    /// By keyed hash of a call, that of its result.
    pub fn results(&self, keyed: &dyn Fn(&[u8]) -> String) -> BTreeMap<String, String> {
        let Some(inner) = &self.0 else { return BTreeMap::new() };
        let results = inner.results.lock().unwrap_or_else(PoisonError::into_inner);
        let hashed = |(call, result): (&String, &Value)| (keyed(call.as_bytes()), keyed(&canonical_bytes(result)));
        results.iter().map(hashed).collect()
    }

    /// What a provider offers.
    pub(super) fn offers(&self, provider: &str) -> Result<Arc<ProviderSchema>, String> {
        let known = self.0.as_ref().map(|inner| &inner.providers);
        if let Some((_, schema)) = known.and_then(|known| known.get(provider)) {
            return Ok(Arc::clone(schema));
        }
        let near = known.and_then(|known| nearest(provider, known.keys().map(AsRef::as_ref)));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(format!("there is no provider `{provider}` whose functions could be called{near}"))
    }

    /// Calls a function, or repeats what it gave before.
    pub(super) fn call(&self, provider: &str, function: &str, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let found = self.0.as_ref().and_then(|inner| Some((inner, inner.providers.get(provider)?)));
        let Some((inner, (called, _))) = found else {
            return Err(FunctionError::new(format!("there is no provider `{provider}`")));
        };
        let key = key(provider, function, &arguments);
        if let Some(result) = inner.results.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(result.clone());
        }
        let answer = within(ANSWER_WITHIN, "call", called.call(function, arguments));
        let result = waited(&inner.runtime, answer).map_err(|error| {
            let argument = error.path.as_ref().and_then(|path| match path.0.first() {
                Some(PathStep::Index(index)) => Some(*index),
                _ => None,
            });
            FunctionError { message: error.to_string(), argument }
        })?;
        if let Some((expected, keyed)) = &inner.expected
            && let Some(planned) = expected.get(&keyed(key.as_bytes()))
            && keyed(&canonical_bytes(&result)) != *planned
        {
            let message = "it gave another result while planning: it is not pure, which is a defect of the provider";
            return Err(FunctionError::new(message));
        }
        inner.results.lock().unwrap_or_else(PoisonError::into_inner).insert(key, result.clone());
        Ok(result)
    }
}

/// What names a call.
fn key(provider: &str, function: &str, arguments: &[Value]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(bytes);
    };
    part(provider.as_bytes());
    part(function.as_bytes());
    arguments.iter().for_each(|argument| part(&canonical_bytes(argument)));
    hasher.finalize().to_hex().to_string()
}

/// Waits for an answer on this thread, while others go on.
fn waited<T: Send>(runtime: &Handle, answer: impl Future<Output = T> + Send) -> T {
    match runtime.runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| runtime.block_on(answer)),
        // Whoever runs on one thread alone (tests) has providers that answer at once.
        _ => futures::executor::block_on(answer),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use retrue_provider_api::{
        Capability, Change, ConfigureRequest, Context, FindRequest, Found, Observed, Outcome, PlanRequest,
        PlanResponse, ProviderDiagnostic, ProviderError, ProviderResult, ReadRequest, ValidateRequest,
    };

    use super::*;

    /// Its one function tells how often it was called: it is not pure.
    #[derive(Default)]
    struct Counter(AtomicU32);

    #[async_trait]
    impl Provider for Counter {
        async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
            Ok(Arc::default())
        }
        async fn configure(&self, _: ConfigureRequest) -> ProviderResult<()> {
            Ok(())
        }
        async fn validate(&self, _: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
            Ok(Vec::new())
        }
        fn capability(&self, _: &str, _: &Value) -> Capability {
            Capability::default()
        }
        async fn read(&self, _: &Context, _: ReadRequest) -> ProviderResult<Option<Observed>> {
            Err(ProviderError::unsupported("read"))
        }
        async fn find(&self, _: &Context, _: FindRequest) -> ProviderResult<Found> {
            Err(ProviderError::unsupported("find"))
        }
        async fn plan(&self, _: &Context, _: PlanRequest) -> ProviderResult<PlanResponse> {
            Err(ProviderError::unsupported("plan"))
        }
        async fn apply(&self, _: &Context, _: Change) -> Outcome {
            Outcome::NotApplied(ProviderError::unsupported("apply"))
        }
        async fn call(&self, _: &str, _: Vec<Value>) -> ProviderResult<Value> {
            Ok(Value::from(u64::from(self.0.fetch_add(1, Ordering::Relaxed))))
        }
    }

    fn hash(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_call_is_made_once_and_an_apply_is_held_to_what_the_plan_got() {
        let counter: Arc<dyn Provider> = Arc::new(Counter::default());
        let offered = || [(Arc::from("p"), (Arc::clone(&counter), Arc::default()))];
        let planning = Functions::new(offered());
        let call = |functions: &Functions, argument: &str| functions.call("p", "f", vec![Value::from(argument)]);
        assert_eq!(call(&planning, "a"), Ok(Value::from(0u64)));
        assert_eq!(call(&planning, "a"), Ok(Value::from(0u64)), "it is remembered");
        assert_eq!(call(&planning, "b"), Ok(Value::from(1u64)));
        let results = planning.results(&hash);
        assert_eq!(results.len(), 2);
        let applying = Functions::new(offered()).expecting(results, Arc::new(hash));
        let told = call(&applying, "a").unwrap_err();
        assert!(told.message.contains("not pure"), "{told}");
        // What the plan did not call is free.
        assert_eq!(call(&applying, "c"), Ok(Value::from(3u64)));
        assert!(call(&planning, "a").is_ok() && planning.call("q", "f", Vec::new()).is_err());
    }
}

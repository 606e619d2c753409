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

/// Makes keyed hashes.
pub type KeyedHash = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// The functions of all providers of a stack, by the names that they have in it.
#[derive(Clone, Default)]
pub struct Functions(Option<Arc<Inner>>);

struct Inner {
    providers: BTreeMap<Arc<str>, (Arc<dyn Provider>, Arc<ProviderSchema>)>,
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

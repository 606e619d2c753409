//! Calls to providers while nothing is changed: with a deadline each, and nothing to record.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{Category, Context, ProviderError, ProviderResult};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::trace::Taps;

/// What calls to the outside are given, apart from what they are about.
#[derive(Clone)]
pub struct Calls {
    /// Cancels what is running.
    pub cancellation: CancellationToken,
    /// The runs that ended a moment ago, or have not, with how long ago: what they changed may not show everywhere.
    pub recent: Arc<BTreeMap<String, Duration>>,
    /// What stands between us and the making of providers.
    pub taps: Taps,
}

impl Calls {
    /// For reading only: payloads cannot be kept, and processes need not be known.
    pub fn reading(cancellation: CancellationToken) -> Self {
        Calls { cancellation, recent: Arc::default(), taps: Taps::default() }
    }

    /// The same, after these runs: see [`Calls::recent`].
    #[must_use]
    pub fn after(self, recent: BTreeMap<String, Duration>) -> Self {
        Calls { recent: Arc::new(recent), ..self }
    }

    /// The same, with providers that are recorded, or answer from a recording.
    #[must_use]
    pub fn tapped(self, taps: &Taps) -> Self {
        // What was young when it was recorded is so in a replay, however long ago that was.
        let recent = taps.recent().into_iter().chain(self.recent.iter().map(|(run, age)| (run.clone(), *age)));
        Calls { recent: Arc::new(recent.collect()), taps: taps.clone(), ..self }
    }

    /// The context of one call.
    pub fn context(&self, address: &Address, limit: Duration) -> Context {
        let context = Context::looking(crate::clock::deadline(limit), self.cancellation.clone());
        Context { address: address.to_string(), ..context }
    }
}

/// Waits for a call, but not longer than its limit.
pub async fn within<T>(
    limit: Duration,
    operation: &str,
    call: impl Future<Output = ProviderResult<T>> + Send,
) -> ProviderResult<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => {
            Err(ProviderError::new(Category::TimeOut, operation, format!("no answer within {} s", limit.as_secs())))
        }
    }
}

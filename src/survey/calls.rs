//! Calls to providers while nothing is changed: with a deadline each, and nothing to record.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{BlobId, Blobs, Category, ChildProcess, Children, Context, ProviderError, ProviderResult};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::trace::Taps;

/// What calls to the outside are given, apart from what they are about.
#[derive(Clone)]
pub struct Calls {
    /// Where payloads are kept.
    pub blobs: Arc<dyn Blobs>,
    /// Who must know of processes that are started.
    pub children: Arc<dyn Children>,
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
        Calls {
            blobs: Arc::new(NoBlobs),
            children: Arc::new(Unwatched),
            cancellation,
            recent: Arc::default(),
            taps: Taps::default(),
        }
    }

    /// The same, after these runs: see [`Calls::recent`].
    #[must_use]
    pub fn after(self, recent: BTreeMap<String, Duration>) -> Self {
        Calls { recent: Arc::new(recent), ..self }
    }

    /// The same, with providers that are recorded, or answer from a recording.
    #[must_use]
    pub fn tapped(self, taps: &Taps) -> Self {
        Calls { taps: taps.clone(), ..self }
    }

    /// The context of one call.
    pub fn context(&self, address: &Address, limit: Duration) -> Context {
        Context {
            run: String::new(),
            step: String::new(),
            address: address.to_string(),
            attempt: 1,
            idempotency_key: String::new(),
            marker: None,
            deadline: crate::clock::deadline(limit),
            cancellation: self.cancellation.clone(),
            blobs: Arc::clone(&self.blobs),
            children: Arc::clone(&self.children),
            trace_parent: None,
        }
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

struct NoBlobs;

impl Blobs for NoBlobs {
    fn put(&self, _source: &mut dyn Read) -> io::Result<BlobId> {
        Err(io::Error::other("nothing is kept while only reading"))
    }

    fn get(&self, id: &BlobId) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::new(io::ErrorKind::NotFound, format!("nothing is kept while only reading: {}", id.0)))
    }
}

struct Unwatched;

impl Children for Unwatched {
    fn started(&self, _child: &ChildProcess) -> io::Result<()> {
        Ok(())
    }
}

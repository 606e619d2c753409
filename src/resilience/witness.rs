//! What shows that another way leads to the same objects: something that was there a moment ago is there, too.
//!
//! Of all that was read, one object is kept: that with the smallest address, so that a replay asks for the same. What a
//! run changes is none any more; it is read again before the run changes the next thing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retrue_provider_api::{Capability, Category, Context, Provider, ProviderError, ProviderResult, ReadRequest};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long to wait between two looks, while a type may still be settling.
const PAUSE: Duration = Duration::from_millis(500);

/// An object that was there.
pub(super) struct Witness {
    context: Context,
    request: ReadRequest,
    capability: Capability,
}

impl Witness {
    /// Makes sure that a provider sees it, patiently within the settling time of its type.
    ///
    /// # Errors
    /// It is not there, or could not be looked for.
    pub(super) async fn is_seen_by(&self, provider: &dyn Provider) -> ProviderResult<()> {
        let limit = self.capability.time_limits.read;
        let began = Instant::now();
        loop {
            let context = Context {
                deadline: crate::clock::deadline(limit),
                // Whoever asked for it then may have been given up since.
                cancellation: CancellationToken::new(),
                ..self.context.clone()
            };
            let found = tokio::time::timeout(limit, provider.read(&context, self.request.clone())).await;
            match found {
                Ok(Ok(Some(_))) => return Ok(()),
                Ok(Ok(None)) if began.elapsed() < self.capability.settles_within => tokio::time::sleep(PAUSE).await,
                Ok(Ok(None)) => return Err(elsewhere(&self.context.address)),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let message = format!("no answer within {} s", limit.as_secs());
                    return Err(ProviderError::new(Category::TimeOut, "read", message));
                }
            }
        }
    }
}

fn elsewhere(address: &str) -> ProviderError {
    let message = format!(
        "it does not lead to the same objects: `{address}` was there a moment ago, and is not there this way; nothing \
         is sent there"
    );
    ProviderError { retry: false, ..ProviderError::new(Category::Validation, "read", message) }
}

/// The one that is kept.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Arc<Witness>>>);

impl Kept {
    /// Something was read, and is there.
    pub(super) fn saw(&self, context: &Context, request: &ReadRequest, capability: impl FnOnce() -> Capability) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if context.address.is_empty() || kept.as_ref().is_some_and(|kept| kept.context.address <= context.address) {
            return;
        }
        let capability = capability();
        // What only repeats what it was told says nothing of the world.
        if capability.observes {
            *kept = Some(Arc::new(Witness { context: context.clone(), request: request.clone(), capability }));
        }
    }

    /// Something is changed now.
    pub(super) fn changes(&self, address: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.context.address == address) {
            *kept = None;
        }
    }

    pub(super) fn one(&self) -> Option<Arc<Witness>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

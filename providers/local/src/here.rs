//! What the work on one object is given: places, payloads, and how long it may take.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use retrue_provider_api::{Blobs, Category, Context, ProviderError, ProviderResult};
use tokio_util::sync::CancellationToken;

use crate::config::Places;

/// How long blocking work that does not look at the clock (a hung disk) is waited for after the deadline.
const GRACE: Duration = Duration::from_secs(5);

/// What the work on one object is given.
#[derive(Clone)]
pub(crate) struct Here {
    /// Where paths start from.
    pub(crate) places: Arc<Places>,
    /// Where payloads are kept.
    pub(crate) blobs: Arc<dyn Blobs>,
    /// How long it may take.
    pub(crate) patience: Patience,
}

impl Here {
    /// The work of one call.
    pub(crate) fn of(places: Arc<Places>, context: &Context) -> Self {
        Here { places, blobs: Arc::clone(&context.blobs), patience: Patience::of(context) }
    }

    /// Runs work that blocks on a thread that may.
    ///
    /// # Errors
    ///
    /// When it does not come back. Then nobody knows what it did.
    pub(crate) async fn blocking<T: Send + 'static>(
        self,
        operation: &str,
        work: impl FnOnce(&Here) -> T + Send + 'static,
    ) -> ProviderResult<T> {
        let deadline = self.patience.deadline + GRACE;
        let working = tokio::task::spawn_blocking(move || work(&self));
        match tokio::time::timeout_at(deadline.into(), working).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                Err(ProviderError::new(Category::Unknown, operation, "the work ended unexpectedly").because(error))
            }
            Err(_) => Err(ProviderError::new(Category::TimeOut, operation, "the file system does not answer")),
        }
    }
}

/// A deadline and a way to be cancelled.
#[derive(Clone)]
pub(crate) struct Patience {
    deadline: Instant,
    cancellation: CancellationToken,
}

impl Patience {
    fn of(context: &Context) -> Self {
        Patience { deadline: context.deadline, cancellation: context.cancellation.clone() }
    }

    /// Whether to go on. Asked before the effect, never between the effect and its report.
    pub(crate) fn check(&self, operation: &str) -> ProviderResult<()> {
        if self.cancellation.is_cancelled() {
            return Err(ProviderError::new(Category::Unknown, operation, "cancelled"));
        }
        if Instant::now() > self.deadline {
            return Err(ProviderError::new(Category::TimeOut, operation, "the time for it is over"));
        }
        Ok(())
    }

    /// A reader that fails when it is time to stop.
    pub(crate) fn reader<R: Read>(&self, inner: R) -> Hasty<'_, R> {
        Hasty { inner, patience: self }
    }
}

/// See [`Patience::reader`].
pub(crate) struct Hasty<'p, R> {
    inner: R,
    patience: &'p Patience,
}

impl<R: Read> Read for Hasty<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patience.check("read").map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

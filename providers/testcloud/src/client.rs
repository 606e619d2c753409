//! Calls with a deadline, and what an error lets us conclude.

use std::time::Duration;

use retrue_provider_api::{Category, Context, ProviderError};
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cloud::{Answer, Call};
use crate::config::Config;
use crate::transport::SendError;

/// Sends calls to the cloud, each exactly once.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    config: Config,
}

/// Why a call did not succeed. The difference decides between `NotApplied` and `Unknown`.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It certainly had no effect.
    Certain(ProviderError),
    /// It may have had one.
    Doubtful(ProviderError),
}

impl Failure {
    pub(crate) fn into_error(self) -> ProviderError {
        match self {
            Failure::Certain(error) | Failure::Doubtful(error) => error,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Failure::Certain(error) if error.category == Category::NotFound)
    }
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        Client { config }
    }

    /// See [`Config::settles_within`].
    pub(crate) fn settles_within(&self) -> Duration {
        self.config.settles_within
    }

    /// Sends a call; an answer that is not a success is a failure.
    ///
    /// Invariant: it is never sent a second time. Whether to try again is for the caller to decide,
    /// who looks at the world first.
    pub(crate) async fn call(
        &self,
        context: &Context,
        operation: &'static str,
        mut call: Call,
    ) -> Result<Answer, Failure> {
        call.token.clone_from(&self.config.token);
        if call.method.changes() && !context.idempotency_key.is_empty() {
            call.idempotency_key = Some(context.idempotency_key.clone());
        }
        if context.cancellation.is_cancelled() {
            return Err(Failure::Certain(cancelled(operation)));
        }
        let deadline = Instant::from_std(context.deadline);
        if deadline <= Instant::now() {
            return Err(Failure::Certain(timed_out(operation)));
        }
        let doubtful = |error: ProviderError| {
            let error = error.with("call", format!("{call:?}"));
            Err(if call.method.changes() { Failure::Doubtful(error) } else { Failure::Certain(error) })
        };
        let sent = tokio::select! {
            biased;
            sent = self.config.transport.send(&call) => sent,
            () = context.cancellation.cancelled() => return doubtful(cancelled(operation)),
            () = tokio::time::sleep_until(deadline) => return doubtful(timed_out(operation)),
        };
        match sent {
            Ok(answer) if answer.is_success() => Ok(answer),
            Ok(answer) => {
                let error = refusal(operation, &answer);
                // Below 500 the cloud says why it did nothing; from 500 on it does not know itself.
                if answer.status < 500 { Err(Failure::Certain(error)) } else { doubtful(error) }
            }
            Err(error @ SendError::NotSent(_)) => Err(Failure::Certain(network(operation, &error))),
            Err(error @ SendError::Lost(_)) => doubtful(network(operation, &error)),
        }
    }

    /// Waits a little, unless the deadline or a cancellation comes first.
    pub(crate) async fn pause(
        context: &Context,
        operation: &'static str,
        duration: Duration,
    ) -> Result<(), ProviderError> {
        let deadline = Instant::from_std(context.deadline);
        tokio::select! {
            biased;
            () = context.cancellation.cancelled() => Err(cancelled(operation)),
            () = tokio::time::sleep_until(deadline) => Err(timed_out(operation)),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }
}

fn cancelled(operation: &str) -> ProviderError {
    ProviderError::new(Category::Unknown, operation, "cancelled")
}

fn timed_out(operation: &str) -> ProviderError {
    ProviderError::new(Category::TimeOut, operation, "the cloud did not answer in time")
}

fn network(operation: &str, error: &SendError) -> ProviderError {
    ProviderError::new(Category::Network, operation, error.to_string())
}

/// The error for an answer that is not a success.
fn refusal(operation: &str, answer: &Answer) -> ProviderError {
    let category = match answer.status {
        400 | 422 => Category::Validation,
        401 | 403 => Category::Authentication,
        404 | 410 => Category::NotFound,
        408 => Category::TimeOut,
        409 | 412 => Category::Conflict,
        429 => Category::RateLimited,
        503 => Category::Transient,
        500..=599 => Category::ServerError,
        _ => Category::Unknown,
    };
    let part = |name: &str| answer.body.pointer(&format!("/error/{name}")).and_then(Json::as_str);
    let message = part("message").unwrap_or("the cloud refused without a reason");
    let mut error = ProviderError::new(category, operation, message).with("status", answer.status);
    if let Some(code) = part("code") {
        error = error.with("code", code);
    }
    error.retry_after = answer.retry_after.map(Duration::from_secs);
    error
}

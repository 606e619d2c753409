//! Recorded provider calls, and runs that are replayed on them.
//!
//! A trace is a file of lines, each a JSON object: what a run began from, each provider instance with its
//! types, each call with its answer, and how the run ended. [`Recorder`] writes one while a run goes on;
//! [`Player`] answers from one, so that the same run can be made again with nothing outside.
//!
//! Architecture Invariant: no secret is in a trace. What stands in place of one is the same wherever it stood.
//! Architecture Invariant: a player makes no provider, starts nothing, and reads nothing but the trace.

pub mod codes;
mod form;
mod format;
mod matching;
mod play;
mod read;
mod record;
mod redact;
#[cfg(test)]
mod tests;
mod wrapped;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{Provider, Value};

use crate::diagnostic::Diagnostic;
use crate::plan::ProviderOrigin;

pub use format::{Doing, End, FORMAT, Header, Scope, StepEnd, Unwinding};
pub use matching::{Bindings, Difference, refilled};
pub use play::{Kind, Player, Told};
pub use read::{Trace, read};
pub use record::Recorder;
pub use redact::{KEY, Secrets};

/// Stands between us and the making of providers.
pub trait Tap: Send + Sync {
    /// A provider for an instance. `real` makes the one that there would be.
    ///
    /// # Errors
    /// It cannot be had.
    fn make(&self, instance: &str, made: Made<'_>) -> Result<Arc<dyn Provider>, Diagnostic>;

    /// Whether it answers in place of providers, and where the program of an instance was, if it has one.
    fn located(&self, instance: &str) -> Option<Option<ProviderOrigin>>;

    /// A value that may be a part of calls from now on. What is marked in it is a secret.
    fn learn(&self, value: &Value);

    /// What is read from where a secret comes from. `real` reads it.
    ///
    /// # Errors
    /// It cannot be had.
    fn source(&self, source: &str, real: Reading<'_>) -> Result<Value, Diagnostic>;

    /// Where it answers: the runs that had ended a moment before, with how long before.
    fn recent(&self) -> BTreeMap<String, Duration>;
}

/// A provider that is about to be made.
pub struct Made<'a> {
    /// Its program, where it is not built in.
    pub origin: Option<&'a ProviderOrigin>,
    /// Makes it.
    pub real: &'a (dyn Fn() -> Result<Arc<dyn Provider>, Diagnostic> + Sync),
}

/// Reads a secret from where it comes from.
pub type Reading<'a> = &'a dyn Fn() -> Result<Value, Diagnostic>;

/// What stands between us and the making of providers, if anything does.
#[derive(Clone, Default)]
pub struct Taps(Option<Arc<dyn Tap>>);

impl Taps {
    /// This one.
    pub fn one(tap: Arc<dyn Tap>) -> Self {
        Taps(Some(tap))
    }

    /// A provider for an instance.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn make(&self, instance: &str, made: Made<'_>) -> Result<Arc<dyn Provider>, Diagnostic> {
        match &self.0 {
            Some(tap) => tap.make(instance, made),
            None => (made.real)(),
        }
    }

    /// See [`Tap::located`].
    pub fn located(&self, instance: &str) -> Option<Option<ProviderOrigin>> {
        self.0.as_ref().and_then(|tap| tap.located(instance))
    }

    /// Whether something answers in place of providers, so that none may be started.
    pub fn answers(&self) -> bool {
        self.located("").is_some()
    }

    /// See [`Tap::source`].
    ///
    /// # Errors
    /// It cannot be had.
    pub fn source(&self, source: &str, real: Reading<'_>) -> Result<Value, Diagnostic> {
        match &self.0 {
            Some(tap) => tap.source(source, real),
            None => real(),
        }
    }

    /// See [`Tap::recent`].
    pub fn recent(&self) -> BTreeMap<String, Duration> {
        self.0.as_ref().map(|tap| tap.recent()).unwrap_or_default()
    }

    /// See [`Tap::learn`].
    pub fn learn(&self, value: &Value) {
        if let Some(tap) = &self.0 {
            tap.learn(value);
        }
    }
}

impl std::fmt::Debug for Taps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Taps(one)" } else { "Taps(none)" })
    }
}

//! What every call to the outside goes through, the same for all providers: from the outside in, retries within a
//! budget, breakers, limits of how much is asked for at once, a deadline for each try, and the log.
//!
//! What is known to change nothing is tried again here. Steps are tried again by whoever carries them out, after a
//! look at the world, by the same rules: [`Guard::again`].

mod backoff;
mod breaker;
mod budget;
mod errors;
mod guard;
mod layer;
mod limit;
mod policy;
mod trace;
mod trying;
mod ways;
mod witness;

#[cfg(test)]
mod tests;

pub use self::backoff::{Failed, Waits};
pub use self::breaker::Standing;
pub use self::errors::Errors;
pub use self::guard::{Gate, Guard, Held, Kind, Patience, Resilience};
pub use self::layer::Layered;
pub use self::policy::{BreakerRules, Budget, Jitter, Limits, Policy, Rate, Retry, Settings, TimeOuts, pattern};
pub use self::trace::Traced;
pub use self::trying::{Hold, trying};
pub use self::ways::{Alternative, MovedOver};

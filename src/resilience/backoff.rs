//! How long to wait before another try, and whether there is one. Pure: chance and time are given.

use std::time::Duration;

use retrue_provider_api::Category;

use super::policy::{Jitter, Retry};

/// What a try failed with, as far as it decides about another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What kind of failure it was.
    pub category: Category,
    /// Whether it says that another try may help.
    pub retryable: bool,
    /// How long the other side asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failed {
    /// Whether the other side did not work, or was not reached: what a breaker counts.
    pub fn is_outage(self) -> bool {
        matches!(self.category, Category::Transient | Category::ServerError | Category::TimeOut | Category::Network)
    }
}

/// The waits of one call, from try to try.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    last: Option<Duration>,
    /// The way that is tried.
    way: usize,
    /// How many tries there were on others, and how long they took.
    before: (u32, Duration),
}

impl Waits {
    /// Of a call that begins on a way.
    pub(super) fn on(way: usize) -> Waits {
        Waits { way, ..Waits::default() }
    }

    /// The way that is tried.
    pub(super) fn way(&self) -> usize {
        self.way
    }

    /// How much of a time was on this way.
    pub(super) fn here(&self, elapsed: Duration) -> Duration {
        elapsed.saturating_sub(self.before.1)
    }

    /// Begins anew on another way.
    pub(super) fn go(&mut self, way: usize, attempt: u32, elapsed: Duration) {
        *self = Waits { last: None, way, before: (attempt, elapsed) };
    }

    /// The wait before the next try, after `attempt` of them failed within `elapsed`; `None` when there is none.
    ///
    /// What may pass is tried again as often as the rules say; what nobody knows once; what is sure to fail again
    /// not at all. `chance` is from 0 to below 1. Nobody comes back before the other side asked to: where that is too
    /// late, there is no other try.
    pub fn next(
        &mut self,
        rules: &Retry,
        failed: Failed,
        attempt: u32,
        elapsed: Duration,
        chance: f64,
    ) -> Option<Duration> {
        let (attempt, elapsed) = (attempt.saturating_sub(self.before.0), self.here(elapsed));
        if attempt >= most(rules, failed) {
            return None;
        }
        let doubled = rules.first_wait.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
        let ours = match rules.jitter {
            Jitter::None => doubled.min(rules.longest_wait),
            Jitter::Full => doubled.min(rules.longest_wait).mul_f64(chance.clamp(0.0, 1.0)),
            Jitter::Decorrelated => {
                let last = self.last.unwrap_or(rules.first_wait);
                let more = last.saturating_mul(3).saturating_sub(rules.first_wait);
                rules.first_wait.saturating_add(more.mul_f64(chance.clamp(0.0, 1.0))).min(rules.longest_wait)
            }
        };
        self.last = Some(ours);
        let wait = failed.retry_after.map_or(ours, |asked| ours.max(asked));
        (elapsed.saturating_add(wait) <= rules.within).then_some(wait)
    }

    /// How long the other side asked to wait, where that alone is why there is no other try.
    pub(super) fn asks_too_much(
        &self,
        rules: &Retry,
        failed: Failed,
        attempt: u32,
        elapsed: Duration,
    ) -> Option<Duration> {
        let (attempt, elapsed) = (attempt.saturating_sub(self.before.0), self.here(elapsed));
        let asked = failed.retry_after.filter(|_| attempt < most(rules, failed))?;
        (elapsed.saturating_add(asked) > rules.within).then_some(asked)
    }
}

/// How many tries there are for a failure.
fn most(rules: &Retry, failed: Failed) -> u32 {
    match (failed.retryable, failed.category) {
        (true, Category::Unknown) => rules.attempts.min(2),
        (true, _) => rules.attempts,
        (false, _) => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(category: Category) -> Failed {
        Failed { category, retryable: category.retryable(), retry_after: None }
    }

    #[test]
    fn each_class_of_failure_has_its_own_number_of_tries() {
        let tries = |failed: Failed| {
            let rules = Retry { jitter: Jitter::None, ..Retry::default() };
            let mut waits = Waits::default();
            (1..100).take_while(|attempt| waits.next(&rules, failed, *attempt, Duration::ZERO, 0.0).is_some()).count()
                + 1
        };
        assert_eq!(tries(failed(Category::Transient)), 4);
        assert_eq!(tries(failed(Category::RateLimited)), 4);
        assert_eq!(tries(failed(Category::Validation)), 1);
        assert_eq!(tries(failed(Category::Authentication)), 1);
        assert_eq!(tries(failed(Category::Unknown)), 1);
        // An error may know better than its category.
        assert_eq!(tries(Failed { retryable: true, ..failed(Category::Unknown) }), 2);
        assert_eq!(tries(Failed { retryable: true, ..failed(Category::Conflict) }), 4);
        assert_eq!(tries(Failed { retryable: false, ..failed(Category::ServerError) }), 1);
    }

    #[test]
    fn what_the_other_side_asks_for_is_waited_for_or_there_is_no_other_try() {
        let rules = Retry { jitter: Jitter::Full, ..Retry::default() };
        let asked =
            |seconds| Failed { retry_after: Some(Duration::from_secs(seconds)), ..failed(Category::RateLimited) };
        let wait = |seconds| Waits::default().next(&rules, asked(seconds), 1, Duration::ZERO, 0.5);
        assert_eq!(wait(7), Some(Duration::from_secs(7)));
        // Never for less than that.
        assert_eq!(wait(420), Some(Duration::from_secs(420)));
        assert_eq!(wait(4000), None);
        // Not where it would end too late.
        let late = Waits::default().next(&rules, asked(7), 1, Duration::from_secs(594), 0.5);
        assert_eq!(late, None);
        let too_much = |failed, attempt, elapsed| {
            Waits::default().asks_too_much(&rules, failed, attempt, Duration::from_secs(elapsed))
        };
        assert_eq!(too_much(asked(420), 1, 0), None);
        assert_eq!(too_much(asked(4000), 1, 0), Some(Duration::from_secs(4000)));
        assert_eq!(too_much(asked(7), 1, 594), Some(Duration::from_secs(7)));
        // Then it was not this that ended it.
        assert_eq!(too_much(asked(4000), 4, 0), None);
        assert_eq!(too_much(failed(Category::RateLimited), 1, 594), None);
    }

    fn category() -> impl Strategy<Value = Category> {
        prop::sample::select(Category::ALL.to_vec())
    }

    fn rules() -> impl Strategy<Value = Retry> {
        let jitter = prop::sample::select(vec![Jitter::Full, Jitter::Decorrelated, Jitter::None]);
        (0u32..20, 0u64..5_000, 0u64..60_000, 0u64..600_000, jitter).prop_map(
            |(attempts, first, longest, within, jitter)| Retry {
                attempts,
                first_wait: Duration::from_millis(first),
                longest_wait: Duration::from_millis(longest),
                within: Duration::from_millis(within),
                jitter,
            },
        )
    }

    proptest! {
        #[test]
        fn attempts_and_waits_never_exceed_their_bounds(
            rules in rules(),
            outcomes in prop::collection::vec(
                (category(), any::<bool>(), prop::option::of(0u64..10_000), 0.0f64..1.0, 0u64..30_000), 0..60),
        ) {
            let mut waits = Waits::default();
            let mut elapsed = Duration::ZERO;
            let mut attempt = 1;
            for (category, retryable, asked, chance, took) in outcomes {
                elapsed += Duration::from_millis(took);
                let failed = Failed { category, retryable, retry_after: asked.map(Duration::from_secs) };
                let Some(wait) = waits.next(&rules, failed, attempt, elapsed, chance) else { break };
                prop_assert!(retryable);
                prop_assert!(wait <= rules.longest_wait.max(failed.retry_after.unwrap_or_default()));
                prop_assert!(wait >= failed.retry_after.unwrap_or_default());
                elapsed += wait;
                prop_assert!(elapsed <= rules.within);
                attempt += 1;
                prop_assert!(attempt <= rules.attempts);
            }
        }
    }
}

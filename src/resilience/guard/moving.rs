//! Going over to another way to the same objects, where the one that is gone does not work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use retrue_provider_api::{Category, Provider, ProviderResult};
use tokio::time::Instant;

use super::{Breakers, Guard, locked, tell};
use crate::resilience::backoff::{Failed, Waits};
use crate::resilience::breaker::Standing;
use crate::resilience::ways::{Alternative, MovedOver, Ways, reason};
use crate::telemetry;

impl Guard {
    /// Says which other ways there are to the same objects, in the order in which they are gone, and how long it may
    /// take to configure the first one; once.
    pub fn offer(&self, alternatives: Vec<Arc<dyn Alternative>>, configured_within: Duration) {
        self.ways.offer(alternatives, configured_within);
    }

    /// The number of the way that is gone; 0 is as it is configured.
    pub fn way(&self) -> usize {
        locked(&self.breakers).way
    }

    /// The provider that goes a way, made if need be; `first` goes the one that has the number 0.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in crate::resilience) async fn provider(
        &self,
        way: usize,
        first: &Arc<dyn Provider>,
    ) -> ProviderResult<Arc<dyn Provider>> {
        self.ways.provider(way, first).await
    }

    /// What is known of the ways, for those who cannot wait.
    pub(in crate::resilience) fn ways(&self) -> &Ways {
        &self.ways
    }

    /// The waits of one call or one step, which begins now.
    pub fn waits(&self) -> Waits {
        Waits::on(self.way())
    }

    /// Leaves a way for the next one, if it is still the one that is gone. Says whether another one is gone now.
    pub(in crate::resilience) fn leave(&self, way: usize, category: Category) -> bool {
        let left = {
            let mut breakers = locked(&self.breakers);
            if breakers.way == way { self.move_over(&mut breakers, category) } else { breakers.way > way }
        };
        if left {
            self.changed.notify_waiters();
        }
        left
    }

    /// Goes the next way, where there is one; `breakers` are those of this instance.
    pub(super) fn move_over(&self, breakers: &mut Breakers, category: Category) -> bool {
        if breakers.way >= self.ways.count() {
            return false;
        }
        let telemetry = telemetry::get();
        if let Some(telemetry) = telemetry {
            tell(telemetry, &self.name, None, (breakers.parent.standing(), Standing::Closed));
            for ((service, kind), breaker) in &breakers.services {
                tell(telemetry, &self.name, Some((service, kind.word())), (breaker.standing(), Standing::Closed));
            }
            telemetry.moved_over(&self.name);
        }
        let way = breakers.way + 1;
        // What did not work there says nothing of what is here.
        *breakers = Breakers { way, ..Breakers::new(&self.policy) };
        self.worked.store(false, Ordering::Relaxed);
        self.run.moves.add(MovedOver { provider: self.name.to_string(), fallback: way, reason: reason(category) });
        true
    }

    /// Whether what failed by an outage is tried on another way: the one that is gone by now, or the next one, where
    /// nothing at all worked on this one since the first try. Each way has its own tries.
    pub(in crate::resilience) fn elsewhere(
        &self,
        waits: &mut Waits,
        failed: Failed,
        attempt: u32,
        elapsed: Duration,
    ) -> bool {
        if !failed.is_outage() || !failed.retryable {
            return false;
        }
        let left = {
            let mut breakers = locked(&self.breakers);
            let began = Instant::now().checked_sub(waits.here(elapsed));
            let worked = breakers.worked.is_some_and(|worked| began.is_none_or(|began| worked >= began));
            breakers.way > waits.way() || !worked && self.move_over(&mut breakers, failed.category)
        };
        if left {
            waits.go(self.way(), attempt, elapsed);
            self.changed.notify_waiters();
        }
        left
    }
}

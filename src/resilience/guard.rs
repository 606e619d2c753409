//! What stands between us and one provider instance: how much may be asked for at once, whether anything is sent
//! at all, and whether what failed is sent again.

mod moving;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use globset::GlobMatcher;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::{Failed, Waits};
use super::breaker::{Answer, Breaker, Standing};
use super::budget::Purse;
use super::limit::{Concurrency, Pace, Slot};
use super::policy::{BreakerRules, Budget, Limits, Policy, Retry, pattern};
use super::trying;
use super::ways::{MovedOver, Moves, Ways};
use crate::telemetry::{self, BreakerState, Queued, Telemetry};

/// What is shared by all provider instances of a run.
#[derive(Debug)]
pub struct Resilience {
    budget: Mutex<Purse>,
    chance: Mutex<fastrand::Rng>,
    /// Ends whatever waits for the other side to work again.
    stop: Mutex<CancellationToken>,
    /// The checks that a recovery waits for, by name.
    gates: Mutex<BTreeMap<Arc<str>, Arc<dyn Gate>>>,
    /// What goes another way.
    moves: Moves,
}

/// What must be well before more is sent at once, after a breaker has closed.
#[async_trait]
pub trait Gate: Send + Sync + fmt::Debug {
    /// Whether it is; without an end where `stop` is cancelled.
    async fn is_healthy(&self, stop: &CancellationToken) -> bool;

    /// The time between two looks.
    fn interval(&self) -> Duration;
}

impl Default for Resilience {
    fn default() -> Self {
        Resilience::new(None)
    }
}

impl Resilience {
    /// With the seed of what is left to chance; from the system where there is none.
    pub fn new(seed: Option<u64>) -> Self {
        let chance = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        // It is as wide as the instances make it.
        let nothing = Budget { retries: 0, most: 0, per_success: 0.0 };
        Resilience {
            budget: Mutex::new(Purse::new(&nothing)),
            chance: Mutex::new(chance),
            stop: Mutex::default(),
            gates: Mutex::default(),
            moves: Moves::default(),
        }
    }

    /// What went over to another way, in order.
    pub fn moves(&self) -> Vec<MovedOver> {
        self.moves.all()
    }

    /// Those that nobody asked for yet: whoever does tells of them.
    pub fn untold_moves(&self) -> Vec<MovedOver> {
        self.moves.untold()
    }

    /// What a recovery waits for, by the name of its check.
    pub fn gate(&self, name: Arc<str>, gate: Arc<dyn Gate>) {
        locked(&self.gates).insert(name, gate);
    }

    /// Nothing waits for the other side to work again once this is cancelled.
    pub fn heed(&self, stop: CancellationToken) {
        *locked(&self.stop) = stop;
    }

    fn chance(&self) -> f64 {
        locked(&self.chance).f64()
    }
}

/// What stands between us and one provider instance.
#[derive(Debug)]
pub struct Guard {
    /// The name of the instance.
    name: Arc<str>,
    /// What the names of its types begin with.
    prefix: String,
    policy: Policy,
    run: Arc<Resilience>,
    budget: Mutex<Purse>,
    breakers: Mutex<Breakers>,
    /// A breaker may stand in another way.
    changed: Notify,
    /// Whether anything ever worked: what never did is not waited for.
    worked: AtomicBool,
    ways: Ways,
    all: Lane,
    types: Vec<(GlobMatcher, Lane)>,
}

/// The breakers of the services of a provider, and that of all of them.
#[derive(Debug)]
struct Breakers {
    /// Which way they are of, by its number; 0 is as it is configured.
    way: usize,
    /// When anything last worked on it.
    worked: Option<Instant>,
    /// It counts whatever fails, and begins anew when anything works: one poisoned service does not open it.
    parent: Breaker,
    services: BTreeMap<(String, Kind), Breaker>,
}

impl Breakers {
    fn new(policy: &Policy) -> Breakers {
        // All services together have more that can fail by themselves.
        let together = BreakerRules { failures: policy.breaker.failures.saturating_mul(2), ..policy.breaker.clone() };
        Breakers { way: 0, worked: None, parent: Breaker::new(&together), services: BTreeMap::new() }
    }
}

/// What a call does. Each has a breaker of its own: where nothing can be written, much can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It changes nothing.
    Read,
    /// It changes something.
    Write,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
        }
    }
}

#[derive(Debug)]
struct Lane {
    concurrency: Arc<Concurrency>,
    pace: Option<Pace>,
}

impl Lane {
    fn new(limits: &Limits) -> Lane {
        Lane { concurrency: Concurrency::new(limits), pace: limits.rate.and_then(Pace::new) }
    }
}

/// A call that may be made.
#[derive(Debug)]
pub struct Entered<'g> {
    guard: &'g Guard,
    /// What it is for.
    service: (String, Kind),
    /// The way that it goes.
    way: usize,
    slots: Vec<Slot>,
    /// Whether it is a try of the service's breaker, and of the parent.
    tries: (bool, bool),
    told: bool,
}

/// Why nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What does not work: the provider, or one of its services.
    pub what: String,
    /// When somebody tries next.
    pub until: Instant,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is sent to {} for now: it did not work the last times", self.what)
    }
}

/// How long a call has been held back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    ends: Option<Instant>,
}

impl Guard {
    /// The guard of an instance of a provider.
    pub fn new(name: Arc<str>, provider: &str, policy: Policy, run: Arc<Resilience>) -> Guard {
        let lane = |(text, limits): (&String, &Limits)| Some((pattern(text).ok()?, Lane::new(limits)));
        // What all instances may spend together is three times what one of them may.
        let Budget { retries, most, per_success } = policy.budget;
        let (retries, most) = (retries.saturating_mul(3), most.saturating_mul(3));
        locked(&run.budget).widen(&Budget { retries, most, per_success });
        let short = provider.rsplit('/').next().unwrap_or(provider);
        Guard {
            name,
            prefix: format!("{short}_"),
            budget: Mutex::new(Purse::new(&policy.budget)),
            breakers: Mutex::new(Breakers::new(&policy)),
            ways: Ways::default(),
            changed: Notify::new(),
            worked: AtomicBool::new(false),
            all: Lane::new(&policy.limits),
            types: policy.types.iter().filter_map(lane).collect(),
            policy,
            run,
        }
    }

    /// What holds for it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The service that a type belongs to, as its name tells: `s3` of `aws_s3_bucket`.
    fn service(&self, type_name: &str) -> String {
        let rest = type_name.strip_prefix(&self.prefix).unwrap_or(type_name);
        rest.split('_').next().unwrap_or(rest).to_owned()
    }

    /// Why a call for a type is not made now; `None` when it may be.
    fn held(&self, type_name: &str, kinds: &[Kind]) -> Option<Held> {
        let service = self.service(type_name);
        let breakers = locked(&self.breakers);
        let now = Instant::now();
        if let Answer::Wait(until) = breakers.parent.look(now) {
            return Some(Held { what: self.provider_name(), until });
        }
        kinds.iter().find_map(|kind| match breakers.services.get(&(service.clone(), *kind))?.look(now) {
            Answer::Wait(until) => Some(Held { what: self.service_name(&service), until }),
            _ => None,
        })
    }

    /// Whether something that does not work now is worth waiting for: it did before.
    pub fn is_worth_waiting(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }

    fn provider_name(&self) -> String {
        format!("the provider `{}`", self.name)
    }

    fn service_name(&self, service: &str) -> String {
        format!("`{}{service}` of the provider `{}`", self.prefix, self.name)
    }

    /// Waits until calls for a type may be made, as long as the rules say and nobody cancels. `tell` is told once
    /// that it waits.
    ///
    /// # Errors
    /// They may not.
    pub async fn admit(
        &self,
        (type_name, kinds): (&str, &[Kind]),
        patience: &mut Patience,
        cancellation: &CancellationToken,
        mut tell: impl FnMut(&Held),
    ) -> Result<(), Held> {
        let mut told = false;
        let mut queued = None;
        let stop = locked(&self.run.stop).clone();
        loop {
            let changed = self.changed.notified();
            let Some(held) = self.held(type_name, kinds) else {
                drop(queued);
                return Ok(());
            };
            let now = Instant::now();
            let ends = *patience.ends.get_or_insert_with(|| now.checked_add(self.policy.breaker.hold).unwrap_or(now));
            let stopped = cancellation.is_cancelled() || stop.is_cancelled();
            if !self.is_worth_waiting() || now >= ends || stopped {
                return Err(held);
            }
            if !told {
                tell(&held);
                told = true;
                queued = self.queued("breakers");
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(held.until.min(ends)) => {}
                () = cancellation.cancelled() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Waits until a call may be made. `wait` says whether it is held back where nothing is sent for now; whoever
    /// [tries](super::trying()) is told.
    pub async fn enter(
        &self,
        (type_name, kind): (&str, Kind),
        wait: bool,
        patience: &mut Patience,
        cancellation: &CancellationToken,
    ) -> Result<Entered<'_>, Held> {
        let service = (self.service(type_name), kind);
        loop {
            if wait {
                let mut holding = None;
                self.admit((type_name, &[kind]), patience, cancellation, |held| holding = trying::hold(held)).await?;
            }
            let slots = self.turn(type_name).await;
            // It may have waited for its turn: what it heard before may be old.
            match self.ask(&service) {
                Ok((way, tries)) => return Ok(Entered { guard: self, service, way, slots, tries, told: false }),
                Err(held) if !wait => return Err(held),
                Err(_) => {}
            }
        }
    }

    /// Waits until the limits let one more call through.
    async fn turn(&self, type_name: &str) -> Vec<Slot> {
        let mut turn = std::pin::pin!(async {
            let mut slots = Vec::new();
            let lanes = self.types.iter().filter(|(pattern, _)| pattern.is_match(type_name)).map(|(_, lane)| lane);
            for lane in lanes.chain([&self.all]) {
                slots.push(lane.concurrency.enter().await);
                if let Some(pace) = &lane.pace {
                    pace.enter().await;
                }
            }
            slots
        });
        if telemetry::get().is_none() {
            return turn.await;
        }
        // Only what has to wait stands in a queue.
        match futures::poll!(turn.as_mut()) {
            Poll::Ready(slots) => slots,
            Poll::Pending => {
                let _queued = self.queued("limits");
                turn.await
            }
        }
    }

    fn queued(&self, queue: &'static str) -> Option<Queued> {
        Some(telemetry::get()?.queued(&self.name, queue))
    }

    fn ask(&self, service: &(String, Kind)) -> Result<(usize, (bool, bool)), Held> {
        let now = Instant::now();
        let mut breakers = locked(&self.breakers);
        let rules = &self.policy.breaker;
        let of_service = breakers.services.entry(service.clone()).or_insert_with(|| Breaker::new(rules)).look(now);
        if let Answer::Wait(until) = of_service {
            return Err(Held { what: self.service_name(&service.0), until });
        }
        let parent = match breakers.parent.ask(now) {
            Answer::Wait(until) => return Err(Held { what: self.provider_name(), until }),
            answer => answer == Answer::Try,
        };
        let child = breakers.services.get_mut(service).is_some_and(|breaker| breaker.ask(now) == Answer::Try);
        Ok((breakers.way, (child, parent)))
    }

    /// How long to wait before another try; `None` when there is none: the rules, the other side or the budgets
    /// say so.
    pub fn again(&self, waits: &mut Waits, failed: Failed, attempt: u32, elapsed: Duration) -> Option<Duration> {
        self.again_by(&self.policy.retry, waits, failed, attempt, elapsed)
    }

    /// The same by other rules than those of the instance, within the same budgets.
    pub fn again_by(
        &self,
        retry: &Retry,
        waits: &mut Waits,
        failed: Failed,
        attempt: u32,
        elapsed: Duration,
    ) -> Option<Duration> {
        let moved = waits.way() < self.way() && self.elsewhere(waits, failed, attempt, elapsed);
        let wait = match moved {
            true => Some(Duration::ZERO),
            false => waits.next(retry, failed, attempt, elapsed, self.run.chance()).filter(|_| self.spend()),
        };
        // A way is left once, and so that costs no budget.
        let wait = wait.or_else(|| self.elsewhere(waits, failed, attempt, elapsed).then_some(Duration::ZERO))?;
        if let Some(telemetry) = telemetry::get() {
            telemetry.retried(&self.name, &failed.category.to_string());
        }
        Some(wait)
    }

    /// Why there is no other try, where the other side asked to wait longer than the rules let it.
    pub fn asks_too_much(
        &self,
        retry: &Retry,
        waits: &Waits,
        failed: Failed,
        attempt: u32,
        elapsed: Duration,
    ) -> Option<String> {
        let asked = waits.asks_too_much(retry, failed, attempt, elapsed)?;
        let (asked, within) = (asked.as_secs(), retry.within.as_secs());
        Some(format!("it asked to wait for {asked} s, and `retry.within` is {within} s: it is not tried again"))
    }

    /// Takes one retry from both budgets, if they have it.
    fn spend(&self) -> bool {
        let (mut own, mut all) = (locked(&self.budget), locked(&self.run.budget));
        let has = own.has() && all.has();
        if has {
            own.spend();
            all.spend();
        }
        has
    }

    /// Whether a failure need not count, because what failed is held back until it works again.
    pub fn waits_instead(&self, (type_name, kinds): (&str, &[Kind]), failed: Failed) -> bool {
        failed.is_outage() && failed.retryable && self.is_worth_waiting() && self.held(type_name, kinds).is_some()
    }

    /// Begins again with one call at a time. Where a check is to be healthy first, more is sent step by step, each
    /// time that it is.
    fn recover(&self) {
        let concurrency = &self.all.concurrency;
        let name = self.policy.breaker.recovery_check.as_ref();
        let gate = name.and_then(|name| locked(&self.run.gates).get(name).cloned());
        let (Some(gate), Ok(runtime)) = (gate, tokio::runtime::Handle::try_current()) else {
            return concurrency.begin_again();
        };
        let time = concurrency.begin_below();
        let concurrency = Arc::downgrade(concurrency);
        let stop = locked(&self.run.stop).clone();
        let (provider, check) = (Arc::clone(&self.name), name.cloned().unwrap_or_default());
        runtime.spawn(async move {
            loop {
                let healthy = gate.is_healthy(&stop).await;
                // It ends with the run, or when the breaker opened and closed again in the meantime.
                let Some(concurrency) = concurrency.upgrade() else { return };
                if stop.is_cancelled() || !concurrency.is_time(time) {
                    return;
                }
                tracing::info!(%provider, %check, healthy, "recovery");
                if healthy && !concurrency.raise(time) {
                    return;
                }
                drop(concurrency);
                tokio::select! {
                    () = tokio::time::sleep(gate.interval()) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// How all breakers stand, by what they are for: the provider as a whole, or one of its services.
    pub fn standing(&self) -> Vec<(Option<(String, Kind)>, Standing)> {
        let breakers = locked(&self.breakers);
        let of_services = breakers.services.iter().map(|(name, breaker)| (Some(name.clone()), breaker.standing()));
        [(None, breakers.parent.standing())].into_iter().chain(of_services).collect()
    }
}

impl Entered<'_> {
    /// The way that it goes.
    pub(super) fn way(&self) -> usize {
        self.way
    }

    /// It ended, in this way; `None` where it worked.
    pub fn ended(mut self, failed: Option<Failed>) {
        self.told = true;
        let guard = self.guard;
        if failed.is_some() {
            trying::has_failed();
        }
        match failed {
            None => {
                // A look that belongs to a retry is what the retry costs: it pays for none.
                if self.service.1 == Kind::Write || !trying::is_retry() {
                    locked(&guard.budget).earn();
                    locked(&guard.run.budget).earn();
                }
                self.slots.iter().for_each(Slot::succeeded);
            }
            Some(failed) if failed.category == retrue_provider_api::Category::RateLimited => {
                self.slots.iter().for_each(Slot::was_too_much);
            }
            Some(_) => {}
        }
        let worked = failed.is_none_or(|failed| !failed.is_outage());
        let now = Instant::now();
        let closed = {
            let mut breakers = locked(&guard.breakers);
            if breakers.way != self.way {
                // It went another way than the one that is gone now, and says nothing of this one.
                return;
            }
            if worked {
                breakers.worked = Some(now);
                // Whoever answers that something is wrong does work; who says that it is too much may be asked for less.
                let too_much =
                    failed.is_some_and(|failed| failed.category == retrue_provider_api::Category::RateLimited);
                guard.worked.fetch_or(!too_much, Ordering::Relaxed);
            }
            let before = breakers.parent.standing();
            breakers.parent.ended(worked, self.tries.1, now);
            let mut closed = before != Standing::Closed && breakers.parent.standing() == Standing::Closed;
            let mut opened = breakers.parent.standing() == Standing::Open;
            let telemetry = telemetry::get();
            if let Some(telemetry) = telemetry {
                tell(telemetry, &guard.name, None, (before, breakers.parent.standing()));
            }
            if let Some(breaker) = breakers.services.get_mut(&self.service) {
                let before = breaker.standing();
                breaker.ended(worked, self.tries.0, now);
                closed |= before != Standing::Closed && breaker.standing() == Standing::Closed;
                opened |= breaker.standing() == Standing::Open;
                if let Some(telemetry) = telemetry {
                    let (service, kind) = &self.service;
                    tell(telemetry, &guard.name, Some((service, kind.word())), (before, breaker.standing()));
                }
            }
            // Where there is another way, nothing is held back.
            let failed = failed.filter(|failed| opened && failed.is_outage());
            let moved = failed.is_some_and(|failed| guard.move_over(&mut breakers, failed.category));
            closed && !moved
        };
        if closed {
            // Whoever comes back to life is not run over.
            guard.recover();
        }
        guard.changed.notify_waiters();
    }
}

/// Tells whoever counts how a breaker stood, and stands.
fn tell(
    telemetry: &Telemetry,
    provider: &str,
    service: Option<(&str, &'static str)>,
    (before, now): (Standing, Standing),
) {
    let state = match now {
        Standing::Closed => BreakerState::Closed,
        Standing::HalfOpen => BreakerState::HalfOpen,
        Standing::Open => BreakerState::Open,
    };
    telemetry.breaker(provider, service, state, before != now && now == Standing::Open);
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        // It was given up: nothing is known of the other side.
        let mut breakers = locked(&self.guard.breakers);
        if breakers.way != self.way {
            return;
        }
        if self.tries.1 {
            breakers.parent.let_go();
        }
        if let Some(breaker) = breakers.services.get_mut(&self.service).filter(|_| self.tries.0) {
            breaker.let_go();
        }
        self.guard.changed.notify_waiters();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

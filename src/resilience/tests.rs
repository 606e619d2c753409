//! The layers together, on paused time, before a provider that does what a script says.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{
    Applied, Capability, Category, Change, ConfigureRequest, Context, Effect, FindRequest, Found, Observed, Outcome,
    PlanRequest, PlanResponse, Private, Provider, ProviderDiagnostic, ProviderError, ProviderResult, ProviderSchema,
    ReadRequest, Reversibility, Type, ValidateRequest, Value,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;

mod moving;
mod trying;

/// What a call comes to: by its type, when it was made, and which of all calls it is.
type Script = dyn Fn(&str, Duration, usize) -> Option<ProviderError> + Send + Sync;

struct Scripted {
    began: Instant,
    script: Box<Script>,
    takes: Duration,
    calls: Mutex<Vec<(String, Duration)>>,
    running: Mutex<(usize, usize)>,
}

impl Scripted {
    async fn called(&self, type_name: &str) -> Option<ProviderError> {
        let at = self.began.elapsed();
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((type_name.to_owned(), at));
            calls.len() - 1
        };
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        tokio::time::sleep(self.takes).await;
        self.running.lock().unwrap().0 -= 1;
        (self.script)(type_name, at, number)
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        Ok(Arc::default())
    }

    async fn configure(&self, _request: ConfigureRequest) -> ProviderResult<()> {
        (self.script)("configure", self.began.elapsed(), 0).map_or(Ok(()), Err)
    }

    async fn validate(&self, _request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        Ok(Vec::new())
    }

    fn capability(&self, _type_name: &str, _config: &Value) -> Capability {
        Capability::default()
    }

    async fn read(&self, _context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        match self.called(&request.type_name).await {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    async fn find(&self, _context: &Context, _request: FindRequest) -> ProviderResult<Found> {
        Err(ProviderError::unsupported("find"))
    }

    async fn plan(&self, _context: &Context, _request: PlanRequest) -> ProviderResult<PlanResponse> {
        Ok(PlanResponse {
            planned: Value::null(Type::Dynamic),
            planned_private: Private::default(),
            requires_replace: Vec::new(),
            deferred: None,
            reversibility: Reversibility::Full,
            warnings: Vec::new(),
        })
    }

    async fn apply(&self, _context: &Context, change: Change) -> Outcome {
        match self.called(&change.type_name).await {
            Some(error) => Outcome::NotApplied(error),
            None => Outcome::Applied(Applied::of(Value::null(Type::Dynamic))),
        }
    }
}

fn context(run: &str) -> Context {
    let context = Context::looking(crate::clock::deadline(Duration::from_secs(60)), CancellationToken::new());
    Context { run: run.to_owned(), address: "x_y.z".into(), ..context }
}

struct Stage {
    provider: Arc<dyn Provider>,
    scripted: Arc<Scripted>,
    guard: Arc<Guard>,
    run: Arc<Resilience>,
}

fn scripted(script: impl Fn(&str, Duration, usize) -> Option<ProviderError> + Send + Sync + 'static) -> Arc<Scripted> {
    Arc::new(Scripted {
        began: Instant::now(),
        script: Box::new(script),
        takes: Duration::from_millis(20),
        calls: Mutex::default(),
        running: Mutex::default(),
    })
}

fn stage(
    policy: Policy,
    script: impl Fn(&str, Duration, usize) -> Option<ProviderError> + Send + Sync + 'static,
) -> Stage {
    let scripted = scripted(script);
    let run = Arc::new(Resilience::new(Some(7)));
    let guard = Arc::new(Guard::new("x".into(), "x", policy, Arc::clone(&run)));
    Stage {
        provider: Layered::wrap(Arc::clone(&guard), Arc::clone(&scripted) as Arc<dyn Provider>),
        scripted,
        guard,
        run,
    }
}

impl Stage {
    async fn read(&self, type_name: &str, run: &str) -> ProviderResult<()> {
        let request = ReadRequest {
            type_name: type_name.to_owned(),
            state: Value::null(Type::Dynamic),
            config: Value::null(Type::Dynamic),
            private: Private::default(),
            identity: None,
        };
        self.provider.read(&context(run), request).await.map(|_| ())
    }

    async fn plan(&self, type_name: &str) -> ProviderResult<PlanResponse> {
        let nothing = || Value::null(Type::Dynamic);
        let request = PlanRequest {
            type_name: type_name.to_owned(),
            config: nothing(),
            prior: nothing(),
            proposed: nothing(),
            prior_private: Private::default(),
        };
        self.provider.plan(&context("run"), request).await
    }

    async fn create(&self, type_name: &str) -> Outcome {
        let nothing = || Value::null(Type::Dynamic);
        let change = Change {
            type_name: type_name.to_owned(),
            effect: Effect::Create,
            config: nothing(),
            prior: nothing(),
            prior_private: Private::default(),
            planned: nothing(),
            planned_private: Private::default(),
            identity: None,
            restore: None,
        };
        self.provider.apply(&context("run"), change).await
    }

    fn calls(&self) -> Vec<(String, Duration)> {
        self.scripted.calls.lock().unwrap().clone()
    }
}

fn error(category: Category) -> ProviderError {
    ProviderError::new(category, "read", "no")
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_and_what_cannot_is_not() {
    let stage = stage(Policy::default(), |_, _, number| (number < 2).then(|| error(Category::ServerError)));
    stage.read("x_a", "").await.unwrap();
    assert_eq!(stage.calls().len(), 3);
    let stage = self::stage(Policy::default(), |_, _, _| Some(error(Category::Validation)));
    stage.read("x_a", "").await.unwrap_err();
    assert_eq!(stage.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_sent_once_whatever_comes_of_it() {
    let stage = stage(Policy::default(), |_, _, _| Some(error(Category::Transient)));
    assert!(matches!(stage.create("x_a").await, Outcome::NotApplied(_)));
    assert_eq!(stage.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_429_is_waited_out_as_the_other_side_asks() {
    // For ten seconds, everything is too much.
    let stage = stage(Policy::default(), |_, at, _| {
        (at < Duration::from_secs(10))
            .then(|| ProviderError { retry_after: Some(Duration::from_secs(4)), ..error(Category::RateLimited) })
    });
    let reads = (0..5).map(|_| stage.read("x_a", "run"));
    for answer in futures::future::join_all(reads).await {
        answer.unwrap();
    }
    let calls = stage.calls();
    // Nobody came back before it was asked to.
    assert!(calls.iter().all(|(_, at)| at.as_secs() % 4 == 0 || at.as_secs() > 10), "{calls:?}");
    // What is too much is no outage.
    assert!(stage.guard.standing().iter().all(|(_, standing)| *standing == Standing::Closed));
    assert!(calls.len() <= 20, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_two_minutes_holds_what_runs_back_and_fails_none_of_it() {
    let out = |at: Duration| (Duration::from_secs(1)..Duration::from_secs(121)).contains(&at);
    let stage = stage(Policy::default(), move |_, at, _| out(at).then(|| error(Category::Network)));
    stage.read("x_a", "run").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reads = (0..50).map(|_| stage.read("x_a", "run"));
    for answer in futures::future::join_all(reads).await {
        answer.unwrap();
    }
    let calls = stage.calls();
    let during = calls.iter().filter(|(_, at)| out(*at)).count();
    // Those that were under way, and then one try every ten seconds.
    assert!(during <= 50 + 12 + 5, "{during} calls into the outage");
    let later: Vec<_> = calls.iter().filter(|(_, at)| at.as_secs() > 5 && out(*at)).collect();
    assert!((9..=13).contains(&later.len()), "{later:?}");
    // What came back is not run over: one, then two, then more.
    let back: Vec<Duration> = calls.iter().map(|(_, at)| *at).filter(|at| at.as_secs() >= 121).collect();
    let first = back.iter().filter(|at| **at < back[0] + Duration::from_millis(20)).count();
    assert!(first <= 2, "{first} at once");
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_is_told_of_an_outage_at_once() {
    let stage = stage(Policy::default(), |_, at, _| (at > Duration::ZERO).then(|| error(Category::Network)));
    stage.read("x_a", "").await.unwrap();
    let began = Instant::now();
    for _ in 0..10 {
        stage.read("x_a", "").await.unwrap_err();
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // After the breaker has opened, nothing is sent at all.
    assert!(stage.calls().len() <= 7, "{:?}", stage.calls());
}

#[tokio::test(start_paused = true)]
async fn what_never_worked_is_not_waited_for() {
    let stage = stage(Policy::default(), |_, _, _| Some(error(Category::Network)));
    let began = Instant::now();
    for _ in 0..10 {
        stage.read("x_a", "run").await.unwrap_err();
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_back_longer_than_the_rules_say() {
    let policy = Policy {
        breaker: BreakerRules { hold: Duration::from_secs(30), ..BreakerRules::default() },
        ..Policy::default()
    };
    let stage = stage(policy, |_, at, _| (at > Duration::ZERO).then(|| error(Category::ServerError)));
    stage.read("x_a", "run").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let reads = (0..10).map(|_| stage.read("x_a", "run"));
    for answer in futures::future::join_all(reads).await {
        answer.unwrap_err();
    }
    let took = began.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(45)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_service_is_left_alone_and_the_healthy_ones_go_on() {
    let stage = stage(Policy::default(), |type_name, at, _| {
        (type_name.starts_with("x_bad") && at > Duration::ZERO).then(|| error(Category::ServerError))
    });
    stage.read("x_bad_one", "run").await.unwrap();
    let mut good = 0;
    for number in 0..200 {
        let looked = stage.read(if number % 2 == 0 { "x_bad_one" } else { "x_good_one" }, "").await;
        good += usize::from(looked.is_ok());
    }
    assert_eq!(good, 100);
    let bad = stage.calls().iter().filter(|(name, _)| name.starts_with("x_bad")).count();
    assert!(bad < 20, "{bad} calls to what does not work");
    let standing: BTreeMap<_, Standing> = stage.guard.standing().into_iter().collect();
    let of = |service: &str| standing[&Some((service.to_owned(), Kind::Read))];
    assert_eq!((standing[&None], of("good")), (Standing::Closed, Standing::Closed));
    assert_ne!(of("bad"), Standing::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_flaps_gets_through_within_the_budget() {
    // Every third call fails.
    let stage = stage(Policy::default(), |_, _, number| (number % 3 == 2).then(|| error(Category::Transient)));
    for _ in 0..300 {
        stage.read("x_a", "run").await.unwrap();
    }
    assert_eq!(stage.calls().len(), 449);
}

#[tokio::test(start_paused = true)]
async fn when_the_budget_is_spent_nothing_is_tried_again() {
    let policy = Policy {
        budget: Budget { retries: 5, most: 5, per_success: 0.0 },
        breaker: BreakerRules { failures: 0, ..BreakerRules::default() },
        ..Policy::default()
    };
    let stage = stage(policy, |_, _, _| Some(error(Category::Transient)));
    for _ in 0..100 {
        stage.read("x_a", "").await.unwrap_err();
    }
    assert_eq!(stage.calls().len(), 105);
}

#[tokio::test(start_paused = true)]
async fn limits_hold_for_all_and_for_what_fits_a_pattern() {
    let limits = |count| Limits { concurrency: NonZeroU32::new(count), rate: None };
    let types = BTreeMap::from([("x_slow_*".to_owned(), limits(2))]);
    let policy = Policy { limits: limits(5), types, ..Policy::default() };
    let stage = stage(policy, |_, _, _| None);
    let reads = (0..100).map(|number| stage.read(if number % 2 == 0 { "x_slow_one" } else { "x_fast" }, "run"));
    for answer in futures::future::join_all(reads).await {
        answer.unwrap();
    }
    assert_eq!(stage.scripted.running.lock().unwrap().1, 5);
    let slow = |at: Duration| {
        let calls = stage.calls();
        calls.iter().filter(|(name, other)| name == "x_slow_one" && *other == at).count()
    };
    assert!(stage.calls().iter().all(|(_, at)| slow(*at) <= 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_is_not_tried_again() {
    let stage = stage(Policy::default(), |_, _, _| Some(error(Category::Transient)));
    let context = context("run");
    let cancellation = context.cancellation.clone();
    let request = ReadRequest {
        type_name: "x_a".into(),
        state: Value::null(Type::Dynamic),
        config: Value::null(Type::Dynamic),
        private: Private::default(),
        identity: None,
    };
    let read = stage.provider.read(&context, request);
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(21)).await;
        cancellation.cancel();
    };
    let (answer, ()) = tokio::join!(read, cancel);
    answer.unwrap_err();
    assert!(stage.calls().len() <= 2, "{:?}", stage.calls());
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_written_reads_go_on() {
    let stage = stage(Policy::default(), |_, _, number| (number % 2 == 1).then(|| error(Category::ServerError)));
    for _ in 0..5 {
        stage.read("x_a", "run").await.unwrap();
        assert!(matches!(stage.create("x_a").await, Outcome::NotApplied(_)));
    }
    // The sixth is not sent until the time has come.
    let began = Instant::now();
    stage.read("x_a", "run").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    stage.create("x_a").await;
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_the_run_does_not_wait_for_what_is_held_back() {
    let stage = stage(Policy::default(), |_, at, _| (at > Duration::ZERO).then(|| error(Category::Network)));
    let stop = CancellationToken::new();
    stage.run.heed(stop.clone());
    stage.read("x_a", "run").await.unwrap();
    let began = Instant::now();
    let reads = futures::future::join_all((0..10).map(|_| stage.read("x_a", "run")));
    let stopped = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop.cancel();
    };
    let (answers, ()) = tokio::join!(reads, stopped);
    assert!(answers.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn that_something_can_be_planned_does_not_mean_that_the_other_side_works() {
    let stage = stage(Policy::default(), |_, _, _| Some(error(Category::Network)));
    let began = Instant::now();
    for _ in 0..10 {
        stage.plan("x_a").await.unwrap();
        stage.read("x_a", "run").await.unwrap_err();
    }
    assert!(!stage.guard.is_worth_waiting());
    let told = stage.read("x_a", "run").await.unwrap_err();
    assert!(told.message.contains("nothing is sent"), "{told}");
    // Who was on the way when it was given up says why.
    let fresh = self::stage(Policy::default(), |_, _, _| Some(error(Category::Network)));
    let answers = futures::future::join_all((0..8).map(|_| fresh.read("x_a", "run"))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.message == "no")), "{answers:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// A verb with a default that is not passed on would silently be that default.
#[test]
fn every_verb_is_passed_on() {
    let verbs = |text: &str, from: &str| -> Vec<String> {
        let text = &text[text.find(from).unwrap()..];
        let text = &text[..text.find("\n}\n").unwrap()];
        text.split(" fn ").skip(1).map(|rest| rest.split('(').next().unwrap().to_owned()).collect()
    };
    let contract = include_str!("../../providers/api/src/provider.rs");
    let here = include_str!("layer.rs");
    assert_eq!(verbs(contract, "pub trait Provider:"), verbs(here, "impl Provider for Layered"));
}

/// Healthy from some time on; how often somebody looked.
#[derive(Debug)]
struct HealthyFrom {
    began: Instant,
    healthy: Duration,
    looked: Mutex<usize>,
}

#[async_trait]
impl Gate for HealthyFrom {
    async fn is_healthy(&self, _stop: &CancellationToken) -> bool {
        *self.looked.lock().unwrap() += 1;
        self.began.elapsed() >= self.healthy
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(2)
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_more_is_sent_at_once_only_when_a_check_is_healthy() {
    let out = |at: Duration| (Duration::from_secs(1)..Duration::from_secs(20)).contains(&at);
    let breaker = BreakerRules { recovery_check: Some("it".into()), ..BreakerRules::default() };
    let policy = Policy { breaker, ..Policy::default() };
    let stage = stage(policy, move |_, at, _| out(at).then(|| error(Category::Network)));
    let gate =
        Arc::new(HealthyFrom { began: Instant::now(), healthy: Duration::from_secs(30), looked: Mutex::default() });
    stage.run.gate("it".into(), Arc::clone(&gate) as Arc<dyn Gate>);
    stage.read("x_a", "run").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reads = (0..2500).map(|_| stage.read("x_a", "run"));
    for answer in futures::future::join_all(reads).await {
        answer.unwrap();
    }
    // How many began together, by when.
    let mut together: BTreeMap<Duration, usize> = BTreeMap::new();
    for (_, at) in stage.calls().iter().filter(|(_, at)| !out(*at) && at.as_secs() >= 20) {
        *together.entry(*at).or_default() += 1;
    }
    let most = |from: u64, to: u64| {
        let range = Duration::from_secs(from)..Duration::from_secs(to);
        together.range(range).map(|(_, many)| *many).max().unwrap_or(0)
    };
    assert_eq!(most(22, 30), 1, "it is not healthy yet, and the run goes on");
    assert!(most(30, 32) <= 2 && most(30, 34) > 1, "{} and {}", most(30, 32), most(30, 34));
    assert!(most(34, 36) <= 8 && most(36, 100) > 8, "{} and {}", most(34, 36), most(36, 100));
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_at_a_check_once_the_run_is_stopped() {
    let out = |at: Duration| (Duration::from_secs(1)..Duration::from_secs(20)).contains(&at);
    let breaker = BreakerRules { recovery_check: Some("it".into()), ..BreakerRules::default() };
    let stage =
        stage(Policy { breaker, ..Policy::default() }, move |_, at, _| out(at).then(|| error(Category::Network)));
    let gate = Arc::new(HealthyFrom { began: Instant::now(), healthy: Duration::MAX, looked: Mutex::default() });
    stage.run.gate("it".into(), Arc::clone(&gate) as Arc<dyn Gate>);
    let stop = CancellationToken::new();
    stage.run.heed(stop.clone());
    stage.read("x_a", "run").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for answer in futures::future::join_all((0..20).map(|_| stage.read("x_a", "run"))).await {
        answer.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert!(*gate.looked.lock().unwrap() >= 3);
    stop.cancel();
    let looked = *gate.looked.lock().unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(*gate.looked.lock().unwrap(), looked);
}

//! Other ways to the same objects: when a run goes over to one, and that it stays there.

use proptest::prelude::*;
use retrue_provider_api::{DataRequest, Opened};

use super::*;

/// A way that can be had, after so many tries that fail.
struct Reached {
    provider: Arc<Scripted>,
    fails: Mutex<Vec<Category>>,
}

#[async_trait]
impl Alternative for Reached {
    async fn open(&self) -> ProviderResult<Arc<dyn Provider>> {
        match self.fails.lock().unwrap().pop() {
            Some(category) => Err(error(category)),
            None => Ok(Arc::clone(&self.provider) as Arc<dyn Provider>),
        }
    }
}

impl Stage {
    /// Offers ways that do what these scripts say, each opened after failures of these categories.
    fn with_ways(self, ways: &[(&Arc<Scripted>, &[Category])]) -> Stage {
        let ways = ways.iter().map(|(provider, fails)| {
            let reached = Reached { provider: Arc::clone(provider), fails: Mutex::new(fails.to_vec()) };
            Arc::new(reached) as Arc<dyn Alternative>
        });
        self.guard.offer(ways.collect(), Duration::from_secs(120));
        self
    }

    fn moves(&self) -> Vec<usize> {
        self.run.moves().iter().map(|moved| moved.fallback).collect()
    }

    async fn configure(&self) -> ProviderResult<()> {
        let config = Value::null(Type::Dynamic);
        self.provider.configure(ConfigureRequest { config, directory: "/".into() }).await
    }
}

fn healthy() -> Arc<Scripted> {
    scripted(|_, _, _| None)
}

fn count(scripted: &Scripted) -> usize {
    scripted.calls.lock().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_out_of_tries_goes_over_and_all_that_follows_with_it() {
    let other = healthy();
    // It works again at once: nothing goes back to it.
    let stage = stage(Policy::default(), |_, _, number| (number < 4).then(|| error(Category::Network)));
    let stage = stage.with_ways(&[(&other, &[])]);
    stage.read("x_a", "").await.unwrap();
    assert_eq!((stage.calls().len(), count(&other)), (4, 1), "each way has its own tries");
    stage.read("x_b", "run").await.unwrap();
    assert!(matches!(stage.create("x_a").await, Outcome::Applied(_)));
    assert_eq!((stage.calls().len(), count(&other)), (4, 3));
    let reason = "it cannot be reached".to_owned();
    let moved = MovedOver { provider: "x".into(), fallback: 1, reason };
    assert_eq!(stage.run.moves(), std::slice::from_ref(&moved));
    // It is told once.
    assert_eq!(stage.run.untold_moves(), [moved]);
    assert_eq!(stage.run.untold_moves(), []);
}

#[tokio::test(start_paused = true)]
async fn one_object_that_cannot_be_read_where_others_can_moves_nothing() {
    let other = healthy();
    let stage = stage(Policy::default(), |type_name, _, _| (type_name == "x_b").then(|| error(Category::ServerError)));
    let stage = stage.with_ways(&[(&other, &[])]);
    let healthy = async {
        for _ in 0..200 {
            stage.read("x_a", "run").await.unwrap();
        }
    };
    let (failed, ()) = tokio::join!(stage.read("x_b", ""), healthy);
    assert_eq!(failed.unwrap_err().category, Category::ServerError);
    assert_eq!((stage.moves(), count(&other)), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn where_a_breaker_opens_nothing_is_held_back_but_goes_the_other_way() {
    let other = healthy();
    // Nothing can be written; all can be read.
    let stage = stage(Policy::default(), |type_name, _, number| {
        (number > 0 && type_name == "x_a").then(|| error(Category::Transient))
    });
    let stage = stage.with_ways(&[(&other, &[])]);
    stage.read("x_b", "run").await.unwrap();
    let began = Instant::now();
    for sent in 1..=5 {
        assert!(matches!(stage.create("x_a").await, Outcome::NotApplied(_)));
        assert_eq!(stage.calls().len(), sent + 1);
    }
    assert_eq!(stage.moves(), [1]);
    // Who carries out the step is told to begin anew, at once: it looks first, on the other way.
    let failed = Failed { category: Category::Transient, retryable: true, retry_after: None };
    assert!(!stage.guard.waits_instead(("x_a", &[Kind::Read, Kind::Write]), failed));
    let mut waits = Waits::default();
    assert_eq!(stage.guard.again(&mut waits, failed, 5, began.elapsed()), Some(Duration::ZERO));
    assert!(matches!(stage.create("x_a").await, Outcome::Applied(_)));
    assert_eq!((stage.calls().len(), count(&other)), (6, 1));
    assert!(began.elapsed() < Duration::from_secs(1), "nothing waited");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_or_refused_moves_nothing() {
    for category in [Category::Validation, Category::Authentication, Category::NotFound, Category::Conflict] {
        let other = healthy();
        let stage = stage(Policy::default(), move |_, _, _| Some(error(category))).with_ways(&[(&other, &[])]);
        for _ in 0..20 {
            assert_eq!(stage.read("x_a", "run").await.unwrap_err().category, category);
        }
        assert_eq!(stage.configure().await.unwrap_err().category, category);
        assert_eq!((stage.moves(), count(&other)), (vec![], 0), "{category}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_that_cannot_be_configured_for_an_outage_is_left_for_the_next() {
    let (second, third) = (healthy(), healthy());
    let outage = |_: &str, _: Duration, _: usize| Some(error(Category::Network));
    let stage = stage(Policy::default(), outage).with_ways(&[(&second, &[Category::TimeOut]), (&third, &[])]);
    stage.configure().await.unwrap();
    assert_eq!(stage.moves(), [1, 2]);
    stage.read("x_a", "").await.unwrap();
    assert_eq!((stage.calls().len(), count(&second), count(&third)), (0, 0, 1));

    // One that is wrong is no outage: it is told, with the number of the entry.
    let wrong = self::stage(Policy::default(), outage);
    let wrong = wrong.with_ways(&[(&second, &[Category::Authentication]), (&third, &[])]);
    let told = format!("{:#}", wrong.configure().await.unwrap_err());
    assert!(told.contains("fallback"), "{told}");
    assert_eq!(wrong.moves(), [1]);

    // Where none can be had, it is an error and no loop.
    let none = self::stage(Policy::default(), outage).with_ways(&[(&second, &[Category::Network; 9])]);
    assert_eq!(none.configure().await.unwrap_err().category, Category::Network);
    assert_eq!(none.moves(), [1]);
}

#[tokio::test(start_paused = true)]
async fn many_that_fail_together_move_once() {
    let (second, third) = (healthy(), healthy());
    let stage = stage(Policy::default(), |_, _, _| Some(error(Category::Network)));
    let stage = stage.with_ways(&[(&second, &[]), (&third, &[])]);
    let all = futures::future::join_all((0..50).map(|_| stage.read("x_a", "run"))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((stage.moves(), count(&second), count(&third)), (vec![1], 50, 0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_in_its_whole_time_is_asked_once_on_each_way() {
    let silent = Arc::new(Scripted { takes: Duration::from_secs(3600), ..Arc::into_inner(healthy()).unwrap() });
    let mut stage = stage(Policy::default(), |_, _, _| None);
    stage.provider = Layered::wrap(Arc::clone(&stage.guard), Arc::clone(&silent) as Arc<dyn Provider>);
    let other = healthy();
    let stage = stage.with_ways(&[(&other, &[])]);
    stage.read("x_a", "").await.unwrap();
    assert_eq!((count(&silent), count(&other)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_cannot_reach_its_side_is_made_on_the_other() {
    let other = healthy();
    let stage = stage(Policy::default(), |_, _, _| Some(error(Category::Network))).with_ways(&[(&other, &[])]);
    // Another one has left the way meanwhile; what plans goes with it.
    stage.read("x_a", "").await.unwrap();
    stage.plan("x_a").await.unwrap();
    assert_eq!(stage.moves(), [1]);
}

proptest! {
    /// Whatever comes of calls: ways are only ever left forwards and once each, and no call is made more often than
    /// its tries, on each way.
    #[test]
    fn nothing_goes_back_and_tries_are_bounded(
        ways in 0usize..4,
        attempts in 1u32..5,
        outcomes in prop::collection::vec(0u8..5, 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let outcomes = Arc::new(outcomes);
            let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let script = {
                let (outcomes, next) = (Arc::clone(&outcomes), Arc::clone(&next));
                move |_: &str, _: Duration, _: usize| {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    match outcomes[index % outcomes.len()] {
                        0 => None,
                        1 => Some(error(Category::NotFound)),
                        2 => Some(error(Category::RateLimited)),
                        3 => Some(error(Category::Network)),
                        _ => Some(error(Category::ServerError)),
                    }
                }
            };
            let retry = Retry { attempts, ..Retry::default() };
            let hold = Duration::from_secs(1);
            let breaker = BreakerRules { hold, ..BreakerRules::default() };
            let stage = stage(Policy { retry, breaker, ..Policy::default() }, script.clone());
            let others: Vec<Arc<Scripted>> = (0..ways).map(|_| scripted(script.clone())).collect();
            let offered: Vec<(&Arc<Scripted>, &[Category])> = others.iter().map(|one| (one, &[][..])).collect();
            let stage = stage.with_ways(&offered);
            let mut way = 0;
            for number in 0..30 {
                let before = next.load(std::sync::atomic::Ordering::SeqCst);
                let _ = stage.read(["x_a", "x_b"][number % 2], "").await;
                let calls = next.load(std::sync::atomic::Ordering::SeqCst) - before;
                let most = usize::try_from(attempts).unwrap() * (ways + 1);
                assert!(calls <= most, "{calls} calls, and at most {most} were allowed");
                assert!(stage.guard.way() >= way && stage.guard.way() <= ways);
                way = stage.guard.way();
            }
            assert_eq!(stage.moves(), (1..=way).collect::<Vec<_>>());
        });
    }
}

/// A side on which one object is there or not, and leases are given out; or nothing can be reached.
#[derive(Default)]
struct Side {
    out: Option<Category>,
    there: std::sync::atomic::AtomicBool,
    reads: std::sync::atomic::AtomicUsize,
    said: Mutex<Vec<&'static str>>,
    /// From which look on it is there.
    shows_from: usize,
    silent: bool,
}

impl Side {
    fn new(there: bool) -> Side {
        Side { there: there.into(), ..Side::default() }
    }

    fn say(&self, what: &'static str) -> ProviderResult<()> {
        self.said.lock().unwrap().push(what);
        self.out.map_or(Ok(()), |category| Err(error(category)))
    }
}

#[async_trait]
impl Provider for Side {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        Ok(Arc::default())
    }

    async fn configure(&self, _request: ConfigureRequest) -> ProviderResult<()> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn validate(&self, _request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        Ok(Vec::new())
    }

    fn capability(&self, _type_name: &str, _config: &Value) -> Capability {
        Capability { settles_within: Duration::from_secs(5), ..Capability::default() }
    }

    async fn read(&self, _context: &Context, _request: ReadRequest) -> ProviderResult<Option<Observed>> {
        let before = self.reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.say("read")?;
        let there = self.there.load(std::sync::atomic::Ordering::SeqCst) && before >= self.shows_from;
        let state = Value::null(Type::Dynamic);
        Ok(there.then(|| Observed { state, private: Private::default(), identity: None, marker: None }))
    }

    async fn find(&self, _context: &Context, _request: FindRequest) -> ProviderResult<Found> {
        Err(ProviderError::unsupported("find"))
    }

    async fn plan(&self, _context: &Context, _request: PlanRequest) -> ProviderResult<PlanResponse> {
        Err(ProviderError::unsupported("plan"))
    }

    async fn apply(&self, _context: &Context, _change: Change) -> Outcome {
        match self.say("apply") {
            Ok(()) => Outcome::Applied(Applied::of(Value::null(Type::Dynamic))),
            Err(error) => Outcome::NotApplied(error),
        }
    }

    async fn open(&self, _context: &Context, _request: DataRequest) -> ProviderResult<Opened> {
        self.say("open")?;
        Ok(Opened { value: Value::null(Type::Dynamic), private: Private::default(), renew_at: None })
    }

    async fn renew(&self, _: &Context, _: &str, _: Private) -> ProviderResult<Option<std::time::Instant>> {
        self.say("renew").map(|()| None)
    }

    async fn close(&self, _: &Context, _: &str, _: Private) -> ProviderResult<()> {
        self.say("close")
    }
}

/// Another way to a side.
struct To(Arc<Side>);

#[async_trait]
impl Alternative for To {
    async fn open(&self) -> ProviderResult<Arc<dyn Provider>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Provider>)
    }
}

/// Two sides: the one that is left when told, and the other.
fn between(first: &Arc<Side>, second: &Arc<Side>) -> Stage {
    let mut stage = stage(Policy::default(), |_, _, _| None);
    stage.provider = Layered::wrap(Arc::clone(&stage.guard), Arc::clone(first) as Arc<dyn Provider>);
    stage.guard.offer(vec![Arc::new(To(Arc::clone(second)))], Duration::from_secs(120));
    stage
}

#[tokio::test(start_paused = true)]
async fn a_way_that_does_not_lead_to_what_was_there_is_not_gone() {
    let (first, second) = (Arc::new(Side::new(true)), Arc::new(Side::new(false)));
    let stage = between(&first, &second);
    stage.read("x_a", "run").await.unwrap();
    assert!(stage.guard.leave(0, Category::Network));
    let told = format!("{:#}", stage.read("x_b", "run").await.unwrap_err());
    assert!(told.contains("does not lead to the same objects") && told.contains("x_y.z"), "{told}");
    let Outcome::NotApplied(refused) = stage.create("x_b").await else { panic!("it was sent") };
    assert!(!refused.retry && refused.category == Category::Validation, "{refused:#}");
    assert!(!second.said.lock().unwrap().contains(&"apply"));
    // Nor does anybody go on from there as if it were an outage.
    assert_eq!(stage.moves(), [1]);

    // It may show what is there a moment later.
    let slow = Arc::new(Side { shows_from: 3, ..Side::new(true) });
    let stage = between(&first, &slow);
    stage.read("x_a", "run").await.unwrap();
    assert!(stage.guard.leave(0, Category::Network));
    assert!(matches!(stage.create("x_b").await, Outcome::Applied(_)));
    assert_eq!(*slow.said.lock().unwrap(), ["read", "read", "read", "read", "apply"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_has_changed_itself_need_not_be_there() {
    let (first, second) = (Arc::new(Side::new(true)), Arc::new(Side::new(false)));
    let stage = between(&first, &second);
    stage.read("x_a", "run").await.unwrap();
    // The same address: it may be gone by now, and that is as it should be.
    assert!(matches!(stage.create("x_a").await, Outcome::Applied(_)));
    assert!(stage.guard.leave(0, Category::Network));
    assert!(matches!(stage.create("x_b").await, Outcome::Applied(_)));
    assert_eq!(*second.said.lock().unwrap(), ["apply"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_ephemeral_is_opened_on_the_other_way_once() {
    let request = || DataRequest { type_name: "x_lease".to_owned(), config: Value::null(Type::Dynamic) };
    for (category, goes) in [
        (Category::Network, true),
        (Category::Transient, true),
        (Category::TimeOut, false),
        (Category::Conflict, false),
    ] {
        let first = Arc::new(Side { out: Some(category), ..Side::new(true) });
        let second = Arc::new(Side::new(true));
        let stage = between(&first, &second);
        let opened = stage.provider.open(&context("run"), request()).await;
        assert_eq!((opened.is_ok(), stage.moves().len()), (goes, usize::from(goes)), "{category}");
        assert_eq!((first.said.lock().unwrap().len(), second.said.lock().unwrap().len()), (1, usize::from(goes)));
    }
    // What was opened here is renewed and closed there.
    let first = Arc::new(Side::new(true));
    let second = Arc::new(Side::new(true));
    let stage = between(&first, &second);
    stage.provider.open(&context("run"), request()).await.unwrap();
    assert!(stage.guard.leave(0, Category::Network));
    stage.provider.renew(&context("run"), "x_lease", Private::default()).await.unwrap();
    stage.provider.close(&context("run"), "x_lease", Private::default()).await.unwrap();
    assert_eq!(*second.said.lock().unwrap(), ["renew", "close"]);
    // Also where closing is what finds out.
    let first = Arc::new(Side { out: Some(Category::Network), ..Side::new(true) });
    let second = Arc::new(Side::new(true));
    let stage = between(&first, &second);
    stage.provider.close(&context("run"), "x_lease", Private::default()).await.unwrap();
    assert_eq!((stage.moves(), second.said.lock().unwrap().len()), (vec![1], 1));
}

#[tokio::test(start_paused = true)]
async fn a_way_that_is_silent_while_it_is_configured_is_left() {
    let first = Arc::new(Side { silent: true, ..Side::new(true) });
    let stage = between(&first, &Arc::new(Side::new(true)));
    let began = Instant::now();
    stage.configure().await.unwrap();
    assert_eq!((stage.moves(), began.elapsed().as_secs()), (vec![1], 120));
}

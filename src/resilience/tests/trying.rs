//! What a try hears of its calls, and what its looks earn.

use super::*;

/// As few retries as can be counted.
fn few() -> Policy {
    Policy {
        retry: Retry { attempts: 1, ..Retry::default() },
        budget: Budget { retries: 2, most: 2, per_success: 0.5 },
        ..Policy::default()
    }
}

const MAY_PASS: Failed = Failed { category: Category::RateLimited, retryable: true, retry_after: None };

/// How many retries are left.
fn left(stage: &Stage) -> usize {
    let rules = Retry::default();
    (0..100)
        .take_while(|_| stage.guard.again_by(&rules, &mut stage.guard.waits(), MAY_PASS, 1, Duration::ZERO).is_some())
        .count()
}

#[tokio::test(start_paused = true)]
async fn looks_within_a_retry_pay_for_no_retry() {
    let stage = stage(few(), |name, _, _| (name == "x_bad").then(|| error(Category::RateLimited)));
    assert_eq!(left(&stage), 2);
    let looks = || async {
        for _ in 0..4 {
            stage.read("x_a", "run").await.unwrap();
        }
    };
    // Those of one that is tried again, and those behind a failure.
    trying(true, looks()).0.await;
    assert_eq!(left(&stage), 0);
    let failing = async {
        stage.create("x_bad").await;
        looks().await;
    };
    trying(false, failing).0.await;
    assert_eq!(left(&stage), 0);
    // What is done pays, and so do looks that nothing failed before.
    trying(true, async { (stage.create("x_a").await, stage.create("x_a").await) }).0.await;
    assert_eq!(left(&stage), 1);
    trying(false, looks()).0.await;
    assert_eq!(left(&stage), 2);
    looks().await;
    assert_eq!(left(&stage), 2);
}

#[tokio::test(start_paused = true)]
async fn a_try_hears_that_its_looks_are_held_back() {
    let out = |at: Duration| (Duration::from_secs(1)..Duration::from_secs(31)).contains(&at);
    let stage = stage(Policy::default(), move |_, at, _| out(at).then(|| error(Category::Network)));
    stage.read("x_a", "run").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reads = (0..10).map(|_| stage.read("x_a", "run"));
    let (calls, mut heard) = trying(false, futures::future::join_all(reads));
    for answer in calls.await {
        answer.unwrap();
    }
    let mut holds = Vec::new();
    while let Some(hold) = heard.recv().await {
        holds.push(match hold {
            Hold::Begins(held) => held.to_string(),
            Hold::Ends => "goes on".to_owned(),
        });
    }
    let ends = holds.iter().filter(|hold| *hold == "goes on").count();
    assert!(ends > 0 && holds.len() == 2 * ends, "{holds:?}");
    assert!(holds[0].starts_with("nothing is sent to `x_a` of the provider `x`"), "{holds:?}");
    assert_eq!(holds.last().unwrap(), "goes on");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_more_time_than_there_is_is_not_asked_again() {
    let asks = |seconds| {
        move |_: &str, at: Duration, _| {
            let error =
                ProviderError { retry_after: Some(Duration::from_secs(seconds)), ..error(Category::RateLimited) };
            (at < Duration::from_secs(seconds)).then_some(error)
        }
    };
    let long = stage(Policy::default(), asks(400));
    long.read("x_a", "run").await.unwrap();
    assert_eq!(long.calls().len(), 2, "not before it was asked to");
    let stage = stage(Policy::default(), asks(3600));
    let began = Instant::now();
    let refused = stage.read("x_a", "run").await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1) && stage.calls().len() == 1, "{:?}", stage.calls());
    assert!(refused.message.contains("asked to wait for 3600 s, and `retry.within` is 600 s"), "{}", refused.message);
}

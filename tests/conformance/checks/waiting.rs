//! Rules about time.

use std::time::{Duration, Instant};

use retrue_provider_api::{Context, Outcome};

use crate::bench::{Bench, PATIENCE};
use crate::change::word;
use crate::judge::{Judged, Verdict, Violation, demand};

/// How long after its deadline or cancellation a call may take to come to an end.
const GRACE: Duration = Duration::from_secs(6);

const NEVER_HANGS: Verdict = Verdict::DoesNotApply("nothing can be made to hang");

pub async fn deadline_is_kept(bench: &Bench) -> Judged {
    if !bench.world.hang().await {
        return Ok(NEVER_HANGS);
    }
    let (change, _) = bench.change(None, &bench.world.hanging_config()).await?;
    let deadline = Instant::now() + Duration::from_millis(300);
    let context = Context { deadline, ..bench.context() };
    let ended = tokio::time::timeout(GRACE, bench.provider.apply(&context, change)).await;
    bench.world.disarm().await;
    let Ok(outcome) = ended else {
        return Err(Violation(format!("a call with a deadline of 300 ms still runs after {GRACE:?}")));
    };
    let changed = !bench.world.truth().await.is_empty();
    demand(!matches!(outcome, Outcome::Applied(_)), || "a call that never ended is Applied".into())?;
    demand(!changed || !matches!(outcome, Outcome::NotApplied(_)), || {
        format!("a call ran out of time after its effect, and is {}", word(&outcome))
    })?;
    Ok(Verdict::Kept)
}

pub async fn cancellation_is_heeded(bench: &Bench) -> Judged {
    if !bench.world.hang().await {
        return Ok(NEVER_HANGS);
    }
    let (change, _) = bench.change(None, &bench.world.hanging_config()).await?;
    let context = bench.context();
    let cancellation = context.cancellation.clone();
    let call = bench.provider.apply(&context, change);
    tokio::pin!(call);
    // The effect is there: the call is in its middle, and hangs.
    let begun = async {
        let until = Instant::now() + PATIENCE;
        while bench.world.truth().await.is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let early = tokio::select! {
        outcome = &mut call => Some(outcome),
        () = begun => None,
    };
    let outcome = match early {
        Some(outcome) => outcome,
        None => {
            cancellation.cancel();
            let Ok(outcome) = tokio::time::timeout(GRACE, call).await else {
                bench.world.disarm().await;
                return Err(Violation(format!("a call still runs {GRACE:?} after it was cancelled")));
            };
            outcome
        }
    };
    bench.world.disarm().await;
    demand(matches!(outcome, Outcome::Unknown { .. } | Outcome::Partial { .. }), || {
        format!("a call was cancelled after its effect and before its end, and is {}", word(&outcome))
    })?;
    Ok(Verdict::Kept)
}

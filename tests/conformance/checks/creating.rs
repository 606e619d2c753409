//! Rules about creates.

use retrue_provider_api::{Category, Findable, Outcome};

use crate::bench::Bench;
use crate::change::word;
use crate::judge::{Judged, Verdict, Violation, demand};
use crate::values::difference;

pub async fn create_makes_it(bench: &Bench) -> Judged {
    let before = bench.world.truth().await;
    let thing = bench.create(&bench.world.config()).await?;
    if !bench.is_outside() {
        return Ok(Verdict::DoesNotApply("nothing exists outside"));
    }
    let after = bench.world.truth().await;
    demand(after.len() == before.len() + 1, || {
        format!("the create is Applied, and outside there are {} objects after {} before", after.len(), before.len())
    })?;
    bench.read_there(&thing).await?;
    Ok(Verdict::Kept)
}

pub async fn create_gives_what_was_planned(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let (change, planned) = bench.change(None, &config).await?;
    let outcome = bench.provider.apply(&bench.context(), change).await;
    let thing = bench.must_apply("create", outcome, &config)?;
    if let Some(path) = thing.state.unknown_paths().first() {
        return Err(Violation(format!("after the create `{path}` is still unknown")));
    }
    if let Some(difference) = difference(&planned.planned, &thing.state) {
        return Err(Violation(format!("the state after the create contradicts the plan: {difference}")));
    }
    Ok(Verdict::Kept)
}

pub async fn create_refuses_what_exists(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::ByIdentity {
        return Ok(Verdict::DoesNotApply("two of a kind may exist"));
    }
    let config = bench.world.config();
    let existing = bench.create(&config).await?;
    bench.world.drift(&existing.state).await;
    let before = bench.world.truth().await;
    let outcome = bench.attempt_in(&bench.context_of(2, "current"), None, &config).await?;
    let after = bench.world.truth().await;
    demand(before == after, || format!("a create changes what is there: it was {before:?}, and is {after:?}"))?;
    match outcome {
        Outcome::NotApplied(error) if error.category == Category::Conflict => Ok(Verdict::Kept),
        other => Err(Violation(format!(
            "a create of what is there must be NotApplied (a conflict), and is {}",
            word(&other)
        ))),
    }
}

pub async fn marker_is_carried(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::ByMarker {
        return Ok(Verdict::DoesNotApply("it is not found by a marker"));
    }
    let thing = bench.create(&bench.world.config()).await?;
    let expected = bench.context().marker.map(|marker| marker.to_string());
    let found = bench.read_there(&thing).await?.marker;
    demand(found == expected, || format!("it was made with the marker {expected:?}, and a read shows {found:?}"))?;
    Ok(Verdict::Kept)
}

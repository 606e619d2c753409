//! Rules about undoing.

use retrue_provider_api::{Change, Effect, Findable, Found, Image, Outcome, Reversibility};
use serde_json::Value as Json;

use crate::bench::{Bench, Thing};
use crate::change::{nothing, word};
use crate::judge::{Judged, Verdict, Violation, demand};

const NOTHING_OUTSIDE: Verdict = Verdict::DoesNotApply("nothing exists outside");

async fn undo(bench: &Bench, what: &str, change: Change) -> Result<Thing, Violation> {
    let outcome = bench.provider.apply(&bench.context(), change).await;
    bench.world.settle().await;
    bench.must_apply(what, outcome, &nothing())
}

fn same(what: &str, before: &[Json], after: &[Json]) -> Result<(), Violation> {
    demand(before == after, || {
        let show = |objects: &[Json]| Json::from(objects.to_vec()).to_string();
        format!("{what} does not bring the world back.\n  before: {}\n  after:  {}", show(before), show(after))
    })
}

pub async fn undo_of_create(bench: &Bench) -> Judged {
    let before = bench.world.truth().await;
    let made = bench.create(&bench.world.config()).await?;
    undo(bench, "the undo of a create", bench.inverse_of_create(&made)).await?;
    same("the undo of a create", &before, &bench.world.truth().await)?;
    Ok(Verdict::Kept)
}

pub async fn undo_of_update(bench: &Bench) -> Judged {
    let alternatives = bench.in_place();
    if !bench.capability().updates || alternatives.is_empty() {
        return Ok(Verdict::DoesNotApply("nothing can be changed in place"));
    }
    for (name, config) in alternatives {
        let made = bench.create(&bench.world.config()).await?;
        let old = bench.drifted(&made).await?;
        let before = bench.world.truth().await;
        let (change, planned) = bench.change(Some(&old), &config).await?;
        let image = bench.image(&old, Some(Effect::Update), &planned.planned).await?;
        let outcome = bench.provider.apply(&bench.context(), change).await;
        let new = bench.must_apply("update", outcome, &config)?;
        let back = undo(bench, "the undo of an update", bench.inverse_of_update(&new, &image)).await?;
        same(&format!("the undo of an update of `{name}`"), &before, &bench.world.truth().await)?;
        if let Some(difference) = bench.difference(&old.state, &back.state) {
            return Err(Violation(format!("the undo of an update of `{name}` returns another state: {difference}")));
        }
        bench.world.clear().await;
    }
    Ok(Verdict::Kept)
}

pub async fn undo_of_delete(bench: &Bench) -> Judged {
    let made = bench.create(&bench.world.config()).await?;
    let old = bench.drifted(&made).await?;
    let reversibility = bench.reversibility_of_delete(&old).await?;
    if let Reversibility::No(_) = reversibility {
        return Ok(Verdict::DoesNotApply("a delete cannot be undone"));
    }
    let before = bench.world.truth().await;
    let image = bench.image(&old, Some(Effect::Delete), &nothing()).await?;
    bench.delete(&old).await?;
    undo(bench, "the undo of a delete", bench.inverse_of_delete(&old, &image)).await?;
    let after = bench.world.truth().await;
    match reversibility {
        Reversibility::Full => same("the undo of a delete", &before, &after)?,
        _ => same("the undo of a lossy delete", &bench.world.lasting(&before), &bench.world.lasting(&after))?,
    }
    Ok(Verdict::Kept)
}

pub async fn undo_twice(bench: &Bench) -> Judged {
    let empty = bench.world.truth().await;
    let made = bench.create(&bench.world.config()).await?;
    for what in ["the undo of a create", "the second undo of a create"] {
        undo(bench, what, bench.inverse_of_create(&made)).await?;
        same(what, &empty, &bench.world.truth().await)?;
    }
    if bench.capability().updates {
        for (_, config) in bench.in_place() {
            let old = bench.create(&bench.world.config()).await?;
            let before = bench.world.truth().await;
            let (change, planned) = bench.change(Some(&old), &config).await?;
            let image = bench.image(&old, Some(Effect::Update), &planned.planned).await?;
            let outcome = bench.provider.apply(&bench.context(), change).await;
            let mut now = bench.must_apply("update", outcome, &config)?;
            for what in ["the undo of an update", "the second undo of an update"] {
                now = undo(bench, what, bench.inverse_of_update(&now, &image)).await?;
                same(what, &before, &bench.world.truth().await)?;
            }
            bench.world.clear().await;
        }
    }
    let old = bench.create(&bench.world.config()).await?;
    if matches!(bench.reversibility_of_delete(&old).await?, Reversibility::No(_)) {
        return Ok(Verdict::Kept);
    }
    let image = bench.image(&old, Some(Effect::Delete), &nothing()).await?;
    bench.delete(&old).await?;
    undo(bench, "the undo of a delete", bench.inverse_of_delete(&old, &image)).await?;
    again(bench, &old, &image, "the second undo of a delete").await?;
    Ok(Verdict::Kept)
}

/// Brings back what is there already, as the engine would: it looks first.
async fn again(bench: &Bench, old: &Thing, image: &Image, what: &str) -> Result<(), Violation> {
    let before = bench.world.truth().await;
    match bench.capability().findable {
        Findable::ByMarker => {
            let found = bench.find_until(&old.config, |found| matches!(found, Found::One(_))).await?;
            demand(matches!(found, Found::One(_)), || {
                format!("{what}: what was brought back is not found, and would be brought back again")
            })
        }
        Findable::ByIdentity => {
            let outcome = bench.provider.apply(&bench.context(), bench.inverse_of_delete(old, image)).await;
            demand(matches!(outcome, Outcome::NotApplied(_) | Outcome::Applied(_)), || {
                format!("{what} is {}", word(&outcome))
            })?;
            same(what, &before, &bench.world.truth().await)
        }
        // Nobody can look; the engine asks a person.
        Findable::No | Findable::NothingOutside => Ok(()),
    }
}

pub async fn undo_of_what_never_happened(bench: &Bench) -> Judged {
    if !bench.is_outside() {
        return Ok(NOTHING_OUTSIDE);
    }
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let before = bench.world.truth().await;
    if bench.capability().updates
        && let Some((_, changed)) = bench.in_place().into_iter().next()
    {
        let (_, planned) = bench.change(Some(&thing), &changed).await?;
        let image = bench.image(&thing, Some(Effect::Update), &planned.planned).await?;
        undo(bench, "the undo of an update that never happened", bench.inverse_of_update(&thing, &image)).await?;
        same("the undo of an update that never happened", &before, &bench.world.truth().await)?;
    }
    let image = bench.image(&thing, Some(Effect::Delete), &nothing()).await?;
    again(bench, &thing, &image, "the undo of a delete that never happened").await?;
    if bench.world.remove(&thing.state).await {
        let before = bench.world.truth().await;
        undo(bench, "the undo of a create that never happened", bench.inverse_of_create(&thing)).await?;
        same("the undo of a create that never happened", &before, &bench.world.truth().await)?;
    }
    Ok(Verdict::Kept)
}

pub async fn recover_is_harmless(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let planned = bench.plan(None, &config).await?.planned;
    let absent = Thing { state: planned, private: Default::default(), identity: None, config: config.clone() };
    let before = bench.world.truth().await;
    let recover = async |thing: &Thing| {
        let recovered = bench.provider.recover(&bench.context(), bench.read_request(thing)).await;
        recovered.map_err(|error| crate::judge::failed("recover", error))
    };
    recover(&absent).await?;
    same("`recover` of nothing", &before, &bench.world.truth().await)?;
    let thing = bench.create(&config).await?;
    let before = bench.world.truth().await;
    for _ in 0..2 {
        recover(&thing).await?;
        same("`recover` of what is whole", &before, &bench.world.truth().await)?;
    }
    Ok(Verdict::Kept)
}

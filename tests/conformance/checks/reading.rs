//! Rules about reads.

use std::time::Instant;

use futures::future::join_all;
use retrue_provider_api::{Category, Effect, Found, Subject, ValidateRequest};

use crate::bench::Bench;
use crate::change::nothing;
use crate::judge::{Judged, Verdict, Violation, demand};

pub async fn read_equals_what_apply_returned(bench: &Bench) -> Judged {
    let mut thing = bench.create_unsettled(&bench.context(), &bench.world.config()).await?;
    let changes = if bench.capability().updates { bench.in_place() } else { Vec::new() };
    for config in [None].into_iter().chain(changes.into_iter().map(|(_, config)| Some(config))) {
        if let Some(config) = config {
            thing = bench.update(&thing, &config).await?;
        }
        let agrees = |found: Option<&retrue_provider_api::Observed>| {
            found.is_some_and(|found| bench.difference(&thing.state, &found.state).is_none())
        };
        let Some(found) = bench.read_until(&thing, agrees).await? else {
            return Err(Violation("`read` finds nothing after a change that was Applied".into()));
        };
        if let Some(difference) = bench.difference(&thing.state, &found.state) {
            return Err(Violation(format!("`read` contradicts what the change returned: {difference}")));
        }
    }
    Ok(Verdict::Kept)
}

pub async fn read_tells_the_truth(bench: &Bench) -> Judged {
    let thing = bench.create(&bench.world.config()).await?;
    if !bench.observes() {
        return Ok(Verdict::DoesNotApply("it cannot be observed"));
    }
    let before = bench.read_there(&thing).await?;
    if !bench.world.drift(&thing.state).await {
        return Ok(Verdict::DoesNotApply("nobody else can change it"));
    }
    let changed = |found: Option<&retrue_provider_api::Observed>| {
        found.is_some_and(|found| bench.difference(&before.state, &found.state).is_some())
    };
    let after = bench.read_until(&thing, changed).await?;
    demand(changed(after.as_ref()), || "somebody else changed it, and `read` still shows what was before".into())?;
    Ok(Verdict::Kept)
}

pub async fn read_of_what_is_gone_is_none(bench: &Bench) -> Judged {
    let thing = bench.create(&bench.world.config()).await?;
    if !bench.observes() {
        return Ok(Verdict::DoesNotApply("it cannot be observed"));
    }
    if !bench.world.remove(&thing.state).await {
        return Ok(Verdict::DoesNotApply("nobody else can remove it"));
    }
    let found = bench.read_until(&thing, |found| found.is_none()).await?;
    demand(found.is_none(), || "somebody else removed it, and `read` still shows it".into())?;
    Ok(Verdict::Kept)
}

pub async fn looking_changes_nothing(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let look = async |thing: Option<&crate::bench::Thing>| -> Result<(), Violation> {
        let request =
            ValidateRequest { subject: Subject::Resource, type_name: bench.type_name(), config: config.clone() };
        // What they answer is for other rules; here it counts that the world stays as it is.
        let _ = bench.provider.validate(request).await;
        if bench.is_findable() {
            let _ = bench.find_with(&config, bench.context().marker).await;
        }
        bench.plan(None, &config).await?;
        if let Some(thing) = thing {
            bench.read(thing).await?;
            bench.plan(Some(thing), &nothing()).await?;
            for (_, config) in bench.in_place().into_iter().chain(bench.replacing()) {
                let planned = bench.plan(Some(thing), &config).await?;
                bench.image(thing, Some(Effect::Update), &planned.planned).await?;
            }
            bench.image(thing, None, &nothing()).await?;
        }
        Ok(())
    };
    let before = bench.world.truth().await;
    look(None).await?;
    let after = bench.world.truth().await;
    demand(before == after, || format!("looking at nothing changes the world: {before:?} becomes {after:?}"))?;
    let thing = bench.create(&config).await?;
    let observed = bench.read_there(&thing).await?;
    let thing = bench.thing(observed, &config);
    let before = (bench.world.truth().await, bench.world.effects().await);
    look(Some(&thing)).await?;
    let after = (bench.world.truth().await, bench.world.effects().await);
    demand(before == after, || format!("looking changes the world: {before:?} becomes {after:?}"))?;
    Ok(Verdict::Kept)
}

pub async fn concurrent_reads_agree(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let first = bench.read_there(&thing).await?;
    for found in join_all((0..32).map(|_| bench.read(&thing))).await {
        let Some(found) = found? else {
            return Err(Violation("one of many reads at the same time finds nothing".into()));
        };
        if let Some(difference) = bench.difference(&first.state, &found.state) {
            return Err(Violation(format!("one of many reads at the same time finds something else: {difference}")));
        }
    }
    Ok(Verdict::Kept)
}

pub async fn image_of_what_changed_is_a_conflict(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    if !bench.observes() {
        return Ok(Verdict::DoesNotApply("it cannot be observed"));
    }
    if bench.world.follows_commands() {
        return Ok(Verdict::DoesNotApply("only attributes are brought back"));
    }
    let observed = bench.read_there(&thing).await?;
    let stale = bench.thing(observed, &config);
    if !bench.world.drift(&stale.state).await {
        return Ok(Verdict::DoesNotApply("nobody else can change it"));
    }
    let request =
        retrue_provider_api::ImageRequest { object: bench.read_request(&stale), effect: None, planned: nothing() };
    match bench.provider.image(&bench.context(), request).await {
        Err(error) if error.category == Category::Conflict => Ok(Verdict::Kept),
        Err(error) => Err(Violation(format!("an image of what has changed must be a conflict, and is: {error:#}"))),
        Ok(_) => Err(Violation("it has changed since it was read, and an image is made without a word".into())),
    }
}

pub async fn settling_time_is_honest(bench: &Bench) -> Judged {
    if !bench.observes() {
        return Ok(Verdict::DoesNotApply("it cannot be observed"));
    }
    let config = bench.world.config();
    let thing = bench.create_unsettled(&bench.context(), &config).await?;
    let within = bench.capability().settles_within;
    let since = Instant::now();
    let there = bench.read_until(&thing, |found| found.is_some()).await?;
    demand(there.is_some(), || {
        format!("{:?} after the create `read` does not see it; the settling time is {within:?}", since.elapsed())
    })?;
    if bench.is_findable() {
        let found = bench.find_until(&config, |found| matches!(found, Found::One(_))).await?;
        demand(matches!(found, Found::One(_)), || format!("`find` does not see it within {within:?}"))?;
    }
    bench.delete_unsettled(&thing).await?;
    let gone = bench.read_until(&thing, |found| found.is_none()).await?;
    demand(gone.is_none(), || format!("`read` still sees it after the delete; the settling time is {within:?}"))?;
    Ok(Verdict::Kept)
}

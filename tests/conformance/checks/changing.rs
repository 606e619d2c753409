//! Rules about updates, replaces and deletes.

use retrue_provider_api::{Findable, Outcome};

use crate::bench::Bench;
use crate::change::{nothing, word};
use crate::judge::{Judged, Verdict, Violation, demand};
use crate::values::{attribute, difference, shown};

pub async fn update_changes_each_attribute(bench: &Bench) -> Judged {
    let alternatives = bench.in_place();
    if !bench.capability().updates || alternatives.is_empty() {
        return Ok(Verdict::DoesNotApply("nothing can be changed in place"));
    }
    let base = bench.world.config();
    let mut thing = bench.create(&base).await?;
    for (name, config) in alternatives {
        let inert = is_inert(bench, &name) || bench.world.wishes().contains(&name.as_str());
        for config in [&config, &base] {
            let (change, planned) = bench.change(Some(&thing), config).await?;
            demand(attribute(&planned.planned, &name) != attribute(&thing.state, &name), || {
                format!("`{name}` differs, and the plan does not change it")
            })?;
            let before = bench.world.truth().await;
            let outcome = bench.provider.apply(&bench.context(), change).await;
            thing = bench.must_apply(&format!("an update of `{name}`"), outcome, config)?;
            if let Some(difference) = difference(&planned.planned, &thing.state) {
                return Err(Violation(format!(
                    "after an update of `{name}` the state contradicts the plan: {difference}"
                )));
            }
            if !bench.observes() || inert {
                continue;
            }
            let after = bench.world.truth().await;
            demand(before != after, || format!("the update of `{name}` is Applied, and the world is as before"))?;
            let wanted = attribute(&thing.state, &name);
            let right = |found: Option<&retrue_provider_api::Observed>| {
                found.is_some_and(|found| attribute(&found.state, &name).same(&wanted))
            };
            let found = bench.read_until(&thing, right).await?;
            demand(right(found.as_ref()), || {
                let found = found.map_or_else(nothing, |found| attribute(&found.state, &name));
                format!("the update of `{name}` to {} is Applied, and `read` finds {}", shown(&wanted), shown(&found))
            })?;
        }
    }
    Ok(Verdict::Kept)
}

pub async fn update_leaves_the_rest_alone(bench: &Bench) -> Judged {
    let alternatives = bench.in_place();
    if !bench.capability().updates || alternatives.is_empty() || !bench.observes() {
        return Ok(Verdict::DoesNotApply("nothing can be changed in place and seen"));
    }
    for (changed, config) in alternatives {
        let thing = bench.create(&bench.world.config()).await?;
        let before = bench.read_there(&thing).await?.state;
        let after = bench.update(&thing, &config).await?;
        let is_new = |found: Option<&retrue_provider_api::Observed>| {
            found.is_some_and(|found| bench.difference(&after.state, &found.state).is_none())
        };
        let found = bench.read_until(&after, is_new).await?.map_or_else(nothing, |found| found.state);
        // Attributes that say the same in other words may change with it: only what is configured counts.
        let settable = bench.block().attributes.iter().filter(|(_, attribute)| attribute.settable());
        let names = settable.map(|(name, _)| name).chain(bench.block().blocks.keys());
        for name in names.filter(|name| **name != changed && !attribute(&thing.config, name).is_null()) {
            let (was, is) = (attribute(&before, name), attribute(&found, name));
            demand(was == is || attribute(&config, name) != attribute(&thing.config, name), || {
                format!("an update of `{changed}` alone changes `{name}` from {} to {}", shown(&was), shown(&is))
            })?;
        }
        bench.delete(&after).await?;
    }
    Ok(Verdict::Kept)
}

pub async fn update_of_what_is_gone_is_not_applied(bench: &Bench) -> Judged {
    let alternatives = bench.in_place();
    if !bench.capability().updates || alternatives.is_empty() || !bench.observes() {
        return Ok(Verdict::DoesNotApply("nothing can be changed in place and seen"));
    }
    for (name, config) in alternatives.into_iter().filter(|(name, _)| !is_inert(bench, name)) {
        let thing = bench.create(&bench.world.config()).await?;
        let (change, _) = bench.change(Some(&thing), &config).await?;
        if !bench.world.remove(&thing.state).await {
            return Ok(Verdict::DoesNotApply("nobody else can remove it"));
        }
        let before = bench.world.truth().await;
        let outcome = bench.provider.apply(&bench.context(), change).await;
        let after = bench.world.truth().await;
        demand(before == after, || format!("an update of `{name}` of what is gone makes something: {after:?}"))?;
        // A command that failed may have been what took it away.
        let in_doubt = bench.world.follows_commands() && matches!(outcome, Outcome::Unknown { .. });
        demand(in_doubt || matches!(outcome, Outcome::NotApplied(_)), || {
            format!("an update of what is gone must be NotApplied, and is {}", word(&outcome))
        })?;
    }
    Ok(Verdict::Kept)
}

pub async fn replace_by_delete_then_create(bench: &Bench) -> Judged {
    let mut thing = bench.create(&bench.world.config()).await?;
    let others = bench.world.truth().await.len();
    let replacing = bench.replacing();
    if replacing.is_empty() {
        return Ok(Verdict::DoesNotApply("nothing forces a replace"));
    }
    for (name, config) in replacing {
        bench.delete(&thing).await?;
        let next = bench.create_in(&bench.context_of(2, "current"), &config).await?;
        let found = bench.read_there(&next).await?;
        let (wanted, got) = (attribute(&config, &name), attribute(&found.state, &name));
        demand(wanted.same(&got), || {
            format!("replaced for `{name}`, which is {} instead of {}", shown(&got), shown(&wanted))
        })?;
        let truth = bench.world.truth().await;
        demand(truth.len() == others, || format!("after the replace there is too much or too little: {truth:?}"))?;
        thing = next;
    }
    Ok(Verdict::Kept)
}

pub async fn replace_by_create_then_delete(bench: &Bench) -> Judged {
    let by_identity = bench.capability().findable == Findable::ByIdentity;
    let identity = |config: &retrue_provider_api::Value| {
        let own = bench.provider.identity(bench.world.type_name(), config);
        let plain = bench.block().identity_attributes().map(|name| attribute(config, name)).collect::<Vec<_>>();
        (own.is_none().then_some(plain), own)
    };
    let base = bench.world.config();
    let mut replacing = bench.replacing();
    replacing.retain(|(_, config)| !by_identity || identity(config) != identity(&base));
    if replacing.is_empty() {
        return Ok(Verdict::DoesNotApply("old and new would have the same identity"));
    }
    for (_, config) in replacing {
        let old = bench.create(&base).await?;
        let alone = bench.world.truth().await.len();
        let new = bench.create_in(&bench.context_of(2, "current"), &config).await?;
        bench.delete(&old).await?;
        let Some(found) = bench.read_until(&new, |found| found.is_some()).await? else {
            return Err(Violation("the delete of the old one takes the new one away".into()));
        };
        if let Some(difference) = bench.difference(&new.state, &found.state) {
            return Err(Violation(format!("the delete of the old one changes the new one: {difference}")));
        }
        let truth = bench.world.truth().await;
        demand(truth.len() == alone, || format!("after the replace there is too much or too little: {truth:?}"))?;
        bench.delete(&new).await?;
    }
    Ok(Verdict::Kept)
}

pub async fn delete_removes_it(bench: &Bench) -> Judged {
    let before = bench.world.truth().await;
    let thing = bench.create(&bench.world.config()).await?;
    let outcome = bench.attempt(Some(&thing), &nothing()).await?;
    let gone = bench.must_apply("delete", outcome, &thing.config)?;
    demand(gone.state.is_null(), || "after a delete the state must be null".into())?;
    if !bench.is_outside() {
        return Ok(Verdict::DoesNotApply("nothing exists outside"));
    }
    let after = bench.world.truth().await;
    demand(before == after, || format!("the delete is Applied, and something is left: {after:?}"))?;
    if bench.observes() {
        let found = bench.read_until(&thing, |found| found.is_none()).await?;
        demand(found.is_none(), || "the delete is Applied, and `read` still finds it".into())?;
    }
    Ok(Verdict::Kept)
}

pub async fn delete_again_is_applied(bench: &Bench) -> Judged {
    let thing = bench.create(&bench.world.config()).await?;
    let (change, _) = bench.change(Some(&thing), &nothing()).await?;
    for what in ["the delete", "the second delete"] {
        let outcome = bench.provider.apply(&bench.context(), change.clone()).await;
        bench.must_apply(what, outcome, &thing.config)?;
    }
    Ok(Verdict::Kept)
}

/// Whether a change of the attribute alone changes nothing outside.
fn is_inert(bench: &Bench, name: &str) -> bool {
    bench.block().attributes.get(name).is_some_and(|attribute| attribute.inert)
}

pub async fn processes_are_told(bench: &Bench) -> Judged {
    if !bench.capability().by_processes {
        return Ok(Verdict::DoesNotApply("no processes carry out its effects"));
    }
    let mut thing = bench.create(&bench.world.config()).await?;
    let mut told = 0;
    for effect in ["create", "update", "delete"] {
        match effect {
            "update" => match bench.in_place().into_iter().find(|(name, _)| !is_inert(bench, name)) {
                Some((_, config)) if bench.capability().updates => thing = bench.update(&thing, &config).await?,
                _ => continue,
            },
            "delete" => bench.delete(&thing).await?,
            _ => {}
        }
        let now = bench.children.all().len();
        demand(now > told, || format!("the {effect} is carried out by a process, and nobody was told of it"))?;
        told = now;
    }
    Ok(Verdict::Kept)
}

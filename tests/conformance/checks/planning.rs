//! Rules about plans.

use retrue_provider_api::{Path, Reversibility, Subject, Type, ValidateRequest, Value};

use crate::bench::Bench;
use crate::change::nothing;
use crate::judge::{Judged, Verdict, Violation, demand, failed};
use crate::values::{attribute, difference, shown};

/// What a configuration sets must stand in the plan just so.
fn kept(bench: &Bench, config: &Value, planned: &Value) -> Result<(), Violation> {
    let settable =
        bench.block().attributes.iter().filter(|(_, attribute)| attribute.settable() && !attribute.write_only);
    for (name, _) in settable {
        let wanted = attribute(config, name);
        let got = attribute(planned, name);
        demand(wanted.is_null() || wanted == got, || {
            format!("the configuration sets `{name}` to {}, the plan has {}", shown(&wanted), shown(&got))
        })?;
    }
    for name in bench.block().blocks.keys() {
        let (wanted, got) = (attribute(config, name), attribute(planned, name));
        let count = |value: &Value| value.as_items().map(<[Value]>::len);
        demand(count(&wanted) == count(&got), || {
            format!("the configuration has {:?} blocks `{name}`, the plan {:?}", count(&wanted), count(&got))
        })?;
    }
    Ok(())
}

pub async fn plan_keeps_what_is_configured(bench: &Bench) -> Judged {
    let config = bench.world.config();
    kept(bench, &config, &bench.plan(None, &config).await?.planned)?;
    let thing = bench.create(&config).await?;
    for (_, config) in bench.in_place() {
        kept(bench, &config, &bench.plan(Some(&thing), &config).await?.planned)?;
    }
    Ok(Verdict::Kept)
}

pub async fn plan_takes_unknowns(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let attributes = bench.block().attributes.iter().filter(|(_, attribute)| attribute.settable());
    let kinds: Vec<(String, Type)> =
        attributes.map(|(name, attribute)| (name.clone(), attribute.value_type())).collect();
    for (name, kind) in kinds {
        let open = config.clone().with_attribute(&name, Value::unknown(kind));
        let request =
            ValidateRequest { subject: Subject::Resource, type_name: bench.type_name(), config: open.clone() };
        let said = bench.provider.validate(request).await.map_err(|error| failed("validate", error))?;
        if let Some(error) = said.iter().find(|said| said.error) {
            return Err(Violation(format!("`validate` refuses an unknown `{name}`: {}", error.message)));
        }
        for prior in [None, Some(&thing)] {
            let planned = bench.plan(prior, &open).await?;
            let got = attribute(&planned.planned, &name);
            demand(planned.deferred.is_some() || !got.is_known(), || {
                format!("`{name}` is unknown in the configuration, and {} in the plan", shown(&got))
            })?;
        }
    }
    // Whatever becomes known must not contradict what was planned while it was not.
    for (name, kind) in bench.block().attributes.iter().map(|(name, of)| (name, of.value_type())) {
        if !bench.block().attributes[name].settable() || attribute(&config, name).is_null() {
            continue;
        }
        let open = bench.plan(None, &config.clone().with_attribute(name, Value::unknown(kind))).await?;
        let known = bench.plan(None, &config).await?;
        if let Some(difference) = difference(&open.planned, &known.planned) {
            return Err(Violation(format!(
                "once `{name}` is known, the plan contradicts the one before: {difference}"
            )));
        }
    }
    Ok(Verdict::Kept)
}

pub async fn plan_is_deterministic(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let changed = bench.in_place().into_iter().chain(bench.replacing()).map(|(_, config)| config);
    for config in changed.chain([config.clone(), nothing()]) {
        for prior in [None, Some(&thing)].into_iter().filter(|prior| prior.is_some() || !config.is_null()) {
            let one = bench.plan(prior, &config).await?;
            let other = bench.plan(prior, &config).await?;
            let same = one.planned == other.planned
                && one.planned_private == other.planned_private
                && one.requires_replace == other.requires_replace
                && one.reversibility == other.reversibility
                && one.warnings == other.warnings;
            demand(same, || {
                format!("two plans for one request differ: {}", {
                    difference(&one.planned, &other.planned).unwrap_or_else(|| "not in what is planned".into())
                })
            })?;
        }
    }
    Ok(Verdict::Kept)
}

pub async fn plan_again_is_a_noop(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let observed = bench.read_there(&thing).await?;
    let observed = bench.thing(observed, &config);
    for (prior, what) in [(&thing, "the state of the create"), (&observed, "what a read finds after the create")] {
        let planned = bench.plan(Some(prior), &config).await?;
        if let Some(difference) = difference(&planned.planned, &prior.state)
            .or_else(|| planned.planned.unknown_paths().first().map(|path| format!("`{path}` is unknown")))
        {
            return Err(Violation(format!("planning again from {what} is not a no-op: {difference}")));
        }
        demand(planned.requires_replace.is_empty(), || {
            format!("planning again from {what} wants a replace: {:?}", planned.requires_replace)
        })?;
    }
    Ok(Verdict::Kept)
}

pub async fn plan_names_what_forces_a_replace(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let same = bench.plan(Some(&thing), &config).await?;
    demand(same.requires_replace.is_empty(), || {
        format!("nothing differs, and the plan wants a replace for {:?}", paths(&same.requires_replace))
    })?;
    for (name, config) in bench.replacing() {
        let planned = bench.plan(Some(&thing), &config).await?;
        let named = planned.requires_replace.iter().any(|path| path.first_attribute() == Some(&name));
        demand(named, || format!("`{name}` cannot be changed in place, and the plan does not name it"))?;
        demand(planned.requires_replace.len() == 1, || {
            format!("only `{name}` differs, and the plan blames {:?}", paths(&planned.requires_replace))
        })?;
    }
    if !bench.capability().updates {
        return Ok(Verdict::Kept);
    }
    for (name, config) in bench.in_place() {
        let planned = bench.plan(Some(&thing), &config).await?;
        demand(planned.requires_replace.is_empty(), || {
            format!("`{name}` can be changed in place, and the plan wants a replace for {:?}", {
                paths(&planned.requires_replace)
            })
        })?;
    }
    Ok(Verdict::Kept)
}

fn paths(paths: &[Path]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

pub async fn plan_tells_what_cannot_be_undone(bench: &Bench) -> Judged {
    if !bench.is_outside() {
        return Ok(Verdict::DoesNotApply("nothing exists outside"));
    }
    let thing = bench.create(&bench.world.config()).await?;
    let thing = bench.drifted(&thing).await?;
    let told = bench.reversibility_of_delete(&thing).await?;
    demand(!bench.capability().holds_data || told != Reversibility::Full, || {
        "it holds data, and the plan of a delete says that all can be undone".into()
    })?;
    if matches!(told, Reversibility::No(_)) {
        return Ok(Verdict::Kept);
    }
    let before = bench.world.truth().await;
    let image = bench.image(&thing, Some(retrue_provider_api::Effect::Delete), &nothing()).await?;
    bench.delete(&thing).await?;
    let undone = bench.provider.apply(&bench.context(), bench.inverse_of_delete(&thing, &image)).await;
    bench.must_apply("the undo of a delete", undone, &thing.config)?;
    let after = bench.world.truth().await;
    demand(before == after || told != Reversibility::Full, || {
        format!(
            "the plan says that a delete can be undone in full, and the undo leaves {after:?} instead of {before:?}"
        )
    })?;
    Ok(Verdict::Kept)
}

pub async fn validation_names_paths(bench: &Bench) -> Judged {
    let ask = async |config: Value| {
        let request = ValidateRequest { subject: Subject::Resource, type_name: bench.type_name(), config };
        bench.provider.validate(request).await.map_err(|error| failed("validate", error))
    };
    let configs = bench.in_place().into_iter().chain(bench.replacing()).map(|(_, config)| config);
    for config in configs.chain([bench.world.config()]) {
        let said = ask(config.clone()).await?;
        if let Some(error) = said.iter().find(|said| said.error) {
            return Err(Violation(format!("`validate` refuses what can be applied: {}", error.message)));
        }
    }
    let invalid = bench.world.invalid();
    if invalid.is_empty() {
        return Ok(Verdict::DoesNotApply("every configuration of its type is valid"));
    }
    for (config, path) in invalid {
        let said = ask(config.clone()).await?;
        let Some(error) = said.iter().find(|said| said.error) else {
            return Err(Violation(format!("`validate` accepts a wrong `{path}`: {}", shown(&config))));
        };
        let told = error.path.as_ref().map(ToString::to_string);
        demand(told.as_deref() == Some(path.as_str()), || {
            format!("what is wrong with `{path}` is told of {told:?}: {}", error.message)
        })?;
    }
    Ok(Verdict::Kept)
}

//! Rules about what is told when a change goes wrong.

use retrue_provider_api::{Effect, Found, Observed, Outcome, Value};
use serde_json::Value as Json;

use crate::bench::{Bench, Thing};
use crate::change::{nothing, verb, word};
use crate::judge::{Judged, Verdict, Violation, demand};
use crate::world::{Failure, FailureKind};

const NOTHING_FAILS: Verdict = Verdict::DoesNotApply("nothing of the kind can be made to go wrong");

/// What happened around one failure.
struct Incident {
    prior: Option<Thing>,
    config: Value,
    before: Vec<Json>,
    after: Vec<Json>,
    effects: Option<u64>,
    outcome: Outcome,
}

impl Incident {
    fn describe(&self, failure: &Failure) -> String {
        format!("{} with {} is {}", verb(failure.effect), failure.name, word(&self.outcome))
    }
}

/// Lets one thing go wrong. `None` where the type has no such change.
async fn provoke(bench: &Bench, failure: &Failure) -> Result<Option<Incident>, Violation> {
    let base = bench.world.config();
    let (prior, config) = match failure.effect {
        Effect::Create => (None, base),
        Effect::Delete => (Some(bench.create(&base).await?), nothing()),
        Effect::Update => match bench.in_place().into_iter().next() {
            Some((_, config)) => (Some(bench.create(&base).await?), config),
            None => return Ok(None),
        },
    };
    let (change, _) = bench.change(prior.as_ref(), &config).await?;
    bench.world.arm(failure).await;
    let (before, effects) = (bench.world.truth().await, bench.world.effects().await);
    let outcome = bench.provider.apply(&bench.context(), change).await;
    let (after, effects_after) = (bench.world.truth().await, bench.world.effects().await);
    bench.world.disarm().await;
    let effects = effects.zip(effects_after).map(|(before, after)| after.saturating_sub(before));
    Ok(Some(Incident { prior, config, before, after, effects, outcome }))
}

/// The object that a failure left behind, as the engine would come to know it.
async fn aftermath(bench: &Bench, incident: &Incident) -> Result<Option<Thing>, Violation> {
    if let Some(prior) = &incident.prior {
        return Ok(Some(prior.clone()));
    }
    if let Outcome::Applied(applied) | Outcome::Partial { applied, .. } = &incident.outcome {
        return Ok(Some(bench.thing_of(applied.clone(), &incident.config)));
    }
    if bench.is_findable() {
        let found = bench.find_until(&incident.config, |found| matches!(found, Found::One(_))).await?;
        return Ok(match found {
            Found::One(one) => Some(bench.thing(*one, &incident.config)),
            _ => None,
        });
    }
    Ok(None)
}

pub async fn refusal_is_classified(bench: &Bench) -> Judged {
    let mut verdict = NOTHING_FAILS;
    for failure in bench.world.failures() {
        let FailureKind::Refused(category, retry_after) = failure.kind else { continue };
        let Some(incident) = provoke(bench, &failure).await? else { continue };
        let Outcome::NotApplied(error) = &incident.outcome else {
            return Err(Violation(format!("{}, and nothing happened for certain", incident.describe(&failure))));
        };
        demand(error.category == category, || {
            format!("{} is told as {} instead of {category}", failure.name, error.category)
        })?;
        demand(error.retry_after == retry_after, || {
            format!("{} asks to wait {retry_after:?}, and the error says {:?}", failure.name, error.retry_after)
        })?;
        bench.world.clear().await;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

pub async fn failure_before_the_effect_is_told(bench: &Bench) -> Judged {
    let mut verdict = NOTHING_FAILS;
    for failure in bench.world.failures() {
        if !matches!(failure.kind, FailureKind::Before | FailureKind::Refused(..)) {
            continue;
        }
        let Some(incident) = provoke(bench, &failure).await? else { continue };
        demand(incident.before == incident.after, || {
            format!("{}, and the world has changed all the same", incident.describe(&failure))
        })?;
        demand(matches!(incident.outcome, Outcome::NotApplied(_) | Outcome::Unknown { .. }), || {
            format!("{}, and nothing has happened", incident.describe(&failure))
        })?;
        bench.world.clear().await;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

pub async fn failure_after_the_effect_is_told(bench: &Bench) -> Judged {
    let mut verdict = NOTHING_FAILS;
    for failure in bench.world.failures() {
        if !matches!(failure.kind, FailureKind::After | FailureKind::AnswerLost) {
            continue;
        }
        let Some(incident) = provoke(bench, &failure).await? else { continue };
        demand(incident.before != incident.after, || {
            format!("{}, and the world should have changed, but did not", incident.describe(&failure))
        })?;
        demand(!matches!(incident.outcome, Outcome::NotApplied(_)), || {
            format!("{}, and the effect has happened", incident.describe(&failure))
        })?;
        let left = aftermath(bench, &incident).await?;
        if bench.observes() {
            settles(bench, &failure, &incident, left.as_ref()).await?;
        }
        bench.world.clear().await;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

/// Whether a look tells what came of the change.
async fn settles(bench: &Bench, failure: &Failure, incident: &Incident, left: Option<&Thing>) -> Result<(), Violation> {
    let lost = || Violation(format!("{}, and a look does not find what it left", incident.describe(failure)));
    match (failure.effect, left) {
        (Effect::Create, None) if !bench.is_findable() => Ok(()),
        (_, None) => Err(lost()),
        (Effect::Delete, Some(left)) => {
            let found = bench.read_until(left, |found| found.is_none()).await?;
            demand(found.is_none(), || format!("{}, and `read` still finds it", incident.describe(failure)))
        }
        (_, Some(left)) => {
            let planned = bench.plan(None, &incident.config).await?.planned;
            let differs = |found: Option<&Observed>| match found {
                Some(found) => set_difference(bench, &planned, &found.state),
                None => Some("it is not there".into()),
            };
            let found = bench.read_until(left, |found| differs(found).is_none()).await?;
            match differs(found.as_ref()) {
                None => Ok(()),
                Some(difference) => Err(Violation(format!("{}: {difference}", incident.describe(failure)))),
            }
        }
    }
}

/// Where the world differs from a plan, as far as the plan is known and the world can be seen.
fn set_difference(bench: &Bench, planned: &Value, found: &Value) -> Option<String> {
    // What is never given back cannot be compared.
    let hidden = |of: &retrue_provider_api::Attribute| of.sensitive || of.volatile || of.unobserved;
    let secret = bench.block().attributes.iter().filter(|(_, of)| hidden(of));
    let (planned, found) = secret.fold((planned.clone(), found.clone()), |(planned, found), (name, _)| {
        (planned.with_attribute(name, nothing()), found.with_attribute(name, nothing()))
    });
    crate::values::difference(&planned, &found)
}

pub async fn half_done_is_partial(bench: &Bench) -> Judged {
    let mut verdict = NOTHING_FAILS;
    for failure in bench.world.failures() {
        if failure.kind != FailureKind::Halfway {
            continue;
        }
        let Some(incident) = provoke(bench, &failure).await? else { continue };
        demand(incident.before != incident.after, || {
            format!("{}, and half of it should have happened, but nothing did", incident.describe(&failure))
        })?;
        demand(matches!(incident.outcome, Outcome::Partial { .. } | Outcome::Unknown { .. }), || {
            format!("{}, and only half of it has happened", incident.describe(&failure))
        })?;
        let left = aftermath(bench, &incident).await?;
        if let (Outcome::Partial { applied, .. }, Some(left)) = (&incident.outcome, &left) {
            let found = bench.read_there(left).await?;
            if let Some(difference) = bench.difference(&applied.state, &found.state) {
                return Err(Violation(format!("{}, and its state is not what is there: {difference}", {
                    incident.describe(&failure)
                })));
            }
        }
        bench.world.clear().await;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

pub async fn lost_answer_is_not_sent_again(bench: &Bench) -> Judged {
    let mut verdict = NOTHING_FAILS;
    for failure in bench.world.failures() {
        if failure.kind != FailureKind::AnswerLost {
            continue;
        }
        let Some(incident) = provoke(bench, &failure).await? else { continue };
        let Some(effects) = incident.effects else { return Ok(Verdict::DoesNotApply("nobody counts effects")) };
        let allowed = if failure.effect == Effect::Delete { 1 } else { bench.world.effects_of_a_change() };
        demand(effects <= allowed, || {
            format!(
                "one answer was lost, and the world has seen {effects} effects instead of {allowed}: it was sent again"
            )
        })?;
        let made = incident.after.len().saturating_sub(incident.before.len());
        demand(made <= 1, || format!("the answer to one create was lost, and {made} objects were made"))?;
        bench.world.clear().await;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

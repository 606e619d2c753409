//! A change of which a part was done before the other side refused more of it for being too much. The step goes on
//! to its end: what is there is looked at, and what is left is asked for again.

use retrue_provider_api::{
    Applied, Capability, Category, Change, Context, Effect, Observed, Outcome, PlanRequest, ProviderError, ReadRequest,
    Type, Unfinished, proposed_state,
};

use super::*;

impl Executor<'_> {
    /// Goes on as often as retries allow, and as long as the reason is that there were too many calls: then nothing is
    /// under way any more, and nothing is wrong with what was asked for. All else stays as it is, for a person. With it
    /// comes the number of the last try.
    // CRASH: the step has begun, and is in doubt from there to its end; recovery looks at the world.
    pub(super) async fn finish(
        &self,
        ready: &Ready<'_>,
        reference: &StepRef,
        change: &Change,
        context: &(dyn Fn(u32) -> Context + Sync),
        mut outcome: Outcome,
    ) -> (Outcome, u32) {
        let (guard, cancellation) = (&ready.configured.guard, &self.caller.cancellation.soft);
        let (mut waits, mut attempt, first) = (Waits::default(), reference.attempt, Instant::now());
        let (mut last, mut tries) = (String::new(), reference.attempt);
        loop {
            let Outcome::Partial { applied, error } = &outcome else { return (outcome, tries) };
            if !can_be_finished(&ready.capability, change, error) || cancellation.is_cancelled() {
                return (outcome, tries);
            }
            let error = failure(codes::PROVIDER, error, &ready.secrets());
            // Refused at another place than before, it got on: the tries count anew. The time and the budget do not.
            if error.message != last {
                (waits, attempt) = (Waits::default(), reference.attempt);
                last.clone_from(&error.message);
            }
            let Some(wait) = guard.again(&mut waits, failed(&error), attempt, first.elapsed()) else {
                return (outcome, tries);
            };
            let step = StepRef { attempt: tries, ..reference.clone() };
            self.caller.tell(RunEventKind::StepRetrying { step, error, after: wait });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = cancellation.cancelled() => return (outcome, tries),
            }
            (attempt, tries) = (attempt + 1, tries + 1);
            match go_on(ready, change, &context(tries), applied).await {
                Ok(Some(next)) => outcome = next,
                Ok(None) => return (outcome, tries),
                // It is as it was, and why it is not looked at may pass as well.
                Err(error) => outcome = Outcome::Partial { applied: applied.clone(), error },
            }
        }
    }
}

fn can_be_finished(capability: &Capability, change: &Change, error: &ProviderError) -> bool {
    error.category == Category::RateLimited
        && error.retry
        && capability.observes
        && change.restore.is_none()
        && (change.effect != Effect::Update || capability.unfinished != Unfinished::AlwaysReplaced)
}

/// Looks at what is there, and asks for the rest. `None` when it cannot be brought to its end in this way.
///
/// # Errors
/// It could not be looked at, or not be planned: nothing was changed.
async fn go_on(
    ready: &Ready<'_>,
    change: &Change,
    context: &Context,
    left: &Applied,
) -> Result<Option<Outcome>, ProviderError> {
    let provider = &ready.configured.provider;
    if change.effect == Effect::Create && ready.capability.unfinished == Unfinished::AlwaysReplaced {
        return Ok(Some(make_anew(ready, change, context, left).await));
    }
    let config = match change.effect {
        Effect::Delete => ready.config.clone().unmark_deep().0,
        Effect::Create | Effect::Update => change.config.clone(),
    };
    let request = ReadRequest {
        type_name: change.type_name.clone(),
        state: left.state.clone(),
        config,
        private: left.private.clone(),
        identity: left.identity.clone(),
    };
    let observed = match (provider.read(context, request).await?, change.effect) {
        (None, Effect::Delete) => return Ok(Some(Outcome::Applied(Applied::gone()))),
        (None, _) => return Ok(None),
        (Some(observed), _) => observed,
    };
    let rest = match change.effect {
        Effect::Delete => {
            let left = change.clone();
            Change { prior: observed.state.clone(), prior_private: observed.private.clone(), ..left }
        }
        Effect::Create | Effect::Update => {
            let request = PlanRequest {
                type_name: change.type_name.clone(),
                config: change.config.clone(),
                prior: observed.state.clone(),
                proposed: proposed_state(&ready.schema.block, &observed.state, &change.config),
                prior_private: observed.private.clone(),
            };
            let plan = provider.plan(context, request).await?;
            if !plan.requires_replace.is_empty() || plan.deferred.is_some() {
                return Ok(None);
            }
            if plan.planned.same(&observed.state) {
                return Ok(Some(Outcome::Applied(as_applied(observed, left.warnings.clone()))));
            }
            Change {
                effect: Effect::Update,
                prior: observed.state.clone(),
                prior_private: observed.private.clone(),
                planned: plan.planned,
                planned_private: plan.planned_private,
                identity: observed.identity.clone(),
                ..change.clone()
            }
        }
    };
    Ok(Some(match provider.apply(&part_of(context, "rest"), rest).await {
        // What was done before is still there.
        Outcome::NotApplied(error) => Outcome::Partial { applied: as_applied(observed, left.warnings.clone()), error },
        outcome => outcome,
    }))
}

/// What this step made a moment ago, and of which nobody can see whether it is whole, goes, and is made again.
async fn make_anew(ready: &Ready<'_>, change: &Change, context: &Context, left: &Applied) -> Outcome {
    let provider = &ready.configured.provider;
    let part = |name| part_of(context, name);
    let delete = Change {
        effect: Effect::Delete,
        config: Value::null(Type::Dynamic),
        prior: left.state.clone(),
        prior_private: left.private.clone(),
        planned: Value::null(Type::Dynamic),
        planned_private: Private::default(),
        identity: left.identity.clone(),
        ..change.clone()
    };
    match provider.apply(&part("delete"), delete).await {
        Outcome::Applied(_) => provider.apply(&part("anew"), change.clone()).await,
        Outcome::Partial { error, .. } | Outcome::NotApplied(error) => {
            Outcome::Partial { applied: left.clone(), error }
        }
        Outcome::Unknown { error, .. } => Outcome::Unknown { error, best_known: Some(Box::new(left.clone())) },
    }
}

/// What is asked for now is not what was asked for under the key of the step: a part of that was done. Each try has a
/// key of its own, as what was left before it is another thing each time.
fn part_of(context: &Context, name: &str) -> Context {
    let key = format!("{}/{name}-{}", context.idempotency_key, context.attempt);
    Context { idempotency_key: key, ..context.clone() }
}

fn as_applied(observed: Observed, warnings: Vec<String>) -> Applied {
    Applied { state: observed.state, private: observed.private, identity: observed.identity, warnings }
}

//! A person's answer for what is in doubt.

use std::collections::BTreeMap;
use std::convert::Infallible;

use retrue_provider_api::{Category, ProviderError, Value};

use crate::address::Address;
use crate::apply::settle::{SettleError, remade, reopened, write_not_undone, write_undone, write_verdict};
use crate::apply::undo_record;
use crate::diagnostic::Diagnostic;
use crate::engine::session::settle_failure;
use crate::engine::{Cancellation, Failure, Observer, Session};
use crate::plan::decide::{belongs_elsewhere, foreign_marker};
use crate::plan::{InDoubt, StepEffect};
use crate::saga::compensation::Undo;
use crate::saga::history::{StepHistory, UndoHistory};
use crate::saga::{RecordedObject, ResolvedOutcome, RestingObject, State, codes};
use crate::survey::calls::within;
use crate::survey::{Providers, Records, importing, patiently};

/// A person's answer for what is in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It exists, and this is its id.
    Exists(String),
    /// It does not exist.
    Absent,
    /// The step was carried out.
    Applied,
    /// The step was not carried out.
    NotApplied,
}

impl Session {
    /// Takes a person's answer for what is in doubt at an address. What reading the world settles by
    /// itself needs none. Returns how it is known now.
    pub async fn resolve(
        &self,
        address: &Address,
        answer: &Answer,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<String, Failure> {
        let before = self.open_doubt().await?;
        if !before.iter().any(|doubt| doubt.address == *address) {
            return Err(nothing_in_doubt(address));
        }
        let left = self.settle(observer, cancellation).await?;
        let Some(doubt) = left.iter().find(|doubt| doubt.address == *address) else {
            return Ok("the world was read, and tells by itself: your answer was not needed".to_owned());
        };
        let state = self.state().await?;
        let (record, history) = self.run(&doubt.run).await?;
        let providers = self.providers_of(&history).await.map_err(Failure::one)?;
        let journal = reopened(&self.store, &self.clock, &record, &history);
        let caller = self.caller(journal, cancellation, observer);
        let step = history.in_doubt().find(|step| step.id.to_string() == doubt.step);
        let undo = history.undos_in_doubt().find(|undo| undo.id.to_string() == doubt.step);
        let how = match (step, undo) {
            (Some(step), _) => {
                let (outcome, object, how) = self.answered(step, answer, &providers).await?;
                write_verdict(&caller, &record.run, step, outcome, object, &how).await.map_err(unwritten)?;
                how
            }
            (None, Some(undo)) => {
                let (_, of) = self.run(&undo.of).await?;
                let step = of.steps.iter().find(|step| step.id == undo.id).ok_or_else(|| nothing_in_doubt(address))?;
                let again = remade(&history, [&of], self.seal());
                self.answer_undo(&caller, &state, (undo, step), answer, &providers, &again).await?
            }
            (None, None) => return Err(nothing_in_doubt(address)),
        };
        // What was the last doubt of a run closes it.
        self.settle(observer, cancellation).await?;
        Ok(how)
    }

    /// What is in doubt, without a look at the world.
    pub async fn open_doubt(&self) -> Result<Vec<InDoubt>, Failure> {
        let state = self.state().await?;
        let mut found = Vec::new();
        for (run, record) in &state.runs {
            if record.state.is_final() && record.state != crate::saga::RunState::NeedsReview {
                continue;
            }
            let Some(history) = self.history(run).await? else { continue };
            let steps = history.in_doubt().map(|step| &step.id);
            for id in steps.chain(history.undos_in_doubt().map(|undo| &undo.id)) {
                found.push(InDoubt {
                    address: id.address.clone(),
                    step: id.to_string(),
                    run: run.clone(),
                    reason: String::new(),
                });
            }
        }
        Ok(found)
    }

    async fn answered(
        &self,
        step: &StepHistory,
        answer: &Answer,
        providers: &Providers,
    ) -> Result<(ResolvedOutcome, Option<RecordedObject>, String), Failure> {
        let actor = &self.options.actor;
        let template = || -> Result<Option<RecordedObject>, Failure> {
            let resting = step.begin.as_ref().and_then(|begin| begin.template.as_ref());
            resting
                .map(|resting: &RestingObject| resting.wake(self.seal()))
                .transpose()
                .map_err(|error| Failure::one(Diagnostic::error(codes::SEALED, error.to_string())))
        };
        match (answer, step.id.effect) {
            (Answer::Absent, StepEffect::Create) | (Answer::NotApplied, _) => {
                Ok((ResolvedOutcome::NotApplied, None, format!("{actor} said that it was not carried out")))
            }
            (Answer::Absent | Answer::Applied, StepEffect::Delete) => {
                Ok((ResolvedOutcome::Applied, None, format!("{actor} said that it is gone")))
            }
            (Answer::Absent, _) => {
                Err(misfit(step, "an update leaves something behind: use --applied or --not-applied"))
            }
            (Answer::Applied, _) => {
                let mut object = template()?.ok_or_else(|| misfit(step, "there is nothing to record"))?;
                if !object.attributes.is_wholly_known() {
                    self.presume(&mut object, step, providers).await?;
                }
                Ok((ResolvedOutcome::Applied, Some(object), format!("{actor} said that it was carried out")))
            }
            (Answer::Exists(_), StepEffect::Delete) => {
                Ok((ResolvedOutcome::NotApplied, None, format!("{actor} said that it is still there")))
            }
            (Answer::Exists(id), _) => {
                let mut object = template()?.ok_or_else(|| misfit(step, "there is nothing to record"))?;
                self.import_into(&mut object, step, id, providers).await?;
                Ok((ResolvedOutcome::Applied, Some(object), format!("{actor} said that it is {id}")))
            }
        }
    }

    /// Writes down a person's answer about an undo.
    async fn answer_undo(
        &self,
        caller: &crate::apply::context::Caller<'_>,
        state: &State,
        (undo, step): (&UndoHistory, &StepHistory),
        answer: &Answer,
        providers: &Providers,
        remade: &BTreeMap<Address, Value>,
    ) -> Result<String, Failure> {
        let actor = &self.options.actor;
        let as_undo = Undo { run: undo.of.clone(), step: step.clone(), doubt: None, after: Vec::new() };
        let effect = undo.begin.as_ref().and_then(|begin| begin.effect);
        let not_done = match (answer, effect) {
            (Answer::NotApplied, _)
            | (Answer::Absent, Some(StepEffect::Create))
            | (Answer::Exists(_), Some(StepEffect::Delete)) => true,
            (Answer::Absent, Some(StepEffect::Delete)) | (Answer::Applied, _) | (Answer::Exists(_), _) => false,
            (Answer::Absent, _) => {
                return Err(misfit(step, "an update leaves something behind: use --applied or --not-applied"));
            }
        };
        if not_done {
            let how = format!("{actor} said that it was not undone");
            write_not_undone(caller, &as_undo, None, how.clone()).await.map_err(unwritten)?;
            return Ok(how);
        }
        let problem =
            |failure: crate::saga::StepFailure| Failure::one(Diagnostic::error(codes::UNDO_STUCK, failure.message));
        let generation = undo.begin.as_ref().map_or(0, |begin| begin.generation);
        let mut object = undo_record(caller, providers, state, &as_undo, generation, remade).map_err(problem)?;
        if effect == Some(StepEffect::Create) {
            let Some(object) = &mut object else { return Err(misfit(step, "there is nothing to record")) };
            match answer {
                Answer::Exists(id) => self.import_into(object, step, id, providers).await?,
                _ => self.presume(object, step, providers).await?,
            }
        }
        write_undone(caller, &as_undo, object.as_ref(), Vec::new()).await.map_err(unwritten)?;
        Ok(format!("{actor} said that it was undone"))
    }

    /// Lets the provider say what something is that a person says is there, and that cannot be read.
    async fn presume(
        &self,
        object: &mut RecordedObject,
        step: &StepHistory,
        providers: &Providers,
    ) -> Result<(), Failure> {
        let problem = |text: String| Failure::one(Diagnostic::error(crate::plan::codes::PROVIDER, text));
        let configured = providers
            .get(&object.provider.instance)
            .ok_or_else(|| problem(format!("there is no provider `{}`", object.provider.instance)))?;
        let address = &step.id.address;
        let config = object.config.clone().unmark_deep().0;
        let limit = configured.provider.capability(address.type_name(), &config).time_limits.read;
        let calls = crate::survey::Calls::reading(tokio_util::sync::CancellationToken::new());
        let key = step.begin.as_ref().map(|begin| begin.idempotency_key.clone()).unwrap_or_default();
        let context = retrue_provider_api::Context { idempotency_key: key, ..calls.context(address, limit) };
        let planned = object.attributes.clone().unmark_deep().0;
        let presumed = within(limit, "presume", configured.provider.presume(&context, address.type_name(), planned))
            .await
            .map_err(|error| problem(format!("`{address}`: {error}")))?
            .ok_or_else(|| misfit(step, "what it returned is not known: use --id"))?;
        let schema = configured.schema.resources.get(address.type_name());
        let empty = retrue_provider_api::Block::default();
        let block = schema.map_or(&empty, |schema| &schema.block);
        object.attributes = crate::plan::marks::mark_planned(block, presumed, Some(&object.attributes));
        Ok(())
    }

    /// Reads what a person named, and takes it for what the step made.
    async fn import_into(
        &self,
        object: &mut RecordedObject,
        step: &StepHistory,
        id: &str,
        providers: &Providers,
    ) -> Result<(), Failure> {
        let address = &step.id.address;
        let problem = |text: String| Failure::one(Diagnostic::error(crate::plan::codes::PROVIDER, text));
        let configured = providers
            .get(&object.provider.instance)
            .ok_or_else(|| problem(format!("there is no provider `{}`", object.provider.instance)))?;
        let calls = crate::survey::Calls::reading(tokio_util::sync::CancellationToken::new());
        let capability = configured.provider.capability(address.type_name(), &object.config);
        let limit = capability.time_limits.read;
        let look = || async {
            let context = calls.context(address, limit);
            let request =
                retrue_provider_api::ImportRequest { type_name: address.type_name().to_owned(), id: id.to_owned() };
            Ok::<_, Infallible>(configured.provider.import(&context, request).await)
        };
        // What a person sees already, a read may not show yet.
        let seen =
            |found: &Result<_, ProviderError>| !found.as_ref().is_err_and(|error| error.category == Category::NotFound);
        let Ok(found) = patiently(capability.settles_within, seen, look).await;
        let found = found.map_err(|error| problem(format!("no {} is known as {id}: {error}", address.type_name())))?;
        let imported = found
            .into_iter()
            .find(|imported| imported.type_name == address.type_name())
            .ok_or_else(|| problem(format!("no {} is known as {id}", address.type_name())))?;
        if let Some(foreign) = foreign_marker(&imported.object, self.lineage()) {
            return Err(Failure::one(belongs_elsewhere(address, &foreign)));
        }
        let state = self.state().await?;
        let records = Records::open(&state, &[], self.seal())
            .map_err(|error| Failure::one(Diagnostic::error(codes::SEALED, error.to_string())))?;
        let state = &imported.object.state;
        if let Some(other) = importing::owner(&records, address, &object.provider.instance, state) {
            let hint = "name the id of what the step itself has made";
            return Err(Failure::one(importing::owned_elsewhere(id, other).hint(hint)));
        }
        let schema = configured.schema.resources.get(address.type_name());
        let empty = retrue_provider_api::Block::default();
        let block = schema.map_or(&empty, |schema| &schema.block);
        object.attributes = crate::plan::marks::mark_planned(block, imported.object.state, Some(&object.attributes));
        object.private = imported.object.private;
        object.identity = imported.object.identity;
        Ok(())
    }
}

fn unwritten(error: impl Into<SettleError>) -> Failure {
    let error = error.into();
    settle_failure(error)
}

fn misfit(step: &StepHistory, what: &str) -> Failure {
    Failure::one(
        Diagnostic::error(
            codes::NOT_IN_DOUBT,
            format!("this does not answer what is in doubt about `{}`: {what}", step.id.address),
        )
        .hint("`retrue resolve --help` tells what each answer says"),
    )
}

fn nothing_in_doubt(address: &Address) -> Failure {
    Failure::one(
        Diagnostic::error(codes::NOT_IN_DOUBT, format!("nothing is in doubt at `{address}`"))
            .hint("`retrue plan` reports what is in doubt"),
    )
}

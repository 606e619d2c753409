//! Carries out one step: before-image, `begin`, effect, `end`, verification.

mod change;
pub(super) mod compare;
mod finish;
mod observe;
mod prepare;
mod record;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use retrue_provider_api::{Capability, Category, Private, ProviderError, TypeSchema, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::apply::codes;
use crate::apply::context::{Call, Caller, failed, failure};
use crate::apply::late::Late;
use crate::apply::scope::Values;
use crate::apply::waiting::Turn;
use crate::engine::{RunEventKind, StepRef};
use crate::plan::{Degraded, ObjectKey, Plan, Step, StepEffect, StepId};
use crate::resilience::{Guard, Held, Kind, Patience, Waits};
use crate::saga::journal::JournalError;
use crate::saga::{RecordedObject, StepFailure};
use crate::survey::providers::{Configured, Providers};
use crate::survey::turned::{is_turned, turned};

/// How a step ended, for the run.
#[derive(Debug)]
pub(super) enum StepResult {
    /// It did what it should; a person should know this about it.
    Applied(Vec<String>),
    /// Something is there, but not all was done, or a condition does not hold.
    Partial(StepFailure),
    /// Nothing was done.
    NotApplied(StepFailure),
    /// It cannot be told.
    Unknown(StepFailure),
}

impl StepResult {
    /// The same where it was told to end: what it says then is no failure of its own.
    fn cancelled(self) -> Self {
        let cancelled = |failure| StepFailure { code: codes::CANCELLED.into(), retryable: false, ..failure };
        match self {
            StepResult::Applied(warnings) => StepResult::Applied(warnings),
            StepResult::Partial(failure) => StepResult::Partial(cancelled(failure)),
            StepResult::NotApplied(failure) => StepResult::NotApplied(cancelled(failure)),
            StepResult::Unknown(failure) => StepResult::Unknown(cancelled(failure)),
        }
    }
}

/// Carries out steps of a plan.
pub(super) struct Executor<'a> {
    /// What is carried out.
    pub plan: &'a Plan,
    /// The steps that cannot be undone in full and on which others rest, by name.
    pub pivots: &'a BTreeSet<StepId>,
    /// What is the same for all steps.
    pub caller: &'a Caller<'a>,
    /// The providers.
    pub providers: &'a Providers,
    /// The values of instances, as they are now.
    pub values: &'a Values,
    /// Makes ready what is ready only now.
    pub late: &'a Late<'a>,
    /// What was not as it should be, and went on all the same.
    pub degraded: &'a Mutex<Vec<Degraded>>,
}

/// What is known of a step just before it begins.
pub(super) struct Ready<'s> {
    pub(super) step: &'s Step,
    /// 1 for the first try: what is looked at before and after it belongs to it.
    pub(super) attempt: u32,
    pub(super) configured: &'s Configured,
    pub(super) schema: &'s TypeSchema,
    pub(super) capability: Capability,
    /// The configuration, wholly known, with marks.
    pub(super) config: Value,
    /// What it shall look like, with marks.
    pub(super) planned: Value,
    pub(super) planned_private: Private,
}

pub(super) enum Stop {
    /// The step does not start.
    Step(StepFailure, bool),
    /// The run cannot go on.
    Journal(JournalError),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Stop::Journal(error)
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Stop::Journal(error.into())
    }
}

pub(super) fn stop(code: &str, category: Category, message: impl Into<String>) -> Stop {
    Stop::Step(
        StepFailure { code: code.into(), category, message: message.into(), retryable: false, retry_after: None },
        false,
    )
}

pub(super) fn stop_provider(error: &ProviderError, secrets: &[&Value]) -> Stop {
    Stop::Step(failure(codes::PROVIDER, error, secrets), error.retry)
}

impl Ready<'_> {
    /// Values with secrets in them, which no message may repeat.
    pub(super) fn secrets(&self) -> Vec<&Value> {
        [&self.config, &self.planned, &self.step.observed]
            .into_iter()
            .chain(self.configured.instance.configs())
            .collect()
    }
}

impl Executor<'_> {
    /// Carries out a step to its end, with retries where its failure may pass.
    ///
    /// An error means that the journal cannot be written, and the run has to stop.
    pub(super) async fn run(&self, step: &Step, recorded: Option<&RecordedObject>) -> Result<StepResult, JournalError> {
        let (waiting, journal) = (&self.caller.waiting, &*self.caller.journal);
        waiting.note(journal, Turn::Started).await?;
        let result = match self.turned(step, recorded).await {
            Ok(turned) => self.to_its_end(step, turned.as_ref().or(recorded)).await?,
            Err(failure) => StepResult::NotApplied(failure),
        };
        waiting.note(journal, Turn::Ended).await?;
        Ok(if self.caller.cancellation.hard.is_cancelled() { result.cancelled() } else { result })
    }

    /// The recorded object as one of the type that a rename gives it, where that is another one.
    async fn turned(
        &self,
        step: &Step,
        recorded: Option<&RecordedObject>,
    ) -> Result<Option<RecordedObject>, StepFailure> {
        let (Some(from), Some(recorded)) = (&step.moved_from, recorded) else { return Ok(None) };
        let address = &step.id.address;
        if !is_turned(Some(from), address) {
            return Ok(None);
        }
        let failed = |message: String| StepFailure {
            code: codes::PROVIDER.into(),
            category: Category::Conflict,
            message,
            retryable: false,
            retry_after: None,
        };
        let configured = self.providers.get(&step.provider);
        let configured = configured.ok_or_else(|| failed(format!("there is no provider `{}`", step.provider)))?;
        let done = turned(recorded, from, address, configured, &step.provider).await;
        done.map(Some).map_err(|error| failed(format!("`{from}` does not become `{address}`: {error}")))
    }

    async fn to_its_end(&self, step: &Step, recorded: Option<&RecordedObject>) -> Result<StepResult, JournalError> {
        let guard = self.providers.get(&step.provider).map(|configured| &*configured.guard);
        let cancellation = &self.caller.cancellation.soft;
        let kinds: &[Kind] = match step.id.effect {
            StepEffect::Read => &[Kind::Read],
            effect if effect.is_external() => &[Kind::Read, Kind::Write],
            _ => &[],
        };
        // All tries are one unit of work.
        let number = match step.id.effect.is_external() {
            true => self.caller.next_effect(&step.id.address).await?,
            false => 0,
        };
        let mut waits = guard.map_or_else(Waits::default, Guard::waits);
        // What is held back until the other side works again is tried once more, and that counts as none.
        let (mut patience, mut attempt, mut counted) = (Patience::default(), 1, 1);
        let first = Instant::now();
        let mut last: Option<StepFailure> = None;
        loop {
            if let Some(guard) = guard.filter(|_| !kinds.is_empty()) {
                let (told, is_held) = oneshot::channel();
                let mut told = Some(told);
                let hold = |held: &Held| {
                    // Nobody listens any more only where it goes on already.
                    let _ = told.take().map(|told| told.send(()));
                    let after = held.until.saturating_duration_since(Instant::now());
                    let (step, reason) = (self.reference(step, attempt, ""), held.to_string());
                    self.caller.tell(RunEventKind::StepHeld { step, reason, after });
                };
                let admitted = guard.admit((&step.type_name, kinds), &mut patience, cancellation, hold);
                if let Err(held) = self.noting(admitted, is_held).await? {
                    // Why it failed before says more than that it was not sent again.
                    let message = match &last {
                        Some(last) => format!("{}; {held}", last.message),
                        None => held.to_string(),
                    };
                    let result = StepResult::NotApplied(StepFailure {
                        code: codes::PROVIDER.into(),
                        category: last.map_or(Category::Transient, |last| last.category),
                        message,
                        retryable: false,
                        retry_after: None,
                    });
                    // The last one that began, if any did.
                    let begun = self.reference(step, attempt.saturating_sub(1).max(1), "");
                    self.tell_end(begun, first.elapsed(), &result);
                    return Ok(result);
                }
            }
            let began = Instant::now();
            let trying = self.reference(step, attempt, "");
            let done = self.caller.one_try(&trying, true, self.attempt(step, recorded, attempt, number)).await?;
            let (mut result, reference) = match done {
                Ok(done) => done,
                Err(Stop::Journal(error)) => return Err(error),
                // It never began: nothing is in doubt, and there is nothing to write down but that.
                Err(Stop::Step(failure, retry)) => {
                    let result = StepResult::NotApplied(StepFailure { retryable: retry, ..failure });
                    (result, trying)
                }
            };
            let duration = began.elapsed();
            self.caller.tell_moves(self.providers).await?;
            if let (StepResult::NotApplied(failure), Some(guard), false) =
                (&mut result, guard, cancellation.is_cancelled())
            {
                let failed = failed(failure);
                // What is held back until the other side works again has not failed.
                if guard.waits_instead((&step.type_name, kinds), failed) {
                    last = Some(failure.clone());
                    attempt += 1;
                    continue;
                }
                let retry = step.lifecycle.retry.as_ref().unwrap_or(&guard.policy().retry);
                if let Some(wait) = guard.again_by(retry, &mut waits, failed, counted, first.elapsed()) {
                    let error = failure.clone();
                    self.caller.tell_moves(self.providers).await?;
                    self.caller.tell(RunEventKind::StepRetrying { step: reference, error, after: wait });
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = cancellation.cancelled() => {}
                    }
                    (attempt, counted) = (attempt + 1, counted + 1);
                    continue;
                }
                if let Some(why) = guard.asks_too_much(retry, &waits, failed, counted, first.elapsed()) {
                    failure.message = format!("{}; {why}", failure.message);
                }
            }
            self.tell_end(reference, duration, &result);
            return Ok(result);
        }
    }

    /// Waits to be let in. That a step is held back meanwhile is written down where all that is under way is.
    async fn noting<T>(
        &self,
        admitted: impl Future<Output = T>,
        is_held: oneshot::Receiver<()>,
    ) -> Result<T, JournalError> {
        let mut admitted = std::pin::pin!(admitted);
        tokio::select! {
            biased;
            admitted = &mut admitted => return Ok(admitted),
            // An error: it was let in without having been held back.
            Ok(()) = is_held => {}
        }
        let (waiting, journal) = (&self.caller.waiting, &*self.caller.journal);
        waiting.note(journal, Turn::Held).await?;
        let admitted = admitted.await;
        waiting.note(journal, Turn::GoesOn).await?;
        Ok(admitted)
    }

    fn reference(&self, step: &Step, attempt: u32, key: &str) -> StepRef {
        StepRef {
            address: step.id.address.clone(),
            action: match (&step.import, step.adopts) {
                (Some(_), _) => "import",
                (None, true) => "adopt",
                (None, false) => step.word(),
            },
            step: step.id.to_string(),
            attempt,
            idempotency_key: key.to_owned(),
        }
    }

    fn tell_end(&self, step: StepRef, duration: Duration, result: &StepResult) {
        self.caller.tell(match result {
            StepResult::Applied(warnings) => {
                RunEventKind::StepFinished { step, duration, outcome: "applied", warnings: warnings.clone() }
            }
            StepResult::Partial(error) => {
                RunEventKind::StepFailed { step, duration, outcome: "partial", error: error.clone() }
            }
            StepResult::NotApplied(error) => {
                RunEventKind::StepFailed { step, duration, outcome: "not_applied", error: error.clone() }
            }
            StepResult::Unknown(error) => RunEventKind::StepInDoubt { step, duration, error: error.clone() },
        });
    }

    async fn attempt(
        &self,
        step: &Step,
        recorded: Option<&RecordedObject>,
        attempt: u32,
        number: u64,
    ) -> Result<(StepResult, StepRef), Stop> {
        let ready = self.prepare(step, attempt).await?;
        self.check_conditions(&step.preconditions, None, &step.id.address.to_string())?;
        match step.id.effect {
            StepEffect::Read => self.read_data(&ready).await,
            StepEffect::Create | StepEffect::Update | StepEffect::Delete => self.change(&ready, recorded, number).await,
            StepEffect::Adopt | StepEffect::Record | StepEffect::Forget | StepEffect::Depose => {
                self.record_only(&ready, recorded).await
            }
        }
    }

    fn call(&self, ready: &Ready<'_>, key: &str, limit: Duration) -> retrue_provider_api::Context {
        let step = ready.step;
        self.caller.context(Call {
            address: &step.id.address,
            id: Some(&step.id),
            step: &step.id.to_string(),
            attempt: ready.attempt,
            idempotency_key: key,
            marker: Some(self.caller.marker(&step.id.address, &ObjectKey::Current, step.generation)),
            limit,
        })
    }
}

//! What every step is given: the run, the outside, and who is told.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{Blobs, Capability, Category, ChildProcess, Children, Context, Marker, ProviderError, Value};

use crate::address::Address;
use crate::apply::waiting::{Turn, Waiting};
use crate::diagnostic::Diagnostic;
use crate::engine::{Cancellation, Observer, RunEvent, RunEventKind, StepRef};
use crate::plan::{ObjectKey, StepId};
use crate::resilience::{Failed, Hold, trying};
use crate::rest::{Seal, masked_near};
use crate::saga::journal::{Entry, Journal, JournalError};
use crate::saga::state::effects_key;
use crate::saga::{Event, StepFailure};
use crate::survey::Providers;
use crate::survey::functions::KeyedHash;

/// What is the same for all steps of a run.
pub struct Caller<'a> {
    /// The journal of the run.
    pub journal: Arc<Journal>,
    /// Seals secrets.
    pub seal: &'a dyn Seal,
    /// Where payloads are kept.
    pub blobs: Arc<dyn Blobs>,
    /// How a person stops the run.
    pub cancellation: &'a Cancellation,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// The lineage of the store, or of the one in which the run was started.
    pub lineage: String,
    /// The environment.
    pub environment: &'a str,
    /// Whether all that is under way waits.
    pub waiting: Waiting,
}

impl<'a> Caller<'a> {
    /// A caller for a run.
    pub fn new(
        journal: Arc<Journal>,
        seal: &'a dyn Seal,
        cancellation: &'a Cancellation,
        observer: &'a dyn Observer,
        environment: &'a str,
        lineage: &str,
    ) -> Self {
        let blobs = journal.store().blobs();
        let lineage = journal.record().lineage.unwrap_or_else(|| lineage.to_owned());
        Caller { journal, seal, blobs, cancellation, observer, lineage, environment, waiting: Waiting::default() }
    }

    /// Makes keyed hashes, wherever it is taken to.
    pub fn keyed_hash(&self) -> KeyedHash {
        let journal = Arc::clone(&self.journal);
        Arc::new(move |bytes| journal.store().sealer().keyed_hash(bytes))
    }

    /// Tells the observer, without secrets in the words.
    pub fn tell(&self, mut kind: RunEventKind) {
        kind.mask();
        let event = RunEvent { time: self.journal.now(), run: self.journal.run().to_owned(), kind };
        event.log();
        event.count();
        self.observer.event(&event);
    }

    /// Makes the calls of one try of a step, or of an undo, and tells each time that one of them is held back. Where
    /// it is `counted` among those that are under way, that is written down, too, once all of them wait.
    ///
    /// # Errors
    /// It cannot be written down.
    pub async fn one_try<T>(
        &self,
        step: &StepRef,
        counted: bool,
        calls: impl Future<Output = T>,
    ) -> Result<T, JournalError> {
        let (calls, mut holds) = trying(step.attempt > 1, calls);
        let heard = async {
            let mut held = 0usize;
            while let Some(hold) = holds.recv().await {
                let turn = match hold {
                    Hold::Begins(why) => {
                        let after = why.until.saturating_duration_since(tokio::time::Instant::now());
                        self.tell(RunEventKind::StepHeld { step: step.clone(), reason: why.to_string(), after });
                        held += 1;
                        (held == 1).then_some(Turn::Held)
                    }
                    Hold::Ends => {
                        held = held.saturating_sub(1);
                        (held == 0).then_some(Turn::GoesOn)
                    }
                };
                if let Some(turn) = turn.filter(|_| counted) {
                    self.waiting.note(&self.journal, turn).await?;
                }
            }
            Ok(())
        };
        // Side by side: what is written down may wait for what the calls write, and the other way round.
        let (done, heard): (T, Result<(), JournalError>) = tokio::join!(calls, heard);
        heard.map(|()| done)
    }

    /// Writes down, and tells, which providers went over to another way since this was last called.
    ///
    /// # Errors
    /// It cannot be written down.
    pub async fn tell_moves(&self, providers: &Providers) -> Result<(), JournalError> {
        let moves = providers.untold_moves();
        if moves.is_empty() {
            return Ok(());
        }
        let entries = moves.iter().map(|moved| Entry::run(Event::MovedOver(moved.clone()))).collect();
        self.journal.write(entries).await?;
        moves.into_iter().for_each(|moved| self.tell(RunEventKind::MovedOver(moved)));
        Ok(())
    }

    /// The marker of an object.
    pub fn marker(&self, address: &Address, object: &ObjectKey, generation: u64) -> Marker {
        Marker {
            lineage: self.lineage.clone(),
            environment: self.environment.to_owned(),
            generation,
            object: object.to_string(),
            address: address.to_string(),
        }
    }

    /// What a provider is given for one call.
    pub fn context(&self, call: Call<'_>) -> Context {
        Context {
            run: self.journal.run().to_owned(),
            step: call.step.to_owned(),
            address: call.address.to_string(),
            attempt: call.attempt,
            idempotency_key: call.idempotency_key.to_owned(),
            marker: call.marker,
            deadline: crate::clock::deadline(call.limit),
            cancellation: self.cancellation.hard.clone(),
            blobs: Arc::clone(&self.blobs),
            children: Arc::new(JournaledChildren::new(Arc::clone(&self.journal), call.address, call.id)),
            trace_parent: None,
        }
    }

    /// The number that the next effect on an address has. It is written with the beginning of that effect, and no
    /// other one ever has it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn next_effect(&self, address: &Address) -> Result<u64, JournalError> {
        let begun = self.journal.store().get(&effects_key(address)).await?;
        Ok(begun.and_then(|begun| begun.as_u64()).unwrap_or_default() + 1)
    }

    /// The key of a unit of work: not of the clock, the same for each try of it, and never the same for another
    /// one: neither for create, destroy, create, nor for there, back, and there again.
    pub fn idempotency_key(&self, work: &Work<'_>) -> String {
        let mut bytes = Vec::new();
        for part in [
            &self.lineage,
            self.environment,
            &work.address.to_string(),
            &work.object.to_string(),
            work.action,
            work.payload,
        ] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&work.generation.to_le_bytes());
        bytes.extend_from_slice(&work.effect.to_le_bytes());
        // The payload may hold a secret, and the key is shown: without the store's key nobody can try values.
        self.seal.keyed_hash(&bytes)
    }
}

/// One unit of work.
pub struct Work<'w> {
    /// The instance.
    pub address: &'w Address,
    /// Which of its objects.
    pub object: &'w ObjectKey,
    /// What is done.
    pub action: &'w str,
    /// The digest of what is sent.
    pub payload: &'w str,
    /// The generation.
    pub generation: u64,
    /// The number of the effect among all on the address: see [`Caller::next_effect`].
    pub effect: u64,
}

/// One call.
pub struct Call<'c> {
    /// The instance.
    pub address: &'c Address,
    /// The step; `None` where an undo is carried out.
    pub id: Option<&'c StepId>,
    /// The name of the step.
    pub step: &'c str,
    /// 1 for the first try.
    pub attempt: u32,
    /// See [`Caller::idempotency_key`].
    pub idempotency_key: &'c str,
    /// What to put on an object without a natural identity.
    pub marker: Option<Marker>,
    /// How long it may take.
    pub limit: Duration,
}

/// Writes every process that is started into the journal before it does anything.
struct JournaledChildren {
    journal: Arc<Journal>,
    address: Address,
    step: Option<StepId>,
}

impl JournaledChildren {
    fn new(journal: Arc<Journal>, address: &Address, step: Option<&StepId>) -> Self {
        JournaledChildren { journal, address: address.clone(), step: step.cloned() }
    }
}

#[async_trait]
impl Children for JournaledChildren {
    async fn started(&self, child: &ChildProcess) -> io::Result<()> {
        let entry = Entry {
            address: Some(self.address.clone()),
            step: self.step.clone(),
            event: Event::Child(child.clone()),
            writes: Vec::new(),
        };
        self.journal.write(vec![entry]).await.map_err(io::Error::other)
    }
}

/// What a failure says about another try.
pub(super) fn failed(failure: &StepFailure) -> Failed {
    Failed { category: failure.category, retryable: failure.retryable, retry_after: failure.retry_after }
}

/// Whether the other side has done with a change of which nobody knows what came: it answered, and what it said may
/// pass. Then the world tells now. What may still be under way, or may never be looked at, waits for the next run.
///
/// A program makes requests again by itself, and what it says of the last one is all that is known: only where its
/// connections themselves do not work, none is under way.
pub(super) fn is_over(capability: &Capability, failure: &StepFailure) -> bool {
    failure.retryable
        && failure.category != Category::TimeOut
        && (!capability.by_processes || failure.category == Category::Network)
}

/// What a provider's error is in the journal. What is sensitive in `values` is left out of its words.
pub fn failure(code: &str, error: &ProviderError, values: &[&Value]) -> StepFailure {
    StepFailure {
        code: code.to_owned(),
        category: error.category,
        message: masked_near(&format!("{error:#}"), values),
        retryable: error.retry,
        retry_after: error.retry_after,
    }
}

/// What a run that cannot be written down ends with.
pub fn journal_failure(error: &JournalError) -> Diagnostic {
    match error {
        JournalError::Store(store) => {
            Diagnostic::error(store.code(), format!("the run stopped, because it cannot be written down: {store}"))
                .hint(store.hint())
        }
        other => Diagnostic::error(super::codes::JOURNAL, format!("the run stopped: {other}")),
    }
}

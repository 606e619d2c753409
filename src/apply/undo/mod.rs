//! The inverse of one step: written down, carried out, and looked at again.

mod act;
mod compare;
mod examine;
mod record;
mod scene;

use std::collections::BTreeSet;
use std::time::Duration;

use retrue_provider_api::Value;
use tokio::time::Instant;

use crate::address::Address;
use crate::apply::context::{Caller, Work, failed, is_over};
use crate::apply::writes::{put_effects, put_generation, set_object};
use crate::crash_point;
use crate::engine::{RunEventKind, StepRef};
use crate::plan::{ObjectKey, StepEffect};
use crate::saga::compensation::{Undo, inverse};
use crate::saga::journal::{Entry, JournalError};
use crate::saga::{Event, RecordedObject, RestingObject, State, StepFailure, UndoBegin, UndoEnd, UndoFailure};
use crate::store::Write;
use crate::survey::providers::Providers;

pub(super) use self::act::Expected;
use self::act::{Done, Trouble};
pub(super) use self::compare::compare;
pub(super) use self::examine::{Examined, examine};
pub(super) use self::record::{Remade, follow, referred};
pub(super) use self::scene::{Scene, Setting};

/// Carries out undos.
pub(super) struct Worker<'a> {
    pub(super) caller: &'a Caller<'a>,
    pub(super) providers: &'a Providers,
}

/// What one undo is given.
pub(super) struct Given<'g> {
    /// What is recorded now where the object stands.
    pub(super) now: Option<RestingObject>,
    /// A generation that was never used.
    pub(super) generation: u64,
    /// What was made again and the object refers to.
    pub(super) remade: Remade,
    /// States of the object that images hold.
    pub(super) seen: Vec<Value>,
    /// The runs that unwound something: what they made again stands for what was there before.
    pub(super) unwindings: &'g BTreeSet<String>,
    /// What a later run made of the object, where that is of another type.
    pub(super) became: Option<Address>,
}

/// What came of one undo.
pub(super) enum Undid {
    /// It is undone.
    Undone { lost: Vec<String>, object: Option<Box<RestingObject>>, expected: Option<Box<Expected>> },
    /// It is not. `object` is recorded now, where a part of it was done.
    Stuck { failure: StepFailure, in_doubt: bool, object: Option<Box<RestingObject>> },
}

impl Worker<'_> {
    /// Undoes one step, and writes down what came of it.
    pub(super) async fn run(&self, undo: &Undo, given: Given<'_>) -> Result<Undid, JournalError> {
        let id = &undo.step.id;
        let effect = inverse(&undo.step);
        let began = Instant::now();
        let Given { now, generation, remade, seen, unwindings, became } = given;
        let place = undo.to().0;
        let number = match effect {
            Some(_) => self.caller.next_effect(&place).await?,
            None => 0,
        };
        let key = self.caller.idempotency_key(&Work {
            address: &id.address,
            object: &id.object,
            action: "undo",
            payload: &id.to_string(),
            generation,
            effect: number,
        });
        let reference = StepRef {
            address: id.address.clone(),
            action: effect.map_or("record", StepEffect::word),
            step: id.to_string(),
            attempt: 1,
            idempotency_key: key.clone(),
        };
        let begin = Event::UndoBegin(Box::new(UndoBegin {
            of: undo.run.clone(),
            effect,
            idempotency_key: key.clone(),
            generation,
        }));
        let setting = Setting {
            caller: self.caller,
            providers: self.providers,
            step: &undo.step,
            address: undo.to().0,
            now: now.as_ref(),
            generation,
            key,
            remade,
            became,
        };
        let mut scene = match Scene::new(setting) {
            Ok(scene) => scene,
            Err(failure) => return self.stuck(undo, reference, failure.into()).await,
        };
        if effect != Some(StepEffect::Create) && scene.is_another(|run| unwindings.contains(run)) {
            return self.stuck(undo, reference, scene.taken().into()).await;
        }
        if effect.is_none() {
            self.caller.tell(RunEventKind::UndoStarted(reference.clone()));
            let mut done = scene.undo_record();
            // What was made again stays that, wherever it is recorded.
            if let Some(now) = scene.now.as_ref().filter(|now| unwindings.contains(&now.run)) {
                done.object = done.object.map(|object| changed_by(object, &now.run));
            }
            return self.undone(undo, reference, began, vec![Entry::of(id, begin)], done).await;
        }
        crash_point!("undo/begin/before");
        // CRASH: after this the undo is in doubt, until somebody has looked at the world.
        let mut begin_writes = vec![put_effects(&place, number)];
        if effect == Some(StepEffect::Create) {
            begin_writes.push(put_generation(&scene.address, generation));
        }
        self.caller.journal.write(vec![Entry::of(id, begin).with(begin_writes)]).await?;
        crash_point!("undo/begin/after");
        self.caller.tell(RunEventKind::UndoStarted(reference.clone()));
        let done = self.act(&mut scene, effect, &seen, &reference).await?;
        crash_point!("undo/effect/after");
        match done {
            Ok(mut done) => {
                // For a while a read may still show what was there before the undo.
                done.object = done.object.map(|object| changed_by(object, self.caller.journal.run()));
                self.undone(undo, reference, began, Vec::new(), done).await
            }
            Err(trouble) => self.stuck(undo, reference, trouble).await,
        }
    }

    /// Carries out the inverse, again where its failure may pass: each try looks first. What came of one whose
    /// answer was lost is looked at, too, as soon as that can be told.
    async fn act(
        &self,
        scene: &mut Scene<'_>,
        effect: Option<StepEffect>,
        seen: &[Value],
        reference: &StepRef,
    ) -> Result<Result<Done, Trouble>, JournalError> {
        let guard = &*scene.configured.guard;
        let cancellation = &self.caller.cancellation.soft;
        let mut waits = guard.waits();
        let first = Instant::now();
        loop {
            let trying = StepRef { attempt: scene.attempt, ..reference.clone() };
            let calls = async {
                let done = match effect {
                    Some(StepEffect::Delete) => scene.undo_create(seen).await,
                    Some(StepEffect::Create) => scene.undo_delete().await,
                    _ => scene.undo_update(seen).await,
                };
                match done {
                    Err(trouble) if trouble.in_doubt && self.is_over(scene, &trouble.failure) => {
                        look(scene, effect, trouble).await
                    }
                    done => done,
                }
            };
            let mut trouble = match self.caller.one_try(&trying, false, calls).await? {
                Err(trouble) if !trouble.in_doubt && trouble.object.is_none() && !cancellation.is_cancelled() => {
                    trouble
                }
                done => return Ok(done),
            };
            let said = failed(&trouble.failure);
            let Some(after) = guard.again(&mut waits, said, scene.attempt, first.elapsed()) else {
                let retry = &guard.policy().retry;
                if let Some(why) = guard.asks_too_much(retry, &waits, said, scene.attempt, first.elapsed()) {
                    trouble.failure.message = format!("{}; {why}", trouble.failure.message);
                }
                return Ok(Err(trouble));
            };
            self.caller.tell(RunEventKind::StepRetrying { step: trying, error: trouble.failure, after });
            tokio::select! {
                () = tokio::time::sleep(after) => {}
                () = cancellation.cancelled() => {}
            }
            scene.attempt += 1;
        }
    }

    /// Whether the other side has done with it, so that the world tells now.
    fn is_over(&self, scene: &Scene<'_>, failure: &StepFailure) -> bool {
        is_over(&scene.capability, failure) && !self.caller.cancellation.soft.is_cancelled()
    }

    async fn undone(
        &self,
        undo: &Undo,
        reference: StepRef,
        began: Instant,
        mut entries: Vec<Entry>,
        done: Done,
    ) -> Result<Undid, JournalError> {
        let Done { object, mut lost, expected } = done;
        lost.extend(object.as_ref().and_then(|_| type_lost(undo)));
        let resting = object.as_ref().map(|object| RestingObject::new(object, self.caller.seal));
        let writes = record_writes(undo, resting.as_ref())?;
        let end = UndoEnd { of: undo.run.clone(), object: resting.clone(), lost: lost.clone() };
        crash_point!("undo/end/before");
        self.caller.journal.had_effect();
        entries.push(Entry::of(&undo.step.id, Event::Undone(Box::new(end))).with(writes));
        self.caller.journal.write(entries).await?;
        crash_point!("undo/end/after");
        self.caller.tell(RunEventKind::UndoFinished {
            not_made_again: resting.is_none() && inverse(&undo.step) == Some(StepEffect::Create),
            step: reference,
            duration: began.elapsed(),
            lost: lost.clone(),
        });
        Ok(Undid::Undone { lost, object: resting.map(Box::new), expected: expected.map(Box::new) })
    }

    async fn stuck(&self, undo: &Undo, reference: StepRef, trouble: Trouble) -> Result<Undid, JournalError> {
        let Trouble { failure, in_doubt, object } = trouble;
        let resting = object.as_ref().map(|object| RestingObject::new(object, self.caller.seal));
        let (address, key) = undo.to();
        let writes = match &resting {
            Some(resting) => vec![set_object(&address, &key, Some(resting))?],
            None => Vec::new(),
        };
        if resting.is_some() || in_doubt {
            self.caller.journal.had_effect();
        }
        let event = Event::UndoStuck(UndoFailure {
            of: undo.run.clone(),
            failure: failure.clone(),
            in_doubt,
            object: resting.clone().map(Box::new),
        });
        self.caller.journal.write(vec![Entry::of(&undo.step.id, event).with(writes)]).await?;
        let error = failure.clone();
        self.caller.tell(if in_doubt {
            RunEventKind::StepInDoubt { step: reference, duration: Duration::ZERO, error }
        } else {
            RunEventKind::UndoStuck { step: reference, error }
        });
        Ok(Undid::Stuck { failure, in_doubt, object: resting.map(Box::new) })
    }
}

/// Looks at the world for what came of an undo, and goes on from what it says, if it says it.
async fn look(scene: &Scene<'_>, effect: Option<StepEffect>, trouble: Trouble) -> Result<Done, Trouble> {
    match examine(scene, effect, true).await {
        Examined::Undone { object, lost, expected } => {
            Ok(Done { object: object.map(|object| *object), lost, expected: expected.map(|expected| *expected) })
        }
        Examined::NotUndone(_) => Err(Trouble { in_doubt: false, object: None, ..trouble }),
        // It is recorded, and the next run finishes it.
        Examined::Unfinished(object) => Err(Trouble { in_doubt: false, object: Some(*object), ..trouble }),
        Examined::CannotTell(_) => Err(trouble),
    }
}

impl Scene<'_> {
    /// Undoes a step that changed nothing but the record.
    fn undo_record(&self) -> Done {
        // What was set aside or brought up to date, and has no record any more, was dropped by hand since.
        let keeps = matches!(self.step.id.effect, StepEffect::Depose | StepEffect::Record);
        let dropped = keeps && self.left.is_some() && self.now.is_none();
        let object: Option<RecordedObject> = if dropped { None } else { self.restored_as_it_was() };
        let lost = if dropped { vec!["nothing is recorded for it any more".to_owned()] } else { Vec::new() };
        Done { object, lost, expected: None }
    }
}

/// What does not come back of an object that a rename gave another type.
fn type_lost(undo: &Undo) -> Option<String> {
    let from = undo.step.turned_from()?;
    let kind = undo.step.id.address.type_name();
    Some(format!("its type: it was `{from}`, a `{}`, and stays the `{kind}` that it has become", from.type_name()))
}

/// The record of what a run changed last.
pub(super) fn changed_by(object: RecordedObject, run: &str) -> RecordedObject {
    RecordedObject { run: run.to_owned(), ..object }
}

/// What changes in the record once a step is undone.
pub(super) fn record_writes(undo: &Undo, object: Option<&RestingObject>) -> Result<Vec<Write>, serde_json::Error> {
    let (from, to) = (undo.from(), undo.to());
    let mut writes = Vec::new();
    if from != to {
        writes.push(set_object(&from.0, &from.1, None)?);
    }
    writes.push(set_object(&to.0, &to.1, object)?);
    Ok(writes)
}

/// Where an object stands in the record.
pub(super) type Place = (Address, ObjectKey);

/// What is recorded once a step is undone, when somebody knows that it is: as it was before the step.
///
/// # Errors
/// What is written about the step cannot be opened, or its provider is not there.
pub fn restored(
    caller: &Caller<'_>,
    providers: &Providers,
    state: &State,
    undo: &Undo,
    generation: u64,
    again: &Remade,
) -> Result<Option<RecordedObject>, StepFailure> {
    let place = undo.from();
    let setting = Setting {
        caller,
        providers,
        step: &undo.step,
        address: undo.to().0,
        now: state.object(&place.0, &place.1),
        generation,
        key: String::new(),
        remade: undo.step.image.as_ref().map(|image| referred(&image.provenance, again)).unwrap_or_default(),
        became: None,
    };
    let scene = Scene::new(setting)?;
    Ok(scene.restored().map(|object| match undo.step.id.effect {
        StepEffect::Delete => RecordedObject { generation, ..object },
        _ => object,
    }))
}

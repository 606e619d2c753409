//! What a run writes down, what that means, and what unwinding it takes: rule by rule.

use retrue_provider_api::{Category, ChildProcess, Reversibility, Value};
use serde_json::{Value as Json, json};

use crate::address::{Address, BlockAddress};
use crate::plan::{ObjectKey, StepEffect, StepId};
use crate::rest::{PlainSeal, RestingValue};
use crate::saga::event::*;
use crate::saga::history::{RunHistory, read};
use crate::saga::machine::RunState;
use crate::saga::object::{ObjectStatus, Origin, RecordedObject, RestingObject};

mod compensation;
mod history;
mod journal;
mod machine;
mod recorded;

fn block(name: &str) -> BlockAddress {
    BlockAddress::managed("t", name)
}

fn address(name: &str) -> Address {
    block(name).instance(None)
}

fn step(name: &str, effect: StepEffect) -> StepId {
    StepId { address: address(name), object: ObjectKey::Current, effect, plan: "p".into() }
}

fn run_started(kind: RunKind) -> RunStarted {
    RunStarted { version: "1".into(), plan: "p".into(), ..RunStarted::of(kind, "test@host") }
}

fn started(kind: RunKind) -> Event {
    Event::RunStarted(Box::new(run_started(kind)))
}

fn finished(state: RunState) -> Event {
    Event::RunFinished(RunFinished { state, counts: Counts::default(), error: None })
}

fn image() -> ImageEvent {
    ImageEvent {
        image: None,
        moved_from: None,
        recorded: None,
        config: RestingValue::null(),
        provenance: Default::default(),
    }
}

fn imaged() -> Event {
    Event::Image(Box::new(image()))
}

fn step_begin() -> StepBegin {
    StepBegin {
        attempt: 1,
        idempotency_key: String::new(),
        type_name: "t".into(),
        provider: "p".into(),
        config: RestingValue::null(),
        planned: RestingValue::null(),
        generation: 1,
        dependencies: Vec::new(),
        reversibility: Reversibility::Full,
        pivot: false,
        template: None,
    }
}

pub(crate) fn begun() -> Event {
    Event::StepBegin(Box::new(step_begin()))
}

fn failure(message: &str) -> StepFailure {
    StepFailure {
        code: "RT0000".into(),
        category: Category::Unknown,
        message: message.into(),
        retryable: false,
        retry_after: None,
    }
}

fn end(object: Option<&str>, error: Option<&str>) -> Box<StepEnd> {
    Box::new(StepEnd { object: object.map(resting), error: error.map(failure) })
}

fn resolved(outcome: ResolvedOutcome, object: Option<&str>) -> Event {
    let object = object.map(resting);
    Event::StepResolved(Box::new(Resolution { of: "r".into(), outcome, how: String::new(), object }))
}

fn undo_begun(of: &str) -> Event {
    let begin = UndoBegin { of: of.into(), effect: None, idempotency_key: String::new(), generation: 1 };
    Event::UndoBegin(Box::new(begin))
}

fn undone(of: &str) -> Event {
    Event::Undone(Box::new(UndoEnd { of: of.into(), object: None, lost: Vec::new() }))
}

fn undo_stuck(of: &str, in_doubt: bool) -> Event {
    Event::UndoStuck(UndoFailure { of: of.into(), failure: failure("stuck"), in_doubt, object: None })
}

fn undo_skipped(of: &str) -> Event {
    Event::UndoSkipped { of: of.into(), reason: String::new() }
}

fn child(pid: i32) -> Event {
    Event::Child(ChildProcess { pid, started: 1 })
}

/// What is recorded of an object with this id.
fn object(id: &str) -> RecordedObject {
    RecordedObject {
        status: ObjectStatus::Ok,
        attributes: Value::object([("id", Value::from(id))]),
        config: Value::object([("id", Value::from(id))]),
        private: Default::default(),
        identity: None,
        schema_version: 0,
        provider: Default::default(),
        provenance: Default::default(),
        dependencies: Vec::new(),
        generation: 1,
        run: "r".into(),
        origin: Origin::Created,
        lifecycle: Default::default(),
        sent_write_only: false,
        owed: Vec::new(),
    }
}

fn resting(id: &str) -> RestingObject {
    RestingObject::new(&object(id), &PlainSeal)
}

/// A journal that is being written.
struct Written(Vec<Json>);

impl Written {
    fn new(kind: RunKind) -> Self {
        Written(Vec::new()).event(None, started(kind))
    }

    fn event(mut self, step: Option<&StepId>, event: Event) -> Self {
        let journaled = Journaled {
            v: JOURNAL_VERSION,
            time: "2026-01-01T00:00:00.000Z".into(),
            address: step.map(|step| step.address.clone()),
            step: step.cloned(),
            event,
        };
        self.0.push(json!(journaled));
        self
    }

    fn read(&self) -> RunHistory {
        read(&self.0).unwrap().unwrap()
    }
}

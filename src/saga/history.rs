//! What the events of a run amount to: read back, step by step. Pure.

use std::collections::BTreeMap;

use retrue_provider_api::ChildProcess;
use serde::Deserialize as _;
use serde_json::Value as Json;
use thiserror::Error;

use crate::address::Address;
use crate::plan::{StepEffect, StepId};
use crate::saga::event::{
    Event, ImageEvent, JOURNAL_VERSION, Journaled, ResolvedOutcome, RunStarted, StepBegin, StepEnd, StepFailure,
    UndoBegin, UndoEnd,
};
use crate::saga::machine::{Illegal, Machine, StepStatus, UndoStatus};
use crate::saga::object::RestingObject;
use crate::saga::state::RecordedOutput;

/// A journal that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HistoryError {
    /// A record was written by a newer version.
    #[error("the journal has version {0}, and this version of retrue reads {JOURNAL_VERSION}")]
    Version(u64),
    /// A record has not the form that it should have.
    #[error("record {0} of the journal cannot be read: {1}")]
    Form(usize, String),
    /// A record may not follow the one before.
    #[error("record {0} of the journal does not fit: {1}")]
    Illegal(usize, Illegal),
}

/// What is written about one step.
#[derive(Clone, Debug)]
pub struct StepHistory {
    /// Its name.
    pub id: StepId,
    /// What was observed before.
    pub image: Option<ImageEvent>,
    /// How it began.
    pub begin: Option<StepBegin>,
    /// What it was found to be.
    pub status: StepStatus,
    /// What is recorded since; `None` when nothing is, or the step did nothing.
    pub object: Option<RestingObject>,
    /// What went wrong, at last.
    pub failure: Option<StepFailure>,
    /// Whether a process was started since it began.
    pub has_child: bool,
    /// Where in the journal its last effect is; it orders the unwinding.
    pub position: usize,
}

/// What is written about the undo of one step.
#[derive(Clone, Debug)]
pub struct UndoHistory {
    /// The run that the step belongs to.
    pub of: String,
    /// The step.
    pub id: StepId,
    /// How it began, at last.
    pub begin: Option<UndoBegin>,
    /// How it ended.
    pub end: Option<UndoEnd>,
    /// Why it is stuck, or in doubt.
    pub failure: Option<StepFailure>,
    /// What it was found to be.
    pub status: UndoStatus,
    /// Whether a process was started since it began.
    pub has_child: bool,
}

/// What is written about a run.
#[derive(Clone, Debug)]
pub struct RunHistory {
    /// How it started.
    pub started: RunStarted,
    /// What may follow.
    pub machine: Machine,
    /// Its steps, in the order in which something was first written about them.
    pub steps: Vec<StepHistory>,
    /// The undos that it carried out.
    pub undos: Vec<UndoHistory>,
    /// The processes that it started.
    pub children: Vec<ChildProcess>,
    /// What was recorded as outputs before.
    pub outputs: BTreeMap<String, Option<RecordedOutput>>,
    /// The events.
    pub events: Vec<Journaled>,
}

/// Reads one record.
pub fn parse(position: usize, body: &Json) -> Result<Journaled, HistoryError> {
    let version = body.get("v").and_then(Json::as_u64).unwrap_or(0);
    if version > u64::from(JOURNAL_VERSION) {
        return Err(HistoryError::Version(version));
    }
    let mut journaled =
        Journaled::deserialize(body).map_err(|error| HistoryError::Form(position, error.to_string()))?;
    // They were written without the secrets that were known then.
    journaled.event.mask();
    Ok(journaled)
}

/// Reads a run; `None` when nothing is written.
pub fn read(bodies: &[Json]) -> Result<Option<RunHistory>, HistoryError> {
    let mut machine = Machine::new();
    let mut events = Vec::with_capacity(bodies.len());
    for (position, body) in bodies.iter().enumerate() {
        let journaled = parse(position, body)?;
        machine
            .record(journaled.step.as_ref(), &journaled.event)
            .map_err(|illegal| HistoryError::Illegal(position, illegal))?;
        events.push(journaled);
    }
    let Some(Event::RunStarted(started)) = events.first().map(|journaled| journaled.event.clone()) else {
        return Ok(None);
    };
    let mut history = RunHistory {
        started: *started,
        machine,
        steps: Vec::new(),
        undos: Vec::new(),
        children: Vec::new(),
        outputs: BTreeMap::new(),
        events: Vec::new(),
    };
    let mut steps: BTreeMap<StepId, usize> = BTreeMap::new();
    let mut undos: BTreeMap<(String, StepId), usize> = BTreeMap::new();
    // By step, the run whose undo of it was last written about.
    let mut running: BTreeMap<StepId, String> = BTreeMap::new();
    for (position, journaled) in events.iter().enumerate() {
        match &journaled.event {
            Event::Child(child) => {
                history.children.push(child.clone());
                let step =
                    journaled.step.as_ref().and_then(|id| steps.get(id)).and_then(|at| history.steps.get_mut(*at));
                if let Some(step) = step.filter(|step| step.begin.is_some()) {
                    step.has_child = true;
                }
                let undo = journaled.step.as_ref().and_then(|id| {
                    let of = running.get(id)?;
                    undos.get(&(of.clone(), id.clone())).and_then(|at| history.undos.get_mut(*at))
                });
                if let Some(undo) = undo {
                    undo.has_child = true;
                }
            }
            Event::Outputs { before } => history.outputs = before.clone(),
            Event::Configured { name, provider } => {
                history.started.providers.insert(name.clone(), provider.as_ref().clone());
            }
            event => {
                if let Some(id) = &journaled.step {
                    match undone_run(event) {
                        Some(of) => {
                            running.insert(id.clone(), of.to_owned());
                            note_undo(&mut history.undos, &mut undos, of, id, event);
                        }
                        None => note_step(&mut history.steps, &mut steps, id, event, position),
                    }
                }
            }
        }
    }
    for step in &mut history.steps {
        step.status = history.machine.step(&step.id);
    }
    for undo in &mut history.undos {
        undo.status = history.machine.undo(&undo.of, &undo.id);
    }
    history.events = events;
    Ok(Some(history))
}

fn undone_run(event: &Event) -> Option<&str> {
    match event {
        Event::UndoBegin(begin) => Some(&begin.of),
        Event::Undone(end) => Some(&end.of),
        Event::UndoStuck(stuck) => Some(&stuck.of),
        Event::UndoSkipped { of, .. } => Some(of),
        _ => None,
    }
}

fn note_undo(
    undos: &mut Vec<UndoHistory>,
    index: &mut BTreeMap<(String, StepId), usize>,
    of: &str,
    id: &StepId,
    event: &Event,
) {
    let at = *index.entry((of.to_owned(), id.clone())).or_insert_with(|| {
        undos.push(UndoHistory {
            of: of.to_owned(),
            id: id.clone(),
            begin: None,
            end: None,
            failure: None,
            status: UndoStatus::Pending,
            has_child: false,
        });
        undos.len() - 1
    });
    let Some(undo) = undos.get_mut(at) else { return };
    match event {
        Event::UndoBegin(begin) => {
            undo.begin = Some(begin.as_ref().clone());
            undo.failure = None;
            undo.has_child = false;
        }
        Event::Undone(end) => {
            undo.end = Some(end.as_ref().clone());
            undo.failure = None;
        }
        Event::UndoStuck(stuck) => undo.failure = Some(stuck.failure.clone()),
        _ => {}
    }
}

fn note_step(
    steps: &mut Vec<StepHistory>,
    index: &mut BTreeMap<StepId, usize>,
    id: &StepId,
    event: &Event,
    position: usize,
) {
    let at = *index.entry(id.clone()).or_insert_with(|| {
        steps.push(StepHistory {
            id: id.clone(),
            image: None,
            begin: None,
            status: StepStatus::Planned,
            object: None,
            failure: None,
            has_child: false,
            position,
        });
        steps.len() - 1
    });
    let Some(step) = steps.get_mut(at) else { return };
    let mut ended = |end: &StepEnd| {
        step.object.clone_from(&end.object);
        step.failure.clone_from(&end.error);
        step.position = position;
    };
    match event {
        Event::StepApplied(end) | Event::StepPartial(end) | Event::StepUnknown(end) | Event::Deposed(end) => ended(end),
        Event::Image(image) => step.image = Some(image.as_ref().clone()),
        Event::StepBegin(begin) => {
            step.begin = Some(begin.as_ref().clone());
            step.has_child = false;
            step.position = position;
        }
        Event::StepNotApplied(failure) => step.failure = Some(failure.clone()),
        Event::StepResolved(resolution) => {
            step.object.clone_from(&resolution.object);
            // What was not done, or not all of it, failed for the reason that it failed for.
            if resolution.outcome == ResolvedOutcome::Applied {
                step.failure = None;
            }
        }
        _ => {}
    }
}

impl StepHistory {
    /// The address that the object had before the step.
    pub fn moved_from(&self) -> Option<&Address> {
        self.image.as_ref().and_then(|image| image.moved_from.as_ref())
    }

    /// The address of another type that the object had before the step, of which the step made one of its own.
    pub fn turned_from(&self) -> Option<&Address> {
        self.moved_from().filter(|from| from.type_name() != self.id.address.type_name())
    }

    /// Whether it changed something that anybody would want to unwind: neither a look, nor a record that was only
    /// brought up to date.
    fn changed_something(&self) -> bool {
        let matters = match self.id.effect {
            StepEffect::Read => false,
            StepEffect::Record => self.moved_from().is_some(),
            _ => true,
        };
        matters && self.status.had_effect()
    }
}

impl RunHistory {
    /// The steps whose fate is not known.
    pub fn in_doubt(&self) -> impl Iterator<Item = &StepHistory> {
        self.steps.iter().filter(|step| step.status.in_doubt())
    }

    /// Whether anybody has yet to say what came of a step or of an undo.
    pub fn has_doubt(&self) -> bool {
        self.in_doubt().next().is_some() || self.undos_in_doubt().next().is_some()
    }

    /// Whether anything of it changed something, or was undone.
    pub fn has_effects(&self) -> bool {
        let undone = self.undos.iter().any(|undo| undo.status == UndoStatus::Undone);
        undone || self.steps.iter().any(StepHistory::changed_something)
    }

    /// The undos whose fate is not known.
    pub fn undos_in_doubt(&self) -> impl Iterator<Item = &UndoHistory> {
        self.undos.iter().filter(|undo| undo.status == UndoStatus::Begun)
    }
}

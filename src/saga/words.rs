//! The words in events: what people wrote or were told, and nothing that a run decides by.
//!
//! Words are laid to rest without the secrets that stand in them. Values are not words: they are sealed.

use crate::rest::masked;
use crate::saga::event::{Event, RunStarted, StepEnd, StepFailure, UndoFailure};

impl StepFailure {
    /// The same without secrets in its words.
    pub fn mask(&mut self) {
        mask(&mut self.message);
    }
}

impl Event {
    /// Takes the secrets out of its words. What rests, rests like that.
    pub fn mask(&mut self) {
        match self {
            Event::RunStarted(started) => started.mask(),
            Event::RunFinished(finished) => finished.error.iter_mut().for_each(mask),
            Event::RunAccepted { reason } | Event::UndoSkipped { reason, .. } => mask(reason),
            Event::StepApplied(end) | Event::StepPartial(end) | Event::StepUnknown(end) | Event::Deposed(end) => {
                end.mask();
            }
            Event::StepNotApplied(failure) | Event::UndoStuck(UndoFailure { failure, .. }) => failure.mask(),
            Event::StepResolved(resolution) => mask(&mut resolution.how),
            Event::Undone(end) => end.lost.iter_mut().for_each(mask),
            Event::Recorded { what, .. } => mask(what),
            Event::Checked { problem, .. } => problem.iter_mut().for_each(mask),
            Event::Note { text, .. } => mask(text),
            Event::MovedOver(moved) => mask(&mut moved.reason),
            Event::Child(_)
            | Event::Configured { .. }
            | Event::Image(_)
            | Event::StepBegin(_)
            | Event::StepVerified
            | Event::StepVerifyMismatch { .. }
            | Event::UndoBegin(_)
            // One of few words, which what is done next goes by.
            | Event::Review { .. }
            | Event::Outputs { .. } => {}
        }
    }
}

impl RunStarted {
    /// Where a value came from is told, and never read again.
    fn mask(&mut self) {
        self.input.values_mut().for_each(mask);
    }
}

impl StepEnd {
    fn mask(&mut self) {
        self.error.iter_mut().for_each(StepFailure::mask);
    }
}

fn mask(words: &mut String) {
    let without = masked(words);
    if without != *words {
        *words = without;
    }
}

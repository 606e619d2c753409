//! Whether a run waits for what is outside: whether all of its steps that are under way are held back.

use tokio::sync::Mutex;

use crate::saga::RunState;
use crate::saga::journal::{Entry, Journal, JournalError, put_run};
use crate::saga::{Event, RunRecord};

/// The steps of a run that are under way, and those of them that are held back.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    under_way: usize,
    held: usize,
    waits: bool,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is under way from now on.
    Started,
    /// It is held back until what is outside works again.
    Held,
    /// It goes on.
    GoesOn,
    /// It has ended.
    Ended,
}

impl Waiting {
    /// Takes note of what a step does. Where the run begins to wait, or goes on, that is durable on return: whoever
    /// looks, looks at what is written.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub async fn note(&self, journal: &Journal, turn: Turn) -> Result<(), JournalError> {
        // Held while it is written, so that what is written last is what holds.
        let mut steps = self.0.lock().await;
        match turn {
            Turn::Started => steps.under_way += 1,
            Turn::Held => steps.held += 1,
            Turn::GoesOn => steps.held = steps.held.saturating_sub(1),
            Turn::Ended => steps.under_way = steps.under_way.saturating_sub(1),
        }
        let waits = steps.held > 0 && steps.held >= steps.under_way;
        if waits == steps.waits {
            return Ok(());
        }
        steps.waits = waits;
        let (state, what) = match waits {
            true => (RunState::WaitingExternal, "all that is under way waits for what is outside to work again"),
            false => (RunState::Processing, "it goes on"),
        };
        let writes = vec![put_run(&RunRecord { state, ..journal.record() })?];
        let event = Event::Recorded { what: what.to_owned(), object: None };
        journal.write(vec![Entry::run(event).with(writes)]).await
    }
}

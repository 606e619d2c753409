//! One try of a step or of an undo, as far as it concerns the layers: the calls that belong to it, which one task makes.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::guard::Held;

tokio::task_local! {
    static TRYING: Trying;
}

struct Trying {
    /// Whether it is one more try, or a call of it has failed.
    failed: AtomicBool,
    holds: UnboundedSender<Hold>,
}

/// What becomes of a call within a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is held back until the other side works again.
    Begins(Held),
    /// It is not held back any more.
    Ends,
}

/// Makes the calls of one try; `again` says that it is not the first one. What becomes of its calls is heard from the
/// receiver, which ends with the try.
pub fn trying<T>(again: bool, calls: impl Future<Output = T>) -> (impl Future<Output = T>, UnboundedReceiver<Hold>) {
    let (holds, heard) = unbounded_channel();
    let trying = Trying { failed: AtomicBool::new(again), holds };
    // Dropped as soon as it has ended, and the sender with it.
    (async move { TRYING.scope(trying, calls).await }, heard)
}

/// A call of the try failed: what only looks from now on belongs to a retry.
pub(super) fn has_failed() {
    // Nobody tries: whoever only looks.
    let _ = TRYING.try_with(|trying| trying.failed.store(true, Ordering::Relaxed));
}

/// Whether what only looks belongs to a retry.
pub(super) fn is_retry() -> bool {
    TRYING.try_with(|trying| trying.failed.load(Ordering::Relaxed)).unwrap_or(false)
}

/// A call that is held back, until this is dropped.
pub(super) struct Holding(UnboundedSender<Hold>);

/// Tells whoever tries that a call is held back.
pub(super) fn hold(held: &Held) -> Option<Holding> {
    let holds = TRYING.try_with(|trying| trying.holds.clone()).ok()?;
    // Where nobody listens, nobody need know.
    let _ = holds.send(Hold::Begins(held.clone()));
    Some(Holding(holds))
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.0.send(Hold::Ends);
    }
}

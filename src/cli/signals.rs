//! Ctrl-C: once to stop softly, twice to cancel.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::console::Console;
use crate::engine::Cancellation;

/// Listens for signals until the program ends.
///
/// The first one stops what has not begun: what runs is finished and recorded. The second one
/// cancels what runs, which is recorded as being in doubt where it cannot be told. SIGTERM, SIGHUP
/// and SIGINT are the same.
pub(crate) fn listen(console: &Arc<Console>, cancellation: &Cancellation) {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    for kind in kinds {
        let Ok(mut stream) = signal(kind) else { continue };
        let sender = sender.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(()).is_ok() {} });
    }
    let (console, cancellation) = (Arc::clone(console), cancellation.clone());
    tokio::spawn(async move {
        if receiver.recv().await.is_some() {
            console.hint("stopping: what runs is finished and recorded; once more cancels it\n");
            cancellation.soft.cancel();
        }
        if receiver.recv().await.is_some() {
            console.hint("cancelling\n");
            cancellation.hard.cancel();
        }
    });
}

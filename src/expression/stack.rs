//! Room for deep expressions.

use super::error::{EvalError, codes};
use crate::span::Span;

/// Bytes of stack that parsing and evaluating the deepest permitted expression is sure to fit in.
pub const STACK_SIZE: usize = 16 * 1024 * 1024;

/// Runs `work` on a thread with [`STACK_SIZE`] bytes of stack, and waits for it.
///
/// Whoever parses or evaluates expressions does it in here, once for a whole load or plan: the
/// parser permits nesting that the usual stack of a thread is too small for. A panic in `work` goes
/// on in the caller. The error is that the system gave no thread.
pub fn with_deep_stack<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, EvalError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("retrue-expressions".into())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, work)
            .map_err(|error| {
                EvalError::new(codes::NO_THREAD, format!("cannot start a thread: {error}"), Span::default())
            })?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

//! What a command writes, within bounds.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

use crate::secrets;

/// So much of standard error is kept, and of that the last lines.
const TAIL: usize = 64 * 1024;
const TAIL_LINES: usize = 40;

/// The reading end of a pipe, and what was read from it.
pub(super) struct Capture {
    pipe: Receiver,
    open: bool,
    kept: Vec<u8>,
    limit: usize,
    /// Keep the last bytes, not the first.
    tail: bool,
    cut: bool,
}

impl Capture {
    /// Keeps the first `limit` bytes.
    pub(super) fn of(pipe: OwnedFd, limit: usize) -> io::Result<Self> {
        Ok(Capture {
            pipe: Receiver::from_owned_fd(pipe)?,
            open: true,
            kept: Vec::new(),
            limit,
            tail: false,
            cut: false,
        })
    }

    /// Keeps the last bytes.
    pub(super) fn of_tail(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Capture { tail: true, ..Self::of(pipe, TAIL)? })
    }

    /// Waits until there may be something to read; for ever, when it is closed.
    pub(super) async fn readable(&self) {
        if !self.open || self.pipe.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Reads what is there: at least all that a pipe can hold, and not for ever.
    pub(super) fn drain(&mut self) {
        let mut buffer = [0; 64 * 1024];
        for _ in 0..32 {
            if !self.open {
                return;
            }
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(read) => self.keep(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.open = false,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.tail {
            self.kept.extend_from_slice(bytes);
            if self.kept.len() > 2 * self.limit {
                self.kept.drain(..self.kept.len() - self.limit);
                self.cut = true;
            }
            return;
        }
        let room = self.limit.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.cut |= bytes.len() > room;
    }

    /// What was kept, and whether there was more.
    pub(super) fn into_bytes(self) -> (Vec<u8>, bool) {
        (self.kept, self.cut)
    }

    /// The last lines, as text without secrets.
    pub(super) fn into_last_lines(self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let text = text.trim_end();
        let start = text.rmatch_indices('\n').nth(TAIL_LINES - 1).map_or(0, |(at, _)| at + 1);
        // What is left of a line that was cut through may begin within a secret, and would not be known for one.
        let start = if start == 0 && self.cut { text.find('\n').map_or(text.len(), |at| at + 1) } else { start };
        secrets::masked(text.get(start..).unwrap_or_default()).into_owned()
    }
}

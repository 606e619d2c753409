//! The terminal that bars are drawn on. It may go away at any moment, and nothing may end because of that.

use std::io::{self, Write as _};
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

/// The columns and rows where a terminal does not say.
const UNTOLD: (u16, u16) = (80, 24);

/// Standard error, as a terminal. What cannot be drawn is dropped: bars that are told of an error panic.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// What was not drawn yet.
    pending: Mutex<String>,
}

impl Screen {
    fn put(&self, text: &str) -> io::Result<()> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    fn go(&self, count: usize, way: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.put(&format!("\x1b[{count}{way}")) }
    }

    fn size() -> (u16, u16) {
        match rustix::termios::tcgetwinsize(io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => UNTOLD,
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        Screen::size().0
    }

    fn height(&self) -> u16 {
        Screen::size().1
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.go(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.go(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.go(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.go(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(text)?;
        self.put("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let text = take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if !text.is_empty() {
            // A terminal that was closed shows nothing any more, and the run goes on, or stops as it was told to.
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        }
        Ok(())
    }
}

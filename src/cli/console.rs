//! The streams of the program: what may be written where, how wide, and in which colours.
//!
//! Nothing else writes to standard output or standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};

use serde_json::json;

use super::screen::Screen;
use crate::clock::{Clock as _, SystemClock};
use crate::rest::masked;

/// The width of a screen where there is none.
pub const FIXED_WIDTH: usize = 100;

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Results are documents for programs.
    pub json: bool,
    /// No progress and no hints.
    pub quiet: bool,
    /// More detail.
    pub verbose: u8,
    /// Colours on standard output.
    pub colour_out: bool,
    /// Colours on standard error.
    pub colour_err: bool,
    /// The columns of standard output.
    pub width_out: usize,
    /// The columns of standard error.
    pub width_err: usize,
    /// Somebody can be asked.
    pub interactive: bool,
    /// Standard error can show bars that move.
    pub bars: bool,
    /// Standard error is read by a program: each line of it is a JSON object, as those of the log are.
    pub log_json: bool,
}

impl Settings {
    /// What a pipe gets: no colours, a fixed width, nobody to ask.
    pub const PLAIN: Settings = Settings {
        json: false,
        quiet: false,
        verbose: 0,
        colour_out: false,
        colour_err: false,
        width_out: FIXED_WIDTH,
        width_err: FIXED_WIDTH,
        interactive: false,
        bars: false,
        log_json: false,
    };

    /// What the terminal, the environment and the flags allow.
    pub fn detect(json: bool, quiet: bool, verbose: u8, no_color: bool) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = !no_color && !set("NO_COLOR") && !dumb;
        Settings {
            json,
            quiet,
            verbose,
            colour_out: colours && out.is_terminal(),
            colour_err: colours && err.is_terminal(),
            width_out: columns(&out),
            width_err: columns(&err),
            interactive: io::stdin().is_terminal() && err.is_terminal(),
            bars: err.is_terminal() && !dumb && !quiet,
            log_json: false,
        }
    }
}

/// What is told, as a line of the log in JSON.
fn logged(text: &str) -> String {
    let text = plain(text);
    let message = text.trim();
    if message.is_empty() {
        return String::new();
    }
    let level = match message {
        _ if message.starts_with("error") => "ERROR",
        _ if message.starts_with("warning") => "WARN",
        _ => "INFO",
    };
    let time = SystemClock.now();
    let line = json!({ "timestamp": time, "level": level, "target": "retrue::cli", "message": message });
    format!("{line}\n")
}

/// The columns of a terminal; without one, or where it does not say, a fixed number.
fn columns(stream: &(impl IsTerminal + rustix::fd::AsFd)) -> usize {
    if !stream.is_terminal() {
        return FIXED_WIDTH;
    }
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col).max(20),
        _ => FIXED_WIDTH,
    }
}

/// Where everything is written.
pub struct Console {
    settings: Settings,
    bars: MultiProgress,
    trouble: Mutex<Option<io::Error>>,
    /// The options that commands in hints need to mean the same stack: ` -C site`.
    chosen: String,
    /// In tests, what would have been written.
    memory: Option<Mutex<(String, String)>>,
}

impl Console {
    /// The streams of the process.
    pub fn new(settings: Settings) -> Self {
        let target = match settings.bars {
            true => ProgressDrawTarget::term_like_with_hz(Box::<Screen>::default(), 20),
            false => ProgressDrawTarget::hidden(),
        };
        Console {
            settings,
            bars: MultiProgress::with_draw_target(target),
            trouble: Mutex::new(None),
            chosen: String::new(),
            memory: None,
        }
    }

    /// Streams that go nowhere and are remembered.
    #[cfg(test)]
    pub(crate) fn remembering(settings: Settings) -> Self {
        Console { memory: Some(Mutex::default()), ..Self::new(settings) }
    }

    /// The same, for a stack that was chosen by options: the commands in hints name them, too.
    #[must_use]
    pub fn choosing(self, chosen: String) -> Self {
        Console { chosen, ..self }
    }

    /// How to write.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The bars that live below everything else on standard error.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes results to standard output, as they are but for colours that it cannot show.
    ///
    /// A reader that has gone away is no trouble, and what runs goes on; any other failure is kept
    /// for [`Console::trouble`].
    pub fn data(&self, text: &str) {
        if text.is_empty() || self.lock().is_some() {
            return;
        }
        let shown = if self.settings.colour_out { text.to_owned() } else { plain(text) };
        if let Some(memory) = &self.memory {
            return memory.lock().unwrap_or_else(PoisonError::into_inner).0.push_str(&shown);
        }
        if let Err(error) = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(shown.as_bytes()).and_then(|()| out.flush())
        }) {
            *self.lock() = Some(error);
        }
    }

    /// Writes a line of results to standard output.
    pub fn line(&self, text: &str) {
        self.data(&format!("{text}\n"));
    }

    /// Writes to standard error what must be read: errors and questions. All of it is words, so no secret is in it.
    pub fn tell(&self, text: &str) {
        let text = masked(&with_options(text, &self.chosen));
        let shown = match self.settings {
            Settings { log_json: true, .. } => logged(&text),
            Settings { colour_err: true, .. } => text,
            _ => plain(&text),
        };
        if let Some(memory) = &self.memory {
            return memory.lock().unwrap_or_else(PoisonError::into_inner).1.push_str(&shown);
        }
        self.bars.suspend(|| {
            // There is nowhere left to tell that standard error is gone.
            let mut err = io::stderr().lock();
            let _ = err.write_all(shown.as_bytes()).and_then(|()| err.flush());
        });
    }

    /// Writes to standard error what is good to know, unless it shall be quiet.
    pub fn hint(&self, text: &str) {
        if !self.settings.quiet {
            self.tell(text);
        }
    }

    /// What went wrong when writing results, unless their reader just left.
    pub fn trouble(&self) -> Option<io::Error> {
        self.lock().take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written so far, to standard output and to standard error.
    #[cfg(test)]
    pub(crate) fn captured(&self) -> (String, String) {
        self.memory
            .as_ref()
            .map(|memory| memory.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }
}

/// Puts options into every command that a text advises.
fn with_options(text: &str, options: &str) -> String {
    const COMMAND: &str = "`retrue ";
    if options.is_empty() {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut parts = text.split(COMMAND);
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        shown.push_str(COMMAND.trim_end());
        // One that names a stack already means that one.
        if !part.starts_with('-') {
            shown.push_str(options);
        }
        shown.push(' ');
        shown.push_str(part);
    }
    shown
}

/// The text without colours.
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advised_commands_mean_the_same_stack() {
        let console = Console::remembering(Settings::PLAIN).choosing(" -C site".to_owned());
        console.hint("hint: `retrue apply p` does it; `retrue -C x apply` that; `--fix` fixes\n");
        let (_, told) = console.captured();
        assert_eq!(told, "hint: `retrue -C site apply p` does it; `retrue -C x apply` that; `--fix` fixes\n");
    }
}

//! Logs, as lines on standard error.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::command::LogFormat;
use super::console::Settings;
use crate::rest::masked;

/// Starts logging. Warnings are always shown; `-v` adds what happens, `-vv` all detail; the variable
/// `RETRUE_LOG` says it per module, as in `retrue::store=trace`.
pub(crate) fn start(verbose: u8, format: Option<LogFormat>, settings: Settings) {
    let level = match verbose {
        0 => "off,retrue=warn",
        1 => "warn,retrue=info",
        _ => "info,retrue=debug",
    };
    let filter = std::env::var("RETRUE_LOG").ok().filter(|text| !text.is_empty());
    let filter = EnvFilter::new(filter.as_deref().unwrap_or(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Masked);
    // A second start in one process (tests) keeps the first.
    let _ = match format.unwrap_or(LogFormat::Text) {
        LogFormat::Text => lines.with_ansi(settings.colour_err).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Has the words of a panic, which is a defect of ours, come without secrets as well.
pub(crate) fn mask_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let shown = match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        // There is nowhere left to tell that standard error is gone.
        let _ = writeln!(io::stderr(), "{}", masked(&format!("{panic}{shown}")));
    }));
}

/// Standard error, without secrets. Lines come whole, so none is in two parts.
struct Masked;

impl<'a> MakeWriter<'a> for Masked {
    type Writer = Masked;

    fn make_writer(&'a self) -> Masked {
        Masked
    }
}

impl Write for Masked {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(masked(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

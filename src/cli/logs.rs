//! Logs, as lines on standard error.

use tracing_subscriber::EnvFilter;

use super::command::LogFormat;
use super::console::Settings;

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
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = match format.unwrap_or(LogFormat::Text) {
        LogFormat::Text => lines.with_ansi(settings.colour_err).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

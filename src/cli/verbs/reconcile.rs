//! `retrue reconcile`.

use std::time::Duration;

use clap::Args;

use crate::cli::exit::Ending;
use crate::cli::session::Session;

/// Compare the world with what is recorded and desired
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Bring what is drifted or missing back
    #[arg(long, conflicts_with_all = ["accept", "accept_all"])]
    pub(crate) fix: bool,
    /// Agree to the fix beforehand
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
    /// Take what was found as the new record
    #[arg(long, value_name = "ADDR", conflicts_with = "accept_all")]
    pub(crate) accept: Vec<String>,
    /// Take all that was found as the new record
    #[arg(long)]
    pub(crate) accept_all: bool,
    /// Do it again and again, with this time between: 90s, 5m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) every: Option<Duration>,
}

/// Reads `90s`, `5m`, `1h 30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match Duration::try_from(span) {
        Ok(duration) if duration >= Duration::from_secs(1) => Ok(duration),
        _ => Err("it must be at least a second".to_owned()),
    }
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let _ = arguments;
    session.later("reconcile")
}

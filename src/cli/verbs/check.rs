//! `retrue check`.

use clap::Args;

use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::json::check;
use crate::cli::render::checks;
use crate::cli::session::Session;
use crate::engine;

/// Run the health checks of the stack
///
/// Looks at what is recorded, and changes nothing. Ends with 0 when all checks are healthy, or those that are not
/// are only warnings, and with 1 otherwise. It needs no lock.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The checks to run; without one, all of them
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let options = session.options();
    let workspace = engine::checked_workspace(&options).await?;
    let planned = engine::inspect(&options, &workspace, &arguments.names, &session.cancellation).await?;
    session.warn(&planned.warnings, &planned.sources);
    let json = session.console.settings().json;
    let reports = engine::check(&options, &planned, &session.cancellation, |report| {
        if json {
            // A line that cannot be written is noticed at the end.
            let _ = session.document(&check::event(&session.now(), report));
        } else {
            session.console.line(&checks::line(report));
        }
    })
    .await;
    if json {
        session.document(&check::finished(&session.now(), &reports))?;
    } else if reports.is_empty() {
        session.console.data("There are no checks: `[check.NAME]` declares one.\n");
    } else {
        session.console.data(&format!("{}\n", checks::summary(&reports)));
    }
    if reports.iter().any(|report| report.finding.cancelled) {
        return Ok(Exit::Cancelled);
    }
    match engine::unhealthy(&reports) {
        Some(problem) => Err(Failure::new(Exit::Failed, problem)),
        None => Ok(Exit::Done),
    }
}

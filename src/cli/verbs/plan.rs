//! `retrue plan`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::command::{Planning, typed};
use crate::cli::exit::{Ending, Exit};
use crate::cli::session::Session;
use crate::cli::{json, render};
use crate::engine::{self, PlanOptions};

/// Show what would change
///
/// Reads the world and changes nothing. It needs no lock, and answers while an apply runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Keep the plan in a file, for `apply FILE`
    #[arg(short, long = "out", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Plan for nothing desired
    #[arg(long)]
    pub(crate) destroy: bool,
    /// End with 0 without changes, 2 with changes, 1 on errors, 4 when something is in doubt
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// What to plan
    #[command(flatten)]
    pub(crate) planning: Planning,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let planning = PlanOptions { destroy: arguments.destroy, ..PlanOptions::from(&arguments.planning) };
    let (planned, bytes) =
        engine::plan(&session.options(), &planning, arguments.output.is_some(), &session.cancellation).await?;
    session.warn(&planned.warnings, &planned.sources);
    let plan = &planned.plan;
    if let (Some(output), Some(bytes)) = (&arguments.output, &bytes) {
        engine::write_plan(output, bytes)?;
    }
    if session.console.settings().json {
        session.document(&json::plan::wire(plan))?;
    } else {
        session.console.data(&render::plan(plan, session.detail()));
        match &arguments.output {
            Some(output) => session
                .console
                .hint(&format!("\nhint: `retrue apply {}` does just this\n", typed(&output.to_string_lossy()))),
            None if plan.is_empty() => {}
            None if arguments.destroy => {
                session.console.hint("\nhint: `retrue destroy` plans again, asks, and does it\n")
            }
            None => session.console.hint("\nhint: `retrue apply` plans again, asks, and does it\n"),
        }
    }
    Ok(match arguments.detailed_exitcode {
        true if !plan.in_doubt.is_empty() => Exit::NeedsPerson,
        true if !plan.is_empty() => Exit::Changes,
        _ => Exit::Done,
    })
}

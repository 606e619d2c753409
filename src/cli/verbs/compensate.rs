//! `retrue compensate`.

use std::path::PathBuf;

use clap::Args;

use crate::address::Address;
use crate::cli::converge::{address, finish, recorded, recording};
use crate::cli::exit::{Ending, Exit};
use crate::cli::json::event;
use crate::cli::progress::Progress;
use crate::cli::question::agree;
use crate::cli::render::plan::Screen;
use crate::cli::render::text::{bold, dim, visible, yellow};
use crate::cli::report::{self, Report};
use crate::cli::session::Session;
use crate::engine::{self, CompensateOptions, Compensated, Compensation};
use crate::trace::{End, Recorder};

/// Unwind a run until the world is as it was
///
/// Takes the newest apply or fix that changed something, or may have, and is not unwound yet, with the
/// interrupted runs that it continued. It can be interrupted and repeated. A valid stack is not needed.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The run; without one, the newest that changed something, or may have
    #[arg(value_name = "RUN", conflicts_with = "through")]
    pub(crate) run: Option<String>,
    /// Unwind newest-first back to this run, itself included
    #[arg(long, value_name = "RUN")]
    pub(crate) through: Option<String>,
    /// Go past this step that cannot be undone in full
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) past: Vec<Address>,
    /// Leave this one as it is
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) skip: Vec<Address>,
    /// Agree beforehand
    #[arg(long)]
    pub(crate) yes: bool,
    /// Write the calls of providers, without secrets, into a file that `retrue replay` takes
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let (recorder, options) = recording(session, arguments.record.as_deref())?;
    if !session.has_state()? {
        return nothing(session);
    }
    let stack = engine::load(&options).ok();
    let store = session.open(&options, "compensate", stack.as_ref()).await?;
    let ending = with_store(session, &store, arguments, recorder.as_deref()).await;
    session.close(&store, ending).await
}

fn nothing(session: &Session) -> Ending {
    if session.console.settings().json {
        return session.document(&event::nothing(&session.now(), "nothing to compensate"));
    }
    session.console.line("nothing to compensate");
    Ok(Exit::Done)
}

async fn with_store(
    session: &Session,
    store: &engine::Session,
    arguments: Arguments,
    recorder: Option<&Recorder>,
) -> Ending {
    let progress = Progress::new(session.console.clone());
    let doubtful = store.settle(&progress, &session.cancellation).await?;
    let texts = |addresses: Vec<Address>| addresses.iter().map(ToString::to_string).collect();
    let chosen = CompensateOptions {
        run: arguments.run,
        through: arguments.through,
        past: texts(arguments.past),
        skip: texts(arguments.skip),
        alone: false,
    };
    if let Some(recorder) = recorder {
        store.record_compensation(recorder, &chosen).await?;
    }
    let ended = |end: End| recorder.into_iter().for_each(|recorder| finish(session, recorder, end.clone()));
    let compensation = recorded(session, recorder, store.compensation(&chosen).await)?;
    let Some(compensation) = compensation else {
        ended(End::default());
        let exit = nothing(session)?;
        return Ok(if doubtful.is_empty() { exit } else { Exit::NeedsPerson });
    };
    let console = &session.console;
    for notice in &compensation.notices {
        console.hint(&format!("{} {}\n", yellow("note:"), visible(notice)));
    }
    if !console.settings().json {
        console.data(&screen(&compensation, session));
    }
    let agreed = agree(console, &session.cancellation, arguments.yes, "Unwind this?").await;
    if agreed.is_err() {
        ended(End::default());
    }
    agreed?;
    if !console.settings().json {
        console.hint("\n");
    }
    let unwound = store.unwind(compensation, &progress, &session.cancellation).await;
    let unwound = recorded(session, recorder, unwound)?;
    if recorder.is_some() {
        ended(store.unwound(&unwound).await?);
    }
    let Compensated::Unwound(unwound) = unwound else { return nothing(session) };
    let Report { errors, summary, advice, .. } = report::report(&progress.finish());
    console.tell(&errors);
    console.tell(&report::unwound_errors(&unwound));
    if !console.settings().json {
        console.data(&summary);
    }
    console.hint(&format!("{advice}{}", report::unwound_advice(&unwound)));
    let exit = report::unwound_exit(&unwound, Exit::Done);
    Ok(if doubtful.is_empty() { exit } else { Exit::NeedsPerson })
}

/// What is about to be undone.
fn screen(compensation: &Compensation, session: &Session) -> String {
    let mut screen = Screen::new(session.detail());
    for run in &compensation.runs {
        let what =
            format!("{}, {}, started {} by {}", run.kind.word(), run.state.word(), run.started, visible(&run.actor));
        screen.line(&bold(&format!("Unwind {}", visible(&run.run))));
        screen.words("  ", &what);
    }
    screen.blank();
    for (address, what) in &compensation.steps {
        screen.line(&format!("  {:<7} {}", dim(what), visible(&address.to_string())));
    }
    screen.finish()
}

//! `retrue resolve`.

use clap::Args;
use serde::Serialize;

use crate::address::Address;
use crate::cli::converge::address;
use crate::cli::exit::{Ending, Exit};
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::engine::{self, Answer};
use crate::rest::masked;

/// Say what became of a step that is in doubt
///
/// Look first; nobody can look for you where retrue could not.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("answer").required(true)))]
pub(crate) struct Arguments {
    /// What is in doubt
    #[arg(value_name = "ADDR", value_parser = address)]
    pub(crate) address: Address,
    /// It exists, and this is its id
    #[arg(long, value_name = "ID", group = "answer")]
    pub(crate) id: Option<String>,
    /// Nothing is there
    #[arg(long, group = "answer")]
    pub(crate) absent: bool,
    /// The step had its effect
    #[arg(long, group = "answer")]
    pub(crate) applied: bool,
    /// The step had no effect
    #[arg(long, group = "answer")]
    pub(crate) not_applied: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    address: &'a Address,
    resolved: &'a str,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let options = session.options();
    let stack = engine::load(&options).ok();
    if !session.has_state()? {
        return Err(super::state::no_state("there is no state, and so nothing in doubt"));
    }
    let store = session.open(&options, "resolve", stack.as_ref()).await?;
    let ending = with_store(session, &store, &arguments).await;
    session.close(&store, ending).await
}

async fn with_store(session: &Session, store: &engine::Session, arguments: &Arguments) -> Ending {
    let answer = match (&arguments.id, arguments.absent, arguments.applied) {
        (Some(id), ..) => Answer::Exists(id.clone()),
        (None, true, _) => Answer::Absent,
        (None, _, true) => Answer::Applied,
        _ => Answer::NotApplied,
    };
    let progress = Progress::new(session.console.clone());
    let how = store.resolve(&arguments.address, &answer, &progress, &session.cancellation).await?;
    let how = masked(&how);
    if session.console.settings().json {
        return session.document(&Document { address: &arguments.address, resolved: &how });
    }
    session.console.line(&format!("{}: settled: {how}", arguments.address));
    Ok(Exit::Done)
}

//! `retrue state`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::exit::{Ending, Exit};
use crate::cli::json;
use crate::cli::render::table::table;
use crate::cli::render::text::visible;
use crate::cli::session::Session;
use crate::diagnostic::Diagnostic;
use crate::engine;

/// Look at the state, and mend it by hand
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what is recorded
    List(List),
    /// Give something recorded another address
    Mv(Move),
    /// Forget something; outside it stays as it is
    Rm(Remove),
    /// Write the state and all runs to standard output, secrets sealed
    Export(Export),
    /// Make the state of an export the state, where there is none
    Restore(Restore),
    /// Mend a damaged store from its mirror
    Recover(Recover),
}

/// Which resources.
#[derive(Args, Clone, Debug)]
pub(crate) struct List {}

/// From where to where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Move {
    /// The address that it has
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The address that it gets
    #[arg(value_name = "TO")]
    pub(crate) to: String,
}

/// What to forget.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remove {
    /// What to forget
    #[arg(value_name = "ADDR", required = true)]
    pub(crate) addresses: Vec<String>,
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct Export {}

/// From where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Restore {
    /// The file that `state export` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct Recover {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, verb: Verb) -> Ending {
    match verb {
        Verb::List(_) => list(session),
        Verb::Export(_) => export(session),
        _ => session.later("state"),
    }
}

fn list(session: &Session) -> Ending {
    let looked = session.look()?;
    let nothing = crate::saga::State::default();
    let state = looked.as_ref().map_or(&nothing, |look| &look.state);
    let console = &session.console;
    if console.settings().json {
        return session.document(&json::state::list(state));
    }
    let mut rows = Vec::new();
    for (address, entry) in &state.addresses {
        let current = entry.current.iter().map(|object| (String::new(), object));
        let deposed = entry.deposed.iter().map(|(key, object)| (format!(" (set aside, {key})"), object));
        for (remark, object) in current.chain(deposed) {
            rows.push(vec![
                visible(&format!("{address}{remark}")),
                visible(&json::state::id(object).unwrap_or_else(|| "-".to_owned())),
                visible(&object.provider().instance),
            ]);
        }
    }
    if rows.is_empty() {
        console.hint("nothing is recorded\n");
    } else {
        console.data(&table(&["ADDRESS", "ID", "PROVIDER"], &rows, console.settings().width_out));
    }
    Ok(Exit::Done)
}

fn export(session: &Session) -> Ending {
    match session.look()? {
        Some(look) => session.document(&look.export()?),
        None => Err(engine::Failure::one(
            Diagnostic::error(crate::store::NO_STORE, "there is no state to export")
                .hint("`retrue apply` makes one; `-C` and `--env` choose another stack or environment"),
        )
        .into()),
    }
}

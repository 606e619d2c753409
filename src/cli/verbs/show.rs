//! `retrue show`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::address::Address;
use crate::cli::codes;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::json;
use crate::cli::render;
use crate::cli::session::Session;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::saga::{AddressState, State};

/// Show the state, one resource, or a plan file
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// What to show; without it, everything that is recorded
    #[arg(value_name = "ADDR|PLANFILE")]
    pub(crate) subject: Option<String>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    if let Some(subject) = &arguments.subject {
        // Files that are named on the command line are relative to where the program runs.
        let path = PathBuf::from(subject);
        // A name that could be both is an address, unless only a file has it.
        match subject.parse::<Address>() {
            Ok(address) => return one(session, &address, &path),
            Err(_) => return plan_file(session, subject, &path),
        }
    }
    let looked = session.look()?;
    let console = &session.console;
    if console.settings().json {
        let nothing = State::default();
        let (lineage, state) = looked.as_ref().map_or(("", &nothing), |look| (look.lineage(), &look.state));
        return session.document(&json::state::state(lineage, state));
    }
    match &looked {
        Some(look) => {
            if let Some(owner) = &look.owner {
                console.hint(&format!("note: a run is going on: {owner}\n"));
            }
            console.data(&render::state::state(&look.state, session.detail()));
            if look.state.current().next().is_none() {
                console.hint("nothing is recorded\n");
            }
        }
        None => console.hint("nothing is recorded; `retrue apply` makes what is declared\n"),
    }
    Ok(Exit::Done)
}

fn one(session: &Session, address: &Address, path: &Path) -> Ending {
    let looked = session.look()?;
    let state = looked.as_ref().map(|look| &look.state);
    // Without a key, all instances are meant.
    let meant = |known: &Address| known == address || address.key.is_none() && known.block == address.block;
    let entries = state.into_iter().flat_map(|state| &state.addresses);
    let recorded: Vec<(&Address, &AddressState)> = entries
        .filter(|(known, entry)| meant(known) && (entry.current.is_some() || !entry.deposed.is_empty()))
        .collect();
    let (Some(state), false) = (state, recorded.is_empty()) else {
        return if path.is_file() {
            plan_file(session, &address.to_string(), path)
        } else {
            Err(nothing(&address.to_string()))
        };
    };
    if session.console.settings().json {
        let objects = json::state::shown(state, meant);
        return match objects.as_slice() {
            [only] => session.document(only),
            all => session.document(&all),
        };
    }
    for (address, entry) in recorded {
        session.console.data(&render::state::resource(address, entry, session.detail()));
    }
    Ok(Exit::Done)
}

fn plan_file(session: &Session, subject: &str, path: &Path) -> Ending {
    if !path.exists() {
        return Err(nothing(subject));
    }
    let plan = engine::open_plan(&session.options(), path)?;
    if session.console.settings().json {
        return session.document(&json::plan::wire(&plan));
    }
    session.console.data(&render::plan(&plan, session.detail()));
    Ok(Exit::Done)
}

fn nothing(subject: &str) -> Failure {
    Diagnostic::error(
        codes::NOTHING_RECORDED,
        format!("nothing is recorded at `{subject}`, and no plan file has that name"),
    )
    .hint("`retrue state list` shows what is recorded")
    .into()
}

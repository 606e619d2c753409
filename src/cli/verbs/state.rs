//! `retrue state`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::address::Address;
use crate::cli::converge::{address, read};
use crate::cli::exit::{Ending, Exit, Failure, usage};
use crate::cli::json;
use crate::cli::question::agree;
use crate::cli::render::table::table;
use crate::cli::render::text::{count, visible};
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
    /// Write the state to standard output: with all runs and secrets sealed, or as Terraform's
    Export(Export),
    /// Put the state of an export in the place of what is recorded; runs stay as they are
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
    #[arg(value_name = "FROM", value_parser = address)]
    pub(crate) from: Address,
    /// The address that it gets
    #[arg(value_name = "TO", value_parser = address)]
    pub(crate) to: Address,
}

/// What to forget.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remove {
    /// What to forget
    #[arg(value_name = "ADDR", required = true, value_parser = address)]
    pub(crate) addresses: Vec<Address>,
}

/// In which form.
#[derive(Args, Clone, Debug)]
pub(crate) struct Export {
    /// Whose format; in that of Terraform secrets are in the clear
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "retrue")]
    pub(crate) format: Format,
    /// Leave out what Terraform cannot have, and list it
    #[arg(long)]
    pub(crate) partial: bool,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Our own: for `state restore`.
    Retrue,
    /// Terraform's, version 4.
    Tfstate,
}

/// From where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Restore {
    /// The file that `state export` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Agree beforehand that what is recorded here is lost, where the export is of another lineage
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct Recover {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, verb: Verb) -> Ending {
    let verb = match verb {
        Verb::List(_) => return list(session).await,
        Verb::Export(arguments) => return export(session, &arguments).await,
        Verb::Recover(_) => return recover(session).await,
        changing => changing,
    };
    let options = session.options();
    let stack = engine::load(&options).ok();
    if !matches!(verb, Verb::Restore(_)) && !session.has_state()? {
        return Err(no_state("there is no state to change"));
    }
    let store = session.open(&options, "state", stack.as_ref()).await?;
    let ending = change(session, &store, verb).await;
    session.close(&store, ending).await
}

#[derive(Serialize)]
struct Moved {
    from: Address,
    to: Address,
}

async fn change(session: &Session, store: &engine::Session, verb: Verb) -> Ending {
    let console = &session.console;
    let json = console.settings().json;
    match verb {
        Verb::Mv(arguments) => {
            let moved = store.state_mv(&arguments.from, &arguments.to).await?;
            if json {
                let moved: Vec<Moved> = moved.into_iter().map(|(from, to)| Moved { from, to }).collect();
                return session.document(&moved);
            }
            for (from, to) in moved {
                console.line(&format!("{from} is now {to}"));
            }
        }
        Verb::Rm(arguments) => {
            let removed = store.state_rm(&arguments.addresses).await?;
            if json {
                return session.document(&removed);
            }
            for address in removed {
                console.line(&format!("{address} is no longer recorded; what it stood for was not touched"));
            }
        }
        Verb::Restore(arguments) => {
            let bytes = read(&arguments.file)?;
            let document: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
                Diagnostic::error(crate::store::EXPORT, format!("{} is not JSON: {error}", arguments.file.display()))
                    .hint("`retrue state export` writes a state that can be restored")
            })?;
            if let Some(displaced) = store.displaced(&document).await? {
                console.tell(&told_of(&displaced));
                let question = "Put it in the place of what is recorded here?";
                agree(console, &session.cancellation, arguments.yes, question).await?;
            }
            let changed = store.state_restore(&document).await?;
            let doubtful: Vec<String> =
                store.open_doubt().await?.into_iter().map(|doubt| doubt.address.to_string()).collect();
            if !doubtful.is_empty() {
                let names = visible(&doubtful.join(", "));
                console.hint(&format!("note: it is in doubt what became of {names}; `retrue apply` looks first\n"));
            }
            if json {
                return session.document(&serde_json::json!({ "changed": changed }));
            }
            console.line(&format!("restored: {} changed", count(changed, "record was", "records were")));
        }
        Verb::List(_) | Verb::Export(_) | Verb::Recover(_) => {}
    }
    Ok(Exit::Done)
}

/// What somebody should know who takes a state for that of another stack or environment.
fn told_of(displaced: &engine::Displaced) -> String {
    let mut told = format!(
        "The export has the lineage {}, which is not that of this state: it may be of another stack or environment.\n",
        visible(&displaced.lineage)
    );
    for (what, addresses) in [("No longer recorded", &displaced.dropped), ("Recorded otherwise", &displaced.changed)] {
        let named = addresses.iter().take(MOST_NAMED).map(|address| visible(&address.to_string()));
        let more = addresses.len().saturating_sub(MOST_NAMED);
        let more = (more > 0).then(|| format!("and {more} more"));
        if !addresses.is_empty() {
            told += &format!("{what}: {}\n", named.chain(more).collect::<Vec<_>>().join(", "));
        }
    }
    told
}

/// So many addresses are named.
const MOST_NAMED: usize = 10;

/// Opens the store in a way that mends what can be mended, and tells what that was.
async fn recover(session: &Session) -> Ending {
    let notices = engine::recover(&session.options()).await?;
    if session.console.settings().json {
        return session.document(&notices);
    }
    for notice in &notices {
        session.console.line(&visible(notice));
    }
    if notices.is_empty() {
        session.console.line("The state is whole; nothing had to be mended.");
    }
    Ok(Exit::Done)
}

pub(super) fn no_state(message: &str) -> Failure {
    Diagnostic::error(crate::store::NO_STORE, message)
        .hint("`retrue apply` makes one; `-C` and `--env` choose another stack or environment")
        .into()
}

async fn list(session: &Session) -> Ending {
    let looked = session.look()?;
    let nothing = crate::saga::State::default();
    let state = looked.as_ref().map_or(&nothing, |look| &look.state);
    let console = &session.console;
    // What has an `id` needs no schema; what is named by its identity is built in.
    let schemas = crate::registry::schemas().await.unwrap_or_default();
    if console.settings().json {
        return session.document(&json::state::list(state, &schemas));
    }
    let mut rows = Vec::new();
    for (address, entry) in &state.addresses {
        let current = entry.current.iter().map(|object| (String::new(), object));
        let deposed = entry.deposed.iter().map(|(key, object)| (format!(" (set aside, {key})"), object));
        for (remark, object) in current.chain(deposed) {
            rows.push(vec![
                visible(&format!("{address}{remark}")),
                visible(&json::state::id(address, object, &schemas).unwrap_or_else(|| "-".to_owned())),
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

async fn export(session: &Session, arguments: &Export) -> Ending {
    let Some(look) = session.look()? else { return Err(no_state("there is no state to export")) };
    if arguments.format == Format::Retrue {
        if arguments.partial {
            return Err(usage("`--partial` is about `--format tfstate`: the other leaves nothing out"));
        }
        return session.document(&look.export()?);
    }
    let handed_over = engine::hand_over(&session.options(), &look, arguments.partial).await?;
    let mut told = handed_over.left_out;
    if handed_over.secrets {
        let message = "secrets are in the clear in this state, as Terraform keeps them";
        let hint = "write it where only you can read it, and remove it when it is no longer needed";
        told.push(Diagnostic::warning(crate::migrate::codes::SECRETS, message).hint(hint));
    }
    session.warn(&told, &crate::diagnostic::Sources::default());
    session.document(&handed_over.document)
}

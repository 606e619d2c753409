//! `retrue output`.

use clap::Args;
use retrue_provider_api::to_plain_json;

use crate::cli::codes;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::json;
use crate::cli::render::state::{marked, outputs};
use crate::cli::render::value::{veil, whole};
use crate::cli::session::Session;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::rest::RestingValue;
use crate::saga::{RecordedOutput, State};

/// Show the outputs of the last run
///
/// With a name, only its value: a text without quotes. With a name and --json, the bare value, also
/// of a secret; no screen shows one otherwise.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Only this one; with --json its bare value
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let looked = session.look()?;
    let nothing = State::default();
    let state = looked.as_ref().map_or(&nothing, |look| &look.state);
    let console = &session.console;
    let Some(name) = arguments.name else {
        if console.settings().json {
            return session.document(&json::state::outputs(state));
        }
        if state.outputs.is_empty() {
            console.hint("no outputs are recorded; `retrue apply` records what is declared\n");
        }
        for line in outputs(state, console.settings().width_out) {
            console.line(&line);
        }
        return Ok(Exit::Done);
    };
    let Some(RecordedOutput { value: resting, .. }) = state.outputs.get(&name) else {
        return Err(unknown(&name, state));
    };
    if console.settings().json {
        let value = match &looked {
            Some(look) => resting.wake(look.seal()).map_err(sealed)?,
            None => resting.value.0.clone(),
        };
        return session.document(&to_plain_json(&value));
    }
    show(session, resting)
}

fn show(session: &Session, resting: &RestingValue) -> Ending {
    let value = marked(resting);
    match value.as_str() {
        Some(text) if veil(&value).is_none() => session.console.line(text),
        _ => {
            for line in whole(&value, session.console.settings().width_out) {
                session.console.line(&line);
            }
        }
    }
    Ok(Exit::Done)
}

fn sealed(error: crate::rest::UnsealError) -> Failure {
    engine::Failure::one(Diagnostic::error(crate::saga::codes::SEALED, error.to_string())).into()
}

fn unknown(name: &str, state: &State) -> Failure {
    let near = state
        .outputs
        .keys()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= name.chars().count() / 3 + 1);
    let hint = match near {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None if state.outputs.is_empty() => "no outputs are recorded; `retrue apply` records them".to_owned(),
        None => "`retrue output` shows all of them".to_owned(),
    };
    Diagnostic::error(codes::NO_SUCH_OUTPUT, format!("no output `{name}` is recorded")).hint(hint).into()
}

//! `retrue schema`.

use clap::Args;

use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::session::Session;
use crate::config::json_schema;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::plan::codes;
use crate::registry;

/// Write the JSON Schema of the stack format, for editors
///
/// The first line that `retrue init` writes names it: `#:schema ./retrue.schema.json`. After an
/// upgrade, `retrue schema > retrue.schema.json` brings it up to date.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

/// Runs the verb.
pub(crate) async fn run(session: &Session, _arguments: Arguments) -> Ending {
    let options = session.options();
    let text = match engine::load(&options) {
        Ok(stack) => {
            let (schemas, problems) = engine::schemas(&options, &stack).await;
            // What cannot be asked is left out: an editor is better off with the rest.
            session.warn(&problems, &stack.sources);
            format!("{:#}\n", json_schema(&schemas))
        }
        Err(_) => text().await?,
    };
    session.console.data(&text);
    Ok(Exit::Done)
}

/// The schema, with the types of every provider that is built in.
pub(crate) async fn text() -> Result<String, Failure> {
    let schemas = registry::schemas()
        .await
        .map_err(|error| engine::Failure::one(Diagnostic::error(codes::PROVIDER, error.to_string())))?;
    Ok(format!("{:#}\n", json_schema(&schemas)))
}

//! `retrue import`.

use clap::Args;
use serde::Serialize;

use crate::address::Address;
use crate::cli::converge::address;
use crate::cli::exit::{Ending, Exit};
use crate::cli::progress::Progress;
use crate::cli::render::text::{visible, yellow};
use crate::cli::session::Session;
use crate::engine;

/// Take something that exists into the state
///
/// The block must be written already. Nothing outside changes: the record is filled from what is there,
/// and the next plan shows what differs from the block. What exists under the same natural identity needs
/// no import: `retrue apply` adopts it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// What it is to be called
    #[arg(value_name = "ADDR", value_parser = address)]
    pub(crate) address: Address,
    /// How its system calls it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Serialize)]
struct Document<'a> {
    address: &'a Address,
    id: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let options = session.options();
    let workspace = engine::workspace(&options)?;
    let store = session.open(&options, "import", Some(&workspace.stack)).await?;
    let ending = async {
        let progress = Progress::new(session.console.clone());
        store.settle(&progress, &session.cancellation).await?;
        let Arguments { address, id } = &arguments;
        let warnings = store.import(&workspace, address, id, &session.cancellation).await?;
        if session.console.settings().json {
            return session.document(&Document { address, id, warnings: &warnings });
        }
        session.console.line(&format!("{address}: imported"));
        for warning in &warnings {
            session.console.tell(&format!("{} {}\n", yellow("warning:"), visible(warning)));
        }
        session.console.hint("hint: `retrue plan` shows what differs from its block\n");
        Ok(Exit::Done)
    };
    let ending = ending.await;
    session.close(&store, ending).await
}

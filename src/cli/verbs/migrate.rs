//! `retrue migrate`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::exit::{Ending, Exit};
use crate::cli::json::diagnostics::{WireDiagnostic, wire};
use crate::cli::render::text::{count, visible};
use crate::cli::session::Session;
use crate::engine;
use crate::migrate::{Flattened, VALUES_FILE};
use crate::plan::{Change, ObjectKey};

/// Turn a Terraform directory into a stack
///
/// Reads `terraform.tfstate` and the files beside it, and writes the stack (to the directory of -C, or the
/// current one) and its store: the same addresses, and nothing is changed outside. What cannot be
/// converted is listed by its place, and then nothing is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// The directory
    #[arg(value_name = "DIR")]
    pub(crate) source: PathBuf,
    /// Go on with what can be converted; the rest is listed and left out
    #[arg(long)]
    pub(crate) partial: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    files: &'a [String],
    objects: &'a [String],
    modules: &'a [Flattened],
    findings: Vec<WireDiagnostic>,
    changes: Vec<WireChange<'a>>,
}

#[derive(Serialize)]
struct WireChange<'a> {
    address: String,
    #[serde(skip_serializing_if = "ObjectKey::is_current")]
    object: &'a ObjectKey,
    action: &'static str,
    reasons: &'a [String],
}

fn wire_change(change: &Change) -> WireChange<'_> {
    WireChange {
        address: change.address.to_string(),
        object: &change.object,
        action: change.action.word(),
        reasons: &change.reasons,
    }
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let Arguments { source, partial } = arguments;
    let migrated = engine::migrate(&session.options(), &source, partial, &session.cancellation).await?;
    let console = &session.console;
    if console.settings().json {
        return session.document(&Document {
            files: &migrated.files,
            objects: &migrated.objects,
            modules: &migrated.flattened,
            findings: wire(&migrated.findings, &migrated.sources),
            changes: migrated.changes.iter().map(wire_change).collect(),
        });
    }
    session.warn(&migrated.findings, &migrated.sources);
    for file in &migrated.files {
        console.line(&format!("wrote {file}"));
    }
    for Flattened { module, prefix, .. } in &migrated.flattened {
        console.line(&format!("{module}.TYPE.NAME is TYPE.{prefix}_NAME"));
    }
    console.line(&format!("{} recorded", count(migrated.objects.len(), "object is", "objects are")));
    for change in &migrated.changes {
        let because = change.reasons.join("; ");
        let (action, name) = (change.action.word(), change.name());
        console.hint(&format!("note: a plan would {action} {}: {}\n", visible(&name), visible(&because)));
    }
    let mut chosen = session.common.chosen();
    if migrated.files.iter().any(|file| file == VALUES_FILE) {
        let file = session.directory().join(VALUES_FILE);
        chosen.push_str(&format!(" --var-file {}", crate::cli::command::typed(&file.to_string_lossy())));
    }
    console.hint(&format!("hint: `retrue plan{chosen}` shows what differs from the world\n"));
    Ok(Exit::Done)
}

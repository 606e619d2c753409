//! `retrue config`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::json::value::Shown;
use crate::cli::render::plan::Screen;
use crate::cli::render::text::{bold, dim, visible};
use crate::cli::render::value::named;
use crate::cli::session::Session;
use crate::config::DeleteOrder;
use crate::engine::{self, Workspace};
use crate::store::KeySource;

/// Show what is in force: variables, providers, settings
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

#[derive(Serialize)]
struct Document {
    stack: String,
    directory: String,
    environment: String,
    store: String,
    key: Option<String>,
    parallelism: usize,
    deletes: &'static str,
    keep: String,
    variables: BTreeMap<String, WireVariable>,
    providers: BTreeMap<String, WireProvider>,
}

#[derive(Serialize)]
struct WireVariable {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    from: String,
    sensitive: bool,
}

#[derive(Serialize)]
struct WireProvider {
    #[serde(rename = "type")]
    kind: String,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, _arguments: Arguments) -> Ending {
    let workspace = engine::workspace(&session.options())?;
    let document = document(session, &workspace)?;
    if session.console.settings().json {
        return session.document(&document);
    }
    let mut screen = Screen::new(session.detail());
    let parallelism = document.parallelism.to_string();
    let facts = [
        ("stack", document.stack.as_str()),
        ("directory", &document.directory),
        ("environment", &document.environment),
        ("state", &document.store),
        ("key", document.key.as_deref().unwrap_or("none: there is no place for a key file")),
        ("parallelism", &parallelism),
        ("deletes", document.deletes),
        ("keep", &document.keep),
    ];
    for (name, value) in facts {
        screen.words(&dim(&format!("{name:<12} ")), &visible(value));
    }
    variables(&mut screen, &workspace);
    if !document.providers.is_empty() {
        screen.blank();
        screen.line(&bold("Providers:"));
        for (name, provider) in &document.providers {
            screen.line(&format!("  {}  {}", visible(name), dim(&format!("type {}", visible(&provider.kind)))));
        }
    }
    session.console.data(&screen.finish());
    Ok(Exit::Done)
}

fn variables(screen: &mut Screen, workspace: &Workspace) {
    let values = &workspace.variables.values;
    if values.is_empty() {
        return;
    }
    screen.blank();
    screen.line(&bold("Variables:"));
    let padding = values.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = screen.width().saturating_sub(2);
    for (name, value) in values {
        let from = workspace.variables.origins.get(name).map(ToString::to_string).unwrap_or_default();
        let remark = dim(&format!("  from {}", visible(&from)));
        let mut lines = named(name, padding, value, columns);
        if let Some(last) = lines.last_mut() {
            last.push_str(&remark);
        }
        for line in lines {
            screen.line(&format!("  {line}"));
        }
    }
}

fn document(session: &Session, workspace: &Workspace) -> Result<Document, Failure> {
    let options = session.options();
    let stack = &workspace.stack;
    let key = KeySource::from_environment(|name| std::env::var_os(name));
    let variables = workspace.variables.values.iter().map(|(name, value)| {
        let mut shown = Shown::default();
        let json = shown.json(value);
        let sensitive = !shown.sensitive.is_empty();
        let from = workspace.variables.origins.get(name).map(ToString::to_string).unwrap_or_default();
        (name.to_string(), WireVariable { value: (!sensitive).then_some(json), from, sensitive })
    });
    Ok(Document {
        stack: stack.name.to_string(),
        directory: session.directory().display().to_string(),
        environment: options.environment.clone(),
        store: engine::store_directory(&options, Some(stack))?.display().to_string(),
        key: key.ok().map(|key| key.to_string()),
        parallelism: options.parallelism,
        deletes: match stack.settings.deletes {
            DeleteOrder::Last => "last",
            DeleteOrder::Graph => "graph",
        },
        keep: jiff::SignedDuration::try_from(stack.settings.keep).map(|keep| format!("{keep:#}")).unwrap_or_default(),
        variables: variables.collect(),
        providers: stack
            .providers
            .values()
            .map(|provider| (provider.name.to_string(), WireProvider { kind: provider.type_name.to_string() }))
            .collect(),
    })
}

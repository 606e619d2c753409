//! `retrue providers`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use retrue_provider_api::{ProviderSchema, TypeSchema};
use serde::Serialize;

use crate::cli::codes;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::render::table::table;
use crate::cli::render::text::{visible, yellow};
use crate::cli::render::types::type_schema;
use crate::cli::session::Session;
use crate::config::{ProviderProgram, Stack};
use crate::diagnostic::Diagnostic;
use crate::engine;

/// Look at providers and their types
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the providers and their types
    List(List),
    /// Fetch the providers that the stack names, and write the lock file
    Install(Install),
    /// Show the attributes of a type
    Schema(Type),
}

/// Nothing to choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct List {}

/// One type.
#[derive(Args, Clone, Debug)]
pub(crate) struct Type {
    /// The type of a resource or data source, or the name of a provider for its configuration
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,
}

/// Fetching.
#[derive(Args, Clone, Debug)]
pub(crate) struct Install {
    /// Choose the newest versions that fit, also where the lock file names one
    #[arg(long)]
    pub(crate) upgrade: bool,
}

#[derive(Serialize)]
struct WireProvider {
    name: String,
    source: String,
    version: String,
    resources: Vec<String>,
    data: Vec<String>,
    ephemeral: Vec<String>,
    functions: Vec<String>,
}

#[derive(Serialize)]
struct WireInstalled {
    source: String,
    version: String,
    program: String,
    changed: bool,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct WireType<'a> {
    name: &'a str,
    kind: &'static str,
    schema: &'a TypeSchema,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, verb: Verb) -> Ending {
    match verb {
        Verb::Install(arguments) => install(session, arguments.upgrade).await,
        Verb::List(_) => list(session).await,
        Verb::Schema(arguments) => schema(session, &arguments.type_name).await,
    }
}

/// A provider that can be used here, with what it offers.
struct Known {
    name: String,
    /// Where it comes from: `built in`, or the address of its program.
    source: String,
    version: String,
    schema: ProviderSchema,
}

/// The providers that are built in, and those of the stack where there is one.
async fn schemas(session: &Session) -> Result<Vec<Known>, Failure> {
    let options = session.options();
    let stack = match engine::load(&options) {
        Ok(stack) => stack,
        // Without a stack there is still what is built in.
        Err(failure) if failure.is(crate::config::codes::NO_STACK) => Stack::default(),
        Err(failure) => return Err(failure.into()),
    };
    let (schemas, problems) = engine::schemas(&options, &stack).await;
    if !problems.is_empty() {
        return Err(engine::Failure::many(problems, stack.sources).into());
    }
    let locked = stack.providers.values().filter_map(|block| Some((&block.type_name, stack.program_of(block)?)));
    let sources: BTreeMap<&str, &ProviderProgram> = locked.map(|(name, program)| (name.as_ref(), program)).collect();
    let known = schemas.iter().map(|(name, schema)| {
        let program = sources.get(name);
        let text = |part: Option<&(String, crate::span::Span)>| part.map(|(text, _)| text.clone()).unwrap_or_default();
        Known {
            name: name.to_owned(),
            source: program.map_or_else(
                || "built in".to_owned(),
                |program| text(program.source.as_ref().or(program.path.as_ref())),
            ),
            version: program.map(|program| text(program.version.as_ref())).unwrap_or_default(),
            schema: schema.clone(),
        }
    });
    Ok(known.collect())
}

async fn install(session: &Session, upgrade: bool) -> Ending {
    let found = engine::install(&session.options(), upgrade).await?;
    for warning in found.iter().flat_map(|one| &one.warnings) {
        session.console.tell(&format!("{} {}\n", yellow("warning:"), visible(warning)));
    }
    if session.console.settings().json {
        let found: Vec<WireInstalled> = found
            .into_iter()
            .map(|found| WireInstalled {
                source: found.source,
                version: found.version,
                program: found.program.display().to_string(),
                changed: found.changed,
                warnings: found.warnings,
            })
            .collect();
        return session.document(&found);
    }
    if found.is_empty() {
        session.console.line("nothing to install: the stack uses what is built in");
    }
    for one in found {
        let version = if one.version.is_empty() { String::new() } else { format!(" {}", one.version) };
        let note = if one.changed { "" } else { ", as before" };
        session.console.line(&format!("{}{version}{note}", one.source));
    }
    Ok(Exit::Done)
}

async fn list(session: &Session) -> Ending {
    let providers: Vec<WireProvider> = schemas(session)
        .await?
        .into_iter()
        .map(|known| WireProvider {
            name: known.name,
            source: known.source,
            version: known.version,
            resources: known.schema.resources.keys().cloned().collect(),
            data: known.schema.data.keys().cloned().collect(),
            ephemeral: known.schema.ephemeral.keys().cloned().collect(),
            functions: known.schema.functions.keys().cloned().collect(),
        })
        .collect();
    if session.console.settings().json {
        return session.document(&providers);
    }
    let mut rows = Vec::new();
    for provider in &providers {
        let types = provider.resources.iter().cloned();
        let types = types.chain(provider.data.iter().map(|name| format!("data.{name}")));
        let types = types.chain(provider.ephemeral.iter().map(|name| format!("ephemeral.{name}")));
        let functions = provider.functions.iter().map(|name| format!("provider::{}::{name}()", provider.name));
        for name in types.chain(functions) {
            rows.push(vec![provider.name.clone(), name, provider.source.clone()]);
        }
    }
    session.console.data(&table(&["PROVIDER", "TYPE", "SOURCE"], &rows, session.console.settings().width_out));
    Ok(Exit::Done)
}

async fn schema(session: &Session, wanted: &str) -> Ending {
    let schemas = schemas(session).await?;
    let bare = wanted.strip_prefix("data.");
    let opened = wanted.strip_prefix("ephemeral.");
    let mut found: Vec<WireType<'_>> = Vec::new();
    for Known { name: provider, schema, .. } in &schemas {
        if let (Some(one), None) = (schema.resources.get(wanted), bare.or(opened)) {
            found.push(WireType { name: wanted, kind: "resource", schema: one });
        }
        let name = bare.unwrap_or(wanted);
        if let Some(one) = schema.data.get(name) {
            found.push(WireType { name, kind: "data source", schema: one });
        }
        let name = opened.unwrap_or(wanted);
        if let (Some(one), None) = (schema.ephemeral.get(name), bare) {
            found.push(WireType { name, kind: "ephemeral resource", schema: one });
        }
        if *provider == wanted {
            found.push(WireType { name: wanted, kind: "configuration of the provider", schema: &schema.provider });
        }
    }
    if found.is_empty() {
        return Err(unknown(wanted, &schemas));
    }
    if session.console.settings().json {
        return session.document(&found);
    }
    for (position, one) in found.iter().enumerate() {
        if position > 0 {
            session.console.line("");
        }
        session.console.data(&type_schema(one.name, one.kind, one.schema, session.detail()));
    }
    Ok(Exit::Done)
}

fn unknown(wanted: &str, schemas: &[Known]) -> Failure {
    let known = schemas.iter().flat_map(|Known { schema, .. }| {
        let data = schema.data.keys().map(|name| format!("data.{name}"));
        let ephemeral = schema.ephemeral.keys().map(|name| format!("ephemeral.{name}"));
        schema.resources.keys().cloned().chain(data).chain(ephemeral)
    });
    let near = known
        .map(|name| (strsim::damerau_levenshtein(&name, wanted), name))
        .min()
        .filter(|(distance, _)| *distance <= wanted.chars().count() / 3 + 1);
    let diagnostic = Diagnostic::error(codes::NO_SUCH_TYPE, format!("no provider offers the type `{wanted}`"));
    let hint = match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => "`retrue providers list` shows all types".to_owned(),
    };
    diagnostic.hint(hint).into()
}

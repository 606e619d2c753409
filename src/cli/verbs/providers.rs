//! `retrue providers`.

use std::sync::Arc;

use clap::{Args, Subcommand};
use retrue_provider_api::{ProviderError, ProviderSchema, TypeSchema};
use serde::Serialize;

use crate::cli::codes;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::render::table::table;
use crate::cli::render::types::type_schema;
use crate::cli::session::Session;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::registry::BUILT_IN;

/// Look at providers and their types
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the providers and their types
    List(List),
    /// Fetch providers and write the lock file
    Install(List),
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

#[derive(Serialize)]
struct WireProvider {
    name: &'static str,
    source: &'static str,
    resources: Vec<String>,
    data: Vec<String>,
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
        Verb::Install(_) => session.later("providers install"),
        Verb::List(_) => list(session).await,
        Verb::Schema(arguments) => schema(session, &arguments.type_name).await,
    }
}

/// The providers that people use, with what they offer.
async fn schemas() -> Result<Vec<(&'static str, Arc<ProviderSchema>)>, Failure> {
    let mut schemas = Vec::new();
    for provider in BUILT_IN {
        schemas.push((provider.name, (provider.make)().schema().await.map_err(no_schema)?));
    }
    Ok(schemas)
}

fn no_schema(error: ProviderError) -> Failure {
    engine::Failure::one(Diagnostic::error(crate::plan::codes::PROVIDER, format!("{error:#}"))).into()
}

async fn list(session: &Session) -> Ending {
    let providers: Vec<WireProvider> = schemas()
        .await?
        .into_iter()
        .map(|(name, schema)| WireProvider {
            name,
            source: "built in",
            resources: schema.resources.keys().cloned().collect(),
            data: schema.data.keys().cloned().collect(),
        })
        .collect();
    if session.console.settings().json {
        return session.document(&providers);
    }
    let mut rows = Vec::new();
    for provider in &providers {
        let types = provider.resources.iter().cloned();
        for name in types.chain(provider.data.iter().map(|name| format!("data.{name}"))) {
            rows.push(vec![provider.name.to_owned(), name, provider.source.to_owned()]);
        }
    }
    session.console.data(&table(&["PROVIDER", "TYPE", "SOURCE"], &rows, session.console.settings().width_out));
    Ok(Exit::Done)
}

async fn schema(session: &Session, wanted: &str) -> Ending {
    let schemas = schemas().await?;
    let bare = wanted.strip_prefix("data.");
    let mut found: Vec<WireType<'_>> = Vec::new();
    for (provider, schema) in &schemas {
        if let (Some(one), None) = (schema.resources.get(wanted), bare) {
            found.push(WireType { name: wanted, kind: "resource", schema: one });
        }
        let name = bare.unwrap_or(wanted);
        if let Some(one) = schema.data.get(name) {
            found.push(WireType { name, kind: "data source", schema: one });
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

fn unknown(wanted: &str, schemas: &[(&str, Arc<ProviderSchema>)]) -> Failure {
    let known = schemas.iter().flat_map(|(_, schema)| {
        schema.resources.keys().cloned().chain(schema.data.keys().map(|name| format!("data.{name}")))
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

//! Which providers there are: those that are built in, and programs that speak Terraform's protocol.

mod programs;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use retrue_provider_api::{Provider, ProviderResult};
use retrue_provider_terraform::tables::Tables;
use retrue_provider_terraform::{Launch, Terraform};

use crate::config::Schemas;
use crate::diagnostic::Diagnostic;
use crate::plan::ProviderOrigin;

pub use programs::{Found, LOCK_FILE, found_again, install, locate, terraform_address};

/// One built-in provider.
#[derive(Clone, Copy)]
pub struct BuiltIn {
    /// Its name, which is the prefix of its types.
    pub name: &'static str,
    /// Makes a new, unconfigured one.
    pub make: fn() -> Arc<dyn Provider>,
}

/// All built-in providers, by name.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn { name: "local", make: retrue_provider_local::provider },
    BuiltIn { name: "retrue", make: retrue_provider_builtin::provider },
    BuiltIn { name: "testcloud", make: retrue_provider_testcloud::provider },
];

/// The built-in provider of a name.
pub fn built_in(name: &str) -> Option<BuiltIn> {
    BUILT_IN.iter().find(|provider| provider.name == name).copied()
}

/// The name of the provider that a type belongs to: the part before the first `_`.
pub fn provider_of(type_name: &str) -> &str {
    type_name.split_once('_').map_or(type_name, |(provider, _)| provider)
}

/// Makes a new, unconfigured provider: a built-in one, or, with an origin, a program that is started when
/// it is first needed, in the directory of the stack.
///
/// # Errors
/// There is no built-in one of that name, or the program is not there.
pub fn make(
    name: &str,
    origin: Option<&ProviderOrigin>,
    directory: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<Arc<dyn Provider>, Diagnostic> {
    let Some(origin) = origin else {
        let known: Vec<&str> = BUILT_IN.iter().map(|provider| provider.name).collect();
        return built_in(name).map(|built_in| (built_in.make)()).ok_or_else(|| {
            Diagnostic::error(crate::plan::codes::NO_PROVIDER, format!("there is no provider `{name}`")).hint(format!(
                "built in are {}; `[provider.{name}]` with `source = \"NAMESPACE/{name}\"` names one of Terraform's",
                known.join(", ")
            ))
        });
    };
    let launch = match programs::attached(origin, environment)? {
        Some(attached) => Launch::attached(name, attached),
        None => {
            let program = directory.join(&origin.program);
            if !program.is_file() {
                let problem = format!("the program of the provider `{name}` is not there: {}", program.display());
                let hint = programs::as_it_was(origin);
                return Err(Diagnostic::error(crate::plan::codes::NOT_INSTALLED, problem).hint(hint));
            }
            programs::unchanged(origin, &program, environment)?;
            let launch = Launch::file(name, program);
            programs::kept(origin, environment).into_iter().fold(launch, Launch::keeping)
        }
    };
    let address = if origin.source.is_empty() { name.to_owned() } else { origin.source.clone() };
    // They were checked when they were read; a plan or a journal holds nothing else.
    let tables = Tables::read(&origin.tables.clone().into()).unwrap_or_default();
    let mut launch = Launch { address, ..launch.within(directory) }.knowing(tables);
    launch.environment.extend(crate::telemetry::trace_parent().map(|trace| ("TRACEPARENT".into(), trace.into())));
    let terraform = Arc::new(Terraform::new(launch));
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&terraform));
    Ok(terraform)
}

/// What was made of programs. They are held until the end, which asks them to end by themselves.
static STARTED: Mutex<Vec<Arc<Terraform>>> = Mutex::new(Vec::new());

/// Asks every program that still runs to end, and waits until it did. What does not is killed when this
/// process ends, as it is when that happens in any other way.
pub async fn shut_down() {
    let started = std::mem::take(&mut *STARTED.lock().unwrap_or_else(PoisonError::into_inner));
    futures::future::join_all(started.iter().map(|terraform| terraform.shut_down())).await;
}

/// The schemas of all built-in providers.
///
/// # Errors
/// A provider cannot tell its schema.
pub async fn schemas() -> ProviderResult<Schemas> {
    let mut schemas = Vec::new();
    for built_in in BUILT_IN {
        schemas.push((Arc::from(built_in.name), (built_in.make)().schema().await?));
    }
    Ok(schemas.into_iter().collect())
}

//! A stack with its variables, and where its store is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use retrue_provider_api::{Provider, Subject, ValidateRequest};

use crate::address::Mode;
use crate::config::{self, CheckedBody, Inputs, Schemas, Stack, Variables};
use crate::diagnostic::{Diagnostic, Sources};
use crate::engine::{Failure, FailureKind, Options};
use crate::plan::codes;
use crate::registry::BUILT_IN;
use crate::span::Span;
use crate::store::{Holder, KeySource, StoreError};
use crate::survey::calls::within;
use crate::survey::{clashes_of_bodies, told};
use crate::telemetry;

/// The environment that is meant where none is chosen.
pub const DEFAULT_ENVIRONMENT: &str = "default";

/// A stack with its variables.
pub struct Workspace {
    /// The stack.
    pub stack: Stack,
    /// The values of its variables.
    pub variables: Variables,
    /// Its files, and those of values.
    pub sources: Sources,
}

/// Loads the stack of a directory.
pub fn load(options: &Options) -> Result<Stack, Failure> {
    check_environment(options)?;
    let stack = config::load(&options.directory).map_err(|failed| Failure::many(failed.diagnostics, failed.sources))?;
    describe(options, &stack);
    Ok(stack)
}

/// Says whose numbers are counted from now on, and where they go.
fn describe(options: &Options, stack: &Stack) {
    let file = stack.settings.metrics_file.as_ref().map(|path| stack.directory.join(path));
    telemetry::describe(&stack.name, &options.environment, file);
}

/// The same of a stack that cannot be read, for what needs only its record. It is called as its directory is.
pub(super) fn describe_unread(options: &Options) {
    let root = options.root();
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    telemetry::describe(&name, &options.environment, None);
}

/// Where the numbers of a stack go, and whether whoever started the process said so: the variable, or the stack.
pub fn metrics_file(options: &Options, stack: &Stack) -> Option<PathBuf> {
    let said = options.process_environment.get(OsStr::new(METRICS_FILE)).filter(|path| !path.is_empty());
    let written = stack.settings.metrics_file.as_ref();
    said.map(PathBuf::from).or_else(|| written.map(|path| stack.directory.join(path)))
}

/// The variable that says where the numbers of runs go.
pub const METRICS_FILE: &str = "RETRUE_METRICS_FILE";

/// Loads the stack and gives its variables their values. Where something is wrong, all that can be known
/// without the world is reported with it: a person wants all mistakes at once.
pub async fn checked_workspace(options: &Options) -> Result<Workspace, Failure> {
    let stack = checked(options).await?;
    let mut sources = stack.sources.clone();
    match config::resolve_variables(&stack, &inputs(options), &mut sources) {
        Ok(variables) => Ok(Workspace { stack, variables, sources }),
        Err(found) => Err(Failure::many(all_mistakes(options, &stack, found).await, sources)),
    }
}

/// Loads the stack; where it is wrong, with what else is.
async fn checked(options: &Options) -> Result<Stack, Failure> {
    check_environment(options)?;
    let failed = match config::load(&options.directory) {
        Ok(stack) => {
            describe(options, &stack);
            return Ok(stack);
        }
        Err(failed) => failed,
    };
    let found = match &failed.stack {
        Some(stack) => all_mistakes(options, stack, failed.diagnostics).await,
        None => failed.diagnostics,
    };
    Err(Failure::many(found, failed.sources))
}

/// What was found, and what a check against the schemas finds elsewhere.
pub(super) async fn all_mistakes(options: &Options, stack: &Stack, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let (schemas, problems) = schemas(options, stack).await;
    if !problems.is_empty() {
        return found;
    }
    let places: Vec<Span> = found.iter().filter_map(|told| told.labels.first()).map(|label| label.span).collect();
    let told = |span: Span| {
        let overlap = |place: &Span| place.file == span.file && place.start < span.end && span.start < place.end;
        places.iter().any(|place| *place == span || overlap(place))
    };
    let checked = config::check(stack, &schemas).into_iter().filter(Diagnostic::is_error);
    found.extend(checked.filter(|mistake| mistake.labels.first().is_none_or(|label| !told(label.span))));
    found
}

fn inputs(options: &Options) -> Inputs {
    Inputs {
        var_files: options.var_files.clone(),
        vars: options.vars.clone(),
        recorded: options.recorded.clone(),
        environment: options.process_environment.clone(),
    }
}

/// Loads the stack and gives its variables their values.
pub fn workspace(options: &Options) -> Result<Workspace, Failure> {
    with_variables(options, load(options)?)
}

/// Gives the variables of a stack their values.
pub(super) fn with_variables(options: &Options, stack: Stack) -> Result<Workspace, Failure> {
    let mut sources = stack.sources.clone();
    match config::resolve_variables(&stack, &inputs(options), &mut sources) {
        Ok(variables) => Ok(Workspace { stack, variables, sources }),
        Err(diagnostics) => Err(Failure::many(diagnostics, sources)),
    }
}

fn check_environment(options: &Options) -> Result<(), Failure> {
    let name = &options.environment;
    let fits = !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits {
        return Ok(());
    }
    let problem = Diagnostic::error(super::codes::ENVIRONMENT, format!("`{name}` cannot name an environment"))
        .hint("use letters, digits, `-`, `_` and `.`");
    Err(Failure::one(problem).kind(FailureKind::Usage))
}

/// The providers that a stack can use, not configured: the built-in ones, and the programs that it names,
/// each by the name of the provider. What a program cannot be had for is told beside them.
pub(super) async fn providers_of(
    options: &Options,
    stack: &Stack,
) -> (BTreeMap<Arc<str>, Arc<dyn Provider>>, Vec<Diagnostic>) {
    let mut providers: BTreeMap<Arc<str>, Arc<dyn Provider>> = BTreeMap::new();
    let mut problems = Vec::new();
    for built_in in BUILT_IN {
        providers.insert(Arc::from(built_in.name), (built_in.make)());
    }
    for block in stack.providers.values() {
        let Some(program) = stack.program_of(block) else { continue };
        let environment = &options.process_environment;
        let made = match crate::registry::locate(&block.type_name, program, &stack.directory, environment).await {
            Ok(origin) => crate::registry::make(&block.type_name, Some(&origin), &stack.directory, environment)
                .map_err(|problem| vec![problem]),
            Err(found) => Err(found),
        };
        match made {
            Ok(provider) => {
                providers.insert(Arc::clone(&block.type_name), provider);
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| match problem.labels.is_empty() {
                true => problem.at(block.span),
                false => problem,
            })),
        }
    }
    (providers, problems)
}

/// The schemas of all providers that a stack can use, and what is wrong with those that cannot be asked.
pub async fn schemas(options: &Options, stack: &Stack) -> (Schemas, Vec<Diagnostic>) {
    let (providers, problems) = providers_of(options, stack).await;
    let (schemas, more) = schemas_of(&providers).await;
    (schemas, problems.into_iter().chain(more).collect())
}

/// Resolves the programs that a stack names, and writes its lock file.
pub async fn install(options: &Options, upgrade: bool) -> Result<Vec<crate::registry::Found>, Failure> {
    let stack = load(options)?;
    let programs: Vec<(&str, &config::ProviderProgram)> = stack
        .providers
        .values()
        .filter_map(|block| Some((block.type_name.as_ref(), stack.program_of(block)?)))
        .collect();
    crate::registry::install(&programs, &stack.directory, &options.process_environment, upgrade)
        .await
        .map_err(|problems| Failure::many(problems, stack.sources))
}

pub(super) async fn schemas_of(providers: &BTreeMap<Arc<str>, Arc<dyn Provider>>) -> (Schemas, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut schemas = Vec::new();
    for (name, provider) in providers {
        match within(SCHEMA_WITHIN, "schema", provider.schema()).await {
            Ok(schema) => schemas.push((Arc::clone(name), schema)),
            Err(error) => problems.push(
                Diagnostic::error(codes::PROVIDER, format!("the provider `{name}` does not tell its types: {error}"))
                    .hint("`retrue -v` shows what it wrote"),
            ),
        }
    }
    (schemas.into_iter().collect(), problems)
}

/// How long a provider may take to start and to tell its types.
const SCHEMA_WITHIN: std::time::Duration = std::time::Duration::from_secs(120);

/// Checks all that can be known without the world and the environment. Returns what is no error.
pub async fn validate(options: &Options) -> Result<(Vec<Diagnostic>, Sources), Failure> {
    let stack = checked(options).await?;
    let (providers, problems) = providers_of(options, &stack).await;
    if !problems.is_empty() {
        return Err(Failure::many(problems, stack.sources));
    }
    let (schemas, problems) = schemas_of(&providers).await;
    let (mut found, bodies) = config::check_bodies(&stack, &schemas);
    found.extend(problems);
    found.extend(clashes_of_bodies(&stack, &schemas, &bodies, &providers));
    found.extend(asked(&providers, &bodies).await);
    crate::diagnostic::sort(&mut found);
    if found.iter().any(Diagnostic::is_error) {
        return Err(Failure::many(found, stack.sources));
    }
    Ok((found, stack.sources))
}

/// What providers say about bodies.
async fn asked(providers: &BTreeMap<Arc<str>, Arc<dyn Provider>>, bodies: &[CheckedBody<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for body in bodies {
        let Some(provider) = providers.get(&body.provider) else { continue };
        let subject = match body.block.map(|block| block.address.mode) {
            None => Subject::Provider,
            Some(Mode::Managed) => Subject::Resource,
            Some(Mode::Data) => Subject::Data,
            Some(Mode::Ephemeral) => Subject::Ephemeral,
        };
        let type_name = body.block.map(|block| block.address.type_name.to_string()).unwrap_or_default();
        let named = body.block.map_or_else(|| format!("provider.{}", body.provider), |block| block.address.to_string());
        let config = body.value.clone().unmark_deep().0;
        match provider.validate(ValidateRequest { subject, type_name, config }).await {
            Ok(said) => found.extend(said.into_iter().map(|said| told(&named, said, body.body, body.span))),
            Err(error) => found.push(
                Diagnostic::error(codes::PROVIDER, format!("`{named}`: {error}"))
                    .at(body.span)
                    .hint("the provider could not check it; try again"),
            ),
        }
    }
    found
}

/// The directory of the store of a stack and environment; an error where the environment is none.
pub fn store_directory(options: &Options, stack: Option<&Stack>) -> Result<PathBuf, Failure> {
    check_environment(options)?;
    let root = match chosen_store(options, stack) {
        Some(path) => options.directory.join(path),
        None => options.directory.join(".retrue"),
    };
    Ok(root.join("env").join(&options.environment))
}

/// The place that somebody chose for the store.
fn chosen_store(options: &Options, stack: Option<&Stack>) -> Option<PathBuf> {
    let moved = options.process_environment.get(OsStr::new("RETRUE_STORE")).filter(|path| !path.is_empty());
    moved.map(PathBuf::from).or_else(|| stack.and_then(|stack| stack.settings.store_path.clone()))
}

/// The stack as its store knows it; `None` where the stack cannot be read.
pub(super) fn holder(options: &Options, stack: Option<&Stack>) -> Option<Holder> {
    let elsewhere = chosen_store(options, stack).is_some();
    stack.map(|stack| Holder { name: stack.name.to_string(), elsewhere })
}

/// Where the key comes from.
pub(super) fn key_source(options: &Options) -> Result<KeySource, Failure> {
    KeySource::from_environment(|name| options.process_environment.get(OsStr::new(name)).cloned())
        .map_err(store_failure)
}

/// What a store's error is for a person.
pub(super) fn store_failure(error: StoreError) -> Failure {
    let kind = match &error {
        StoreError::Locked(_) => FailureKind::Locked,
        _ => FailureKind::Failed,
    };
    Failure::one(Diagnostic::error(error.code(), error.to_string()).hint(error.hint())).kind(kind)
}

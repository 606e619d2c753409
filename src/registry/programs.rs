//! Where the programs of providers are: beside the stack, in mirrors and caches, behind a registry.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use retrue_provider_terraform::config::{Attached, Kept};
use retrue_provider_terraform::install::{
    self, InstallError, Installation, Installed, Lock, LockedProvider, ProviderAddress, Settings, Trust, Wanted,
};
use retrue_provider_terraform::tables::Tables;

use crate::config::{ProviderProgram, ProviderTables};
use crate::diagnostic::Diagnostic;
use crate::plan::{ProviderOrigin, codes};
use crate::span::Span;

/// The file beside the stack that names the versions in use.
pub const LOCK_FILE: &str = ".retrue.lock.toml";

/// A provider that was resolved anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its address.
    pub source: String,
    /// Its version; empty for one that is used without a version.
    pub version: String,
    /// Where its program is.
    pub program: PathBuf,
    /// Whether the lock file names it anew.
    pub changed: bool,
    /// What a person should know about it.
    pub warnings: Vec<String>,
}

type Environment = BTreeMap<OsString, OsString>;

/// Finds the program of a provider: the one at its path, or the one that the lock file names.
///
/// # Errors
/// It is not there, it is not the one that is locked, or the lock file does not name it yet.
pub async fn locate(
    name: &str,
    program: &ProviderProgram,
    directory: &Path,
    environment: &Environment,
) -> Result<ProviderOrigin, Vec<Diagnostic>> {
    read_tables(name, program)?;
    let origin = find(name, program, directory, environment).await.map_err(|problem| vec![problem])?;
    Ok(ProviderOrigin { tables: program.tables.values.clone(), ..origin })
}

/// Reads what the user knows of a provider's types and errors.
fn read_tables(name: &str, program: &ProviderProgram) -> Result<(), Vec<Diagnostic>> {
    let ProviderTables { values, places } = &program.tables;
    let Err(mistakes) = Tables::read(&values.clone().into()) else { return Ok(()) };
    let told = mistakes.into_iter().map(|mistake| {
        let place = (0..=mistake.path.len()).rev().find_map(|length| places.get(mistake.path.get(..length)?));
        Diagnostic::error(codes::PROVIDER_TABLES, format!("`[provider.{name}]`: {}", mistake.what))
            .maybe_at(place.copied())
            .hint(mistake.hint)
    });
    Err(told.collect())
}

async fn find(
    name: &str,
    program: &ProviderProgram,
    directory: &Path,
    environment: &Environment,
) -> Result<ProviderOrigin, Diagnostic> {
    let source = program.source.as_ref().map(|(text, span)| address(text, *span)).transpose()?;
    let named = source.as_ref().map(ToString::to_string).unwrap_or_default();
    if let Some((path, span)) = &program.path {
        let file = given(&directory.join(path), name).map_err(|error| wrong(&error, *span))?;
        return Ok(origin(named, String::new(), &file, String::new()));
    }
    let Some((address, span)) = source.zip(program.source.as_ref().map(|(_, span)| *span)) else {
        return Err(Diagnostic::error(codes::NOT_INSTALLED, format!("`[provider.{name}]` names no program")));
    };
    if is_attached(&address, environment)? {
        return Ok(origin(named, String::new(), Path::new(""), String::new()));
    }
    let installation = installation(environment, directory).map_err(|error| wrong(&error, span))?;
    let lock = Lock::read(&directory.join(LOCK_FILE)).map_err(|error| wrong(&error, span))?;
    let locked = lock.providers.get(&named).cloned();
    let overridden = address.aliases().iter().any(|alias| installation.settings.overrides.contains_key(alias));
    if locked.is_none() && !overridden {
        let problem = format!("the provider `{named}` is not installed: {LOCK_FILE} does not name it");
        let hint = "`retrue providers install` finds a version that fits, checks it, and writes the file";
        return Err(Diagnostic::error(codes::NOT_INSTALLED, problem).at(span).hint(hint));
    }
    let constraints = constraints(program)?;
    let found =
        installation.find(&Wanted { address, constraints, locked }).await.map_err(|error| wrong(&error, span))?;
    // Whoever wrote the lock file has read them; what is fetched now is what it names.
    found.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(origin_of(named, &found))
}

/// Resolves the programs of providers anew, and writes the lock file. What is locked already stays as long
/// as it fits, unless `upgrade`.
///
/// # Errors
/// One cannot be had; then the lock file is as it was.
pub async fn install(
    programs: &[(&str, &ProviderProgram)],
    directory: &Path,
    environment: &Environment,
    upgrade: bool,
) -> Result<Vec<Found>, Vec<Diagnostic>> {
    let path = directory.join(LOCK_FILE);
    let plain = |error: InstallError| vec![Diagnostic::error(codes::NOT_INSTALLED, error.to_string())];
    let before = Lock::read(&path).map_err(plain)?;
    let mut lock = Lock::default();
    let installation = installation(environment, directory).map_err(plain)?;
    let mut found = Vec::new();
    let (wishes, mut problems) = wishes(programs);
    for wish in wishes {
        let tried = match wish {
            Wish::Path(name, program) => at_path(name, program, directory).map(|found| (found, None)),
            Wish::Source(asked) => one(&asked, &installation, &before, upgrade).await,
        };
        match tried {
            Ok((one, locked)) => {
                if let Some(locked) = locked {
                    lock.providers.insert(one.source.clone(), locked);
                }
                if !found.contains(&one) {
                    found.push(one);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if lock != before {
        lock.write(&path).map_err(plain)?;
    }
    Ok(found)
}

/// What is to be had: a program at a path, or one version of a source.
enum Wish<'p> {
    Path(&'p str, &'p ProviderProgram),
    Source(Asked),
}

/// What all configurations of one source ask for.
struct Asked {
    address: ProviderAddress,
    /// Where it is named first.
    span: Span,
    /// The versions, and where they are asked for.
    versions: Vec<(install::Constraints, Span)>,
}

/// What is to be had, each source once, and what is wrong with the rest.
fn wishes<'p>(programs: &[(&'p str, &'p ProviderProgram)]) -> (Vec<Wish<'p>>, Vec<Diagnostic>) {
    let mut wishes: Vec<Wish<'p>> = Vec::new();
    let mut problems = Vec::new();
    for (name, program) in programs.iter().copied() {
        let Some((text, span)) = program.source.as_ref().filter(|_| program.path.is_none()) else {
            wishes.push(Wish::Path(name, program));
            continue;
        };
        let (address, constraints) = match address(text, *span).and_then(|address| Ok((address, constraints(program)?)))
        {
            Ok(both) => both,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let versions = program.version.as_ref().map(|(_, span)| (constraints, *span));
        let known = wishes.iter_mut().find_map(|wish| match wish {
            Wish::Source(asked) if asked.address == address => Some(asked),
            _ => None,
        });
        match known {
            Some(asked) => asked.versions.extend(versions),
            None => {
                wishes.push(Wish::Source(Asked { address, span: *span, versions: versions.into_iter().collect() }));
            }
        }
    }
    (wishes, problems)
}

fn at_path(name: &str, program: &ProviderProgram, directory: &Path) -> Result<Found, Diagnostic> {
    let Some((path, span)) = &program.path else {
        return Err(Diagnostic::error(codes::NOT_INSTALLED, format!("`[provider.{name}]` names no program")));
    };
    let file = given(&directory.join(path), name).map_err(|error| wrong(&error, *span))?;
    let source = program.source.as_ref().map_or_else(|| path.clone(), |(source, _)| source.clone());
    Ok(Found { source, version: String::new(), program: file, changed: false, warnings: Vec::new() })
}

async fn one(
    asked: &Asked,
    installation: &Installation,
    before: &Lock,
    upgrade: bool,
) -> Result<(Found, Option<LockedProvider>), Diagnostic> {
    let address = asked.address.clone();
    let source = address.to_string();
    let constraints = install::Constraints::all(asked.versions.iter().map(|(constraints, _)| constraints));
    let kept = before.providers.get(&source).filter(|_| !upgrade).cloned();
    // What no longer fits is chosen anew.
    let kept = kept.filter(|kept| kept.version.parse().is_ok_and(|version| constraints.allow(&version)));
    let mut wanted = Wanted { address, constraints: constraints.clone(), locked: kept.clone() };
    // Without a hash it cannot be held against anything: its version stays, and its hashes are taken anew.
    if let Some(bare) = wanted.locked.take_if(|kept| kept.hashes.is_empty()) {
        wanted.constraints = format!("= {}", bare.version).parse().map_err(|error| wrong(&error, asked.span))?;
    }
    let installed = installation.find(&wanted).await.map_err(|error| not_had(&error, asked))?;
    let Installed { program: file, version, hashes, warnings, .. } = installed;
    let version = version.map(|version| version.to_string()).unwrap_or_default();
    if version.is_empty() {
        let locked = before.providers.get(&source).cloned();
        return Ok((Found { source, version, program: file, changed: false, warnings }, locked));
    }
    let mut locked = LockedProvider {
        version: version.clone(),
        constraints: constraints.to_string(),
        hashes: hashes.into_iter().collect(),
    };
    if let Some(kept) = kept {
        locked.hashes.extend(kept.hashes);
    }
    let changed = before.providers.get(&source) != Some(&locked);
    Ok((Found { source, version, program: file, changed, warnings }, Some(locked)))
}

/// The address of a provider as Terraform writes it: what names no registry is from its own.
pub fn terraform_address(source: &str) -> Option<String> {
    let address: ProviderAddress = source.parse().ok()?;
    address.aliases().last().map(ToString::to_string)
}

/// A provider that somebody else runs, by `TF_REATTACH_PROVIDERS`.
pub(super) fn attached(origin: &ProviderOrigin, environment: &Environment) -> Result<Option<Attached>, Diagnostic> {
    let Ok(address) = origin.source.parse::<ProviderAddress>() else { return Ok(None) };
    Ok(all_attached(environment)?.remove(&address))
}

fn is_attached(address: &ProviderAddress, environment: &Environment) -> Result<bool, Diagnostic> {
    let all = all_attached(environment)?;
    Ok(address.aliases().iter().any(|alias| all.contains_key(alias)))
}

fn all_attached(environment: &Environment) -> Result<BTreeMap<ProviderAddress, Attached>, Diagnostic> {
    match text(environment, "TF_REATTACH_PROVIDERS") {
        None => Ok(BTreeMap::new()),
        Some(value) => install::attached(&value).map_err(|error| {
            Diagnostic::error(codes::NOT_INSTALLED, format!("TF_REATTACH_PROVIDERS cannot be read: {error}"))
                .hint("it is what a provider prints that is run by a debugger")
        }),
    }
}

fn text(environment: &Environment, name: &str) -> Option<String> {
    environment
        .get(OsStr::new(name))
        .and_then(|value| value.to_str())
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

fn installation(environment: &Environment, directory: &Path) -> Result<Installation, InstallError> {
    let mut settings = Settings::read(&|name| text(environment, name))?;
    // What the settings say relative to where one stands means the stack.
    for (method, _) in &mut settings.methods {
        if let install::Method::Filesystem(path) = method {
            *path = directory.join(&*path);
        }
    }
    let trust = Trust::read(&|name| text(environment, name));
    Ok(Installation::new(settings, cache(environment)).trusting(trust))
}

/// Where providers are kept: in the user's cache.
fn cache(environment: &Environment) -> PathBuf {
    let base = text(environment, "XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| text(environment, "HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    base.join("retrue/providers")
}

/// Where the program is that was chosen once, when it is no longer where it was, or is another one there: in the cache, a
/// mirror or the registry, by its version and its hash. `None` where it is in its place, or cannot be had.
pub async fn found_again(
    origin: &ProviderOrigin,
    directory: &Path,
    environment: &Environment,
) -> Option<ProviderOrigin> {
    if origin.hash.is_empty() || origin.version.is_empty() {
        return None;
    }
    let program = directory.join(&origin.program);
    if attached(origin, environment).ok().flatten().is_some()
        || (program.is_file() && unchanged(origin, &program, environment).is_ok())
    {
        return None;
    }
    let locked = LockedProvider {
        version: origin.version.clone(),
        constraints: String::new(),
        hashes: origin.hash.parse().into_iter().collect(),
    };
    let wanted = Wanted {
        address: origin.source.parse().ok()?,
        constraints: install::Constraints::default(),
        locked: Some(locked),
    };
    let mut installation = installation(environment, directory).ok()?;
    // What stands in for every version is not the one that was chosen.
    installation.settings.overrides.clear();
    let found = match installation.find(&wanted).await {
        Ok(found) => found,
        Err(error) => {
            tracing::info!("`{}` {} cannot be had again: {error}", origin.source, origin.version);
            return None;
        }
    };
    (found.content?.to_string() == origin.hash)
        .then(|| ProviderOrigin { program: found.program.display().to_string(), ..origin.clone() })
}

/// How to have again the program that was chosen once.
pub(super) fn as_it_was(origin: &ProviderOrigin) -> String {
    match origin.version.as_str() {
        "" => "put it back where it was: what was made with it is undone with it".to_owned(),
        version => format!(
            "this very version is needed, whatever the lock file names by now: have `{}` {version} with the hash {} in a \
             mirror that .terraformrc or TF_CLI_CONFIG_FILE names, or put it back where it was",
            origin.source, origin.hash
        ),
    }
}

/// Holds a program against the hash that it had when it was chosen, which may be long ago: plans and journals name it.
///
/// # Errors
/// It is another one.
pub(super) fn unchanged(origin: &ProviderOrigin, program: &Path, environment: &Environment) -> Result<(), Diagnostic> {
    if origin.hash.is_empty() {
        return Ok(());
    }
    let directory = program.parent().unwrap_or(program);
    let hash = install::known_hash(&cache(environment), directory)
        .map_err(|error| Diagnostic::error(codes::NOT_INSTALLED, error.to_string()))?;
    if hash.to_string() == origin.hash {
        return Ok(());
    }
    let what = format!(
        "`{}` {} in {} is not the one that was chosen: its hash is {hash}, and was {}",
        origin.source,
        origin.version,
        directory.display(),
        origin.hash
    );
    Err(Diagnostic::error(codes::NOT_INSTALLED, what).hint(as_it_was(origin)))
}

/// Where what a program says of its types is kept. Only what is chosen by its hash is known to be the same again.
pub(super) fn kept(origin: &ProviderOrigin, environment: &Environment) -> Option<Kept> {
    if origin.hash.is_empty() {
        return None;
    }
    let directory = install::private(&cache(environment), "schemas")?;
    Some(Kept { directory, hash: origin.hash.clone() })
}

/// The program at a path: the file itself, or the one in a directory that looks like a provider.
fn given(path: &Path, name: &str) -> Result<PathBuf, InstallError> {
    if path.is_dir() { install::program_in(path, name) } else { Ok(path.to_owned()) }
}

fn address(text: &str, span: Span) -> Result<ProviderAddress, Diagnostic> {
    text.parse().map_err(|error: InstallError| wrong(&error, span))
}

fn constraints(program: &ProviderProgram) -> Result<install::Constraints, Diagnostic> {
    match &program.version {
        None => Ok(install::Constraints::default()),
        Some((text, span)) => text.parse().map_err(|error: InstallError| wrong(&error, *span)),
    }
}

fn origin(source: String, version: String, program: &Path, hash: String) -> ProviderOrigin {
    ProviderOrigin { source, version, program: program.display().to_string(), hash, tables: Default::default() }
}

fn origin_of(source: String, found: &Installed) -> ProviderOrigin {
    let version = found.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let hash = found.content.as_ref().map(ToString::to_string);
    origin(source, version, &found.program, hash.unwrap_or_default())
}

/// A source cannot be had. Where several configurations ask for versions of it, each of them is a place.
fn not_had(error: &InstallError, asked: &Asked) -> Diagnostic {
    let problem = wrong(error, asked.span);
    if !matches!(error, InstallError::NoVersion { .. }) || asked.versions.len() < 2 {
        return problem;
    }
    let told = asked.versions.iter().fold(Diagnostic { labels: Vec::new(), ..problem }, |problem, (versions, span)| {
        problem.label(*span, format!("asks for {versions}"))
    });
    told.note("all configurations of one source use one version of it, which has to fit each of them")
}

fn wrong(error: &InstallError, span: Span) -> Diagnostic {
    let hint = match error {
        InstallError::Signature { .. } => {
            "tell whoever publishes the provider; a copy that you trust for other reasons can be used from a mirror or by \
             `path`"
        }
        InstallError::Mismatch { .. } => {
            "somebody changed the one or the other: `retrue providers install --upgrade` takes what is there now, once you trust it"
        }
        InstallError::NoHash { .. } => "`retrue providers install` takes those of what is there now, once you trust it",
        InstallError::Locked { .. } => "`retrue providers install --upgrade` locks one that fits",
        InstallError::Hash(_) | InstallError::File { .. } | InstallError::Content { .. } => {
            "mend or remove the file; `retrue providers install` writes .retrue.lock.toml anew"
        }
        InstallError::Network { .. } => {
            "the network is asked for what is neither in the cache nor in a mirror that .terraformrc or TF_CLI_CONFIG_FILE \
             names; `path` uses a program of your own"
        }
        InstallError::Address(_) | InstallError::Version(_) | InstallError::Constraint(_) => {
            "`source` is `NAMESPACE/NAME`, `version` like `~> 3.39`"
        }
        InstallError::NoVersion { .. } => "providers come from mirrors, caches and registries that .terraformrc names",
    };
    Diagnostic::error(codes::NOT_INSTALLED, error.to_string()).at(span).hint(hint)
}

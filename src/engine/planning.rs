//! Planning, and plan files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use retrue_provider_api::Value;
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::clock::{Clock as _, SystemClock};
use crate::diagnostic::{Diagnostic, Sources};
use crate::engine::look::look;
use crate::engine::reading::{MAX_DOCUMENT_SIZE, read_bounded};
use crate::engine::workspace::{Workspace, all_mistakes, checked_workspace, key_source, workspace};
use crate::engine::{Cancellation, Failure, Options, PlanOptions, codes};
use crate::expression::{Expression, evaluate};
use crate::plan::{self, InDoubt, Plan, PlanKind};
use crate::rest::Seal;
use crate::saga::State;
use crate::store::Sealer;
use crate::survey::{
    BlockScope, Calls, Known, Providers, Records, Request, Surveyed, functions_of, moves, open_all, recorded_instances,
    survey,
};

/// A plan, and what came with making it.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The providers, configured.
    pub providers: Providers,
    /// What a person should know.
    pub warnings: Vec<Diagnostic>,
    /// The files that the warnings are about.
    pub sources: Sources,
    /// How many recorded resources agree with the world.
    pub in_true: usize,
    /// What has drifted or is gone, and is not declared any more, or not with this key.
    pub undeclared: BTreeSet<Address>,
    /// For how long runs are kept open for unwinding.
    pub keep: Duration,
}

impl Planned {
    /// Whether a person can write an attribute of a resource, rather than only read it.
    pub fn settable(&self, address: &Address, path: &retrue_provider_api::Path) -> bool {
        let Some(name) = path.first_attribute() else { return true };
        let mut types =
            self.providers.iter().filter_map(|(_, configured)| configured.schema.resources.get(address.type_name()));
        types.next().and_then(|schema| schema.block.attributes.get(name)).is_none_or(|attribute| attribute.settable())
    }
}

/// What a plan is made from.
pub(super) struct Basis<'a> {
    /// The stack and its variables.
    pub workspace: &'a Workspace,
    /// What is recorded.
    pub state: &'a State,
    /// Opens and seals secrets.
    pub seal: &'a dyn Seal,
    /// The lineage of the store; empty where there is none yet.
    pub lineage: &'a str,
    /// What is in doubt.
    pub in_doubt: Vec<InDoubt>,
    /// For calls to the outside.
    pub calls: Calls,
    /// Only these instances, and nothing that they depend on.
    pub only: Option<&'a BTreeSet<Address>>,
    /// Whether health checks are part of it.
    pub checks: bool,
}

/// Makes a plan.
pub(super) async fn make(
    options: &Options,
    planning: &PlanOptions,
    kind: PlanKind,
    basis: Basis<'_>,
) -> Result<Planned, Failure> {
    let workspace = basis.workspace;
    let request = Request {
        stack: &workspace.stack,
        variables: &workspace.variables.values,
        origins: &workspace.variables.origins,
        process_environment: &options.process_environment,
        state: basis.state,
        seal: basis.seal,
        lineage: basis.lineage,
        environment: &options.environment,
        kind,
        targets: &planning.targets,
        replace: &planning.replace,
        only: basis.only,
        checks: basis.checks,
        refresh: planning.refresh,
        parallelism: options.parallelism,
        in_doubt: basis.in_doubt,
        calls: basis.calls,
    };
    let cancellation = request.calls.cancellation.clone();
    match until_cancelled(&cancellation, survey(request)).await? {
        Ok(Surveyed { plan, providers, warnings, in_true, undeclared }) => {
            let mut all = workspace.variables.warnings.clone();
            all.extend(warnings);
            let keep = workspace.stack.settings.keep;
            let sources = workspace.sources.clone();
            Ok(Planned { plan, providers, warnings: all, sources, in_true, undeclared, keep })
        }
        Err(found) => {
            // A survey stops where it can get no further; a person wants all mistakes at once.
            let all = match options.taps.answers() {
                true => found,
                false => all_mistakes(options, &workspace.stack, found).await,
            };
            Err(Failure::many(all, workspace.sources.clone()))
        }
    }
}

/// For so long what is being read may take to notice that it was cancelled.
const GRACE: Duration = Duration::from_secs(2);

/// Waits for something that only reads, until a person stops it.
pub(super) async fn until_cancelled<T>(
    cancellation: &CancellationToken,
    reading: impl Future<Output = T>,
) -> Result<T, Failure> {
    let given_up = async {
        cancellation.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let read = tokio::select! {
        read = reading => Some(read),
        () = given_up => None,
    };
    // What was read while being cancelled is no report on the world.
    read.filter(|_| !cancellation.is_cancelled()).ok_or_else(Failure::cancelled)
}

/// The runs that ended less than an hour before `now`, or have not ended, with how long ago.
pub(super) fn recent_runs(state: &State, now: &str) -> BTreeMap<String, Duration> {
    let Ok(now) = now.parse::<Timestamp>() else { return BTreeMap::new() };
    let age = |finished: &Option<String>| match finished {
        None => Some(Duration::ZERO),
        // A clock that was set back says nothing.
        Some(finished) => {
            Some(Duration::try_from(now.duration_since(finished.parse().ok()?)).unwrap_or(Duration::ZERO))
        }
    };
    let hour = Duration::from_secs(3600);
    let runs = state.runs.values();
    runs.filter_map(|run| Some((run.run.clone(), age(&run.finished).filter(|age| *age < hour)?))).collect()
}

/// The kind of plan that the options ask for.
pub(super) fn kind_of(planning: &PlanOptions) -> PlanKind {
    if planning.destroy { PlanKind::Destroy } else { PlanKind::Apply }
}

/// Plans without the lock, also while a run goes on. With `keep`, the store is made where there is
/// none, so that the plan can be tied to it.
/// The bytes are those of the plan file, where one is to be kept.
pub async fn plan(
    options: &Options,
    planning: &PlanOptions,
    keep: bool,
    cancellation: &Cancellation,
) -> Result<(Planned, Option<Vec<u8>>), Failure> {
    let workspace = checked_workspace(options).await?;
    let mut looked = look(options, Some(&workspace.stack))?;
    if looked.is_none() && keep {
        let session = super::Session::open(options, "plan", Some(&workspace.stack)).await?;
        session.close().await?;
        looked = look(options, Some(&workspace.stack))?;
    }
    let empty = State::default();
    let temporary;
    let (state, seal, lineage, in_doubt): (&State, &Sealer, &str, Vec<InDoubt>) = match &looked {
        Some(look) => (&look.state, look.seal(), look.lineage(), look.in_doubt()?),
        None => {
            // Nothing of this plan outlives the process, so any key will do.
            key_source(options)?;
            temporary = Sealer::new(&[0; 32]);
            (&empty, &temporary, "", Vec::new())
        }
    };
    let basis = Basis {
        workspace: &workspace,
        state,
        seal,
        lineage,
        in_doubt,
        calls: Calls::reading(cancellation.soft.clone()).after(recent_runs(state, &SystemClock.now())),
        only: None,
        checks: true,
    };
    let planned = make(options, planning, kind_of(planning), basis).await?;
    let bytes = keep.then(|| plan::file::write(&planned.plan, seal));
    Ok((planned, bytes))
}

/// Writes a plan file: readable by its owner alone, whole or not at all.
pub fn write_plan(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = |error: std::io::Error| {
        Failure::one(
            Diagnostic::error(codes::FILE, format!("the plan cannot be written to {}: {error}", path.display()))
                .hint("`-o FILE` names another place, in a directory that is there and may be written to"),
        )
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".retrue-plan-").tempfile_in(directory).map_err(wrong)?;
    file.write_all(bytes).map_err(wrong)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    file.as_file().sync_all().map_err(wrong)?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    Ok(())
}

/// Reads a plan file.
pub fn read_plan(path: &Path, seal: &dyn Seal) -> Result<Plan, Failure> {
    let bytes = read_bounded(path, MAX_DOCUMENT_SIZE).map_err(|error| {
        Failure::one(
            Diagnostic::error(codes::FILE, format!("the plan cannot be read: {error}"))
                .hint("files are named relative to the current directory; `retrue plan -o FILE` makes one"),
        )
    })?;
    plan::file::read(&bytes, seal).map_err(|error| {
        Failure::one(
            Diagnostic::error(error.code(), error.to_string()).hint("make a new one with `retrue plan -o FILE`"),
        )
    })
}

/// Reads a plan file with the key of the stack's store, to be shown.
pub fn open_plan(options: &Options, path: &Path) -> Result<Plan, Failure> {
    let stack = super::load(options).ok();
    match look(options, stack.as_ref())? {
        Some(look) => read_plan(path, look.seal()),
        None => read_plan(path, &Sealer::new(&[0; 32])),
    }
}

/// The value of a bare expression over variables, locals and what is recorded.
pub async fn eval(options: &Options, text: &str) -> Result<Value, Failure> {
    let workspace = workspace(options)?;
    let looked = look(options, Some(&workspace.stack))?;
    let mut sources = workspace.sources.clone();
    let file = sources.add("expression".into(), text);
    let expression =
        Expression::bare(text, file).map_err(|error| Failure::many(vec![error.into()], sources.clone()))?;
    let blocks = match &looked {
        Some(look) => {
            let records =
                Records::open(&look.state, &moves(&workspace.stack, &look.state), look.seal()).map_err(|error| {
                    Failure::one(
                        Diagnostic::error(crate::saga::codes::SEALED, error.to_string())
                            .hint("it was sealed with another key, or changed by hand"),
                    )
                })?;
            recorded_instances(&workspace.stack, &records)
        }
        None => recorded_instances(&workspace.stack, &Records::default()),
    };
    let known = Known::new(&workspace.stack, &workspace.variables.values, &options.process_environment);
    let (opened, problems) =
        open_all(&workspace.stack, &options.process_environment, &options.taps, called(&workspace, &expression)).await;
    if !problems.is_empty() {
        return Err(Failure::many(problems, sources));
    }
    let known = known.with_functions(functions_of(&opened)).with_blocks(blocks);
    evaluate(&expression, &BlockScope::plain(&known))
        .map_err(|errors| Failure::many(errors.into_iter().map(Diagnostic::from).collect(), sources))
}

/// The providers whose functions an expression, or a local, calls.
fn called(workspace: &Workspace, expression: &Expression) -> Vec<Arc<str>> {
    let locals = workspace.stack.locals.values().map(|local| &local.value);
    let functions = locals.chain([expression]).flat_map(Expression::functions);
    let providers = functions.filter_map(|name| {
        let (provider, _) = name.strip_prefix("provider::")?.split_once("::")?;
        workspace.stack.providers.contains_key(provider).then(|| Arc::from(provider))
    });
    providers.collect()
}

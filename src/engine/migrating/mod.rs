//! Taking over what Terraform manages: its files become the stack, its state becomes the record.

mod objects;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use retrue_provider_api::Value;

use crate::config::Stack;
use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::engine::planning::{Basis, Planned, make};
use crate::engine::workspace::with_variables;
use crate::engine::{Cancellation, Failure, FailureKind, Options, PlanOptions, Session, look};
use crate::migrate::{Converted, Flattened, VALUES_FILE, codes};
use crate::plan::{Action, Change, PlanKind, StepEffect};
use crate::saga::{RecordedObject, State};
use crate::store::Sealer;
use crate::survey::Calls;
use objects::Taken;
use writing::{Files, Lock};

/// What a migration came to.
pub struct Migrated {
    /// The files that were written, relative to the stack.
    pub files: Vec<String>,
    /// The addresses that are recorded now, those of replaced objects included.
    pub objects: Vec<String>,
    /// The modules, which are parts of the stack now.
    pub flattened: Vec<Flattened>,
    /// What a person should know, by place.
    pub findings: Vec<Diagnostic>,
    /// The files that the findings are about.
    pub sources: Sources,
    /// What a plan that takes the record for the world would change, and why.
    pub changes: Vec<Change>,
}

/// Turns a directory of Terraform's into the stack, and its state into the record. With `partial`, what
/// cannot be converted is left out, and told; without it, it is an error, and nothing is written.
///
/// # Errors
/// Something cannot be read or converted, the stack or a record is there already, a provider cannot be had,
/// or what was made would not plan.
pub async fn migrate(
    options: &Options,
    source: &Path,
    partial: bool,
    cancellation: &Cancellation,
) -> Result<Migrated, Failure> {
    let root = options.root();
    writing::refuse_what_is_there(&root)?;
    let name = stack_name(&root);
    let converted = crate::migrate::convert(source, &name, way_from(&root, source))
        .map_err(|unreadable| Failure::many(unreadable.diagnostics, unreadable.sources))?;
    let Converted { files, values, locked, recorded, flattened, mut findings, sources } = converted;
    refuse_errors(&mut findings, &sources, partial)?;
    let stack = loaded(&root, &files, partial, &mut findings)?;
    fs_err::create_dir_all(&root).map_err(|error| writing::cannot_write(&error))?;
    let looked = look(options, Some(&stack))?;
    if let Some(look) = &looked {
        writing::refuse_records(&look.state)?;
    }
    let lock = Lock::install(options, &stack, &locked).await?;
    // Values are given to the plan as they will be given to every later one.
    let given = values.as_ref().map(|text| writing::temporary(&root, text)).transpose()?;
    let mut planning = options.clone();
    planning.var_files.splice(0..0, given.iter().map(|file| file.path().to_owned()));
    let nothing = State::default();
    let before = looked.as_ref().map_or(&nothing, |look| &look.state);
    let mut problems = Vec::new();
    let mut taken = objects::take_over(options, &stack, &recorded, before, &mut problems).await?;
    refuse_errors(&mut problems, &sources, partial)?;
    findings.append(&mut problems);
    let temporary = Sealer::new(&[0; 32]);
    let seal = looked.as_ref().map_or(&temporary, |look| look.seal());
    let state = objects::state(&taken, &recorded.outputs, seal);
    let lineage = looked.as_ref().map_or("", |look| look.lineage());
    let planned = match checked(&planning, stack.clone(), &state, seal, lineage, cancellation).await {
        Ok(planned) => Some(planned),
        Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
        Err(failure) if partial => {
            findings.extend(failure.diagnostics.into_iter().map(|problem| as_finding(problem, &failure.sources)));
            None
        }
        Err(failure) => return Err(unsound(failure.diagnostics, failure.sources)),
    };
    let changes = planned.as_ref().map(changes).unwrap_or_default();
    if let Some(planned) = &planned {
        complete(&mut taken, planned);
    }
    let mut texts = files;
    texts.extend(values.map(|text| (VALUES_FILE.to_owned(), text)));
    let files = write(options, &stack, source, &texts, &taken, &recorded.outputs, lock).await?;
    let objects = taken.iter().map(Taken::shown).collect();
    crate::diagnostic::sort(&mut findings);
    Ok(Migrated { files, objects, flattened, findings, sources, changes })
}

/// The stack that the texts are. With `partial`, one with mistakes in it is one, too: a person will mend it.
fn loaded(
    root: &Path,
    files: &[(String, String)],
    partial: bool,
    findings: &mut Vec<Diagnostic>,
) -> Result<Stack, Failure> {
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let failed = match crate::config::load_texts(root, texts) {
        Ok(stack) => return Ok(stack),
        Err(failed) => failed,
    };
    match failed.stack {
        Some(stack) if partial => {
            findings.extend(failed.diagnostics.into_iter().map(|problem| as_finding(problem, &failed.sources)));
            Ok(*stack)
        }
        _ => Err(unsound(failed.diagnostics, failed.sources)),
    }
}

/// Writes the record, then the files. Returns their names.
async fn write(
    options: &Options,
    stack: &Stack,
    source: &Path,
    texts: &[(String, String)],
    taken: &[Taken],
    outputs: &BTreeMap<String, Value>,
    lock: Lock,
) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = Vec::new();
    // CRASH: here nothing is to be seen yet.
    let files = Files::prepare(&stack.directory, texts)?;
    let session = Session::open(options, "migrate", Some(stack)).await?;
    let recording = record(&session, source, taken, outputs).await;
    let closed = session.close().await;
    recording?;
    closed?;
    // CRASH: between the record and the files there is a record without a stack. It is refused to migrate
    // once more; without its `.retrue` the directory is as it was.
    files.persist(&mut names)?;
    lock.keep(&mut names);
    Ok(names)
}

/// Plans over what was made, taking the record for the world.
async fn checked(
    options: &Options,
    stack: Stack,
    state: &State,
    seal: &Sealer,
    lineage: &str,
    cancellation: &Cancellation,
) -> Result<Planned, Failure> {
    let workspace = with_variables(options, stack)?;
    let calls = Calls::reading(cancellation.soft.clone());
    let basis =
        Basis { workspace: &workspace, state, seal, lineage, in_doubt: Vec::new(), calls, only: None, checks: false };
    let believing = PlanOptions { refresh: false, ..PlanOptions::default() };
    make(options, &believing, PlanKind::Apply, basis).await
}

/// Ends here where something is an error; with `partial`, it is a warning from now on.
fn refuse_errors(findings: &mut Vec<Diagnostic>, sources: &Sources, partial: bool) -> Result<(), Failure> {
    if !findings.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    if partial {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
        return Ok(());
    }
    let mut found = std::mem::take(findings);
    let count = found.iter().filter(|finding| finding.is_error()).count();
    let what = if count == 1 { "one thing".to_owned() } else { format!("{count} things") };
    found.push(
        Diagnostic::error(codes::NOT_CONVERTED, format!("{what} cannot be taken over; nothing was written"))
            .hint("`--partial` goes on without what cannot be converted"),
    );
    Err(Failure::many(found, sources.clone()))
}

/// What was made does not hold together.
fn unsound(mut diagnostics: Vec<Diagnostic>, sources: Sources) -> Failure {
    let problem = "the stack that was made cannot be used as it is; nothing was written";
    diagnostics.push(
        Diagnostic::error(codes::UNSOUND, problem)
            .hint("change the files of Terraform so that these mistakes go, and try again"),
    );
    Failure::many(diagnostics, sources)
}

/// A mistake in what was made, beside those in what it was made from.
fn as_finding(problem: Diagnostic, sources: &Sources) -> Diagnostic {
    let place = problem.labels.first().and_then(|label| sources.place(label.span));
    let message = match place {
        Some(place) => format!("{}:{}:{}: {}", place.file, place.line, place.column, problem.message),
        None => problem.message,
    };
    Diagnostic { severity: Severity::Warning, labels: Vec::new(), message, ..problem }
}

/// What a plan would change.
fn changes(planned: &Planned) -> Vec<Change> {
    let changing = planned.plan.changes.iter().filter(|change| !matches!(change.action, Action::NoOp | Action::Read));
    changing.cloned().collect()
}

/// Completes the record by what a plan found out: configuration, dependencies, where values come from. It is
/// what the next apply would write down anyway.
fn complete(taken: &mut [Taken], planned: &Planned) {
    for step in planned.plan.steps.iter().filter(|step| step.id.effect == StepEffect::Record) {
        let of_step = |taken: &&mut Taken| taken.key.is_none() && taken.address == step.id.address;
        let Some(taken) = taken.iter_mut().find(of_step) else { continue };
        if !step.config.pending.is_empty() || !step.planned.is_wholly_known() {
            continue;
        }
        let block = planned
            .providers
            .get(&step.provider)
            .and_then(|configured| configured.schema.resources.get(step.type_name.as_ref()))
            .map(|schema| &schema.block);
        let Some(block) = block else { continue };
        taken.object = RecordedObject {
            config: retrue_provider_api::without_write_only(block, &step.config.value),
            attributes: step.planned.clone(),
            provenance: step.provenance.clone(),
            dependencies: step.dependencies.clone(),
            lifecycle: step.lifecycle.clone(),
            sent_write_only: retrue_provider_api::sets_write_only(block, &step.config.value),
            ..taken.object.clone()
        };
    }
}

/// Writes all of it down in one record of the journal.
async fn record(
    session: &Session,
    source: &Path,
    taken: &[Taken],
    outputs: &BTreeMap<String, Value>,
) -> Result<(), Failure> {
    // Somebody may have been quicker.
    writing::refuse_records(&session.state().await?)?;
    let writes = objects::writes(taken, outputs, session.seal())?;
    let what = format!("{} taken over from {}", count(taken.len()), source.display());
    session.record_migration(what, writes).await
}

fn count(objects: usize) -> String {
    if objects == 1 { "one object was".to_owned() } else { format!("{objects} objects were") }
}

/// The way from a stack to the directory that it is made from; none where it is the same.
fn way_from(root: &Path, source: &Path) -> Option<String> {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (root, source) = (real(root), real(source));
    let way = source.strip_prefix(&root).unwrap_or(&source);
    (source != root).then(|| way.display().to_string())
}

/// The name of a stack in a directory.
fn stack_name(root: &Path) -> String {
    let real: PathBuf = fs_err::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "stack".to_owned())
}

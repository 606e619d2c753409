//! Walks the stack and has every instance decided.

mod base;
mod checks;
mod data;
mod doubt;
mod ended;
mod fallback;
mod finish;
mod levels;
mod managed;
mod set_aside;
mod triggers;
mod words;

pub use base::keyed_parts;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;

use retrue_provider_api::{Path, PathStep, TypeSchema, Value};

use crate::address::{Address, BlockAddress, InstanceKey};
use crate::config::{Origin, Repetition, ResourceBlock, Stack, blocks_of};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Root};
use crate::graph::Graph;
use crate::plan::decide::Decision;
use crate::plan::{
    DataRead, Degraded, InDoubt, ObjectKey, PendingCondition, Plan, PlanKind, PlannedEphemeral, Provenance,
};
use crate::rest::Seal;
use crate::saga::State;
use crate::span::Span;
use crate::survey::calls::Calls;
use crate::survey::consult::Answer;
use crate::survey::elsewhere::led_elsewhere;
use crate::survey::expand::Expanded;
use crate::survey::identity::Claim;
use crate::survey::importing::Wanted;
use crate::survey::opening::{Configuring, configure_all, functions_of, open_all, outdated};
use crate::survey::providers::{Configured, Providers};
use crate::survey::record::{Records, moves};
use crate::survey::recorded::recorded_instances;
use crate::survey::refresh::{Worlds, refresh};
use crate::survey::scope::Known;
use crate::survey::targets::Targets;
use crate::survey::turned::{is_turned, turn_all};
use crate::survey::walk::doubt::Doubt;

/// What is to be surveyed.
pub struct Request<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// The values of its variables.
    pub variables: &'a BTreeMap<Arc<str>, Value>,
    /// Where they came from.
    pub origins: &'a BTreeMap<Arc<str>, Origin>,
    /// The environment of the process, for `env.NAME`.
    pub process_environment: &'a BTreeMap<OsString, OsString>,
    /// What is recorded.
    pub state: &'a State,
    /// Opens and seals secrets.
    pub seal: &'a dyn Seal,
    /// The lineage of the store.
    pub lineage: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// What the plan is for.
    pub kind: PlanKind,
    /// `--target`.
    pub targets: &'a [String],
    /// `--replace`.
    pub replace: &'a [String],
    /// Only these instances, and nothing that they depend on.
    pub only: Option<&'a BTreeSet<Address>>,
    /// Whether health checks are part of it.
    pub checks: bool,
    /// Whether the world is read.
    pub refresh: bool,
    /// How many calls may run at once.
    pub parallelism: usize,
    /// What earlier runs left in doubt.
    pub in_doubt: Vec<InDoubt>,
    /// For calls to the outside.
    pub calls: Calls,
}

/// What came of a survey.
pub struct Surveyed {
    /// The plan.
    pub plan: Plan,
    /// The providers, configured, for whoever applies the plan next.
    pub providers: Providers,
    /// What a person should know.
    pub warnings: Vec<Diagnostic>,
    /// How many recorded resources agree with the world.
    pub in_true: usize,
    /// What has drifted or is gone, and is not declared any more, or not with this key.
    pub undeclared: BTreeSet<Address>,
}

/// Surveys. Every mistake that can be found is reported, not only the first.
pub async fn survey(request: Request<'_>) -> Result<Surveyed, Vec<Diagnostic>> {
    let stack = request.stack;
    let graph = Graph::new(stack)?;
    let moved = moves(stack, request.state);
    let mut records = Records::open(request.state, &moved, request.seal)
        .map_err(|error| vec![Diagnostic::error(crate::saga::codes::SEALED, error.to_string())])?;
    // Providers are configured before anything is known of this plan: from what is recorded.
    let known = Known::new(stack, request.variables, request.process_environment)
        .with_blocks(recorded_instances(stack, &records));
    let targets = match request.only {
        Some(only) => {
            // Checks look at data that nothing else may need.
            let checks = stack.checks.values().filter(|_| request.checks);
            let looked_at = checks.flat_map(|check| blocks_of(check, stack)).collect();
            Targets::only(only, &looked_at, &graph, &records)
        }
        None => Targets::new(request.targets, request.kind, &graph, &records)?,
    };
    let replace = targets.replaced(request.replace, request.kind, &graph, &records)?;
    let used = stack.blocks.values().map(|block| stack.provider_name(block)).chain(instances_of(&records));
    let used = used.chain(stack.providers.keys().cloned());
    let looking = request.kind == PlanKind::Fix;
    let (opened, mut problems) = open_all(stack, request.process_environment, &request.calls.taps, used).await;
    let mut known = known.with_functions(functions_of(&opened));
    let configuring = configure_all(&mut known, &graph, request.origins, opened, &request.calls).await;
    let Configuring { providers, planned: ephemerals, problems: found } = configuring;
    problems.extend(found);
    // What was opened for providers stays known; everything else is decided anew.
    let opened = ephemerals.iter().map(|ephemeral| ephemeral.address.block.clone()).collect::<BTreeSet<_>>();
    let mut blocks = std::mem::take(&mut known.blocks);
    blocks.retain(|address, _| opened.contains(address));
    let known = known.with_blocks(blocks);
    problems.extend(turn_all(&mut records, stack, &moved, &providers).await);
    problems.extend(unready(&records, &targets, &providers));
    if !problems.is_empty() && !looking {
        return Err(problems);
    }
    let worlds = refresh(&records, &providers, &request.calls, request.parallelism, request.refresh, |address| {
        targets.covers(address)
    })
    .await;
    let elsewhere = led_elsewhere(stack, &records, &worlds, &providers);
    if !elsewhere.is_empty() {
        return Err(elsewhere);
    }
    let mut walk = Walk {
        forced_first: create_first(stack, &graph),
        used_attributes: used_attributes(stack),
        doubt: Doubt::new(&request.in_doubt, &graph, &records, &moved),
        graph: &graph,
        records: &records,
        worlds,
        providers: &providers,
        targets,
        replace,
        known,
        decisions: BTreeMap::new(),
        dependencies: BTreeMap::new(),
        data_read: BTreeMap::new(),
        data_values: BTreeMap::new(),
        degraded: Vec::new(),
        ephemerals,
        claims: Vec::new(),
        imported: BTreeMap::new(),
        occupied: Vec::new(),
        pending_blocks: BTreeSet::new(),
        set_aside: BTreeMap::new(),
        problems,
        warnings: Vec::new(),
        looking,
        request: &request,
    };
    walk.consult_set_aside().await;
    if request.kind != PlanKind::Destroy {
        walk.declared().await;
    }
    walk.ended().await;
    let mut surveyed = walk.finish().await?;
    surveyed.warnings.extend(outdated(stack, &surveyed.plan));
    Ok(surveyed)
}

/// An object outside: its type, its provider instance, its id.
type Object = (Arc<str>, Arc<str>, Arc<str>);

pub(super) struct Walk<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) graph: &'a Graph,
    pub(super) records: &'a Records,
    pub(super) worlds: Worlds,
    pub(super) providers: &'a Providers,
    pub(super) targets: Targets,
    pub(super) replace: BTreeSet<Address>,
    pub(super) known: Known<'a>,
    pub(super) forced_first: BTreeSet<BlockAddress>,
    pub(super) used_attributes: BTreeMap<BlockAddress, Vec<Path>>,
    /// What is in doubt, and what has to wait for it.
    doubt: Doubt,
    pub(super) decisions: BTreeMap<Address, (Decision, Vec<BlockAddress>)>,
    /// By block, the blocks that it depends on, looking through data sources.
    pub(super) dependencies: BTreeMap<BlockAddress, Vec<BlockAddress>>,
    pub(super) data_read: BTreeMap<Address, DataRead>,
    /// What was read of data that is to be remembered.
    pub(super) data_values: BTreeMap<Address, Value>,
    /// What is not as it should be, and goes on all the same.
    pub(super) degraded: Vec<Degraded>,
    /// What is ephemeral, and how to open it again.
    pub(super) ephemerals: Vec<PlannedEphemeral>,
    pub(super) claims: Vec<Claim>,
    /// What is imported, by type, provider instance and id: the address that it becomes.
    pub(super) imported: BTreeMap<Object, Address>,
    /// What is to be made anew where something stands already, and the places of their blocks.
    pub(super) occupied: Vec<(Address, Span)>,
    /// Blocks of which something will change.
    pub(super) pending_blocks: BTreeSet<BlockAddress>,
    /// What providers say of the end of what was replaced and is still there, until it is used.
    set_aside: BTreeMap<(Address, ObjectKey), set_aside::Answer>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// Whether the question is how things stand to the record: then what is wrong with one is told,
    /// and stands in the way of nothing else.
    pub(super) looking: bool,
}

/// One declared instance on its way.
pub(super) struct Candidate<'a> {
    pub(super) address: Address,
    pub(super) block: &'a ResourceBlock,
    pub(super) expanded: Expanded,
    pub(super) schema: &'a TypeSchema,
    pub(super) configured: &'a Configured,
    pub(super) config: Value,
    pub(super) preconditions: Vec<PendingCondition>,
    /// The id that it is to be imported by.
    pub(super) import: Option<Wanted>,
}

/// What came of reading data.
pub(super) enum DataFound {
    /// This.
    Read(Value),
    /// It can be read only while applying.
    Later,
}

/// Data that could not be read.
pub(super) struct Unread {
    /// Why, at its place.
    pub(super) problem: Diagnostic,
    /// Whether something else may stand in its place: nobody made a mistake.
    pub(super) excusable: bool,
}

/// What came of asking about a candidate.
pub(super) enum Consulted {
    Managed(Box<Answer>),
    Data(Result<DataFound, Unread>),
}

/// Providers that cannot be configured yet, and whose recorded objects this plan is about: those can neither
/// be read, nor changed, nor ended. What is new is planned, and waits.
fn unready(records: &Records, targets: &Targets, providers: &Providers) -> Vec<Diagnostic> {
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for (_, entry) in records.0.iter().filter(|(address, _)| targets.covers(address)) {
        needed.extend(entry.objects().map(|object| object.provider.instance.as_str()));
    }
    needed.into_iter().filter_map(|name| providers.problem(name)).cloned().collect()
}

fn instances_of(records: &Records) -> impl Iterator<Item = Arc<str>> + '_ {
    records
        .0
        .iter()
        // Of what has another type from now on, only the provider of that one is needed.
        .filter(|(address, entry)| !is_turned(entry.moved_from.as_ref(), address))
        .flat_map(|(_, entry)| entry.objects())
        .map(|object| Arc::from(object.provider.instance.as_str()))
}

/// The blocks that are made before the old ones are deleted: those that say so, and what they
/// depend on, because the old one needs its dependencies until it is gone.
fn create_first(stack: &Stack, graph: &Graph) -> BTreeSet<BlockAddress> {
    let said: Vec<&BlockAddress> = stack
        .blocks
        .iter()
        .filter(|(_, block)| block.lifecycle.create_before_destroy)
        .map(|(address, _)| address)
        .collect();
    if said.is_empty() { BTreeSet::new() } else { graph.with_dependencies(said) }
}

/// By block, the attributes that something refers to.
fn used_attributes(stack: &Stack) -> BTreeMap<BlockAddress, Vec<Path>> {
    let mut used: BTreeMap<BlockAddress, Vec<Path>> = BTreeMap::new();
    let mut uses = |block: Option<BlockAddress>, path: &Path| {
        if let Some(block) = block {
            used.entry(block).or_default().push(path.clone());
        }
    };
    let of_blocks = stack.blocks.values().flat_map(|block| {
        let lifecycle = &block.lifecycle;
        let conditions = lifecycle.preconditions.iter().chain(&lifecycle.postconditions);
        let conditions = conditions.flat_map(|condition| [&condition.condition, &condition.message]);
        std::iter::once(&block.body).chain(block.repetition.expression()).chain(&lifecycle.enabled).chain(conditions)
    });
    let others = (stack.locals.values().map(|local| &local.value))
        .chain(stack.outputs.values().map(|output| &output.value))
        .chain(stack.providers.values().flat_map(|provider| provider.expressions()))
        .chain(stack.checks.values().flat_map(|check| check.values.iter().map(|(_, value)| value)));
    for expression in of_blocks.chain(others) {
        for reference in expression.references() {
            uses(reference.root.block(), &reference.path);
        }
    }
    for trigger in stack.blocks.values().flat_map(|block| &block.lifecycle.replace_triggered_by) {
        uses(trigger.reference.root.block(), &trigger.reference.path);
    }
    for paths in used.values_mut() {
        paths.sort();
        paths.dedup();
    }
    used
}

fn shown(block: &BlockAddress, key: &Option<InstanceKey>, path: &Path) -> String {
    let mut text = block.instance(key.clone()).to_string();
    if !path.0.is_empty() {
        text.push('.');
        text.push_str(&path.to_string());
    }
    text
}

/// Where a span stands, for messages that outlive the files.
pub(super) fn place(stack: &Stack, span: crate::span::Span) -> String {
    match stack.sources.place(span) {
        Some(place) => format!("{}:{}:{}", place.file, place.line, place.column),
        None => String::new(),
    }
}

/// Where the values of plain references come from.
fn provenance(body: &Expression, stack: &Stack) -> Provenance {
    let mut provenance = Provenance::new();
    let mut visit = |path: Path, expression: &Expression| {
        let Some(reference) = expression.as_reference() else { return };
        let Root::Resource { .. } = &reference.root else { return };
        let Some(block) = reference.root.block() else { return };
        let single = stack.blocks.get(&block).is_some_and(|block| matches!(block.repetition, Repetition::One));
        if reference.dynamic_key || (reference.key.is_none() && !single) || reference.path.0.is_empty() {
            return;
        }
        provenance.insert(path, (block.instance(reference.key), reference.path));
    };
    walk_body(body, &Path::root(), &mut visit);
    provenance
}

fn walk_body(expression: &Expression, at: &Path, visit: &mut dyn FnMut(Path, &Expression)) {
    if let Some(entries) = expression.as_table() {
        for (key, value) in entries {
            if let Some(name) = key.as_literal().and_then(Value::as_str) {
                walk_body(value, &at.child(PathStep::Attribute(name.into())), visit);
            }
        }
    } else if let Some(items) = expression.as_list() {
        for (index, item) in items.iter().enumerate() {
            walk_body(item, &at.child(PathStep::Index(index)), visit);
        }
    } else {
        visit(at.clone(), expression);
    }
}

//! Walks the stack and has every instance decided.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;

use futures::StreamExt as _;
use retrue_provider_api::{Block, DataRequest, Path, PathStep, Type, TypeSchema, Value, canonical_bytes};

use crate::address::{Address, BlockAddress, InstanceKey, Mode};
use crate::config::{DeleteOrder, OnDestroy as Declared, OnExisting, Repetition, ResourceBlock, Stack, evaluate_body};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Root, evaluate};
use crate::graph::Graph;
use crate::plan::assemble::{Chain, Deletes, assemble};
use crate::plan::decide::{
    Decision, Desired, Instance, World, decide, end_deposed, fingerprint, fingerprint_attributes,
};
use crate::plan::file::seal_digest;
use crate::plan::marks::mark_planned;
use crate::plan::{
    Action, Base, BaseEntry, Change, Drift, ExistingObject, InDoubt, Lifecycle, ObjectKey, OnDestroy, OutputChange,
    PendingCondition, Plan, PlanKind, PlannedValue, Provenance, Step, StepEffect, StepId, codes,
};
use crate::rest::Seal;
use crate::saga::State;
use crate::survey::calls::{Calls, within};
use crate::survey::conditions::check_conditions;
use crate::survey::consult::{Answer, Question, consult, consult_end};
use crate::survey::expand::{Expanded, expand};
use crate::survey::identity::{Claim, clashes};
use crate::survey::pending::{pending, planned_expression, planned_value};
use crate::survey::providers::{Configured, Providers, configure_all, instance_name};
use crate::survey::record::{Entry, Records};
use crate::survey::refresh::{Worlds, refresh};
use crate::survey::scope::{BlockScope, Instances, Known};
use crate::survey::targets::Targets;

/// What is to be surveyed.
pub struct Request<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// The values of its variables.
    pub variables: &'a BTreeMap<Arc<str>, Value>,
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
}

/// Surveys. Every mistake that can be found is reported, not only the first.
pub async fn survey(request: Request<'_>) -> Result<Surveyed, Vec<Diagnostic>> {
    let stack = request.stack;
    let graph = Graph::new(stack)?;
    let records = Records::open(request.state, &stack.moved, request.seal)
        .map_err(|error| vec![Diagnostic::error(crate::saga::codes::SEALED, error.to_string())])?;
    let known = Known::new(stack, request.variables, request.process_environment);
    let targets = match request.only {
        Some(only) => Targets::only(only),
        None => Targets::new(request.targets, request.kind, &graph, &records)?,
    };
    let replace = Targets::addresses(request.replace, &records)?;
    let used = stack
        .blocks
        .values()
        .map(|block| stack.provider_name(block))
        .chain(recorded_instances(&records))
        .collect::<Vec<_>>();
    let providers = configure_all(&known, &stack.variables, used).await?;
    let worlds = refresh(&records, &providers, &request.calls, request.parallelism, request.refresh, |address| {
        targets.covers(address)
    })
    .await;
    let mut walk = Walk {
        forced_first: create_first(stack, &graph),
        used_attributes: used_attributes(stack),
        blocked: request.in_doubt.iter().map(|doubt| doubt.address.clone()).collect(),
        graph: &graph,
        records: &records,
        worlds,
        providers: &providers,
        targets,
        replace,
        known,
        decisions: BTreeMap::new(),
        dependencies: BTreeMap::new(),
        data_digest: blake3::Hasher::new(),
        claims: Vec::new(),
        pending_blocks: BTreeSet::new(),
        blocked_blocks: BTreeSet::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        request: &request,
    };
    if request.kind != PlanKind::Destroy {
        walk.declared().await;
    }
    walk.ended().await;
    walk.finish().await.map(|(plan, warnings, in_true)| Surveyed {
        plan,
        providers: providers.clone(),
        warnings,
        in_true,
    })
}

fn recorded_instances(records: &Records) -> impl Iterator<Item = Arc<str>> + '_ {
    records
        .0
        .values()
        .flat_map(|entry| entry.current.iter().chain(entry.deposed.values()))
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
    let expressions = stack
        .blocks
        .values()
        .flat_map(|block| std::iter::once(&block.body).chain(block.repetition.expression()))
        .chain(stack.locals.values().map(|local| &local.value))
        .chain(stack.outputs.values().map(|output| &output.value))
        .chain(stack.providers.values().map(|provider| &provider.body));
    for expression in expressions {
        for reference in expression.references() {
            if let Some(block) = reference.root.block() {
                used.entry(block).or_default().push(reference.path);
            }
        }
    }
    for paths in used.values_mut() {
        paths.sort();
        paths.dedup();
    }
    used
}

struct Walk<'a> {
    request: &'a Request<'a>,
    graph: &'a Graph,
    records: &'a Records,
    worlds: Worlds,
    providers: &'a Providers,
    targets: Targets,
    replace: BTreeSet<Address>,
    known: Known<'a>,
    forced_first: BTreeSet<BlockAddress>,
    used_attributes: BTreeMap<BlockAddress, Vec<Path>>,
    /// What is in doubt.
    blocked: BTreeSet<Address>,
    /// Blocks with something in doubt in them, or that depend on one.
    blocked_blocks: BTreeSet<BlockAddress>,
    decisions: BTreeMap<Address, (Decision, Vec<BlockAddress>)>,
    /// By block, the blocks that it depends on, looking through data sources.
    dependencies: BTreeMap<BlockAddress, Vec<BlockAddress>>,
    data_digest: blake3::Hasher,
    claims: Vec<Claim>,
    /// Blocks of which something will change.
    pending_blocks: BTreeSet<BlockAddress>,
    problems: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// One declared instance on its way.
struct Candidate<'a> {
    address: Address,
    block: &'a ResourceBlock,
    expanded: Expanded,
    schema: &'a TypeSchema,
    configured: &'a Configured,
    config: Value,
    preconditions: Vec<PendingCondition>,
}

/// What came of asking about a candidate.
enum Consulted {
    Managed(Box<Answer>),
    Data(Result<Option<Value>, Diagnostic>),
}

impl<'a> Walk<'a> {
    /// The blocks in levels: each depends only on those before.
    fn levels(&self) -> Vec<Vec<&'a ResourceBlock>> {
        let mut depth: BTreeMap<&BlockAddress, usize> = BTreeMap::new();
        let mut levels: Vec<Vec<&'a ResourceBlock>> = Vec::new();
        for node in self.graph.order() {
            let crate::graph::Node::Block(address) = node else { continue };
            let Some(block) = self.request.stack.blocks.get(address) else { continue };
            let level = self
                .graph
                .dependencies_of(address)
                .into_iter()
                .filter_map(|dependency| depth.get(dependency))
                .max()
                .map_or(0, |deepest| deepest + 1);
            depth.insert(&block.address, level);
            if levels.len() <= level {
                levels.resize_with(level + 1, Vec::new);
            }
            if let Some(level) = levels.get_mut(level) {
                level.push(block);
            }
        }
        levels
    }

    async fn declared(&mut self) {
        for level in self.levels() {
            let mut candidates: Vec<Candidate<'a>> = Vec::new();
            for block in &level {
                self.note_dependencies(block);
                self.candidates(block, &mut candidates);
            }
            let answers = {
                let walk: &Walk<'a> = self;
                let questions: Vec<_> = candidates.iter().map(|candidate| walk.consult(candidate)).collect();
                futures::stream::iter(questions).buffered(self.request.parallelism.max(1)).collect::<Vec<_>>().await
            };
            let mut values: BTreeMap<&'a BlockAddress, Vec<(Option<InstanceKey>, Value)>> = BTreeMap::new();
            for (candidate, answer) in candidates.into_iter().zip(answers) {
                let address = &candidate.block.address;
                let key = candidate.expanded.key.clone();
                let value = match answer {
                    Consulted::Managed(answer) => self.decide_managed(candidate, *answer),
                    Consulted::Data(result) => self.decide_data(candidate, result),
                };
                values.entry(address).or_default().push((key, value));
            }
            for block in &level {
                let of_block = values.remove(&block.address).unwrap_or_default();
                self.publish(block, of_block);
            }
        }
    }

    fn note_dependencies(&mut self, block: &ResourceBlock) {
        let mut all: BTreeSet<BlockAddress> = BTreeSet::new();
        for dependency in self.graph.dependencies_of(&block.address) {
            all.insert(dependency.clone());
            if dependency.mode == Mode::Data {
                all.extend(self.dependencies.get(dependency).into_iter().flatten().cloned());
            }
        }
        if all.iter().any(|dependency| self.blocked_blocks.contains(dependency)) {
            self.blocked_blocks.insert(block.address.clone());
        }
        self.dependencies.insert(block.address.clone(), all.into_iter().collect());
    }

    /// Makes what a block stands for known to what comes after it.
    fn publish(&mut self, block: &ResourceBlock, values: Vec<(Option<InstanceKey>, Value)>) {
        if self.known.blocks.contains_key(&block.address) {
            return;
        }
        let instances = match &block.repetition {
            Repetition::One => match values.into_iter().next() {
                Some((_, value)) => Instances::one(value),
                None => Instances::one(Value::null(Type::Dynamic)),
            },
            Repetition::Count(_) => Instances::counted(values.into_iter().map(|(_, value)| value).collect()),
            Repetition::ForEach(_) => Instances::named(
                values
                    .into_iter()
                    .filter_map(|(key, value)| match key {
                        Some(InstanceKey::Name(name)) => Some((name, value)),
                        _ => None,
                    })
                    .collect(),
            ),
        };
        self.known.blocks.insert(block.address.clone(), instances);
    }

    fn broken(&mut self, block: &ResourceBlock, mut problems: Vec<Diagnostic>) {
        self.problems.append(&mut problems);
        self.known.blocks.insert(block.address.clone(), Instances::broken());
    }

    fn candidates(&mut self, block: &'a ResourceBlock, candidates: &mut Vec<Candidate<'a>>) {
        let expanded = match expand(block, &self.known) {
            Ok(expanded) => expanded,
            Err(problems) => return self.broken(block, problems),
        };
        let instance = self.request.stack.provider_name(block);
        let Some(configured) = self.providers.get(&instance) else {
            let problem = Diagnostic::error(codes::NO_PROVIDER, format!("there is no provider `{instance}`"));
            return self.broken(block, vec![problem.at(block.span)]);
        };
        let types = match block.address.mode {
            Mode::Managed => &configured.schema.resources,
            Mode::Data => &configured.schema.data,
        };
        let Some(schema) = types.get(block.address.type_name.as_ref()) else {
            let known = types.keys().map(String::as_str);
            let mut problem = Diagnostic::error(
                crate::config::codes::UNKNOWN_TYPE,
                format!("the provider `{instance}` has no type `{}`", block.address.type_name),
            )
            .at(block.span);
            if let Some(near) = crate::expression::nearest(&block.address.type_name, known) {
                problem = problem.hint(format!("did you mean `{near}`?"));
            }
            return self.broken(block, vec![problem]);
        };
        let mut found = Vec::new();
        let mut problems = Vec::new();
        for expanded in expanded {
            let address = block.address.instance(expanded.key.clone());
            let evaluated = {
                let scope = expanded.scope(&self.known);
                evaluate_body(&block.body, &schema.block, &scope).and_then(|config| {
                    check_conditions(&block.lifecycle.preconditions, &address, self.request.stack, &scope)
                        .map(|preconditions| (config, preconditions))
                })
            };
            match evaluated {
                Ok((config, preconditions)) => {
                    found.push(Candidate { address, block, expanded, schema, configured, config, preconditions });
                }
                Err(mut wrong) => problems.append(&mut wrong),
            }
        }
        if problems.is_empty() { candidates.append(&mut found) } else { self.broken(block, problems) }
    }

    fn entry(&self, address: &Address) -> Option<&'a Entry> {
        self.records.0.get(address)
    }

    async fn consult(&self, candidate: &Candidate<'a>) -> Consulted {
        let address = &candidate.address;
        let (config, _) = candidate.config.clone().unmark_deep();
        if candidate.block.address.mode == Mode::Data {
            return Consulted::Data(self.read_data(candidate, config).await);
        }
        let recorded = self.entry(address).and_then(|entry| entry.current.as_ref());
        let world = recorded.and_then(|_| self.worlds.get(&(address.clone(), ObjectKey::Current)).cloned());
        let skipped = !self.targets.covers(address) || self.blocks(address);
        if skipped {
            // It stays as it is recorded; nothing is asked.
            return Consulted::Managed(Box::new(Answer {
                world: World::NotKnownYet,
                capability: candidate.configured.provider.capability(address.type_name(), &config),
                responses: Default::default(),
                replace_because: Vec::new(),
                diagnostics: Vec::new(),
            }));
        }
        let question = Question {
            address: address.clone(),
            provider: &candidate.configured.provider,
            schema: candidate.schema,
            config,
            body: &candidate.block.body,
            span: candidate.block.span,
            recorded,
            world,
            ignore: &candidate.block.lifecycle.ignore_changes,
            replace: self.replace.contains(address) || self.triggered(candidate.block).is_some(),
        };
        Consulted::Managed(Box::new(consult(&question, &self.request.calls).await))
    }

    /// Whether something in doubt stands in the way.
    fn blocks(&self, address: &Address) -> bool {
        self.blocked.contains(address) || self.blocked_blocks.contains(&address.block)
    }

    async fn read_data(&self, candidate: &Candidate<'a>, config: Value) -> Result<Option<Value>, Diagnostic> {
        let waits = self
            .dependencies
            .get(&candidate.block.address)
            .into_iter()
            .flatten()
            .any(|dependency| self.pending_blocks.contains(dependency));
        if waits || !config.is_wholly_known() {
            return Ok(None);
        }
        let provider = &candidate.configured.provider;
        let type_name = candidate.address.type_name();
        let limit = provider.capability(type_name, &config).time_limits.read;
        let context = self.request.calls.context(&candidate.address, limit);
        let request = DataRequest { type_name: type_name.to_owned(), config };
        within(limit, "read", provider.read_data(&context, request)).await.map(Some).map_err(|error| {
            let at = error
                .path
                .as_ref()
                .and_then(|path| crate::survey::providers::attribute_span(&candidate.block.body, path))
                .unwrap_or(candidate.block.span);
            Diagnostic::error(codes::PROVIDER, format!("`{}`: {error:#}", candidate.address)).at(at)
        })
    }

    /// Why `replace_triggered_by` replaces the instances of a block, if it does.
    fn triggered(&self, block: &ResourceBlock) -> Option<String> {
        for reference in &block.lifecycle.replace_triggered_by {
            let Some(target) = reference.root.block() else { continue };
            let changed = self.decisions.iter().any(|(address, (decision, _))| {
                if address.block != target
                    || reference.key.as_ref().is_some_and(|key| address.key.as_ref() != Some(key))
                {
                    return false;
                }
                let change = &decision.change;
                if !matches!(change.action, Action::Update | Action::Replace) {
                    return false;
                }
                reference.path.0.is_empty()
                    || match (reference.path.get(&change.before), reference.path.get(&change.after)) {
                        (Some(before), Some(after)) => !before.same(after),
                        (None, None) => false,
                        _ => true,
                    }
            });
            if changed {
                return Some(format!(
                    "`replace_triggered_by`: {} changes",
                    shown(&target, &reference.key, &reference.path)
                ));
            }
        }
        None
    }

    fn lifecycle(&self, block: &ResourceBlock) -> Lifecycle {
        Lifecycle {
            prevent_destroy: block.lifecycle.prevent_destroy,
            create_before_destroy: self.forced_first.contains(&block.address),
            on_destroy: block.lifecycle.on_destroy.map(|declared| match declared {
                Declared::Delete => OnDestroy::Delete,
                Declared::Restore => OnDestroy::Restore,
                Declared::Forget => OnDestroy::Forget,
            }),
            timeout: block.lifecycle.timeout,
        }
    }

    fn decide_managed(&mut self, candidate: Candidate<'a>, answer: Answer) -> Value {
        let address = candidate.address.clone();
        let block = candidate.block;
        for diagnostic in answer.diagnostics {
            if diagnostic.is_error() { self.problems.push(diagnostic) } else { self.warnings.push(diagnostic) }
        }
        let entry = self.entry(&address);
        let recorded = entry.and_then(|entry| entry.current.as_ref());
        if !self.targets.covers(&address) || self.blocks(&address) {
            if self.blocks(&address) {
                self.blocked_blocks.insert(block.address.clone());
                if !self.blocked.contains(&address) {
                    self.warnings.push(
                        Diagnostic::warning(
                            codes::IN_DOUBT,
                            format!("`{address}` waits for something that is in doubt"),
                        )
                        .at(block.span),
                    );
                }
            }
            let unknown = || Value::unknown(candidate.schema.block.value_type());
            return recorded.map_or_else(unknown, |recorded| recorded.attributes.clone());
        }
        let used = self.used_attributes.get(&block.address).map_or(&[][..], Vec::as_slice);
        let dependencies = self.dependencies.get(&block.address).cloned().unwrap_or_default();
        let scope = candidate.expanded.scope(&self.known);
        let config_plain = candidate.config.clone().unmark_deep().0;
        self.claims.push(Claim {
            address: address.clone(),
            provider: instance_name(block.provider.as_ref().map(|(name, _)| name), &block.address.type_name),
            identity: crate::survey::identity::identity(
                &candidate.configured.provider,
                candidate.schema,
                address.type_name(),
                &config_plain,
            ),
            span: Some(block.span),
        });
        let replace_reason =
            if self.replace.contains(&address) { Some("it was asked for".to_owned()) } else { self.triggered(block) };
        let desired = Desired {
            config: planned_value(candidate.config.clone(), &block.body, self.request.stack, &scope),
            lifecycle: self.lifecycle(block),
            adopt_existing: block.lifecycle.on_existing == OnExisting::Adopt,
            dependencies: dependencies.clone(),
            provenance: provenance(&block.body, self.request.stack),
            preconditions: candidate.preconditions,
            postconditions: Vec::new(),
            span: block.span,
        };
        let (fingerprint, fingerprint_of) =
            self.fingerprint(&candidate.schema.block, &answer.world, &config_plain, used);
        let instance = Instance {
            address: address.clone(),
            provider: self.request.stack.provider_name(block),
            block: &candidate.schema.block,
            schema_version: candidate.schema.version,
            capability: answer.capability,
            fingerprint,
            fingerprint_of,
            desired: Some(desired),
            recorded,
            moved_from: entry.and_then(|entry| entry.moved_from.clone()),
            world: answer.world,
            responses: answer.responses,
            replace_reason,
            replace_because: answer.replace_because,
            generation: entry.map_or(0, |entry| entry.generation),
            lineage: self.request.lineage,
            used,
            destroying: false,
        };
        let mut decision = decide(&instance);
        self.problems.append(&mut decision.errors);
        let value = decision.change.after.clone();
        let itself = BlockScope { itself: Some(value.clone()), ..candidate.expanded.scope(&self.known) };
        match check_conditions(&block.lifecycle.postconditions, &address, self.request.stack, &itself) {
            Ok(later) => {
                let last = decision
                    .steps
                    .iter_mut()
                    .rev()
                    .find(|step| !matches!(step.id.effect, StepEffect::Delete | StepEffect::Depose));
                if let Some(step) = last {
                    step.postconditions = later;
                }
            }
            Err(mut wrong) => self.problems.append(&mut wrong),
        }
        if decision.change.action != Action::NoOp {
            self.pending_blocks.insert(block.address.clone());
        }
        self.add_deposed(&address, &candidate.schema.block, &mut decision);
        let recorded_dependencies = recorded.map(|recorded| recorded.dependencies.clone()).unwrap_or_default();
        self.decisions.insert(address, (decision, recorded_dependencies));
        value
    }

    /// Adds the end of objects that were replaced and are still there.
    fn add_deposed(&self, address: &Address, block: &Block, decision: &mut Decision) {
        let Some(entry) = self.entry(address) else { return };
        for (key, object) in &entry.deposed {
            let world_key = (address.clone(), ObjectKey::Deposed(key.as_str().into()));
            let Some(world) = self.worlds.get(&world_key) else { continue };
            let Some(configured) = self.providers.get(&object.provider.instance) else { continue };
            let config = object.config.clone().unmark_deep().0;
            let (fingerprint, fingerprint_of) = self.fingerprint(block, world, &config, &[]);
            let instance = Instance {
                address: address.clone(),
                provider: object.provider.instance.as_str().into(),
                block,
                schema_version: object.schema_version,
                capability: configured.provider.capability(address.type_name(), &config),
                desired: None,
                recorded: Some(object),
                moved_from: None,
                fingerprint,
                fingerprint_of,
                world: world.clone(),
                responses: Default::default(),
                replace_reason: None,
                replace_because: Vec::new(),
                generation: object.generation,
                lineage: self.request.lineage,
                used: &[],
                destroying: false,
            };
            decision.steps.push(end_deposed(&instance, key));
            if decision.change.action == Action::NoOp {
                decision.change.action = Action::Delete;
                decision.change.reasons.push("what it replaced is still there".into());
            }
        }
    }

    /// The fingerprint of what is outside, and the attributes that it is made of.
    fn fingerprint(&self, block: &Block, world: &World, config: &Value, used: &[Path]) -> (String, Vec<Arc<str>>) {
        let World::Present(observed) = world else { return (String::new(), Vec::new()) };
        let attributes = fingerprint_attributes(block, &observed.state, config, used);
        (fingerprint(&attributes, &observed.state, self.request.seal), attributes)
    }

    fn decide_data(&mut self, candidate: Candidate<'a>, result: Result<Option<Value>, Diagnostic>) -> Value {
        let address = candidate.address.clone();
        let block = candidate.block;
        let unknown = Value::unknown(candidate.schema.block.value_type());
        let state = match result {
            Ok(Some(state)) => mark_planned(&candidate.schema.block, state, Some(&candidate.config)),
            Ok(None) => {
                self.pending_blocks.insert(block.address.clone());
                if self.targets.covers(&address) {
                    self.defer_data(&candidate, &unknown);
                }
                return unknown;
            }
            Err(problem) => {
                self.problems.push(problem);
                return unknown;
            }
        };
        self.data_digest.update(address.to_string().as_bytes());
        self.data_digest.update(&canonical_bytes(&state));
        let itself = BlockScope { itself: Some(state.clone()), ..candidate.expanded.scope(&self.known) };
        if let Err(mut wrong) = check_conditions(&block.lifecycle.postconditions, &address, self.request.stack, &itself)
        {
            self.problems.append(&mut wrong);
        }
        state
    }

    /// Data that cannot be read before something else is done is read while applying.
    fn defer_data(&mut self, candidate: &Candidate<'a>, unknown: &Value) {
        let block = candidate.block;
        let stack = self.request.stack;
        let scope = candidate.expanded.scope(&self.known);
        let config = planned_value(candidate.config.clone(), &block.body, stack, &scope);
        let postconditions = block
            .lifecycle
            .postconditions
            .iter()
            .map(|condition| PendingCondition {
                condition: pending(&condition.condition, stack, &scope),
                message: pending(&condition.message, stack, &scope),
                place: place(stack, condition.span),
            })
            .collect();
        let step = Step {
            id: StepId {
                address: candidate.address.clone(),
                object: ObjectKey::Current,
                effect: StepEffect::Read,
                plan: String::new(),
            },
            type_name: Arc::clone(&block.address.type_name),
            provider: stack.provider_name(block),
            depends_on: Vec::new(),
            stage: 0,
            reversibility: retrue_provider_api::Reversibility::Full,
            config,
            planned: unknown.clone(),
            planned_private: Default::default(),
            observed: Value::null(Type::Dynamic),
            observed_private: Default::default(),
            observed_identity: None,
            fingerprint: String::new(),
            fingerprint_of: Vec::new(),
            generation: 0,
            existing: ExistingObject::CannotLook,
            dependencies: self.dependencies.get(&block.address).cloned().unwrap_or_default(),
            provenance: Provenance::new(),
            lifecycle: self.lifecycle(block),
            preconditions: candidate.preconditions.clone(),
            postconditions,
            moved_from: None,
            schema_version: candidate.schema.version,
            adopts: false,
            restores: false,
        };
        let change = Change {
            address: candidate.address.clone(),
            action: Action::Read,
            reversible: retrue_provider_api::Reversibility::Full,
            reasons: vec!["what it depends on is not known before the apply".into()],
            before: Value::null(Type::Dynamic),
            after: candidate.config.clone(),
            recorded: None,
            replace_because: Vec::new(),
            moved_from: None,
            create_before_destroy: false,
            warnings: Vec::new(),
        };
        let decision = Decision { change, steps: vec![step], drift: None, errors: Vec::new() };
        self.decisions.insert(candidate.address.clone(), (decision, Vec::new()));
    }

    /// Everything that is recorded and no longer declared.
    async fn ended(&mut self) {
        let orphans: Vec<&'a Address> = self
            .records
            .0
            .iter()
            .filter(|(address, entry)| {
                (entry.current.is_some() || !entry.deposed.is_empty())
                    && !self.decisions.contains_key(*address)
                    && self.targets.covers(address)
                    && !self.is_declared(address)
                    && !self.blocked.contains(*address)
            })
            .map(|(address, _)| address)
            .collect();
        let answers = {
            let walk: &Walk<'a> = self;
            let questions: Vec<_> = orphans.iter().map(|address| walk.consult_orphan(address)).collect();
            futures::stream::iter(questions).buffered(self.request.parallelism.max(1)).collect::<Vec<_>>().await
        };
        for (address, answer) in orphans.into_iter().zip(answers) {
            let Some(entry) = self.entry(address) else { continue };
            let Some(any) = entry.current.as_ref().or_else(|| entry.deposed.values().next()) else { continue };
            let Some(configured) = self.providers.get(&any.provider.instance) else { continue };
            let empty = Block::default();
            let block = configured.schema.resources.get(address.type_name()).map_or(&empty, |schema| &schema.block);
            let config = any.config.clone().unmark_deep().0;
            let (world, capability, responses) = match answer {
                Ok(answer) => answer,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let (fingerprint, fingerprint_of) = self.fingerprint(block, &world, &config, &[]);
            let instance = Instance {
                address: address.clone(),
                provider: any.provider.instance.as_str().into(),
                block,
                schema_version: any.schema_version,
                capability,
                desired: None,
                recorded: entry.current.as_ref(),
                moved_from: entry.moved_from.clone(),
                fingerprint,
                fingerprint_of,
                world,
                responses,
                replace_reason: None,
                replace_because: Vec::new(),
                generation: entry.generation,
                lineage: self.request.lineage,
                used: &[],
                destroying: self.request.kind == PlanKind::Destroy,
            };
            let mut decision = decide(&instance);
            self.problems.append(&mut decision.errors);
            self.add_deposed(address, block, &mut decision);
            self.decisions.insert(address.clone(), (decision, any.dependencies.clone()));
        }
    }

    /// Whether the block still stands in the configuration with this instance; then something was
    /// wrong with it, or it is not to be touched, and it is no orphan.
    fn is_declared(&self, address: &Address) -> bool {
        if self.request.kind == PlanKind::Destroy {
            return false;
        }
        match self.known.blocks.get(&address.block) {
            Some(instances) => instances.has(address.key.as_ref()),
            None => false,
        }
    }

    async fn consult_orphan(
        &self,
        address: &Address,
    ) -> Result<(World, retrue_provider_api::Capability, crate::plan::decide::Responses), Diagnostic> {
        let gone =
            || Diagnostic::error(codes::NO_PROVIDER, format!("nothing can end `{address}`: its provider is unknown"));
        let entry = self.entry(address).ok_or_else(gone)?;
        let Some(recorded) = entry.current.as_ref() else {
            let any = entry.deposed.values().next().ok_or_else(gone)?;
            let configured = self.providers.get(&any.provider.instance).ok_or_else(gone)?;
            let config = any.config.clone().unmark_deep().0;
            let capability = configured.provider.capability(address.type_name(), &config);
            return Ok((World::Absent, capability, Default::default()));
        };
        let configured = self.providers.get(&recorded.provider.instance).ok_or_else(gone)?;
        let world = self
            .worlds
            .get(&(address.clone(), ObjectKey::Current))
            .cloned()
            .unwrap_or(World::Unreadable("it was not read".into()));
        let (capability, responses) =
            consult_end(address, &configured.provider, recorded, &world, &self.request.calls).await?;
        Ok((world, capability, responses))
    }

    fn outputs(&mut self) -> Vec<OutputChange> {
        let stack = self.request.stack;
        let mut outputs = Vec::new();
        let mut before: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for (name, resting) in &self.request.state.outputs {
            match resting.wake(self.request.seal) {
                Ok(value) => {
                    before.insert(name.as_str().into(), value);
                }
                Err(error) => self.problems.push(Diagnostic::error(crate::saga::codes::SEALED, error.to_string())),
            }
        }
        let declared: Vec<&Arc<str>> =
            if self.request.kind == PlanKind::Destroy { Vec::new() } else { stack.outputs.keys().collect() };
        // With targets, only what is known of them can be said; the other outputs stay.
        let partial = self.targets.is_partial() || !self.blocked_blocks.is_empty() || !self.blocked.is_empty();
        for name in declared {
            let Some(output) = stack.outputs.get(name) else { continue };
            let scope = BlockScope::plain(&self.known);
            match evaluate(&output.value, &scope) {
                Ok(value) if partial && !value.is_wholly_known() => {
                    before.remove(name);
                }
                Ok(value) => {
                    if value.marks_deep().sensitive && !output.sensitive {
                        self.problems.push(
                            Diagnostic::error(
                                codes::SENSITIVE_OUTPUT,
                                format!("the output `{name}` holds something sensitive, and is not declared so"),
                            )
                            .at(output.span)
                            .hint("set `sensitive = true`, or use nonsensitive() where it is no secret"),
                        );
                        continue;
                    }
                    let value = if output.sensitive { value.sensitive() } else { value };
                    outputs.push(OutputChange {
                        name: Arc::clone(name),
                        before: before.remove(name),
                        after: Some(planned_expression(value, &output.value, stack, &scope)),
                    });
                }
                Err(errors) => self.problems.extend(errors.into_iter().map(Diagnostic::from)),
            }
        }
        if self.request.kind != PlanKind::Destroy || !self.targets.is_partial() {
            outputs.extend(before.into_iter().map(|(name, value)| OutputChange {
                name,
                before: Some(value),
                after: None,
            }));
        }
        outputs.sort_by(|a, b| a.name.cmp(&b.name));
        outputs
    }

    async fn finish(mut self) -> Result<(Plan, Vec<Diagnostic>, usize), Vec<Diagnostic>> {
        let outputs = self.outputs();
        self.problems.extend(clashes(&self.claims, self.records, self.providers, &self.decisions_by_address()));
        if !self.problems.is_empty() {
            let mut problems = std::mem::take(&mut self.problems);
            crate::diagnostic::sort(&mut problems);
            return Err(problems);
        }
        let config_digest = self.config_digest();
        let mut changes: Vec<Change> = Vec::new();
        let mut chains: Vec<Chain> = Vec::new();
        let mut drift: Vec<Drift> = Vec::new();
        let mut in_true = 0usize;
        let mut touched: BTreeSet<Address> = BTreeSet::new();
        let mut read_blocks: BTreeSet<BlockAddress> = BTreeSet::new();
        for (address, (decision, recorded_dependencies)) in std::mem::take(&mut self.decisions) {
            if !decision.steps.is_empty() {
                touched.insert(address.clone());
                read_blocks.extend(decision.steps.iter().flat_map(|step| step.dependencies.iter().cloned()));
            }
            let recorded = self.records.0.get(&address).is_some_and(|entry| entry.current.is_some());
            match decision.drift {
                Some(found) => drift.push(found),
                None if recorded => in_true += 1,
                None => {}
            }
            changes.push(decision.change);
            chains.push(Chain { steps: decision.steps, recorded_dependencies });
        }
        let deletes = match self.request.stack.settings.deletes {
            DeleteOrder::Last => Deletes::Last,
            DeleteOrder::Graph => Deletes::Graph,
        };
        let assembled = assemble(chains, deletes).map_err(|cycle| {
            vec![Diagnostic::error(
                codes::STEP_CYCLE,
                format!("these steps wait for each other: {}", cycle.0.join(", ")),
            )]
        })?;
        let resources = self.base(&touched, &read_blocks);
        let mut warnings: Vec<String> = Vec::new();
        if !self.request.targets.is_empty() {
            warnings.push("only part of the stack is planned, because of --target".into());
        }
        let mut plan = Plan {
            stack: Arc::clone(&self.request.stack.name),
            environment: self.request.environment.into(),
            kind: self.request.kind,
            base: Base {
                lineage: self.request.lineage.to_owned(),
                config: config_digest,
                files: self.files(),
                resources,
            },
            changes,
            steps: assembled.steps,
            groups: assembled.groups,
            outputs,
            providers: self
                .providers
                .iter()
                .map(|(name, configured)| (Arc::clone(name), configured.instance.clone()))
                .collect(),
            drift,
            in_doubt: self.request.in_doubt.clone(),
            pivot: assembled.pivot,
            warnings,
            digest: String::new(),
        };
        seal_digest(&mut plan, self.request.seal);
        Ok((plan, std::mem::take(&mut self.warnings), in_true))
    }

    fn decisions_by_address(&self) -> BTreeMap<Address, Action> {
        self.decisions.iter().map(|(address, (decision, _))| (address.clone(), decision.change.action)).collect()
    }

    /// What the plan rests on: what it touches, and what that refers to.
    fn base(&self, touched: &BTreeSet<Address>, read: &BTreeSet<BlockAddress>) -> BTreeMap<Address, BaseEntry> {
        let referred = self.records.0.keys().filter(|address| read.contains(&address.block));
        touched
            .iter()
            .chain(referred)
            .map(|address| {
                let entry = self.records.0.get(address);
                let generation = entry.map_or(0, |entry| entry.generation);
                let observed = match (entry, self.worlds.get(&(address.clone(), ObjectKey::Current))) {
                    (Some(entry), Some(World::Present(observed))) => {
                        let config = entry.current.as_ref().map(|object| object.config.clone().unmark_deep().0);
                        let schema = entry
                            .current
                            .as_ref()
                            .and_then(|object| self.providers.get(&object.provider.instance))
                            .and_then(|configured| configured.schema.resources.get(address.type_name()));
                        let used = self.used_attributes.get(&address.block).map_or(&[][..], Vec::as_slice);
                        match (config, schema) {
                            (Some(config), Some(schema)) => {
                                let names = fingerprint_attributes(&schema.block, &observed.state, &config, used);
                                fingerprint(&names, &observed.state, self.request.seal)
                            }
                            _ => String::new(),
                        }
                    }
                    _ => String::new(),
                };
                (address.clone(), BaseEntry { generation, observed })
            })
            .collect()
    }

    /// The files that the configuration is made of, and that it reads.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = self.known.host.reads();
        for source in self.request.stack.sources.iter() {
            files.insert(source.path.display().to_string(), blake3::hash(source.text.as_bytes()).to_hex().to_string());
        }
        files
    }

    /// The digest of everything that the configuration is made of, and of what was read for it.
    fn config_digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |name: &str, content: &[u8]| {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(content.len() as u64).to_le_bytes());
            hasher.update(content);
        };
        let mut files: Vec<(String, &str)> = self
            .request
            .stack
            .sources
            .iter()
            .map(|source| (source.path.display().to_string(), source.text.as_ref()))
            .collect();
        files.sort();
        for (path, text) in &files {
            part(path, text.as_bytes());
        }
        for (name, value) in self.request.variables {
            part(&format!("var.{name}"), &canonical_bytes(value));
        }
        for (name, hash) in self.known.environment_reads() {
            part(&format!("env.{name}"), hash.as_bytes());
        }
        for (path, hash) in self.known.host.reads() {
            part(&format!("file:{path}"), hash.as_bytes());
        }
        part("environment", self.request.environment.as_bytes());
        part("data", self.data_digest.finalize().as_bytes());
        self.request.seal.keyed_hash(hasher.finalize().as_bytes())
    }
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
pub fn place(stack: &Stack, span: crate::span::Span) -> String {
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

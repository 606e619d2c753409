//! Starting and configuring the providers of a stack.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path as FilePath;
use std::sync::Arc;

use retrue_provider_api::{Marks, Path, Provider, ProviderSchema, Subject, Type, ValidateRequest, Value};

use crate::address::{BlockAddress, Mode};
use crate::config::{Origin, ProviderBlock, Stack, evaluate_body};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Root};
use crate::graph::{Graph, Node};
use crate::plan::{
    Action, Plan, PlanKind, PlannedEphemeral, PlannedValue, ProviderInstance, ProviderOrigin, ProviderWay, codes,
};
use crate::registry;
use crate::resilience::Traced;
use crate::rest::masked_near;
use crate::span::Span;
use crate::survey::calls::Calls;
use crate::survey::calls::within;
use crate::survey::functions::Functions;
use crate::survey::opened::Opener;
use crate::survey::pending::alone;
use crate::survey::providers::{Configured, OPENING_WITHIN, Providers, attribute_span, refused};
use crate::survey::scope::{BlockScope, Known};
use crate::trace::{Made, Taps};

/// A provider that was started, and its types.
type Started = (Arc<dyn Provider>, Arc<ProviderSchema>);

pub(super) async fn open(
    instance: &str,
    name: &str,
    origin: Option<&ProviderOrigin>,
    directory: &FilePath,
    environment: &BTreeMap<OsString, OsString>,
    taps: &Taps,
    span: Option<Span>,
) -> Result<Started, Diagnostic> {
    // What a plan or a journal names may be long gone from where it was.
    let again = match origin.filter(|_| !taps.answers()) {
        Some(origin) => registry::found_again(origin, directory, environment).await,
        None => None,
    };
    let real = || registry::make(name, again.as_ref().or(origin), directory, environment);
    let provider = taps.make(instance, Made { origin, real: &real }).map_err(|problem| problem.maybe_at(span))?;
    let provider = Traced::wrap(instance, provider);
    let schema = within(OPENING_WITHIN, "schema", provider.schema()).await;
    let schema = schema.map_err(|error| refused(name, &error.to_string(), span))?;
    Ok((provider, schema))
}

/// A provider that was started, and has told its types.
pub struct Opened {
    provider: Arc<dyn Provider>,
    schema: Arc<ProviderSchema>,
    type_name: Arc<str>,
    origin: Option<ProviderOrigin>,
}

/// Starts the providers that are used, side by side, and reports all that cannot be had.
pub async fn open_all(
    stack: &Stack,
    environment: &BTreeMap<OsString, OsString>,
    taps: &Taps,
    used: impl IntoIterator<Item = Arc<str>>,
) -> (BTreeMap<Arc<str>, Opened>, Vec<Diagnostic>) {
    let names: BTreeSet<Arc<str>> = used.into_iter().collect();
    let opening = names.iter().map(|name| open_one(stack, environment, taps, name));
    let answers = futures::future::join_all(opening).await;
    let mut opened = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, answer) in names.into_iter().zip(answers) {
        match answer {
            Ok(one) => {
                opened.insert(name, one);
            }
            Err(mut found) => problems.append(&mut found),
        }
    }
    (opened, problems)
}

/// The functions that started providers offer.
pub fn functions_of(opened: &BTreeMap<Arc<str>, Opened>) -> Functions {
    let offered =
        |(name, one): (&Arc<str>, &Opened)| (Arc::clone(name), (Arc::clone(&one.provider), Arc::clone(&one.schema)));
    Functions::new(opened.iter().map(offered))
}

async fn open_one(
    stack: &Stack,
    environment: &BTreeMap<OsString, OsString>,
    taps: &Taps,
    name: &Arc<str>,
) -> Result<Opened, Vec<Diagnostic>> {
    let block = stack.providers.get(name);
    let span = block.map(|block| block.span);
    let type_name = Arc::clone(block.map_or(name, |block| &block.type_name));
    let origin = match (taps.located(name), block.and_then(|block| stack.program_of(block))) {
        (Some(located), _) => located,
        (None, Some(program)) => Some(registry::locate(&type_name, program, &stack.directory, environment).await?),
        (None, None) => None,
    };
    let declared = block.is_some() || stack.blocks.values().any(|block| stack.provider_name(block) == *name);
    let opened = open(name, &type_name, origin.as_ref(), &stack.directory, environment, taps, span).await;
    let (provider, schema) = opened.map_err(|problem| match declared {
        true => vec![problem],
        false => vec![problem.hint(format!(
            "what it made is still recorded: `[provider.{name}]` is needed until that is gone; put it back, apply, and \
             remove it then"
        ))],
    })?;
    Ok(Opened { provider, schema, type_name, origin })
}

/// What came of configuring.
pub(super) struct Configuring {
    pub(super) providers: Providers,
    /// How to open again what providers are configured with.
    pub(super) planned: Vec<PlannedEphemeral>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Configures started providers, and reports all that cannot be beside those that can. Those whose
/// configuration rests on what was never applied are left [unready](Providers::unready). What is ephemeral
/// and goes into a configuration is opened before it, and is known afterwards.
pub(super) async fn configure_all(
    known: &mut Known<'_>,
    graph: &Graph,
    origins: &BTreeMap<Arc<str>, Origin>,
    mut opened: BTreeMap<Arc<str>, Opened>,
    calls: &Calls,
) -> Configuring {
    let stack = known.stack;
    let providers = Providers::new(known.environment(), &calls.taps);
    let mut done = Configuring { providers, planned: Vec::new(), problems: Vec::new() };
    let undeclared: Vec<Arc<str>> =
        opened.keys().filter(|name| !stack.providers.contains_key(*name)).cloned().collect();
    let nodes = undeclared.into_iter().map(Node::Provider).chain(graph.order().cloned());
    let needed = ephemeral_for_providers(graph, stack);
    for node in nodes {
        match node {
            Node::Provider(name) => {
                let Some(opened) = opened.remove(&name) else { continue };
                match configure_one(known, origins, &name, opened, &done.providers).await {
                    Ok((configured, None)) => done.providers.insert(name, configured),
                    Ok((configured, Some(problem))) => done.providers.insert_unready(name, configured, problem),
                    Err(mut found) => done.problems.append(&mut found),
                }
            }
            Node::Block(address) if needed.contains(&address) => {
                let Some(block) = stack.blocks.get(&address) else { continue };
                let opener = Opener { stack, providers: &done.providers, calls };
                let mut block_opened = opener.block(block, known, false).await;
                done.planned.append(&mut block_opened.planned);
                let stands_for = block_opened.stands_for(block);
                done.problems.append(&mut block_opened.problems);
                known.blocks.insert(address, stands_for);
            }
            _ => {}
        }
    }
    done
}

/// The ephemeral blocks that configurations of providers need, directly or not.
fn ephemeral_for_providers(graph: &Graph, stack: &Stack) -> BTreeSet<BlockAddress> {
    let mut needed = BTreeSet::new();
    for name in stack.providers.keys() {
        let direct = graph.blocks_behind(&Node::Provider(Arc::clone(name)));
        needed.extend(graph.with_dependencies(direct).into_iter().filter(|block| block.mode == Mode::Ephemeral));
    }
    needed
}

/// One way to configure a provider, evaluated.
struct Evaluated {
    config: Value,
    body: Expression,
    /// Where it is written: the block, or an entry of its `fallback`.
    span: Option<Span>,
}

/// Configures one provider. With a problem it is left unready.
async fn configure_one(
    known: &Known<'_>,
    origins: &BTreeMap<Arc<str>, Origin>,
    name: &Arc<str>,
    opened: Opened,
    providers: &Providers,
) -> Result<(Configured, Option<Diagnostic>), Vec<Diagnostic>> {
    let stack: &Stack = known.stack;
    let block = stack.providers.get(name);
    let span = block.map(|block| block.span);
    let Opened { provider, schema, type_name, origin } = opened;
    let empty = Expression::table(Vec::new(), Span::default());
    let body = block.map_or(empty, |block| block.body.clone());
    let scope = BlockScope::plain(known);
    let evaluate = |body: Expression, span: Option<Span>| {
        let config = evaluate_body(&body, &schema.provider.block, &scope)?;
        providers.taps().learn(&mark_secret(config.clone(), &schema));
        Ok::<_, Vec<Diagnostic>>(Evaluated { config, body, span })
    };
    let first = evaluate(body, span)?;
    let ways = block.into_iter().flat_map(ProviderBlock::ways).map(|way| {
        let span = Some(way.span());
        evaluate(way, span)
    });
    let ways: Vec<Evaluated> = ways.collect::<Result<_, _>>()?;
    let all = || [&first].into_iter().chain(&ways);
    // What is not known, or ephemeral, in one of them is evaluated again with all of them.
    let unknown = all().find_map(|one| Some((one, one.config.unknown_paths().first()?.clone())));
    let again = |one: &Evaluated| {
        let needed = unknown.is_some() || all().any(|one| one.config.marks_deep().ephemeral);
        needed.then(|| alone(&one.body, &scope))
    };
    let of_source = |one: &Evaluated| match unknown {
        Some(_) => BTreeMap::new(),
        None => sources(&one.body, &one.config, stack, origins),
    };
    let secret = |one: &Evaluated| PlannedValue::known(mark_secret(one.config.clone(), &schema));
    let fallback =
        ways.iter().map(|one| ProviderWay { config: secret(one), sources: of_source(one), again: again(one) });
    let instance = ProviderInstance {
        provider: type_name,
        origin,
        config: secret(&first),
        sources: of_source(&first),
        again: again(&first),
        fallback: fallback.collect(),
        late: unknown.is_some(),
        policy: stack.policy(name),
    };
    let secrets: Vec<Value> = all().map(|one| one.config.clone()).collect();
    let secrets: Vec<&Value> = secrets.iter().collect();
    if let Some((one, path)) = &unknown {
        let problem = not_known(name, path, &one.body, known).maybe_at(attribute_span(&one.body, path).or(one.span));
        return Ok((providers.guarded(name, (provider, schema), instance), Some(problem)));
    }
    let mut wrong = Vec::new();
    for one in all() {
        let config = one.config.clone().unmark_deep().0;
        let request = ValidateRequest { subject: Subject::Provider, type_name: String::new(), config };
        let said = within(OPENING_WITHIN, "validate", provider.validate(request))
            .await
            .map_err(|error| vec![refused(name, &masked_near(&error.to_string(), &secrets), one.span)])?;
        wrong.extend(said.into_iter().filter(|diagnostic| diagnostic.error).map(|diagnostic| {
            let at = diagnostic.path.as_ref().and_then(|path| attribute_span(&one.body, path)).or(one.span);
            refused(name, &masked_near(&diagnostic.message, &secrets), at)
        }));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let configured = providers.guarded(name, (provider, schema), instance);
    let configuring = providers.configure_one(name, &configured, &stack.directory);
    configuring.await.map_err(|message| vec![refused(name, &message, span)])?;
    Ok((configured, None))
}

/// Marks whatever is not known to be harmless.
pub fn mark_secret(config: Value, schema: &ProviderSchema) -> Value {
    let secret: Vec<Path> = schema
        .provider
        .block
        .attributes
        .iter()
        .filter(|(_, attribute)| !attribute.harmless)
        .map(|(name, _)| name)
        .chain(schema.provider.block.blocks.keys())
        .filter(|name| config.get(name).is_some_and(|value| !value.is_null()))
        .map(|name| Path::attribute(name.as_str()))
        .collect();
    config.with_marked_paths(secret.iter().map(|path| (path, Marks::SENSITIVE)))
}

/// The blocks that the configuration of a provider rests on, through locals too.
fn rests_on(body: &Expression, stack: &Stack) -> BTreeSet<BlockAddress> {
    let mut blocks = BTreeSet::new();
    let mut seen: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut open = vec![body];
    while let Some(expression) = open.pop() {
        for reference in expression.references() {
            if let Some(block) = reference.root.block() {
                blocks.insert(block);
            } else if let Root::Local(local) = reference.root
                && seen.insert(Arc::clone(&local))
            {
                open.extend(stack.locals.get(&local).map(|local| &local.value));
            }
        }
    }
    blocks
}

/// Warns of providers that were configured from what a plan is about to change: they go on with what was,
/// until the next run.
pub(super) fn outdated(stack: &Stack, plan: &Plan) -> Vec<Diagnostic> {
    if plan.kind == PlanKind::Destroy {
        return Vec::new();
    }
    let quiet =
        |action| matches!(action, Action::NoOp | Action::Adopt | Action::Import | Action::Forget | Action::Read);
    let changing: BTreeSet<&BlockAddress> = plan
        .changes
        .iter()
        .filter(|change| change.object.is_current() && !quiet(change.action))
        .map(|change| &change.address.block)
        .collect();
    let mut warnings = Vec::new();
    // What is configured while applying is configured from what is there then.
    let late = |name: &str| plan.providers.get(name).is_some_and(|instance| instance.late);
    for block in stack.providers.values().filter(|block| !late(&block.name)) {
        let rests: BTreeSet<BlockAddress> = block.expressions().flat_map(|one| rests_on(one, stack)).collect();
        for changed in rests.iter().filter(|block| changing.contains(block)) {
            let message = format!(
                "the provider `{}` is configured from `{changed}` as it is recorded, and this plan changes that",
                block.name
            );
            let hint = format!("apply that first: `retrue apply --target {changed}`");
            warnings.push(Diagnostic::warning(codes::PROVIDER_UNKNOWN, message).at(block.span).hint(hint));
        }
    }
    warnings
}

/// What to tell whoever needs a provider whose configuration is not known yet.
fn not_known(name: &str, path: &Path, body: &Expression, known: &Known<'_>) -> Diagnostic {
    let waiting = rests_on(body, known.stack)
        .into_iter()
        .filter(|block| known.blocks.get(block).is_none_or(|instances| !instances.whole().is_wholly_known()));
    let problem = Diagnostic::error(
        codes::PROVIDER_UNKNOWN,
        format!("the configuration of the provider `{name}` is not known while planning: `{path}`"),
    );
    let waiting = waiting.filter(|block| block.mode != Mode::Ephemeral);
    let (data, resources): (Vec<_>, Vec<_>) = waiting.partition(|block| block.mode == Mode::Data);
    if !data.is_empty() {
        return problem.hint(
            "data is read when providers are configured already: take the value from a variable with `from`, from a \
             function such as `file`, or from a resource",
        );
    }
    match resources.is_empty() {
        true => problem.hint("let it depend on variables, locals and what is applied already"),
        false => {
            let targets: Vec<String> = resources.iter().map(|block| format!("--target {block}")).collect();
            problem.hint(format!("apply what it depends on first: `retrue apply {}`", targets.join(" ")))
        }
    }
}

/// The attributes whose value is just that of a variable that was read from a source, by the source: it
/// can be read again, so that the value need not be kept. Only where the text of the source becomes the
/// value by a plain conversion.
fn sources(
    body: &Expression,
    config: &Value,
    stack: &Stack,
    origins: &BTreeMap<Arc<str>, Origin>,
) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    for (key, value) in body.as_table().unwrap_or_default() {
        let Some(name) = key.as_literal().and_then(Value::as_str) else { continue };
        if let Some(reference) = value.as_reference()
            && reference.path.0.is_empty()
            && let Root::Var(variable) = &reference.root
            && let Some(Origin::Source(source)) = origins.get(variable)
            && let Some(variable) = stack.variables.get(variable)
            && let Some(attribute) = config.get(name).map(Value::kind)
            && (!variable.typed || *variable.kind() == Type::String || *variable.kind() == attribute)
            && attribute.is_primitive()
        {
            sources.insert(name.to_owned(), source.to_string());
        }
    }
    sources
}

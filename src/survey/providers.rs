//! The configured provider instances of a stack.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{
    ConfigureRequest, Marks, Path, Provider, ProviderDiagnostic, ProviderSchema, Subject, Type, ValidateRequest, Value,
};

use crate::address::{BlockAddress, Mode};
use crate::config::{Origin, Stack, evaluate_body};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Root};
use crate::plan::{Action, Plan, PlanKind, PlannedValue, ProviderInstance, ProviderOrigin, codes};
use crate::registry;
use crate::saga::ProviderRef;
use crate::span::Span;
use crate::survey::calls::within;
use crate::survey::scope::{BlockScope, Known};
use crate::survey::traced::Traced;

/// How long a provider may take to start, to tell its types, and to be configured.
const OPENING_WITHIN: Duration = Duration::from_secs(120);

/// A configured provider, ready for use.
#[derive(Clone)]
pub struct Configured {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Its types.
    pub schema: Arc<ProviderSchema>,
    /// What it was configured with.
    pub instance: ProviderInstance,
}

impl Configured {
    /// How objects that it makes name it, under the name of the instance.
    pub fn recorded_as(&self, instance: &str) -> ProviderRef {
        let program = self.instance.origin.as_ref();
        ProviderRef {
            provider: self.instance.provider.to_string(),
            version: program.map_or(env!("CARGO_PKG_VERSION"), |program| program.version.as_str()).to_owned(),
            hash: program.map(|program| program.hash.clone()).unwrap_or_default(),
            instance: instance.to_owned(),
        }
    }
}

/// All configured providers by the name of the instance.
#[derive(Clone, Default)]
pub struct Providers {
    ready: BTreeMap<Arc<str>, Configured>,
    /// Those whose configuration is not known yet, and why. They know their types, and nothing else may
    /// be asked of them.
    unready: BTreeMap<Arc<str>, (Configured, Diagnostic)>,
}

impl Providers {
    /// One instance.
    pub fn get(&self, name: &str) -> Option<&Configured> {
        self.ready.get(name).or_else(|| self.unready.get(name).map(|(types_only, _)| types_only))
    }

    /// All configured instances in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Configured)> {
        self.ready.iter()
    }

    /// The instances whose configuration is not known yet, and what to tell whoever needs one.
    pub fn unready(&self) -> impl Iterator<Item = (&Arc<str>, &Diagnostic)> {
        self.unready.iter().map(|(name, (_, problem))| (name, problem))
    }

    /// Adds an instance.
    pub fn insert(&mut self, name: Arc<str>, configured: Configured) {
        self.ready.insert(name, configured);
    }

    /// Asks all of them to end what they are doing.
    pub async fn stop(&self) {
        for configured in self.ready.values() {
            configured.provider.stop().await;
        }
    }

    /// Configures an instance from what a plan or a journal holds.
    pub async fn configure(
        &mut self,
        name: Arc<str>,
        instance: ProviderInstance,
        directory: &FilePath,
        environment: &BTreeMap<OsString, OsString>,
    ) -> Result<(), Diagnostic> {
        if self.ready.contains_key(&name) {
            return Ok(());
        }
        let (provider, schema) =
            open(&instance.provider, instance.origin.as_ref(), directory, environment, None).await?;
        let (config, _) = instance.config.value.clone().unmark_deep();
        let request = ConfigureRequest { config, directory: directory.to_owned() };
        within(OPENING_WITHIN, "configure", provider.configure(request))
            .await
            .map_err(|error| refused(&name, &error.to_string(), None))?;
        self.ready.insert(name, Configured { provider, schema, instance });
        Ok(())
    }
}

fn refused(name: &str, message: &str, span: Option<Span>) -> Diagnostic {
    Diagnostic::error(codes::PROVIDER, format!("the provider `{name}` cannot be used: {message}"))
        .maybe_at(span)
        .hint(format!("`[provider.{name}]` configures it; its page in the documentation of types says what it takes"))
}

async fn open(
    name: &str,
    origin: Option<&ProviderOrigin>,
    directory: &FilePath,
    environment: &BTreeMap<OsString, OsString>,
    span: Option<Span>,
) -> Result<(Arc<dyn Provider>, Arc<ProviderSchema>), Diagnostic> {
    let provider = registry::make(name, origin, directory, environment).map_err(|problem| problem.maybe_at(span))?;
    let provider = Traced::wrap(name, provider);
    let schema = within(OPENING_WITHIN, "schema", provider.schema()).await;
    let schema = schema.map_err(|error| refused(name, &error.to_string(), span))?;
    Ok((provider, schema))
}

/// The name of the provider instance of a type: the one that it picks, or the one of its prefix.
pub fn instance_name(picked: Option<&Arc<str>>, type_name: &str) -> Arc<str> {
    picked.cloned().unwrap_or_else(|| registry::provider_of(type_name).into())
}

/// Configures the instances that are used, by name, and reports all that cannot be beside those that can.
/// Those whose configuration rests on what was never applied are left [unready](Providers::unready).
pub async fn configure_all(
    known: &Known<'_>,
    origins: &BTreeMap<Arc<str>, Origin>,
    used: impl IntoIterator<Item = Arc<str>>,
) -> (Providers, Vec<Diagnostic>) {
    let mut providers = Providers::default();
    let mut problems = Vec::new();
    let mut names: Vec<Arc<str>> = used.into_iter().chain(known.stack.providers.keys().cloned()).collect();
    names.sort();
    names.dedup();
    for name in names {
        match configure_one(known, origins, &name).await {
            Ok((configured, None)) => providers.insert(name, configured),
            Ok((types_only, Some(problem))) => {
                providers.unready.insert(name, (types_only, problem));
            }
            Err(mut found) => problems.append(&mut found),
        }
    }
    (providers, problems)
}

async fn configure_one(
    known: &Known<'_>,
    origins: &BTreeMap<Arc<str>, Origin>,
    name: &Arc<str>,
) -> Result<(Configured, Option<Diagnostic>), Vec<Diagnostic>> {
    let stack: &Stack = known.stack;
    let block = stack.providers.get(name);
    let span = block.map(|block| block.span);
    let type_name = block.map_or(name, |block| &block.type_name);
    let origin = match block.and_then(|block| stack.program_of(block)) {
        Some(program) => Some(
            registry::locate(type_name, program, &stack.directory, known.process_environment())
                .await
                .map_err(|problem| vec![problem])?,
        ),
        None => None,
    };
    let declared = block.is_some() || stack.blocks.values().any(|block| stack.provider_name(block) == *name);
    let opened = open(type_name, origin.as_ref(), &stack.directory, known.process_environment(), span).await;
    let (provider, schema) = opened.map_err(|problem| match declared {
        true => vec![problem],
        false => vec![problem.hint(format!(
            "what it made is still recorded: `[provider.{name}]` is needed until that is gone; put it back, apply, and \
             remove it then"
        ))],
    })?;
    let empty = Expression::table(Vec::new(), Span::default());
    let body = block.map_or(&empty, |block| &block.body);
    let config = evaluate_body(body, &schema.provider.block, &BlockScope::plain(known))?;
    if let Some(path) = config.unknown_paths().first() {
        let problem = not_known(name, path, body, known).maybe_at(attribute_span(body, path).or(span));
        let instance = ProviderInstance {
            provider: Arc::clone(type_name),
            origin: origin.clone(),
            config: PlannedValue::known(config),
            sources: BTreeMap::new(),
        };
        return Ok((Configured { provider, schema, instance }, Some(problem)));
    }
    let (plain, _) = config.clone().unmark_deep();
    let request = ValidateRequest { subject: Subject::Provider, type_name: String::new(), config: plain.clone() };
    let said = within(OPENING_WITHIN, "validate", provider.validate(request))
        .await
        .map_err(|error| vec![refused(name, &error.to_string(), span)])?;
    let wrong: Vec<Diagnostic> = said
        .into_iter()
        .filter(|diagnostic| diagnostic.error)
        .map(|diagnostic| {
            let at = diagnostic.path.as_ref().and_then(|path| attribute_span(body, path)).or(span);
            refused(name, &diagnostic.message, at)
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let request = ConfigureRequest { config: plain, directory: stack.directory.clone() };
    within(OPENING_WITHIN, "configure", provider.configure(request))
        .await
        .map_err(|error| vec![refused(name, &error.to_string(), span)])?;
    let sources = sources(body, &config, stack, origins);
    let instance = ProviderInstance {
        provider: Arc::clone(type_name),
        origin,
        config: PlannedValue::known(mark_secret(config, &schema)),
        sources,
    };
    Ok((Configured { provider, schema, instance }, None))
}

/// What a provider says about a configuration, for people.
pub fn told(named: &str, said: ProviderDiagnostic, body: &Expression, span: Span) -> Diagnostic {
    let at = said.path.as_ref().and_then(|path| attribute_span(body, path)).unwrap_or(span);
    let message = format!("`{named}`: {}", said.message);
    let told = match said.error {
        true => Diagnostic::error(codes::PROVIDER, message),
        false => Diagnostic::warning(codes::PROVIDER, message),
    };
    let told = told.at(at).hint("`retrue providers schema TYPE` tells what the type takes");
    if said.detail.is_empty() { told } else { told.note(said.detail) }
}

/// Where an attribute is set in a block.
pub fn attribute_span(body: &Expression, path: &Path) -> Option<Span> {
    let name = path.first_attribute()?;
    body.as_table()?
        .iter()
        .find(|(key, _)| key.as_literal().and_then(Value::as_str) == Some(name))
        .map(|(_, value)| value.span())
}

/// Marks whatever is not known to be harmless.
fn mark_secret(config: Value, schema: &ProviderSchema) -> Value {
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
pub fn outdated(stack: &Stack, plan: &Plan) -> Vec<Diagnostic> {
    if plan.kind == PlanKind::Destroy {
        return Vec::new();
    }
    let quiet =
        |action| matches!(action, Action::NoOp | Action::Adopt | Action::Import | Action::Forget | Action::Read);
    let changing: BTreeSet<&BlockAddress> =
        plan.changes.iter().filter(|change| !quiet(change.action)).map(|change| &change.address.block).collect();
    let mut warnings = Vec::new();
    for block in stack.providers.values() {
        for changed in rests_on(&block.body, stack).iter().filter(|block| changing.contains(block)) {
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

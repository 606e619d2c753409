//! The configured provider instances of a stack.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{
    Category, ConfigureRequest, Path, Provider, ProviderDiagnostic, ProviderError, ProviderResult, ProviderSchema,
    Value,
};

use tokio_util::sync::CancellationToken;

use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::plan::{ProviderInstance, codes};
use crate::registry;
use crate::resilience::{Alternative, Gate, Guard, Layered, MovedOver, Resilience};
use crate::rest::masked_near;
use crate::saga::ProviderRef;
use crate::span::Span;
use crate::survey::calls::within;
use crate::survey::ephemeral::Ephemerals;
use crate::survey::functions::Functions;
use crate::survey::opening::open;
use crate::trace::Taps;

/// How long a provider may take to start, to tell its types, and to be configured.
pub(super) const OPENING_WITHIN: Duration = Duration::from_secs(120);

/// A configured provider, ready for use.
#[derive(Clone)]
pub struct Configured {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Its types.
    pub schema: Arc<ProviderSchema>,
    /// What it was configured with.
    pub instance: ProviderInstance,
    /// What stands between us and it.
    pub guard: Arc<Guard>,
}

impl Configured {
    /// A provider that was started, behind its guard.
    fn new(
        name: &Arc<str>,
        (provider, schema): (Arc<dyn Provider>, Arc<ProviderSchema>),
        instance: ProviderInstance,
        run: &Arc<Resilience>,
    ) -> Self {
        let guard = Guard::new(Arc::clone(name), &instance.provider, instance.policy.clone(), Arc::clone(run));
        let guard = Arc::new(guard);
        Configured { provider: Layered::wrap(Arc::clone(&guard), provider), schema, instance, guard }
    }

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

/// All configured providers by the name of the instance, and what was opened with them.
#[derive(Clone)]
pub struct Providers {
    /// What all of them share.
    resilience: Arc<Resilience>,
    /// What those share that were configured beside these.
    beside: Vec<Arc<Resilience>>,
    ready: BTreeMap<Arc<str>, Configured>,
    /// Those whose configuration is not known yet.
    unready: BTreeMap<Arc<str>, Unready>,
    ephemerals: Arc<Ephemerals>,
    taps: Taps,
    /// The environment of the process.
    environment: Arc<BTreeMap<OsString, OsString>>,
}

/// Another way to the objects of an instance.
struct Way {
    name: Arc<str>,
    instance: ProviderInstance,
    /// Which entry of its `fallback` it is, from 0 on.
    entry: usize,
    directory: PathBuf,
    environment: Arc<BTreeMap<OsString, OsString>>,
    taps: Taps,
}

#[async_trait]
impl Alternative for Way {
    async fn open(&self) -> ProviderResult<Arc<dyn Provider>> {
        let Way { name, instance, entry, directory, environment, taps } = self;
        let secrets: Vec<&Value> = instance.configs().collect();
        let opened = open(name, &instance.provider, instance.origin.as_ref(), directory, environment, taps, None).await;
        let (provider, _) = opened.map_err(|problem| {
            ProviderError::new(Category::Unknown, "configure", masked_near(&problem.message, &secrets))
        })?;
        let config = instance.fallback.get(*entry).map_or(&instance.config, |way| &way.config);
        let config = config.value.clone().unmark_deep().0;
        let request = ConfigureRequest { config, directory: directory.clone() };
        let configured = within(OPENING_WITHIN, "configure", provider.configure(request)).await;
        configured.map_err(|error| ProviderError { message: masked_near(&error.message, &secrets), ..error })?;
        Ok(provider)
    }
}

/// A provider whose configuration is not known yet.
#[derive(Clone)]
struct Unready {
    /// It knows its types, and nothing else may be asked of it.
    types_only: Configured,
    /// What to tell whoever needs more now.
    problem: Diagnostic,
    /// The same, once it is configured.
    late: Arc<OnceLock<Configured>>,
}

/// The variable of the environment that says what is left to chance: with the same number, waits are the same.
pub const JITTER_SEED: &str = "RETRUE_JITTER_SEED";

impl Providers {
    /// None yet.
    pub fn new(environment: &BTreeMap<OsString, OsString>, taps: &Taps) -> Self {
        let seed = environment.get(&OsString::from(JITTER_SEED)).and_then(|seed| seed.to_str()?.parse().ok());
        Providers {
            resilience: Arc::new(Resilience::new(seed)),
            beside: Vec::new(),
            ready: BTreeMap::new(),
            unready: BTreeMap::new(),
            ephemerals: Arc::default(),
            taps: taps.clone(),
            environment: Arc::new(environment.clone()),
        }
    }

    /// Nothing waits for a provider that does not work once this is cancelled.
    pub fn heed(&self, stop: &CancellationToken) {
        self.shared().for_each(|resilience| resilience.heed(stop.clone()));
    }

    /// Takes over what others share of which some are [inserted](Providers::insert) here.
    pub fn beside(&mut self, others: &Providers) {
        self.beside.extend(others.shared().cloned());
    }

    fn shared(&self) -> impl Iterator<Item = &Arc<Resilience>> {
        [&self.resilience].into_iter().chain(&self.beside)
    }

    /// What the recovery of breakers waits for, by the name of its check.
    pub fn gate(&self, name: Arc<str>, gate: Arc<dyn Gate>) {
        self.resilience.gate(name, gate);
    }

    /// One instance.
    pub fn get(&self, name: &str) -> Option<&Configured> {
        self.ready.get(name).or_else(|| {
            let unready = self.unready.get(name)?;
            Some(unready.late.get().unwrap_or(&unready.types_only))
        })
    }

    /// Whether an instance is configured, so that anything may be asked of it.
    pub fn is_ready(&self, name: &str) -> bool {
        self.ready.contains_key(name) || self.unready.get(name).is_some_and(|unready| unready.late.get().is_some())
    }

    /// What stands between us and the making of providers.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// What was opened.
    pub fn ephemerals(&self) -> &Arc<Ephemerals> {
        &self.ephemerals
    }

    /// What to tell whoever needs an instance that is not configured.
    pub fn problem(&self, name: &str) -> Option<&Diagnostic> {
        self.unready.get(name).filter(|unready| unready.late.get().is_none()).map(|unready| &unready.problem)
    }

    /// The instances that are configured while applying.
    pub fn unready(&self) -> impl Iterator<Item = (&Arc<str>, &Configured)> {
        self.unready.iter().map(|(name, unready)| (name, &unready.types_only))
    }

    /// Configures an instance that was not known before, with a configuration that is. Twice is once.
    ///
    /// # Errors
    /// It does not take it.
    pub async fn configure_late(
        &self,
        name: &str,
        instance: ProviderInstance,
        directory: &FilePath,
    ) -> Result<(), Diagnostic> {
        let Some(unready) = self.unready.get(name).filter(|unready| unready.late.get().is_none()) else {
            return Ok(());
        };
        let Configured { provider, schema, guard, .. } = unready.types_only.clone();
        let configured = Configured { provider, schema, instance, guard };
        let name: Arc<str> = name.into();
        let configuring = self.configure_one(&name, &configured, directory);
        configuring.await.map_err(|message| refused(&name, &message, None))?;
        let _ = unready.late.set(configured);
        Ok(())
    }

    /// Starts an instance that is configured later.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn open_late(
        &mut self,
        name: Arc<str>,
        instance: ProviderInstance,
        directory: &FilePath,
        environment: &BTreeMap<OsString, OsString>,
    ) -> Result<(), Diagnostic> {
        if self.get(&name).is_some() {
            return Ok(());
        }
        let opened =
            open(&name, &instance.provider, instance.origin.as_ref(), directory, environment, &self.taps, None).await?;
        let problem = refused(&name, "its configuration is not known yet", None);
        let types_only = self.guarded(&name, opened, instance);
        self.insert_unready(name, types_only, problem);
        Ok(())
    }

    /// Closes what was opened.
    pub async fn close(&self) {
        self.ephemerals.close().await;
    }

    /// All configured instances in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Configured)> {
        self.ready.iter()
    }

    /// The same, with those that were configured late.
    pub fn all_ready(&self) -> impl Iterator<Item = (&Arc<str>, &Configured)> {
        let late = self.unready.iter().filter_map(|(name, unready)| Some((name, unready.late.get()?)));
        self.ready.iter().chain(late)
    }

    /// A started provider of these, behind its guard.
    pub(super) fn guarded(
        &self,
        name: &Arc<str>,
        opened: (Arc<dyn Provider>, Arc<ProviderSchema>),
        instance: ProviderInstance,
    ) -> Configured {
        // Where a recording answers, nobody waits for anything.
        let policy = instance.policy.clone();
        let policy = if self.taps.answers() { policy.at_once() } else { policy };
        Configured::new(name, opened, ProviderInstance { policy, ..instance }, &self.resilience)
    }

    /// Configures one of these whose configuration is known by now, in the first of its ways that can be.
    ///
    /// # Errors
    /// It does not take it.
    pub(super) async fn configure_one(
        &self,
        name: &Arc<str>,
        configured: &Configured,
        directory: &FilePath,
    ) -> Result<(), String> {
        let Configured { provider, instance, guard, .. } = configured;
        guard.offer(self.alternatives(name, instance, directory), OPENING_WITHIN);
        let config = instance.config.value.clone().unmark_deep().0;
        let request = ConfigureRequest { config, directory: directory.to_owned() };
        let ways = u32::try_from(instance.fallback.len()).unwrap_or(u32::MAX).saturating_add(1);
        let secrets: Vec<&Value> = instance.configs().collect();
        within(OPENING_WITHIN.saturating_mul(ways), "configure", provider.configure(request))
            .await
            .map_err(|error| masked_near(&format!("{error:#}"), &secrets))
    }

    /// The other ways to the objects of an instance.
    fn alternatives(
        &self,
        name: &Arc<str>,
        instance: &ProviderInstance,
        directory: &FilePath,
    ) -> Vec<Arc<dyn Alternative>> {
        let ways = (0..instance.fallback.len()).map(|entry| {
            Arc::new(Way {
                name: Arc::clone(name),
                instance: instance.clone(),
                entry,
                directory: directory.to_owned(),
                environment: Arc::clone(&self.environment),
                taps: self.taps.clone(),
            }) as Arc<dyn Alternative>
        });
        ways.collect()
    }

    /// What is reached in another way than it is configured, in the order in which it came to that.
    pub fn moves(&self) -> Vec<MovedOver> {
        self.shared().flat_map(|resilience| resilience.moves()).collect()
    }

    /// Those of them that nobody asked for yet: whoever does tells of them.
    pub fn untold_moves(&self) -> Vec<MovedOver> {
        self.shared().flat_map(|resilience| resilience.untold_moves()).collect()
    }

    /// Adds an instance.
    pub fn insert(&mut self, name: Arc<str>, configured: Configured) {
        self.ready.insert(name, configured);
    }

    /// Adds an instance whose configuration is not known yet.
    pub(super) fn insert_unready(&mut self, name: Arc<str>, types_only: Configured, problem: Diagnostic) {
        self.unready.insert(name, Unready { types_only, problem, late: Arc::default() });
    }

    /// The functions that they offer. They need no configuration.
    pub fn functions(&self) -> Functions {
        let all = self.ready.iter().chain(self.unready());
        Functions::new(all.map(|(name, configured)| {
            (Arc::clone(name), (Arc::clone(&configured.provider), Arc::clone(&configured.schema)))
        }))
    }

    /// Asks all of them to end what they are doing.
    pub async fn stop(&self) {
        for (_, configured) in self.all_ready() {
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
            open(&name, &instance.provider, instance.origin.as_ref(), directory, environment, &self.taps, None).await?;
        let configured = self.guarded(&name, (provider, schema), instance);
        self.configure_one(&name, &configured, directory).await.map_err(|message| refused(&name, &message, None))?;
        self.ready.insert(name, configured);
        Ok(())
    }
}

pub(super) fn refused(name: &str, message: &str, span: Option<Span>) -> Diagnostic {
    Diagnostic::error(codes::PROVIDER, format!("the provider `{name}` cannot be used: {message}"))
        .maybe_at(span)
        .hint(format!("`[provider.{name}]` configures it; its page in the documentation of types says what it takes"))
}

/// The name of the provider instance of a type: the one that it picks, or the one of its prefix.
pub fn instance_name(picked: Option<&Arc<str>>, type_name: &str) -> Arc<str> {
    picked.cloned().unwrap_or_else(|| registry::provider_of(type_name).into())
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

//! What becomes ready only while something is done: ephemeral values, which are opened when a step needs
//! them, and providers whose configuration waits for such a value, or for what another step makes.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use retrue_provider_api::{Marks, Value};
use tokio::sync::Mutex;

use crate::address::{Address, BlockAddress};
use crate::apply::codes;
use crate::apply::scope::Values;
use crate::apply::settle::journaled;
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Root};
use crate::plan::marks::mark_planned;
use crate::plan::{
    Pending, PendingCondition, Plan, PlannedEphemeral, PlannedValue, ProviderInstance, ProviderWay, Step,
};
use crate::rest::{Seal, masked_near};
use crate::saga::journal::{Entry, Journal};
use crate::saga::{Event, State};
use crate::survey::conditions::holds;
use crate::survey::locals::in_order;
use crate::survey::pending::ephemeral_blocks;
use crate::survey::{Calls, Providers, mark_secret};

/// Something that becomes ready late.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Provider(Arc<str>),
    Ephemeral(BlockAddress),
}

/// Makes ready what is needed, once, and in an order in which it can be done.
pub(super) struct Late<'a> {
    ephemerals: &'a [PlannedEphemeral],
    providers: &'a Providers,
    values: &'a Values,
    calls: Calls,
    directory: &'a FilePath,
    /// Where it is written down what a provider was configured with.
    journal: Option<(&'a Journal, &'a dyn Seal)>,
    gate: Mutex<()>,
}

impl<'a> Late<'a> {
    pub(super) fn new(
        ephemerals: &'a [PlannedEphemeral],
        providers: &'a Providers,
        values: &'a Values,
        calls: Calls,
        directory: &'a FilePath,
    ) -> Self {
        Late { ephemerals, providers, values, calls, directory, journal: None, gate: Mutex::default() }
    }

    /// The same, written down.
    pub(super) fn journaled(self, journal: &'a Journal, seal: &'a dyn Seal) -> Self {
        Late { journal: Some((journal, seal)), ..self }
    }

    /// Makes ready all that a step needs.
    pub(super) async fn for_step(&self, step: &Step) -> Result<(), Diagnostic> {
        let conditions = step.preconditions.iter().chain(&step.postconditions);
        let conditions = conditions.flat_map(|condition| [&condition.condition, &condition.message]);
        self.provide(step.config.pending.values().chain(conditions), Some(&step.provider)).await
    }

    /// Makes ready a provider, and what expressions refer to.
    pub(super) async fn provide(
        &self,
        pendings: impl Iterator<Item = &Pending>,
        provider: Option<&Arc<str>>,
    ) -> Result<(), Diagnostic> {
        let mut wanted: Vec<Need> = Vec::new();
        if !self.ephemerals.is_empty() {
            wanted.extend(pendings.flat_map(|pending| self.values.ephemeral_blocks(pending)).map(Need::Ephemeral));
        }
        let late = provider.filter(|name| self.providers.problem(name).is_some());
        wanted.extend(late.cloned().map(Need::Provider));
        if wanted.is_empty() {
            return Ok(());
        }
        let _one_at_a_time = self.gate.lock().await;
        for need in wanted {
            for need in in_order(need, |need| self.needs(need)) {
                match need {
                    Need::Provider(name) => self.configure(&name).await?,
                    Need::Ephemeral(block) => self.open(&block).await?,
                }
            }
        }
        Ok(())
    }

    fn needs(&self, need: &Need) -> Vec<Need> {
        match need {
            Need::Provider(name) => {
                let pending = self.providers.get(name).into_iter().flat_map(|configured| configured.instance.pending());
                pending.flat_map(ephemeral_blocks).map(Need::Ephemeral).collect()
            }
            Need::Ephemeral(block) => {
                let planned = self.ephemerals.iter().filter(|planned| planned.address.block == *block);
                let needs = planned.flat_map(|planned| {
                    let conditions = planned.preconditions.iter().map(|condition| &condition.condition);
                    let blocks = conditions.chain([&planned.config]).flat_map(ephemeral_blocks).map(Need::Ephemeral);
                    blocks.chain([Need::Provider(Arc::clone(&planned.provider))]).collect::<Vec<_>>()
                });
                needs.collect()
            }
        }
    }

    async fn configure(&self, name: &Arc<str>) -> Result<(), Diagnostic> {
        let Some(configured) = self.providers.get(name).filter(|_| !self.providers.is_ready(name)) else {
            return Ok(());
        };
        let wrong = |message: String| {
            Diagnostic::error(codes::EVALUATION, format!("the provider `{name}` cannot be configured: {message}"))
        };
        let evaluate = |again: &Pending| {
            let config = self
                .values
                .evaluate_body(again, &configured.schema.provider.block)
                .map_err(|problems| wrong(in_words(&problems)))?;
            if let Some(path) = config.unknown_paths().first() {
                return Err(wrong(format!("`{path}` has no value yet")));
            }
            let ephemeral = config.marks_deep().ephemeral;
            Ok((PlannedValue::known(mark_secret(config, &configured.schema)), ephemeral.then(|| self.bound(again))))
        };
        let again = configured.instance.again.as_ref().ok_or_else(|| wrong("nothing says how".to_owned()))?;
        let (config, mut bound) = evaluate(again)?;
        let fallback = configured.instance.fallback.iter().map(|way| match &way.again {
            Some(pending) => evaluate(pending).map(|(config, again)| ProviderWay { config, again, ..way.clone() }),
            None => Ok(way.clone()),
        });
        let fallback: Vec<ProviderWay> = fallback.collect::<Result<_, Diagnostic>>()?;
        // What is ephemeral in any of them is evaluated again with all of them.
        if bound.is_none() && fallback.iter().any(|way| way.again.is_some()) {
            bound = Some(self.bound(again));
        }
        let instance = ProviderInstance {
            config,
            // What is not ephemeral is known from now on, whatever becomes of where it came from.
            again: bound,
            fallback,
            late: false,
            ..configured.instance.clone()
        };
        self.providers.configure_late(name, instance.clone(), self.directory).await?;
        if let Some((journal, seal)) = self.journal {
            let event = Event::Configured { name: name.to_string(), provider: Box::new(journaled(&instance, seal)) };
            journal.write(vec![Entry::run(event)]).await.map_err(|error| wrong(error.to_string()))?;
        }
        Ok(())
    }

    /// The same expression, with the values of the resources that it refers to.
    fn bound(&self, pending: &Pending) -> Pending {
        let mut bound = pending.clone();
        let expressions = [&pending.expression].into_iter().chain(pending.locals.values());
        let parsed = expressions.filter_map(|portable| Expression::from_portable(portable).ok());
        for reference in parsed.flat_map(|expression| expression.references()) {
            let resource = matches!(reference.root, Root::Resource { .. } | Root::Data { .. });
            if let Some(block) = reference.root.block().filter(|_| resource)
                && let Ok(value) = self.values.resolve(&block, None, reference.span)
            {
                bound.bindings.insert(reference.root.to_string(), value);
            }
        }
        bound
    }

    async fn open(&self, block: &BlockAddress) -> Result<(), Diagnostic> {
        for planned in self.ephemerals.iter().filter(|planned| planned.address.block == *block) {
            let address = &planned.address;
            let wrong = |message: String| Diagnostic::error(codes::EVALUATION, format!("`{address}`: {message}"));
            let value = match self.providers.ephemerals().value(address).map_err(wrong)? {
                Some(value) => value,
                None => self.open_one(planned).await?,
            };
            self.values.put(address, value);
        }
        Ok(())
    }

    async fn open_one(&self, planned: &PlannedEphemeral) -> Result<Value, Diagnostic> {
        let address = &planned.address;
        let wrong = |message: String| Diagnostic::error(codes::EVALUATION, format!("`{address}`: {message}"));
        let configured = self
            .providers
            .get(&planned.provider)
            .filter(|_| self.providers.is_ready(&planned.provider))
            .ok_or_else(|| wrong(format!("the provider `{}` is not configured", planned.provider)))?;
        let schema = configured
            .schema
            .ephemeral
            .get(address.type_name())
            .ok_or_else(|| wrong("its provider has no such type any more".to_owned()))?;
        self.check(&planned.preconditions, None, address)?;
        let config =
            self.values.evaluate_body(&planned.config, &schema.block).map_err(|problems| wrong(in_words(&problems)))?;
        self.providers.taps().learn(&mark_planned(&schema.block, config.clone(), None));
        let (plain, _) = config.clone().unmark_deep();
        if let Some(path) = plain.unknown_paths().first() {
            return Err(wrong(format!("`{path}` has no value yet")));
        }
        let ephemerals = self.providers.ephemerals();
        let opened = ephemerals.open(address, &configured.provider, plain, planned.limit, &self.calls).await;
        let value = opened.map_err(|error| {
            let secrets: Vec<&Value> = [&config].into_iter().chain(configured.instance.configs()).collect();
            let told = masked_near(&format!("{error:#}"), &secrets);
            Diagnostic::error(codes::PROVIDER, format!("`{address}`: {told}"))
        })?;
        self.check(&planned.postconditions, Some(&value), address)?;
        Ok(value)
    }

    fn check(
        &self,
        conditions: &[PendingCondition],
        itself: Option<&Value>,
        address: &Address,
    ) -> Result<(), Diagnostic> {
        for condition in conditions {
            let evaluated = self.values.evaluate(&condition.condition, itself);
            if evaluated.as_ref().ok().and_then(holds) == Some(true) {
                continue;
            }
            let message = self.values.evaluate(&condition.message, itself).ok();
            let message = message.filter(|message| message.marks_deep().is_empty());
            let text = message.as_ref().and_then(Value::as_str).unwrap_or("a condition does not hold");
            let text = condition.told(&format!("`{address}`: {text}"));
            return Err(Diagnostic::error(codes::CONDITION, text));
        }
        Ok(())
    }
}

fn in_words(problems: &[Diagnostic]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Makes the providers ready that need nothing but what is ephemeral or recorded.
///
/// # Errors
/// One cannot be configured.
pub async fn make_ready(
    names: &[Arc<str>],
    ephemerals: &[PlannedEphemeral],
    providers: &Providers,
    (state, seal): (&State, &dyn Seal),
    directory: &FilePath,
    calls: &Calls,
) -> Result<(), Diagnostic> {
    if names.is_empty() {
        return Ok(());
    }
    let recorded = super::run::recorded_values(state, seal);
    let values = Values::recorded(recorded, directory.to_owned(), providers.functions());
    let late = Late::new(ephemerals, providers, &values, calls.clone(), directory);
    for name in names {
        late.provide([].into_iter(), Some(name)).await?;
    }
    Ok(())
}

/// Gives a kept plan the ephemeral variables again that it refers to: they rest nowhere.
///
/// # Errors
/// One is not given.
pub fn give_again(plan: &mut Plan, given: &BTreeMap<String, Value>) -> Result<(), Diagnostic> {
    for step in &mut plan.steps {
        let of_config = step.config.pending.values_mut();
        let of_conditions = step.preconditions.iter_mut().chain(&mut step.postconditions);
        let of_conditions = of_conditions.flat_map(|one| [&mut one.condition, &mut one.message]);
        of_config.chain(of_conditions).try_for_each(|pending| give(pending, given))?;
    }
    plan.shared.values_mut().try_for_each(|pending| give(pending, given))?;
    for instance in plan.providers.values_mut() {
        give_instance(instance, given)?;
    }
    plan.ephemerals.iter_mut().try_for_each(|ephemeral| give_ephemeral(ephemeral, given))
}

/// The same for the configurations of a provider instance.
pub(super) fn give_instance(
    instance: &mut ProviderInstance,
    given: &BTreeMap<String, Value>,
) -> Result<(), Diagnostic> {
    let of_ways = instance.fallback.iter_mut().filter_map(|way| way.again.as_mut());
    instance.again.iter_mut().chain(of_ways).try_for_each(|pending| give(pending, given))
}

/// The same for one thing that is ephemeral.
pub(super) fn give_ephemeral(
    ephemeral: &mut PlannedEphemeral,
    given: &BTreeMap<String, Value>,
) -> Result<(), Diagnostic> {
    let conditions = ephemeral.preconditions.iter_mut().chain(&mut ephemeral.postconditions);
    let conditions = conditions.flat_map(|one| [&mut one.condition, &mut one.message]);
    conditions.chain([&mut ephemeral.config]).try_for_each(|pending| give(pending, given))
}

/// The same for one expression.
pub(super) fn give(pending: &mut Pending, given: &BTreeMap<String, Value>) -> Result<(), Diagnostic> {
    for (name, value) in &mut pending.bindings {
        let Some(name) = name.strip_prefix("var.").filter(|_| value.marks_deep().ephemeral) else { continue };
        if !value.is_null() {
            continue;
        }
        let again = given.get(name).ok_or_else(|| {
            Diagnostic::error(codes::EVALUATION, format!("the ephemeral variable `{name}` is kept nowhere"))
                .hint(format!("give it again, with `--var {name}=…` or RETRUE_VAR_{name}"))
        })?;
        *value = again.clone().with_marks(Marks::EPHEMERAL.union(value.marks()));
    }
    Ok(())
}

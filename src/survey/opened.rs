//! Ephemeral blocks of a stack: evaluated, checked and opened, or left for the apply.

use std::sync::Arc;

use retrue_provider_api::{Marks, ProviderError, Subject, ValidateRequest, Value};

use crate::address::InstanceKey;
use crate::config::{ResourceBlock, Stack, evaluate_body};
use crate::diagnostic::Diagnostic;
use crate::plan::marks::mark_planned;
use crate::plan::{PendingCondition, PlannedEphemeral, codes};
use crate::rest::masked_near;
use crate::survey::calls::Calls;
use crate::survey::conditions::check_conditions;
use crate::survey::expand::{Expanded, expand, instance_scope};
use crate::survey::pending::alone;
use crate::survey::providers::{Configured, Providers, attribute_span, told};
use crate::survey::scope::{BlockScope, Instances, Known};

/// What is needed to open blocks.
pub(super) struct Opener<'a> {
    pub(super) stack: &'a Stack,
    pub(super) providers: &'a Providers,
    pub(super) calls: &'a Calls,
}

/// What came of a block.
#[derive(Default)]
pub(super) struct OpenedBlock {
    /// Its provider is not there, which was told.
    pub(super) unknown: bool,
    /// What its instances stand for.
    pub(super) values: Vec<(Option<InstanceKey>, Value)>,
    /// How to open them again.
    pub(super) planned: Vec<PlannedEphemeral>,
    pub(super) problems: Vec<Diagnostic>,
}

impl OpenedBlock {
    /// What the block stands for; where something is wrong, no further errors shall follow from it.
    pub(super) fn stands_for(&mut self, block: &ResourceBlock) -> Instances {
        match self.problems.is_empty() && !self.unknown {
            true => Instances::of(block, std::mem::take(&mut self.values)),
            false => Instances::broken(),
        }
    }
}

impl Opener<'_> {
    /// Opens all instances of a block. With `waits`, something that it depends on will change: then they are
    /// opened while applying.
    pub(super) async fn block(&self, block: &ResourceBlock, known: &Known<'_>, waits: bool) -> OpenedBlock {
        let mut opened = OpenedBlock::default();
        let expanded = match expand(block, known) {
            Ok(expanded) => expanded,
            Err(problems) => return OpenedBlock { problems, ..opened },
        };
        let instance = self.stack.provider_name(block);
        let Some(configured) = self.providers.get(&instance) else {
            // Why is told where the provider is configured.
            return OpenedBlock { unknown: true, ..opened };
        };
        for expanded in expanded {
            match self.instance(block, &expanded, configured, &instance, known, waits).await {
                Ok((value, planned)) => {
                    opened.values.push((expanded.key, value));
                    opened.planned.push(planned);
                }
                Err(mut problems) => opened.problems.append(&mut problems),
            }
        }
        opened
    }

    async fn instance(
        &self,
        block: &ResourceBlock,
        expanded: &Expanded,
        configured: &Configured,
        instance: &Arc<str>,
        known: &Known<'_>,
        waits: bool,
    ) -> Result<(Value, PlannedEphemeral), Vec<Diagnostic>> {
        let address = block.address.instance(expanded.key.clone());
        let Some(schema) = configured.schema.ephemeral.get(address.type_name()) else {
            let message = format!("the provider `{instance}` has no ephemeral type `{}`", address.type_name());
            return Err(vec![Diagnostic::error(crate::config::codes::UNKNOWN_TYPE, message).at(block.span)]);
        };
        let scope = instance_scope(block, expanded, known);
        let config = evaluate_body(&block.body, &schema.block, &scope)?;
        self.calls.taps.learn(&mark_planned(&schema.block, config.clone(), None));
        let preconditions = check_conditions(&block.lifecycle.preconditions, &address, self.stack, &scope)?;
        let plain = config.clone().unmark_deep().0;
        let request = ValidateRequest {
            subject: Subject::Ephemeral,
            type_name: address.type_name().to_owned(),
            config: plain.clone(),
        };
        let problem = |error: &ProviderError| {
            let at = error.path.as_ref().and_then(|path| attribute_span(&block.body, path)).unwrap_or(block.span);
            let secrets: Vec<&Value> = [&config].into_iter().chain(configured.instance.configs()).collect();
            let told = masked_near(&format!("{error:#}"), &secrets);
            Diagnostic::error(codes::PROVIDER, format!("`{address}`: {told}")).at(at)
        };
        let said = configured.provider.validate(request).await.map_err(|error| vec![problem(&error)])?;
        let said = said.into_iter().map(|said| told(&address.to_string(), said, &block.body, block.span));
        let wrong: Vec<Diagnostic> = said.filter(Diagnostic::is_error).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let limit = block
            .lifecycle
            .timeout
            .unwrap_or_else(|| configured.provider.capability(address.type_name(), &plain).time_limits.read);
        let conditions = |conditions: &[crate::config::Condition]| -> Vec<PendingCondition> {
            let pend = |(number, condition): (usize, &crate::config::Condition)| PendingCondition {
                condition: alone(&condition.condition, &scope),
                message: alone(&condition.message, &scope),
                number,
                place: crate::survey::walk::place(self.stack, condition.span),
            };
            conditions.iter().enumerate().map(pend).collect()
        };
        let planned = PlannedEphemeral {
            address: address.clone(),
            provider: Arc::clone(instance),
            config: alone(&block.body, &scope),
            preconditions: conditions(&block.lifecycle.preconditions),
            postconditions: conditions(&block.lifecycle.postconditions),
            limit,
        };
        let unknown = || Value::unknown(schema.block.value_type()).with_marks(Marks::EPHEMERAL);
        let deferred =
            waits || !plain.is_wholly_known() || !preconditions.is_empty() || !self.providers.is_ready(instance);
        if deferred {
            return Ok((unknown(), planned));
        }
        let ephemerals = self.providers.ephemerals();
        let opened = ephemerals.open(&address, &configured.provider, plain, limit, self.calls).await;
        let value = opened.map_err(|error| vec![problem(&error)])?;
        let itself = BlockScope { itself: Some(value.clone()), ..instance_scope(block, expanded, known) };
        check_conditions(&block.lifecycle.postconditions, &address, self.stack, &itself)?;
        Ok((value, planned))
    }
}

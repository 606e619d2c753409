//! Data sources: read now, or while applying.

use std::sync::Arc;

use retrue_provider_api::{Category, DataRequest, Path, Type, Value};

use crate::config::Fallback;
use crate::plan::compare::{data_fingerprint_attributes, fingerprint};
use crate::plan::decide::Decision;
use crate::plan::marks::{mark_config, mark_planned};
use crate::plan::{
    Action, Change, DataRead, ExistingObject, FallbackOfData, Instead, ObjectKey, PendingCondition, Provenance, Step,
    StepEffect, StepId, codes,
};
use crate::rest::RestingValue;
use crate::survey::conditions::check_conditions;
use crate::survey::expand::instance_scope;
use crate::survey::pending::{pending, planned_value};
use crate::survey::scope::BlockScope;

use super::*;

impl<'a> Walk<'a> {
    pub(super) async fn read_data(&self, candidate: &Candidate<'a>, config: Value) -> Result<DataFound, Unread> {
        let provider = self.request.stack.provider_name(candidate.block);
        if self.doubt.blocks(&candidate.address)
            || self.waits(candidate.block)
            || !config.is_wholly_known()
            || !self.providers.is_ready(&provider)
        {
            return Ok(DataFound::Later);
        }
        let provider = &candidate.configured.provider;
        let type_name = candidate.address.type_name();
        let usual = provider.capability(type_name, &config).time_limits.read;
        let limit = candidate.block.lifecycle.timeout.unwrap_or(usual);
        let context = self.request.calls.context(&candidate.address, limit);
        let request = DataRequest { type_name: type_name.to_owned(), config };
        provider.read_data(&context, request).await.map(DataFound::Read).map_err(|error| {
            let at = error
                .path
                .as_ref()
                .and_then(|path| crate::survey::providers::attribute_span(&candidate.block.body, path))
                .unwrap_or(candidate.block.span);
            let configs = candidate.configured.instance.configs();
            let secrets: Vec<&Value> = [&candidate.config].into_iter().chain(configs).collect();
            let told = crate::rest::masked_near(&format!("{error:#}"), &secrets);
            let problem = Diagnostic::error(codes::PROVIDER, format!("`{}`: {told}", candidate.address)).at(at);
            Unread { problem, excusable: error.category != Category::Validation }
        })
    }

    pub(super) fn decide_data(&mut self, candidate: Candidate<'a>, result: Result<DataFound, Unread>) -> Value {
        let address = candidate.address.clone();
        let block = candidate.block;
        let unknown = Value::unknown(candidate.schema.block.value_type());
        let chain = match self.instead(&candidate) {
            Ok(chain) => chain,
            Err(mut wrong) => {
                self.problems.append(&mut wrong);
                return unknown;
            }
        };
        let state = match result {
            Ok(DataFound::Read(state)) => {
                self.note_data(&candidate, &state, false);
                let state = mark_planned(&candidate.schema.block, state, Some(&candidate.config));
                if block.fallback.contains(&Fallback::LastKnown) {
                    self.data_values.insert(address.clone(), state.clone());
                }
                state
            }
            Ok(DataFound::Later) if self.doubt.blocks(&address) && self.request.in_doubt.is_empty() => {
                let reason = "it depends on what is degraded, and is not read".to_owned();
                self.pass_over(&address, reason);
                return unknown;
            }
            Ok(DataFound::Later) => {
                self.pending_blocks.insert(block.address.clone());
                if self.targets.covers(&address) {
                    let conditions = self.all_postconditions(&candidate);
                    let why = "what it depends on is not known before the apply";
                    self.defer_data(&candidate, &unknown, conditions, why);
                }
                return unknown;
            }
            Err(unread) => match chain.into_iter().next().filter(|_| unread.excusable) {
                Some(Instead { value, what }) => {
                    self.note_data(&candidate, &value.clone().unmark_deep().0, true);
                    let why = unread.problem.message.trim_start_matches(&format!("`{address}`: ")).to_owned();
                    let reason = format!("it could not be read ({why}): {what} stands in its place");
                    self.degraded.push(Degraded { address: address.clone(), reason });
                    mark_planned(&candidate.schema.block, value, Some(&candidate.config))
                }
                None if unread.excusable && block.lifecycle.optional && !self.looking => {
                    let why = unread.problem.message.trim_start_matches(&format!("`{address}`: ")).to_owned();
                    self.pass_over(&address, format!("it could not be read ({why}), and is optional"));
                    return unknown;
                }
                None => {
                    self.problems.push(unread.problem);
                    return unknown;
                }
            },
        };
        let itself = BlockScope {
            itself: Some(state.clone()),
            ..instance_scope(candidate.block, &candidate.expanded, &self.known)
        };
        match check_conditions(&block.lifecycle.postconditions, &address, self.request.stack, &itself) {
            Ok(later) if later.is_empty() && candidate.preconditions.is_empty() => {}
            Ok(later) if self.targets.covers(&address) && !self.looking => {
                self.defer_data(&candidate, &state, later, "what it must fulfil is not known before the apply");
            }
            Ok(_) => {}
            Err(mut wrong) => self.problems.append(&mut wrong),
        }
        state
    }

    /// Remembers how to read it again, and what came of it.
    fn note_data(&mut self, candidate: &Candidate<'_>, state: &Value, degraded: bool) {
        let seal = self.request.seal;
        let block = candidate.block;
        // A condition on itself may look at any part.
        let whole = [Path::root()];
        let used = match block.lifecycle.postconditions.is_empty() {
            true => self.used_attributes.get(&block.address).map_or(&[][..], Vec::as_slice),
            false => &whole,
        };
        let observed_of = data_fingerprint_attributes(&candidate.schema.block, state, used);
        let read = DataRead {
            provider: self.request.stack.provider_name(candidate.block),
            config: RestingValue::new(&mark_config(&candidate.schema.block, candidate.config.clone()), seal),
            observed: fingerprint(&observed_of, state, seal),
            degraded,
            observed_of,
        };
        self.data_read.insert(candidate.address.clone(), read);
    }

    /// What is done where a read while applying fails.
    fn fallback_of(&self, candidate: &Candidate<'a>) -> Option<FallbackOfData> {
        let fallback = &candidate.block.fallback;
        let remember = fallback.contains(&Fallback::LastKnown);
        // What is wrong with it was told.
        let instead = self.instead(candidate).unwrap_or_default();
        (!fallback.is_empty()).then_some(FallbackOfData { instead, remember })
    }

    fn all_postconditions(&self, candidate: &Candidate<'_>) -> Vec<PendingCondition> {
        let (block, stack) = (candidate.block, self.request.stack);
        let scope = instance_scope(candidate.block, &candidate.expanded, &self.known);
        block
            .lifecycle
            .postconditions
            .iter()
            .enumerate()
            .map(|(number, condition)| PendingCondition {
                condition: pending(&condition.condition, &scope),
                message: pending(&condition.message, &scope),
                number,
                place: place(stack, condition.span),
            })
            .collect()
    }

    /// Data that cannot be read, or checked, before something else is done is read while applying.
    fn defer_data(
        &mut self,
        candidate: &Candidate<'a>,
        planned: &Value,
        postconditions: Vec<PendingCondition>,
        why: &str,
    ) {
        let block = candidate.block;
        let stack = self.request.stack;
        let scope = instance_scope(candidate.block, &candidate.expanded, &self.known);
        let config = planned_value(candidate.config.clone(), &block.body, &candidate.schema.block, &scope);
        let after = config.value.clone();
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
            planned: planned.clone(),
            kept: Vec::new(),
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
            import: None,
            late: false,
            fallback: self.fallback_of(candidate),
        };
        let change = Change {
            object: ObjectKey::Current,
            address: candidate.address.clone(),
            action: Action::Read,
            reversible: retrue_provider_api::Reversibility::Full,
            reasons: vec![why.to_owned()],
            before: Value::null(Type::Dynamic),
            after,
            recorded: None,
            replace_because: Vec::new(),
            moved_from: None,
            create_before_destroy: false,
            old: None,
            warnings: Vec::new(),
            import: None,
            triggers: Vec::new(),
        };
        let decision = Decision { change, steps: vec![step], drift: None, set_aside: Vec::new(), errors: Vec::new() };
        self.decisions.insert(candidate.address.clone(), (decision, Vec::new()));
    }
}

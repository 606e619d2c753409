//! Declared instances of managed types.

use std::sync::Arc;

use retrue_provider_api::{Block, Path, PlanResponse, Subject, Type, ValidateRequest, Value};

use crate::address::{Address, BlockAddress, Mode};
use crate::config::{OnDestroy as Declared, OnExisting, ResourceBlock};
use crate::diagnostic::Diagnostic;
use crate::plan::compare::{fingerprint, fingerprint_attributes};
use crate::plan::decide::{Desired, Instance, PlannedImport, Responses, World, check_step, decide};
use crate::plan::ending::deletes;
use crate::plan::{Action, Degraded, Lifecycle, ObjectKey, OnDestroy, Step, StepEffect, codes};
use crate::saga::RecordedObject;
use crate::span::Span;
use crate::survey::conditions::check_conditions;
use crate::survey::consult::{Answer, Question, consult};
use crate::survey::expand::instance_scope;
use crate::survey::identity::{Claim, identity, if_renamed};
use crate::survey::importing::{Wanted, owned_elsewhere, owner};
use crate::survey::pending::planned_value;
use crate::survey::providers::{instance_name, told};
use crate::survey::record::Entry;
use crate::survey::scope::BlockScope;

use super::*;

/// Whether a step ends an object, or sets it aside.
fn ends_current(step: &Step) -> bool {
    step.restores || matches!(step.id.effect, StepEffect::Delete | StepEffect::Forget | StepEffect::Depose)
}

/// What is declared is what it replaced, which waits for its end.
fn still_there(address: &Address) -> Diagnostic {
    let what = format!("what `{address}` means is what it replaced, and that is still there, set aside until its end");
    Diagnostic::error(codes::EXISTS, what).hint(
        "do not remove it: `retrue compensate` brings it back; or declare again what replaced it, and an apply ends it",
    )
}

/// What a provider cannot say before it is configured: all that is not set is known after the apply.
fn unasked(candidate: &Candidate<'_>, config: &Value) -> Answer {
    let planned = PlanResponse::of(known_later(&candidate.schema.block, config));
    Answer {
        world: World::NotKnownYet,
        capability: candidate.configured.provider.capability(candidate.address.type_name(), config),
        responses: Responses { create: Some(planned), ..Responses::default() },
        replace_because: Vec::new(),
        occupied: false,
        same_place: false,
        also_found: Vec::new(),
        diagnostics: Vec::new(),
    }
}

/// The configuration with everything unknown that it does not set.
fn known_later(block: &Block, config: &Value) -> Value {
    let attributes = block.attributes.iter().fold(config.clone(), |config, (name, attribute)| {
        let set = config.get(name).is_some_and(|value| !value.is_null());
        match (set, attribute.write_only) {
            (_, true) => config.with_attribute(name, Value::null(attribute.value_type().without_optional())),
            (true, false) => config,
            (false, false) => config.with_attribute(name, Value::unknown(attribute.value_type().without_optional())),
        }
    });
    block.blocks.iter().fold(attributes, |config, (name, nested)| {
        // What a provider computes inside of it is not known either.
        let kind = Block { blocks: [(name.clone(), nested.clone())].into(), ..Block::default() }.value_type();
        let kind = match &kind {
            Type::Object(object) => object.attributes.get(name.as_str()).cloned().unwrap_or(Type::Dynamic),
            _ => Type::Dynamic,
        };
        config.with_attribute(name, Value::unknown(kind))
    })
}

/// What a provider says of a configuration; it need not be configured for that.
async fn check(candidate: &Candidate<'_>, config: &Value) -> Vec<Diagnostic> {
    let request = ValidateRequest {
        subject: Subject::Resource,
        type_name: candidate.address.type_name().to_owned(),
        config: config.clone(),
    };
    let named = candidate.address.to_string();
    match candidate.configured.provider.validate(request).await {
        Ok(said) => {
            said.into_iter().map(|said| told(&named, said, &candidate.block.body, candidate.block.span)).collect()
        }
        Err(error) => {
            vec![Diagnostic::error(codes::PROVIDER, format!("`{named}`: {error}")).at(candidate.block.span)]
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) async fn consult(&self, candidate: &Candidate<'a>) -> Consulted {
        let address = &candidate.address;
        let (config, _) = candidate.config.clone().unmark_deep();
        if candidate.block.address.mode == Mode::Data {
            return Consulted::Data(self.read_data(candidate, config).await);
        }
        let recorded = self.entry(address).and_then(|entry| entry.current.as_ref());
        let world = recorded.and_then(|_| self.worlds.get(&(address.clone(), ObjectKey::Current)).cloned());
        if self.doubt.blocks(address) {
            // It stays as it is recorded; nothing is asked.
            return Consulted::Managed(Box::new(Answer {
                world: World::NotKnownYet,
                capability: candidate.configured.provider.capability(address.type_name(), &config),
                responses: Default::default(),
                replace_because: Vec::new(),
                occupied: false,
                same_place: false,
                also_found: Vec::new(),
                diagnostics: Vec::new(),
            }));
        }
        if let Some(problem) = recorded.and_then(|recorded| self.of_another_provider(candidate, recorded)) {
            return Consulted::Managed(Box::new(Answer { diagnostics: vec![problem], ..unasked(candidate, &config) }));
        }
        if let Some(problem) = self.providers.problem(&self.request.stack.provider_name(candidate.block)) {
            let answer = match (recorded, &candidate.import) {
                (None, None) => {
                    let mut answer = unasked(candidate, &config);
                    answer.diagnostics = check(candidate, &config).await;
                    answer
                }
                // An import has to be looked at now.
                _ => Answer { diagnostics: vec![problem.clone()], ..unasked(candidate, &config) },
            };
            return Consulted::Managed(Box::new(answer));
        }
        let question = Question {
            address: address.clone(),
            provider: &candidate.configured.provider,
            schema: candidate.schema,
            config,
            secrets: [&candidate.config].into_iter().chain(candidate.configured.instance.configs()).collect(),
            body: &candidate.block.body,
            span: candidate.block.span,
            recorded,
            given_back: recorded.is_some_and(|recorded| !deletes(&self.lifecycle(candidate.block), recorded)),
            world,
            ignore: &candidate.block.lifecycle.ignore_changes,
            replace: self.replace.contains(address) || self.triggered(candidate).is_some(),
            waits: self.waits(candidate.block),
            import: candidate.import.as_ref().map(|wanted| (wanted, candidate.configured)),
        };
        Consulted::Managed(Box::new(consult(&question, &self.request.calls).await))
    }

    /// That what is recorded is another provider's than the one that is declared. What becomes another type may get
    /// another provider with it.
    fn of_another_provider(&self, candidate: &Candidate<'_>, recorded: &RecordedObject) -> Option<Diagnostic> {
        let address = &candidate.address;
        let declared = self.request.stack.provider_name(candidate.block);
        let turned = self.entry(address).is_some_and(|entry| is_turned(entry.moved_from.as_ref(), address));
        if self.looking || turned || recorded.provider.instance == *declared {
            return None;
        }
        let what = format!(
            "`{address}` belongs to the provider `{}`, and is declared with `{declared}`",
            recorded.provider.instance
        );
        let hint = format!(
            "another object gets another name; where it is the same one, `retrue state rm {address}` and `retrue import \
             {address} ID` take it over"
        );
        Some(Diagnostic::error(codes::OTHER_PROVIDER, what).at(candidate.block.span).hint(hint))
    }

    /// Whether a candidate is made by a provider that is configured only while applying.
    fn is_late(&self, candidate: &Candidate<'_>) -> bool {
        self.providers.problem(&self.request.stack.provider_name(candidate.block)).is_some()
    }

    /// Whether something that the block refers to, or comes after, will change.
    pub(super) fn waits(&self, block: &ResourceBlock) -> bool {
        let mut dependencies = self.dependencies.get(&block.address).into_iter().flatten();
        dependencies.any(|dependency| self.pending_blocks.contains(dependency))
    }

    pub(super) fn lifecycle(&self, block: &ResourceBlock) -> Lifecycle {
        Lifecycle {
            prevent_destroy: block.lifecycle.prevent_destroy,
            create_before_destroy: self.forced_first.contains(&block.address),
            on_destroy: block.lifecycle.on_destroy.map(|declared| match declared {
                Declared::Delete => OnDestroy::Delete,
                Declared::Restore => OnDestroy::Restore,
                Declared::Forget => OnDestroy::Forget,
            }),
            timeout: block.lifecycle.timeout,
            optional: block.lifecycle.optional,
            retry: block.lifecycle.retry.as_ref().map(|settings| {
                let policy = self.request.stack.policy(&self.request.stack.provider_name(block));
                policy.retry.with(settings)
            }),
        }
    }

    pub(super) fn decide_managed(&mut self, candidate: Candidate<'a>, answer: Answer) -> Value {
        let address = candidate.address.clone();
        let block = candidate.block;
        let schema = candidate.schema;
        let mut failed = answer.diagnostics.iter().any(Diagnostic::is_error);
        for diagnostic in answer.diagnostics {
            if diagnostic.is_error() { self.problems.push(diagnostic) } else { self.warnings.push(diagnostic) }
        }
        let entry = self.entry(&address);
        let recorded = entry.and_then(|entry| entry.current.as_ref());
        if self.doubt.blocks(&address) {
            return self.leave(&candidate);
        }
        if let World::Unreadable(reason) = &answer.world
            && block.lifecycle.optional
            && !self.looking
        {
            let reason = format!("it could not be read ({reason}), is optional, and stays as it is");
            self.pass_over(&address, reason);
            let recorded = self.recorded_value(&address);
            return recorded.unwrap_or_else(|| Value::unknown(schema.block.value_type()));
        }
        let import = candidate
            .import
            .as_ref()
            .map(|wanted| PlannedImport { id: Arc::clone(&wanted.id), also_found: answer.also_found.clone() });
        if let (Some(wanted), World::Present(observed)) = (&candidate.import, &answer.world) {
            failed |= !self.claim_import(&address, wanted, block, &observed.state);
        }
        // What resolves names may need its configuration.
        let late = self.is_late(&candidate);
        let config_plain = candidate.config.clone().unmark_deep().0;
        let identity = match late {
            true => None,
            false => identity(&candidate.configured.provider, schema, address.type_name(), &config_plain),
        };
        let back_to_old = identity.as_ref().is_some_and(|wanted| self.is_set_aside(&candidate, wanted));
        if back_to_old && !self.looking {
            self.problems.push(still_there(&address).at(block.span));
            failed = true;
        } else if answer.occupied && !self.looking {
            // Who owns it, if anybody does, is told with all other clashes.
            self.occupied.push((address.clone(), block.span));
        }
        let used = self.used_attributes.get(&block.address).map_or(&[][..], Vec::as_slice);
        let dependencies = self.dependencies.get(&block.address).cloned().unwrap_or_default();
        let scope = instance_scope(candidate.block, &candidate.expanded, &self.known);
        self.claims.push(Claim {
            address: address.clone(),
            provider: instance_name(block.provider.as_ref().map(|(name, _)| name), &block.address.type_name),
            space: schema.identity_space(address.type_name()).to_owned(),
            identity,
            span: Some(block.span),
        });
        let (replace_reason, triggers) = match self.triggered(&candidate) {
            _ if self.replace.contains(&address) => (Some("it was asked for".to_owned()), Vec::new()),
            Some(triggered) => (Some(triggered.why), triggered.by),
            None => (None, Vec::new()),
        };
        let desired = Desired {
            config: planned_value(candidate.config.clone(), &block.body, &schema.block, &scope),
            lifecycle: self.lifecycle(block),
            adopt_existing: block.lifecycle.on_existing == OnExisting::Adopt,
            dependencies: dependencies.clone(),
            provenance: provenance(&block.body, self.request.stack),
            ignored: block.lifecycle.ignore_changes.paths(),
            preconditions: candidate.preconditions.clone(),
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
            declared: None,
            recorded,
            outdated: entry.is_some_and(|entry| entry.outdated),
            moved_from: entry.and_then(|entry| entry.moved_from.clone()),
            world: answer.world,
            same_place: answer.same_place,
            responses: answer.responses,
            replace_reason,
            replace_because: answer.replace_because,
            generation: entry.map_or(0, |entry| entry.generation),
            lineage: self.request.lineage,
            used,
            ends_because: Default::default(),
            looking: self.looking,
            import,
        };
        let mut decision = decide(&instance);
        if decision.change.action == Action::Replace {
            decision.change.triggers = triggers;
        }
        if late {
            for step in &mut decision.steps {
                step.late = true;
            }
            let provider = self.request.stack.provider_name(block);
            decision.change.reasons.push(format!("the provider `{provider}` is configured first"));
        }
        if decision.steps.iter().any(ends_current) && self.doubt.holds(&address) {
            return self.leave(&candidate);
        }
        failed |= !decision.errors.is_empty();
        self.problems.extend(decision.errors.drain(..).map(|problem| problem.else_at(Some(block.span))));
        if failed {
            let value = self.stand_in(&address, schema);
            if self.looking {
                // How it stands to the record is told; nothing happens to it.
                decision.steps.clear();
                decision.change.action = Action::NoOp;
                self.add_deposed(&address, &schema.block, &mut decision);
                self.decisions.insert(address, (decision, Vec::new()));
            }
            return value;
        }
        let value = decision.change.after.clone();
        let itself = BlockScope {
            itself: Some(value.clone()),
            ..instance_scope(candidate.block, &candidate.expanded, &self.known)
        };
        match check_conditions(&block.lifecycle.postconditions, &address, self.request.stack, &itself) {
            Ok(later) => {
                // What cannot be checked yet is checked while applying, also where nothing else is done.
                let unchecked = !later.is_empty() || !candidate.preconditions.is_empty();
                if decision.steps.is_empty() && unchecked && !self.looking {
                    decision.steps.extend(check_step(&instance));
                }
                let last = decision.steps.iter_mut().rev().find(|step| !ends_current(step));
                if let Some(step) = last {
                    step.postconditions = later;
                }
            }
            Err(mut wrong) => self.problems.append(&mut wrong),
        }
        if decision.change.action != Action::NoOp {
            self.pending_blocks.insert(block.address.clone());
        }
        self.add_deposed(&address, &schema.block, &mut decision);
        let recorded_dependencies = recorded.map(|recorded| recorded.dependencies.clone()).unwrap_or_default();
        self.decisions.insert(address, (decision, recorded_dependencies));
        value
    }

    /// Whether what an instance means is what it replaced once, and that is still there, set aside: it is neither made
    /// nor adopted beside its own record, which is about to end.
    fn is_set_aside(&self, candidate: &Candidate<'_>, wanted: &Value) -> bool {
        let address = &candidate.address;
        let Some(entry) = self.entry(address) else { return false };
        let instance = self.request.stack.provider_name(candidate.block);
        let means = |object: &RecordedObject| {
            let state = object.attributes.clone().unmark_deep().0;
            let identity = identity(&candidate.configured.provider, candidate.schema, address.type_name(), &state);
            object.provider.instance == *instance && identity.is_some_and(|identity| identity.same(wanted))
        };
        let is_there = |key: &str| {
            let place = (address.clone(), ObjectKey::Deposed(key.into()));
            matches!(self.worlds.get(&place), Some(World::Present(_)))
        };
        !entry.current.as_ref().is_some_and(means)
            && entry.deposed.iter().any(|(key, object)| means(object) && is_there(key))
    }

    /// Notes what is imported; `false` when somebody owns it already.
    fn claim_import(&mut self, address: &Address, wanted: &Wanted, block: &ResourceBlock, state: &Value) -> bool {
        let instance = self.request.stack.provider_name(block);
        if let Some(other) = owner(self.records, address, &instance, state) {
            let hint = match self.records.holds(address) {
                true => format!("one object has one owner: end or forget `{other}` or `{address}` first"),
                false => if_renamed(&other.to_string(), &address.to_string()),
            };
            self.problems.push(owned_elsewhere(&wanted.id, other).at(wanted.span).hint(hint));
            return false;
        }
        let Some(id) = state.get("id").and_then(Value::as_str) else { return true };
        let key = (Arc::clone(&block.address.type_name), instance, Arc::from(id));
        match self.imported.insert(key, address.clone()) {
            None => true,
            Some(first) => {
                let message = format!("`{first}` and `{address}` are both imported from one and the same object");
                let problem = Diagnostic::error(codes::SAME_IDENTITY, message).at(wanted.span);
                self.problems.push(problem.hint("one object has one owner: remove one of the imports"));
                false
            }
        }
    }

    /// Leaves an instance as it is, because of something in doubt.
    fn leave(&mut self, candidate: &Candidate<'_>) -> Value {
        let address = &candidate.address;
        self.doubt.meet(&address.block);
        if self.request.in_doubt.is_empty() {
            let reason = "it depends on what is degraded, and stays as it is".to_owned();
            self.degraded.push(Degraded { address: address.clone(), reason });
        } else if !self.doubt.about(address) {
            self.warn_of_doubt(address, Some(candidate.block.span));
        }
        self.recorded_value(address).unwrap_or_else(|| Value::unknown(candidate.schema.block.value_type()))
    }

    /// Leaves something optional as it is. What depends on it waits, and what it may need stays.
    pub(super) fn pass_over(&mut self, address: &Address, reason: String) {
        let mut open: Vec<BlockAddress> = self.entry(address).map(dependencies_of).unwrap_or_default();
        while let Some(block) = open.pop() {
            if self.doubt.hold(&block) {
                let instances = self.records.0.range(block.instance(None)..);
                let instances = instances.take_while(|(address, _)| address.block == block);
                open.extend(instances.flat_map(|(_, entry)| dependencies_of(entry)));
            }
        }
        self.doubt.meet(&address.block);
        self.degraded.push(Degraded { address: address.clone(), reason });
    }

    pub(super) fn warn_of_doubt(&mut self, address: &Address, span: Option<Span>) {
        let message = format!("`{address}` waits for something that is in doubt");
        self.warnings.push(Diagnostic::warning(codes::IN_DOUBT, message).maybe_at(span));
    }

    /// The fingerprint of what is outside, and the attributes that it is made of.
    pub(super) fn fingerprint(
        &self,
        block: &Block,
        world: &World,
        config: &Value,
        used: &[Path],
    ) -> (String, Vec<Arc<str>>) {
        let World::Present(observed) = world else { return (String::new(), Vec::new()) };
        let attributes = fingerprint_attributes(block, &observed.state, config, used);
        (fingerprint(&attributes, &observed.state, self.request.seal), attributes)
    }
}

/// The blocks that what is recorded for an address depends on.
fn dependencies_of(entry: &Entry) -> Vec<BlockAddress> {
    entry.objects().flat_map(|object| object.dependencies.iter().cloned()).collect()
}

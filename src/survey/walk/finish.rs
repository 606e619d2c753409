//! From decisions to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::Value;

use crate::address::Address;
use crate::config::{DeleteOrder, Origin, Schemas, check_unseen, kept, types};
use crate::diagnostic::{Diagnostic, Severity};
use crate::expression::evaluate;
use crate::graph::Node;
use crate::plan::assemble::{Chain, Deletes, assemble};
use crate::plan::file::seal_digest;
use crate::plan::{Action, Asked, Change, Drift, OutputChange, Pending, Plan, PlanKind, Step, codes};
use crate::rest::{RestingValue, wary};
use crate::survey::identity::clashes;
use crate::survey::pending::{ephemeral_blocks, planned_expression, variables_of};
use crate::survey::scope::{BlockScope, Instances};

use super::words;
use super::*;

impl<'a> Walk<'a> {
    /// Whether all that an output is made of is known once the plan is carried out.
    fn becomes_known(&self, output: &Arc<str>) -> bool {
        let is_known = |block: &BlockAddress| {
            self.known.blocks.get(block).is_some_and(|instances| instances.whole().is_wholly_known())
        };
        let behind = self.graph.blocks_behind(&Node::Output(Arc::clone(output)));
        self.doubt.is_empty() && behind.into_iter().all(|block| self.targets.covers_all_of(block) || is_known(block))
    }

    /// While mending: the outputs that are, by the record, as they are declared.
    fn unchanged_outputs(&self) -> BTreeSet<Arc<str>> {
        if !self.looking {
            return BTreeSet::new();
        }
        let stack = self.request.stack;
        let known = self.known.beside(recorded_instances(stack, self.records));
        let scope = BlockScope::plain(&known);
        let same = |(name, output): &(&Arc<str>, &crate::config::Output)| {
            let recorded = self.request.state.outputs.get(name.as_ref());
            let recorded = recorded.and_then(|recorded| recorded.wake(self.request.seal).ok());
            let declared = evaluate(&output.value, &scope).ok();
            recorded
                .zip(declared)
                .is_some_and(|(recorded, declared)| recorded.unmark_deep().0.same(&declared.unmark_deep().0))
        };
        stack.outputs.iter().filter(same).map(|(name, _)| Arc::clone(name)).collect()
    }

    pub(super) fn outputs(&mut self) -> Vec<OutputChange> {
        let stack = self.request.stack;
        // Mending brings back what was, and that is recorded; but with new ids, if it is made again.
        if self.looking && (self.pending_blocks.is_empty() || self.request.state.outputs.is_empty()) {
            return Vec::new();
        }
        let unchanged = self.unchanged_outputs();
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
        let partial = self.looking || self.targets.is_partial() || !self.doubt.is_empty();
        for name in declared.into_iter().filter(|name| !self.looking || unchanged.contains(*name)) {
            let Some(output) = stack.outputs.get(name) else { continue };
            let scope = BlockScope::plain(&self.known);
            match evaluate(&output.value, &scope) {
                Ok(value) if partial && !value.is_wholly_known() && !self.becomes_known(name) => {
                    before.remove(name);
                }
                Ok(value) if value.marks_deep().ephemeral => {
                    self.problems.push(kept(&format!("the output `{name}`"), output.value.span()));
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
                    let before = before.remove(name);
                    let stays = before.as_ref().is_some_and(|before| before.same(&value));
                    if self.looking && value.is_wholly_known() && stays {
                        continue;
                    }
                    let secret = value.marks_deep().sensitive;
                    let reseal = secret && before.as_ref().is_some_and(|before| !before.marks_deep().sensitive);
                    outputs.push(OutputChange {
                        name: Arc::clone(name),
                        before: before.map(|before| if reseal { before.sensitive() } else { before }),
                        reseal,
                        after: Some(planned_expression(value, &output.value, &scope)),
                        provenance: provenance(&output.value, stack),
                    });
                }
                // What it refers to may be outside of what is planned.
                Err(_) if partial => {
                    before.remove(name);
                }
                Err(errors) => self.problems.extend(errors.into_iter().map(Diagnostic::from)),
            }
        }
        // They go with the last of what is destroyed.
        let stays = self.targets.is_partial() || !self.doubt.is_empty();
        if !self.looking && (self.request.kind != PlanKind::Destroy || !stays) {
            outputs.extend(before.into_iter().map(|(name, value)| OutputChange {
                name,
                before: Some(value),
                after: None,
                reseal: false,
                provenance: BTreeMap::new(),
            }));
        }
        outputs.sort_by(|a, b| a.name.cmp(&b.name));
        outputs
    }

    /// What is wrong where no instance showed it.
    fn unseen(&mut self) {
        let stack = self.request.stack;
        let is_empty = |block: &&ResourceBlock| self.known.blocks.get(&block.address).is_some_and(Instances::is_empty);
        let empty: Vec<&ResourceBlock> = stack.blocks.values().filter(is_empty).collect();
        let matters = |block: &ResourceBlock| {
            let lifecycle = &block.lifecycle;
            !lifecycle.replace_triggered_by.is_empty() || !lifecycle.ignore_changes.paths().is_empty()
        };
        if empty.is_empty() && !stack.blocks.values().any(matters) {
            return;
        }
        let all = self.providers.iter().chain(self.providers.unready());
        let of_type = |(name, configured): (&Arc<str>, &Configured)| {
            let declared = stack.providers.get(name).map_or(name, |provider| &provider.type_name);
            (Arc::clone(declared), Arc::clone(&configured.schema))
        };
        let schemas: Schemas = all.map(of_type).collect();
        self.problems.extend(check_unseen(stack, &schemas, &empty));
    }

    pub(super) async fn finish(mut self) -> Result<Surveyed, Vec<Diagnostic>> {
        if self.request.kind == PlanKind::Apply {
            self.unseen();
        }
        let outputs = self.outputs();
        let (shared, checks) = self.checks(&outputs);
        if self.looking {
            let told = self.problems.drain(..).map(|problem| Diagnostic { severity: Severity::Warning, ..problem });
            self.warnings.extend(told);
        } else {
            let clashes = clashes(&self.claims, self.records, self.providers, &self.decisions_by_address());
            if clashes.is_empty() {
                let occupied = std::mem::take(&mut self.occupied).into_iter();
                self.problems.extend(occupied.map(|(address, span)| {
                    Diagnostic::error(
                        codes::EXISTS,
                        format!("`{address}` is to be made anew, and something with its new identity exists already"),
                    )
                    .at(span)
                    .hint("remove it, or choose another identity: what is there is adopted only by what is new")
                }));
            }
            self.problems.extend(clashes);
        }
        if !self.problems.is_empty() {
            let mut problems = std::mem::take(&mut self.problems);
            crate::diagnostic::sort(&mut problems);
            return Err(problems);
        }
        let mut changes: Vec<Change> = Vec::new();
        let mut chains: Vec<Chain> = Vec::new();
        let mut drift: Vec<Drift> = Vec::new();
        let mut in_true = 0usize;
        let mut undeclared: BTreeSet<Address> = BTreeSet::new();
        let mut touched: BTreeSet<Address> = BTreeSet::new();
        let mut read_blocks = self.blocks_of_outputs(&outputs);
        read_blocks.extend(self.blocks_of_checks());
        for (address, (decision, recorded_dependencies)) in std::mem::take(&mut self.decisions) {
            if !decision.steps.is_empty() {
                touched.insert(address.clone());
                read_blocks.extend(decision.steps.iter().flat_map(|step| step.dependencies.iter().cloned()));
            }
            let recorded = self.records.0.get(&address).is_some_and(|entry| entry.current.is_some());
            match decision.drift {
                Some(found) => {
                    if !self.is_declared(&address) {
                        undeclared.insert(address.clone());
                    }
                    drift.push(found);
                }
                None if recorded => in_true += 1,
                None => {}
            }
            // Where all that is recorded is set aside, nothing is to be said of the address itself.
            let only_set_aside = !decision.set_aside.is_empty() && !recorded && decision.change.action == Action::NoOp;
            if !only_set_aside {
                changes.push(decision.change);
            }
            for set_aside in decision.set_aside {
                changes.extend(set_aside.change);
                drift.extend(set_aside.drift);
            }
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
        let base = self.base(&assembled.steps, &touched, &read_blocks);
        let mut warnings: Vec<String> = Vec::new();
        if !self.request.targets.is_empty() {
            warnings.push("only part of the stack is planned, because of --target".into());
        }
        warnings.extend(self.undo_needs(&assembled.steps));
        warnings.extend(self.checks_to_fail(&checks));
        let mut plan = Plan {
            stack: Arc::clone(&self.request.stack.name),
            environment: self.request.environment.into(),
            kind: self.request.kind,
            base,
            changes,
            steps: assembled.steps,
            groups: assembled.groups,
            outputs,
            remembered: if self.looking { BTreeMap::new() } else { self.remembered() },
            degraded: self.degraded.clone(),
            moved: self.providers.moves(),
            checks,
            providers: self
                .providers
                .iter()
                .chain(self.providers.unready())
                .map(|(name, configured)| (Arc::clone(name), configured.instance.clone()))
                .collect(),
            shared,
            ephemerals: std::mem::take(&mut self.ephemerals),
            sources: self.ephemeral_sources(),
            asked: self.asked(),
            drift,
            in_doubt: self.request.in_doubt.clone(),
            pivot: assembled.pivot,
            warnings,
            digest: String::new(),
        };
        words::mask(&mut plan);
        seal_digest(&mut plan, self.request.seal);
        crate::diagnostic::sort(&mut self.warnings);
        let warnings = std::mem::take(&mut self.warnings);
        Ok(Surveyed { plan, providers: self.providers.clone(), warnings, in_true, undeclared })
    }

    /// What the plan was asked for with.
    fn asked(&self) -> Asked {
        let request = self.request;
        let secret = self.variables_of_secrets();
        let kept = |(name, value): (&Arc<str>, &Value)| {
            let variable = request.stack.variables.get(name).filter(|variable| !variable.ephemeral)?;
            let again = variable.sensitive && matches!(request.origins.get(name), Some(Origin::Source(_)));
            let value = if secret.contains(name) { value.clone().sensitive() } else { wary(value) };
            (!again && !value.marks_deep().ephemeral)
                .then(|| (name.to_string(), RestingValue::new(&value, request.seal)))
        };
        Asked {
            origins: request.origins.iter().map(|(name, origin)| (name.to_string(), origin.to_string())).collect(),
            variables: request.variables.iter().filter_map(kept).collect(),
            targets: request.targets.to_vec(),
            replace: request.replace.to_vec(),
        }
    }

    /// The variables that go into what a type calls secret, though nobody calls them so.
    fn variables_of_secrets(&self) -> BTreeSet<Arc<str>> {
        let stack = self.request.stack;
        let mut found = BTreeSet::new();
        for block in stack.blocks.values() {
            let Some(configured) = self.providers.get(&stack.provider_name(block)) else { continue };
            let types = types(&configured.schema, block.address.mode);
            let Some(schema) = types.get(block.address.type_name.as_ref()) else { continue };
            for (key, expression) in block.body.as_table().unwrap_or_default() {
                let name = key.as_literal().and_then(Value::as_str);
                let attribute = name.and_then(|name| schema.block.attributes.get(name));
                if attribute.is_some_and(|attribute| attribute.sensitive || attribute.write_only) {
                    found.extend(variables_of(expression, stack));
                }
            }
        }
        found
    }

    /// By ephemeral variable, where its value is read.
    fn ephemeral_sources(&self) -> BTreeMap<String, String> {
        let variables = self.request.stack.variables.values().filter(|variable| variable.ephemeral);
        let source = |name: &Arc<str>| match self.request.origins.get(name) {
            Some(Origin::Source(source)) => Some((name.to_string(), source.to_string())),
            _ => None,
        };
        variables.filter_map(|variable| source(&variable.name)).collect()
    }

    /// What rests nowhere, and what an undo of some steps needs all the same.
    fn undo_needs(&self, steps: &[Step]) -> Vec<String> {
        let used: BTreeSet<&Arc<str>> = steps.iter().map(|step| &step.provider).collect();
        let mut needs = Vec::new();
        for (name, configured) in self.providers.iter().chain(self.providers.unready()) {
            let pending: Vec<&Pending> = configured.instance.pending().filter(|_| used.contains(name)).collect();
            if pending.is_empty() {
                continue;
            }
            let blocks: BTreeSet<_> = pending.iter().flat_map(|pending| ephemeral_blocks(pending)).collect();
            let opened = self.ephemerals.iter().filter(|ephemeral| blocks.contains(&ephemeral.address.block));
            let variables = opened.map(|ephemeral| &ephemeral.config).chain(pending).flat_map(|pending| {
                let ephemeral = pending.bindings.iter().filter(|(_, value)| value.marks_deep().ephemeral);
                ephemeral.filter_map(|(name, _)| name.strip_prefix("var."))
            });
            let sources = self.ephemeral_sources();
            let variables: BTreeSet<&str> = variables.filter(|name| !sources.contains_key(*name)).collect();
            needs.extend(
                blocks.iter().map(|block| format!("an undo opens `{block}` again, to configure the provider `{name}`")),
            );
            needs.extend(variables.iter().map(|variable| {
                format!(
                    "an undo needs the ephemeral variable `{variable}` again, to configure the provider `{name}`: it is \
                     kept nowhere, and given with `--var {variable}=…`"
                )
            }));
        }
        needs
    }

    pub(super) fn decisions_by_address(&self) -> BTreeMap<Address, Action> {
        self.decisions.iter().map(|(address, (decision, _))| (address.clone(), decision.change.action)).collect()
    }
}

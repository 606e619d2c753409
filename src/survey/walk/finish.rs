//! From decisions to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{Value, canonical_bytes};

use crate::address::{Address, BlockAddress};
use crate::config::DeleteOrder;
use crate::diagnostic::Diagnostic;
use crate::expression::evaluate;
use crate::plan::assemble::{Chain, Deletes, assemble};
use crate::plan::compare::{fingerprint, fingerprint_attributes};
use crate::plan::decide::World;
use crate::plan::file::seal_digest;
use crate::plan::{Action, Base, BaseEntry, Change, Drift, ObjectKey, OutputChange, Plan, PlanKind, codes};
use crate::survey::identity::clashes;
use crate::survey::pending::planned_expression;
use crate::survey::scope::BlockScope;

use super::*;

impl<'a> Walk<'a> {
    pub(super) fn outputs(&mut self) -> Vec<OutputChange> {
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

    pub(super) async fn finish(mut self) -> Result<(Plan, Vec<Diagnostic>, usize), Vec<Diagnostic>> {
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

    pub(super) fn decisions_by_address(&self) -> BTreeMap<Address, Action> {
        self.decisions.iter().map(|(address, (decision, _))| (address.clone(), decision.change.action)).collect()
    }

    /// What the plan rests on: what it touches, and what that refers to.
    pub(super) fn base(
        &self,
        touched: &BTreeSet<Address>,
        read: &BTreeSet<BlockAddress>,
    ) -> BTreeMap<Address, BaseEntry> {
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
    pub(super) fn files(&self) -> BTreeMap<String, String> {
        let mut files = self.known.host.reads();
        for source in self.request.stack.sources.iter() {
            files.insert(source.path.display().to_string(), blake3::hash(source.text.as_bytes()).to_hex().to_string());
        }
        files
    }

    /// The digest of everything that the configuration is made of, and of what was read for it.
    pub(super) fn config_digest(&self) -> String {
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

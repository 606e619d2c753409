//! Levels: which blocks come when, and what they stand for once they are decided.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use retrue_provider_api::Value;

use crate::address::{Address, BlockAddress, InstanceKey, Mode};
use crate::config::{ResourceBlock, evaluate_body, refuse_ephemeral, types};
use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::plan::marks::mark_planned;
use crate::survey::conditions::check_conditions;
use crate::survey::expand::{expand, instance_scope};
use crate::survey::importing::wanted;
use crate::survey::opened::Opener;
use crate::survey::record::Entry;
use crate::survey::scope::Instances;

use super::*;

/// By block, what its instances stand for.
type Values<'a> = BTreeMap<&'a BlockAddress, Vec<(Option<InstanceKey>, Value)>>;

impl<'a> Walk<'a> {
    /// The blocks in levels: each depends only on those before.
    pub(super) fn levels(&self) -> Vec<Vec<&'a ResourceBlock>> {
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

    pub(super) async fn declared(&mut self) {
        for level in self.levels() {
            let mut candidates: Vec<Candidate<'a>> = Vec::new();
            let mut values: Values<'a> = BTreeMap::new();
            for block in &level {
                self.note_dependencies(block);
                if block.address.mode == Mode::Ephemeral {
                    self.open(block).await;
                } else if self.targets.reaches(&block.address) {
                    self.candidates(block, &mut candidates, &mut values);
                } else {
                    self.publish_recorded(block);
                }
            }
            let answers = {
                let walk: &Walk<'a> = self;
                let questions: Vec<_> = candidates.iter().map(|candidate| walk.consult(candidate)).collect();
                futures::stream::iter(questions).buffered(self.request.parallelism.max(1)).collect::<Vec<_>>().await
            };
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
            self.doubt.end_level();
        }
    }

    /// A block that is not looked at stands for what is recorded of it; when nothing is, nobody knows.
    fn publish_recorded(&mut self, block: &ResourceBlock) {
        let first = block.address.instance(None);
        let recorded: Vec<(Option<InstanceKey>, Value)> = self
            .records
            .0
            .range(first..)
            .take_while(|(address, _)| address.block == block.address)
            .filter_map(|(address, entry)| Some((address.key.clone(), entry.current.as_ref()?.attributes.clone())))
            .collect();
        if recorded.is_empty() {
            self.known.blocks.insert(block.address.clone(), Instances::broken());
        } else {
            self.publish(block, recorded);
        }
    }

    /// What stands for an instance that something is wrong with: no further errors shall follow from it.
    pub(super) fn stand_in(&self, address: &Address, schema: &TypeSchema) -> Value {
        let recorded = self.recorded_value(address).filter(|_| self.looking);
        recorded.unwrap_or_else(|| Value::unknown(schema.block.value_type()))
    }

    pub(super) fn recorded_value(&self, address: &Address) -> Option<Value> {
        let recorded = self.entry(address).and_then(|entry| entry.current.as_ref());
        recorded.map(|recorded| recorded.attributes.clone())
    }

    pub(super) fn note_dependencies(&mut self, block: &ResourceBlock) {
        let mut all: BTreeSet<BlockAddress> = BTreeSet::new();
        for dependency in self.graph.dependencies_of(&block.address) {
            all.insert(dependency.clone());
            if dependency.mode != Mode::Managed {
                all.extend(self.dependencies.get(dependency).into_iter().flatten().cloned());
            }
        }
        // What is ephemeral is there when it is needed: nobody waits for it, but for what it needs.
        all.retain(|dependency| dependency.mode != Mode::Ephemeral);
        self.doubt.enter(&block.address, &all);
        self.dependencies.insert(block.address.clone(), all.into_iter().collect());
    }

    /// Makes what a block stands for known to what comes after it.
    pub(super) fn publish(&mut self, block: &ResourceBlock, values: Vec<(Option<InstanceKey>, Value)>) {
        if !self.known.blocks.contains_key(&block.address) {
            self.known.blocks.insert(block.address.clone(), Instances::of(block, values));
        }
    }

    /// Opens an ephemeral block, unless it was opened for a provider already, or nothing needs it.
    async fn open(&mut self, block: &'a ResourceBlock) {
        if self.known.blocks.contains_key(&block.address) {
            return;
        }
        let needed = self.graph.is_needed(&block.address) && self.targets.reaches(&block.address);
        if !needed {
            self.known.blocks.insert(block.address.clone(), Instances::unknown());
            return;
        }
        let opener = Opener { stack: self.request.stack, providers: self.providers, calls: &self.request.calls };
        let mut opened = opener.block(block, &self.known, self.waits(block)).await;
        self.known.blocks.insert(block.address.clone(), opened.stands_for(block));
        self.problems.append(&mut opened.problems);
        self.ephemerals.append(&mut opened.planned);
    }

    pub(super) fn broken(&mut self, block: &ResourceBlock, mut problems: Vec<Diagnostic>) {
        self.problems.append(&mut problems);
        if self.looking {
            self.publish_recorded(block);
        } else {
            self.known.blocks.insert(block.address.clone(), Instances::broken());
        }
    }

    fn candidates(&mut self, block: &'a ResourceBlock, candidates: &mut Vec<Candidate<'a>>, values: &mut Values<'a>) {
        let expanded = match expand(block, &self.known) {
            Ok(expanded) => expanded,
            Err(problems) => return self.broken(block, problems),
        };
        let instance = self.request.stack.provider_name(block);
        let Some(configured) = self.providers.get(&instance) else {
            if self.looking {
                // Why was told already.
                return self.broken(block, Vec::new());
            }
            let problem = Diagnostic::error(codes::NO_PROVIDER, format!("there is no provider `{instance}`"));
            return self.broken(block, vec![problem.at(block.span)]);
        };
        let types = types(&configured.schema, block.address.mode);
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
        self.problems.extend(self.targets.strangers(&block.address, &expanded, self.records));
        let mut problems = Vec::new();
        let mut imports = BTreeMap::new();
        if !self.looking {
            (imports, problems) = wanted(&self.request.stack.imports, block, &expanded, &self.known);
        }
        for expanded in expanded {
            let address = block.address.instance(expanded.key.clone());
            if block.address.mode == Mode::Managed && !self.targets.covers(&address) {
                // It stays as it is recorded; nothing is asked.
                let recorded = self.recorded_value(&address);
                let value = recorded.unwrap_or_else(|| Value::unknown(schema.block.value_type()));
                values.entry(&block.address).or_default().push((expanded.key, value));
                continue;
            }
            let evaluated = {
                let scope = instance_scope(block, &expanded, &self.known);
                evaluate_body(&block.body, &schema.block, &scope).and_then(|config| {
                    // Before anybody is asked anything about it.
                    self.request.calls.taps.learn(&mark_planned(&schema.block, config.clone(), None));
                    let kept = refuse_ephemeral(&config, &schema.block, &block.body);
                    if !kept.is_empty() {
                        return Err(kept);
                    }
                    check_conditions(&block.lifecycle.preconditions, &address, self.request.stack, &scope)
                        .map(|preconditions| (config, preconditions))
                })
            };
            match evaluated {
                Ok((config, preconditions)) => {
                    // What is recorded under the address is imported already.
                    let recorded = self.entry(&address).is_some_and(|entry| entry.current.is_some());
                    let import = imports.remove(&address).filter(|_| !recorded);
                    found.push(Candidate {
                        address,
                        block,
                        expanded,
                        schema,
                        configured,
                        config,
                        preconditions,
                        import,
                    });
                }
                Err(mut wrong) => {
                    problems.append(&mut wrong);
                    let value = self.stand_in(&address, schema);
                    values.entry(&block.address).or_default().push((expanded.key, value));
                }
            }
        }
        // The other instances are asked about all the same: all mistakes are told at once.
        self.problems.append(&mut problems);
        candidates.append(&mut found);
    }

    pub(super) fn entry(&self, address: &Address) -> Option<&'a Entry> {
        self.records.0.get(address)
    }
}

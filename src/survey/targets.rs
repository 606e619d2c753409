//! `--target` and `--replace`: which part of a stack is meant.

use std::collections::BTreeSet;

use crate::address::{Address, BlockAddress};
use crate::diagnostic::Diagnostic;
use crate::expression::nearest;
use crate::graph::{Graph, Node};
use crate::plan::{PlanKind, codes};
use crate::survey::record::Records;

/// Which part of a stack is planned.
#[derive(Debug, Default)]
pub(super) struct Targets {
    partial: bool,
    addresses: BTreeSet<Address>,
    blocks: BTreeSet<BlockAddress>,
}

impl Targets {
    /// The targets with all that they depend on; for a destroy, with all that depends on them.
    /// Without targets, everything.
    pub(super) fn new(
        targets: &[String],
        kind: PlanKind,
        graph: &Graph,
        records: &Records,
    ) -> Result<Self, Vec<Diagnostic>> {
        if targets.is_empty() {
            return Ok(Targets::default());
        }
        let mut meant = Targets { partial: true, ..Targets::default() };
        let mut problems = Vec::new();
        let mut roots: BTreeSet<BlockAddress> = BTreeSet::new();
        for text in targets {
            let address: Address = match text.parse() {
                Ok(address) => address,
                Err(error) => {
                    problems.push(Diagnostic::error(codes::TARGET, format!("--target: {error}")));
                    continue;
                }
            };
            let declared = graph.position(&Node::Block(address.block.clone())).is_some();
            let recorded = records.0.keys().any(|known| known.block == address.block);
            if !declared && !recorded {
                let problem = Diagnostic::error(
                    codes::TARGET,
                    format!("--target: nothing is declared or recorded as `{address}`"),
                );
                let declared = graph.order().filter_map(|node| match node {
                    Node::Block(block) => Some(block.to_string()),
                    _ => None,
                });
                let known: Vec<String> = declared.chain(records.0.keys().map(ToString::to_string)).collect();
                problems.push(with_nearest(problem, &address, &known));
                continue;
            }
            roots.insert(address.block.clone());
            if address.key.is_some() {
                meant.addresses.insert(address)
            } else {
                meant.blocks.insert(address.block)
            };
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let declared: Vec<&BlockAddress> =
            roots.iter().filter(|block| graph.position(&Node::Block((*block).clone())).is_some()).collect();
        let closure = if kind == PlanKind::Destroy {
            let mut closure = graph.with_dependents(declared);
            add_recorded_dependents(&mut closure, &roots, records);
            closure
        } else {
            graph.with_dependencies(declared)
        };
        // The block of a single targeted instance is there through the instance only.
        let single: BTreeSet<&BlockAddress> = meant.addresses.iter().map(|address| &address.block).collect();
        meant.blocks.extend(closure.into_iter().filter(|block| !single.contains(block)));
        Ok(meant)
    }

    /// Just these instances.
    pub(super) fn only(addresses: &BTreeSet<Address>) -> Self {
        Targets { partial: true, addresses: addresses.clone(), blocks: BTreeSet::new() }
    }

    /// Whether only a part is meant.
    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether an instance is meant.
    pub(super) fn covers(&self, address: &Address) -> bool {
        !self.partial || self.blocks.contains(&address.block) || self.addresses.contains(address)
    }

    /// Whether an instance of a block may be meant.
    pub(super) fn touches(&self, block: &BlockAddress) -> bool {
        !self.partial || self.blocks.contains(block) || self.addresses.iter().any(|address| address.block == *block)
    }

    /// The recorded instances that `--replace` names.
    pub(super) fn addresses(texts: &[String], records: &Records) -> Result<BTreeSet<Address>, Vec<Diagnostic>> {
        let mut addresses = BTreeSet::new();
        let mut problems = Vec::new();
        for text in texts {
            match text.parse::<Address>() {
                Ok(address) if records.0.get(&address).is_some_and(|entry| entry.current.is_some()) => {
                    addresses.insert(address);
                }
                Ok(address) => {
                    let problem =
                        Diagnostic::error(codes::TARGET, format!("--replace: nothing is recorded as `{address}`"));
                    let known: Vec<String> = records.0.keys().map(ToString::to_string).collect();
                    problems.push(with_nearest(problem, &address, &known));
                }
                Err(error) => problems.push(Diagnostic::error(codes::TARGET, format!("--replace: {error}"))),
            }
        }
        if problems.is_empty() { Ok(addresses) } else { Err(problems) }
    }
}

/// Advises the address that was probably meant.
fn with_nearest(problem: Diagnostic, address: &Address, known: &[String]) -> Diagnostic {
    match nearest(&address.to_string(), known.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// What is recorded as depending on the targets, directly or not, goes with them.
fn add_recorded_dependents(closure: &mut BTreeSet<BlockAddress>, roots: &BTreeSet<BlockAddress>, records: &Records) {
    closure.extend(roots.iter().cloned());
    loop {
        let before = closure.len();
        for (address, entry) in &records.0 {
            let depends = entry
                .current
                .iter()
                .chain(entry.deposed.values())
                .flat_map(|object| &object.dependencies)
                .any(|dependency| closure.contains(dependency));
            if depends {
                closure.insert(address.block.clone());
            }
        }
        if closure.len() == before {
            return;
        }
    }
}

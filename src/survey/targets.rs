//! `--target` and `--replace`: which part of a stack is meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::{Address, AddressError, BlockAddress, Mode};
use crate::diagnostic::Diagnostic;
use crate::expression::nearest;
use crate::graph::{Graph, Node};
use crate::plan::{PlanKind, codes};
use crate::survey::expand::Expanded;
use crate::survey::record::Records;

/// Which part of a stack is planned.
#[derive(Debug, Default)]
pub(super) struct Targets {
    partial: bool,
    addresses: BTreeSet<Address>,
    blocks: BTreeSet<BlockAddress>,
    /// The blocks of `addresses`.
    of_addresses: BTreeSet<BlockAddress>,
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
            if address.key.is_some() && !records.0.contains_key(&address) && (!declared || kind == PlanKind::Destroy) {
                problems.push(no_instance(&address, records.0.keys()));
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
        meant.of_addresses = meant.addresses.iter().map(|address| address.block.clone()).collect();
        meant.blocks.extend(closure.into_iter().filter(|block| !meant.of_addresses.contains(block)));
        Ok(meant)
    }

    /// Just these instances, and the data that they are made of, or that is looked at besides.
    pub(super) fn only(
        addresses: &BTreeSet<Address>,
        looked_at: &BTreeSet<BlockAddress>,
        graph: &Graph,
        records: &Records,
    ) -> Self {
        let moved = records
            .0
            .iter()
            .filter(|(_, entry)| entry.moved_from.as_ref().is_some_and(|from| addresses.contains(from)));
        let mut meant = Targets { partial: true, addresses: addresses.clone(), ..Targets::default() };
        meant.addresses.extend(moved.map(|(address, _)| address.clone()));
        meant.of_addresses = meant.addresses.iter().map(|address| address.block.clone()).collect();
        let needed = graph.with_dependencies(meant.of_addresses.iter().chain(looked_at));
        meant.blocks.extend(needed.into_iter().filter(|block| block.mode != Mode::Managed));
        meant
    }

    /// Whether only a part is meant.
    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether all instances of a block are meant.
    pub(super) fn covers_all_of(&self, block: &BlockAddress) -> bool {
        self.covers(&block.instance(None))
    }

    /// Whether an instance is meant.
    pub(super) fn covers(&self, address: &Address) -> bool {
        !self.partial || self.blocks.contains(&address.block) || self.addresses.contains(address)
    }

    /// A problem for each instance that is meant, and is neither among the declared ones of its block nor recorded.
    pub(super) fn strangers(&self, block: &BlockAddress, declared: &[Expanded], records: &Records) -> Vec<Diagnostic> {
        if !self.partial || !self.of_addresses.contains(block) {
            return Vec::new();
        }
        let declared: BTreeSet<Address> =
            declared.iter().map(|instance| block.clone().instance(instance.key.clone())).collect();
        let meant = self.addresses.iter().filter(|address| address.block == *block);
        meant
            .filter(|address| !declared.contains(address) && !records.0.contains_key(address))
            .map(|address| no_instance(address, declared.iter().chain(records.0.keys())))
            .collect()
    }

    /// Whether any instance of a block may be meant.
    pub(super) fn reaches(&self, block: &BlockAddress) -> bool {
        !self.partial || self.blocks.contains(block) || self.of_addresses.contains(block)
    }

    /// The instances that `--replace` names: recorded, declared, and part of what is planned.
    pub(super) fn replaced(
        &self,
        texts: &[String],
        kind: PlanKind,
        graph: &Graph,
        records: &Records,
    ) -> Result<BTreeSet<Address>, Vec<Diagnostic>> {
        let mut addresses = BTreeSet::new();
        let mut problems = Vec::new();
        for text in texts {
            match self.one_replaced(text, kind, graph, records) {
                Ok(meant) => addresses.extend(meant),
                Err(why) => {
                    let problem = Diagnostic::error(codes::TARGET, format!("--replace: {why}"));
                    let known: Vec<String> = records.0.keys().map(ToString::to_string).collect();
                    problems.push(match text.parse::<Address>() {
                        Ok(address) if !records.0.contains_key(&address) => with_nearest(problem, &address, &known),
                        _ => problem,
                    });
                }
            }
        }
        if problems.is_empty() { Ok(addresses) } else { Err(problems) }
    }

    /// What one `--replace` names: without a key, all instances of the block.
    fn one_replaced(
        &self,
        text: &str,
        kind: PlanKind,
        graph: &Graph,
        records: &Records,
    ) -> Result<Vec<Address>, String> {
        let address: Address = text.parse().map_err(|error: AddressError| error.to_string())?;
        if kind == PlanKind::Destroy {
            return Err(format!("`{address}` is to be destroyed, and nothing is made anew"));
        }
        let meant: Vec<Address> = records
            .0
            .iter()
            .filter(|(recorded, entry)| {
                let named = **recorded == address || address.key.is_none() && recorded.block == address.block;
                named && entry.current.is_some()
            })
            .map(|(recorded, _)| recorded.clone())
            .collect();
        if meant.is_empty() {
            return Err(format!("nothing is recorded as `{address}`"));
        }
        if graph.position(&Node::Block(address.block.clone())).is_none() {
            return Err(format!("`{address}` is no longer declared, so it is not made anew"));
        }
        match meant.iter().find(|address| !self.covers(address)) {
            Some(address) => Err(format!("`{address}` is not among what --target names")),
            None => Ok(meant),
        }
    }
}

fn no_instance<'k>(address: &Address, known: impl Iterator<Item = &'k Address>) -> Diagnostic {
    let message = format!("--target: nothing is declared or recorded as `{address}`");
    let known: Vec<String> = known.filter(|known| known.block == address.block).map(ToString::to_string).collect();
    let problem = Diagnostic::error(codes::TARGET, message);
    match known.as_slice() {
        [] => problem,
        [only] => problem.hint(format!("its only instance is `{only}`")),
        _ => with_nearest(problem, address, &known),
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
    let mut dependents: BTreeMap<&BlockAddress, BTreeSet<&BlockAddress>> = BTreeMap::new();
    for (address, entry) in &records.0 {
        for dependency in entry.objects().flat_map(|object| &object.dependencies) {
            dependents.entry(dependency).or_default().insert(&address.block);
        }
    }
    closure.extend(roots.iter().cloned());
    let mut open: Vec<BlockAddress> = closure.iter().cloned().collect();
    while let Some(block) = open.pop() {
        for dependent in dependents.get(&block).into_iter().flatten() {
            if closure.insert((*dependent).clone()) {
                open.push((*dependent).clone());
            }
        }
    }
}

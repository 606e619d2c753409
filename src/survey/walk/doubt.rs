//! What is in doubt, and what has to wait until that is settled.

use std::collections::BTreeSet;

use crate::address::{Address, BlockAddress};
use crate::config::Moved;
use crate::graph::Graph;
use crate::plan::InDoubt;
use crate::survey::record::Records;

/// What is in doubt, and what has to wait for it.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// What is in doubt itself.
    addresses: BTreeSet<Address>,
    /// Blocks that depend on something in doubt.
    waiting: BTreeSet<BlockAddress>,
    /// Blocks that something in doubt depends on, directly or not: whatever became of it, it may need them.
    needed: BTreeSet<BlockAddress>,
    /// Blocks of which something was met, for those that come after.
    met: BTreeSet<BlockAddress>,
}

impl Doubt {
    pub(super) fn new(in_doubt: &[InDoubt], graph: &Graph, records: &Records, moved: &[Moved]) -> Self {
        let mut doubt = Doubt::default();
        if in_doubt.is_empty() {
            return doubt;
        }
        doubt.addresses = in_doubt.iter().map(|doubt| doubt.address.clone()).collect();
        // What is in doubt may not be recorded yet: doubt follows a rename all the same.
        let renamed = in_doubt.iter().filter_map(|doubt| Records::renamed(&doubt.address, moved));
        doubt.addresses.extend(renamed);
        let of = |block: &BlockAddress| -> Vec<BlockAddress> {
            let instances = records.0.range(block.instance(None)..).take_while(|(address, _)| address.block == *block);
            let recorded = instances.flat_map(|(_, entry)| entry.objects()).flat_map(|object| &object.dependencies);
            recorded.chain(graph.dependencies_of(block)).cloned().collect()
        };
        let mut open: Vec<BlockAddress> = doubt.addresses.iter().flat_map(|address| of(&address.block)).collect();
        while let Some(block) = open.pop() {
            if doubt.needed.insert(block.clone()) {
                open.extend(of(&block));
            }
        }
        doubt
    }

    /// Whether nothing is in doubt, and nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.waiting.is_empty() && self.met.is_empty()
    }

    /// Something that is left as it is may need a block; whether that is new.
    pub(super) fn hold(&mut self, block: &BlockAddress) -> bool {
        self.needed.insert(block.clone())
    }

    /// Whether just this is in doubt.
    pub(super) fn about(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// Whether nothing may be done with an instance: it is in doubt, or depends on something that is.
    pub(super) fn blocks(&self, address: &Address) -> bool {
        self.addresses.contains(address) || self.waiting.contains(&address.block)
    }

    /// Whether something in doubt may need an instance, so that it must not go.
    pub(super) fn holds(&self, address: &Address) -> bool {
        self.needed.contains(&address.block)
    }

    /// Takes a block whose turn it is: it waits when something that it depends on does.
    pub(super) fn enter(&mut self, block: &BlockAddress, dependencies: &BTreeSet<BlockAddress>) {
        if dependencies.iter().any(|dependency| self.waiting.contains(dependency)) {
            self.waiting.insert(block.clone());
        }
    }

    /// An instance was left as it is. Its siblings go on; what comes after its block waits.
    pub(super) fn meet(&mut self, block: &BlockAddress) {
        self.met.insert(block.clone());
    }

    /// All blocks of a level were decided.
    pub(super) fn end_level(&mut self) {
        self.waiting.append(&mut self.met);
    }
}

//! What has to be undone, and in which order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::{Address, BlockAddress};
use crate::plan::{StepEffect, StepId};
use crate::saga::history::{RunHistory, StepHistory};

/// One step to be undone.
#[derive(Clone, Debug)]
pub struct Undo {
    /// The run that the step belongs to.
    pub run: String,
    /// What is written about the step.
    pub step: StepHistory,
    /// The undos that come before, by position in the list.
    pub after: Vec<usize>,
}

/// The steps to be undone, newest first.
///
/// `runs` come newest first; `done` are the undos that earlier attempts finished. A step waits for
/// the undo of every later one that touches the same address or depends on it (or, where something
/// was ended, that it depends on): in between, order does not matter, so that one branch that is
/// stuck does not hold up the others.
pub fn undos(runs: &[(String, RunHistory)], done: &BTreeSet<(String, StepId)>) -> Vec<Undo> {
    let mut undos: Vec<Undo> = Vec::new();
    for (run, history) in runs {
        let mut steps: Vec<&StepHistory> = history
            .steps
            .iter()
            .filter(|step| step.status.had_effect() && step.id.effect != StepEffect::Read)
            .filter(|step| !done.contains(&(run.clone(), step.id.clone())))
            .collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.position));
        for step in steps {
            undos.push(Undo { run: run.clone(), step: step.clone(), after: Vec::new() });
        }
    }
    link(&mut undos);
    undos
}

/// Finds what each undo waits for. An undo comes after those of later steps, which stand before it.
///
/// One thing is the other way round: where something was ended (or replaced) and is made again with
/// a new id, what was merely changed to do without it is changed back after that, so that it can
/// refer to the new id.
fn link(undos: &mut [Undo]) {
    let mut remade: BTreeMap<BlockAddress, Vec<usize>> = BTreeMap::new();
    for (index, undo) in undos.iter().enumerate() {
        if undo.step.id.effect == StepEffect::Delete {
            remade.entry(undo.step.id.address.block.clone()).or_default().push(index);
        }
    }
    let mut depending: BTreeMap<BlockAddress, Vec<usize>> = BTreeMap::new();
    let mut touching: BTreeMap<Address, usize> = BTreeMap::new();
    let mut of_block: BTreeMap<BlockAddress, Vec<usize>> = BTreeMap::new();
    for index in 0..undos.len() {
        let Some(undo) = undos.get(index) else { continue };
        let id = &undo.step.id;
        let block = id.address.block.clone();
        let dependencies: BTreeSet<BlockAddress> = undo
            .step
            .begin
            .iter()
            .flat_map(|begin| &begin.dependencies)
            .filter(|dependency| **dependency != block)
            .cloned()
            .collect();
        let follows = matches!(id.effect, StepEffect::Update | StepEffect::Record);
        let mut after: BTreeSet<usize> = BTreeSet::new();
        after.extend(touching.get(&id.address));
        after.extend(depending.get(&block).into_iter().flatten());
        for dependency in &dependencies {
            if ends(id.effect) {
                after.extend(of_block.get(dependency).into_iter().flatten());
            }
            if follows {
                after.extend(remade.get(dependency).into_iter().flatten());
            }
        }
        touching.insert(id.address.clone(), index);
        of_block.entry(block).or_default().push(index);
        for dependency in dependencies {
            if !(follows && remade.contains_key(&dependency)) {
                depending.entry(dependency).or_default().push(index);
            }
        }
        if let Some(undo) = undos.get_mut(index) {
            undo.after = after.into_iter().collect();
        }
    }
}

fn ends(effect: StepEffect) -> bool {
    matches!(effect, StepEffect::Delete | StepEffect::Forget)
}

/// What undoing a step does outside; `None` when only the record changes.
pub fn inverse(step: &StepHistory) -> Option<StepEffect> {
    match step.id.effect {
        StepEffect::Create => Some(StepEffect::Delete),
        StepEffect::Update => Some(StepEffect::Update),
        StepEffect::Delete => Some(StepEffect::Create),
        StepEffect::Adopt | StepEffect::Depose | StepEffect::Forget | StepEffect::Read | StepEffect::Record => None,
    }
}

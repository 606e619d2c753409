//! What has to be undone, and in which order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{ObjectKey, StepEffect, StepId};
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
fn link(undos: &mut [Undo]) {
    // By block, the latest undo whose step depends on the block; later ones wait for it, so that
    // waiting for the whole set so far is one list per block, not one edge per pair.
    let mut depending: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut touching: BTreeMap<String, usize> = BTreeMap::new();
    let mut of_block: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in 0..undos.len() {
        let Some(undo) = undos.get(index) else { continue };
        let address = undo.step.id.address.to_string();
        let block = undo.step.id.address.block.to_string();
        let dependencies: Vec<String> = undo
            .step
            .begin
            .iter()
            .flat_map(|begin| &begin.dependencies)
            .map(ToString::to_string)
            .filter(|dependency| *dependency != block)
            .collect();
        let mut after: BTreeSet<usize> = BTreeSet::new();
        after.extend(touching.get(&address));
        after.extend(depending.get(&block).into_iter().flatten());
        if ends(undo.step.id.effect) {
            for dependency in &dependencies {
                after.extend(of_block.get(dependency).into_iter().flatten());
            }
        }
        touching.insert(address, index);
        of_block.entry(block).or_default().push(index);
        for dependency in dependencies {
            depending.entry(dependency).or_default().push(index);
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

/// Where the object of a step is recorded while it is undone.
pub fn object_of(step: &StepHistory) -> ObjectKey {
    step.id.object.clone()
}

//! What has to be undone, and in which order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::{Address, BlockAddress};
use crate::broken;
use crate::plan::{ObjectKey, StepEffect, StepId};
use crate::saga::history::{RunHistory, StepHistory};

/// One step to be undone.
#[derive(Clone, Debug)]
pub struct Undo {
    /// The run that the step belongs to.
    pub run: String,
    /// What is written about the step.
    pub step: StepHistory,
    /// Why it cannot be undone before something is settled: nobody knows what came of the step, or of
    /// an earlier try to undo it.
    pub doubt: Option<&'static str>,
    /// What comes before, by node: an undo, or a barrier.
    pub after: Vec<usize>,
}

/// What has to be undone. Its nodes are the undos, and behind them barriers: a barrier stands for a
/// set of undos, so that two groups of instances need no edge for each pair.
#[derive(Clone, Debug, Default)]
pub struct Unwinding {
    /// The undos, newest first.
    pub undos: Vec<Undo>,
    /// By barrier, what comes before it.
    pub barriers: Vec<Vec<usize>>,
}

impl Unwinding {
    /// What comes before a node.
    pub fn after(&self, node: usize) -> &[usize] {
        match self.undos.get(node) {
            Some(undo) => &undo.after,
            None => node
                .checked_sub(self.undos.len())
                .and_then(|barrier| self.barriers.get(barrier))
                .map_or(&[], Vec::as_slice),
        }
    }

    /// Whether a node is a barrier.
    pub fn is_barrier(&self, node: usize) -> bool {
        node >= self.undos.len()
    }
}

/// What earlier attempts to unwind the same runs came to, by run and step.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// The undos that are finished.
    pub done: BTreeSet<(String, StepId)>,
    /// The undos that began, and of which nobody knows how they ended.
    pub in_doubt: BTreeSet<(String, StepId)>,
}

impl Undo {
    /// Where the object stands in the record that the undo starts from.
    pub fn from(&self) -> (Address, ObjectKey) {
        match self.step.id.effect {
            StepEffect::Depose => (self.step.id.address.clone(), deposed_key(&self.step)),
            // It ended: what the undo makes again stands where it stood.
            StepEffect::Delete | StepEffect::Forget => self.to(),
            _ => (self.step.id.address.clone(), self.step.id.object.clone()),
        }
    }

    /// Where the object stands in the record once the step is undone.
    pub fn to(&self) -> (Address, ObjectKey) {
        // Between types there is no way back: it stays what it has become.
        let here = &self.step.id.address;
        let address = self.step.moved_from().filter(|_| self.step.turned_from().is_none()).unwrap_or(here);
        (address.clone(), self.step.id.object.clone())
    }
}

/// Under which key a depose set its object aside.
fn deposed_key(step: &StepHistory) -> ObjectKey {
    let generation = step.begin.as_ref().map_or(0, |begin| begin.generation);
    ObjectKey::Deposed(generation.to_string().into())
}

/// The steps to be undone, newest first.
///
/// `runs` come newest first. A step waits for
/// the undo of every later one that touches the same address or depends on it (or, where something
/// was ended, that it depends on): in between, order does not matter, so that one branch that is
/// stuck does not hold up the others.
pub fn undos(runs: &[(String, RunHistory)], earlier: &Earlier) -> Unwinding {
    let mut undos: Vec<Undo> = Vec::new();
    for (run, history) in runs {
        let mut steps: Vec<&StepHistory> = history
            .steps
            .iter()
            .filter(|step| step.status.may_have_happened())
            .filter(|step| step.id.effect != StepEffect::Read)
            .filter(|step| broken!(UndoneTwice) || !earlier.done.contains(&(run.clone(), step.id.clone())))
            .collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.position));
        if broken!(UndoForward) {
            steps.reverse();
        }
        for step in steps {
            let doubt = if step.status.in_doubt() {
                Some("nobody knows what came of it")
            } else if earlier.in_doubt.contains(&(run.clone(), step.id.clone())) {
                Some("nobody knows what came of undoing it")
            } else {
                None
            };
            undos.push(Undo { run: run.clone(), step: step.clone(), doubt, after: Vec::new() });
        }
    }
    if broken!(UndoForward) {
        return Unwinding { undos, barriers: Vec::new() };
    }
    link(undos)
}

/// A growing set of undos that others wait for as a whole.
#[derive(Default)]
struct Crowd {
    members: Vec<usize>,
    /// The barrier behind the members so far, and how many they were.
    barrier: Option<(usize, usize)>,
}

impl Crowd {
    /// What stands for all members so far: nothing, the one, or a barrier.
    fn wait(&mut self, count: usize, barriers: &mut Vec<Vec<usize>>) -> Option<usize> {
        match (self.members.as_slice(), self.barrier) {
            ([], _) => None,
            ([one], _) => Some(*one),
            (members, Some((barrier, covered))) if covered == members.len() => Some(barrier),
            (members, previous) => {
                let covered = previous.map_or(0, |(_, covered)| covered);
                let mut before: Vec<usize> = previous.iter().map(|(barrier, _)| *barrier).collect();
                before.extend(members.iter().skip(covered));
                barriers.push(before);
                let barrier = count + barriers.len() - 1;
                self.barrier = Some((barrier, members.len()));
                Some(barrier)
            }
        }
    }
}

/// Finds what each undo waits for. An undo comes after those of later steps, which stand before it.
///
/// One thing is the other way round: where something was ended (or replaced) and is made again with
/// a new id, what was merely changed to do without it is changed back after that, so that it can
/// refer to the new id.
fn link(mut undos: Vec<Undo>) -> Unwinding {
    let count = undos.len();
    let mut barriers: Vec<Vec<usize>> = Vec::new();
    let mut remade: BTreeMap<BlockAddress, Crowd> = BTreeMap::new();
    for (index, undo) in undos.iter().enumerate() {
        if undo.step.id.effect == StepEffect::Delete {
            remade.entry(undo.step.id.address.block.clone()).or_default().members.push(index);
        }
    }
    // What is made again for this run and for later ones.
    let mut ended: BTreeMap<&BlockAddress, Crowd> = BTreeMap::new();
    let mut ahead = undos.iter().enumerate().peekable();
    let mut waits: Vec<Vec<usize>> = Vec::with_capacity(count);
    let mut depending: BTreeMap<BlockAddress, Crowd> = BTreeMap::new();
    let mut touching: BTreeMap<Address, usize> = BTreeMap::new();
    let mut of_block: BTreeMap<BlockAddress, Crowd> = BTreeMap::new();
    for (index, undo) in undos.iter().enumerate() {
        // The undos of a run come one after the other.
        while let Some((at, other)) = ahead.next_if(|(_, other)| other.run == undo.run) {
            if other.step.id.effect == StepEffect::Delete {
                ended.entry(&other.step.id.address.block).or_default().members.push(at);
            }
        }
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
        let places = [Some(&id.address), undo.step.moved_from()];
        after.extend(places.iter().flatten().filter_map(|place| touching.get(*place)));
        after.extend(depending.get_mut(&block).and_then(|crowd| crowd.wait(count, &mut barriers)));
        for dependency in &dependencies {
            if ends(id.effect) {
                after.extend(of_block.get_mut(dependency).and_then(|crowd| crowd.wait(count, &mut barriers)));
            }
        }
        if follows {
            for dependency in &dependencies {
                after.extend(remade.get_mut(dependency).and_then(|crowd| crowd.wait(count, &mut barriers)));
            }
        }
        if follows || id.effect == StepEffect::Delete {
            // And what it referred to before it was changed to do without, or ended: what was ended in this
            // run, whose images are of one world, in which nothing refers to itself in a circle, or later.
            let referred = undo.step.image.iter().flat_map(|image| image.provenance.values());
            let referred = referred.map(|(address, _)| &address.block).filter(|other| **other != block);
            for other in referred.collect::<BTreeSet<_>>() {
                after.extend(ended.get_mut(other).and_then(|crowd| crowd.wait(count, &mut barriers)));
            }
        }
        for place in places.into_iter().flatten() {
            touching.insert(place.clone(), index);
        }
        of_block.entry(block).or_default().members.push(index);
        for dependency in dependencies {
            if !(follows && remade.contains_key(&dependency)) {
                depending.entry(dependency).or_default().members.push(index);
            }
        }
        waits.push(after.into_iter().collect());
    }
    for (undo, after) in undos.iter_mut().zip(waits) {
        undo.after = after;
    }
    Unwinding { undos, barriers }
}

fn ends(effect: StepEffect) -> bool {
    matches!(effect, StepEffect::Delete | StepEffect::Forget)
}

/// Whether what a step ended stands for its address again once runs are unwound: it was the current object, or one of
/// them had set it aside. What had been set aside before them stays aside, and nothing refers to it.
pub fn stands_again<'h>(id: &StepId, runs: impl IntoIterator<Item = &'h RunHistory>) -> bool {
    let sets_aside = |step: &StepHistory| {
        step.id.effect == StepEffect::Depose && step.id.address == id.address && deposed_key(step) == id.object
    };
    id.object == ObjectKey::Current || runs.into_iter().any(|run| run.steps.iter().any(sets_aside))
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

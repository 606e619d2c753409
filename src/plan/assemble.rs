//! Puts decisions together: what each step waits for, the order, the stages, and the pivot.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use retrue_provider_api::Reversibility;

use crate::address::{Address, BlockAddress};
use crate::plan::model::{Dependency, ObjectKey, Pivot, Step, StepEffect};

/// Steps in their order, with what they wait for.
#[derive(Debug, Default)]
pub struct Assembled {
    /// In an order that respects every dependency.
    pub steps: Vec<Step>,
    /// Sets of steps that others wait for as a whole.
    pub groups: Vec<Vec<usize>>,
    /// The first step behind which nothing can be unwound in full.
    pub pivot: Option<Pivot>,
}

/// The steps of one instance, in the order in which they follow each other.
#[derive(Debug)]
pub struct Chain {
    /// The steps.
    pub steps: Vec<Step>,
    /// The blocks that the recorded object depends on: they are ended after it.
    pub recorded_dependencies: Vec<BlockAddress>,
}

/// How deletes are ordered among the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Deletes {
    /// As late as the dependencies permit.
    #[default]
    Last,
    /// As early as the dependencies permit, so that the old makes room for the new.
    Graph,
}

/// The addresses of steps that wait for each other.
#[derive(Debug, PartialEq, Eq)]
pub struct StepCycle(pub Vec<String>);

/// So many dependencies of a step are named one by one; of more, one group is made. Blocks that depend
/// on the same many share it, so that two groups of blocks need no edge for each pair.
const FEW: usize = 8;

/// Which steps of a block are waited for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Parts {
    Forward,
    Ending,
    All,
}

/// Makes what stands for the steps of blocks, each once.
struct WaitsFor<'b> {
    blocks: &'b BTreeMap<BlockAddress, BlockSteps>,
    graph: Graph,
    gathered: BTreeMap<(Vec<&'b BlockAddress>, Parts), Option<Dependency>>,
}

impl<'b> WaitsFor<'b> {
    /// What stands for all steps of these blocks.
    fn steps_of(&mut self, blocks: Vec<&BlockAddress>, parts: Parts) -> Vec<Dependency> {
        let mut known: Vec<&'b BlockAddress> =
            blocks.into_iter().filter_map(|block| self.blocks.get_key_value(block)).map(|(block, _)| block).collect();
        known.sort_unstable();
        known.dedup();
        if known.len() > FEW {
            return self.gathered(known, parts).into_iter().collect();
        }
        let each = match parts {
            Parts::Forward => &[Parts::Forward][..],
            Parts::Ending => &[Parts::Ending],
            Parts::All => &[Parts::Forward, Parts::Ending],
        };
        let pairs: Vec<_> = known.iter().flat_map(|block| each.iter().map(|parts| (vec![*block], *parts))).collect();
        pairs.into_iter().filter_map(|(block, parts)| self.gathered(block, parts)).collect()
    }

    fn gathered(&mut self, key: Vec<&'b BlockAddress>, parts: Parts) -> Option<Dependency> {
        if let Some(known) = self.gathered.get(&(key.clone(), parts)) {
            return *known;
        }
        let mut members: Vec<usize> = Vec::new();
        for of in key.iter().filter_map(|block| self.blocks.get(*block)) {
            if parts != Parts::Ending {
                members.extend(&of.forward);
            }
            if parts != Parts::Forward {
                members.extend(&of.ending);
            }
        }
        members.sort_unstable();
        let made = self.graph.gather(&members);
        self.gathered.insert((key, parts), made);
        made
    }
}

#[derive(Default)]
struct BlockSteps {
    /// Steps after which the block is as desired.
    forward: Vec<usize>,
    /// Steps that end objects of the block.
    ending: Vec<usize>,
}

/// Puts the steps of all instances together.
///
/// The chains come in the order of their addresses; the result depends on nothing else.
pub fn assemble(chains: Vec<Chain>, deletes: Deletes) -> Result<Assembled, StepCycle> {
    let mut steps: Vec<Step> = Vec::new();
    let mut blocks: BTreeMap<BlockAddress, BlockSteps> = BTreeMap::new();
    let mut dependents: BTreeMap<BlockAddress, BTreeSet<BlockAddress>> = BTreeMap::new();
    // For each step: the step before it in its chain, and whether it ends something that is then
    // made anew at the same place.
    let mut previous: Vec<Option<usize>> = Vec::new();
    let mut makes_room: Vec<bool> = Vec::new();
    for chain in chains {
        let last_made = chain.steps.iter().rposition(|step| !ends(step));
        for (position, step) in chain.steps.into_iter().enumerate() {
            let index = steps.len();
            let block = step.id.address.block.clone();
            for dependency in chain.recorded_dependencies.iter().chain(&step.dependencies) {
                if *dependency != block {
                    dependents.entry(dependency.clone()).or_default().insert(block.clone());
                }
            }
            let of_block = blocks.entry(block).or_default();
            let ends = ends(&step);
            if ends {
                of_block.ending.push(index)
            } else {
                of_block.forward.push(index)
            }
            previous.push((position > 0).then(|| index - 1));
            makes_room.push(ends && last_made.is_some_and(|made| position < made));
            steps.push(step);
        }
    }
    let mut waits_for = WaitsFor { blocks: &blocks, graph: Graph::new(steps.len()), gathered: BTreeMap::new() };
    let nothing = BTreeSet::new();
    // All instances of a block that end wait for the same.
    let mut users_of: BTreeMap<(&BlockAddress, Parts), Vec<Dependency>> = BTreeMap::new();
    for index in 0..steps.len() {
        let (Some(step), Some(before), Some(room)) = (steps.get(index), previous.get(index), makes_room.get(index))
        else {
            continue;
        };
        let mut waits: BTreeSet<Dependency> = BTreeSet::new();
        waits.extend(before.map(Dependency::Step));
        let block = &step.id.address.block;
        if ends(step) {
            // What is made anew at the same place is waited for by its dependents, so it cannot
            // wait for them; anything else goes only when nothing uses it any more.
            let leftover = matches!(step.id.object, ObjectKey::Deposed(_)) && before.is_none();
            let parts = if !room && !leftover { Parts::All } else { Parts::Ending };
            let users = dependents.get(block).unwrap_or(&nothing);
            let known = users_of.entry((block, parts));
            waits.extend(known.or_insert_with(|| waits_for.steps_of(users.iter().collect(), parts)).iter());
        } else {
            let others = step.dependencies.iter().filter(|dependency| *dependency != block).collect();
            waits.extend(waits_for.steps_of(others, Parts::Forward));
        }
        waits_for.graph.waits.insert(index, waits.into_iter().collect());
    }
    let graph = waits_for.graph;
    graph.order(steps, deletes)
}

/// Whether it ends an object, for the order of things.
fn ends(step: &Step) -> bool {
    matches!(step.id.effect, StepEffect::Delete | StepEffect::Forget) || step.restores
}

/// How late a step comes: creates and updates, reversible deletes, lossy steps, irreversible ones.
fn class(step: &Step, deletes: Deletes) -> u8 {
    if ends(step) && deletes == Deletes::Graph {
        return 0;
    }
    match step.reversibility {
        Reversibility::No(_) => 3,
        Reversibility::Lossy(_) => 2,
        Reversibility::Full if ends(step) => 1,
        Reversibility::Full => 0,
    }
}

struct Graph {
    waits: BTreeMap<usize, Vec<Dependency>>,
    groups: Vec<Vec<usize>>,
    count: usize,
}

impl Graph {
    fn new(count: usize) -> Self {
        Graph { waits: BTreeMap::new(), groups: Vec::new(), count }
    }

    /// What stands for all of these steps: nothing, the one step, or a group.
    fn gather(&mut self, members: &[usize]) -> Option<Dependency> {
        match members {
            [] => None,
            [one] => Some(Dependency::Step(*one)),
            many => {
                self.groups.push(many.to_vec());
                Some(Dependency::Group(self.groups.len() - 1))
            }
        }
    }

    /// Kahn's algorithm, always taking the step of the lowest class, and of those the one with the
    /// smallest address. A new stage begins when the class has to rise, or can fall again.
    fn order(mut self, steps: Vec<Step>, deletes: Deletes) -> Result<Assembled, StepCycle> {
        // A group is a node of its own, behind the steps: it is done when all its members are.
        let nodes = self.count + self.groups.len();
        let mut open: Vec<usize> = vec![0; nodes];
        let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); nodes];
        for (index, waits) in &self.waits {
            for dependency in waits {
                let node = match dependency {
                    Dependency::Step(step) => *step,
                    Dependency::Group(group) => self.count + group,
                };
                if let (Some(count), Some(list)) = (open.get_mut(*index), waiting.get_mut(node)) {
                    *count += 1;
                    list.push(*index);
                }
            }
        }
        for (group, members) in self.groups.iter().enumerate() {
            for member in members {
                if let (Some(count), Some(list)) = (open.get_mut(self.count + group), waiting.get_mut(*member)) {
                    *count += 1;
                    list.push(self.count + group);
                }
            }
        }
        // A group is in no class: it is passed through at once.
        let class_of = |node: usize| steps.get(node).map_or(0, |step| class(step, deletes));
        let mut ready: BinaryHeap<Reverse<(u8, usize)>> = (0..self.count)
            .filter(|node| open.get(*node) == Some(&0))
            .map(|node| Reverse((class_of(node), node)))
            .collect();
        let mut order: Vec<(usize, u32)> = Vec::with_capacity(self.count);
        let (mut stage, mut current) = (0u32, None::<u8>);
        while let Some(Reverse((class, node))) = ready.pop() {
            if let Some(now) = current
                && now != class
            {
                stage += 1;
            }
            current = Some(class);
            order.push((node, stage));
            let mut done = vec![node];
            while let Some(finished) = done.pop() {
                for next in waiting.get_mut(finished).map(std::mem::take).unwrap_or_default() {
                    let Some(count) = open.get_mut(next) else { continue };
                    *count -= 1;
                    if *count == 0 {
                        if next < self.count { ready.push(Reverse((class_of(next), next))) } else { done.push(next) }
                    }
                }
            }
        }
        if order.len() < self.count {
            let placed: BTreeSet<usize> = order.iter().map(|(node, _)| *node).collect();
            let stuck = steps
                .iter()
                .enumerate()
                .filter(|(index, _)| !placed.contains(index))
                .map(|(_, step)| format!("{} {}", step.id.effect.word(), step.id.address))
                .collect();
            return Err(StepCycle(stuck));
        }
        Ok(self.renumber(steps, &order))
    }

    fn renumber(&mut self, steps: Vec<Step>, order: &[(usize, u32)]) -> Assembled {
        let mut position = vec![0usize; self.count];
        for (new, (old, _)) in order.iter().enumerate() {
            if let Some(slot) = position.get_mut(*old) {
                *slot = new;
            }
        }
        let at = |old: usize| position.get(old).copied().unwrap_or(old);
        let groups: Vec<Vec<usize>> = self
            .groups
            .iter()
            .map(|members| {
                let mut members: Vec<usize> = members.iter().map(|member| at(*member)).collect();
                members.sort_unstable();
                members
            })
            .collect();
        let mut slots: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
        let mut ordered = Vec::with_capacity(slots.len());
        for (old, stage) in order {
            let Some(mut step) = slots.get_mut(*old).and_then(Option::take) else { continue };
            step.stage = *stage;
            let mut waits: Vec<Dependency> = self
                .waits
                .get(old)
                .into_iter()
                .flatten()
                .map(|dependency| match dependency {
                    Dependency::Step(step) => Dependency::Step(at(*step)),
                    group => *group,
                })
                .collect();
            waits.sort_unstable();
            step.depends_on = waits;
            ordered.push(step);
        }
        let pivot = find_pivot(&ordered, &groups);
        Assembled { steps: ordered, groups, pivot }
    }
}

/// Finds the first step that cannot be undone in full and that others rest on.
pub fn find_pivot(steps: &[Step], groups: &[Vec<usize>]) -> Option<Pivot> {
    let mut waited_for = vec![false; steps.len()];
    let mut waited_groups = vec![false; groups.len()];
    let mark = |marks: &mut Vec<bool>, index: usize| marks.get_mut(index).into_iter().for_each(|mark| *mark = true);
    for (step, dependency) in dependencies(steps) {
        match dependency {
            Dependency::Step(other) if only_follows(step, *other, steps) => {}
            Dependency::Step(other) => mark(&mut waited_for, *other),
            Dependency::Group(group) => mark(&mut waited_groups, *group),
        }
    }
    let waited_members = groups.iter().zip(&waited_groups).filter(|(_, waited)| **waited);
    for member in waited_members.flat_map(|(members, _)| members) {
        mark(&mut waited_for, *member);
    }
    let mut pivots = steps.iter().zip(&waited_for).enumerate().filter(|(_, (_, waited))| **waited);
    pivots.find_map(|(index, (step, _))| {
        let reason = step.reversibility.reason()?.to_owned();
        let mut behind = resting_on(index, steps, groups);
        // Its own replacement is no other thing.
        behind.retain(|address| *address != step.id.address);
        Some(Pivot { address: step.id.address.clone(), step: index, reason, behind })
    })
}

/// Each dependency, with the step that has it.
fn dependencies(steps: &[Step]) -> impl Iterator<Item = (&Step, &Dependency)> {
    steps.iter().flat_map(|step| step.depends_on.iter().map(move |dependency| (step, dependency)))
}

/// Whether a step comes after another one only because both are of one address: what an earlier plan has set aside does
/// not rest on anything that is done at its address now.
fn only_follows(step: &Step, before: usize, steps: &[Step]) -> bool {
    let ObjectKey::Deposed(key) = &step.id.object else { return false };
    let address = &step.id.address;
    let of_address = |other: &Step| other.id.address == *address;
    let set_aside_now = |other: &Step| {
        of_address(other) && other.id.effect == StepEffect::Depose && other.generation.to_string() == **key
    };
    steps.get(before).is_some_and(of_address) && !steps.iter().any(set_aside_now)
}

/// The addresses of the steps that wait for a step, directly or not, sorted.
pub fn resting_on(index: usize, steps: &[Step], groups: &[Vec<usize>]) -> Vec<Address> {
    let mut rests: BTreeSet<usize> = BTreeSet::from([index]);
    let mut resting_groups: BTreeSet<usize> = groups
        .iter()
        .enumerate()
        .filter(|(_, members)| members.binary_search(&index).is_ok())
        .map(|(group, _)| group)
        .collect();
    let mut member_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (group, members) in groups.iter().enumerate() {
        for member in members {
            member_of.entry(*member).or_default().push(group);
        }
    }
    for (other, step) in steps.iter().enumerate().skip(index) {
        let waits = step.depends_on.iter().any(|dependency| match dependency {
            Dependency::Step(before) => rests.contains(before) && !only_follows(step, *before, steps),
            Dependency::Group(group) => resting_groups.contains(group),
        });
        if waits {
            rests.insert(other);
            resting_groups.extend(member_of.get(&other).into_iter().flatten());
        }
    }
    rests.remove(&index);
    let addresses: BTreeSet<Address> =
        rests.into_iter().filter_map(|index| steps.get(index)).map(|step| step.id.address.clone()).collect();
    addresses.into_iter().collect()
}

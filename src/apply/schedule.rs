//! Which steps may start. Pure: it is told what ended, and answers what is ready.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::plan::{Dependency, Plan};

/// What became of a step, for what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Dependents may start.
    Done,
    /// Dependents will never start.
    Failed,
}

/// The progress through a plan.
#[derive(Debug)]
pub(super) struct Schedule {
    /// What each step still waits for.
    open: Vec<usize>,
    /// By step, the steps that wait for it.
    waiting: Vec<Vec<usize>>,
    /// By step, the groups that it is in.
    member_of: Vec<Vec<usize>>,
    /// By group, how many members have not ended, and the steps that wait for it.
    groups: Vec<(usize, Vec<usize>)>,
    stages: Vec<u32>,
    /// By stage, how many steps have not ended.
    unfinished: BTreeMap<u32, usize>,
    ready: BinaryHeap<Reverse<usize>>,
    state: Vec<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Waiting,
    Started,
    Ended,
}

impl Schedule {
    /// All steps of a plan, none of them started.
    pub(super) fn new(plan: &Plan) -> Self {
        let count = plan.steps.len();
        let mut schedule = Schedule {
            open: vec![0; count],
            waiting: vec![Vec::new(); count],
            member_of: vec![Vec::new(); count],
            groups: plan.groups.iter().map(|members| (members.len(), Vec::new())).collect(),
            stages: plan.steps.iter().map(|step| step.stage).collect(),
            unfinished: BTreeMap::new(),
            ready: BinaryHeap::new(),
            state: vec![Position::Waiting; count],
        };
        for (index, step) in plan.steps.iter().enumerate() {
            *schedule.unfinished.entry(step.stage).or_default() += 1;
            for dependency in &step.depends_on {
                let list = match dependency {
                    Dependency::Step(other) => schedule.waiting.get_mut(*other),
                    Dependency::Group(group) => schedule.groups.get_mut(*group).map(|(_, list)| list),
                };
                if let (Some(list), Some(open)) = (list, schedule.open.get_mut(index)) {
                    list.push(index);
                    *open += 1;
                }
            }
        }
        for (group, members) in plan.groups.iter().enumerate() {
            for member in members {
                if let Some(of) = schedule.member_of.get_mut(*member) {
                    of.push(group);
                }
            }
        }
        schedule.ready =
            schedule.open.iter().enumerate().filter(|(_, open)| **open == 0).map(|(index, _)| Reverse(index)).collect();
        schedule
    }

    /// The next step that may start, if there is one: the first in the order of the plan.
    ///
    /// Steps of a later stage wait until all of the earlier ones have ended.
    pub(super) fn start(&mut self) -> Option<usize> {
        let stage = *self.unfinished.keys().next()?;
        let Reverse(next) = *self.ready.peek()?;
        if self.stages.get(next).is_none_or(|of| *of > stage) {
            return None;
        }
        self.ready.pop();
        *self.state.get_mut(next)? = Position::Started;
        Some(next)
    }

    /// Takes the end of a step. Returns the steps that will never start because of it.
    pub(super) fn end(&mut self, index: usize, how: Ended) -> Vec<usize> {
        let mut skipped = Vec::new();
        let mut ended = vec![(index, how)];
        while let Some((index, how)) = ended.pop() {
            match self.state.get_mut(index) {
                Some(state) if *state != Position::Ended => *state = Position::Ended,
                _ => continue,
            }
            if let Some(stage) = self.stages.get(index)
                && let Some(left) = self.unfinished.get_mut(stage)
            {
                *left -= 1;
                if *left == 0 {
                    self.unfinished.remove(stage);
                }
            }
            let mut followers = self.waiting.get(index).cloned().unwrap_or_default();
            for group in self.member_of.get(index).cloned().unwrap_or_default() {
                let Some((left, waiting)) = self.groups.get_mut(group) else { continue };
                *left = left.saturating_sub(1);
                // A failed member fails all that wait for the group, at once.
                if how == Ended::Failed || *left == 0 {
                    followers.extend(waiting.iter().copied());
                }
            }
            for follower in followers {
                if self.state.get(follower) != Some(&Position::Waiting) {
                    continue;
                }
                if how == Ended::Failed {
                    skipped.push(follower);
                    ended.push((follower, Ended::Failed));
                } else if let Some(open) = self.open.get_mut(follower) {
                    *open -= 1;
                    if *open == 0 {
                        self.ready.push(Reverse(follower));
                    }
                }
            }
        }
        skipped.sort_unstable();
        skipped
    }

    /// The steps that were never started, in order.
    pub(super) fn never_started(&self) -> Vec<usize> {
        self.state
            .iter()
            .enumerate()
            .filter(|(_, state)| **state == Position::Waiting)
            .map(|(index, _)| index)
            .collect()
    }
}

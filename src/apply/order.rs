//! Which undo may start. Pure: it is told what is done, and answers what is ready.

use std::collections::BTreeSet;

use crate::saga::compensation::Unwinding;

/// Which undo may start.
pub(super) struct Order<'u> {
    unwinding: &'u Unwinding,
    waiting: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl<'u> Order<'u> {
    /// All undos, none of them done.
    pub(super) fn new(unwinding: &'u Unwinding) -> Self {
        let nodes = unwinding.undos.len() + unwinding.barriers.len();
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); nodes];
        let mut waiting = vec![0; nodes];
        let mut ready = BTreeSet::new();
        for node in 0..nodes {
            let after = unwinding.after(node);
            if let Some(count) = waiting.get_mut(node) {
                *count = after.len();
            }
            if after.is_empty() {
                ready.insert(node);
            }
            for before in after {
                if let Some(list) = followers.get_mut(*before) {
                    list.push(node);
                }
            }
        }
        Order { unwinding, waiting, followers, ready }
    }

    /// The next that may start: the first of those that wait for nothing.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// Takes that one is done, or left out for good.
    pub(super) fn done(&mut self, node: usize) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for follower in self.followers.get_mut(node).map(std::mem::take).unwrap_or_default() {
                let Some(count) = self.waiting.get_mut(follower) else { continue };
                *count -= 1;
                if *count == 0 {
                    if self.unwinding.is_barrier(follower) {
                        open.push(follower);
                    } else {
                        self.ready.insert(follower);
                    }
                }
            }
        }
    }
}

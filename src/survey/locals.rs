//! Named values in the order in which they are evaluated, however long their chains are: evaluating
//! one inside another would take as much of the thread's stack as somebody writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::expression::{Expression, Root};

/// What is wanted and all that it needs, each after what it needs. In a circle, which is reported
/// elsewhere, somebody comes first.
pub fn in_order<N: Ord + Clone>(wanted: N, mut needs: impl FnMut(&N) -> Vec<N>) -> Vec<N> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::from([wanted.clone()]);
    let mut open = vec![(needs(&wanted), wanted)];
    while let Some((waiting, _)) = open.last_mut() {
        match waiting.pop() {
            Some(next) => {
                if seen.insert(next.clone()) {
                    open.push((needs(&next), next));
                }
            }
            None => order.extend(open.pop().map(|(_, name)| name)),
        }
    }
    order
}

/// The names of the locals that an expression refers to itself.
pub fn locals_in(expression: &Expression) -> Vec<Arc<str>> {
    let local = |root: Root| match root {
        Root::Local(name) => Some(name),
        _ => None,
    };
    expression.references().into_iter().filter_map(|reference| local(reference.root)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_after_what_it_needs() {
        let needs = |name: &u32| match name {
            0 => vec![1, 2],
            1 | 2 => vec![3],
            5 => vec![6],
            6 => vec![5],
            _ => Vec::new(),
        };
        assert_eq!(in_order(0, needs), [3, 2, 1, 0]);
        assert_eq!(in_order(5, needs), [6, 5]);
        let chain = in_order(1_000_000u32, |name| name.checked_sub(1).into_iter().collect());
        assert_eq!((chain.len(), chain.first(), chain.last()), (1_000_001, Some(&0), Some(&1_000_000)));
    }
}

//! What unwinding leaves alone: what a person wants left, what is in doubt, and pivots, each with what
//! must then stay, too. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use retrue_provider_api::Reversibility;

use crate::address::Address;
use crate::plan::{Dependency, ObjectKey, Plan, StepEffect};
use crate::saga::compensation::{Undo, Unwinding};

/// Why an undo is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// A person said so, of it or of something that rests on it.
    Asked(String),
    /// Somebody has to say first what came of something.
    InDoubt(String),
    /// It lies around a pivot.
    Pivot(String),
    /// It cannot be undone at all, or something stands in its place that cannot.
    Never(String),
}

/// The undos that are left out, by position.
///
/// - What is to be left as it is keeps what it rests on.
/// - So does what is in doubt: it may exist.
/// - Around a pivot nothing is undone, neither what rests on it nor what it rests on: that would leave
///   neither old nor new.
/// - What cannot be undone at all stays, and so does what was done at its address before: something made for good
///   stands where that would come back to. Nothing else waits for either.
pub(super) fn held(unwinding: &Unwinding, skip: &BTreeSet<Address>, past: &BTreeSet<Address>) -> BTreeMap<usize, Hold> {
    let nodes = unwinding.undos.len() + unwinding.barriers.len();
    // By node, what it rests on: what is undone after it.
    let mut rests_on: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for node in 0..nodes {
        for after in unwinding.after(node) {
            if let Some(list) = rests_on.get_mut(*after) {
                list.push(node);
            }
        }
    }
    let rests_on = |node: usize| rests_on.get(node).map_or(&[][..], Vec::as_slice);
    let address = |node: usize| unwinding.undos.get(node).map(|undo| undo.step.id.address.to_string());
    let told = |source: usize, node: usize, itself: &str, other: &str| {
        let name = address(source).unwrap_or_default();
        if source == node || address(node).as_ref() == Some(&name) {
            itself.replace("{}", &name)
        } else if refers(unwinding, node, source) {
            format!("it refers to `{name}`, and {other}")
        } else {
            format!("`{name}` rests on it, and {other}")
        }
    };
    let mut held: BTreeMap<usize, Hold> = BTreeMap::new();

    let asked = sources(unwinding, |index| matches(skip, &unwinding.undos, index));
    spread(&asked, nodes, rests_on, |source, node| {
        let text = told(source, node, "a person asked to leave it as it is", "is left as it is");
        held.entry(node).or_insert(Hold::Asked(text));
    });
    let doubtful = sources(unwinding, |index| unwinding.undos.get(index).is_some_and(|undo| undo.doubt.is_some()));
    spread(&doubtful, nodes, rests_on, |source, node| {
        let why = unwinding.undos.get(source).and_then(|undo| undo.doubt).unwrap_or_default();
        let text = told(source, node, &format!("{why}: `retrue resolve {{}}` takes your answer"), why);
        held.entry(node).or_insert(Hold::InDoubt(text));
    });
    let pivots = sources(unwinding, |index| is_pivot(unwinding, index) && !matches(past, &unwinding.undos, index));
    let text = |source: usize| {
        let name = address(source).unwrap_or_default();
        let begin = unwinding.undos.get(source).and_then(|undo| undo.step.begin.as_ref());
        let reason = begin.and_then(|begin| begin.reversibility.reason()).unwrap_or("it cannot be undone in full");
        format!("`{name}` is a pivot ({reason}): go past it with --past {name}")
    };
    spread(&pivots, nodes, rests_on, |source, node| {
        held.entry(node).or_insert_with(|| Hold::Pivot(text(source)));
    });
    spread(
        &pivots,
        nodes,
        |node| unwinding.after(node),
        |source, node| {
            held.entry(node).or_insert_with(|| Hold::Pivot(text(source)));
        },
    );
    held.retain(|node, _| *node < unwinding.undos.len());
    for (node, reason) in for_good(unwinding) {
        held.entry(node).or_insert(Hold::Never(reason));
    }
    held
}

/// What cannot be undone, by position, with the reason.
fn for_good(unwinding: &Unwinding) -> BTreeMap<usize, String> {
    let undos = &unwinding.undos;
    // By address, what was done at it or comes back to it; by place, what comes back to it. Each is in order.
    let mut at: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
    let mut back_to: BTreeMap<(Address, ObjectKey), Vec<usize>> = BTreeMap::new();
    for (index, undo) in undos.iter().enumerate() {
        let (address, to) = (undo.step.id.address.clone(), undo.to());
        if to.0 != address {
            at.entry(to.0.clone()).or_default().push(index);
        }
        at.entry(address).or_default().push(index);
        back_to.entry(to).or_default().push(index);
    }
    let mut found = BTreeMap::new();
    for (index, undo) in undos.iter().enumerate() {
        let Some(Reversibility::No(reason)) = undo.step.begin.as_ref().map(|begin| &begin.reversibility) else {
            continue;
        };
        found.insert(index, format!("it cannot be undone: {reason}"));
        if undo.step.id.effect != StepEffect::Create {
            continue;
        }
        let here = at.get(&undo.step.id.address).into_iter().flatten();
        let before = here.copied().filter(|other| *other > index);
        // What was set aside to make room is ended after the new one was made, and belongs to the old all the same.
        let of_run = |other: usize| undos.get(other).filter(|other| other.run == undo.run);
        let depose = before.clone().filter_map(of_run).filter(|other| other.step.id.effect == StepEffect::Depose);
        let after = depose.filter_map(|depose| back_to.get(&depose.from())).flatten().copied();
        let after = after.filter(|other| *other < index && of_run(*other).is_some());
        for other in before.chain(after) {
            found.entry(other).or_insert_with(|| format!("what came in its place cannot be undone: {reason}"));
        }
    }
    found
}

/// Whether what a step did refers to what another one is about.
fn refers(unwinding: &Unwinding, node: usize, other: usize) -> bool {
    let (Some(undo), Some(other)) = (unwinding.undos.get(node), unwinding.undos.get(other)) else { return false };
    let dependencies = undo.step.begin.iter().flat_map(|begin| &begin.dependencies);
    dependencies.into_iter().any(|block| *block == other.step.id.address.block)
}

/// Whether a person who named an address meant this undo: without a key, all instances are meant.
pub fn means(named: &Address, address: &Address) -> bool {
    named == address || (named.key.is_none() && named.block == address.block)
}

fn matches(named: &BTreeSet<Address>, undos: &[Undo], index: usize) -> bool {
    undos.get(index).is_some_and(|undo| named.iter().any(|named| means(named, &undo.step.id.address)))
}

fn sources(unwinding: &Unwinding, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..unwinding.undos.len()).filter(|index| wanted(*index)).collect()
}

fn is_pivot(unwinding: &Unwinding, index: usize) -> bool {
    let Some(undo) = unwinding.undos.get(index) else { return false };
    let Some(begin) = &undo.step.begin else { return false };
    begin.pivot || (begin.reversibility.reason().is_some() && !undo.after.is_empty())
}

/// Walks from all sources at once, so that each node is seen once, with the source that came first.
fn spread<'n>(
    sources: &[usize],
    nodes: usize,
    next: impl Fn(usize) -> &'n [usize],
    mut reach: impl FnMut(usize, usize),
) {
    let mut seen = vec![false; nodes];
    let mut open: VecDeque<(usize, usize)> = sources.iter().map(|source| (*source, *source)).collect();
    for source in sources {
        if let Some(seen) = seen.get_mut(*source) {
            *seen = true;
        }
    }
    while let Some((source, node)) = open.pop_front() {
        reach(source, node);
        for next in next(node) {
            if let Some(seen) = seen.get_mut(*next).filter(|seen| !**seen) {
                *seen = true;
                open.push_back((source, *next));
            }
        }
    }
}

/// The steps of a plan that cannot be undone in full and on which other steps rest, by position.
pub(super) fn pivots(plan: &Plan) -> BTreeSet<usize> {
    let mut rested_on = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for dependency in plan.steps.iter().flat_map(|step| &step.depends_on) {
        match dependency {
            Dependency::Step(step) => {
                rested_on.insert(*step);
            }
            Dependency::Group(group) => {
                groups.insert(*group);
            }
        }
    }
    for group in groups {
        rested_on.extend(plan.groups.get(group).into_iter().flatten().copied());
    }
    let lossy = |index: &usize| {
        let step = plan.steps.get(*index);
        step.is_some_and(|step| Reversibility::reason(&step.reversibility).is_some())
    };
    rested_on.into_iter().filter(lossy).collect()
}

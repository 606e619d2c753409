//! Pivots: steps that cannot be undone in full, and what they hold back while a run is unwound. Pure.

use std::collections::{BTreeMap, BTreeSet};

use retrue_provider_api::Reversibility;

use crate::address::Address;
use crate::saga::compensation::Unwinding;

/// The undos that a pivot holds back: itself, what rests on it, and what it rests on. Undoing any of
/// them would leave neither old nor new. By position, with the reason.
pub(super) fn held_by_pivots(unwinding: &Unwinding, past: &BTreeSet<Address>) -> BTreeMap<usize, String> {
    let mut held: BTreeMap<usize, String> = BTreeMap::new();
    let nodes = unwinding.undos.len() + unwinding.barriers.len();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for node in 0..nodes {
        for after in unwinding.after(node) {
            if let Some(list) = before.get_mut(*after) {
                list.push(node);
            }
        }
    }
    for (index, undo) in unwinding.undos.iter().enumerate() {
        let reversibility = undo.step.begin.as_ref().map(|begin| &begin.reversibility);
        let Some(reason) = reversibility.and_then(Reversibility::reason) else { continue };
        let address = &undo.step.id.address;
        if undo.after.is_empty() || past.contains(address) {
            continue;
        }
        let text = format!("`{address}` is a pivot ({reason}): go past it with --past {address}");
        spread(index, |node| before.get(node).map_or(&[][..], Vec::as_slice), &text, &mut held);
        spread(index, |node| unwinding.after(node), &text, &mut held);
    }
    held.retain(|node, _| *node < unwinding.undos.len());
    held
}

fn spread<'n>(start: usize, next: impl Fn(usize) -> &'n [usize], text: &str, held: &mut BTreeMap<usize, String>) {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        held.entry(node).or_insert_with(|| text.to_owned());
        open.extend(next(node).iter().copied().filter(|next| seen.insert(*next)));
    }
}

//! Whether renames make sense.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::references::static_keys;
use super::stack::{Moved, Repetition, Stack};
use crate::address::{Address, InstanceKey};
use crate::diagnostic::Diagnostic;

/// Checks the renames of a stack: one origin and one goal each, no circles, from what is no longer
/// declared to what is.
pub(super) fn check(stack: &Stack, diagnostics: &mut Vec<Diagnostic>) {
    let mut by_from: BTreeMap<&Address, &Moved> = BTreeMap::new();
    let mut by_to: BTreeMap<&Address, &Moved> = BTreeMap::new();
    for moved in &stack.moved {
        if let Some(first) = by_from.insert(&moved.from, moved) {
            diagnostics.push(
                wrong(format!("`{}` moves to two places", moved.from))
                    .label(moved.from_span, "again")
                    .label(first.from_span, "first"),
            );
        }
        if let Some(first) = by_to.insert(&moved.to, moved) {
            diagnostics.push(
                wrong(format!("two things move to `{}`", moved.to))
                    .label(moved.to_span, "again")
                    .label(first.to_span, "first"),
            );
        }
    }
    let mut followed = Followed::default();
    for moved in &stack.moved {
        follow(moved, &by_from, &mut followed, diagnostics);
        if !followed.in_circles.contains(&moved.from) {
            one(stack, moved, &by_from, diagnostics);
        }
    }
}

fn wrong(message: String) -> Diagnostic {
    Diagnostic::error(codes::BAD_MOVE, message)
}

/// What is known about chains of renames.
#[derive(Default)]
struct Followed<'m> {
    /// Where a look has been already.
    seen: BTreeSet<&'m Address>,
    in_circles: BTreeSet<&'m Address>,
}

/// Follows a chain of renames to its end, to where an earlier look has been, or to where it bites
/// its own tail, which is reported.
fn follow<'m>(
    start: &'m Moved,
    by_from: &BTreeMap<&'m Address, &'m Moved>,
    followed: &mut Followed<'m>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut chain: Vec<&Moved> = Vec::new();
    let mut current = start;
    while followed.seen.insert(&current.from) {
        chain.push(current);
        match by_from.get(&current.to) {
            Some(next) => current = next,
            None => return,
        }
    }
    let Some(tail) = chain.iter().position(|moved| moved.from == current.from) else { return };
    let circle = chain.split_off(tail);
    let mut diagnostic = wrong(match circle.as_slice() {
        [one] => format!("`{}` moves to itself", one.from),
        _ => "these moves go in a circle".to_owned(),
    });
    for moved in circle {
        diagnostic = diagnostic.label(moved.from_span, format!("`{}` to `{}`", moved.from, moved.to));
        followed.in_circles.insert(&moved.from);
    }
    diagnostics.push(diagnostic);
}

fn one(stack: &Stack, moved: &Moved, by_from: &BTreeMap<&Address, &Moved>, diagnostics: &mut Vec<Diagnostic>) {
    let (from, to) = (&moved.from, &moved.to);
    if !from.is_managed() || !to.is_managed() {
        diagnostics.push(wrong("data has no record that could move".to_owned()).at(moved.from_span));
        return;
    }
    if let Some(block) = stack.blocks.get(&from.block) {
        let still = match (&from.key, &block.repetition) {
            (None, Repetition::One) => true,
            // The one becomes an instance: `a.b` to `a.b["x"]`.
            (None, _) => from.block != to.block || to.key.is_none(),
            // An instance becomes the one, or there are no instances any more.
            (Some(_), Repetition::One) => false,
            (Some(InstanceKey::Name(name)), Repetition::ForEach(each)) => {
                static_keys(each).is_some_and(|keys| keys.contains(&name.as_ref()))
            }
            // Whether this instance is still wanted shows when the plan is made.
            (Some(_), _) => false,
        };
        if still {
            diagnostics.push(
                wrong(format!("`{from}` is still declared"))
                    .label(moved.from_span, "")
                    .label(block.span, "declared here")
                    .hint("what moves away leaves no declaration behind"),
            );
        }
    }
    let goes_on = by_from.contains_key(to) || by_from.contains_key(&to.block.instance(None));
    match stack.blocks.get(&to.block) {
        None if !goes_on => {
            diagnostics.push(
                wrong(format!("`{to}` is not declared"))
                    .label(moved.to_span, "")
                    .hint(format!("declare it, or leave the move out when `{from}` is to be destroyed")),
            );
        }
        Some(block) if to.key.is_some() && matches!(block.repetition, Repetition::One) => {
            diagnostics.push(
                wrong(format!("`{}` has no instances", to.block))
                    .label(moved.to_span, "")
                    .label(block.span, "declared here"),
            );
        }
        _ => {}
    }
}

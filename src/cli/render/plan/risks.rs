//! What a person must see before agreeing.

use super::{Screen, names};
use crate::cli::render::text::{bold, count, red, visible, yellow};
use crate::plan::{Action, Change, DriftStatus, OnDestroy, Plan};

/// So many are named one by one.
const MOST: usize = 20;

/// Shows what is dangerous, what is in doubt, what has drifted, and the warnings.
pub(super) fn show(screen: &mut Screen, plan: &Plan) {
    doubt(screen, plan);
    dangers(screen, plan);
    left_behind(screen, plan);
    pivot(screen, plan);
    drift(screen, plan);
    degraded(screen, plan);
    warnings(screen, plan);
}

/// What is not as it should be, and goes on all the same.
fn degraded(screen: &mut Screen, plan: &Plan) {
    if plan.degraded.is_empty() && plan.moved.is_empty() {
        return;
    }
    heading(screen, "Degraded:");
    for moved in &plan.moved {
        let text =
            format!("the provider {}: reached by its fallback {}: {}", moved.provider, moved.fallback, moved.reason);
        screen.words(&format!("  {} ", yellow("!")), &visible(&text));
    }
    for degraded in plan.degraded.iter().take(MOST) {
        let text = format!("{}: {}", degraded.address, degraded.reason.replace('\n', " "));
        screen.words(&format!("  {} ", yellow("!")), &visible(&text));
    }
    more(screen, plan.degraded.len());
}

fn heading(screen: &mut Screen, text: &str) {
    screen.blank();
    screen.line(&bold(text));
}

fn doubt(screen: &mut Screen, plan: &Plan) {
    if plan.in_doubt.is_empty() {
        return;
    }
    heading(screen, "In doubt, from an earlier run:");
    for doubt in plan.in_doubt.iter().take(MOST) {
        screen.words(&format!("  {} ", yellow("?")), &format!("{}: {}", doubt.address, visible(&doubt.reason)));
    }
    more(screen, plan.in_doubt.len());
    screen.words("  ", "`retrue apply` settles this first; what it cannot tell, `retrue resolve` asks of you.");
}

fn more(screen: &mut Screen, all: usize) {
    if all > MOST {
        screen.line(&format!("  … and {} more", all - MOST));
    }
}

/// Deletions, replacements, and whatever does not come back in full.
fn dangers(screen: &mut Screen, plan: &Plan) {
    let dangerous = |change: &&Change| {
        change.action != Action::NoOp
            && (change.reversible.reason().is_some() || change.action == Action::Delete || deletes_old(change))
    };
    let lost: Vec<&Change> =
        plan.changes.iter().filter(dangerous).filter(|c| c.reversible.reason().is_some()).collect();
    let back: Vec<&Change> =
        plan.changes.iter().filter(dangerous).filter(|c| c.reversible.reason().is_none()).collect();
    if !lost.is_empty() {
        heading(screen, "Cannot be undone in full:");
        for change in lost.iter().take(MOST) {
            let reason = change.reversible.reason().unwrap_or_default();
            let how = match change.reversible.word() {
                "no" => "not at all",
                _ => "in part",
            };
            let text = format!("{} {}: {how}, {}", change.action.word(), change.name(), visible(reason));
            screen.words(&format!("  {} ", red("!")), &text);
        }
        more(screen, lost.len());
    }
    if !back.is_empty() {
        heading(screen, "Goes, and can be brought back:");
        for change in back.iter().take(MOST) {
            screen.words(&format!("  {} ", red("-")), &format!("{} {}", change.action.word(), change.name()));
        }
        more(screen, back.len());
    }
}

/// Whether something is replaced, and the old one deleted.
fn deletes_old(change: &Change) -> bool {
    change.action == Action::Replace && change.old.is_none_or(|old| old == OnDestroy::Delete)
}

/// What is replaced by something new, and not deleted: nobody looks after it from then on.
fn left_behind(screen: &mut Screen, plan: &Plan) {
    let left: Vec<&Change> =
        plan.changes.iter().filter(|change| change.action == Action::Replace && !deletes_old(change)).collect();
    if left.is_empty() {
        return;
    }
    heading(screen, "Is replaced, and stays outside without an owner:");
    for change in left.iter().take(MOST) {
        let how = match change.old {
            Some(OnDestroy::Restore) => "it was adopted, and returns to what it was then",
            _ => "it is not ours to delete, and stays as it is",
        };
        let text = format!("the old {}: {how} (`on_destroy = \"delete\"` deletes it)", change.address);
        screen.words(&format!("  {} ", yellow("!")), &visible(&text));
    }
    more(screen, left.len());
}

fn pivot(screen: &mut Screen, plan: &Plan) {
    let Some(pivot) = &plan.pivot else { return };
    heading(screen, "The point of no return:");
    let rest = match pivot.behind.as_slice() {
        [] => "Its replacement rests on it: if that fails, the run halts instead of unwinding what is before it."
            .to_owned(),
        behind => format!(
            "{} on it: {}. If one of them fails, the run halts instead of unwinding what is before it.",
            if behind.len() == 1 { "1 other rests".to_owned() } else { format!("{} others rest", behind.len()) },
            names(behind, 5)
        ),
    };
    screen.words(&format!("  {} ", red("!")), &format!("{} ({}). {rest}", pivot.address, visible(&pivot.reason)));
}

fn drift(screen: &mut Screen, plan: &Plan) {
    // What changed elsewhere and matters to nobody is not worth a line here.
    let drifted: Vec<_> = plan
        .drift
        .iter()
        .filter(|drift| !matches!(drift.status, DriftStatus::InTrue | DriftStatus::ChangedOutside))
        .collect();
    if drifted.is_empty() {
        return;
    }
    heading(screen, "Found to differ from the record:");
    for drift in drifted.iter().take(MOST) {
        let what = match drift.status {
            DriftStatus::Missing => "is gone".to_owned(),
            DriftStatus::Unreadable => {
                format!("could not be read: {}", visible(drift.error.as_deref().unwrap_or("no reason was given")))
            }
            _ => format!(
                "{} changed: {}",
                count(drift.attributes.len(), "attribute", "attributes"),
                names(&drift.attributes, 6)
            ),
        };
        screen.words(&format!("  {} ", yellow("~")), &format!("{} {what}", drift.name()));
    }
    more(screen, drifted.len());
}

fn warnings(screen: &mut Screen, plan: &Plan) {
    if plan.warnings.is_empty() {
        return;
    }
    screen.blank();
    for warning in plan.warnings.iter().take(MOST) {
        screen.words(&format!("{} ", yellow("warning:")), &visible(warning));
    }
    more(screen, plan.warnings.len());
}

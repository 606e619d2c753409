//! The words in a plan: what a person should know, and nothing that applying it decides by.

use retrue_provider_api::Reversibility;

use crate::plan::Plan;
use crate::rest::masked;

/// Takes the secrets out of the words of a plan. It is shown, and laid to rest, like that.
pub(super) fn mask(plan: &mut Plan) {
    let mask = |words: &mut String| *words = masked(words);
    plan.warnings.iter_mut().for_each(mask);
    for change in &mut plan.changes {
        change.reasons.iter_mut().chain(&mut change.warnings).for_each(mask);
        reason(&mut change.reversible).into_iter().for_each(mask);
    }
    plan.steps.iter_mut().filter_map(|step| reason(&mut step.reversibility)).for_each(mask);
    plan.degraded.iter_mut().for_each(|degraded| mask(&mut degraded.reason));
    plan.drift.iter_mut().filter_map(|drift| drift.error.as_mut()).for_each(mask);
    plan.in_doubt.iter_mut().for_each(|doubt| mask(&mut doubt.reason));
    plan.pivot.iter_mut().for_each(|pivot| mask(&mut pivot.reason));
}

/// Why it cannot be undone in full.
fn reason(reversibility: &mut Reversibility) -> Option<&mut String> {
    match reversibility {
        Reversibility::Full => None,
        Reversibility::Lossy(reason) | Reversibility::No(reason) => Some(reason),
    }
}

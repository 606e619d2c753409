//! What health checks rest on, and what a breaker's recovery may wait for.

use std::collections::BTreeSet;

use super::codes;
use super::stack::{Check, Stack};
use crate::address::BlockAddress;
use crate::diagnostic::Diagnostic;
use crate::expression::{Root, nearest};
use crate::health::Probe;

/// Whether the checks that breakers wait for are there, and can be carried out at any time.
pub(super) fn check(stack: &Stack, diagnostics: &mut Vec<Diagnostic>) {
    let of_providers = stack.providers.values().map(|provider| &provider.resilience);
    for (name, span) in of_providers.chain([&stack.settings.resilience]).filter_map(|said| said.recovery_check.as_ref())
    {
        let wrong = |message: String| Diagnostic::error(codes::BAD_REFERENCE, message).at(*span);
        let Some(found) = stack.checks.get(name) else {
            let known = stack.checks.keys().map(AsRef::as_ref);
            let diagnostic = wrong(format!("there is no check `{name}`"));
            diagnostics.push(match nearest(name, known) {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic.hint(format!("write a table `[check.{name}]`")),
            });
            continue;
        };
        if found.definition.probe == Probe::Condition {
            let message =
                format!("the check `{name}` is a condition, which tells nothing of how the other side is now");
            diagnostics.push(wrong(message).hint("name a check of the kind `http`, `tcp` or `command`"));
        } else if let Some(block) = blocks_of(found, stack).first() {
            let message =
                format!("the check `{name}` refers to `{block}`, and a breaker may need it before that is known");
            let diagnostic = wrong(message).label(found.span, "the check");
            diagnostics.push(diagnostic.hint("a check for recovery refers to variables and constants only"));
        }
    }
}

/// The blocks that a check rests on, by way of locals and outputs, too.
pub fn blocks_of(check: &Check, stack: &Stack) -> BTreeSet<BlockAddress> {
    let mut blocks = BTreeSet::new();
    let mut seen: BTreeSet<Root> = BTreeSet::new();
    let mut open: Vec<_> = check.values.iter().map(|(_, value)| value).collect();
    while let Some(expression) = open.pop() {
        for reference in expression.references() {
            if !seen.insert(reference.root.clone()) {
                continue;
            }
            match &reference.root {
                Root::Local(name) => open.extend(stack.locals.get(name).map(|local| &local.value)),
                Root::Resource { type_name, name } if type_name.as_ref() == BlockAddress::OUTPUT => {
                    open.extend(stack.outputs.get(name).map(|output| &output.value));
                }
                root => blocks.extend(root.block()),
            }
        }
    }
    blocks
}

//! Whether adoptions by id make sense, as far as that can be told without evaluating anything.

use std::collections::BTreeMap;

use super::codes;
use super::stack::{Import, Repetition, Stack};
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::expression::TargetKey;

/// Checks the imports of a stack: each to a managed resource that is declared, with a key where that has
/// instances, and no two to the same.
pub(super) fn check(stack: &Stack, diagnostics: &mut Vec<Diagnostic>) {
    let mut written: BTreeMap<Address, &Import> = BTreeMap::new();
    for import in &stack.imports {
        let before = diagnostics.len();
        one(stack, import, diagnostics);
        let key = match &import.key {
            TargetKey::None => None,
            TargetKey::Written(key) => Some(key.clone()),
            TargetKey::Expression(_) => continue,
        };
        let address = import.to.instance(key);
        if matches!(import.repetition, Repetition::ForEach(_)) {
            if diagnostics.len() == before {
                diagnostics.push(
                    wrong(format!("every import of this `for_each` is to `{address}`"))
                        .at(import.to_span)
                        .hint(format!("name one instance for each: '{}[each.key]'", import.to)),
                );
            }
            continue;
        }
        if let Some(first) = written.insert(address, import) {
            diagnostics.push(
                wrong(format!("two things are imported as `{}`", first.to))
                    .label(import.to_span, "again")
                    .label(first.to_span, "first")
                    .hint("an address stands for one thing"),
            );
        }
    }
}

fn wrong(message: String) -> Diagnostic {
    Diagnostic::error(codes::BAD_IMPORT, message)
}

fn one(stack: &Stack, import: &Import, diagnostics: &mut Vec<Diagnostic>) {
    let to = &import.to;
    if to.mode != crate::address::Mode::Managed {
        diagnostics
            .push(wrong("only resources are imported; data is read anew each time".to_owned()).at(import.to_span));
        return;
    }
    let Some(block) = stack.blocks.get(to) else {
        diagnostics.push(wrong(format!("`{to}` is not declared")).at(import.to_span).hint(format!(
            "write its block first, `[resource.{}.{}]`: it says what shall hold",
            to.type_name, to.name
        )));
        return;
    };
    let fits = match (&block.repetition, &import.key) {
        (Repetition::One, key) => *key == TargetKey::None,
        // Whether there is such an instance is checked with the other references.
        (Repetition::Count(_) | Repetition::ForEach(_), key) => *key != TargetKey::None,
    };
    if !fits {
        let hint = match &block.repetition {
            Repetition::One => format!("write \"{to}\""),
            Repetition::Count(_) => format!("name one instance: \"{to}[0]\""),
            Repetition::ForEach(_) => format!("name one instance: '{to}[\"KEY\"]'"),
        };
        let message = match &block.repetition {
            Repetition::One => format!("`{to}` has no instances"),
            _ => format!("`{to}` has several instances, and this names none of them"),
        };
        diagnostics.push(wrong(message).label(import.to_span, "").label(block.span, "declared here").hint(hint));
    }
    if let Some((name, span)) = &import.provider
        && *name != stack.provider_name(block)
    {
        diagnostics.push(
            wrong(format!("`{to}` uses the provider `{}`, and this import names `{name}`", stack.provider_name(block)))
                .label(*span, "")
                .label(block.span, "declared here")
                .hint("leave `provider` out: it is that of the resource"),
        );
    }
}

//! Expressions whose values are known only while applying: made portable here, evaluated there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{Block, Data, Value, attribute_at, sets_write_only};

use crate::address::BlockAddress;
use crate::config::{Stack, evaluate_body};
use crate::diagnostic::Diagnostic;
use crate::expression::{Each, Expression, Root, Scope};
use crate::plan::{Pending, PlannedValue};
use crate::survey::scope::BlockScope;

/// Makes an expression portable: what it refers to and is known goes with it.
///
/// References to resources stay references; they are resolved while applying.
pub fn pending(expression: &Expression, stack: &Stack, scope: &BlockScope<'_>) -> Pending {
    let mut pending =
        Pending { expression: expression.to_portable(), bindings: BTreeMap::new(), locals: BTreeMap::new() };
    let mut seen: BTreeSet<Root> = BTreeSet::new();
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        for reference in expression.references() {
            if !seen.insert(reference.root.clone()) {
                continue;
            }
            // What cannot be resolved was reported when the expression was evaluated.
            let Ok(value) = scope.resolve(&reference.root, None, reference.span) else { continue };
            let settled = match &reference.root {
                // That a block has no instances is decided now, and so is whether they would have names or
                // numbers; nothing that is recorded says it.
                Root::Resource { .. } => has_no_instances(&value),
                // What is ephemeral is opened again, and so is whatever is made of it.
                Root::Ephemeral { .. } => false,
                Root::Local(_) if value.marks_deep().ephemeral => false,
                _ => value.is_wholly_known(),
            };
            if settled {
                pending.bindings.insert(reference.root.to_string(), value);
            } else if let Root::Local(name) = &reference.root
                && let Some(local) = stack.locals.get(name)
            {
                pending.locals.insert(reference.root.to_string(), local.value.to_portable());
                open.push(&local.value);
            } else if let (Root::Each(Each::Value), Some(for_each), Some((key, _))) =
                (&reference.root, scope.for_each, &scope.each)
            {
                // It is the part of what `for_each` says that the key names.
                pending.locals.insert(reference.root.to_string(), for_each.to_portable());
                pending.bindings.insert(Root::Each(Each::Key).to_string(), key.clone());
                open.push(for_each);
            }
        }
    }
    pending
}

fn has_no_instances(value: &Value) -> bool {
    match value.data() {
        Data::Tuple(items) => items.is_empty(),
        Data::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// The evaluated configuration of a block, with what gives the parts that are not known yet, or that rest
/// nowhere. What is write-only is secret: it goes into a plan, and not into the clear.
pub fn planned_value(
    value: Value,
    body: &Expression,
    block: &Block,
    stack: &Stack,
    scope: &BlockScope<'_>,
) -> PlannedValue {
    let value = match sets_write_only(block, &value) {
        true => value.map_parts(&mut |path, part| match attribute_at(block, &path.0) {
            Some(attribute) if attribute.write_only && !part.is_null() => part.sensitive(),
            _ => part,
        }),
        false => value,
    };
    let mut planned = PlannedValue { value, pending: BTreeMap::new() };
    let open = |value: &Value| !value.is_wholly_known() || value.marks_deep().ephemeral;
    if !open(&planned.value) {
        return planned;
    }
    for (key, expression) in body.as_table().unwrap_or_default() {
        let Some(name) = key.as_literal().and_then(Value::as_str) else { continue };
        if planned.value.get(name).is_some_and(open) {
            planned.pending.insert(name.to_owned(), pending(expression, stack, scope));
        }
    }
    planned
}

/// A whole body, to be evaluated again: nothing of its value rests.
pub fn whole(body: &Expression, stack: &Stack, scope: &BlockScope<'_>) -> Pending {
    pending(body, stack, scope)
}

/// The value of a whole body, in the form of a schema.
///
/// # Errors
/// Everything that is wrong with it.
pub fn evaluate_whole(pending: &Pending, block: &Block, scope: &dyn Scope) -> Result<Value, Vec<Diagnostic>> {
    let body = Expression::from_portable(&pending.expression).map_err(|error| vec![Diagnostic::from(error)])?;
    evaluate_body(&body, block, scope)
}

/// The ephemeral blocks that something pending refers to.
pub fn ephemeral_blocks(pending: &Pending) -> BTreeSet<BlockAddress> {
    let expressions = [&pending.expression].into_iter().chain(pending.locals.values());
    expressions
        .filter_map(|portable| Expression::from_portable(portable).ok())
        .flat_map(|expression| expression.references())
        .filter(|reference| matches!(reference.root, Root::Ephemeral { .. }))
        .filter_map(|reference| reference.root.block())
        .collect()
}

/// The value of one expression, with what gives it where it is not known yet.
pub fn planned_expression(
    value: Value,
    expression: &Expression,
    stack: &Stack,
    scope: &BlockScope<'_>,
) -> PlannedValue {
    let mut planned = PlannedValue { value, pending: BTreeMap::new() };
    if !planned.value.is_wholly_known() {
        planned.pending.insert(WHOLE.to_owned(), pending(expression, stack, scope));
    }
    planned
}

/// The name under which the expression of a whole value is kept.
pub const WHOLE: &str = "";

/// The names of the variables that an expression uses, through locals, too.
pub fn variables_of(expression: &Expression, stack: &Stack) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    let mut seen: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        for reference in expression.references() {
            match reference.root {
                Root::Var(name) => {
                    found.insert(name);
                }
                Root::Local(name) => {
                    let local = stack.locals.get(&name);
                    if seen.insert(name) {
                        open.extend(local.map(|local| &local.value));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

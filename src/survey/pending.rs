//! Expressions whose values are known only while applying: made portable here, evaluated there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{Data, Value};

use crate::config::Stack;
use crate::expression::{Expression, Root, Scope};
use crate::plan::{Pending, PlannedValue};

/// Makes an expression portable: what it refers to and is known goes with it.
///
/// References to resources stay references; they are resolved while applying.
pub fn pending(expression: &Expression, stack: &Stack, scope: &dyn Scope) -> Pending {
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
                _ => value.is_wholly_known(),
            };
            if settled {
                pending.bindings.insert(reference.root.to_string(), value);
            } else if let Root::Local(name) = &reference.root
                && let Some(local) = stack.locals.get(name)
            {
                pending.locals.insert(reference.root.to_string(), local.value.to_portable());
                open.push(&local.value);
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

/// The evaluated configuration of a block, with what gives the parts that are not known yet.
pub fn planned_value(value: Value, body: &Expression, stack: &Stack, scope: &dyn Scope) -> PlannedValue {
    let mut planned = PlannedValue { value, pending: BTreeMap::new() };
    if planned.value.is_wholly_known() {
        return planned;
    }
    for (key, expression) in body.as_table().unwrap_or_default() {
        let Some(name) = key.as_literal().and_then(Value::as_str) else { continue };
        if planned.value.get(name).is_some_and(|value| !value.is_wholly_known()) {
            planned.pending.insert(name.to_owned(), pending(expression, stack, scope));
        }
    }
    planned
}

/// The value of one expression, with what gives it where it is not known yet.
pub fn planned_expression(value: Value, expression: &Expression, stack: &Stack, scope: &dyn Scope) -> PlannedValue {
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

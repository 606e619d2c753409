//! Expressions whose values are known only while applying: made portable here, evaluated there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::Value;

use crate::config::Stack;
use crate::expression::{Expression, Root, Scope};
use crate::plan::{Pending, PlannedValue};

/// Makes an expression portable: what it refers to and is known goes with it.
///
/// References to resources stay references; they are resolved while applying.
pub fn pending(expression: &Expression, stack: &Stack, scope: &dyn Scope) -> Pending {
    let mut pending =
        Pending { expression: expression.to_portable(), bindings: BTreeMap::new(), locals: BTreeMap::new() };
    bind(expression, stack, scope, &mut pending, &mut BTreeSet::new());
    pending
}

fn bind(expression: &Expression, stack: &Stack, scope: &dyn Scope, pending: &mut Pending, seen: &mut BTreeSet<Root>) {
    for reference in expression.references() {
        if matches!(reference.root, Root::Resource { .. }) || !seen.insert(reference.root.clone()) {
            continue;
        }
        // What cannot be resolved was reported when the expression was evaluated.
        let Ok(value) = scope.resolve(&reference.root, None, reference.span) else { continue };
        if value.is_wholly_known() {
            pending.bindings.insert(reference.root.to_string(), value);
        } else if let Root::Local(name) = &reference.root
            && let Some(local) = stack.locals.get(name)
        {
            pending.locals.insert(reference.root.to_string(), local.value.to_portable());
            bind(&local.value, stack, scope, pending, seen);
        }
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
    fn visit(expression: &Expression, stack: &Stack, seen: &mut BTreeSet<Arc<str>>, found: &mut BTreeSet<Arc<str>>) {
        for reference in expression.references() {
            match reference.root {
                Root::Var(name) => {
                    found.insert(name);
                }
                Root::Local(name) => {
                    if seen.insert(Arc::clone(&name))
                        && let Some(local) = stack.locals.get(&name)
                    {
                        visit(&local.value, stack, seen, found);
                    }
                }
                _ => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    visit(expression, stack, &mut BTreeSet::new(), &mut found);
    found
}

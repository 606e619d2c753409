//! Expressions whose values are known only while applying: made portable here, evaluated there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{Block, Data, Value, attribute_at, sets_write_only};

use crate::address::BlockAddress;
use crate::config::{Stack, evaluate_body};
use crate::diagnostic::Diagnostic;
use crate::expression::{Each, Expression, Root, Scope};
use crate::plan::marks::mark_config;
use crate::plan::{Pending, PlannedValue};
use crate::survey::scope::BlockScope;

/// Makes an expression portable: what it refers to and is known goes with it.
///
/// References to resources stay references; they are resolved while applying. What others may refer to as
/// well, locals and what `for_each` says, is made portable once for all of them: see [`shared`](crate::survey::scope::Known::shared).
pub fn pending(expression: &Expression, scope: &BlockScope<'_>) -> Pending {
    let (mut pending, open) = portable(expression, scope);
    for part in open {
        match part {
            Part::Local(name) => scope.known.share_local(&name),
            Part::ForEach(block, for_each, key) => {
                pending.bindings.insert(Root::Each(Each::Key).to_string(), key);
                pending.for_each = Some(scope.known.share_for_each(block, for_each));
            }
        }
    }
    pending
}

/// The same with everything that it needs: it is kept without the plan.
pub fn alone(expression: &Expression, scope: &BlockScope<'_>) -> Pending {
    let (mut pending, mut open) = portable(expression, scope);
    while let Some(part) = open.pop() {
        let (root, expression) = match part {
            Part::Local(name) => {
                let Some(local) = scope.known.stack.locals.get(&name) else { continue };
                (Root::Local(name).to_string(), &local.value)
            }
            Part::ForEach(_, for_each, key) => {
                pending.bindings.insert(Root::Each(Each::Key).to_string(), key);
                (Root::Each(Each::Value).to_string(), for_each)
            }
        };
        if pending.locals.contains_key(&root) {
            continue;
        }
        let (part, more) = portable(expression, &BlockScope::plain(scope.known));
        pending.locals.insert(root, part.expression);
        pending.bindings.extend(part.bindings);
        open.extend(more);
    }
    pending
}

/// What an expression refers to and is not known yet, and others may refer to, too.
pub(super) enum Part<'e> {
    Local(Arc<str>),
    /// What the `for_each` of a block says, and the key of the part of it that is `each.value`.
    ForEach(&'e BlockAddress, &'e Expression, Value),
}

/// An expression with what it refers to and is known, and what is to come with it.
pub(super) fn portable<'e>(expression: &Expression, scope: &BlockScope<'e>) -> (Pending, Vec<Part<'e>>) {
    let mut pending = Pending {
        expression: expression.to_portable(),
        bindings: BTreeMap::new(),
        locals: BTreeMap::new(),
        for_each: None,
    };
    let mut seen: BTreeSet<Root> = BTreeSet::new();
    let mut open = Vec::new();
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
        match (&reference.root, scope.for_each, &scope.each) {
            (root, ..) if settled => {
                pending.bindings.insert(root.to_string(), value);
            }
            (Root::Local(name), ..) => open.push(Part::Local(Arc::clone(name))),
            (Root::Each(Each::Value), Some((block, for_each)), Some((key, _))) => {
                open.push(Part::ForEach(block, for_each, key.clone()));
            }
            _ => {}
        }
    }
    (pending, open)
}

fn has_no_instances(value: &Value) -> bool {
    match value.data() {
        Data::Tuple(items) => items.is_empty(),
        Data::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// The evaluated configuration of a block, with what gives the parts that are not known yet, or that rest
/// nowhere. What is write-only is secret, as is what the type calls so: it goes into a plan, and not into the clear.
pub fn planned_value(value: Value, body: &Expression, block: &Block, scope: &BlockScope<'_>) -> PlannedValue {
    let value = match sets_write_only(block, &value) {
        true => value.map_parts(&mut |path, part| match attribute_at(block, &path.0) {
            Some(attribute) if attribute.write_only && !part.is_null() => part.sensitive(),
            _ => part,
        }),
        false => value,
    };
    let value = mark_config(block, value);
    let mut planned = PlannedValue { value, pending: BTreeMap::new() };
    let open = |value: &Value| !value.is_wholly_known() || value.marks_deep().ephemeral;
    if !open(&planned.value) {
        return planned;
    }
    for (key, expression) in body.as_table().unwrap_or_default() {
        let Some(name) = key.as_literal().and_then(Value::as_str) else { continue };
        if planned.value.get(name).is_some_and(open) {
            let mut waits = pending(expression, scope);
            // What goes into a secret is one, and waits as such.
            if block.attributes.get(name).is_some_and(|attribute| attribute.sensitive || attribute.write_only) {
                waits.bindings.values_mut().for_each(|value| *value = value.clone().sensitive());
            }
            planned.pending.insert(name.to_owned(), waits);
        }
    }
    planned
}

/// The value of a whole body, in the form of a schema.
///
/// # Errors
/// Everything that is wrong with it.
pub fn evaluate_whole(pending: &Pending, block: &Block, scope: &dyn Scope) -> Result<Value, Vec<Diagnostic>> {
    let body = Expression::from_portable(&pending.expression).map_err(|error| vec![Diagnostic::from(error)])?;
    evaluate_body(&body, block, scope)
}

/// The ephemeral blocks that something pending refers to itself.
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
pub fn planned_expression(value: Value, expression: &Expression, scope: &BlockScope<'_>) -> PlannedValue {
    let mut planned = PlannedValue { value, pending: BTreeMap::new() };
    if !planned.value.is_wholly_known() {
        planned.pending.insert(WHOLE.to_owned(), pending(expression, scope));
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

//! Preconditions and postconditions.

use retrue_provider_api::{Data, Type, Value, convert};

use crate::address::Address;
use crate::config::{Condition, Lifecycle, Stack};
use crate::diagnostic::Diagnostic;
use crate::expression::evaluate;
use crate::plan::{PendingCondition, Plan, codes};
use crate::survey::pending::pending;
use crate::survey::scope::BlockScope;
use crate::survey::walk::place;

/// Checks conditions as far as they are known, and returns those that are not yet.
pub fn check_conditions(
    conditions: &[Condition],
    address: &Address,
    stack: &Stack,
    scope: &BlockScope<'_>,
) -> Result<Vec<PendingCondition>, Vec<Diagnostic>> {
    let mut later = Vec::new();
    let mut problems = Vec::new();
    for (number, condition) in conditions.iter().enumerate() {
        let value = match evaluate(&condition.condition, scope) {
            Ok(value) => value,
            Err(errors) => {
                problems.extend(errors.into_iter().map(Diagnostic::from));
                continue;
            }
        };
        match holds(&value) {
            Some(true) => {}
            Some(false) => {
                let message = evaluate(&condition.message, scope).ok();
                let text = message
                    .as_ref()
                    .filter(|message| !message.marks_deep().sensitive)
                    .and_then(Value::as_str)
                    .unwrap_or("the condition does not hold");
                problems.push(Diagnostic::error(codes::CONDITION, format!("`{address}`: {text}")).at(condition.span));
            }
            None if !value.is_known() => later.push(PendingCondition {
                condition: pending(&condition.condition, scope),
                message: pending(&condition.message, scope),
                number,
                place: place(stack, condition.span),
            }),
            None => problems.push(
                Diagnostic::error(codes::CONDITION, format!("`{address}`: the condition is neither true nor false"))
                    .at(condition.span),
            ),
        }
    }
    if problems.is_empty() { Ok(later) } else { Err(problems) }
}

/// Finds the places of the conditions of a plan that was kept in a file.
pub fn locate(plan: &mut Plan, stack: &Stack) {
    let in_block = |address: &Address, conditions: &mut Vec<PendingCondition>, of: fn(&Lifecycle) -> &[Condition]| {
        let Some(block) = stack.blocks.get(&address.block) else { return };
        for condition in conditions {
            if let Some(declared) = of(&block.lifecycle).get(condition.number) {
                condition.place = place(stack, declared.span);
            }
        }
    };
    let before: fn(&Lifecycle) -> &[Condition] = |lifecycle| &lifecycle.preconditions;
    let after: fn(&Lifecycle) -> &[Condition] = |lifecycle| &lifecycle.postconditions;
    for step in &mut plan.steps {
        in_block(&step.id.address, &mut step.preconditions, before);
        in_block(&step.id.address, &mut step.postconditions, after);
    }
    for ephemeral in &mut plan.ephemerals {
        in_block(&ephemeral.address, &mut ephemeral.preconditions, before);
        in_block(&ephemeral.address, &mut ephemeral.postconditions, after);
    }
}

/// Whether a condition holds; `None` when that is not known, or it is no truth value.
pub fn holds(value: &Value) -> Option<bool> {
    let converted = convert(&value.clone().unmark_deep().0, &Type::Bool).ok()?;
    match converted.data() {
        Data::Bool(holds) => Some(*holds),
        _ => None,
    }
}

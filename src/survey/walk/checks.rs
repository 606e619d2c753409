//! Health checks: their values, as far as they are known, and what gives the rest once all steps are done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{Data, Value, convert};

use crate::address::{BlockAddress, Mode};
use crate::config::{Check, blocks_of, kept};
use crate::diagnostic::Diagnostic;
use crate::expression::evaluate;
use crate::health::{Probe, kinds};
use crate::plan::{OutputChange, Pending, PlanKind, PlannedCheck, PlannedValue};
use crate::rest::masked_near;
use crate::survey::pending::pending;
use crate::survey::recorded::recorded_instances;
use crate::survey::scope::{BlockScope, Instances};

use super::*;

impl<'a> Walk<'a> {
    /// What several pending expressions refer to, and the checks.
    pub(super) fn checks(&mut self, outputs: &[OutputChange]) -> (BTreeMap<String, Pending>, Vec<PlannedCheck>) {
        if !self.request.stack.checks.values().any(|check| self.is_wanted(check)) {
            return (self.known.shared(), Vec::new());
        }
        if self.looking {
            // How things stand is a matter of what is there, not of what is declared since.
            let shared = self.known.shared();
            self.believe_the_record();
            return (shared, self.evaluated_checks());
        }
        for output in outputs {
            if let Some(after) = &output.after {
                self.known
                    .blocks
                    .insert(BlockAddress::output(Arc::clone(&output.name)), Instances::one(after.value.clone()));
            }
        }
        let checks = self.evaluated_checks();
        (self.known.shared(), checks)
    }

    /// Whether a check is part of the plan: as what is looked at, or because the recovery of a breaker waits for it.
    fn is_wanted(&self, check: &Check) -> bool {
        let looked_at = self.request.checks && self.request.kind != PlanKind::Destroy;
        let stack = self.request.stack;
        let for_recovery = |provider| stack.policy(provider).breaker.recovery_check.as_ref() == Some(&check.name);
        looked_at || stack.providers.keys().any(|provider| for_recovery(provider))
    }

    /// Lets resources and outputs be what is recorded of them.
    fn believe_the_record(&mut self) {
        let (stack, request) = (self.request.stack, self.request);
        let mut blocks = recorded_instances(stack, self.records);
        for name in stack.outputs.keys() {
            let recorded = request.state.outputs.get(name.as_ref()).and_then(|output| output.wake(request.seal).ok());
            blocks.insert(
                BlockAddress::output(Arc::clone(name)),
                recorded.map_or_else(Instances::unknown, Instances::one),
            );
        }
        let nothing = Known::new(stack, request.variables, request.process_environment);
        let mut known = std::mem::replace(&mut self.known, nothing);
        let read = std::mem::take(&mut known.blocks);
        blocks.extend(read.into_iter().filter(|(block, _)| block.mode != Mode::Managed));
        self.known = known.with_blocks(blocks);
    }

    fn evaluated_checks(&mut self) -> Vec<PlannedCheck> {
        // With targets, only what is known of them can be looked at.
        let partial = !self.looking && (self.targets.is_partial() || !self.doubt.is_empty());
        let mut checks = Vec::new();
        let stack = self.request.stack;
        for check in stack.checks.values() {
            if !self.is_wanted(check) {
                continue;
            }
            match self.evaluated_check(check) {
                Ok(planned) if partial && !planned.values.value.is_wholly_known() => {}
                Ok(planned) => checks.push(planned),
                Err(_) if partial => {}
                Err(mut wrong) => self.problems.append(&mut wrong),
            }
        }
        checks
    }

    fn evaluated_check(&self, check: &Check) -> Result<PlannedCheck, Vec<Diagnostic>> {
        let scope = BlockScope::plain(&self.known);
        let probe = &check.definition.probe;
        let mut problems = Vec::new();
        let mut values: Vec<(Arc<str>, Value)> = Vec::new();
        let mut open = BTreeMap::new();
        for (name, expression) in &check.values {
            let Some((_, kind, required)) = kinds(probe).iter().find(|(known, ..)| *known == name.as_ref()) else {
                continue;
            };
            let value = match evaluate(expression, &scope) {
                Ok(value) => value,
                Err(errors) => {
                    problems.extend(errors.into_iter().map(Diagnostic::from));
                    continue;
                }
            };
            if value.marks_deep().ephemeral {
                problems.push(kept(&format!("a value of the check `{}`", check.name), expression.span()));
                continue;
            }
            let wrong = |problem: String| Diagnostic::error(crate::config::codes::TYPE_MISMATCH, problem);
            let kind = kind();
            let found = value.kind().friendly_name();
            let Ok(value) = convert(&value, &kind) else {
                let problem = format!("`{name}` takes {}, and this is {found}", kind.friendly_name());
                problems.push(wrong(problem).at(expression.span()));
                continue;
            };
            let missing = || format!("`{name}` of the check `{}` is null", check.name);
            let problem = match value.data() {
                Data::Null(_) if *required => Some(missing()),
                _ if value.is_wholly_known() && !value.is_null() => probe.wrong_value(name, &value),
                _ => None,
            };
            if let Some(problem) = problem.map(|problem| masked_near(&problem, &[&value])) {
                problems.push(wrong(problem).at(expression.span()));
                continue;
            }
            if !value.is_wholly_known() && !self.looking {
                open.insert(name.to_string(), pending(expression, &scope));
            }
            values.push((Arc::clone(name), value));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(PlannedCheck {
            definition: check.definition.clone(),
            values: PlannedValue { value: Value::object(values), pending: open },
        })
    }

    /// The blocks that checks look at.
    pub(super) fn blocks_of_checks(&self) -> BTreeSet<BlockAddress> {
        let checks = self.request.stack.checks.values().filter(|check| self.is_wanted(check));
        checks.flat_map(|check| blocks_of(check, self.request.stack)).collect()
    }

    /// Conditions of which it is known already that they will not hold.
    pub(super) fn checks_to_fail(&self, checks: &[PlannedCheck]) -> Vec<String> {
        if self.request.kind != PlanKind::Apply {
            return Vec::new();
        }
        let known = checks.iter().filter(|check| check.definition.probe == Probe::Condition);
        let failing = known.filter(|check| {
            let holds = check.values.value.get("condition").map(|value| value.clone().unmark_deep().0);
            matches!(holds.as_ref().map(Value::data), Some(Data::Bool(false)))
        });
        failing.map(|check| format!("the check `{}` will be unhealthy", check.definition.name)).collect()
    }
}

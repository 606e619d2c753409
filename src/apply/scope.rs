//! What references stand for while applying: what steps returned, and what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use retrue_provider_api::{Type, Value};

use crate::address::{Address, BlockAddress, InstanceKey};
use crate::expression::functions::Host;
use crate::expression::{EvalError, Expression, Root, Scope, codes, evaluate};
use crate::plan::{Action, Pending, Plan, PlannedValue};
use crate::span::Span;
use crate::survey::FileHost;
use crate::survey::pending::WHOLE;

/// The values of all instances, as they are now.
pub(super) struct Values {
    values: Mutex<BTreeMap<Address, Value>>,
    /// What will be gone when the run is over: it is no part of its block any more.
    leaving: BTreeSet<Address>,
    host: FileHost,
}

impl Values {
    /// What is recorded, and what the plan says of instances that have no step.
    pub(super) fn new(recorded: BTreeMap<Address, Value>, plan: &Plan, directory: PathBuf) -> Self {
        let mut values = recorded;
        let mut leaving = BTreeSet::new();
        for change in &plan.changes {
            match change.action {
                Action::Delete | Action::Forget => {
                    leaving.insert(change.address.clone());
                }
                // A moved object is known under its new address from the start.
                Action::NoOp if !change.after.is_null() => {
                    values.insert(change.address.clone(), change.after.clone());
                }
                _ => {}
            }
        }
        Values { values: Mutex::new(values), leaving, host: FileHost::new(directory, false) }
    }

    /// Remembers what a step returned; null means that it is gone.
    pub(super) fn put(&self, address: &Address, value: Value) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if value.is_null() {
            values.remove(address);
        } else {
            values.insert(address.clone(), value);
        }
    }

    fn resolve(&self, block: &BlockAddress, key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = values.get(&block.instance(key.cloned())) {
            return Ok(value.clone());
        }
        if let Some(key) = key {
            return Err(EvalError::new(codes::INVALID_INDEX, format!("there is no instance `{block}{key}`"), span));
        }
        let first = block.instance(None);
        let of_block: Vec<(&Address, &Value)> = values
            .range(first..)
            .take_while(|(address, _)| address.block == *block)
            .filter(|(address, _)| !self.leaving.contains(*address))
            .collect();
        let named: Vec<(Arc<str>, Value)> = of_block
            .iter()
            .filter_map(|(address, value)| match &address.key {
                Some(InstanceKey::Name(name)) => Some((Arc::clone(name), (*value).clone())),
                _ => None,
            })
            .collect();
        if named.is_empty() && !of_block.is_empty() {
            return Ok(Value::tuple(of_block.into_iter().map(|(_, value)| value.clone())));
        }
        if named.is_empty() {
            // It is not enabled, or every instance was known while planning and there are none.
            return Ok(Value::null(Type::Dynamic));
        }
        Ok(Value::object(named))
    }

    /// Evaluates what was pending.
    pub(super) fn evaluate(&self, pending: &Pending, itself: Option<&Value>) -> Result<Value, Vec<EvalError>> {
        let expression = Expression::from_portable(&pending.expression).map_err(|error| vec![error])?;
        evaluate(&expression, &PendingScope { values: self, pending, itself })
    }

    /// The whole value: what was known, with what was pending in its place.
    pub(super) fn complete(&self, planned: &PlannedValue, itself: Option<&Value>) -> Result<Value, Vec<EvalError>> {
        let mut value = planned.value.clone();
        let mut errors = Vec::new();
        for (name, pending) in &planned.pending {
            match self.evaluate(pending, itself) {
                Ok(known) if name == WHOLE => value = known.with_marks(planned.value.marks()),
                Ok(known) => value = value.with_attribute(name, known),
                Err(mut wrong) => errors.append(&mut wrong),
            }
        }
        if errors.is_empty() { Ok(value) } else { Err(errors) }
    }
}

struct PendingScope<'a> {
    values: &'a Values,
    pending: &'a Pending,
    itself: Option<&'a Value>,
}

impl Scope for PendingScope<'_> {
    fn resolve(&self, root: &Root, key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        if let (Root::SelfRef, Some(itself)) = (root, self.itself) {
            return Ok(itself.clone());
        }
        let name = root.to_string();
        if let Some(bound) = self.pending.bindings.get(&name) {
            let Some(key) = key else { return Ok(bound.clone()) };
            let part = match key {
                InstanceKey::Name(name) => bound.get(name),
                InstanceKey::Index(index) => {
                    bound.as_items().and_then(|items| items.get(usize::try_from(*index).ok()?))
                }
            };
            return part.cloned().ok_or_else(|| {
                EvalError::new(codes::INVALID_INDEX, format!("there is no instance `{name}{key}`"), span)
            });
        }
        if let Some(local) = self.pending.locals.get(&name) {
            let expression = Expression::from_portable(local)?;
            return evaluate(&expression, self).map_err(|errors| {
                errors.into_iter().next().unwrap_or_else(|| EvalError::new(codes::OPERATION, "it has no value", span))
            });
        }
        match root.block() {
            Some(block) => self.values.resolve(&block, key, span),
            None => Err(EvalError::new(codes::UNKNOWN_NAME, format!("the plan has no value for `{root}`"), span)),
        }
    }

    fn host(&self) -> &dyn Host {
        &self.values.host
    }
}

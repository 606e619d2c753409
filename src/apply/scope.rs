//! What references stand for while applying: what steps returned, and what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use retrue_provider_api::{Block, Type, Value};

use crate::address::{Address, BlockAddress, InstanceKey};
use crate::diagnostic::Diagnostic;
use crate::expression::functions::Host;
use crate::expression::{Each, EvalError, Expression, Root, Scope, codes, evaluate};
use crate::plan::{Action, Pending, Plan, PlannedValue};
use crate::span::Span;
use crate::survey::locals::{in_order, locals_in};
use crate::survey::pending::{WHOLE, evaluate_whole};
use crate::survey::{FileHost, Functions, first_error};

/// The values of all instances, as they are now.
pub(super) struct Values {
    values: Mutex<BTreeMap<Address, Value>>,
    /// What will be gone when the run is over: it is no part of its block any more.
    leaving: BTreeSet<Address>,
    /// The locals that were evaluated: each has one value in a run, whoever asks.
    locals: Mutex<BTreeMap<String, Result<Value, EvalError>>>,
    host: FileHost,
}

impl Values {
    /// What is recorded, and what the plan says of instances that have no step.
    pub(super) fn new(
        recorded: BTreeMap<Address, Value>,
        plan: &Plan,
        directory: PathBuf,
        functions: Functions,
    ) -> Self {
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
        let host = FileHost::new(directory, false).with_functions(functions);
        Values { values: Mutex::new(values), leaving, locals: Mutex::default(), host }
    }

    /// Only what is recorded.
    pub(super) fn recorded(recorded: BTreeMap<Address, Value>, directory: PathBuf, functions: Functions) -> Self {
        let host = FileHost::new(directory, false).with_functions(functions);
        Values { values: Mutex::new(recorded), leaving: BTreeSet::new(), locals: Mutex::default(), host }
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

    /// What a block stands for, or one of its instances.
    pub(super) fn resolve(
        &self,
        block: &BlockAddress,
        key: Option<&InstanceKey>,
        span: Span,
    ) -> Result<Value, EvalError> {
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

    /// Evaluates a whole body that was pending, in the form of a schema.
    pub(super) fn evaluate_body(&self, pending: &Pending, block: &Block) -> Result<Value, Vec<Diagnostic>> {
        evaluate_whole(pending, block, &PendingScope { values: self, pending, itself: None })
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

impl PendingScope<'_> {
    /// The value of a local. What it refers to was done before whatever asks for it, so that it stays
    /// the same for the whole run.
    fn local(&self, name: &str, span: Span) -> Result<Value, EvalError> {
        let evaluated = |name: &str| {
            let locals = self.values.locals.lock().unwrap_or_else(PoisonError::into_inner);
            locals.get(name).cloned()
        };
        if let Some(known) = evaluated(name) {
            return known;
        }
        let mut expressions: BTreeMap<String, Expression> = BTreeMap::new();
        let order = in_order(name.to_owned(), |name| {
            let stored = self.pending.locals.get(name).map(Expression::from_portable);
            // What cannot be read is told when it is evaluated.
            let Some(Ok(expression)) = stored else { return Vec::new() };
            let needs = locals_in(&expression).into_iter().map(|name| Root::Local(name).to_string());
            let needs = needs.filter(|name| self.pending.locals.contains_key(name) && evaluated(name).is_none());
            let needs = needs.collect();
            expressions.insert(name.to_owned(), expression);
            needs
        });
        for name in order {
            let value = match (expressions.get(&name), self.pending.locals.get(&name)) {
                (Some(expression), _) => evaluate(expression, self).map_err(|errors| first_error(errors, span)),
                (None, Some(stored)) => Expression::from_portable(stored).and(Err(first_error(Vec::new(), span))),
                (None, None) => continue,
            };
            // Another step may have been faster: then its value counts.
            self.values.locals.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(value);
        }
        evaluated(name).unwrap_or_else(|| Err(first_error(Vec::new(), span)))
    }
}

impl PendingScope<'_> {
    /// The part of what `for_each` says that is this instance's. It is another one for each, so it is not kept.
    fn each_value(&self, for_each: &serde_json::Value, span: Span) -> Result<Value, EvalError> {
        let all = evaluate(&Expression::from_portable(for_each)?, self).map_err(|errors| first_error(errors, span))?;
        let key = self.pending.bindings.get(&Root::Each(Each::Key).to_string()).and_then(Value::as_str);
        let value = key.and_then(|key| all.get(key)).cloned();
        value.ok_or_else(|| {
            let what = format!("what `for_each` says has no `{}` any more", key.unwrap_or_default());
            EvalError::new(codes::INVALID_INDEX, what, span)
        })
    }
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
        if let (Root::Each(Each::Value), Some(for_each)) = (root, self.pending.locals.get(&name)) {
            return self.each_value(for_each, span);
        }
        if self.pending.locals.contains_key(&name) {
            return self.local(&name, span);
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

//! What references stand for while applying: what steps returned, and what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use retrue_provider_api::{Block, Type, Value};

use crate::address::{Address, BlockAddress, InstanceKey};
use crate::diagnostic::Diagnostic;
use crate::expression::functions::Host;
use crate::expression::{Each, EvalError, Expression, Root, Scope, codes, evaluate};
use crate::plan::{Action, Pending, Plan, PlannedValue};
use crate::span::Span;
use crate::survey::locals::{in_order, locals_in};
use crate::survey::pending::{WHOLE, ephemeral_blocks, evaluate_whole};
use crate::survey::{FileHost, Functions, first_error};

/// The values of all instances, as they are now.
pub(super) struct Values {
    values: Mutex<BTreeMap<Address, Value>>,
    /// Data in whose place something else stands.
    instead: Mutex<BTreeSet<Address>>,
    /// What will be gone when the run is over: it is no part of its block any more.
    leaving: BTreeSet<Address>,
    /// What several pending expressions refer to, by name: see [`Plan::shared`].
    shared: BTreeMap<String, Pending>,
    /// What of that, and of locals, was evaluated: each has one value in a run, whoever asks.
    evaluated: Mutex<BTreeMap<String, Result<Value, EvalError>>>,
    /// By name of what is shared, the ephemeral blocks that it refers to, by whatever way.
    ephemeral: OnceLock<BTreeMap<String, BTreeSet<BlockAddress>>>,
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
        for change in plan.changes.iter().filter(|change| change.object.is_current()) {
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
        Values {
            values: Mutex::new(values),
            instead: Mutex::default(),
            leaving,
            shared: plan.shared.clone(),
            evaluated: Mutex::default(),
            ephemeral: OnceLock::new(),
            host,
        }
    }

    /// Only what is recorded.
    pub(super) fn recorded(recorded: BTreeMap<Address, Value>, directory: PathBuf, functions: Functions) -> Self {
        let host = FileHost::new(directory, false).with_functions(functions);
        Values {
            values: Mutex::new(recorded),
            instead: Mutex::default(),
            leaving: BTreeSet::new(),
            shared: BTreeMap::new(),
            evaluated: Mutex::default(),
            ephemeral: OnceLock::new(),
            host,
        }
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

    /// What data read while applying is; `None` where something else stands in its place.
    pub(super) fn read(&self, address: &Address) -> Option<Value> {
        if self.instead.lock().unwrap_or_else(PoisonError::into_inner).contains(address) {
            return None;
        }
        self.values.lock().unwrap_or_else(PoisonError::into_inner).get(address).cloned()
    }

    /// Remembers what stands in place of data.
    pub(super) fn put_instead(&self, address: &Address, value: Value) {
        self.instead.lock().unwrap_or_else(PoisonError::into_inner).insert(address.clone());
        self.put(address, value);
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

impl Values {
    /// The ephemeral blocks that something pending refers to, also by what is shared.
    pub(super) fn ephemeral_blocks(&self, pending: &Pending) -> BTreeSet<BlockAddress> {
        let of_shared = self.ephemeral.get_or_init(|| {
            let mut found: BTreeMap<String, BTreeSet<BlockAddress>> = BTreeMap::new();
            for name in self.shared.keys() {
                for name in in_order(name.clone(), |name| self.shared_by(name, &|name| found.contains_key(name))) {
                    let Some(pending) = self.shared.get(&name) else { continue };
                    let mut blocks = ephemeral_blocks(pending);
                    let needs = shared_names(pending);
                    blocks.extend(needs.iter().filter_map(|need| found.get(need)).flatten().cloned());
                    found.insert(name, blocks);
                }
            }
            found
        });
        let mut blocks = ephemeral_blocks(pending);
        blocks.extend(shared_names(pending).iter().filter_map(|name| of_shared.get(name)).flatten().cloned());
        blocks
    }

    /// What of the shared something shared refers to itself, but for what is done with.
    fn shared_by(&self, name: &str, done: &dyn Fn(&str) -> bool) -> Vec<String> {
        let names = self.shared.get(name).map(shared_names).unwrap_or_default();
        names.into_iter().filter(|name| self.shared.contains_key(name) && !done(name)).collect()
    }
}

/// The names of what something pending refers to itself and is shared, if it is not its own.
fn shared_names(pending: &Pending) -> BTreeSet<String> {
    let expressions = [&pending.expression].into_iter().chain(pending.locals.values());
    // What cannot be read is told when it is evaluated.
    let expressions = expressions.filter_map(|portable| Expression::from_portable(portable).ok());
    let locals = expressions.flat_map(|expression| locals_in(&expression));
    let locals = locals.map(|name| Root::Local(name).to_string());
    locals.filter(|name| !pending.locals.contains_key(name)).chain(pending.for_each.clone()).collect()
}

struct PendingScope<'a> {
    values: &'a Values,
    pending: &'a Pending,
    itself: Option<&'a Value>,
}

impl PendingScope<'_> {
    /// The value of a local, or of what else is shared. What it refers to was done before whatever asks for it,
    /// so that it stays the same for the whole run.
    fn once(&self, name: &str, span: Span) -> Result<Value, EvalError> {
        let evaluated =
            |name: &str| self.values.evaluated.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(known) = evaluated(name) {
            return known;
        }
        let order = in_order(name.to_owned(), |name| {
            let needs = self.part(name).map(|part| part.needs()).unwrap_or_default();
            needs.into_iter().filter(|name| self.part(name).is_some() && evaluated(name).is_none()).collect()
        });
        for name in order {
            let Some(part) = self.part(&name) else { continue };
            let value = part.evaluate(self, span);
            // Another step may have been faster: then its value counts.
            self.values.evaluated.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(value);
        }
        evaluated(name).unwrap_or_else(|| Err(first_error(Vec::new(), span)))
    }

    /// What has one value in a run: what came with the expression goes first.
    fn part(&self, name: &str) -> Option<Part<'_>> {
        let own = self.pending.locals.get(name).map(Part::Own);
        own.or_else(|| self.values.shared.get(name).map(Part::Shared))
    }

    /// The part of what `for_each` says that is this instance's.
    fn each_value(&self, span: Span) -> Option<Result<Value, EvalError>> {
        let own = Root::Each(Each::Value).to_string();
        let name = self.pending.for_each.as_ref().or_else(|| self.pending.locals.contains_key(&own).then_some(&own))?;
        let key = self.pending.bindings.get(&Root::Each(Each::Key).to_string()).and_then(Value::as_str);
        let all = match &self.pending.for_each {
            Some(_) => self.once(name, span),
            // It came with the expression: another one may have another.
            None => self.part(name)?.evaluate(self, span),
        };
        Some(all.and_then(|all| {
            key.and_then(|key| all.get(key)).cloned().ok_or_else(|| {
                let what = format!("what `for_each` says has no `{}` any more", key.unwrap_or_default());
                EvalError::new(codes::INVALID_INDEX, what, span)
            })
        }))
    }
}

/// Something with one value in a run.
enum Part<'a> {
    /// It came with the expression that refers to it.
    Own(&'a serde_json::Value),
    /// It is shared.
    Shared(&'a Pending),
}

impl Part<'_> {
    /// The names of what it refers to.
    fn needs(&self) -> BTreeSet<String> {
        match self {
            // What cannot be read is told when it is evaluated.
            Part::Own(portable) => Expression::from_portable(portable)
                .map(|expression| {
                    locals_in(&expression).into_iter().map(|name| Root::Local(name).to_string()).collect()
                })
                .unwrap_or_default(),
            Part::Shared(pending) => shared_names(pending),
        }
    }

    fn evaluate(&self, scope: &PendingScope<'_>, span: Span) -> Result<Value, EvalError> {
        let (portable, pending) = match self {
            Part::Own(portable) => (*portable, scope.pending),
            Part::Shared(pending) => (&pending.expression, *pending),
        };
        let scope = PendingScope { values: scope.values, pending, itself: None };
        evaluate(&Expression::from_portable(portable)?, &scope).map_err(|errors| first_error(errors, span))
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
        match root {
            Root::Each(Each::Value) => {
                if let Some(value) = self.each_value(span) {
                    return value;
                }
            }
            Root::Local(_) if self.part(&name).is_some() => return self.once(&name, span),
            _ => {}
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

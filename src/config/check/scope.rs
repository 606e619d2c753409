//! What references stand for while a stack is checked.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use retrue_provider_api::{Marks, ProviderSchema, Refinement, Type, Value};

use super::types::Schemas;
use crate::address::{InstanceKey, Mode};
use crate::config::repetition::Instance;
use crate::config::scopes::StackFiles;
use crate::config::stack::{Repetition, ResourceBlock, Stack};
use crate::expression::functions::{FunctionError, Host};
use crate::expression::{Each, EvalError, Root, Scope, nearest};
use crate::span::Span;

/// Defaults of variables, locals over them, and unknown values for everything else. What does not exist
/// was reported when the stack was loaded; here it is unknown.
pub(super) struct CheckScope<'c> {
    stack: &'c Stack,
    schemas: &'c Schemas,
    host: &'c StackFiles,
    pub(super) variables: BTreeMap<Arc<str>, Value>,
    pub(super) locals: BTreeMap<Arc<str>, Value>,
    types: Mutex<HashMap<TypeKey, Type>>,
}

/// A type: its mode, its name, and its provider.
type TypeKey = (Mode, Arc<str>, Arc<str>);

/// Where an expression stands.
#[derive(Clone, Default)]
pub(super) struct Inside {
    /// The instance of the block around it.
    pub(super) instance: Instance,
    /// The type of `self`.
    pub(super) itself: Option<Type>,
}

/// The scope of an expression.
pub(super) struct Within<'w, 'c> {
    scope: &'w CheckScope<'c>,
    inside: &'w Inside,
}

impl<'c> CheckScope<'c> {
    pub(super) fn new(stack: &'c Stack, schemas: &'c Schemas, host: &'c StackFiles) -> Self {
        CheckScope {
            stack,
            schemas,
            host,
            variables: BTreeMap::new(),
            locals: BTreeMap::new(),
            types: Mutex::default(),
        }
    }

    pub(super) fn within<'w>(&'w self, inside: &'w Inside) -> Within<'w, 'c> {
        Within { scope: self, inside }
    }

    /// The type of one instance of a block, made once for all blocks of the type.
    fn type_of(&self, block: &ResourceBlock) -> Type {
        let provider = self.stack.provider_type(block);
        let key = (block.address.mode, Arc::clone(&block.address.type_name), provider);
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || match self.schemas.of_block(self.stack, block) {
            Ok(schema) => schema.block.value_type(),
            Err(_) => Type::Dynamic,
        };
        types.entry(key).or_insert_with(make).clone()
    }

    fn block(&self, block: &ResourceBlock, key: Option<&InstanceKey>) -> Value {
        let one = self.type_of(block);
        let kind = match (&block.repetition, key) {
            (Repetition::One, _) | (_, Some(_)) => one,
            _ if one.has_dynamic() => Type::Dynamic,
            (Repetition::Count(_), None) => Type::list(one),
            (Repetition::ForEach(_), None) => Type::map(one),
        };
        not_null(kind)
    }
}

fn not_null(kind: Type) -> Value {
    Value::unknown_refined(kind, Refinement { not_null: true, ..Refinement::default() })
}

impl Scope for Within<'_, '_> {
    fn resolve(&self, root: &Root, key: Option<&InstanceKey>, _span: Span) -> Result<Value, EvalError> {
        let scope = self.scope;
        let instance = &self.inside.instance;
        let found = match root {
            Root::Var(name) => scope.variables.get(name).cloned(),
            Root::Local(name) => scope.locals.get(name).cloned(),
            Root::Resource { .. } | Root::Data { .. } => {
                let block = root.block().and_then(|address| scope.stack.blocks.get(&address));
                block.map(|block| scope.block(block, key))
            }
            Root::Ephemeral { .. } => {
                let block = root.block().and_then(|address| scope.stack.blocks.get(&address));
                block.map(|block| scope.block(block, key).with_marks(Marks::EPHEMERAL))
            }
            Root::Each(Each::Key) | Root::CountIndex => instance.key_value(),
            Root::Each(Each::Value) => instance.value.clone(),
            Root::SelfRef => self.inside.itself.clone().map(not_null),
            Root::PathStack => scope.stack.directory.to_str().map(Value::from),
            Root::Env(_) => Some(not_null(Type::String)),
        };
        Ok(found.unwrap_or_else(|| Value::unknown(Type::Dynamic)))
    }

    fn host(&self) -> &dyn Host {
        self.scope
    }
}

/// Functions of providers are not called while checking: that their arguments fit is what can be known.
impl Host for CheckScope<'_> {
    fn base_directory(&self) -> &Path {
        self.host.base_directory()
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.host.read_file(path)
    }

    fn planning(&self) -> bool {
        true
    }

    fn plan_timestamp(&self) -> Option<String> {
        None
    }

    fn offers(&self, provider: &str) -> Result<Arc<ProviderSchema>, String> {
        let kind = self.stack.providers.get(provider).map_or(provider, |block| block.type_name.as_ref());
        let known = self.stack.providers.keys().map(AsRef::as_ref);
        self.schemas.shared(kind).ok_or_else(|| match nearest(provider, known) {
            Some(near) => format!("there is no provider `{provider}`; did you mean `{near}`?"),
            None => format!("there is no provider `{provider}` whose functions could be called"),
        })
    }

    fn call(&self, provider: &str, function: &str, _arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let offered = self.offers(provider).ok();
        let result = offered.and_then(|offered| Some(offered.functions.get(function)?.result.without_optional()));
        Ok(Value::unknown(result.unwrap_or(Type::Dynamic)))
    }
}

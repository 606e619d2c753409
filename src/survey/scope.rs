//! What references stand for while a stack is surveyed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use retrue_provider_api::{ProviderSchema, Type, Value};

use crate::address::{BlockAddress, InstanceKey};
use crate::config::{Repetition, ResourceBlock, Stack, absolute_directory};
use crate::expression::functions::{self, FileKind, FunctionError, Host};
use crate::expression::{Each, EvalError, Expression, Root, Scope, codes, evaluate};
use crate::plan::Pending;
use crate::span::Span;
use crate::survey::functions::Functions;
use crate::survey::locals::{in_order, locals_in};
use crate::survey::pending::{Part, portable};

/// What a block stands for.
#[derive(Debug)]
pub struct Instances {
    content: Content,
    whole: OnceLock<Value>,
}

#[derive(Debug)]
enum Content {
    One(Value),
    Counted(Vec<Value>),
    Named(BTreeMap<Arc<str>, Value>),
    /// Something is wrong with it, and was reported, or nothing is known of it yet; no further errors
    /// shall follow from it.
    Unknown,
}

impl Instances {
    /// A block that something is wrong with: whatever refers to it is unknown.
    pub fn broken() -> Self {
        Self::unknown()
    }

    /// A block that nothing is known of.
    pub fn unknown() -> Self {
        Instances { content: Content::Unknown, whole: OnceLock::new() }
    }

    /// A block without instances keys.
    pub fn one(value: Value) -> Self {
        Instances { content: Content::One(value), whole: OnceLock::new() }
    }

    /// A block with `count`.
    pub fn counted(values: Vec<Value>) -> Self {
        Instances { content: Content::Counted(values), whole: OnceLock::new() }
    }

    /// A block with `for_each`.
    pub fn named(values: BTreeMap<Arc<str>, Value>) -> Self {
        Instances { content: Content::Named(values), whole: OnceLock::new() }
    }

    /// What the instances of a block stand for, given each.
    pub(super) fn of(block: &ResourceBlock, mut values: Vec<(Option<InstanceKey>, Value)>) -> Self {
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        match &block.repetition {
            Repetition::One => match values.into_iter().next() {
                Some((_, value)) => Self::one(value),
                None => Self::one(Value::null(Type::Dynamic)),
            },
            Repetition::Count(_) => Self::counted(values.into_iter().map(|(_, value)| value).collect()),
            Repetition::ForEach(_) => Self::named(
                values
                    .into_iter()
                    .filter_map(|(key, value)| match key {
                        Some(InstanceKey::Name(name)) => Some((name, value)),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }

    /// One instance.
    pub fn get(&self, key: Option<&InstanceKey>) -> Option<&Value> {
        match (&self.content, key) {
            (Content::One(value), None) => Some(value),
            (Content::Counted(values), Some(InstanceKey::Index(index))) => values.get(usize::try_from(*index).ok()?),
            (Content::Named(values), Some(InstanceKey::Name(name))) => values.get(name),
            _ => None,
        }
    }

    /// Whether there is such an instance, as far as is known.
    pub fn has(&self, key: Option<&InstanceKey>) -> bool {
        match &self.content {
            Content::Unknown => true,
            Content::One(value) => key.is_none() && !value.is_null(),
            _ => self.get(key).is_some(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match &self.content {
            Content::Unknown => false,
            Content::One(value) => value.is_null(),
            Content::Counted(values) => values.is_empty(),
            Content::Named(values) => values.is_empty(),
        }
    }

    /// All instances as one value, made once.
    pub fn whole(&self) -> &Value {
        self.whole.get_or_init(|| match &self.content {
            Content::Unknown => Value::unknown(Type::Dynamic),
            Content::One(value) => value.clone(),
            Content::Counted(values) => Value::tuple(values.iter().cloned()),
            Content::Named(values) => {
                Value::object(values.iter().map(|(name, value)| (Arc::clone(name), value.clone())))
            }
        })
    }

    /// What a reference to it stands for.
    pub fn resolve(&self, address: &BlockAddress, key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        let Some(key) = key else { return Ok(self.whole().clone()) };
        if let Some(value) = self.get(Some(key)) {
            return Ok(value.clone());
        }
        let known = match &self.content {
            Content::Unknown => return Ok(Value::unknown(Type::Dynamic)),
            Content::One(_) => format!("`{address}` has neither `count` nor `for_each`"),
            Content::Counted(values) => format!("`{address}` has {} instances", values.len()),
            Content::Named(values) => {
                let names: Vec<&str> = values.keys().take(10).map(AsRef::as_ref).collect();
                format!("`{address}` has the instances {}", names.join(", "))
            }
        };
        Err(EvalError::new(codes::INVALID_INDEX, format!("there is no instance `{address}{key}`"), span).hint(known))
    }
}

/// The files that expressions read, relative to the stack; what was read is remembered.
pub struct FileHost {
    directory: PathBuf,
    planning: bool,
    read: Mutex<BTreeMap<String, String>>,
    looked: Mutex<BTreeMap<String, String>>,
    listed: Mutex<BTreeMap<String, String>>,
    functions: Functions,
}

impl FileHost {
    /// For a stack in a directory.
    pub fn new(directory: PathBuf, planning: bool) -> Self {
        let directory = absolute_directory(&directory);
        FileHost {
            directory,
            planning,
            read: Mutex::default(),
            looked: Mutex::default(),
            listed: Mutex::default(),
            functions: Functions::default(),
        }
    }

    /// The same with functions of providers.
    #[must_use]
    pub fn with_functions(self, functions: Functions) -> Self {
        FileHost { functions, ..self }
    }

    /// The functions of providers.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// By path, relative to the stack where it is inside of it, the hash of what was read.
    pub fn reads(&self) -> BTreeMap<String, String> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl FileHost {
    /// By path, what stood there: `file`, `directory`, `other` or `absent`.
    pub fn looks(&self) -> BTreeMap<String, String> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By directory, the hash of the names in it.
    pub fn listings(&self) -> BTreeMap<String, String> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The word for what stands at a path.
    pub fn kind_word(kind: Option<FileKind>) -> &'static str {
        match kind {
            Some(FileKind::File) => "file",
            Some(FileKind::Directory) => "directory",
            Some(FileKind::Other) => "other",
            None => "absent",
        }
    }

    /// The hash of the names in a directory.
    pub fn listing_hash(names: &[String]) -> String {
        blake3::hash(names.join("\0").as_bytes()).to_hex().to_string()
    }
}

impl Host for FileHost {
    fn file_kind(&self, path: &FilePath) -> io::Result<Option<FileKind>> {
        let kind = functions::file_kind(path);
        let word = Self::kind_word(kind.as_ref().ok().copied().flatten()).to_owned();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.insert(path.to_string_lossy().into_owned(), word);
        kind
    }

    fn read_directory(&self, path: &FilePath) -> io::Result<Vec<String>> {
        let names = functions::directory_names(path)?;
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.insert(path.to_string_lossy().into_owned(), Self::listing_hash(&names));
        Ok(names)
    }

    fn base_directory(&self) -> &FilePath {
        &self.directory
    }

    fn read_file(&self, path: &FilePath) -> io::Result<Vec<u8>> {
        let content = fs_err::read(self.directory.join(path))?;
        let hash = blake3::hash(&content).to_hex().to_string();
        // Relative, so that the same stack in another place makes the same plan.
        let name = path.strip_prefix(&self.directory).unwrap_or(path).to_string_lossy().into_owned();
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name, hash);
        Ok(content)
    }

    fn planning(&self) -> bool {
        self.planning
    }

    fn plan_timestamp(&self) -> Option<String> {
        None
    }

    fn offers(&self, provider: &str) -> Result<Arc<ProviderSchema>, String> {
        self.functions.offers(provider)
    }

    fn call(&self, provider: &str, function: &str, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        self.functions.call(provider, function, arguments)
    }
}

/// Everything that references can stand for, as far as it is known.
pub struct Known<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// The values of variables.
    pub variables: &'a BTreeMap<Arc<str>, Value>,
    /// What blocks stand for.
    pub blocks: BTreeMap<BlockAddress, Instances>,
    /// The files.
    pub host: FileHost,
    /// The environment of the process, and what was read of it.
    environment: &'a BTreeMap<OsString, OsString>,
    environment_read: Mutex<BTreeMap<String, String>>,
    locals: Mutex<BTreeMap<Arc<str>, Result<Value, EvalError>>>,
    shared: Mutex<BTreeMap<String, Pending>>,
}

impl<'a> Known<'a> {
    /// Nothing but variables and the outside.
    pub fn new(
        stack: &'a Stack,
        variables: &'a BTreeMap<Arc<str>, Value>,
        environment: &'a BTreeMap<OsString, OsString>,
    ) -> Self {
        Known {
            stack,
            variables,
            blocks: BTreeMap::new(),
            host: FileHost::new(stack.directory.clone(), true),
            environment,
            environment_read: Mutex::new(BTreeMap::new()),
            locals: Mutex::new(BTreeMap::new()),
            shared: Mutex::default(),
        }
    }

    /// The same with functions of providers.
    pub fn with_functions(self, functions: Functions) -> Self {
        let Known { host, .. } = self;
        Known { host: host.with_functions(functions), ..self }
    }

    /// The same with what blocks stand for now; what was evaluated over them before is forgotten.
    pub fn with_blocks(self, blocks: BTreeMap<BlockAddress, Instances>) -> Self {
        Known { blocks, locals: Mutex::default(), shared: Mutex::default(), ..self }
    }

    /// The same stack and variables, with other things that its blocks stand for.
    pub fn beside(&self, blocks: BTreeMap<BlockAddress, Instances>) -> Self {
        let host = FileHost::new(self.host.directory.clone(), self.host.planning);
        let known = Known::new(self.stack, self.variables, self.environment).with_blocks(blocks);
        Known { host: host.with_functions(self.host.functions.clone()), ..known }
    }

    /// By name, the hash of what was read of the environment.
    pub fn environment_reads(&self) -> BTreeMap<String, String> {
        self.environment_read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What several pending expressions refer to and is not known yet, each once: locals by their names, and
    /// what `for_each` says. Nothing of it depends on where it is referred to.
    pub fn shared(&self) -> BTreeMap<String, Pending> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a local portable, and the locals that it refers to.
    pub(super) fn share_local(&self, name: &Arc<str>) {
        let mut open = vec![Arc::clone(name)];
        while let Some(name) = open.pop() {
            let Some(local) = self.stack.locals.get(&name) else { continue };
            self.share(Root::Local(name).to_string(), &local.value, &mut open);
        }
    }

    /// Makes portable what the `for_each` of a block says. Returns the name that it has among what is shared.
    pub(super) fn share_for_each(&self, block: &BlockAddress, for_each: &Expression) -> String {
        let name = format!("for_each of {block}");
        let mut open = Vec::new();
        self.share(name.clone(), for_each, &mut open);
        open.iter().for_each(|local| self.share_local(local));
        name
    }

    fn share(&self, name: String, expression: &Expression, open: &mut Vec<Arc<str>>) {
        if self.shared.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&name) {
            return;
        }
        let (pending, parts) = portable(expression, &BlockScope::plain(self));
        open.extend(parts.into_iter().filter_map(|part| match part {
            Part::Local(name) => Some(name),
            Part::ForEach(..) => None,
        }));
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(name, pending);
    }

    fn local(&self, name: &Arc<str>, span: Span) -> Result<Value, EvalError> {
        if let Some(known) = self.known_local(name) {
            return known;
        }
        if !self.stack.locals.contains_key(name) {
            return Err(EvalError::unknown_name("local", name, self.stack.locals.keys().map(AsRef::as_ref), span));
        }
        // What a local refers to comes before whatever asks for it, so its value will not change.
        let unknown = |name: &Arc<str>| self.stack.locals.contains_key(name) && self.known_local(name).is_none();
        let order = in_order(Arc::clone(name), |name| {
            let local = self.stack.locals.get(name);
            local.map(|local| locals_in(&local.value)).unwrap_or_default().into_iter().filter(unknown).collect()
        });
        for name in order {
            let Some(local) = self.stack.locals.get(&name) else { continue };
            let value = evaluate(&local.value, &BlockScope::plain(self)).map_err(|errors| first_error(errors, span));
            self.locals.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
        }
        self.known_local(name).unwrap_or_else(|| Err(first_error(Vec::new(), span)))
    }

    fn known_local(&self, name: &str) -> Option<Result<Value, EvalError>> {
        self.locals.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The environment of the process.
    pub(super) fn environment(&self) -> &'a BTreeMap<OsString, OsString> {
        self.environment
    }

    fn variable_of_environment(&self, name: &str, span: Span) -> Result<Value, EvalError> {
        match self.environment.get(&OsString::from(name)).map(|value| value.to_str()) {
            Some(Some(value)) => {
                self.environment_read
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(name.to_owned(), blake3::hash(value.as_bytes()).to_hex().to_string());
                Ok(Value::from(value))
            }
            Some(None) => Err(EvalError::new(
                codes::UNKNOWN_NAME,
                format!("the environment variable `{name}` is not Unicode"),
                span,
            )),
            None => {
                // That it is not set counts, too.
                let mut read = self.environment_read.lock().unwrap_or_else(PoisonError::into_inner);
                read.insert(name.to_owned(), String::new());
                Err(EvalError::new(codes::UNKNOWN_NAME, format!("the environment variable `{name}` is not set"), span)
                    .hint("set it, or use a variable with a default"))
            }
        }
    }
}

/// The first thing that is wrong with a value.
pub fn first_error(errors: Vec<EvalError>, span: Span) -> EvalError {
    errors.into_iter().next().unwrap_or_else(|| EvalError::new(codes::OPERATION, "it has no value", span))
}

/// The scope of one instance of a block, or of what belongs to no block.
pub struct BlockScope<'a> {
    pub(super) known: &'a Known<'a>,
    /// The key and value of `each`.
    pub each: Option<(Value, Value)>,
    /// The block, with what its `for_each` says, where that says what `each` is.
    pub for_each: Option<(&'a BlockAddress, &'a Expression)>,
    /// The number of `count`.
    pub index: Option<u64>,
    /// What `self` is.
    pub itself: Option<Value>,
}

impl<'a> BlockScope<'a> {
    /// Without `each`, `count` and `self`.
    pub fn plain(known: &'a Known<'a>) -> Self {
        BlockScope { known, each: None, for_each: None, index: None, itself: None }
    }
}

impl Scope for BlockScope<'_> {
    fn resolve(&self, root: &Root, key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        let outside = |what: &str, needs: &str| {
            Err(EvalError::new(codes::INVALID_REFERENCE, format!("`{what}` means nothing here"), span)
                .hint(format!("it stands only in a block with `{needs}`")))
        };
        match root {
            Root::Var(name) => match self.known.variables.get(name) {
                Some(value) => Ok(value.clone()),
                None => {
                    let names = self.known.stack.variables.keys().map(AsRef::as_ref);
                    Err(EvalError::unknown_name("variable", name, names, span))
                }
            },
            Root::Local(name) => self.known.local(name, span),
            Root::Resource { .. } | Root::Data { .. } | Root::Ephemeral { .. } => {
                let Some(block) = root.block() else { return Ok(Value::unknown(Type::Dynamic)) };
                match self.known.blocks.get(&block) {
                    Some(instances) => instances.resolve(&block, key, span),
                    None => Err(EvalError::new(codes::UNKNOWN_NAME, format!("there is no `{block}`"), span)),
                }
            }
            Root::Each(which) => match (&self.each, which) {
                (Some((key, _)), Each::Key) => Ok(key.clone()),
                (Some((_, value)), Each::Value) => Ok(value.clone()),
                (None, _) => outside("each", "for_each"),
            },
            Root::CountIndex => match self.index {
                Some(index) => Ok(Value::from(index)),
                None => outside("count.index", "count"),
            },
            Root::SelfRef => match &self.itself {
                Some(value) => Ok(value.clone()),
                None => Err(EvalError::new(codes::INVALID_REFERENCE, "`self` means nothing here", span)
                    .hint("it stands only in postconditions")),
            },
            Root::PathStack => Ok(Value::from(self.known.stack.directory.to_string_lossy().into_owned())),
            Root::Env(name) => self.known.variable_of_environment(name, span),
        }
    }

    fn host(&self) -> &dyn Host {
        &self.known.host
    }
}

//! What a configuration says, checked for form and with a place for everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{ConversionError, Marks, Path, Type, Value};

use super::load::Parts;
use crate::address::{Address, BlockAddress};
use crate::diagnostic::{Diagnostic, Sources};
use crate::expression::{Expression, Reference, TargetKey, TypeExpression};
use crate::health::Definition;
use crate::resilience;
use crate::span::Span;

/// One desired state: a directory with `retrue.toml`, all its files read as one.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Its name; the directory's where none is written.
    pub name: Arc<str>,
    /// The directory, from the root: relative paths are relative to it.
    pub directory: PathBuf,
    /// The rest of `[stack]`.
    pub settings: Settings,
    /// Its files, to show lines of them.
    pub sources: Sources,
    /// What it consists of, to tell whether it has become another one.
    pub parts: Parts,
    /// Inputs by name.
    pub variables: BTreeMap<Arc<str>, Variable>,
    /// Named expressions.
    pub locals: BTreeMap<Arc<str>, Local>,
    /// Configurations of providers by name.
    pub providers: BTreeMap<Arc<str>, ProviderBlock>,
    /// Resources and data sources.
    pub blocks: BTreeMap<BlockAddress, ResourceBlock>,
    /// Results by name.
    pub outputs: BTreeMap<Arc<str>, Output>,
    /// Health checks by name.
    pub checks: BTreeMap<Arc<str>, Check>,
    /// Renames, in the order in which they are written.
    pub moved: Vec<Moved>,
    /// Adoptions by id, in the order in which they are written.
    pub imports: Vec<Import>,
    /// What is no error and yet to be told.
    pub warnings: Vec<Diagnostic>,
}

/// The keys of `[stack]` that steer how retrue works.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// When deletions happen.
    pub deletes: DeleteOrder,
    /// For how long the images of a run are kept, so that it can be unwound.
    pub keep: Duration,
    /// Where the store is, if not in `.retrue` of the stack. Relative to the stack.
    pub store_path: Option<PathBuf>,
    /// What is done about failures of calls, and how much is asked for at once, as far as it is written for all.
    pub resilience: resilience::Settings,
    /// The file that metrics are written to after each run, for node-exporter. Relative to the stack.
    pub metrics_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            deletes: DeleteOrder::Last,
            keep: Duration::from_secs(30 * 24 * 60 * 60),
            store_path: None,
            resilience: Default::default(),
            metrics_file: None,
        }
    }
}

/// When deletions happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteOrder {
    /// After everything else, as far as dependencies permit.
    #[default]
    Last,
    /// As soon as dependencies permit, where the old must make room for the new.
    Graph,
}

/// An input.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: Arc<str>,
    /// The place of its name.
    pub span: Span,
    /// Its type, with the defaults of optional attributes; `any` where none is written.
    pub constraint: TypeExpression,
    /// Whether a type is written. Texts for a variable without one are taken as they are.
    pub typed: bool,
    /// The value where none is given. It refers to nothing.
    pub default: Option<Expression>,
    /// Whether null is a value of it; by default it is.
    pub nullable: bool,
    /// Whether its values are hidden.
    pub sensitive: bool,
    /// Whether its values rest nowhere.
    pub ephemeral: bool,
    /// For people.
    pub description: Option<Arc<str>>,
    /// Where its value comes from.
    pub from: Option<(ValueSource, Span)>,
    /// What its values must fulfil.
    pub validations: Vec<Condition>,
}

impl Variable {
    /// Its type; `dynamic` where none is written.
    pub fn kind(&self) -> &Type {
        self.constraint.kind()
    }

    /// A value of it with the marks that its values have.
    pub fn marked(&self, value: Value) -> Value {
        value.with_marks(Marks { sensitive: self.sensitive, ephemeral: self.ephemeral })
    }

    /// Brings a value to its type: fills in the defaults of optional attributes, then converts.
    ///
    /// # Errors
    /// The value does not convert.
    pub fn convert(&self, value: &Value) -> Result<Value, ConversionError> {
        self.constraint.convert(value)
    }
}

/// A place outside the configuration that a value is read from, when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueSource {
    /// `env:NAME`: a variable of the process environment.
    Environment(Arc<str>),
    /// `file:PATH`: the content of a file, relative to the stack, without a newline at its end.
    File(PathBuf),
    /// `command:LINE`: the standard output of a shell line, without a newline at its end.
    Command(Arc<str>),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueSource::Environment(name) => write!(f, "env:{name}"),
            ValueSource::File(path) => write!(f, "file:{}", path.display()),
            ValueSource::Command(line) => write!(f, "command:{line}"),
        }
    }
}

/// A named expression.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its name.
    pub name: Arc<str>,
    /// The place of its name.
    pub span: Span,
    /// The expression.
    pub value: Expression,
}

/// One configuration of a provider.
#[derive(Clone, Debug)]
pub struct ProviderBlock {
    /// Its name, which resources pick it by.
    pub name: Arc<str>,
    /// The place of its name.
    pub span: Span,
    /// Which provider: the name, where no `type` is written.
    pub type_name: Arc<str>,
    /// Where its program is to be had, for one that is not built in.
    pub program: Option<ProviderProgram>,
    /// What is done about failures of its calls, and how much is asked for at once, as far as it is written.
    pub resilience: resilience::Settings,
    /// What is configured, a table.
    pub body: Expression,
    /// Other ways to the same objects, each a table of arguments that stand in place of those of the body.
    pub fallback: Vec<Expression>,
}

impl ProviderBlock {
    /// All that is written of its configuration.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        [&self.body].into_iter().chain(&self.fallback)
    }

    /// The whole configuration of each of the other ways.
    pub fn ways(&self) -> impl Iterator<Item = Expression> {
        self.fallback.iter().map(|entry| {
            let own = entry.as_table().unwrap_or_default();
            let named: BTreeSet<&str> = names(entry).collect();
            let rest = self.body.as_table().unwrap_or_default().iter();
            let rest = rest.filter(|(key, _)| name(key).is_none_or(|name| !named.contains(name)));
            Expression::table(rest.chain(own).cloned().collect(), entry.span())
        })
    }

    /// The names of what is other in each of the other ways. Their values may be secret.
    pub fn named_in_ways(&self) -> impl Iterator<Item = Vec<&str>> {
        self.fallback.iter().map(|entry| names(entry).collect())
    }
}

/// The names of the arguments in a table.
fn names(table: &Expression) -> impl Iterator<Item = &str> {
    table.as_table().unwrap_or_default().iter().filter_map(|(key, _)| name(key))
}

fn name(key: &Expression) -> Option<&str> {
    key.as_literal()?.as_str()
}

/// Where the program of a provider is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderProgram {
    /// Its address: `hashicorp/aws`.
    pub source: Option<(String, Span)>,
    /// The versions that will do: `~> 3.39`.
    pub version: Option<(String, Span)>,
    /// The program itself, relative to the stack.
    pub path: Option<(String, Span)>,
    /// What the user knows of its types and errors.
    pub tables: ProviderTables,
}

/// Tables about a provider, as they are written: `errors`, `recipes`, `data_types`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderTables {
    /// By key.
    pub values: serde_json::Map<String, serde_json::Value>,
    /// Where each part of them stands: keys and numbers of items.
    pub places: std::collections::BTreeMap<Vec<String>, Span>,
}

/// A resource, or a data source.
#[derive(Clone, Debug)]
pub struct ResourceBlock {
    /// Its address.
    pub address: BlockAddress,
    /// The place of its name.
    pub span: Span,
    /// How many instances it has.
    pub repetition: Repetition,
    /// What must be done before it, besides what it refers to.
    pub depends_on: Vec<(DependsOn, Span)>,
    /// The configuration of the provider that it picks, where it picks one.
    pub provider: Option<(Arc<str>, Span)>,
    /// How it is treated.
    pub lifecycle: Lifecycle,
    /// What stands in place of data that cannot be read, in the order in which it is tried.
    pub fallback: Vec<Fallback>,
    /// What is desired, a table: everything that is the provider's.
    pub body: Expression,
}

/// What stands in place of data that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Fallback {
    /// What the last run read of it.
    LastKnown,
    /// This: a table of attributes.
    Value(Expression),
}

impl Fallback {
    /// What is written of it.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Fallback::LastKnown => None,
            Fallback::Value(expression) => Some(expression),
        }
    }
}

/// How many instances a block has.
#[derive(Clone, Debug, Default)]
pub enum Repetition {
    /// One, without a key.
    #[default]
    One,
    /// So many, with a number each.
    Count(Expression),
    /// One for each element of a set or list of texts, or entry of a map, with a key each.
    ForEach(Expression),
}

impl Repetition {
    /// The expression that tells, if there is one.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Repetition::One => None,
            Repetition::Count(expression) | Repetition::ForEach(expression) => Some(expression),
        }
    }
}

/// One entry of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependsOn {
    /// All instances of a block.
    Block(BlockAddress),
    /// One instance.
    Instance(Address),
}

impl DependsOn {
    /// The block that it is about.
    pub fn block(&self) -> &BlockAddress {
        match self {
            DependsOn::Block(block) => block,
            DependsOn::Instance(address) => &address.block,
        }
    }
}

/// A resource, or an attribute of one, whose change replaces another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is meant.
    pub reference: Reference,
    /// What chooses the instance, where that is an expression: `each.key`.
    pub key: Option<Expression>,
}

/// How a resource is treated.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// Its deletion is refused.
    pub prevent_destroy: bool,
    /// A replacement is made before the old one is deleted.
    pub create_before_destroy: bool,
    /// Attributes whose difference means nothing.
    pub ignore_changes: IgnoreChanges,
    /// Resources, or attributes of them, whose change replaces it.
    pub replace_triggered_by: Vec<Trigger>,
    /// Whether it is desired at all; by default it is.
    pub enabled: Option<Expression>,
    /// What happens when it exists and nobody owns it.
    pub on_existing: OnExisting,
    /// What a destroy does; by default what was created is deleted, and what was adopted is restored
    /// where an image of it exists, else forgotten.
    pub on_destroy: Option<OnDestroy>,
    /// What must hold before a step.
    pub preconditions: Vec<Condition>,
    /// What must hold after it.
    pub postconditions: Vec<Condition>,
    /// The deadline of its steps, in place of the type's.
    pub timeout: Option<Duration>,
    /// Whether it may fail without failing the run.
    pub optional: bool,
    /// When and how often its steps are tried again, in place of what holds for its provider.
    pub retry: Option<resilience::Settings>,
}

/// Attributes whose difference means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IgnoreChanges {
    /// These.
    Paths(Vec<(Path, Span)>),
    /// All of them.
    All,
}

impl Default for IgnoreChanges {
    fn default() -> Self {
        IgnoreChanges::Paths(Vec::new())
    }
}

impl IgnoreChanges {
    /// The paths whose difference means nothing; the root for all.
    pub fn paths(&self) -> Vec<Path> {
        match self {
            IgnoreChanges::All => vec![Path::root()],
            IgnoreChanges::Paths(paths) => paths.iter().map(|(path, _)| path.clone()).collect(),
        }
    }

    /// Whether a difference at a path means nothing.
    pub fn covers(&self, path: &Path) -> bool {
        match self {
            IgnoreChanges::All => true,
            IgnoreChanges::Paths(paths) => paths.iter().any(|(ignored, _)| ignored.is_prefix_of(path)),
        }
    }
}

/// What happens when a desired resource exists and nobody owns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// It becomes ours.
    #[default]
    Adopt,
    /// It is an error.
    Fail,
}

/// What a destroy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDestroy {
    /// Deletes it.
    Delete,
    /// Brings it back to what it was when it was adopted.
    Restore,
    /// Leaves it as it is.
    Forget,
}

/// Something that must hold, and what is said when it does not.
#[derive(Clone, Debug)]
pub struct Condition {
    /// A truth value.
    pub condition: Expression,
    /// A text.
    pub message: Expression,
    /// The place of the condition.
    pub span: Span,
}

/// A result.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: Arc<str>,
    /// The place of its name.
    pub span: Span,
    /// The expression.
    pub value: Expression,
    /// For people.
    pub description: Option<Arc<str>>,
    /// Whether it is hidden.
    pub sensitive: bool,
}

/// A health check.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name.
    pub name: Arc<str>,
    /// The place of its name.
    pub span: Span,
    /// What it is.
    pub definition: Definition,
    /// The values that it is carried out with, by name.
    pub values: Vec<(Arc<str>, Expression)>,
    /// For people.
    pub description: Option<Arc<str>>,
}

/// A rename: what was recorded under one address is meant by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The address that was. Without a key it is the block with all its instances.
    pub from: Address,
    /// The place of `from`.
    pub from_span: Span,
    /// The address that is.
    pub to: Address,
    /// The place of `to`.
    pub to_span: Span,
}

/// An adoption by id: what exists under it becomes what is declared under an address.
#[derive(Clone, Debug)]
pub struct Import {
    /// The block that it becomes, or becomes an instance of.
    pub to: BlockAddress,
    /// Which instance.
    pub key: TargetKey,
    /// The place of `to`.
    pub to_span: Span,
    /// How its system calls it.
    pub id: Expression,
    /// The provider configuration that is expected to find it, where one is named.
    pub provider: Option<(Arc<str>, Span)>,
    /// One import for each element, or only one.
    pub repetition: Repetition,
}

//! From what Terraform's files say to the tables of a stack.

mod checks;
mod dynamic;
mod imports;
mod inherited;
mod lifecycle;
mod module;
mod named;
mod providers;
mod resource;
mod value;

use std::collections::BTreeSet;

use super::codes;
use super::document::{Document, Table};
use super::modules::{Here, Module, Modules};
use super::rewrite::{Context, Iterator};
use super::source::{Block, Body, Entry, File};
use super::written::Written;
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use module::FromCall;
pub(super) use named::{literal_text, reference_text};
pub(super) use providers::{Providers, TERRAFORM_HOST};
pub(super) use resource::type_name;

/// What is to be told, as it is found.
pub(super) struct Findings<'f> {
    pub(super) found: &'f mut Vec<Diagnostic>,
    /// The way from the stack to the directory that is read, where that is another one.
    pub(super) beside: Option<String>,
}

impl Findings<'_> {
    /// Adds one.
    pub(super) fn add(&mut self, finding: Diagnostic) {
        self.found.push(finding);
    }

    /// Says that something has no counterpart.
    pub(super) fn refuse(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Diagnostic::error(codes::NOT_CONVERTED, message).at(span).hint(hint));
    }

    /// Says that something means a little less, or something else, from now on.
    pub(super) fn differs(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Diagnostic::warning(codes::DIFFERENT, message).at(span).hint(hint));
    }

    /// Says that something refers to files beside it.
    pub(super) fn reads_beside(&mut self, span: Span) {
        if self.beside.is_some() {
            self.differs(
                span,
                "this may name a file beside it, and the stack is in another directory",
                "copy the files to the stack, or migrate in place with `-C`",
            );
        }
    }
}

/// The stack as it is made.
pub(super) struct Converter<'c> {
    pub(super) findings: Findings<'c>,
    pub(super) providers: &'c Providers,
    /// The blocks that are declared: `TYPE.NAME`, with the types that they have in a stack.
    pub(super) declared: &'c BTreeSet<String>,
    /// All modules.
    pub(super) modules: &'c Modules,
    /// The addresses in the stack of all that is recorded.
    recorded: &'c BTreeSet<Address>,
    /// Where moves lead that are written already.
    moved_to: BTreeSet<Address>,
    /// The checks that are written already.
    checks: BTreeSet<String>,
    /// What is around of what is converted.
    around: Around<'c>,
}

/// What is around of what is converted, and decides what names mean.
struct Around<'c> {
    module: &'c Module,
    /// What the call of the module says of what is in it.
    from_call: FromCall,
    /// The elements of the `dynamic` blocks around.
    iterators: Vec<Iterator>,
    /// What stands for the instance that is written of.
    here: Here,
}

impl<'c> Around<'c> {
    fn of(module: &'c Module) -> Self {
        let here = Here::in_block(module.scope.repeated.as_ref(), None);
        Around { module, from_call: FromCall::default(), iterators: Vec::new(), here }
    }

    fn context<'a>(&'a self, providers: &'a Providers) -> Context<'a> {
        let Around { module, iterators, here, .. } = self;
        Context { iterators, scope: &module.scope, here, path: &module.path, providers }
    }
}

impl<'c> Converter<'c> {
    /// One that knows the providers and the blocks of all files.
    pub(super) fn new(
        findings: Findings<'c>,
        providers: &'c Providers,
        declared: &'c BTreeSet<String>,
        modules: &'c Modules,
        recorded: &'c BTreeSet<Address>,
        root: &'c Module,
    ) -> Self {
        Converter {
            findings,
            providers,
            declared,
            modules,
            recorded,
            moved_to: BTreeSet::new(),
            checks: BTreeSet::new(),
            around: Around::of(root),
        }
    }

    /// Converts one file.
    pub(super) fn file(&mut self, file: &File, document: &mut Document) {
        let mut locals_done = false;
        for entry in &file.body.entries {
            let block = match entry {
                Entry::Block(block) => block,
                Entry::Attribute(attribute) => {
                    let message = format!("there is no attribute `{}` outside of blocks", attribute.name);
                    self.findings.refuse(attribute.span, message, "`terraform validate` says more about it");
                    continue;
                }
            };
            match block.kind.as_str() {
                // They are written already, or were told of.
                "module" | "removed" => {}
                "check" => self.check(block, document),
                "variable" | "output" | "locals" if self.around.module.parent.is_some() => {}
                "variable" => self.variable(block, document),
                "output" => self.output(block, document),
                "locals" => {
                    // A file has one table of them.
                    if !std::mem::replace(&mut locals_done, true) {
                        self.locals(&file.body, document);
                    }
                }
                "provider" => self.provider(block, document),
                "resource" | "data" | "ephemeral" => self.resource(block, document),
                "import" => self.import(block, document),
                "moved" => self.moved(block, document),
                "terraform" => {
                    document.opening.extend(block.comments.before.iter().cloned());
                    self.settings(block);
                }
                other => self.unsupported(other, block),
            }
        }
        document.closing.extend(file.body.closing.iter().cloned());
    }

    fn unsupported(&mut self, kind: &str, block: &Block) {
        let named: Vec<&str> = block.labels.iter().map(String::as_str).collect();
        let name = [kind].into_iter().chain(named).collect::<Vec<_>>().join(" ");
        self.findings.refuse(block.span, format!("`{name}` cannot be converted"), "write the stack without it");
    }

    /// `terraform { … }`: what it requires of providers is a part of their tables.
    fn settings(&mut self, block: &Block) {
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) if attribute.name == "required_version" => self.findings.differs(
                    attribute.span,
                    "`required_version` is left out: it is about Terraform",
                    "the version of the format stands below `[stack]`",
                ),
                Entry::Attribute(attribute) => self.findings.refuse(
                    attribute.span,
                    format!("`{}` of Terraform's settings cannot be converted", attribute.name),
                    "write the stack without it",
                ),
                Entry::Block(inner) if inner.kind == "required_providers" => {}
                Entry::Block(inner) => {
                    let hint = match inner.kind.as_str() {
                        "backend" | "cloud" => {
                            "the state of a stack is kept beside it; `terraform state pull > terraform.tfstate` gets the \
                             one that is to be taken over"
                        }
                        _ => "write the stack without it",
                    };
                    self.findings.refuse(inner.span, format!("`{}` cannot be converted", inner.kind), hint);
                }
            }
        }
    }

    /// Says that a body holds something that is not known there.
    fn unknown(&mut self, entry: &Entry, place: &str) {
        let (name, span) = match entry {
            Entry::Attribute(attribute) => (&attribute.name, attribute.span),
            Entry::Block(block) => (&block.kind, block.span),
        };
        let message = format!("`{name}` of {place} cannot be converted");
        self.findings.refuse(span, message, "write the stack without it");
    }

    /// The conditions in a body: `validation`, `precondition` and `postcondition`.
    fn condition(&mut self, block: &Block) -> Table {
        let mut table = Table::commented(&block.comments);
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) if attribute.name == "condition" => {
                    let value = self.value(&attribute.value);
                    table.set("condition", value, &attribute.comments);
                }
                Entry::Attribute(attribute) if attribute.name == "error_message" => {
                    let value = self.value(&attribute.value);
                    table.set("message", value, &attribute.comments);
                }
                other => self.unknown(other, "a condition"),
            }
        }
        table.closing.clone_from(&block.body.closing);
        table
    }
}

/// Adds conditions to a table, in one list for each kind.
fn put_conditions(table: &mut Table, conditions: Vec<(String, Table)>) {
    let kinds: BTreeSet<&String> = conditions.iter().map(|(kind, _)| kind).collect();
    let kinds: Vec<String> = kinds.into_iter().cloned().collect();
    let mut rest = conditions;
    for kind in kinds {
        let (these, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(of, _)| *of == kind);
        table.children(&kind, these.into_iter().map(|(_, table)| table).collect());
        rest = others;
    }
}

/// A list of plain texts.
fn texts(texts: Vec<String>) -> Written {
    Written::List(texts.into_iter().map(Written::Text).collect())
}

/// The attributes of all blocks of a kind.
pub(super) fn of_kind<'b>(body: &'b Body, kind: &'b str) -> impl std::iter::Iterator<Item = &'b Block> {
    body.blocks().filter(move |block| block.kind == kind)
}

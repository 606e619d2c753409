//! Modules: the tree of their calls, all of which are written into one flat stack.
//!
//! What is in a module gets a name that says where it came from: `TYPE.NAME` of `module.a.module.b` is
//! `TYPE.a_b_NAME`. Inputs and outputs become locals: `a_b_var_NAME`, `a_b_out_NAME`. Whatever has such a name
//! already keeps it, and the newcomer gets a `_` behind its own.

mod instances;
mod names;
mod reading;
mod scope;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::convert::type_name;
use super::rewrite::BUILT_IN;
use super::source::{Block, Entry, File, Value};
use crate::address::{Address, BlockAddress, InstanceKey, Mode};
use instances::leading;
pub(super) use instances::{Here, Own, Repeated};
use names::Taken;
pub(super) use reading::{joined, read};
pub(super) use scope::Scope;

/// What the call of a module may say besides its inputs.
pub(super) const CALL_WORDS: [&str; 6] = ["source", "version", "count", "for_each", "providers", "depends_on"];

/// The root, or one call of a module.
#[derive(Debug)]
pub(super) struct Module {
    /// The names of the calls that lead to it; none for the root.
    pub(super) path: Vec<String>,
    /// The one that calls it.
    pub(super) parent: Option<usize>,
    /// The call.
    pub(super) call: Option<Block>,
    /// Its files, which may be those of other calls as well.
    pub(super) files: Arc<Vec<File>>,
    /// What its names are in the stack.
    pub(super) scope: Scope,
}

/// All of them: the root first, each before those that it calls.
#[derive(Debug)]
pub(super) struct Modules {
    pub(super) all: Vec<Module>,
    /// The names that lead to calls that are not converted.
    refused: BTreeSet<Vec<String>>,
    taken: Taken,
}

impl Module {
    /// `module.a.module.b`
    pub(super) fn address(&self) -> String {
        self.path.iter().map(|name| format!("module.{name}")).collect::<Vec<_>>().join(".")
    }

    /// All blocks of its files. Data that Terraform scopes to a check is data like all other.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        let blocks = self.files.iter().flat_map(|file| file.body.blocks());
        blocks.flat_map(|block| {
            let checked = if block.kind == "check" { block.body.entries.as_slice() } else { &[] };
            let checked = checked.iter().filter_map(|entry| match entry {
                Entry::Block(inner) if inner.kind == "data" => Some(inner),
                _ => None,
            });
            std::iter::once(block).chain(checked)
        })
    }

    /// What the call gives for an input, or says of the module as a whole.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        Some(&self.call.as_ref()?.body.attribute(name)?.value)
    }

    /// The word of the call that makes instances of it, if it is `count`.
    fn makes(&self) -> Option<bool> {
        let counted = self.given("count").is_some();
        (counted || self.given("for_each").is_some()).then_some(counted)
    }

    /// The file that it becomes.
    pub(super) fn target(&self) -> String {
        format!("module.{}{}", self.path.join("."), crate::config::FURTHER_FILES)
    }
}

impl Modules {
    /// The root.
    pub(super) fn root_files(&self) -> &[File] {
        self.all.first().map_or(&[], |root| root.files.as_slice())
    }

    /// The one to which names lead.
    pub(super) fn at(&self, path: &[String]) -> Option<&Module> {
        self.all.iter().find(|module| module.path == path)
    }

    /// The address in the stack of what has an address in the module at `from`. There is none where an
    /// instance of a module is meant that the files do not make, or a module that is not converted.
    pub(super) fn flat(&self, from: &[String], address: &Address) -> Option<Address> {
        let block = &address.block;
        let mut path = from.to_vec();
        path.extend(block.modules.iter().map(|(name, _)| name.to_string()));
        // What was declared is not to look as if it were declared no more.
        if self.refused.iter().any(|refused| path.starts_with(refused)) {
            return None;
        }
        let key = self.leading_key(from.len(), &path, address)?;
        let module = self.at(&path);
        let kind = type_name(&block.type_name);
        let written = if kind == BUILT_IN.1 { BUILT_IN.0 } else { kind };
        let written = kind_word(block.mode, written);
        let name = match module.and_then(|module| module.scope.name(&written, &block.name)) {
            Some(name) => name.to_owned(),
            None if path.is_empty() => block.name.to_string(),
            // What is recorded and declared no more gets a name in the same way.
            None => {
                let prefix = module.map_or_else(|| path.join("_"), |module| module.scope.prefix.clone());
                self.taken.free(&kind_word(block.mode, kind), format!("{prefix}_{}", block.name))
            }
        };
        let flat =
            BlockAddress { modules: Vec::new(), mode: block.mode, type_name: kind.into(), name: name.as_str().into() };
        Some(flat.instance(key))
    }

    /// The key in the stack of what has an address; `path` is all modules around it, and those that the address names
    /// come behind the first `depth` of them. There is none where an instance is meant that no call makes.
    fn leading_key(&self, depth: usize, path: &[String], address: &Address) -> Option<Option<InstanceKey>> {
        let mut keys = Vec::new();
        let mut expected = 0;
        for (index, end) in (1..=path.len()).enumerate() {
            let given = index.checked_sub(depth).and_then(|at| address.block.modules.get(at)?.1.as_ref());
            let module = path.get(..end).and_then(|path| self.at(path));
            let makes = module.and_then(Module::makes);
            match (module, makes, given) {
                // What was declared once had the instances that are recorded.
                (None, _, Some(key)) => keys.push(key),
                (Some(_), Some(counted), Some(key)) if counted == matches!(key, InstanceKey::Index(_)) => {
                    keys.push(key);
                }
                (_, _, Some(_)) => return None,
                (_, _, None) => {}
            }
            expected += usize::from(makes.is_some() || module.is_none() && given.is_some());
        }
        if keys.is_empty() && address.key.is_none() {
            return Some(None);
        }
        let whole = keys.len() == expected;
        keys.extend(&address.key);
        whole.then(|| leading(&keys))
    }

    /// The blocks of a module and of all that it calls, as the stack has them.
    pub(super) fn blocks_below(&self, path: &[String]) -> Vec<String> {
        let below = self.all.iter().filter(|module| module.path.starts_with(path));
        below.flat_map(declared).collect()
    }

    /// All blocks, as the stack has them.
    pub(super) fn declared(&self) -> impl Iterator<Item = String> {
        self.all.iter().flat_map(declared)
    }
}

/// The resources and data sources of a module, by the addresses that they have in the stack.
fn declared(module: &Module) -> impl Iterator<Item = String> {
    module.blocks().filter(|block| block.labels.len() == 2).filter_map(|block| {
        let mode = match block.kind.as_str() {
            "resource" => Mode::Managed,
            "data" => Mode::Data,
            _ => return None,
        };
        let name = module.scope.name(&kind_word(mode, block.label(0)), block.label(1)).unwrap_or(block.label(1));
        Some(format!("{}.{name}", kind_word(mode, type_name(block.label(0)))))
    })
}

/// The word before the name of a block, by which it is referred to.
fn kind_word(mode: Mode, type_name: &str) -> String {
    match mode {
        Mode::Data => format!("data.{type_name}"),
        Mode::Ephemeral => format!("ephemeral.{type_name}"),
        Mode::Managed => type_name.to_owned(),
    }
}

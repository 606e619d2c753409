//! Names for what is in modules, none of which anything else has.

use std::collections::{BTreeMap, BTreeSet};

use super::instances::{Bound, Own, Repeated};
use super::scope::Outputs;
use super::{Module, type_name};
use crate::migrate::source::Block;

/// The names that are in use, by the word before them.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeSet<(String, String)>);

impl Taken {
    /// A name like this one that nothing has.
    pub(super) fn free(&self, word: &str, mut name: String) -> String {
        while self.0.contains(&(word.to_owned(), name.clone())) {
            name.push('_');
        }
        name
    }

    fn take(&mut self, word: &str, name: String) -> String {
        let name = self.free(word, name);
        self.0.insert((word.to_owned(), name.clone()));
        name
    }
}

/// The word and the name of each thing in a block that can be referred to.
fn named(block: &Block) -> Vec<(String, String)> {
    let one = |word: &str| vec![(word.to_owned(), block.label(0).to_owned())];
    match block.kind.as_str() {
        "resource" => vec![(block.label(0).to_owned(), block.label(1).to_owned())],
        "data" | "ephemeral" => vec![(format!("{}.{}", block.kind, block.label(0)), block.label(1).to_owned())],
        "locals" => block.body.attributes().map(|local| ("local".to_owned(), local.name.clone())).collect(),
        "check" => one("check"),
        "variable" => one("var"),
        "output" => one("output"),
        _ => Vec::new(),
    }
}

/// Gives everything in modules its name.
pub(super) fn give(all: &mut [Module]) -> Taken {
    let mut taken = Taken::default();
    if let Some(root) = all.first() {
        for (word, name) in root.blocks().flat_map(named) {
            taken.take(stack_word(&word), name);
        }
    }
    for index in 1..all.len() {
        let (before, rest) = all.split_at_mut(index);
        let Some(module) = rest.first_mut() else { continue };
        let Some(parent) = module.parent.and_then(|parent| before.get_mut(parent)) else { continue };
        let prefix = taken.take("module", module.path.join("_"));
        let mut outputs = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (word, name) in module.blocks().flat_map(named) {
            let flat = match word.as_str() {
                "var" => taken.take("local", format!("{prefix}_var_{name}")),
                "output" => {
                    outputs.insert(name.clone(), taken.take("local", format!("{prefix}_out_{name}")));
                    continue;
                }
                word => taken.take(stack_word(word), format!("{prefix}_{name}")),
            };
            names.insert((word, name), flat);
        }
        let inside = parent.scope.repeated.is_some();
        let own = module.makes().map(|counted| {
            let word = if counted { "count" } else { "for_each" };
            Own { counted, local: taken.take("local", format!("{prefix}_{word}")), inside }
        });
        module.scope.repeated = match &own {
            Some(own) => Some(Repeated {
                counted: own.counted && !inside,
                local: if inside { taken.take("local", format!("{prefix}_all")) } else { own.local.clone() },
                bound: bound(&prefix, module, parent),
            }),
            None => parent.scope.repeated.clone(),
        };
        if module.scope.repeated.is_some() {
            module.scope.keyed = module.blocks().filter_map(|block| keyed(block, &names, &mut taken)).collect();
        }
        if let Some(name) = module.path.last() {
            parent.scope.modules.insert(name.clone(), Outputs { names: outputs, own });
        }
        module.scope.names = names;
        module.scope.prefix = prefix;
    }
    taken
}

/// The instances that a resource or data of a module with instances has of its own, by its word and its name.
fn keyed(
    block: &Block,
    names: &BTreeMap<(String, String), String>,
    taken: &mut Taken,
) -> Option<((String, String), Own)> {
    let word = ["count", "for_each"].into_iter().find(|word| block.body.attribute(word).is_some())?;
    let named = named(block).pop().filter(|_| matches!(block.kind.as_str(), "resource" | "data" | "ephemeral"))?;
    let flat = names.get(&named)?;
    let local = taken.take("local", format!("{flat}_{word}"));
    Some((named, Own { counted: word == "count", local, inside: true }))
}

/// Names that no expression of the module, and none of its call, has for something else.
fn bound(prefix: &str, module: &Module, parent: &Module) -> Bound {
    let texts: Vec<&str> =
        [module, parent].into_iter().flat_map(|of| of.files.iter().map(|file| &*file.text)).collect();
    let mut stem = prefix.to_owned();
    while texts.iter().any(|text| text.contains(&format!("{stem}_key")) || text.contains(&format!("{stem}_value"))) {
        stem.push('_');
    }
    Bound { key: format!("{stem}_key"), value: format!("{stem}_value") }
}

fn stack_word(word: &str) -> &str {
    type_name(word)
}

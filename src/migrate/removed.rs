//! `removed` blocks: what is said of objects that no block declares any more.

use super::convert::{Findings, of_kind, reference_text};
use super::modules::{Module, Modules};
use super::source::{Block, Entry, Value};
use super::state::{Object, Recorded};
use crate::address::Address;

/// What a block names, by names alone.
struct Named {
    modules: Vec<String>,
    /// Nothing where a module is named as a whole.
    resource: Option<(String, String)>,
}

/// Carries out what the blocks say: what is not to be destroyed is not taken over, and nothing destroys it.
pub(super) fn carry_out(modules: &Modules, recorded: &mut Recorded, findings: &mut Findings<'_>) {
    for module in &modules.all {
        for block in module.files.iter().flat_map(|file| of_kind(&file.body, "removed")) {
            one(module, block, modules, recorded, findings);
        }
    }
}

fn one(module: &Module, block: &Block, modules: &Modules, recorded: &mut Recorded, findings: &mut Findings<'_>) {
    let mut destroys = true;
    let mut from = None;
    for entry in &block.body.entries {
        match entry {
            Entry::Attribute(attribute) if attribute.name == "from" => from = Some(&attribute.value),
            Entry::Block(inner) if inner.kind == "lifecycle" => {
                let said = inner.body.attribute("destroy").map(|attribute| reference_text(&attribute.value));
                destroys = said.as_deref() != Some("false");
            }
            Entry::Attribute(_) | Entry::Block(_) => {
                let hint = "leave it out where it is carried out already; else `terraform apply` carries it out";
                findings.refuse(block.span, "this `removed` cannot be converted: it says more than `destroy`", hint);
                return;
            }
        }
    }
    let Some((text, named)) = from.and_then(|from| Some((reference_text(from), named(module, from)?))) else {
        findings.refuse(block.span, "this `removed` names nothing", "`terraform validate` says more about it");
        return;
    };
    let declared = match &named.resource {
        None => modules.at(&named.modules).is_some(),
        Some((kind, name)) => modules.at(&named.modules).is_some_and(|module| {
            module.blocks().any(|block| block.kind == "resource" && block.label(0) == kind && block.label(1) == name)
        }),
    };
    if declared {
        let message = format!("`{text}` is removed and still declared");
        findings.refuse(block.span, message, "`terraform validate` says more about it");
        return;
    }
    let before = recorded.objects.len();
    let there = recorded.objects.iter().any(|object| named.is(object));
    if there && !destroys {
        recorded.objects.retain(|object| !named.is(object));
    }
    let count = before - recorded.objects.len();
    let (message, hint) = match (there, destroys) {
        (false, _) => {
            (format!("the removal of `{text}` is left out: it is carried out already"), "nothing is to be done")
        }
        (true, true) => (
            format!("`{text}` is taken over and declared no more: the next apply deletes it, as Terraform's would"),
            "`retrue state rm ADDR` keeps what it stands for",
        ),
        (true, false) => (
            format!("`{text}` is not taken over, and not destroyed ({count} in the state)"),
            "nothing is to be done; nobody manages it from now on",
        ),
    };
    findings.differs(block.span, message, hint);
}

fn named(module: &Module, from: &Value) -> Option<Named> {
    let text = reference_text(from);
    let address: Option<Address> = text.parse().ok();
    let resource = address.as_ref().map(|address| {
        let kind = super::terraform_type(address.type_name());
        (kind.to_owned(), address.block.name.to_string())
    });
    // A module as a whole is no address; with a resource in it, it is.
    let address = address.or_else(|| format!("{text}.a.b").parse().ok())?;
    let mut modules = module.path.clone();
    modules.extend(address.block.modules.iter().map(|(name, _)| name.to_string()));
    Some(Named { modules, resource })
}

impl Named {
    fn is(&self, object: &Object) -> bool {
        let block = &object.address.block;
        let path: Vec<String> = block.modules.iter().map(|(name, _)| name.to_string()).collect();
        match &self.resource {
            None => path.starts_with(&self.modules),
            Some((kind, name)) => {
                path == self.modules && super::terraform_type(&block.type_name) == kind && *block.name == **name
            }
        }
    }
}

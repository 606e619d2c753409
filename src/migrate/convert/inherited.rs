//! The providers of modules, which are those that the root hands to them.

use std::collections::{BTreeMap, BTreeSet};

use super::named::{literal_text, reference_text};
use super::providers::{Providers, Required, alias_in, fields, implied_by, is_configuration, source_of, split};
use super::{Findings, of_kind};
use crate::migrate::convert::TERRAFORM_HOST;
use crate::migrate::modules::{Module, Modules};
use crate::migrate::source::Body;

/// A local name of a provider and, where it has one, the alias of the configuration.
pub(super) type Key = (String, Option<String>);

impl Providers {
    /// Takes what modules require of providers to what the root requires.
    pub(super) fn inherit(&mut self, modules: &Modules, findings: &mut Findings<'_>) {
        for module in modules.all.iter().skip(1) {
            let mut required = BTreeMap::new();
            require(module.files.iter().map(|file| &file.body), &mut required, findings);
            for (local, of_module) in &required {
                let source = source_of(&required, local);
                let known = self.required.keys().find(|name| self.source(name) == source).cloned();
                let name = known.unwrap_or_else(|| local.clone());
                if self.required.contains_key(&name) && self.source(&name) != source {
                    let message =
                        format!("`{}` calls `{source}` by the name of another provider, `{local}`", module.address());
                    let hint = "give the providers of all modules the same names";
                    if let Some(call) = &module.call {
                        findings.refuse(call.span, message, hint);
                    }
                    continue;
                }
                let root = self.required.entry(name).or_default();
                root.source.get_or_insert(source);
                match (&mut root.version, &of_module.version) {
                    (Some(known), Some(more)) if !known.split(", ").any(|one| one == more) => {
                        *known = format!("{known}, {more}");
                    }
                    (none @ None, Some(version)) => *none = Some(version.clone()),
                    _ => {}
                }
            }
            self.in_modules.insert(module.path.clone(), required);
        }
    }

    /// What the root calls a configuration that a module has under this name.
    pub(super) fn at_root(&self, modules: &Modules, module: &Module, key: Key) -> Option<Key> {
        let Some(parent) = module.parent.and_then(|parent| modules.all.get(parent)) else { return Some(key) };
        if configures(module, &key) {
            // Whatever the root calls the same provider.
            let mut local = key.0.clone();
            let mut at = Some(module);
            while let Some((inner, above)) = at.and_then(|at| Some((at, modules.all.get(at.parent?)?))) {
                local = self.same_provider(&local, inner, above);
                at = Some(above);
            }
            return Some((local, Some(alias_in(&module.path.join("_"), key.1.as_deref()))));
        }
        let handed = module.given("providers").map(fields).unwrap_or_default();
        let handed = handed.into_iter().find(|(name, _)| split(name) == key);
        let above = match handed {
            Some((_, value)) => split(&reference_text(&value)),
            None if key.1.is_some() => return None,
            None => (self.same_provider(&key.0, module, parent), None),
        };
        self.at_root(modules, parent, above)
    }

    /// The name by which the caller knows the provider that a module calls so.
    fn same_provider(&self, local: &str, module: &Module, parent: &Module) -> String {
        let none = BTreeMap::new();
        let required = |of: &Module| match of.parent {
            None => &self.required,
            Some(_) => self.in_modules.get(&of.path).unwrap_or(&none),
        };
        let source = source_of(required(module), local);
        let above = required(parent);
        if source_of(above, local) == source {
            return local.to_owned();
        }
        above.keys().find(|name| source_of(above, name) == source).cloned().unwrap_or_else(|| local.to_owned())
    }

    /// The configurations that the resources of modules use.
    pub(super) fn used_in_modules(&self, modules: &Modules) -> BTreeSet<Key> {
        let mut used = BTreeSet::new();
        for module in modules.all.iter().skip(1) {
            for block in
                module.blocks().filter(|block| matches!(block.kind.as_str(), "resource" | "data" | "ephemeral"))
            {
                if block.label(0).starts_with("terraform_") {
                    continue;
                }
                let key = match block.body.attribute("provider") {
                    Some(picked) => split(&reference_text(&picked.value)),
                    None => (implied_by(block.label(0)).to_owned(), None),
                };
                used.extend(self.at_root(modules, module, key));
            }
        }
        used
    }
}

/// Whether a module configures a provider itself.
fn configures(module: &Module, (local, alias): &Key) -> bool {
    module.files.iter().flat_map(|file| of_kind(&file.body, "provider")).any(|block| {
        let own = block.body.attribute("alias").and_then(|alias| literal_text(&alias.value));
        block.label(0) == local && own == *alias && is_configuration(block)
    })
}

/// Gathers what bodies require of providers.
pub(super) fn require<'b>(
    bodies: impl Iterator<Item = &'b Body>,
    known: &mut BTreeMap<String, Required>,
    findings: &mut Findings<'_>,
) {
    let settings = bodies.flat_map(|body| of_kind(body, "terraform"));
    for attribute in
        settings.flat_map(|block| of_kind(&block.body, "required_providers")).flat_map(|block| block.body.attributes())
    {
        let required = known.entry(attribute.name.clone()).or_default();
        if let Some(version) = literal_text(&attribute.value) {
            required.version = Some(version);
            continue;
        }
        for (name, value) in fields(&attribute.value) {
            match (name.as_str(), literal_text(&value)) {
                ("source", Some(source)) => {
                    let short = source.strip_prefix(TERRAFORM_HOST).unwrap_or(&source);
                    required.source = Some(short.to_owned());
                }
                ("version", Some(version)) => required.version = Some(version),
                // It says which configurations are to be handed in; those that are stand in the call.
                ("configuration_aliases", None) => {}
                _ => {
                    let message = format!("`{name}` of a required provider cannot be converted");
                    findings.refuse(value.span(), message, "write the stack without it");
                }
            }
        }
    }
}

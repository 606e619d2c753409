//! Providers: what `required_providers`, `provider` blocks, resources and the state say of them.

use std::collections::{BTreeMap, BTreeSet};

use super::inherited::{Key, require};
use super::{Converter, Findings, of_kind};
use crate::migrate::convert::named::{literal_text, reference_text};
use crate::migrate::document::{Document, Table};
use crate::migrate::json::Data;
use crate::migrate::modules::{Module, Modules};
use crate::migrate::source::{Block, Entry, Value};
use crate::migrate::written::Written;

/// The host of Terraform's own registry, whose terms allow downloads for Terraform only.
pub(in crate::migrate) const TERRAFORM_HOST: &str = "registry.terraform.io/";

/// The address of the provider that Terraform has built in.
const BUILT_IN: &str = "terraform.io/builtin/terraform";

/// What the table of a provider says of it, so that no attribute of the provider's can have the name.
const RESERVED: [&str; 5] = ["errors", "path", "resilience", "source", "type"];

/// What is required of a provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Required {
    pub(super) source: Option<String>,
    pub(super) version: Option<String>,
}

/// All configurations of providers, by what Terraform calls them.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Providers {
    pub(super) required: BTreeMap<String, Required>,
    /// What modules call those that the root calls otherwise.
    pub(super) in_modules: BTreeMap<Vec<String>, BTreeMap<String, Required>>,
    /// The name of each: by the local name and, where it has one, the alias.
    names: BTreeMap<(String, Option<String>), String>,
    /// Those without a block, which are needed all the same.
    implied: BTreeSet<String>,
    /// What is called by functions: the names that modules have for providers, by the modules.
    functions: BTreeMap<(Vec<String>, String), String>,
}

/// The local name of the provider that a type stands for.
pub(super) fn implied_by(type_name: &str) -> &str {
    type_name.split_once('_').map_or(type_name, |(name, _)| name)
}

impl Providers {
    /// Gathers them from all files, and from the addresses that the state names.
    pub(in crate::migrate) fn gather<'s>(
        modules: &Modules,
        recorded: impl IntoIterator<Item = &'s str>,
        findings: &mut Findings<'_>,
    ) -> Providers {
        let mut providers = Providers::default();
        let bodies = || modules.root_files().iter().map(|file| &file.body);
        require(bodies(), &mut providers.required, findings);
        providers.inherit(modules, findings);
        let mut used: BTreeSet<(String, Option<String>)> = BTreeSet::new();
        for block in modules.all.first().into_iter().flat_map(Module::blocks) {
            match block.kind.as_str() {
                "provider" => {
                    let alias = block.body.attribute("alias").and_then(|alias| literal_text(&alias.value));
                    if let Some(version) = block.body.attribute("version").and_then(|text| literal_text(&text.value)) {
                        providers.required.entry(block.label(0).to_owned()).or_default().version.get_or_insert(version);
                    }
                    providers.names.insert((block.label(0).to_owned(), alias), String::new());
                }
                "resource" | "data" | "ephemeral" if !block.label(0).starts_with("terraform_") => {
                    used.insert(match block.body.attribute("provider") {
                        Some(picked) => split(&reference_text(&picked.value)),
                        None => (implied_by(block.label(0)).to_owned(), None),
                    });
                }
                _ => {}
            }
        }
        for module in modules.all.iter().skip(1) {
            for block in module.files.iter().flat_map(|file| of_kind(&file.body, "provider")) {
                let alias = block.body.attribute("alias").and_then(|alias| literal_text(&alias.value));
                let key = providers.at_root(modules, module, (block.label(0).to_owned(), alias));
                if let Some(key) = key.filter(|_| is_configuration(block)) {
                    providers.names.insert(key, String::new());
                }
            }
        }
        used.extend(providers.used_in_modules(modules));
        used.extend(providers.called(modules));
        for address in recorded {
            let recorded = recorded_address(address).filter(|(path, source, _)| path.is_empty() && source != BUILT_IN);
            let Some((_, source, _)) = recorded else { continue };
            let short = source.strip_prefix(TERRAFORM_HOST).unwrap_or(&source);
            let known = providers.required.iter().find(|(_, required)| required.source.as_deref() == Some(short));
            if known.is_none() {
                let name = short.rsplit('/').next().unwrap_or(short).to_owned();
                let required = providers.required.entry(name.clone()).or_default();
                required.source.get_or_insert_with(|| short.to_owned());
                // What is recorded needs it, also where no block does.
                used.insert((name, None));
            } else if let Some((name, _)) = known
                && !providers.names.keys().any(|(of, _)| of == name)
            {
                used.insert((name.clone(), None));
            }
        }
        for (name, alias) in used {
            if alias.is_none() && !providers.names.contains_key(&(name.clone(), None)) {
                providers.names.insert((name.clone(), None), String::new());
                providers.implied.insert(name);
            }
        }
        providers.name();
        providers
    }

    /// The name in the stack of the provider whose functions a module calls by a name of its own.
    pub(in crate::migrate) fn of_functions(&self, path: &[String], local: &str) -> Option<&str> {
        self.functions.get(&(path.to_vec(), local.to_owned())).map(String::as_str)
    }

    /// The providers whose functions are called.
    fn called(&mut self, modules: &Modules) -> BTreeSet<Key> {
        let mut called = BTreeSet::new();
        for module in &modules.all {
            for local in module.files.iter().flat_map(|file| called_in(&file.text)) {
                let Some(key) = self.at_root(modules, module, (local.to_owned(), None)) else { continue };
                self.functions.insert((module.path.clone(), local.to_owned()), key.0.clone());
                called.insert((key.0, None));
            }
        }
        called
    }

    /// Gives each configuration a name of its own.
    fn name(&mut self) {
        let mut taken: BTreeSet<String> = self.names.keys().map(|(local, _)| local.clone()).collect();
        for ((local, alias), name) in &mut self.names {
            *name = local.clone();
            if let Some(alias) = alias {
                *name = format!("{local}_{alias}");
                while !taken.insert(name.clone()) {
                    name.push('_');
                }
            }
        }
    }

    /// The name of the configuration that a resource of a module picks; nothing where it is the one of its type.
    pub(super) fn picked(
        &self,
        modules: &Modules,
        module: &Module,
        reference: Option<&str>,
        type_name: &str,
    ) -> Option<Option<String>> {
        let implied = implied_by(type_name);
        if reference.is_none() && (module.parent.is_none() || implied == "terraform") {
            return Some(None);
        }
        let key = reference.map_or_else(|| (implied.to_owned(), None), split);
        let key = self.at_root(modules, module, key)?;
        let name = self.names.get(&key)?;
        Some((key.1.is_some() || key.0 != implied).then(|| name.clone()))
    }

    /// The name of the configuration by which something is recorded: `provider["HOST/NAMESPACE/NAME"].ALIAS`.
    pub(in crate::migrate) fn recorded(&self, address: &str) -> Option<String> {
        let (path, source, alias) = recorded_address(address)?;
        if source == BUILT_IN {
            return Some("retrue".to_owned());
        }
        let alias = match path.is_empty() {
            true => alias,
            false => Some(alias_in(&path.join("_"), alias.as_deref())),
        };
        let short = source.strip_prefix(TERRAFORM_HOST).unwrap_or(&source);
        let of_source = |local: &str| self.source(local) == short;
        let found = self.names.iter().find(|((local, of), _)| of_source(local) && *of == alias);
        let found = found.or_else(|| self.names.iter().find(|((local, _), _)| of_source(local)));
        found.map(|(_, name)| name.clone())
    }

    /// Where a provider comes from.
    pub(super) fn source(&self, local: &str) -> String {
        source_of(&self.required, local)
    }

    /// The lines that say where the program of a provider is to be had.
    fn program(&self, local: &str, table: &mut Table) {
        table.put("source", Written::Text(self.source(local)));
        if let Some(version) = self.required.get(local).and_then(|required| required.version.clone()) {
            table.put("version", Written::Text(version));
        }
    }

    /// Adds the tables of those that have no block.
    pub(in crate::migrate) fn write_implied(&self, document: &mut Document) {
        for local in &self.implied {
            let mut table = Table::default();
            self.program(local, &mut table);
            document.add(&["provider", local], table);
        }
    }
}

/// Where the provider comes from that has this name by what is required.
pub(super) fn source_of(required: &BTreeMap<String, Required>, local: &str) -> String {
    let source = required.get(local).and_then(|required| required.source.clone());
    source.unwrap_or_else(|| format!("hashicorp/{local}"))
}

impl Converter<'_> {
    pub(super) fn provider(&mut self, block: &Block, document: &mut Document) {
        let local = block.label(0);
        if self.around.module.parent.is_some() {
            // Without a configuration, it only says that one is handed in.
            if !is_configuration(block) {
                return;
            }
            // Terraform says the same.
            if self.around.module.scope.repeated.is_some() {
                let hint = "configure it in the root, and hand it in with `providers`";
                let message = "a provider that a module with instances configures cannot be converted";
                self.findings.refuse(block.span, message, hint);
                return;
            }
        }
        let alias = block.body.attribute("alias").and_then(|alias| literal_text(&alias.value));
        let key = self.providers.at_root(self.modules, self.around.module, (local.to_owned(), alias));
        let Some((local, alias)) = key else { return };
        let Some(name) = self.providers.names.get(&(local.clone(), alias.clone())) else { return };
        let local = local.as_str();
        let mut table = Table::commented(&block.comments);
        match alias {
            // It takes the program of the one that has the name of the provider.
            Some(_) if self.providers.names.contains_key(&(local.to_owned(), None)) => {
                table.put("type", Written::Text(local.to_owned()));
            }
            Some(_) => {
                table.put("type", Written::Text(local.to_owned()));
                self.providers.program(local, &mut table);
            }
            None => self.providers.program(local, &mut table),
        }
        for entry in &block.body.entries {
            match entry {
                Entry::Attribute(attribute) if matches!(attribute.name.as_str(), "alias" | "version") => {}
                Entry::Attribute(attribute) if attribute.name == "for_each" => self.unknown(entry, "a provider"),
                Entry::Attribute(attribute) if RESERVED.contains(&attribute.name.as_str()) => {
                    let message = format!("`{}` of a provider is a word of the stack's own", attribute.name);
                    let hint = "most providers take it from a variable of the environment as well";
                    self.findings.refuse(attribute.span, message, hint);
                }
                other => self.nested(other, &block.body, &mut table),
            }
        }
        table.closing.clone_from(&block.body.closing);
        document.add(&["provider", name], table);
    }
}

/// `aws.west` is the local name and the alias.
pub(super) fn split(reference: &str) -> (String, Option<String>) {
    match reference.split_once('.') {
        Some((local, alias)) => (local.to_owned(), Some(alias.to_owned())),
        None => (reference.to_owned(), None),
    }
}

/// Whether a block configures a provider, and does not only say that a configuration is handed in.
pub(super) fn is_configuration(block: &Block) -> bool {
    block.body.entries.iter().any(|entry| !matches!(entry, Entry::Attribute(one) if one.name == "alias"))
}

/// What the root calls a configuration of a module, as if it were an alias.
pub(super) fn alias_in(prefix: &str, alias: Option<&str>) -> String {
    alias.map_or_else(|| prefix.to_owned(), |alias| format!("{prefix}_{alias}"))
}

/// The names of the modules, the source and the alias in `module.a.provider["registry.terraform.io/hashicorp/aws"].west`.
fn recorded_address(address: &str) -> Option<(Vec<String>, String, Option<String>)> {
    let (path, address) = address.split_at_checked(address.find("provider[\"")?)?;
    let path = path.split('.').filter(|step| !step.is_empty() && *step != "module").map(str::to_owned);
    let (source, rest) = address.strip_prefix("provider[\"")?.split_once("\"]")?;
    let alias = rest.strip_prefix('.').map(str::to_owned);
    Some((path.collect(), source.to_owned(), alias))
}

/// The names of providers in `provider::NAME::FUNCTION`.
fn called_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("provider::").skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once("::")?;
        crate::address::is_identifier(name).then_some(name)
    })
}

/// The entries of an object that is written out.
pub(super) fn fields(value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Native(hcl_edit::expr::Expression::Object(object), text) => object
            .iter()
            .map(|(key, value)| {
                let name = match key {
                    hcl_edit::expr::ObjectKey::Ident(name) => name.value().to_string(),
                    // A text, or the alias of a configuration.
                    hcl_edit::expr::ObjectKey::Expression(expression) => {
                        reference_text(&Value::Native(expression.clone(), text.clone()))
                    }
                };
                (name, Value::Native(value.expr().clone(), text.clone()))
            })
            .collect(),
        Value::Json(json) => match &json.data {
            Data::Object(entries) => {
                entries.iter().map(|(name, value)| (name.clone(), Value::Json(value.clone()))).collect()
            }
            _ => Vec::new(),
        },
        Value::Native(..) => Vec::new(),
    }
}

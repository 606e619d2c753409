//! Providers: what `required_providers`, `provider` blocks, resources and the state say of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Converter, Findings, of_kind};
use crate::migrate::convert::named::{literal_text, reference_text};
use crate::migrate::document::{Document, Table};
use crate::migrate::json::Data;
use crate::migrate::source::{Block, Body, Entry, File, Value};
use crate::migrate::written::Written;

/// The host of Terraform's own registry, whose terms allow downloads for Terraform only.
pub(in crate::migrate) const TERRAFORM_HOST: &str = "registry.terraform.io/";

/// The address of the provider that Terraform has built in.
const BUILT_IN: &str = "terraform.io/builtin/terraform";

/// What the table of a provider says of it, so that no attribute of the provider's can have the name.
const RESERVED: [&str; 5] = ["errors", "path", "resilience", "source", "type"];

/// What is required of a provider.
#[derive(Clone, Debug, Default)]
struct Required {
    source: Option<String>,
    version: Option<String>,
}

/// All configurations of providers, by what Terraform calls them.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Providers {
    required: BTreeMap<String, Required>,
    /// The name of each: by the local name and, where it has one, the alias.
    names: BTreeMap<(String, Option<String>), String>,
    /// Those without a block, which are needed all the same.
    implied: BTreeSet<String>,
}

/// The local name of the provider that a type stands for.
fn implied_by(type_name: &str) -> &str {
    type_name.split_once('_').map_or(type_name, |(name, _)| name)
}

impl Providers {
    /// Gathers them from all files, and from the addresses that the state names.
    pub(in crate::migrate) fn gather<'s>(
        files: &[File],
        recorded: impl IntoIterator<Item = &'s str>,
        findings: &mut Findings<'_>,
    ) -> Providers {
        let mut providers = Providers::default();
        let bodies = || files.iter().map(|file| &file.body);
        for settings in bodies().flat_map(|body| of_kind(body, "terraform")) {
            for block in of_kind(&settings.body, "required_providers") {
                providers.require(&block.body, findings);
            }
        }
        let mut used: BTreeSet<(String, Option<String>)> = BTreeSet::new();
        for block in bodies().flat_map(Body::blocks) {
            match block.kind.as_str() {
                "provider" => {
                    let alias = block.body.attribute("alias").and_then(|alias| literal_text(&alias.value));
                    if let Some(version) = block.body.attribute("version").and_then(|text| literal_text(&text.value)) {
                        providers.required.entry(block.label(0).to_owned()).or_default().version.get_or_insert(version);
                    }
                    providers.names.insert((block.label(0).to_owned(), alias), String::new());
                }
                "resource" | "data" if !block.label(0).starts_with("terraform_") => {
                    used.insert(match block.body.attribute("provider") {
                        Some(picked) => split(&reference_text(&picked.value)),
                        None => (implied_by(block.label(0)).to_owned(), None),
                    });
                }
                _ => {}
            }
        }
        for address in recorded {
            let Some((source, _)) = recorded_address(address).filter(|(source, _)| source != BUILT_IN) else {
                continue;
            };
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

    fn require(&mut self, body: &Body, findings: &mut Findings<'_>) {
        for entry in &body.entries {
            let Entry::Attribute(attribute) = entry else { continue };
            let required = self.required.entry(attribute.name.clone()).or_default();
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
                    _ => {
                        let message = format!("`{name}` of a required provider cannot be converted");
                        findings.refuse(value.span(), message, "write the stack without it");
                    }
                }
            }
        }
    }

    /// The name of the configuration that a resource picks; nothing where it is the one of its type.
    pub(super) fn picked(&self, reference: &str, type_name: &str) -> Option<Option<String>> {
        let key = split(reference);
        let name = self.names.get(&key)?;
        Some((key.1.is_some() || key.0 != implied_by(type_name)).then(|| name.clone()))
    }

    /// The name of the configuration by which something is recorded: `provider["HOST/NAMESPACE/NAME"].ALIAS`.
    pub(in crate::migrate) fn recorded(&self, address: &str) -> Option<String> {
        let (source, alias) = recorded_address(address)?;
        if source == BUILT_IN {
            return Some("retrue".to_owned());
        }
        let short = source.strip_prefix(TERRAFORM_HOST).unwrap_or(&source);
        let of_source = |local: &str| self.source(local) == short;
        let found = self.names.iter().find(|((local, of), _)| of_source(local) && *of == alias);
        let found = found.or_else(|| self.names.iter().find(|((local, _), _)| of_source(local)));
        found.map(|(_, name)| name.clone())
    }

    /// Where a provider comes from.
    fn source(&self, local: &str) -> String {
        let required = self.required.get(local).and_then(|required| required.source.clone());
        required.unwrap_or_else(|| format!("hashicorp/{local}"))
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

impl Converter<'_> {
    pub(super) fn provider(&mut self, block: &Block, document: &mut Document) {
        let local = block.label(0);
        let alias = block.body.attribute("alias").and_then(|alias| literal_text(&alias.value));
        let Some(name) = self.providers.names.get(&(local.to_owned(), alias.clone())) else { return };
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
fn split(reference: &str) -> (String, Option<String>) {
    match reference.split_once('.') {
        Some((local, alias)) => (local.to_owned(), Some(alias.to_owned())),
        None => (reference.to_owned(), None),
    }
}

/// The source and the alias in `provider["registry.terraform.io/hashicorp/aws"].west`.
fn recorded_address(address: &str) -> Option<(String, Option<String>)> {
    let (source, rest) = address.strip_prefix("provider[\"")?.split_once("\"]")?;
    let alias = rest.strip_prefix('.').map(str::to_owned);
    Some((source.to_owned(), alias))
}

/// The entries of an object that is written out.
fn fields(value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Native(hcl_edit::expr::Expression::Object(object), text) => object
            .iter()
            .filter_map(|(key, value)| {
                let name = match key {
                    hcl_edit::expr::ObjectKey::Ident(name) => name.value().to_string(),
                    hcl_edit::expr::ObjectKey::Expression(expression) => expression.as_str()?.to_owned(),
                };
                Some((name, Value::Native(value.expr().clone(), text.clone())))
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

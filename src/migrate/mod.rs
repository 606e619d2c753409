//! From a directory of Terraform's to a stack: its files become TOML, its state becomes records.
//!
//! Expressions are copied as they are written. What has no counterpart is told with its place; nothing is
//! left out without a word. Both languages of Terraform's files are read into one form (`source`), and only
//! `convert` knows what that means in a stack.
//!
//! Architecture Invariant: nothing here writes, starts a provider, or looks at the world. Texts come in,
//! texts and records go out.

pub mod codes;
mod convert;
mod document;
mod files;
mod json;
mod modules;
mod moved;
mod native;
mod removed;
mod rewrite;
mod source;
pub mod state;
mod values;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::address::Address;
use crate::config::MAIN_FILE;
use crate::diagnostic::{Diagnostic, Sources, sort};
use crate::expression::with_deep_stack;
use convert::{Converter, Findings, Providers};
use document::{Document, Table};
use modules::Modules;
use source::Body;
use state::Recorded;
use written::Written;

/// The file of values that those of Terraform become.
pub const VALUES_FILE: &str = "terraform.vars.toml";

/// What a directory was turned into.
#[derive(Debug)]
pub struct Converted {
    /// The files of the stack: names and texts, the main one first.
    pub files: Vec<(String, String)>,
    /// The text of the file of values, where there are any.
    pub values: Option<String>,
    /// The versions that Terraform's lock file names, by source.
    pub locked: BTreeMap<String, String>,
    /// What Terraform recorded; the provider of each is the name of a configuration of the stack.
    pub recorded: Recorded,
    /// The modules, which are parts of the stack now.
    pub flattened: Vec<Flattened>,
    /// What could not be converted (errors), and what has another meaning (warnings), by place.
    pub findings: Vec<Diagnostic>,
    /// The files that were read.
    pub sources: Sources,
}

/// What became of a module.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Flattened {
    /// What it was: `module.a.module.b`.
    pub module: String,
    /// What stands before the names of what was in it, with a `_` between.
    pub prefix: String,
    /// The file that it is written to.
    pub file: String,
}

/// Why nothing could be made of a directory.
#[derive(Debug)]
pub struct Unreadable {
    /// All that is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that could be read.
    pub sources: Sources,
}

/// Reads a directory. `name` is that of the stack; `beside` is the way from there to the directory, where the stack will
/// be in another one.
///
/// # Errors
/// The state or a file cannot be read. What can be read and not be converted is no error: it is found.
pub fn convert(directory: &Path, name: &str, beside: Option<String>) -> Result<Converted, Unreadable> {
    with_deep_stack(|| read(directory, name, beside))
        .unwrap_or_else(|error| Err(Unreadable { diagnostics: vec![error.into()], sources: Sources::default() }))
}

fn read(directory: &Path, name: &str, beside: Option<String>) -> Result<Converted, Unreadable> {
    let mut sources = Sources::default();
    let mut found = Vec::new();
    let recorded = files::state(directory).map_err(|problem| found.push(problem)).ok();
    let modules = modules::read(directory, &mut sources, &mut found);
    let given = files::values(directory, &mut sources, &mut found);
    let (Some(mut recorded), false) = (recorded, found.iter().any(is_fatal)) else {
        sort(&mut found);
        return Err(Unreadable { diagnostics: found, sources });
    };
    for file in modules.all.iter().flat_map(|module| module.files.iter()) {
        hide_secrets(&file.body, &mut sources);
    }
    let mut findings = Findings { found: &mut found, beside };
    moved::carry_out(&modules, &mut recorded, &mut findings);
    removed::carry_out(&modules, &mut recorded, &mut findings);
    let addresses: Vec<String> = recorded.objects.iter().map(|object| object.provider.clone()).collect();
    let providers = Providers::gather(&modules, addresses.iter().map(String::as_str), &mut findings);
    let declared: BTreeSet<String> = modules.declared().collect();
    let mut main = Document::default();
    main.add(&["stack"], stack_table(name));
    providers.write_implied(&mut main);
    let Some(root) = modules.all.first() else {
        return Err(Unreadable { diagnostics: found, sources });
    };
    let read = modules.root_files();
    let known: BTreeSet<Address> =
        recorded.objects.iter().filter_map(|object| modules.flat(&[], &object.address)).collect();
    let mut converter = Converter::new(findings, &providers, &declared, &modules, &known, root);
    let mut others: Vec<(String, Document)> = Vec::new();
    for file in read {
        if file.target == MAIN_FILE {
            converter.file(file, &mut main);
            continue;
        }
        let mut document = Document::default();
        converter.file(file, &mut document);
        if !document.is_empty() {
            others.push((file.target.clone(), document));
        }
    }
    let values = values::convert(&given, read, &mut converter);
    others.extend(converter.modules());
    flatten(&mut recorded, &modules, &mut found);
    for object in &mut recorded.objects {
        match providers.recorded(&object.provider) {
            Some(name) => object.provider = name,
            None => object.provider.clear(),
        }
    }
    sort(&mut found);
    // What stands in a module is found once for each call of it.
    found.dedup_by(|one, other| one.code == other.code && one.message == other.message && one.labels == other.labels);
    let flattened = modules.all.iter().skip(1).map(|module| Flattened {
        module: module.address(),
        prefix: module.scope.prefix.clone(),
        file: module.target(),
    });
    let flattened = flattened.collect();
    let mut files = vec![(MAIN_FILE.to_owned(), main.render())];
    files.extend(others.iter().map(|(name, document)| (name.clone(), document.render())));
    Ok(Converted { files, values, locked: files::locked(directory), recorded, flattened, findings: found, sources })
}

/// Whether nothing can be made of the directory because of it.
fn is_fatal(found: &Diagnostic) -> bool {
    found.is_error() && found.code != codes::NOT_CONVERTED
}

/// The type that Terraform has for a type of a stack.
pub fn terraform_type(of: &str) -> &str {
    if of == rewrite::BUILT_IN.1 { rewrite::BUILT_IN.0 } else { of }
}

fn stack_table(name: &str) -> Table {
    let mut table = Table::default();
    table.put("schema", Written::Literal("1".to_owned()));
    table.put("name", Written::plain(name));
    table
}

/// Gives what is recorded the addresses that the stack has for it.
fn flatten(recorded: &mut Recorded, modules: &Modules, found: &mut Vec<Diagnostic>) {
    let mut known: BTreeSet<(Address, Option<String>)> = BTreeSet::new();
    recorded.objects.retain_mut(|object| {
        let flat = modules.flat(&[], &object.address);
        let flat = flat.filter(|flat| known.insert((flat.clone(), object.deposed.clone())));
        let Some(flat) = flat else {
            // By the name that Terraform knows.
            let mut theirs = object.address.clone();
            theirs.block.type_name = terraform_type(object.address.type_name()).into();
            let message = format!("`{theirs}` is recorded, and has no counterpart in the stack");
            let hint = "`terraform state mv` takes it out of its module";
            found.push(Diagnostic::error(codes::OBJECT, message).hint(hint));
            return false;
        };
        object.address = flat;
        let dependencies = std::mem::take(&mut object.dependencies).into_iter();
        let flat = dependencies.filter_map(|block| Some(modules.flat(&[], &block.instance(None))?.block));
        object.dependencies = flat.collect();
        true
    });
}

/// No screen shows the default of a variable that is sensitive.
fn hide_secrets(body: &Body, sources: &mut Sources) {
    for variable in body.blocks().filter(|block| block.kind == "variable") {
        if variable.body.attribute("sensitive").is_some()
            && let Some(default) = variable.body.attribute("default")
        {
            sources.hide(default.value.span());
        }
    }
}

/// The files, with what they become.
fn target(stem: &str, taken: &mut BTreeSet<String>, json: bool) -> String {
    let named = |stem: &str| match stem {
        "main" => MAIN_FILE.to_owned(),
        other => format!("{other}{}", crate::config::FURTHER_FILES),
    };
    let mut name = named(stem);
    if json && taken.contains(&name) {
        name = format!("{stem}.json{}", crate::config::FURTHER_FILES);
    }
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests;

//! The files of a Terraform directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::convert::TERRAFORM_HOST;
use super::source::{Body, File};
use super::state::{self, Recorded};
use super::{codes, json, native, target};
use crate::config::MAX_FILE_SIZE;
use crate::diagnostic::{Diagnostic, Sources};

/// The file that Terraform keeps its state in.
const STATE_FILE: &str = "terraform.tfstate";

/// The largest state that is read, in bytes.
const MAX_STATE_SIZE: u64 = 1024 * 1024 * 1024;

/// Reads the state of a directory.
pub(super) fn state(directory: &Path) -> Result<Recorded, Diagnostic> {
    let path = directory.join(STATE_FILE);
    let bytes = match bytes(&path, MAX_STATE_SIZE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let problem = format!("there is no `{STATE_FILE}` in `{}`", directory.display());
            let hint = "`terraform state pull > terraform.tfstate` gets it from where it is kept; without a state, \
                        `retrue init` begins a stack";
            return Err(Diagnostic::error(codes::NO_STATE, problem).hint(hint));
        }
        Err(error) => return Err(Diagnostic::error(codes::BAD_STATE, error.to_string()).hint("nothing was written")),
    };
    state::read(&path, &bytes)
}

fn bytes(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(std::io::Error::other(format!("{} is too large", path.display())));
    }
    Ok(bytes)
}

/// The names of the files that Terraform reads, sorted.
fn names(directory: &Path, found: &mut Vec<Diagnostic>) -> Vec<String> {
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            found.push(Diagnostic::error(codes::NO_STATE, error.to_string()).hint("name a directory of Terraform's"));
            return Vec::new();
        }
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let ignored = |name: &String| name.starts_with('.') || name.ends_with('~') || name.starts_with('#');
    let mut names: Vec<String> = names.filter(|name| !ignored(name)).collect();
    names.sort();
    names
}

fn text(path: &Path, found: &mut Vec<Diagnostic>) -> Option<String> {
    let wrong = |what: String| Diagnostic::error(codes::SYNTAX, what).hint("nothing was written");
    let read = bytes(path, MAX_FILE_SIZE).map_err(|error| wrong(error.to_string()));
    let read = read
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| wrong(format!("`{}` is not UTF-8", path.display()))));
    read.map_err(|problem| found.push(problem)).ok()
}

/// Reads all files of the configuration; what is wrong with one hides nothing of the others.
pub(super) fn read(directory: &Path, sources: &mut Sources, found: &mut Vec<Diagnostic>) -> Vec<File> {
    let mut taken = BTreeSet::new();
    let mut files = Vec::new();
    for name in names(directory, found) {
        let (stem, is_json) = match (name.strip_suffix(".tf.json"), name.strip_suffix(".tf")) {
            (Some(stem), _) => (stem, true),
            (None, Some(stem)) => (stem, false),
            (None, None) if name.ends_with(".tofu") || name.ends_with(".tofu.json") => {
                let message = format!("`{name}` is not read: it is for OpenTofu only");
                let hint = "give it a name that ends in `.tf`, in place of the one it stands for";
                found.push(Diagnostic::error(codes::NOT_CONVERTED, message).hint(hint));
                continue;
            }
            (None, None) => continue,
        };
        let path = directory.join(&name);
        let Some(text) = text(&path, found) else { continue };
        let file = sources.add(path, text.as_str());
        if stem == "override" || stem.ends_with("_override") {
            let message = format!("`{name}` overrides parts of other files, and is not merged into them");
            let hint = "write what it overrides into those files";
            let start = crate::span::Span::new(file, 0..0);
            found.push(Diagnostic::error(codes::NOT_CONVERTED, message).at(start).hint(hint));
            continue;
        }
        let text: Arc<str> = text.into();
        let parsed = if is_json { json::read(file, &text) } else { native::read(file, &text) };
        match parsed {
            Ok(body) => files.push(File { target: target(stem, &mut taken, is_json), text, body }),
            Err(problem) => found.push(problem),
        }
    }
    files
}

/// What Terraform writes of the modules that it downloaded.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    modules: Vec<Downloaded>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    key: String,
    dir: String,
}

/// The directories of the modules that Terraform downloaded, by the names of the calls that lead to them. A
/// list that cannot be read says nothing.
pub(super) fn downloaded_modules(directory: &Path) -> BTreeMap<String, String> {
    let read = bytes(&directory.join(".terraform/modules/modules.json"), MAX_FILE_SIZE).unwrap_or_default();
    let Ok(Manifest { modules }) = serde_json::from_slice(&read) else { return BTreeMap::new() };
    modules.into_iter().map(|module| (module.key, module.dir)).collect()
}

/// The versions that Terraform's lock file names, by source. One that cannot be read says nothing.
pub(super) fn locked(directory: &Path) -> BTreeMap<String, String> {
    let read = fs_err::read_to_string(directory.join(".terraform.lock.hcl")).unwrap_or_default();
    let Ok(body) = hcl_edit::parser::parse_body(&read) else { return BTreeMap::new() };
    let entry = |block: &hcl_edit::structure::Block| {
        let source = block.labels.first()?.as_str();
        let version = block.body.get_attribute("version")?.value.as_str()?.to_owned();
        Some((source.strip_prefix(TERRAFORM_HOST).unwrap_or(source).to_owned(), version))
    };
    body.get_blocks("provider").filter_map(entry).collect()
}

/// Reads the files of values that Terraform takes by itself, in the order in which it does.
pub(super) fn values(directory: &Path, sources: &mut Sources, found: &mut Vec<Diagnostic>) -> Vec<Body> {
    let names = names(directory, &mut Vec::new());
    let own = ["terraform.tfvars", "terraform.tfvars.json"].map(str::to_owned);
    let automatic = |name: &&String| name.ends_with(".auto.tfvars") || name.ends_with(".auto.tfvars.json");
    let ordered = own.iter().filter(|name| names.contains(name)).chain(names.iter().filter(automatic));
    let mut bodies = Vec::new();
    for name in ordered {
        let path = directory.join(name);
        let Some(text) = text(&path, found) else { continue };
        let file = sources.add(path, text.as_str());
        // No line of it is shown: what is secret in it is not known here.
        sources.hide(crate::span::Span::new(file, 0..text.len()));
        let parsed =
            if name.ends_with(".json") { json::read_values(file, &text) } else { native::read(file, &text.into()) };
        match parsed {
            Ok(body) => bodies.push(body),
            Err(problem) => found.push(problem),
        }
    }
    bodies
}

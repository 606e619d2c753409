//! Finds the modules that a directory calls, and reads their files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::{CALL_WORDS, Module, Modules, Scope, names};
use crate::diagnostic::{Diagnostic, Sources};
use crate::migrate::convert::{literal_text, of_kind};
use crate::migrate::source::{Block, File};
use crate::migrate::{codes, files};

/// How many calls are followed.
const MAX_CALLS: usize = 10_000;

/// Reads a directory and the modules that it calls. What cannot be written into a flat stack is found by its
/// place, and left out as a whole.
pub(in crate::migrate) fn read(directory: &Path, sources: &mut Sources, found: &mut Vec<Diagnostic>) -> Modules {
    let root = Arc::new(files::read(directory, sources, found));
    let downloaded = files::downloaded_modules(directory);
    let scope = Scope { place: ".".to_owned(), ..Scope::default() };
    let root = Module { path: Vec::new(), parent: None, call: None, files: root, scope };
    let mut reading = Reading {
        directory,
        downloaded,
        sources,
        found,
        read: BTreeMap::new(),
        all: vec![root],
        refused: BTreeSet::new(),
    };
    reading.calls(0, false);
    let Reading { mut all, refused, .. } = reading;
    let taken = names::give(&mut all);
    Modules { all, refused, taken }
}

struct Reading<'r> {
    directory: &'r Path,
    /// The directories of modules that were downloaded, by the names that lead to them.
    downloaded: BTreeMap<String, String>,
    sources: &'r mut Sources,
    found: &'r mut Vec<Diagnostic>,
    read: BTreeMap<String, Arc<Vec<File>>>,
    all: Vec<Module>,
    refused: BTreeSet<Vec<String>>,
}

/// Why a call is not followed.
struct Refused {
    why: String,
    hint: &'static str,
}

fn refused(why: impl Into<String>, hint: &'static str) -> Refused {
    Refused { why: why.into(), hint }
}

impl Reading<'_> {
    /// Follows all calls of a module; `repeated` says whether it has instances.
    fn calls(&mut self, parent: usize, repeated: bool) -> bool {
        let mut sound = true;
        let Some(files) = self.all.get(parent).map(|module| Arc::clone(&module.files)) else { return true };
        for call in files.iter().flat_map(|file| of_kind(&file.body, "module")) {
            let before = self.all.len();
            if let Err(Refused { why, hint }) = self.call(parent, call, repeated) {
                self.all.truncate(before);
                let mut path = self.all.get(parent).map(|parent| parent.path.clone()).unwrap_or_default();
                path.push(call.label(0).to_owned());
                self.refused.insert(path);
                let message = format!("`module {}` cannot be converted: {why}", call.label(0));
                self.found.push(Diagnostic::error(codes::NOT_CONVERTED, message).at(call.span).hint(hint));
                sound = false;
            }
        }
        sound
    }

    fn call(&mut self, parent: usize, call: &Block, repeated: bool) -> Result<(), Refused> {
        let repeated = repeated || ["count", "for_each"].iter().any(|word| call.body.attribute(word).is_some());
        let (mut path, place) =
            self.all.get(parent).map(|at| (at.path.clone(), at.scope.place.clone())).unwrap_or_default();
        path.push(call.label(0).to_owned());
        let place = self.place(call, &place, &path)?;
        let mut above = Some(parent);
        while let Some(module) = above.and_then(|index| self.all.get(index)) {
            if module.scope.place == place {
                return Err(refused("it calls itself", "`terraform validate` says more about it"));
            }
            above = module.parent;
        }
        if self.all.len() > MAX_CALLS {
            return Err(refused(format!("there are more than {MAX_CALLS} calls"), "take over a part at a time"));
        }
        let files = self.files(&place);
        refuse_inputs(call, &files)?;
        let scope = Scope { place, ..Scope::default() };
        self.all.push(Module { path, parent: Some(parent), call: Some(call.clone()), files, scope });
        let sound = self.calls(self.all.len() - 1, repeated);
        // With what is inside of its instances, or not at all: an instance would lack a part of itself.
        if sound || !repeated {
            return Ok(());
        }
        Err(refused("a module that it calls cannot be", "see there"))
    }

    /// The directory of a module, relative to that of the root.
    fn place(&self, call: &Block, parent: &str, path: &[String]) -> Result<String, Refused> {
        let source = call.body.attribute("source").and_then(|source| literal_text(&source.value));
        let Some(source) = source else {
            return Err(refused("its source is not written out", "write the source itself"));
        };
        let place = match source.starts_with("./") || source.starts_with("../") {
            true => joined(parent, &source),
            false => match self.downloaded.get(&path.join(".")) {
                Some(place) => joined(".", place),
                None => {
                    let why = format!("`{source}` is not downloaded");
                    return Err(refused(why, "`terraform init` downloads it"));
                }
            },
        };
        if !self.directory.join(&place).is_dir() {
            let why = format!("there is no directory `{place}`");
            return Err(refused(why, "it is looked for beside the files of the root"));
        }
        Ok(place)
    }

    fn files(&mut self, place: &str) -> Arc<Vec<File>> {
        if let Some(known) = self.read.get(place) {
            return Arc::clone(known);
        }
        let read = Arc::new(files::read(&self.directory.join(place), self.sources, self.found));
        self.read.insert(place.to_owned(), Arc::clone(&read));
        read
    }
}

/// What the call gives must be what the module takes.
fn refuse_inputs(call: &Block, files: &[File]) -> Result<(), Refused> {
    let variables = || files.iter().flat_map(|file| of_kind(&file.body, "variable"));
    let validate = "`terraform validate` says more about it";
    for attribute in call.body.attributes().filter(|attribute| !CALL_WORDS.contains(&attribute.name.as_str())) {
        if !variables().any(|variable| variable.label(0) == attribute.name) {
            return Err(refused(format!("it takes no `{}`", attribute.name), validate));
        }
    }
    for variable in variables() {
        let name = variable.label(0);
        if variable.body.attribute("default").is_none() && call.body.attribute(name).is_none() {
            return Err(refused(format!("`{name}` is missing"), validate));
        }
    }
    Ok(())
}

/// A path beside another one, in as few steps as it takes.
pub(in crate::migrate) fn joined(base: &str, source: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    let rooted = source.starts_with('/');
    let base = if rooted { "" } else { base };
    for step in base.split('/').chain(source.split('/')) {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    match (steps.is_empty(), rooted) {
        (true, false) => ".".to_owned(),
        (_, true) => format!("/{}", steps.join("/")),
        (false, false) => steps.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_short_as_terraform_makes_them() {
        for (base, source, expect) in [
            (".", "./modules/net", "modules/net"),
            ("modules/net", "../db/", "modules/db"),
            ("modules/net", "./inner", "modules/net/inner"),
            (".", "../shared", "../shared"),
            ("../shared", "../../x", "../../x"),
            (".", "./", "."),
        ] {
            assert_eq!(joined(base, source), expect, "{base} {source}");
        }
    }
}

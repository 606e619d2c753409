//! The files of a stack that is made from another one, written all or not at all.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::config::{ProviderProgram, Stack, stack_files};
use crate::diagnostic::Diagnostic;
use crate::engine::{Failure, Options};
use crate::migrate::{VALUES_FILE, codes};
use crate::registry::LOCK_FILE;
use crate::saga::State;
use crate::span::Span;

/// Refuses a directory that is a stack already.
pub(super) fn refuse_what_is_there(root: &Path) -> Result<(), Failure> {
    let names = stack_files(root).into_iter().chain([VALUES_FILE.to_owned()]);
    let there: Vec<String> = names.filter(|name| root.join(name).symlink_metadata().is_ok()).collect();
    if there.is_empty() {
        return Ok(());
    }
    let problem = format!("`{}` is there already: {}", root.display(), there.join(", "));
    Err(Failure::one(
        Diagnostic::error(codes::ALREADY_THERE, problem)
            .hint("nothing was written; `-C` names another directory for the stack"),
    ))
}

/// Refuses a store in which something is recorded.
pub(super) fn refuse_records(state: &State) -> Result<(), Failure> {
    let recorded = state.addresses.values().any(|entry| entry.current.is_some() || !entry.deposed.is_empty());
    if !recorded && state.outputs.is_empty() {
        return Ok(());
    }
    Err(Failure::one(
        Diagnostic::error(codes::ALREADY_THERE, "the store of this stack records something already")
            .hint("nothing was written; `retrue state list` shows it, `-C` and `--env` choose another store"),
    ))
}

pub(super) fn cannot_write(error: &dyn std::fmt::Display) -> Failure {
    Failure::one(
        Diagnostic::error(codes::CANNOT_WRITE, format!("the stack could not be written: {error}"))
            .hint("mend what the system says, or name another directory with `-C`"),
    )
}

/// A file that goes when it is dropped.
pub(super) fn temporary(root: &Path, text: &str) -> Result<NamedTempFile, Failure> {
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".retrue-").tempfile_in(root)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| cannot_write(&error))
}

/// Files that are written and do not have their names yet.
pub(super) struct Files(Vec<(TempPath, PathBuf, String)>);

impl Files {
    /// Writes all of them.
    pub(super) fn prepare(root: &Path, texts: &[(String, String)]) -> Result<Files, Failure> {
        let mut files = Vec::new();
        for (name, text) in texts {
            let file = temporary(root, text)?;
            // Values may be secret; the rest is read by whoever may read the directory.
            let mode = if name == VALUES_FILE { 0o600 } else { 0o644 };
            let permissions = std::fs::Permissions::from_mode(mode);
            file.as_file().set_permissions(permissions).map_err(|error| cannot_write(&error))?;
            files.push((file.into_temp_path(), root.join(name), name.clone()));
        }
        Ok(Files(files))
    }

    /// Gives them their names, the main one last: with it the directory is a stack.
    pub(super) fn persist(self, names: &mut Vec<String>) -> Result<(), Failure> {
        names.extend(self.0.iter().map(|(_, _, name)| name.clone()));
        for (file, path, _) in self.0.into_iter().rev() {
            file.persist_noclobber(&path).map_err(|error| {
                let place = path.display();
                cannot_write(&format!(
                    "{place}: {}; the record is there: remove `.retrue` before the next try",
                    error.error
                ))
            })?;
        }
        Ok(())
    }
}

/// The lock file of providers, which goes again when nothing comes of it.
pub(super) struct Lock {
    path: PathBuf,
    ours: bool,
}

impl Lock {
    /// Resolves the providers of a stack, in the versions that Terraform had locked, and writes the lock file.
    pub(super) async fn install(
        options: &Options,
        stack: &Stack,
        locked: &BTreeMap<String, String>,
    ) -> Result<Lock, Failure> {
        let path = stack.directory.join(LOCK_FILE);
        let mut programs: Vec<(&str, ProviderProgram)> = Vec::new();
        for block in stack.providers.values() {
            let Some(program) = stack.program_of(block) else { continue };
            let source = program.source.as_ref().map(|(source, _)| source.as_str()).unwrap_or_default();
            let mut program = program.clone();
            if let Some(version) = locked.get(source) {
                let span = program.version.as_ref().map_or(block.span, |(_, span): &(String, Span)| *span);
                program.version = Some((format!("= {version}"), span));
            }
            programs.push((&block.type_name, program));
        }
        let programs: Vec<(&str, &ProviderProgram)> = programs.iter().map(|(name, program)| (*name, program)).collect();
        if programs.is_empty() {
            return Ok(Lock { ours: false, path });
        }
        let lock = Lock { ours: path.symlink_metadata().is_err(), path };
        crate::registry::install(&programs, &stack.directory, &options.process_environment, false)
            .await
            .map_err(|problems| Failure::many(problems, stack.sources.clone()))?;
        Ok(lock)
    }

    /// Lets it stay.
    pub(super) fn keep(mut self, names: &mut Vec<String>) {
        // What is used without a version is not locked.
        if std::mem::take(&mut self.ours) && self.path.exists() {
            names.push(LOCK_FILE.to_owned());
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.ours && self.path.exists() {
            // What cannot be removed does no harm: it only says which versions are in use.
            let _ = fs_err::remove_file(&self.path);
        }
    }
}

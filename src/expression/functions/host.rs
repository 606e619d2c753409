//! What functions may ask of the outside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use retrue_provider_api::{ProviderSchema, Value};

use super::specification::FunctionError;

/// Access to files, clock and randomness, so that whoever evaluates owns and records it.
pub trait Host: Sync {
    /// The directory that relative paths are relative to.
    fn base_directory(&self) -> &Path;

    /// The content of a file. Implementations record that it was read: it is part of what a plan
    /// is made from. `path` is absolute.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether this is a plan: then what differs from call to call is unknown.
    fn planning(&self) -> bool;

    /// The time of the plan in RFC 3339, once there is one.
    fn plan_timestamp(&self) -> Option<String>;

    /// What stands at an absolute path, links followed; `None` where there is nothing.
    fn file_kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        file_kind(path)
    }

    /// The names of the entries of a directory, sorted; what is not Unicode is left out.
    fn read_directory(&self, path: &Path) -> io::Result<Vec<String>> {
        directory_names(path)
    }

    /// The directory that `~` stands for.
    fn home_directory(&self) -> Option<PathBuf> {
        std::env::home_dir()
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map(|elapsed| elapsed.as_secs()).unwrap_or(0);
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    /// What a provider offers, by its name in the stack.
    ///
    /// # Errors
    /// There is no such provider, or it cannot be asked here; in words.
    fn offers(&self, provider: &str) -> Result<Arc<ProviderSchema>, String> {
        Err(format!("functions of providers, such as those of `{provider}`, cannot be called here"))
    }

    /// Calls a function that a provider offers. The arguments fit its schema and have no marks.
    fn call(&self, provider: &str, function: &str, _arguments: Vec<Value>) -> Result<Value, FunctionError> {
        Err(FunctionError::new(format!("`{function}` of `{provider}` cannot be called here")))
    }

    /// Sixteen random bytes.
    fn random(&self) -> io::Result<[u8; 16]> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(bytes)
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device, pipe or socket.
    Other,
}

/// What stands at a path, links followed; `None` where there is nothing.
pub fn file_kind(path: &Path) -> io::Result<Option<FileKind>> {
    match fs_err::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(FileKind::File)),
        Ok(metadata) if metadata.is_dir() => Ok(Some(FileKind::Directory)),
        Ok(_) => Ok(Some(FileKind::Other)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names of the entries of a directory, sorted; what is not Unicode is left out.
pub fn directory_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(path)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

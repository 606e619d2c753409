//! What little can be referred to before anything is planned.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrue_provider_api::Value;

use super::codes;
use super::files::MAX_FILE_SIZE;
use crate::address::InstanceKey;
use crate::expression::functions::Host;
use crate::expression::{EvalError, Root, Scope};
use crate::span::Span;

/// Variables, where there are any, and nothing else: for defaults, values and validations.
pub(super) struct VariableScope<'v> {
    pub(super) values: &'v BTreeMap<Arc<str>, Value>,
    pub(super) host: &'v StackFiles,
}

impl Scope for VariableScope<'_> {
    fn resolve(&self, root: &Root, _key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        if let Root::Var(name) = root
            && let Some(value) = self.values.get(name)
        {
            return Ok(value.clone());
        }
        Err(EvalError::new(codes::REFERENCE_NOT_ALLOWED, format!("`{root}` cannot be referred to here"), span))
    }

    fn host(&self) -> &dyn Host {
        self.host
    }
}

/// The files of a stack, for functions that read some.
pub(super) struct StackFiles {
    directory: PathBuf,
}

impl StackFiles {
    pub(super) fn new(directory: &Path) -> Self {
        StackFiles { directory: directory.to_path_buf() }
    }
}

impl Host for StackFiles {
    fn base_directory(&self) -> &Path {
        &self.directory
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_limited(&self.directory.join(path))
    }

    fn planning(&self) -> bool {
        true
    }

    fn plan_timestamp(&self) -> Option<String> {
        None
    }
}

/// Reads a regular file of reasonable size.
pub(super) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    if !fs_err::metadata(path)?.is_file() {
        let message = format!("`{}` is no regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut content = Vec::new();
    fs_err::File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_FILE_SIZE {
        let message = format!("`{}` is larger than 16 MiB", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

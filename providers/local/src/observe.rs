//! Looking at a regular file: its bytes, and what surrounds them.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use retrue_provider_api::{ProviderResult, Value};
use sha2::{Digest, Sha256};

use crate::draft::{careful, kind_of, look};
use crate::errors;
use crate::here::Here;

/// Up to this size, text is held in attributes; beyond it there are only size and hash.
pub(crate) const TEXT_LIMIT: u64 = 16 * 1024 * 1024;

/// A regular file as it was found.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The open file, at its end.
    pub(crate) file: fs_err::File,
    /// Mode, owner, times, when it was opened.
    pub(crate) metadata: std::fs::Metadata,
    /// How many bytes were read.
    pub(crate) size: u64,
    /// Their SHA-256, in hexadecimal.
    pub(crate) sha256: String,
    /// The bytes as text, where an attribute can hold them exactly.
    pub(crate) text: Option<String>,
}

/// Looks at the file at a path. `None` where there is nothing; anything but a file is in the way.
///
/// `keep_text` asks for the text, too.
pub(crate) fn inspect(here: &Here, operation: &str, path: &Path, keep_text: bool) -> ProviderResult<Option<Seen>> {
    here.patience.check(operation)?;
    let at = |error: io::Error| errors::at_path(operation, path, error);
    let Some(metadata) = look(path).map_err(at)? else { return Ok(None) };
    if !metadata.is_file() {
        // Looked at before it is opened: opening a device can have effects.
        return Err(errors::in_the_way(operation, path, kind_of(&metadata), "a file"));
    }
    let file = match fs_err::OpenOptions::new().read(true).custom_flags(careful()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(error)),
    };
    let metadata = file.metadata().map_err(at)?;
    if !metadata.is_file() {
        return Err(errors::in_the_way(operation, path, kind_of(&metadata), "a file"));
    }
    let mut kept = (keep_text && metadata.size() <= TEXT_LIMIT).then(Vec::new);
    let mut hash = Sha256::new();
    let mut size = 0u64;
    let mut buffer = vec![0; buffer_size(metadata.size())];
    let mut reader = here.patience.reader(&file);
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                here.patience.check(operation)?;
                return Err(at(error));
            }
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        hash.update(bytes);
        size += read as u64;
        if size > TEXT_LIMIT {
            kept = None;
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(bytes);
        }
    }
    Ok(Some(Seen { file, metadata, size, sha256: hexadecimal(hash), text: kept.and_then(exact_text) }))
}

/// The bytes as text, if a value of that text stands for exactly these bytes: values are normalised.
pub(crate) fn exact_text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    (Value::string(&text).as_str() == Some(text.as_str())).then_some(text)
}

/// The digest as it is shown.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The SHA-256 of bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

/// Small files get small buffers: there are many of them.
fn buffer_size(size: u64) -> usize {
    usize::try_from(size.saturating_add(1)).unwrap_or(usize::MAX).clamp(512, 128 * 1024)
}

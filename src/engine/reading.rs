//! Reads files that a person named: plans and exported states.

use std::io::{self, Read as _};
use std::path::Path;

/// The largest plan or exported state that is read, in bytes.
pub const MAX_DOCUMENT_SIZE: u64 = 1024 * 1024 * 1024;

/// Reads a file that a person named: a regular one, whose end is known, and no larger than so many bytes.
///
/// # Errors
/// It is something else, such as a directory or a device, is larger, or cannot be read.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let metadata = fs_err::metadata(path)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "no regular file" };
        return Err(io::Error::other(format!("`{}` is {what}; a file is expected", path.display())));
    }
    let too_large = || io::Error::other(format!("`{}` is larger than {} MiB", path.display(), most / (1024 * 1024)));
    if metadata.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs_err::write(&path, "four").unwrap();
        assert_eq!(read_bounded(&path, 4).unwrap(), b"four");
        for (path, most, told) in [
            (path.as_path(), 3, "is larger than"),
            (directory.path(), 4, "is a directory"),
            (Path::new("/dev/zero"), 4, "is no regular file"),
            (&directory.path().join("nowhere"), 4, "nowhere"),
        ] {
            let error = read_bounded(path, most).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}

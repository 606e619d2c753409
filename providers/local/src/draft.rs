//! Replacing what stands at a path in one step, through a temporary neighbour.
//!
//! The neighbour's name is made from the name of what it shall become: whatever a crash leaves can
//! be found again without looking through the directory.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use retrue_provider_api::{Category, ProviderError, ProviderResult};
use rustix::fs::{CWD, OFlags, RenameFlags};
use sha2::{Digest, Sha256};

use crate::errors;

/// The flags with which files are opened: links are not followed, and a pipe does not block.
pub(crate) fn careful() -> i32 {
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default()
}

/// The temporary neighbour of a path: `.retrue-` and a hash of the name.
pub(crate) fn neighbour(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let hash = Sha256::digest(name.as_encoded_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    path.with_file_name(format!(".retrue-{hash}"))
}

/// A file that is being written beside its place. Dropped, it is gone again.
pub(crate) struct Draft {
    /// What is written.
    pub(crate) file: fs_err::File,
    target: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

impl Draft {
    /// Opens one. `mode` is subject to the umask.
    pub(crate) fn open(operation: &str, target: &Path, mode: u32) -> ProviderResult<Self> {
        let temporary = neighbour(target);
        // A few tries: what is left over is removed first, and another process may do the same.
        for _ in 0..8 {
            let opened = fs_err::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(mode)
                .custom_flags(careful())
                .open(&temporary);
            match opened {
                Ok(file) if held(&file, &temporary) => {
                    return Ok(Draft { file, target: target.to_owned(), temporary, kept: false });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => clear_neighbour(operation, target)?,
                Err(error) => return Err(errors::at_path(operation, target, error)),
            }
        }
        Err(in_use(operation, target))
    }

    /// Puts it in its place: durable, then visible, in one step. Where `replace` is not set, whatever
    /// is at the place stays and it is a conflict.
    ///
    /// The answer tells what is wrong though it is in place: it may not survive a power cut.
    pub(crate) fn put(mut self, operation: &str, replace: bool) -> ProviderResult<Option<ProviderError>> {
        // CRASH: until the rename, the old content is in place and the neighbour is left over; after
        // it, the new content is in place, whole. `recover` removes the neighbour.
        self.file.sync_all().map_err(|error| errors::at_path(operation, &self.target, error))?;
        if !same_file(&self.file, &self.temporary) {
            return Err(in_use(operation, &self.target));
        }
        place(operation, &self.temporary, &self.target, replace)?;
        self.kept = true;
        Ok(sync_parent(operation, &self.target).err())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept && same_file(&self.file, &self.temporary) {
            // Best effort: what stays is found and removed by the next change of the same path.
            let _ = fs_err::remove_file(&self.temporary);
        }
    }
}

/// Renames a neighbour to its place. Without `replace`, what is at the place stays.
pub(crate) fn place(operation: &str, temporary: &Path, target: &Path, replace: bool) -> ProviderResult<()> {
    if replace {
        return fs_err::rename(temporary, target).map_err(|error| errors::at_path(operation, target, error));
    }
    match rustix::fs::renameat_with(CWD, temporary, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => Err(errors::already_there(operation, target)),
        // Some file systems (NFS, old FUSE) have no such rename. A hard link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            place_by_link(operation, temporary, target)
        }
        Err(error) => Err(errors::at_path(operation, target, error)),
    }
}

fn place_by_link(operation: &str, temporary: &Path, target: &Path) -> ProviderResult<()> {
    let at = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => errors::already_there(operation, target),
        _ => errors::at_path(operation, target, error),
    };
    if fs_err::symlink_metadata(temporary).map_err(at)?.is_dir() {
        // There are no hard links to directories; between the look and the rename nobody is kept out,
        // but a rename onto anything except an empty directory fails by itself.
        return match fs_err::symlink_metadata(target) {
            Ok(_) => Err(errors::already_there(operation, target)),
            Err(_) => fs_err::rename(temporary, target).map_err(at),
        };
    }
    fs_err::hard_link(temporary, target).map_err(at)?;
    // CRASH: here both names are of the new file; `recover` removes the neighbour.
    fs_err::remove_file(temporary).map_err(at)
}

/// Removes the neighbour of a path, whatever it is. One that another process holds is a conflict.
pub(crate) fn clear_neighbour(operation: &str, target: &Path) -> ProviderResult<()> {
    let temporary = neighbour(target);
    let at = |error: io::Error| errors::at_path(operation, &temporary, error);
    let Some(metadata) = look(&temporary).map_err(at)? else { return Ok(()) };
    if metadata.is_dir() {
        return tolerate_absence(fs_err::remove_dir_all(&temporary)).map_err(at);
    }
    if metadata.is_file() {
        match fs_err::OpenOptions::new().read(true).custom_flags(careful()).open(&temporary) {
            Ok(file) if !held(&file, &temporary) => return Err(in_use(operation, target)),
            // It is held until it is removed, so that nobody takes it for theirs in between.
            Ok(_held) => return tolerate_absence(fs_err::remove_file(&temporary)).map_err(at),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(at(error)),
        }
    }
    tolerate_absence(fs_err::remove_file(&temporary)).map_err(at)
}

/// Makes what was renamed, made or removed in the directory of a path durable.
pub(crate) fn sync_parent(operation: &str, path: &Path) -> ProviderResult<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let synced = fs_err::File::open(parent).and_then(|directory| directory.sync_all());
    match synced {
        // A directory that may be searched and written to but not read cannot be opened.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced.map_err(|error| errors::at_path(operation, parent, error)),
    }
}

/// What is at a path itself; `None` where nothing is.
pub(crate) fn look(path: &Path) -> io::Result<Option<std::fs::Metadata>> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a thing is, in words.
pub(crate) fn kind_of(metadata: &std::fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a link"
    } else if kind.is_file() {
        "a file"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

pub(crate) fn tolerate_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Whether the file is locked for us and still the one at the path. A file system without locks counts
/// as locked: it has `same_file` only.
fn held(file: &fs_err::File, path: &Path) -> bool {
    !matches!(file.file().try_lock(), Err(std::fs::TryLockError::WouldBlock)) && same_file(file, path)
}

fn same_file(file: &fs_err::File, path: &Path) -> bool {
    match (file.metadata(), fs_err::symlink_metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

fn in_use(operation: &str, path: &Path) -> ProviderError {
    let message = format!("another process is changing {}", path.display());
    let mut error = ProviderError::new(Category::Conflict, operation, message).with("path", path.display());
    error.retry = true;
    error
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_draft_shows_nothing_until_it_is_put() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let mut draft = Draft::open("create", &path, 0o644).unwrap();
        draft.file.write_all(b"x").unwrap();
        assert!(!path.exists());
        drop(draft);
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 0, "a dropped draft leaves nothing");

        let mut draft = Draft::open("create", &path, 0o644).unwrap();
        draft.file.write_all(b"new").unwrap();
        assert!(draft.put("create", false).unwrap().is_none());
        assert_eq!(fs_err::read(&path).unwrap(), b"new");

        let draft = Draft::open("create", &path, 0o644).unwrap();
        assert_eq!(draft.put("create", false).unwrap_err().category, Category::Conflict);
        assert_eq!(fs_err::read(&path).unwrap(), b"new");
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_go_and_what_is_held_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let temporary = neighbour(&path);
        fs_err::write(&temporary, "left over").unwrap();
        drop(Draft::open("create", &path, 0o600).unwrap());
        assert!(!temporary.exists());

        let held = Draft::open("create", &path, 0o600).unwrap();
        assert_eq!(Draft::open("create", &path, 0o600).err().unwrap().category, Category::Conflict);
        assert!(held.put("create", false).unwrap().is_none());

        fs_err::create_dir_all(temporary.join("sub")).unwrap();
        clear_neighbour("recover", &path).unwrap();
        std::os::unix::fs::symlink(&path, &temporary).unwrap();
        clear_neighbour("recover", &path).unwrap();
        clear_neighbour("recover", &path).unwrap();
        assert!(path.exists() && !temporary.exists());
    }

    #[test]
    fn without_a_rename_that_spares_a_link_does() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs_err::write(&from, "1").unwrap();
        place_by_link("create", &from, &to).unwrap();
        assert!(!from.exists() && to.exists());
        fs_err::write(&from, "2").unwrap();
        assert_eq!(place_by_link("create", &from, &to).unwrap_err().category, Category::Conflict);
        assert_eq!(fs_err::read(&to).unwrap(), b"1");
    }
}

//! The archives in which providers travel.

use std::path::Path;

use fs_err as fs;
use zip::ZipArchive;

use super::{InstallError, hash};

/// The most bytes that a provider may unpack to.
const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;

fn open(path: &Path) -> Result<ZipArchive<fs::File>, InstallError> {
    let file = fs::File::open(path).map_err(InstallError::file(path))?;
    ZipArchive::new(file).map_err(|error| content(path, error.to_string()))
}

fn content(path: &Path, what: String) -> InstallError {
    InstallError::Content { path: path.to_owned(), what }
}

/// The name and the SHA-256 of each file in it.
pub(super) fn sums(path: &Path) -> Result<Vec<(String, String)>, InstallError> {
    let mut archive = open(path)?;
    let mut sums = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| content(path, error.to_string()))?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().to_owned();
        let (sum, _) = hash::sum(&mut entry).map_err(InstallError::file(path))?;
        sums.push((name, sum));
    }
    Ok(sums)
}

/// Unpacks it into a directory that is not there yet. What leads out of it is refused.
///
/// CRASH: everything is unpacked beside the directory first, which then gets its name: it is there as a whole, or
/// not at all.
pub(super) fn unpack(path: &Path, to: &Path) -> Result<(), InstallError> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(InstallError::file(parent))?;
    let beside =
        tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent).map_err(InstallError::file(parent))?;
    let mut archive = open(path)?;
    let mut left = MOST_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| content(path, error.to_string()))?;
        let Some(name) = entry.enclosed_name() else {
            return Err(content(path, format!("`{}` in it leads out of its directory", entry.name())));
        };
        let target = beside.path().join(name);
        if entry.is_dir() {
            fs::create_dir_all(&target).map_err(InstallError::file(&target))?;
            continue;
        }
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory).map_err(InstallError::file(directory))?;
        }
        let mut file = fs::File::create(&target).map_err(InstallError::file(&target))?;
        let copied = std::io::copy(&mut std::io::Read::take(&mut entry, left), &mut file);
        left = left.saturating_sub(copied.map_err(InstallError::file(&target))?);
        if left == 0 {
            return Err(content(path, "it unpacks to more than 4 GiB".into()));
        }
        let executable = entry.unix_mode().unwrap_or(0o755) & 0o111 != 0
            || target.file_name().is_some_and(|name| name.to_string_lossy().starts_with("terraform-provider-"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(if executable { 0o755 } else { 0o644 });
        fs::set_permissions(&target, mode).map_err(InstallError::file(&target))?;
        file.sync_all().map_err(InstallError::file(&target))?;
    }
    // A directory of this name that somebody else has made meanwhile holds the same.
    match fs::rename(beside.path(), to) {
        Err(_) if to.is_dir() => Ok(()),
        renamed => renamed.map_err(InstallError::file(to)),
    }
}

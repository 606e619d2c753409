//! Directories that hold providers, in Terraform's layouts.
//!
//! Unpacked: `HOST/NAMESPACE/NAME/VERSION/PLATFORM/terraform-provider-NAME…`.
//! Packed: `HOST/NAMESPACE/NAME/terraform-provider-NAME_VERSION_PLATFORM.zip`.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{InstallError, ProviderAddress, Version};

/// Something in a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory that holds the program.
    Unpacked(PathBuf),
    /// An archive that does.
    Packed(PathBuf),
}

/// The versions of a provider in a directory, for a platform; newest first. A directory that is not there holds
/// none.
pub(super) fn versions(
    root: &Path,
    address: &ProviderAddress,
    platform: &str,
) -> Result<Vec<(Version, Place)>, InstallError> {
    let directory = root.join(&address.host).join(&address.namespace).join(&address.name);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(InstallError::file(directory)(error)),
    };
    let mut versions = Vec::new();
    for entry in entries {
        let entry = entry.map_err(InstallError::file(&directory))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let unpacked = entry.path().join(platform);
        if let Ok(version) = name.parse::<Version>() {
            if unpacked.is_dir() {
                versions.push((version, Place::Unpacked(unpacked)));
            }
        } else if let Some(version) = packed_version(&name, &address.name, platform) {
            versions.push((version, Place::Packed(entry.path())));
        }
    }
    // Of one version, what is unpacked comes first.
    versions.sort_by(|(a, place), (b, other)| {
        b.cmp(a).then_with(|| matches!(place, Place::Packed(_)).cmp(&matches!(other, Place::Packed(_))))
    });
    Ok(versions)
}

fn packed_version(file: &str, name: &str, platform: &str) -> Option<Version> {
    let rest = file.strip_prefix("terraform-provider-")?.strip_prefix(name)?.strip_prefix('_')?;
    rest.strip_suffix(".zip")?.strip_suffix(platform)?.strip_suffix('_')?.parse().ok()
}

/// The program of a provider in a directory. Its name may end in a version, and older ones in a version of the
/// protocol (`_v2.1.2_x4`).
///
/// # Errors
/// There is none, or the directory cannot be read.
pub fn program_in(directory: &Path, name: &str) -> Result<PathBuf, InstallError> {
    let prefix = format!("terraform-provider-{name}");
    let mut programs = Vec::new();
    for entry in fs::read_dir(directory).map_err(InstallError::file(directory))? {
        let entry = entry.map_err(InstallError::file(directory))?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let fits = file.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.']));
        if fits && entry.path().is_file() && !file.ends_with(".zip") {
            programs.push(entry.path());
        }
    }
    programs.sort();
    programs.into_iter().next_back().ok_or_else(|| InstallError::Content {
        path: directory.to_owned(),
        what: format!("there is no file `{prefix}…` in it"),
    })
}

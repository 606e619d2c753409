//! Hashes of directories that have not changed since they were hashed: reading a program of 200 MB at each run takes
//! longer than all else.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Hash, InstallError, hash_directory};

/// The version of the form.
const FORM: u64 = 1;
/// The directory in the cache with what is known. No host has such a name.
const KNOWN: &str = ".known";
/// What changed this short a time ago may change again without another time being written.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// All that a file system says of one file. A change of its content changes the time of its change (`ctime`), which
/// no program can set to what it likes; a file that takes its place has another number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    name: String,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resting {
    form: u64,
    path: PathBuf,
    stamps: Vec<Stamp>,
    hash: Hash,
}

/// The `h1:` hash of a directory, as [`hash_directory`] computes it, read again only where something in it changed.
///
/// # Errors
/// Something in it cannot be read.
pub fn known_hash(cache: &Path, path: &Path) -> Result<Hash, InstallError> {
    let began = SystemTime::now();
    let at = private(cache, "hashes").map(|known| known.join(name_of(path)));
    let before = stamps(path).map_err(InstallError::file(path))?;
    if let Some(hash) = at.as_deref().and_then(|at| recall(at, path, &before)) {
        return Ok(hash);
    }
    let hash = hash_directory(path)?;
    // What changes while it is read, or changed just before, is read again the next time.
    let after = stamps(path).map_err(InstallError::file(path))?;
    if let Some(at) = at.filter(|_| before == after && before.iter().all(|stamp| settled(stamp, began))) {
        let resting = Resting { form: FORM, path: path.to_owned(), stamps: before, hash: hash.clone() };
        // It only saves time.
        if let Err(error) = serde_json::to_vec(&resting).map_err(io::Error::other).and_then(|text| write(&at, &text)) {
            tracing::debug!(path = %at.display(), %error, "a hash is not kept");
        }
    }
    Ok(hash)
}

fn recall(at: &Path, path: &Path, stamps: &[Stamp]) -> Option<Hash> {
    let resting: Resting = serde_json::from_slice(&fs::read(at).ok()?).ok()?;
    (resting.form == FORM && resting.path == path && resting.stamps == stamps).then_some(resting.hash)
}

fn stamps(path: &Path) -> io::Result<Vec<Stamp>> {
    let mut found = Vec::new();
    collect(path, "", &mut found)?;
    found.sort();
    Ok(found)
}

/// What a link leads to counts, as it does for the hash.
fn collect(directory: &Path, prefix: &str, found: &mut Vec<Stamp>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = fs::metadata(entry.path())?;
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{name}/"), found)?;
            continue;
        }
        found.push(Stamp {
            name,
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        });
    }
    Ok(())
}

fn settled(stamp: &Stamp, began: SystemTime) -> bool {
    let (seconds, _) = stamp.changed.max(stamp.modified);
    let Ok(since) = began.duration_since(SystemTime::UNIX_EPOCH) else { return false };
    // A time in the future, by a clock that was set back, never settles.
    u64::try_from(seconds).is_ok_and(|seconds| seconds.saturating_add(SETTLED_AFTER.as_secs()) < since.as_secs())
}

fn name_of(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    blake3::hash(path.as_os_str().as_bytes()).to_hex().to_string()
}

/// A directory in the cache that only this user can write to, made when it is not there. `None` where it cannot be
/// had: what anybody may write is not to be believed.
pub fn private(cache: &Path, name: &str) -> Option<PathBuf> {
    let path = cache.join(KNOWN).join(name);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&path).ok()?;
    let ours = |path: &Path| {
        let metadata = fs::symlink_metadata(path).ok()?;
        let me = rustix::process::geteuid().as_raw();
        (metadata.is_dir() && metadata.uid() == me && metadata.mode() & 0o022 == 0).then_some(())
    };
    ours(&cache.join(KNOWN))?;
    ours(&path)?;
    Some(path)
}

/// Writes a file as a whole or not at all.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut file, content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Makes a file as old as it must be to be settled, by everything but the time of its change.
    fn old(path: &Path) {
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.file().set_modified(long_ago).unwrap();
    }

    /// What is kept for a directory, with another hash in place of the right one: whoever believes it gives it.
    fn plant(cache: &Path, path: &Path) -> Hash {
        let wrong: Hash = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
        let resting = Resting { form: FORM, path: path.to_owned(), stamps: stamps(path).unwrap(), hash: wrong.clone() };
        let at = private(cache, "hashes").unwrap().join(name_of(path));
        write(&at, &serde_json::to_vec(&resting).unwrap()).unwrap();
        wrong
    }

    #[test]
    fn what_is_known_is_believed_until_anything_changes() {
        let (cache, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (cache, path) = (cache.path(), directory.path());
        let file = path.join("program");
        fs::write(&file, "one").unwrap();
        let right = hash_directory(path).unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), right);
        let kept = || fs::read_dir(private(cache, "hashes").unwrap()).unwrap().count();
        assert_eq!(kept(), 0, "it was written just now");
        let wrong = plant(cache, path);
        assert_eq!(known_hash(cache, path).unwrap(), wrong, "nothing is read");

        // The same size at the same time of modification: the time of change gives it away.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        let before = stamps(path).unwrap();
        // The clock of a file system has ticks, of which one must pass.
        while stamps(path).unwrap() == before {
            fs::write(&file, "two").unwrap();
            fs::File::options().write(true).open(&file).unwrap().file().set_modified(time).unwrap();
        }
        let two = hash_directory(path).unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), two);

        // Another file in its place.
        plant(cache, path);
        fs::write(path.join("other"), "one").unwrap();
        old(&path.join("other"));
        fs::rename(path.join("other"), &file).unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), right);
        // One more file.
        plant(cache, path);
        fs::write(path.join("more"), "").unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), hash_directory(path).unwrap());
        // What a link leads to.
        plant(cache, path);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("program"), "six").unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("program"), &file).unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), hash_directory(path).unwrap());
        plant(cache, path);
        fs::write(elsewhere.path().join("program"), "six and more").unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), hash_directory(path).unwrap());
    }

    #[test]
    fn what_anybody_may_write_is_not_believed() {
        let (cache, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (cache, path) = (cache.path(), directory.path());
        fs::write(path.join("program"), "one").unwrap();
        plant(cache, path);
        fs::set_permissions(cache.join(KNOWN).join("hashes"), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), hash_directory(path).unwrap());
        fs::set_permissions(cache.join(KNOWN).join("hashes"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let garbage = private(cache, "hashes").unwrap().join(name_of(path));
        fs::write(garbage, "garbage").unwrap();
        assert_eq!(known_hash(cache, path).unwrap(), hash_directory(path).unwrap());
    }

    #[test]
    fn what_is_old_is_kept() {
        let cache = tempfile::tempdir().unwrap();
        // The sources of this crate have not changed in the last two seconds, or are not kept: both is right.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire");
        let right = hash_directory(&path).unwrap();
        let began = SystemTime::now();
        assert_eq!(known_hash(cache.path(), &path).unwrap(), right);
        let at = private(cache.path(), "hashes").unwrap().join(name_of(&path));
        let stamps = stamps(&path).unwrap();
        assert_eq!(at.exists(), stamps.iter().all(|stamp| settled(stamp, began)));
        assert_eq!(recall(&at, &path, &stamps), at.exists().then_some(right));
    }
}

//! All that is in a directory, as one payload.
//!
//! The payload is the line `retrue-tree/1`, then for each entry, parents first and sorted by name: the
//! length of a header (four bytes, little-endian), the header in JSON, and the bytes of a file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fs_err::os::unix::fs::OpenOptionsExt;
use retrue_provider_api::{BlobId, ProviderError, ProviderResult};
use rustix::fs::{Access, AtFlags, CWD, StatxAttributes, StatxFlags};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::draft::{careful, kind_of};
use crate::errors;
use crate::extended;
use crate::here::Here;
use crate::holes::{self, Holes};
use crate::stamp::Stamp;

/// Trees up to this size are kept; of larger ones, nothing is.
const LIMIT: u64 = 64 * 1024 * 1024;

/// What an entry counts beside its bytes: many empty files are a large tree, too.
const ENTRY: u64 = 512;

const MAGIC: &[u8] = b"retrue-tree/1\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Relative to the directory, in base 64: names may be any bytes.
    path: String,
    kind: Kind,
    stamp: Stamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Directory,
    /// With so many bytes.
    File(u64),
    /// The same, with holes in it.
    Sparse(u64),
    /// Another name of an entry before it (a hard link), whose path is this, in base 64.
    Same(String),
    /// That leads there, in base 64.
    Link(String),
}

/// What is kept of a directory that is deleted with all that is in it.
#[derive(Debug, PartialEq)]
pub(crate) enum Keeps {
    /// All of it.
    All,
    /// All but what this says.
    Part(String),
    /// Nothing, for this reason.
    Nothing(String),
}

/// What would be kept of a directory if it were deleted now.
pub(crate) fn keeps(here: &Here, operation: &str, directory: &Path) -> ProviderResult<Keeps> {
    let (mut size, mut entries) = (0u64, 0u64);
    let (mut special, mut more) = (None, 0u64);
    // By file with more than one name: how many it has, how many were met, and the first of those.
    let mut linked: BTreeMap<(u64, u64), (u64, u64, PathBuf)> = BTreeMap::new();
    for entry in walk(directory) {
        here.patience.check(operation)?;
        let (path, metadata) = match entry {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let why = format!("not all that is in {} can be read ({error})", directory.display());
                return Ok(Keeps::Nothing(format!("{why}, so nothing of it is brought back")));
            }
        };
        if !is_kept(&metadata) {
            more += u64::from(special.is_some());
            special.get_or_insert_with(|| format!("{} is {}", path.display(), kind_of(&metadata)));
            continue;
        }
        entries += 1;
        size = size.saturating_add(ENTRY);
        let names = identity(&metadata).map(|file| linked.entry(file).or_insert((metadata.nlink(), 0, path)));
        let met = names.is_some_and(|names| {
            names.1 += 1;
            names.1 > 1
        });
        if metadata.is_file() && !met {
            size = size.saturating_add(metadata.len());
        }
    }
    if size > LIMIT {
        return Ok(Keeps::Nothing(format!(
            "what is in {} ({entries} entries, {} MiB) is more than the {} MiB that are kept, so nothing of it is \
             brought back",
            directory.display(),
            size / 1024 / 1024,
            LIMIT / 1024 / 1024
        )));
    }
    let mut reasons: Vec<String> = Vec::new();
    match (special, more) {
        (None, _) => {}
        (Some(one), 0) => reasons.push(format!("{one} and is not brought back")),
        (Some(one), more) => reasons.push(format!("{one} and is not brought back, like {more} more of such")),
    }
    let mut cut = linked.into_values().filter(|(names, met, _)| met < names).map(|(.., path)| path);
    if let Some(first) = cut.next() {
        let more = match cut.count() {
            0 => String::new(),
            more => format!(", like {more} more of such"),
        };
        let (first, directory) = (first.display(), directory.display());
        reasons.push(format!(
            "{first} has other names outside of {directory} (hard links), and comes back as a file of its own{more}"
        ));
    }
    Ok(if reasons.is_empty() { Keeps::All } else { Keeps::Part(reasons.join("; ")) })
}

/// What a file is that has more than one name.
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    (!metadata.is_dir() && metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
}

/// Whether an entry can be kept. What others talk through (a pipe, a socket, a device) cannot.
fn is_kept(metadata: &Metadata) -> bool {
    metadata.is_file() || metadata.is_dir() || metadata.is_symlink()
}

/// Keeps what can be kept of all that is in the directory. `None` where that is nothing.
pub(crate) fn keep(here: &Here, operation: &str, directory: &Path) -> ProviderResult<Option<BlobId>> {
    let mut packed = MAGIC.to_vec();
    let mut linked = BTreeMap::new();
    for entry in walk(directory) {
        here.patience.check(operation)?;
        let at = |error: io::Error| errors::at_path(operation, directory, error);
        let (path, metadata) = entry.map_err(at)?;
        if !is_kept(&metadata) {
            continue;
        }
        pack(&mut packed, directory, &path, &metadata, &mut linked)
            .map_err(|error| errors::at_path(operation, &path, error))?;
        if packed.len() as u64 > LIMIT + LIMIT / 2 {
            return Err(errors::moved_on(operation, directory, "is growing while it is read"));
        }
    }
    if packed.len() == MAGIC.len() {
        return Ok(None);
    }
    let blob = here.blobs.put(&mut packed.as_slice()).map_err(|error| {
        let message = format!("what is in {} cannot be kept", directory.display());
        errors::invalid(operation, message).because(error)
    })?;
    Ok(Some(blob))
}

/// Packs an entry. `linked` has what was packed of files with more than one name.
fn pack(
    packed: &mut Vec<u8>,
    directory: &Path,
    path: &Path,
    metadata: &Metadata,
    linked: &mut BTreeMap<(u64, u64), String>,
) -> io::Result<()> {
    let relative = path.strip_prefix(directory).map_err(io::Error::other)?;
    let named = STANDARD.encode(relative.as_os_str().as_bytes());
    let mut content = Vec::new();
    let mut attributes = extended::Extended::new();
    let first = identity(metadata).and_then(|file| match linked.entry(file) {
        Entry::Occupied(first) => Some(first.get().clone()),
        Entry::Vacant(free) => {
            free.insert(named.clone());
            None
        }
    });
    let kind = if let Some(first) = first {
        Kind::Same(first)
    } else if metadata.is_symlink() {
        Kind::Link(STANDARD.encode(fs_err::read_link(path)?.as_os_str().as_bytes()))
    } else {
        let mut file = fs_err::OpenOptions::new().read(true).custom_flags(careful()).open(path)?;
        attributes = extended::read(file.file());
        if metadata.is_dir() {
            Kind::Directory
        } else {
            file.read_to_end(&mut content)?;
            let size = content.len() as u64;
            if holes::has(metadata) { Kind::Sparse(size) } else { Kind::File(size) }
        }
    };
    let header = serde_json::to_vec(&Header { path: named, kind, stamp: Stamp::of(metadata, attributes) })?;
    packed.write_all(&u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes())?;
    packed.write_all(&header)?;
    packed.write_all(&content)
}

/// Brings all that was kept back into an empty directory. `path` is what errors are about.
pub(crate) fn restore(here: &Here, operation: &str, blob: &BlobId, path: &Path, into: &Path) -> ProviderResult<()> {
    let damaged = |error: io::Error| {
        let message = format!("what was in {} cannot be brought back: {error}", path.display());
        errors::invalid(operation, message).because(error)
    };
    let mut packed = here.blobs.get(blob).map_err(damaged)?;
    let mut magic = vec![0; MAGIC.len()];
    packed.read_exact(&mut magic).map_err(damaged)?;
    if magic != MAGIC {
        return Err(damaged(io::Error::new(io::ErrorKind::InvalidData, "unknown format")));
    }
    let mut directories = Vec::new();
    while let Some(header) = next_header(&mut packed).map_err(damaged)? {
        here.patience.check(operation)?;
        let target = into.join(relative(&header.path).map_err(damaged)?);
        let at = |error| at_entry(operation, path, &target, error);
        if unpack(&mut packed, into, &target, &header).map_err(at)? {
            directories.push((target, header.stamp));
        }
    }
    // From the inside out: what is written into a directory changes its time, and a mode may forbid it.
    for (target, stamp) in directories.iter().rev() {
        finish(target, stamp).map_err(|error| at_entry(operation, path, target, error))?;
    }
    let whole = fs_err::File::open(into).map_err(|error| errors::at_path(operation, path, error))?;
    rustix::fs::syncfs(whole.file()).map_err(|error| errors::at_path(operation, path, error))
}

fn at_entry(operation: &str, path: &Path, target: &Path, error: io::Error) -> ProviderError {
    errors::at_path(operation, path, error).with("entry", target.display())
}

fn next_header(packed: &mut impl Read) -> io::Result<Option<Header>> {
    let mut length = [0; 4];
    match packed.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => packed.read_exact(&mut length[1..])?,
    }
    let mut header = Vec::new();
    packed.take(u32::from_le_bytes(length).into()).read_to_end(&mut header)?;
    Ok(Some(serde_json::from_slice(&header)?))
}

/// Makes one entry. Tells whether it is a directory, whose stamp waits until it is full.
fn unpack(packed: &mut impl Read, into: &Path, target: &Path, header: &Header) -> io::Result<bool> {
    match &header.kind {
        Kind::Directory => {
            DirBuilder::new().mode(0o700).create(target)?;
            return Ok(true);
        }
        // The same file, with all that surrounds it.
        Kind::Same(first) => fs_err::hard_link(into.join(relative(first)?), target)?,
        Kind::File(size) | Kind::Sparse(size) => {
            let mut file = fs_err::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(careful())
                .open(target)?;
            let copied = if matches!(header.kind, Kind::Sparse(_)) {
                let mut holes = Holes::in_file(&mut file);
                let copied = io::copy(&mut packed.take(*size), &mut holes)?;
                holes.end()?;
                copied
            } else {
                io::copy(&mut packed.take(*size), &mut file)?
            };
            if copied != *size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            drop(file);
            finish(target, &header.stamp)?;
        }
        Kind::Link(to) => {
            let to = STANDARD.decode(to).map_err(io::Error::other)?;
            fs_err::os::unix::fs::symlink(OsStr::from_bytes(&to), target)?;
            let access = header.stamp.access();
            // As for every link: its owner decides nothing.
            let _ = std::os::unix::fs::lchown(target, access.user, access.group);
            stamp_link(target, &header.stamp)?;
        }
    }
    Ok(false)
}

/// Gives a link itself its time, not what it leads to.
fn stamp_link(target: &Path, stamp: &Stamp) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
    let (tv_sec, nanoseconds) = stamp.time();
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec, tv_nsec: nanoseconds.into() },
    };
    Ok(utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn finish(target: &Path, stamp: &Stamp) -> io::Result<()> {
    let file = fs_err::OpenOptions::new().read(true).custom_flags(careful()).open(target)?;
    let now = file.metadata()?;
    let access = stamp.access();
    let user = access.user.filter(|user| *user != now.uid());
    let group = access.group.filter(|group| *group != now.gid());
    if user.is_some() || group.is_some() {
        std::os::unix::fs::fchown(file.file(), user, group)?;
    }
    extended::write(file.file(), &stamp.extended());
    if let Some(mode) = access.mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.file().set_modified(stamp.modified())
}

/// A path that stays inside, whatever the payload says.
fn relative(encoded: &str) -> io::Result<PathBuf> {
    let bytes = STANDARD.decode(encoded).map_err(io::Error::other)?;
    let path = PathBuf::from(OsStr::from_bytes(&bytes));
    if path.components().all(|component| matches!(component, Component::Normal(_))) && !bytes.is_empty() {
        return Ok(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a path that leads outside"))
}

/// Refuses a directory in which something is mounted: deleting it would delete what is not in it.
pub(crate) fn refuse_mounts(operation: &str, directory: &Path) -> ProviderResult<()> {
    let at = |error: io::Error| errors::at_path(operation, directory, error);
    let directory = fs_err::canonicalize(directory).map_err(at)?;
    let mounts = fs_err::read("/proc/self/mountinfo").map_err(at)?;
    let beneath = mounts.split(|&byte| byte == b'\n').find_map(|line| {
        let place = unescape(line.split(|&byte| byte == b' ').nth(4)?);
        Path::new(OsStr::from_bytes(&place)).starts_with(&directory).then_some(place)
    });
    match beneath {
        None => Ok(()),
        Some(place) => {
            let message =
                format!("{} is mounted in {}: unmount it first", String::from_utf8_lossy(&place), directory.display());
            Err(ProviderError::new(retrue_provider_api::Category::Conflict, operation, message))
        }
    }
}

/// Refuses a directory of which a part cannot be removed: the rest of it would be gone then.
pub(crate) fn refuse_lasting(operation: &str, directory: &Path) -> ProviderResult<()> {
    let refused = |path: &Path, why: &str| {
        let (path, directory) = (path.display(), directory.display());
        let message = format!("{path} cannot be removed, {why}: nothing of {directory} is removed");
        ProviderError::new(retrue_provider_api::Category::Authentication, operation, message)
    };
    for entry in WalkDir::new(directory).follow_links(false) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(directory).to_owned();
            refused(&path, "since it cannot be looked into by this user")
        })?;
        let path = entry.path();
        if is_immutable(path) {
            return Err(refused(path, "since it is immutable (`lsattr` shows it)"));
        }
        // What is empty goes by the leave of what it is in.
        let holds_something = || fs_err::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        let may_empty = || rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
        if entry.file_type().is_dir() && holds_something() && !may_empty() {
            return Err(refused(path, "since this user may not remove what is in it"));
        }
    }
    Ok(())
}

/// Whether nobody may change or remove it, whoever it belongs to.
fn is_immutable(path: &Path) -> bool {
    let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    let lasting = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
    found.is_ok_and(|found| found.stx_attributes.intersects(lasting))
}

/// Spaces and the like are written as three octal digits there.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                plain.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

/// All that is in a directory, parents first, sorted, links not followed.
fn walk(directory: &Path) -> impl Iterator<Item = io::Result<(PathBuf, Metadata)>> {
    WalkDir::new(directory).min_depth(1).sort_by_file_name().follow_links(false).into_iter().map(|entry| {
        let entry = entry?;
        let metadata = entry.metadata()?;
        Ok((entry.into_path(), metadata))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_payload_leads_outside() {
        let check = |path: &str| relative(&STANDARD.encode(path)).is_ok();
        assert!(check("a") && check("a/b"));
        for wrong in ["", "/", "/a", "..", "a/../../b"] {
            assert!(!check(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn mounts_are_found_by_their_names() {
        assert_eq!(unescape(b"/a\\040b\\"), b"/a b\\");
        assert!(refuse_mounts("delete", Path::new("/")).is_err());
        let directory = tempfile::tempdir().unwrap();
        refuse_mounts("delete", directory.path()).unwrap();
    }
}

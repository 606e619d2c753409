//! What a directory holds, byte for byte, so that two instants can be compared.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// All that is below a directory, by path, but for what retrue keeps for itself (`.retrue`).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<String, Entry>);

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    mode: u32,
    owner: u32,
    group: u32,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    /// Content, and the time of the last change in seconds and nanoseconds where it counts.
    File(Vec<u8>, Option<(i64, i64)>),
    Link(String),
    Other,
}

impl Tree {
    /// What is there now.
    pub(crate) fn of(directory: &Path) -> Tree {
        let mut entries = BTreeMap::new();
        let walk = walkdir::WalkDir::new(directory).min_depth(1).into_iter();
        for entry in walk.filter_entry(|entry| entry.file_name() != ".retrue") {
            let entry = entry.unwrap();
            let found = entry.path().symlink_metadata().unwrap();
            let kind = if found.is_dir() {
                Kind::Directory
            } else if found.is_symlink() {
                Kind::Link(fs_err::read_link(entry.path()).unwrap().display().to_string())
            } else if found.is_file() {
                Kind::File(fs_err::read(entry.path()).unwrap(), Some((found.mtime(), found.mtime_nsec())))
            } else {
                Kind::Other
            };
            let name = entry.path().strip_prefix(directory).unwrap().display().to_string();
            let mode = found.permissions().mode();
            entries.insert(name, Entry { kind, mode, owner: found.uid(), group: found.gid() });
        }
        Tree(entries)
    }

    /// The same, with no regard for when these were written.
    #[cfg(feature = "crash-points")]
    pub(crate) fn timeless_at(mut self, names: &[&str]) -> Tree {
        for (name, entry) in &mut self.0 {
            if let Kind::File(_, time) = &mut entry.kind
                && names.contains(&name.as_str())
            {
                *time = None;
            }
        }
        self
    }

    /// The same, with no regard for when files were written, if that was after this instant.
    #[cfg(feature = "crash-points")]
    pub(crate) fn timeless_since(mut self, instant: std::time::SystemTime) -> Tree {
        let since = instant.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let since = (i64::try_from(since.as_secs()).unwrap(), i64::from(since.subsec_nanos()));
        for entry in self.0.values_mut() {
            if let Kind::File(_, time) = &mut entry.kind {
                *time = time.filter(|time| *time < since);
            }
        }
        self
    }

    /// The same, with no regard for when files were written: what was made again is as good as the first.
    pub(crate) fn timeless(mut self) -> Tree {
        for entry in self.0.values_mut() {
            if let Kind::File(_, time) = &mut entry.kind {
                *time = None;
            }
        }
        self
    }
    /// The same, without what `wanted` refuses.
    pub(crate) fn keep(mut self, wanted: impl Fn(&str) -> bool) -> Tree {
        self.0.retain(|name, _| wanted(name));
        self
    }

    /// The names of all that is there.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Fails the test with what differs, if anything.
    #[track_caller]
    pub(crate) fn is(&self, expected: &Tree, when: &str) {
        let mut differences = String::new();
        for (name, entry) in &self.0 {
            match expected.0.get(name) {
                None => differences += &format!("  not expected: {name}: {entry:?}\n"),
                Some(other) if other != entry => differences += &format!("  {name}: {entry:?}, not {other:?}\n"),
                Some(_) => {}
            }
        }
        for (name, entry) in &expected.0 {
            if !self.0.contains_key(name) {
                differences += &format!("  missing: {name}: {entry:?}\n");
            }
        }
        assert!(differences.is_empty(), "{when}:\n{differences}");
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:o} {}:{} ", self.mode, self.owner, self.group)?;
        match &self.kind {
            Kind::Directory => write!(formatter, "directory"),
            Kind::Link(target) => write!(formatter, "link to {target}"),
            Kind::Other => write!(formatter, "something else"),
            Kind::File(content, time) => {
                let text = String::from_utf8_lossy(content.get(..60).unwrap_or(content));
                write!(formatter, "{} bytes {text:?} of {time:?}", content.len())
            }
        }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(&self.0).finish()
    }
}

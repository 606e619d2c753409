//! Where everything lies in the directory of a store, and how the directory comes to be.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use retrue_provider_api::BlobId;
use serde::{Deserialize, Serialize};

use super::files::{self, Faults};
use super::lock::{Lock, Owner};
use super::{StoreError, StoreResult};

/// The version of the layout and of everything in it.
pub(super) const VERSION: u64 = 1;
const NAME: &str = "retrue.store";

/// The directory of a store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) directory: PathBuf,
}

impl Layout {
    pub(super) fn new(directory: &Path) -> Layout {
        Layout { directory: directory.to_owned() }
    }

    pub(super) fn format(&self) -> PathBuf {
        self.directory.join("format.json")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.directory.join("db")
    }

    /// Where a damaged database is put aside. The next one that is damaged takes its place.
    pub(super) fn damaged_database(&self) -> PathBuf {
        self.directory.join("db.damaged")
    }

    /// A file whose presence says that the database failed and is not to be trusted.
    pub(super) fn suspect(&self) -> PathBuf {
        self.directory.join("db.suspect")
    }

    pub(super) fn snapshot(&self) -> PathBuf {
        self.directory.join("snapshot.json")
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.directory.join("runs")
    }

    pub(super) fn run(&self, run: &str) -> PathBuf {
        self.runs().join(format!("{run}.ndjson"))
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.directory.join("objects")
    }

    pub(super) fn object(&self, id: &BlobId) -> PathBuf {
        self.objects().join(&id.0)
    }
}

/// What a store says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Format {
    /// Always `retrue.store`.
    pub(super) format: String,
    /// The version of the layout.
    pub(super) version: u64,
    /// The UUID of the store.
    pub(super) lineage: String,
    /// The id of the key that it is sealed with.
    pub(super) key: String,
    /// The name of the stack whose state it is; absent in stores that were made before names were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stack: Option<String>,
}

/// The stack that opens a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub name: String,
    /// Whether the store is at a place of its own choosing, where another stack could have chosen the
    /// same: then another name is another stack. Inside the stack's own directory it is a new name.
    pub elsewhere: bool,
}

impl Format {
    pub(super) fn new(lineage: &str, key: &str) -> Format {
        Format {
            format: NAME.to_owned(),
            version: VERSION,
            lineage: lineage.to_owned(),
            key: key.to_owned(),
            stack: None,
        }
    }

    /// The same for a stack.
    pub(super) fn of(self, holder: Option<&Holder>) -> Format {
        Format { stack: holder.map(|holder| holder.name.clone()).or(self.stack), ..self }
    }

    /// Whether a stack may use it: two stacks in one store would each delete what the other declares.
    pub(super) fn check(&self, directory: &Path, holder: Option<&Holder>) -> StoreResult<()> {
        match (&self.stack, holder) {
            (Some(of), Some(holder)) if holder.elsewhere && *of != holder.name => Err(StoreError::OtherStack {
                path: directory.to_owned(),
                found: of.clone(),
                wanted: holder.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Reads it. `None` when there is none, or what is there is damaged.
    pub(super) fn read(path: &Path) -> StoreResult<Option<Format>> {
        #[derive(Deserialize)]
        struct Version {
            format: String,
            version: u64,
        }
        let text = match fs_err::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| StoreError::io(path, "read the format", error))?,
        };
        // The version comes first: a newer format may say other things in other ways.
        match serde_json::from_slice::<Version>(&text) {
            Ok(Version { format, version }) if format == NAME && version > VERSION => {
                Err(StoreError::NewerFormat { path: path.to_owned(), found: version, known: VERSION })
            }
            Ok(Version { format, .. }) if format == NAME => Ok(serde_json::from_slice(&text).ok()),
            _ => Ok(None),
        }
    }

    pub(super) fn write(&self, path: &Path, faults: &Faults) -> StoreResult<()> {
        files::replace(path, faults, |file| {
            serde_json::to_writer(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }
}

/// Whether there is a store. A directory that holds nothing of a store counts as none.
pub(super) fn exists(layout: &Layout) -> StoreResult<bool> {
    match fs_err::symlink_metadata(&layout.directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StoreError::io(&layout.directory, "look for the state", error)),
        Ok(_) => {}
    }
    let parts = [layout.format(), layout.snapshot(), layout.runs(), layout.database()];
    let found = parts.iter().map(|path| path.try_exists().map_err(|error| StoreError::io(path, "look for it", error)));
    found.into_iter().try_fold(false, |any, found| Ok(any || found?))
}

/// Makes a store: under another name, complete and durable, and only then under its own. `fill`
/// writes what belongs into it. Returns the lock, which was held from before the store could be
/// seen; `None` when another process was faster.
pub(super) fn make(
    layout: &Layout,
    owner: &Owner,
    faults: &Faults,
    fill: impl FnOnce(&Layout) -> StoreResult<()>,
) -> StoreResult<Option<Lock>> {
    let parent = files::parent(&layout.directory);
    files::make_directories(parent)?;
    hide_from_git(&layout.directory, faults)?;
    remove_abandoned(parent)?;
    let new = Layout::new(&files::temporary(parent)?);
    let error = |error| StoreError::io(&layout.directory, "make the state", error);
    let result = (|| {
        files::make_directory(&new.directory)?;
        let Some(lock) = Lock::take(&new.lock(), owner)? else { return Ok(None) };
        files::make_directory(&new.runs())?;
        files::make_directory(&new.objects())?;
        fill(&new)?;
        for directory in [new.runs(), new.objects(), new.directory.clone()] {
            files::sync_directory(&directory)?;
        }
        // CRASH: up to here there is a directory `.retrue-…`, which counts as no store, and which
        // whoever makes one next removes.
        // An empty directory is replaced; one that is not empty is left alone, with an error.
        files::step!(faults, "store.make.rename", fs_err::rename(&new.directory, &layout.directory)).map_err(error)?;
        // CRASH: the store is there and whole, or not there.
        files::step!(faults, "store.make.directory", files::sync(parent)).map_err(error)?;
        Ok(Some(lock))
    })();
    if !matches!(result, Ok(Some(_))) {
        // Either it did not come to be or, after a failed sync, nothing was recorded in it yet.
        let _ = fs_err::remove_dir_all(&new.directory);
    }
    match result {
        // The directory under its temporary name, or the place for it, was taken by another process.
        Err(StoreError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) =>
        {
            Ok(None)
        }
        result => result,
    }
}

/// Keeps the state out of version control: it belongs to one machine.
fn hide_from_git(directory: &Path, faults: &Faults) -> StoreResult<()> {
    let Some(root) = directory.ancestors().find(|path| path.file_name().is_some_and(|name| name == ".retrue")) else {
        return Ok(());
    };
    let path = root.join(".gitignore");
    match path.try_exists() {
        Ok(true) => Ok(()),
        _ => files::replace(&path, faults, |file| file.write_all(b"*\n")),
    }
}

/// Removes what processes left that died while they made a store. One that is alive holds its lock.
fn remove_abandoned(parent: &Path) -> StoreResult<()> {
    let error = |error| StoreError::io(parent, "look for abandoned states", error);
    for entry in fs_err::read_dir(parent).map_err(error)? {
        let entry = entry.map_err(error)?;
        if !entry.file_name().to_string_lossy().starts_with(files::TEMPORARY) {
            continue;
        }
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let free = match fs_err::File::open(path.join("lock")) {
            Ok(file) => file.file().try_lock().is_ok(),
            // Between making the directory and its lock: leave it, it is empty.
            Err(_) => false,
        };
        if free {
            // Another process may be removing it, too.
            let _ = fs_err::remove_dir_all(&path);
        } else {
            // Succeeds only when it is empty; its maker then begins anew.
            let _ = std::fs::remove_dir(&path);
        }
    }
    Ok(())
}

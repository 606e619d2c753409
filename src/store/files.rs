//! Changes of files that last: each step named, so that tests can stop or fail at any of them.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};

use super::{StoreError, StoreResult};

/// What the names of temporary files and directories begin with. Whoever holds the lock may remove
/// what is named so.
pub(super) const TEMPORARY: &str = ".retrue-";

/// Does one step: passes a crash point before and after it, and fails when a test asked for that.
/// The points are `NAME.before` and `NAME.after`.
macro_rules! step {
    ($faults:expr, $name:literal, $action:expr) => {{
        $crate::crash_point!(concat!($name, ".before"));
        let result = match $faults.check($name) {
            Ok(()) => $action,
            Err(error) => Err(error.into()),
        };
        $crate::crash_point!(concat!($name, ".after"));
        result
    }};
}
pub(super) use step;

/// Failures that tests plan for steps of a store. Outside tests and the feature `crash-points` it
/// is empty and plans nothing.
///
/// With the feature, the variable `RETRUE_FAULT=NAME:N=ERRNO` fails the Nth passing of a step.
#[derive(Clone, Default)]
pub struct Faults {
    #[cfg(any(test, feature = "crash-points"))]
    armed: std::sync::Arc<armed::Armed>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Faults")
    }
}

#[cfg(not(any(test, feature = "crash-points")))]
impl Faults {
    #[allow(clippy::unused_self)]
    pub(super) fn check(&self, _step: &'static str) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(any(test, feature = "crash-points"))]
mod armed {
    use std::collections::BTreeMap;
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use super::Faults;

    #[derive(Default)]
    pub(super) struct Armed {
        counts: Mutex<BTreeMap<String, u64>>,
        planned: Mutex<Vec<(String, u64, i32)>>,
    }

    impl Faults {
        /// Plans that the `nth` passing of a step, counted from now, fails with an error number.
        pub fn plan(&self, step: &str, nth: u64, errno: i32) {
            let nth = nth + self.passed(step);
            self.armed.planned.lock().unwrap_or_else(PoisonError::into_inner).push((step.to_owned(), nth, errno));
        }

        /// What `RETRUE_FAULT` plans.
        pub fn from_environment() -> Faults {
            let faults = Faults::default();
            if let Ok(text) = std::env::var("RETRUE_FAULT")
                && let Some((place, errno)) = text.split_once('=')
                && let Some((step, nth)) = place.rsplit_once(':')
                && let (Ok(nth), Ok(errno)) = (nth.parse(), errno.parse())
            {
                faults.plan(step, nth, errno);
            }
            faults
        }

        /// How often a step was passed.
        pub fn passed(&self, step: &str) -> u64 {
            self.armed.counts.lock().unwrap_or_else(PoisonError::into_inner).get(step).copied().unwrap_or(0)
        }

        /// The names of all steps that were passed.
        pub fn steps(&self) -> Vec<String> {
            self.armed.counts.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
        }

        pub(in crate::store) fn check(&self, step: &'static str) -> io::Result<()> {
            let count = {
                let mut counts = self.armed.counts.lock().unwrap_or_else(PoisonError::into_inner);
                let count = counts.entry(step.to_owned()).or_default();
                *count += 1;
                *count
            };
            let planned = self.armed.planned.lock().unwrap_or_else(PoisonError::into_inner);
            match planned.iter().find(|(name, nth, _)| name == step && *nth == count) {
                Some((_, _, errno)) => Err(io::Error::from_raw_os_error(*errno)),
                None => Ok(()),
            }
        }
    }
}

/// Makes the entries of a directory durable.
pub(super) fn sync_directory(path: &Path) -> StoreResult<()> {
    sync(path).map_err(|error| StoreError::io(path, "sync the directory", error))
}

/// Makes a file, or the entries of a directory, durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory and what is missing above it, each for its owner alone and durable.
pub(super) fn make_directories(path: &Path) -> StoreResult<()> {
    let mut missing: Vec<&Path> = Vec::new();
    for directory in path.ancestors().filter(|directory| !directory.as_os_str().is_empty()) {
        match fs_err::metadata(directory) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => {
                let error = io::Error::from(io::ErrorKind::NotADirectory);
                return Err(StoreError::io(directory, "make a directory", error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(directory),
            Err(error) => return Err(StoreError::io(directory, "look for the directory", error)),
        }
    }
    for directory in missing.into_iter().rev() {
        make_directory(directory)?;
        // CRASH: an empty directory is left; it counts as none.
        sync_directory(parent(directory))?;
    }
    Ok(())
}

/// Makes one directory for its owner alone. Another process may have been faster.
pub(super) fn make_directory(path: &Path) -> StoreResult<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io(path, "make the directory", error))
        }
        _ => Ok(()),
    }
}

/// The directory that a path lies in; `.` for a bare name.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// A path for a temporary file or directory beside others in `directory`.
pub(super) fn temporary(directory: &Path) -> StoreResult<PathBuf> {
    let mut random = [0; 12];
    getrandom::fill(&mut random)
        .map_err(|error| StoreError::io(directory, "get random numbers", io::Error::other(error.to_string())))?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(directory.join(format!("{TEMPORARY}{name}")))
}

/// Makes a new file for its owner alone.
pub(super) fn create_new(path: &Path) -> StoreResult<File> {
    let result = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    result.map_err(|error| StoreError::io(path, "make the file", error))
}

/// Replaces a file in one step, durably: a reader sees the old content or the new.
pub(super) fn replace(
    path: &Path,
    faults: &Faults,
    write: impl FnOnce(&mut io::BufWriter<&File>) -> io::Result<()>,
) -> StoreResult<()> {
    let directory = parent(path);
    let temporary = temporary(directory)?;
    let error = |error| StoreError::io(path, "write the file", error);
    let result = (|| {
        let file = create_new(&temporary)?;
        let mut buffer = io::BufWriter::with_capacity(64 * 1024, &file);
        // CRASH: up to the rename, a file `.retrue-…` is left and the old content stands.
        step!(faults, "store.replace.write", write(&mut buffer).and_then(|()| buffer.flush())).map_err(error)?;
        drop(buffer);
        step!(faults, "store.replace.sync", file.sync_all()).map_err(error)?;
        step!(faults, "store.replace.rename", fs_err::rename(&temporary, path)).map_err(error)?;
        // CRASH: old or new content, each whole.
        step!(faults, "store.replace.directory", sync(directory)).map_err(error)
    })();
    if result.is_err() {
        // It may have been renamed already; what remains is removed at the next opening.
        let _ = fs_err::remove_file(&temporary);
    }
    result
}

/// Removes the temporary files of processes that are gone. Only for the holder of the lock.
pub(super) fn remove_temporary(directory: &Path) -> StoreResult<()> {
    let error = |error| StoreError::io(directory, "look for temporary files", error);
    let entries = match fs_err::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(error)?,
    };
    for entry in entries {
        let entry = entry.map_err(error)?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            let path = entry.path();
            let is_directory = entry.file_type().map_err(error)?.is_dir();
            let removed = if is_directory { fs_err::remove_dir_all(&path) } else { fs_err::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io(path, "remove the temporary file", error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

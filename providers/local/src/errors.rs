//! Errors of the operating system, told so that a person knows what to do.

use std::io;
use std::path::Path;

use retrue_provider_api::{Category, ProviderError};

/// The error of an operation on a path. The path and what to do are in the message.
pub(crate) fn at_path(operation: &str, path: &Path, error: impl Into<io::Error>) -> ProviderError {
    let error = plain(error.into());
    let shown = path.display();
    let (category, message) = describe(&error, &shown.to_string());
    let retry = category.retryable() && category != Category::ServerError;
    let mut told = ProviderError::new(category, operation, message).with("path", shown);
    told.retry = retry;
    told.because(error)
}

/// What the system said, without the path that a library put before it: that may be of a temporary file. The library
/// keeps the code of the system in its text only.
fn plain(error: io::Error) -> io::Error {
    let code = || error.to_string().strip_suffix(')')?.rsplit_once("(os error ")?.1.parse().ok();
    match error.raw_os_error().or_else(code) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

/// What stands at the path is not what the resource is, and is neither followed nor replaced.
pub(crate) fn in_the_way(operation: &str, path: &Path, found: &str, wanted: &str) -> ProviderError {
    let message = format!(
        "{} is {found}, not {wanted}; it is neither followed nor replaced: move it away or choose another path",
        path.display()
    );
    ProviderError::new(Category::Conflict, operation, message).with("path", path.display())
}

/// Something is there that was to be made.
pub(crate) fn already_there(operation: &str, path: &Path) -> ProviderError {
    let message = format!("{} is there already", path.display());
    ProviderError::new(Category::Conflict, operation, message).with("path", path.display())
}

/// Something is gone that was to be changed.
pub(crate) fn gone(operation: &str, path: &Path) -> ProviderError {
    let message = format!("{} is no longer there", path.display());
    ProviderError::new(Category::NotFound, operation, message).with("path", path.display())
}

/// The object is not what it was a moment ago.
pub(crate) fn moved_on(operation: &str, path: &Path, what: &str) -> ProviderError {
    let message = format!("{} {what}; plan again", path.display());
    ProviderError::new(Category::Conflict, operation, message).with("path", path.display())
}

/// Something in the configuration that only shows when it is used.
pub(crate) fn invalid(operation: &str, message: impl Into<String>) -> ProviderError {
    ProviderError::new(Category::Validation, operation, message)
}

fn describe(error: &io::Error, path: &str) -> (Category, String) {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::PermissionDenied => {
            (Category::Authentication, format!("no permission for {path}: run as a user who may, or change its owner"))
        }
        Kind::NotFound => {
            (Category::NotFound, format!("the directory of {path} does not exist: make it first (`local_directory`)"))
        }
        Kind::NotADirectory => {
            (Category::Conflict, format!("part of the path {path} is a file where a directory is needed"))
        }
        Kind::IsADirectory => (Category::Conflict, format!("{path} is a directory")),
        Kind::DirectoryNotEmpty => (Category::Conflict, format!("the directory {path} is not empty")),
        Kind::AlreadyExists => (Category::Conflict, format!("{path} is there already")),
        Kind::StorageFull => (Category::ServerError, format!("no space is left on the disk of {path}")),
        Kind::QuotaExceeded => (Category::ServerError, format!("the disk quota for {path} is used up")),
        Kind::FileTooLarge => (Category::Validation, format!("{path} would be larger than its file system allows")),
        Kind::ReadOnlyFilesystem => (Category::Conflict, format!("the file system of {path} is read-only")),
        Kind::InvalidFilename => {
            (Category::Validation, format!("a name in the path {path} is too long or not allowed"))
        }
        Kind::ResourceBusy => (Category::Conflict, format!("{path} is in use (is it a mount point?)")),
        Kind::CrossesDevices => (Category::Conflict, format!("{path} is a mount point or lies on another file system")),
        Kind::TimedOut => (Category::TimeOut, format!("the file system of {path} did not answer in time")),
        Kind::Interrupted | Kind::WouldBlock | Kind::OutOfMemory => {
            (Category::Transient, format!("the system could not serve {path} just now: {error}"))
        }
        _ => match rustix::io::Errno::from_io_error(error) {
            Some(rustix::io::Errno::LOOP) => {
                (Category::Conflict, format!("{path} is a link, or its links go round in a circle"))
            }
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                (Category::Transient, format!("too many files are open to open {path}"))
            }
            Some(rustix::io::Errno::IO) => (Category::ServerError, format!("the disk of {path} reports an error")),
            _ => (Category::Unknown, format!("{path}: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_of_a_path_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let (place, draft) = (Path::new("/a/b"), directory.path().join("no/draft"));
        let told = at_path("create", place, fs_err::File::open(&draft).unwrap_err());
        assert_eq!(
            format!("{told:#}"),
            "the directory of /a/b does not exist: make it first (`local_directory`): No such file or directory (os error 2)"
        );
        let circle = directory.path().join("circle");
        fs_err::os::unix::fs::symlink(&circle, &circle).unwrap();
        let told = at_path("read", place, fs_err::File::open(&circle).unwrap_err());
        assert_eq!(told.category, Category::Conflict, "{told:#}");
    }

    #[test]
    fn each_kind_has_its_category() {
        let check = |errno: rustix::io::Errno, category: Category, part: &str| {
            let error = at_path("create", Path::new("/a/b"), errno);
            assert_eq!(error.category, category, "{errno:?}");
            assert!(error.message.contains("/a/b") && error.message.contains(part), "{}", error.message);
            assert_eq!(error.retry, matches!(category, Category::Transient | Category::TimeOut));
        };
        use rustix::io::Errno;
        check(Errno::ACCESS, Category::Authentication, "permission");
        check(Errno::PERM, Category::Authentication, "permission");
        check(Errno::NOENT, Category::NotFound, "local_directory");
        check(Errno::NOTDIR, Category::Conflict, "is a file");
        check(Errno::ISDIR, Category::Conflict, "directory");
        check(Errno::NOSPC, Category::ServerError, "space");
        check(Errno::DQUOT, Category::ServerError, "quota");
        check(Errno::ROFS, Category::Conflict, "read-only");
        check(Errno::NAMETOOLONG, Category::Validation, "too long");
        check(Errno::LOOP, Category::Conflict, "link");
        check(Errno::MFILE, Category::Transient, "open");
        check(Errno::IO, Category::ServerError, "disk");
    }
}

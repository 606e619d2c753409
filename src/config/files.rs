//! The files of a stack: `retrue.toml`, and `*.retrue.toml` beside it.

use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use super::codes;
use crate::diagnostic::{Diagnostic, Sources};
use crate::span::FileId;

/// The file that makes a directory a stack.
pub const MAIN_FILE: &str = "retrue.toml";

/// How the names of further files end.
pub const FURTHER_FILES: &str = ".retrue.toml";

/// The largest file that is read, in bytes.
pub const MAX_FILE_SIZE: u64 = 16 * 1024 * 1024;

/// Reads all files of a stack, sorted by name; what cannot be read is reported, and left out.
pub(super) fn read_stack(directory: &Path, diagnostics: &mut Vec<Diagnostic>) -> (Sources, Vec<FileId>) {
    let mut sources = Sources::default();
    let mut ids = Vec::new();
    for name in names(directory, diagnostics) {
        match read_text(&directory.join(&name), &name) {
            Ok(text) => ids.push(sources.add(name, text)),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    (sources, ids)
}

/// The files that a stack is made of now, as seen from its directory; of one that cannot be listed, the
/// main one.
pub fn stack_files(directory: &Path) -> Vec<String> {
    names(directory, &mut Vec::new()).iter().map(|name| name.display().to_string()).collect()
}

/// The directory of a stack, from the root: what it means does not depend on where the program runs.
/// Links stay as they are written, unless the path goes up through one.
pub fn absolute_directory(directory: &Path) -> PathBuf {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_path_buf());
    if absolute.components().any(|part| part == Component::ParentDir) {
        return fs_err::canonicalize(&absolute).unwrap_or(absolute);
    }
    // Without what means nothing: `a/./b/` is `a/b`.
    absolute.components().collect()
}

/// The names of the files, relative to the stack; the main one is first, whether it is there or not.
fn names(directory: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let mut names = Vec::new();
    match fs_err::read_dir(directory) {
        Ok(entries) => {
            for entry in entries.flatten() {
                let name = entry.file_name();
                let bytes = name.as_encoded_bytes();
                if bytes.ends_with(FURTHER_FILES.as_bytes()) && !bytes.starts_with(b".") {
                    names.push(PathBuf::from(name));
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            diagnostics.push(
                Diagnostic::error(codes::NO_STACK, format!("there is no directory `{}`", directory.display()))
                    .hint("`-C DIR` names the directory of the stack"),
            );
            return names;
        }
        // The main file says what is wrong, or can be read in a directory that cannot be listed.
        Err(error) if error.kind() == ErrorKind::NotADirectory => {}
        Err(error) => diagnostics.push(Diagnostic::error(codes::UNREADABLE, error.to_string())),
    }
    names.sort();
    names.insert(0, PathBuf::from(MAIN_FILE));
    names
}

/// Reads one file; `shown` is its name in messages.
pub(super) fn read_text(path: &Path, shown: &Path) -> Result<String, Diagnostic> {
    let shown = shown.display();
    let metadata = fs_err::metadata(path).map_err(|error| unreadable(&error, path))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "no regular file" };
        return Err(Diagnostic::error(codes::NOT_A_FILE, format!("`{shown}` is {what}; a file is expected")));
    }
    let mut bytes = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error, path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_SIZE {
        return Err(Diagnostic::error(codes::TOO_LARGE, format!("`{shown}` is larger than 16 MiB"))
            .hint("split it into several `*.retrue.toml`, or make many alike with `for_each`"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        Diagnostic::error(codes::NOT_UTF8, format!("`{shown}` is not UTF-8: line {line} holds other bytes"))
            .hint("save it as UTF-8")
    })
}

fn unreadable(error: &std::io::Error, path: &Path) -> Diagnostic {
    let is_main = path.file_name().is_some_and(|name| name == MAIN_FILE);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory if is_main => {
            let directory = path.parent().unwrap_or(path).display();
            Diagnostic::error(codes::NO_STACK, format!("there is no `{MAIN_FILE}` in `{directory}`"))
                .hint("`retrue init` writes a small stack; `-C DIR` names another directory")
        }
        ErrorKind::NotFound => match fs_err::read_link(path) {
            Ok(target) => Diagnostic::error(
                codes::UNREADABLE,
                format!("`{}` is a link to `{}`, which is not there", path.display(), target.display()),
            )
            .hint("make what it leads to, or remove the link"),
            Err(_) => Diagnostic::error(codes::UNREADABLE, format!("there is no file `{}`", path.display())),
        },
        ErrorKind::IsADirectory => Diagnostic::error(codes::NOT_A_FILE, error.to_string()),
        _ => Diagnostic::error(codes::UNREADABLE, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes_of(directory: &Path) -> Vec<&'static str> {
        let mut diagnostics = Vec::new();
        read_stack(directory, &mut diagnostics);
        diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn files_come_sorted_and_the_main_one_first() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.retrue.toml", "retrue.toml", "a.retrue.toml", "other.toml", ".hidden.retrue.toml"] {
            fs_err::write(directory.path().join(name), "").unwrap();
        }
        let (sources, ids) = read_stack(directory.path(), &mut Vec::new());
        let names: Vec<String> = sources.iter().map(|source| source.path.display().to_string()).collect();
        assert_eq!(names, ["retrue.toml", "a.retrue.toml", "b.retrue.toml"]);
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named_as_one() {
        let directory = tempfile::tempdir().unwrap();
        fs_err::write(directory.path().join("retrue.toml"), "").unwrap();
        fs_err::os::unix::fs::symlink("gone", directory.path().join("a.retrue.toml")).unwrap();
        let mut diagnostics = Vec::new();
        read_stack(directory.path(), &mut diagnostics);
        assert_eq!(diagnostics[0].code, codes::UNREADABLE);
        assert!(diagnostics[0].message.ends_with("is a link to `gone`, which is not there"), "{diagnostics:?}");
        assert!(diagnostics[0].hint.as_ref().is_some_and(|hint| hint.contains("remove the link")), "{diagnostics:?}");
    }

    #[test]
    fn what_cannot_be_read_has_its_code() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(codes_of(&directory.path().join("nowhere")), [codes::NO_STACK]);
        assert_eq!(codes_of(directory.path()), [codes::NO_STACK]);
        fs_err::create_dir(directory.path().join("retrue.toml")).unwrap();
        fs_err::write(directory.path().join("a.retrue.toml"), b"a = \"\xff\"").unwrap();
        fs_err::File::create(directory.path().join("b.retrue.toml")).unwrap().set_len(MAX_FILE_SIZE + 1).unwrap();
        assert_eq!(codes_of(directory.path()), [codes::NOT_A_FILE, codes::NOT_UTF8, codes::TOO_LARGE]);
    }
}

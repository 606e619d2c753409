//! The house is in order: which room may know which, how large files are, and whether what is
//! generated is current.

mod arrows;
mod pages;
mod sizes;
mod stacks;
mod tables;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a directory, sorted; none where there is no such directory. Hidden ones and what
/// builds leave behind are left out.
fn files(directory: &Path) -> Vec<PathBuf> {
    let keep = |name: &str| !name.starts_with('.') && name != "target";
    walkdir::WalkDir::new(directory)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name().to_str().is_none_or(keep))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// The Rust files below a directory, as pairs of the path from the root, and the text.
fn sources(directory: &str) -> Vec<(String, String)> {
    files(&root().join(directory))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            (name, fs_err::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Compares a generated file with the one in the repository, or writes it with `RETRUE_BLESS=1`.
/// Returns what is wrong.
pub(crate) fn current(name: &str, text: &str) -> Option<String> {
    let path = root().join(name);
    if std::env::var_os("RETRUE_BLESS").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
    }
    let there = fs_err::read_to_string(&path).unwrap_or_default();
    (there != text).then(|| format!("{name} is not current: run the tests once with RETRUE_BLESS=1"))
}

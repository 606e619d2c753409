//! The configuration of the provider: the directory that relative paths start from.

use std::path::{Component, Path, PathBuf};

use retrue_provider_api::{Path as AttributePath, ProviderDiagnostic, TypeSchema, Value};

/// The schema of the provider's own configuration: it has none.
pub(crate) fn schema() -> TypeSchema {
    TypeSchema::default()
}

/// Where the stack lives.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    directory: PathBuf,
}

impl Places {
    /// Places in a stack. A directory that cannot be made absolute is taken as it is.
    pub(crate) fn of(directory: PathBuf) -> Self {
        Places { directory: std::path::absolute(&directory).unwrap_or(directory) }
    }

    /// The directory of the stack.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path to use for a path as it was written. It ends in no slash: with one, the system would
    /// follow a link.
    pub(crate) fn resolve(&self, written: &str) -> PathBuf {
        self.directory.join(written).components().collect()
    }

    /// One form for all ways to write a path: absolute, without `.`, `..` and doubled slashes.
    ///
    /// It goes by the text alone. Links are not followed, so that it is the same before and after
    /// they are made.
    pub(crate) fn normal(&self, written: &str) -> String {
        normal(&self.resolve(written)).to_string_lossy().into_owned()
    }

    /// One form for all paths that lead to one and the same place now: that of the text, with the links followed in
    /// what there is of the directory. What stands at the place itself is not followed.
    pub(crate) fn identity(&self, written: &str) -> String {
        let path = self.resolve(written);
        let Some(name) = path.file_name() else { return self.normal(written) };
        let mut there = path.parent();
        while let Some(directory) = there {
            if let Ok(real) = fs_err::canonicalize(directory) {
                let rest = path.strip_prefix(directory).unwrap_or(Path::new(name));
                return normal(&real.join(rest)).to_string_lossy().into_owned();
            }
            there = directory.parent();
        }
        self.normal(written)
    }
}

/// One form for the ways to write a path that differ in nothing but `.` and doubled slashes, whatever there is.
pub(crate) fn spelled(written: &str) -> String {
    let path: PathBuf = Path::new(written).components().filter(|part| *part != Component::CurDir).collect();
    path.to_string_lossy().into_owned()
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    normal
}

/// What is wrong with the path in `attribute`, as far as it can be told from its text.
pub(crate) fn check_path(config: &Value, attribute: &str) -> Option<ProviderDiagnostic> {
    let written = config.get(attribute)?.as_str()?;
    let message = if written.is_empty() {
        "the path is empty"
    } else if written.contains('\0') {
        "the path holds a NUL character"
    } else if matches!(Path::new(written).components().next_back(), Some(Component::Normal(_))) {
        return None;
    } else {
        "the path must end in a name"
    };
    Some(ProviderDiagnostic::error(AttributePath::attribute(attribute), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_a_path_are_one() {
        let places = Places::of("/srv/stack".into());
        for written in ["a/b", "./a/b", "a//b", "a/./b", "c/../a/b", "/srv/stack/a/b", "../stack/a/b/"] {
            assert_eq!(places.normal(written), "/srv/stack/a/b", "{written}");
            assert_eq!(places.identity(written), "/srv/stack/a/b", "{written}");
        }
        assert_eq!(places.normal("../../../../x"), "/x");
        assert_eq!(places.resolve("a/../b"), Path::new("/srv/stack/a/../b"), "used as written");
    }

    #[test]
    fn links_on_the_way_lead_to_one_place_and_the_last_one_is_a_place_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let root = fs_err::canonicalize(directory.path()).unwrap();
        fs_err::create_dir_all(root.join("real/in")).unwrap();
        fs_err::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let places = Places::of(root.clone());
        let is = |written: &str, at: &str| {
            assert_eq!(places.identity(written), root.join(at).display().to_string(), "{written}");
        };
        is("link/a", "real/a");
        is("real/a", "real/a");
        is("link/in/a", "real/in/a");
        is("link/to come/../a", "real/a");
        is("link/to come/a", "real/to come/a");
        is("link/in/../../a", "a");
        is("link", "link");
        assert_eq!(places.normal("link/a"), root.join("link/a").display().to_string());
    }

    #[test]
    fn impossible_paths_are_told() {
        let check = |written: &str| check_path(&Value::object([("path", Value::from(written))]), "path");
        for wrong in ["", "/", "..", "a/..", "a\0b"] {
            assert!(check(wrong).is_some(), "{wrong:?}");
        }
        for right in ["a", "/a", "a/b", "../a", ".x", "a/"] {
            assert!(check(right).is_none(), "{right:?}");
        }
    }
}

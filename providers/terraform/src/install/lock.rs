//! `.retrue.lock.toml`: which versions are in use, and what they look like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Hash, InstallError};

/// The version of the form.
const FORM: u64 = 1;

/// The content of a lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Providers by their full address.
    pub providers: BTreeMap<String, LockedProvider>,
}

/// One provider in a lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedProvider {
    /// The version that is in use.
    pub version: String,
    /// The constraints that it was chosen by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub constraints: String,
    /// Hashes of it, of which one must fit; of all platforms for which they are known.
    #[serde(default)]
    pub hashes: BTreeSet<Hash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resting {
    form: u64,
    #[serde(default)]
    provider: BTreeMap<String, LockedProvider>,
}

impl Lock {
    /// Reads a lock file; one that is not there is empty.
    ///
    /// # Errors
    /// It cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, InstallError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => return Err(InstallError::file(path)(error)),
        };
        let content = |what: String| InstallError::Content { path: path.to_owned(), what };
        let resting: Resting = toml::from_str(&text).map_err(|error| content(error.message().to_owned()))?;
        if resting.form != FORM {
            return Err(content(format!("it has form {}, and this program reads {FORM}", resting.form)));
        }
        Ok(Lock { providers: resting.provider })
    }

    /// Writes it, as a whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), InstallError> {
        let resting = Resting { form: FORM, provider: self.providers.clone() };
        let body = toml::to_string(&resting)
            .map_err(|error| InstallError::Content { path: path.to_owned(), what: error.to_string() })?;
        let text = format!("# Made by `retrue providers install`; keep it under version control.\n\n{body}");
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = (|| {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.as_file().sync_all()?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            file.as_file().set_permissions(mode)?;
            file.persist(path).map_err(|error| error.error)
        })();
        written.map(|_| ()).map_err(InstallError::file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".retrue.lock.toml");
        assert_eq!(Lock::read(&path).unwrap(), Lock::default());
        let hash = format!("zh:{}", "a1".repeat(32)).parse().unwrap();
        let provider = LockedProvider { version: "1.2.3".into(), constraints: "~> 1.0".into(), hashes: [hash].into() };
        let lock = Lock { providers: [("registry.opentofu.org/hashicorp/null".into(), provider)].into() };
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        for wrong in ["form = 2", "form = 1\n[provider.x]\nversion = \"1\"\nhashes = [\"md5:1\"]", "x"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(Lock::read(&path).is_err(), "{wrong}");
        }
    }
}

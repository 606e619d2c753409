//! Hashes of providers, as lock files hold them.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{InstallError, archive};

/// A hash: `zh:` of an archive, `h1:` of its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(String);

impl FromStr for Hash {
    type Err = InstallError;

    fn from_str(text: &str) -> Result<Self, InstallError> {
        match text.split_once(':') {
            Some(("h1", rest)) if STANDARD.decode(rest).is_ok_and(|bytes| bytes.len() == 32) => Ok(Hash(text.into())),
            Some(("zh", rest)) if rest.len() == 64 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Hash(text.to_ascii_lowercase()))
            }
            _ => Err(InstallError::Hash(text.to_owned())),
        }
    }
}

impl Hash {
    /// Whether it is one of what is in an archive or a directory, `h1:`.
    pub fn is_content(&self) -> bool {
        self.0.starts_with("h1:")
    }
}

impl TryFrom<String> for Hash {
    type Error = InstallError;

    fn try_from(text: String) -> Result<Self, InstallError> {
        text.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `zh:` hash and the `h1:` hash of an archive.
///
/// # Errors
/// It cannot be read, or is no archive.
pub fn hash_archive(path: &Path) -> Result<[Hash; 2], InstallError> {
    let mut file = fs::File::open(path).map_err(InstallError::file(path))?;
    let (whole, _) = sum(&mut file).map_err(InstallError::file(path))?;
    Ok([Hash(format!("zh:{whole}")), content_hash(archive::sums(path)?)])
}

/// The `h1:` hash of a directory: of all files in it, by their names relative to it.
///
/// # Errors
/// Something in it cannot be read.
pub fn hash_directory(path: &Path) -> Result<Hash, InstallError> {
    let mut sums = Vec::new();
    collect(path, "", &mut sums).map_err(InstallError::file(path))?;
    Ok(content_hash(sums))
}

fn collect(directory: &Path, prefix: &str, sums: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // What a link leads to counts, as for Terraform.
        if fs::metadata(entry.path())?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), sums)?;
        } else {
            sums.push((name, sum(&mut fs::File::open(entry.path())?)?.0));
        }
    }
    Ok(())
}

/// The hash of names and sums: of a line for each, sorted by name.
fn content_hash(mut sums: Vec<(String, String)>) -> Hash {
    sums.sort();
    let mut digest = Sha256::new();
    for (name, sum) in sums {
        digest.update(format!("{sum}  {name}\n"));
    }
    Hash(format!("h1:{}", STANDARD.encode(digest.finalize())))
}

/// The SHA-256 of all that is read, as hexadecimal digits, and how many bytes it was.
pub(super) fn sum(reader: &mut dyn Read) -> io::Result<(String, u64)> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut length = 0u64;
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            let hex = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((hex, length));
        }
        length = length.saturating_add(read as u64);
        digest.update(buffer.get(..read).unwrap_or_default());
    }
}

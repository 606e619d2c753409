//! Extended attributes (access lists, capabilities, labels): carried over, never managed.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// Names and bytes.
pub(crate) type Extended = BTreeMap<String, Vec<u8>>;

/// Enough for every name and value that Linux allows.
const LIMIT: usize = 64 * 1024;

/// All that can be read. A file system without them has none.
pub(crate) fn read(file: impl AsFd) -> Extended {
    let mut found = Extended::new();
    // Most files have none: no buffer is made for them.
    if !matches!(rustix::fs::flistxattr_query(&file), Ok(size) if size > 0) {
        return found;
    }
    let mut names = vec![0; LIMIT];
    let Ok(size) = rustix::fs::flistxattr(&file, &mut names[..]) else { return found };
    let mut buffer = vec![0; LIMIT];
    for name in names.get(..size).unwrap_or_default().split(|&byte| byte == 0) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.is_empty() {
            continue;
        }
        if let Ok(size) = rustix::fs::fgetxattr(&file, name, &mut buffer[..]) {
            found.insert(name.to_owned(), buffer.get(..size).unwrap_or_default().to_vec());
        }
    }
    found
}

/// Sets all that may be set. What the system keeps for itself (labels, for one without privilege) is
/// left as the system makes it.
pub(crate) fn write(file: impl AsFd, extended: &Extended) {
    for (name, value) in extended {
        let _ = rustix::fs::fsetxattr(&file, name, value, rustix::fs::XattrFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = fs_err::File::create(directory.path().join("f")).unwrap();
        assert!(read(file.file()).keys().all(|name| !name.starts_with("user.")));
        let wanted = Extended::from([("user.retrue".to_owned(), b"\0x".to_vec())]);
        write(file.file(), &wanted);
        let found = read(file.file());
        // A file system without extended attributes keeps none.
        assert!(found.get("user.retrue").is_none_or(|value| value == b"\0x"));
    }
}

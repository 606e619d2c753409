//! What the suite needs to know of each type that is found by a path.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value as Json, json};

use super::tree;

/// The data of one type.
pub struct Case {
    pub type_name: &'static str,
    pub config: fn() -> Json,
    /// Other values.
    pub alternatives: fn() -> Vec<(&'static str, Json)>,
    /// Wrong values.
    pub invalid: fn() -> Vec<(&'static str, Json)>,
    /// Attributes that show nowhere outside.
    pub wishes: &'static [&'static str],
    /// Somebody else makes it just as configured.
    pub make: fn(&Path),
    /// What somebody else does to it.
    pub drift: fn(&Path),
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn file(path: &Path, bytes: &[u8], bits: u32) {
    fs::write(path, bytes).expect("a file");
    mode(path, bits);
}

/// Bytes that are no text, and a mode that nobody would choose.
fn file_by_hand(path: &Path) {
    file(path, b"by hand \xff\x00\r\n", 0o604);
}

pub const FILE: Case = Case {
    type_name: "local_file",
    config: || json!({"path": "notes.txt", "content": "one\ntwo\n", "mode": "0640"}),
    alternatives: || vec![("content", json!("one\nthree\n")), ("mode", json!("0600")), ("path", json!("other.txt"))],
    invalid: || vec![("mode", json!("rw-r--r--")), ("path", json!(""))],
    wishes: &[],
    make: |path| file(path, b"one\ntwo\n", 0o640),
    drift: file_by_hand,
};

pub const FILE_OF_ANY_MODE: Case = Case {
    config: || json!({"path": "./notes.txt", "content": ""}),
    alternatives: || vec![("content", json!("\u{feff}x")), ("path", json!("other.txt"))],
    invalid: Vec::new,
    make: |path| file(path, b"", 0o600),
    ..FILE
};

pub const FILE_OF_SECRETS: Case = Case {
    config: || json!({"path": "key", "sensitive_content": "planted-secret-content", "mode": "0600"}),
    alternatives: || vec![("sensitive_content", json!("another-planted-secret-content")), ("mode", json!("0400"))],
    invalid: || vec![("mode", json!("9999"))],
    make: |path| file(path, b"planted-secret-content", 0o600),
    ..FILE
};

pub const FILE_OF_A_SOURCE: Case = Case {
    config: || json!({"path": "copy", "source": "beside/one", "mode": "0644"}),
    alternatives: || vec![("source", json!("beside/two")), ("mode", json!("0600")), ("path", json!("copy2"))],
    invalid: || vec![("mode", json!("644"))],
    make: |path| file(path, b"from a source \xff", 0o644),
    ..FILE
};

pub const DIRECTORY: Case = Case {
    type_name: "local_directory",
    config: || json!({"path": "data", "mode": "0750"}),
    alternatives: || vec![("mode", json!("0700")), ("recursive", json!(true)), ("path", json!("data2"))],
    invalid: || vec![("mode", json!("drwx")), ("path", json!(".."))],
    wishes: &["recursive"],
    make: |path| {
        fs::create_dir(path).expect("a directory");
        mode(path, 0o750);
    },
    drift: |path| mode(path, 0o711),
};

pub const DIRECTORY_WITH_ALL: Case = Case {
    config: || json!({"path": "data", "mode": "0750", "recursive": true}),
    alternatives: || vec![("mode", json!("0700")), ("path", json!("data2"))],
    drift: |path| {
        mode(path, 0o711);
        if !path.join("deep").exists() {
            fs::create_dir(path.join("deep")).expect("a directory");
            file_by_hand(&path.join("deep/file"));
            symlink("../nowhere", path.join("deep/link")).expect("a link");
        }
    },
    ..DIRECTORY
};

pub const SYMLINK: Case = Case {
    type_name: "local_symlink",
    config: || json!({"path": "link", "target": "notes.txt"}),
    alternatives: || vec![("target", json!("../elsewhere")), ("path", json!("link2"))],
    invalid: || vec![("target", json!("")), ("path", json!("/"))],
    wishes: &[],
    make: |path| symlink("notes.txt", path).expect("a link"),
    drift: |path| {
        tree::remove(path);
        symlink("by/hand", path).expect("a link");
    },
};

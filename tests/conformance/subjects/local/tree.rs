//! What is in a directory, byte for byte.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value as Json, json};

/// A directory that is no part of the truth.
pub const BESIDE: &str = "beside";

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("Unicode"));
    let mut names: Vec<String> = names.filter(|name| name != BESIDE).collect();
    names.sort();
    names
}

/// Everything in a directory: kind, mode, owner, and bytes.
pub fn entries(directory: &Path) -> Vec<Json> {
    names(directory).into_iter().map(|name| entry(directory, &name)).collect()
}

fn entry(directory: &Path, name: &str) -> Json {
    let path = directory.join(name);
    let metadata = fs::symlink_metadata(&path).expect("metadata");
    let mode = format!("{:04o}", metadata.mode() & 0o7777);
    let mut entry = json!({ "name": name, "mode": mode, "owner": [metadata.uid(), metadata.gid()] });
    if metadata.is_symlink() {
        entry["link"] = json!(fs::read_link(&path).expect("a link"));
    } else if metadata.is_dir() {
        entry["holds"] = entries(&path).into();
    } else {
        let mut bytes = String::new();
        for byte in fs::read(&path).expect("a file") {
            write!(bytes, "{byte:02x}").expect("text");
        }
        entry["bytes"] = bytes.into();
    }
    entry
}

/// Removes whatever is at a path.
pub fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).expect("removed"),
        Ok(_) => fs::remove_file(path).expect("removed"),
        Err(_) => {}
    }
}

//! The state as it was after a certain record, in one file that readers begin with.
//!
//! The first line says up to which record each run is in it; each further line is one value; the last
//! is a hash of all before. Together they are one JSON document.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{self, Faults};
use super::layout::Format;
use super::{StoreError, StoreResult};

const FORMAT: &str = "retrue.snapshot/1";
const HASH_LENGTH: usize = 64;
const HASH_BEGIN: &[u8] = b"},\"hash\":\"";
const HASH_END: &[u8] = b"\"}\n";

/// The values of the state, as they are kept, by key.
pub(super) type Kepts = BTreeMap<String, Arc<str>>;

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The number of its last record.
    pub(super) sequence: u64,
    /// The serial of its last record.
    pub(super) serial: u64,
    /// The hash of its last record.
    pub(super) hash: String,
    /// The length of its file in the mirror, up to the end of that record.
    pub(super) bytes: u64,
}

/// What a snapshot says before the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotHeader {
    pub(super) format: String,
    pub(super) lineage: String,
    pub(super) key: String,
    /// The serial of the last record that is in it.
    pub(super) serial: u64,
    pub(super) runs: BTreeMap<String, Head>,
}

/// A snapshot that was read, and whose hash was right.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) header: SnapshotHeader,
    text: Vec<u8>,
}

impl Snapshot {
    /// Reads it. `Ok(Err(_))` says what is wrong with what is there.
    pub(super) fn read(path: &Path) -> StoreResult<Result<Snapshot, &'static str>> {
        let text = match fs_err::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err("missing")),
            text => text.map_err(|error| StoreError::io(path, "read the snapshot", error))?,
        };
        Ok(Snapshot::parse(text))
    }

    fn parse(text: Vec<u8>) -> Result<Snapshot, &'static str> {
        let header = (|| {
            let content = text.strip_suffix(HASH_END)?;
            let (content, hash) = content.split_at_checked(content.len().checked_sub(HASH_LENGTH)?)?;
            let content = content.strip_suffix(HASH_BEGIN)?;
            if blake3::hash(content).to_hex().as_bytes() != hash {
                return None;
            }
            let line = text.split(|byte| *byte == b'\n').next()?;
            let header: SnapshotHeader = serde_json::from_slice(&[line, b"}}"].concat()).ok()?;
            (header.format == FORMAT).then_some(header)
        })();
        header.map(|header| Snapshot { header, text }).ok_or("damaged")
    }

    /// The state, as it is kept.
    pub(super) fn state(&self) -> Result<Kepts, &'static str> {
        let mut state = Kepts::new();
        for line in self.text.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty()) {
            if line.starts_with(HASH_BEGIN) {
                return Ok(state);
            }
            let line = line.strip_suffix(b",").unwrap_or(line);
            let (key, value) = entry(line).ok_or("damaged")?;
            state.insert(key, value.into());
        }
        Err("damaged")
    }
}

/// Splits `"key":{…}`.
pub(super) fn entry(line: &[u8]) -> Option<(String, &str)> {
    let mut parts = serde_json::Deserializer::from_slice(line).into_iter::<Value>();
    let Some(Ok(Value::String(key))) = parts.next() else { return None };
    let rest = line.get(parts.byte_offset()..)?.strip_prefix(b":")?;
    Some((key, std::str::from_utf8(rest).ok()?))
}

/// Writes to a file and hashes what is written.
struct Hashed<'a> {
    target: &'a mut dyn Write,
    hasher: blake3::Hasher,
}

impl Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.target.write_all(bytes)
    }
}

/// Writes a snapshot in the place of the one before.
pub(super) fn write(
    path: &Path,
    format: &Format,
    serial: u64,
    runs: &BTreeMap<String, Head>,
    state: &Kepts,
    faults: &Faults,
) -> StoreResult<()> {
    let (lineage, key) = (format.lineage.clone(), format.key.clone());
    let header = SnapshotHeader { format: FORMAT.to_owned(), lineage, key, serial, runs: runs.clone() };
    files::replace(path, faults, |file| {
        let mut out = Hashed { target: file, hasher: blake3::Hasher::new() };
        let first = serde_json::to_string(&header)?;
        out.write(first.strip_suffix('}').unwrap_or(&first).as_bytes())?;
        out.write(b",\"state\":{\n")?;
        for (number, (key, value)) in state.iter().enumerate() {
            if number > 0 {
                out.write(b",\n")?;
            }
            out.write(Value::from(key.as_str()).to_string().as_bytes())?;
            out.write(b":")?;
            out.write(value.as_bytes())?;
        }
        out.write(b"\n")?;
        let hash = out.hasher.finalize().to_hex();
        file.write_all(HASH_BEGIN)?;
        file.write_all(hash.as_bytes())?;
        file.write_all(HASH_END)
    })
}

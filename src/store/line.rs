//! The line of a record: what the mirror and the database both keep, byte for byte.
//!
//! ```json
//! {"v":1,"run":"R","sequence":2,"serial":9,"group":8,"prev":"…","body":…,"writes":[…],"hash":"…"}
//! ```
//! `hash` is the BLAKE3 hash of everything before `,"hash"`, and `prev` the hash of the line before,
//! so that no line can be changed, left out or moved unnoticed. `serial` counts over all runs and
//! orders their changes. `group` is the sequence of the first record of the run that was synced
//! together with this one: it tells a torn end, which nobody was promised, from damage. `"more":true`
//! says that the next record belongs to the same call: both count, or neither.
//!
//! A large body is in an object (`body_object`), as is a large value (`object` in a write) and, where
//! there are many writes, all of it (`object` in the line).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Record, StoreError, StoreResult, StoredRecord, Write};

/// The version of the line's format.
const VERSION: u64 = 1;

/// From how many bytes on a body or a value is kept in an object.
pub(super) const LARGE: usize = 4 * 1024;

/// From how many bytes on everything that a record says is kept in one object.
pub(super) const LARGE_RECORD: usize = 32 * 1024;

const HASH_BEGIN: &[u8] = b",\"hash\":\"";
const HASH_LENGTH: usize = 64;
const HASH_END: &[u8] = b"\"}";

/// A value as it is kept in the state: `{"value":…}`, or `{"object":"…"}` where it is large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    // A value of null is read as none; both mean null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<String>,
}

impl Kept {
    pub(super) fn parse(text: &str) -> StoreResult<Kept> {
        serde_json::from_str(text).map_err(|error| StoreError::Refused(format!("a value is not JSON: {error}")))
    }

    /// The value, with `load` for what is in an object.
    pub(super) fn resolve(self, load: &dyn Fn(&str) -> StoreResult<Value>) -> StoreResult<Value> {
        match self.object {
            Some(id) => load(&id),
            None => Ok(self.value.unwrap_or(Value::Null)),
        }
    }
}

/// A change of the state, with the value as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Put(String, String),
    Delete(String),
}

impl Change {
    pub(super) fn key(&self) -> &str {
        match self {
            Change::Put(key, _) | Change::Delete(key) => key,
        }
    }
}

/// A record made ready: everything but its place in the journal.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// The members of the line between `prev` and `hash`.
    members: String,
    pub(super) changes: Vec<Change>,
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) run: &'a str,
    pub(super) sequence: u64,
    pub(super) serial: u64,
    pub(super) group: u64,
    /// Whether the next record belongs to the same call.
    pub(super) more: bool,
    pub(super) prev: &'a str,
}

impl Prepared {
    /// Writes a record as text. What is large is given to `spill`, which returns the name that it
    /// will have as an object.
    pub(super) fn new(record: &Record, spill: &mut dyn FnMut(String) -> String) -> Prepared {
        let mut changes = Vec::with_capacity(record.writes.len());
        let mut writes = String::from("[");
        for write in &record.writes {
            if writes.len() > 1 {
                writes.push(',');
            }
            match write {
                Write::Put { key, value } => {
                    let kept = keep(key, value, spill);
                    // `kept` is `{…}`: its members become those of the write.
                    writes.push_str(&format!("{{\"put\":{},{}", text(key), kept.trim_start_matches('{')));
                    changes.push(Change::Put(key.clone(), kept));
                }
                Write::Delete { key } => {
                    writes.push_str(&format!("{{\"delete\":{}}}", text(key)));
                    changes.push(Change::Delete(key.clone()));
                }
            }
        }
        writes.push(']');
        let body = record.body.to_string();
        let mut members = if body.len() > LARGE {
            format!("\"body_object\":{},\"writes\":{writes}", text(&spill(body)))
        } else {
            format!("\"body\":{body},\"writes\":{writes}")
        };
        if members.len() > LARGE_RECORD {
            members = format!("\"object\":{}", text(&spill(format!("{{{members}}}"))));
        }
        Prepared { members, changes }
    }

    /// The line, without its end, and its hash.
    pub(super) fn line(&self, place: &Place<'_>) -> (Vec<u8>, String) {
        let Place { run, sequence, serial, group, more, prev } = place;
        let more = if *more { "\"more\":true," } else { "" };
        let mut line = format!(
            "{{\"v\":{VERSION},\"run\":{},\"sequence\":{sequence},\"serial\":{serial},\"group\":{group},{more}\"prev\":\"{prev}\",{}",
            text(run),
            self.members
        )
        .into_bytes();
        let hash = blake3::hash(&line).to_hex().to_string();
        line.extend_from_slice(HASH_BEGIN);
        line.extend_from_slice(hash.as_bytes());
        line.extend_from_slice(HASH_END);
        (line, hash)
    }
}

/// A value as it is kept in the state. The database keeps key and value together, and both small.
fn keep(key: &str, value: &Value, spill: &mut dyn FnMut(String) -> String) -> String {
    let json = value.to_string();
    if key.len() + json.len() > LARGE {
        format!("{{\"object\":{}}}", text(&spill(json)))
    } else {
        format!("{{\"value\":{json}}}")
    }
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// What stands before the first line of a run: it ties the run to its store and name.
pub(super) fn first(lineage: &str, run: &str) -> String {
    blake3::hash(format!("retrue journal\n{lineage}\n{run}").as_bytes()).to_hex().to_string()
}

/// Where a line that was read stands. Its hash was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) run: String,
    pub(super) sequence: u64,
    pub(super) serial: u64,
    pub(super) group: u64,
    pub(super) more: bool,
    pub(super) prev: String,
    pub(super) hash: String,
}

impl Header {
    /// Reads a line without its end. `None` when it is not whole.
    pub(super) fn read(line: &[u8]) -> Option<Header> {
        #[derive(Deserialize)]
        struct Wire {
            v: u64,
            run: String,
            sequence: u64,
            serial: u64,
            group: u64,
            #[serde(default)]
            more: bool,
            prev: String,
        }
        let content = line.strip_suffix(HASH_END)?;
        let (content, hash) = content.split_at_checked(content.len().checked_sub(HASH_LENGTH)?)?;
        let content = content.strip_suffix(HASH_BEGIN)?;
        let actual = blake3::hash(content).to_hex();
        if actual.as_bytes() != hash {
            return None;
        }
        let Wire { v, run, sequence, serial, group, more, prev } = serde_json::from_slice(line).ok()?;
        (v == VERSION).then(|| Header { run, sequence, serial, group, more, prev, hash: actual.to_string() })
    }
}

#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    body_object: Option<String>,
    #[serde(default)]
    writes: Vec<WriteMembers>,
    #[serde(default)]
    object: Option<String>,
}

#[derive(Deserialize)]
struct WriteMembers {
    #[serde(default)]
    put: Option<String>,
    #[serde(default)]
    delete: Option<String>,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    object: Option<String>,
}

/// Loads the JSON of an object.
pub(super) type Load<'a> = &'a dyn Fn(&str) -> StoreResult<Value>;

fn members(line: &[u8], load: Load<'_>) -> StoreResult<Members> {
    let wrong = |error: serde_json::Error| StoreError::Refused(format!("a record is not one: {error}"));
    let members: Members = serde_json::from_slice(line).map_err(wrong)?;
    match &members.object {
        Some(id) => serde_json::from_value(load(id)?).map_err(wrong),
        None => Ok(members),
    }
}

/// What a line changes, with values as they are kept.
pub(super) fn changes(line: &[u8], load: Load<'_>) -> StoreResult<Vec<Change>> {
    let changes = members(line, load)?.writes.into_iter().filter_map(|write| match write {
        WriteMembers { put: Some(key), object: Some(id), .. } => {
            Some(Change::Put(key, format!("{{\"object\":{}}}", text(&id))))
        }
        WriteMembers { put: Some(key), value, .. } => {
            Some(Change::Put(key, format!("{{\"value\":{}}}", value.unwrap_or(Value::Null))))
        }
        WriteMembers { delete: Some(key), .. } => Some(Change::Delete(key)),
        _ => None,
    });
    Ok(changes.collect())
}

/// The objects that a line names, those inside its own object included.
pub(super) fn objects(line: &[u8], load: Load<'_>) -> StoreResult<Vec<String>> {
    let outer: Members =
        serde_json::from_slice(line).map_err(|error| StoreError::Refused(format!("a record is not one: {error}")))?;
    let inner = members(line, load)?;
    let writes = inner.writes.into_iter().filter_map(|write| write.object);
    Ok(outer.object.into_iter().chain(inner.body_object).chain(writes).collect())
}

/// The record of a line, whole.
pub(super) fn record(header: Header, line: &[u8], load: Load<'_>) -> StoreResult<StoredRecord> {
    let members = members(line, load)?;
    let body = match members.body_object {
        Some(id) => load(&id)?,
        None => members.body.unwrap_or(Value::Null),
    };
    let mut writes = Vec::with_capacity(members.writes.len());
    for write in members.writes {
        match write {
            WriteMembers { put: Some(key), value, object, .. } => {
                writes.push(Write::Put { key, value: Kept { value, object }.resolve(load)? });
            }
            WriteMembers { delete: Some(key), .. } => writes.push(Write::Delete { key }),
            _ => {}
        }
    }
    let Header { run, sequence, serial, hash, .. } = header;
    Ok(StoredRecord { run, sequence, serial, body, writes, hash })
}

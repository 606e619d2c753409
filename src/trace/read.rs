//! Reads a trace.

use std::collections::BTreeMap;
use std::path::Path;

use retrue_provider_api::Value;
use serde_json::Value as Json;

use super::codes;
use super::format::{Call, End, FORMAT, Fact, Header, Instance, Line};
use crate::diagnostic::Diagnostic;

/// A trace that was read.
#[derive(Debug)]
pub struct Trace {
    /// What the run began from.
    pub header: Header,
    /// How it ended; nothing where it was cut off.
    pub end: Option<End>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) calls: Vec<Call>,
    pub(super) facts: Vec<Fact>,
    pub(super) sources: BTreeMap<String, Value>,
}

impl Trace {
    /// How many calls it has.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }
}

/// Reads a trace. One that was cut off, by a kill or for lack of room, ends with its last whole line.
///
/// # Errors
/// It cannot be read, is none, was damaged, or is of a newer format.
pub fn read(path: &Path) -> Result<Trace, Diagnostic> {
    let bytes = fs_err::read(path).map_err(|error| {
        Diagnostic::error(codes::NO_TRACE, format!("the trace cannot be read: {error}"))
            .hint("`--record FILE` makes one; files are named relative to the current directory")
    })?;
    parse(&bytes).map_err(|(code, why)| {
        let hint = match code {
            codes::NEWER => "use the version of retrue that wrote it, or a newer one",
            _ => "record it again with `--record FILE`",
        };
        Diagnostic::error(code, format!("{}: {why}", path.display())).hint(hint)
    })
}

type Wrong = (&'static str, String);

pub(super) fn parse(bytes: &[u8]) -> Result<Trace, Wrong> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
    let header = header(lines.next().unwrap_or_default())?;
    let mut trace = Trace {
        header,
        end: None,
        instances: BTreeMap::new(),
        calls: Vec::new(),
        facts: Vec::new(),
        sources: BTreeMap::new(),
    };
    for (number, line) in (2..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        let damaged = |why: String| (codes::NO_TRACE, format!("line {number} was damaged: {why}"));
        if trace.end.is_some() {
            return Err(damaged("it stands behind the end".to_owned()));
        }
        match serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))? {
            Line::Trace(_) => return Err(damaged("it is a second beginning".to_owned())),
            Line::Provider(instance) => drop(trace.instances.insert(instance.instance.clone(), *instance)),
            Line::Call(call) => {
                let last = trace.calls.last().map_or(0, |last| last.ended);
                if call.ended <= last || call.began >= call.ended {
                    return Err(damaged("it is out of order".to_owned()));
                }
                trace.calls.push(*call);
            }
            Line::Fact(fact) => trace.facts.push(*fact),
            Line::Source(read) => drop(trace.sources.insert(read.source, read.value.0)),
            Line::End(end) => trace.end = Some(end),
        }
    }
    Ok(trace)
}

fn header(line: &[u8]) -> Result<Header, Wrong> {
    let none = || (codes::NO_TRACE, "this is no trace: it does not begin as one".to_owned());
    let json: Json = serde_json::from_slice(line).map_err(|_| none())?;
    let format = json.get("trace").and_then(|header| header.get("format")).and_then(Json::as_str).ok_or_else(none)?;
    if format != FORMAT {
        let known = format.starts_with("retrue.trace/");
        let newer = || (codes::NEWER, format!("it has the format `{format}`, and this version reads `{FORMAT}`"));
        return Err(if known { newer() } else { none() });
    }
    match serde_json::from_value(json) {
        Ok(Line::Trace(header)) => Ok(*header),
        Ok(_) => Err(none()),
        Err(error) => Err((codes::NO_TRACE, format!("line 1 was damaged: {error}"))),
    }
}

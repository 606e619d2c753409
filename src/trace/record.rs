//! Writes a trace while a run goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retrue_provider_api::{Block, Private, Provider, ProviderSchema, Value, WireValue, to_wire};
use serde_json::{Value as Json, json};
use tempfile::TempPath;

use super::form::{Pen, millis};
use super::format::{Call, End, Fact, Header, Instance, Line, Source, What};
use super::wrapped::Wrapped;
use super::{Made, Reading, Secrets, Tap, codes};
use crate::diagnostic::Diagnostic;
use crate::plan::ProviderOrigin;
use crate::plan::marks::mark_planned;

/// Writes a trace while a run goes on.
pub struct Recorder {
    path: PathBuf,
    secrets: Secrets,
    began: tokio::time::Instant,
    open: Mutex<Open>,
}

struct Open {
    file: fs_err::File,
    /// Where it is as long as nothing is in it; it goes when nothing ever is.
    beside: Option<TempPath>,
    /// Whether the first line is written: before, nothing is recorded.
    begun: bool,
    /// Beginnings and ends of calls so far.
    events: u64,
    told: BTreeSet<String>,
    trouble: Option<std::io::Error>,
}

impl Recorder {
    /// Makes the file beside the place where it is to be, readable by its owner alone. It is put there when it
    /// begins: what was there before is not touched by a run that never gets so far.
    ///
    /// # Errors
    /// It cannot be made, or something is there that is no trace.
    pub fn create(path: &Path) -> Result<Arc<Recorder>, Diagnostic> {
        let wrong = |error: std::io::Error| {
            Diagnostic::error(codes::CANNOT_WRITE, format!("the trace cannot be written: {error}"))
                .hint("`--record FILE` names a file in a directory that is there and may be written to")
        };
        // A link stays one: what it leads to is what is written.
        let place = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if !may_be_replaced(&place).map_err(wrong)? {
            let message = format!("the trace cannot be written: {} is there, and is no trace", path.display());
            return Err(Diagnostic::error(codes::CANNOT_WRITE, message).hint(
                "only a trace is written over; `--record FILE` names another file, or one that is not there yet",
            ));
        }
        let directory = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let made = tempfile::Builder::new().prefix(".retrue-trace-").tempfile_in(directory).map_err(wrong)?;
        let (file, beside) = made.into_parts();
        let file = fs_err::File::from_parts(file, &*beside);
        let open = Open { file, beside: Some(beside), begun: false, events: 0, told: BTreeSet::new(), trouble: None };
        Ok(Arc::new(Recorder {
            path: place,
            secrets: Secrets::new(salt()),
            began: tokio::time::Instant::now(),
            open: Mutex::new(open),
        }))
    }

    /// What is secret in this trace.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Begins, with the first line, and puts the file in its place. Only providers that are made from now on are
    /// recorded.
    ///
    /// # Errors
    /// It cannot be put there, and nothing is recorded.
    pub fn begin(&self, header: Header) -> Result<(), Diagnostic> {
        let mut open = self.lock();
        open.write(&Line::Trace(Box::new(header)));
        // CRASH: before this a file with a name of its own is left behind, and what was there stays; after it the
        // trace is there, and is readable as far as it got.
        if let Some(beside) = open.beside.take() {
            beside.persist(&self.path).map_err(|error| {
                let why = format!("the trace {} cannot be written: {}", self.path.display(), error.error);
                Diagnostic::error(codes::CANNOT_WRITE, why)
                    .hint("`--record FILE` names a file in a directory that is there and may be written to")
            })?;
        }
        open.begun = true;
        Ok(())
    }

    /// Ends, with the last line.
    ///
    /// # Errors
    /// The trace could not be written, now or before: it is not whole.
    pub fn end(&self, end: End) -> Result<(), Diagnostic> {
        let mut open = self.lock();
        if open.begun {
            open.write(&Line::End(end));
        }
        open.begun = false;
        let synced = open.file.sync_all();
        match open.trouble.take().map_or(synced, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(Diagnostic::warning(
                codes::CANNOT_WRITE,
                format!("the trace {} is not whole: {error}", self.path.display()),
            )
            .hint("what the run did is not affected; there may be no room for the trace")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down which types an instance has, once.
    pub(super) fn provider(&self, instance: &str, program: Option<&ProviderOrigin>, schema: &ProviderSchema) {
        let mut open = self.lock();
        if open.told.insert(format!("provider {instance}")) {
            open.write(&Line::Provider(Box::new(Instance {
                instance: instance.to_owned(),
                program: program.cloned(),
                schema: schema.clone(),
            })));
        }
    }

    /// A call begins.
    pub(super) fn began(&self) -> Begun {
        let mut open = self.lock();
        open.events += 1;
        Begun { event: open.events, at: tokio::time::Instant::now() }
    }

    /// A call has ended.
    pub(super) fn ended(&self, begun: &Begun, what: What, attempt: u32, request: Json, answer: Json) {
        let mut open = self.lock();
        open.events += 1;
        let call = Call {
            began: begun.event,
            ended: open.events,
            at_ms: millis(begun.at.saturating_duration_since(self.began)),
            took_ms: millis(begun.at.elapsed()),
            what,
            attempt,
            request,
            answer,
        };
        open.write(&Line::Call(Box::new(call)));
    }

    /// What a provider says of a type, once.
    pub(super) fn fact(&self, fact: Fact) {
        let mut open = self.lock();
        let Ok(text) = serde_json::to_string(&fact) else { return };
        if open.told.insert(blake3::hash(text.as_bytes()).to_hex().to_string()) {
            open.write(&Line::Fact(Box::new(fact)));
        }
    }
}

/// A call that is under way.
pub(super) struct Begun {
    event: u64,
    at: tokio::time::Instant,
}

impl Open {
    /// One line, at once: a trace that is cut off is readable up to there.
    fn write(&mut self, line: &Line) {
        if self.trouble.is_some() {
            return;
        }
        let written = serde_json::to_vec(line).map_err(std::io::Error::other).and_then(|mut text| {
            text.push(b'\n');
            self.file.write_all(&text)
        });
        self.trouble = written.err();
    }
}

impl Tap for Arc<Recorder> {
    fn make(&self, instance: &str, made: Made<'_>) -> Result<Arc<dyn Provider>, Diagnostic> {
        let real = (made.real)()?;
        let begun = self.lock().begun;
        Ok(if begun { Wrapped::recorded(instance, made.origin.cloned(), real, Arc::clone(self)) } else { real })
    }

    fn located(&self, _instance: &str) -> Option<Option<ProviderOrigin>> {
        None
    }

    fn learn(&self, value: &Value) {
        self.secrets.learn(value);
    }

    fn source(&self, source: &str, real: Reading<'_>) -> Result<Value, Diagnostic> {
        let value = real()?;
        self.secrets.learn_all(&value);
        let hidden = WireValue(self.secrets.hide(&value));
        let mut open = self.lock();
        if open.begun && open.told.insert(format!("source {source}")) {
            open.write(&Line::Source(Source { source: source.to_owned(), value: hidden }));
        }
        Ok(value)
    }

    fn recent(&self) -> BTreeMap<String, Duration> {
        BTreeMap::new()
    }
}

/// Writes values of one type, and learns what is secret in them.
pub(super) struct Ink<'a> {
    pub(super) secrets: &'a Secrets,
    /// What the type says is secret.
    pub(super) block: Option<&'a Block>,
    /// Nothing is harmless unless it is said to be.
    pub(super) guarded: bool,
}

impl Pen for Ink<'_> {
    fn value(&self, value: &Value) -> Json {
        if let Some(block) = self.block {
            self.secrets.learn(&mark_planned(block, value.clone(), None));
            let attributes = value.as_entries().into_iter().flat_map(|entries| entries.iter());
            for (name, part) in attributes {
                let attribute = block.attributes.get(name.as_ref());
                let harmless = attribute.is_some_and(|attribute| attribute.harmless);
                if attribute.is_some_and(|attribute| attribute.write_only) || self.guarded && !harmless {
                    self.secrets.learn_all(part);
                }
            }
        }
        to_wire(&self.secrets.hide(value))
    }

    fn private(&self, private: &Private) -> Json {
        json!(self.secrets.private(private))
    }

    fn text(&self, text: &str) -> Json {
        json!(self.secrets.hide_text(text))
    }
}

/// What every trace begins with, whichever version wrote it.
const BEGINNING: &[u8] = br#"{"trace":{"format":"retrue.trace/"#;

/// Whether a trace may stand in place of what is at a path: nothing, an empty file, or another trace.
fn may_be_replaced(path: &Path) -> std::io::Result<bool> {
    let found = match fs_err::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    // Anything else is not even opened: a pipe that nobody reads would be waited for.
    if !found.is_file() {
        return Ok(false);
    }
    let mut beginning = Vec::with_capacity(BEGINNING.len());
    let most = u64::try_from(BEGINNING.len()).unwrap_or(u64::MAX);
    fs_err::File::open(path)?.take(most).read_to_end(&mut beginning)?;
    Ok(beginning.is_empty() || beginning == BEGINNING)
}

fn salt() -> [u8; 32] {
    let (mut salt, one, two) = ([0; 32], uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    salt.iter_mut().zip(one.as_bytes().iter().chain(two.as_bytes())).for_each(|(salt, byte)| *salt = *byte);
    salt
}

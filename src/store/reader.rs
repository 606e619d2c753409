//! Looks at a store that may be in use, and changes nothing.
//!
//! Architecture Invariant: a reader opens no database and takes no lock; it needs no permission to
//! write, and a store on a read-only file system can be looked at.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::Blobs;
use serde_json::Value;

use super::files::Faults;
use super::layout::{self, Format, Holder, Layout};
use super::line::{self, Kept};
use super::lock::{self, Owner};
use super::mirror::{self, View};
use super::objects::Objects;
use super::snapshot::{Kepts, Snapshot};
use super::{Export, KeySource, Sealer, StoreError, StoreResult, StoredRecord, check_run};

/// How often to look again, when what was found does not fit together: it changed meanwhile.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// A store that is only looked at: through its mirror, without a lock.
#[derive(Debug)]
pub struct Reader {
    layout: Layout,
    format: Format,
    objects: Objects,
}

/// Whether there is a store in a directory, whatever state it is in.
pub fn exists(directory: &Path) -> StoreResult<bool> {
    layout::exists(&Layout::new(directory))
}

impl Reader {
    /// Opens the store in a directory; `None` when there is none. Fails when the key is not that of
    /// the store: much of it could not be read.
    pub fn open(directory: &Path, key: &KeySource) -> StoreResult<Option<Reader>> {
        let layout = Layout::new(directory);
        if !layout::exists(&layout)? {
            return Ok(None);
        }
        let format = match Format::read(&layout.format())? {
            Some(format) => format,
            None => match Snapshot::read(&layout.snapshot())? {
                Ok(snapshot) => Format::new(&snapshot.header.lineage, &snapshot.header.key),
                Err(_) => {
                    let what = "`format.json` cannot be read, nor can the snapshot".to_owned();
                    return Err(StoreError::Damaged { path: directory.to_owned(), what });
                }
            },
        };
        let sealer = Arc::new(key.find(&format.lineage, &format.key)?);
        let objects = Objects::new(layout.clone(), sealer, Faults::default());
        Ok(Some(Reader { layout, format, objects }))
    }

    /// The UUID that was made with the store.
    pub fn lineage(&self) -> &str {
        &self.format.lineage
    }

    /// Whether a stack may use it.
    ///
    /// # Errors
    /// It is the state of another stack.
    pub fn check(&self, holder: Option<&Holder>) -> StoreResult<()> {
        self.format.check(&self.layout.directory, holder)
    }

    /// The whole state, as of the newest record that is written in full.
    pub fn state(&self) -> StoreResult<BTreeMap<String, Value>> {
        let load = |id: &str| self.objects.json(id);
        let kept = self.kept()?;
        kept.into_iter().map(|(key, kept)| Ok((key, Kept::parse(&kept)?.resolve(&load)?))).collect()
    }

    fn kept(&self) -> StoreResult<Kepts> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let view = View::read(&self.layout, &self.format.lineage, None, false)?;
            let state = if view.problems.is_empty() {
                view.state(&|id| self.objects.json(id))
            } else {
                Err(view.damaged("it cannot be read"))
            };
            match state {
                Err(StoreError::DamagedMirror { .. }) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
                state => return state,
            }
        }
    }

    /// The records of a run, oldest first; none when there is no such run.
    pub fn run(&self, run: &str) -> StoreResult<Vec<StoredRecord>> {
        check_run(run)?;
        let path = self.layout.run(run);
        let mut records = Vec::new();
        let scan = mirror::scan(&path, &self.format.lineage, run, None, &mut |header, line| {
            records.push(line::record(header, line, &|id| self.objects.json(id))?);
            Ok(())
        });
        match scan {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(scan) => match scan.damaged {
                Some(what) => Err(StoreError::DamagedMirror { path, what: what.to_owned() }),
                None => Ok(records),
            },
        }
    }

    /// The runs, in the order of their names: with UUIDv7 names, oldest first.
    pub fn runs(&self) -> StoreResult<Vec<String>> {
        let runs = mirror::runs(&self.layout)?;
        Ok(runs.into_iter().filter(|(_, length)| *length > 0).map(|(run, _)| run).collect())
    }

    /// Who holds the lock at this moment, if anybody does.
    pub fn owner(&self) -> StoreResult<Option<Owner>> {
        lock::owner(&self.layout.lock())
    }

    /// Where payloads are kept. Nothing can be put.
    pub fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(ReadOnly(self.objects.clone()))
    }

    /// Opens what was sealed with the key of this store.
    pub fn sealer(&self) -> &Sealer {
        self.objects.sealer()
    }

    /// The whole state as one document, with the journals of these runs.
    pub fn export(&self, journals: BTreeMap<String, Vec<Value>>) -> StoreResult<Value> {
        Ok(Export { lineage: self.format.lineage.clone(), state: self.state()?, journals }.to_document())
    }
}

struct ReadOnly(Objects);

impl Blobs for ReadOnly {
    fn put(&self, _source: &mut dyn io::Read) -> io::Result<retrue_provider_api::BlobId> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the state is only being looked at"))
    }

    fn get(&self, id: &retrue_provider_api::BlobId) -> io::Result<Box<dyn io::Read + Send>> {
        self.0.get(id)
    }
}

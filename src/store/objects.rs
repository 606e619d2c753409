//! Payloads in files of their own: sealed, named by a keyed hash of their content, of any size.
//!
//! A file is a magic line, 19 random bytes and then chunks of 64 KiB, each sealed with a nonce made
//! of the random bytes, the number of the chunk and whether it is the last (the STREAM construction
//! of Hoang, Reyhanitabar, Rogaway and Vizár, 2015): none can be changed, moved, left out or cut off.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::File;
use retrue_provider_api::{BlobId, Blobs};
use serde_json::Value;

use super::files::{self, Faults, step};
use super::layout::Layout;
use super::{Sealer, StoreError, StoreResult};

const MAGIC: &[u8; 16] = b"retrue.object/1\n";
const PREFIX: usize = 19;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// The objects of a store.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    layout: Layout,
    sealer: Arc<Sealer>,
    faults: Faults,
    /// Put since the store was opened: no record need name them yet. Held while one is removed.
    fresh: Arc<Mutex<BTreeSet<BlobId>>>,
}

impl Objects {
    pub(super) fn new(layout: Layout, sealer: Arc<Sealer>, faults: Faults) -> Objects {
        Objects { layout, sealer, faults, fresh: Arc::default() }
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The name that content has.
    pub(super) fn name(&self, content: &[u8]) -> BlobId {
        BlobId(self.sealer.keyed_hash(content))
    }

    /// Keeps several contents, with one sync of the directory for all. Durable on return.
    pub(super) fn put_all(&self, contents: &[(BlobId, Vec<u8>)]) -> StoreResult<()> {
        for (_, content) in contents {
            self.write(&mut content.as_slice())?;
        }
        if contents.is_empty() { Ok(()) } else { self.sync() }
    }

    /// Writes a file, and gives it its name. The directory is still to be synced.
    fn write(&self, source: &mut dyn Read) -> StoreResult<BlobId> {
        let directory = self.layout.objects();
        let temporary = files::temporary(&directory)?;
        let result = (|| {
            let file = files::create_new(&temporary)?;
            let error = |error| StoreError::io(&directory, "write an object", error);
            let id = step!(self.faults, "store.object.write", seal(&self.sealer, source, &mut &file)).map_err(error)?;
            // CRASH: up to the rename, a file `.retrue-…` is left, which the next opening removes.
            step!(self.faults, "store.object.sync", file.sync_all()).map_err(error)?;
            self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
            // One of the same name has the same content; if it was damaged, this mends it.
            let path = self.layout.object(&id);
            step!(self.faults, "store.object.rename", fs_err::rename(&temporary, &path)).map_err(error)?;
            // CRASH: an object is left that no record names; `collect` removes it.
            Ok(id)
        })();
        if result.is_err() {
            let _ = fs_err::remove_file(&temporary);
        }
        result
    }

    fn sync(&self) -> StoreResult<()> {
        let directory = self.layout.objects();
        let synced = step!(self.faults, "store.object.directory", files::sync(&directory));
        synced.map_err(|error| StoreError::io(&directory, "sync the objects", error))
    }

    fn open(&self, id: &BlobId) -> StoreResult<Unsealing> {
        let damaged = |what: &str| StoreError::DamagedObject { id: id.0.clone(), what: what.to_owned() };
        if id.0.is_empty() || !id.0.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(damaged("not a name"));
        }
        let path = self.layout.object(id);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("missing")),
            file => file.map_err(|error| StoreError::io(&path, "open the object", error))?,
        };
        let mut begin = [0; 16 + PREFIX];
        file.read_exact(&mut begin).map_err(|_| damaged("cut short"))?;
        let (magic, prefix) = begin.split_first_chunk::<16>().ok_or_else(|| damaged("cut short"))?;
        if magic != MAGIC {
            return Err(damaged("not an object, or of a newer version"));
        }
        let prefix = <[u8; PREFIX]>::try_from(prefix).map_err(|_| damaged("cut short"))?;
        let (sealer, hasher) = (Arc::clone(&self.sealer), self.sealer.hasher());
        Ok(Unsealing {
            file,
            sealer,
            prefix,
            number: 0,
            plain: io::Cursor::default(),
            ended: false,
            hasher,
            id: id.clone(),
        })
    }

    /// The JSON in an object.
    pub(super) fn json(&self, id: &str) -> StoreResult<Value> {
        let id = BlobId(id.to_owned());
        let damaged = |what: String| StoreError::DamagedObject { id: id.0.clone(), what };
        let mut content = Vec::new();
        let read = self.open(&id)?.read_to_end(&mut content);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => damaged(error.to_string()),
            _ => StoreError::io(self.layout.object(&id), "read the object", error),
        })?;
        serde_json::from_slice(&content).map_err(|error| damaged(format!("not JSON: {error}")))
    }

    /// Removes what is neither in `keep` nor fresh. Returns how many.
    pub(super) fn collect(&self, keep: &BTreeSet<BlobId>) -> StoreResult<u64> {
        let directory = self.layout.objects();
        let error = |error| StoreError::io(&directory, "remove old objects", error);
        let mut removed = 0;
        for entry in fs_err::read_dir(&directory).map_err(error)? {
            let entry = entry.map_err(error)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let id = BlobId(name);
            if id.0.starts_with(files::TEMPORARY) || keep.contains(&id) {
                continue;
            }
            let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            if !fresh.contains(&id) {
                // CRASH: the rest is removed the next time.
                step!(self.faults, "store.object.remove", fs_err::remove_file(entry.path())).map_err(error)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Blobs for Objects {
    fn put(&self, source: &mut dyn Read) -> io::Result<BlobId> {
        let id = self.write(source).map_err(io::Error::other)?;
        self.sync().map_err(io::Error::other)?;
        Ok(id)
    }

    fn get(&self, id: &BlobId) -> io::Result<Box<dyn Read + Send>> {
        match self.open(id) {
            Ok(object) => Ok(Box::new(object)),
            Err(error @ StoreError::DamagedObject { .. }) => Err(io::Error::new(io::ErrorKind::NotFound, error)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn nonce(prefix: [u8; PREFIX], number: u32, last: bool) -> [u8; 24] {
    let mut nonce = [0; 24];
    let end = number.to_be_bytes().into_iter().chain([u8::from(last)]);
    nonce.iter_mut().zip(prefix.into_iter().chain(end)).for_each(|(to, from)| *to = from);
    nonce
}

/// Reads as much as fits, and less only at the end.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn seal(sealer: &Sealer, source: &mut dyn Read, target: &mut dyn Write) -> io::Result<BlobId> {
    let mut prefix = [0; PREFIX];
    getrandom::fill(&mut prefix).map_err(|error| io::Error::other(error.to_string()))?;
    target.write_all(MAGIC)?;
    target.write_all(&prefix)?;
    let mut hasher = sealer.hasher();
    let mut buffer = vec![0; CHUNK];
    let mut number: u32 = 0;
    loop {
        let filled = fill(source, &mut buffer)?;
        let plain = buffer.get(..filled).unwrap_or_default();
        let last = filled < CHUNK;
        hasher.update(plain);
        target.write_all(&sealer.encrypt(&nonce(prefix, number, last), plain, MAGIC))?;
        if last {
            return Ok(BlobId(hasher.finalize().to_hex().to_string()));
        }
        number = number.checked_add(1).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
    }
}

/// Reads an object, a chunk at a time.
struct Unsealing {
    file: File,
    sealer: Arc<Sealer>,
    prefix: [u8; PREFIX],
    number: u32,
    plain: io::Cursor<Vec<u8>>,
    ended: bool,
    hasher: blake3::Hasher,
    id: BlobId,
}

impl Unsealing {
    fn next(&mut self) -> io::Result<()> {
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut sealed = vec![0; CHUNK + TAG];
        let filled = fill(&mut self.file, &mut sealed)?;
        let last = filled < CHUNK + TAG;
        let sealed = sealed.get(..filled).unwrap_or_default();
        let plain = self.sealer.decrypt(&nonce(self.prefix, self.number, last), sealed, MAGIC);
        let plain = plain.ok_or_else(|| damaged("damaged or cut short"))?;
        self.hasher.update(&plain);
        if last && self.hasher.finalize().to_hex().as_str() != self.id.0 {
            return Err(damaged("not the one of that name"));
        }
        self.number = self.number.checked_add(1).ok_or_else(|| damaged("too long"))?;
        self.plain = io::Cursor::new(plain);
        self.ended = last;
        Ok(())
    }
}

impl Read for Unsealing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.plain.read(buffer)?;
            if count > 0 || self.ended || buffer.is_empty() {
                return Ok(count);
            }
            self.next()?;
        }
    }
}

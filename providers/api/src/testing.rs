//! What the tests of a provider need: a [`Context`] without a store behind it.
//!
//! Behind the feature `testing`; nothing of it is in a release.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::object::BlobId;
use crate::provider::{Blobs, ChildProcess, Children, Context};

/// Payloads in memory, named by their hash.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<String, Arc<[u8]>>>,
}

impl MemoryBlobs {
    /// How many are kept.
    pub fn count(&self) -> usize {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Blobs for MemoryBlobs {
    fn put(&self, source: &mut dyn Read) -> io::Result<BlobId> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        let name = blake3::hash(&bytes).to_hex().to_string();
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), bytes.into());
        Ok(BlobId(name))
    }

    fn get(&self, id: &BlobId) -> io::Result<Box<dyn Read + Send>> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        match blobs.get(&id.0) {
            Some(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no payload {}", id.0))),
        }
    }
}

/// Remembers every process that it is told of.
#[derive(Debug, Default)]
pub struct RecordedChildren {
    children: Mutex<Vec<ChildProcess>>,
}

impl RecordedChildren {
    /// All of them, in order.
    pub fn all(&self) -> Vec<ChildProcess> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Children for RecordedChildren {
    async fn started(&self, child: &ChildProcess) -> io::Result<()> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(child.clone());
        Ok(())
    }
}

/// A context of a run and a step, with a minute to go, payloads in memory and nobody to tell.
pub fn context() -> Context {
    context_with(Arc::new(MemoryBlobs::default()), Arc::new(RecordedChildren::default()))
}

/// The same, with payloads and processes where the test can see them.
pub fn context_with(blobs: Arc<dyn Blobs>, children: Arc<dyn Children>) -> Context {
    Context {
        run: "00000000-0000-7000-8000-000000000001".into(),
        step: "step-1".into(),
        address: "type.name".into(),
        attempt: 1,
        idempotency_key: "key-1".into(),
        marker: None,
        deadline: Instant::now() + Duration::from_secs(60),
        cancellation: CancellationToken::new(),
        blobs,
        children,
        trace_parent: None,
    }
}

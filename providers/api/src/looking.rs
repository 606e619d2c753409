//! Calls that are part of no run, because they change nothing.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{BlobId, Blobs, ChildProcess, Children, Context};

impl Context {
    /// The context of a call that only looks: no payload can be kept, and processes need not be known, for it leaves
    /// nothing that would have to be settled. It belongs to no run and no address.
    pub fn looking(deadline: Instant, cancellation: CancellationToken) -> Context {
        Context {
            run: String::new(),
            step: String::new(),
            address: String::new(),
            attempt: 1,
            idempotency_key: String::new(),
            marker: None,
            deadline,
            cancellation,
            blobs: Arc::new(Nothing),
            children: Arc::new(Nothing),
            trace_parent: None,
        }
    }
}

/// Keeps nothing, and need not know of processes.
struct Nothing;

impl Blobs for Nothing {
    fn put(&self, _source: &mut dyn Read) -> io::Result<BlobId> {
        Err(io::Error::other("nothing is kept while only looking"))
    }

    fn get(&self, id: &BlobId) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::new(io::ErrorKind::NotFound, format!("nothing is kept while only looking: {}", id.0)))
    }
}

#[async_trait]
impl Children for Nothing {
    async fn started(&self, _child: &ChildProcess) -> io::Result<()> {
        Ok(())
    }
}

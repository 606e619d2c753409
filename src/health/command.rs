//! Whether a command ends as it should. Like all commands it runs under a guard, and never outlives us.

use std::ffi::OsString;
use std::io::{self, Read};
use std::sync::Arc;

use retrue_provider_api::process::{self, Ended};
use retrue_provider_api::{BlobId, Blobs, ChildProcess, Children, Context, Value};

use super::{Around, holds, is_secret};

/// So much of its standard output is looked at.
const MOST_BYTES: usize = 1 << 20;

/// It is cut off from outside, at the end of the time of a try: then it is killed.
pub(super) async fn probe(exit_code: i32, values: &Value, around: &Around<'_>) -> Result<(), String> {
    let words = values.get("run").and_then(Value::as_items).unwrap_or_default();
    let mut words = words.iter().filter_map(Value::as_str).map(OsString::from);
    let program = words.next().ok_or("it has no command")?;
    let mut command = process::Command::new(program, around.directory);
    command.arguments = words.collect();
    command.stdout_limit = MOST_BYTES;
    let context = Context {
        run: String::new(),
        step: String::new(),
        address: String::new(),
        attempt: 1,
        idempotency_key: String::new(),
        marker: None,
        deadline: crate::clock::deadline(std::time::Duration::from_secs(24 * 60 * 60)),
        cancellation: around.cancellation.clone(),
        blobs: Arc::new(Nothing),
        children: Arc::new(Nothing),
        trace_parent: None,
    };
    let finished = process::run(&context, &command).await;
    let finished = finished.map_err(|error| error.into_provider_error("check").message)?;
    // What is secret in its arguments may show in what it says.
    let secret = is_secret(values, "run");
    let last = finished.stderr.lines().next_back().map(str::trim).filter(|line| !line.is_empty());
    let said = match last.filter(|_| !secret) {
        Some(last) => format!(": {last}"),
        None => String::new(),
    };
    match finished.ended {
        Ended::Exited(status) if status == exit_code => {
            holds("what it wrote", &String::from_utf8_lossy(&finished.stdout), values, ("stdout", "contains"))
        }
        Ended::Exited(status) => Err(format!("it ended with {status}, and {exit_code} is expected{said}")),
        Ended::Signalled(signal) => Err(format!("it was ended by signal {signal}{said}")),
        Ended::TimedOut => Err("it did not end in time".to_owned()),
        Ended::Cancelled | Ended::Lost => Err("it was killed".to_owned()),
    }
}

/// Keeps nothing, and need not know of processes: what only looks leaves nothing to be settled.
struct Nothing;

impl Blobs for Nothing {
    fn put(&self, _source: &mut dyn Read) -> io::Result<BlobId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn get(&self, _id: &BlobId) -> io::Result<Box<dyn Read + Send>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Children for Nothing {
    fn started(&self, _child: &ChildProcess) -> io::Result<()> {
        Ok(())
    }
}

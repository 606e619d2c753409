//! Whether a command ends as it should. Like all commands it runs under a guard, and never outlives us.

use std::ffi::OsString;

use retrue_provider_api::process::{self, Ended};
use retrue_provider_api::{Context, Value};

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
    let limit = std::time::Duration::from_secs(24 * 60 * 60);
    let context = Context::looking(crate::clock::deadline(limit), around.cancellation.clone());
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

//! Commands that write the values of variables. Like the commands of steps they run under a guard, and
//! never outlive the program.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::{Duration, Instant};

use retrue_provider_api::Context;
use retrue_provider_api::process::{self, Ended, ProcessError};
use tokio_util::sync::CancellationToken;

/// For so long a command may run.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a shell line in the directory of the stack, and returns what it writes.
///
/// # Errors
/// A clause that holds nothing of what it wrote to standard output.
pub(super) fn run(line: &str, directory: &Path, environment: &BTreeMap<OsString, OsString>) -> Result<Vec<u8>, String> {
    let mut command = process::Command::shell(line, directory);
    // The key of the state is no command's business.
    let environment = environment.iter().filter(|(name, _)| *name != OsStr::new("RETRUE_KEY"));
    command.environment = environment.map(|(name, value)| (name.clone(), value.clone())).collect();
    // A thread of its own: whoever asks may be one of a runtime, which must not wait.
    let waiting = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("it cannot be started: {error}"))?;
        Ok::<_, String>(
            runtime
                .block_on(process::run(&Context::looking(Instant::now() + LIMIT, CancellationToken::new()), &command)),
        )
    };
    let ran = std::thread::scope(|scope| scope.spawn(waiting).join());
    let finished = match ran.map_err(|_| "it cannot be waited for".to_owned())?? {
        // Inside of another program than retrue, such as one that only loads stacks.
        Err(ProcessError::NoGuard) => return unguarded(&command),
        Err(error) => return Err(error.into_provider_error("from").message),
        Ok(finished) => finished,
    };
    let said = match finished.stderr.lines().next_back().map(str::trim).filter(|line| !line.is_empty()) {
        Some(last) => format!(": {last}"),
        None => String::new(),
    };
    match finished.ended {
        Ended::Exited(0) if finished.stdout_cut => Err("it wrote more than 16 MiB".to_owned()),
        Ended::Exited(0) => Ok(finished.stdout),
        Ended::Exited(status) => Err(format!("it ended with {status}{said}")),
        Ended::TimedOut => Err(format!("it did not end within {} seconds", LIMIT.as_secs())),
        Ended::Signalled(signal) => Err(format!("it was ended by signal {signal}{said}")),
        Ended::Cancelled | Ended::Lost => Err("it was killed".to_owned()),
    }
}

/// The same without a guard.
fn unguarded(command: &process::Command) -> Result<Vec<u8>, String> {
    let output = std::process::Command::new(&command.program)
        .args(&command.arguments)
        .current_dir(&command.directory)
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    match output.status.code() {
        Some(0) => Ok(output.stdout),
        Some(status) => Err(format!("it ended with {status}")),
        None => Err("it was killed".to_owned()),
    }
}

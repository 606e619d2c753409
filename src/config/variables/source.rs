//! Reading the source of a value: environment, file, command.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::config::scopes::read_limited;
use crate::config::stack::ValueSource;

/// For so long a command may run.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// So much of the output of a command is read, in bytes.
const OUTPUT_LIMIT: u64 = 16 * 1024 * 1024;

/// Reads a source; `None` when it is not there: a variable that is not set, a file that does not exist.
/// The error is a clause that holds nothing of the value.
pub(super) fn read(
    source: &ValueSource,
    directory: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<Option<String>, String> {
    match source {
        ValueSource::Environment(name) => match environment.get(OsStr::new(name.as_ref())) {
            None => Ok(None),
            Some(text) => text.to_str().map(|text| Some(text.to_owned())).ok_or(format!("`{source}` is not UTF-8")),
        },
        ValueSource::File(path) => match read_limited(&directory.join(path)) {
            Ok(content) => text(content).map(Some).map_err(|()| format!("`{source}` is not UTF-8")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("`{source}` cannot be read: {error}")),
        },
        ValueSource::Command(line) => {
            let output = run(line, directory, environment).map_err(|error| format!("`{source}`: {error}"))?;
            text(output).map(Some).map_err(|()| format!("what `{source}` writes is not UTF-8"))
        }
    }
}

/// Text without a newline at its end: files and commands end in one, values do not.
fn text(content: Vec<u8>) -> Result<String, ()> {
    let mut text = String::from_utf8(content).map_err(|_| ())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Runs a shell line in the directory of the stack, and returns what it writes.
fn run(line: &str, directory: &Path, environment: &BTreeMap<OsString, OsString>) -> Result<Vec<u8>, String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .current_dir(directory)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let Some(output) = child.stdout.take() else { return Err("it has no output".to_owned()) };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut content = Vec::new();
        let read = output.take(OUTPUT_LIMIT).read_to_end(&mut content).map(|_| content);
        // Nobody listens any more when the time is over.
        let _ = sender.send(read);
    });
    let content = match receiver.recv_timeout(COMMAND_LIMIT) {
        Ok(content) => content.map_err(|error| format!("its output cannot be read: {error}")),
        Err(_) => Err(format!("it did not end within {} seconds", COMMAND_LIMIT.as_secs())),
    };
    if content.is_err() {
        let _ = child.kill();
    }
    // Its output has ended, or it is being killed: the wait is short.
    let status = child.wait().map_err(|error| format!("it cannot be waited for: {error}"))?;
    let content = content?;
    if status.success() { Ok(content) } else { Err(format!("it failed with {status}")) }
}

/// Reads a source by its written form again (`env:NAME`, `file:PATH`, `command:LINE`), where the
/// form was kept in place of a secret.
///
/// # Errors
/// The form is none of these, there is nothing to read, or reading fails.
pub fn read_source(
    form: &str,
    directory: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<retrue_provider_api::Value, crate::diagnostic::Diagnostic> {
    let wrong = |text: String| crate::diagnostic::Diagnostic::error(crate::config::codes::SOURCE, text);
    let source = match form.split_once(':') {
        Some(("env", name)) => ValueSource::Environment(name.into()),
        Some(("file", path)) => ValueSource::File(path.into()),
        Some(("command", line)) => ValueSource::Command(line.into()),
        _ => return Err(wrong(format!("`{form}` is no source"))),
    };
    match read(&source, directory, environment) {
        Ok(Some(text)) => Ok(text.into()),
        Ok(None) => Err(wrong(format!("`{form}` is not there any more"))),
        Err(reason) => Err(wrong(reason)),
    }
}

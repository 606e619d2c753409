//! Reading the source of a value: environment, file, command.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use crate::config::scopes::read_limited;
use crate::config::stack::ValueSource;

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
            let output =
                super::command::run(line, directory, environment).map_err(|error| format!("`{source}`: {error}"))?;
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

//! Functions on files and paths.
//!
//! Paths are handled as text, by the rules of Go's `path/filepath`: nothing is looked up in order
//! to shorten them.

use std::io;
use std::path::{Path, PathBuf};

use retrue_provider_api::{Type, Value};

use super::encoding::to_base64;
use super::host::FileKind;
use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};
use super::wildcards;

const TEXT: Returns = Returns::Fixed(Shape::String);
const PATH: Parameter = Parameter::text("path");

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("abspath", &[PATH], TEXT, |call| Ok(absolute(call, call.text(0)?)?.into())),
    Function::new("basename", &[PATH], TEXT, |call| Ok(base(call.text(0)?).into())),
    Function::new("dirname", &[PATH], TEXT, |call| {
        let path = call.text(0)?;
        let end = path.rfind('/').map_or(0, |at| at + 1);
        Ok(clean(path.get(..end).unwrap_or_default()).into())
    }),
    Function::new("pathexpand", &[PATH], TEXT, |call| Ok(expand(call, call.text(0)?)?.into())),
    Function::new("file", &[PATH], TEXT, |call| {
        String::from_utf8(read(call)?).map(Value::from).map_err(|_| {
            let path = call.text(0).unwrap_or_default();
            FunctionError::at(0, format!("`{path}` is not UTF-8; `filebase64` reads any bytes"))
        })
    }),
    Function::new("filebase64", &[PATH], TEXT, |call| Ok(to_base64(read(call)?).into())),
    Function::new("fileexists", &[PATH], Returns::Fixed(Shape::Bool), exists),
    Function::new("fileset", &[PATH, Parameter::text("pattern")], Returns::Fixed(Shape::Set(&Shape::String)), |call| {
        let directory = absolute(call, call.text(0)?)?;
        let found =
            wildcards::find(call.host, &directory, call.text(1)?).map_err(|message| FunctionError::at(1, message))?;
        Ok(Value::set(Type::String, found.into_iter().map(Value::from)))
    }),
];

/// The content of the file that the first argument names.
pub(super) fn read(call: &Call<'_>) -> Result<Vec<u8>, FunctionError> {
    let path = located(call)?;
    match call.host.file_kind(&path).map_err(|error| unreadable(call, &error))? {
        // Reading a device or a pipe might never end.
        Some(FileKind::Other) => Err(unreadable(call, &io::Error::other("it is a device, a pipe or a socket"))),
        _ => call.host.read_file(&path).map_err(|error| unreadable(call, &error)),
    }
}

fn unreadable(call: &Call<'_>, error: &io::Error) -> FunctionError {
    let path = call.text(0).unwrap_or_default();
    let what = match error.kind() {
        io::ErrorKind::NotFound => "it does not exist; what a resource creates is known from its attributes".to_owned(),
        _ => error.to_string(),
    };
    FunctionError::at(0, format!("`{path}` cannot be read: {what}"))
}

fn located(call: &Call<'_>) -> Result<PathBuf, FunctionError> {
    let path = expand(call, call.text(0)?)?;
    absolute(call, &path).map(PathBuf::from)
}

fn exists(call: &Call<'_>) -> Outcome {
    let path = located(call)?;
    let wrong =
        |what: &str| Err(FunctionError::at(0, format!("`{}` is {what}, not a file", call.text(0).unwrap_or_default())));
    match call.host.file_kind(&path).map_err(|error| unreadable(call, &error))? {
        Some(FileKind::File) => Ok(true.into()),
        None => Ok(false.into()),
        Some(FileKind::Directory) => wrong("a directory"),
        Some(FileKind::Other) => wrong("a device, a pipe or a socket"),
    }
}

/// The path from the root, made from the directory of the stack.
fn absolute(call: &Call<'_>, path: &str) -> Result<String, FunctionError> {
    if Path::new(path).is_absolute() {
        return Ok(clean(path));
    }
    let base = call.host.base_directory().to_str();
    let base = base.ok_or_else(|| FunctionError::new("the directory of the stack has a name that is not UTF-8"))?;
    Ok(clean(&format!("{base}/{path}")))
}

/// `~` at the beginning is the home directory; that of someone else is not looked for.
fn expand(call: &Call<'_>, path: &str) -> Result<String, FunctionError> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(path.to_owned()) };
    if !rest.is_empty() && !rest.starts_with('/') {
        return Err(FunctionError::at(0, format!("`{path}`: only one's own home directory can be expanded")));
    }
    let home = call.host.home_directory().and_then(|home| home.into_os_string().into_string().ok());
    let home = home.ok_or_else(|| FunctionError::at(0, "the home directory is not known"))?;
    Ok(if rest.is_empty() { home } else { clean(&format!("{home}{rest}")) })
}

/// The shortest path that means the same, links left out of account.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&"..") | None if !rooted => parts.push(".."),
                Some(_) => {
                    parts.pop();
                }
                None => {}
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The last part of a path.
fn base(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/".to_owned();
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned()
}

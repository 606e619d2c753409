//! `retrue init`.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::codes;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::session::Session;
use crate::config::{FURTHER_FILES, MAIN_FILE};
use crate::diagnostic::Diagnostic;

/// Write a small stack that works
///
/// It makes one directory with one file in it, and needs nothing but this machine. Nothing is
/// overwritten.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Where; without it, the directory of -C or the current one
    #[arg(value_name = "DIR")]
    pub(crate) target: Option<PathBuf>,
}

/// The schema that the first line of a stack names, for editors.
const SCHEMA_FILE: &str = "retrue.schema.json";

/// What is written; `NAME` becomes the name of the directory.
const STACK: &str = r#"#:schema ./retrue.schema.json
# A stack: what is declared here is what `retrue apply` makes true.

[stack]
schema = 1
name = "NAME"

[variable.greeting]
type = "string"
default = "Hello"
description = "How to greet"

[resource.local_directory.out]
path = "out"

[resource.local_file.greeting]
path = "${local_directory.out.path}/greeting.txt"    # a reference is a dependency
content = """
${var.greeting}, this file is kept true by retrue.
"""

[output.greeting]
value = "${local_file.greeting.path}"
"#;

#[derive(Serialize)]
struct Document {
    created: Vec<String>,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let directory = match (&session.common.directory, arguments.target) {
        (Some(base), Some(target)) => base.join(target),
        (None, Some(target)) => target,
        _ => session.directory(),
    };
    fs_err::create_dir_all(&directory).map_err(|error| cannot_write(&error))?;
    if let Some(there) = stack_file(&directory) {
        return Err(already_there(&there));
    }
    let mut created = Vec::new();
    for (name, text) in
        [(SCHEMA_FILE, super::schema::text().await?), (MAIN_FILE, STACK.replace("NAME", &name_of(&directory)))]
    {
        let path = directory.join(name);
        match write_new(&path, &text) {
            Ok(()) => created.push(shown(&path)),
            // A schema of another version does no harm, and is not ours to replace.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && name == SCHEMA_FILE => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(already_there(&path)),
            Err(error) => return Err(cannot_write(&error)),
        }
    }
    if session.console.settings().json {
        return session.document(&Document { created });
    }
    for path in &created {
        session.console.line(&format!("wrote {path}"));
    }
    let change = if directory == Path::new(".") { String::new() } else { format!(" -C {}", directory.display()) };
    session.console.hint(&format!("hint: `retrue{change} apply` makes it true\n"));
    Ok(Exit::Done)
}

/// A file that makes the directory a stack already.
fn stack_file(directory: &Path) -> Option<PathBuf> {
    let entries = fs_err::read_dir(directory).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut found: Vec<_> =
        names.filter(|name| name == MAIN_FILE || name.as_encoded_bytes().ends_with(FURTHER_FILES.as_bytes())).collect();
    found.sort();
    found.first().map(|name| directory.join(name))
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn already_there(path: &Path) -> Failure {
    Diagnostic::error(codes::ALREADY_THERE, format!("`{}` is there already", shown(path)))
        .hint("nothing was written; `retrue init DIR` takes another directory")
        .into()
}

/// A path as a person would type it.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn cannot_write(error: &std::io::Error) -> Failure {
    Diagnostic::error(codes::CANNOT_WRITE, error.to_string())
        .hint("`retrue init DIR` takes another directory; mend what the system says")
        .into()
}

/// The name of a directory where it can name a stack.
fn name_of(directory: &Path) -> String {
    let path = fs_err::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if crate::address::is_identifier(&name) { name } else { "stack".to_owned() }
}

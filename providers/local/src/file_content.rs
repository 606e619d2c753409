//! Where the bytes of a `local_file` come from, and how they show in its attributes.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use retrue_provider_api::{Path as AttributePath, ProviderDiagnostic, ProviderResult, Type, Value};
use sha2::{Digest, Sha256};

use crate::draft::Draft;
use crate::errors;
use crate::here::Here;
use crate::observe::{self, Seen, TEXT_LIMIT};

/// The attributes of which exactly one says what is in the file.
pub(crate) const SOURCES: [&str; 3] = ["content", "source", "sensitive_content"];

/// Which of the attributes holds the content, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In `content`.
    Content,
    /// In `sensitive_content`.
    Sensitive,
    /// In another file, which `source` names.
    Source,
}

impl Form {
    /// The form that a configuration or a state uses.
    pub(crate) fn of(values: &Value) -> Form {
        let set = |name: &str| values.get(name).is_some_and(|value| !value.is_null());
        if set("sensitive_content") {
            Form::Sensitive
        } else if set("source") {
            Form::Source
        } else {
            Form::Content
        }
    }
}

/// The bytes that shall be in a file.
#[derive(Debug)]
pub(crate) enum Wanted<'v> {
    /// These.
    Text(&'v str),
    /// Those of another file.
    File(PathBuf),
    /// Not known yet.
    Unknown,
}

impl<'v> Wanted<'v> {
    /// What a configuration wants.
    pub(crate) fn of(here: &Here, operation: &str, config: &'v Value) -> ProviderResult<Self> {
        let mut set =
            SOURCES.iter().filter_map(|name| Some((*name, config.get(name).filter(|value| !value.is_null())?)));
        let wrong = || errors::invalid(operation, "set exactly one of `content`, `source` and `sensitive_content`");
        let (name, value) = set.next().ok_or_else(wrong)?;
        if set.next().is_some() {
            return if config.is_wholly_known() { Err(wrong()) } else { Ok(Wanted::Unknown) };
        }
        Ok(match value.as_str() {
            None => Wanted::Unknown,
            Some(path) if name == "source" => Wanted::File(here.places.resolve(path)),
            Some(text) => Wanted::Text(text),
        })
    }
}

/// What is wrong with the attributes that say what is in the file.
pub(crate) fn check(config: &Value) -> Vec<ProviderDiagnostic> {
    let mut found = Vec::new();
    let known: Vec<&str> =
        SOURCES.iter().copied().filter(|name| config.get(name).is_some_and(|v| v.is_known() && !v.is_null())).collect();
    let open = SOURCES.iter().any(|name| config.get(name).is_some_and(|value| !value.is_known()));
    match known.as_slice() {
        [] if !open => {
            let message = "set one of `content`, `source` and `sensitive_content` (an empty file: `content = \"\"`)";
            found.push(ProviderDiagnostic::error(AttributePath::root(), message));
        }
        [first, others @ ..] => {
            for other in others {
                let message = format!("`{first}` and `{other}` are both set: a file has one content");
                found.push(ProviderDiagnostic::error(AttributePath::attribute(*other), message));
            }
        }
        [] => {}
    }
    for name in ["content", "sensitive_content"] {
        let length = config.get(name).and_then(Value::as_str).map_or(0, str::len);
        if u64::try_from(length).unwrap_or(u64::MAX) > TEXT_LIMIT {
            let message = format!("`{name}` has more than 16 MiB: put it into a file and name it in `source`");
            found.push(ProviderDiagnostic::error(AttributePath::attribute(name), message));
        }
    }
    found
}

/// The attributes that tell what was seen in a file.
///
/// Where the bytes are not what an attribute can hold, that attribute is null, and size and hash tell
/// the difference. `source` shows as long as the bytes are those that it gave (`given`, a hash), and is
/// null where they are others.
pub(crate) fn attributes(written: &Value, seen: &Seen, given: Option<&str>) -> Vec<(&'static str, Value)> {
    let null = || Value::null(Type::String);
    let text = || seen.text.as_deref().map_or_else(null, Value::from);
    let (mut content, mut sensitive, mut source) = (null(), null(), null());
    match Form::of(written) {
        Form::Content => content = text(),
        Form::Sensitive => sensitive = text(),
        Form::Source if given == Some(seen.sha256.as_str()) => {
            source = written.get("source").cloned().unwrap_or_else(null);
        }
        Form::Source => {}
    }
    vec![
        ("content", content),
        ("sensitive_content", sensitive),
        ("source", source),
        ("sha256", Value::from(seen.sha256.as_str())),
        ("size", Value::from(seen.size)),
    ]
}

/// The hash and size of the file that `source` names; `None` where it is not there (yet).
pub(crate) fn measure(here: &Here, operation: &str, source: &Path) -> ProviderResult<Option<(String, u64)>> {
    let file = match open_source(source) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(errors::at_path(operation, source, error)),
    };
    copy(here, operation, source, file, &mut io::sink()).map(Some)
}

/// Writes the file that `source` names into a draft. Gives its hash and size.
pub(crate) fn copy_source(
    here: &Here,
    operation: &str,
    source: &Path,
    draft: &mut Draft,
) -> ProviderResult<(String, u64)> {
    let file = open_source(source).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            errors::invalid(operation, format!("the source {} does not exist", source.display()))
                .at(AttributePath::attribute("source"))
        }
        _ => errors::at_path(operation, source, error),
    })?;
    copy(here, operation, source, file, &mut draft.file)
}

/// Copies and hashes all of `from`; `path` is what errors are about.
pub(crate) fn copy(
    here: &Here,
    operation: &str,
    path: &Path,
    from: impl Read,
    to: &mut dyn Write,
) -> ProviderResult<(String, u64)> {
    let mut hashing = Hashing { hash: Sha256::new(), to };
    let size = io::copy(&mut here.patience.reader(from), &mut hashing).map_err(|error| {
        // Told as what it is where it was time to stop.
        here.patience.check(operation).err().unwrap_or_else(|| errors::at_path(operation, path, error))
    })?;
    Ok((observe::hexadecimal(hashing.hash), size))
}

/// Opens a source. It is read through links, as any program would; a device or a pipe has no end.
fn open_source(source: &Path) -> io::Result<fs_err::File> {
    let metadata = fs_err::metadata(source)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    fs_err::File::open(source)
}

struct Hashing<'w> {
    hash: Sha256,
    to: &'w mut dyn Write,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

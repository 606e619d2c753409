//! Data: what is in a file, and what a command writes.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use retrue_provider_api::{
    Attribute, Block, Category, Context, ProviderDiagnostic, ProviderError, ProviderResult, Type, TypeSchema, Value,
};

use crate::command_config::{self, Line, Surroundings};
use crate::command_run;
use crate::config::{Places, check_path};
use crate::errors;
use crate::file_content;
use crate::here::Here;
use crate::observe::{TEXT_LIMIT, exact_text};
use crate::owner;
use crate::path_type::written_path;

pub(crate) const FILE: &str = "local_file";
pub(crate) const COMMAND: &str = "local_command";

/// What a command's output may repeat of what it was given.
const GIVEN: [&str; 2] = ["command", "environment"];

pub(crate) fn schemas() -> [(&'static str, TypeSchema); 2] {
    let any = || Type::Dynamic;
    let file = [
        ("path", Attribute::required(Type::String, "Where it is, relative to the stack. Links are followed.")),
        ("content", Attribute::computed(Type::String, "Its content, where that is text of at most 16 MiB; else null.")),
        ("content_base64", Attribute::computed(Type::String, "Its content in base 64, up to 16 MiB; else null.")),
        ("sha256", Attribute::computed(Type::String, "The SHA-256 of its content, in hexadecimal.")),
        ("size", Attribute::computed(Type::Number, "Its size in bytes.")),
        ("mode", Attribute::computed(Type::String, "Its permissions, as four octal digits.")),
    ];
    let command = [
        (
            "command",
            Attribute::required(
                any(),
                "A line for the shell, or a list of a program and its arguments. It must change nothing.",
            ),
        ),
        ("environment", Attribute::optional(Type::map(Type::String), "Further variables.")),
        (
            "working_directory",
            Attribute::optional(Type::String, "Where it runs; the stack's directory where it is not set."),
        ),
        (
            "timeout",
            Attribute::optional(
                any(),
                "How long it may take: seconds, or text like `\"30s\"`; 2 minutes where it is not set.",
            ),
        ),
        ("stdout", Attribute::computed(Type::String, "What it wrote.").derived_from(&GIVEN)),
        (
            "output",
            Attribute::computed(any(), "The same, parsed where it is JSON; else without the newlines at its end.")
                .derived_from(&GIVEN),
        ),
    ];
    let schema = |documentation: &str, attributes: Vec<(&str, Attribute)>| TypeSchema {
        version: 0,
        identity_space: None,
        block: Block {
            attributes: attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect(),
            documentation: documentation.to_owned(),
            ..Block::default()
        },
    };
    [
        (FILE, schema("The content of a file that something else manages.", file.into())),
        (COMMAND, schema("What a command writes. It is run whenever the stack is planned.", command.into())),
    ]
}

pub(crate) fn validate(type_name: &str, config: &Value) -> Vec<ProviderDiagnostic> {
    if type_name == FILE {
        return check_path(config, "path").into_iter().collect();
    }
    command_config::check(config, &["command"])
}

/// Reads a file.
pub(crate) fn read_file(here: &Here, config: Value) -> ProviderResult<Value> {
    let path = here.places.resolve(written_path("read", &config)?);
    let at = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("there is no file {}", path.display());
            ProviderError::new(Category::NotFound, "read", message).with("path", path.display())
        }
        _ => errors::at_path("read", &path, error),
    };
    let metadata = fs_err::metadata(&path).map_err(at)?;
    if !metadata.is_file() {
        return Err(errors::at_path("read", &path, io::ErrorKind::IsADirectory).with("found", "not a file"));
    }
    let file = fs_err::File::open(&path).map_err(at)?;
    let mut kept = Kept { bytes: Vec::new(), whole: true };
    let (sha256, size) = file_content::copy(here, "read", &path, file, &mut kept)?;
    let null = || Value::null(Type::String);
    let base64 = if kept.whole { Value::from(STANDARD.encode(&kept.bytes)) } else { null() };
    let content = if kept.whole { exact_text(kept.bytes).map_or_else(null, Value::from) } else { null() };
    let (mode, ..) = owner::of_metadata(&metadata);
    Ok(config
        .with_attribute("content", content)
        .with_attribute("content_base64", base64)
        .with_attribute("sha256", Value::from(sha256))
        .with_attribute("size", Value::from(size))
        .with_attribute("mode", Value::from(owner::mode_text(mode))))
}

/// Runs a command.
pub(crate) async fn read_command(context: &Context, places: &Places, config: Value) -> ProviderResult<Value> {
    let line = Line::of("read", &config, "command")?;
    let line = line.ok_or_else(|| errors::invalid("read", "there is no command"))?;
    let mut surroundings = Surroundings::of("read", places, &config)?;
    if !command_config::is_set(&config, "timeout") {
        surroundings.timeout = std::time::Duration::from_secs(120);
    }
    let output = command_run::output(context, "command", &line, &surroundings).await?;
    Ok(config.with_attribute("stdout", output.stdout).with_attribute("output", output.output))
}

/// Bytes up to the limit; beyond it none.
struct Kept {
    bytes: Vec<u8>,
    whole: bool,
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.whole && (self.bytes.len() + bytes.len()) as u64 > TEXT_LIMIT {
            self.whole = false;
            self.bytes = Vec::new();
        }
        if self.whole {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

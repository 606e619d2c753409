//! The functions that expressions can call.

use std::path::Path;

use retrue_provider_api::Value;

/// What functions may ask of the outside. All access to files and clock goes through it.
pub trait Host: Sync {
    /// The directory that relative paths are relative to: the stack's.
    fn base_directory(&self) -> &Path;
    /// Reads a file, and records that it was read.
    fn read_file(&self, path: &Path) -> std::io::Result<Vec<u8>>;
    /// Whether this is planning or validating, so that the clock and random numbers are unknown.
    fn planning(&self) -> bool;
    /// The time of the plan, RFC 3339.
    fn plan_timestamp(&self) -> Option<String>;
}

/// Why a function has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// What is wrong.
    pub message: String,
    /// The argument that is to blame.
    pub argument: Option<usize>,
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    [
        "sensitive",
        "tostring",
        "tonumber",
        "tobool",
        "tolist",
        "toset",
        "tomap",
        "try",
        "can",
        "templatefile",
        "templatestring",
        "upper",
        "max",
        "length",
        "jsonencode",
    ]
    .into_iter()
}

/// Whether there is a function of this name; `core::` before it is accepted.
pub fn exists(name: &str) -> bool {
    let name = name.strip_prefix("core::").unwrap_or(name);
    names().any(|known| known == name)
}

/// Calls a function.
pub fn call(name: &str, arguments: &[Value], _host: &dyn Host) -> Result<Value, FunctionError> {
    use retrue_provider_api::{Type, convert};
    let wrong = |message: String| FunctionError { message, argument: Some(0) };
    let value = arguments.first().ok_or_else(|| wrong("one argument is needed".into()))?;
    let kind = match name.strip_prefix("core::").unwrap_or(name) {
        "upper" => return Ok(Value::from(value.as_str().unwrap_or_default().to_uppercase()).with_marks(value.marks())),
        "max" => {
            let marks =
                arguments.iter().fold(retrue_provider_api::Marks::NONE, |marks, value| marks.union(value.marks()));
            let most = arguments.iter().filter_map(Value::as_number).max().cloned();
            return most.map(|most| Value::from(most).with_marks(marks)).ok_or_else(|| wrong("no number".into()));
        }
        "sensitive" => return Ok(value.clone().sensitive()),
        "tostring" => Type::String,
        "tonumber" => Type::Number,
        "tobool" => Type::Bool,
        "tolist" => Type::list(Type::Dynamic),
        "toset" => Type::set(Type::Dynamic),
        "tomap" => Type::map(Type::Dynamic),
        other => return Err(FunctionError { message: format!("no function {other}"), argument: None }),
    };
    convert(value, &kind).map_err(|error| wrong(error.to_string()))
}

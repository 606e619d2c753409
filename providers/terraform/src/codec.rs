//! Values and types in the forms in which providers take them.
//!
//! The type of a value is known to both sides; only where it is `dynamic` does the value bring its own.

mod json;
mod msgpack;
mod refinement;

use retrue_provider_api::{NumberError, Path, PathStep, Type, Value};
use thiserror::Error;

use crate::wire::DynamicValue;
pub(crate) use json::{from_json, plain_json, to_json};
pub(crate) use msgpack::{from_msgpack, to_msgpack};

/// Why a value cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{what}", place(path))]
pub(crate) struct CodecError {
    /// Where in the value.
    pub(crate) path: Path,
    /// What is wrong there.
    pub(crate) what: String,
}

fn place(path: &Path) -> String {
    if path.0.is_empty() { String::new() } else { format!("`{path}`: ") }
}

impl CodecError {
    fn new(what: impl Into<String>) -> Self {
        CodecError { path: Path::root(), what: what.into() }
    }

    /// An error about the whole value.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self::new(what)
    }

    fn mismatch(wanted: &Type, got: &str) -> Self {
        Self::new(format!("{} required, and it is {got}", wanted.friendly_name()))
    }

    /// The same error, one step further out.
    fn under(mut self, step: PathStep) -> Self {
        self.path.0.insert(0, step);
        self
    }
}

impl From<NumberError> for CodecError {
    fn from(error: NumberError) -> Self {
        Self::new(error.to_string())
    }
}

/// The message for a value of a type.
pub(crate) fn encode(value: &Value, kind: &Type) -> Result<DynamicValue, CodecError> {
    Ok(DynamicValue { msgpack: to_msgpack(value, kind)?, json: Vec::new() })
}

/// The value in a message; one that is absent is null.
pub(crate) fn decode(message: Option<&DynamicValue>, kind: &Type) -> Result<Value, CodecError> {
    match message {
        Some(message) if !message.msgpack.is_empty() => from_msgpack(&message.msgpack, kind),
        Some(message) if !message.json.is_empty() => {
            let json = serde_json::from_slice(&message.json).map_err(|error| CodecError::new(error.to_string()))?;
            from_json(&json, kind)
        }
        _ => Ok(Value::null(kind.clone())),
    }
}

/// A message that says null, for what must be there and says nothing.
pub(crate) fn nothing() -> DynamicValue {
    DynamicValue { msgpack: vec![0xc0], json: Vec::new() }
}

/// A type from its JSON form, as schemas carry it.
pub(crate) fn type_of(json: &[u8]) -> Result<Type, CodecError> {
    let parsed = serde_json::from_slice(json).ok().as_ref().and_then(Type::from_json);
    parsed.ok_or_else(|| CodecError::new(format!("`{}` is not a type", String::from_utf8_lossy(json))))
}

#[cfg(test)]
mod tests;

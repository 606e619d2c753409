//! The configuration of the provider.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{
    Attribute, Block, Category, Path, ProviderDiagnostic, ProviderError, ProviderResult, Type, TypeSchema, Value,
};

use crate::transport::{Transport, transport_to};

/// How to reach a cloud, and how it behaves.
#[derive(Clone)]
pub struct Config {
    /// Carries the calls.
    pub transport: Arc<dyn Transport>,
    /// What every call carries to be let in.
    pub token: Option<String>,
    /// How long a read may show the world before a change.
    pub settles_within: Duration,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config {{ settles_within: {:?} }}", self.settles_within)
    }
}

impl Config {
    /// A cloud behind any transport, without a token, consistent at once.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Config { transport, token: None, settles_within: Duration::ZERO }
    }

    /// Reads the evaluated configuration; `None` while its URL is unknown.
    pub(crate) fn from_value(config: &Value) -> ProviderResult<Option<Self>> {
        let Some(url) = config.get("url").filter(|url| url.is_known()) else { return Ok(None) };
        let Some(url) = url.as_str() else { return Err(wrong("url", "`url` must be set")) };
        let transport = transport_to(url).map_err(|message| wrong("url", &message))?;
        let token = config.get("token").and_then(Value::as_str).map(str::to_owned);
        let settles_within = match config.get("settles_within").and_then(Value::as_number) {
            Some(seconds) => Duration::try_from_secs_f64(seconds.to_f64())
                .map_err(|error| wrong("settles_within", &error.to_string()))?,
            None => Duration::ZERO,
        };
        Ok(Some(Config { transport, token, settles_within }))
    }
}

fn wrong(attribute: &str, message: &str) -> ProviderError {
    ProviderError::new(Category::Validation, "configure", message).at(Path::attribute(attribute))
}

/// Its schema.
pub(crate) fn schema() -> TypeSchema {
    let attributes = [
        ("url", Attribute::required(Type::String, "Where the cloud answers: `http://127.0.0.1:PORT`.").harmless()),
        ("token", Attribute::optional(Type::String, "What the cloud wants to see to let anybody in.").sensitive()),
        (
            "settles_within",
            Attribute::optional(Type::Number, "Seconds for which a read may still show the world before a change.")
                .harmless(),
        ),
    ];
    TypeSchema {
        version: 0,
        identity_space: None,
        block: Block {
            attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into(),
            documentation: "The fake cloud that retrue is tested with.".into(),
            ..Block::default()
        },
    }
}

/// What is wrong with a configuration.
pub(crate) fn validate(config: &Value) -> Vec<ProviderDiagnostic> {
    match Config::from_value(config) {
        Ok(_) => Vec::new(),
        Err(error) => vec![ProviderDiagnostic::error(error.path.unwrap_or_default(), error.message)],
    }
}

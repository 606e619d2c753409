//! Errors of providers, classified.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::path::Path;

/// What kind of thing went wrong; it decides what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Will probably pass by itself.
    Transient,
    /// Too many requests; see [`ProviderError::retry_after`].
    RateLimited,
    /// Who we are, or what we may do.
    Authentication,
    /// What was asked for is not valid.
    Validation,
    /// What was asked about is not there.
    NotFound,
    /// It is there already, or in a state that forbids the operation.
    Conflict,
    /// The other side failed.
    ServerError,
    /// No answer in time.
    TimeOut,
    /// The other side was not reached, or the connection broke.
    Network,
    /// None of these, as far as is known.
    Unknown,
}

impl Category {
    /// All of them.
    pub const ALL: [Category; 10] = [
        Category::Transient,
        Category::RateLimited,
        Category::Authentication,
        Category::Validation,
        Category::NotFound,
        Category::Conflict,
        Category::ServerError,
        Category::TimeOut,
        Category::Network,
        Category::Unknown,
    ];

    /// The category that a word means, as it is written.
    pub fn named(word: &str) -> Option<Category> {
        Self::ALL.into_iter().find(|category| category.to_string() == word)
    }

    /// Whether an error of the category is worth another try, unless the error says otherwise.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Category::Transient | Category::RateLimited | Category::ServerError | Category::TimeOut | Category::Network
        )
    }
}

/// How grave an error is: who or what has to act before it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nobody: it passes by itself.
    Passing,
    /// Whoever wrote the configuration, or somebody who looks at the one object that it is about.
    Error,
    /// Somebody, before anything else of this provider works.
    Critical,
}

impl Category {
    /// How grave an error of the category is.
    pub fn severity(self) -> Severity {
        match self {
            Category::Transient
            | Category::RateLimited
            | Category::ServerError
            | Category::TimeOut
            | Category::Network => Severity::Passing,
            Category::Validation | Category::NotFound | Category::Conflict | Category::Unknown => Severity::Error,
            Category::Authentication => Severity::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Passing => "passes by itself",
            Severity::Error => "somebody has to mend it",
            Severity::Critical => "nothing works until somebody mends it",
        })
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Category::Transient => "transient",
            Category::RateLimited => "rate-limited",
            Category::Authentication => "authentication",
            Category::Validation => "validation",
            Category::NotFound => "not-found",
            Category::Conflict => "conflict",
            Category::ServerError => "server-error",
            Category::TimeOut => "time-out",
            Category::Network => "network",
            Category::Unknown => "unknown",
        })
    }
}

/// An error of a provider. `Display` is one line; `{:#}` adds context and source.
#[derive(Clone, Debug)]
pub struct ProviderError {
    /// What kind it is.
    pub category: Category,
    /// Whether another try may help.
    pub retry: bool,
    /// How long to wait before another try, when the other side said so.
    pub retry_after: Option<Duration>,
    /// What was being done: `create`, `read`.
    pub operation: String,
    /// One line, without secrets.
    pub message: String,
    /// The attribute that it is about.
    pub path: Option<Path>,
    /// Further facts by name: status, request id, path.
    pub context: Vec<(String, String)>,
    /// The error beneath.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ProviderError {
    /// An error of a category, retried as the category is.
    pub fn new(category: Category, operation: impl Into<String>, message: impl Into<String>) -> Self {
        ProviderError {
            category,
            retry: category.retryable(),
            retry_after: None,
            operation: operation.into(),
            message: message.into(),
            path: None,
            context: Vec::new(),
            source: None,
        }
    }

    /// The answer of a verb that the provider does not have.
    pub fn unsupported(operation: &str) -> Self {
        Self::new(Category::Validation, operation, format!("this provider does not support `{operation}`"))
    }

    /// The same error with a fact added.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.context.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same error about an attribute.
    #[must_use]
    pub fn at(mut self, path: Path) -> Self {
        self.path = Some(path);
        self
    }

    /// The same error with the error beneath.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if f.alternate() {
            // What the message says already is not said again.
            for (name, value) in self.context.iter().filter(|(_, value)| !self.message.contains(value.as_str())) {
                write!(f, "; {name}: {value}")?;
            }
            if let Some(source) = &self.source {
                write!(f, ": {source}")?;
            }
        }
        Ok(())
    }
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Something that a provider has to say about a configuration or a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderDiagnostic {
    /// It forbids going on, or it does not.
    pub error: bool,
    /// One line.
    pub message: String,
    /// More lines, if any.
    pub detail: String,
    /// The attribute that it is about.
    pub path: Option<Path>,
}

impl ProviderDiagnostic {
    /// An error about an attribute.
    pub fn error(path: Path, message: impl Into<String>) -> Self {
        ProviderDiagnostic { error: true, message: message.into(), detail: String::new(), path: Some(path) }
    }

    /// A warning about an attribute.
    pub fn warning(path: Path, message: impl Into<String>) -> Self {
        ProviderDiagnostic { error: false, ..Self::error(path, message) }
    }
}

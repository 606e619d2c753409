//! What a check is: everything that is written of it as a constant. Pure.

use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{Type, Value};
use serde::{Deserialize, Serialize};

/// A check, but for the values that it is carried out with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name.
    pub name: Arc<str>,
    /// What it means when it is unhealthy.
    #[serde(default, skip_serializing_if = "Severity::is_error")]
    pub severity: Severity,
    /// How often it is tried.
    #[serde(default)]
    pub rules: Rules,
    /// What is tried.
    pub probe: Probe,
}

/// What it means when a check is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What it looks at does not work: the run has failed.
    #[default]
    Error,
    /// It is told, and nothing else follows.
    Warning,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }

    fn is_error(&self) -> bool {
        *self == Severity::Error
    }
}

/// How often a check is tried, and what makes an answer of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How many failures there may be altogether before it is unhealthy.
    pub retries: u32,
    /// The time between two tries.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// So many successes in a row make it healthy; at least 1.
    pub healthy: u32,
    /// So many failures in a row make it unhealthy, where the retries are not used up before; at least 1.
    pub unhealthy: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            retries: 2,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            healthy: 1,
            unhealthy: 3,
        }
    }
}

/// What is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A server answers as it should.
    Http(Http),
    /// Somebody listens.
    Tcp,
    /// A command ends as it should.
    Command {
        /// With this status.
        exit_code: i32,
    },
    /// An expression is true.
    Condition,
}

/// How a server should answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// How it is asked.
    pub method: String,
    /// The statuses that will do; where none is named, those from 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// How long it may take until it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Duration>,
    /// For how many days its certificate must be good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<u32>,
}

impl Http {
    /// Whether a status will do.
    pub fn expects(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&status) }
    }

    /// What is expected, in words.
    pub fn expected(&self) -> String {
        if self.statuses.is_empty() {
            return "200 to 299".to_owned();
        }
        self.statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
    }
}

impl Probe {
    /// The word for its kind, which is the key that it is written under.
    pub fn word(&self) -> &'static str {
        match self {
            Probe::Http(_) => "http",
            Probe::Tcp => "tcp",
            Probe::Command { .. } => "command",
            Probe::Condition => "condition",
        }
    }

    /// What is wrong with one of its values, known and not null, if anything is.
    pub fn wrong_value(&self, name: &str, value: &Value) -> Option<String> {
        let text = value.as_str();
        match (self, name, text) {
            (Probe::Http(_), "matches", Some(text)) | (Probe::Command { .. }, "stdout", Some(text)) => {
                let error = regex::Regex::new(text).err()?;
                let error = error.to_string();
                let last = error.lines().next_back().unwrap_or_default();
                Some(format!("this is no regular expression: {}", last.trim_start_matches("error: ")))
            }
            (Probe::Http(http), "url", Some(text)) => match reqwest::Url::parse(text) {
                Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                    Some("a URL that is asked begins with `http://` or `https://`".to_owned())
                }
                Ok(url) if url.scheme() == "http" && http.certificate_days.is_some() => {
                    Some("`certificate_days` needs a URL that begins with `https://`".to_owned())
                }
                Ok(_) => None,
                Err(error) => Some(format!("this is no URL: {error}")),
            },
            (Probe::Tcp, "address", Some(text)) => {
                let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse());
                match port {
                    Some(Ok(1..=u16::MAX)) => None,
                    _ => Some("this is no address: a host and a port, as in `db.example.org:5432`".to_owned()),
                }
            }
            (Probe::Command { .. }, "run", _) => {
                let empty = value.as_items().is_some_and(<[Value]>::is_empty);
                empty.then(|| "there is no command in it".to_owned())
            }
            _ => None,
        }
    }
}

/// A value of a check: its name, its type, and whether it must be there.
pub type Kind = (&'static str, fn() -> Type, bool);

/// The values that each kind of check takes.
pub fn kinds(probe: &Probe) -> &'static [Kind] {
    fn texts() -> Type {
        Type::list(Type::String)
    }
    fn named() -> Type {
        Type::map(Type::String)
    }
    fn text() -> Type {
        Type::String
    }
    fn truth() -> Type {
        Type::Bool
    }
    match probe {
        Probe::Http(_) => &[
            ("url", text, true),
            ("headers", named, false),
            ("send", text, false),
            ("matches", text, false),
            ("contains", text, false),
        ],
        Probe::Tcp => &[("address", text, true)],
        Probe::Command { .. } => &[("run", texts, true), ("stdout", text, false), ("contains", text, false)],
        Probe::Condition => &[("condition", truth, true), ("message", text, true)],
    }
}

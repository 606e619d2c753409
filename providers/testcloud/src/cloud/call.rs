//! Calls and answers, free of any transport.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Sets a part as a whole.
    Put,
    /// Changes what is named.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Whether a call of the method may change something.
    pub fn changes(self) -> bool {
        self != Method::Get
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        })
    }
}

impl FromStr for Method {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete]
            .into_iter()
            .find(|method| method.to_string() == text)
            .ok_or(())
    }
}

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// What it does.
    pub method: Method,
    /// Its path, decoded, beginning with a slash.
    pub path: String,
    /// Its query.
    pub query: BTreeMap<String, String>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The bearer token of the header `Authorization`.
    pub token: Option<String>,
    /// Its body; null where there is none.
    pub body: Json,
}

impl Call {
    /// A call without query, headers and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Call { method, path: path.into(), query: BTreeMap::new(), idempotency_key: None, token: None, body: Json::Null }
    }

    /// The same call with a body.
    #[must_use]
    pub fn with_body(mut self, body: Json) -> Self {
        self.body = body;
        self
    }

    /// The same call with one more parameter in its query.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.insert(name.to_owned(), value.into());
        self
    }

    /// The parts of its path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }
}

impl fmt::Debug for Call {
    /// Neither the token nor the body: both may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// One response.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null where there is none.
    pub body: Json,
    /// The header `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

impl Answer {
    /// A status with a body.
    pub fn new(status: u16, body: Json) -> Self {
        Answer { status, body, retry_after: None }
    }

    /// An error, as the cloud words all of them.
    pub fn error(status: u16, code: &str, message: impl fmt::Display) -> Self {
        Answer::new(status, json!({ "error": { "code": code, "message": message.to_string() } }))
    }

    /// Whether the call was carried out.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)
    }
}

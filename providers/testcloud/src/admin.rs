//! The admin interface of a cloud in another process, for tests.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use thiserror::Error;

use crate::cloud::{Attributes, AuditEntry, Call, Fault, KillAtEffect, Method, Settings, TruthObject};
use crate::transport::{HttpTransport, SendError, Transport};

/// Looks into a cloud and disturbs it. What needs no HTTP uses [`Server::cloud`](crate::Server::cloud).
#[derive(Clone)]
pub struct Admin {
    transport: Arc<dyn Transport>,
}

/// Why the admin interface did not do what was asked.
#[derive(Debug, Error)]
pub enum AdminError {
    /// There is no server at this URL.
    #[error("{0}")]
    Url(String),
    /// There is no answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The answer is an error, or not what it should be.
    #[error("the answer is {status}: {message}")]
    Answer {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        message: String,
    },
}

impl Admin {
    /// The admin interface of the server at a URL.
    pub fn new(url: &str) -> Result<Self, AdminError> {
        Ok(Self::over(Arc::new(HttpTransport::new(url).map_err(AdminError::Url)?)))
    }

    /// The admin interface over any transport.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Admin { transport }
    }

    /// Every object.
    pub async fn truth(&self) -> Result<Vec<TruthObject>, AdminError> {
        self.get("/_truth").await
    }

    /// Every effect so far.
    pub async fn audit(&self) -> Result<Vec<AuditEntry>, AdminError> {
        self.get("/_audit").await
    }

    /// How the cloud behaves when nothing goes wrong.
    pub async fn settings(&self) -> Result<Settings, AdminError> {
        self.get("/_settings").await
    }

    /// Changes how the cloud behaves.
    pub async fn set_settings(&self, settings: &Settings) -> Result<(), AdminError> {
        self.put(Method::Put, "/_settings", settings).await
    }

    /// Arms a fault.
    pub async fn add_fault(&self, fault: &Fault) -> Result<(), AdminError> {
        self.put(Method::Post, "/_faults", fault).await
    }

    /// Disarms all faults and lets go of calls that hang.
    pub async fn clear_faults(&self) -> Result<(), AdminError> {
        self.send(Call::new(Method::Delete, "/_faults")).await.map(drop)
    }

    /// Ends a process at an effect that is still to come.
    pub async fn kill_at_effect(&self, kill: &KillAtEffect) -> Result<(), AdminError> {
        self.put(Method::Post, "/_kill", kill).await
    }

    /// Changes an object as somebody else would; null removes an attribute.
    pub async fn put_object(&self, collection: &str, id: &str, set: &Attributes) -> Result<(), AdminError> {
        self.put(Method::Put, &format!("/_objects/{collection}/{id}"), set).await
    }

    /// Removes an object as somebody else would.
    pub async fn remove_object(&self, collection: &str, id: &str) -> Result<(), AdminError> {
        self.send(Call::new(Method::Delete, format!("/_objects/{collection}/{id}"))).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        let body = self.send(Call::new(Method::Get, path)).await?;
        serde_json::from_value(body).map_err(|error| AdminError::Answer { status: 200, message: error.to_string() })
    }

    async fn put(&self, method: Method, path: &str, body: &impl Serialize) -> Result<(), AdminError> {
        let body = serde_json::to_value(body).unwrap_or(json!(null));
        self.send(Call::new(method, path).with_body(body)).await.map(drop)
    }

    async fn send(&self, call: Call) -> Result<Json, AdminError> {
        let answer = self.transport.send(&call).await?;
        if answer.is_success() {
            return Ok(answer.body);
        }
        let message = answer.body.pointer("/error/message").and_then(Json::as_str).unwrap_or("no message").to_owned();
        Err(AdminError::Answer { status: answer.status, message })
    }
}

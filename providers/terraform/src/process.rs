//! The process of a provider, and the connection to it.

mod certificate;
mod connection;
mod dial;
mod handshake;
mod output;

use thiserror::Error;

pub(crate) use connection::{CallError, Connection};

/// Why a provider could not be started.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("{}", dial::chain(.0))]
    Process(#[from] retrue_provider_api::process::ProcessError),
    #[error("no private directory could be made for its socket: {0}")]
    Directory(std::io::Error),
    #[error("no certificate could be made: {0}")]
    Certificate(String),
    #[error("{what}{}", after(said))]
    Handshake { what: String, said: String },
    #[error("no connection to it: {what}{}", after(said))]
    Connect { what: String, said: String },
}

fn after(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

#![doc = include_str!("docs.md")]
//!
//! A fake cloud for tests, and the provider for it.
//!
//! With local files alone every identity is natural and doubt is never exercised. Here ids are given
//! by a server that holds the truth, creates are slow, answers get lost, and somebody else
//! interferes: everything that makes provisioning hard, on demand and without chance.

mod admin;
mod apply;
mod bucket;
mod client;
pub mod cloud;
mod config;
mod convert;
mod database;
mod image;
mod instance;
mod network;
mod plan;
mod provider;
mod read;
mod resource;
mod server;
mod token;
mod transport;
mod wire;

pub use admin::{Admin, AdminError};
pub use config::Config;
pub use provider::{TestCloud, provider};
pub use server::Server;
pub use transport::{DirectTransport, HttpTransport, Near, SendError, Transport};

//! Any provider of Terraform's plugin protocol, version 5 or 6, behind the contract of retrue.
//!
//! A provider is a program of its own. This crate starts it, speaks gRPC with it, and translates
//! between its values and plans and those of `retrue_provider_api`. Nothing outside of this crate knows
//! of gRPC, MessagePack or `cty`.

#![forbid(unsafe_code)]

mod apply;
mod check;
mod classification;
mod client;
mod codec;
pub mod config;
mod data;
mod data_types;
mod diagnostic;
mod ephemeral;
mod find;
mod import;
pub mod install;
mod kept;
mod marker;
mod plan;
mod process;
mod provider;
mod read;
mod recipes;
mod restore;
mod schema;
mod shape;
pub mod tables;
mod time_limits;
mod validate;
mod wire;

pub use config::Launch;
pub use provider::Terraform;

//! Any provider of Terraform's plugin protocol, version 5 or 6, behind the contract of retrue.
//!
//! A provider is a program of its own. This crate starts it, speaks gRPC with it, and translates
//! between its values and plans and those of `retrue_provider_api`. Nothing outside of this crate knows
//! of gRPC, MessagePack or `cty`.

#![forbid(unsafe_code)]
#![allow(dead_code)]

mod codec;
mod config;
mod process;
mod schema;
mod shape;
mod wire;

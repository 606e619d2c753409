//! retrue: infrastructure as a transaction.

pub mod address;
pub mod cli;
pub mod config;
pub mod crash;
pub mod diagnostic;
pub mod expression;
pub mod plan;
pub mod rest;
pub mod saga;
pub mod span;
pub mod store;

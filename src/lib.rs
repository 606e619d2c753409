//! retrue: infrastructure as a transaction.

pub mod address;
pub mod apply;
pub mod broken;
pub mod cli;
pub mod clock;
pub mod codes;
pub mod config;
pub mod crash;
pub mod diagnostic;
pub mod engine;
pub mod expression;
pub mod graph;
pub mod health;
pub mod migrate;
pub mod plan;
pub mod reconcile;
pub mod registry;
pub mod resilience;
pub mod rest;
pub mod saga;
pub mod span;
pub mod store;
pub mod survey;
pub mod telemetry;
pub mod trace;

//! One file for each verb.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod compensate;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod destroy;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod migrate;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod providers;
pub(crate) mod reconcile;
pub(crate) mod replay;
pub(crate) mod resolve;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod validate;

//! What a person chose on the command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use retrue_provider_api::Value;
use tokio_util::sync::CancellationToken;

use crate::trace::Taps;

/// What holds for every verb.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the stack, as it was given.
    pub directory: PathBuf,
    /// The environment; `default` where none is chosen.
    pub environment: String,
    /// `--var NAME=VALUE`, in order.
    pub vars: Vec<(String, String)>,
    /// `--var-file FILE`, in order.
    pub var_files: Vec<PathBuf>,
    /// Values of variables that an earlier run had: they win over all others.
    pub recorded: BTreeMap<Arc<str>, Value>,
    /// How many calls to the outside may run at once.
    pub parallelism: usize,
    /// The environment of the process. Nothing else reads it.
    pub process_environment: BTreeMap<OsString, OsString>,
    /// Who is asking: `user@host`.
    pub actor: String,
    /// What stands between us and the making of providers: a recording, or the replay of one.
    pub taps: Taps,
}

impl Options {
    /// The directory of the stack, from the root.
    pub fn root(&self) -> PathBuf {
        crate::config::absolute_directory(&self.directory)
    }
}

/// What is to be planned.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Everything is to end.
    pub destroy: bool,
    /// Only these addresses, and what they depend on.
    pub targets: Vec<String>,
    /// These are made anew.
    pub replace: Vec<String>,
    /// The world is read; otherwise the record is taken for it.
    pub refresh: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { destroy: false, targets: Vec::new(), replace: Vec::new(), refresh: true }
    }
}

/// What happens when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// What runs is finished, nothing new is started.
    #[default]
    Halt,
    /// What does not depend on the failed step goes on.
    Continue,
    /// What was done is unwound.
    Compensate,
}

/// How a person stops a run: softly at first.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    /// Nothing new is started; what runs is finished and recorded.
    pub soft: CancellationToken,
    /// What runs is cancelled.
    pub hard: CancellationToken,
}

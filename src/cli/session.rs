//! What one run of the program has at hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::codes;
use super::command::{Common, Planning};
use super::console::Console;
use super::exit::{Ending, Exit, Failure};
use super::render::Detail;
use super::render::text::visible;
use super::signals;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Stack;
use crate::diagnostic::{Diagnostic, Sources};
use crate::engine::{self, Cancellation, FailureKind, Look, Options, PlanOptions};

/// The options that every verb has, and the streams.
pub(crate) struct Session {
    /// The options.
    pub(crate) common: Common,
    /// The streams.
    pub(crate) console: Arc<Console>,
    /// How a person stops it.
    pub(crate) cancellation: Cancellation,
}

impl Session {
    /// With nothing done yet.
    pub(crate) fn new(common: Common, console: Console) -> Self {
        Session { common, console: Arc::new(console), cancellation: Cancellation::default() }
    }

    /// The directory of the stack.
    pub(crate) fn directory(&self) -> PathBuf {
        self.common.directory.clone().unwrap_or_else(|| PathBuf::from("."))
    }

    /// What the engine is told for every verb.
    pub(crate) fn options(&self) -> Options {
        Options {
            directory: self.directory(),
            environment: self.common.environment.clone().unwrap_or_else(|| "default".to_owned()),
            vars: self
                .common
                .variables
                .iter()
                .filter_map(|text| {
                    let (name, value) = text.split_once('=')?;
                    Some((name.trim().to_owned(), value.to_owned()))
                })
                .collect(),
            recorded: BTreeMap::new(),
            var_files: self.common.variable_files.clone(),
            parallelism: self.common.parallelism.map_or(10, usize::from),
            process_environment: std::env::vars_os().collect(),
            actor: actor(),
            taps: Default::default(),
        }
    }

    /// How much a screen on standard output may show.
    pub(crate) fn detail(&self) -> Detail {
        let settings = self.console.settings();
        Detail { width: settings.width_out, all: settings.verbose > 0 }
    }

    /// The store of the stack, without a lock; `None` when nothing was ever recorded.
    ///
    /// It works with a stack that is broken, too, unless nothing is found then.
    pub(crate) fn look(&self) -> Result<Option<Look>, Failure> {
        let options = self.options();
        let stack = engine::load(&options);
        match (engine::look(&options, stack.as_ref().ok())?, stack) {
            (None, Err(failure)) => Err(failure.into()),
            (looked, _) => Ok(looked),
        }
    }

    /// Whether anything was ever recorded, for verbs that then open the store, which mends what is damaged.
    ///
    /// It works with a stack that is broken, too, unless nothing is found then.
    pub(crate) fn has_state(&self) -> Result<bool, Failure> {
        let options = self.options();
        let stack = engine::load(&options);
        match (engine::has_state(&options, stack.as_ref().ok())?, stack) {
            (false, Err(failure)) => Err(failure.into()),
            (found, _) => Ok(found),
        }
    }

    /// Takes the lock and opens the store. What was repaired is told.
    pub(crate) async fn open(
        &self,
        options: &Options,
        verb: &str,
        stack: Option<&Stack>,
    ) -> Result<engine::Session, Failure> {
        let store = engine::Session::open(options, verb, stack).await?;
        for notice in &store.notices {
            if self.console.settings().quiet {
                // That a store was mended is no hint, which quiet does without: it stands in the log.
                tracing::warn!("{notice}");
            }
            self.console.hint(&format!("note: {}\n", visible(notice)));
        }
        Ok(store)
    }

    /// Gives the lock back, however the work ended.
    pub(crate) async fn close(&self, store: &engine::Session, ending: Ending) -> Ending {
        let closed = store.close().await;
        let exit = ending?;
        closed?;
        Ok(exit)
    }

    /// Now, as documents have it.
    pub(crate) fn now(&self) -> String {
        SystemClock.now()
    }

    /// From now on a signal stops softly, and a second one cancels.
    pub(crate) fn listen(&self) {
        signals::listen(&self.console, &self.cancellation);
    }

    /// Writes a document for programs to standard output.
    pub(crate) fn document(&self, document: &impl serde::Serialize) -> Ending {
        match serde_json::to_string(document) {
            Ok(text) => {
                self.console.line(&text);
                Ok(Exit::Done)
            }
            Err(error) => Err(Diagnostic::error(codes::OUTPUT_LOST, format!("no JSON can be made of it: {error}"))
                .hint("without `--json` it is shown as text")
                .into()),
        }
    }

    /// Tells warnings on standard error.
    pub(crate) fn warn(&self, warnings: &[Diagnostic], sources: &Sources) {
        if !warnings.is_empty() {
            self.console.tell(&super::render::diagnostics(warnings, sources, self.console.settings().width_err));
        }
    }
}

impl From<&Planning> for PlanOptions {
    fn from(planning: &Planning) -> Self {
        PlanOptions {
            destroy: false,
            targets: planning.targets.clone(),
            replace: planning.replace.clone(),
            refresh: planning.refresh,
        }
    }
}

impl From<engine::Failure> for Failure {
    fn from(failure: engine::Failure) -> Self {
        let exit = match failure.kind {
            FailureKind::Failed => Exit::Failed,
            FailureKind::NeedsPerson => Exit::NeedsPerson,
            FailureKind::Locked => Exit::Locked,
            FailureKind::Usage => Exit::Usage,
            FailureKind::Cancelled => Exit::Cancelled,
        };
        Failure { diagnostics: failure.diagnostics, sources: failure.sources, exit }
    }
}

/// Who is asking: `user@host`, as far as the system says.
fn actor() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

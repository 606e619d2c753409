//! What is shown while a run goes on: bars on a terminal, lines elsewhere, JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::console::Console;
use super::json::event::{self, Tally};
use super::render::text::{bold, cyan, dim, green, red, truncate, visible, yellow};
use crate::address::Address;
use crate::engine::{Observer, RunEvent, RunEventKind, StepRef};
use crate::resilience::MovedOver;
use crate::saga::{Counts, RunKind, RunState, StepFailure};

/// So many running steps have a line of their own.
const MOST_RUNNING: usize = 8;

/// A step that takes less time than this is shown without it.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Shows a run, and remembers what its report needs.
pub(crate) struct Progress {
    console: Arc<Console>,
    seen: Mutex<Seen>,
    quiet: bool,
}

/// One run: an apply may be followed by its compensation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenRun {
    /// Its id.
    pub(crate) run: String,
    /// What kind it is.
    pub(crate) kind: RunKind,
    /// How it ended.
    pub(crate) ended: Option<(RunState, Counts)>,
    /// How many steps of each action ended how.
    pub(crate) tally: Tally,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The runs, in the order in which they started.
    pub(crate) runs: Vec<SeenRun>,
    /// What failed, in the order in which it did.
    pub(crate) failed: Vec<(Address, &'static str, StepFailure)>,
    /// What is in doubt.
    pub(crate) doubtful: Vec<(Address, &'static str, StepFailure)>,
    /// What earlier runs left in doubt, and this one left as it is.
    pub(crate) waiting: BTreeSet<Address>,
    /// What could not be undone.
    pub(crate) stuck: Vec<(Address, &'static str, StepFailure)>,
    /// What did not come back although its step is undone.
    pub(crate) lost: Vec<(Address, String)>,
    /// What is not as it should be, and was allowed to be so.
    pub(crate) degraded: BTreeSet<Address>,
    /// What is reached in another way than it is configured.
    pub(crate) moved: Vec<MovedOver>,
    /// What was read and did not agree.
    pub(crate) differing: Vec<(Address, Vec<String>)>,
    bars: Bars,
}

/// The bars on the terminal.
#[derive(Debug, Default)]
struct Bars {
    all: Option<ProgressBar>,
    running: BTreeMap<String, ProgressBar>,
}

impl Progress {
    /// Nothing has happened yet.
    pub(crate) fn new(console: Arc<Console>) -> Self {
        Progress { console, seen: Mutex::default(), quiet: false }
    }

    /// The same, and nothing is shown while it goes on.
    pub(crate) fn quiet(console: Arc<Console>) -> Self {
        Progress { quiet: true, ..Progress::new(console) }
    }

    /// What was seen; the bars go.
    pub(crate) fn finish(&self) -> Seen {
        let mut seen = std::mem::take(&mut *self.lock());
        seen.bars.clear();
        seen
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line for people, below what went before.
    fn tell(&self, line: Option<String>) {
        if let Some(line) = line {
            self.console.hint(&format!("{line}\n"));
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &RunEvent) {
        let settings = self.console.settings();
        let mut seen = self.lock();
        seen.remember(event);
        if self.quiet {
            return;
        }
        if settings.json {
            let none = Tally::new();
            let tally = seen.runs.last().map_or(&none, |run| &run.tally);
            if let Ok(line) = serde_json::to_string(&event::wire(event, tally)) {
                self.console.line(&line);
            }
            return;
        }
        if settings.bars {
            seen.bars.follow(&self.console, event);
        }
        drop(seen);
        self.tell(line(event, settings.verbose > 0));
    }
}

impl Seen {
    fn remember(&mut self, event: &RunEvent) {
        if let RunEventKind::RunStarted { kind, .. } = &event.kind {
            self.runs.push(SeenRun { run: event.run.clone(), kind: *kind, ended: None, tally: Tally::new() });
        }
        if let Some(run) = self.runs.last_mut() {
            event::count(&mut run.tally, event);
            if let RunEventKind::RunFinished { state, counts } = &event.kind {
                run.ended = Some((*state, *counts));
            }
        }
        match &event.kind {
            RunEventKind::StepFailed { step, error, .. } => {
                self.failed.push((step.address.clone(), step.action, error.clone()));
            }
            // It was allowed to fail: that is told once, and is no error.
            RunEventKind::Degraded(degraded) => {
                self.failed.retain(|(address, ..)| *address != degraded.address);
                self.degraded.insert(degraded.address.clone());
            }
            RunEventKind::MovedOver(moved) => self.moved.push(moved.clone()),
            RunEventKind::StepInDoubt { step, error, .. } => {
                self.doubtful.push((step.address.clone(), step.action, error.clone()));
            }
            RunEventKind::UndoStuck { step, error } => {
                self.stuck.push((step.address.clone(), step.action, error.clone()));
            }
            RunEventKind::UndoFinished { step, lost, .. } => {
                self.lost.extend(lost.iter().map(|lost| (step.address.clone(), lost.clone())));
            }
            RunEventKind::Verified { address, differing } if !differing.is_empty() => {
                self.differing.push((address.clone(), differing.clone()));
            }
            _ => {}
        }
    }
}

impl Bars {
    fn follow(&mut self, console: &Console, event: &RunEvent) {
        match &event.kind {
            RunEventKind::RunStarted { steps, .. } => {
                let length = u64::try_from(*steps).unwrap_or(u64::MAX);
                let all = console.bars().add(
                    ProgressBar::new(length).with_style(style("{bar:30.green/dim} {pos}/{len} {elapsed_precise:.dim}")),
                );
                all.enable_steady_tick(Duration::from_millis(200));
                self.all = Some(all);
            }
            RunEventKind::StepStarted(step) | RunEventKind::UndoStarted(step) if self.running.len() < MOST_RUNNING => {
                let bar = match &self.all {
                    Some(all) => console.bars().insert_before(all, ProgressBar::new_spinner()),
                    None => console.bars().add(ProgressBar::new_spinner()),
                };
                bar.set_style(style("{spinner} {wide_msg} {elapsed:.dim}"));
                let room = console.settings().width_err.saturating_sub(12);
                bar.set_message(truncate(
                    &format!("{} {}", visible(&step.address.to_string()), doing(event, step)),
                    room,
                ));
                bar.enable_steady_tick(Duration::from_millis(120));
                self.running.insert(step.step.clone(), bar);
            }
            RunEventKind::StepFinished { step, .. }
            | RunEventKind::StepFailed { step, .. }
            | RunEventKind::StepInDoubt { step, .. }
            | RunEventKind::UndoFinished { step, .. }
            | RunEventKind::UndoStuck { step, .. } => self.ended(&step.step),
            RunEventKind::StepSkipped { .. } => self.ended(""),
            RunEventKind::RunFinished { .. } => self.clear(),
            _ => {}
        }
    }

    fn ended(&mut self, step: &str) {
        if let Some(bar) = self.running.remove(step) {
            bar.finish_and_clear();
        }
        if let Some(all) = &self.all {
            all.inc(1);
        }
    }

    fn clear(&mut self) {
        for bar in std::mem::take(&mut self.running).into_values().chain(self.all.take()) {
            bar.finish_and_clear();
        }
    }
}

/// A style; a wrong one is a slip in this file, and shows as the plain one.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}

fn doing(event: &RunEvent, step: &StepRef) -> String {
    match event.kind {
        RunEventKind::UndoStarted(_) => undoing(step.action),
        _ => step.action.to_owned(),
    }
}

/// The line that people see of an event, if any.
fn line(event: &RunEvent, verbose: bool) -> Option<String> {
    let named = |sign: String, address: &Address, text: String| {
        Some(format!("{sign} {}  {text}", bold(&visible(&address.to_string()))))
    };
    let took = |duration: &Duration| match *duration >= WORTH_TELLING {
        true => dim(&format!("  {}", seconds(*duration))),
        false => String::new(),
    };
    match &event.kind {
        RunEventKind::RunStarted { kind, .. } => verbose.then(|| dim(&format!("run {} ({})", event.run, kind.word()))),
        RunEventKind::StepStarted(step) if verbose => named(dim(">"), &step.address, dim(step.action)),
        RunEventKind::UndoStarted(step) if verbose => named(dim(">"), &step.address, dim(&undoing(step.action))),
        RunEventKind::StepRetrying { step, error, after } => named(
            yellow("!"),
            &step.address,
            format!("{} failed, and is tried again in {}: {}", step.action, seconds(*after), visible(&error.message)),
        ),
        RunEventKind::StepHeld { step, reason, after } => {
            named(yellow("!"), &step.address, format!("waits: {}; next try in {}", visible(reason), seconds(*after)))
        }
        RunEventKind::StepFinished { step, duration, outcome, warnings } => {
            let done = if *outcome == "partial" { yellow("done in part") } else { done(step.action).to_owned() };
            let mut line = named(green("✓"), &step.address, format!("{done}{}", took(duration)))?;
            for warning in warnings {
                line.push_str(&format!("\n  {} {}", yellow("warning:"), visible(warning)));
            }
            Some(line)
        }
        RunEventKind::StepFailed { step, duration, error, .. } => named(
            red("✗"),
            &step.address,
            format!("{} {}{}", red(&format!("{} failed:", step.action)), first_line(&error.message), took(duration)),
        ),
        RunEventKind::StepInDoubt { step, error, .. } => named(
            yellow("?"),
            &step.address,
            format!("{} {}", yellow(&format!("{} is in doubt:", step.action)), first_line(&error.message)),
        ),
        RunEventKind::StepSkipped { address, action, reason } => {
            named(dim("-"), address, dim(&format!("{action} not started: {}", visible(reason))))
        }
        RunEventKind::StepResolved { address, outcome, how, .. } => {
            let what = match *outcome {
                "applied" => "was in doubt, and was done",
                "partial" => "was in doubt, and was done in part",
                _ => "was in doubt, and was not done",
            };
            named(cyan("?"), address, format!("{what}: {}", visible(how)))
        }
        RunEventKind::UndoFinished { step, duration, lost, not_made_again: true } => {
            let why = visible(&lost.join("; "));
            named(green("↩"), &step.address, format!("undone: not made again ({why}){}", took(duration)))
        }
        RunEventKind::UndoFinished { step, duration, lost, .. } => {
            let lost = if lost.is_empty() { String::new() } else { format!(", but for {}", visible(&lost.join("; "))) };
            named(green("↩"), &step.address, format!("{}{lost}{}", undone(step.action), took(duration)))
        }
        RunEventKind::UndoStuck { step, error } => named(
            red("✗"),
            &step.address,
            format!("{} {}", red(&format!("{} is stuck:", undoing(step.action))), first_line(&error.message)),
        ),
        RunEventKind::Verified { address, differing } if !differing.is_empty() => {
            named(yellow("!"), address, yellow(&format!("reads back differently: {}", differing.join(", "))))
        }
        // A verb that shows drift shows it whole, with its values.
        RunEventKind::Drift { .. } | RunEventKind::Verified { .. } | RunEventKind::RunFinished { .. } => None,
        RunEventKind::Degraded(degraded) => named(
            yellow("!"),
            &degraded.address,
            format!("{} {}", yellow("degraded:"), visible(&degraded.reason.replace('\n', " "))),
        ),
        RunEventKind::MovedOver(way) => Some(moved(way)),
        RunEventKind::CheckFinished(report) => Some(super::render::checks::line(report)),
        RunEventKind::Notice(text) => Some(format!("{} {}", yellow("note:"), visible(text))),
        RunEventKind::StepStarted(_) | RunEventKind::UndoStarted(_) => None,
    }
}

/// That a provider is reached in another way.
pub(crate) fn moved(moved: &MovedOver) -> String {
    format!("{} {} {}", yellow("!"), yellow("degraded:"), visible(&moved.to_string()))
}

/// What was done, as people say it.
pub(crate) fn done(action: &str) -> &str {
    match action {
        "create" => "created",
        "adopt" => "adopted",
        "import" => "imported",
        "update" => "updated",
        "replace" => "replaced",
        "delete" => "deleted",
        "forget" => "forgotten",
        "restore" => "restored",
        "depose" => "set aside",
        "record" => "recorded",
        "read" => "read",
        other => other,
    }
}

/// What an undo does: `delete, to undo`.
fn undoing(action: &str) -> String {
    format!("undo by {action}")
}

/// What an undo did: `undone: deleted`.
fn undone(action: &str) -> String {
    match action {
        "record" => "undone".to_owned(),
        "create" => "undone: made again".to_owned(),
        "update" => "undone: put back".to_owned(),
        other => format!("undone: {}", done(other)),
    }
}

fn first_line(text: &str) -> String {
    visible(text.lines().next().unwrap_or_default())
}

/// `850ms`, `2.5s`, `3m 4s`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()),
        long => format!("{}m {}s", long / 60, long % 60),
    }
}

#[cfg(test)]
mod tests;

//! What the journals of several runs say together: what failed for good and nobody dealt with, and how calls went.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use retrue_provider_api::Category;

use crate::address::Address;
use crate::plan::{ObjectKey, StepId};
use crate::saga::history::RunHistory;
use crate::saga::{Counts, Event, RunRecord, RunState, StepFailure, StepStatus, UndoStatus};

/// What a person decided about a run that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is to be gone on with.
    Continue,
    /// It is not.
    GiveUp,
}

impl Decision {
    /// The word for it, as journals have it.
    pub fn word(self) -> &'static str {
        match self {
            Decision::Continue => "continue",
            Decision::GiveUp => "give_up",
        }
    }
}

/// A step that failed for good, and that nothing later made up for.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The run.
    pub run: String,
    /// When it was started.
    pub started: String,
    /// The step.
    pub step: StepId,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether a part of it happened.
    pub partial: bool,
    /// Why it failed.
    pub failure: StepFailure,
    /// What a person said of the run.
    pub reviewed: Option<String>,
}

/// Whether anything in a run can have failed for good, by its record alone.
pub fn may_have_letters(record: &RunRecord) -> bool {
    let Counts { partial, not_applied, .. } = record.counts;
    let failed = record.state != RunState::Succeeded || partial + not_applied > 0;
    record.state.is_final() && !is_closed(record) && failed
}

/// Whether a run is dealt with, by its record alone.
fn is_closed(record: &RunRecord) -> bool {
    record.accepted || matches!(record.state, RunState::Compensated | RunState::CompensatedPartly)
}

/// What failed for good, newest first. `runs` are newest first; those that are closed, unwound or given up are
/// dealt with, and so are a step that was undone, and an object that a later run did something to.
pub fn dead_letters<'h>(runs: impl Iterator<Item = (&'h RunRecord, &'h RunHistory)>) -> Vec<DeadLetter> {
    let mut letters = Vec::new();
    // What later runs did: to which objects something, and which steps they undid.
    let mut seen: BTreeSet<(&Address, &ObjectKey)> = BTreeSet::new();
    let mut undone: BTreeSet<(&str, &StepId)> = BTreeSet::new();
    for (record, history) in runs {
        let reviewed = history.events.iter().rev().find_map(|event| match &event.event {
            Event::Review { decision, .. } => Some(decision.clone()),
            _ => None,
        });
        let dealt_with = is_closed(record) || reviewed.as_deref() == Some(Decision::GiveUp.word());
        let undos = history.undos.iter().filter(|undo| undo.status == UndoStatus::Undone);
        undone.extend(undos.map(|undo| (undo.of.as_str(), &undo.id)));
        let mut ended = Vec::new();
        for step in &history.steps {
            let failure = step.failure.as_ref().filter(|_| {
                matches!(step.status, StepStatus::NotApplied | StepStatus::Partial) && record.state.is_final()
            });
            let object = (&step.id.address, &step.id.object);
            if step.status.had_effect() || failure.is_some() {
                ended.push(object);
            }
            let made_up_for = seen.contains(&object) || undone.contains(&(record.run.as_str(), &step.id));
            if let (Some(failure), false) = (failure, dealt_with || made_up_for) {
                letters.push(DeadLetter {
                    run: record.run.clone(),
                    started: record.started.clone(),
                    step: step.id.clone(),
                    attempts: step.begin.as_ref().map_or(1, |begin| begin.attempt),
                    partial: step.status == StepStatus::Partial,
                    failure: failure.clone(),
                    reviewed: reviewed.clone(),
                });
            }
        }
        // Only what a later run did makes up for anything: of a replacement, one step fails after another was done.
        seen.extend(ended);
    }
    letters
}

/// How the runs of some time went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// How many runs there were.
    pub runs: usize,
    /// How many of them succeeded.
    pub succeeded: usize,
    /// How many steps began.
    pub steps: usize,
    /// How many of them were done.
    pub done: usize,
    /// How many tries there were beyond the first.
    pub retries: usize,
    /// How many failures there were, by category, those that were made up for included.
    pub failures: BTreeMap<Category, usize>,
    /// By provider instance and effect, how long each took from its beginning to its end, in order.
    pub durations: BTreeMap<(String, &'static str), Vec<Duration>>,
}

impl Statistics {
    /// The share of steps that were done; `None` where there was none.
    pub fn success_rate(&self) -> Option<f64> {
        share(self.done, self.steps)
    }

    /// How many tries beyond the first there were for each step; `None` where there was none.
    pub fn retry_rate(&self) -> Option<f64> {
        share(self.retries, self.steps)
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    // Numbers of steps are far below what a float cannot count.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The duration below which a share of all of them is; `None` where there is none. They are in order.
pub fn percentile(durations: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (durations.len() * percent).div_ceil(100).max(1);
    durations.get(rank - 1).copied()
}

/// How the runs that started in a time went: from `begins` on, and before `ends`.
pub fn statistics<'h>(
    runs: impl Iterator<Item = (&'h RunRecord, &'h RunHistory)>,
    begins: Timestamp,
    ends: Timestamp,
) -> Statistics {
    let mut found = Statistics::default();
    for (record, history) in runs {
        let Ok(started) = record.started.parse::<Timestamp>() else { continue };
        if started < begins || started >= ends {
            continue;
        }
        found.runs += 1;
        // How it ended by itself: that it was unwound later is no success of its own, and no failure.
        let ended = history.events.iter().rev().find_map(|event| match &event.event {
            Event::RunFinished(finished) => Some(finished.state),
            _ => None,
        });
        found.succeeded += usize::from(ended == Some(RunState::Succeeded));
        for step in history.steps.iter().filter(|step| step.begin.is_some()) {
            found.steps += 1;
            found.done += usize::from(step.status.is_done());
        }
        let mut begun: BTreeMap<&StepId, (Timestamp, &str)> = BTreeMap::new();
        for event in &history.events {
            let (Some(step), Ok(time)) = (&event.step, event.time.parse::<Timestamp>()) else { continue };
            let failure = match &event.event {
                Event::StepBegin(begin) => {
                    found.retries += usize::from(begin.attempt > 1);
                    begun.insert(step, (time, &begin.provider));
                    continue;
                }
                Event::StepApplied(_) => None,
                Event::StepPartial(end) | Event::StepUnknown(end) => end.error.as_ref(),
                Event::StepNotApplied(failure) => Some(failure),
                _ => continue,
            };
            if let Some(failure) = failure {
                *found.failures.entry(failure.category).or_default() += 1;
            }
            if let Some((from, provider)) = begun.remove(step) {
                let took = Duration::try_from(time.duration_since(from)).unwrap_or_default();
                found.durations.entry((provider.to_owned(), step.effect.word())).or_default().push(took);
            }
        }
    }
    found.durations.values_mut().for_each(|durations| durations.sort_unstable());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_there_is() {
        let durations: Vec<Duration> = (1..=20).map(Duration::from_secs).collect();
        let of = |percent| percentile(&durations, percent).unwrap().as_secs();
        assert_eq!((of(0), of(50), of(95), of(100)), (1, 10, 19, 20));
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[Duration::from_secs(3)], 95), Some(Duration::from_secs(3)));
    }
}

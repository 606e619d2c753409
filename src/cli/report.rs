//! What is said when a run has ended.

use super::exit::Exit;
use super::progress::{Seen, done};
use super::render::text::{bold, red, visible, yellow};
use crate::address::Address;
use crate::saga::{RunKind, RunState, StepFailure};

/// The report of a run: errors for standard error, the summary for standard output, advice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// What went wrong, one by one.
    pub(crate) errors: String,
    /// What came of it.
    pub(crate) summary: String,
    /// What to do next.
    pub(crate) advice: String,
}

/// Puts a report together.
pub(crate) fn report(seen: &Seen) -> Report {
    let mut errors = String::new();
    let groups = [("failed", &seen.failed), ("is in doubt", &seen.doubtful), ("could not be undone", &seen.stuck)];
    for (what, failures) in groups {
        for (address, action, failure) in failures {
            errors.push_str(&error(address, action, what, failure));
        }
    }
    let Some((state, counts)) = seen.ended else { return Report { errors, ..Report::default() } };
    let mut parts: Vec<String> = Vec::new();
    for (action, outcomes) in &seen.tally {
        let number = outcomes.get("applied").copied().unwrap_or(0);
        if number > 0 && !matches!(action.as_str(), "depose" | "record") {
            parts.push(format!("{number} {}", done(action)));
        }
    }
    let others = [
        (counts.partial, "done in part"),
        (counts.not_applied, "failed"),
        (counts.unknown, "in doubt"),
        (counts.skipped, "not started"),
        (counts.undone, "undone"),
        (counts.stuck, "stuck"),
    ];
    parts.extend(others.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")));
    let head = headline(seen.kind, state);
    let summary = if parts.is_empty() {
        format!("{}.\n", bold(head))
    } else {
        format!("{}: {}.\n", bold(head), parts.join(", "))
    };
    let mut advice = String::new();
    for (address, lost) in &seen.lost {
        advice.push_str(&format!("{} {address}: did not come back: {}\n", yellow("note:"), visible(lost)));
    }
    for text in what_next(seen, state) {
        advice.push_str(&format!("{} {text}\n", bold("hint:")));
    }
    Report { errors, summary, advice }
}

fn error(address: &Address, action: &str, what: &str, failure: &StepFailure) -> String {
    let action = if what == "could not be undone" { format!("the {action}") } else { action.to_owned() };
    let mut lines = failure.message.lines().map(visible);
    let first = lines.next().unwrap_or_default();
    let head =
        format!("error[{}]: {}: {action} {what}: {first}", visible(&failure.code), visible(&address.to_string()));
    let rest: String = lines.map(|line| format!("  {line}\n")).collect();
    format!("{}\n{rest}", red(&head))
}

fn headline(kind: Option<RunKind>, state: RunState) -> &'static str {
    match (state, kind) {
        (RunState::Succeeded, Some(RunKind::Destroy)) => "Destroyed",
        (RunState::Succeeded, Some(RunKind::Fix)) => "Fixed",
        (RunState::Succeeded, Some(RunKind::Compensate)) | (RunState::Compensated, _) => "Compensated",
        (RunState::Succeeded, _) => "Applied",
        (RunState::CompensatedPartly, _) => "Compensated in part",
        (RunState::Cancelled, _) => "Cancelled",
        (RunState::NeedsReview, _) => "Needs a person",
        (RunState::FailedTransient | RunState::FailedPermanent, _) => "Failed",
        (RunState::Interrupted, _) => "Interrupted",
        _ => "Not finished",
    }
}

fn what_next(seen: &Seen, state: RunState) -> Vec<String> {
    let mut advice = Vec::new();
    if !seen.doubtful.is_empty() {
        advice.push(
            "run `retrue apply` again: it looks first; what it cannot tell, `retrue resolve ADDR` takes from you"
                .to_owned(),
        );
    }
    if !seen.stuck.is_empty() {
        advice.push("mend the cause and run `retrue compensate` again; `--skip ADDR` leaves one as it is".to_owned());
    }
    if advice.is_empty()
        && matches!(state, RunState::FailedTransient | RunState::FailedPermanent | RunState::Cancelled)
        && seen.kind != Some(RunKind::Compensate)
    {
        advice.push("what was done stays: `retrue apply` goes on, `retrue compensate` unwinds it".to_owned());
    }
    advice
}

/// What the exit status says about how a run ended.
pub(crate) fn exit(kind: Option<RunKind>, state: RunState) -> Exit {
    match state {
        RunState::Succeeded => Exit::Done,
        RunState::Compensated if kind == Some(RunKind::Compensate) => Exit::Done,
        RunState::Compensated => Exit::Compensated,
        RunState::NeedsReview | RunState::CompensatedPartly => Exit::NeedsPerson,
        RunState::Cancelled => Exit::Cancelled,
        _ => Exit::Failed,
    }
}

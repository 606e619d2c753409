//! What is said when a run has ended.

use super::exit::Exit;
use super::progress::{Seen, SeenRun, done};
use super::render::text::{bold, red, visible, yellow};
use crate::address::Address;
use crate::apply::unwind::UnwindReport;
use crate::saga::{RunKind, RunState, StepFailure};

/// The report of a run: errors for standard error, the summary for standard output, advice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// What went wrong, one by one.
    pub(crate) errors: String,
    /// What came of it.
    pub(crate) summary: String,
    /// What it did not come to, because of what earlier runs left in doubt.
    pub(crate) waiting: String,
    /// What to do next.
    pub(crate) advice: String,
}

/// Puts a report together.
pub(crate) fn report(seen: &Seen) -> Report {
    let mut errors = String::new();
    let groups = [("failed", &seen.failed), ("is in doubt", &seen.doubtful), ("", &seen.stuck)];
    for (what, failures) in groups {
        for (address, action, failure) in failures {
            errors.push_str(&error(address, action, what, failure));
        }
    }
    let whole = seen.waiting.is_empty();
    let mut summary: String = seen.runs.iter().filter_map(|run| summary(run, whole)).collect();
    if !seen.degraded.is_empty() || !seen.moved.is_empty() {
        let ways =
            seen.moved.iter().map(|moved| format!("the provider {} (fallback {})", moved.provider, moved.fallback));
        let names = ways.chain(seen.degraded.iter().map(ToString::to_string));
        let names: Vec<String> = names.map(|name: String| visible(&name)).collect();
        summary.push_str(&format!("{} {}.\n", yellow("Degraded:"), names.join(", ")));
    }
    let names: Vec<String> = seen.waiting.iter().map(|address| visible(&address.to_string())).collect();
    let waiting = match whole {
        true => String::new(),
        false => format!(
            "{} it is in doubt what came of {}; what has to wait for that was left as it is.\n",
            yellow("Needs a person:"),
            names.join(", ")
        ),
    };
    let mut advice = String::new();
    for (address, lost) in &seen.lost {
        advice.push_str(&format!("{} {address}: did not come back: {}\n", yellow("note:"), visible(lost)));
    }
    for text in what_next(seen) {
        advice.push_str(&format!("{} {text}\n", bold("hint:")));
    }
    Report { errors, summary, waiting, advice }
}

/// What came of one run; `whole` when nothing was left because of older doubt.
fn summary(run: &SeenRun, whole: bool) -> Option<String> {
    let (state, counts) = run.ended?;
    let mut parts: Vec<String> = Vec::new();
    for (action, outcomes) in &run.tally {
        let number = outcomes.get("applied").copied().unwrap_or(0);
        if number > 0 && !matches!(action.as_str(), "depose" | "record") {
            parts.push(format!("{number} {}", done(action)));
        }
    }
    let others = [
        (counts.partial, "done in part"),
        (counts.not_applied, "failed"),
        (counts.unknown, "in doubt"),
        (counts.skipped, if run.kind == RunKind::Compensate { "left" } else { "not started" }),
        (counts.undone, "undone"),
        (counts.stuck, "stuck"),
    ];
    parts.extend(others.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")));
    let head = bold(match (run.kind, state) {
        (RunKind::Compensate, RunState::Succeeded) if counts.skipped > 0 => "Compensated in part",
        (RunKind::Destroy, RunState::Succeeded) if !whole => "Destroyed in part",
        _ => headline(run.kind, state),
    });
    Some(if parts.is_empty() { format!("{head}.\n") } else { format!("{head}: {}.\n", parts.join(", ")) })
}

fn error(address: &Address, action: &str, what: &str, failure: &StepFailure) -> String {
    let what = if what.is_empty() { format!("undo by {action} failed") } else { format!("{action} {what}") };
    let mut lines = failure.message.lines().map(visible);
    let first = lines.next().unwrap_or_default();
    let head = format!("error[{}]: {}: {what}: {first}", visible(&failure.code), visible(&address.to_string()));
    let rest: String = lines.map(|line| format!("  {line}\n")).collect();
    format!("{}\n{rest}", red(&head))
}

fn headline(kind: RunKind, state: RunState) -> &'static str {
    match (state, kind) {
        (RunState::Succeeded, RunKind::Destroy) => "Destroyed",
        (RunState::Succeeded, RunKind::Fix) => "Fixed",
        (RunState::Succeeded, RunKind::Compensate) | (RunState::Compensated, _) => "Compensated",
        (RunState::Succeeded, _) => "Applied",
        (RunState::CompensatedPartly, _) => "Compensated in part",
        (RunState::Cancelled, _) => "Cancelled",
        (RunState::NeedsReview, _) => "Needs a person",
        (RunState::FailedTransient | RunState::FailedPermanent, _) => "Failed",
        (RunState::Interrupted, _) => "Interrupted",
        _ => "Not finished",
    }
}

/// The verb that goes on with what a run of some kind left.
pub(crate) fn goes_on(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Destroy => "retrue destroy",
        RunKind::Fix => "retrue reconcile --fix",
        RunKind::Compensate => "retrue compensate",
        _ => "retrue apply",
    }
}

fn what_next(seen: &Seen) -> Vec<String> {
    let mut advice = Vec::new();
    let last = seen.runs.last();
    let again = goes_on(last.map_or(RunKind::Apply, |run| run.kind));
    // An unwinding tells by itself what it left in doubt.
    if !seen.doubtful.is_empty() && last.is_none_or(|run| run.kind != RunKind::Compensate) {
        advice.push(format!(
            "run `{again}` again: it looks first; what it cannot tell, `retrue resolve ADDR` takes from you"
        ));
    }
    if !seen.stuck.is_empty() {
        advice.push("mend the cause and run `retrue compensate` again; `--skip ADDR` leaves one as it is".to_owned());
    }
    let stays = |run: &SeenRun| {
        let ended = run.ended.map(|(state, _)| state);
        run.kind != RunKind::Compensate
            && matches!(ended, Some(RunState::FailedTransient | RunState::FailedPermanent | RunState::Cancelled))
    };
    if let Some(address) = seen.waiting.first().filter(|_| seen.doubtful.is_empty()) {
        advice.push(format!(
            "`retrue resolve {}` takes your answer; then `{again}` goes on",
            visible(&address.to_string())
        ));
    }
    if advice.is_empty() && last.is_some_and(stays) {
        advice.push(format!("what was done stays: `{again}` goes on, `retrue compensate` unwinds it"));
    }
    advice
}

/// What the exit status says about how an apply, destroy or fix ended.
pub(crate) fn exit(state: RunState) -> Exit {
    match state {
        RunState::Succeeded => Exit::Done,
        RunState::Compensated => Exit::Compensated,
        RunState::NeedsReview | RunState::CompensatedPartly => Exit::NeedsPerson,
        RunState::Cancelled => Exit::Cancelled,
        _ => Exit::Failed,
    }
}

/// What the exit status says about how an unwinding ended; `full` when all was unwound but for what a
/// person asked to leave, or agreed to leave by going past it.
pub(crate) fn unwound_exit(unwound: &UnwindReport, full: Exit) -> Exit {
    let waits = !(unwound.stuck.is_empty() && unwound.in_doubt.is_empty() && unwound.behind_pivot.is_empty());
    match unwound.state {
        _ if waits || unwound.differs() => Exit::NeedsPerson,
        _ if unwound.cancelled => Exit::Cancelled,
        RunState::Compensated | RunState::CompensatedPartly | RunState::Succeeded => full,
        _ => Exit::NeedsPerson,
    }
}

/// What is not as it was, although it was unwound.
pub(crate) fn unwound_errors(unwound: &UnwindReport) -> String {
    let mut errors = String::new();
    for (address, differing) in &unwound.differing {
        let what = match differing.as_slice() {
            [path] if path.0.is_empty() => "whether it exists".to_owned(),
            paths => paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let code = crate::saga::codes::NOT_AS_BEFORE;
        let text = format!("error[{code}]: {address}: it is not as it was before: {}", visible(&what));
        errors.push_str(&format!("{}\n", red(&text)));
    }
    errors
}

/// What was left as it is, and how to go on.
pub(crate) fn unwound_advice(unwound: &UnwindReport) -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut note = |address: &Address, what: &str, reason: &str| {
        let line = format!("{} {address}: {what}: {}\n", yellow("note:"), visible(reason));
        // The steps of a replacement are one thing to a person.
        if !notes.contains(&line) {
            notes.push(line);
        }
    };
    for (address, reason) in &unwound.skipped {
        note(address, "left as it is", reason);
    }
    for (address, reason) in unwound.given_up.iter().chain(&unwound.irreversible) {
        note(address, "left as it is", reason);
    }
    for (address, reason) in &unwound.in_doubt {
        note(address, "not unwound", reason);
    }
    for (address, reason) in &unwound.behind_pivot {
        note(address, "not unwound", reason);
    }
    for address in unwound.waiting.iter().filter(|_| !unwound.cancelled) {
        note(address, "not unwound", "what comes before it was not");
    }
    for (address, paths) in &unwound.left_behind {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        note(address, "still refers to what is no more", &paths.join(", "));
    }
    let mut advice = notes.concat();
    let mut hint = |text: &str| advice.push_str(&format!("{} {text}\n", bold("hint:")));
    if !unwound.left_behind.is_empty() {
        hint("`retrue apply` brings what refers to something made again to its new values");
    }
    if !unwound.behind_pivot.is_empty() {
        hint("`retrue compensate --past ADDR` goes on behind what cannot be undone");
    }
    if !unwound.in_doubt.is_empty() {
        hint(
            "run `retrue compensate` again: it looks first; what it cannot tell, `retrue resolve ADDR` takes from you",
        );
    }
    if unwound.cancelled {
        hint("`retrue compensate` goes on with it");
    }
    advice
}

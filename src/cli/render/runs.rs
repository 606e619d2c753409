//! The history: runs, their steps, their journals.

use super::plan::{Detail, Screen};
use super::table::table;
use super::text::{bold, count, dim, green, red, visible, width, yellow};
use super::timeline;
use crate::apply::codes::UNHEALTHY;
use crate::engine::ledger::{DeadLetter, Statistics, percentile};
use crate::saga::history::{RunHistory, StepHistory};
use crate::saga::{Counts, Event, Journaled, RunRecord, RunState, StepStatus, UndoStatus};

/// A table of runs, newest first.
pub(crate) fn list<'a>(runs: impl Iterator<Item = &'a RunRecord>, columns: usize) -> String {
    let rows: Vec<Vec<String>> = runs
        .map(|run| {
            vec![
                visible(&run.run),
                run.kind.word().to_owned(),
                if run.accepted { format!("{}, accepted", run.state.word()) } else { run.state.word().to_owned() },
                run.started.clone(),
                counts(&run.counts),
                visible(&run.actor),
            ]
        })
        .collect();
    table(&["RUN", "KIND", "STATE", "STARTED", "STEPS", "ACTOR"], &rows, columns)
}

/// `3 applied, 1 not applied`; `-` where nothing happened.
pub(crate) fn counts(counts: &Counts) -> String {
    let parts = [
        (counts.applied, "applied"),
        (counts.partial, "partial"),
        (counts.not_applied, "not applied"),
        (counts.unknown, "in doubt"),
        (counts.skipped, "not started"),
        (counts.undone, "undone"),
        (counts.stuck, "stuck"),
    ];
    let words: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// One run, step by step.
pub(crate) fn run(record: &RunRecord, history: &RunHistory, detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    screen.line(&format!("{}  {}  {}", bold(&visible(&record.run)), record.kind.word(), state(record.state)));
    let finished = record.finished.as_deref().unwrap_or("-");
    screen.words(&dim("  by        "), &visible(&record.actor));
    screen.words(&dim("  started   "), &record.started);
    screen.words(&dim("  finished  "), finished);
    screen.words(&dim("  steps     "), &counts(&record.counts));
    if record.interrupted {
        screen.words(&dim("  ended     "), "it was interrupted, and the next run settled what it left");
    }
    if let Some(run) = &record.continues {
        screen.words(&dim("  continues "), run);
    }
    for run in &record.compensates {
        screen.words(&dim("  unwinds   "), run);
    }
    for (name, source) in &history.started.input {
        screen.words(&dim("  input     "), &format!("{} from {}", visible(name), visible(source)));
    }
    if record.accepted {
        screen.words(&dim("  closed    "), "it can no longer be unwound");
    }
    if let Some(run) = &history.started.replays {
        screen.words(&dim("  replays   "), run);
    }
    for (name, value) in [
        ("version", &history.started.version),
        ("in", &history.started.directory),
        ("plan", &history.started.plan),
        ("stack", &history.started.configuration),
    ] {
        if !value.is_empty() {
            screen.words(&dim(&format!("  {name:<10}")), &visible(value));
        }
    }
    if !history.steps.is_empty() {
        screen.blank();
    }
    for step in &history.steps {
        show_step(&mut screen, step);
    }
    for undo in &history.undos {
        let (sign, word) = undo_status(undo.status);
        let address = visible(&undo.id.address.to_string());
        screen.line(&format!("{sign} {}  undo of {}: {word}", bold(&address), undo.id.effect.word()));
        if let Some(failure) = &undo.failure {
            screen.words(&format!("    {} ", dim(&visible(&failure.code))), &visible(&failure.message));
        }
        for lost in undo.end.iter().flat_map(|end| &end.lost) {
            screen.words(&format!("    {} ", yellow("did not come back:")), &visible(lost));
        }
    }
    for event in &history.events {
        if let Event::Checked { name, healthy: false, problem, .. } = &event.event {
            screen.line(&format!("{} {}  check: unhealthy", red("✗"), bold(&visible(&format!("check.{name}")))));
            if let Some(problem) = problem {
                screen.words(&format!("    {} ", dim(UNHEALTHY)), &visible(problem));
            }
        }
        if let Event::MovedOver(moved) = &event.event {
            screen.words(&format!("{} {} ", yellow("! degraded:"), event.time), &visible(&moved.to_string()));
        }
    }
    timeline::draw(&mut screen, &history.events, detail);
    for event in &history.events {
        if let Event::Note { actor, text } | Event::Review { actor, decision: text } = &event.event {
            screen.words(&format!("{} {} {}: ", dim("note"), event.time, visible(actor)), &visible(text));
        }
    }
    screen.finish()
}

fn show_step(screen: &mut Screen, step: &StepHistory) {
    let (sign, word) = step_status(step.status);
    let address = visible(&step.id.address.to_string());
    screen.line(&format!("{sign} {}  {}: {word}", bold(&address), step.id.effect.word()));
    if let Some(failure) = &step.failure {
        screen.words(&format!("    {} ", dim(&visible(&failure.code))), &visible(&failure.message));
    }
}

/// What failed for good, newest first.
pub(crate) fn dead_letters(letters: &[DeadLetter], detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    for letter in letters {
        let address = visible(&letter.step.address.to_string());
        let what = if letter.partial { "done in part" } else { "failed" };
        let tries = if letter.attempts > 1 { format!(", tried {} times", letter.attempts) } else { String::new() };
        screen.line(&format!("{} {}  {} {what}{tries}", red("✗"), bold(&address), letter.step.effect.word()));
        screen.words(&format!("    {} ", dim(&visible(&letter.failure.code))), &visible(&letter.failure.message));
        screen.words(&dim("    run "), &format!("{} of {}", visible(&letter.run), letter.started));
        if let Some(decision) = &letter.reviewed {
            screen.words(&dim("    reviewed: "), &visible(decision));
        }
    }
    screen.finish()
}

/// How the runs of some time went, and those of the same time before it.
pub(crate) fn statistics(present: &Statistics, before: &Statistics, detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    let percent = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let pairs = [
        ("runs", present.runs.to_string(), before.runs.to_string()),
        ("succeeded", present.succeeded.to_string(), before.succeeded.to_string()),
        ("steps", present.steps.to_string(), before.steps.to_string()),
        ("done", percent(present.success_rate()), percent(before.success_rate())),
        ("retries per step", percent(present.retry_rate()), percent(before.retry_rate())),
    ];
    for (name, now, then) in pairs {
        screen.line(&format!("{} {now}  {}", dim(&format!("{name:<17}")), dim(&format!("before: {then}"))));
    }
    if !present.failures.is_empty() {
        screen.blank();
        screen.line(&bold("Failures:"));
        let mut failures: Vec<_> = present.failures.iter().collect();
        failures.sort_by_key(|(category, number)| (std::cmp::Reverse(**number), **category));
        for (category, number) in failures {
            let then = before.failures.get(category).copied().unwrap_or_default();
            screen.line(&format!("  {:<15} {number}  {}", category.to_string(), dim(&format!("before: {then}"))));
        }
    }
    if !present.durations.is_empty() {
        screen.blank();
        let seconds = |duration: Option<std::time::Duration>| {
            duration.map_or_else(|| "-".to_owned(), |duration| format!("{:.2} s", duration.as_secs_f64()))
        };
        let rows = present.durations.iter().map(|(key, durations)| {
            let (provider, action) = key;
            let then = before.durations.get(key).and_then(|durations| percentile(durations, 95));
            vec![
                visible(provider),
                (*action).to_owned(),
                durations.len().to_string(),
                seconds(percentile(durations, 50)),
                seconds(percentile(durations, 95)),
                seconds(then),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        for line in table(&["PROVIDER", "ACTION", "STEPS", "P50", "P95", "P95 BEFORE"], &rows, screen.width()).lines() {
            screen.line(line);
        }
    }
    screen.finish()
}

/// The sign and the word of a status.
pub(crate) fn step_status(status: StepStatus) -> (String, &'static str) {
    match status {
        StepStatus::Applied | StepStatus::Verified => (green("✓"), "applied"),
        StepStatus::Mismatched => (yellow("!"), "applied, and read back differently"),
        StepStatus::Partial => (yellow("!"), "partial"),
        StepStatus::NotApplied => (red("✗"), "not applied"),
        StepStatus::Begun | StepStatus::Unknown => (yellow("?"), "in doubt"),
        StepStatus::Planned | StepStatus::Imaged => (dim("-"), "not started"),
    }
}

/// The sign and the word of a status.
pub(crate) fn undo_status(status: UndoStatus) -> (String, &'static str) {
    match status {
        UndoStatus::Undone => (green("↩"), "undone"),
        UndoStatus::Stuck => (red("✗"), "stuck"),
        UndoStatus::Skipped => (dim("-"), "left as it is"),
        _ => (yellow("?"), "in doubt"),
    }
}

/// A state in the colour of what it asks for.
pub(crate) fn state(state: RunState) -> String {
    match state {
        RunState::Succeeded | RunState::Compensated => green(state.word()),
        RunState::FailedTransient | RunState::FailedPermanent | RunState::NeedsReview => red(state.word()),
        _ => yellow(state.word()),
    }
}

/// The journal of a run, one event a line.
pub(crate) fn events(events: &[Journaled], detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    let address = |event: &Journaled| event.address.as_ref().map(|address| visible(&address.to_string()));
    let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or_default();
    let words = widest(&mut events.iter().map(|event| width(event.event.word())));
    let addresses = widest(&mut events.iter().filter_map(address).map(|address| width(&address)));
    let padded = |text: &str, to: usize| " ".repeat(to.saturating_sub(width(text)));
    for event in events {
        let (word, address) = (event.event.word(), address(event).unwrap_or_default());
        let more = visible(&about(&event.event));
        let mut line = format!("{}  {word}", dim(&event.time));
        if !(address.is_empty() && more.is_empty()) {
            line.push_str(&format!("{}  {}", padded(word, words), bold(&address)));
        }
        if !more.is_empty() {
            line.push_str(&format!("{}  {more}", padded(&address, addresses)));
        }
        screen.line(&line);
    }
    screen.finish()
}

/// What is worth a word about an event.
fn about(event: &Event) -> String {
    match event {
        Event::RunStarted(started) => {
            format!("{} by {}, {}", started.kind.word(), started.actor, count(started.steps, "step", "steps"))
        }
        Event::RunFinished(finished) => format!("{}: {}", finished.state.word(), counts(&finished.counts)),
        Event::RunAccepted { reason } => reason.clone(),
        Event::Configured { name, .. } => format!("the provider {name}"),
        Event::MovedOver(moved) => moved.to_string(),
        Event::Child(child) => format!("process {}", child.pid),
        Event::StepBegin(begin) => format!("attempt {}, generation {}", begin.attempt, begin.generation),
        Event::StepNotApplied(failure) => format!("{}: {}", failure.code, failure.message),
        Event::StepPartial(end) | Event::StepUnknown(end) | Event::StepApplied(end) => {
            end.error.as_ref().map(|failure| format!("{}: {}", failure.code, failure.message)).unwrap_or_default()
        }
        Event::StepVerifyMismatch { attributes } => super::plan::names(attributes, 8),
        Event::StepResolved(resolution) => resolution.how.clone(),
        Event::UndoStuck(stuck) => format!("{}: {}", stuck.failure.code, stuck.failure.message),
        Event::UndoSkipped { reason, .. } => reason.clone(),
        Event::Undone(end) => end.lost.join("; "),
        Event::Recorded { what, .. } => what.clone(),
        Event::Checked { name, healthy: true, .. } => format!("{name}: healthy"),
        Event::Checked { name, problem, .. } => format!("{name}: {}", problem.as_deref().unwrap_or("unhealthy")),
        Event::Note { actor, text } => format!("{actor}: {text}"),
        Event::Review { actor, decision } => format!("{actor}: {decision}"),
        Event::Image(_) | Event::StepVerified | Event::Deposed(_) | Event::UndoBegin(_) | Event::Outputs { .. } => {
            String::new()
        }
    }
}

use retrue_provider_api::Category;

use super::*;
use crate::cli::console::{Settings, plain};
use crate::cli::report;

fn step(name: &str, action: &'static str) -> StepRef {
    StepRef {
        address: name.parse().unwrap(),
        action,
        step: format!("{name}/current/{action}/0123456789ab"),
        attempt: 1,
        idempotency_key: "key".into(),
    }
}

fn failure(message: &str) -> StepFailure {
    StepFailure {
        code: "RT0501".into(),
        category: Category::Conflict,
        message: message.into(),
        retryable: false,
        retry_after: None,
    }
}

/// A run in which everything happens that can happen.
fn eventful() -> Vec<RunEventKind> {
    use RunEventKind::*;
    let took = Duration::from_millis(2_500);
    vec![
        RunStarted { kind: RunKind::Apply, steps: 6 },
        StepResolved {
            address: "a.old".parse().unwrap(),
            of: "r0".into(),
            outcome: "applied",
            how: "it is there, and as planned".into(),
        },
        StepStarted(step("a.one", "create")),
        StepStarted(step("a.two", "update")),
        StepRetrying { step: step("a.two", "update"), error: failure("busy"), after: Duration::from_millis(300) },
        StepFinished {
            step: step("a.one", "create"),
            duration: Duration::from_millis(5),
            outcome: "applied",
            warnings: vec!["it is old".into()],
        },
        Verified { address: "a.one".parse().unwrap(), differing: vec!["mode".into()] },
        StepFinished { step: step("a.two", "update"), duration: took, outcome: "applied", warnings: vec![] },
        StepStarted(step("a.three", "delete")),
        StepFailed {
            step: step("a.three", "delete"),
            duration: took,
            outcome: "not_applied",
            error: failure("it is in use\nby \u{1b}[31msomebody"),
        },
        StepStarted(step("a.four", "create")),
        StepInDoubt { step: step("a.four", "create"), duration: took, error: failure("no answer") },
        StepSkipped { address: "a.five".parse().unwrap(), action: "create", reason: "it waits for a.three".into() },
        UndoStarted(step("a.two", "update")),
        UndoFinished {
            step: step("a.two", "update"),
            duration: took,
            lost: vec!["the time of change".into()],
            not_made_again: false,
        },
        UndoFinished {
            step: step("a.six", "create"),
            duration: took,
            lost: vec!["its creation was not finished".into()],
            not_made_again: true,
        },
        UndoStarted(step("a.one", "create")),
        UndoStuck { step: step("a.one", "create"), error: failure("permission denied") },
        Notice("the state was rebuilt from its mirror".into()),
        RunFinished {
            state: RunState::NeedsReview,
            counts: Counts { applied: 2, not_applied: 1, unknown: 1, skipped: 1, undone: 1, stuck: 1, partial: 0 },
        },
    ]
}

fn watch(settings: Settings, events: Vec<RunEventKind>) -> (String, String, Seen) {
    let console = Arc::new(Console::remembering(settings));
    let progress = Progress::new(Arc::clone(&console));
    for kind in events {
        progress.event(&RunEvent { time: "2026-01-01T00:00:00Z".into(), run: "r1".into(), kind });
    }
    let (out, err) = console.captured();
    (out, err, progress.finish())
}

#[test]
fn lines_for_people() {
    let (out, err, seen) = watch(Settings::PLAIN, eventful());
    assert_eq!(out, "");
    let report = report::report(&seen);
    let all = format!("{err}===\n{}===\n{}===\n{}", report.errors, report.summary, report.advice);
    insta::assert_snapshot!(plain(&all));
}

#[test]
fn more_detail_shows_what_begins() {
    let (_, err, _) = watch(Settings { verbose: 1, ..Settings::PLAIN }, eventful());
    assert!(err.starts_with("run r1 (apply)\n"), "{err}");
    assert!(err.contains("\n> a.two  undo by update\n"), "{err}");
}

#[test]
fn quiet_is_quiet() {
    let (out, err, _) = watch(Settings { quiet: true, ..Settings::PLAIN }, eventful());
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
}

#[test]
fn lines_for_programs() {
    let (out, err, _) = watch(Settings { json: true, ..Settings::PLAIN }, eventful());
    assert_eq!(err, "");
    for line in out.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["ts"].is_string() && event["event"].is_string() && event["run_id"] == "r1", "{line}");
    }
    insta::assert_snapshot!(out);
}

#[test]
fn endings_have_their_exit_status() {
    use crate::cli::exit::Exit;
    for (state, exit) in [
        (RunState::Succeeded, Exit::Done),
        (RunState::Compensated, Exit::Compensated),
        (RunState::FailedPermanent, Exit::Failed),
        (RunState::FailedTransient, Exit::Failed),
        (RunState::NeedsReview, Exit::NeedsPerson),
        (RunState::CompensatedPartly, Exit::NeedsPerson),
        (RunState::Cancelled, Exit::Cancelled),
    ] {
        assert_eq!(report::exit(state), exit, "{state:?}");
    }
}

#[test]
fn what_goes_on_is_the_verb_of_the_run() {
    let ended = |kind, state, before: Option<RunEventKind>| {
        let counts = Counts { applied: 1, not_applied: 1, ..Counts::default() };
        let events = [RunEventKind::RunStarted { kind, steps: 2 }].into_iter().chain(before);
        let events = events.chain([RunEventKind::RunFinished { state, counts }]).collect();
        plain(&report::report(&watch(Settings::PLAIN, events).2).advice)
    };
    let doubt = || {
        let (step, duration) = (step("a.one", "delete"), Duration::from_millis(5));
        RunEventKind::StepInDoubt { step, duration, error: failure("no answer") }
    };
    for (kind, verb) in [
        (RunKind::Apply, "`retrue apply`"),
        (RunKind::Destroy, "`retrue destroy`"),
        (RunKind::Fix, "`retrue reconcile --fix`"),
    ] {
        for state in [RunState::FailedTransient, RunState::FailedPermanent, RunState::Cancelled] {
            let advice = ended(kind, state, None);
            let goes_on = format!("hint: what was done stays: {verb} goes on, `retrue compensate` unwinds it\n");
            assert_eq!(advice, goes_on, "{kind:?}, {state:?}");
        }
        let advice = ended(kind, RunState::NeedsReview, Some(doubt()));
        assert!(advice.starts_with(&format!("hint: run {verb} again: it looks first")), "{advice}");
    }
    // An unwinding says itself how it goes on.
    assert_eq!(ended(RunKind::Compensate, RunState::NeedsReview, Some(doubt())), "");
}

//! The tables of states in the documentation are made from the tables in the code.

use std::fmt::Write as _;

use retrue::plan::{ObjectKey, StepEffect, StepId};
use retrue::rest::RestingValue;
use retrue::saga::compensation::inverse;
use retrue::saga::history::StepHistory;
use retrue::saga::{
    Event, ImageEvent, Resolution, ResolvedOutcome, RunState, StepBegin, StepEnd, StepFailure, StepStatus, UndoBegin,
    UndoEnd, UndoFailure, UndoStatus,
};
use retrue_provider_api::{Category, Reversibility};

use super::{current, root};

#[test]
fn the_tables_of_states_are_current() {
    let name = "docs/lifecycle.md";
    let mut text = fs_err::read_to_string(root().join(name)).unwrap();
    for (table, content) in [("runs", runs()), ("steps", steps()), ("undos", undos()), ("effects", effects())] {
        let begin = format!("<!-- table: {table} -->\n");
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{name} has no table of {table}"));
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        text = format!("{before}{begin}{content}<!-- end -->{after}");
    }
    assert_eq!(current(name, &text), None);
}

fn runs() -> String {
    let all = RunState::ALL;
    let mut table = String::from("| state | ended | may become |\n|---|---|---|\n");
    for state in all {
        let next: Vec<&str> = all.into_iter().filter(|next| state.may_become(*next)).map(RunState::word).collect();
        let ended = if state.is_final() { "yes" } else { "no" };
        let _ = writeln!(table, "| {} | {ended} | {} |", state.word(), next.join(", "));
    }
    table
}

fn steps() -> String {
    let mut table = String::from("| status | in doubt | has had an effect | event → next |\n|---|---|---|---|\n");
    for status in StepStatus::ALL {
        let next: Vec<String> = events()
            .into_iter()
            .filter_map(|(word, event)| Some(format!("{word} → {}", words(&status.next(&event)?))))
            .collect();
        let yes = |holds: bool| if holds { "yes" } else { "" };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |",
            words(&status),
            yes(status.in_doubt()),
            yes(status.had_effect()),
            next.join("; ")
        );
    }
    table
}

fn undos() -> String {
    let mut table = String::from("| status | event → next |\n|---|---|\n");
    for status in UndoStatus::ALL {
        let next: Vec<String> = events()
            .into_iter()
            .filter_map(|(word, event)| Some(format!("{word} → {}", words(&status.next(&event)?))))
            .collect();
        let _ = writeln!(table, "| {} | {} |", words(&status), next.join("; "));
    }
    table
}

fn effects() -> String {
    use StepEffect::*;
    let mut table = String::from("| effect | changes something outside | undone by |\n|---|---|---|\n");
    for effect in [Create, Update, Delete, Adopt, Depose, Forget, Record, Read] {
        let outside = if effect.is_external() { "yes" } else { "" };
        let undo = match inverse(&step_of(effect)) {
            Some(inverse) => inverse.word(),
            None if effect == Read => "nothing",
            None => "the record as it was",
        };
        let _ = writeln!(table, "| {} | {outside} | {undo} |", effect.word());
    }
    table
}

fn step_of(effect: StepEffect) -> StepHistory {
    let id = StepId { address: "a_b.c".parse().unwrap(), object: ObjectKey::Current, effect, plan: String::new() };
    StepHistory {
        id,
        image: None,
        begin: None,
        status: StepStatus::Applied,
        object: None,
        failure: None,
        has_child: false,
        position: 0,
    }
}

/// `NotApplied` as `not applied`.
fn words(status: &dyn std::fmt::Debug) -> String {
    let mut words = String::new();
    for (index, character) in format!("{status:?}").char_indices() {
        if character.is_uppercase() && index > 0 {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}

/// One event of each kind that is about a step.
fn events() -> Vec<(String, Event)> {
    let failure = || StepFailure {
        code: String::new(),
        category: Category::Unknown,
        message: String::new(),
        retryable: false,
        retry_after: None,
    };
    let end = || Box::new(StepEnd { object: None, error: None });
    let resolved = |outcome| {
        Event::StepResolved(Box::new(Resolution { of: String::new(), outcome, how: String::new(), object: None }))
    };
    let image = ImageEvent {
        image: None,
        moved_from: None,
        recorded: None,
        config: RestingValue::null(),
        provenance: Default::default(),
    };
    let begin = StepBegin {
        attempt: 1,
        idempotency_key: String::new(),
        type_name: String::new(),
        provider: String::new(),
        config: RestingValue::null(),
        planned: RestingValue::null(),
        generation: 1,
        dependencies: Vec::new(),
        reversibility: Reversibility::Full,
        pivot: false,
        template: None,
    };
    let undo_begin = UndoBegin { of: String::new(), effect: None, idempotency_key: String::new(), generation: 1 };
    let undone = UndoEnd { of: String::new(), object: None, lost: Vec::new() };
    let plain = [
        Event::Image(Box::new(image)),
        Event::StepBegin(Box::new(begin)),
        Event::StepApplied(end()),
        Event::Deposed(end()),
        Event::StepPartial(end()),
        Event::StepNotApplied(failure()),
        Event::StepUnknown(end()),
        Event::StepVerified,
        Event::StepVerifyMismatch { attributes: Vec::new() },
        Event::UndoBegin(Box::new(undo_begin)),
        Event::Undone(Box::new(undone)),
        Event::UndoStuck(UndoFailure { of: String::new(), failure: failure(), in_doubt: false, object: None }),
        Event::UndoSkipped { of: String::new(), reason: String::new() },
    ];
    let mut events: Vec<(String, Event)> =
        plain.into_iter().map(|event| (format!("`{}`", event.word()), event)).collect();
    for (word, outcome) in [
        ("applied", ResolvedOutcome::Applied),
        ("partial", ResolvedOutcome::Partial),
        ("not applied", ResolvedOutcome::NotApplied),
    ] {
        events.push((format!("`step_resolved` ({word})"), resolved(outcome)));
    }
    events
}

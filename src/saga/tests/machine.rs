//! Which event may follow which.

use super::*;
use crate::plan::Action;
use crate::saga::machine::{Machine, StepStatus, UndoStatus};

const KINDS: [RunKind; 5] = [RunKind::Apply, RunKind::Destroy, RunKind::Fix, RunKind::Compensate, RunKind::Surgery];

/// A machine that has taken these events; the last one is answered.
fn after(kind: RunKind, events: &[(Option<&StepId>, Event)]) -> (Machine, Result<(), String>) {
    let mut machine = Machine::new();
    let mut last = machine.record(None, &started(kind));
    for (step, event) in events {
        assert_eq!(last, Ok(()));
        last = machine.record(*step, event);
    }
    (machine, last.map_err(|illegal| illegal.to_string()))
}

#[test]
fn a_run_starts_before_anything_else_and_once() {
    let mut machine = Machine::new();
    assert_eq!(machine.state(), None);
    let early = machine.record(None, &Event::StepVerified).unwrap_err();
    assert_eq!(early.to_string(), "the event `step_verified` is illegal before the run has started");
    machine.record(None, &started(RunKind::Apply)).unwrap();
    assert_eq!(machine.state(), Some(RunState::Processing));
    let again = machine.record(None, &started(RunKind::Fix)).unwrap_err();
    assert_eq!(again.to_string(), "the event `run_started` is illegal in a run that has started");
}

#[test]
fn a_run_ends_in_a_state_that_may_follow() {
    let (machine, last) = after(
        RunKind::Apply,
        &[
            (None, finished(RunState::NeedsReview)),
            (None, finished(RunState::Succeeded)),
            (None, finished(RunState::Cancelled)),
        ],
    );
    assert_eq!(last, Err("the event `run_finished` is illegal in a run that is succeeded".into()));
    assert_eq!(machine.state(), Some(RunState::Succeeded));
}

#[test]
fn in_a_run_that_has_ended_only_remarks_and_the_end_of_doubt_are_written() {
    let (a, b) = (step("a", StepEffect::Create), step("b", StepEffect::Create));
    let ended = [(Some(&a), imaged()), (Some(&a), begun()), (None, finished(RunState::FailedTransient))];
    let said = "somebody".to_owned();
    for remark in [
        Event::Note { actor: said.clone(), text: said.clone() },
        Event::Review { actor: said.clone(), decision: said.clone() },
        Event::RunAccepted { reason: said.clone() },
    ] {
        assert_eq!(after(RunKind::Apply, &[&ended[..], &[(None, remark)]].concat()).1, Ok(()));
    }
    let settled = resolved(ResolvedOutcome::Partial, None);
    let (machine, last) = after(RunKind::Apply, &[&ended[..], &[(Some(&a), settled.clone())]].concat());
    assert_eq!((machine.step(&a), last), (StepStatus::Partial, Ok(())));
    for (step, event, told) in [
        (Some(&b), settled, "the event `step_resolved` is illegal for t.b/current/create/p, which is Planned"),
        (
            Some(&a),
            Event::StepApplied(end(None, None)),
            "the event `step_applied` is illegal in a run that is failed_transient",
        ),
        (Some(&b), imaged(), "the event `image` is illegal in a run that is failed_transient"),
        (None, child(1), "the event `child` is illegal in a run that is failed_transient"),
        (Some(&a), undone("r"), "the event `undone` is illegal in a run that is failed_transient"),
        (Some(&a), undo_stuck("r", true), "the event `undo_stuck` is illegal in a run that is failed_transient"),
    ] {
        assert_eq!(after(RunKind::Apply, &[&ended[..], &[(step, event)]].concat()).1, Err(told.into()));
    }
}

#[test]
fn an_undo_in_doubt_is_settled_after_its_run_has_ended() {
    let (a, b) = (step("a", StepEffect::Create), step("b", StepEffect::Create));
    let ended = [(Some(&a), undo_begun("r")), (None, finished(RunState::NeedsReview))];
    for (event, status) in [
        (undone("r"), UndoStatus::Undone),
        (undo_stuck("r", false), UndoStatus::Stuck),
        (undo_stuck("r", true), UndoStatus::Begun),
    ] {
        let (machine, last) = after(RunKind::Compensate, &[&ended[..], &[(Some(&a), event)]].concat());
        assert_eq!((machine.undo("r", &a), last), (status, Ok(())));
    }
    for (step, event) in [
        (Some(&b), undone("r")),
        (Some(&b), undo_stuck("r", false)),
        (Some(&a), undo_stuck("another", false)),
        (None, undone("r")),
        (Some(&a), undo_begun("r")),
        (Some(&b), undo_skipped("r")),
    ] {
        let told = format!("the event `{}` is illegal in a run that is needs_review", event.word());
        assert_eq!(after(RunKind::Compensate, &[&ended[..], &[(step, event)]].concat()).1, Err(told));
    }
}

#[test]
fn steps_are_of_runs_that_bring_about_and_undos_of_those_that_unwind() {
    let a = step("a", StepEffect::Create);
    for kind in KINDS {
        let last = |event: Event| after(kind, &[(Some(&a), event)]).1;
        let unwinds = kind == RunKind::Compensate;
        for event in [
            child(1),
            Event::Checked { name: "c".into(), healthy: false, tries: 3, problem: None },
            Event::Recorded { what: String::new(), object: None },
            Event::Outputs { before: Default::default() },
        ] {
            assert_eq!(last(event), Ok(()), "{kind:?}");
        }
        for event in [undo_begun("r"), undo_stuck("r", false), undo_skipped("r"), Event::StepVerified] {
            let told = match kind {
                RunKind::Compensate => Ok(()),
                RunKind::Surgery => {
                    Err(format!("the event `{}` is illegal in a run of the kind surgery", event.word()))
                }
                _ => Err(format!("the event `{}` is illegal for t.a/current/create/p, which is Planned", event.word())),
            };
            assert_eq!(last(event), told, "{kind:?}");
        }
        let never = match kind {
            RunKind::Compensate => {
                "the event `undone` is illegal for the undo of t.a/current/create/p, which is Pending"
            }
            RunKind::Surgery => "the event `undone` is illegal in a run of the kind surgery",
            _ => "the event `undone` is illegal for t.a/current/create/p, which is Planned",
        };
        assert_eq!(last(undone("r")), Err(never.into()));
        let imaged = match kind {
            RunKind::Compensate | RunKind::Surgery => {
                Err(format!("the event `image` is illegal in a run of the kind {}", kind.word()))
            }
            _ => Ok(()),
        };
        assert_eq!(last(self::imaged()), imaged);
        assert_eq!(kind.can_be_compensated(), !unwinds && kind != RunKind::Surgery);
    }
    let (_, last) = after(RunKind::Apply, &[(None, imaged())]);
    assert_eq!(last, Err("the event `image` is illegal without a step".into()));
    let (_, last) = after(RunKind::Compensate, &[(None, undo_begun("r"))]);
    assert_eq!(last, Err("the event `undo_begin` is illegal without a step".into()));
}

#[test]
fn the_same_step_of_two_runs_is_undone_twice() {
    let a = step("a", StepEffect::Create);
    let (machine, _) = after(RunKind::Compensate, &[(Some(&a), undo_begun("r")), (Some(&a), undone("r"))]);
    assert_eq!((machine.undo("r", &a), machine.undo("another", &a)), (UndoStatus::Undone, UndoStatus::Pending));
}

#[test]
fn steps_are_counted_by_how_they_stand() {
    let names = ["applied", "verified", "mismatched", "partial", "not", "unknown", "begun", "imaged"];
    let steps = names.map(|name| step(name, StepEffect::Update));
    let mut events: Vec<(Option<&StepId>, Event)> = Vec::new();
    for (name, step) in names.iter().zip(&steps) {
        events.push((Some(step), imaged()));
        if *name == "imaged" {
            continue;
        }
        events.push((Some(step), begun()));
        events.extend(match *name {
            "applied" | "verified" | "mismatched" => Some((Some(step), Event::StepApplied(end(None, None)))),
            "partial" => Some((Some(step), Event::StepPartial(end(None, Some("half"))))),
            "not" => Some((Some(step), Event::StepNotApplied(failure("no")))),
            "unknown" => Some((Some(step), Event::StepUnknown(end(None, Some("?"))))),
            _ => None,
        });
        events.extend(match *name {
            "verified" => Some((Some(step), Event::StepVerified)),
            "mismatched" => Some((Some(step), Event::StepVerifyMismatch { attributes: Vec::new() })),
            _ => None,
        });
    }
    let (machine, last) = after(RunKind::Apply, &events);
    let counts = Counts { applied: 3, partial: 1, not_applied: 1, unknown: 2, skipped: 1, ..Counts::default() };
    assert_eq!((machine.counts(), last), (counts, Ok(())));
}

#[test]
fn undos_are_counted_by_how_they_stand() {
    let steps = ["undone", "stuck", "doubtful", "skipped", "undone-too", "stuck-too"]
        .map(|name| step(name, StepEffect::Update));
    let [first, stuck, doubtful, skipped, second, stuck_too] = &steps;
    let events = [
        (Some(first), undo_begun("r")),
        (Some(first), undone("r")),
        (Some(second), undo_begun("r")),
        (Some(second), undone("r")),
        (Some(stuck), undo_stuck("r", false)),
        (Some(stuck_too), undo_stuck("r", false)),
        (Some(doubtful), undo_begun("r")),
        (Some(doubtful), undo_stuck("r", true)),
        (Some(skipped), undo_skipped("r")),
    ];
    let counts = Counts { undone: 2, stuck: 2, unknown: 1, skipped: 1, ..Counts::default() };
    assert_eq!(after(RunKind::Compensate, &events).0.counts(), counts);
}

#[test]
fn the_words_are_those_that_are_recorded() {
    for state in RunState::ALL {
        assert_eq!(json!(state), state.word());
    }
    for kind in KINDS {
        assert_eq!(json!(kind), kind.word());
    }
    use StepEffect::*;
    for effect in [Create, Adopt, Update, Depose, Delete, Forget, Read, Record] {
        assert_eq!(json!(effect), effect.word());
    }
    for action in [
        Action::Create,
        Action::Adopt,
        Action::Import,
        Action::Update,
        Action::Replace,
        Action::Delete,
        Action::Forget,
        Action::Read,
        Action::NoOp,
    ] {
        assert_eq!(json!(action), action.word());
    }
    for event in [
        started(RunKind::Apply),
        finished(RunState::Succeeded),
        imaged(),
        child(1),
        undo_skipped("r"),
        Event::StepVerified,
    ] {
        let recorded = json!(event);
        let named = recorded.as_str().or_else(|| recorded.as_object()?.keys().next().map(String::as_str));
        assert_eq!(named, Some(event.word()));
    }
}

#[test]
fn what_is_in_doubt_is_not_known_to_have_had_an_effect_and_what_is_partial_is_not_done() {
    for status in StepStatus::ALL {
        let (in_doubt, had_effect, is_done) = match status {
            StepStatus::Begun | StepStatus::Unknown => (true, false, false),
            StepStatus::Planned | StepStatus::Imaged | StepStatus::NotApplied => (false, false, false),
            StepStatus::Partial => (false, true, false),
            StepStatus::Applied | StepStatus::Verified | StepStatus::Mismatched => (false, true, true),
        };
        let found = (status.in_doubt(), status.had_effect(), status.is_done());
        assert_eq!(found, (in_doubt, had_effect, is_done), "{status:?}");
    }
}

#[test]
fn a_step_is_imaged_then_begun_then_ended_then_verified() {
    use StepStatus::*;
    let resolution = |outcome| resolved(outcome, None);
    let events = [
        imaged(),
        begun(),
        Event::StepApplied(end(None, None)),
        Event::Deposed(end(None, None)),
        Event::StepPartial(end(None, None)),
        Event::StepNotApplied(failure("no")),
        Event::StepUnknown(end(None, None)),
        Event::StepVerified,
        Event::StepVerifyMismatch { attributes: Vec::new() },
        resolution(ResolvedOutcome::Applied),
        resolution(ResolvedOutcome::Partial),
        resolution(ResolvedOutcome::NotApplied),
        undo_begun("r"),
    ];
    let next =
        |status: StepStatus| -> Vec<StepStatus> { events.iter().filter_map(|event| status.next(event)).collect() };
    let settled = [Applied, Partial, NotApplied];
    assert_eq!(next(Planned), [Imaged]);
    assert_eq!(next(Imaged), [Imaged, Begun]);
    assert_eq!(next(Begun), [&[Applied, Applied, Partial, NotApplied, Unknown][..], &settled].concat());
    assert_eq!(next(Unknown), settled);
    assert_eq!(next(NotApplied), [Imaged]);
    assert_eq!(next(Applied), [Verified, Mismatched]);
    for status in [Partial, Verified, Mismatched] {
        assert_eq!(next(status), []);
    }
}

#[test]
fn an_undo_may_begin_again_until_it_is_done_or_left_out() {
    use UndoStatus::*;
    let events =
        [undo_begun("r"), undone("r"), undo_stuck("r", false), undo_stuck("r", true), undo_skipped("r"), imaged()];
    let next =
        |status: UndoStatus| -> Vec<Option<UndoStatus>> { events.iter().map(|event| status.next(event)).collect() };
    assert_eq!(next(Pending), [Some(Begun), None, Some(Stuck), Some(Stuck), Some(Skipped), None]);
    assert_eq!(next(Begun), [Some(Begun), Some(Undone), Some(Stuck), Some(Begun), None, None]);
    assert_eq!(next(Stuck), [Some(Begun), None, None, None, Some(Skipped), None]);
    for status in [Undone, Skipped] {
        assert_eq!(next(status), [None; 6]);
    }
}

#[test]
fn the_states_of_a_run_follow_each_other_by_the_table() {
    use RunState::*;
    let open: Vec<RunState> = RunState::ALL.into_iter().filter(|state| !state.is_final()).collect();
    assert_eq!(open, [Processing, WaitingExternal, Interrupted, Compensating]);
    let next = |state: RunState| -> Vec<RunState> {
        RunState::ALL.into_iter().filter(|next| state.may_become(*next)).collect()
    };
    let ended = [Succeeded, FailedTransient, FailedPermanent, Cancelled];
    assert_eq!(next(Processing), [&[WaitingExternal][..], &ended, &[Interrupted, NeedsReview]].concat());
    assert_eq!(next(WaitingExternal), [Processing, Interrupted]);
    assert_eq!(next(Interrupted), [FailedTransient, NeedsReview]);
    for state in ended {
        assert_eq!(next(state), [Compensating]);
    }
    assert_eq!(next(NeedsReview), [&ended[..], &[Compensating]].concat());
    assert_eq!(next(Compensating), [&ended[..], &[NeedsReview, Compensated, CompensatedPartly]].concat());
    assert_eq!(next(CompensatedPartly), [Compensating]);
    assert_eq!(next(Compensated), []);
}

#[test]
fn every_state_of_a_run_is_come_to_and_left() {
    use RunState::*;
    let mut seen = vec![Processing];
    let mut at = 0;
    while let Some(state) = seen.get(at).copied() {
        seen.extend(
            RunState::ALL
                .into_iter()
                .filter(|next| state.may_become(*next) && !seen.contains(next))
                .collect::<Vec<_>>(),
        );
        at += 1;
    }
    for state in RunState::ALL {
        assert!(seen.contains(&state), "nothing leads to {state:?}");
        let leaves = RunState::ALL.into_iter().any(|next| state.may_become(next));
        assert_eq!(leaves, state != Compensated, "{state:?}");
        // Whatever has not ended can end, without a person.
        assert!(
            state.is_final()
                || RunState::ALL.into_iter().any(|next| {
                    let further = RunState::ALL.into_iter().any(|then| next.may_become(then) && then.is_final());
                    state.may_become(next) && (next.is_final() || further)
                }),
            "{state:?}"
        );
    }
}

//! Not by chance but one after the other: every death of a program, and every undo that fails.

use std::collections::BTreeMap;

use super::SUITE;
use super::script::{Attempt, Block, Crash, Fault, Full, Goal, Meddling, Round, SLOTS, Script, Trouble, Verb};
use super::story::{Tally, tell};
use super::tally;

/// One of each, some of which refer to others.
fn blocks(size: u8, zone: u8) -> Vec<(u8, Option<Block>)> {
    let block = |refers, first| Some(Block { size, zone, refers, first });
    vec![
        (0, block(false, false)),
        (2, block(true, false)),
        (3, block(false, true)),
        (5, block(true, false)),
        (7, block(false, false)),
        (8, block(false, false)),
        (9, block(true, false)),
    ]
}

/// A stack is applied; then it is changed in every way, which is what goes wrong.
fn changed(attempts: Vec<Attempt>, goal: Goal) -> Script {
    let mut edits = blocks(1, 1);
    edits.extend([(5, None), (6, Some(Block { size: 1, zone: 0, refers: true, first: false }))]);
    let made = Round { edits: blocks(0, 0), meddling: Vec::new(), attempts: Vec::new(), goal: Goal::Forward };
    let rounds = vec![made, Round { edits, meddling: Vec::new(), attempts, goal }];
    Script {
        parallelism: 2,
        lag_reads: 0,
        polls: 1,
        slow: false,
        stragglers: false,
        twins: true,
        fallback: false,
        outside: Vec::new(),
        ends: BTreeMap::new(),
        seed: 1,
        rounds,
    }
}

#[track_caller]
fn told(script: &Script) -> Tally {
    tell(script, None, &mut |_| {}).unwrap_or_else(|violation| {
        panic!("{}: {}\n{}", violation.rule, violation.what, serde_json::to_string(script).unwrap())
    })
}

/// Every death of what is tried last, until one comes too late.
fn deaths(of: impl Fn(Crash) -> Script) -> u64 {
    let mut count = 0;
    let kinds: [fn(u16) -> Crash; 4] = [
        |nth| Crash::Write { nth, kept: false },
        |nth| Crash::Write { nth, kept: true },
        |nth| Crash::Call { nth, done: false },
        |nth| Crash::Call { nth, done: true },
    ];
    for kind in kinds {
        for nth in 1.. {
            if told(&of(kind(nth))).deaths == 0 {
                break;
            }
            count += 1;
        }
    }
    count
}

const GOALS: [Goal; 3] = [Goal::Forward, Goal::Back, Goal::Destroy];

#[test]
fn from_every_death_of_an_apply_every_way_leads_on() {
    let tally = tally::Tally::of(SUITE, "every death of an apply, with every way to go on");
    let mut count = 0;
    for goal in GOALS {
        count += deaths(|crash| changed(vec![Attempt { crash: Some(crash), ..Attempt::of(Verb::Apply) }], goal));
    }
    assert!(count > 300, "{count}");
    tally.scenarios(count);
}

#[test]
fn from_every_death_of_a_compensation_every_way_leads_on() {
    let tally = tally::Tally::of(SUITE, "every death of a compensation, with every way to go on");
    let mut count = 0;
    for goal in GOALS {
        let dying = |crash| Attempt { crash: Some(crash), ..Attempt::of(Verb::Compensate) };
        count += deaths(|crash| changed(vec![Attempt::of(Verb::Apply), dying(crash)], goal));
    }
    assert!(count > 300, "{count}");
    tally.scenarios(count);
}

/// A second death, at every point of every way to go on from the first.
#[test]
fn a_second_death_is_no_worse_than_the_first() {
    let full = full();
    let firsts: Vec<Crash> = (1..60)
        .step_by(if full { 1 } else { 13 })
        .flat_map(|nth| {
            [Crash::Write { nth, kept: true }, Crash::Call { nth, done: true }, Crash::Call { nth, done: false }]
        })
        .collect();
    let tally = tally::Tally::of_a_part(SUITE, "two deaths, one after the other");
    for first in firsts {
        for (verb, goal) in [(Verb::Apply, Goal::Back), (Verb::Compensate, Goal::Forward), (Verb::Destroy, Goal::Back)]
        {
            for nth in (1..40).step_by(if full { 1 } else { 11 }) {
                let second = Crash::Call { nth, done: nth % 2 == 0 };
                let attempts = [(Verb::Apply, first), (verb, second)]
                    .map(|(verb, crash)| Attempt { crash: Some(crash), ..Attempt::of(verb) });
                tally.one();
                tally.count("deaths", told(&changed(attempts.into(), goal)).deaths);
            }
        }
    }
}

/// Each of ours is changed by somebody else in turn, when the plan is made and before anything of it is done.
fn in_between() -> impl Iterator<Item = Script> {
    let meddlings = (0..SLOTS).map(Meddling::Change);
    let verbs = [Verb::Apply, Verb::ApplyContinue, Verb::ApplyCompensate, Verb::Destroy];
    meddlings
        .flat_map(move |between| verbs.map(|verb| (between, verb)))
        .map(|(between, verb)| changed(vec![Attempt { between: Some(between), ..Attempt::of(verb) }], Goal::Forward))
}

#[test]
fn what_somebody_else_does_in_between_is_left_alone() {
    let tally = tally::Tally::of(SUITE, "somebody else, between a plan and its steps");
    for script in in_between() {
        tally.one();
        told(&script);
    }
}

/// The disk is full at each write in turn, which is on it all the same, or not.
#[test]
fn a_full_disk_stops_everything_and_loses_nothing() {
    let tally = tally::Tally::of_a_part(SUITE, "a disk that is full at a write");
    for goal in GOALS {
        for verbs in [&[Verb::Apply][..], &[Verb::Apply, Verb::Compensate]] {
            for nth in (1..40).step_by(if full() { 1 } else { 3 }) {
                tally.one();
                let mut attempts: Vec<Attempt> = verbs.iter().map(|verb| Attempt::of(*verb)).collect();
                let last = attempts.last_mut().unwrap();
                last.full = Some(Full { nth, kept: nth % 2 == 0 });
                told(&changed(attempts, goal));
            }
        }
    }
}

fn full() -> bool {
    std::env::var_os("RETRUE_FULL").is_some_and(|value| value == "1")
}

/// Each undo fails in turn, for a moment or for good: the others go on, and a second run finishes.
#[test]
fn each_undo_fails_in_turn() {
    let tally = tally::Tally::of(SUITE, "each undo failing, for a moment or for good");
    let mut troubled = 0;
    for what in [
        Trouble::Throttled,
        Trouble::ErrorBefore,
        Trouble::ErrorAfter,
        Trouble::LostAnswer,
        Trouble::Reset,
        Trouble::NotSent,
        Trouble::TimedOutDone,
        Trouble::Expired,
    ] {
        for nth in 1..=14 {
            for times in [1, 6] {
                tally.one();
                let faults = vec![Fault { nth, times, changes: true, what }];
                let failing = Attempt { faults, ..Attempt::of(Verb::Compensate) };
                troubled += told(&changed(vec![Attempt::of(Verb::Apply), failing], Goal::Back)).troubled;
            }
        }
    }
    assert!(troubled > 200, "{troubled}");
}

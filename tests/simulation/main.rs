//! The engine in one process, on paused time, with a store in memory and a cloud that is simulated: a
//! seed decides the stack, the edits, what goes wrong, when the program dies and what its disk forgets.
//!
//! A failing seed prints a script that is as small as can be, as a test to be put into `regressions.rs`.
//! `RETRUE_SEEDS=FROM..TO` runs others; `RETRUE_SOAK=MINUTES` runs new ones for so long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod between;
mod broken;
mod disk;
mod exhaustive;
mod life;
mod meddling;
mod outside;
mod regressions;
mod script;
mod stack;
mod story;
#[path = "../environment/tally.rs"]
mod tally;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use broken::Broken;
use script::{Script, smaller};
use story::{Tally, Violation, tell};

/// The seeds of a usual run, and of one that takes its time.
const SEEDS: Range<u64> = 0..2000;
const ALL_SEEDS: Range<u64> = 0..20_000;

/// Carries out a script without telling of it.
fn silently(script: &Script, broken: Option<Broken>) -> Result<Tally, Violation> {
    tell(script, broken, &mut |_| {})
}

/// Carries out a script that is written as JSON: a regression test.
#[track_caller]
fn replay(script: &str) {
    let script: Script = serde_json::from_str(script).unwrap();
    if let Err(Violation { rule, what }) = tell(&script, None, &mut |line| println!("{line}")) {
        panic!("{rule}: {what}");
    }
}

/// The smallest script that breaks the same rule.
fn shrunk(script: &Script, violation: Violation) -> (Script, Violation) {
    let (mut script, mut violation) = (script.clone(), violation);
    let mut tries = 0;
    'again: loop {
        for less in smaller(&script) {
            tries += 1;
            if tries > 600 {
                return (script, violation);
            }
            match silently(&less, None) {
                Err(found) if found.rule == violation.rule => {
                    (script, violation) = (less, found);
                    continue 'again;
                }
                _ => {}
            }
        }
        return (script, violation);
    }
}

/// Carries out the scripts of seeds on all cores, until one is violated. Returns how much was done.
fn all(seeds: impl Iterator<Item = u64> + Send) -> Tally {
    let seeds = Mutex::new(seeds);
    let total = Mutex::new(Tally::default());
    let failed: Mutex<Vec<(u64, Violation)>> = Mutex::default();
    let stop = AtomicBool::new(false);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            // An expression deep in a stack needs room.
            let worker = std::thread::Builder::new().stack_size(16 << 20);
            let work = || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(seed) = seeds.lock().unwrap().next() else { return };
                    match silently(&Script::of(seed), None) {
                        Ok(tally) => total.lock().unwrap().add(&tally),
                        Err(violation) => {
                            failed.lock().unwrap().push((seed, violation));
                            stop.store(std::env::var_os("RETRUE_ALL_FAILURES").is_none(), Ordering::Relaxed);
                        }
                    }
                }
            };
            drop(worker.spawn_scoped(scope, work).unwrap());
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(seed, _)| *seed);
    for (seed, Violation { rule, what }) in &failed {
        println!("seed {seed}: {rule}: {}", what.chars().take(600).collect::<String>());
    }
    if let Some((seed, violation)) = failed.into_iter().next() {
        let (script, Violation { rule, what }) = shrunk(&Script::of(seed), violation);
        let written = serde_json::to_string(&script).unwrap();
        let mut lives = String::new();
        let _ = tell(&script, None, &mut |line| lives.push_str(&format!("  {line}\n")));
        panic!(
            "seed {seed}: {rule}: {what}\n\nlives:\n{lives}\na test for it:\n\n#[test]\nfn seed_{seed}() {{\n    replay(r#\"{written}\"#);\n}}\n"
        );
    }
    total.into_inner().unwrap()
}

fn tell_of(told: &tally::Tally, tally: &Tally) {
    let Tally { stories, lives, deaths, troubled, calls, other_way, writes, effects, answers, forward, back } = *tally;
    told.scenarios(stories);
    for (what, many) in [
        ("lives", lives),
        ("deaths", deaths),
        ("calls", calls),
        ("calls in trouble", troubled),
        ("calls by another way", other_way),
        ("writes", writes),
        ("effects", effects),
        ("answers of a person", answers),
        ("ends as declared", forward),
        ("ends as before", back),
    ] {
        told.count(what, many);
    }
}

/// Whose counts these are.
const SUITE: &str = "simulation";

fn chosen() -> Range<u64> {
    let Ok(text) = std::env::var("RETRUE_SEEDS") else {
        return if std::env::var_os("RETRUE_FULL").is_some_and(|value| value == "1") { ALL_SEEDS } else { SEEDS };
    };
    let (from, to) = text.split_once("..").unwrap_or((&text, ""));
    let from: u64 = from.parse().expect("RETRUE_SEEDS=FROM..TO");
    from..if to.is_empty() { from + 1 } else { to.parse().expect("RETRUE_SEEDS=FROM..TO") }
}

#[test]
fn whatever_happens_nothing_is_lost() {
    let told = tally::Tally::of_a_part(SUITE, "stories by seed");
    tell_of(&told, &all(chosen()));
}

#[test]
fn whatever_happens_for_as_long_as_one_likes() {
    let Some(minutes) = std::env::var("RETRUE_SOAK").ok().and_then(|text| text.parse::<u64>().ok()) else { return };
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let next = AtomicU64::new(u64::from(std::process::id()) << 32);
    println!("seeds from {}", next.load(Ordering::Relaxed));
    let told = tally::Tally::of(SUITE, "new stories by seed");
    let tally = all(std::iter::from_fn(|| (Instant::now() < end).then(|| next.fetch_add(1, Ordering::Relaxed))));
    tell_of(&told, &tally);
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in [3, 7, 11] {
        let story = || {
            let mut lines = Vec::new();
            let _ = tell(&Script::of(seed), None, &mut |line| lines.push(line));
            lines
        };
        assert_eq!(story(), story(), "{seed}");
    }
}

/// The first seeds that something broken must be caught with.
const TRIES: Range<u64> = 0..400;

/// The same of engines: each is one rule of the engine that is broken, in a build with the feature `broken`.
#[cfg(feature = "broken")]
#[test]
fn engines_that_are_broken_are_caught() {
    use retrue::broken::{Defect, with};
    let tally = tally::Tally::of(SUITE, "engines that are broken on purpose, each of them caught");
    let (next, escaped) = (Mutex::new(Defect::ALL.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(defect) = next.lock().unwrap().next() else { return };
            tally.one();
            let told = |seed| with(Some(defect), || silently(&Script::of(seed), None));
            match TRIES.into_iter().find_map(|seed| told(seed).err().map(|found| (seed, found))) {
                Some((seed, found)) => println!("{defect:?}: caught at seed {seed}: {}", found.rule),
                None => escaped.lock().unwrap().push(defect),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let worker = std::thread::Builder::new().stack_size(16 << 20);
            drop(worker.spawn_scoped(scope, work).unwrap());
        }
    });
    let escaped = escaped.into_inner().unwrap();
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}

#[test]
fn what_is_broken_is_caught() {
    let tally = tally::Tally::of(SUITE, "stores and networks that are broken on purpose, each of them caught");
    let mut escaped = Vec::new();
    for broken in Broken::ALL {
        tally.one();
        let caught = TRIES
            .into_iter()
            .find_map(|seed| silently(&Script::of(seed), Some(broken)).err().map(|found| (seed, found)));
        match caught {
            Some((seed, found)) => println!("{broken:?}: caught at seed {seed}: {}", found.rule),
            None => escaped.push(broken),
        }
    }
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}

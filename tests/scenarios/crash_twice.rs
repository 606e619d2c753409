//! The real program, aborted at each of its crash points, and again on every way to go on from there.
//!
//! Many points leave the same behind: between a write and its sync, nothing changes that the next process could see.
//! What follows from equal remains is equal, so each of them is gone on from once: what a run finds when it has opened
//! its store, repairs included, and what is in the directory, with no regard for ids and times that differ from run to
//! run. By default a few points are taken, spread over all; with `RETRUE_FULL=1` every one.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::SystemTime;

use regex::Regex;
use retrue::store::{KeySource, Options, Store as _, open};

use super::crash::{
    APPLY, COMPENSATE, Passing, SUITE, abort, changing, chosen, each, expected, full, ledger, passings,
};
use crate::environment::Environment;
use crate::environment::tally::Tally;

const FIX: [&str; 5] = ["reconcile", "--fix", "--yes", "--parallelism", "1"];
const DESTROY: [&str; 4] = ["destroy", "--yes", "--parallelism", "1"];

/// Of those chosen, as many as time permits: spread over all of them.
fn few(all: Vec<Passing>, most: usize) -> Vec<Passing> {
    let chosen = chosen(all);
    if full() {
        return chosen;
    }
    let step = chosen.len().div_ceil(most).max(1);
    chosen.into_iter().skip(step / 2).step_by(step).collect()
}

/// All of them, or those that `RETRUE_CRASH_PART=K/N` asks for: the K-th of N parts, so that a full run may be taken in
/// pieces.
fn part(all: BTreeSet<Passing>) -> Vec<Passing> {
    let Ok(text) = std::env::var("RETRUE_CRASH_PART") else { return all.into_iter().collect() };
    let (part, of) = text.split_once('/').expect("RETRUE_CRASH_PART=K/N");
    let (part, of): (usize, usize) = (part.parse().unwrap(), of.parse().unwrap());
    all.into_iter().skip(part - 1).step_by(of).collect()
}

/// What the next run finds. `since` tells which files are of now.
fn remains(place: &Environment, since: SystemTime) -> String {
    let mut text = format!("{:?}\n{:?}\n", place.tree().timeless_since(since), ledger(place));
    let copy = place.copy();
    let key = KeySource::File(copy.root().join("home/.config/retrue/key"));
    let options = Options::new(key, "a test", jiff::Timestamp::now());
    // What cannot be opened is like nothing else.
    let store = open(&copy.path(".retrue/env/default"), &options).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for run in store.runs().await.unwrap() {
            for record in store.run(&run).await.unwrap() {
                let _ = writeln!(text, "{} {} {:?}", record.run, record.body, record.writes);
            }
        }
        for (key, value) in store.state().await.unwrap() {
            let _ = writeln!(text, "{key} {value}");
        }
    });
    drop(store);
    same_for_all_runs(&text)
}

/// A text with ids in the order in which they come, and without times and processes.
fn same_for_all_runs(text: &str) -> String {
    let id = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let mut seen: Vec<String> = Vec::new();
    let numbered = id.replace_all(text, |found: &regex::Captures<'_>| {
        let position = seen.iter().position(|seen| seen == &found[0]).unwrap_or_else(|| {
            seen.push(found[0].to_owned());
            seen.len() - 1
        });
        format!("[ID {position}]")
    });
    let varying = Regex::new(r#"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|"(pid|started)":\d+"#).unwrap();
    varying.replace_all(&numbered, "[NOW]").into_owned()
}

/// Remains that were seen.
#[derive(Default)]
struct Seen(Mutex<HashSet<blake3::Hash>>);

impl Seen {
    /// Whether nothing like it was seen before on this way.
    fn is_new(&self, way: &str, remains: &str) -> bool {
        self.0.lock().unwrap().insert(blake3::hash(format!("{way}\n{remains}").as_bytes()))
    }
}

/// Every way to go on from every point, and a second crash at every point of that way.
#[test]
fn every_way_goes_on_from_every_point_and_from_a_second_crash_on_it() {
    let mut tally = Tally::of_a_part(SUITE, "every way to go on, and a second crash on each");
    if std::env::var_os("RETRUE_CRASH_PART").is_some() {
        tally.only_a_part();
    }
    let prepared = changing();
    let since = SystemTime::now();
    let (expected, applying, _) = expected(&prepared);
    // Whatever was applied: without any of it, what was adopted is as it was, and the rest is gone.
    let ended = prepared.copy();
    ended.run(&DESTROY).ends(0);
    let ended = ended.tree().timeless();
    let judge = |place: &Environment, way: &[&str], when: &str| match way[0] {
        "apply" => expected.goes_on(place, when),
        "compensate" => expected.goes_back(place, when),
        "reconcile" => {
            // What is mended is what is recorded; the apply goes on from there.
            place.run(way).ends(0);
            expected.goes_on(place, when);
        }
        _ => {
            place.run(way).ends(0);
            place.tree().timeless().is(&ended, when);
            assert_eq!(place.recorded(), Vec::<String>::new(), "{when}");
            let again = place.run(way).ends(0);
            assert!(again.stdout.contains("nothing"), "{when}: {}", again.screen());
        }
    };
    let seen = Seen::default();
    let first = few(applying, 3);
    tally.count("crash points", first.len() as u64);
    let differing = Mutex::new(BTreeSet::new());
    each(&first, |case, _| {
        let crashed = prepared.copy();
        abort(&crashed, &APPLY, case);
        if seen.is_new("", &remains(&crashed, since)) {
            differing.lock().unwrap().insert(case.clone());
        }
    });
    let differing = differing.into_inner().unwrap();
    tally.count("crash points that differ", differing.len() as u64);
    each(&part(differing), |case, when| {
        let crashed = prepared.copy();
        abort(&crashed, &APPLY, case);
        for way in [&APPLY[..], &COMPENSATE, &FIX, &DESTROY] {
            tally.one();
            let second = passings(&crashed.copy(), way);
            judge(&crashed.copy(), way, &format!("{when}, then {}", way[0]));
            for again in few(second, 4) {
                let place = crashed.copy();
                abort(&place, way, &again);
                tally.count("second crashes", 1);
                if !seen.is_new(way[0], &remains(&place, since)) {
                    continue;
                }
                tally.count("second crashes that differ", 1);
                tally.one();
                judge(&place, way, &format!("{when}, then {} aborted at {}:{}", way[0], again.0, again.1));
            }
        }
    });
}

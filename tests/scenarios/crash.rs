//! The real program, aborted at each of its crash points, and what the next run makes of it: it
//! goes on to what is desired, or back to what was before, and never does a thing twice.
//!
//! By default every distinct point is taken at its first and its last passing, or in the middle; with
//! `RETRUE_FULL=1` at every one. Second crashes are in `crash_twice`.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::environment::tally::Tally;
use crate::environment::tree::Tree;
use crate::environment::{Environment, stack};

/// What the program ends with when it aborts.
const ABORTED: i32 = 128 + 6;

const OLD: &str = r#"
[resource.local_directory.site]
path = "site"

[resource.local_file.kept]
path = "${local_directory.site.path}/kept.txt"
content = "old"

[resource.local_file.moving]
path = "old.txt"
content = "moving"
mode = "0604"

[resource.local_file.gone]
path = "gone.txt"
content = "gone"

[resource.local_file.given]
path = "given.txt"
content = "ours"

[resource.local_file.first]
path = "first.txt"
content = "ours"
lifecycle = { create_before_destroy = true }

[resource.retrue_data.changed]
input = "old"

[resource.local_command.rebuilt]
inputs = "old"
create = "echo rebuilt create >> ../ledger; echo $RETRUE_INPUTS > rebuilt"
read = "test -e rebuilt || exit 44; cat rebuilt"
delete = "echo rebuilt delete >> ../ledger; rm rebuilt"
"#;

/// The old stack, changed in every way: updates, replacements (also of what was adopted, which is given back), a delete,
/// an adoption, creates.
fn new() -> String {
    let gone = "\n[resource.local_file.gone]\npath = \"gone.txt\"\ncontent = \"gone\"\n";
    assert!(OLD.contains(gone));
    let more = r#"
[resource.local_file.adopted]
path = "adopted.bin"
content = "adopted"
mode = "0600"

[resource.local_symlink.link]
path = "${local_directory.site.path}/link"
target = "kept.txt"
depends_on = ["local_file.kept"]

[resource.local_directory.more]
path = "more"

[resource.local_command.made]
create = "echo made create >> ../ledger; echo made > more/made"
read = "test -e more/made || exit 44; cat more/made"
delete = "echo made delete >> ../ledger; rm more/made"
depends_on = ["local_directory.more", "local_symlink.link"]
"#;
    let changed = OLD
        .replace(gone, "")
        .replace("inputs = \"old\"", "inputs = \"new\"")
        .replace("input = \"old\"", "input = \"new\"");
    let changed = changed.replace("given.txt", "given-elsewhere.txt").replace("first.txt", "first-elsewhere.txt");
    stack(&(changed.replace("content = \"old\"", "content = \"new\"").replace("old.txt", "new.txt") + more))
}

/// Whose counts these are.
pub(super) const SUITE: &str = "crash points of the program";

/// A machine on which the old stack was applied, and the new one is written down.
pub(super) fn changing() -> Environment {
    let place = Environment::with(OLD);
    place.write("adopted.bin", [0xff, 0xfe, 0, 1, 2]);
    let file = place.path("adopted.bin");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(978_310_861, 123_456_789);
    fs_err::OpenOptions::new().write(true).open(&file).unwrap().set_modified(long_ago).unwrap();
    place.write("given.txt", "given");
    place.write("first.txt", "first");
    place.run(&["apply", "--yes"]).ends(0);
    // Closed, so that `compensate` never reaches for it.
    place.run(&["runs", "accept", &place.runs()[0]]).ends(0);
    place.write("retrue.toml", new());
    fs_err::remove_file(place.root().join("ledger")).unwrap();
    place
}

/// A machine on which nothing was ever applied.
fn fresh() -> Environment {
    Environment::with(OLD)
}

/// The name of a point, and the how manieth passing of it.
pub(super) type Passing = (String, usize);

/// Every passing of every point, in order: its name, and for the how manieth time.
pub(super) fn passings(place: &Environment, arguments: &[&str]) -> Vec<Passing> {
    let log = place.root().join("passed");
    let output = place.command(arguments).env("RETRUE_CRASH_LOG", &log).output().unwrap();
    place.shown(output).ends(0);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut passings = Vec::new();
    // Where there is nothing to do, nothing is passed.
    for name in fs_err::read_to_string(&log).unwrap_or_default().lines() {
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        passings.push((name.to_owned(), *count));
    }
    let _ = fs_err::remove_file(log);
    passings
}

pub(super) fn full() -> bool {
    std::env::var_os("RETRUE_FULL").is_some_and(|value| value == "1")
}

/// Those to try: of what a step goes through the first and the last passing, of what the store does
/// (which is the same for every record) the one in the middle; or all.
pub(super) fn chosen(all: Vec<Passing>) -> Vec<Passing> {
    if full() {
        return all;
    }
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (name, nth) in &all {
        last.insert(name.clone(), *nth);
    }
    let wanted = |name: &str, nth: usize| match name.starts_with("store.") {
        true => nth == last[name].div_ceil(2),
        false => nth == 1 || nth == last[name],
    };
    all.into_iter().filter(|(name, nth)| wanted(name, *nth)).collect()
}

/// Aborts the program at a point.
#[track_caller]
pub(super) fn abort(place: &Environment, arguments: &[&str], (name, nth): &Passing) {
    let output = place.command(arguments).env("RETRUE_CRASH_AT", format!("{name}:{nth}")).output().unwrap();
    place.shown(output).ends(ABORTED);
}

/// Tries all of them, a few at once. Says which one it was when one fails.
pub(super) fn each(cases: &[Passing], attempt: impl Fn(&Passing, &str) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    attempt(case, &format!("aborted at {}:{}", case.0, case.1));
                }
            });
        }
    });
}

/// One at a time, so that a point is passed at the same place each time.
pub(super) const APPLY: [&str; 4] = ["apply", "--yes", "--parallelism", "1"];
pub(super) const COMPENSATE: [&str; 4] = ["compensate", "--yes", "--parallelism", "1"];

/// How often each command that makes or ends something ran.
pub(super) fn ledger(place: &Environment) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in fs_err::read_to_string(place.root().join("ledger")).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// What is expected of a machine.
pub(super) struct Expected {
    before: Tree,
    recorded: Vec<String>,
    desired: Tree,
    ledger: BTreeMap<String, usize>,
}

/// What is there, with the times of all files but those that commands write.
fn world(place: &Environment) -> Tree {
    place.tree().timeless_at(&["rebuilt"])
}

pub(super) fn expected(prepared: &Environment) -> (Expected, Vec<Passing>, Vec<Passing>) {
    let place = prepared.copy();
    let before = world(&place);
    let recorded = place.recorded();
    let applying = passings(&place, &APPLY);
    let desired = place.tree().timeless();
    let ledger = ledger(&place);
    let compensating = passings(&place, &COMPENSATE);
    world(&place).is(&before, "without a crash");
    assert_eq!(place.recorded(), recorded);
    (Expected { before, recorded, desired, ledger }, applying, compensating)
}

impl Expected {
    /// From every point where an apply of `prepared` can end, it goes on, and it goes back.
    fn on_or_back(&self, prepared: &Environment, applying: Vec<Passing>, tally: &Tally) {
        tally.count("points there are", applying.len() as u64);
        each(&chosen(applying), |case, when| {
            tally.scenarios(2);
            let place = prepared.copy();
            abort(&place, &APPLY, case);
            let other = place.copy();
            self.goes_on(&place, when);
            self.goes_back(&other, when);
        });
    }

    /// The next apply goes on: all is as desired, nothing was done twice, and all of it can go back.
    #[track_caller]
    pub(super) fn goes_on(&self, place: &Environment, when: &str) {
        place.run(&APPLY).ends(0);
        place.tree().timeless().is(&self.desired, when);
        assert_eq!(ledger(place), self.ledger, "{when}: what ran");
        place.run(&["plan", "--detailed-exitcode"]).ends(0);
        let again = place.run(&APPLY).ends(0);
        assert!(again.stdout.contains("nothing to do"), "{when}: {}", again.screen());
        self.goes_back(place, &format!("{when}, gone on, then compensated"));
    }

    /// Compensation takes all of it back, and a second one finds nothing to do.
    #[track_caller]
    pub(super) fn goes_back(&self, place: &Environment, when: &str) {
        place.run(&COMPENSATE).ends(0);
        world(place).is(&self.before, when);
        assert_eq!(place.recorded(), self.recorded, "{when}: what is recorded");
        let again = place.run(&COMPENSATE).ends(0);
        assert_eq!(again.stdout, "nothing to compensate\n", "{when}: {}", again.screen());
        world(place).is(&self.before, &format!("{when}, twice"));
    }
}

#[test]
fn a_changed_stack_goes_on_or_back_from_every_point() {
    let tally = Tally::of_a_part(SUITE, "an apply that changes a stack, gone on from and back from");
    let prepared = changing();
    let (expected, applying, _) = expected(&prepared);
    assert!(applying.iter().any(|(name, _)| name == "apply/effect/after"), "{applying:?}");
    expected.on_or_back(&prepared, applying, &tally);
}

#[test]
fn a_first_apply_goes_on_or_back_from_every_point() {
    let tally = Tally::of_a_part(SUITE, "a first apply, gone on from and back from");
    let prepared = fresh();
    let (expected, applying, _) = expected(&prepared);
    assert!(applying.iter().any(|(name, _)| name.starts_with("store.make")), "{applying:?}");
    expected.on_or_back(&prepared, applying, &tally);
}

#[test]
fn a_compensation_goes_on_from_every_point() {
    let tally = Tally::of_a_part(SUITE, "a compensation, gone on from");
    let prepared = changing();
    let (expected, _, compensating) = expected(&prepared);
    prepared.run(&APPLY).ends(0);
    assert!(compensating.iter().any(|(name, _)| name == "undo/effect/after"), "{compensating:?}");
    tally.count("points there are", compensating.len() as u64);
    each(&chosen(compensating), |case, when| {
        tally.one();
        let place = prepared.copy();
        abort(&place, &COMPENSATE, case);
        // When it was aborted after its last word, there is nothing left: that is right, too.
        expected.goes_back(&place, when);
        let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
        assert!(runs.as_array().unwrap().iter().all(|run| run["state"] != "processing"), "{when}: {runs}");
    });
}

#[test]
fn a_recovery_that_is_aborted_is_begun_again() {
    let tally = Tally::of_a_part(SUITE, "a recovery, gone on from and back from");
    let prepared = changing();
    let (expected, ..) = expected(&prepared);
    // In the middle of things: after an effect that nobody wrote down.
    abort(&prepared, &APPLY, &("apply/effect/after".to_owned(), 4));
    let recovering = passings(&prepared.copy(), &APPLY);
    assert!(recovering.iter().any(|(name, _)| name == "settle/resolve/after"), "{recovering:?}");
    tally.count("points there are", recovering.len() as u64);
    each(&chosen(recovering), |case, when| {
        tally.scenarios(2);
        let place = prepared.copy();
        abort(&place, &APPLY, case);
        let other = place.copy();
        expected.goes_on(&place, &format!("recovering, {when}"));
        expected.goes_back(&other, &format!("recovering, {when}"));
    });
}

#[test]
fn promise_2_a_record_that_cannot_be_written_stops_the_run() {
    let tally = Tally::of(SUITE, "a write or sync of the store that fails, gone on from and back from");
    let prepared = changing();
    let (expected, applying, _) = expected(&prepared);
    for step in ["store.mirror.write", "store.mirror.sync", "store.database.write", "store.database.sync"] {
        let passed = applying.iter().filter(|(name, _)| *name == format!("{step}.before")).count();
        for nth in [1, passed / 2, passed] {
            tally.scenarios(2);
            let place = prepared.copy();
            // No space is left on the device.
            let fault = format!("{step}:{nth}=28");
            let output = place.command(&APPLY).env("RETRUE_FAULT", &fault).output().unwrap();
            let shown = place.shown(output);
            assert!([1, 4].contains(&shown.code), "{fault}: {}", shown.screen());
            assert!(shown.stderr.contains("error[RT"), "{fault}: {}", shown.screen());
            let other = place.copy();
            expected.goes_on(&place, &fault);
            expected.goes_back(&other, &fault);
        }
    }
}

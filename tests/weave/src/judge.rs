//! Asks the tests about each mutant.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A test of its own room, or of the one beside it, failed.
    Room,
    /// Only a test of the engine failed.
    Engine,
    /// The tests did not come to an end.
    Late,
    /// Nothing failed.
    Unnoticed,
}

/// The tests that are asked, in this order.
const TESTS: [(&[&str], Fate); 2] = [(&["saga::", "plan::"], Fate::Room), (&["engine::"], Fate::Engine)];

/// Asks about all of them, as many at once as there are processors. Without a mutant all tests must pass.
pub fn judge(program: &Path, tree: &Path, mutants: &[usize]) -> BTreeMap<usize, Fate> {
    let mut limits = Vec::new();
    for (tests, _) in TESTS {
        let begun = Instant::now();
        if run(program, tree, tests, None, Duration::from_secs(1800)) != Some(true) {
            let _ = Command::new(program).args(tests).current_dir(tree).status();
            eprintln!("weave: {tests:?} do not pass as it is");
            std::process::exit(2);
        }
        limits.push(begun.elapsed() * 5 + Duration::from_secs(20));
    }
    let fate = |mutant: usize| {
        for ((tests, fate), limit) in TESTS.iter().zip(&limits) {
            match run(program, tree, tests, Some(mutant), *limit) {
                Some(true) => {}
                Some(false) => return *fate,
                None => return Fate::Late,
            }
        }
        Fate::Unnoticed
    };
    let open = Mutex::new(mutants.iter());
    let fates = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(mutant) = open.lock().unwrap().next() else { return };
                    let fate = fate(*mutant);
                    fates.lock().unwrap().insert(*mutant, fate);
                }
            });
        }
    });
    fates.into_inner().unwrap()
}

/// Whether the tests pass; `None` when they have not come to an end in time.
fn run(program: &Path, tree: &Path, tests: &[&str], mutant: Option<usize>, limit: Duration) -> Option<bool> {
    let mut command = Command::new(program);
    // The first failure is enough; without this option of the test harness all would be run.
    command.env("RUSTC_BOOTSTRAP", "1").args(["-Z", "unstable-options", "--fail-fast"]).args(tests);
    command.env_remove("RETRUE_MUTANT").current_dir(tree).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(mutant) = mutant {
        command.env("RETRUE_MUTANT", mutant.to_string());
    }
    // In a group of its own, so that what the tests have started ends with them.
    let mut child = command.process_group(0).spawn().expect("the tests can be started");
    let begun = Instant::now();
    let passed = loop {
        match child.try_wait().expect("the tests can be waited for") {
            Some(status) => break Some(status.success()),
            None if begun.elapsed() > limit => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status();
    let _ = child.wait();
    passed
}

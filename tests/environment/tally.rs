//! How much was tried, told by all suites in one form: a line each, printed, and as JSON at the end of the file that
//! `RETRUE_TALLY` names. `tests/run` makes a table of them.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// What one test tried. It is told when this is dropped, with a violation where the test has failed.
pub(crate) struct Tally {
    suite: &'static str,
    tried: &'static str,
    /// Whether there is more to be tried under `RETRUE_FULL=1`.
    part: bool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// What scenarios are counted as.
const SCENARIOS: &str = "scenarios";

impl Tally {
    /// A suite, and what of it this test tries.
    pub(crate) fn of(suite: &'static str, tried: &'static str) -> Tally {
        Tally { suite, tried, part: false, counts: Mutex::default() }
    }

    /// The same of a test that takes a fixed part, unless all are asked for.
    #[allow(dead_code)]
    pub(crate) fn of_a_part(suite: &'static str, tried: &'static str) -> Tally {
        let full = std::env::var_os("RETRUE_FULL").is_some_and(|value| value == "1");
        Tally { suite, tried, part: !full, counts: Mutex::default() }
    }

    /// Whatever was asked for, only a part is tried.
    #[allow(dead_code)]
    pub(crate) fn only_a_part(&mut self) {
        self.part = true;
    }

    /// One scenario more.
    #[allow(dead_code)]
    pub(crate) fn one(&self) {
        self.count(SCENARIOS, 1);
    }

    /// So many scenarios more.
    #[allow(dead_code)]
    pub(crate) fn scenarios(&self, many: u64) {
        self.count(SCENARIOS, many);
    }

    /// Something else that was counted.
    pub(crate) fn count(&self, what: &'static str, many: u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += many;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        let scenarios = counts.remove(SCENARIOS).unwrap_or_default();
        let violations = u64::from(std::thread::panicking());
        let taken = if self.part { "a part" } else { "all" };
        let also: String = counts.iter().map(|(what, many)| format!(", {many} {what}")).collect();
        println!("{}: {}: {scenarios} scenarios ({taken}){also}, {violations} violations", self.suite, self.tried);
        let Some(path) = std::env::var_os("RETRUE_TALLY") else { return };
        let line = serde_json::json!({
            "suite": self.suite, "tried": self.tried, "taken": taken, "scenarios": scenarios, "counts": counts,
            "violations": violations,
        });
        // In one write, so that lines of several tests never mix.
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())) {
            println!("the tally cannot be kept: {error}");
        }
    }
}

//! The conformance suite: what every provider owes to the engine, checked on every type.
//!
//! [`checks::CHECKS`] is the table of rules, [`subjects::SUBJECTS`] the types that go through them,
//! and [`broken::BROKEN`] the providers that break exactly one rule each: a check that does not
//! catch the provider broken for it is worth nothing, and fails here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, missing_docs)]

mod bench;
mod broken;
mod change;
mod checks;
mod deviations;
mod judge;
mod meta;
mod subjects;
mod values;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use bench::Bench;
use checks::{CHECKS, Check};
use judge::Verdict;
use subjects::{SUBJECTS, Subject};

fn main() -> ExitCode {
    // First of all: this may be a process that watches over a command.
    retrue_provider_api::process::guard_main_if_asked();
    let arguments = Arguments::from_args();
    let mut trials = meta::trials();
    for subject in SUBJECTS {
        for check in CHECKS {
            let name = format!("{}/{}", subject.name, check.name);
            trials.push(Trial::ignorable_test(name, || conforms(subject, check)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs one check on one type, in a world of its own.
fn conforms(subject: &Subject, check: &Check) -> Result<Completion, Failed> {
    let verdict = runtime().block_on(async {
        let world = (subject.start)().await;
        let provider = world.provider();
        let bench = Bench::new(Arc::from(world), provider).await?;
        (check.run)(&bench).await
    });
    if let Some(deviation) = deviations::of(subject.name, check.name) {
        return deviation.confirm(verdict);
    }
    match verdict {
        Ok(Verdict::Kept) => Ok(Completion::Completed),
        Ok(Verdict::DoesNotApply(reason)) => Ok(Completion::ignored_with(reason)),
        Err(violation) => Err(format!("{}\n  the rule: {}", violation.0, check.rule).into()),
    }
}

/// A runtime for one trial.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

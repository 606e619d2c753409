//! All end-to-end tests, in one program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod beside;
mod environment;
#[path = "../providers/terraform/tests/peers/folders.rs"]
mod folders;
mod house;

mod scenarios {
    mod cloud_kills;
    mod clouds;
    mod commands;
    mod commands_cut_off;
    #[cfg(feature = "crash-points")]
    mod crash;
    #[cfg(feature = "crash-points")]
    mod crash_cloud;
    #[cfg(feature = "crash-points")]
    mod crash_twice;
    mod degraded;
    mod durable;
    mod elsewhere;
    mod ephemeral;
    mod fallbacks;
    mod fallbacks_providers;
    mod folders;
    mod functions;
    mod health;
    mod imports;
    mod input;
    mod killed;
    mod late;
    mod ledger;
    mod links;
    mod logs;
    mod looking;
    mod machine;
    mod metrics;
    mod migrate;
    mod migrate_cloud;
    mod migrate_instances;
    mod migrate_modules;
    mod migrate_real;
    mod options;
    mod planning;
    mod programs;
    mod programs_small;
    mod promises_back;
    mod promises_doubt;
    mod promises_guard;
    mod promises_plan;
    mod promises_run;
    mod promises_secret;
    mod promises_words;
    mod providers;
    mod reconciling;
    mod recordings;
    mod recordings_of_others;
    mod registries;
    mod replacing;
    mod reports;
    mod resilience;
    mod run_states;
    mod set_aside;
    mod signals;
    mod signals_providers;
    mod stale_plans;
    mod standing;
    mod surgery;
    mod surgery_since;
    mod terminal;
    mod throttled;
    mod tools;
    mod tour;
    #[cfg(feature = "otlp")]
    mod traces;
    #[cfg(feature = "otlp")]
    mod traces_grpc;
    mod transaction;
    mod turning;
    mod undo_answers;
    mod unwinding;
    mod unwinding_doubt;
    mod usage;
    mod values;
    mod verbs;
}

/// A file of scenarios that is not named above would never run, and nobody would see.
#[test]
fn every_scenario_file_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let runner = fs_err::read_to_string(here.join("runner.rs")).unwrap();
    for entry in fs_err::read_dir(here.join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                runner.contains(&format!("    mod {name};\n")),
                "tests/scenarios/{name}.rs is not listed in runner.rs"
            );
        }
    }
}

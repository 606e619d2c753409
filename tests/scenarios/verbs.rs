//! Every verb and every flag is run by a named test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A verb, a flag as it is typed (or nothing, or the name of what stands behind the verb), and the
/// test that runs it. `*` are the options that all verbs have.
const EXERCISED: &[(&str, &str, &str)] = &[
    ("*", "-C", "another_directory"),
    ("*", "--env", "environments_have_states_of_their_own"),
    ("*", "--json", "apply_in_json"),
    ("*", "--log-format", "logs_are_lines_on_standard_error"),
    ("*", "--no-color", "colours_are_for_terminals"),
    ("*", "--parallelism", "parallelism_is_a_limit"),
    ("*", "--quiet", "quiet_and_verbose"),
    ("*", "--var", "values_of_variables_by_their_order"),
    ("*", "--var-file", "values_of_variables_by_their_order"),
    ("*", "--verbose", "quiet_and_verbose"),
    ("init", "", "init"),
    ("init", "DIR", "init_in_json"),
    ("validate", "", "a_valid_stack"),
    ("plan", "", "plan_shows_what_would_change_and_changes_nothing"),
    ("plan", "--out", "plan_into_a_file"),
    ("plan", "--destroy", "plan_for_nothing_desired"),
    ("plan", "--detailed-exitcode", "plan_with_detailed_exitcode"),
    ("plan", "--target", "targets_are_taken_with_what_they_rest_on"),
    ("plan", "--replace", "replace_makes_anew"),
    ("plan", "--refresh", "without_refresh_the_record_is_believed"),
    ("apply", "", "what_fails_stays_until_it_is_taken_back"),
    ("apply", "PLANFILE", "plan_into_a_file"),
    ("apply", "--yes", "without_a_terminal_nobody_is_asked"),
    ("apply", "--on-failure", "on_failure_continue_goes_on_with_the_rest"),
    ("apply", "--destroy", "plan_for_nothing_desired"),
    ("apply", "--record", "a_kill_leaves_a_trace_that_can_be_read"),
    ("apply", "--target", "targets_are_taken_with_what_they_rest_on"),
    ("apply", "--replace", "replace_makes_anew"),
    ("apply", "--refresh", "without_refresh_the_record_is_believed"),
    ("destroy", "", "destroy_ends_all_of_it"),
    ("destroy", "--yes", "destroy_ends_all_of_it"),
    ("destroy", "--on-failure", "a_failed_destroy_is_taken_back"),
    ("destroy", "--record", "a_recorded_destroy_is_replayed"),
    ("destroy", "--target", "targets_are_taken_with_what_they_rest_on"),
    ("destroy", "--replace", "replace_makes_anew"),
    ("destroy", "--refresh", "without_refresh_the_record_is_believed"),
    ("reconcile", "", "reconcile_reports_each_kind_of_drift"),
    ("reconcile", "--fix", "fix_brings_back_what_drifted_and_what_is_gone"),
    ("reconcile", "--yes", "fix_brings_back_what_drifted_and_what_is_gone"),
    ("reconcile", "--accept", "accept_takes_what_was_found"),
    ("reconcile", "--accept-all", "accept_all_takes_everything"),
    ("reconcile", "--record", "a_recorded_comparison_is_replayed"),
    ("reconcile", "--every", "every_looks_again_and_again_until_it_is_told_to_stop"),
    ("check", "", "they_run_alone_over_what_is_recorded"),
    ("check", "NAME", "they_run_alone_over_what_is_recorded"),
    ("runs replay", "RUN", "a_failed_run_is_replayed_with_the_same_input"),
    ("runs replay", "--yes", "a_failed_run_is_replayed_with_the_same_input"),
    ("runs replay", "--replan", "a_replay_is_refused_when_the_world_has_moved"),
    ("runs replay", "--record", "a_run_that_was_done_once_more_is_replayed"),
    ("runs replay", "--on-failure", "a_replay_is_refused_when_the_world_has_moved"),
    ("compensate", "", "what_fails_stays_until_it_is_taken_back"),
    ("compensate", "RUN", "promise_4_a_run_on_which_a_later_one_builds_is_refused_alone"),
    ("compensate", "--through", "all_of_it_back_through_the_first_run"),
    ("compensate", "--record", "a_recorded_unwinding_is_replayed"),
    ("compensate", "--past", "promise_5_behind_a_point_of_no_return_compensation_halts"),
    ("compensate", "--skip", "skip_leaves_one_as_it_is"),
    ("compensate", "--yes", "what_fails_stays_until_it_is_taken_back"),
    ("replay", "TRACE", "a_recorded_run_is_replayed_with_nothing_outside"),
    ("resolve", "ADDR", "promise_3_what_cannot_be_told_is_put_before_a_person"),
    ("resolve", "--id", "answers_about_what_is_in_doubt"),
    ("resolve", "--absent", "promise_3_what_cannot_be_told_is_put_before_a_person"),
    ("resolve", "--applied", "answers_about_what_is_in_doubt"),
    ("resolve", "--not-applied", "promise_3_what_cannot_be_told_is_put_before_a_person"),
    ("show", "", "show_everything_one_thing_and_a_plan"),
    ("show", "ADDR|PLANFILE", "show_everything_one_thing_and_a_plan"),
    ("output", "", "outputs"),
    ("output", "NAME", "outputs"),
    ("graph", "", "graph"),
    ("graph", "--mermaid", "graph_in_mermaid"),
    ("eval", "EXPR", "expressions"),
    ("state list", "", "a_list_of_what_is_recorded"),
    ("state mv", "FROM", "mv_gives_another_address"),
    ("state mv", "TO", "mv_gives_another_address"),
    ("state rm", "ADDR", "rm_forgets_and_touches_nothing"),
    ("state export", "", "an_export_is_restored_where_nothing_is"),
    ("state export", "--format", "a_state_is_handed_to_terraform"),
    ("state export", "--partial", "what_terraform_cannot_have_is_listed"),
    ("state restore", "FILE", "an_export_is_restored_where_nothing_is"),
    ("state restore", "--yes", "the_export_of_another_stack_is_restored_when_somebody_agrees"),
    ("state recover", "", "recover_mends_what_can_be_mended"),
    ("runs list", "", "the_history_of_a_stack"),
    ("runs show", "RUN", "the_history_of_a_stack"),
    ("runs events", "RUN", "the_history_of_a_stack"),
    ("runs note", "RUN", "notes_and_closed_runs"),
    ("runs note", "TEXT", "notes_and_closed_runs"),
    ("runs accept", "RUN", "notes_and_closed_runs"),
    ("runs review", "RUN", "what_failed_for_good_is_listed_until_somebody_deals_with_it"),
    ("runs review", "--continue", "what_failed_for_good_is_listed_until_somebody_deals_with_it"),
    ("runs review", "--give-up", "what_failed_for_good_is_listed_until_somebody_deals_with_it"),
    ("runs review", "--note", "what_failed_for_good_is_listed_until_somebody_deals_with_it"),
    ("runs dead-letters", "", "what_failed_for_good_is_listed_until_somebody_deals_with_it"),
    ("runs stats", "", "how_runs_went_is_told"),
    ("runs prune", "", "runs_are_pruned_by_age_and_number"),
    ("runs stats", "--window", "how_runs_went_is_told"),
    ("runs prune", "--older-than", "runs_are_pruned_by_age_and_number"),
    ("runs prune", "--keep", "runs_are_pruned_by_age_and_number"),
    ("import", "ADDR", "what_exists_is_imported_by_its_id_and_has_one_owner"),
    ("import", "ID", "what_exists_is_imported_by_its_id_and_has_one_owner"),
    ("migrate", "DIR", "a_directory_of_terraform_becomes_a_stack"),
    ("migrate", "--partial", "what_cannot_be_converted_ends_it_unless_it_may_be_left_out"),
    ("providers install", "", "programs_of_providers_are_found_locked_and_checked"),
    ("providers install", "--upgrade", "programs_of_providers_are_found_locked_and_checked"),
    ("providers list", "", "types_and_their_documentation"),
    ("providers schema", "TYPE", "types_and_their_documentation"),
    ("schema", "", "schema"),
    ("config", "", "what_is_in_force"),
    ("explain", "CODE|RUN", "a_code_and_a_failed_step_are_explained"),
    ("explain", "ADDR", "a_code_and_a_failed_step_are_explained"),
    ("completions", "SHELL", "completions"),
];

/// What a flag, or what stands behind a verb, is called in the table.
fn name(argument: &clap::Arg) -> String {
    match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => argument.get_value_names().unwrap()[0].to_string(),
    }
}

fn names(command: &clap::Command) -> BTreeSet<String> {
    let all = command.get_arguments().map(name);
    all.filter(|name| !["--help", "--version"].contains(&name.as_str())).collect()
}

fn walk(command: &clap::Command, verb: &str, common: &BTreeSet<String>, found: &mut BTreeSet<(String, String)>) {
    let below: Vec<&clap::Command> = command.get_subcommands().collect();
    for sub in &below {
        let verb = format!("{verb} {}", sub.get_name());
        walk(sub, verb.trim_start(), common, found);
    }
    if below.is_empty() {
        let own: Vec<String> = names(command).difference(common).cloned().collect();
        let needs_something = command.get_positionals().any(clap::Arg::is_required_set);
        if !needs_something {
            found.insert((verb.to_owned(), String::new()));
        }
        found.extend(own.into_iter().map(|flag| (verb.to_owned(), flag)));
    }
}

/// The text of each test of the scenarios, by its name.
fn tests() -> BTreeMap<String, String> {
    let mut tests = BTreeMap::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    for entry in fs_err::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs_err::read_to_string(path).unwrap();
            for test in text.split("\n#[test]\nfn ").skip(1) {
                let end = test.find("\n}\n").unwrap_or(test.len());
                tests.insert(test[..test.find('(').unwrap()].to_owned(), test[..end].to_owned());
            }
        }
    }
    tests
}

#[test]
fn every_verb_and_every_flag_is_run_by_a_test() {
    let command = retrue::cli::command();
    let common = names(&command);
    let mut found: BTreeSet<(String, String)> = common.iter().map(|flag| ("*".to_owned(), flag.clone())).collect();
    walk(&command, "", &common, &mut found);
    let listed: BTreeSet<(String, String)> =
        EXERCISED.iter().map(|(verb, flag, _)| ((*verb).to_owned(), (*flag).to_owned())).collect();
    assert_eq!(listed.len(), EXERCISED.len(), "listed twice");
    let missing: Vec<_> = found.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&found).collect();
    assert!(missing.is_empty() && stale.is_empty(), "run by no test: {missing:?}; there is no such: {stale:?}");

    let tests = tests();
    for (verb, flag, test) in EXERCISED {
        let text = tests.get(*test).unwrap_or_else(|| panic!("there is no test {test}"));
        let short = match *flag {
            "--out" => "-o",
            "--quiet" => "-q",
            "--verbose" => "-v",
            flag => flag,
        };
        if flag.starts_with('-') {
            assert!(
                text.contains(&format!("\"{flag}")) || text.contains(&format!("\"{short}")),
                "{test} does not give {flag}"
            );
        }
        let last = verb.rsplit(' ').next().unwrap();
        assert!(*verb == "*" || text.contains(&format!("\"{last}\"")), "{test} does not run {verb}");
    }
}

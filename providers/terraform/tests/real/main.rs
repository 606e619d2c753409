//! Real providers, through the contract. Those that are not there are skipped, and it is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(missing_docs, unreachable_pub)]

mod aws;
mod example;
#[path = "../peers/folders.rs"]
mod folders;
mod kept;
mod lease;
mod misbehaving;
mod null;
mod pyvider;
mod recipes;
mod rust;
mod schemas;
mod support;
mod workato;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use retrue_provider_api::process::guard_main_if_asked;

macro_rules! trials {
    ($($room:ident: [$($name:ident),* $(,)?]),* $(,)?) => {
        vec![$($(Trial::test(concat!(stringify!($room), "::", stringify!($name)), || { $room::$name(); Ok(()) })),*),*]
    };
}

fn main() -> ExitCode {
    guard_main_if_asked();
    let trials = trials!(
        null: [
            create_plan_again_replace_destroy,
            both_sides_show_certificates,
            it_ends_with_us,
            parallel_calls,
            a_configuration_that_is_not_known_yet,
            attached_to_one_that_runs,
        ],
        misbehaving: [
            no_handshake,
            garbage_in_place_of_a_handshake,
            a_version_that_is_not_spoken,
            it_ends_at_once,
            no_such_program,
            nobody_listens,
            a_certificate_that_is_none,
            a_certificate_that_does_not_match,
        ],
        aws: [
            vpc,
            security_group_with_rules_as_attributes,
            bucket,
            table,
            import_of_a_queue,
            a_delete_does_not_change_how_others_are_read,
            data_and_validation,
            killed_while_it_applies,
            cancelled_while_it_applies,
            errors_are_classified,
            undo_of_an_update_and_of_a_delete,
        ],
        kept: [what_a_provider_said_is_known_without_it, what_it_says_otherwise_is_told, what_is_damaged_is_asked_again],
        recipes: [what_has_a_name, what_carries_a_marker, each_recipe],
        example: [
            a_key_that_is_too_short,
            a_result_that_was_not_planned,
            a_create_that_fails,
            a_hang_in_each_call,
            a_crash_in_each_call,
            nonsense_in_answers,
        ],
        lease: [a_hang_in_each_call, a_crash_in_each_call, nonsense_in_answers],
        schemas: [what_they_say_of_themselves, flows_of_an_older_release],
        workato: [folders, undo, functions, refusals],
        rust: [create_replace_destroy, a_function],
        pyvider: [
            private_state,
            write_only,
            nested_and_dynamic,
            functions,
            files_and_directories,
            ephemeral,
        ],
    );
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    aws::stop_server();
    conclusion.exit_code()
}

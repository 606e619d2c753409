//! The table of rules.

mod changing;
mod creating;
mod failing;
mod finding;
mod hiding;
mod planning;
mod reading;
mod schema;
mod undoing;
mod waiting;

use futures::future::BoxFuture;

use crate::bench::Bench;
use crate::judge::Judged;

/// One rule and how it is put to the test.
pub struct Check {
    pub name: &'static str,
    /// What every provider owes, in one line.
    pub rule: &'static str,
    pub run: for<'b> fn(&'b Bench) -> BoxFuture<'b, Judged>,
}

macro_rules! checks {
    ($($module:ident :: $name:ident: $rule:literal,)*) => {
        &[$(Check {
            name: stringify!($name),
            rule: $rule,
            run: |bench| Box::pin($module::$name(bench)),
        },)*]
    };
}

/// Every rule, in the order in which a new provider best learns them.
pub const CHECKS: &[Check] = checks! {
    schema::schema_is_sane: "every attribute is settable or computed, documented, and flagged without contradiction",
    schema::schema_is_constant: "the schema and the capabilities are the same at every call",
    schema::state_upgrade_keeps_the_current: "state of the current version comes through `upgrade_state` unchanged, state of an unknown version is refused",
    schema::identity_has_one_form: "a configuration and the state made from it have the same identity",
    planning::plan_keeps_what_is_configured: "`planned` keeps every value that the configuration sets",
    planning::plan_takes_unknowns: "unknown values can be validated and planned, and stay unknown",
    planning::plan_is_deterministic: "the same request gives the same plan",
    planning::plan_again_is_a_noop: "planning what was just applied changes nothing",
    planning::plan_names_what_forces_a_replace: "`requires_replace` names what cannot be changed in place, if it differs, and nothing else",
    planning::plan_tells_what_cannot_be_undone: "what an undo of a delete does not bring back is told by the plan",
    planning::validation_names_paths: "what is wrong with a configuration is told with its path",
    creating::create_makes_it: "`Applied` means that it exists",
    creating::create_gives_what_was_planned: "the state after a create is wholly known and agrees with the plan",
    creating::create_refuses_what_exists: "a create of something that is there is `NotApplied` with a conflict, and changes nothing",
    creating::marker_is_carried: "what is found by its marker carries the marker of its create",
    reading::read_equals_what_apply_returned: "a read after a change finds what the change returned",
    reading::read_tells_the_truth: "`read` shows what somebody else has changed",
    reading::read_of_what_is_gone_is_none: "`read` of what is gone is none, not an error",
    reading::looking_changes_nothing: "only `apply` changes the world",
    reading::concurrent_reads_agree: "reads at the same time find the same",
    reading::image_of_what_changed_is_a_conflict: "an image of what is no longer as it was read is refused",
    reading::settling_time_is_honest: "after the settling time, reads and looks show the world after a change",
    changing::update_changes_each_attribute: "every attribute that is not replaced is changed in place, for real",
    changing::update_leaves_the_rest_alone: "an update changes nothing that was not asked for",
    changing::update_of_what_is_gone_is_not_applied: "an update of what is gone is `NotApplied`, and makes nothing",
    changing::replace_by_delete_then_create: "a replace works with the delete first",
    changing::replace_by_create_then_delete: "a replace works with the create first, where identities do not collide",
    changing::delete_removes_it: "`Applied` after a delete means that it is gone",
    changing::delete_again_is_applied: "deleting what is already gone is `Applied`",
    changing::processes_are_told: "where processes carry out effects, each is told before it begins",
    finding::find_none: "`find` of what is not there is none",
    finding::find_one: "`find` finds what a read shows",
    finding::find_many_is_many: "several objects with one marker are reported as many",
    finding::find_compares_the_generation: "a marker of another generation is another object",
    finding::find_reports_a_foreign_marker: "where identity finds an object of somebody else's, its marker is told",
    finding::find_is_refused_where_nothing_can_be_found: "what cannot be found is an error of `find`, never none",
    finding::adopts_what_exists: "what somebody else made is found as it is, and the plan shows just what differs",
    finding::import_reads_it: "an import gives what a read shows",
    finding::import_of_nothing_is_an_error: "an import of an id that leads nowhere is an error",
    finding::data_is_read: "a data type reads what is there",
    finding::data_that_is_missing_is_an_error: "a data type that finds nothing is an error, not null",
    failing::refusal_is_classified: "a refusal is `NotApplied`, with its category and when to try again",
    failing::failure_before_the_effect_is_told: "a failure before the effect is never `Applied` or `Partial`",
    failing::failure_after_the_effect_is_told: "a failure after the effect is never `NotApplied`, and a look settles it",
    failing::half_done_is_partial: "what is done by half is `Partial` or `Unknown`, with the state that is there",
    failing::lost_answer_is_not_sent_again: "a provider never sends a change a second time",
    undoing::undo_of_create: "the undo of a create leaves the world as it was before",
    undoing::undo_of_update: "the undo of an update leaves the world as it was before, unmanaged settings included",
    undoing::undo_of_delete: "the undo of a delete leaves the world as it was before, but for what the plan named",
    undoing::undo_twice: "a second undo does nothing",
    undoing::undo_of_what_never_happened: "the undo of what never happened does nothing",
    undoing::recover_is_harmless: "`recover` changes nothing where nothing was left behind",
    waiting::deadline_is_kept: "no call lasts longer than its deadline",
    waiting::cancellation_is_heeded: "a cancelled call ends soon, and tells what may have happened",
    hiding::secrets_do_not_show: "no error, warning or diagnostic shows a secret",
};

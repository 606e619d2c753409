//! Which check must catch which broken provider, and what it must say.

use std::sync::Arc;

use futures::future::BoxFuture;
use retrue_provider_api::Provider;

use super::{Wrapper, changing, failing, finding, reading, saying, undoing, waiting};
use crate::subjects::local::command::{WHOLE, start as command};
use crate::subjects::testcloud::cases::{BUCKET, DATABASE, INSTANCE, NETWORK, TOKEN};
use crate::subjects::testcloud::{direct, late};
use crate::world::World;

/// A provider that breaks one rule.
pub struct Broken {
    /// The check that must catch it.
    pub check: &'static str,
    /// What is broken: the name of the breakage.
    pub breakage: &'static str,
    /// A part of what the check must say.
    pub says: &'static str,
    /// A world in which it shows.
    pub start: fn() -> BoxFuture<'static, Box<dyn World>>,
    /// Breaks a good provider.
    pub wrap: fn(Arc<dyn Provider>) -> Arc<dyn Provider>,
}

macro_rules! broken {
    ($($check:ident: $module:ident . $breakage:ident on $place:ident $case:ident says $says:literal,)*) => {
        &[$(Broken {
            check: stringify!($check),
            breakage: stringify!($breakage),
            says: $says,
            start: || Box::pin(async { Box::new($place(&$case).await) as Box<dyn World> }),
            wrap: |good| Arc::new(Wrapper { good, breakage: $module::$breakage::default() }),
        },)*]
    };
}

/// At least one for every check.
pub const BROKEN: &[Broken] = broken! {
    schema_is_sane: saying.UselessAttribute on direct BUCKET says "can neither be set nor is it computed",
    schema_is_constant: saying.RestlessSchema on direct BUCKET says "two schemas",
    schema_is_constant: saying.RestlessCapability on direct BUCKET says "two capabilities",
    state_upgrade_keeps_the_current: saying.ForgetfulUpgrade on direct BUCKET says "changes the state: `tags`",
    state_upgrade_keeps_the_current: saying.CarelessUpgrade on direct BUCKET says "a version that does not exist",
    identity_has_one_form: saying.IdentityOfEverything on direct BUCKET says "the identity of the configuration is",
    plan_keeps_what_is_configured: saying.StubbornDefault on direct BUCKET says "sets `versioning` to",
    plan_takes_unknowns: saying.Guess on direct BUCKET says "`versioning` is unknown in the configuration",
    plan_is_deterministic: saying.MoodyPlan on direct BUCKET says "two plans for one request differ",
    plan_again_is_a_noop: saying.RestlessPlan on direct BUCKET says "is not a no-op: `locator` is unknown",
    plan_names_what_forces_a_replace: saying.NeverReplaces on direct BUCKET says "`name` cannot be changed in place",
    plan_names_what_forces_a_replace: saying.AlwaysReplaces on direct BUCKET says "nothing differs, and the plan wants",
    plan_tells_what_cannot_be_undone: saying.PromisesTooMuch on direct DATABASE says "it holds data",
    plan_tells_what_cannot_be_undone: saying.PromisesTooMuch on direct NETWORK says "can be undone in full",
    validation_names_paths: saying.NoPlace on direct BUCKET says "is told of None",
    validation_names_paths: saying.TakesAnything on direct BUCKET says "accepts a wrong `name`",
    create_makes_it: changing.LyingCreate on direct BUCKET says "outside there are 0 objects",
    create_gives_what_was_planned: changing.BreaksPromise on direct BUCKET says "contradicts the plan: `versioning`",
    create_refuses_what_exists: changing.Overwrites on direct BUCKET says "changes what is there",
    marker_is_carried: reading.HidesMarker on direct INSTANCE says "a read shows None",
    read_equals_what_apply_returned: reading.Misreads on direct BUCKET says "contradicts what the change returned: `locator`",
    read_tells_the_truth: reading.EchoesRecord on direct BUCKET says "still shows what was before",
    read_of_what_is_gone_is_none: reading.GoneIsAnError on direct BUCKET says "`read` fails: not found",
    looking_changes_nothing: saying.EagerPlan on direct BUCKET says "looking at nothing changes the world",
    concurrent_reads_agree: reading.OneAtATime on direct BUCKET says "one of many reads at the same time finds nothing",
    image_of_what_changed_is_a_conflict: reading.BlindImage on direct BUCKET says "an image is made without a word",
    settling_time_is_honest: reading.ClaimsToBePrompt on late BUCKET says "the settling time is 0ns",
    update_changes_each_attribute: changing.LyingUpdate on direct BUCKET says "is Applied, and the world is as before",
    update_leaves_the_rest_alone: changing.Clobbers on direct BUCKET says "an update of `versioning` alone changes `tags`",
    update_of_what_is_gone_is_not_applied: changing.Upserts on direct BUCKET says "of what is gone makes something",
    replace_by_delete_then_create: changing.LivesInThePast on direct BUCKET says "replaced for `name`",
    replace_by_create_then_delete: changing.DeletesAll on direct TOKEN says "takes the new one away",
    delete_removes_it: changing.LyingDelete on direct BUCKET says "something is left",
    delete_again_is_applied: changing.DeletesOnce on direct BUCKET says "the second delete must be Applied",
    processes_are_told: waiting.SecretProcesses on command WHOLE says "and nobody was told of it",
    find_none: finding.FindsAnything on direct BUCKET says "nothing is there, and `find` finds something",
    find_one: finding.FindsHalf on direct BUCKET says "something else than `read`: `locator`",
    find_many_is_many: finding.TakesTheFirst on direct INSTANCE says "`find` finds one",
    find_compares_the_generation: finding.AnyGeneration on direct INSTANCE says "and is found as",
    find_reports_a_foreign_marker: finding.HidesOwner on direct BUCKET says "and `find` tells None",
    find_is_refused_where_nothing_can_be_found: finding.SaysNone on direct TOKEN says "as if it had looked",
    adopts_what_exists: finding.FindsWhatItWants on direct BUCKET says "tells the configuration, not the world",
    import_reads_it: finding.ImportsTheId on direct BUCKET says "something else than a `read` of what it found: `versioning`",
    import_of_nothing_is_an_error: finding.ImportsAnything on direct BUCKET says "gives something",
    data_is_read: finding.WrongData on direct INSTANCE says "`id` is \"img-0\" instead of",
    data_that_is_missing_is_an_error: finding.MissingIsNull on direct INSTANCE says "`read_data` reads something",
    refusal_is_classified: failing.Unclassified on direct BUCKET says "is told as unknown instead of rate-limited",
    refusal_is_classified: failing.Impatient on direct BUCKET says "asks to wait Some(3s)",
    failure_before_the_effect_is_told: failing.Swallows on direct BUCKET says "is Applied, and nothing has happened",
    failure_after_the_effect_is_told: failing.Optimist on direct BUCKET says "and the effect has happened",
    half_done_is_partial: failing.HalfIsEnough on direct INSTANCE says "only half of it has happened",
    half_done_is_partial: failing.HalfWithThePlan on direct INSTANCE says "its state is not what is there: `rule`",
    lost_answer_is_not_sent_again: failing.TriesAgain on direct TOKEN says "it was sent again",
    undo_of_create: changing.LyingDelete on direct BUCKET says "the undo of a create does not bring the world back",
    undo_of_update: undoing.RestoresHalf on direct BUCKET says "the undo of an update of `tags` does not",
    undo_of_update: undoing.RestoresAttributesOnly on direct BUCKET says "the undo of an update of `tags` does not",
    undo_of_delete: undoing.RestoresTheConfiguration on direct BUCKET says "the undo of a delete does not",
    undo_twice: undoing.RestoresOnce on direct BUCKET says "the second undo of an update must be Applied",
    undo_of_what_never_happened: undoing.RestoresOverIt on direct BUCKET says "the undo of a delete that never happened",
    recover_is_harmless: undoing.TidiesTooMuch on direct BUCKET says "`recover` of what is whole",
    deadline_is_kept: waiting.NoDeadline on direct BUCKET says "still runs after",
    cancellation_is_heeded: waiting.Deaf on direct BUCKET says "after it was cancelled",
    cancellation_is_heeded: waiting.CancelledIsUndone on direct BUCKET says "before its end, and is NotApplied",
    secrets_do_not_show: failing.Blabs on direct DATABASE says "a secret shows in what",
};

//! What seeds have found, as small as it gets.

use super::replay;

/// A run that needed a person, was settled, and waits for its unwinding, is not closed a second time.
#[test]
fn a_settled_run_whose_unwinding_is_in_doubt_is_not_closed_again() {
    replay(
        r#"{"parallelism":3,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":4650369829652454313,"rounds":[{"edits":[[4,{"size":0,"zone":0,"refers":false,"first":false}],[5,{"size":0,"zone":0,"refers":false,"first":false}],[8,{"size":2,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","faults":[{"nth":1,"times":2,"changes":true,"what":"Reset"}]},{"verb":"Compensate","faults":[{"nth":1,"times":1,"changes":true,"what":"ErrorAfter"}]}],"goal":"Back"}]}"#,
    );
}

/// What was made a moment ago and does not show yet is not made a second time.
#[test]
fn what_does_not_show_yet_is_not_made_again() {
    replay(
        r#"{"parallelism":1,"lag_reads":3,"polls":0,"slow":false,"stragglers":false,"seed":4163235641887538128,"rounds":[{"edits":[[1,{"size":1,"zone":1,"refers":false,"first":false}],[8,{"size":0,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","stop":{"nth":10,"hard":true}}],"goal":"Destroy"}]}"#,
    );
}

/// A person sees what a read does not show yet.
#[test]
fn a_person_is_believed_before_a_read() {
    replay(
        r#"{"parallelism":3,"lag_reads":3,"polls":0,"slow":false,"stragglers":false,"seed":8653769808390975334,"rounds":[{"edits":[[1,{"size":1,"zone":0,"refers":false,"first":false}],[4,{"size":0,"zone":1,"refers":false,"first":false}],[5,{"size":2,"zone":0,"refers":false,"first":false}],[7,{"size":1,"zone":0,"refers":false,"first":false}],[8,{"size":1,"zone":0,"refers":false,"first":false}],[9,{"size":0,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","crash":{"Write":{"nth":1,"kept":true}}},{"verb":"Apply","crash":{"Write":{"nth":16,"kept":false}}}],"goal":"Forward"}]}"#,
    );
}

/// What was made a moment ago and does not show yet is undone all the same.
#[test]
fn what_does_not_show_yet_is_undone() {
    replay(
        r#"{"parallelism":1,"lag_reads":3,"polls":0,"slow":false,"stragglers":false,"seed":17215177420433587092,"rounds":[{"edits":[[5,{"size":0,"zone":0,"refers":false,"first":false}],[7,{"size":1,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"ApplyCompensate","faults":[{"nth":6,"times":3,"changes":false,"what":"TimedOutDone"}]}],"goal":"Back"}]}"#,
    );
}

/// What a step did without our seeing it is no change by somebody else.
#[test]
fn the_unseen_part_of_an_update_is_undone() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":13720642416896993963,"rounds":[{"edits":[[4,{"size":1,"zone":1,"refers":false,"first":false}],[6,{"size":2,"zone":0,"refers":false,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[4,{"size":0,"zone":1,"refers":false,"first":false}],[6,{"size":0,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","faults":[{"nth":2,"times":1,"changes":true,"what":"ErrorAfter"}]}],"goal":"ForwardAndBack"}]}"#,
    );
}

/// What was changed to do without something that is made again refers to the new one afterwards.
#[test]
fn what_was_changed_to_do_without_follows_what_is_made_again() {
    replay(
        r#"{"parallelism":2,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":498053414685150250,"rounds":[{"edits":[[3,{"size":0,"zone":1,"refers":false,"first":false}],[6,{"size":2,"zone":0,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[3,null]],"attempts":[],"goal":"ForwardAndBack"}]}"#,
    );
}

/// A person stops an unwinding in the middle of an undo: what came of that is looked at later.
#[test]
fn an_undo_that_was_cancelled_does_not_stay_in_doubt() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":true,"stragglers":false,"seed":2640368170597410641,"rounds":[{"edits":[[3,{"size":1,"zone":0,"refers":false,"first":false}],[5,{"size":2,"zone":1,"refers":false,"first":false}],[8,{"size":0,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"verb":"Compensate","stop":{"nth":4,"hard":true}}],"goal":"Back"}]}"#,
    );
}

/// That something is not there, a moment after it was made, does not mean that its delete was done.
#[test]
fn what_does_not_show_yet_is_not_taken_for_deleted() {
    replay(
        r#"{"parallelism":1,"lag_reads":2,"polls":0,"slow":false,"stragglers":false,"seed":612448142546140198,"rounds":[{"edits":[[1,{"size":1,"zone":0,"refers":false,"first":false}],[5,{"size":2,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","faults":[{"nth":11,"times":0,"changes":false,"what":"TimedOut"}]},{"verb":"Compensate","crash":{"Call":{"nth":1,"done":false}}}],"goal":"Back"}]}"#,
    );
}

/// What was changed in one run, and ended in the next with what it referred to, refers to the new one again.
#[test]
fn what_was_changed_and_then_ended_follows_what_is_made_again() {
    replay(
        r#"{"parallelism":3,"lag_reads":0,"polls":0,"slow":true,"stragglers":false,"seed":14990031657059364910,"rounds":[{"edits":[[2,{"size":1,"zone":1,"refers":false,"first":false}],[5,{"size":0,"zone":1,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[5,{"size":1,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"verb":"Destroy"}],"goal":"Back"}]}"#,
    );
}

/// What one run changed to do without something that the next one ended refers to the new one again.
#[test]
fn what_an_earlier_run_changed_to_do_without_follows_what_is_made_again() {
    replay(
        r#"{"parallelism":4,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":1980722678210295585,"rounds":[{"edits":[[3,{"size":2,"zone":0,"refers":false,"first":false}],[6,{"size":0,"zone":0,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[0,{"size":2,"zone":1,"refers":false,"first":false}],[1,{"size":0,"zone":0,"refers":false,"first":false}],[3,null],[5,{"size":1,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","crash":{"Call":{"nth":20,"done":true}}},{"verb":"Apply"}],"goal":"Back"}]}"#,
    );
}

/// Reads that were not answered in time do not use up the time that a new object has to show.
#[test]
fn what_was_not_answered_does_not_use_up_the_time_to_settle() {
    replay(
        r#"{"parallelism":1,"lag_reads":1,"polls":0,"slow":true,"stragglers":false,"seed":11879607788896672232,"rounds":[{"edits":[[0,{"size":2,"zone":1,"refers":false,"first":false}],[5,{"size":2,"zone":0,"refers":false,"first":false}],[6,{"size":1,"zone":1,"refers":false,"first":false}],[7,{"size":1,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","stop":{"nth":11,"hard":true}},{"verb":"Compensate","faults":[{"nth":1,"times":2,"changes":false,"what":"TimedOut"}]}],"goal":"Back"}]}"#,
    );
}

/// A read that lags behind a change was taken for drift, and unwinding went back to what the read had shown.
#[test]
fn what_was_changed_a_moment_ago_and_does_not_show_is_no_drift() {
    replay(
        r#"{"parallelism":1,"lag_reads":3,"polls":0,"slow":false,"stragglers":false,"seed":14155632549794924063,"rounds":[{"edits":[[0,{"size":1,"zone":1,"refers":false,"first":false}],[2,{"size":1,"zone":1,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[0,null]],"attempts":[{"verb":"Apply"}],"goal":"ForwardAndBack"}]}"#,
    );
}

/// An update of which everything turned out to be as it was already needs nobody's answer.
#[test]
fn an_update_that_changes_nothing_is_in_no_doubt() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":13916078107654447531,"rounds":[{"edits":[[7,{"size":1,"zone":1,"refers":false,"first":false}],[8,{"size":0,"zone":0,"refers":true,"first":false}],[9,{"size":2,"zone":1,"refers":false,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[2,{"size":1,"zone":1,"refers":false,"first":false}],[5,{"size":2,"zone":1,"refers":false,"first":false}],[7,{"size":0,"zone":0,"refers":false,"first":false}],[9,null]],"attempts":[{"verb":"Apply","crash":{"Write":{"nth":14,"kept":true}}}],"goal":"Back"}]}"#,
    );
}

/// What somebody else changed on an object that was made only in part is not deleted with it unseen.
#[test]
fn a_tainted_object_that_somebody_changed_is_not_taken_back() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":7094304833719306601,"rounds":[{"edits":[[2,{"size":1,"zone":0,"refers":false,"first":false}],[6,{"size":0,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"ApplyCompensate","faults":[{"nth":1,"times":1,"changes":false,"what":"TimedOutDone"}],"crash":{"Call":{"nth":9,"done":false}}},{"verb":"ApplyCompensate","between":{"Change":1}}],"goal":"Forward"}]}"#,
    );
}

/// What an undo changed a moment ago was read before it showed, and taken for drift: a plan offered it again.
#[test]
fn what_was_undone_a_moment_ago_and_does_not_show_yet_is_no_drift() {
    replay(
        r#"{"parallelism":1,"lag_reads":3,"polls":0,"slow":false,"stragglers":false,"seed":17111628583518579297,"rounds":[{"edits":[[0,{"size":0,"zone":0,"refers":false,"first":false}],[2,{"size":2,"zone":1,"refers":false,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[0,{"size":2,"zone":1,"refers":false,"first":false}],[2,null],[5,{"size":0,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"verb":"Compensate","faults":[{"nth":1,"times":1,"changes":true,"what":"Expired"}],"stop":{"nth":8,"hard":true}}],"goal":"Forward"}]}"#,
    );
}

/// What an undo brought back in part names what was made again, and follows when that is made once more.
#[test]
fn what_is_back_in_part_follows_what_is_made_again() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":231420741330957617,"rounds":[{"edits":[[1,{"size":1,"zone":0,"refers":false,"first":false}],[3,{"size":2,"zone":1,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[1,null],[8,{"size":0,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"verb":"Compensate","faults":[{"nth":4,"times":3,"changes":true,"what":"Reset"}]}],"goal":"ForwardAndBack"}]}"#,
    );
}

/// What named something long gone, and was mended by a step that is undone, names what stands for it now.
#[test]
fn what_named_something_gone_names_what_stands_for_it() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":2534002032381207051,"rounds":[{"edits":[[2,{"size":0,"zone":0,"refers":false,"first":false}],[5,{"size":0,"zone":1,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[2,{"size":0,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"ApplyCompensate","faults":[{"nth":8,"times":3,"changes":false,"what":"NotSent"}]}],"goal":"Back"},{"edits":[[2,{"size":1,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"}],"goal":"Back"}]}"#,
    );
}

/// An undo whose answer was lost, and whose change does not show yet, comes to its end.
#[test]
fn an_undo_that_was_not_answered_and_does_not_show_comes_to_its_end() {
    replay(
        r#"{"parallelism":3,"lag_reads":1,"polls":0,"slow":false,"stragglers":false,"seed":12658975427535553053,"rounds":[{"edits":[[6,{"size":0,"zone":0,"refers":false,"first":false}],[7,{"size":2,"zone":0,"refers":false,"first":false}],[8,{"size":0,"zone":1,"refers":false,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[1,{"size":2,"zone":1,"refers":false,"first":false}],[2,{"size":1,"zone":0,"refers":false,"first":false}],[3,{"size":2,"zone":1,"refers":false,"first":false}],[6,{"size":0,"zone":0,"refers":true,"first":false}]],"attempts":[{"verb":"ApplyCompensate","faults":[{"nth":5,"times":2,"changes":true,"what":"TimedOutDone"},{"nth":8,"times":3,"changes":false,"what":"TimedOutDone"}]}],"goal":"Back"}]}"#,
    );
}

/// What an unwinding deleted a moment ago and still shows is in nobody's way.
#[test]
fn what_was_deleted_a_moment_ago_is_in_nobodys_way() {
    replay(
        r#"{"parallelism":1,"lag_reads":3,"polls":0,"slow":false,"stragglers":false,"seed":7161887723567351213,"rounds":[{"edits":[[5,{"size":2,"zone":1,"refers":false,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[[5,{"size":0,"zone":0,"refers":false,"first":false}],[7,{"size":2,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"ApplyCompensate","faults":[{"nth":3,"times":3,"changes":true,"what":"LostAnswer"}]},{"verb":"Compensate"}],"goal":"Forward"}]}"#,
    );
}

/// Where all is as declared, an unwinding that was left is given up, and a later one does not go back behind that.
#[test]
fn what_was_left_of_an_unwinding_ends_where_all_is_as_declared() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":10634418488383879594,"rounds":[{"edits":[[8,{"size":2,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"verb":"Compensate","crash":{"Write":{"nth":2,"kept":true}}}],"goal":"Forward"},{"edits":[[8,null]],"attempts":[{"verb":"Apply"},{"verb":"Compensate"}],"goal":"Back"}]}"#,
    );
}

/// A run of which nothing is known but that a step began is what is to be unwound, and nothing older is.
#[test]
fn a_run_in_doubt_is_not_passed_over() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":14011118689929172737,"rounds":[{"edits":[[6,{"size":0,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"edit":[8,{"size":2,"zone":1,"refers":false,"first":false}],"verb":"Apply","crash":{"Write":{"nth":2,"kept":true}}},{"verb":"Compensate"}],"goal":"Forward"}]}"#,
    );
}

/// What was made again where it had been set aside, became the current one again, and was then deleted, is gone: that
/// is as it was before.
#[test]
fn what_is_made_again_on_the_way_back_and_deleted_is_not_missed() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":4247220024906149289,"rounds":[{"edits":[[8,{"size":0,"zone":1,"refers":false,"first":false}]],"attempts":[{"verb":"Apply"},{"edit":[8,{"size":0,"zone":0,"refers":false,"first":true}],"verb":"Apply"}],"goal":"ForwardAndBack"}]}"#,
    );
}

/// A run that was cut off and only brought records up to date is nothing that anybody would want to unwind.
#[test]
fn a_record_that_was_brought_up_to_date_is_not_what_is_unwound() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"seed":12283459640563131101,"rounds":[{"edits":[[8,{"size":0,"zone":0,"refers":false,"first":true}]],"attempts":[{"verb":"Apply"},{"edit":[8,{"size":0,"zone":0,"refers":false,"first":false}],"verb":"Apply","crash":{"Write":{"nth":2,"kept":true}}},{"verb":"Compensate"}],"goal":"Back"}]}"#,
    );
}

/// What another stack takes for its own between the plan and the step that would adopt it is not adopted.
#[test]
fn what_another_stack_took_since_the_plan_is_not_adopted() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"outside":[{"round":0,"slot":1,"zone":1,"size":1}],"seed":14414535100393650433,"rounds":[{"edits":[[1,{"size":2,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","between":{"Claim":1}}],"goal":"Forward"}]}"#,
    );
    // The same where nothing differs, so that only what is remembered would change.
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"outside":[{"round":0,"slot":1,"zone":1,"size":0}],"seed":1,"rounds":[{"edits":[[0,{"size":1,"zone":0,"refers":false,"first":false}],[1,{"size":0,"zone":0,"refers":false,"first":false}]],"attempts":[{"verb":"Apply","between":{"Claim":1}}],"goal":"Forward"}]}"#,
    );
}

/// What was left outside, and was adopted again with a reference to something new, names after an unwinding of both what
/// was made again, or is told as left behind.
#[test]
fn what_was_left_and_adopted_again_follows_what_is_made_again() {
    replay(
        r#"{"parallelism":1,"lag_reads":0,"polls":0,"slow":false,"stragglers":false,"ends":{"6":"Forget"},"seed":2423237329066299343,"rounds":[{"edits":[[3,{"size":0,"zone":1,"refers":false,"first":false}],[6,{"size":2,"zone":1,"refers":true,"first":false}]],"attempts":[],"goal":"Forward"},{"edits":[],"attempts":[{"verb":"Destroy"},{"verb":"Apply"}],"goal":"Back"}]}"#,
    );
}

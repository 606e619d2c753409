//! What the events of a run amount to.

use super::*;
use crate::saga::history::{HistoryError, StepHistory};
use crate::saga::machine::{StepStatus, UndoStatus};
use crate::saga::state::RecordedOutput;

fn only(written: &Written) -> StepHistory {
    let history = written.read();
    assert_eq!(history.steps.len(), 1);
    history.steps.into_iter().next().unwrap()
}

#[test]
fn a_journal_of_a_newer_version_is_refused_by_its_version_and_a_damaged_one_by_its_place() {
    let mut bodies = Written::new(RunKind::Apply).event(None, child(1)).0;
    assert_eq!(read(&bodies).unwrap().unwrap().events.len(), 2);
    bodies.push(json!({ "v": JOURNAL_VERSION + 1, "something": "new" }));
    assert_eq!(read(&bodies).unwrap_err(), HistoryError::Version(u64::from(JOURNAL_VERSION) + 1));
    bodies[2] = json!({ "v": JOURNAL_VERSION });
    assert!(matches!(read(&bodies), Err(HistoryError::Form(2, _))));
    bodies[2] = bodies[0].clone();
    assert!(matches!(read(&bodies), Err(HistoryError::Illegal(2, _))));
    assert!(read(&[]).unwrap().is_none());
}

#[test]
fn what_a_run_did_to_its_surroundings_is_read_back() {
    let provider = JournaledProvider {
        provider: "late".into(),
        origin: None,
        config: RestingValue::null(),
        sources: Default::default(),
        again: None,
        fallback: Vec::new(),
        policy: Default::default(),
    };
    let output = RecordedOutput { value: RestingValue::null(), provenance: Default::default() };
    let before = [("sum".to_owned(), Some(output)), ("new".to_owned(), None)];
    let history = Written::new(RunKind::Apply)
        .event(None, child(7))
        .event(None, Event::Outputs { before: before.clone().into() })
        .event(None, Event::Configured { name: "main".into(), provider: Box::new(provider.clone()) })
        .read();
    assert_eq!(history.children.iter().map(|child| child.pid).collect::<Vec<_>>(), [7]);
    assert_eq!(history.outputs, before.into());
    assert_eq!(history.started.providers, [("main".to_owned(), provider)].into());
    assert!(history.steps.is_empty() && history.undos.is_empty());
}

#[test]
fn a_step_is_what_is_written_last_about_it() {
    let a = step("a", StepEffect::Update);
    let mut moved = image();
    moved.moved_from = Some(address("old"));
    let written = Written::new(RunKind::Apply).event(Some(&a), Event::Image(Box::new(moved)));
    let found = only(&written);
    assert_eq!((found.status, found.begin.is_some(), found.position), (StepStatus::Imaged, false, 1));
    assert_eq!(found.moved_from(), Some(&address("old")));

    let written = written.event(Some(&a), begun()).event(Some(&a), Event::StepNotApplied(failure("once")));
    let found = only(&written);
    assert_eq!((found.status, found.position), (StepStatus::NotApplied, 2), "what did not happen has no place");
    assert_eq!((found.object, found.failure), (None, Some(failure("once"))));

    let written = written.event(Some(&a), imaged()).event(Some(&a), begun());
    let ends = [
        (Event::StepApplied(end(Some("x"), None)), StepStatus::Applied),
        (Event::Deposed(end(Some("x"), None)), StepStatus::Applied),
        (Event::StepPartial(end(Some("x"), Some("half"))), StepStatus::Partial),
        (Event::StepUnknown(end(Some("x"), Some("half"))), StepStatus::Unknown),
    ];
    for (event, status) in ends {
        let found = only(&Written(written.0.clone()).event(Some(&a), event));
        let expected = (status == StepStatus::Partial || status == StepStatus::Unknown).then(|| failure("half"));
        assert_eq!((found.status, found.position), (status, 6));
        assert_eq!(found.moved_from(), None, "a later try has an image of its own");
        assert_eq!((found.object, found.failure), (Some(resting("x")), expected));
    }
}

#[test]
fn a_step_whose_doubt_is_settled_stays_where_it_is_in_the_order() {
    let a = step("a", StepEffect::Create);
    let written = Written::new(RunKind::Apply)
        .event(Some(&a), imaged())
        .event(Some(&a), begun())
        .event(Some(&a), Event::StepUnknown(end(None, Some("lost"))))
        .event(Some(&step("b", StepEffect::Create)), imaged());
    assert_eq!(written.read().in_doubt().map(|step| &step.id).collect::<Vec<_>>(), [&a]);
    let settled = written
        .event(None, finished(RunState::Interrupted))
        .event(Some(&a), resolved(ResolvedOutcome::Applied, Some("x")));
    let history = settled.read();
    let found = &history.steps[0];
    assert_eq!((found.status, found.position, &found.failure), (StepStatus::Applied, 3, &None));
    assert_eq!(found.object, Some(resting("x")));
    assert_eq!(history.in_doubt().count(), 0);
}

#[test]
fn a_process_belongs_to_the_try_that_is_running() {
    let a = step("a", StepEffect::Create);
    let written = Written::new(RunKind::Apply).event(Some(&a), imaged()).event(Some(&a), child(1));
    assert!(!only(&written).has_child, "it was started for the image");
    let written = written.event(Some(&a), begun());
    assert!(!only(&written).has_child);
    let written = written.event(Some(&a), child(2));
    assert!(only(&written).has_child);
    let written = written
        .event(Some(&a), Event::StepNotApplied(failure("no")))
        .event(Some(&a), imaged())
        .event(Some(&a), begun());
    assert!(!only(&written).has_child, "the try before had it");
}

#[test]
fn an_undo_is_what_is_written_last_about_it() {
    let (a, b) = (step("a", StepEffect::Create), step("b", StepEffect::Create));
    let written = Written::new(RunKind::Compensate)
        .event(Some(&a), child(1))
        .event(Some(&a), undo_begun("r"))
        .event(Some(&b), undo_skipped("r"));
    let history = written.read();
    let found: Vec<_> =
        history.undos.iter().map(|undo| (&undo.id, undo.of.as_str(), undo.status, undo.has_child)).collect();
    assert_eq!(found, [(&a, "r", UndoStatus::Begun, false), (&b, "r", UndoStatus::Skipped, false)]);
    assert!(history.steps.is_empty());
    assert_eq!(history.undos_in_doubt().map(|undo| &undo.id).collect::<Vec<_>>(), [&a]);

    let written = written.event(Some(&a), child(2));
    assert!(written.read().undos[0].has_child);
    let stuck = Written(written.0.clone()).event(Some(&a), undo_stuck("r", false)).read();
    assert_eq!((stuck.undos[0].status, stuck.steps.len()), (UndoStatus::Stuck, 0));
    let again = Written(written.0.clone()).event(Some(&a), undo_begun("r")).read();
    assert!(!again.undos[0].has_child, "the try before had it");

    let history = written.event(Some(&a), undone("r")).read();
    assert_eq!(history.undos[0].status, UndoStatus::Undone);
    assert_eq!(history.undos[0].end.as_ref().map(|end| end.of.as_str()), Some("r"));
    assert!(history.undos[0].begin.is_some() && history.undos[1].begin.is_none());
    assert_eq!(history.undos_in_doubt().count(), 0);
}

#[test]
fn a_process_belongs_to_the_undo_that_was_written_about_last() {
    let a = step("a", StepEffect::Create);
    let history = Written::new(RunKind::Compensate)
        .event(Some(&a), undo_begun("newer"))
        .event(Some(&a), undone("newer"))
        .event(Some(&a), undo_stuck("older", false))
        .event(Some(&a), child(1))
        .read();
    let found: Vec<_> = history.undos.iter().map(|undo| (undo.of.as_str(), undo.has_child)).collect();
    assert_eq!(found, [("newer", false), ("older", true)]);
}

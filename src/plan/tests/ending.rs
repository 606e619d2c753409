//! What is recorded and no longer declared.

use super::*;
use crate::plan::DriftStatus;
use crate::plan::codes;
use crate::plan::decide::SetAside;
use crate::plan::ending::{end_deposed, standing_deposed};

const NAMED: &[(&str, &str)] = &[("name", "n"), ("size", "1")];

/// Something recorded that nobody wants any more.
fn unwanted<'i>(block: &'i Block, recorded: &'i RecordedObject) -> Instance<'i> {
    Instance {
        recorded: Some(recorded),
        world: present(state(NAMED)),
        responses: Responses {
            delete: Some(PlanResponse {
                planned_private: Private(b"planned".to_vec()),
                warnings: vec!["slow".into()],
                ..PlanResponse::of(Value::null(Type::Dynamic))
            }),
            ..Responses::default()
        },
        ..instance(block)
    }
}

fn kept() -> RecordedObject {
    recorded(state(NAMED), state(NAMED))
}

#[test]
fn what_we_made_is_deleted() {
    let (block, recorded) = (schema(), RecordedObject { dependencies: vec![block("b")], ..kept() });
    let decision = decide(&unwanted(&block, &recorded));
    assert_eq!(effects(&decision), [StepEffect::Delete]);
    let step = &decision.steps[0];
    assert_eq!((&step.dependencies, &step.planned_private.0[..]), (&vec![super::block("b")], &b"planned"[..]));
    assert_eq!((decision.change.action, &decision.change.warnings[..]), (Action::Delete, &["slow".to_owned()][..]));
    assert_eq!(decision.change.reasons, ["it is no longer declared"]);
    assert!(decision.change.after.is_null());
    let all = Instance { ends_because: "everything is to end".into(), ..unwanted(&block, &recorded) };
    assert_eq!(decide(&all).change.reasons, ["everything is to end"]);
    let gone = Instance { world: World::Absent, ..unwanted(&block, &recorded) };
    let decision = decide(&gone);
    assert_eq!(effects(&decision), [StepEffect::Forget]);
    assert_eq!(decision.change.reasons, ["it is no longer declared, and it is gone already"]);
}

#[test]
fn what_a_delete_loses_is_said_before() {
    let block = schema();
    let reversibility = |status, sent_write_only, holds_data, said: Reversibility| {
        let recorded = RecordedObject { status, sent_write_only, ..kept() };
        let mut instance = unwanted(&block, &recorded);
        instance.capability.holds_data = holds_data;
        instance.responses.delete.as_mut().unwrap().reversibility = said;
        let decision = decide(&instance);
        (decision.change.reversible.clone(), decision.steps[0].reversibility.clone())
    };
    let alike = |said: Reversibility| (said.clone(), said);
    use ObjectStatus::{Ok, Tainted};
    let full = Reversibility::Full;
    assert_eq!(reversibility(Ok, false, false, full.clone()), alike(full.clone()));
    let kept_from = lossy("what is write-only is not kept, so an undo cannot send it again");
    assert_eq!(reversibility(Ok, true, false, full.clone()), alike(kept_from));
    assert_eq!(reversibility(Ok, false, true, full.clone()), alike(lossy("its data is gone")));
    assert_eq!(reversibility(Ok, true, true, lossy("new id")), alike(lossy("new id")));
    // What was never finished is not made again. That is told, and halts nothing.
    let not_again = lossy("its creation was not finished, and an undo does not make it again");
    assert_eq!(reversibility(Tainted, true, false, lossy("new id")), (not_again.clone(), full.clone()));
    let with_data = lossy("its data is gone").worst(not_again);
    assert_eq!(reversibility(Tainted, true, true, lossy("new id")), (with_data, full));
}

#[test]
fn what_was_adopted_returns_to_what_it_was_or_stays() {
    let block = schema();
    let image = retrue_provider_api::Image {
        state: state(&[("name", "n"), ("size", "0")]),
        private: Private::default(),
        blobs: Vec::new(),
    };
    let restored = RecordedObject { origin: Origin::Adopted(Some(image)), ..kept() };
    let decision = decide(&unwanted(&block, &restored));
    assert_eq!(effects(&decision), [StepEffect::Update]);
    assert!(decision.steps[0].restores);
    assert_eq!(decision.steps[0].planned.get("size"), Some(&Value::from("0")));
    assert_eq!(decision.change.reasons, ["it is no longer declared, and returns to what it was when it was adopted"]);
    let stays = RecordedObject { origin: Origin::Adopted(None), ..kept() };
    let asked = RecordedObject {
        lifecycle: Lifecycle { on_destroy: Some(OnDestroy::Forget), ..Lifecycle::default() },
        ..kept()
    };
    for recorded in [stays, asked] {
        let decision = decide(&unwanted(&block, &recorded));
        assert_eq!(effects(&decision), [StepEffect::Forget]);
        assert_eq!(decision.change.reasons, ["it is no longer declared, and stays as it is"]);
        assert_eq!(decision.change.after, decision.change.before);
    }
}

#[test]
fn what_may_not_be_destroyed_is_kept_by_what_holds_for_it() {
    let block = schema();
    let prevents = Lifecycle { prevent_destroy: true, ..Lifecycle::default() };
    let recorded = RecordedObject { lifecycle: prevents.clone(), ..kept() };
    let (code, message, hint) = wrong(&unwanted(&block, &recorded));
    assert_eq!(code, codes::PREVENT_DESTROY);
    assert!(message.contains("would be deleted"));
    assert_eq!(hint, "bring its block back with `prevent_destroy = false` and apply, before it can be deleted");
    // What its block says counts, where that is still there.
    let allowed = Instance { declared: Some(Lifecycle::default()), ..unwanted(&block, &recorded) };
    assert_eq!(effects(&decide(&allowed)), [StepEffect::Delete]);
    let free = kept();
    let (_, _, hint) = wrong(&Instance { declared: Some(prevents), ..unwanted(&block, &free) });
    assert_eq!(hint, "set `prevent_destroy = false` first");
    // Nothing is deleted by forgetting.
    let lifecycle = Lifecycle { prevent_destroy: true, on_destroy: Some(OnDestroy::Forget), ..Lifecycle::default() };
    let forgotten = RecordedObject { lifecycle, ..kept() };
    assert_eq!(effects(&decide(&unwanted(&block, &forgotten))), [StepEffect::Forget]);
}

#[test]
fn what_was_replaced_is_ended_where_it_can_be_told() {
    let (block, recorded) = (schema(), kept());
    let image = || Image { state: state(&[("name", "o")]), private: Private::default(), blobs: Vec::new() };
    let ended = |world, recorded: &RecordedObject, declared: Option<Lifecycle>| {
        let instance = Instance { world, declared, ..unwanted(&block, recorded) };
        let (step, SetAside { change, drift }) = end_deposed(&instance, recorded, "2").unwrap();
        let (change, key) = (change.unwrap(), ObjectKey::Deposed("2".into()));
        assert_eq!((&step.id.object, &change.object), (&key, &key));
        assert!(drift.iter().all(|drift| drift.object == key));
        assert_eq!(change.reversible, step.reversibility);
        (step, change, drift.map(|drift| drift.status))
    };
    let there = || present(state(NAMED));
    let (step, change, drift) = ended(there(), &recorded, None);
    assert_eq!((step.id.effect, change.action, drift), (StepEffect::Delete, Action::Delete, None));
    assert_eq!((&change.before, change.after.is_null()), (&state(NAMED), true), "it is shown as it is itself");
    assert_eq!(
        (&change.reasons[..], &change.warnings[..]),
        (&["it was replaced, and is still there".to_owned()][..], &["slow".to_owned()][..])
    );
    // What was adopted is not ours to delete, set aside or not.
    let adopted = |image| RecordedObject { origin: Origin::Adopted(image), ..kept() };
    let (step, change, _) = ended(there(), &adopted(None), None);
    assert_eq!((step.id.effect, change.action), (StepEffect::Forget, Action::Forget));
    assert_eq!((&change.after, &change.reasons[0][..]), (&change.before, "it was replaced, and stays as it is"));
    let (step, change, _) = ended(there(), &adopted(Some(image())), None);
    assert!(step.restores && change.action == Action::Forget && change.after.get("name") == Some(&Value::from("o")));
    // What its block says now counts; that nothing of it may be destroyed is said of what replaced it.
    let declared = Lifecycle { on_destroy: Some(OnDestroy::Delete), prevent_destroy: true, ..Lifecycle::default() };
    assert_eq!(ended(there(), &adopted(None), Some(declared)).0.id.effect, StepEffect::Delete);
    let (step, change, drift) = ended(World::Absent, &recorded, None);
    assert_eq!(
        (step.id.effect, change.action, drift),
        (StepEffect::Forget, Action::Forget, Some(DriftStatus::Missing))
    );
    let (_, change, drift) = ended(present(state(&[("name", "n"), ("size", "7")])), &recorded, None);
    assert_eq!((drift, change.recorded), (Some(DriftStatus::Drifted), Some(state(NAMED))));
    let wrong = |world| {
        let instance = Instance { world, ..unwanted(&block, &recorded) };
        end_deposed(&instance, &recorded, "2").unwrap_err().message
    };
    assert!(wrong(World::Unreadable("no answer".into())).ends_with("could not be read: no answer"));
    for world in [World::Many(2), World::NotKnownYet, World::CannotLook] {
        assert!(wrong(world).ends_with("it cannot be told which one it is"));
    }
    // Where only how it stands is asked for, nothing happens to it.
    let instance = Instance { world: World::Absent, ..unwanted(&block, &recorded) };
    let SetAside { change, drift } = standing_deposed(&instance, "2");
    assert!(change.is_none() && drift.is_some_and(|drift| drift.status == DriftStatus::Missing));
}

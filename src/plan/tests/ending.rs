//! What is recorded and no longer declared.

use super::*;
use crate::plan::codes;
use crate::plan::ending::end_deposed;

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
    let all = Instance { destroying: true, ..unwanted(&block, &recorded) };
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
        assert_eq!(decision.change.reversible, decision.steps[0].reversibility);
        decision.change.reversible
    };
    use ObjectStatus::{Ok, Tainted};
    let full = Reversibility::Full;
    assert_eq!(reversibility(Ok, false, false, full.clone()), full);
    let kept_from = lossy("what is write-only is not kept, so an undo cannot send it again");
    assert_eq!(reversibility(Ok, true, false, full.clone()), kept_from);
    assert_eq!(reversibility(Ok, false, true, full.clone()), lossy("its data is gone"));
    assert_eq!(reversibility(Ok, true, true, lossy("new id")), lossy("new id"));
    assert_eq!(reversibility(Tainted, true, true, lossy("new id")), full, "it was never finished");
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
    let ended = |world| end_deposed(&Instance { world, ..unwanted(&block, &recorded) }, &recorded, "2");
    let key = ObjectKey::Deposed("2".into());
    let delete = ended(present(state(NAMED))).unwrap();
    assert_eq!((delete.id.effect, &delete.id.object), (StepEffect::Delete, &key));
    // What was adopted is not ours to delete, set aside or not; what its block says now counts.
    let adopted = RecordedObject { origin: Origin::Adopted(None), ..kept() };
    let forget = end_deposed(&unwanted(&block, &adopted), &adopted, "2").unwrap();
    assert_eq!((forget.id.effect, &forget.id.object), (StepEffect::Forget, &key));
    let declared = Lifecycle { on_destroy: Some(OnDestroy::Delete), prevent_destroy: true, ..Lifecycle::default() };
    let declared = Instance { declared: Some(declared), ..unwanted(&block, &adopted) };
    assert_eq!(end_deposed(&declared, &adopted, "2").unwrap().id.effect, StepEffect::Delete);
    let forget = ended(World::Absent).unwrap();
    assert_eq!((forget.id.effect, &forget.id.object), (StepEffect::Forget, &key));
    assert!(
        ended(World::Unreadable("no answer".into())).unwrap_err().message.ends_with("could not be read: no answer")
    );
    for world in [World::Many(2), World::NotKnownYet, World::CannotLook] {
        assert!(ended(world).unwrap_err().message.ends_with("it cannot be told which one it is"));
    }
}

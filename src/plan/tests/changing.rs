//! What is declared and recorded.

use super::*;
use crate::plan::codes;
use crate::plan::decide::check_step;

const NAMED: &[(&str, &str)] = &[("name", "n"), ("size", "1")];

fn kept() -> RecordedObject {
    recorded(state(NAMED), state(NAMED))
}

#[test]
fn nothing_happens_to_what_is_as_it_should_be() {
    let (block, recorded) = (schema(), kept());
    let decision = decide(&standing(&block, &recorded, state(NAMED), state(NAMED)));
    assert_eq!(effects(&decision), []);
    assert_eq!((decision.change.action, decision.change.recorded), (Action::NoOp, None));
    assert!(decision.drift.is_none());
}

#[test]
fn what_is_gone_is_made_again_where_it_shall_be() {
    let (block, recorded) = (schema(), kept());
    let mut instance = standing(&block, &recorded, state(NAMED), state(NAMED));
    (instance.world, instance.moved_from) = (World::Absent, Some(address("old")));
    let decision = decide(&instance);
    assert_eq!(effects(&decision), [StepEffect::Create]);
    assert_eq!(decision.steps[0].moved_from, Some(address("old")));
    assert_eq!(decision.change.reasons, ["it is recorded, and is gone"]);
    assert_eq!(decision.change.recorded, Some(state(NAMED)), "what is observed is not what is recorded");
}

#[test]
fn an_update_says_why() {
    let (block, recorded) = (schema(), kept());
    let decide = |observed: &[(&str, &str)], planned: &[(&str, &str)]| {
        decide(&standing(&block, &recorded, state(observed), state(planned)))
    };
    let changed = decide(NAMED, &[("name", "n"), ("size", "2"), ("hash", "h")]);
    assert_eq!(effects(&changed), [StepEffect::Update]);
    // The hash follows from something, and is no reason.
    assert_eq!(changed.change.reasons, ["attribute size changed"]);
    assert_eq!((changed.steps[0].generation, changed.steps[0].fingerprint.as_str()), (3, "fingerprint"));
    assert_eq!(changed.change.after.get("size"), Some(&Value::from("2")));
    let drifted = decide(&[("name", "n"), ("size", "3")], NAMED);
    assert_eq!(drifted.change.reasons, ["attribute size was changed outside"]);
    assert_eq!(drifted.change.recorded, Some(state(NAMED)));
    // What is not in the schema is a reason, too.
    let strange = with(state(NAMED), "strange", Value::from("x"));
    let strange = super::decide(&standing(&block, &recorded, state(NAMED), strange));
    assert_eq!(strange.change.reasons, ["attribute strange changed"]);
}

#[test]
fn what_an_update_sends_and_nobody_keeps_cannot_be_sent_back() {
    let block = schema();
    let reversibility = |token: bool, sent_write_only: bool, said: Reversibility| {
        let config = state(if token { &[("name", "n"), ("token", "t")] } else { &[("name", "n")] });
        let recorded = RecordedObject { sent_write_only, ..recorded(state(NAMED), config) };
        let mut instance = standing(&block, &recorded, state(NAMED), state(&[("name", "n"), ("size", "2")]));
        let update = instance.responses.update.as_mut().unwrap();
        (update.reversibility, update.planned_private) = (said, Private(b"planned".to_vec()));
        let decision = decide(&instance);
        assert_eq!(decision.change.reversible, decision.steps[0].reversibility);
        assert_eq!(decision.steps[0].planned_private.0, b"planned");
        decision.change.reversible
    };
    let kept_from = lossy("what is write-only is not kept, so an undo cannot send it again");
    assert_eq!(reversibility(false, false, Reversibility::Full), Reversibility::Full);
    assert_eq!(reversibility(true, false, Reversibility::Full), kept_from);
    assert_eq!(reversibility(false, true, Reversibility::Full), kept_from);
    assert_eq!(reversibility(true, true, lossy("said")), lossy("said"));
}

/// The effects, when only this is not as it is recorded.
fn beside(change: impl FnOnce(&mut RecordedObject, &mut Instance<'_>)) -> Vec<StepEffect> {
    let (block, was) = (schema(), kept());
    let mut recorded = was.clone();
    let mut instance = standing(&block, &was, state(NAMED), state(NAMED));
    change(&mut recorded, &mut instance);
    instance.recorded = Some(&recorded);
    let decision = decide(&instance);
    assert_eq!(decision.change.action, Action::NoOp);
    if let [step] = &decision.steps[..] {
        assert_eq!((&step.reversibility, step.adopts), (&Reversibility::Full, false));
    }
    effects(&decision)
}

#[test]
fn a_record_that_is_out_of_date_in_anything_is_brought_up_to_date() {
    let config = |change: fn(Value) -> Value| {
        move |instance: &mut Instance<'_>| {
            let desired = instance.desired.as_mut().unwrap();
            desired.config.value = change(desired.config.value.clone());
        }
    };
    let planned = |instance: &mut Instance<'_>, planned: Value| {
        instance.responses.update = Some(PlanResponse::of(planned));
    };
    let record = [StepEffect::Record];
    assert_eq!(beside(|_, _| ()), []);
    // Outside and in the plan alike, and not as it is recorded.
    assert_eq!(beside(|recorded, _| recorded.attributes = state(&[("name", "n")])), record);
    // What is inert is recorded anew, what is volatile is not worth it, and what is write-only never rests.
    let noted = || state(&[("name", "n"), ("size", "1"), ("note", "x")]);
    assert_eq!(beside(|_, instance| planned(instance, noted())), record);
    assert_eq!(beside(|recorded, _| recorded.attributes = noted()), record);
    for (name, times) in [("seen", 0), ("token", 0), ("note", 1)] {
        let other = with(state(NAMED), name, Value::from("x"));
        let found = beside(|recorded, _| recorded.attributes = other.clone());
        assert_eq!(found.len(), times, "{name}");
        assert_eq!(beside(|_, instance| planned(instance, other)).len(), times, "{name}");
    }
    // The configuration in another way, though it comes to the same.
    assert_eq!(beside(|_, instance| config(|value| with(value, "tag", Value::from("x")))(instance)), record);
    assert_eq!(beside(|_, instance| config(|value| with(value, "token", Value::from("x")))(instance)), []);
    // What becomes secret, or no longer is, though its value stays.
    let secret = |value: Value| with(value, "size", Value::from("1").sensitive());
    assert_eq!(beside(|_, instance| config(secret)(instance)), record);
    assert_eq!(beside(|recorded, _| recorded.config = secret(recorded.config.clone())), record);
    assert_eq!(beside(|recorded, _| recorded.attributes = secret(recorded.attributes.clone())), record);
    // What holds for it.
    assert_eq!(beside(|recorded, _| recorded.lifecycle.prevent_destroy = true), record);
    assert_eq!(beside(|recorded, _| recorded.dependencies.push(super::block("b"))), record);
    let from = (address("b"), Path::attribute("id"));
    assert_eq!(beside(|recorded, _| drop(recorded.provenance.insert(Path::attribute("size"), from))), record);
    assert_eq!(beside(|_, instance| instance.outdated = true), record);
}

#[test]
fn a_condition_of_what_nothing_else_happens_to_is_checked_by_a_record() {
    let (block, recorded) = (schema(), kept());
    let instance = standing(&block, &recorded, state(NAMED), state(NAMED));
    let step = check_step(&instance).unwrap();
    assert_eq!((step.id.effect, step.planned), (StepEffect::Record, state(NAMED)));
    let unplanned = Instance { responses: Responses::default(), ..instance };
    assert!(check_step(&unplanned).is_none());
}

#[test]
fn a_move_is_recorded_and_nothing_else() {
    let (block, recorded) = (schema(), kept());
    let mut instance = standing(&block, &recorded, state(NAMED), state(NAMED));
    instance.moved_from = Some(address("old"));
    instance.responses.update.as_mut().unwrap().reversibility = lossy("said of an update");
    let decision = decide(&instance);
    assert_eq!(effects(&decision), [StepEffect::Record]);
    assert_eq!(
        (&decision.steps[0].moved_from, &decision.change.moved_from),
        (&Some(address("old")), &Some(address("old")))
    );
    assert_eq!(decision.steps[0].reversibility, Reversibility::Full);
    assert_eq!(decision.change.reasons, ["it was `t.old`"]);
}

/// Something that has to be made anew.
fn replaced<'i>(block: &'i Block, recorded: &'i RecordedObject, planned: Value) -> Instance<'i> {
    let mut instance = standing(block, recorded, state(NAMED), planned);
    instance.replace_because = vec![Path::attribute("name")];
    instance.moved_from = Some(address("old"));
    instance
}

const ANEW: &[(&str, &str)] = &[("name", "m"), ("size", "1")];

#[test]
fn what_cannot_be_changed_in_place_is_deleted_and_made_anew() {
    let (block, recorded) = (schema(), kept());
    let mut instance = replaced(&block, &recorded, state(ANEW));
    instance.responses.create.as_mut().unwrap().reversibility = lossy("new id");
    instance.responses.delete.as_mut().unwrap().reversibility = lossy("rows are gone");
    let decision = decide(&instance);
    assert_eq!(effects(&decision), [StepEffect::Delete, StepEffect::Create]);
    let [delete, create] = &decision.steps[..] else { panic!() };
    assert_eq!((delete.moved_from.as_ref(), create.moved_from.as_ref()), (Some(&address("old")), None));
    assert_eq!((delete.generation, create.generation), (3, 4));
    assert_eq!((delete.fingerprint.as_str(), create.fingerprint.as_str()), ("fingerprint", ""));
    assert_eq!((delete.fingerprint_of.len(), create.fingerprint_of.len()), (1, 0));
    assert_eq!((&delete.observed, create.observed.is_null()), (&state(NAMED), true));
    assert_eq!((&delete.observed_private.0[..], &create.observed_private), (&b"private"[..], &Private::default()));
    assert_eq!((delete.observed_identity.is_some(), create.observed_identity.is_some()), (true, false));
    assert!(delete.config.value.is_null() && delete.planned.is_null());
    let change = &decision.change;
    assert_eq!((change.action, change.create_before_destroy), (Action::Replace, false));
    assert_eq!(change.reversible, lossy("new id; rows are gone"));
    assert_eq!(change.reasons, ["attribute name cannot be changed in place"]);
}

#[test]
fn whatever_asks_for_it_replaces() {
    let block = schema();
    let tainted = RecordedObject { status: ObjectStatus::Tainted, ..kept() };
    let decision = decide(&standing(&block, &tainted, state(NAMED), state(NAMED)));
    assert_eq!(effects(&decision), [StepEffect::Delete, StepEffect::Create]);
    assert_eq!(decision.change.reasons, ["its creation was not finished"]);
    let recorded = kept();
    let mut asked = standing(&block, &recorded, state(NAMED), state(NAMED));
    asked.replace_reason = Some("`--replace` names it".into());
    let decision = decide(&asked);
    assert_eq!(effects(&decision), [StepEffect::Delete, StepEffect::Create]);
    assert_eq!(decision.change.reasons, ["`--replace` names it"]);
}

#[test]
fn the_new_one_may_come_first_under_another_identity() {
    let (block, recorded) = (schema(), kept());
    let first = |planned: Value, findable: Findable| {
        let mut instance = replaced(&block, &recorded, planned.clone());
        let desired = instance.desired.as_mut().unwrap();
        (desired.config.value, desired.lifecycle.create_before_destroy) = (planned, true);
        instance.capability.findable = findable;
        instance
    };
    let decision = decide(&first(state(ANEW), Findable::ByIdentity));
    assert_eq!(effects(&decision), [StepEffect::Depose, StepEffect::Create, StepEffect::Delete]);
    let [depose, create, delete] = &decision.steps[..] else { panic!() };
    assert_eq!(delete.id.object, ObjectKey::Deposed("3".into()));
    let moved: Vec<bool> = [depose, create, delete].iter().map(|step| step.moved_from.is_some()).collect();
    assert_eq!(moved, [true, false, false], "after the first it stands at the new address");
    assert!(decision.change.create_before_destroy);

    let same = state(&[("name", "n"), ("size", "2")]);
    assert_eq!(wrong(&first(same.clone(), Findable::ByIdentity)).0, codes::SHARED_IDENTITY);
    // What is known by something else may have the same name twice, and a name that is not known yet may be another.
    assert!(decide(&first(same.clone(), Findable::ByMarker)).errors.is_empty());
    let unknown = with(same.clone(), "name", Value::unknown(Type::String));
    assert!(decide(&first(unknown, Findable::ByIdentity)).errors.is_empty());
    let nameless = Block {
        attributes: block.attributes.clone().into_iter().filter(|(name, _)| name != "name").collect(),
        ..Block::default()
    };
    let instance = Instance { block: &nameless, ..first(same, Findable::ByIdentity) };
    assert!(decide(&instance).errors.is_empty(), "without a natural identity there is none to share");
}

#[test]
fn all_parts_of_an_identity_make_it() {
    let mut block = schema();
    block.attributes.insert("size".into(), Attribute::required(Type::String, "").identity());
    let recorded = kept();
    let wanted = |planned: &[(&str, &str)]| {
        let mut instance = replaced(&block, &recorded, state(planned));
        let desired = instance.desired.as_mut().unwrap();
        (desired.config.value, desired.lifecycle.create_before_destroy) = (state(planned), true);
        decide(&instance).errors.len()
    };
    assert_eq!((wanted(NAMED), wanted(&[("name", "n"), ("size", "2")])), (1, 0));
}

#[test]
fn what_may_not_be_destroyed_is_not_replaced() {
    let (block, recorded) = (schema(), kept());
    let mut instance = replaced(&block, &recorded, state(ANEW));
    instance.desired.as_mut().unwrap().lifecycle.prevent_destroy = true;
    let (code, message, hint) = wrong(&instance);
    assert_eq!(code, codes::PREVENT_DESTROY);
    assert!(message.contains("would be replaced"));
    assert_eq!(hint, "set `prevent_destroy = false` first");
}

#[test]
fn what_is_not_ours_to_delete_is_let_go_of_before_it_is_made_anew() {
    let block = schema();
    let adopted = |size: &str| {
        let image =
            Image { state: state(&[("name", "n"), ("size", size)]), private: Private::default(), blobs: Vec::new() };
        let dependencies = vec![super::block("was")];
        RecordedObject { origin: Origin::Adopted(Some(image)), dependencies, ..kept() }
    };
    let recorded = adopted("0");
    let mut instance = replaced(&block, &recorded, state(ANEW));
    let desired = instance.desired.as_mut().unwrap();
    (desired.config.value, desired.dependencies) = (state(ANEW), vec![super::block("is")]);
    desired.ignored = vec![Path::attribute("size")];
    let decision = decide(&instance);
    assert_eq!(effects(&decision), [StepEffect::Update, StepEffect::Create]);
    let [restore, create] = &decision.steps[..] else { panic!() };
    assert!(restore.restores && !create.restores);
    assert_eq!((&restore.id.object, restore.moved_from.is_some()), (&ObjectKey::Current, true));
    // Of what is declared now, nothing counts for the old one.
    assert_eq!(restore.planned.get("size"), Some(&Value::from("0")));
    assert_eq!((&restore.config.value, restore.kept.len()), (&state(NAMED), 0));
    assert_eq!(
        (&restore.dependencies[..], &create.dependencies[..]),
        (&[super::block("was")][..], &[super::block("is")][..])
    );
    assert_eq!((decision.change.action, decision.change.old), (Action::Replace, Some(OnDestroy::Restore)));
    // The new one first.
    instance.desired.as_mut().unwrap().lifecycle.create_before_destroy = true;
    let decision = decide(&instance);
    assert_eq!(effects(&decision), [StepEffect::Depose, StepEffect::Create, StepEffect::Update]);
    assert_eq!(decision.steps[2].id.object, ObjectKey::Deposed("3".into()));
    assert!(decision.steps[2].restores && decision.steps[2].moved_from.is_none());
    // As it is written; without an image there is nothing to go back to.
    let ends = |origin: Origin, on_destroy: Option<OnDestroy>| {
        let recorded = RecordedObject { origin, ..kept() };
        let mut instance = replaced(&block, &recorded, state(ANEW));
        instance.desired.as_mut().unwrap().lifecycle.on_destroy = on_destroy;
        let decision = decide(&instance);
        (effects(&decision)[0], decision.change.old.unwrap())
    };
    let image = || adopted("0").origin;
    assert_eq!(ends(image(), Some(OnDestroy::Forget)), (StepEffect::Forget, OnDestroy::Forget));
    assert_eq!(ends(image(), Some(OnDestroy::Delete)), (StepEffect::Delete, OnDestroy::Delete));
    assert_eq!(ends(Origin::Adopted(None), None), (StepEffect::Forget, OnDestroy::Forget));
    assert_eq!(ends(Origin::Adopted(None), Some(OnDestroy::Restore)), (StepEffect::Forget, OnDestroy::Forget));
    assert_eq!(ends(Origin::Created, None), (StepEffect::Delete, OnDestroy::Delete));
    assert_eq!(ends(Origin::Created, Some(OnDestroy::Restore)), (StepEffect::Forget, OnDestroy::Forget));
}

#[test]
fn what_is_not_ours_to_delete_makes_no_room_in_its_place() {
    let block = schema();
    let wanted = |recorded: RecordedObject, on_destroy: Option<OnDestroy>| {
        let mut instance = replaced(&block, &recorded, state(NAMED));
        instance.same_place = true;
        instance.desired.as_mut().unwrap().lifecycle.on_destroy = on_destroy;
        let decision = decide(&instance);
        let steps: Vec<StepEffect> = decision.steps.iter().map(|step| step.id.effect).collect();
        (steps, decision.errors.first().map(|error| (error.code, error.message.clone())))
    };
    let adopted = || RecordedObject { origin: Origin::Adopted(None), ..kept() };
    let refused = |why: &str| {
        let message = format!("`t.a` {why}, and would be deleted: the new one is to stand in its place");
        (Vec::new(), Some((codes::REPLACES_ADOPTED, message)))
    };
    assert_eq!(wanted(adopted(), None), refused("was adopted"));
    assert_eq!(wanted(kept(), Some(OnDestroy::Forget)), refused("is to stay by its `on_destroy`"));
    let deleted = (vec![StepEffect::Delete, StepEffect::Create], None);
    assert_eq!(wanted(adopted(), Some(OnDestroy::Delete)), deleted);
    assert_eq!(wanted(kept(), None), deleted);
    // What was never finished is of no use to anybody.
    let tainted = RecordedObject { status: ObjectStatus::Tainted, ..kept() };
    assert_eq!(wanted(tainted, Some(OnDestroy::Forget)), deleted);
    // Where nothing is outside, nothing is in the way.
    let recorded = adopted();
    let mut data = replaced(&block, &recorded, state(NAMED));
    data.capability.findable = Findable::NothingOutside;
    assert_eq!(effects(&decide(&data)), [StepEffect::Delete, StepEffect::Create]);
}

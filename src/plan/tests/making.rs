//! What is declared, not recorded, and not there.

use super::*;
use crate::plan::codes;

fn made(block: &Block) -> Instance<'_> {
    let planned = state(&[("name", "n")]);
    Instance {
        desired: Some(desired(state(&[("name", "n")]))),
        responses: Responses {
            create: Some(PlanResponse { planned_private: Private(b"planned".to_vec()), ..PlanResponse::of(planned) }),
            ..Responses::default()
        },
        ..instance(block)
    }
}

#[test]
fn it_is_made_with_a_generation_that_was_never_used() {
    let block = schema();
    let decision = decide(&made(&block));
    assert_eq!(effects(&decision), [StepEffect::Create]);
    let step = &decision.steps[0];
    assert_eq!((step.generation, step.existing), (4, ExistingObject::Absent));
    assert_eq!((&step.planned, &step.planned_private.0[..]), (&state(&[("name", "n")]), &b"planned"[..]));
    assert!(step.observed.is_null() && step.moved_from.is_none());
    let change = &decision.change;
    assert_eq!((change.action, &change.after), (Action::Create, &step.planned));
    assert!(change.before.is_null() && change.recorded.is_none());
    assert_eq!(change.reasons, ["it is declared and does not exist"]);
    assert!(change.warnings.is_empty());
}

#[test]
fn whether_it_may_exist_already_is_said() {
    let block = schema();
    for (world, existing) in [
        (World::Absent, ExistingObject::Absent),
        (World::NotKnownYet, ExistingObject::LookBeforeCreate),
        (World::CannotLook, ExistingObject::CannotLook),
    ] {
        let decision = decide(&Instance { world, ..made(&block) });
        assert_eq!(decision.steps[0].existing, existing);
    }
    let (code, message, _) = wrong(&Instance { world: World::Many(2), ..made(&block) });
    assert_eq!(
        (code, message.as_str()),
        (codes::MANY_EXIST, "2 things exist that `t.a` could be: none of them is adopted")
    );
    let (code, message, _) = wrong(&Instance { world: World::Unreadable("no answer".into()), ..made(&block) });
    assert_eq!((code, message.as_str()), (codes::UNREADABLE, "`t.a` could not be read: no answer"));
}

#[test]
fn what_nobody_will_be_able_to_tell_is_said_unless_the_provider_says_it() {
    let block = schema();
    let warned = |observes, findable, said: &[&str]| {
        let mut instance = made(&block);
        instance.capability = Capability { observes, findable, ..Capability::default() };
        instance.responses.create.as_mut().unwrap().warnings = said.iter().map(|said| (*said).to_owned()).collect();
        decide(&instance).change.warnings
    };
    assert_eq!(warned(true, Findable::ByIdentity, &[]), Vec::<String>::new());
    assert_eq!(
        warned(true, Findable::No, &[]),
        ["it cannot be found again: if we are interrupted, a person has to say whether it exists"]
    );
    for findable in [Findable::ByIdentity, Findable::No] {
        assert_eq!(
            warned(false, findable, &[]),
            ["it cannot be read back: drift cannot be seen, and doubt cannot be settled"]
        );
    }
    assert_eq!(warned(false, Findable::No, &["said"]), ["said"]);
}

#[test]
fn what_an_undo_cannot_bring_back_is_said_before() {
    let block = schema();
    let mut instance = made(&block);
    instance.responses.create.as_mut().unwrap().reversibility = lossy("new id");
    let decision = decide(&instance);
    assert_eq!((&decision.steps[0].reversibility, &decision.change.reversible), (&lossy("new id"), &lossy("new id")));
    // A create is undone by a delete: what was sent with it is not needed again.
    instance = made(&block);
    instance.desired = Some(desired(state(&[("name", "n"), ("token", "t")])));
    assert_eq!(decide(&instance).steps[0].reversibility, Reversibility::Full);
}

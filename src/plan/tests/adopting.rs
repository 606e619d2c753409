//! What is declared, not recorded, and there.

use super::*;
use crate::plan::codes;

/// Something that is there as it should be, or not.
fn found<'i>(block: &'i Block, observed: Value) -> Instance<'i> {
    let wanted = state(&[("name", "n"), ("size", "1")]);
    Instance {
        desired: Some(desired(wanted.clone())),
        world: present(observed),
        fingerprint: "fingerprint".into(),
        responses: Responses {
            update: Some(PlanResponse { reversibility: lossy("old size"), ..PlanResponse::of(wanted) }),
            ..Responses::default()
        },
        ..instance(block)
    }
}

#[test]
fn it_becomes_ours_and_is_changed_where_it_differs() {
    let block = schema();
    for (size, effect, reversibility, reason) in [
        ("1", StepEffect::Adopt, Reversibility::Full, "it exists, and nobody owns it"),
        ("2", StepEffect::Update, lossy("old size"), "it exists, nobody owns it, and it differs"),
    ] {
        let decision = decide(&found(&block, state(&[("name", "n"), ("size", size)])));
        assert_eq!(effects(&decision), [effect]);
        let step = &decision.steps[0];
        assert!(step.adopts);
        assert_eq!((step.generation, &step.reversibility), (4, &reversibility));
        assert_eq!((step.fingerprint.as_str(), &step.observed_private.0[..]), ("fingerprint", &b"private"[..]));
        assert_eq!(step.observed_identity, Some(Value::from("identity")));
        let change = decision.change;
        assert_eq!((change.action, change.reversible, change.import), (Action::Adopt, reversibility, None));
        assert_eq!(change.reasons, [reason]);
        assert_eq!(change.after.get("size"), Some(&Value::from("1")));
    }
}

#[test]
fn what_is_imported_may_be_what_is_not_adopted_when_merely_found() {
    let block = schema();
    let mut instance = found(&block, state(&[("name", "n"), ("size", "1")]));
    instance.desired.as_mut().unwrap().adopt_existing = false;
    let (code, _, hint) = wrong(&instance);
    assert_eq!(code, codes::EXISTS);
    assert!(hint.contains("on_existing"));
    instance.import = Some(PlannedImport { id: "i-1".into(), also_found: vec!["t.rule".into()] });
    let decision = decide(&instance);
    assert_eq!(effects(&decision), [StepEffect::Adopt]);
    assert_eq!(decision.steps[0].import.as_deref(), Some("i-1"));
    assert_eq!((decision.change.action, decision.change.import.as_deref()), (Action::Import, Some("i-1")));
    assert_eq!(decision.change.reasons, ["an import names it"]);
    assert_eq!(decision.change.warnings.len(), 1);
    assert!(decision.change.warnings[0].ends_with("t.rule"));
    instance.world = present(state(&[("name", "n"), ("size", "2")]));
    assert_eq!(decide(&instance).change.reasons, ["an import names it, and it differs"]);
}

#[test]
fn what_carries_the_marker_of_another_stack_is_not_adopted() {
    let block = schema();
    let marked = |lineage: &str| {
        let marker = Marker {
            lineage: lineage.into(),
            environment: "default".into(),
            generation: 1,
            object: "current".into(),
            address: "t.theirs".into(),
        };
        let mut instance = found(&block, state(&[("name", "n"), ("size", "1")]));
        if let World::Present(observed) = &mut instance.world {
            observed.marker = Some(marker.to_string());
        }
        instance
    };
    assert_eq!(effects(&decide(&marked("ours"))), [StepEffect::Adopt]);
    let (code, message, _) = wrong(&marked("theirs"));
    assert_eq!(code, codes::FOREIGN_MARKER);
    assert!(message.contains("`t.theirs`"));
}

#[test]
fn what_we_did_not_make_is_not_replaced() {
    let block = schema();
    let mut instance = found(&block, state(&[("name", "m"), ("size", "1")]));
    instance.replace_because = vec![Path::attribute("name"), Path::attribute("size")];
    let (code, message, _) = wrong(&instance);
    assert_eq!(code, codes::ADOPT_REPLACES);
    assert!(message.ends_with(": `name`, `size`"));
}

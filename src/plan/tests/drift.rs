//! How the world differs from the record.

use super::*;
use crate::plan::{Drift, DriftStatus};

const NAMED: &[(&str, &str)] = &[("name", "n"), ("size", "1"), ("tag", "t"), ("content", "c"), ("hash", "h")];
const SET: &[(&str, &str)] = &[("name", "n"), ("size", "1"), ("content", "c")];

/// The drift of what is recorded so, when this is observed.
fn drifted(observed: Value, change: impl FnOnce(&mut Instance<'_>)) -> Option<Drift> {
    let (block, recorded) = (schema(), recorded(state(NAMED), state(SET)));
    let mut instance = standing(&block, &recorded, observed, state(NAMED));
    change(&mut instance);
    decide(&instance).drift
}

fn changed(name: &str) -> Value {
    with(state(NAMED), name, Value::from("x"))
}

#[test]
fn what_nobody_looks_for_has_not_drifted() {
    assert!(drifted(state(NAMED), |_| ()).is_none());
    // What changes by itself, or means nothing.
    assert!(drifted(changed("seen"), |_| ()).is_none());
    assert!(drifted(changed("note"), |_| ()).is_none());
    for world in [World::NotKnownYet, World::CannotLook] {
        assert!(drifted(state(NAMED), |instance| instance.world = world).is_none());
    }
    assert!(drifted(changed("size"), |instance| instance.recorded = None).is_none());
}

#[test]
fn what_is_gone_or_cannot_be_read_is_said() {
    for world in [World::Absent, World::Many(2)] {
        assert_eq!(drifted(state(NAMED), |instance| instance.world = world).unwrap().status, DriftStatus::Missing);
    }
    let drift = drifted(state(NAMED), |instance| instance.world = World::Unreadable("no answer".into())).unwrap();
    assert_eq!((drift.status, drift.error.as_deref()), (DriftStatus::Unreadable, Some("no answer")));
}

#[test]
fn what_is_set_or_used_or_implied_has_drifted_and_the_rest_was_changed_outside() {
    let status = |name: &str, used: &'static [Path]| {
        let drift = drifted(changed(name), |instance| {
            instance.used = used;
            // Of the computed ones, the plan is to bring back the hash.
            instance.responses.update = Some(PlanResponse::of(with(changed(name), "hash", Value::from("h"))));
        })
        .unwrap();
        assert_eq!(drift.attributes, [Path::attribute(name)]);
        drift.status
    };
    assert_eq!(status("size", &[]), DriftStatus::Drifted);
    assert_eq!(status("hash", &[]), DriftStatus::Drifted);
    assert_eq!(status("tag", &[]), DriftStatus::ChangedOutside);
    for used in [Path::root(), Path::attribute("tag"), Path::attribute("tag").child(PathStep::Index(0))] {
        assert_eq!(status("tag", vec![used].leak()), DriftStatus::Drifted);
    }
    assert_eq!(status("tag", vec![Path::attribute("hash")].leak()), DriftStatus::ChangedOutside);
    // The plan is to keep the tag as it was found, or to change it to something new: neither speaks of drift.
    let kept = drifted(changed("tag"), |instance| {
        instance.responses.update = Some(PlanResponse::of(with(state(NAMED), "tag", Value::from("new"))));
    });
    assert_eq!(kept.unwrap().status, DriftStatus::ChangedOutside);
    // Null in the configuration is not set.
    let unset = drifted(changed("tag"), |instance| instance.responses.update = None).unwrap();
    assert_eq!((unset.status, unset.desired.is_null()), (DriftStatus::ChangedOutside, true));
}

#[test]
fn what_is_found_recorded_and_wanted_is_told() {
    let drift = drifted(changed("size"), |_| ()).unwrap();
    let sizes =
        [&drift.recorded, &drift.observed, &drift.desired].map(|state| state.get("size").and_then(Value::as_str));
    assert_eq!(sizes, [Some("1"), Some("x"), Some("1")]);
    let undeclared = drifted(changed("size"), |instance| instance.desired = None).unwrap();
    assert!(undeclared.desired.is_null());
}

#[test]
fn what_is_ignored_and_what_follows_from_it_is_only_changed_outside() {
    let ignoring = |name: &str, ignored: &str| {
        let drift = drifted(changed(name), |instance| {
            instance.desired.as_mut().unwrap().ignored = vec![Path::attribute(ignored)];
        });
        drift.unwrap().status
    };
    assert_eq!(ignoring("content", "size"), DriftStatus::Drifted);
    assert_eq!(ignoring("content", "content"), DriftStatus::ChangedOutside);
    assert_eq!(ignoring("hash", "content"), DriftStatus::ChangedOutside);
    assert_eq!(ignoring("hash", "size"), DriftStatus::Drifted);
    let both = with(changed("content"), "size", Value::from("x"));
    let drift = drifted(both, |instance| {
        instance.desired.as_mut().unwrap().ignored = vec![Path::attribute("content")];
    });
    assert_eq!(drift.unwrap().status, DriftStatus::Drifted, "another difference counts");
}

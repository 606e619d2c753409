//! What is recorded, and where it stands in the store.

use std::collections::BTreeMap;

use retrue_provider_api::{BlobId, Image, Path, Private};

use super::*;
use crate::saga::object::Renames;
use crate::saga::state::{
    AddressState, RecordedData, RecordedOutput, RunRecord, State, StateError, data_key, effects_key, generation_key,
    object_key, output_key, run_key,
};

/// An output that came from a secret of somewhere.
fn output() -> RecordedOutput {
    let provenance = [(Path::root(), (address("a"), Path::attribute("id")))].into();
    RecordedOutput::new(&Value::from("hunter").sensitive(), provenance, &PlainSeal)
}

fn put_aside(key: &str) -> ObjectKey {
    ObjectKey::Deposed(key.into())
}

#[test]
fn an_object_is_the_same_after_it_has_rested() {
    let image = Image {
        state: Value::object([("id", Value::from("before")), ("password", Value::from("hunter1").sensitive())]),
        private: Private(b"hunter2".to_vec()),
        blobs: vec![BlobId("payload".into())],
    };
    let mut adopted = object("x");
    adopted.status = ObjectStatus::Tainted;
    adopted.attributes = Value::object([("id", Value::from("x")), ("password", Value::from("hunter3").sensitive())]);
    adopted.private = Private(b"hunter4".to_vec());
    adopted.identity = Some(Value::from("hunter5").sensitive());
    adopted.provider.instance = "main".into();
    adopted.sent_write_only = true;
    adopted.origin = Origin::Adopted(Some(image));
    let at_rest = RestingObject::new(&adopted, &PlainSeal);
    assert_eq!(at_rest.wake(&PlainSeal).unwrap(), adopted);
    let text = json!(at_rest).to_string();
    assert!(!text.contains("hunter"), "{text}");
    assert_eq!(serde_json::from_str::<RestingObject>(&text).unwrap(), at_rest);

    assert_eq!(at_rest.blobs(), [BlobId("payload".into())]);
    assert!(resting("x").blobs().is_empty());
    assert_eq!((at_rest.provider().instance.as_str(), at_rest.run()), ("main", "r"));
    assert_eq!((at_rest.status(), resting("x").status()), (ObjectStatus::Tainted, ObjectStatus::Ok));
    assert_eq!(at_rest.attributes().value.0.get("id"), Some(&Value::from("x")));
    assert_eq!(adopted.id().as_deref(), Some("x"));
}

#[test]
fn what_says_something_of_a_moved_one_says_it_of_where_that_went() {
    let mut user = object("x");
    user.dependencies = vec![block("z"), block("a")];
    user.provenance = [(Path::attribute("x"), (address("a"), Path::attribute("id")))].into();
    let at_rest = RestingObject::new(&user, &PlainSeal);
    assert_eq!(at_rest.provenance(), &user.provenance);
    let renamed = |renames: Renames| at_rest.renamed(&renames).map(|renamed| renamed.wake(&PlainSeal).unwrap());
    let blocks = |from: &str, to: &[&str], emptied| Renames {
        blocks: [(block(from), (to.iter().map(|name| block(name)).collect(), emptied))].into(),
        ..Renames::default()
    };
    assert_eq!(renamed(Renames::default()), None, "nothing was moved: the order of dependencies is no change");
    assert_eq!(renamed(blocks("other", &["another"], true)), None);
    let dependencies = |renames| renamed(renames).map(|user| user.dependencies);
    assert_eq!(dependencies(blocks("a", &["b"], true)), Some(vec![block("b"), block("z")]));
    assert_eq!(dependencies(blocks("a", &["b"], false)), Some(vec![block("a"), block("b"), block("z")]));
    assert_eq!(dependencies(blocks("a", &["z"], true)), Some(vec![block("z")]));

    let addresses = [(address("a"), address("b"))].into();
    let user = renamed(Renames { addresses, ..Renames::default() }).unwrap();
    assert_eq!(user.provenance[&Path::attribute("x")], (address("b"), Path::attribute("id")));
    assert_eq!(user.dependencies, [block("z"), block("a")]);
}

#[test]
fn each_record_stands_under_a_key_of_its_own() {
    let a = address("a");
    let run = RunRecord {
        run: "r".into(),
        kind: RunKind::Apply,
        state: RunState::Succeeded,
        started: "2026-01-01T00:00:00.000Z".into(),
        finished: None,
        actor: "test@host".into(),
        plan: String::new(),
        counts: Counts::default(),
        effects: true,
        continues: None,
        compensates: Vec::new(),
        interrupted: false,
        accepted: false,
        lineage: None,
    };
    let data = BlockAddress { mode: crate::address::Mode::Data, ..block("d") }.instance(None);
    let seen = || RecordedData { value: RestingValue::null(), run: "r".into() };
    let records = BTreeMap::from([
        (object_key(&a, &ObjectKey::Current), json!(resting("new"))),
        (object_key(&a, &put_aside("3")), json!(resting("old"))),
        (generation_key(&a), json!(4)),
        (generation_key(&address("gone")), json!(2)),
        (effects_key(&a), json!(9)),
        (output_key("sum"), json!(output())),
        (data_key(&data), json!(seen())),
        (run_key("r"), json!(run)),
    ]);
    let keys: Vec<&str> = records.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "data/data.t.d",
            "deposed/3/t.a",
            "effects/t.a",
            "generation/t.a",
            "generation/t.gone",
            "object/t.a",
            "output/sum",
            "run/r"
        ]
    );
    let state = State::read(records).unwrap();
    let stands = AddressState {
        generation: 4,
        effects: 9,
        current: Some(resting("new")),
        deposed: [("3".into(), resting("old"))].into(),
    };
    assert_eq!(state.addresses[&a], stands);
    assert_eq!(state.outputs, [("sum".into(), output())].into());
    assert_eq!(state.data, [(data, seen())].into());
    assert_eq!(state.runs, [("r".into(), run)].into());

    assert_eq!(output().wake(&PlainSeal), Ok(Value::from("hunter").sensitive()));

    assert_eq!(state.object(&a, &ObjectKey::Current), Some(&resting("new")));
    assert_eq!(state.object(&a, &put_aside("3")), Some(&resting("old")));
    assert_eq!(state.object(&a, &put_aside("4")), None);
    assert_eq!(state.object(&address("gone"), &ObjectKey::Current), None);
    let generations = ["a", "gone", "never"].map(|name| state.generation(&address(name)));
    assert_eq!(generations, [4, 2, 0]);
    assert_eq!(state.current().collect::<Vec<_>>(), [(&a, &resting("new"))]);
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    for (key, json, why) in [
        ("secret/x", json!(1), "no such kind of record"),
        ("generation/t.a", json!("many"), "not a number"),
        ("generation/?", json!(1), "`?` is not an address"),
        ("deposed/t.a", json!(1), "no address"),
        ("deposed/1/t.a", json!(1), "invalid type"),
        ("object/t.a", json!({}), "missing field"),
        ("output/x", json!(1), "invalid type"),
        ("run/r", json!({}), "missing field"),
    ] {
        let StateError { key: named, why: told } = State::read([(key.to_owned(), json)].into()).unwrap_err();
        assert_eq!(named, key);
        assert!(told.contains(why), "{key}: {told}");
    }
}

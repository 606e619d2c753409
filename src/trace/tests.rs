use std::collections::BTreeMap;

use retrue_provider_api::{
    Applied, Category, Outcome, Path, PlanResponse, Private, ProviderError, Reversibility, Type, Value, to_wire,
};
use serde_json::{Value as Json, json};

use super::form::{self, Pen as _, Plain};
use super::matching::{filled, parts, same};
use super::read::parse;
use super::{Secrets, codes};
use crate::rest::{PlainSeal, RestingValue, Seal as _};

fn secrets(all: &[&str]) -> Secrets {
    let secrets = Secrets::new([7; 32]);
    all.iter().for_each(|text| secrets.learn(&Value::from(*text).sensitive()));
    secrets
}

/// A verb with a default that is not passed on would silently be that default.
#[test]
fn every_verb_is_passed_on() {
    let verbs = |text: &str, from: &str, to: &str| -> Vec<String> {
        let text = &text[text.find(from).unwrap()..];
        let text = &text[..text.find(to).unwrap()];
        text.split(" fn ").skip(1).map(|rest| rest.split('(').next().unwrap().to_owned()).collect()
    };
    let contract = include_str!("../../providers/api/src/provider.rs");
    let here = include_str!("wrapped.rs");
    assert_eq!(verbs(contract, "pub trait Provider:", "\n}\n"), verbs(here, "impl Provider for Wrapped", "\n}\n"));
}

#[test]
fn a_secret_is_the_same_wherever_it_stands_and_whatever_its_form() {
    let secrets = secrets(&["hunter-number-two", "x"]);
    for (text, hidden) in [
        ("hunter-number-two", "(secret 1)"),
        ("a hunter-number-two b", "a (secret 1) b"),
        ("aHVudGVyLW51bWJlci10d28=", "(secret 1, base64)"),
        ("68756e7465722d6e756d6265722d74776f", "(secret 1, hex)"),
        // Too short to be looked for inside of others.
        ("x", "(secret 2)"),
        ("axb", "axb"),
        // What stands for one secret is not taken for another.
        ("(secret 1)", "(secret 1)"),
    ] {
        assert_eq!(secrets.hide_text(text), hidden, "{text}");
    }
    use base64::Engine as _;
    for before in ["", "a", "ab", "abc"] {
        let text = format!("{before}hunter-number-two and more");
        let coded = base64::engine::general_purpose::STANDARD.encode(text);
        assert!(secrets.hide_text(&coded).contains("base64)"), "{coded}");
    }
    secrets.learn(&Value::from(4711i64).sensitive());
    let hidden = secrets.hide(&Value::tuple([Value::from(4711i64), Value::from(4712i64), Value::from("port 4711")]));
    assert_eq!(to_wire(&hidden), json!({"tuple": [900_000_000_000_003i64, 4712, "port (secret 3)"]}));
}

#[test]
fn bytes_of_a_provider_are_told_apart_and_not_told() {
    let secrets = Secrets::new([1; 32]);
    let digest = secrets.digest(b"bytes");
    assert!(digest.starts_with(b"retrue trace private "));
    assert_ne!(digest, secrets.digest(b"other"));
    assert_ne!(digest, Secrets::new([2; 32]).digest(b"bytes"), "it cannot be guessed");
    assert_eq!(secrets.digest(&digest), digest, "what was replayed comes back as it is");
    assert!(secrets.digest(b"").is_empty());
}

#[test]
fn what_is_sealed_in_a_record_is_replaced_and_nothing_else_is() {
    struct Anew;
    impl crate::rest::Seal for Anew {
        fn seal(&self, plain: &[u8]) -> String {
            format!("anew:{}", String::from_utf8_lossy(plain))
        }
        fn unseal(&self, _sealed: &str) -> Option<Vec<u8>> {
            None
        }
        fn keyed_hash(&self, _plain: &[u8]) -> String {
            String::new()
        }
    }
    let value = Value::object([("name", Value::from("test-hunter")), ("password", Value::from("hunter").sensitive())]);
    let record = json!({
        "attributes": RestingValue::new(&value, &PlainSeal),
        "private": PlainSeal.seal(b"aHVudGVy"),
        "provider": "hunter",
    });
    let secrets = Secrets::new([0; 32]);
    let records = BTreeMap::from([("object/a.hunter".to_owned(), record)]);
    let done = secrets.reseal(records, &PlainSeal, &Anew);
    let done = &done["object/a.hunter"];
    assert_eq!(done["attributes"]["sealed"]["password"], json!("anew:\"(secret 1)\""));
    assert_eq!(done["attributes"]["value"]["object"]["name"], json!("test-(secret 1)"));
    assert_eq!(done["provider"], json!("hunter"), "a word of ours");
    assert!(!done["private"].as_str().unwrap().contains("hunter"));
}

#[test]
fn a_request_is_the_recorded_one_whatever_its_secrets_are() {
    let known = BTreeMap::from([("(secret 9)".to_owned(), json!("nine"))]);
    let check = |recorded: Json, asked: Json, answer: Option<&[(&str, &str)]>| {
        let expected = answer.map(|bound| bound.iter().map(|(a, b)| ((*a).to_owned(), json!(b))).collect());
        assert_eq!(same(&recorded, &asked, &known), expected, "{recorded} {asked}");
    };
    check(json!({"a": 1}), json!({"a": 1}), Some(&[]));
    check(json!({"a": 1}), json!({"a": 2}), None);
    check(json!({"a": 1}), json!({"b": 1}), None);
    check(json!(["x"]), json!(["x", "y"]), None);
    check(json!("(secret 1)"), json!("anything"), Some(&[("(secret 1)", "anything")]));
    check(
        json!("a (secret 1) b (secret 2) c"),
        json!("a 1 b 2 c"),
        Some(&[("a (secret 1) b (secret 2) c", "a 1 b 2 c")]),
    );
    check(json!("a (secret 1) b"), json!("a 1 c"), None);
    // The same is the same everywhere.
    check(json!(["(secret 1)", "(secret 1)"]), json!(["x", "y"]), None);
    check(json!("(secret 9)"), json!("nine"), Some(&[]));
    check(json!("(secret 9)"), json!("ten"), None);
    // Elements of a set have no order that would say anything.
    let set = |items: Json| json!({"set": ["string", items]});
    check(set(json!(["(secret 1)", "b"])), set(json!(["b", "z"])), Some(&[("(secret 1)", "z")]));
    check(set(json!(["a", "b"])), set(json!(["b", "c"])), None);
    assert_eq!(filled(&json!({"k": ["(secret 9)", "(secret 8)"]}), &known), json!({"k": ["nine", "(secret 8)"]}));
}

#[test]
fn what_differs_is_told_by_its_path() {
    let value = |name: &str, tags: &[&str]| {
        let tags = Value::list(Type::String, tags.iter().map(|tag| Value::from(*tag)));
        json!({"config": to_wire(&Value::object([("name", Value::from(name)), ("tags", tags)]))})
    };
    let told = parts(&value("a", &["x"]), &value("b", &["x", "y"]));
    let part = |path: &str, was: Option<&str>, is: Option<&str>| {
        (path.to_owned(), was.map(str::to_owned), is.map(str::to_owned))
    };
    assert_eq!(told, [part("config.name", Some("\"a\""), Some("\"b\"")), part("config.tags[1]", None, Some("\"y\""))]);
    assert_eq!(parts(&json!("(secret 1)"), &json!("x")), []);
}

#[test]
fn answers_are_read_as_they_were_written() {
    let error = ProviderError { retry: true, ..ProviderError::new(Category::Conflict, "create", "it is there") };
    let error = error.at(Path::attribute("name")).with("status", "409");
    let applied = Applied {
        state: Value::object([("id", Value::from("i"))]),
        private: Private(b"retrue trace private x".to_vec()),
        identity: Some(Value::from("i")),
        warnings: vec!["w".to_owned()],
    };
    for outcome in [
        Outcome::Applied(applied.clone()),
        Outcome::Partial { applied: applied.clone(), error: error.clone() },
        Outcome::NotApplied(error.clone()),
        Outcome::Unknown { error: error.clone(), best_known: Some(Box::new(applied)) },
        Outcome::Unknown { error, best_known: None },
    ] {
        let written = Plain.outcome(&outcome);
        assert_eq!(Plain.outcome(&form::outcome(&written).unwrap()), written);
        assert!(form::outcome(&json!({"what": 1})).is_none());
    }
    let plan = PlanResponse {
        requires_replace: vec![Path::attribute("name")],
        reversibility: Reversibility::Lossy("rows".to_owned()),
        ..PlanResponse::of(Value::unknown(Type::String))
    };
    assert_eq!(Plain.plan(&form::plan(&Plain.plan(&plan)).unwrap()), Plain.plan(&plan));
    let capability = form::write_capability(&retrue_provider_api::Capability::default());
    assert_eq!(form::read_capability(&capability), Some(retrue_provider_api::Capability::default()));
}

#[test]
fn only_whole_traces_and_those_that_were_cut_off_are_read() {
    let header = json!({"trace": {
        "format": "retrue.trace/1", "version": "0", "time": "t", "stack": "s", "environment": "default", "lineage": "l",
        "kind": "apply", "variables": {}, "state": {},
        "scope": {"targets": [], "replace": [], "refresh": true, "on_failure": "halt", "parallelism": 1},
    }});
    let call = |began: u64, ended: u64| {
        json!({"call": {
            "began": began, "ended": ended, "at_ms": 0, "took_ms": 0, "instance": "i", "verb": "read", "type": "t",
            "address": "a", "attempt": 1, "request": null, "answer": {"ok": null},
        }})
    };
    let end = json!({"end": {"state": "succeeded", "steps": []}});
    let text = |lines: &[&Json]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let whole = text(&[&header, &call(1, 2), &call(3, 4), &end]);
    let trace = parse(whole.as_bytes()).unwrap();
    assert_eq!((trace.calls(), trace.end.is_some()), (2, true));
    // Wherever it is cut off, what is there is read; without a first line it is none.
    for length in 0..whole.len() {
        match parse(&whole.as_bytes()[..length]) {
            Ok(trace) => assert!(trace.end.is_none() && trace.calls() <= 2),
            Err((code, _)) => assert!(code == codes::NO_TRACE && length <= header.to_string().len()),
        }
    }
    for (lines, code) in [
        (text(&[&call(1, 2)]), codes::NO_TRACE),
        (text(&[&header, &header]), codes::NO_TRACE),
        (text(&[&header, &end, &call(1, 2)]), codes::NO_TRACE),
        (text(&[&header, &call(3, 4), &call(1, 2)]), codes::NO_TRACE),
        (text(&[&header, &call(4, 3)]), codes::NO_TRACE),
        (text(&[&header, &json!({"what": 1})]), codes::NO_TRACE),
        (format!("{header}\n\u{0}\n"), codes::NO_TRACE),
        (whole.replace("trace/1", "trace/2"), codes::NEWER),
        (whole.replace("retrue.trace/1", "other/1"), codes::NO_TRACE),
        ("[]\n".to_owned(), codes::NO_TRACE),
    ] {
        assert_eq!(parse(lines.as_bytes()).map(|trace| trace.calls()).unwrap_err().0, code, "{lines}");
    }
}

use super::*;
use crate::types::Type;
use crate::value::{Marks, Value};

fn secrets(all: &[&str]) -> Secrets {
    let secrets = Secrets::default();
    all.iter().for_each(|text| secrets.learn(&Value::from(*text)));
    secrets
}

#[track_caller]
fn check(all: &[&str], text: &str, expected: &str) {
    assert_eq!(secrets(all).masked(text, &[]), expected);
}

#[test]
fn a_secret_is_hidden_within_a_text() {
    check(&["planted-secret"], "no/planted-secret/f: planted-secret", "no/(sensitive value)/f: (sensitive value)");
    check(&["planted-secret"], "planted-secrez stays", "planted-secrez stays");
    check(&["planted-secret"], "", "");
}

#[test]
fn short_ones_are_left_but_near_their_object() {
    check(&["a", "1", "", "12345", "hello"], "a 1 12345 hello", "a 1 12345 hello");
    check(&["123456"], "no 123456", "no (sensitive value)");
    let pin = Value::object([("pin", Value::from("1234").sensitive()), ("n", Value::from(567i64).sensitive())]);
    assert_eq!(masked_near("1234 and 567, not 12", &[&pin]), "(sensitive value) and (sensitive value), not 12");
}

#[test]
fn secrets_that_overlap_are_hidden_as_one() {
    check(&["abcdefgh", "fghijklm"], "x abcdefghijklm y", "x (sensitive value) y");
    check(&["abcdef", "abcdef-longer"], "abcdef-longer abcdef", "(sensitive value) (sensitive value)");
    check(&["planted"], "plantedplanted", "(sensitive value)");
}

#[test]
fn what_is_hidden_stays_as_it_is() {
    check(&["sensitive", "(sensitive value)"], "it is (sensitive value) here", "it is (sensitive value) here");
    let text = secrets(&["sensitive"]).masked("sensitive", &[]).into_owned();
    check(&["sensitive"], &text, "(sensitive value)");
}

#[test]
fn each_line_is_hidden_by_itself() {
    check(
        &["first line\n  second line\r\n\nshort\n"],
        "1: first line, 2: second line, short",
        "1: (sensitive value), 2: (sensitive value), short",
    );
}

#[test]
fn space_around_it_does_not_matter() {
    check(&["  planted-secret\n"], "[planted-secret]", "[(sensitive value)]");
}

#[test]
fn forms_of_a_secret_are_hidden() {
    let secret = "p\"l/an<t'e&d\\ \u{e9}\n+s=ecret";
    let json = serde_json::json!({ "of": { "it": secret } }).to_string();
    let nested = serde_json::Value::from(json.clone()).to_string();
    let base64 = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let url = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE.encode(text)
    };
    let texts = [
        secret.to_owned(),
        json,
        nested,
        format!("{secret:?}"),
        format!("x{}y", secret.escape_default()),
        "p%22l%2Fan%3Ct%27e%26d%5C%20%C3%A9%0A%2Bs%3Decret".to_owned(),
        "p%22l%2fan%3ct%27e%26d%5c%20%c3%a9%0a%2bs%3decret".to_owned(),
        "p%22l%2Fan%3Ct%27e%26d%5C+%C3%A9%0A%2Bs%3Decret".to_owned(),
        secret.replace('\'', "'\\''"),
        "p&quot;l/an&lt;t&apos;e&amp;d\\ \u{e9}\n+s=ecret".to_owned(),
        "p&#34;l/an&lt;t&#39;e&amp;d\\ \u{e9}\n+s=ecret".to_owned(),
        "p\\\"l/an\\u003ct'e\\u0026d\\\\ \u{e9}\\n+s=ecret".to_owned(),
        "p\\\"l/an<t'e&d\\\\ \\u00e9\\n+s=ecret".to_owned(),
        "p\\\\\\\"l/an<t'e&d\\\\\\\\ \\\\u00e9\\\\n+s=ecret".to_owned(),
        base64(secret),
        base64(&format!("user:{secret}")),
        base64(&format!("user:{secret}@host")),
        base64(&format!("usr:{secret}@host")),
        base64(&format!("uer:x{secret}@host")),
        url(secret),
        url(&format!("uer:{secret}@host")),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ];
    let known = secrets(&[secret]);
    for text in texts {
        let masked = known.masked(&text, &[]);
        assert!(masked.contains(HIDDEN), "{text}");
        let left = masked.replace(HIDDEN, "");
        // Base64 leaves up to a character at each end, which is shared with what stands beside it.
        let most = text.len().saturating_sub(secret.len()).min(24);
        assert!(left.len() <= most && !left.contains("ecret") && !left.contains("an"), "{text}: {masked}");
    }
}

#[test]
fn large_secrets_are_hidden_whole_and_in_part() {
    let large: String = (0..60_000).map(|number| format!("{number};")).collect();
    let known = secrets(&[&large]);
    assert_eq!(known.masked(&format!("<{large}>"), &[]), "<(sensitive value)>");
    let cut = &large[..100 * 1024 + 100];
    assert_eq!(known.masked(&format!("<{cut}"), &[]), "<(sensitive value)");
}

#[test]
fn secrets_that_come_one_by_one_are_all_found() {
    let known = Secrets::default();
    for number in 0..500 {
        known.learn(&Value::from(format!("secret-number-{number}-")));
        let text = format!("secret-number-{number}- secret-number-0- secret-number-{}-", number + 1);
        let expected = format!("(sensitive value) (sensitive value) secret-number-{}-", number + 1);
        assert_eq!(known.masked(&text, &[]), expected);
    }
    let layers = known.0.read().unwrap().layers.len();
    assert!(layers <= 10, "{layers}");
}

#[test]
fn whatever_is_marked_is_known() {
    let nested = Value::object([
        ("list", Value::list(Type::String, [Value::from("in-a-list")])),
        ("map", Value::map(Type::String, [("a key", Value::from("in-a-map"))])),
        ("number", Value::from(918_273_645i64)),
    ]);
    let _ = nested.with_marks(Marks::EPHEMERAL);
    let marked = Value::object([("at", Value::from("at-a-path"))]);
    let path = crate::path::Path::attribute("at");
    let _ = marked.with_marked_paths([(&path, Marks::SENSITIVE)]);
    assert_eq!(
        masked("in-a-list in-a-map 918273645 at-a-path a key"),
        "(sensitive value) (sensitive value) (sensitive value) (sensitive value) a key"
    );
}

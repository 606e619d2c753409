//! Which attributes differ, whether that matters, and what a fingerprint is made of.

use super::*;
use crate::plan::compare::*;
use crate::rest::PlainSeal;

fn texts(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| name.as_ref()).collect()
}

#[test]
fn two_states_differ_in_what_one_has_and_the_other_has_not() {
    let differing = |from: &[(&str, Value)], to: &[(&str, Value)]| -> Vec<String> {
        let object = |entries: &[(&str, Value)]| Value::object(entries.iter().cloned());
        differing_attributes(&object(from), &object(to)).iter().map(ToString::to_string).collect()
    };
    let (null, number) = (Value::null(Type::String), Value::null(Type::Number));
    let text = |text: &str| Value::from(text);
    assert_eq!(differing(&[("a", text("x")), ("b", text("y"))], &[("a", text("x")), ("b", text("z"))]), ["b"]);
    assert_eq!(differing(&[("a", null.clone())], &[("a", text("x"))]), ["a"]);
    assert_eq!(differing(&[("a", text("x"))], &[("a", null.clone())]), ["a"]);
    assert_eq!(differing(&[("a", null.clone())], &[("a", number)]), Vec::<String>::new());
    // What is not there is as null.
    assert_eq!(differing(&[("a", null.clone())], &[("b", null)]), Vec::<String>::new());
    assert_eq!(differing(&[("a", text("x"))], &[("b", text("x"))]), ["a", "b"]);
    assert_eq!(differing_attributes(&text("x"), &text("y")), [Path::root()]);
    assert_eq!(differing_attributes(&text("x"), &text("x")), []);
}

#[test]
fn only_what_is_neither_inert_nor_volatile_nor_write_only_makes_a_difference() {
    let block = schema();
    for (name, differs) in [("size", true), ("strange", true), ("note", false), ("seen", false), ("token", false)] {
        let to = with(state(&[]), name, Value::from("x"));
        assert_eq!(effective_difference(&block, &state(&[]), &to), differs, "{name}");
    }
}

#[test]
fn a_fingerprint_is_made_of_what_is_set_or_used_or_can_only_be_set() {
    let block = schema();
    let attributes = |config: &[(&str, &str)], used: &[Path]| -> Vec<String> {
        let found = fingerprint_attributes(&block, &state(&[]), &state(config), used);
        found.iter().map(ToString::to_string).collect()
    };
    // `tag` may be set by either side, `seen` changes by itself, `note` means nothing.
    assert_eq!(attributes(&[], &[]), ["content", "name", "size", "token"]);
    assert_eq!(attributes(&[("tag", "t"), ("note", "n")], &[]), ["content", "name", "size", "tag", "token"]);
    for used in ["seen", "note"] {
        assert_eq!(attributes(&[], &[Path::attribute(used)]), ["content", "name", "size", "token"]);
    }
    let part = Path::attribute("id").child(PathStep::Index(0));
    assert_eq!(attributes(&[], &[part]), ["content", "id", "name", "size", "token"]);
    assert_eq!(attributes(&[], &[Path::root()]), ["content", "hash", "id", "name", "size", "tag", "token"]);
    let strange = Value::object([("strange", Value::from("x"))]);
    let found = fingerprint_attributes(&block, &strange, &Value::null(Type::Dynamic), &[]);
    assert_eq!(texts(&found), ["strange"]);
}

#[test]
fn data_that_changes_by_itself_has_no_fingerprint() {
    let found = data_fingerprint_attributes(&schema(), &state(&[]), &[Path::attribute("seen"), Path::attribute("id")]);
    assert_eq!(texts(&found), ["id"]);
}

#[test]
fn a_fingerprint_changes_with_what_it_is_made_of_and_nothing_else() {
    let of = |set: &[(&str, &str)]| fingerprint(&["name".into(), "missing".into()], &state(set), &PlainSeal);
    assert_eq!(of(&[("name", "n"), ("size", "1")]), of(&[("name", "n"), ("size", "2")]));
    assert_ne!(of(&[("name", "n")]), of(&[("name", "m")]));
}

#[test]
fn a_part_is_put_where_its_path_leads() {
    let list = |items: [&str; 2]| Value::tuple(items.map(Value::from));
    let whole = Value::object([("inner", Value::object([("a", Value::from("x"))])), ("items", list(["x", "y"]))]);
    let put = |path: &[PathStep], part: Option<&str>| with_part(whole.clone(), path, part.map(Value::from).as_ref());
    let attribute = |name: &str| PathStep::Attribute(name.into());
    let inner = |entries: &[(&str, &str)]| {
        let object = Value::object(entries.iter().map(|(name, value)| (*name, Value::from(*value))));
        with(whole.clone(), "inner", object)
    };
    assert_eq!(put(&[attribute("inner"), attribute("a")], Some("z")), inner(&[("a", "z")]));
    assert_eq!(put(&[attribute("inner"), attribute("b")], Some("z")), inner(&[("a", "x"), ("b", "z")]));
    assert_eq!(
        put(&[attribute("items"), PathStep::Index(1)], Some("z")),
        with(whole.clone(), "items", list(["x", "z"]))
    );
    assert_eq!(put(&[], Some("z")), Value::from("z"));
    // Nothing is put, or the path leads nowhere.
    assert_eq!(put(&[attribute("inner"), attribute("a")], None), whole);
    assert_eq!(put(&[attribute("inner"), attribute("b"), attribute("c")], Some("z")), whole);
    assert_eq!(put(&[attribute("items"), PathStep::Index(2)], Some("z")), whole);
    assert_eq!(put(&[attribute("items"), attribute("a")], Some("z")), whole);
}

#[test]
fn what_is_kept_is_as_it_is_there() {
    let settable = |name: &str| (name.to_owned(), Attribute::optional(Type::String, ""));
    let block = Block {
        attributes: [settable("a"), settable("b"), ("id".to_owned(), Attribute::computed(Type::String, ""))].into(),
        ..Block::default()
    };
    let object = |a: &str, b: &str, id: &str| {
        Value::object([("a", Value::from(a)), ("b", Value::from(b)), ("id", Value::from(id))])
    };
    let (config, there) = (object("1", "2", "3"), object("x", "y", "z"));
    let kept = |paths: &[Path]| with_kept(&block, config.clone(), paths, &there);
    assert_eq!(kept(&[]), config);
    assert_eq!(kept(&[Path::attribute("b")]), object("1", "y", "3"));
    assert_eq!(kept(&[Path::root()]), object("x", "y", "3"));
}

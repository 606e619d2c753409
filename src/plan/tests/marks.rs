//! What is secret in what a provider returned.

use std::collections::BTreeMap;

use retrue_provider_api::{AttributeKind, NestedBlock, Nesting};

use super::*;
use crate::plan::marks::{mark_observed, mark_planned, sensitive_paths};

fn secret_inside() -> BTreeMap<String, Attribute> {
    [
        ("open".to_owned(), Attribute::optional(Type::String, "")),
        ("secret".to_owned(), Attribute::optional(Type::String, "").sensitive()),
    ]
    .into()
}

fn item() -> Value {
    Value::object([("open", Value::from("x")), ("secret", Value::from("hunter"))])
}

fn told(value: &Value) -> Vec<String> {
    sensitive_paths(value).iter().map(ToString::to_string).collect()
}

#[test]
fn a_secret_is_found_however_it_is_nested() {
    let object = Type::object([("open", Type::String), ("secret", Type::String)].map(|(n, t)| (Arc::from(n), t)));
    for (nesting, value, at) in [
        (Nesting::Single, item(), "nested.secret"),
        (Nesting::List, Value::list(object.clone(), [item(), item()]), "nested[0].secret nested[1].secret"),
        (Nesting::List, Value::tuple([item()]), "nested[0].secret"),
        (Nesting::Map, Value::map(object.clone(), [("k", item())]), "nested[\"k\"].secret"),
        (Nesting::Set, Value::set(object.clone(), [item()]), "nested"),
        (Nesting::Single, Value::null(object.clone()), ""),
    ] {
        let attribute =
            Attribute { kind: AttributeKind::Nested(nesting, secret_inside()), ..Attribute::optional(Type::Bool, "") };
        let attributes = Block { attributes: [("nested".to_owned(), attribute)].into(), ..Block::default() };
        let inner = Block { attributes: secret_inside(), ..Block::default() };
        let nested = NestedBlock { nesting, block: inner, minimum: 0, maximum: 0 };
        let blocks = Block { blocks: [("nested".to_owned(), nested)].into(), ..Block::default() };
        for block in [attributes, blocks] {
            let state = Value::object([("nested", value.clone())]);
            assert_eq!(told(&mark_planned(&block, state, None)).join(" "), at, "{nesting:?}");
        }
    }
}

#[test]
fn what_is_ephemeral_in_the_configuration_is_kept_as_what_it_is_else() {
    let block = schema();
    let both = Marks { sensitive: true, ephemeral: true };
    let config = with(state(&[("content", "c")]), "size", Value::from("1").with_marks(Marks::EPHEMERAL));
    let config = with(config, "content", Value::from("c").with_marks(both));
    let marked = mark_planned(&block, state(&[("size", "1"), ("content", "c"), ("hash", "h")]), Some(&config));
    let marks = |name: &str| marked.get(name).unwrap().marks();
    assert_eq!([marks("size"), marks("content"), marks("hash")], [Marks::NONE, Marks::SENSITIVE, Marks::SENSITIVE]);
}

#[test]
fn what_was_or_will_be_secret_is_secret_as_long_as_it_is_observed() {
    let block = schema();
    let observed = state(&[("name", "n"), ("size", "1"), ("content", "c")]);
    let secret = |name: &str| with(observed.clone(), name, Value::from("x").sensitive());
    let paths = |recorded: Option<&Value>, desired: Option<&Value>| {
        told(&mark_observed(&block, observed.clone(), recorded, desired))
    };
    assert_eq!(paths(None, None), Vec::<String>::new());
    assert_eq!(paths(Some(&secret("size")), Some(&observed)), ["size"]);
    // With what is made of it.
    assert_eq!(paths(Some(&observed), Some(&secret("content"))), ["content", "hash"]);
    assert_eq!(paths(Some(&secret("size")), Some(&secret("content"))), ["content", "hash", "size"]);
}

#[test]
fn the_outermost_sensitive_paths_are_those_that_rest_sealed() {
    let inner = Value::object([("a", Value::from("x").sensitive())]).sensitive();
    let value = Value::object([
        ("inner", inner),
        ("gone", Value::from("x").with_marks(Marks { sensitive: true, ephemeral: true })),
        ("open", Value::from("x")),
        ("passing", Value::from("x").with_marks(Marks::EPHEMERAL)),
    ]);
    assert_eq!(told(&value), ["inner"]);
    assert_eq!(told(&Value::from("x")), Vec::<String>::new());
}

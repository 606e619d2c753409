use retrue_provider_api::{Type, Value};

use super::{TypeExpression, codes};
use crate::span::{FileId, Span};

fn parse(text: &str) -> Result<TypeExpression, String> {
    let raw = format!("'{text}'");
    TypeExpression::parse(text, Span::new(FileId(0), 0..raw.len()), &raw).map_err(|errors| {
        errors.iter().map(|error| format!("{}: {}", error.span.start, error.message)).collect::<Vec<_>>().join("; ")
    })
}

#[test]
fn every_type_reads_back() {
    for text in [
        "any",
        "bool",
        "number",
        "string",
        "list(string)",
        "set(map(any))",
        "tuple([string, list(number)])",
        "object({})",
        "object({ a = string, b = optional(number) })",
        "map(object({ a = list(object({ c = bool })) }))",
    ] {
        assert_eq!(parse(text).unwrap().kind().to_string(), text);
    }
    assert_eq!(parse(" list( string ) ").unwrap().kind(), &Type::list(Type::String));
    assert_eq!(
        parse("object({a = string\n b = number})").unwrap().kind().to_string(),
        "object({ a = string, b = number })"
    );
}

#[test]
fn what_is_no_type() {
    let check = |text: &str, expect: &str| assert_eq!(parse(text).unwrap_err(), expect);
    check("strng", "1: there is no type `strng`");
    check("list", "1: `list` needs the type of its elements");
    check("list(string, number)", "1: `list` takes one argument, the type of its elements");
    check("string(1)", "1: `string` takes no arguments");
    check("object({ a = strin, b = lst(any) })", "14: there is no type `strin`; 25: there is no type `lst`");
    check("optional(string)", "1: `optional` can only stand in the attributes of an object");
    check("object({ a = optional(number, \"x\") })", "31: the default does not fit the type: a number is required");
    check(
        "object({ a = optional(string, upper(\"x\")) })",
        "31: a default must be constant, so it cannot call `upper`",
    );
    check("object({ a = optional(string, var.x) })", "31: a default must be constant: there is no variable `var`");
    check("\"string\"", "1: this is not a type");
    check("1 + 1", "1: this is not a type");
    assert!(parse("list(").unwrap_err().contains("this is not a type"));
    let deep = format!("{}string{}", "list(".repeat(20_000), ")".repeat(20_000));
    let raw = format!("'{deep}'");
    let errors = super::with_deep_stack(|| TypeExpression::parse(&deep, Span::default(), &raw)).unwrap().unwrap_err();
    assert_eq!(errors[0].code, codes::TOO_DEEP);
}

#[test]
fn defaults_fill_what_is_missing_or_null() {
    let check = |kind: &str, value: Value, expect: Value| {
        assert_eq!(parse(kind).unwrap().convert(&value).unwrap(), expect, "{kind}");
    };
    let text = |text: &str| Value::from(text);
    let nothing: [(&str, Value); 0] = [];
    check(
        "object({ a = optional(string, \"x\"), b = optional(number), c = string })",
        Value::object([("c", Value::from(1i64)), ("a", Value::null(Type::Dynamic))]),
        Value::object([("a", text("x")), ("b", Value::null(Type::Number)), ("c", text("1"))]),
    );
    check(
        "object({ a = optional(object({ b = optional(number, 1) }), {}) })",
        Value::object(nothing.clone()),
        Value::object([("a", Value::object([("b", Value::from(1i64))]))]),
    );
    let entry = |b: i64| Value::object([("b", Value::from(b))]);
    let entries = |items: [(&'static str, Value); 2]| Value::map(entry(1).kind(), items);
    check(
        "map(object({ b = optional(number, 1) }))",
        Value::object([("x", Value::object(nothing.clone())), ("y", entry(2))]),
        entries([("x", entry(1)), ("y", entry(2))]),
    );
    check(
        "list(object({ b = optional(number, 1) }))",
        Value::tuple([Value::object(nothing.clone()), entry(2)]).sensitive(),
        Value::list(entry(1).kind(), [entry(1), entry(2)]).sensitive(),
    );
    check(
        "tuple([string, object({ b = optional(number, 1) })])",
        Value::tuple([text("x"), Value::object(nothing)]),
        Value::tuple([text("x"), entry(1)]),
    );
    let kind = parse("object({ b = optional(number, 1) })").unwrap();
    assert!(kind.convert(&Value::null(Type::Dynamic)).unwrap().is_null());
    assert!(!kind.convert(&Value::unknown(Type::Dynamic)).unwrap().is_known());
}

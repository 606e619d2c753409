use super::*;
use crate::unification::unify_safely;
use crate::{Marks, Number};

fn check(value: Value, to: Type, expect: Value) {
    assert_eq!(convert(&value, &to), Ok(expect), "{value:?} to {to}");
}

fn refuse(value: Value, to: Type, message: &str) {
    assert_eq!(convert(&value, &to).unwrap_err().to_string(), message);
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn optional_object() -> Type {
    Type::Object(Arc::new(ObjectType {
        attributes: [("a".into(), Type::String), ("b".into(), Type::Number)].into(),
        optional: ["b".into()].into(),
    }))
}

#[test]
fn primitives() {
    check(text("1.50"), Type::Number, Value::from("1.5".parse::<Number>().unwrap()));
    check(Value::from(1i64), Type::String, text("1"));
    check(Value::from(true), Type::String, text("true"));
    check(text("1"), Type::Bool, Value::from(true));
    check(text("false"), Type::Bool, Value::from(false));
    refuse(text("x"), Type::Number, "a number is required");
    refuse(text("True"), Type::Bool, "a bool is required; to convert from string, use lowercase \"true\"");
    refuse(Value::from(1i64), Type::Bool, "bool required");
    refuse(Value::from(true), Type::Number, "number required");
}

#[test]
fn null_unknown_and_marks() {
    check(Value::null(Type::Dynamic), Type::Number, Value::null(Type::Number));
    check(Value::null(Type::Dynamic), optional_object(), Value::null(optional_object().without_optional()));
    check(Value::unknown(Type::Number), Type::String, Value::unknown(Type::String));
    check(text("1").sensitive(), Type::Number, Value::from(1i64).sensitive());
    // The length of a tuple is known from its type.
    let known = Refinement { not_null: true, ..Refinement::default() };
    check(
        Value::unknown_refined(Type::tuple([Type::Bool, Type::Number]), known),
        Type::list(Type::String),
        Value::list(Type::String, [Value::unknown(Type::String), Value::unknown(Type::String)]),
    );
}

#[test]
fn collections() {
    let tuple = Value::tuple([Value::from(1i64), text("x").sensitive()]);
    check(tuple.clone(), Type::list(Type::Dynamic), Value::list(Type::String, [text("1"), text("x").sensitive()]));
    let set = convert(&tuple, &Type::set(Type::String)).unwrap();
    assert_eq!(set.marks(), Marks::SENSITIVE);
    check(Value::tuple([]), Type::list(Type::Dynamic), Value::list(Type::Dynamic, []));
    check(
        Value::tuple([text("a"), Value::null(Type::Dynamic)]),
        Type::list(Type::Dynamic),
        Value::list(Type::String, [text("a"), Value::null(Type::String)]),
    );
    check(
        Value::tuple([text("a"), Value::unknown(Type::Dynamic)]),
        Type::list(Type::Dynamic),
        Value::list(Type::String, [text("a"), Value::unknown(Type::String)]),
    );
    check(
        Value::set(Type::Number, [Value::from(2i64), Value::from(1i64)]),
        Type::list(Type::String),
        Value::list(Type::String, [text("1"), text("2")]),
    );
    refuse(
        Value::tuple([Value::from(true), Value::from(1i64)]),
        Type::list(Type::Dynamic),
        "all list elements must have the same type",
    );
    refuse(Value::tuple([text("1"), text("x")]), Type::list(Type::Number), "[1]: a number is required");
    refuse(text("x"), Type::list(Type::String), "list of string required");
}

#[test]
fn objects() {
    let nothing: [(&str, Value); 0] = [];
    let from = Value::object([("a", Value::from(1i64)), ("c", text("dropped"))]);
    check(from, optional_object(), Value::object([("a", text("1")), ("b", Value::null(Type::Number))]));
    refuse(Value::object(nothing), optional_object(), "attribute \"a\" is required");
    refuse(Value::object([("a", text("")), ("b", text("x"))]), optional_object(), "b: a number is required");
    refuse(
        Value::object([("a", text("")), ("b", Value::tuple([]))]),
        optional_object(),
        "attribute \"b\": number required",
    );
    check(
        Value::map(Type::String, [("a", text("x")), ("z", text("y"))]),
        optional_object(),
        Value::object([("a", text("x")), ("b", Value::null(Type::Number))]),
    );
    refuse(
        Value::map(Type::String, [("z", text("y"))]),
        optional_object(),
        "map has no element for required attribute \"a\"",
    );
    check(
        Value::object([("a", Value::from(1i64)), ("b", text("x"))]),
        Type::map(Type::Dynamic),
        Value::map(Type::String, [("a", text("1")), ("b", text("x"))]),
    );
    let list =
        Value::tuple([Value::object([("a", Value::from(1i64))]), Value::object([("a", text("x")), ("b", text("y"))])]);
    let converted = convert(&list, &Type::list(Type::Dynamic)).unwrap();
    assert_eq!(converted.kind(), Type::list(Type::map(Type::String)));
    let free = Type::list(Type::object([("a", Type::Dynamic)]));
    let converted = convert(&list, &free).unwrap();
    assert_eq!(converted.kind(), Type::list(Type::object([("a", Type::String)])));
}

#[test]
fn unification() {
    let check = |types: &[Type], expect: Option<Type>| assert_eq!(unify(types), expect, "{types:?}");
    check(&[], None);
    check(&[Type::Number, Type::String], Some(Type::String));
    check(&[Type::Number, Type::Bool], None);
    check(&[Type::Number, Type::Bool, Type::String], Some(Type::String));
    check(&[Type::Dynamic, Type::String], Some(Type::String));
    assert_eq!(unify_safely(&[Type::Dynamic, Type::String]), Some(Type::Dynamic));
    check(&[Type::Dynamic, Type::tuple([])], Some(Type::Dynamic));
    check(&[Type::tuple([Type::Number]), Type::list(Type::String)], Some(Type::list(Type::String)));
    check(&[Type::tuple([Type::Number]), Type::tuple([Type::String])], Some(Type::tuple([Type::String])));
    check(&[Type::tuple([Type::Number]), Type::tuple([])], Some(Type::list(Type::Number)));
    check(&[Type::object([("a", Type::Number)]), Type::tuple([])], None);
    check(&[Type::object([("a", Type::Number)]), Type::object([("b", Type::String)])], Some(Type::map(Type::String)));
    check(&[Type::object([("a", Type::Number)]), Type::map(Type::Bool)], None);
}

use std::sync::Arc;

use proptest::prelude::*;
use retrue_provider_api::{Data, Number, Type, Value};

use super::*;

fn number(text: &str) -> Value {
    Value::from(text.parse::<Number>().unwrap())
}

fn check_bytes(value: &Value, kind: &Type, bytes: &[u8]) {
    assert_eq!(to_msgpack(value, kind).unwrap(), bytes);
    assert_eq!(&from_msgpack(bytes, kind).unwrap(), value);
}

#[test]
fn known_forms() {
    check_bytes(&Value::unknown(Type::String), &Type::String, &[0xd4, 0, 0]);
    check_bytes(&Value::null(Type::Bool), &Type::Bool, &[0xc0]);
    check_bytes(&number("300"), &Type::Number, &[0xcd, 1, 44]);
    check_bytes(&number("1.5"), &Type::Number, &[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
    check_bytes(&number("0.1"), &Type::Number, b"\xa30.1");
    check_bytes(&number("18446744073709551616000001"), &Type::Number, b"\xba18446744073709551616000001");
    let mut dynamic = vec![0x92, 0xc4, 8];
    dynamic.extend(b"\"string\"\xa1x");
    check_bytes(&Value::from("x"), &Type::Dynamic, &dynamic);
    check_bytes(&Value::null(Type::Dynamic), &Type::Dynamic, &[0xc0]);
    check_bytes(&Value::unknown(Type::Dynamic), &Type::Dynamic, &[0xd4, 0, 0]);
}

#[test]
fn what_is_known_of_an_unknown_goes_back_as_it_came() {
    // A map {1: false, 2: "i-", 9: nil}: not null, with a prefix, and something of a later time.
    let body = [0x83, 1, 0xc2, 2, 0xa2, b'i', b'-', 9, 0xc0];
    let mut bytes = vec![0xc7, 9, 12];
    bytes.extend(body);
    let value = from_msgpack(&bytes, &Type::String).unwrap();
    let Data::Unknown(_, Some(known)) = value.data() else { panic!("{value:?}") };
    assert!(known.not_null);
    assert_eq!(known.prefix.as_deref(), Some("i-"));
    assert_eq!(to_msgpack(&value, &Type::String).unwrap(), bytes);
}

#[test]
fn wrong_values_are_errors_with_their_place() {
    let kind = Type::object([("a", Type::list(Type::Number))]);
    let wrong = Value::object([("a", Value::list(Type::String, [Value::from("x")]))]);
    assert_eq!(to_msgpack(&wrong, &kind).unwrap_err().to_string(), "`a[0]`: number required, and it is string");
    for bytes in [&b"\x81\xa1b\x01"[..], b"\x80", b"\x81\xa1a\x91\xc3", b"", b"\xc0\xc0", b"\xdf\xff\xff\xff\xff"] {
        assert!(from_msgpack(bytes, &kind).is_err(), "{bytes:?}");
    }
    let deep = vec![0x91; 100_000];
    assert!(from_msgpack(&deep, &Type::Dynamic).is_err());
}

#[test]
fn sets_have_no_order() {
    let kind = Type::set(Type::String);
    assert_eq!(from_msgpack(b"\x92\xa1b\xa1a", &kind), from_msgpack(b"\x92\xa1a\xa1b", &kind));
}

fn kinds() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![Just(Type::Bool), Just(Type::Number), Just(Type::String), Just(Type::Dynamic)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_filter("sets hold what has one type", |kind| !kind.has_dynamic()).prop_map(Type::set),
            inner.clone().prop_map(Type::map),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Type::tuple),
            proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|attributes| Type::object(
                attributes.into_iter().map(|(name, kind)| (Arc::<str>::from(name), kind))
            )),
        ]
    })
}

fn values(kind: Type, unknown: bool) -> BoxedStrategy<Value> {
    let some = match kind.clone() {
        Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Type::Number => prop_oneof![
            any::<i64>().prop_map(Value::from),
            "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?".prop_map(|text| number(&text)),
        ]
        .boxed(),
        Type::String => "\\PC{0,6}".prop_map(|text| Value::string(&text)).boxed(),
        Type::Dynamic => prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::null(Type::String)),
            Just(Value::object([("x", Value::list(Type::Number, [Value::from(1i64)]))])),
        ]
        .boxed(),
        Type::List(of) => proptest::collection::vec(values((*of).clone(), unknown), 0..3)
            .prop_map(move |items| Value::list((*of).clone(), items))
            .boxed(),
        Type::Set(of) => proptest::collection::vec(values((*of).clone(), unknown), 0..3)
            .prop_map(move |items| Value::set((*of).clone(), items))
            .boxed(),
        Type::Map(of) => proptest::collection::btree_map("[a-z]{1,3}", values((*of).clone(), unknown), 0..3)
            .prop_map(move |entries| {
                Value::map((*of).clone(), entries.into_iter().map(|(key, value)| (Arc::<str>::from(key), value)))
            })
            .boxed(),
        Type::Tuple(kinds) => {
            kinds.iter().map(|kind| values(kind.clone(), unknown)).collect::<Vec<_>>().prop_map(Value::tuple).boxed()
        }
        Type::Object(object) => {
            let names: Vec<Arc<str>> = object.attributes.keys().cloned().collect();
            let parts: Vec<_> = object.attributes.values().map(|kind| values(kind.clone(), unknown)).collect();
            parts.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
        }
    };
    let mut any_of = vec![(8, some), (1, Just(Value::null(kind.clone())).boxed())];
    if unknown {
        any_of.push((1, Just(Value::unknown(kind)).boxed()));
    }
    proptest::strategy::Union::new_weighted(any_of).boxed()
}

proptest! {
    #[test]
    fn what_is_packed_reads_back((kind, value) in kinds().prop_flat_map(|kind| (Just(kind.clone()), values(kind, true)))) {
        let bytes = to_msgpack(&value, &kind).unwrap();
        prop_assert_eq!(from_msgpack(&bytes, &kind).unwrap(), value);
    }

    #[test]
    fn what_is_written_as_json_reads_back((kind, value) in kinds().prop_flat_map(|kind| (Just(kind.clone()), values(kind, false)))) {
        let json = to_json(&value, &kind).unwrap();
        let text = json.to_string();
        prop_assert_eq!(from_json(&serde_json::from_str(&text).unwrap(), &kind).unwrap(), value);
    }

    #[test]
    fn garbage_is_an_error_or_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in kinds()) {
        let _ = from_msgpack(&bytes, &kind);
    }
}

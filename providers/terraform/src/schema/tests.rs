use prost::Message;
use retrue_provider_api::Value;

use super::*;

#[test]
fn an_attribute_is_another_message_in_each_protocol() {
    let five = wire::Attribute5 {
        name: "secret".into(),
        kind: b"\"string\"".to_vec(),
        write_only: true,
        ..Default::default()
    };
    let bytes = five.encode_to_vec();
    assert!(wire::Attribute6::decode(bytes.as_slice()).is_err());
    let (name, attribute) = named(five.into_six()).unwrap();
    assert_eq!(name, "secret");
    assert!(attribute.write_only);
}

#[test]
fn lists_of_objects_may_leave_out_what_is_in_them() {
    let rule = Type::object([("port", Type::Number), ("cidr", Type::list(Type::String))]);
    let Type::Set(element) = forgiving(Type::set(rule.clone())) else { panic!() };
    let Type::Object(object) = element.as_ref() else { panic!() };
    assert_eq!(object.optional.len(), 2);
    assert_eq!(forgiving(Type::map(rule.clone())), Type::map(rule));
}

#[test]
fn nestings_of_all_modes() {
    let nested = |name: &str, nesting| wire::NestedBlock::<wire::Attribute5> {
        name: name.into(),
        nesting,
        block: Some(wire::Block::default()),
        minimum: 1,
        maximum: -1,
    };
    let outer = wire::Block {
        blocks: vec![nested("a", 1), nested("b", 2), nested("c", 3), nested("d", 4), nested("e", 5)],
        ..wire::Block::default()
    };
    let block = block(outer).unwrap();
    let modes: Vec<_> = block.blocks.values().map(|nested| nested.nesting).collect();
    assert_eq!(modes, [Nesting::Single, Nesting::List, Nesting::Set, Nesting::Map, Nesting::Group]);
    assert_eq!(block.blocks.get("a").map(|nested| (nested.minimum, nested.maximum)), Some((1, 0)));
    assert!(nesting(6).is_err());
    let shaped = crate::shape::shape(&block, &Value::object::<&str>([]));
    let empty = || Type::object::<&str>([]);
    assert_eq!(shaped.get("a"), Some(&Value::null(empty())));
    assert_eq!(shaped.get("b"), Some(&Value::list(empty(), [])));
    assert_eq!(shaped.get("c"), Some(&Value::set(empty(), [])));
    assert_eq!(shaped.get("d"), Some(&Value::map::<&str>(empty(), [])));
    assert_eq!(shaped.get("e"), Some(&Value::object::<&str>([])));
}

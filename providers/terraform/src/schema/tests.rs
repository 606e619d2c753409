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
    let shaped = crate::shape::shape(&Form::of(&block), &Value::object::<&str>([]));
    let empty = || Type::object::<&str>([]);
    assert_eq!(shaped.get("a"), Some(&Value::null(empty())));
    assert_eq!(shaped.get("b"), Some(&Value::list(empty(), [])));
    assert_eq!(shaped.get("c"), Some(&Value::set(empty(), [])));
    assert_eq!(shaped.get("d"), Some(&Value::map::<&str>(empty(), [])));
    assert_eq!(shaped.get("e"), Some(&Value::object::<&str>([])));
}

/// What a provider says of two types, of which one has an attribute of no type.
fn said(types: [&str; 2]) -> wire::SchemaResponse<wire::Attribute5> {
    let schema = |kind: &str| {
        let kind = kind.as_bytes().to_vec();
        let attribute = wire::Attribute5 { name: "a".into(), kind, optional: true, ..Default::default() };
        let block = wire::Block { attributes: vec![attribute], ..wire::Block::default() };
        wire::Schema { version: 3, block: Some(block) }.encode_to_vec()
    };
    let resources = ["t_one", "t_two"].map(str::to_owned).into_iter().zip(types.map(schema)).collect();
    wire::SchemaResponse { resources, ..Default::default() }
}

#[test]
fn a_type_is_read_when_it_is_asked_for() {
    let loaded = load(said(["\"string\"", "\"nonsense\""]), HashMap::new()).unwrap();
    let one = loaded.resources.get("t_one").unwrap();
    assert_eq!((one.schema.version, one.wire()), (3, &Type::object([("a", Type::String)])));
    assert!(Arc::ptr_eq(&one.schema, loaded.schema.resources.get("t_one").unwrap()), "it is shared");
    assert!(loaded.resources.get("t_two").is_none() && loaded.resources.get("t_three").is_none());
    let problem = loaded.schema.resources.problem("t_two").unwrap();
    assert!(problem.contains("nonsense"), "{problem}");
}

#[test]
fn what_is_said_again_is_the_same() {
    let of = |types| load(said(types), HashMap::new()).unwrap();
    let known = of(["\"string\"", "\"bool\""]);
    assert!(known.says_the_same(&of(["\"string\"", "\"bool\""])));
    assert!(!known.says_the_same(&of(["\"string\"", "\"number\""])));
    assert!(known.says_the_same(&of([" \"string\"", "\"bool\""])), "in other words");
}

/// The message as the protocol has it.
#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(map = "string, message", tag = "2")]
    resources: HashMap<String, wire::Schema<wire::Attribute5>>,
}

#[test]
fn types_are_taken_as_bytes_and_given_back_as_they_came() {
    let schema = wire::Schema { version: 3, block: Some(wire::Block::default()) };
    let told = Told { resources: [("t_one".to_owned(), schema)].into() };
    let taken = wire::SchemaResponse::<wire::Attribute5>::decode(told.encode_to_vec().as_slice()).unwrap();
    assert_eq!(Told::decode(taken.encode_to_vec().as_slice()).unwrap(), told);
    assert_eq!(load(taken, HashMap::new()).unwrap().resources.get("t_one").unwrap().schema.version, 3);
}

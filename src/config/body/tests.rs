use std::collections::BTreeMap;
use std::path::Path;

use retrue_provider_api::{NestedBlock, Nesting, to_plain_json};

use super::*;
use crate::address::InstanceKey;
use crate::config::tests::{loaded, shown};
use crate::expression::functions::Host;
use crate::expression::{EvalError, Root};

fn nested(nesting: Nesting, minimum: u64, maximum: u64) -> NestedBlock {
    let inner = Block {
        attributes: [
            ("port".to_owned(), Attribute::required(Type::Number, "")),
            ("note".to_owned(), Attribute::optional(Type::String, "")),
            ("id".to_owned(), Attribute::computed(Type::String, "")),
        ]
        .into(),
        ..Block::default()
    };
    NestedBlock { nesting, block: inner, minimum, maximum }
}

fn schema() -> Block {
    let object = Type::object([("from", Type::Number), ("to", Type::Number)]);
    let nested_attribute = |nesting| Attribute {
        kind: AttributeKind::Nested(nesting, nested(Nesting::Single, 0, 0).block.attributes),
        ..Attribute::optional(Type::Bool, "")
    };
    Block {
        attributes: [
            ("name".to_owned(), Attribute::required(Type::String, "")),
            ("size".to_owned(), Attribute::optional(Type::Number, "")),
            ("tags".to_owned(), Attribute::optional(Type::map(Type::String), "")),
            ("any".to_owned(), Attribute::optional(Type::Dynamic, "")),
            ("ids".to_owned(), Attribute::optional(Type::set(Type::String), "")),
            ("arn".to_owned(), Attribute::computed(Type::String, "")),
            ("range".to_owned(), Attribute::optional(object.clone(), "")),
            ("ingress".to_owned(), Attribute::optional(Type::set(object), "")),
            ("members".to_owned(), nested_attribute(Nesting::Map)),
        ]
        .into(),
        blocks: [
            ("single".to_owned(), nested(Nesting::Single, 0, 1)),
            ("group".to_owned(), nested(Nesting::Group, 0, 0)),
            ("list".to_owned(), nested(Nesting::List, 0, 2)),
            ("set".to_owned(), nested(Nesting::Set, 0, 0)),
            ("map".to_owned(), nested(Nesting::Map, 0, 0)),
        ]
        .into(),
        ..Block::default()
    }
}

/// `var.unknown` is unknown, `var.secret` is sensitive, `var.rules` a list of objects.
struct Few;

impl Scope for Few {
    fn resolve(&self, root: &Root, _key: Option<&InstanceKey>, _span: Span) -> Result<Value, EvalError> {
        let rule = |port: i64| Value::object([("port", Value::from(port))]);
        Ok(match root.to_string().as_str() {
            "var.secret" => Value::from("s").sensitive(),
            "var.rules" => Value::tuple([rule(1), rule(2)]),
            "var.rule" => rule(7),
            "var.bad" => Value::object([("prot", Value::from(1i64))]),
            "var.null" => Value::null(Type::Dynamic),
            _ => Value::unknown(Type::Dynamic),
        })
    }

    fn host(&self) -> &dyn Host {
        self
    }
}

impl Host for Few {
    fn base_directory(&self) -> &Path {
        Path::new("/")
    }
    fn read_file(&self, _path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
    fn planning(&self) -> bool {
        true
    }
    fn plan_timestamp(&self) -> Option<String> {
        None
    }
}

fn evaluated(body: &str) -> Result<Value, String> {
    let stack = loaded(&format!(
        "stack.schema = 1\n[variable]\nunknown = {{}}\nsecret = {{}}\nrules = {{}}\nrule = {{}}\nbad = {{}}\nnull = {{}}\n[resource.t.n]\n{body}"
    ))
    .unwrap_or_else(|failed| panic!("{}", shown(&failed.sources, &failed.diagnostics)));
    let block = stack.blocks.values().next().unwrap();
    evaluate_body(&block.body, &schema(), &Few).map_err(|wrong| shown(&stack.sources, &wrong))
}

/// What is set in the result, null left out.
fn check(body: &str, expected: &str) {
    let value = evaluated(body).unwrap_or_else(|wrong| panic!("{body}\n{wrong}"));
    let kind = schema().value_type();
    assert!(convert(&value, &kind).is_ok_and(|same| same == value), "of another type: {:?}", value.kind());
    let set: BTreeMap<String, String> = value
        .as_entries()
        .unwrap()
        .iter()
        .filter(|(_, value)| !value.is_null() && value.as_items().is_none_or(|items| !items.is_empty()))
        .filter(|(name, value)| !["map", "group"].contains(&name.as_ref()) || !nothing_in(value))
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    assert_eq!(
        set.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" "),
        expected,
        "{body}"
    );
}

fn nothing_in(value: &Value) -> bool {
    value.as_entries().is_some_and(|entries| entries.values().all(Value::is_null))
}

fn text(value: &Value) -> String {
    if !value.is_wholly_known() {
        return format!("?{}", value.unknown_paths().iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    }
    let (plain, marks) = value.clone().unmark_deep();
    let json = to_plain_json(&plain).unwrap().to_string().replace('"', "");
    if marks.sensitive { format!("({json})") } else { json }
}

#[test]
fn attributes() {
    check("name = 'x'", "name=x");
    check("name = 1\nsize = '5'", "name=1 size=5");
    check("name = '${var.secret}'\nsize = '${null}'", "name=(s)");
    check("name = 'x'\nsize = '${var.unknown}'", "name=x size=?");
    check("name = 'x'\narn = '${null}'", "name=x");
    check(
        "name = 'x'\ntags = { a = 1, '${var.secret}' = 'b' }\nids = ['b', 'a', 'b']",
        "ids=[a,b] name=x tags=({a:1,s:b})",
    );
    check("name = 'x'\nany = [1, { a = 'b' }]", "any=[1,{a:b}] name=x");
    check("name = 'x'\nany = 1979-05-27T07:32:00Z", "any=1979-05-27T07:32:00Z name=x");
    check("name = 'x'\nany = 0.1", "any=0.1 name=x");
}

#[test]
fn attributes_that_are_written_like_blocks() {
    check(
        "name = 'x'\n[[resource.t.n.ingress]]\nfrom = 1\n[[resource.t.n.ingress]]\nto = 2",
        "ingress=[{from:1,to:null},{from:null,to:2}] name=x",
    );
    check("name = 'x'\n[resource.t.n.ingress]\nfrom = 1", "ingress=[{from:1,to:null}] name=x");
    check(
        "name = 'x'\nmembers.a.port = 1\nmembers.b = '${var.rule}'",
        "members={a:{id:null,note:null,port:1},b:{id:null,note:null,port:7}} name=x",
    );
}

#[test]
fn blocks_in_each_form() {
    let rule = |port: u8| format!("{{id:null,note:null,port:{port}}}");
    check("name = 'x'\nsingle.port = 1", &format!("name=x single={}", rule(1)));
    check("name = 'x'\n[[resource.t.n.single]]\nport = 1", &format!("name=x single={}", rule(1)));
    check("name = 'x'\ngroup = '${var.rule}'", &format!("group={} name=x", rule(7)));
    check("name = 'x'\nlist.port = 1", &format!("list=[{}] name=x", rule(1)));
    check("name = 'x'\nlist = [{ port = 1 }, '${var.rule}']", &format!("list=[{},{}] name=x", rule(1), rule(7)));
    check("name = 'x'\nlist = '${var.rules}'", &format!("list=[{},{}] name=x", rule(1), rule(2)));
    check("name = 'x'\nset = '${[for r in var.rules : r]}'", &format!("name=x set=[{},{}]", rule(1), rule(2)));
    check("name = 'x'\nmap.k.port = 3", &format!("map={{k:{}}} name=x", rule(3)));
    check("name = 'x'\nlist = '${var.unknown}'", "list=? name=x");
    check("name = 'x'\nlist = ['${var.unknown}']", "list=?[0] name=x");
    check("name = 'x'\nsingle = '${var.null}'\nlist = '${null}'", "name=x");
}

#[test]
fn absent_blocks_are_empty_or_null() {
    let value = evaluated("name = 'x'").unwrap();
    assert_eq!(value.get("list").unwrap().as_items().map(<[Value]>::len), Some(0));
    assert_eq!(value.get("set").unwrap().as_items().map(<[Value]>::len), Some(0));
    assert_eq!(value.get("map").unwrap().as_entries().map(BTreeMap::len), Some(0));
    assert!(value.get("single").unwrap().is_null());
    assert!(nothing_in(value.get("group").unwrap()));
}

#[test]
fn mistakes() {
    let bodies = [
        "",
        "nmae = 'x'\nname = '${null}'\narn = 'y'\n",
        "name = ['x']\nsize = 'many'\nids = 3\n",
        "name = 'x'\ntags.a.b = 'c'\ntags.x = 'y'\n",
        "name = 'x'\nrange = { from = 1, too = 2 }\ningress = [{ form = 1 }]\n",
        "name = 'x'\nsingle = [{ port = 1 }, { port = 2 }]\nlist = [{ port = 1 }, { port = 2 }, {}]\nmap = [{ port = 1 }]\n",
        "name = 'x'\nlist = '${var.bad}'\nset = 3\ngroup = 'x'\nmembers = { a = 1 }\n",
        "name = 'x'\nsize = '${1 / 0} '\nlist = [{ port = '${1 + true}' }]\n",
        "name = 'x'\nlist = ['${null}']\n",
    ];
    let told =
        bodies.iter().map(|body| format!("{body}----\n{}====\n", evaluated(body).unwrap_err())).collect::<String>();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(told) });
}

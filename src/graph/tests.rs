use std::path::Path;

use super::*;
use crate::config::load_texts;

fn stack(text: &str) -> Stack {
    load_texts(Path::new("shop"), [("retrue.toml", format!("stack.schema = 1\n{text}").as_str())])
        .unwrap_or_else(|failed| panic!("{:?}", failed.diagnostics))
}

fn names<'n>(blocks: impl IntoIterator<Item = &'n BlockAddress>) -> String {
    blocks.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn block(text: &str) -> BlockAddress {
    text.parse().unwrap()
}

const LAYERS: &str = r#"
[variable.v]
default = 1
[local]
all = ["${x.b[0].id} ${local.more}"]
more = "${data.x.d.id}"
[provider.y]
url = "${x.a.id}"
[resource.x.a]
v = "${var.v}"
[resource.x.b]
count = "${x.a.n}"
[data.x.d]
[resource.x.c]
v = "${local.all}"
[resource.y.z]
depends_on = ["x.c"]
[output.o]
value = "${y.z.id}"
"#;

#[test]
fn locals_and_providers_are_looked_through() {
    let graph = Graph::new(&stack(LAYERS)).unwrap();
    assert_eq!(names(graph.dependencies_of(&block("x.c"))), "x.b data.x.d");
    assert_eq!(names(graph.dependencies_of(&block("y.z"))), "x.a x.c");
    assert_eq!(names(graph.dependents_of(&block("x.a"))), "x.b y.z");
    assert_eq!(names(graph.dependents_of(&block("data.x.d"))), "x.c");
    assert_eq!(names(&graph.with_dependencies([&block("x.c")])), "x.a x.b x.c data.x.d");
    assert_eq!(names(&graph.with_dependents([&block("x.b")])), "x.b x.c y.z");
    insta::assert_snapshot!(graph.order().map(ToString::to_string).collect::<Vec<_>>().join(" "));
}

#[test]
fn texts() {
    let graph = Graph::new(&stack(LAYERS)).unwrap();
    insta::assert_snapshot!("dot", graph.to_dot("shop"));
    insta::assert_snapshot!("mermaid", graph.to_mermaid());
}

#[test]
fn circles_are_told_edge_by_edge() {
    let text = r#"
[local]
l = "${x.c.id}"
alone = "${local.alone}"
[resource.x.a]
v = "${x.b.id}"
[resource.x.b]
v = "${local.l}"
w = "${x.d.id}"
[resource.x.c]
depends_on = ["x.a"]
[resource.x.d]
[provider.y]
k = "${y.z.id}"
[resource.y.z]
"#;
    let stack = stack(text);
    let diagnostics = Graph::new(&stack).unwrap_err();
    let shown = crate::config::shown_for_tests(&stack.sources, &diagnostics);
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(shown) });
}

#[test]
fn a_long_circle_overflows_nothing() {
    let count = 20_000;
    let mut text = String::new();
    for index in 0..count {
        text += &format!("[resource.x.r{index}]\nv = \"${{x.r{}.id}}\"\n", (index + 1) % count);
    }
    let diagnostics = Graph::new(&stack(&text)).unwrap_err();
    assert_eq!(diagnostics.len(), 1);
}

#[test]
fn two_groups_are_one_edge() {
    let graph = Graph::new(&stack(
        "[resource.x.a]\ncount = 1000\n[resource.x.b]\ncount = 1000\nv = \"${x.a[count.index].id} ${x.a[0].id}\"\n",
    ))
    .unwrap();
    assert_eq!((0..graph.nodes().len()).map(|node| graph.edges(node).len()).sum::<usize>(), 1);
}

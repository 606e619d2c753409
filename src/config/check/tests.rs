use std::sync::Arc;

use retrue_provider_api::{Attribute, NestedBlock, Nesting, ProviderSchema, TypeSchema};

use super::*;
use crate::config::tests::{loaded, shown};

pub(crate) fn schemas() -> Schemas {
    let optional = |kind| Attribute::optional(kind, "");
    let rule =
        Block { attributes: [("port".into(), Attribute::required(Type::Number, ""))].into(), ..Block::default() };
    let file = Block {
        attributes: [
            ("path".into(), Attribute::required(Type::String, "")),
            ("mode".into(), optional(Type::String)),
            ("size".into(), optional(Type::Number)),
            ("tags".into(), optional(Type::map(Type::String))),
            ("id".into(), Attribute::computed(Type::String, "")),
            ("old".into(), Attribute { deprecated: Some("use `mode`".into()), ..optional(Type::String) }),
        ]
        .into(),
        blocks: [("rule".into(), NestedBlock { nesting: Nesting::List, block: rule, minimum: 0, maximum: 0 })].into(),
        ..Block::default()
    };
    let schema = |block: Block| TypeSchema { block, ..TypeSchema::default() };
    let local = ProviderSchema {
        provider: schema(Block { attributes: [("umask".into(), optional(Type::String))].into(), ..Block::default() }),
        resources: [
            ("local_file".into(), Arc::new(schema(file.clone()))),
            ("local_link".into(), Arc::new(schema(file.clone()))),
        ]
        .into(),
        data: [("local_info".into(), Arc::new(schema(file)))].into(),
        ..ProviderSchema::default()
    };
    let retrue_data = Block {
        attributes: [
            ("input".into(), optional(Type::Dynamic)),
            ("output".into(), Attribute::computed(Type::Dynamic, "")),
            ("id".into(), Attribute::computed(Type::String, "")),
        ]
        .into(),
        ..Block::default()
    };
    let retrue = ProviderSchema {
        resources: [("retrue_data".into(), Arc::new(schema(retrue_data)))].into(),
        ..ProviderSchema::default()
    };
    [("local", local), ("retrue", retrue)]
        .into_iter()
        .map(|(name, schema)| (Arc::from(name), Arc::new(schema)))
        .collect()
}

fn told(text: &str) -> String {
    match loaded(&format!("stack.schema = 1\n{text}")) {
        Ok(stack) => shown(&stack.sources, &check(&stack, &schemas())),
        Err(failed) => format!("not loaded: {}", shown(&failed.sources, &failed.diagnostics)),
    }
}

macro_rules! snapshot {
    ($texts:expr) => {
        let table: String =
            $texts.iter().map(|text| format!("{}\n----\n{}====\n", text.trim_end(), told(text))).collect();
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(table) });
    };
}

#[test]
fn types_and_attributes() {
    snapshot!([
        "[resource.local_fiel.a]\n[resource.local_info.b]\n[data.local_file.c]\n[resource.other_thing.d]\n[resource.local_x.e]\n",
        "[resource.local_file.a]\npaht = 'x'\nsize = 'many'\nid = 'x'\nold = 'y'\n",
        "[resource.local_file.a]\npath = 'x'\n[resource.local_file.a.tags]\na.b = 1\nc = 2\n[[resource.local_file.a.rule]]\nprot = 1\n",
        "[provider.local]\numsk = '022'\n[provider.cloud]\n[provider.other]\ntype = 'lcoal'\n[resource.local_file.a]\npath = 'x'\n",
        "[provider.third]\ntype = 'retrue'\n[resource.local_file.a]\nprovider = 'third'\npath = 'x'\n",
        "[provider.second]\ntype = 'local'\n[resource.local_file.a]\nprovider = 'second'\npath = 'x'\n[resource.local_file.b]\nprovider = 'retrue'\npath = 'x'\n",
        "[resource.local_file.a]\npath = 'x'\n[resource.local_file.a.lifecycle]\nignore_changes = ['tags[\"x\"]', 'tag', 'rule[0].prot']\nreplace_triggered_by = ['local_link.b.sizes', 'local_link.b']\n[resource.local_link.b]\npath = 'x'\n",
    ]);
}

/// What is wrong in an entry is told at its place, and what is wrong in the block once, whatever there are of entries.
#[test]
fn other_ways_of_providers() {
    snapshot!([
        "[provider.local]\numask = '022'\nresilience.fallback = [{ umask = '${local.other}' }]\n[local]\nother = '027'",
        "[provider.local]\nresilience.fallback = [{ umsk = '027' }, { umask = { x = 1 } }]",
        "[provider.local]\nresilience.fallback = [{ umask = '${var.none}' }, { umask = '${retrue_data.none.id}' }]",
        "[provider.local]\numsk = '022'\nresilience.fallback = [{ umask = '027' }, { umask = '077' }]",
    ]);
}

#[test]
fn references_to_attributes() {
    snapshot!([
        "[resource.local_file.a]\npath = '${local_link.b.pth}'\n[resource.local_link.b]\npath = '${local_file.a.id}x'\n",
        "[resource.local_file.a]\npath = '${local_link.b[\"k\"].pth}${local.l}'\n[resource.local_link.b]\nfor_each = ['k']\npath = 'x'\n[local]\nl = '${data.local_info.i.rule[0].prot}'\n[data.local_info.i]\npath = 'x'\n",
        "[resource.local_file.a]\npath = '${retrue_data.d.output.any.thing}'\nsize = '${retrue_data.d.output}'\n[resource.retrue_data.d]\ninput = { x = 1 }\n",
        "[resource.local_file.a]\npath = 'x'\nsize = '${local_link.b.tags}'\n[resource.local_link.b]\npath = 'x'\n[output.o]\nvalue = '${[for f in local_link.b : f]}${local_link.b.rule}'\n",
    ]);
}

#[test]
fn expressions_over_constants_and_defaults() {
    snapshot!([
        "[variable.n]\ntype = 'number'\ndefault = 0\n[local]\nx = '${1 / var.n}'\ny = '${local.x + 1}'\n[output.o]\nvalue = '${local.y}'\n",
        "[variable.n]\ntype = 'number'\n[resource.local_file.a]\npath = 'x'\nsize = '${var.n}'\ntags = '${var.n}'\n",
        "[variable.env]\ndefault = 'dve'\nvalidation = [{ condition = '${var.env == \"dev\"}', message = 'dev only' }]\n[variable.bad]\ntype = 'list(number)'\ndefault = ['x']\n[variable.none]\nvalidation = [{ condition = '${var.none == \"dev\"}', message = '' }]\n",
        "[resource.local_file.a]\nfor_each = ['x', 'x']\npath = '${each.key}'\n[resource.local_file.b]\nfor_each = { k = 1, l = [] }\npath = '${each.key}'\nsize = '${each.value}'\n[resource.local_file.c]\ncount = -1\npath = '${count.index}'\n[resource.local_file.d]\nfor_each = 3\npath = 'x'\n",
        "[resource.local_file.a]\npath = 'x'\n[resource.local_file.a.lifecycle]\nenabled = 'maybe'\npostcondition = [{ condition = '${self.szie > 1}', message = 'm' }, { condition = '${self.size > 1}', message = '${self.id}' }]\nprecondition = [{ condition = 3, message = 'm' }]\n",
        "[local]\na = '${local.b}'\nb = '${local.a}'\n[resource.local_file.f]\npath = '${local.a}'\n",
    ]);
}

#[test]
fn a_valid_stack_is_told_nothing() {
    let text = r#"
[variable.dirs]
type = "map(number)"
default = { a = 1, b = 2 }
[variable.more]
type = "list(object({ name = string, size = optional(number, 3) }))"
default = [{ name = "x" }]
[local]
prefix = "x-${env.HOME}-${path.stack}"
[resource.local_file.each]
for_each = "${var.dirs}"
path = "${local.prefix}/${each.key}"
size = "${each.value}"
rule = "${[for k, v in var.dirs : { port = v }]}"
[resource.local_file.one]
count = 2
path = '${local_file.each["a"].path}${count.index}'
size = "${var.more[0].size}"
tags = { x = "${local_file.other.id}", "${local.prefix}" = "y" }
[resource.local_file.other]
path = "x"
[resource.local_file.other.lifecycle]
postcondition = [{ condition = '${self.size > 1 && self.id != ""}', message = "${self.id} is small" }]
[output.all]
value = "${[for f in local_file.each : f.id]}"
[output.some]
value = "${local_file.one[*].id}"
"#;
    assert_eq!(told(text), "");
}

#[test]
fn a_key_with_dots_is_advised_to_be_quoted() {
    for tags in ["a.b = 'x'", "a.b = 'x'\na.c = 'y'", "a.b = 'x'\nd = 'z'"] {
        let text = format!("[resource.local_file.f]\npath = 'x'\n[resource.local_file.f.tags]\n{tags}\n");
        assert!(told(&text).contains("quote it: \"a.b\" = …"), "{}", told(&text));
    }
}

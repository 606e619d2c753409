//! Keys, forms and references.

use std::path::Path;

use super::{good, loaded, shown, table};
use crate::config::{load, load_texts};

#[test]
fn keys_and_forms() {
    snapshot!(table(&[
        "[varable.x]\n[variable.y]\ntypo = 1\ndefalt = 2\n[output.z]\n",
        "[module.m]\n[phase.p]\n[[removed]]\nfrom = 'x'\n[provider.aws]\nsource = 'x'\nversion = 'y'\n",
        "[resource.a.b.lifecycle]\noptional = true\nretry = 3\nprevent_destry = true\nprevent_destroy = '${true}'\n",
        "[resource.a.b]\ncount = 1\nfor_each = []\n[resource.a.\"x y\"]\n[resource.c]\nd = 1\n",
        "[resource.a.b.lifecycle]\non_existing = 'adop'\non_destroy = 'explode'\ntimeout = 30\nignore_changes = ['a b', 'tags', 'a[0].b']\nreplace_triggered_by = ['${a.b}', 'var.x']\n",
        "[data.a.b.lifecycle]\nprevent_destroy = true\n",
        "[variable.v]\ntype = 'strnig'\nfrom = 'vault:x'\nsensitive = 'yes'\nvalidation = [{ condition = true }, { error_message = 'x' }]\n",
        "[local]\na = inf\nb = [nan, 0xffffffffffffffffff, 99999999999999999999]\n",
        "[[moved]]\nfrom = '${a.b}'\n[[moved]]\nfrom = 'module.m.a.b'\nto = 'a'\n",
        "variable = 3\nlocal = []\nmoved = 1\noutput.o = 1\n",
        "[resource.a.b]\nprovider = '${x}'\ndepends_on = 'a.c'\n",
    ]));
}

#[test]
fn the_stack_table() {
    let all = |texts: &[&str]| -> String {
        texts
            .iter()
            .map(|text| {
                let told =
                    loaded(text).map_or_else(|failed| shown(&failed.sources, &failed.diagnostics), |_| "fine\n".into());
                format!("{text}\n----\n{told}====\n")
            })
            .collect()
    };
    snapshot!(all(&[
        "",
        "[stack]\nname = \"x\"",
        "[stack]\nschema = 2",
        "[stack]\nschema = '1'",
        "[stack]\nschema = 1\nname = ''\nkeep = '2 fortnights'\ndeletes = 'first'\nstore = { pth = 'x' }\nresilience = {}\nschem = 1",
        "[stack]\nschema = 1\nname = 'x'\nkeep = '2 weeks'\ndeletes = 'graph'\nstore.path = '../x'",
    ]));
}

#[test]
fn references() {
    snapshot!(table(&[
        "[variable.region]\ndefault = 1\n[local]\nx = '${var.regoin} ${local.y} ${vra.region}'\n",
        "[resource.a.b]\nx = '${a.c.id} ${data.a.b.id} ${ab.b.id}'\n[resource.a.cc]\n",
        "[resource.a.one]\n[resource.a.some]\ncount = 2\n[resource.a.named]\nfor_each = ['x', 'y']\n[local]\nv = ['${a.one[0].id}', '${a.some.id}', '${a.some[\"x\"].id}', '${a.some[2].id}', '${a.named[0].id}', '${a.named[\"z\"].id}', '${a.named.id}']\n",
        "[resource.a.some]\ncount = 2\n[resource.a.named]\nfor_each = ['x', 'y']\n[local]\nv = ['${a.some[1].id}', '${a.some[*].id}', '${a.named[\"x\"].id}', '${[for k, v in a.named : v.id]}', '${values(a.named)[*].id}']\n",
        "[local]\nv = ['${each.key}', '${count.index}', '${self.id}']\n[resource.a.b]\ncount = '${count.index}'\nx = '${each.value}'\n[resource.a.b.lifecycle]\nprecondition = [{ condition = '${self.id == 1}', message = '' }]\npostcondition = [{ condition = '${self.id == count.index}', message = '' }]\n",
        "[variable.a]\ndefault = '${var.b}'\n[variable.b]\nvalidation = [{ condition = '${local.x == var.a}', message = '${var.c}' }]\n[local]\nx = 1\n",
        "[resource.a.b]\ndepends_on = ['a.c', 'data.a.d', 'a.b[0]', 'a.one[\"x\"]']\nlifecycle.replace_triggered_by = ['a.d', 'a.one.id']\n[resource.a.one]\n",
        "[provider.replica]\ntype = 'postgres'\n[resource.postgres_role.x]\nprovider = 'replcia'\n[resource.postgres_role.y]\nprovider = 'postgres'\n[resource.postgres_role.z]\nprovider = 'replica'\n",
    ]));
}

#[test]
fn moves() {
    snapshot!(table(&[
        "[resource.a.new]\n[[moved]]\nfrom = 'a.old'\nto = 'a.new'\n[[moved]]\nfrom = 'a.older'\nto = 'a.old'\n",
        "[resource.a.old]\n[resource.a.new]\n[[moved]]\nfrom = 'a.old'\nto = 'a.new'\n",
        "[[moved]]\nfrom = 'a.x'\nto = 'a.y'\n",
        "[[moved]]\nfrom = 'a.x'\nto = 'a.y'\n[[moved]]\nfrom = 'a.y'\nto = 'a.z'\n[[moved]]\nfrom = 'a.z'\nto = 'a.x'\n[[moved]]\nfrom = 'a.in'\nto = 'a.x'\n",
        "[resource.a.x]\n[[moved]]\nfrom = 'a.x'\nto = 'a.x'\n",
        "[resource.a.x]\nfor_each = ['k']\n[resource.a.y]\n[[moved]]\nfrom = 'a.x'\nto = 'a.x[\"k\"]'\n[[moved]]\nfrom = 'a.y[\"k\"]'\nto = 'a.y'\n",
        "[resource.a.x]\n[resource.a.y]\n[resource.b.z]\n[[moved]]\nfrom = 'a.o'\nto = 'a.x'\n[[moved]]\nfrom = 'a.o'\nto = 'a.y'\n[[moved]]\nfrom = 'a.p'\nto = 'a.y'\n[[moved]]\nfrom = 'a.q'\nto = 'b.z'\n[[moved]]\nfrom = 'data.a.q'\nto = 'a.y'\n[[moved]]\nfrom = 'a.r'\nto = 'a.x[0]'\n",
    ]));
}

#[test]
fn files_are_read_as_one() {
    let texts = [
        ("retrue.toml", "[stack]\nschema = 1\n[local]\na = 1\n"),
        ("a.retrue.toml", "[stack]\nschema = 1\n[local]\na = 2\n[resource.x.y]\n[output.o]\nvalue = '${local.a}'\n"),
        ("b.retrue.toml", "[resource.x.y]\n[output.o]\nvalue = 1\n[local]\nb = 1\n"),
    ];
    let failed = load_texts(Path::new("."), texts).unwrap_err();
    snapshot!(shown(&failed.sources, &failed.diagnostics));
}

#[test]
fn the_order_of_files_and_tables_does_not_show() {
    let parts = [
        "[local]\na = '${var.v}'\n",
        "[variable.v]\ndefault = 1\n",
        "[resource.x.y]\nb = '${local.a}'\na = 1\n",
        "[resource.x.a]\nz = '${x.y.id}'\n",
        "[output.o]\nvalue = '${x.a.id}'\n",
    ];
    let strip = |text: String| {
        regex::Regex::new(r"(start|end): \d+|FileId\(\s*\d+,?\s*\)").unwrap().replace_all(&text, "").into_owned()
    };
    let debug = |parts: &[&str]| {
        let stack = good(&format!("stack.schema = 1\n{}", parts.concat()));
        strip(format!("{:?} {:?} {:?}", stack.blocks, stack.locals, stack.outputs))
    };
    let forwards = debug(&parts);
    let backwards: Vec<&str> = parts.iter().rev().copied().collect();
    assert_eq!(forwards, debug(&backwards));
    let split = load_texts(
        Path::new("/stacks/shop"),
        [("retrue.toml", "stack.schema = 1".to_owned()), ("a.retrue.toml", backwards.concat())]
            .iter()
            .map(|(a, b)| (*a, b.as_str())),
    )
    .unwrap();
    assert_eq!(forwards, strip(format!("{:?} {:?} {:?}", split.blocks, split.locals, split.outputs)));
}

#[test]
fn the_name_is_the_directorys_where_none_is_written() {
    assert_eq!(good("stack.schema = 1").name.as_ref(), "shop");
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("retrue.toml"), "[stack]\nschema = 1\nname = \"x\"\n").unwrap();
    assert_eq!(load(directory.path()).unwrap().name.as_ref(), "x");
}

/// How long 10,000 resources take: `cargo test --release --lib config::tests::load::speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "its result is for a person")]
fn speed() {
    let mut text = "[stack]\nschema = 1\n".to_owned();
    for layer in 0..100 {
        for item in 0..100 {
            text += &format!("\n[resource.retrue_data.r{layer}_{item}]\ninput = {{ layer = {layer}, item = \"{item}\"");
            for other in 0..3 {
                if layer > 0 {
                    text +=
                        &format!(", d{other} = \"${{retrue_data.r{}_{}.id}}\"", layer - 1, (item + other * 7) % 100);
                }
            }
            text += " }\n";
        }
    }
    let start = std::time::Instant::now();
    let stack = good(&text);
    let loaded = start.elapsed();
    let graph = crate::graph::Graph::new(&stack).unwrap();
    let ordered = start.elapsed();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let schemas = runtime.block_on(crate::registry::schemas()).unwrap();
    let before = start.elapsed();
    let told = crate::config::check(&stack, &schemas);
    assert_eq!(told, []);
    let checked = start.elapsed() - before;
    eprintln!("load {loaded:?}, graph {:?} ({} nodes), check {checked:?}", ordered - loaded, graph.nodes().len());
}

#[test]
fn resilience() {
    snapshot!(table(&[
        "[provider.aws.resilience]\nretries = 3\nretry = { attemps = 3 }\nbudget = { most = -1, per_success = 'x' }\n",
        "[provider.aws.resilience]\nretry = { attempts = 0, first_wait = 3, jitter = 'some' }\nbreaker = { hold = 'soon' }\n",
        "[provider.aws.resilience]\nconcurrency = 0\nrate = '20 per second'\ntime_outs = { raed = '1s' }\n",
        "[stack.resilience]\nfallback = [{ region = 'x' }]\n[provider.aws.resilience]\nfallback = [{}, 'x', { region = '${var.x' }]\n",
        "[provider.aws.resilience.types]\n'aws_[' = { rate = '5/s' }\naws_x = { limit = 3 }\n",
    ]));
    let stack = good(
        "stack.schema = 1\n[provider.aws]\n[provider.aws.resilience]\nrate = '20/s'\nretry = { attempts = 7, jitter = 'decorrelated' }\n\
         budget = { per_success = 1 }\ntypes = { 'aws_route53_*' = { rate = '5/s', concurrency = 2 } }\n[provider.other]\n",
    );
    let policy = stack.policy("aws");
    assert_eq!((policy.retry.attempts, policy.limits.rate.unwrap().to_string()), (7, "20/s".into()));
    assert_eq!(policy.types["aws_route53_*"].concurrency.unwrap().get(), 2);
    let ways = good(
        "stack.schema = 1\n[provider.aws]\nregion = 'a'\ntoken = 'b'\nendpoints = { s3 = 'c', ec2 = 'd' }\n\
         resilience.fallback = [{ region = 'e' }, { endpoints = { s3 = 'f' }, retries = 3 }]\n",
    );
    // What an entry says stands in place of the whole argument, and the rest is as it was.
    fn shown(table: &crate::expression::Expression) -> String {
        let text = |one: &crate::expression::Expression| match one.as_literal() {
            None => format!("{{ {} }}", shown(one)),
            Some(value) => value.as_str().map_or_else(|| format!("{:?}", value.data()), str::to_owned),
        };
        let entries = table.as_table().unwrap().iter().map(|(key, value)| format!("{} = {}", text(key), text(value)));
        entries.collect::<Vec<_>>().join(", ")
    }
    let ways: Vec<String> = ways.providers["aws"].ways().map(|way| shown(&way).replace('"', "'")).collect();
    insta::assert_debug_snapshot!(ways, @r#"
    [
        "endpoints = { ec2 = d, s3 = c }, token = b, region = e",
        "region = a, token = b, endpoints = { s3 = f }, retries = Number(3)",
    ]
    "#);
    assert!(stack.policy("other").is_default() && stack.policy("nobody").is_default());
}

use serde_json::Value as Json;

use super::*;
use crate::config::check::tests::schemas;
use retrue_provider_api::{NestedBlock, Nesting};

/// Whether a file is valid by the schema, and what is not.
fn wrong(text: &str) -> Vec<String> {
    let document: Json = toml::from_str::<toml::Value>(text).map(|table| serde_json::to_value(table).unwrap()).unwrap();
    let validator = jsonschema::draft7::new(&json_schema(&schemas())).unwrap();
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn good_files_are_valid() {
    let text = r#"
[stack]
schema = 1
name = "x"
deletes = "graph"
[variable.a]
type = "string"
default = [1, "x"]
validation = [{ condition = '${var.a != ""}', message = "empty" }]
[local]
x = 1
[provider.local]
umask = "022"
[provider.other]
type = "local"
anything = 1
[resource.local_file.a]
for_each = ["x"]
path = "${each.key}"
size = "${var.a}"
tags = { "a.b" = 1 }
rule = { port = 1 }
provider = "other"
[[resource.local_file.b.rule]]
port = "${1}"
[resource.local_file.b]
path = "x"
count = "${2}"
depends_on = ["local_file.a"]
[resource.local_file.b.lifecycle]
ignore_changes = "all"
enabled = "${true}"
timeout = "1m"
[data.local_info.c]
path = "x"
[resource.retrue_data.d]
input = { any = ["thing"] }
[[moved]]
from = "a.b"
to = "a.c"
[output.o]
value = "${local.x}"
sensitive = true
"#
    .replace(
        "[[resource.local_file.b.rule]]\nport = \"${1}\"\n[resource.local_file.b]",
        "[resource.local_file.b]\nrule = [{ port = \"${1}\" }]",
    );
    assert_eq!(wrong(&text), [""; 0]);
}

#[test]
fn mistakes_are_seen() {
    for text in [
        "[stack]\nschema = 2",
        "[stack]\nname = 'x'",
        "[stck]\nschema = 1",
        "[resource.local_file.a]\nmode = '1'",
        "[resource.local_file.a]\npath = 'x'\npaht = 'y'",
        "[resource.local_file.a]\npath = 'x'\nid = 'y'",
        "[resource.local_file.a]\npath = 'x'\nrule = [{ prot = 1 }]",
        "[resource.local_fiel.a]\npath = 'x'",
        "[resource.local_file.a]\npath = 'x'\nlifecycle = { on_existing = 'x' }",
        "[data.local_info.a]\npath = 'x'\nlifecycle = { prevent_destroy = true }",
        "[provider.other]\nanything = 1",
        "[[moved]]\nfrom = 'a.b'",
    ] {
        assert!(!wrong(text).is_empty(), "{text}");
    }
}

#[test]
fn tables_of_a_provider_are_known() {
    let recipes = include_str!("../../../providers/terraform/src/recipes.toml");
    let recipes = recipes.replace("\n[", "\n[provider.acme.recipes.");
    let categories = retrue_provider_api::Category::ALL;
    let errors: String = categories.iter().map(|category| format!("{category} = [\"x\"]\n")).collect();
    let text = format!(
        "[stack]\nschema = 1\n[provider.acme]\nsource = \"a/acme\"\ndata_types = [\"acme_*\"]\n[provider.acme.errors]\n{errors}{recipes}"
    );
    assert_eq!(wrong(&text), [""; 0]);
    for text in [
        "[stack]\nschema = 1\n[provider.acme]\nsource = 'a/acme'\nerrors = { slow = ['x'] }",
        "[stack]\nschema = 1\n[provider.acme]\nsource = 'a/acme'\nrecipes = { a_b = { identiy = ['x'] } }",
        "[stack]\nschema = 1\n[provider.acme]\nsource = 'a/acme'\ndata_types = 'x'",
    ] {
        assert!(!wrong(text).is_empty(), "{text}");
    }
}

/// The schema of the built-in providers is in the repository, for editors and for the web.
#[test]
fn the_schema_in_the_repository_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/retrue.schema.json");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let schemas = runtime.block_on(crate::registry::schemas()).unwrap();
    let text = format!("{:#}\n", json_schema(&schemas));
    if std::env::var_os("RETRUE_BLESS").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, &text).unwrap();
    }
    let current = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(current == text, "schema/retrue.schema.json is not current: run the tests with RETRUE_BLESS=1");
}

#[test]
fn what_is_nested_deep_is_written_once() {
    let mut block = Block::default();
    for _ in 0..40 {
        let nested = NestedBlock { nesting: Nesting::List, block, minimum: 0, maximum: 0 };
        block = Block { blocks: [("inner".to_owned(), nested)].into(), ..Block::default() };
    }
    let mut shared = super::types::Shared::default();
    let table = super::types::table(&block, &serde_json::Map::new(), &mut shared);
    let definitions = shared.into_definitions();
    assert_eq!(definitions.len(), 40);
    let size = table.to_string().len() + Json::Object(definitions).to_string().len();
    assert!(size < 40_000, "{size}");
}

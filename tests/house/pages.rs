//! A page for each type, made from its schema and from what its provider says about it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use retrue_provider_api::{Attribute, AttributeKind, Block, NestedBlock, Nesting, TypeSchema};

use super::{current, root};

#[test]
fn the_pages_of_types_are_current() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut wrong = Vec::new();
    let mut names = BTreeSet::from(["README.md".to_owned()]);
    let mut index = String::from(INDEX);
    for built_in in retrue::registry::BUILT_IN {
        let schema = runtime.block_on((built_in.make)().schema()).unwrap();
        let prose = prose(built_in.name);
        let _ = writeln!(index, "\n## {}\n", built_in.name);
        for (prefix, types) in [("", &schema.resources), ("data.", &schema.data)] {
            for (name, type_schema) in types.iter() {
                let file = format!("{prefix}{name}.md");
                let _ = writeln!(index, "- [`{prefix}{name}`]({file}): {}", type_schema.block.documentation);
                wrong.extend(current(&format!("docs/types/{file}"), &page(prefix, name, type_schema, &prose)));
                names.insert(file);
            }
        }
    }
    wrong.extend(current("docs/types/README.md", &index));
    for path in super::files(&root().join("docs/types")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !names.contains(&name) {
            wrong.push(format!("docs/types/{name} is the page of no type"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const INDEX: &str = "# Types

<!-- Generated: edit the schema of the type or the docs.md of its provider. -->

Every type of the providers that are built in. The same is in the
[JSON Schema](../../schema/retrue.schema.json) that editors complete by.
";

/// What a provider says about its types.
fn prose(provider: &str) -> String {
    let directory = if provider == "retrue" { "builtin" } else { provider };
    fs_err::read_to_string(root().join("providers").join(directory).join("src/docs.md")).unwrap()
}

/// The part of it that is about one type: the section with its name, or all where there are no sections.
fn section(prose: &str, name: &str) -> String {
    if !prose.lines().any(|line| line.starts_with('#')) {
        return prose.trim().to_owned();
    }
    let mut fenced = false;
    let mut inside = false;
    let mut lines = Vec::new();
    for line in prose.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            inside = line.trim_start_matches('#').trim().trim_matches('`') == name;
            continue;
        }
        if inside {
            lines.push(line);
        }
    }
    lines.join("\n").trim().to_owned()
}

fn page(prefix: &str, name: &str, schema: &TypeSchema, prose: &str) -> String {
    let mut page = format!(
        "# `{prefix}{name}`\n\n<!-- Generated: edit the schema of the type or the docs.md of its provider. -->\n\n{}\n",
        schema.block.documentation
    );
    // The sections of a provider's page are about its managed types.
    let about = if prefix.is_empty() { section(prose, name) } else { String::new() };
    if !about.is_empty() {
        let _ = write!(page, "\n{about}\n");
    }
    block(&mut page, "## Attributes", &schema.block);
    if prefix.is_empty() {
        page.push_str("\nEvery resource also takes `depends_on`, `for_each` or `count`, `provider` and `lifecycle`.\n");
    } else {
        page.push_str("\nData also takes `depends_on`, `for_each` or `count`, and `provider`.\n");
    }
    page
}

/// The table of a block, then one for each thing that is nested in it.
fn block(page: &mut String, heading: &str, block: &Block) {
    let _ = write!(page, "\n{heading}\n\n");
    table(page, block.attributes.iter());
    for (name, attribute) in &block.attributes {
        if let AttributeKind::Nested(nesting, attributes) = &attribute.kind {
            let _ = write!(page, "\n### `{name}` ({})\n\n", many(*nesting));
            table(page, attributes.iter());
        }
    }
    for (name, NestedBlock { nesting, block: inner, minimum, maximum }) in &block.blocks {
        let least = if *minimum > 0 { format!(", at least {minimum}") } else { String::new() };
        let most = if *maximum > 0 { format!(", at most {maximum}") } else { String::new() };
        let heading = format!("### Block `{name}` ({}{least}{most})", many(*nesting));
        self::block(page, &heading, inner);
    }
}

fn many(nesting: Nesting) -> &'static str {
    match nesting {
        Nesting::Single | Nesting::Group => "one",
        Nesting::List => "any number, in order",
        Nesting::Set => "any number, without order",
        Nesting::Map => "any number, by key",
    }
}

fn table<'a>(page: &mut String, attributes: impl Iterator<Item = (&'a String, &'a Attribute)>) {
    page.push_str("| name | type | | what |\n|---|---|---|---|\n");
    for (name, attribute) in attributes {
        let what = attribute.documentation.replace('\n', " ").replace('|', "\\|");
        let kind = attribute.value_type().to_string().replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | `{kind}` | {} | {what} |", words(attribute).join(", "));
    }
}

/// What is to be known of an attribute before it is used.
fn words(attribute: &Attribute) -> Vec<&'static str> {
    let set = match (attribute.required, attribute.optional, attribute.computed) {
        (true, _, _) => "required",
        (_, true, true) => "optional, else computed",
        (_, true, false) => "optional",
        _ => "computed",
    };
    let mut words = vec![set];
    for (holds, word) in [
        (attribute.identity, "identity"),
        (attribute.replace_on_change, "a change replaces"),
        (attribute.sensitive, "secret"),
        (attribute.write_only, "never kept"),
        (attribute.volatile, "changes by itself"),
        (attribute.inert, "a change of it alone is no reason for a step"),
        (attribute.unobserved, "cannot be read back"),
        (attribute.deprecated.is_some(), "deprecated"),
    ] {
        if holds {
            words.push(word);
        }
    }
    words
}

//! Every stack that people are shown is valid by the JSON Schema that their editors use.

use std::path::Path;

use serde_json::Value as Json;

use super::{files, root};

/// What is wrong with a text, by the schema in the repository.
fn wrong(validator: &jsonschema::Validator, name: &str, text: &str) -> Vec<String> {
    let document: Json = match toml::from_str::<toml::Value>(text) {
        Ok(table) => serde_json::to_value(table).unwrap(),
        Err(error) => return vec![format!("{name}: {error}")],
    };
    validator.iter_errors(&document).map(|error| format!("{name}: {}: {error}", error.instance_path())).collect()
}

fn validator() -> jsonschema::Validator {
    let text = fs_err::read_to_string(root().join("schema/retrue.schema.json")).unwrap();
    jsonschema::draft7::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// The TOML blocks of a Markdown page that are stacks, with the line that each begins in. Excerpts of other
/// files (`Cargo.toml`) are marked by another word than `toml`.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    let mut other = false;
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some((start, lines)), Some(_)) => {
                blocks.push((*start, lines.join("\n")));
                open = None;
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, Some(_)) if other => other = false,
            (None, Some("toml")) => open = Some((index + 2, Vec::new())),
            (None, Some(_)) => other = true,
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn examples_are_valid_for_editors() {
    let validator = validator();
    let mut problems = Vec::new();
    for path in files(&root().join("examples")) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "retrue.toml" || name.ends_with(".retrue.toml") {
            let text = fs_err::read_to_string(&path).unwrap();
            problems.extend(wrong(&validator, &path.display().to_string(), &text));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_pages_show_is_valid_for_editors() {
    let validator = validator();
    let mut problems = Vec::new();
    let mut seen = 0;
    let pages = files(&root().join("docs")).into_iter().chain([root().join("README.md")]);
    // The pages of errors show what is wrong.
    let shown = |path: &Path| !path.starts_with(root().join("docs/errors"));
    for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md") && shown(path)) {
        let Ok(text) = fs_err::read_to_string(&page) else { continue };
        for (line, block) in blocks(&text) {
            seen += 1;
            problems.extend(wrong(&validator, &format!("{}:{line}", page.display()), &whole(&block)));
        }
    }
    assert!(seen > 0, "no block was looked at");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// An excerpt, as the file that it could be in.
fn whole(excerpt: &str) -> String {
    if excerpt.contains("[stack]") { excerpt.to_owned() } else { format!("{excerpt}\n[stack]\nschema = 1\n") }
}

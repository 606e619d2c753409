//! Puts marks back on what a provider returned: providers are given, and give, values without any.

use retrue_provider_api::{Attribute, AttributeKind, Block, Data, Marks, Path, PathStep, Value};

/// The state with its marks: what the schema calls sensitive, what was sensitive in `like` (the
/// configuration, or the record), and what is made from such attributes.
pub fn mark_planned(block: &Block, state: Value, like: Option<&Value>) -> Value {
    marked(block, state, like)
}

/// What was observed with its marks: what is or will be sensitive in it stays so, whichever of the
/// record and the configuration says it.
pub fn mark_observed(block: &Block, state: Value, recorded: Option<&Value>, desired: Option<&Value>) -> Value {
    marked(block, state, recorded.into_iter().chain(desired))
}

fn marked<'v>(block: &Block, state: Value, likes: impl IntoIterator<Item = &'v Value>) -> Value {
    if state.is_null() {
        return state;
    }
    let mut paths: Vec<Path> = Vec::new();
    collect_block(block, &state, &Path::root(), &mut paths);
    let mut state = state.with_marked_paths(paths.iter().map(|path| (path, Marks::SENSITIVE)));
    for like in likes.into_iter().filter(|like| !like.marks_deep().is_empty()) {
        let (_, marked) = like.clone().unmark_with_paths();
        // Ephemeral values are kept by no provider but in write-only attributes, which are null.
        let marked: Vec<(Path, Marks)> = marked
            .into_iter()
            .map(|(path, marks)| (path, Marks { ephemeral: false, ..marks }))
            .filter(|(_, marks)| !marks.is_empty())
            .collect();
        state = state.with_marked_paths(marked.iter().map(|(path, marks)| (path, *marks)));
    }
    mark_derived(block, state)
}

/// The outermost sensitive paths of a value.
pub fn sensitive_paths(value: &Value) -> Vec<Path> {
    if !value.marks_deep().sensitive {
        return Vec::new();
    }
    let mut paths = Vec::new();
    value.visit(&mut |path, part| {
        // What is ephemeral rests nowhere, so nothing can be said of how it rested.
        let sensitive = part.marks().sensitive && !part.marks().ephemeral;
        if sensitive {
            paths.push(path.clone());
        }
        !sensitive
    });
    paths
}

fn collect_block(block: &Block, value: &Value, at: &Path, paths: &mut Vec<Path>) {
    let Some(entries) = value.as_entries() else { return };
    for (name, attribute) in &block.attributes {
        if let Some(part) = entries.get(name.as_str()) {
            collect_attribute(attribute, part, &at.child(PathStep::Attribute(name.as_str().into())), paths);
        }
    }
    for (name, nested) in &block.blocks {
        if let Some(part) = entries.get(name.as_str()) {
            let at = at.child(PathStep::Attribute(name.as_str().into()));
            each_nested(part, &at, &mut |item, at| collect_block(&nested.block, item, at, paths));
        }
    }
}

fn collect_attribute(attribute: &Attribute, value: &Value, at: &Path, paths: &mut Vec<Path>) {
    if attribute.sensitive {
        paths.push(at.clone());
        return;
    }
    if let AttributeKind::Nested(_, inner) = &attribute.kind {
        each_nested(value, at, &mut |item, at| {
            let Some(entries) = item.as_entries() else { return };
            for (name, attribute) in inner {
                if let Some(part) = entries.get(name.as_str()) {
                    collect_attribute(attribute, part, &at.child(PathStep::Attribute(name.as_str().into())), paths);
                }
            }
        });
    }
}

/// Visits one nested value, or each of several. What lies in a set is at the path of the set.
fn each_nested(value: &Value, at: &Path, visit: &mut dyn FnMut(&Value, &Path)) {
    match value.data() {
        Data::List(_, items) | Data::Tuple(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &at.child(PathStep::Index(index)));
            }
        }
        Data::Set(_, items) => items.iter().for_each(|item| {
            // A secret in a set makes the whole set secret, so where inside does not matter.
            visit(item, at);
        }),
        Data::Map(_, entries) => {
            for (key, item) in entries.iter() {
                visit(item, &at.child(PathStep::Key(std::sync::Arc::clone(key))));
            }
        }
        Data::Object(_) => visit(value, at),
        _ => {}
    }
}

fn mark_derived(block: &Block, state: Value) -> Value {
    let derived: Vec<Path> = block
        .attributes
        .iter()
        .filter(|(_, attribute)| {
            attribute
                .derived_from
                .iter()
                .any(|source| state.get(source).is_some_and(|value| !value.is_null() && value.marks_deep().sensitive))
        })
        .map(|(name, _)| Path::attribute(name.as_str()))
        .collect();
    state.with_marked_paths(derived.iter().map(|path| (path, Marks::SENSITIVE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrue_provider_api::Type;

    #[test]
    fn schema_configuration_and_derivation_mark() {
        let block = Block {
            attributes: [
                ("a".into(), Attribute::optional(Type::String, "").sensitive()),
                ("b".into(), Attribute::optional(Type::String, "")),
                ("c".into(), Attribute::computed(Type::String, "").derived_from(&["b"])),
                ("d".into(), Attribute::computed(Type::String, "")),
            ]
            .into(),
            ..Block::default()
        };
        let state = || Value::object(["a", "b", "c", "d"].map(|name| (name, Value::from("x"))));
        let config = Value::object([("b", Value::from("x").sensitive())]);
        let marked = mark_planned(&block, state(), Some(&config));
        let secret: Vec<&str> =
            ["a", "b", "c", "d"].into_iter().filter(|name| marked.get(name).unwrap().marks().sensitive).collect();
        assert_eq!(secret, ["a", "b", "c"]);
        assert!(!mark_planned(&block, state(), None).get("c").unwrap().marks().sensitive);
    }
}

//! Puts marks back on what a provider returned: providers are given, and give, values without any.

use std::collections::BTreeSet;
use std::sync::Arc;

use retrue_provider_api::secrets::LONG_ENOUGH;
use retrue_provider_api::{Attribute, AttributeKind, Block, Data, Marks, Path, PathStep, Value};

/// The state with its marks: what the schema calls sensitive, what was sensitive in `like` (the
/// configuration, or the record), what is made from such attributes, and what repeats the text of one.
pub fn mark_planned(block: &Block, state: Value, like: Option<&Value>) -> Value {
    marked(block, state, like)
}

/// A configuration with its marks, and those of what its type calls sensitive. What is not set is no secret.
pub fn mark_config(block: &Block, config: Value) -> Value {
    if config.is_null() {
        return config;
    }
    let mut paths: Vec<Path> = Vec::new();
    collect_block(block, &config, &Path::root(), &mut paths);
    paths.retain(|path| path.get(&config).is_some_and(|part| !part.is_null()));
    let config = config.with_marked_paths(paths.iter().map(|path| (path, Marks::SENSITIVE)));
    let mut secrets: BTreeSet<Arc<str>> = BTreeSet::new();
    secret_texts(&config, &mut secrets);
    mark_repeated(config, &secrets)
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
    let mut secrets: BTreeSet<Arc<str>> = BTreeSet::new();
    for like in likes.into_iter().filter(|like| !like.marks_deep().is_empty()) {
        secret_texts(like, &mut secrets);
        let (_, marked) = like.clone().unmark_with_paths();
        // Ephemeral values are kept by no provider but in write-only attributes, which are null.
        let marked: Vec<(Path, Marks)> = marked
            .into_iter()
            .map(|(path, marks)| (path, Marks { ephemeral: false, ..marks }))
            .filter(|(_, marks)| !marks.is_empty())
            .collect();
        state = state.with_marked_paths(marked.iter().map(|(path, marks)| (path, *marks)));
    }
    let state = mark_derived(block, state);
    secret_texts(&state, &mut secrets);
    mark_repeated(state, &secrets)
}

/// The texts that are secret in a value, and long enough not to stand elsewhere by chance.
fn secret_texts(value: &Value, secrets: &mut BTreeSet<Arc<str>>) {
    value.visit(&mut |_, part| {
        if part.marks().is_empty() {
            return true;
        }
        part.visit(&mut |_, leaf| {
            secrets.extend(leaf.as_shared_str().filter(|text| text.trim().chars().count() >= LONG_ENOUGH).cloned());
            true
        });
        false
    });
}

/// What repeats a secret of the same object is as secret: providers have attributes that hold what was set and more
/// (all tags, an address with a password in it), and call none of them sensitive.
fn mark_repeated(state: Value, secrets: &BTreeSet<Arc<str>>) -> Value {
    if secrets.is_empty() {
        return state;
    }
    let mut repeated: Vec<Path> = Vec::new();
    state.visit(&mut |path, part| {
        let text = part.as_str().filter(|_| part.marks().is_empty());
        if text.is_some_and(|text| secrets.iter().any(|secret| text.contains(secret.trim()))) {
            repeated.push(path.clone());
        }
        part.marks().is_empty()
    });
    state.with_marked_paths(repeated.iter().map(|path| (path, Marks::SENSITIVE)))
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

/// The outermost sensitive paths of what is recorded that are so by themselves: without those that are only kept
/// secret because they repeat, or are made from, what is. No other program knows of these.
pub fn own_sensitive_paths(block: &Block, attributes: &Value, config: &Value) -> Vec<Path> {
    let plain = attributes.clone().unmark_deep().0;
    let mut said: Vec<Path> = Vec::new();
    collect_block(block, &plain, &Path::root(), &mut said);
    said.extend(sensitive_paths(config));
    let state = plain.with_marked_paths(said.iter().map(|path| (path, Marks::SENSITIVE)));
    let mut secrets: BTreeSet<Arc<str>> = BTreeSet::new();
    [config, &state].into_iter().for_each(|value| secret_texts(value, &mut secrets));
    let by_themselves = sensitive_paths(&state);
    let mut followed: BTreeSet<Path> =
        sensitive_paths(&mark_repeated(mark_derived(block, state), &secrets)).into_iter().collect();
    by_themselves.iter().for_each(|path| {
        followed.remove(path);
    });
    let own = |path: Path| match followed.contains(&path) {
        true => by_themselves.iter().filter(|own| own.0.starts_with(&path.0)).cloned().collect(),
        false => vec![path],
    };
    sensitive_paths(attributes).into_iter().flat_map(own).collect()
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
                visit(item, &at.child(PathStep::Key(Arc::clone(key))));
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

    #[test]
    fn what_is_not_set_in_a_configuration_is_no_secret() {
        let secret = |name: &str| (name.to_owned(), Attribute::optional(Type::String, "").sensitive());
        let made = ("made".to_owned(), Attribute::computed(Type::String, "").derived_from(&["set"]));
        let block = Block { attributes: [secret("set"), secret("unset"), made].into(), ..Block::default() };
        let null = || Value::null(Type::String);
        let config = Value::object([("set", Value::from("planted")), ("unset", null()), ("made", null())]);
        let names: Vec<String> =
            sensitive_paths(&mark_config(&block, config)).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["set"]);
    }

    #[test]
    fn what_only_repeats_a_secret_is_not_one_by_itself() {
        let names = ["set", "all", "taken", "kept"];
        let text = |name: &str| (name.to_owned(), Attribute::computed(Type::Dynamic, ""));
        let block = Block {
            attributes: names
                .map(text)
                .into_iter()
                .chain([
                    ("key".to_owned(), Attribute::computed(Type::String, "").sensitive()),
                    ("made".to_owned(), Attribute::computed(Type::String, "").derived_from(&["set"])),
                ])
                .collect(),
            ..Block::default()
        };
        let all = |value: Value| Value::map(Type::String, [("k", value), ("l", Value::from("plain"))]);
        let state = Value::object([
            ("set", Value::from("planted-secret")),
            ("all", all(Value::from("its planted-secret"))),
            ("taken", Value::from("another-secret").sensitive()),
            ("key", Value::from("planted-secret")),
            ("made", Value::from("x")),
            ("kept", Value::from("plain")),
        ]);
        let config = Value::object([("set", Value::from("planted-secret").sensitive())]);
        let marked = mark_planned(&block, state.clone(), Some(&config));
        let own = |attributes: &Value, config: &Value| -> Vec<String> {
            own_sensitive_paths(&block, attributes, config).iter().map(ToString::to_string).collect()
        };
        assert_eq!(sensitive_paths(&marked).len(), 5, "{marked:?}");
        assert_eq!(own(&marked, &config), ["key", "set", "taken"]);
        // What a state of Terraform's said stays, where nothing is known of a configuration.
        let bare = Value::object([("all", all(Value::from("planted-secret").sensitive()))]);
        assert_eq!(own(&bare, &Value::null(Type::Dynamic)), ["all[\"k\"]"]);
    }

    #[test]
    fn what_repeats_a_secret_of_the_same_object_is_one() {
        let names = ["set", "all", "url", "short", "pin", "other"];
        let text = |name: &str| (name.to_owned(), Attribute::computed(Type::Dynamic, ""));
        let block = Block { attributes: names.map(text).into(), ..Block::default() };
        let state = Value::object([
            ("set", Value::from("planted-secret")),
            ("all", Value::map(Type::String, [("k", Value::from("planted-secret")), ("l", Value::from("plain"))])),
            ("url", Value::from("db://user:planted-secret@host")),
            ("short", Value::from("a 12345 b")),
            ("pin", Value::from("12345")),
            ("other", Value::from("planted")),
        ]);
        let config = Value::object([
            ("set", Value::from("planted-secret").sensitive()),
            ("pin", Value::from("12345").sensitive()),
        ]);
        let marked = mark_observed(&block, state, None, Some(&config));
        let paths: Vec<String> = sensitive_paths(&marked).iter().map(ToString::to_string).collect();
        assert_eq!(paths, ["all[\"k\"]", "pin", "set", "url"]);
    }
}

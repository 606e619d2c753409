//! The marker: a tag that says which object of ours it is. It is put on with a create, and nothing outside of this
//! crate ever sees it.

use retrue_provider_api::{Block, Data, Marker, Type, Value};

/// The key of the tag.
pub(crate) const KEY: &str = "retrue:object";

/// The value of the tag: a hash, since tags are short and public.
pub(crate) fn text(marker: &Marker) -> String {
    let hash = blake3::hash(marker.to_string().as_bytes()).to_hex();
    hash.chars().take(32).collect()
}

/// A configuration with the marker among its tags; `None` where the attribute takes no tags.
pub(crate) fn marked(block: &Block, attribute: &str, config: &Value, marker: &Marker) -> Option<Value> {
    let kind = block.attributes.get(attribute)?.value_type();
    if kind != Type::map(Type::String) {
        return None;
    }
    let own = (KEY.into(), Value::string(text(marker)));
    let tags = match config.get(attribute)?.data() {
        Data::Null(_) => Value::map(Type::String, [own]),
        Data::Map(_, entries) => {
            let others = entries.iter().filter(|(key, _)| key.as_ref() != KEY);
            Value::map(Type::String, others.map(|(key, value)| (key.clone(), value.clone())).chain([own]))
        }
        _ => return None,
    };
    Some(config.clone().with_attribute(attribute, tags))
}

/// A state without the marker. Where no tag is left, there are none as in `like`: null or an empty map.
pub(crate) fn unmarked(block: &Block, state: Value, like: &Value) -> Value {
    let Some(entries) = state.as_entries() else { return state };
    let bare = |(name, value): (&std::sync::Arc<str>, &Value)| Some((name.clone(), without(value)?));
    let stripped: Vec<_> = entries.iter().filter_map(bare).collect();
    stripped.into_iter().fold(state, |state, (name, tags)| {
        let none = || match (like.get(&name), block.attributes.get(name.as_ref())) {
            (Some(like), _) if like.is_null() || like.as_entries().is_some_and(|tags| tags.is_empty()) => like.clone(),
            (_, Some(attribute)) if !attribute.computed => Value::null(tags.kind()),
            _ => tags.clone(),
        };
        let tags = if tags.as_entries().is_some_and(|tags| tags.is_empty()) { none() } else { tags };
        state.with_attribute(&name, tags)
    })
}

/// A value of which no part shows a marker.
pub(crate) fn unmarked_everywhere(value: Value) -> Value {
    value.map_parts(&mut |_, part| without(&part).unwrap_or(part))
}

/// A map without the marker; `None` where it is none, or has no marker.
fn without(value: &Value) -> Option<Value> {
    let Data::Map(kind, entries) = value.data() else { return None };
    entries.get(KEY)?;
    let others = entries.iter().filter(|(key, _)| key.as_ref() != KEY);
    Some(Value::map(kind.clone(), others.map(|(key, value)| (key.clone(), value.clone()))))
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::Attribute;

    use super::*;

    fn block() -> Block {
        let tags = Type::map(Type::String);
        Block {
            attributes: [
                ("tags".into(), Attribute::optional(tags.clone(), "")),
                ("tags_all".into(), Attribute::optional_computed(tags, "")),
            ]
            .into(),
            ..Block::default()
        }
    }

    fn state(tags: Value, all: Value) -> Value {
        Value::object([("tags", tags), ("tags_all", all)])
    }

    #[test]
    fn what_is_marked_is_as_it_was_without() {
        let marker = Marker {
            lineage: "l".into(),
            environment: "default".into(),
            generation: 1,
            object: "current".into(),
            address: "aws_vpc.a".into(),
        };
        let null = || Value::null(Type::map(Type::String));
        let empty = || Value::map::<&str>(Type::String, []);
        let some = || Value::map(Type::String, [("a", Value::from("b"))]);
        for (tags, all) in [(null(), empty()), (empty(), empty()), (some(), some())] {
            let config = state(tags, all);
            let marked = marked(&block(), "tags", &config, &marker).unwrap();
            let told = marked.get("tags").and_then(|tags| tags.get(KEY)).and_then(Value::as_str);
            assert_eq!(told, Some(text(&marker).as_str()));
            assert_eq!(told.map(str::len), Some(32));
            let answered = state(marked.get("tags").unwrap().clone(), marked.get("tags").unwrap().clone());
            assert_eq!(unmarked(&block(), answered.clone(), &config), config);
            assert_eq!(unmarked_everywhere(answered).get("tags").and_then(|tags| tags.get(KEY)), None);
        }
        let marked = marked(&block(), "tags", &state(null(), null()), &marker).unwrap();
        let answered = state(marked.get("tags").unwrap().clone(), marked.get("tags").unwrap().clone());
        let open = Value::object([("tags", some()), ("tags_all", Value::unknown(Type::map(Type::String)))]);
        assert_eq!(unmarked(&block(), answered, &open), state(null(), empty()));
    }
}

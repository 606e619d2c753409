//! The configuration that brings an object back to what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{
    Attribute, AttributeKind, Block, Category, Data, Entries, NestedBlock, Nesting, Private, ProviderResult, Subject,
    Type, ValidateRequest, Value, proposed_state,
};

use crate::provider::Terraform;
use crate::schema::Kind;
use crate::shape::shape;

/// What is said of that which the configuration leaves open, and which is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// All of it: to a provider, saying nothing of what only a configuration sets means that it is to go.
    Said,
    /// The same, without what is empty inside of blocks: providers read back `""` where nothing was said, and refuse to
    /// be told so.
    Filled,
    /// Nothing: what a provider sets itself stays then, and it may refuse to be told.
    Left,
}

impl Terraform {
    /// The configuration whose application makes an object what it was, and loses nothing of it that nobody asked to
    /// change: one that says all, or, where the provider refuses that, one that says less and keeps it all the same.
    ///
    /// # Errors
    /// The provider refuses the one, and would remove something with the other. The message names it.
    pub(crate) async fn way_to(
        &self,
        type_name: &str,
        kind: &Kind,
        [config, image, now]: [&Value; 3],
        private: &Private,
    ) -> ProviderResult<Value> {
        let block = kind.block();
        let of = |open| configuration_of(kind, config, image, now, open);
        let (said, left) = (of(Open::Said), of(Open::Left));
        let open: Vec<&str> = names(block).filter(|name| said.get(name) != left.get(name)).collect();
        if open.is_empty() || now.is_null() {
            return Ok(left);
        }
        let planned = async |config: &Value| {
            let proposed = shape(kind.form(), &proposed_state(block, now, config));
            self.ask_plan(type_name, kind, config, now, &proposed, private).await
        };
        let mut why = None;
        for candidate in [said, of(Open::Filled)] {
            let subject = Subject::Resource;
            let request = ValidateRequest { subject, type_name: type_name.to_owned(), config: candidate.clone() };
            let refused = match self.validate_config(request).await?.into_iter().find(|told| told.error) {
                Some(told) => told.message,
                None => match planned(&candidate).await {
                    Ok(planned) => match planned.requires_replace.first() {
                        None => return Ok(candidate),
                        Some(path) => format!("`{path}` cannot be brought back in place"),
                    },
                    Err(error) => error.message,
                },
            };
            why.get_or_insert(refused);
        }
        let planned = planned(&left).await?.state;
        let kept = |name: &str| match (planned.get(name), image.get(name)) {
            (Some(planned), Some(was)) => planned.same(was),
            (planned, was) => planned.is_none() && was.is_none(),
        };
        let lost: Vec<String> = open.into_iter().filter(|name| !kept(name)).map(|name| format!("`{name}`")).collect();
        if lost.is_empty() {
            return Ok(left);
        }
        let what = format!("the provider would remove {} with it: {}", lost.join(", "), why.unwrap_or_default());
        Err(self.client.error(Category::Conflict, "update", what))
    }
}

/// All names of a block.
fn names(block: &Block) -> impl Iterator<Item = &str> {
    block.attributes.keys().chain(block.blocks.keys()).map(String::as_str)
}

/// A configuration whose application makes an object of what is there now (`now`, null for a create) what it
/// was (`image`): what `config` sets, with the values that were observed, and what it leaves open where
/// that has changed since, or where `open` says so.
///
/// What only the provider sets is null in it; write-only values are those of `config`.
pub(crate) fn configuration_of(kind: &Kind, config: &Value, image: &Value, now: &Value, open: Open) -> Value {
    let (block, form) = (kind.block(), kind.form());
    let (config, image, now) = (shape(form, config), shape(form, image), shape(form, now));
    let Some(then) = image.as_entries() else { return config };
    let empty = Entries::new();
    let set = config.as_entries().unwrap_or(&empty);
    let mut entries = Entries::new();
    for (name, attribute) in &block.attributes {
        let value = restored(name, attribute, set.get(name.as_str()), then.get(name.as_str()), now.get(name), open);
        entries.insert(name.as_str().into(), value);
    }
    for (name, nested) in &block.blocks {
        let name = name.as_str();
        let configured = set.get(name).cloned().unwrap_or_else(|| Value::null(Type::Dynamic));
        let was = then.get(name).cloned().unwrap_or_else(|| Value::null(Type::Dynamic));
        // Limits of time are the provider's own business, and read from the configuration alone.
        let as_it_was = open == Open::Left && now.get(name).is_some_and(|now| now.same(&was));
        let keep = name == "timeouts" || is_empty(&configured) && (now.is_null() || as_it_was || is_empty(&was));
        let value = if keep { configured } else { settable_blocks(nested, &was, open) };
        entries.insert(name.into(), value);
    }
    shape(form, &Data::Object(Arc::new(entries)).into())
}

fn restored(
    name: &str,
    attribute: &Attribute,
    set: Option<&Value>,
    was: Option<&Value>,
    now: Option<&Value>,
    open: Open,
) -> Value {
    let null = Value::null(attribute.value_type().without_optional());
    if attribute.write_only {
        return set.cloned().unwrap_or(null);
    }
    if !attribute.settable() {
        return null;
    }
    let set = set.filter(|set| !set.is_null());
    let Some(was) = was.filter(|was| !was.is_null()) else {
        // Providers do not return everything that they were given.
        return set.cloned().unwrap_or(null);
    };
    let changed = now.is_some_and(|now| !now.same(was));
    let wanted = match (set.is_some(), attribute.computed) {
        (true, _) => true,
        (false, true) => changed && name != "id",
        (false, false) => !is_empty(was) && (open != Open::Left || changed || now.is_none()),
    };
    if !wanted {
        return null;
    }
    match &attribute.kind {
        AttributeKind::Value(_) => was.clone(),
        AttributeKind::Nested(_, inner) => settable_nested(inner, was, open),
    }
}

/// Whether a value says as much as none at all.
fn is_empty(value: &Value) -> bool {
    match value.data() {
        Data::Null(_) | Data::Bool(false) => true,
        Data::Number(number) => number.is_zero(),
        Data::String(text) => text.is_empty(),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => items.is_empty(),
        Data::Map(_, entries) => entries.is_empty(),
        Data::Object(entries) => entries.values().all(is_empty),
        Data::Bool(true) | Data::Unknown(..) => false,
    }
}

/// Each object in a value, as `change` makes it.
fn each(value: &Value, change: &dyn Fn(&Entries) -> Entries) -> Value {
    let changed = |value: &Value| match value.data() {
        Data::Object(entries) => Data::Object(Arc::new(change(entries))).into(),
        _ => value.clone(),
    };
    match value.data() {
        Data::List(kind, items) => Value::list(kind.clone(), items.iter().map(changed)),
        Data::Set(kind, items) => Value::set(kind.clone(), items.iter().map(changed)),
        Data::Tuple(items) => Value::tuple(items.iter().map(changed)),
        Data::Map(kind, entries) => {
            Value::map(kind.clone(), entries.iter().map(|(key, item)| (Arc::clone(key), changed(item))))
        }
        _ => changed(value),
    }
}

fn settable_nested(attributes: &BTreeMap<String, Attribute>, value: &Value, open: Open) -> Value {
    each(value, &|entries| settable_attributes(attributes, entries, open))
}

fn settable_attributes(attributes: &BTreeMap<String, Attribute>, entries: &Entries, open: Open) -> Entries {
    let keep = |(name, value): (&Arc<str>, &Value)| {
        let unsaid = |attribute: &Attribute| {
            !attribute.settable() || open == Open::Filled && !attribute.required && is_empty(value)
        };
        let value = match attributes.get(name.as_ref()) {
            Some(attribute) if unsaid(attribute) => Value::null(attribute.value_type().without_optional()),
            Some(Attribute { kind: AttributeKind::Nested(_, inner), .. }) => settable_nested(inner, value, open),
            _ => value.clone(),
        };
        (Arc::clone(name), value)
    };
    entries.iter().map(keep).collect()
}

fn settable_blocks(nested: &NestedBlock, value: &Value, open: Open) -> Value {
    let one = |entries: &Entries| -> Entries {
        let mut kept = settable_attributes(&nested.block.attributes, entries, open);
        for (name, inner) in &nested.block.blocks {
            if let Some(value) = entries.get(name.as_str()) {
                kept.insert(name.as_str().into(), settable_blocks(inner, value, open));
            }
        }
        kept
    };
    match (nested.nesting, value.data()) {
        // A map block with types of its own is an object of objects.
        (Nesting::Map, Data::Object(entries)) => {
            Value::object(entries.iter().map(|(key, item)| (Arc::clone(key), each(item, &one))))
        }
        _ => each(value, &one),
    }
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::TypeSchema;

    use super::*;

    fn thing() -> Arc<Kind> {
        Kind::of(Arc::new(TypeSchema { block: block(), ..TypeSchema::default() }))
    }

    fn block() -> Block {
        let rule = Block {
            attributes: [
                ("port".into(), Attribute::required(Type::Number, "")),
                ("id".into(), Attribute::computed(Type::String, "")),
            ]
            .into(),
            ..Block::default()
        };
        Block {
            attributes: [
                ("name".into(), Attribute::required(Type::String, "")),
                ("note".into(), Attribute::optional(Type::String, "")),
                ("size".into(), Attribute::optional_computed(Type::Number, "")),
                ("arn".into(), Attribute::computed(Type::String, "")),
                ("token".into(), Attribute::optional(Type::String, "").write_only()),
            ]
            .into(),
            blocks: [("rule".into(), NestedBlock { nesting: Nesting::List, block: rule, minimum: 0, maximum: 0 })]
                .into(),
            ..Block::default()
        }
    }

    #[test]
    fn what_was_observed_returns_where_it_can_be_set() {
        let rule = |port: i64| Value::object([("port", Value::from(port)), ("id", Value::from("r"))]);
        let kind = rule(1).kind();
        let state = |note: &str, size: i64, port: i64| {
            Value::object([
                ("name", Value::from("n")),
                ("note", Value::from(note)),
                ("size", Value::from(size)),
                ("arn", Value::from("a")),
                ("rule", Value::list(kind.clone(), [rule(port)])),
            ])
        };
        let config = Value::object([("name", Value::from("n")), ("token", Value::from("t"))]);
        let (then, now) = (state("by hand", 8, 80), state("by hand", 9, 443));
        let less = configuration_of(&thing(), &config, &then, &now, Open::Left);
        assert_eq!(less.get("note"), Some(&Value::null(Type::String)), "it is as it was");
        let back = configuration_of(&thing(), &config, &then, &now, Open::Said);
        assert_eq!(back.get("note"), Some(&Value::from("by hand")), "it is as it was, and stays");
        assert_eq!(back.get("size"), Some(&Value::from(8i64)));
        assert_eq!(back.get("arn"), Some(&Value::null(Type::String)));
        assert_eq!(back.get("token"), Some(&Value::from("t")));
        let rules = back.get("rule").and_then(Value::as_items).unwrap();
        assert_eq!(rules[0].get("port"), Some(&Value::from(80i64)));
        assert_eq!(rules[0].get("id"), Some(&Value::null(Type::String)));
        let as_it_was = configuration_of(&thing(), &config, &then, &then, Open::Said);
        assert_eq!(as_it_was.get("rule").and_then(Value::as_items).map(<[Value]>::len), Some(1), "blocks stay, too");
        let made = configuration_of(&thing(), &config, &then, &Value::null(Type::Dynamic), Open::Said);
        assert_eq!(made.get("note"), Some(&Value::from("by hand")));
        assert_eq!(made.get("size"), Some(&Value::null(Type::Number)));
    }
}

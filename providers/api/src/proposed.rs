//! The proposed state: what is configured, with what the provider computed before.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::schema::{Attribute, AttributeKind, Block, Nesting};
use crate::types::Type;
use crate::value::{Data, Entries, Value};

/// Merges a configuration over what is there: what is set wins, and what the configuration leaves
/// open and the provider computes keeps its prior value.
///
/// A create (null `prior`) proposes the configuration itself. The rules are those of Terraform's
/// `ProposedNew`: list items pair by index, map items by key, set items by what is not computed.
pub fn proposed_state(block: &Block, prior: &Value, config: &Value) -> Value {
    if prior.is_null() || config.is_null() || !config.is_known() || !prior.is_known() {
        return config.clone();
    }
    let (Some(prior), Some(config)) = (prior.as_entries(), config.as_entries()) else { return config.clone() };
    let mut entries = merge_attributes(&block.attributes, prior, config);
    for (name, nested) in &block.blocks {
        let Some(configured) = config.get(name.as_str()) else { continue };
        let before = prior.get(name.as_str());
        let merged = merge_nested(
            nested.nesting,
            before,
            configured,
            &|before, after| proposed_state(&nested.block, before, after),
            &|value| blank_computed_block(&nested.block, value),
        );
        entries.insert(name.as_str().into(), merged);
    }
    Value::from(Data::Object(Arc::new(entries)))
}

fn merge_attributes(attributes: &BTreeMap<String, Attribute>, prior: &Entries, config: &Entries) -> Entries {
    let mut merged = Entries::new();
    for (name, attribute) in attributes {
        let Some(configured) = config.get(name.as_str()) else { continue };
        let before = prior.get(name.as_str());
        let value = match (&attribute.kind, before) {
            (_, Some(before)) if attribute.computed && configured.is_null() && !attribute.write_only => before.clone(),
            (AttributeKind::Nested(nesting, inner), Some(_)) if !configured.is_null() => merge_nested(
                *nesting,
                before,
                configured,
                &|before, after| match (before.as_entries(), after.as_entries()) {
                    (Some(before), Some(after)) => {
                        Value::from(Data::Object(Arc::new(merge_attributes(inner, before, after))))
                    }
                    _ => after.clone(),
                },
                &|value| blank_computed(inner, value),
            ),
            _ => configured.clone(),
        };
        merged.insert(name.as_str().into(), value);
    }
    merged
}

type Merge<'m> = &'m dyn Fn(&Value, &Value) -> Value;
type Blank<'b> = &'b dyn Fn(&Value) -> Value;

fn merge_nested(nesting: Nesting, prior: Option<&Value>, config: &Value, merge: Merge<'_>, blank: Blank<'_>) -> Value {
    let Some(prior) = prior.filter(|prior| prior.is_known() && !prior.is_null()) else { return config.clone() };
    if config.is_null() || !config.is_known() {
        return config.clone();
    }
    match (nesting, config.data(), prior.data()) {
        (Nesting::Single | Nesting::Group, ..) => merge(prior, config),
        (Nesting::List, Data::List(kind, items), Data::List(_, before)) => {
            Value::list(kind.clone(), pair_by_index(items, before, merge))
        }
        (Nesting::List, Data::Tuple(items), Data::Tuple(before)) => Value::tuple(pair_by_index(items, before, merge)),
        (Nesting::Map, Data::Map(kind, entries), Data::Map(_, before)) => {
            Value::map(kind.clone(), pair_by_key(entries, before, merge))
        }
        (Nesting::Map, Data::Object(entries), Data::Object(before)) => {
            Value::object(pair_by_key(entries, before, merge))
        }
        (Nesting::Set, Data::Set(kind, items), Data::Set(_, before)) => {
            let mut unused: Vec<(Value, &Value)> = before.iter().map(|item| (blank(item), item)).collect();
            let merged: Vec<Value> = items
                .iter()
                .map(|item| {
                    let blanked = blank(item);
                    match unused.iter().position(|(candidate, _)| candidate.same(&blanked)) {
                        Some(at) => merge(unused.swap_remove(at).1, item),
                        None => item.clone(),
                    }
                })
                .collect();
            Value::set(kind.clone(), merged)
        }
        _ => config.clone(),
    }
}

fn pair_by_index(items: &[Value], before: &[Value], merge: Merge<'_>) -> Vec<Value> {
    items
        .iter()
        .enumerate()
        .map(|(index, item)| before.get(index).map_or_else(|| item.clone(), |before| merge(before, item)))
        .collect()
}

fn pair_by_key(entries: &Entries, before: &Entries, merge: Merge<'_>) -> Vec<(Arc<str>, Value)> {
    entries
        .iter()
        .map(|(key, item)| {
            (Arc::clone(key), before.get(key).map_or_else(|| item.clone(), |before| merge(before, item)))
        })
        .collect()
}

fn blank_computed(attributes: &BTreeMap<String, Attribute>, value: &Value) -> Value {
    let Some(entries) = value.as_entries() else { return value.clone() };
    Value::object(entries.iter().map(|(name, value)| {
        let blank = attributes.get(name.as_ref()).is_some_and(|attribute| attribute.computed);
        (Arc::clone(name), if blank { Value::null(Type::Dynamic) } else { value.clone() })
    }))
}

fn blank_computed_block(block: &Block, value: &Value) -> Value {
    blank_computed(&block.attributes, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::NestedBlock;

    fn block() -> Block {
        let inner = Block {
            attributes: [
                ("name".into(), Attribute::required(Type::String, "")),
                ("id".into(), Attribute::computed(Type::String, "")),
            ]
            .into(),
            ..Block::default()
        };
        let nested = |nesting| NestedBlock { nesting, block: inner.clone(), minimum: 0, maximum: 0 };
        Block {
            attributes: [
                ("id".into(), Attribute::computed(Type::String, "")),
                ("size".into(), Attribute::optional_computed(Type::Number, "")),
                ("note".into(), Attribute::optional(Type::String, "")),
            ]
            .into(),
            blocks: [("rule".into(), nested(Nesting::Set)), ("step".into(), nested(Nesting::List))].into(),
            ..Block::default()
        }
    }

    fn item(name: &str, id: Option<&str>) -> Value {
        Value::object([("name", name.into()), ("id", id.map_or(Value::null(Type::String), Value::from))])
    }

    fn state(id: Option<&str>, size: Option<i64>, note: Option<&str>, items: &[Value]) -> Value {
        let kind = Type::object([("name", Type::String), ("id", Type::String)]);
        Value::object([
            ("id", id.map_or(Value::null(Type::String), Value::from)),
            ("size", size.map_or(Value::null(Type::Number), Value::from)),
            ("note", note.map_or(Value::null(Type::String), Value::from)),
            ("rule", Value::set(kind.clone(), items.to_vec())),
            ("step", Value::list(kind, items.to_vec())),
        ])
    }

    #[test]
    fn computed_values_stay_and_removed_ones_go() {
        let prior = state(Some("i-1"), Some(8), Some("old"), &[item("a", Some("r-1")), item("b", Some("r-2"))]);
        let config = state(None, None, None, &[item("b", None), item("c", None)]);
        let proposed = proposed_state(&block(), &prior, &config);
        assert_eq!(proposed.get("id"), Some(&Value::from("i-1")));
        assert_eq!(proposed.get("size"), Some(&Value::from(8i64)));
        assert_eq!(proposed.get("note"), Some(&Value::null(Type::String)));
        let rules = proposed.get("rule").unwrap();
        assert!(rules.as_items().unwrap().contains(&item("b", Some("r-2"))));
        assert!(rules.as_items().unwrap().contains(&item("c", None)));
        assert_eq!(proposed.get("step").unwrap().as_items().unwrap()[0], item("b", Some("r-1")));
    }

    #[test]
    fn a_create_proposes_the_configuration() {
        let config = state(None, Some(1), None, &[]);
        assert_eq!(proposed_state(&block(), &Value::null(Type::Dynamic), &config), config);
    }
}
